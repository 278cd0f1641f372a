// SPDX-License-Identifier: GPL-2.0
/*
 * sim --seeds N [--first S] [--jobs J]   N seeds on J processors (all), silent unless one fails;
 *                                        then its trace
 * sim --seed S [-v]                      one seed again, exactly
 * sim --mutations [--seeds N]            each deliberate mistake must be caught within N seeds
 * sim --mutation M --seed S [-v]         one of them, one seed
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "jobs.h"
#include "sim.h"

#define STEPS		2500
#define QUIET_STEPS	3000

struct world w;

static const char *const mutation_names[MUT_NR] = {
	"none", "complete-before-narrow", "complete-on-local", "ack-before-disk",
	"clear-before-ack", "no-orphan-mark",
	"target-stays-consistent", "flush-local-only",
	"crash-unnoticed", "maps-survive-crash", "no-ranges", "cut-resync-alone", "promote-unasked",
	"alone-without-mark", "sync-done-early",
	"narrow-without-flush",
};

void world_fail(const char *fmt, ...)
{
	va_list ap;

	if (w.failed)
		return;
	w.failed = true;
	va_start(ap, fmt);
	vsnprintf(w.why, sizeof(w.why), fmt, ap);
	va_end(ap);
	trace("FAILED: %s", w.why);
}

void trace(const char *fmt, ...)
{
	va_list ap;

	if (!w.verbose)
		return;
	printf("%6llu  ", (unsigned long long)w.now);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

/* xorshift64*: the same everywhere. */
u64 roll(u64 n)
{
	w.rng ^= w.rng >> 12;
	w.rng ^= w.rng << 25;
	w.rng ^= w.rng >> 27;
	return (w.rng * 0x2545f4914f6cdd1dull >> 33) % n;
}

static void run_disk(struct node *nd)
{
	u64 boot_id = nd->boot_id;
	int i;

	for (i = 0; i < MAX_OPS && nd->disk.nr_ops && nd->alive && nd->boot_id == boot_id; i++) {
		struct op op;

		if (nd->disk.op[i].type == OP_NONE || nd->disk.op[i].due > w.now)
			continue;
		op = nd->disk.op[i];
		disk_retire(&nd->disk, &nd->disk.op[i]);
		disk_apply(&nd->disk, &op);
		if (op.req)
			io_local_done(nd, op.req);
		else
			net_op_done(nd, &op);
	}
}

static void run_messages(void)
{
	struct message *next;
	int i;

	do {
		next = NULL;
		for (i = 0; i < MAX_MSGS && w.nr_msgs; i++)
			if (w.msg[i].used && w.msg[i].due <= w.now &&
			    (!next || w.msg[i].order < next->order))
				next = &w.msg[i];
		if (next)
			net_deliver(next);
	} while (next && !w.failed);
}

/* A demotion waits until nothing is in flight, then flushes both sides. */
static void run_demotion(struct node *nd)
{
	if (!nd->demoting || io_in_flight(nd))
		return;
	nd->demoting = false;
	if (nd->st.role != LOCKSTEP_ROLE_PRIMARY || nd->st.link == LOCKSTEP_LINK_OPENING)
		return;
	disk_flush(&nd->disk);
	if (nd->st.link == LOCKSTEP_LINK_UP && !nd->s.lost_at && other(nd)->alive)
		disk_flush(&other(nd)->disk);
	node_step(nd, STATE_EV_DEMOTE, 0);
}

static void run_application(struct node *nd)
{
	u32 first = (u32)roll(NR_SECT), nr = 1 + (u32)roll(roll(2) ? 8 : MAX_WRITE_SECT);

	if (!nd->rw || nd->demoting || w.quiet || roll(4))
		return;
	if (roll(8) == 0) {
		io_submit(nd, 0, 0, true, false);
		return;
	}
	if (roll(3) == 0)
		first = 0;			/* some overlap more than others */
	io_submit(nd, first, min(nr, NR_SECT - first), false, roll(10) == 0);
}

static void run_node(struct node *nd)
{
	int i;

	if (!nd->alive) {
		if (w.now >= nd->restart_at)
			node_attach(nd);
		return;
	}
	if (nd->s.lost_at && w.now >= nd->s.lost_at)
		node_lose_session(nd);
	run_disk(nd);
	/* Whoever a range let go starts here. */
	for (i = 0; nd->alive && i < MAX_REQS; i++)
		if (nd->req[i].state == REQ_HELD) {
			io_release(nd);
			break;
		}
	if (nd->alive)
		run_application(nd);
	if (nd->alive)
		sync_advance(nd);
	if (nd->alive)
		run_demotion(nd);
}

/* What people and fate do. */
static void run_fate(void)
{
	struct node *nd = &w.node[roll(2)];

	switch (roll(400)) {
	case 0:
		if (nd->alive)
			node_crash(nd);
		if (roll(4) == 0 && other(nd)->alive)
			node_crash(other(nd));	/* the same power line */
		break;
	case 1:
	case 2:
		w.link_up = !w.link_up;
		trace("link is %s", w.link_up ? "up" : "cut");
		if (!w.link_up)
			net_break();
		break;
	case 3:
	case 4:
	case 5:
		if (nd->alive)
			node_step(nd, STATE_EV_PROMOTE, roll(12) == 0);
		break;
	case 6:
		nd->demoting = nd->alive && nd->st.role == LOCKSTEP_ROLE_PRIMARY;
		break;
	case 7:
		if (nd->alive && nd->st.role == LOCKSTEP_ROLE_SECONDARY && roll(3) == 0)
			node_close(nd);
		break;
	case 8:
		if (nd->alive && nd->s.id && roll(2)) {
			trace("session %llu breaks", (unsigned long long)nd->s.id);
			net_break();
		}
		break;
	}
}

