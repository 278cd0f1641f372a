// SPDX-License-Identifier: GPL-2.0
/* Fencing: what an outcome means, when which program runs, and what the kernel is told of it. */
#include "pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fence-judge.h"

#define A	(&p->side[ALICE].k)
#define B	(&p->side[BOB].k)

/* ---- the table of fence-judge.h */

static void test_judge(void **state)
{
	struct hook_result res = { .end = HOOK_EXITED };
	enum fence_verdict want[2];

	(void)state;
	for (res.value = 0; res.value < 256; res.value++) {
		want[0] = want[1] = FENCE_STAY;
		if (res.value == 3 || res.value == 4 || res.value == 7)
			want[0] = want[1] = FENCE_GO_ON;
		else if (res.value == 5)
			want[0] = FENCE_GO_ON;
		else if (res.value == 6)
			want[0] = want[1] = FENCE_PRIMARY;
		assert_int_equal(fence_judge(LOCKSTEP_FENCING_OUTDATE, &res), want[0]);
		assert_int_equal(fence_judge(LOCKSTEP_FENCING_FENCE, &res), want[1]);
	}
	/* A program that did not end by itself has said nothing, whatever the number. */
	for (res.end = HOOK_SIGNALLED; res.end <= HOOK_NOT_RUN; res.end++)
		for (res.value = 0; res.value < 256; res.value++)
			assert_int_equal(fence_judge(LOCKSTEP_FENCING_OUTDATE, &res), FENCE_STAY);
}

/* Every sight there is. */
static void test_next(void **state)
{
	enum fence_what what;
	u32 nr[3] = { 0 };

	(void)state;
	for (u32 k = 0; k < 1 << 9; k++) {
		struct fence_sight s = {
			.unfenced = k & 1, .asked = k & 2, .in_sync = k & 4, .undone = k & 8,
			.is_busy = k & 16, .is_waiting = k & 32, .has_program = k & 64,
			.has_unfence = k & 128, .is_held = k & 256,
		};

		what = fence_next(&s);
		nr[what]++;
		if (s.is_busy)
			assert_int_equal(what, FENCE_NOTHING);
		else if (s.asked && s.has_program)
			assert_int_equal(what, FENCE_RUN);
		if (what == FENCE_RUN)
			assert_true(s.has_program && (s.unfenced || s.asked));
		if (what == FENCE_UNDO)
			assert_true(s.has_unfence && s.in_sync && !s.unfenced && !s.undone &&
				    !s.is_waiting);
		/* Whoever waits is served, sooner or later; only an end that was said is held. */
		if (s.unfenced && s.has_program && !s.is_busy && !s.is_waiting && !s.is_held)
			assert_int_equal(what, FENCE_RUN);
		if (s.is_held && !s.asked)
			assert_int_not_equal(what, FENCE_RUN);
		/* Nothing else waits for it. */
		if (s.asked || !s.unfenced) {
			struct fence_sight free = s;

			free.is_held = false;
			assert_int_equal(what, fence_next(&free));
		}
	}
	assert_true(nr[0] && nr[1] && nr[2]);
}

static void test_backoff(void **state)
{
	u32 ms = 0, last;

	(void)state;
	for (int i = 0; i < 20; i++) {
		last = ms;
		ms = fence_backoff_ms(ms);
		assert_true(ms > last || ms == 60000);
		assert_in_range(ms, 1000, 60000);
	}
	assert_int_equal(ms, 60000);
}

/* ---- with two daemons */

