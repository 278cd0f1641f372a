// SPDX-License-Identifier: GPL-2.0
/* The stream of events: over the daemon's socket, as its readers see it. */
#include "pair.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hooks.h"
#include "server.h"
#include "stream.h"

#define A	(&p->side[ALICE].k)
#define B	(&p->side[BOB].k)

/* ---- a reader ------------------------------------------------------------------------------- */

struct reader {
	int fd;
	char *text;		/* all that came */
	size_t len, at;
	u64 seq;
	bool closed;
};

static struct server *server;
static struct reader reader;
static const char *wanted;	/* what has_line() looks for */

static void socket_path(struct pair *p, struct sockaddr_un *a)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	snprintf(a->sun_path, sizeof(a->sun_path), "%s/sock", p->side[ALICE].run_dir);
}

static void serve(struct pair *p)
{
	struct sockaddr_un a;
	struct err e;

	socket_path(p, &a);
	assert_int_equal(server_create(p->event, p->side[ALICE].m, a.sun_path, &server, &e), 0);
}

static int dial_events(struct pair *p, const char *name)
{
	struct sockaddr_un a;
	char request[160];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	socket_path(p, &a);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	snprintf(request, sizeof(request), "{\"version\":1,\"command\":\"events\"%s%s%s}\n",
		 name ? ",\"resource\":\"" : "", name ? name : "", name ? "\"" : "");
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	return fd;
}

static void read_all(struct reader *r)
{
	char buf[4096];
	ssize_t n;

	while (!r->closed) {
		n = read(r->fd, buf, sizeof(buf));
		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			return;
		}
		r->closed = n == 0;
		r->text = realloc(r->text, r->len + (size_t)n + 1);
		memcpy(r->text + r->len, buf, (size_t)n);
		r->len += (size_t)n;
		r->text[r->len] = '\0';
	}
}

/* The next whole line, parsed; NULL: none yet. What must hold of any is checked here. */
static json_t *next_line(struct reader *r)
{
	char *begin, *end;
	const char *kind;
	json_t *j;
	u64 seq;

	read_all(r);
	begin = r->text ? r->text + r->at : NULL;
	end = begin ? strchr(begin, '\n') : NULL;
	if (!end)
		return NULL;
	j = json_loadb(begin, (size_t)(end - begin), 0, NULL);
	assert_non_null(j);
	r->at = (size_t)(end - r->text) + 1;
	kind = json_string_value(json_object_get(j, "kind"));
	seq = (u64)json_integer_value(json_object_get(j, "seq"));
	if (!strcmp(kind, "begin"))
		r->seq = seq;
	else if (strcmp(kind, "state") && strcmp(kind, "end"))
		r->seq++;
	/* Nothing is left out: each change has the next number, all else that of the last. */
	assert_int_equal(seq, r->seq);
	return j;
}

/* "kind resource/volume old new code": what the tests look for. */
static void line_words(const json_t *j, char *ret, size_t size)
{
	static const char *const keys[] = { "resource", "volume", "old", "new", "code", "role" };
	size_t n = (size_t)snprintf(ret, size, "%s",
				    json_string_value(json_object_get(j, "kind")));

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const json_t *v = json_object_get(j, keys[i]);

		if (json_is_string(v))
			n += (size_t)snprintf(ret + n, size - n, " %s", json_string_value(v));
		else if (json_is_integer(v))
			n += (size_t)snprintf(ret + n, size - n, "/%d", (int)json_integer_value(v));
	}
}

/* Never said in these tests, whatever is looked for. */
static const char *const untrue[] = { "problem r0 not-in-kernel", "problem r0 no-disk" };

static bool has_line(struct pair *p)
{
	char words[512];
	json_t *j;

	(void)p;
	while ((j = next_line(&reader))) {
		line_words(j, words, sizeof(words));
		json_decref(j);
		if (getenv("TEST_VERBOSE"))
			print_message("%s\n", words);
		for (size_t i = 0; i < ARRAY_SIZE(untrue); i++)
			assert_string_not_equal(words, untrue[i]);
		if (!strncmp(words, wanted, strlen(wanted)))
			return true;
	}
	return false;
}

/* The lines up to one that begins like this; nothing behind it is looked at. */
static void until_line(struct pair *p, const char *want)
{
	wanted = want;
	pair_until(p, has_line, want);
}