static bool is_settled(void)
{
	struct node *a = &w.node[0], *b = &w.node[1];

	return a->alive && b->alive && a->st.link == LOCKSTEP_LINK_UP &&
	       b->st.link == LOCKSTEP_LINK_UP && a->st.sync == STATE_SYNC_NONE &&
	       b->st.sync == STATE_SYNC_NONE && !io_in_flight(a) && !io_in_flight(b);
}

static void tick(void)
{
	int i;

	w.now++;
	if (!w.quiet)
		run_fate();
	run_messages();
	for (i = 0; i < 2 && !w.failed; i++)
		run_node(&w.node[i]);
	if (!w.failed)
		daemon_advance();
	if (!w.failed)
		check_step();
}

static void init_world(u64 seed, enum mutation m, bool verbose)
{
	int i;

	memset(&w, 0, sizeof(w));
	w.seed = seed;
	w.rng = (seed + 1) * 0x9e3779b97f4a7c15ull;
	w.mutation = m;
	w.verbose = verbose;
	w.link_up = true;
	w.next_id = 100;
	for (i = 0; i < 2; i++) {
		w.node[i].n = i;
		w.node[i].external = roll(2);
		node_init_disk(&w.node[i]);
	}
}

/* Quiet at the end: everything heals, both must come to agree by themselves. */
static bool run_seed(u64 seed, enum mutation m, bool verbose)
{
	int i;

	init_world(seed, m, verbose);
	for (i = 0; i < STEPS && !w.failed; i++)
		tick();
	w.quiet = true;
	w.link_up = true;
	net_break();
	trace("quiet");
	for (i = 0; i < QUIET_STEPS && !w.failed && (i < 400 || !is_settled()); i++)
		tick();
	CHECK(is_settled(), "P10: not settled after everything healed");
	return !w.failed;
}

static int report(u64 seed, enum mutation m)
{
	run_seed(seed, m, true);
	printf("sim: seed %llu failed: %s\n", (unsigned long long)seed, w.why);
	return 1;
}

enum { NR_WRITES, NR_CRASHES, NR_SYNCS, NR_SPLITS };

static bool one_seed(u64 seed)
{
	bool ok = run_seed(seed, MUT_NONE, false);

	jobs_add(NR_WRITES, w.stats_writes);
	jobs_add(NR_CRASHES, w.stats_crashes);
	jobs_add(NR_SYNCS, w.stats_syncs);
	jobs_add(NR_SPLITS, w.stats_splits);
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

	if (failed != ~0ull)
		return report(failed, MUT_NONE);
	printf("  SIM     %llu seeds, %llu a second; %llu requests, %llu crashes, %llu resyncs,"
	       " %llu splits\n",
	       (unsigned long long)nr,
	       (unsigned long long)(nr * 1000 / (now_ms() - begin + 1)),
	       (unsigned long long)jobs_sum(NR_WRITES), (unsigned long long)jobs_sum(NR_CRASHES),
	       (unsigned long long)jobs_sum(NR_SYNCS), (unsigned long long)jobs_sum(NR_SPLITS));
	return 0;
}

static u64 mutation_seeds;

static bool one_mutation(u64 m)
{
	u64 i;

	for (i = 0; i < mutation_seeds && run_seed(i, (enum mutation)m, false); i++)
		;
	if (i < mutation_seeds) {
		printf("  CAUGHT  %-24s seed %llu: %s\n", mutation_names[m], (unsigned long long)i,
		       w.why);
	} else {
		printf("  MISSED  %s\n", mutation_names[m]);
		jobs_add(0, 1);
	}
	return true;
}

static int run_mutations(u64 seeds, u32 jobs)
{
	int missed;

	mutation_seeds = seeds;
	if (jobs_run(MUT_NONE + 1, MUT_NR - 1, jobs, 1, one_mutation) != ~0ull)
		return 1;
	missed = (int)jobs_sum(0);
	printf("%d passed, %d failed\n", MUT_NR - 1 - missed, missed);
	return missed ? 1 : 0;
}

static u64 number(int argc, char **argv, const char *name, u64 otherwise)
{
	int i;

	for (i = 1; i + 1 < argc; i++)
		if (!strcmp(argv[i], name))
			return strtoull(argv[i + 1], NULL, 0);
	return otherwise;
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
	enum mutation m = (enum mutation)(number(argc, argv, "--mutation", 0) % MUT_NR);
	u32 jobs = (u32)number(argc, argv, "--jobs", jobs_default());

	if (flag(argc, argv, "--mutations"))
		return run_mutations(number(argc, argv, "--seeds", 3000), jobs);
	if (seed == ~0ull)
		return run_seeds(number(argc, argv, "--first", 0),
				 number(argc, argv, "--seeds", 1000), jobs);
	if (run_seed(seed, m, flag(argc, argv, "-v")))
		return 0;
	printf("sim: seed %llu failed: %s\n", (unsigned long long)seed, w.why);
	return 1;
}
