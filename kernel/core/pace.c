// SPDX-License-Identifier: GPL-2.0
/*
 * The slowest few, not the mean: an application feels those, and a mean hides that one request in
 * thirty waits behind a run of ours. Counts instead of samples: they are what completions on many
 * processors can add to without a lock, and any quantile can be had from them.
 */
#include "pace.h"

#define FIRST_SHIFT	12u		/* 4096 ns: the first bucket's length */
#define OCTAVE_SHIFT	3u
#define OCTAVE		(1u << OCTAVE_SHIFT)

#define TOLERANCE	3u		/* buckets above the baseline: by 30 percent */
#define CHANCE		5u		/* of any number, so few slow ones are chance */
#define PART		200u		/* of many, the slowest part is */
#define ENOUGH		500u		/* requests to decide by: they tell the slowest hundredth */
#define FEW		16u		/* ... of a class, after the time is up */
#define SPARSE		8u		/* fewer in SPARSE_US do not ask for pacing */
#define DECIDE_US	50000u		/* between two decisions at least */
#define DECIDE_RESTS	2u		/* ... and so many rests: with none in it nothing shows */
#define LATE_US		600000u		/* with fewer than ENOUGH */
#define SPARSE_US	1000000u
#define PROBE_EVERY_US	5000000u	/* from one probe to the next */
#define PROBE_NEW_US	500000u		/* ... of requests of which nothing is known */
#define PROBE_US	250000u		/* of a pause with fewer than ENOUGH */
#define BASE_ONE	64u		/* a request, in the baseline */
#define DEEP_US		50000u		/* what is in flight takes longer: a long queue */
#define REST_TIMES	200u
#define BURST_RUNS	16u		/* scattered blocks: each costs as much as a long run */
#define RUN_MIN		(16u << 10)
#define RUN_MAX		(1u << 20)
#define GROW_MIN	(16u << 10)

void pace_init(struct pace *p)
{
	*p = (struct pace){ .window_bytes = PACE_WINDOW_FREE, .phase = PACE_FREE };
}

u32 pace_bucket(u64 ns)
{
	u64 v = ns >> FIRST_SHIFT;
	u32 octave = 0, i;

	if (v < OCTAVE)
		return (u32)v;
	while (v >= 2 * OCTAVE) {
		v >>= 1;
		octave++;
	}
	i = (octave + 1) * OCTAVE + (u32)(v - OCTAVE);
	return i < PACE_BUCKETS ? i : PACE_BUCKETS - 1;
}

u32 pace_run_bytes(const struct pace *p, u32 burst_bytes, u32 burst_runs)
{
	u32 bytes = RUN_MIN;

	if (p->rest_us)
		return burst_runs < BURST_RUNS && burst_bytes < p->window_bytes ?
		       p->window_bytes - burst_bytes : 0;
	while (bytes < RUN_MAX && bytes * 8 <= p->window_bytes)
		bytes *= 2;
	return bytes;
}

/*
 * Those of one bucket that have come since `before`; it may seem that some have gone, because they
 * are counted without a lock.
 */
static u32 since(const u32 *now, const u32 *before, u32 i)
{
	u32 n = now[i] - before[i];

	return n < 1u << 31 ? n : 0;
}

/* Of the requests since `seen`. */
static u32 samples(const struct pace *p, const struct pace_counts *now, u32 class)
{
	u32 i, n = 0;

	for (i = 0; i < PACE_BUCKETS; i++)
		n += since(now->n[class], p->seen.n[class], i);
	return n;
}

/* In the baseline, in parts of BASE_ONE; 0: too few to tell anything. */
static u32 known(const struct pace *p, u32 class)
{
	u32 i, n = 0;

	for (i = 0; i < PACE_BUCKETS; i++)
		n += p->base.n[class][i];
	return n < FEW * BASE_ONE ? 0 : n;
}

static u32 samples_all(const struct pace *p, const struct pace_counts *now)
{
	return samples(p, now, PACE_READ) + samples(p, now, PACE_WRITE);
}