static bool is_closed(struct pair *p)
{
	(void)p;
	read_all(&reader);
	return reader.closed;
}

static void listen_to(struct pair *p, const char *name)
{
	memset(&reader, 0, sizeof(reader));
	reader.fd = dial_events(p, name);
	until_line(p, "begin");
}

static int set_up(void **state)
{
	struct pair *p;

	pair_set_up(state);
	p = *state;
	pair_gen(p, ALICE, 0, 7, 0, GOOD);
	pair_gen(p, BOB, 0, 7, 0, GOOD);
	return 0;
}

static int tear_down(void **state)
{
	if (reader.fd > 0)
		close(reader.fd);
	free(reader.text);
	memset(&reader, 0, sizeof(reader));
	server_destroy(server);
	server = NULL;
	return pair_tear_down(state);
}

/* ---- tests ---------------------------------------------------------------------------------- */

/* From before there is anything to the promotion, without a gap (next_line() counts). */
static void test_from_the_start(void **state)
{
	struct pair *p = *state;

	pair_start(p, ALICE);
	serve(p);
	listen_to(p, NULL);
	pair_start(p, BOB);
	pair_must(p, BOB, CTL_UP);
	pair_must(p, ALICE, CTL_UP);
	until_line(p, "appeared r0");
	until_line(p, "appeared r0/0");
	until_line(p, "disk-attached r0/0 none up-to-date");
	until_line(p, "link r0 opening up");
	until_line(p, "phase r0 ");
	pair_must(p, ALICE, CTL_PROMOTE);
	until_line(p, "role r0 secondary primary");
	fake_lose(A);
	fake_lose(B);
	until_line(p, "link r0 up down");
	until_line(p, "problem r0 not-connected");
	until_line(p, "link r0 down opening");
	until_line(p, "link r0 opening up");
	pair_must(p, ALICE, CTL_DEMOTE);
	until_line(p, "role r0 primary secondary");
	pair_must(p, ALICE, CTL_DOWN);
	until_line(p, "gone r0");
	pair_run(p, 500);
	wanted = "nothing more";
	assert_false(has_line(p));
}

/* One that comes later is told how everything is, and may ask for one resource. */
static void test_state_first(void **state)
{
	struct pair *p = *state;
	struct reader all;

	pair_up_both(p);
	until(p, are_connected);
	pair_run(p, 400);
	serve(p);
	listen_to(p, "nothing");
	all = reader;
	listen_to(p, "r0");
	until_line(p, "state r0");
	pair_must(p, ALICE, CTL_PROMOTE);
	until_line(p, "role r0 secondary primary");
	/* Who asked for another one heard its beginning, and nothing else. */
	read_all(&all);
	assert_int_equal(all.at, all.len);
	close(all.fd);
	free(all.text);
}

/* States that were over before the daemon asked: the events alone have told of them. */
static void test_short(void **state)
{
	struct pair *p = *state;

	pair_up_both(p);
	until(p, are_connected);
	pair_run(p, 400);
	serve(p);
	listen_to(p, NULL);
	fake_lock(A);
	A->v[0].m.disk = LOCKSTEP_DISK_FAILED;
	strcpy(A->v[0].m.disk_why, "a write failed");
	fake_notify(A, LOCKSTEP_EVENT_DISK_FAILED, 0);
	A->v[0].m.disk = LOCKSTEP_DISK_UP_TO_DATE;
	fake_notify(A, LOCKSTEP_EVENT_DISK_ATTACHED, 0);
	fake_unlock(A);
	until_line(p, "disk-failed r0/0 up-to-date failed");
	until_line(p, "disk-attached r0/0 failed up-to-date");
}

static void promote_once(struct fake *f)
{
	if (f->r.role == LOCKSTEP_ROLE_PRIMARY)
		return;
	f->r.role = LOCKSTEP_ROLE_PRIMARY;
	fake_notify(f, LOCKSTEP_EVENT_STATE, -1);
}

