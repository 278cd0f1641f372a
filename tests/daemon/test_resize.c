// SPDX-License-Identifier: GPL-2.0
/* A volume takes another size: on both hosts or on neither, whoever dies over it. */
#include "pair.h"

#include <string.h>

#define A	(&p->side[ALICE].k)
#define B	(&p->side[BOB].k)
#define OLD	(1ull << 20)
#define NEW	(1ull << 21)

static void connect_both(struct pair *p)
{
	pair_gen(p, ALICE, 0, 7, 0, GOOD);
	pair_gen(p, BOB, 0, 7, 0, GOOD);
	pair_up_both(p);
	until(p, are_connected);
	assert_true(A->v[0].m.data_sect == OLD && B->v[0].m.data_sect == OLD);
}

static struct reply resize(struct pair *p, int side, u64 sect, bool shrink)
{
	struct ctl_request q = { .command = CTL_RESIZE, .has_volume = true, .size_sect = sect,
				 .force = shrink };

	return pair_request(p, side, &q);
}

static void on_reply(void *arg, const struct err *e, const char *text)
{
	(void)arg;
	(void)e;
	(void)text;
}

static void on_reply_to(void *arg, const struct err *e, const char *text)
{
	struct reply *r = arg;

	(void)text;
	r->done = true;
	if (e)
		r->e = *e;
}

static bool was_to_end(struct pair *p)
{
	bool is;

	fake_lock(A);
	/* Each time they are connected: that lasts no longer than it takes to say so. */
	is = A->closes > A->last_close && A->r.link == LOCKSTEP_LINK_UP;
	fake_unlock(A);
	return is;
}

static bool is_copied(struct pair *p)
{
	bool is;

	fake_lock(A);
	is = A->v[0].sync_starts == 1;
	fake_unlock(A);
	return is;
}

static void expect_size(struct pair *p, u64 sect)
{
	until(p, are_connected);
	assert_true(A->v[0].m.data_sect == sect);
	assert_true(B->v[0].m.data_sect == sect);
}

static void test_grow(void **state)
{
	struct pair *p = *state;

	for (int side = 0; side < 2; side++) {
		if (side == 0)
			connect_both(p);
		A->v[0].grown_sect = B->v[0].grown_sect = NEW << side;
		B->v[0].grown_sect += 4096;
		assert_non_null(strstr(resize(p, side, 0, false).text, side ? "2048 MiB" :
				       "1024 MiB"));
		expect_size(p, NEW << side);
		/* Once for the size, and once for what is marked then. */
		assert_int_equal(A->opens, 2 * side + 3);
	}
	/* To a size that was asked for, and no further; nothing changes when it has it. */
	A->v[0].grown_sect = B->v[0].grown_sect = NEW * 4;
	assert_string_equal(resize(p, ALICE, NEW * 3, false).e.what, "");
	expect_size(p, NEW * 3);
	assert_int_equal(A->opens, 7);
	assert_string_equal(resize(p, BOB, NEW * 3, false).e.what, "");
	assert_int_equal(A->opens, 7);
}

/* By itself nothing grows: not on a larger disk, not by an answer that came to nothing. */
static void test_stays(void **state)
{
	struct pair *p = *state;
	struct reply r;

	connect_both(p);
	A->v[0].m.data_max_sect = B->v[0].m.data_max_sect = NEW;
	fake_lose(A);
	pair_run(p, 50);
	until(p, are_connected);
	expect_size(p, OLD);
	A->v[0].grown_sect = 2 * NEW;
	r = resize(p, ALICE, 2 * NEW, false);
	assert_string_equal(r.e.code, "no-room");
	assert_non_null(strstr(r.e.what, "bob"));
	strcpy(B->refuse_resize, "/dev/vdb does not answer");
	r = resize(p, ALICE, 0, false);
	assert_string_equal(r.e.what, "bob refuses: /dev/vdb does not answer");
	strcpy(A->refuse_resize, "a resync runs");
	assert_string_equal(resize(p, ALICE, 0, false).e.what, "a resync runs");
	fake_lose(A);
	pair_run(p, 50);
	expect_size(p, OLD);
	A->refuse_resize[0] = B->refuse_resize[0] = 0;
	pair_kill(p, BOB);
	r = resize(p, ALICE, 0, false);
	assert_non_null(strstr(r.e.code, "not-connected"));
}

/*
 * A disk still has a request of the session that ended for the size: the hosts connect when it is
 * done, and then with that size, whoever's disk it is, and whichever of the two sessions it is.
 */
static void test_busy_disk(void **state)
{
	struct pair *p = *state;
	u64 size = OLD;

	connect_both(p);
	for (int at = 0; at < 2; at++)
		for (int asked = 0; asked < 2; asked++) {
			size += OLD;
			A->v[0].grown_sect = B->v[0].grown_sect = size;
			p->side[at].k.busy_opens = 3;
			assert_string_equal(resize(p, asked, 0, false).e.what, "");
			assert_int_equal(p->side[at].k.busy_opens, 0);
			expect_size(p, size);
		}
	/* To become smaller both have to say so, and to go on saying it. */
	for (int at = 0; at < 2; at++) {
		size -= OLD;
		p->side[at].k.busy_opens = 3;
		assert_string_equal(resize(p, ALICE, size, true).e.what, "");
		assert_int_equal(p->side[at].k.busy_opens, 0);
		expect_size(p, size);
	}
}

