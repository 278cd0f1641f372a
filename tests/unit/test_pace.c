// SPDX-License-Identifier: GPL-2.0
/*
 * Pacing against a made-up machine: its requests take a base time, longer the more of ours is in
 * flight when they come. What is allowed has to settle where they are hardly slower, and must never
 * come down to nothing.
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
	u32 mib_s;		/* what ours moves at */
	u32 iops;
	bool reads_only, harms_writes_only;
	u32 write_in;		/* one of so many is a write */
	u64 done_bytes, floor_bytes_s;
	u64 requests, met;	/* the application's, and those that were slowed down */
};

static void start(struct machine *m, u32 iops)
{
	*m = (struct machine){ .now_us = 1000000, .base_us = 400, .room_bytes = 1 << 20,
			       .per_mib_us = 1000, .mib_s = 100, .iops = iops,
			       .write_in = 2 };
	pace_init(&m->p);
}

/* Any of ours in flight makes a request slower. */
static void start_felt(struct machine *m, u32 iops, u64 per_mib_us, u32 mib_s)
{
	start(m, iops);
	m->room_bytes = 0;
	m->per_mib_us = per_mib_us;
	m->mib_s = mib_s;
}

static u64 burst_us(const struct machine *m)
{
	return m->p.window_bytes * 1000000ull / ((u64)m->mib_s << 20);
}

/* Is anything of ours in flight when a request comes? */
static bool meets(const struct machine *m)
{
	u64 us = burst_us(m);

	return !m->p.pause && random_below(&rng, us + m->p.rest_us) < us;
}

static u64 latency(struct machine *m, u32 class)
{
	u64 us = m->base_us + random_below(&rng, m->base_us / 2);

	m->requests++;
	if (!meets(m) || m->p.window_bytes <= m->room_bytes ||
	    (m->harms_writes_only && class == PACE_READ))
		return us;
	m->met++;
	return us + ((m->p.window_bytes - m->room_bytes) * m->per_mib_us >> 20);
}

static void tick(struct machine *m, bool in_flight)
{
	pace_tick(&m->p, &(struct pace_now){
		.now_us = m->now_us,
		.counts = &m->c,
		.idle_us = m->iops ? 10000 : PACE_IDLE_US,
		.in_flight = in_flight,
		.run_us = m->p.pause ? 0 : (u32)burst_us(m),
		.done_bytes = m->done_bytes,
		.floor_bytes_s = m->floor_bytes_s,
	});
}