/* A dump that is older than an event takes nothing back. */
static void test_old_dump(void **state)
{
	struct pair *p = *state;
	char words[256];
	json_t *j;

	pair_up_both(p);
	until(p, are_connected);
	pair_run(p, 400);
	serve(p);
	listen_to(p, NULL);
	fake_lock(A);
	A->after_status = promote_once;
	fake_unlock(A);
	until_line(p, "role r0 secondary primary");
	pair_run(p, 500);
	while ((j = next_line(&reader))) {
		line_words(j, words, sizeof(words));
		json_decref(j);
		assert_memory_not_equal(words, "role", 4);
	}
}

/* Numbers of the kernel's that are missing: what changed is told, then how everything is. */
static void test_gap(void **state)
{
	struct pair *p = *state;

	pair_up_both(p);
	until(p, are_connected);
	pair_run(p, 400);
	serve(p);
	listen_to(p, NULL);
	until_line(p, "state r0");
	fake_lock(A);
	A->v[0].m.disk = LOCKSTEP_DISK_FAILED;
	A->seq += 3;
	fake_notify(A, LOCKSTEP_EVENT_STATE, -1);
	fake_unlock(A);
	until_line(p, "disk-failed r0/0 up-to-date failed");
	until_line(p, "resync");
	until_line(p, "state r0");
}

/* A hundred role changes more than the kernel's queue holds: the daemon hears of the loss. */
static void flood(struct pair *p, u32 nr)
{
	for (u32 i = 0; i < nr; i++) {
		fake_lock(A);
		A->r.role = A->r.role == LOCKSTEP_ROLE_PRIMARY ? LOCKSTEP_ROLE_SECONDARY
			    : LOCKSTEP_ROLE_PRIMARY;
		fake_notify(A, LOCKSTEP_EVENT_STATE, -1);
		fake_unlock(A);
		if (i % 16 == 15)
			pair_run(p, 1);
	}
}

/* Who does not read is told so and dropped; who does hears everything. */
static void test_slow(void **state)
{
	struct pair *p = *state;
	struct reader slow;
	char words[256] = "";
	json_t *j;
	u32 lines = 0;

	p->stream_bytes = 8192;
	pair_up_both(p);
	until(p, are_connected);
	pair_run(p, 400);
	serve(p);
	listen_to(p, NULL);
	slow = reader;
	listen_to(p, NULL);
	for (u32 i = 0; i < 40; i++) {
		flood(p, 64);
		while ((j = next_line(&reader))) {
			line_words(j, words, sizeof(words));
			json_decref(j);
			lines++;
		}
	}
	assert_false(reader.closed);
	assert_true(lines > 2000);
	close(reader.fd);
	free(reader.text);
	reader = slow;
	/* It reads at last: all up to the last line, and no gap in it. */
	until_line(p, "end too-slow");
	until(p, is_closed);
	assert_int_equal(reader.at, reader.len);
}

/* The end of the daemon is said. */
static void test_stop(void **state)
{
	struct pair *p = *state;

	pair_start(p, ALICE);
	serve(p);
	listen_to(p, NULL);
	pair_kill(p, ALICE);
	until_line(p, "end stopping");
	until(p, is_closed);
}

static void test_too_many(void **state)
{
	struct pair *p = *state;
	int fd[STREAM_MAX];
	char reply[1024];
	ssize_t n;

	pair_start(p, ALICE);
	serve(p);
	for (u32 i = 0; i < STREAM_MAX; i++) {
		fd[i] = dial_events(p, NULL);
		pair_run(p, 2);
	}
	reader.fd = dial_events(p, NULL);
	until(p, is_closed);
	assert_non_null(strstr(reader.text, "\"ok\":false"));
	assert_non_null(strstr(reader.text, "too-many-readers"));
	/* One that leaves makes room. */
	close(fd[0]);
	pair_run(p, 20);
	fd[0] = dial_events(p, NULL);
	pair_run(p, 20);
	n = read(fd[0], reply, sizeof(reply));
	assert_true(n > 0 && strstr(reply, "\"begin\""));
	for (u32 i = 0; i < STREAM_MAX; i++)
		close(fd[i]);
	pair_run(p, 20);
	close(reader.fd);
	free(reader.text);
	memset(&reader, 0, sizeof(reader));
}