/* Bucket + 1 of the slowest of `now` that are not in `before`, after so many that are slower. */
static u32 slow_bucket(const u32 *now, const u32 *before, u32 slower)
{
	u32 i, here;

	for (i = PACE_BUCKETS; i > 1; i--) {
		here = since(now, before, i - 1);
		if (here > slower)
			break;
		slower -= here;
	}
	return i;
}

static void look_from(struct pace *p, const struct pace_now *now)
{
	p->seen = *now->counts;
	p->since_us = now->now_us;
	p->done_bytes = now->done_bytes;
}

/*
 * Would a step less, which may be half of it, be too slow? With half as much again it is as fast as
 * it has to be in the mean. took_us: some seconds at most.
 */
static bool is_behind(const struct pace *p, const struct pace_now *now, u64 took_us)
{
	u64 done = (now->done_bytes - p->done_bytes) * 1000000;

	return p->window_bytes < PACE_WINDOW_FLOOR &&
	       done < now->floor_bytes_s * took_us * 3 / 2;
}

/* What was known well counts half: one odd pause does not turn everything over. */
static void learn_class(struct pace *p, const struct pace_counts *now, u32 class)
{
	u32 i, halve = known(p, class) > 4 * FEW * BASE_ONE;

	if (!samples(p, now, class))
		return;
	for (i = 0; i < PACE_BUCKETS; i++)
		p->base.n[class][i] = (p->base.n[class][i] >> halve) +
				      since(now->n[class], p->seen.n[class], i) * BASE_ONE;
}

static bool is_judged(const struct pace *p, const struct pace_counts *now, u32 class)
{
	return samples(p, now, class) >= FEW && known(p, class);
}

/* The same quantile of both: one that so many requests can tell. */
static bool is_class_slower(const struct pace *p, const struct pace_counts *now, u32 class)
{
	static const u32 nothing[PACE_BUCKETS];
	u32 n = samples(p, now, class), base = known(p, class);
	u32 slower = max(CHANCE, n / PART) - 1;

	return is_judged(p, now, class) &&
	       slow_bucket(now->n[class], p->seen.n[class], slower) >
	       slow_bucket(p->base.n[class], nothing, (u32)((u64)slower * base / n)) + TOLERANCE;
}

static bool is_slower(const struct pace *p, const struct pace_counts *now)
{
	return is_class_slower(p, now, PACE_READ) || is_class_slower(p, now, PACE_WRITE);
}

/* Of the rarer class, too: a few writes are not to be drowned by many reads. */
static bool are_enough(const struct pace *p, const struct pace_counts *now)
{
	u32 reads = samples(p, now, PACE_READ), writes = samples(p, now, PACE_WRITE);

	return reads + writes >= ENOUGH && (!reads || reads >= FEW) && (!writes || writes >= FEW);
}

/* Is there a class of requests of which the probes have met too few? */
static bool is_new(const struct pace *p, const struct pace_counts *now)
{
	u32 class;

	for (class = 0; class < PACE_CLASSES; class++)
		if (samples(p, now, class) >= FEW && !known(p, class))
			return true;
	return false;
}

static u32 rest_max(const struct pace *p)
{
	u64 us = (u64)p->run_us * REST_TIMES;

	if (!us)
		return PACE_REST_MAX_US;
	return us > PACE_REST_MAX_US ? PACE_REST_MAX_US : max((u32)us, PACE_REST_MIN_US);
}

static void shrink(struct pace *p)
{
	if (p->window_bytes > PACE_WINDOW_MIN)
		p->window_bytes = max(p->window_bytes - p->window_bytes / 3, PACE_WINDOW_MIN);
	else if (!p->rest_us)
		p->rest_us = PACE_REST_MIN_US;
	else
		p->rest_us = min(p->rest_us * 2, rest_max(p));
}

/*
 * Slowly, once it has shown: of the steps up to where it shows again, nearly all are without harm.
 */
static void grow(struct pace *p)
{
	u32 more = p->doubling ? p->window_bytes : max(p->window_bytes / 8, GROW_MIN);

	if (p->rest_us > PACE_REST_MIN_US)
		p->rest_us = max(p->doubling ? p->rest_us / 2 : p->rest_us - p->rest_us / 8,
				 PACE_REST_MIN_US);
	else if (p->rest_us)
		p->rest_us = 0;
	else
		p->window_bytes = min(p->window_bytes + more, PACE_WINDOW_MAX);
}

