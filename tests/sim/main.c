// SPDX-License-Identifier: GPL-2.0
/*
 * sim --seeds N [--first S] [--jobs J]   N seeds on J processors (all), silent unless one fails;
 *                                        then its trace
 * sim --seed S [-v]                      one seed again, exactly
 * sim --crash-points [--seeds N] [--first S]
 *                             each seed once for each point at which a node could die (metadata
 *                             write, flush, message, disk operation), in a short life, dying there
 * sim --seed S --crash-at P -v           one of these
 * sim --mutations [--seeds N]            each deliberate mistake must be caught within N seeds
 * sim --mutation NAME --seed S [-v]      one of them, one seed
 * sim --mutation NAME [--seeds N]        the first seed that catches it
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "jobs.h"
#include "sim.h"

#define STEPS		2500
#define SHORT_STEPS	350		/* of a life for each crash point */

#define MUTATION_NAME(name, text)	text,

static const char *const mutation_names[MUT_NR] = { "none", MUTATIONS(MUTATION_NAME) };

static bool run_seed(u64 seed, enum mutation m, bool verbose)
{
	world_init(seed, m, verbose);
	return world_run(STEPS);
}

static int report(u64 seed, enum mutation m)
{
	run_seed(seed, m, true);
	printf("sim: seed %llu failed: %s\n", (unsigned long long)seed, w.why);
	return 1;
}

static const char *const stat_names[STAT_NR] = {
	"requests", "crashes", "resyncs", "splits", "rounds", "by marks", "full", "copied",
	"compared", "stale messages", "P3 checks", "disks given up", "served", "pulled",
	"surrenders", "strays",
};

static bool one_seed(u64 seed)
{
	bool ok = run_seed(seed, MUT_NONE, false);
	u32 i;

	for (i = 0; i < STAT_NR; i++)
		jobs_add(i, w.stat[i]);
	return ok;
}

static u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000 + (u64)ts.tv_nsec / 1000000;
}

static int run_seeds(u64 first, u64 nr, u32 jobs)
{
	u64 begin = now_ms(), failed = jobs_run(first, nr, jobs, 16, one_seed);
	u32 i;

	if (failed != ~0ull)
		return report(failed, MUT_NONE);
	printf("  SIM     %llu seeds, %llu a second:", (unsigned long long)nr,
	       (unsigned long long)(nr * 1000 / (now_ms() - begin + 1)));
	for (i = 0; i < STAT_NR; i++)
		printf(" %llu %s%s", (unsigned long long)jobs_sum(i), stat_names[i],
		       i + 1 < STAT_NR ? "," : "\n");
	return 0;
}

/*
 * ---- crash points -------------------------------------------------------------------------------
 */

/* Fate throws no crashes of its own: crash_at says which, ~0 none. */
static bool run_to_point(u64 seed, u64 point, bool verbose)
{
	world_init(seed, MUT_NONE, verbose);
	w.crash_at = point;
	return world_run(SHORT_STEPS);
}

static bool every_point(u64 seed)
{
	u64 points, i;
	bool ok = run_to_point(seed, ~0ull, false);

	points = w.points;
	for (i = 1; i <= points && ok; i++) {
		ok = run_to_point(seed, i, false);
		jobs_add(0, 1);
	}
	if (!ok)
		printf("sim: --seed %llu --crash-at %llu failed: %s\n", (unsigned long long)seed,
		       (unsigned long long)w.crash_at, w.why);
	return ok;
}

static int run_points(u64 first, u64 nr, u32 jobs)
{
	if (jobs_run(first, nr, jobs, 1, every_point) != ~0ull)
		return 1;
	printf("  SIM     %llu crash points of %llu seeds\n", (unsigned long long)jobs_sum(0),
	       (unsigned long long)nr);
	return 0;
}

/*
 * ---- mutations ----------------------------------------------------------------------------------
 */

static u64 nr_seeds;

static u64 catch(enum mutation m, u64 from)
{
	while (from < nr_seeds && run_seed(from, m, false))
		from++;
	if (from < nr_seeds)
		printf("  CAUGHT  %-24s seed %llu: %s\n", mutation_names[m],
		       (unsigned long long)from, w.why);
	else
		printf("  MISSED  %s\n", mutation_names[m]);
	return from;
}

static bool one_mutation(u64 m)
{
	jobs_add(0, catch((enum mutation)m, 0) >= nr_seeds);
	return true;
}

static int run_mutations(u32 jobs)
{
	int missed;

	if (jobs_run(MUT_NONE + 1, MUT_NR - 1, jobs, 1, one_mutation) != ~0ull)
		return 1;
	missed = (int)jobs_sum(0);
	printf("%d passed, %d failed\n", MUT_NR - 1 - missed, missed);
	return missed ? 1 : 0;
}

static const char *text(int argc, char **argv, const char *name)
{
	int i;

	for (i = 1; i + 1 < argc; i++)
		if (!strcmp(argv[i], name))
			return argv[i + 1];
	return NULL;
}

static enum mutation mutation_named(const char *name)
{
	u32 m;

	for (m = 0; name && m < MUT_NR; m++)
		if (!strcmp(mutation_names[m], name))
			return (enum mutation)m;
	if (name) {
		fprintf(stderr, "sim: no mutation %s\n", name);
		exit(2);
	}
	return MUT_NONE;
}

static u64 number(int argc, char **argv, const char *name, u64 otherwise)
{
	const char *t = text(argc, argv, name);

	return t ? strtoull(t, NULL, 0) : otherwise;
}

static bool flag(int argc, char **argv, const char *name)
{
	int i;

	for (i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	u64 seed = number(argc, argv, "--seed", ~0ull);
	enum mutation m = mutation_named(text(argc, argv, "--mutation"));
	u32 jobs = (u32)number(argc, argv, "--jobs", jobs_default());

	u64 point = number(argc, argv, "--crash-at", 0);

	nr_seeds = number(argc, argv, "--seeds", 20000);
	if (flag(argc, argv, "--crash-points"))
		return run_points(number(argc, argv, "--first", 0), nr_seeds, jobs);
	if (flag(argc, argv, "--mutations"))
		return run_mutations(jobs);
	if (seed == ~0ull && m)
		return catch(m, 0) >= nr_seeds;
	if (seed == ~0ull)
		return run_seeds(number(argc, argv, "--first", 0), nr_seeds, jobs);
	if (point ? run_to_point(seed, point, flag(argc, argv, "-v")) :
		    run_seed(seed, m, flag(argc, argv, "-v")))
		return 0;
	printf("sim: seed %llu failed: %s\n", (unsigned long long)seed, w.why);
	return 1;
}
