// SPDX-License-Identifier: GPL-2.0
/* Sessions: made, lost, taken up again, whoever dies when. */
#include "pair.h"

#include <stdlib.h>

#define A	(&p->side[ALICE].k)
#define B	(&p->side[BOB].k)

/* Two new copies declared equal: a session without a sync; the listener starts first. */
static void test_clean(void **state)
{
	struct pair *p = *state;

	pair_gen(p, ALICE, 0, 7, 0, GOOD | LOCKSTEP_MF_CLEAN);
	pair_gen(p, BOB, 0, 9, 0, GOOD | LOCKSTEP_MF_CLEAN);
	pair_up_both(p);
	until(p, are_connected);
	assert_int_equal(A->opens, 1);
	assert_int_equal(B->opens, 1);
	assert_true(B->start_stamp < A->start_stamp);
	assert_int_equal(A->r.epoch, 1);
	assert_int_equal(A->r.streams, 4);
	assert_int_equal(A->r.peer_boot_id, 101);
	assert_int_equal(A->v[0].opened.verdict, 0);
	assert_int_equal(A->v[0].m.data_sect, 1 << 20);
	assert_int_equal(A->v[0].sync_starts + B->v[0].sync_starts, 0);
	assert_string_equal(pair_facts(p, ALICE).problem, "");
}

/* The primary goes second, so that its first write finds a receiver. */
static void test_primary_second(void **state)
{
	struct pair *p = *state;

	pair_gen(p, ALICE, 0, 7, 0, GOOD);
	pair_gen(p, BOB, 0, 7, 0, GOOD);
	B->r.role = LOCKSTEP_ROLE_PRIMARY;
	pair_up_both(p);
	until(p, are_connected);
	assert_true(A->start_stamp < B->start_stamp);
	/* The verdict was made for these roles: the kernel looks whether they are still so. */
	assert_false(A->v[0].opened.flags & LOCKSTEP_FLAG_PRIMARY);
	assert_true(B->v[0].opened.flags & LOCKSTEP_FLAG_PRIMARY);
}

static bool marks_merged(struct pair *p)
{
	bool done;

	fake_lock(A);
	done = A->v[0].sync_starts == 1;
	fake_unlock(A);
	return done;
}

/*
 * alice went on alone: bob is the target, starts first, and its marks reach alice chunk by
 * chunk.
 */
static void test_marks(void **state)
{
	static const u8 want[] = { 0, 1, 1, 1, 2, 1 };
	struct pair *p = *state;

	pair_gen(p, ALICE, 0, 20, 10, GOOD);
	pair_gen(p, BOB, 0, 10, 0, GOOD);
	A->r.role = LOCKSTEP_ROLE_PRIMARY;
	pair_up_both(p);
	until(p, are_connected);
	until(p, marks_merged);
	assert_true(B->start_stamp < A->start_stamp);
	assert_int_equal(B->marks_gets, FAKE_CHUNKS);
	assert_int_equal(A->v[0].merges, FAKE_CHUNKS);
	assert_memory_equal(A->v[0].merged, want, sizeof(want));
	assert_int_equal(A->v[0].m.sync, LOCKSTEP_SYNC_SOURCE);
	assert_int_equal(B->v[0].m.sync, LOCKSTEP_SYNC_TARGET);
}

static bool both_volumes_synced(struct pair *p)
{
	bool done;

	fake_lock(B);
	done = B->v[0].sync_starts == 1 && B->v[1].sync_starts == 1;
	fake_unlock(B);
	return done;
}

/* Two volumes, bob the source: one in full (marks do not matter), one by marks. */
static void test_two_volumes(void **state)
{
	static const u8 want[] = { 16, 1, 17, 1, 18, 1 };
	struct pair *p = *state;

	pair_write_conf(p, 2, 1);
	pair_gen(p, ALICE, 0, 0, 0, GOOD);
	pair_gen(p, BOB, 0, 5, 0, GOOD);
	pair_gen(p, ALICE, 1, 10, 0, GOOD);
	pair_gen(p, BOB, 1, 20, 10, GOOD);
	pair_up_both(p);
	until(p, are_connected);
	until(p, both_volumes_synced);
	assert_int_equal(A->r.streams, 1);
	assert_true(A->start_stamp < B->start_stamp);
	assert_int_equal(B->v[0].merges, 0);
	assert_memory_equal(B->v[1].merged, want, sizeof(want));
}

/* A kernel that has no time to tell of its volumes: no hello says that there are none. */
static void test_untold(void **state)
{
	struct pair *p = *state;

	pair_gen(p, ALICE, 0, 7, 0, GOOD);
	pair_gen(p, BOB, 0, 7, 0, GOOD);
	pair_start(p, ALICE);
	pair_start(p, BOB);
	pair_must(p, ALICE, CTL_UP);
	fake_lock(A);
	A->untold = 1000000;
	fake_unlock(A);
	pair_must(p, BOB, CTL_UP);
	while (!pair_has_problem(p, ALICE, "kernel-again"))
		pair_run(p, 20);
	assert_string_equal(pair_facts(p, ALICE).problem, "the kernel is busy with r0, and tells "
			    "of only 0 of its 1 volumes");
	assert_int_equal(A->opens + B->opens, 0);
	fake_lock(A);
	A->untold = 0;
	fake_unlock(A);
	until(p, are_connected);
	assert_string_equal(pair_facts(p, ALICE).problem, "");
	/* Nor does `up` take them for new. */
	fake_lock(A);
	A->untold = 5;
	strcpy(A->refuse_volume, "it is there already");
	fake_unlock(A);
	assert_string_equal(pair_ask(p, ALICE, CTL_UP, false).text, "r0 is up already");
}

