// SPDX-License-Identifier: GPL-2.0
/*
 * Pacing against a made-up machine: its requests take a base time, longer the more of ours is in
 * flight. The window has to settle where they are hardly slower, and must never close altogether.
 */
#include "test.h"
#include "pace.h"

static u64 rng = 5;

struct machine {
	struct pace p;
	struct pace_counts c;
	u64 now_us, base_us;
	u64 room_bytes;		/* in flight without harm */
	u64 per_mib_us;		/* slower by, for each MiB beyond */
	u32 iops;
	u64 done_bytes;
};

static void start(struct machine *m, u32 iops)
{
	*m = (struct machine){ .now_us = 1000000, .base_us = 400, .room_bytes = 1 << 20,
			       .per_mib_us = 1000, .iops = iops };
	pace_init(&m->p);
}

static u64 latency(const struct machine *m, u64 flying)
{
	u64 us = m->base_us + random_below(&rng, m->base_us / 2);

	if (flying > m->room_bytes)
		us += (flying - m->room_bytes) * m->per_mib_us >> 20;
	return us;
}

/* 10 ms of life. */
static void live(struct machine *m)
{
	u64 flying = m->p.pause ? 0 : m->p.window_bytes;
	u32 i, nr = m->iops / 100;

	if (m->iops % 100 && random_below(&rng, 100) < m->iops % 100)
		nr++;
	for (i = 0; i < nr; i++)
		m->c.n[i & 1][pace_bucket(latency(m, flying) * 1000)]++;
	if (!m->p.pause)
		m->done_bytes += m->p.rest_us ? m->p.window_bytes * 10000ull / m->p.rest_us :
				 m->p.window_bytes;
	m->now_us += 10000;
	pace_tick(&m->p, m->now_us, &m->c, m->iops ? 10000 : PACE_IDLE_US, false);
	assert_true(m->p.window_bytes >= PACE_WINDOW_MIN && m->p.window_bytes <= PACE_WINDOW_MAX);
	assert_true(m->p.rest_us <= PACE_REST_MAX_US);
}

static void live_for(struct machine *m, u32 seconds)
{
	u32 i;

	for (i = 0; i < seconds * 100; i++)
		live(m);
}

static void buckets(void **state)
{
	u64 ns;
	u32 last = 0, b;

	(void)state;
	assert_int_equal(pace_bucket(0), 0);
	assert_int_equal(pace_bucket(~0ull), PACE_BUCKETS - 1);
	for (ns = 1; ns < 1ull << 34; ns += ns / 100 + 1) {
		b = pace_bucket(ns);
		assert_true(b == last || b == last + 1);
		last = b;
	}
	/* Eight an octave. */
	assert_int_equal(pace_bucket(2000000) - pace_bucket(1000000), 8);
}

static void free_without_application(void **state)
{
	struct machine m;

	(void)state;
	start(&m, 0);
	live_for(&m, 1);
	assert_int_equal(m.p.window_bytes, PACE_WINDOW_MAX);
	assert_false(m.p.pause || m.p.rest_us);
	assert_int_equal(pace_run_bytes(&m.p), 1 << 20);
}

static void settles(void **state)
{
	struct machine m;
	u64 sum = 0;
	u32 i;

	(void)state;
	start(&m, 3000);
	live_for(&m, 20);
	for (i = 0; i < 2000; i++) {
		live(&m);
		sum += m.p.window_bytes;
	}
	/* By 30 percent slower is 1 MiB and about 180 KiB. */
	assert_in_range(sum / 2000, 800 << 10, 1500 << 10);
}

static void never_stops(void **state)
{
	struct machine m;

	(void)state;
	start(&m, 3000);
	/* Whatever we do, it is much slower. */
	m.room_bytes = 0;
	m.per_mib_us = 10000000;
	live_for(&m, 20);
	assert_int_equal(m.p.window_bytes, PACE_WINDOW_MIN);
	assert_int_equal(m.p.rest_us, PACE_REST_MAX_US);
	assert_int_equal(pace_run_bytes(&m.p), 16 << 10);
	m.done_bytes = 0;
	live_for(&m, 20);
	assert_true(m.done_bytes > 20ull << 19);
	/* And recovers. */
	m.room_bytes = 1ull << 40;
	live_for(&m, 30);
	assert_true(m.p.window_bytes > 8 << 20);
}

static void follows_the_baseline(void **state)
{
	struct machine m;

	(void)state;
	start(&m, 3000);
	live_for(&m, 10);
	/* The application's requests become larger, and so slower: that is not our doing. */
	m.base_us = 1600;
	m.room_bytes = 1ull << 40;
	live_for(&m, 60);
	assert_true(m.p.window_bytes > 8 << 20);
}

static void sparse(void **state)
{
	struct machine m;

	(void)state;
	start(&m, 3);
	live_for(&m, 10);
	assert_int_equal(m.p.window_bytes, PACE_WINDOW_SPARSE);
	assert_int_equal(m.p.rest_us, 0);
}

/* A pause ends, whether requests come or not. */
static void pauses_end(void **state)
{
	struct machine m;
	u32 i, paused = 0;

	(void)state;
	start(&m, 200);
	for (i = 0; i < 3000; i++) {
		live(&m);
		paused = m.p.pause ? paused + 1 : 0;
		assert_true(paused < 40);
	}
	/* Not before what is in flight has ended. */
	start(&m, 200);
	pace_tick(&m.p, m.now_us, &m.c, 0, true);
	assert_true(m.p.pause);
	for (i = 0; i < 100; i++)
		pace_tick(&m.p, m.now_us += 10000, &m.c, 0, true);
	assert_true(m.p.pause && m.p.phase == PACE_DRAIN);
	live_for(&m, 1);
	assert_false(m.p.pause);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets),
		cmocka_unit_test(free_without_application),
		cmocka_unit_test(settles),
		cmocka_unit_test(never_stops),
		cmocka_unit_test(follows_the_baseline),
		cmocka_unit_test(sparse),
		cmocka_unit_test(pauses_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
