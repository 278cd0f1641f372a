// SPDX-License-Identifier: GPL-2.0
/*
 * Split brain: both hosts show what both have, stay connected for control, and one of them gives up
 * what it wrote when somebody says so, and only then.
 */
#include "pair.h"

#include <string.h>

#include "gen.h"

#define A	(&p->side[ALICE].k)
#define B	(&p->side[BOB].k)

static bool both_know(struct pair *p)
{
	for (int i = 0; i < 2; i++) {
		struct model_daemon d = pair_facts(p, i);

		if (!d.split.is || !d.split.peer.heard || strcmp(d.phase, "split brain") != 0)
			return false;
	}
	return true;
}

static bool neither_is_split(struct pair *p)
{
	return !pair_facts(p, ALICE).split.is && !pair_facts(p, BOB).split.is;
}

static void make_split(struct pair *p)
{
	pair_gen(p, ALICE, 0, 21, 10, GOOD);
	pair_gen(p, BOB, 0, 22, 10, GOOD);
	A->v[0].m.oos_bits = 3;
	A->v[0].m.write_s = 1000;
	A->v[0].m.primary_s = 900;
	B->v[0].m.oos_bits = 5;
	B->v[0].m.write_s = 2000;
	B->v[0].m.dirty_regions = 2;
	B->v[0].m.flags |= LOCKSTEP_MF_UNCLEAN;
}

static void split(struct pair *p)
{
	make_split(p);
	pair_up_both(p);
	until(p, both_know);
}

static struct ctl_request question(struct pair *p, int side, enum ctl_keep keep)
{
	return (struct ctl_request){ .command = CTL_RESOLVE, .keep = keep,
				     .split_id = pair_facts(p, side).split.id };
}

static struct reply resolve(struct pair *p, int side, enum ctl_keep keep)
{
	struct ctl_request q = question(p, side, keep);

	return pair_request(p, side, &q);
}

static void expect_untouched(struct pair *p)
{
	assert_int_equal(A->surrenders + B->surrenders, 0);
	assert_int_equal(A->opens + B->opens, 0);
	assert_true(both_know(p));
}

static void test_facts(void **state)
{
	struct pair *p = *state;
	struct model_split a, b;

	split(p);
	a = pair_facts(p, ALICE).split;
	b = pair_facts(p, BOB).split;
	assert_memory_equal(&a.here, &b.peer, sizeof(a.here));
	assert_memory_equal(&b.here, &a.peer, sizeof(a.here));
	assert_true(a.id == b.id && a.since_s && strcmp(a.rule, "split") == 0);
	assert_string_equal(a.here.node, "alice");
	assert_int_equal(a.here.marked_bytes, 3 * 4096);
	assert_int_equal(a.here.dirty_bytes, 0);
	assert_true(a.here.write_s == 1000 && a.here.primary_s == 900 && !a.here.crashed);
	assert_int_equal(a.peer.marked_bytes, 5 * 4096);
	assert_int_equal(a.peer.dirty_bytes, 8 << 20);
	assert_true(a.peer.write_s == 2000 && a.peer.crashed && a.peer.marks_known);
	assert_string_equal(pair_facts(p, ALICE).code, "split-brain");
	assert_string_equal(pair_facts(p, ALICE).problem, pair_facts(p, BOB).problem);
	assert_non_null(strstr(pair_facts(p, BOB).mend, "lockstep resolve r0 --keep here"));
	/* It lasts, nothing is done, and what one side goes on writing the other one sees. */
	fake_lock(A);
	A->v[0].m.oos_bits = 4;
	fake_unlock(A);
	pair_run(p, 600);
	assert_int_equal(pair_facts(p, BOB).split.peer.marked_bytes, 4 * 4096);
	assert_int_equal(pair_facts(p, BOB).split.since_s, b.since_s);
	expect_untouched(p);
}

/* A kernel that is too busy to say says nothing: what was shown goes on being so. */
static void test_untold(void **state)
{
	struct pair *p = *state;
	u64 id;

	split(p);
	id = pair_facts(p, BOB).split.id;
	fake_lock(A);
	A->untold = 1000000;
	fake_unlock(A);
	for (int i = 0; i < 30; i++) {
		pair_run(p, 20);
		assert_true(both_know(p));
	}
	assert_true(pair_facts(p, BOB).split.id == id);
	assert_int_equal(pair_facts(p, BOB).split.peer.marked_bytes, 3 * 4096);
	expect_untouched(p);
}