/* What the kernel knows better than the hello costs another hello and no more. */
static void test_again(void **state)
{
	struct pair *p = *state;

	pair_gen(p, ALICE, 0, 7, 0, GOOD);
	pair_gen(p, BOB, 0, 7, 0, GOOD);
	A->eagain_opens = 1;
	B->eagain_opens = 1;
	A->eagain_starts = 1;
	B->eagain_starts = 1;
	pair_up_both(p);
	until(p, are_connected);
	assert_string_equal(pair_facts(p, ALICE).problem, "");
}

/*
 * Only alice's kernel noticed that the link broke: bob's session is stale, and a new one is
 * made.
 */
static void test_lost_here(void **state)
{
	struct pair *p = *state;
	u64 old;

	pair_gen(p, ALICE, 0, 7, 0, GOOD);
	pair_gen(p, BOB, 0, 7, 0, GOOD);
	pair_up_both(p);
	until(p, are_connected);
	old = A->r.session_id;
	fake_lose(A);
	until(p, are_connected);
	assert_true(A->r.session_id != old);
	assert_int_equal(A->r.epoch, 2);
	old = A->r.session_id;
	fake_lose(B);
	until(p, are_connected);
	assert_true(A->r.session_id != old);
}

/* Somebody's module was loaded anew: the same session id in a hello means nothing then. */
static void test_rebooted(void **state)
{
	struct pair *p = *state;
	u64 old;

	pair_gen(p, ALICE, 0, 7, 0, GOOD);
	pair_gen(p, BOB, 0, 7, 0, GOOD);
	pair_up_both(p);
	until(p, are_connected);
	old = A->r.session_id;
	pair_kill(p, BOB);
	B->r.boot_id = 555;
	pair_start(p, BOB);
	until(p, are_connected);
	assert_true(A->r.session_id != old);
	assert_int_equal(A->r.peer_boot_id, 555);
}

/* kill -9 of either daemon: the kernels' session goes on untouched. */
static void test_adopt(void **state)
{
	struct pair *p = *state;
	u64 old;

	pair_gen(p, ALICE, 0, 7, 0, GOOD);
	pair_gen(p, BOB, 0, 7, 0, GOOD);
	pair_up_both(p);
	until(p, are_connected);
	old = A->r.session_id;
	for (int side = 0; side < 2; side++) {
		pair_kill(p, side);
		pair_run(p, 50);
		pair_start(p, side);
		until(p, are_connected);
	}
	pair_kill(p, ALICE);
	pair_kill(p, BOB);
	pair_start(p, ALICE);
	pair_start(p, BOB);
	until(p, are_connected);
	assert_true(A->r.session_id == old);
	assert_int_equal(A->opens + B->opens, 2);
	assert_int_equal(A->closes + B->closes, 0);
}

static bool waits_for_marks(struct pair *p)
{
	return fake_link(A) == LOCKSTEP_LINK_UP && fake_link(B) == LOCKSTEP_LINK_UP;
}

/* The daemons died between start and marks: the exchange is done after they are back. */
static void test_adopt_marks(void **state)
{
	struct pair *p = *state;

	pair_gen(p, ALICE, 0, 20, 10, GOOD);
	pair_gen(p, BOB, 0, 10, 0, GOOD);
	pair_up_both(p);
	until(p, waits_for_marks);
	pair_kill(p, BOB);
	pair_kill(p, ALICE);
	A->v[0].merges = A->v[0].sync_starts = A->v[0].merged_bytes = 0;
	A->v[0].m.sync = LOCKSTEP_SYNC_SOURCE_WAIT;
	pair_start(p, BOB);
	pair_start(p, ALICE);
	until(p, are_connected);
	until(p, marks_merged);
	assert_int_equal(A->v[0].merges, FAKE_CHUNKS);
	assert_int_equal(A->opens, 1);
}

/* A session that a dead daemon left half-made is closed and made anew. */
static void test_half_made(void **state)
{
	struct pair *p = *state;

	pair_gen(p, ALICE, 0, 7, 0, GOOD);
	pair_gen(p, BOB, 0, 7, 0, GOOD);
	pair_up_both(p);
	until(p, are_connected);
	pair_kill(p, ALICE);
	pair_kill(p, BOB);
	A->r.link = LOCKSTEP_LINK_OPENING;
	pair_start(p, BOB);
	pair_start(p, ALICE);
	until(p, are_connected);
	assert_int_equal(A->r.epoch, 2);
}

/* Killed at any moment of the set-up, either side, many times: in the end there is one session. */
static void test_killed_anywhere(void **state)
{
	struct pair *p = *state;

	srandom(1);
	pair_gen(p, ALICE, 0, 20, 10, GOOD);
	pair_gen(p, BOB, 0, 10, 0, GOOD);
	pair_up_both(p);
	for (int i = 0; i < 60; i++) {
		int side = (int)(random() % 2);
		u32 ms = (u32)random() % 25;

		pair_run(p, ms);
		pair_kill(p, side);
		if (random() % 4 == 0)
			fake_lose(&p->side[random() % 2].k);
		pair_start(p, side);
	}
	until(p, are_connected);
	until(p, are_connected);
}

int main(void)
{
#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, pair_set_up, pair_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_clean),
		TEST(test_primary_second),
		TEST(test_marks),
		TEST(test_two_volumes),
		TEST(test_untold),
		TEST(test_again),
		TEST(test_lost_here),
		TEST(test_rebooted),
		TEST(test_adopt),
		TEST(test_adopt_marks),
		TEST(test_half_made),
		TEST(test_killed_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