/* 10 ms of life. */
static void live(struct machine *m)
{
	u32 i, nr = m->iops / 100;

	if (m->iops % 100 && random_below(&rng, 100) < m->iops % 100)
		nr++;
	for (i = 0; i < nr; i++) {
		u32 class = m->reads_only || random_below(&rng, m->write_in) ? PACE_READ :
								      PACE_WRITE;

		m->c.n[class][pace_bucket(latency(m, class) * 1000)]++;
	}
	if (!m->p.pause)
		m->done_bytes += m->p.window_bytes * 10000ull / (burst_us(m) + m->p.rest_us);
	m->now_us += 10000;
	tick(m, false);
	assert_true(m->p.window_bytes >= PACE_WINDOW_MIN && m->p.window_bytes <= PACE_WINDOW_MAX);
	assert_true(m->p.rest_us <= PACE_REST_MAX_US);
	assert_true(!m->p.rest_us || m->p.window_bytes == PACE_WINDOW_MIN);
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

/* As much is in flight as is done within 50 ms, or a little more or less. */
static void free_without_application(void **state)
{
	struct machine m;

	(void)state;
	start(&m, 0);
	m.mib_s = 1000;
	live_for(&m, 1);
	assert_int_equal(m.p.window_bytes, PACE_WINDOW_MAX);
	assert_false(m.p.pause || m.p.rest_us);
	assert_int_equal(pace_run_bytes(&m.p, 0, 0), 1 << 20);
	m.mib_s = 100;
	live_for(&m, 1);
	assert_in_range(burst_us(&m), 25000, 54000);
	m.mib_s = 10;
	live_for(&m, 1);
	assert_int_equal(m.p.window_bytes, PACE_WINDOW_FREE);
	/* One that comes does not find that for long. */
	m.iops = 3000;
	live(&m);
	live(&m);
	assert_true(m.p.pause && m.p.window_bytes == PACE_WINDOW_MIN);
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
	/* Whatever we do, it is much slower. */
	start_felt(&m, 3000, 10000000, 10);
	live_for(&m, 20);
	assert_int_equal(m.p.window_bytes, PACE_WINDOW_MIN);
	assert_int_equal(m.p.rest_us, PACE_REST_MAX_US);
	assert_int_equal(pace_run_bytes(&m.p, 0, 0), PACE_WINDOW_MIN);
	m.done_bytes = 0;
	live_for(&m, 20);
	assert_true(m.done_bytes > 20ull * 230 << 10);
	/* And recovers. */
	m.room_bytes = 1ull << 40;
	live_for(&m, 30);
	assert_true(m.p.window_bytes > 8 << 20);
}

/* Between two rests a window, or so many runs where blocks lie scattered. */
static void bursts(void **state)
{
	struct pace p = { .window_bytes = PACE_WINDOW_MIN, .rest_us = PACE_REST_MIN_US };
	u32 runs = 0, bytes = 0;

	(void)state;
	while (pace_run_bytes(&p, bytes, runs)) {
		bytes += 4096;
		runs++;
	}
	assert_int_equal(runs, 16);
	assert_int_equal(pace_run_bytes(&p, 96 << 10, 2), 32 << 10);
	assert_int_equal(pace_run_bytes(&p, PACE_WINDOW_MIN, 1), 0);
	assert_int_equal(pace_run_bytes(&p, 1u << 30, 1), 0);
}

/*
 * Any burst makes those that meet it much slower: so that few meet one, and it still moves more
 * than at the least.
 */
static void rests(void **state)
{
	struct machine m;

	(void)state;
	start_felt(&m, 5000, 50000, 200);
	live_for(&m, 40);
	assert_int_equal(m.p.window_bytes, PACE_WINDOW_MIN);
	assert_in_range(m.met * 1000 / m.requests, 2, 10);
	assert_true(m.done_bytes > 40ull << 19);
}

static u64 mib_in_a_minute(u32 floor_mib_s, u32 machine_mib_s)
{
	struct machine m;

	start_felt(&m, 3000, 10000000, machine_mib_s);
	m.floor_bytes_s = (u64)floor_mib_s << 20;
	live_for(&m, 20);
	m.done_bytes = 0;
	live_for(&m, 60);
	if (machine_mib_s < floor_mib_s)
		assert_true(m.p.window_bytes <= PACE_WINDOW_FLOOR);
	return m.done_bytes >> 20;
}

/*
 * However slow it makes them; hardly more than that, where rests can bring it about; and not all
 * that could be, where that is not enough.
 */
static void ends_in_time(void **state)
{
	(void)state;
	assert_in_range(mib_in_a_minute(10, 500), 10 * 50, 10 * 100);
	assert_true(mib_in_a_minute(40, 500) > 40 * 60);
	assert_true(mib_in_a_minute(4000, 100) > 100 * 50);
}

/* From the first request on: nobody is made slower to find out what the machine can do. */
static void begins_with_care(void **state)
{
	struct machine m;

	(void)state;
	start_felt(&m, 5000, 50000, 200);
	live_for(&m, 5);
	assert_true(m.met * 1000 / m.requests < 20);
	/* And where nothing of it is felt, all is used soon. */
	start(&m, 5000);
	m.room_bytes = 1ull << 40;
	live_for(&m, 2);
	assert_int_equal(m.p.window_bytes, PACE_WINDOW_MAX);
}

/* One that is felt by writes alone is felt. */
static void one_class(void **state)
{
	struct machine m;

	(void)state;
	start_felt(&m, 3000, 10000000, 100);
	m.harms_writes_only = true;
	live_for(&m, 10);
	assert_int_equal(m.p.window_bytes, PACE_WINDOW_MIN);
	assert_true(m.p.rest_us);
}

/* Nor are a few writes drowned by very many reads. */
static void rare_class(void **state)
{
	struct machine m;

	(void)state;
	start_felt(&m, 20000, 10000000, 100);
	m.harms_writes_only = true;
	m.write_in = 100;
	live_for(&m, 20);
	assert_int_equal(m.p.window_bytes, PACE_WINDOW_MIN);
	assert_true(m.p.rest_us);
}

/* Counted without a lock: a counter may have gone back since it was looked at. */
static void lost_count(void **state)
{
	struct machine m;

	(void)state;
	start_felt(&m, 3000, 10000000, 100);
	while (m.p.phase != PACE_PROBE)
		live(&m);
	m.c.n[PACE_READ][PACE_BUCKETS - 1]--;
	m.c.n[PACE_WRITE][PACE_BUCKETS - 1]--;
	live_for(&m, 4);
	assert_int_equal(m.p.window_bytes, PACE_WINDOW_MIN);
}

/* Few of each class: what cannot be told is no reason to take all. */
static void few_of_each(void **state)
{
	struct machine m;
	u32 i;

	(void)state;
	start(&m, 22);
	for (i = 0; i < 3000; i++) {
		live(&m);
		if (i > 10)
			assert_true(m.p.window_bytes <= PACE_WINDOW_FLOOR);
	}
}

/* A slow disk that is busy: few requests a second, too few in a probe to tell by that alone. */
static void slow_disk(void **state)
{
	struct machine m;

	(void)state;
	start_felt(&m, 40, 1000000, 20);
	m.reads_only = true;
	m.base_us = 10000;
	live_for(&m, 120);
	assert_int_equal(m.p.window_bytes, PACE_WINDOW_MIN);
	assert_true(m.p.rest_us);
}

/* Writes begin where there were only reads: it is found out soon how fast they are. */
static void new_class(void **state)
{
	struct machine m;
	u32 i, probes = 0;

	(void)state;
	start(&m, 3000);
	m.reads_only = true;
	live_for(&m, 6);
	m.reads_only = false;
	for (i = 0; i < 100; i++) {
		live(&m);
		probes += m.p.pause;
	}
	assert_true(probes && probes < 40);
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
	assert_int_equal(m.p.window_bytes, PACE_WINDOW_FLOOR);
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
	for (i = 0; i < 100 && !m.p.pause; i++)
		live(&m);
	assert_true(m.p.pause);
	for (i = 0; i < 100; i++, m.now_us += 10000)
		tick(&m, true);
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
		cmocka_unit_test(bursts),
		cmocka_unit_test(rests),
		cmocka_unit_test(ends_in_time),
		cmocka_unit_test(begins_with_care),
		cmocka_unit_test(one_class),
		cmocka_unit_test(rare_class),
		cmocka_unit_test(lost_count),
		cmocka_unit_test(few_of_each),
		cmocka_unit_test(slow_disk),
		cmocka_unit_test(new_class),
		cmocka_unit_test(follows_the_baseline),
		cmocka_unit_test(sparse),
		cmocka_unit_test(pauses_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
