// SPDX-License-Identifier: GPL-2.0
/* What must not become a session: data nobody decided about, wrong keys, strangers, garbage. */
#include "pair.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listen.h"
#include "peer-phase.h"
#include "stranger.h"

#define A	(&p->side[ALICE].k)
#define B	(&p->side[BOB].k)

static const char *expected;

static bool both_have_problem(struct pair *p)
{
	return pair_has_problem(p, ALICE, expected) && pair_has_problem(p, BOB, expected);
}

/* Both sides say the same sentence, and neither kernel was bothered. */
static void expect_refusal(struct pair *p, const char *code)
{
	expected = code;
	until(p, both_have_problem);
	assert_string_equal(pair_facts(p, ALICE).problem, pair_facts(p, BOB).problem);
	assert_true(pair_facts(p, ALICE).mend[0] != 0);
	assert_int_equal(A->opens + B->opens, 0);
}

/*
 * Two blank copies: nobody said whose data counts; a forced promotion says it, and it goes on
 * at once.
 */
static void test_blank(void **state)
{
	struct pair *p = *state;

	pair_up_both(p);
	expect_refusal(p, "both-blank");
	pair_gen(p, BOB, 0, 33, 0, GOOD);
	assert_string_equal(pair_ask(p, BOB, CTL_PROMOTE, true).e.what, "");
	until(p, are_connected);
	assert_string_equal(pair_facts(p, BOB).problem, "");
}

/* Both went on alone. */
static void test_split(void **state)
{
	struct pair *p = *state;

	pair_gen(p, ALICE, 0, 21, 10, GOOD);
	pair_gen(p, BOB, 0, 22, 10, GOOD);
	pair_up_both(p);
	expect_refusal(p, "split-brain");
}

/* Two copies that never met. */
static void test_unrelated(void **state)
{
	struct pair *p = *state;

	pair_gen(p, ALICE, 0, 21, 0, GOOD);
	pair_gen(p, BOB, 0, 22, 0, GOOD);
	pair_up_both(p);
	expect_refusal(p, "unrelated");
}

/* Two primaries: one of them has to be demoted, then they meet. */
static void test_two_primaries(void **state)
{
	struct pair *p = *state;

	pair_gen(p, ALICE, 0, 7, 0, GOOD);
	pair_gen(p, BOB, 0, 7, 0, GOOD);
	A->r.role = B->r.role = LOCKSTEP_ROLE_PRIMARY;
	pair_up_both(p);
	expect_refusal(p, "two-primaries");
	pair_must(p, ALICE, CTL_DEMOTE);
	until(p, are_connected);
}

/* A primary whose copy would be overwritten is told to step down, by name. */
static void test_primary_target(void **state)
{
	struct pair *p = *state;

	pair_gen(p, ALICE, 0, 20, 10, GOOD);
	pair_gen(p, BOB, 0, 10, 0, GOOD);
	B->r.role = LOCKSTEP_ROLE_PRIMARY;
	pair_up_both(p);
	expect_refusal(p, "target-is-primary");
	assert_non_null(strstr(pair_facts(p, ALICE).problem, "bob must be demoted"));
	pair_must(p, BOB, CTL_DEMOTE);
	until(p, are_connected);
}

/* The peer's disk is too small for what was agreed. */
static void test_too_small(void **state)
{
	struct pair *p = *state;

	pair_gen(p, ALICE, 0, 7, 0, GOOD);
	A->v[0].m.data_sect = 1 << 20;
	B->v[0].m.data_max_sect = (1 << 20) - 8;
	pair_up_both(p);
	expect_refusal(p, "peer-limits");
}

/* Different numbers of volumes in the two kernels. */
static void test_identity(void **state)
{
	struct pair *p = *state;

	pair_gen(p, ALICE, 0, 7, 0, GOOD);
	pair_gen(p, BOB, 0, 7, 0, GOOD);
	pair_start(p, ALICE);
	pair_start(p, BOB);
	pair_must(p, BOB, CTL_UP);
	pair_write_conf(p, 2, 4);
	pair_must(p, ALICE, CTL_UP);
	expect_refusal(p, "peer-identity");
}

/* The keys differ: both sides say so and name the file; with the right key it goes on. */
static void test_wrong_key(void **state)
{
	struct pair *p = *state;

	pair_gen(p, ALICE, 0, 7, 0, GOOD);
	pair_gen(p, BOB, 0, 7, 0, GOOD);
	pair_start(p, ALICE);
	pair_start(p, BOB);
	pair_must(p, BOB, CTL_UP);
	pair_write_key(p, 99);
	pair_must(p, ALICE, CTL_UP);
	expected = "wrong-key";
	until(p, both_have_problem);
	assert_non_null(strstr(pair_facts(p, ALICE).problem, "/key"));
	assert_non_null(strstr(pair_facts(p, BOB).problem, "/key"));
	pair_must(p, BOB, CTL_UP);
	until(p, are_connected);
}

