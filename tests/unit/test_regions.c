// SPDX-License-Identifier: GPL-2.0
/*
 * The dirty-region map: its rules one by one, then all of them against a model of what is on the
 * disk, in the peer's cache and under way, with a crash possible at each step.
 */
#include "test.h"
#include "regions.h"

#define NR	(2 * REGIONS_BLOCK_BITS + 100)
#define BLOCKS	3
#define FAR	(REGIONS_BLOCK_BITS + 7)	/* a region of another block than 5 */

static u64 words[5 * REGIONS_BLOCK_WORDS * BLOCKS];
static struct regions_block blocks[BLOCKS];
static struct regions map;
static _Alignas(8) u8 buf[4096];
static u32 picked[1024];

static void fresh(void)
{
	assert_int_equal(regions_blocks(NR), BLOCKS);
	assert_int_equal(regions_words(NR), ARRAY_SIZE(words));
	memset(words, 0, sizeof(words));
	memset(blocks, 0, sizeof(blocks));
	regions_init(&map, words, blocks, NR);
}

static bool bit_in(const u8 *block, u32 region)
{
	region %= REGIONS_BLOCK_BITS;
	return block[region / 8] >> region % 8 & 1;
}

static bool is_fast(u32 region)
{
	return regions_is_fast(*regions_fast_word(&map, region), region);
}

/* Write what is urgent, or all. Returns how many blocks. */
static u32 commit(bool urgent)
{
	u32 b = 0, n = 0;

	while ((b = regions_map_next(&map, b, urgent, buf)) < map.nr_blocks) {
		regions_map_done(&map, b, buf, true);
		b++;
		n++;
	}
	return n;
}

static u32 pick_all(void)
{
	u32 cursor = 0, n = 0;

	while (cursor < map.nr)
		n += regions_pick(&map, &cursor, picked + n, ARRAY_SIZE(picked) - n);
	return n;
}

static void finish_all(enum regions_clear clear)
{
	u32 cursor = 0;

	while (cursor < map.nr)
		regions_finish(&map, &cursor, clear);
}

/* R1: nobody goes before the bit is durable; one write of the map lets all of a block go. */
static void durable_before_the_write(void **state)
{
	(void)state;
	fresh();
	assert_int_equal(regions_enter(&map, 5), REGIONS_WAIT);
	assert_int_equal(regions_enter(&map, 900), REGIONS_WAIT);
	assert_int_equal(regions_map_next(&map, 0, true, buf), 0);
	assert_true(bit_in(buf, 5) && bit_in(buf, 900) && !bit_in(buf, 6));
	/* Under way, not there: it waits, and needs no further write. The next one does. */
	assert_int_equal(regions_enter(&map, 5), REGIONS_WAIT);
	assert_int_equal(regions_map_next(&map, 0, true, buf + 0), BLOCKS);
	assert_int_equal(regions_enter(&map, 6), REGIONS_WAIT);
	assert_false(is_fast(5));
	regions_map_done(&map, 0, buf, true);
	assert_int_equal(regions_enter(&map, 5), REGIONS_GO);
	assert_true(is_fast(5));
	assert_int_equal(regions_enter(&map, 6), REGIONS_WAIT);
	assert_int_equal(commit(true), 1);
	assert_int_equal(regions_enter(&map, 6), REGIONS_GO);
	assert_int_equal(map.nr_want, 3);
	/* A write of the map that failed lets nobody go. */
	assert_int_equal(regions_enter(&map, FAR), REGIONS_WAIT);
	assert_int_equal(regions_map_next(&map, 0, true, buf), 1);
	regions_map_done(&map, 1, buf, false);
	assert_int_equal(regions_enter(&map, FAR), REGIONS_WAIT);
	assert_int_equal(commit(true), 1);
	assert_int_equal(regions_enter(&map, FAR), REGIONS_GO);
	/* The last region, in a block that is not whole. */
	assert_int_equal(regions_enter(&map, NR - 1), REGIONS_WAIT);
	assert_int_equal(commit(true), 1);
	assert_int_equal(regions_enter(&map, NR - 1), REGIONS_GO);
}