/* Looked at as often though the two were connected before: the clock is not that phase's. */
static void test_after_a_session(void **state)
{
	struct pair *p = *state;

	pair_gen(p, ALICE, 0, 7, 0, GOOD);
	pair_gen(p, BOB, 0, 7, 0, GOOD);
	pair_up_both(p);
	until(p, are_connected);
	pair_must(p, ALICE, CTL_DISCONNECT);
	pair_run(p, 300);
	make_split(p);
	pair_must(p, ALICE, CTL_CONNECT);
	until(p, both_know);
	pair_run(p, 600);
	fake_lock(A);
	A->v[0].m.oos_bits = 4;
	fake_unlock(A);
	pair_run(p, 600);
	assert_int_equal(pair_facts(p, BOB).split.peer.marked_bytes, 4 * 4096);
	assert_int_equal(A->surrenders + B->surrenders, 0);
}

/* Either side may be asked, for either side. */
static void test_resolve(void **state)
{
	struct pair *p = *state;
	struct reply r;

	for (int round = 0; round < 4; round++) {
		enum ctl_keep keep = round & 1 ? CTL_KEEP_HERE : CTL_KEEP_PEER;
		int asked = round / 2, loser = keep == CTL_KEEP_PEER ? asked : !asked;
		struct fake *l = &p->side[loser].k, *w = &p->side[!loser].k;

		if (round == 0) {
			split(p);
		} else {
			fake_lose(A);
			fake_lose(B);
			fake_lock(A);
			fake_lock(B);
			A->v[0].m.gen_current = 21;
			B->v[0].m.gen_current = 22;
			A->v[0].m.gen_since = B->v[0].m.gen_since = 10;
			A->v[0].m.flags = B->v[0].m.flags = GOOD;
			A->v[0].m.disk = B->v[0].m.disk = LOCKSTEP_DISK_UP_TO_DATE;
			fake_unlock(B);
			fake_unlock(A);
			until(p, both_know);
		}
		l->surrenders = w->surrenders = 0;
		r = resolve(p, asked, keep);
		assert_string_equal(r.e.what, "");
		assert_non_null(strstr(r.text, "follows"));
		assert_int_equal(l->surrenders, 1);
		assert_int_equal(w->surrenders, 0);
		until(p, are_connected);
		until(p, neither_is_split);
		assert_int_equal(l->v[0].opened.verdict, GEN_TARGET);
		assert_int_equal(w->v[0].opened.verdict, GEN_SOURCE);
		assert_string_equal(pair_facts(p, ALICE).problem, "");
	}
}

static void test_refusals(void **state)
{
	struct ctl_request q;
	struct pair *p = *state;
	struct reply r;

	split(p);
	/* Another split than the one that was looked at. */
	q = question(p, ALICE, CTL_KEEP_HERE);
	q.split_id = ~q.split_id;
	assert_string_equal(pair_request(p, ALICE, &q).e.code, "split-changed");
	/* The kernel says no: so does whoever was asked, and all is as it was. */
	strcpy(B->refuse_surrender, "the disk of bob takes nothing");
	r = resolve(p, ALICE, CTL_KEEP_HERE);
	assert_string_equal(r.e.what, "bob refuses: the disk of bob takes nothing");
	until(p, both_know);
	r = resolve(p, BOB, CTL_KEEP_PEER);
	assert_string_equal(r.e.what, "the disk of bob takes nothing");
	until(p, both_know);
	expect_untouched(p);
	/* What is in use is not given up: said with the command, on either side. */
	fake_lock(B);
	B->r.role = LOCKSTEP_ROLE_PRIMARY;
	fake_unlock(B);
	pair_must(p, ALICE, CTL_CONNECT);
	until(p, both_know);
	while (pair_facts(p, ALICE).split.peer.role != LOCKSTEP_ROLE_PRIMARY || !both_know(p))
		pair_run(p, 20);
	r = resolve(p, BOB, CTL_KEEP_PEER);
	assert_string_equal(r.e.code, "primary");
	assert_non_null(strstr(r.e.mend, "lockstep demote r0"));
	r = resolve(p, ALICE, CTL_KEEP_HERE);
	assert_string_equal(r.e.code, "peer-primary");
	assert_non_null(strstr(r.e.mend, "on bob: stop what uses it, then lockstep demote r0"));
	expect_untouched(p);
	/* Without the other side's yes nobody gives up anything. */
	q = question(p, ALICE, CTL_KEEP_PEER);
	pair_kill(p, BOB);
	pair_run(p, 600);
	assert_true(pair_facts(p, ALICE).split.is);
	r = pair_request(p, ALICE, &q);
	assert_string_equal(r.e.code, "not-connected");
	assert_non_null(strstr(r.e.what, "has to agree"));
	assert_int_equal(A->surrenders + B->surrenders, 0);
}