/* Attempts that come to nothing, again and again, are no news. */
static void test_quiet(void **state)
{
	struct pair *p = *state;
	char words[256];
	u32 lines = 0;
	json_t *j;

	pair_gen(p, ALICE, 0, 20, 10, GOOD);
	pair_gen(p, BOB, 0, 30, 10, GOOD);
	pair_start(p, ALICE);
	serve(p);
	listen_to(p, NULL);
	pair_start(p, BOB);
	pair_must(p, BOB, CTL_UP);
	pair_must(p, ALICE, CTL_UP);
	until_line(p, "split-brain r0 split-brain");
	pair_run(p, 1500);
	while ((j = next_line(&reader))) {
		line_words(j, words, sizeof(words));
		json_decref(j);
		lines++;
	}
	if (lines > 4)
		fail_msg("%u lines of an unchanging trouble", lines);
}

/* ---- hooks ---------------------------------------------------------------------------------- */

static char hook_out[128];

/*
 * A program of these lines; its name is what the configuration says. A new file each time: one that
 * is being started cannot be written to.
 */
static void write_hook(struct pair *p, const char *name, const char *lines)
{
	char path[160], fresh[168];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	snprintf(hook_out, sizeof(hook_out), "%s/out", p->dir);
	f = fopen(fresh, "w");
	assert_non_null(f);
	fprintf(f, "#!/bin/sh\nexec >> %s\n%s\n", hook_out, lines);
	assert_int_equal(fchmod(fileno(f), 0755), 0);
	fclose(f);
	assert_int_equal(rename(fresh, path), 0);
}

static bool has_out(struct pair *p)
{
	char text[65536];
	size_t n = 0;
	FILE *f;

	(void)p;
	f = fopen(hook_out, "r");
	if (f) {
		n = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
	}
	text[n] = '\0';
	return strstr(text, wanted);
}

static void until_out(struct pair *p, const char *want)
{
	wanted = want;
	pair_until(p, has_out, want);
}

static bool has_note(struct pair *p)
{
	return strstr(pair_facts(p, ALICE).note, wanted);
}

static void until_note(struct pair *p, const char *want)
{
	wanted = want;
	pair_until(p, has_note, want);
}

static bool has_no_note(struct pair *p)
{
	return !pair_facts(p, ALICE).note[0];
}

/* The events of one's resource, one after the other, with what the manual promises. */
static void test_hooks(void **state)
{
	struct pair *p = *state;

	write_hook(p, "all", "echo begin $LOCKSTEP_SEQ; sleep 0.02\n"
		   "echo \"$LOCKSTEP_EVENT $LOCKSTEP_RESOURCE/$LOCKSTEP_VOLUME $LOCKSTEP_OLD "
		   "$LOCKSTEP_NEW $LOCKSTEP_NODE $LOCKSTEP_PEER ($LOCKSTEP_TEXT)"
		   "$LOCKSTEP_CODE$LOCKSTEP_MEND\"; echo end $LOCKSTEP_SEQ");
	write_hook(p, "lost", "echo LOST $LOCKSTEP_EVENT $LOCKSTEP_NEW");
	snprintf(p->conf_more, sizeof(p->conf_more), "hooks: { any = \"%s/all\"; "
		 "peer_back = \"%s/all\"; peer_lost = \"%s/lost\"; };\n", p->dir, p->dir, p->dir);
	pair_write_conf(p, 1, 4);
	pair_start(p, ALICE);
	pair_start(p, BOB);
	pair_must(p, ALICE, CTL_UP);
	p->conf_more[0] = '\0';
	pair_write_conf(p, 1, 4);
	pair_must(p, BOB, CTL_UP);
	until_out(p, "\nlink r0/ opening up alice bob (r0: link opening -> up)\n");
	fake_lock(A);
	A->v[0].m.disk = LOCKSTEP_DISK_FAILED;
	strcpy(A->v[0].m.disk_why, "two\nlines");
	fake_notify(A, LOCKSTEP_EVENT_DISK_FAILED, 0);
	fake_unlock(A);
	until_out(p, "\ndisk-failed r0/0 up-to-date failed alice bob (r0 volume 0: disk-failed "
		  "up-to-date -> failed: two lines)\n");
	until_out(p, "\nproblem r0/   alice bob (r0: problem: the disk of volume 0, /dev/vdb, was "
		  "given up: two lines)disk-failedreplace the disk");
	fake_lose(A);
	until_out(p, "LOST link down\n");
	pair_run(p, 300);
	/* Never two at once, and none twice: every beginning is followed by its own end. */
	assert_int_equal(system("test $(find \"$LOCKSTEP_CONF_DIR/out\" -size +0) && "
				"grep -E '^(begin|end) ' \"$LOCKSTEP_CONF_DIR/out\" | awk "
				"'$1 == \"begin\" { if (b || $2 <= l) bad = 1; l = b = $2; n++ } "
				"$1 == \"end\" { if (b != $2) bad = 1; b = 0 } "
				"END { exit bad || n < 8 }'"), 0);
	assert_string_equal(pair_facts(p, ALICE).note, "");
	assert_string_equal(pair_facts(p, BOB).note, "");
}