/* R2: what was written to since it became a candidate stays. */
static void quiet_ones_are_cleared(void **state)
{
	(void)state;
	fresh();
	regions_session_begins(&map);
	regions_enter(&map, 5);
	regions_enter(&map, FAR);
	commit(true);
	assert_int_equal(regions_enter(&map, 5), REGIONS_GO);
	assert_int_equal(regions_enter(&map, FAR), REGIONS_GO);
	/* Written to in this interval: no candidates, and slow from here. */
	assert_int_equal(pick_all(), 0);
	assert_false(is_fast(5));
	finish_all(REGIONS_CLEAR_ALL);
	assert_int_equal(map.nr_want, 2);
	assert_int_equal(pick_all(), 2);
	assert_int_equal(picked[0], 5);
	assert_int_equal(picked[1], FAR);
	assert_int_equal(regions_enter(&map, FAR), REGIONS_GO);
	finish_all(REGIONS_CLEAR_ALL);
	assert_false(regions_is_dirty(&map, 5));
	assert_true(regions_is_dirty(&map, FAR));
	/* Cleared in memory first: whoever comes now waits for the disk. */
	assert_int_equal(regions_enter(&map, 5), REGIONS_WAIT);
	commit(true);
	assert_int_equal(regions_enter(&map, 5), REGIONS_GO);
	/* Somebody is in it; a pass that failed clears nothing; a note ends it like a write. */
	pick_all();
	assert_int_equal(pick_all(), 2);
	regions_keep(&map, 5);
	regions_note(&map, FAR);
	finish_all(REGIONS_CLEAR_ALL);
	assert_int_equal(map.nr_want, 2);
	assert_int_equal(pick_all(), 2);
	finish_all(REGIONS_CLEAR_NONE);
	assert_int_equal(map.nr_want, 2);
	assert_int_equal(pick_all(), 2);
	finish_all(REGIONS_CLEAR_ALL);
	assert_int_equal(map.nr_want, 0);
	assert_int_equal(commit(true), 0);
	assert_int_equal(commit(false), 2);
	assert_int_equal(commit(false), 0);
}

/* R2, R1: cleared while a block with its bit is on the way, and wanted again. */
static void cleared_under_way(void **state)
{
	static _Alignas(8) u8 with[4096];

	(void)state;
	fresh();
	regions_enter(&map, 5);
	commit(true);
	regions_enter(&map, 6);
	assert_int_equal(regions_map_next(&map, 0, true, with), 0);
	assert_true(bit_in(with, 5));
	pick_all();
	regions_keep(&map, 6);
	finish_all(REGIONS_CLEAR_ALL);
	assert_false(regions_is_dirty(&map, 5));
	assert_int_equal(regions_enter(&map, 5), REGIONS_WAIT);
	regions_map_done(&map, 0, with, true);
	/* It is there, and every block that follows has it. */
	assert_int_equal(regions_enter(&map, 5), REGIONS_GO);
	assert_int_equal(regions_map_next(&map, 0, false, buf), 0);
	assert_true(bit_in(buf, 5));
	regions_map_done(&map, 0, buf, true);
	assert_int_equal(regions_enter(&map, 5), REGIONS_GO);
}

/* R3: pins are what was dirty when a session ended, or found at attach. */
static void pinned(void **state)
{
	(void)state;
	fresh();
	regions_session_begins(&map);
	regions_enter(&map, 5);
	commit(true);
	regions_enter(&map, 5);
	regions_session_ended(&map);
	regions_enter(&map, 6);
	commit(true);
	pick_all();
	finish_all(REGIONS_CLEAR_NONE);
	assert_int_equal(pick_all(), 2);
	finish_all(REGIONS_CLEAR_UNPINNED);
	assert_true(regions_is_dirty(&map, 5));
	assert_false(regions_is_dirty(&map, 6));
	/* The end of a session that was none pins nothing. */
	regions_enter(&map, 6);
	commit(true);
	regions_session_ended(&map);
	pick_all();
	pick_all();
	finish_all(REGIONS_CLEAR_UNPINNED);
	assert_int_equal(map.nr_want, 1);
	pick_all();
	finish_all(REGIONS_CLEAR_ALL);
	assert_int_equal(map.nr_want, 0);
}

static void attached(void **state)
{
	u32 first;

	(void)state;
	fresh();
	memset(buf, 0, sizeof(buf));
	buf[0] = 0xe0;
	regions_load(&map, 1, buf);
	memset(buf, 0xff, sizeof(buf));
	regions_load(&map, 2, buf);
	assert_int_equal(map.nr_want, 103);
	assert_int_equal(regions_find(&map, 0, &first), 3);
	assert_int_equal(first, REGIONS_BLOCK_BITS + 5);
	assert_int_equal(regions_find(&map, first + 3, &first), 100);
	assert_int_equal(first, 2 * REGIONS_BLOCK_BITS);
	assert_int_equal(regions_find(&map, NR, &first), 0);
	assert_int_equal(commit(false), 0);
	pick_all();
	finish_all(REGIONS_CLEAR_UNPINNED);
	assert_int_equal(map.nr_want, 103);
	assert_int_equal(regions_enter(&map, REGIONS_BLOCK_BITS + 6), REGIONS_GO);
	assert_int_equal(regions_enter(&map, REGIONS_BLOCK_BITS + 8), REGIONS_WAIT);
}