/* The session after the growth, which is to copy what is new, is refused for a while. */
static void test_busy_then(void **state)
{
	struct ctl_request q = { .command = CTL_RESIZE, .has_volume = true, .resource = "r0" };
	struct pair *p = *state;
	struct reply r = { .done = false };

	connect_both(p);
	A->v[0].grown_sect = B->v[0].grown_sect = NEW;
	A->marks_growth = B->marks_growth = true;
	A->last_close = A->closes + 1;
	manager_request(p->side[ALICE].m, &q, on_reply_to, &r);
	until(p, was_to_end);
	B->busy_opens = 3;
	A->last_close = 0;
	until(p, is_copied);
	assert_int_equal(B->busy_opens, 0);
	expect_size(p, NEW);
	while (!r.done)
		pair_run(p, 50);
	assert_string_equal(r.e.what, "");
}

/* Where the size itself is what a kernel cannot take: told, and they are not kept apart by it. */
static void test_busy_for_ever(void **state)
{
	struct pair *p = *state;
	struct reply r;

	p->hold_ms = 6000;
	connect_both(p);
	A->v[0].grown_sect = B->v[0].grown_sect = NEW;
	for (int at = 0; at < 2; at++) {
		u64 began = pair_now_ms();

		p->side[at].k.busy_opens = ~0u;
		r = resize(p, ALICE, 0, false);
		assert_string_equal(r.e.what, at == ALICE ? "requests are still at its disk" :
				    "bob refuses: requests are still at its disk");
		/* Nobody is fenced for it: the old size is good for all of that time. */
		assert_true(pair_now_ms() - began < p->hold_ms);
		p->side[at].k.busy_opens = 0;
		expect_size(p, OLD);
	}
	assert_string_equal(resize(p, ALICE, 0, false).e.what, "");
	expect_size(p, NEW);
}

static void test_shrink(void **state)
{
	struct pair *p = *state;
	struct reply r;

	connect_both(p);
	r = resize(p, ALICE, OLD / 2, false);
	assert_string_equal(r.e.what, "it would become smaller");
	assert_string_equal(resize(p, BOB, OLD / 2, true).e.what, "");
	expect_size(p, OLD / 2);
	assert_int_equal(A->opens, 2);
}

/*
 * alice's daemon dies with the size agreed on, before it has ended the session that knows nothing
 * of the marks: the next one does.
 */
static void test_dies_between(void **state)
{
	struct ctl_request q = { .command = CTL_RESIZE, .has_volume = true, .resource = "r0" };
	struct pair *p = *state;

	connect_both(p);
	A->v[0].grown_sect = B->v[0].grown_sect = NEW;
	A->marks_growth = B->marks_growth = true;
	A->last_close = A->closes + 1;
	manager_request(p->side[ALICE].m, &q, on_reply, NULL);
	until(p, was_to_end);
	assert_int_equal(A->opens, 2);
	pair_kill(p, ALICE);
	A->last_close = 0;
	pair_start(p, ALICE);
	until(p, is_copied);
	expect_size(p, NEW);
	assert_int_equal(A->opens, 3);
	/* Once: bob's next daemon has no reason. */
	pair_kill(p, BOB);
	pair_start(p, BOB);
	until(p, are_connected);
	pair_run(p, 200);
	assert_int_equal(A->opens, 3);
}

static u32 opens_wanted;

static bool has_opened(struct pair *p)
{
	bool is;

	fake_lock(A);
	is = A->opens == opens_wanted;
	fake_unlock(A);
	return is;
}

/* bob had made the new size durable when it died: the next hello mends it, the one after copies. */
static void come_back_larger(struct pair *p)
{
	connect_both(p);
	pair_kill(p, BOB);
	fake_lose(A);
	fake_lose(B);
	A->v[0].m.data_max_sect = B->v[0].m.data_max_sect = NEW + 4096;
	B->v[0].m.data_sect = NEW;
	opens_wanted = A->opens + 2;
	pair_start(p, BOB);
	until(p, has_opened);
	expect_size(p, NEW);
}

/* The session that knows nothing of the marks cannot be ended at first: it is tried again. */
static void test_close_fails(void **state)
{
	struct pair *p = *state;

	A->fail_close = 1;
	come_back_larger(p);
	assert_true(A->closes > A->fail_close);
}

static void test_half(void **state)
{
	struct pair *p = *state;

	come_back_larger(p);
	/* A size that does not fit is refused as ever. */
	pair_kill(p, BOB);
	fake_lose(A);
	fake_lose(B);
	B->v[0].m.data_sect = B->v[0].m.data_max_sect = 2 * NEW;
	pair_start(p, BOB);
	for (int i = 0; i < 40 && !pair_has_problem(p, ALICE, "peer-limits"); i++)
		pair_run(p, 100);
	assert_true(pair_has_problem(p, ALICE, "peer-limits"));
}

int main(void)
{
#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, pair_set_up, pair_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_grow),
		TEST(test_stays),
		TEST(test_busy_disk),
		TEST(test_busy_then),
		TEST(test_busy_for_ever),
		TEST(test_shrink),
		TEST(test_half),
		TEST(test_dies_between),
		TEST(test_close_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