static bool alice_has_problem(struct pair *p)
{
	return pair_has_problem(p, ALICE, expected);
}

static bool bob_has_problem(struct pair *p)
{
	return pair_has_problem(p, BOB, expected);
}

/* bob's daemon runs, but the resource is not up there. */
static void test_not_up_there(void **state)
{
	struct pair *p = *state;

	pair_start(p, ALICE);
	pair_start(p, BOB);
	pair_must(p, ALICE, CTL_UP);
	expected = "unreachable";
	until(p, alice_has_problem);
	assert_true(pair_facts(p, ALICE).mend[0] != 0);
}

/* Something else listens where bob should. */
static void test_other_server(void **state)
{
	static const char banner[] = "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n";
	struct pair *p = *state;
	struct dial_addr a;
	int fd, new, on = 1;

	stranger_address(p, &a);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(fd, (struct sockaddr *)&a.ss, a.len), 0);
	assert_int_equal(listen(fd, 5), 0);
	pair_start(p, ALICE);
	pair_must(p, ALICE, CTL_UP);
	expected = "not-lockstep";
	for (int i = 0; i < 200 && !alice_has_problem(p); i++) {
		pair_run(p, 5);
		new = accept(fd, NULL, NULL);
		if (new < 0)
			continue;
		assert_int_equal(send(new, banner, sizeof(banner) - 1, 0), sizeof(banner) - 1);
		pair_run(p, 20);
		close(new);
	}
	assert_true(alice_has_problem(p));
	close(fd);
}

/* Something else calls at bob's port: it is closed and named; alice is still welcome. */
static void test_other_client(void **state)
{
	static const char *const said[] = { "GET / HTTP/1.1\r\n\r\n", "LSJOIN", "LOGIN",
					    "\x16\x03\x01\x02\x00nonsense" };
	struct pair *p = *state;
	char c;
	int fd;

	pair_gen(p, ALICE, 0, 7, 0, GOOD);
	pair_gen(p, BOB, 0, 7, 0, GOOD);
	pair_start(p, BOB);
	pair_must(p, BOB, CTL_UP);
	for (size_t i = 0; i < ARRAY_SIZE(said); i++) {
		fd = stranger_connect_raw(p);
		assert_true(send(fd, said[i], strlen(said[i]), 0) > 0);
		pair_run(p, 30);
		if (i != 1)	/* that one may still become a join */
			assert_true(recv(fd, &c, 1, 0) >= 0 || errno == ECONNRESET || i == 3);
		close(fd);
		pair_run(p, 10);
		if (i == 0) {
			expected = "not-lockstep";
			until(p, bob_has_problem);
		}
	}
	pair_start(p, ALICE);
	pair_must(p, ALICE, CTL_UP);
	until(p, are_connected);
}

/* More half-open connections than allowed: the oldest go, and alice gets through. */
static void test_crowd(void **state)
{
	struct pair *p = *state;
	int fd[3 * LISTEN_HALF_OPEN];

	pair_gen(p, ALICE, 0, 7, 0, GOOD);
	pair_gen(p, BOB, 0, 7, 0, GOOD);
	pair_start(p, BOB);
	pair_must(p, BOB, CTL_UP);
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++) {
		fd[i] = stranger_connect_raw(p);
		pair_run(p, 1);
	}
	pair_start(p, ALICE);
	pair_must(p, ALICE, CTL_UP);
	until(p, are_connected);
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		close(fd[i]);
}

static struct stranger stranger;

static bool stranger_is_settled(struct pair *p)
{
	(void)p;
	return stranger.is_closed || stranger.token_sent;
}

static bool stranger_is_closed(struct pair *p)
{
	(void)p;
	return stranger.is_closed;
}

static bool stranger_is_open(struct pair *p)
{
	(void)p;
	return stranger.is_open;
}

static bool joined, join_ok;

static void on_joined(void *arg, u32 stream, int fd, const struct err *e)
{
	(void)arg;
	(void)stream;
	(void)e;
	joined = true;
	join_ok = fd >= 0;
	if (fd >= 0)
		close(fd);
}

static bool is_joined(struct pair *p)
{
	(void)p;
	return joined;
}

static bool try_join(struct pair *p, const u8 *token, u64 session_id, u32 stream)
{
	struct dial_addr a;

	stranger_address(p, &a);
	joined = false;
	assert_non_null(join_dial(p->event, &a, PHASE_MS, token, session_id, stream, on_joined,
				  NULL));
	until(p, is_joined);
	return join_ok;
}