/* R4: a note is for the map's next write, whoever asks for it, and makes nobody wait. */
static void noted(void **state)
{
	(void)state;
	fresh();
	regions_note(&map, 5);
	assert_true(regions_is_dirty(&map, 5));
	assert_int_equal(commit(true), 0);
	assert_int_equal(regions_enter(&map, 5), REGIONS_WAIT);
	assert_int_equal(commit(true), 1);
	assert_int_equal(regions_enter(&map, 5), REGIONS_GO);
	regions_note(&map, FAR);
	assert_int_equal(commit(false), 1);
	assert_int_equal(regions_enter(&map, FAR), REGIONS_GO);
}

/* R3: what the peer had just acknowledged when the session ended, and may lose. */
static void noted_late(void **state)
{
	(void)state;
	fresh();
	regions_session_begins(&map);
	regions_session_ended(&map);
	regions_note(&map, 5);
	assert_int_equal(commit(false), 1);
	pick_all();
	finish_all(REGIONS_CLEAR_UNPINNED);
	assert_true(regions_is_dirty(&map, 5));
	pick_all();
	finish_all(REGIONS_CLEAR_ALL);
	assert_false(regions_is_dirty(&map, 5));
}

/*
 * ---- all of it against a model ------------------------------------------------------------------
 *
 * A few regions in two blocks. Per region: writers in it that wait or are under way, and whether
 * the peer's cache or ours may hold what the other lacks (`loose`), with a mark on the disk or not.
 * The media is judged as a crash would find it: a block that is being written counts as either.
 */
#define M_REGIONS	12u
#define M_WRITERS	6u

static const u32 m_region[M_REGIONS] = {
	0, 1, 2, 63, 64, 65, 4095, 4096, REGIONS_BLOCK_BITS - 1, REGIONS_BLOCK_BITS,
	FAR, NR - 1,
};

static struct model {
	u64 rng;
	_Alignas(8) u8 media[BLOCKS][4096], way[BLOCKS][4096];
	bool writing[BLOCKS];
	struct {
		u32 region;
		enum { W_NONE, W_WAITS, W_RUNS } state;
		bool both;
	} writer[M_WRITERS];
	/* Written and not known to be stable on both; `both`: also into the peer's cache. */
	bool loose[M_REGIONS], loose_both[M_REGIONS];
	bool late[M_REGIONS];		/* written since the flush, or the saving of marks, began */
	enum { P_NONE, P_PICKED, P_FLUSHING } pass;
	bool session, pass_alone;
} mo;

static u32 roll(u32 n)
{
	return (u32)random_below(&mo.rng, n);
}

static bool covered(u32 i)
{
	u32 b = m_region[i] / REGIONS_BLOCK_BITS;

	return bit_in(mo.media[b], m_region[i]) &&
	       (!mo.writing[b] || bit_in(mo.way[b], m_region[i]));
}

static void m_check(void)
{
	u32 i;

	for (i = 0; i < M_WRITERS; i++)
		if (mo.writer[i].state == W_RUNS)
			assert_true(covered(mo.writer[i].region));
	for (i = 0; i < M_REGIONS; i++)
		if (mo.loose[i])
			assert_true(covered(i));
}

static void m_ask(u32 w)
{
	u32 region = m_region[mo.writer[w].region];

	if (is_fast(region) || regions_enter(&map, region) == REGIONS_GO) {
		mo.writer[w].state = W_RUNS;
		mo.writer[w].both = mo.session;
	}
}

static void m_writer(void)
{
	u32 w = roll(M_WRITERS), i = mo.writer[w].region;

	if (mo.writer[w].state == W_NONE) {
		mo.writer[w].region = roll(M_REGIONS);
		mo.writer[w].state = W_WAITS;
		m_ask(w);
	} else if (mo.writer[w].state == W_WAITS) {
		m_ask(w);
	} else {
		mo.loose[i] = true;
		mo.late[i] = true;
		mo.loose_both[i] |= mo.writer[w].both;
		mo.writer[w].state = W_NONE;
	}
}

static void m_map(void)
{
	u32 b = roll(BLOCKS), i;

	if (mo.writing[b]) {
		bool ok = roll(8);

		if (ok || roll(2))
			memcpy(mo.media[b], mo.way[b], sizeof(mo.media[b]));
		mo.writing[b] = false;
		regions_map_done(&map, b, mo.way[b], ok);
		return;
	}
	/* The caller's part: not for one that is being written. */
	for (i = b; i < BLOCKS; i++)
		if (mo.writing[i])
			b = i + 1;
	b = regions_map_next(&map, b, roll(2), buf);
	if (b >= map.nr_blocks)
		return;
	memcpy(mo.way[b], buf, sizeof(buf));
	mo.writing[b] = true;
}

