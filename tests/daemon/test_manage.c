// SPDX-License-Identifier: GPL-2.0
/* What a person asks for: up, down, promote, disconnect; and the socket it is asked through. */
#include "pair.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "server.h"

#define A	(&p->side[ALICE].k)
#define B	(&p->side[BOB].k)

static void connect_both(struct pair *p)
{
	pair_gen(p, ALICE, 0, 7, 0, GOOD);
	pair_gen(p, BOB, 0, 7, 0, GOOD);
	pair_up_both(p);
	until(p, are_connected);
}

/* A volume the kernel refuses: its sentence is passed on, and nothing is left behind. */
static void test_up_undone(void **state)
{
	struct pair *p = *state;
	struct reply r;

	strcpy(B->refuse_volume, "/dev/vdb has no metadata of r0");
	pair_start(p, BOB);
	r = pair_ask(p, BOB, CTL_UP, false);
	assert_string_equal(r.e.what, "/dev/vdb has no metadata of r0");
	assert_false(B->exists);
	assert_string_equal(pair_facts(p, BOB).name, "");
	B->refuse_volume[0] = 0;
	pair_must(p, BOB, CTL_UP);
	assert_true(B->exists);
}

/* `up` twice says so and disturbs nothing; down twice likewise. */
static void test_idempotent(void **state)
{
	struct pair *p = *state;
	u64 id;

	connect_both(p);
	id = A->r.session_id;
	assert_string_equal(pair_ask(p, ALICE, CTL_UP, false).text, "r0 is up already");
	pair_run(p, 50);
	assert_true(are_connected(p));
	assert_true(A->r.session_id == id);
	assert_string_equal(pair_ask(p, ALICE, CTL_DOWN, false).text, "r0 is down");
	assert_false(A->exists);
	assert_string_equal(pair_ask(p, ALICE, CTL_DOWN, false).text, "r0 was not up");
	pair_must(p, ALICE, CTL_UP);
	until(p, are_connected);
}

/* In use: down is refused by name, with the way out, and the session goes on. */
static void test_down_busy(void **state)
{
	struct pair *p = *state;
	struct reply r;
	u64 id;

	connect_both(p);
	id = A->r.session_id;
	A->v[0].m.openers = 1;
	r = pair_ask(p, ALICE, CTL_DOWN, false);
	assert_non_null(strstr(r.e.what, "fio"));
	assert_non_null(strstr(r.e.mend, "lockstep down r0"));
	r = pair_ask(p, ALICE, CTL_DEMOTE, false);
	assert_non_null(strstr(r.e.mend, "lockstep demote r0"));
	pair_run(p, 50);
	assert_true(are_connected(p));
	assert_true(A->r.session_id == id);
}

/* Disconnected stays disconnected, over a restart of the daemon too, until connect. */
static void test_disconnect(void **state)
{
	struct pair *p = *state;

	connect_both(p);
	pair_must(p, BOB, CTL_DISCONNECT);
	assert_int_equal(fake_link(B), LOCKSTEP_LINK_DOWN);
	pair_run(p, 300);
	assert_int_equal(fake_link(B), LOCKSTEP_LINK_DOWN);
	assert_non_null(strstr(pair_facts(p, ALICE).problem, "told to stay disconnected"));
	pair_kill(p, BOB);
	pair_start(p, BOB);
	pair_run(p, 300);
	assert_true(pair_facts(p, BOB).stay_off);
	assert_int_equal(fake_link(B), LOCKSTEP_LINK_DOWN);
	pair_must(p, BOB, CTL_CONNECT);
	until(p, are_connected);
	/* The dialler's side likewise. */
	pair_must(p, ALICE, CTL_DISCONNECT);
	pair_run(p, 200);
	assert_int_equal(fake_link(A), LOCKSTEP_LINK_DOWN);
	pair_must(p, ALICE, CTL_CONNECT);
	until(p, are_connected);
}

static void on_promoted(void *arg, const struct err *e, const char *text)
{
	bool *done = arg;

	(void)text;
	assert_null(e);
	*done = true;
}

/*
 * A promotion that takes longer than the control connection may be silent: the loop goes on
 * meanwhile.
 */