static void decide(struct pace *p, const struct pace_now *now, u64 took_us)
{
	bool slower = is_slower(p, now->counts), behind = is_behind(p, now, took_us);

	if (slower)
		p->doubling = false;
	if (slower && !behind)
		shrink(p);
	else
		grow(p);
	/* Not more than that by the floor, nor where nothing can be told. */
	if ((slower && behind) || !(is_judged(p, now->counts, PACE_READ) ||
				    is_judged(p, now->counts, PACE_WRITE)))
		p->window_bytes = min(p->window_bytes, PACE_WINDOW_FLOOR);
}

static void run(struct pace *p, const struct pace_now *now)
{
	u64 took = now->now_us - p->since_us, probed = now->now_us - p->probed_us;
	u32 n;

	if (probed >= PROBE_EVERY_US || (probed >= PROBE_NEW_US && is_new(p, now->counts))) {
		p->pause = true;
		p->phase = PACE_DRAIN;
		return;
	}
	if (took < DECIDE_US || took < DECIDE_RESTS * p->rest_us)
		return;
	n = samples_all(p, now->counts);
	if (!are_enough(p, now->counts) && took < (n < FEW ? SPARSE_US : LATE_US))
		return;
	if (n < SPARSE)
		pace_init(p);
	else
		decide(p, now, took);
	look_from(p, now);
}

static void probe(struct pace *p, const struct pace_now *now)
{
	if (samples_all(p, now->counts) < ENOUGH && now->now_us - p->since_us < PROBE_US)
		return;
	learn_class(p, now->counts, PACE_READ);
	learn_class(p, now->counts, PACE_WRITE);
	look_from(p, now);
	p->probed_us = now->now_us;
	p->pause = false;
	p->phase = PACE_RUN;
}

/* Twice what one takes that finds none before it is on its way, not in a queue: round trips. */
static void run_freely(struct pace *p, u32 run_us)
{
	u64 deep_us;

	if (!run_us)
		return;
	p->fastest_us = p->fastest_us ? min(p->fastest_us, run_us) : run_us;
	deep_us = DEEP_US + 2ull * p->fastest_us;
	if (run_us > deep_us)
		p->window_bytes = max(p->window_bytes - p->window_bytes / 4, PACE_WINDOW_FREE);
	else if (run_us < deep_us / 2)
		p->window_bytes = min(p->window_bytes + p->window_bytes / 8, PACE_WINDOW_MAX);
}

static void begin(struct pace *p)
{
	p->window_bytes = PACE_WINDOW_MIN;
	p->rest_us = PACE_REST_START_US;
	/* It was measured in a longer queue. */
	p->run_us = 0;
	p->doubling = true;
	p->pause = true;
	p->phase = PACE_DRAIN;
}

/* One request now and then: it is not to wait for long, and not worth a pause. */
static void run_beside_few(struct pace *p, const struct pace_now *now)
{
	p->window_bytes = PACE_WINDOW_FLOOR;
	if (!p->since_us || now->now_us - p->since_us >= SPARSE_US)
		look_from(p, now);
	else if (samples_all(p, now->counts) >= FEW)
		begin(p);
}

static void run_free(struct pace *p, const struct pace_now *now)
{
	if (now->idle_us < PACE_IDLE_US) {
		run_beside_few(p, now);
		return;
	}
	look_from(p, now);
	p->window_bytes = max(p->window_bytes, PACE_WINDOW_FREE);
	run_freely(p, now->run_us);
}

void pace_tick(struct pace *p, const struct pace_now *now)
{
	if (now->idle_us >= PACE_IDLE_US && p->phase != PACE_FREE)
		pace_init(p);
	if (now->run_us)
		p->run_us = p->run_us ? (p->run_us * 3 + now->run_us) / 4 : now->run_us;
	switch (p->phase) {
	case PACE_FREE:
		run_free(p, now);
		return;
	case PACE_DRAIN:
		if (now->in_flight)
			return;
		look_from(p, now);
		p->phase = PACE_PROBE;
		return;
	case PACE_PROBE:
		probe(p, now);
		return;
	default:
		run(p, now);
	}
}