/* Data connections: proved with the token of this session, each stream once, or refused. */
static void test_join(void **state)
{
	u8 wrong[LOCKSTEP_KEY_BYTES] = { 1, 2, 3 };
	struct pair *p = *state;
	u32 have = 0;

	memset(&stranger, 0, sizeof(stranger));
	pair_gen(p, ALICE, 0, 7, 0, GOOD);
	pair_gen(p, BOB, 0, 7, 0, GOOD);
	pair_start(p, BOB);
	pair_must(p, BOB, CTL_UP);
	stranger.polite = true;
	stranger_dial(&stranger, p, 1);
	until(p, stranger_is_settled);
	assert_true(stranger.token_sent);
	pair_run(p, 50);
	assert_false(try_join(p, wrong, stranger.token.session_id, 0));
	assert_false(try_join(p, stranger.token.token, stranger.token.session_id, 99));
	assert_true(try_join(p, stranger.token.token, stranger.token.session_id, 0));
	assert_false(try_join(p, stranger.token.token, stranger.token.session_id, 0));
	pair_run(p, 50);
	fake_lock(B);
	for (u32 i = 0; i < LOCKSTEP_MAX_STREAMS; i++)
		have += B->fd[i] >= 0;
	fake_unlock(B);
	assert_int_equal(have, 1);
	assert_int_equal(fake_link(B), LOCKSTEP_LINK_OPENING);
	/* alice goes away: bob leaves nothing half-made in the kernel. */
	stranger_done(&stranger);
	pair_run(p, 100);
	assert_int_equal(fake_link(B), LOCKSTEP_LINK_DOWN);
}

static void send_garbage(struct stranger *s)
{
	static u8 buf[LOCKSTEP_CTL_MAX_BYTES];
	u32 nr = 1 + (u32)random() % 4;

	for (u32 i = 0; i < nr && s->c; i++) {
		u16 type = (u16)(random() % (LOCKSTEP_CT_NR + 1));
		size_t len = (size_t)random() % 200;

		for (size_t k = 0; k < len; k++)
			buf[k] = (u8)random();
		if (random() % 2) {
			type = LOCKSTEP_CT_HELLO;
			len = stranger_hello(s, buf, sizeof(buf));
			for (u32 k = (u32)random() % 6; k > 0; k--)
				buf[(size_t)random() % len] ^= (u8)(1u << random() % 8);
		}
		conn_send(s->c, type, buf, len);
	}
}

/*
 * The right key and nonsense behind it: bob survives, never starts a session, and takes alice
 * after.
 */
static void test_garbage(void **state)
{
	struct pair *p = *state;

	srandom(2);
	memset(&stranger, 0, sizeof(stranger));
	pair_gen(p, ALICE, 0, 7, 0, GOOD);
	pair_gen(p, BOB, 0, 7, 0, GOOD);
	pair_start(p, BOB);
	pair_must(p, BOB, CTL_UP);
	for (int i = 0; i < 150; i++) {
		stranger_dial(&stranger, p, 1);
		until(p, stranger_is_open);
		send_garbage(&stranger);
		pair_run(p, 3);
		conn_close(stranger.c);
	}
	assert_int_equal(B->starts, 0);
	stranger_done(&stranger);
	pair_start(p, ALICE);
	pair_must(p, ALICE, CTL_UP);
	until(p, are_connected);
}

/* A peer that says nothing after the handshake is dropped at the deadline. */
static void test_silent(void **state)
{
	struct pair *p = *state;

	memset(&stranger, 0, sizeof(stranger));
	pair_gen(p, BOB, 0, 7, 0, GOOD);
	pair_start(p, BOB);
	pair_must(p, BOB, CTL_UP);
	stranger_dial(&stranger, p, 1);
	until(p, stranger_is_closed);
	assert_true(pair_has_problem(p, BOB, "peer-silent"));
	assert_non_null(strstr(pair_facts(p, BOB).mend, "on alice: "));
	stranger_done(&stranger);
}

static u32 want_frames;

static bool has_frames(struct pair *p)
{
	(void)p;
	return stranger.frames >= want_frames;
}

/* The stranger, with bob's hello, and with bob's verdict if ours was sent. */
static void dial_for_frames(struct pair *p, u32 nr)
{
	static u8 buf[LOCKSTEP_CTL_MAX_BYTES];

	stranger_dial(&stranger, p, 1);
	want_frames = 1;
	until(p, has_frames);
	if (nr == 1)
		return;
	conn_send(stranger.c, LOCKSTEP_CT_HELLO, buf, stranger_hello(&stranger, buf, sizeof(buf)));
	want_frames = nr;
	until(p, has_frames);
}