static void test_slow_promote(void **state)
{
	struct ctl_request q = { .command = CTL_PROMOTE, .resource = "r0" };
	struct pair *p = *state;
	bool done = false;

	connect_both(p);
	A->promote_ms = 900;
	manager_request(p->side[ALICE].m, &q, on_promoted, &done);
	for (int i = 0; i < 5; i++) {
		pair_run(p, 100);
		assert_false(done);
		assert_true(are_connected(p));
	}
	assert_string_equal(pair_ask(p, ALICE, CTL_DEMOTE, false).e.code, "busy");
	for (int i = 0; i < 50 && !done; i++)
		pair_run(p, 100);
	assert_true(done);
	assert_int_equal(A->r.role, LOCKSTEP_ROLE_PRIMARY);
}

/* What is not there is said so, with the way out. */
static void test_missing(void **state)
{
	struct pair *p = *state;
	struct reply r;

	pair_start(p, ALICE);
	r = pair_ask(p, ALICE, CTL_PROMOTE, false);
	assert_string_equal(r.e.code, "not-up");
	assert_string_equal(r.e.mend, "lockstep up r0");
	A->no_module = true;
	r = pair_ask(p, ALICE, CTL_UP, false);
	assert_string_equal(r.e.code, "no-module");
	A->no_module = false;
	pair_write_conf(p, 1, 400);
	r = pair_ask(p, ALICE, CTL_UP, false);
	assert_non_null(strstr(r.e.what, "r0.conf"));
	assert_false(A->exists);
}

/* Somebody else has the port: nothing is left behind, and it goes once that one is gone. */
static void test_port_taken(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	struct pair *p = *state;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char what[96];
	struct reply r;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.sin_port = htons(p->port);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 1), 0);
	pair_start(p, BOB);
	r = pair_ask(p, BOB, CTL_UP, false);
	assert_string_equal(r.e.code, "listen");
	snprintf(what, sizeof(what), "cannot listen on 127.0.0.1 port %u: Address already in use",
		 p->port);
	assert_string_equal(r.e.what, what);
	assert_string_equal(r.e.mend, "see who has that port: ss -ltnp; then lockstep up r0");
	close(fd);
	pair_must(p, BOB, CTL_UP);
}

/* Up in the kernel with a file that cannot be read: shown with the reason, and mended by `up`. */
static void test_adopt_broken(void **state)
{
	struct pair *p = *state;
	char path[128];

	connect_both(p);
	pair_kill(p, BOB);
	snprintf(path, sizeof(path), "%s/r0.conf", p->dir);
	assert_int_equal(unlink(path), 0);
	pair_start(p, BOB);
	pair_run(p, 100);
	assert_true(pair_facts(p, BOB).problem[0] != 0);
	pair_write_conf(p, 1, 4);
	pair_must(p, BOB, CTL_UP);
	until(p, are_connected);
	assert_int_equal(A->opens, 1);
}

static bool reopened(struct pair *p)
{
	return A->opens == 2 && B->opens == 2 && are_connected(p);
}

/*
 * A disk for a volume that has lost its own: only what lacks one gets one, and the session is made
 * anew at once, with the disk in it. A detached one likewise.
 */
static void test_attach(void **state)
{
	struct ctl_request q = { .command = CTL_DETACH, .has_volume = true };
	struct pair *p = *state;
	struct reply r;

	connect_both(p);
	r = pair_ask(p, BOB, CTL_ATTACH, false);
	assert_string_equal(r.e.code, "nothing-to-attach");
	assert_int_equal(B->closes, 0);
	assert_string_equal(pair_request(p, BOB, &q).text, "r0 goes on without that disk");
	assert_int_equal(B->v[0].m.disk, LOCKSTEP_DISK_FAILED);
	strcpy(B->refuse_attach, "/dev/vdb has no metadata");
	r = pair_ask(p, BOB, CTL_ATTACH, false);
	assert_string_equal(r.e.what, "/dev/vdb has no metadata");
	assert_non_null(strstr(r.e.mend, "lockstep init r0"));
	assert_int_equal(B->closes, 0);
	B->refuse_attach[0] = 0;
	r = pair_ask(p, BOB, CTL_ATTACH, false);
	assert_non_null(strstr(r.text, "1 volume has a disk again"));
	assert_int_equal(B->v[0].attaches, 1);
	until(p, reopened);
	assert_int_equal(B->v[0].opened.disk, LOCKSTEP_DISK_UP_TO_DATE);
	assert_int_equal(A->v[0].opened.disk, LOCKSTEP_DISK_INCONSISTENT);
	q.command = CTL_ATTACH;
	r = pair_request(p, BOB, &q);
	assert_string_equal(r.e.code, "kernel-exists");
	q.volume = 7;
	assert_string_equal(pair_request(p, BOB, &q).e.code, "no-volume");
	fake_lose(A);
	r = pair_request(p, ALICE, &(struct ctl_request){ .command = CTL_DETACH,
							  .has_volume = true });
	assert_string_equal(r.e.what, "bob could not take over");
}