/* One that fails is a note and nothing else, until one succeeds. */
static void test_hook_fails(void **state)
{
	struct pair *p = *state;

	write_hook(p, "bad", "test $LOCKSTEP_NEW = secondary");
	snprintf(p->conf_more, sizeof(p->conf_more), "hooks: { any = \"%s/bad\"; "
		 "peer_back = \"%s/none\"; };\n", p->dir, p->dir);
	pair_write_conf(p, 1, 4);
	pair_up_both(p);
	until(p, are_connected);
	until_note(p, "/none ");
	pair_run(p, 400);
	pair_must(p, ALICE, CTL_PROMOTE);
	until_note(p, "/bad ended with exit code 1 (event ");
	assert_string_equal(pair_facts(p, ALICE).problem, "");
	assert_true(are_connected(p));
	pair_must(p, ALICE, CTL_DEMOTE);
	until(p, has_no_note);
}

/* One that hangs is killed; what waits meanwhile is bounded, and what found no place is counted. */
static void test_hook_hangs(void **state)
{
	struct pair *p = *state;

	p->hook_ms = 1000;
	write_hook(p, "slow", "[ $LOCKSTEP_EVENT != role ] || sleep 100 > /dev/null");
	snprintf(p->conf_more, sizeof(p->conf_more), "hooks: { any = \"%s/slow\"; };\n", p->dir);
	pair_write_conf(p, 1, 4);
	pair_up_both(p);
	until(p, are_connected);
	until_note(p, "/slow ");
	flood(p, 64);
	write_hook(p, "slow", "exit 0");
	until_note(p, "events were not told to hooks");
}

/* What happened while the daemon was dead is told when the next one has read what to tell it to. */
static void test_hook_early(void **state)
{
	struct pair *p = *state;

	write_hook(p, "failed", "echo $LOCKSTEP_EVENT $LOCKSTEP_RESOURCE/$LOCKSTEP_VOLUME");
	snprintf(p->conf_more, sizeof(p->conf_more), "hooks: { disk_failed = \"%s/failed\"; };\n",
		 p->dir);
	pair_write_conf(p, 1, 4);
	pair_up_both(p);
	until(p, are_connected);
	pair_kill(p, ALICE);
	fake_lock(A);
	A->v[0].m.disk = LOCKSTEP_DISK_FAILED;
	fake_unlock(A);
	pair_start(p, ALICE);
	until_out(p, "disk-failed r0/0\n");
}

/* Hooks that were changed are taken up by `up`, without disturbing the connection. */
static void test_hooks_again(void **state)
{
	struct pair *p = *state;

	pair_up_both(p);
	until(p, are_connected);
	pair_run(p, 300);
	write_hook(p, "all", "echo $LOCKSTEP_EVENT $LOCKSTEP_NEW");
	snprintf(p->conf_more, sizeof(p->conf_more), "hooks: { any = \"%s/all\"; };\n", p->dir);
	pair_write_conf(p, 1, 4);
	pair_must(p, ALICE, CTL_UP);
	pair_must(p, ALICE, CTL_PROMOTE);
	until_out(p, "role primary\n");
	assert_true(are_connected(p));
	assert_int_equal(A->opens, 1);
}