static bool bob_was_told(struct pair *p)
{
	return strstr(pair_facts(p, BOB).problem, expected);
}

/*
 * Whatever the other host refuses a session for, whoever looks at this one reads its sentence, and
 * what to do next.
 */
static void test_told(void **state)
{
	static u8 buf[LOCKSTEP_CTL_MAX_BYTES];
	struct pair *p = *state;
	char text[64];

	memset(&stranger, 0, sizeof(stranger));
	pair_gen(p, BOB, 0, 7, 0, GOOD);
	pair_start(p, BOB);
	pair_must(p, BOB, CTL_UP);
	for (u32 code = 1; code < LOCKSTEP_RF_NR; code++) {
		snprintf(text, sizeof(text), "this is why: %u.", code);
		dial_for_frames(p, 1);
		conn_send(stranger.c, LOCKSTEP_CT_REFUSE, buf,
			  wire_refuse_encode(code, text, buf, sizeof(buf)));
		until(p, stranger_is_closed);
		/* Busy is no trouble: it comes again. */
		if (code == LOCKSTEP_RF_BUSY) {
			assert_null(strstr(pair_facts(p, BOB).problem, text));
			continue;
		}
		expected = text;
		until(p, bob_was_told);
		assert_non_null(strstr(pair_facts(p, BOB).problem, "alice refuses: this is why"));
		assert_true(pair_has_problem(p, BOB, peer_refuse_code[code]));
		if (!pair_facts(p, BOB).mend[0] || strstr(pair_facts(p, BOB).mend, "NAME"))
			fail_msg("no way out of %s", peer_refuse_code[code]);
	}
	stranger_done(&stranger);
}

/* Two releases that judge differently: nobody goes on. */
static void test_verdicts(void **state)
{
	struct wire_choice choice = { .volume = 0, .verdict = GEN_SOURCE_FULL };
	static u8 buf[LOCKSTEP_CTL_MAX_BYTES];
	struct pair *p = *state;

	memset(&stranger, 0, sizeof(stranger));
	pair_gen(p, ALICE, 0, 7, 0, GOOD);
	pair_gen(p, BOB, 0, 7, 0, GOOD);
	pair_start(p, BOB);
	pair_must(p, BOB, CTL_UP);
	dial_for_frames(p, 2);
	assert_int_equal(stranger.last_type, LOCKSTEP_CT_VERDICT);
	conn_send(stranger.c, LOCKSTEP_CT_VERDICT, buf,
		  wire_verdict_encode(&choice, 1, buf, sizeof(buf)));
	until(p, stranger_is_closed);
	assert_int_equal(stranger.refuse, LOCKSTEP_RF_VERDICT);
	assert_true(pair_has_problem(p, BOB, "verdicts-differ"));
	assert_non_null(strstr(pair_facts(p, BOB).problem, "volume 0"));
	assert_non_null(strstr(pair_facts(p, BOB).mend, "same release"));
	assert_int_equal(B->opens, 0);
	stranger_done(&stranger);
}

/* What one kernel refuses is said on both hosts, each with its next step. */
static void test_internal(void **state)
{
	struct pair *p = *state;

	pair_gen(p, ALICE, 0, 7, 0, GOOD);
	pair_gen(p, BOB, 0, 7, 0, GOOD);
	strcpy(A->refuse_open, "there is no room for another session");
	pair_up_both(p);
	expected = "kernel-refused";
	until(p, alice_has_problem);
	expected = "peer-refused";
	until(p, bob_has_problem);
	for (int i = 0; i < 2; i++) {
		assert_non_null(strstr(pair_facts(p, i).problem, "no room for another session"));
		assert_true(pair_facts(p, i).mend[0]);
	}
	fake_lock(A);
	A->refuse_open[0] = '\0';
	fake_unlock(A);
	until(p, are_connected);
	assert_string_equal(pair_facts(p, BOB).problem, "");
}

int main(void)
{
#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, pair_set_up, pair_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_blank),
		TEST(test_split),
		TEST(test_unrelated),
		TEST(test_two_primaries),
		TEST(test_primary_target),
		TEST(test_too_small),
		TEST(test_identity),
		TEST(test_wrong_key),
		TEST(test_not_up_there),
		TEST(test_other_server),
		TEST(test_other_client),
		TEST(test_crowd),
		TEST(test_join),
		TEST(test_garbage),
		TEST(test_silent),
		TEST(test_told),
		TEST(test_verdicts),
		TEST(test_internal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