static void write_file(struct pair *p, const char *name, const char *text)
{
	char path[128], tmp[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	snprintf(tmp, sizeof(tmp), "%s/tmp", p->dir);
	f = fopen(tmp, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	chmod(tmp, 0700);
	assert_int_equal(rename(tmp, path), 0);
}

/* How often a program has run; its environment of the last time is in NAME.env. */
static u32 runs_of(struct pair *p, const char *name)
{
	char path[128];
	u32 nr = 0;
	FILE *f;
	int c;

	snprintf(path, sizeof(path), "%s/%s.runs", p->dir, name);
	f = fopen(path, "r");
	while (f && (c = fgetc(f)) != EOF)
		nr += c == '\n';
	if (f)
		fclose(f);
	return nr;
}

static void write_program(struct pair *p, const char *name)
{
	char text[512];

	snprintf(text, sizeof(text), "#!/bin/sh\n/usr/bin/env > %s/%s.env\necho >> %s/%s.runs\n"
		 "read code < %s/%s.code\n[ $code != hang ] || exec sleep 1000\nexit $code\n",
		 p->dir, name, p->dir, name, p->dir, name);
	write_file(p, name, text);
}

static void set_code(struct pair *p, const char *name, const char *code)
{
	char file[32], text[32];

	snprintf(file, sizeof(file), "%s.code", name);
	snprintf(text, sizeof(text), "%s\n", code);
	write_file(p, file, text);
}

/* Only what hangs is to meet its limit: on a busy host a shell may need more than a second. */
static void configure(struct pair *p, const char *policy, const char *code)
{
	bool hangs = strcmp(code, "hang") == 0;

	write_program(p, "fence");
	write_program(p, "unfence");
	set_code(p, "fence", code);
	set_code(p, "unfence", "0");
	snprintf(p->conf_more, sizeof(p->conf_more), "fencing: { policy = \"%s\"; "
		 "program = \"%s/fence\"; unfence = \"%s/unfence\"; timeout_ms = %u; };\n",
		 policy, p->dir, p->dir, hangs ? 1000u : 60000u);
	pair_write_conf(p, 2, 4);
}

static void connect_primary(struct pair *p)
{
	for (u32 v = 0; v < 2; v++) {
		pair_gen(p, ALICE, v, 7, 0, GOOD);
		pair_gen(p, BOB, v, 7, 0, GOOD);
	}
	pair_up_both(p);
	until(p, are_connected);
	pair_must(p, ALICE, CTL_PROMOTE);
}

/* bob's daemon dies, and alice's kernel notices. */
static void lose(struct pair *p)
{
	pair_kill(p, BOB);
	fake_lose(A);
	fake_lose(B);
}

/* What a session is told when the other side closes it, as over the data connections. */
static void join_kernels(struct pair *p)
{
	A->far = B;
	B->far = A;
}

static u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

static u32 io_of(struct fake *k)
{
	u32 io;

	fake_lock(k);
	io = k->r.io_mode;
	fake_unlock(k);
	return io;
}

static bool alice_is_alone(struct pair *p)
{
	return io_of(A) == LOCKSTEP_IO_ALONE;
}

static bool fence_ran(struct pair *p)
{
	return runs_of(p, "fence") > 0;
}

static bool fence_ran_again(struct pair *p)
{
	return runs_of(p, "fence") > 1;
}

static bool fence_failed(struct pair *p)
{
	return pair_has_problem(p, ALICE, "fence-failed");
}

static bool fence_is_mended(struct pair *p)
{
	return !fence_failed(p);
}

static bool fence_primary(struct pair *p)
{
	return pair_has_problem(p, ALICE, "fence-primary");
}

/* Exit code 7: told to the kernel; the program was told what it has to know, and no more. */
static void test_fenced(void **state)
{
	static const char *const want[] = {
		"LOCKSTEP_RESOURCE=r0\n", "LOCKSTEP_NODE=alice\n", "LOCKSTEP_NODE_ID=0\n",
		"LOCKSTEP_PEER=bob\n", "LOCKSTEP_PEER_ADDRESS=127.0.0.1\n",
		"LOCKSTEP_PEER_NODE_ID=1\n", "LOCKSTEP_VOLUMES=0 1\n", "LOCKSTEP_MINORS=0 1\n",
		"DRBD_RESOURCE=r0\n", "DRBD_PEER=bob\n", "DRBD_PEERS=bob\n",
		"DRBD_PEER_ADDRESS=127.0.0.1\n", "DRBD_PEER_AF=ipv4\n", "DRBD_MINOR=0 1\n",
		"DRBD_PEER_NODE_ID=1\n", "DRBD_MY_NODE_ID=0\n", "r0.conf\n", "PATH=",
	};
	struct pair *p = *state;
	char path[128], text[4096];
	FILE *f;

	configure(p, "fence", "7");
	connect_primary(p);
	assert_int_equal(runs_of(p, "fence"), 0);
	lose(p);
	assert_int_equal(io_of(A), LOCKSTEP_IO_FROZEN);
	until(p, alice_is_alone);
	assert_int_equal(runs_of(p, "fence"), 1);
	snprintf(path, sizeof(path), "%s/fence.env", p->dir);
	f = fopen(path, "r");
	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = 0;
	fclose(f);
	for (u32 i = 0; i < ARRAY_SIZE(want); i++)
		if (!strstr(text, want[i]))
			fail_msg("%s is missing in\n%s", want[i], text);
	assert_null(strstr(text, "LOCKSTEP_CONF_DIR"));
}

/* 5 is enough under one policy only; what is not is tried again, and says what to do. */
static void test_unreachable(void **state)
{
	struct pair *p = *state;
	struct model_daemon d;
	u64 began_ms;

	configure(p, "fence", "5");
	connect_primary(p);
	began_ms = now_ms();
	lose(p);
	until(p, fence_failed);
	d = pair_facts(p, ALICE);
	assert_non_null(strstr(d.problem, "exit code 5"));
	assert_non_null(strstr(d.mend, "lockstep resume r0"));
	assert_int_equal(io_of(A), LOCKSTEP_IO_FROZEN);
	/* By itself, and not before a second is over; if this host stands still, more than once. */
	set_code(p, "fence", "4");
	until(p, alice_is_alone);
	assert_true(fence_ran_again(p));
	assert_true(now_ms() - began_ms >= 1000);
	until(p, fence_is_mended);
}

static void test_policy_outdate(void **state)
{
	struct pair *p = *state;

	configure(p, "outdate", "5");
	connect_primary(p);
	lose(p);
	until(p, alice_is_alone);
}

/* Never beside a primary; a person may say otherwise. */
static void test_peer_is_primary(void **state)
{
	struct pair *p = *state;

	configure(p, "outdate", "6");
	connect_primary(p);
	lose(p);
	until(p, fence_primary);
	assert_non_null(strstr(pair_facts(p, ALICE).problem, "bob is primary"));
	until(p, fence_ran_again);
	assert_int_equal(io_of(A), LOCKSTEP_IO_FROZEN);
	pair_must(p, ALICE, CTL_RESUME);
	assert_int_equal(io_of(A), LOCKSTEP_IO_ALONE);
}

/* One that hangs is killed at its limit, and tried again. */
static void test_hangs(void **state)
{
	struct pair *p = *state;

	configure(p, "fence", "hang");
	connect_primary(p);
	lose(p);
	until(p, fence_failed);
	assert_non_null(strstr(pair_facts(p, ALICE).problem, "1000 ms"));
	set_code(p, "fence", "7");
	until(p, alice_is_alone);
}

/* The daemon is killed in the middle: the next one finds the kernel waiting and begins anew. */
static void test_daemon_killed(void **state)
{
	struct pair *p = *state;

	configure(p, "fence", "hang");
	connect_primary(p);
	lose(p);
	until(p, fence_ran);
	pair_kill(p, ALICE);
	assert_int_equal(io_of(A), LOCKSTEP_IO_FROZEN);
	configure(p, "fence", "7");
	pair_start(p, ALICE);
	until(p, alice_is_alone);
	assert_int_equal(runs_of(p, "fence"), 2);
}

static void hurry(struct pair *p)
{
	/* The kernel has had another session since the program began. */
	fake_lock(A);
	A->r.fence_round++;
	fake_unlock(A);
}

/* An outcome of an earlier loss is none of this one's: the program runs again. */
static void test_late_outcome(void **state)
{
	struct pair *p = *state;
	char text[256];

	configure(p, "fence", "7");
	snprintf(text, sizeof(text), "#!/bin/sh\necho >> %s/fence.runs\n"
		 "while [ ! -e %s/go ]; do sleep 0.05; done\nexit 7\n", p->dir, p->dir);
	write_file(p, "fence", text);
	connect_primary(p);
	lose(p);
	until(p, fence_ran);
	hurry(p);
	write_file(p, "go", "");
	until(p, alice_is_alone);
	assert_int_equal(runs_of(p, "fence"), 2);
}

/* Promotion without the peer: only after its fencing; refused with what that says. */
static void test_promotion(void **state)
{
	struct pair *p = *state;
	struct reply r;

	configure(p, "fence", "6");
	pair_gen(p, ALICE, 0, 7, 0, GOOD);
	pair_gen(p, ALICE, 1, 7, 0, GOOD);
	pair_start(p, ALICE);
	pair_must(p, ALICE, CTL_UP);
	r = pair_ask(p, ALICE, CTL_PROMOTE, false);
	assert_string_equal(r.e.code, "fence-primary");
	assert_int_equal(A->r.role, LOCKSTEP_ROLE_SECONDARY);
	set_code(p, "fence", "5");
	r = pair_ask(p, ALICE, CTL_PROMOTE, false);
	assert_string_equal(r.e.code, "fence-failed");
	assert_non_null(strstr(r.e.mend, "promote --force"));
	set_code(p, "fence", "4");
	pair_must(p, ALICE, CTL_PROMOTE);
	assert_int_equal(A->r.role, LOCKSTEP_ROLE_PRIMARY);
	assert_int_equal(runs_of(p, "fence"), 3);
}

static void on_reply(void *arg, const struct err *e, const char *text)
{
	(void)arg;
	(void)e;
	(void)text;
}

static struct reply resize(struct pair *p, int side)
{
	struct ctl_request q = { .command = CTL_RESIZE, .has_volume = true };

	A->v[0].grown_sect = B->v[0].grown_sect = max(A->v[0].grown_sect, 1ull << 20) * 2;
	return pair_request(p, side, &q);
}

/* A real loss, straight after: nothing of what was announced holds it up. */
static void expect_fenced_at_once(struct pair *p)
{
	u64 began_ms = now_ms();

	assert_int_equal(runs_of(p, "fence"), 0);
	lose(p);
	until(p, alice_is_alone);
	assert_true(now_ms() - began_ms < HOLD_MS);
	assert_int_equal(runs_of(p, "fence"), 1);
}

/* A session that ends so that the next one knows more is no loss, whichever side was asked. */
static void test_resize_is_no_loss(void **state)
{
	struct pair *p = *state;

	configure(p, "fence", "7");
	connect_primary(p);
	join_kernels(p);
	for (int side = 0; side < 2; side++) {
		/* A dump that is older than the session comes after it. */
		A->dump_ms = B->dump_ms = side * 300;
		assert_string_equal(resize(p, side).e.what, "");
		until(p, are_connected);
		assert_int_equal(A->opens, 3 + 2 * side);
		assert_int_equal(io_of(A), LOCKSTEP_IO_BOTH);
		pair_run(p, 2 * A->dump_ms);
	}
	A->dump_ms = B->dump_ms = 0;
	expect_fenced_at_once(p);
}

/* bob has lost the session, and says hello before alice's kernel has noticed. */
static void test_hello_is_no_loss(void **state)
{
	struct pair *p = *state;

	configure(p, "fence", "7");
	connect_primary(p);
	fake_lose(B);
	pair_run(p, 50);
	until(p, are_connected);
	assert_int_equal(A->opens, 2);
	expect_fenced_at_once(p);
}

static bool has_opened_thrice(struct pair *p)
{
	bool is;

	fake_lock(A);
	is = A->opens == 3;
	fake_unlock(A);
	return is;
}

/* bob's copy grew before it died: what is new is marked, and copied by a session made for that. */
static void test_growth_is_copied(void **state)
{
	struct pair *p = *state;

	configure(p, "fence", "7");
	connect_primary(p);
	join_kernels(p);
	fake_lock(A);
	A->v[0].m.data_max_sect = 1ull << 21;
	fake_unlock(A);
	fake_lock(B);
	B->v[0].m.data_max_sect = B->v[0].m.data_sect = 1ull << 21;
	fake_unlock(B);
	fake_lose(B);
	until(p, has_opened_thrice);
	until(p, are_connected);
	assert_int_equal(A->v[0].m.data_sect, 1ull << 21);
	expect_fenced_at_once(p);
}

static bool fence_held(struct pair *p)
{
	return pair_has_problem(p, ALICE, "fence-held");
}

/* Said and not kept: fenced as ever, and nothing was let through before. */
static void hold_in_vain(struct pair *p, int side)
{
	struct ctl_request q = { .command = CTL_RESIZE, .has_volume = true, .resource = "r0" };
	u64 began_ms;

	p->hold_ms = 1500;
	configure(p, "fence", "7");
	connect_primary(p);
	join_kernels(p);
	strcpy(B->refuse_open, "no memory");
	A->v[0].grown_sect = B->v[0].grown_sect = 1ull << 21;
	began_ms = now_ms();
	manager_request(p->side[side].m, &q, on_reply, NULL);
	until(p, fence_held);
	assert_int_equal(io_of(A), LOCKSTEP_IO_FROZEN);
	assert_int_equal(runs_of(p, "fence"), 0);
	until(p, alice_is_alone);
	assert_true(now_ms() - began_ms >= 1500);
	/* Again where alice began another session meanwhile, which bob refused. */
	assert_true(fence_ran(p));
	assert_false(fence_held(p));
}

static void test_held_by_us(void **state)
{
	hold_in_vain(*state, ALICE);
}

static void test_held_by_peer(void **state)
{
	hold_in_vain(*state, BOB);
}

/* Who is told to stay away does not come back: nothing to wait for. */
static void test_disconnect_is_a_loss(void **state)
{
	struct pair *p = *state;
	u64 began_ms;

	configure(p, "fence", "7");
	connect_primary(p);
	join_kernels(p);
	began_ms = now_ms();
	pair_must(p, BOB, CTL_DISCONNECT);
	until(p, alice_is_alone);
	assert_true(now_ms() - began_ms < HOLD_MS);
}

static bool unfence_ran(struct pair *p)
{
	return runs_of(p, "unfence") >= 1;
}

static bool in_sync(struct pair *p)
{
	for (int i = 0; i < 2; i++) {
		struct fake *k = &p->side[i].k;

		fake_lock(k);
		for (u32 v = 0; v < 2; v++)
			k->v[v].m.peer_disk = LOCKSTEP_DISK_UP_TO_DATE;
		fake_unlock(k);
	}
	return true;
}

/* In sync again: undone, once. */
static void test_unfence(void **state)
{
	struct pair *p = *state;

	configure(p, "fence", "7");
	connect_primary(p);
	pair_run(p, 300);
	assert_int_equal(runs_of(p, "unfence"), 0);
	in_sync(p);
	until(p, unfence_ran);
	pair_run(p, 500);
	/* Each side has a daemon of its own. */
	assert_true(runs_of(p, "unfence") <= 2);
}

static bool unfence_failed(struct pair *p)
{
	return pair_has_problem(p, ALICE, "unfence-failed");
}

static bool has_no_problem(struct pair *p)
{
	return !pair_facts(p, ALICE).problem[0];
}

/* One that fails is said, with its name and code, and tried again until it does not. */
static void test_unfence_fails(void **state)
{
	struct pair *p = *state;

	configure(p, "fence", "7");
	set_code(p, "unfence", "3");
	connect_primary(p);
	in_sync(p);
	until(p, unfence_failed);
	assert_non_null(strstr(pair_facts(p, ALICE).problem, "/unfence"));
	assert_non_null(strstr(pair_facts(p, ALICE).problem, "exit code 3"));
	assert_non_null(strstr(pair_facts(p, ALICE).mend, "/unfence by hand"));
	set_code(p, "unfence", "0");
	until(p, has_no_problem);
}

/* `up` again takes a new policy up without disturbing the session. */
static void test_policy_changes(void **state)
{
	struct pair *p = *state;
	u64 id;

	configure(p, "none", "7");
	connect_primary(p);
	id = A->r.session_id;
	assert_int_equal(A->r.fencing, LOCKSTEP_FENCING_NONE);
	configure(p, "fence", "7");
	pair_must(p, ALICE, CTL_UP);
	assert_int_equal(A->r.fencing, LOCKSTEP_FENCING_FENCE);
	assert_true(A->r.session_id == id);
	lose(p);
	until(p, alice_is_alone);
	assert_int_equal(runs_of(p, "fence"), 1);
}

/* The setting gets to the kernel with `up`, and alone: what did not change is not sent. */
static void test_auto_promote(void **state)
{
	struct pair *p = *state;
	u64 id;

	strcpy(p->conf_more, "auto_promote: true;\n");
	pair_write_conf(p, 2, 4);
	connect_primary(p);
	id = A->r.session_id;
	assert_int_equal(A->r.auto_promote, 1);
	assert_int_equal(B->r.auto_promote, 1);
	pair_must(p, ALICE, CTL_UP);
	assert_int_equal(A->policy_sets, 0);
	strcpy(p->conf_more, "auto_promote: false;\n");
	pair_write_conf(p, 2, 4);
	pair_must(p, ALICE, CTL_UP);
	assert_int_equal(A->r.auto_promote, 0);
	assert_int_equal(A->auto_sets, 1);
	configure(p, "fence", "7");
	pair_must(p, ALICE, CTL_UP);
	assert_int_equal(A->auto_sets, 1);
	assert_int_equal(A->policy_sets, 2);
	assert_int_equal(A->r.fencing, LOCKSTEP_FENCING_FENCE);
	assert_true(A->r.session_id == id);
}

/* The other side's half: by its codes a fencing program knows what to pass on. */
static void test_outdate(void **state)
{
	struct pair *p = *state;
	struct reply r;

	configure(p, "fence", "7");
	connect_primary(p);
	r = pair_ask(p, BOB, CTL_OUTDATE, false);
	assert_non_null(strstr(r.e.what, "connected"));
	r = pair_ask(p, ALICE, CTL_OUTDATE, false);
	assert_string_equal(r.e.code, "outdate-primary");
	pair_must(p, BOB, CTL_DISCONNECT);
	pair_must(p, BOB, CTL_OUTDATE);
	assert_int_equal(B->v[0].m.disk, LOCKSTEP_DISK_OUTDATED);
}

/*
 * Asked before the daemon has looked at the kernel, and of what it never took up: the answer is the
 * kernel's, and "not up" only where that has nothing.
 */
static void test_outdate_unseen(void **state)
{
	struct pair *p = *state;
	struct reply r;

	configure(p, "fence", "7");
	pair_gen(p, BOB, 0, 7, 0, GOOD);
	pair_start(p, BOB);
	r = pair_ask(p, BOB, CTL_OUTDATE, false);
	assert_string_equal(r.e.code, "not-up");
	pair_must(p, BOB, CTL_UP);
	pair_kill(p, BOB);
	pair_start(p, BOB);
	pair_must(p, BOB, CTL_OUTDATE);
	assert_int_equal(B->v[0].m.disk, LOCKSTEP_DISK_OUTDATED);
	pair_kill(p, BOB);
	fake_lock(B);
	B->r.role = LOCKSTEP_ROLE_PRIMARY;
	fake_unlock(B);
	pair_start(p, BOB);
	r = pair_ask(p, BOB, CTL_OUTDATE, false);
	assert_string_equal(r.e.code, "outdate-primary");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, pair_set_up, pair_tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge), cmocka_unit_test(test_next),
		cmocka_unit_test(test_backoff),
		T(test_fenced), T(test_unreachable), T(test_policy_outdate),
		T(test_peer_is_primary), T(test_hangs), T(test_daemon_killed),
		T(test_late_outcome), T(test_promotion), T(test_unfence), T(test_unfence_fails),
		T(test_resize_is_no_loss), T(test_hello_is_no_loss),
		T(test_growth_is_copied),
		T(test_held_by_us), T(test_held_by_peer), T(test_disconnect_is_a_loss),
		T(test_policy_changes), T(test_auto_promote), T(test_outdate),
		T(test_outdate_unseen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