static void test_hook_for(void **state)
{
	static const struct {
		enum event_kind kind;
		const char *old, *new;
		u32 want;	/* bit n: enum conf_hook n */
	} row[] = {
		{ EVENT_SPLIT_BRAIN, "", "", 1 << CONF_HOOK_SPLIT_BRAIN | 1 << CONF_HOOK_PROBLEM |
		  1 << CONF_HOOK_ANY },
		{ EVENT_PROBLEM, "", "", 1 << CONF_HOOK_PROBLEM | 1 << CONF_HOOK_ANY },
		{ EVENT_MENDED, "", "", 1 << CONF_HOOK_ANY },
		{ EVENT_DISK_FAILED, "", "", 1 << CONF_HOOK_DISK_FAILED | 1 << CONF_HOOK_ANY },
		{ EVENT_SYNC_DONE, "", "", 1 << CONF_HOOK_SYNC_DONE | 1 << CONF_HOOK_ANY },
		{ EVENT_LINK, "up", "down", 1 << CONF_HOOK_PEER_LOST | 1 << CONF_HOOK_ANY },
		{ EVENT_LINK, "up", "opening", 1 << CONF_HOOK_PEER_LOST | 1 << CONF_HOOK_ANY },
		{ EVENT_LINK, "opening", "up", 1 << CONF_HOOK_PEER_BACK | 1 << CONF_HOOK_ANY },
		{ EVENT_LINK, "down", "opening", 1 << CONF_HOOK_ANY },
		{ EVENT_SYNC_PROGRESS, "", "", 0 },
		{ EVENT_VERIFY_PROGRESS, "", "", 0 },
	};
	struct event ev = { .resource = "r0" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		ev.kind = row[i].kind;
		strcpy(ev.text[0], row[i].old);
		strcpy(ev.text[1], row[i].new);
		for (u32 h = 0; h < CONF_HOOK_NR; h++)
			if (hooks_is_for(h, &ev) != (row[i].want >> h & 1))
				fail_msg("row %zu, hook %u", i, h);
	}
	ev.kind = EVENT_RESYNC;
	ev.resource[0] = '\0';
	assert_false(hooks_is_for(CONF_HOOK_ANY, &ev));
}

/* ---- the command ---------------------------------------------------------------------------- */

static pid_t run_command(struct pair *p, int *ret_fd)
{
	const char *program = getenv("LOCKSTEP");
	struct sockaddr_un a;
	pid_t pid;
	int fd[2];

	socket_path(p, &a);
	assert_int_equal(pipe(fd), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fd[1], STDOUT_FILENO);
		dup2(fd[1], STDERR_FILENO);
		close(fd[0]);
		close(fd[1]);
		execl(program, program, "events", "--socket", a.sun_path, (char *)NULL);
		_exit(127);
	}
	close(fd[1]);
	assert_int_equal(fcntl(fd[0], F_SETFL, O_NONBLOCK), 0);
	*ret_fd = fd[0];
	return pid;
}

static bool has_text(struct pair *p)
{
	(void)p;
	read_all(&reader);
	return reader.text && strstr(reader.text, wanted);
}

static void until_text(struct pair *p, const char *want)
{
	wanted = want;
	pair_until(p, has_text, want);
}

/* Through a pipe, line by line, and with a message when the daemon goes. */
static void test_command(void **state)
{
	struct pair *p = *state;
	int status;
	pid_t pid;

	if (geteuid() != 0 || !getenv("LOCKSTEP")) {
		print_message("the command is for root only: not run\n");
		return;
	}
	pair_up_both(p);
	until(p, are_connected);
	pair_run(p, 400);
	serve(p);
	memset(&reader, 0, sizeof(reader));
	pid = run_command(p, &reader.fd);
	until_text(p, " begin - stream=");
	until_text(p, " state r0 last_seq=");
	until_text(p, " state r0/0 device=/dev/lockstep0 disk=up-to-date ");
	pair_must(p, ALICE, CTL_PROMOTE);
	until_text(p, "Z role r0 old=secondary new=primary\n");
	pair_kill(p, ALICE);
	until_text(p, " end - code=stopping text=");
	until_text(p, "lockstep: lockstepd ended the stream of events: ");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_from_the_start),
		TEST(test_state_first),
		TEST(test_short),
		TEST(test_old_dump),
		TEST(test_gap),
		TEST(test_slow),
		TEST(test_stop),
		TEST(test_too_many),
		TEST(test_quiet),
		TEST(test_hooks),
		TEST(test_hook_fails),
		TEST(test_hook_hangs),
		TEST(test_hook_early),
		TEST(test_hooks_again),
		cmocka_unit_test(test_hook_for),
		TEST(test_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