static void refused_to_look(struct pair *p, int asked, enum ctl_keep keep, const char *what)
{
	u64 id = pair_facts(p, asked).split.id;
	struct reply r;

	B->primary_meanwhile = true;
	r = resolve(p, asked, keep);
	assert_string_equal(r.e.what, what);
	assert_non_null(strstr(r.e.mend, "lockstep resolve r0 again"));
	until(p, both_know);
	assert_true(pair_facts(p, asked).split.id != id);
	expect_untouched(p);
}

/* Bob was primary after it was looked at: whatever it wrote then, nobody has seen it. */
static void test_written_meanwhile(void **state)
{
	struct pair *p = *state;
	struct ctl_request q;
	struct reply r;

	split(p);
	/* So shortly before that no daemon has noticed. */
	refused_to_look(p, ALICE, CTL_KEEP_HERE,
			"bob refuses: volume 0 has changed since: look again");
	refused_to_look(p, BOB, CTL_KEEP_PEER, "volume 0 has changed since: look again");
	/* While somebody still reads what was shown. */
	q = question(p, ALICE, CTL_KEEP_HERE);
	pair_must(p, BOB, CTL_PROMOTE);
	fake_lock(B);
	B->v[0].m.oos_bits = 6;
	fake_unlock(B);
	pair_must(p, BOB, CTL_DEMOTE);
	while (pair_facts(p, ALICE).split.peer.marked_bytes != 6 * 4096)
		pair_run(p, 20);
	until(p, both_know);
	r = pair_request(p, ALICE, &q);
	assert_string_equal(r.e.code, "split-changed");
	assert_non_null(strstr(r.e.mend, "lockstep resolve r0 again"));
	expect_untouched(p);
	/* Whoever looks again gets through. */
	assert_string_equal(resolve(p, ALICE, CTL_KEEP_HERE).e.what, "");
	until(p, are_connected);
	assert_int_equal(B->surrenders, 1);
}

/* Whoever is kept may be promoted and demoted: what the other one loses has not changed. */
static void test_kept_meanwhile(void **state)
{
	struct pair *p = *state;
	struct ctl_request q[2];

	split(p);
	q[0] = question(p, ALICE, CTL_KEEP_HERE);
	q[1] = question(p, BOB, CTL_KEEP_HERE);
	for (int i = 0; i < 3; i++) {
		u64 id = pair_facts(p, BOB).split.id;

		pair_must(p, ALICE, i & 1 ? CTL_DEMOTE : CTL_PROMOTE);
		while (pair_facts(p, BOB).split.id == id || !both_know(p))
			pair_run(p, 20);
		/* What it has to lose is not what bob was shown. */
		assert_string_equal(pair_request(p, BOB, &q[1]).e.code, "split-changed");
	}
	expect_untouched(p);
	assert_string_equal(pair_request(p, ALICE, &q[0]).e.what, "");
	until(p, are_connected);
	assert_int_equal(B->surrenders, 1);
	assert_int_equal(A->surrenders, 0);
}

/* A new hello about the same names the same split: nobody is told to look again for nothing. */
static void test_same_again(void **state)
{
	struct pair *p = *state;
	struct ctl_request q;

	split(p);
	q = question(p, ALICE, CTL_KEEP_HERE);
	for (int side = 0; side < 2; side++) {
		pair_kill(p, side);
		pair_start(p, side);
		until(p, both_know);
	}
	/* Who is kept may go on writing. */
	fake_lock(A);
	A->v[0].m.oos_bits = 300;
	fake_unlock(A);
	pair_run(p, 200);
	assert_string_equal(pair_request(p, ALICE, &q).e.what, "");
	until(p, are_connected);
}

struct crossing {
	struct reply r[2];
};

static void on_reply(void *arg, const struct err *e, const char *text)
{
	struct reply *r = arg;

	r->done = true;
	if (e)
		r->e = *e;
	else
		snprintf(r->text, sizeof(r->text), "%s", text);
}

static struct crossing *crossing;

static bool both_answered(struct pair *p)
{
	(void)p;
	return crossing->r[0].done && crossing->r[1].done;
}

