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

#define SLOW_PERCENT	98u		/* the quantile that is looked at */
#define TOLERANCE	3u		/* buckets above the baseline: by 30 percent */
#define ENOUGH		64u		/* requests to decide by */
#define FEW		16u		/* ... after the time is up */
#define DECIDE_US	50000u		/* between two decisions at least */
#define LATE_US		250000u		/* with fewer than ENOUGH */
#define SPARSE_US	1000000u	/* with fewer than FEW */
#define PROBE_EVERY_US	5000000u
#define RUN_MIN		(16u << 10)
#define RUN_MAX		(1u << 20)
#define GROW_MIN	(16u << 10)

void pace_init(struct pace *p)
{
	*p = (struct pace){ .window_bytes = PACE_WINDOW_MAX, .phase = PACE_FREE };
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

u32 pace_run_bytes(const struct pace *p)
{
	u32 bytes = RUN_MIN;

	while (bytes < RUN_MAX && bytes * 8 <= p->window_bytes)
		bytes *= 2;
	return bytes;
}

static u32 samples(const struct pace *p, const struct pace_counts *now, u32 class)
{
	u32 i, n = 0;

	for (i = 0; i < PACE_BUCKETS; i++)
		n += now->n[class][i] - p->seen.n[class][i];
	return n;
}

static u32 samples_all(const struct pace *p, const struct pace_counts *now)
{
	return samples(p, now, PACE_READ) + samples(p, now, PACE_WRITE);
}

/* Bucket + 1 of the quantile, of the `n` requests since `seen`. */
static u32 slow_bucket(const struct pace *p, const struct pace_counts *now, u32 class, u32 n)
{
	u32 i, left = n - (u32)((u64)n * SLOW_PERCENT / 100);

	for (i = PACE_BUCKETS; i > 1; i--) {
		u32 here = now->n[class][i - 1] - p->seen.n[class][i - 1];

		if (here >= left)
			break;
		left -= here;
	}
	return i;
}

static void look_from(struct pace *p, u64 now_us, const struct pace_counts *now)
{
	p->seen = *now;
	p->since_us = now_us;
}

/* A new baseline meets the old one half way: one odd pause does not turn everything over. */
static void learn(struct pace *p, const struct pace_counts *now)
{
	u32 class, n, slow;

	for (class = 0; class < PACE_CLASSES; class++) {
		n = samples(p, now, class);
		if (n < FEW)
			continue;
		slow = slow_bucket(p, now, class, n);
		p->base[class] = p->base[class] ? (p->base[class] + slow) / 2 : slow;
	}
}

static bool is_slower(const struct pace *p, const struct pace_counts *now)
{
	u32 class, n;

	for (class = 0; class < PACE_CLASSES; class++) {
		n = samples(p, now, class);
		if (n >= FEW && p->base[class] &&
		    slow_bucket(p, now, class, n) > p->base[class] + TOLERANCE)
			return true;
	}
	return false;
}

static void shrink(struct pace *p)
{
	if (p->window_bytes > PACE_WINDOW_MIN) {
		p->window_bytes -= p->window_bytes / 3;
		if (p->window_bytes < PACE_WINDOW_MIN)
			p->window_bytes = PACE_WINDOW_MIN;
	} else if (p->rest_us < PACE_REST_MAX_US) {
		p->rest_us = p->rest_us ? p->rest_us * 2 : PACE_REST_MIN_US;
	}
}

static void grow(struct pace *p)
{
	u32 more = p->window_bytes / 8 > GROW_MIN ? p->window_bytes / 8 : GROW_MIN;

	if (p->rest_us)
		p->rest_us = p->rest_us > PACE_REST_MIN_US ? p->rest_us / 2 : 0;
	else
		p->window_bytes = p->window_bytes + more > PACE_WINDOW_MAX ?
				  PACE_WINDOW_MAX : p->window_bytes + more;
}

static void run(struct pace *p, u64 now_us, const struct pace_counts *now)
{
	u64 took = now_us - p->since_us;
	u32 n;

	if (now_us - p->probed_us >= PROBE_EVERY_US) {
		p->pause = true;
		p->phase = PACE_DRAIN;
		return;
	}
	if (took < DECIDE_US)
		return;
	n = samples_all(p, now);
	if (n < ENOUGH && took < (n < FEW ? SPARSE_US : LATE_US))
		return;
	if (n < FEW) {
		p->window_bytes = PACE_WINDOW_SPARSE;
		p->rest_us = 0;
	} else if (is_slower(p, now)) {
		shrink(p);
	} else {
		grow(p);
	}
	look_from(p, now_us, now);
}

static void probe(struct pace *p, u64 now_us, const struct pace_counts *now)
{
	if (samples_all(p, now) < ENOUGH && now_us - p->since_us < LATE_US)
		return;
	learn(p, now);
	look_from(p, now_us, now);
	p->probed_us = now_us;
	p->pause = false;
	p->phase = PACE_RUN;
}

void pace_tick(struct pace *p, u64 now_us, const struct pace_counts *counts, u64 idle_us,
	       bool in_flight)
{
	if (idle_us >= PACE_IDLE_US) {
		pace_init(p);
		return;
	}
	switch (p->phase) {
	case PACE_FREE:
		p->window_bytes = PACE_WINDOW_START;
		p->pause = true;
		p->phase = PACE_DRAIN;
		return;
	case PACE_DRAIN:
		if (in_flight)
			return;
		look_from(p, now_us, counts);
		p->phase = PACE_PROBE;
		return;
	case PACE_PROBE:
		probe(p, now_us, counts);
		return;
	default:
		run(p, now_us, counts);
	}
}