static bool any_writing(void)
{
	u32 b;

	for (b = 0; b < BLOCKS; b++)
		if (mo.writing[b])
			return true;
	return false;
}

static void m_pick(void)
{
	u32 n = pick_all(), i, w;

	for (w = 0; w < M_WRITERS; w++)
		for (i = 0; i < n; i++)
			if (mo.writer[w].state && m_region[mo.writer[w].region] == picked[i])
				regions_keep(&map, picked[i]);
	mo.pass = P_PICKED;
	mo.pass_alone = map.alone;
}

/* Whatever is cleared has to be settled: on both copies, or (alone) by a mark. */
static void m_finish(enum regions_clear clear)
{
	u32 i;

	finish_all(clear);
	for (i = 0; i < M_REGIONS; i++) {
		if (!mo.loose[i] || regions_is_dirty(&map, m_region[i]))
			continue;
		assert_false(mo.late[i]);
		assert_false(clear == REGIONS_CLEAR_UNPINNED && mo.loose_both[i]);
		mo.loose[i] = false;
		mo.loose_both[i] = false;
	}
}

static void m_pass(void)
{
	enum regions_clear clear = REGIONS_CLEAR_NONE;

	if (mo.pass == P_NONE) {
		m_pick();
	} else if (mo.pass == P_PICKED) {
		memset(mo.late, 0, sizeof(mo.late));
		mo.pass = P_FLUSHING;
	} else {
		if (mo.session && roll(4))
			clear = REGIONS_CLEAR_ALL;
		else if (!mo.session && mo.pass_alone && map.alone)
			clear = REGIONS_CLEAR_UNPINNED;
		m_finish(clear);
		mo.pass = P_NONE;
	}
}

static void m_session(void)
{
	u32 w;

	for (w = 0; w < M_WRITERS; w++)
		if (mo.writer[w].state == W_RUNS)
			return;
	mo.session = !mo.session;
	if (mo.session)
		regions_session_begins(&map);
	else
		regions_session_ended(&map);
	/* A flush that was under way did not reach the peer of this session. */
	if (mo.pass == P_FLUSHING) {
		finish_all(REGIONS_CLEAR_NONE);
		mo.pass = P_NONE;
	}
}

static void m_crash(void)
{
	u32 b, sector, i;

	for (b = 0; b < BLOCKS; b++) {
		for (sector = 0; mo.writing[b] && sector < 4096; sector += 512)
			if (roll(2))
				memcpy(mo.media[b] + sector, mo.way[b] + sector, 512);
		mo.writing[b] = false;
	}
	fresh();
	for (b = 0; b < BLOCKS; b++)
		regions_load(&map, b, mo.media[b]);
	/* What was under way may be on one side only: loose, and known to be. */
	for (i = 0; i < M_WRITERS; i++) {
		if (mo.writer[i].state == W_RUNS) {
			mo.loose[mo.writer[i].region] = true;
			mo.loose_both[mo.writer[i].region] = true;
		}
		mo.writer[i].state = W_NONE;
	}
	for (i = 0; i < M_REGIONS; i++)
		if (mo.loose[i])
			assert_true(regions_is_dirty(&map, m_region[i]));
	mo.pass = P_NONE;
	mo.session = false;
}

static void model(void **state)
{
	u32 round, step, cleared = 0, before;

	(void)state;
	for (round = 0; round < 200; round++) {
		memset(&mo, 0, sizeof(mo));
		mo.rng = 1000 + round;
		fresh();
		for (step = 0; step < 600; step++) {
			u32 what = roll(100);

			before = map.nr_want;
			if (what < 50)
				m_writer();
			else if (what < 70)
				m_map();
			else if (what < 90)
				m_pass();
			else if (what < 94)
				m_session();
			else if (what < 95 && !any_writing())
				regions_note(&map, m_region[roll(M_REGIONS)]);
			else if (what == 99 && !roll(4))
				m_crash();
			cleared += map.nr_want < before;
			m_check();
		}
	}
	/* It would all hold of a map that is never cleared. */
	assert_true(cleared > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durable_before_the_write),
		cmocka_unit_test(quiet_ones_are_cleared),
		cmocka_unit_test(cleared_under_way),
		cmocka_unit_test(pinned),
		cmocka_unit_test(attached),
		cmocka_unit_test(noted),
		cmocka_unit_test(noted_late),
		cmocka_unit_test(model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