/* Both are asked at the same time, in all ways: never do both give up. */
static void test_crossing(void **state)
{
	struct pair *p = *state;
	struct crossing x;
	u32 given_up = 0;

	crossing = &x;
	for (int round = 0; round < 4; round++) {
		struct ctl_request q[2];

		if (round == 0)
			split(p);
		memset(&x, 0, sizeof(x));
		for (int i = 0; i < 2; i++) {
			q[i] = question(p, i, round >> i & 1 ? CTL_KEEP_HERE : CTL_KEEP_PEER);
			strcpy(q[i].resource, "r0");
		}
		for (int i = 0; i < 2; i++)
			manager_request(p->side[i].m, &q[i], on_reply, &x.r[i]);
		until(p, both_answered);
		given_up = A->surrenders + B->surrenders;
		assert_in_range(given_up, 0, 1);
		assert_int_equal(given_up, (x.r[0].text[0] != 0) + (x.r[1].text[0] != 0));
		if (given_up)
			break;
		until(p, both_know);
	}
	if (given_up)
		until(p, are_connected);
}

/* A daemon that dies between the two: a split again, and resolved by saying it again. */
static void test_dies(void **state)
{
	struct pair *p = *state;
	struct ctl_request q;
	struct reply r = { .done = false };

	split(p);
	q = question(p, ALICE, CTL_KEEP_HERE);
	strcpy(q.resource, "r0");
	manager_request(p->side[ALICE].m, &q, on_reply, &r);
	pair_kill(p, BOB);
	while (!r.done)
		pair_run(p, 10);
	assert_string_equal(r.e.code, "not-connected");
	pair_start(p, BOB);
	until(p, both_know);
	assert_string_equal(resolve(p, ALICE, CTL_KEEP_HERE).e.what, "");
	until(p, are_connected);
	assert_int_equal(B->surrenders, 1);
}

/* Some volumes got there and some did not: still a split, and the same command mends it. */
static void test_half(void **state)
{
	struct pair *p = *state;

	pair_write_conf(p, 2, 4);
	make_split(p);
	pair_gen(p, ALICE, 1, 21, 10, GOOD);
	pair_gen(p, BOB, 1, 22, 10, GOOD);
	pair_gen(p, BOB, 0, 10, 0, LOCKSTEP_MF_MARKS_VALID | LOCKSTEP_MF_REGIONS_VALID);
	B->v[0].m.disk = LOCKSTEP_DISK_INCONSISTENT;
	pair_up_both(p);
	until(p, both_know);
	assert_int_equal(pair_facts(p, ALICE).split.volume, 1);
	assert_int_equal(A->opens + B->opens, 0);
	assert_string_equal(resolve(p, ALICE, CTL_KEEP_HERE).e.what, "");
	until(p, are_connected);
	assert_int_equal(B->v[1].opened.verdict, GEN_TARGET);
	assert_int_equal(B->v[0].opened.verdict, GEN_TARGET);
}

static struct reply dry_run(struct pair *p, int side)
{
	struct ctl_request q = { .command = CTL_CONNECT, .dry_run = true };

	return pair_request(p, side, &q);
}

/* What would come of it is said, and nothing comes of it; from either side. */
static void test_dry_run(void **state)
{
	struct pair *p = *state;
	struct reply r;

	pair_gen(p, ALICE, 0, 10, 0, GOOD);
	pair_gen(p, BOB, 0, 22, 10, GOOD);
	B->v[0].m.oos_bits = 5;
	pair_start(p, ALICE);
	pair_start(p, BOB);
	pair_must(p, ALICE, CTL_UP);
	r = dry_run(p, ALICE);
	assert_non_null(strstr(r.e.what, "bob"));
	assert_true(r.e.mend[0]);
	pair_must(p, ALICE, CTL_DISCONNECT);
	pair_must(p, BOB, CTL_UP);
	r = dry_run(p, ALICE);
	assert_string_equal(r.text, "volume 0: what is marked on either side, at most 20.0 KiB, "
			    "from bob (rule since-peer)");
	pair_run(p, 200);
	assert_int_equal(A->opens + B->opens, 0);
	assert_true(pair_facts(p, ALICE).stay_off);
	assert_string_equal(pair_facts(p, ALICE).phase, "disconnected on request");
	/* Asked there, and the one who dials stays off: said so after a while. */
	pair_must(p, BOB, CTL_DISCONNECT);
	r = dry_run(p, ALICE);
	assert_non_null(strstr(r.e.what, "stay disconnected"));
	pair_gen(p, ALICE, 0, 10, 0, LOCKSTEP_MF_CONSISTENT);
	pair_must(p, ALICE, CTL_CONNECT);
	r = dry_run(p, BOB);
	assert_string_equal(r.text, "volume 0: all of it, 512 MiB, from bob (rule since-self)");
	assert_int_equal(A->opens + B->opens, 0);
	pair_must(p, BOB, CTL_CONNECT);
	until(p, are_connected);
	assert_non_null(strstr(dry_run(p, BOB).text, "nothing to decide"));
}