static bool said_why(struct pair *p)
{
	return pair_has_problem(p, ALICE, "peer-limits") && pair_has_problem(p, BOB, "peer-limits");
}

/* A secondary without a disk: both sides say so, and its attempts are few. */
static void test_no_disk(void **state)
{
	struct pair *p = *state;

	A->v[0].m.disk = LOCKSTEP_DISK_FAILED;
	pair_gen(p, ALICE, 0, 7, 0, GOOD);
	pair_gen(p, BOB, 0, 7, 0, GOOD);
	pair_up_both(p);
	until(p, said_why);
	assert_non_null(strstr(pair_facts(p, ALICE).mend, "lockstep attach r0"));
	pair_must(p, ALICE, CTL_ATTACH);
	until(p, are_connected);
}

/* The size a disk had is remembered where the host's end does not lose it. */
static void test_sizes(void **state)
{
	struct pair *p = *state;
	char path[128], text[32] = "";
	FILE *f;

	A->v[0].m.device_sect = 123456;
	connect_both(p);
	snprintf(path, sizeof(path), "%s/r0-0.size", p->side[ALICE].run_dir);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof(text), f));
	fclose(f);
	assert_string_equal(text, "123456\n");
}

struct asker {
	char path[128];
	struct ctl_request q;
	struct ctl_reply reply;
	struct err e;
	int ret;
	bool done;
};

static void *ask(void *arg)
{
	struct asker *a = arg;

	a->ret = ctl_call(a->path, &a->q, 3000, &a->reply, &a->e);
	__atomic_store_n(&a->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void call(struct pair *p, struct asker *a, enum ctl_command command)
{
	pthread_t t;

	a->q = (struct ctl_request){ .command = command, .resource = "r0" };
	a->done = false;
	assert_int_equal(pthread_create(&t, NULL, ask, a), 0);
	while (!__atomic_load_n(&a->done, __ATOMIC_ACQUIRE))
		pair_run(p, 5);
	pthread_join(t, NULL);
}

/* The unix socket, with the command line's own half of the protocol at the other end. */
static void test_server(void **state)
{
	struct pair *p = *state;
	struct asker a = { .path = "" };
	struct server *s, *other;
	struct err e;

	pair_start(p, ALICE);
	snprintf(a.path, sizeof(a.path), "%s/sock", p->dir);
	assert_int_equal(server_create(p->event, p->side[ALICE].m, a.path, &s, &e), 0);
	assert_true(server_create(p->event, p->side[ALICE].m, a.path, &other, &e) < 0);
	assert_string_equal(e.mend, "systemctl status lockstepd");
	call(p, &a, CTL_PROMOTE);
	assert_int_equal(a.ret, -EREMOTEIO);
	assert_string_equal(a.e.code, "not-up");
	call(p, &a, CTL_UP);
	assert_int_equal(a.ret, 0);
	assert_string_equal(a.reply.text, "r0 is up");
	ctl_reply_free(&a.reply);
	call(p, &a, CTL_STATUS);
	assert_int_equal(a.ret, 0);
	assert_int_equal(a.reply.nr_facts, 1);
	assert_string_equal(a.reply.facts[0].peer, "bob");
	ctl_reply_free(&a.reply);
	server_destroy(s);
}

int main(void)
{
#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, pair_set_up, pair_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_up_undone),
		TEST(test_idempotent),
		TEST(test_down_busy),
		TEST(test_disconnect),
		TEST(test_slow_promote),
		TEST(test_missing),
		TEST(test_port_taken),
		TEST(test_adopt_broken),
		TEST(test_attach),
		TEST(test_no_disk),
		TEST(test_sizes),
		TEST(test_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