static void test_dry_run_split(void **state)
{
	struct pair *p = *state;

	split(p);
	assert_non_null(strstr(dry_run(p, BOB).text, "no session: split brain in volume 0"));
	expect_untouched(p);
}

static void write_policy(struct pair *p, const char *text)
{
	char path[128];
	FILE *f;

	pair_write_conf(p, 1, 4);
	snprintf(path, sizeof(path), "%s/r0.conf", p->dir);
	f = fopen(path, "a");
	assert_non_null(f);
	fprintf(f, "split_brain: { %s };\n", text);
	fclose(f);
}

/* What the file says beforehand is done without a question, on the right side, no more. */
static void test_policy(void **state)
{
	struct pair *p = *state;

	write_policy(p, "one_primary = \"keep-primary\"; no_primary = \"keep-changed\";");
	split(p);
	pair_run(p, 300);
	expect_untouched(p);		/* both have changes, neither is primary */
	fake_lock(B);
	B->r.role = LOCKSTEP_ROLE_PRIMARY;
	fake_unlock(B);
	until(p, are_connected);
	assert_int_equal(A->surrenders, 1);
	assert_int_equal(B->surrenders, 0);
	until(p, neither_is_split);
}

/* What the kernel refuses is not asked for again and again. */
static void test_policy_refused(void **state)
{
	struct pair *p = *state;

	write_policy(p, "one_primary = \"keep-primary\";");
	make_split(p);
	strcpy(A->refuse_surrender, "its disk takes nothing");
	B->r.role = LOCKSTEP_ROLE_PRIMARY;
	pair_up_both(p);
	until(p, both_know);
	pair_run(p, 1000);
	assert_int_equal(A->surrender_asks, 1);
	expect_untouched(p);
	/* A person may. */
	fake_lock(A);
	A->refuse_surrender[0] = 0;
	fake_unlock(A);
	assert_string_equal(resolve(p, ALICE, CTL_KEEP_PEER).e.what, "");
	until(p, are_connected);
}

/* What has been read of a bitmap is no number to decide by: said, and not decided by. */
static void test_still_reading(void **state)
{
	struct pair *p = *state;

	write_policy(p, "no_primary = \"keep-changed\";");
	make_split(p);
	B->v[0].m.flags = GOOD;
	B->v[0].m.oos_bits = 0;
	B->v[0].m.loading = true;
	pair_up_both(p);
	until(p, both_know);
	pair_run(p, 600);
	assert_false(pair_facts(p, ALICE).split.peer.marks_known);
	assert_false(pair_facts(p, BOB).split.here.marks_known);
	assert_true(pair_facts(p, BOB).split.peer.marks_known);
	expect_untouched(p);
	/* There were some. */
	fake_lock(B);
	B->v[0].m.oos_bits = 5;
	B->v[0].m.loading = false;
	fake_unlock(B);
	while (!pair_facts(p, ALICE).split.peer.marks_known)
		pair_run(p, 20);
	assert_int_equal(pair_facts(p, ALICE).split.peer.marked_bytes, 5 * 4096);
	pair_run(p, 300);
	expect_untouched(p);
}

static void test_policy_changed(void **state)
{
	struct pair *p = *state;

	write_policy(p, "no_primary = \"keep-changed\";");
	make_split(p);
	B->v[0].m.flags = GOOD;
	B->v[0].m.oos_bits = 0;
	pair_up_both(p);
	until(p, are_connected);
	assert_int_equal(A->surrenders, 0);
	assert_int_equal(B->surrenders, 1);
}

int main(void)
{
#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, pair_set_up, pair_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_facts),
		TEST(test_untold),
		TEST(test_after_a_session),
		TEST(test_resolve),
		TEST(test_refusals),
		TEST(test_written_meanwhile),
		TEST(test_kept_meanwhile),
		TEST(test_same_again),
		TEST(test_crossing),
		TEST(test_dies),
		TEST(test_half),
		TEST(test_dry_run),
		TEST(test_dry_run_split),
		TEST(test_policy),
		TEST(test_policy_changed),
		TEST(test_still_reading),
		TEST(test_policy_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
