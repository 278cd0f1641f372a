// SPDX-License-Identifier: GPL-2.0
#include "pair.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define UNTIL_MS	30000		/* of what hangs */

static const char *const node_name[] = { "alice", "bob" };

u64 pair_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

static u16 free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	close(fd);
	return ntohs(a.sin_port);
}

static void write_file(const char *path, mode_t mode, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fchmod(fileno(f), mode), 0);
	fputs(text, f);
	fclose(f);
}

void pair_write_conf(struct pair *p, u32 nr_volumes, u32 streams)
{
	char path[128], text[2048];

	snprintf(text, sizeof(text),
		 "key = \"%s/key\";\n"
		 "nodes: {\n"
		 "	alice: { id = 0; address = \"127.0.0.2\"; port = %u; };\n"
		 "	bob: { id = 1; address = \"%s\"; port = %u; };\n"
		 "};\n"
		 "net: { streams = %u; };\n"
		 "volumes: (\n"
		 "	{ number = 0; minor = 0; disk = \"/dev/vdb\"; }%s\n"
		 ");\n%s", p->dir, p->port, p->bob, p->port, streams,
		 nr_volumes > 1 ? ", { number = 1; minor = 1; disk = \"/dev/vdc\"; }" : "",
		 p->conf_more);
	snprintf(path, sizeof(path), "%s/r0.conf", p->dir);
	write_file(path, 0644, text);
}

void pair_key(u8 seed, u8 ret[LOCKSTEP_KEY_BYTES])
{
	for (u32 i = 0; i < LOCKSTEP_KEY_BYTES; i++)
		ret[i] = (u8)(seed + i);
}

void pair_write_key(struct pair *p, u8 seed)
{
	u8 key[LOCKSTEP_KEY_BYTES];
	char path[128], text[80] = "";

	pair_key(seed, key);
	for (u32 i = 0; i < LOCKSTEP_KEY_BYTES; i++)
		sprintf(text + 2 * i, "%02x", key[i]);
	strcat(text, "\n");
	snprintf(path, sizeof(path), "%s/key", p->dir);
	write_file(path, 0600, text);
}

int pair_set_up(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));
	const char *tmp = getenv("TMPDIR");

	log_init(getenv("TEST_VERBOSE") != NULL);
	signal(SIGPIPE, SIG_IGN);
	/* A socket's path is short. */
	snprintf(p->dir, sizeof(p->dir), "%s/lockstep-test-XXXXXX",
		 tmp && strlen(tmp) < 60 ? tmp : "/tmp");
	assert_non_null(mkdtemp(p->dir));
	setenv("LOCKSTEP_CONF_DIR", p->dir, 1);
	p->port = free_port();
	strcpy(p->bob, "127.0.0.1");
	pair_write_conf(p, 1, 4);
	pair_write_key(p, 1);
	assert_true(sd_event_new(&p->event) >= 0);
	for (int i = 0; i < 2; i++) {
		fake_init(&p->side[i].k, 100 + (u64)i);
		snprintf(p->side[i].run_dir, sizeof(p->side[i].run_dir), "%s/%s", p->dir,
			 node_name[i]);
		assert_int_equal(mkdir(p->side[i].run_dir, 0700), 0);
	}
	*state = p;
	return 0;
}

int pair_tear_down(void **state)
{
	struct pair *p = *state;
	char command[128];

	for (int i = 0; i < 2; i++) {
		pair_kill(p, i);
		fake_done(&p->side[i].k);
	}
	sd_event_unref(p->event);
	snprintf(command, sizeof(command), "rm -rf '%s'", p->dir);
	assert_int_equal(system(command), 0);
	free(p);
	return 0;
}

void pair_start(struct pair *p, int side)
{
	struct side *s = &p->side[side];
	struct manager_options o = {
		.node = node_name[side],
		.run_dir = s->run_dir,
		.state_dir = s->run_dir,
		.kern = &s->k.kern,
		.phase_ms = PHASE_MS,
		.ping_ms = 50,
		.dead_ms = 2000,		/* a busy machine runs nobody for half a second */
		.retry_min_ms = 20,
		.retry_max_ms = 100,
		.compare_ms = 100,
		.stream_bytes = p->stream_bytes,
		.hook_ms = p->hook_ms,
		.hold_ms = p->hold_ms ? p->hold_ms : HOLD_MS,
		.trace = p->trace,
	};

	assert_int_equal(manager_create(p->event, &o, &s->m), 0);
}

void pair_kill(struct pair *p, int side)
{
	manager_destroy(p->side[side].m);
	p->side[side].m = NULL;
}

void pair_gen(struct pair *p, int side, u32 v, u64 current, u64 since, u32 flags)
{
	struct fake *k = &p->side[side].k;

	fake_lock(k);
	k->v[v].m.gen_current = current;
	k->v[v].m.gen_since = since;
	k->v[v].m.flags = flags;
	fake_unlock(k);
}

void pair_run(struct pair *p, u32 ms)
{
	u64 end = pair_now_ms() + ms;

	while (pair_now_ms() < end)
		assert_true(sd_event_run(p->event, 5000) >= 0);
}

void pair_until(struct pair *p, pair_fn fn, const char *what)
{
	u64 end = pair_now_ms() + UNTIL_MS;

	while (!fn(p)) {
		if (pair_now_ms() > end) {
			for (int i = 0; i < 2; i++) {
				struct model_daemon d = pair_facts(p, i);

				print_error("%s: %s; %s (%s)\n", node_name[i], d.phase, d.problem,
					    d.code);
			}
			fail_msg("%s did not come true", what);
		}
		assert_true(sd_event_run(p->event, 5000) >= 0);
	}
}

bool are_connected(struct pair *p)
{
	struct fake *a = &p->side[ALICE].k, *b = &p->side[BOB].k;
	u64 id[2];

	for (int i = 0; i < 2; i++)
		if (strcmp(pair_facts(p, i).phase, "connected") != 0)
			return false;
	fake_lock(a);
	id[0] = a->r.link == LOCKSTEP_LINK_UP ? a->r.session_id : 1;
	fake_unlock(a);
	fake_lock(b);
	id[1] = b->r.link == LOCKSTEP_LINK_UP ? b->r.session_id : 2;
	fake_unlock(b);
	return id[0] == id[1];
}

static void on_reply(void *arg, const struct err *e, const char *text)
{
	struct reply *r = arg;

	r->done = true;
	if (e)
		r->e = *e;
	else
		snprintf(r->text, sizeof(r->text), "%s", text ? text : "");
}

struct reply pair_ask(struct pair *p, int side, enum ctl_command command, bool force)
{
	struct ctl_request q = { .command = command, .force = force };

	return pair_request(p, side, &q);
}

struct reply pair_request(struct pair *p, int side, const struct ctl_request *request)
{
	struct reply r = { .done = false };
	struct ctl_request q = *request;
	u64 end = pair_now_ms() + UNTIL_MS;

	strcpy(q.resource, "r0");
	manager_request(p->side[side].m, &q, on_reply, &r);
	while (!r.done) {
		assert_true(pair_now_ms() < end);
		assert_true(sd_event_run(p->event, 5000) >= 0);
	}
	return r;
}

void pair_must(struct pair *p, int side, enum ctl_command command)
{
	struct reply r = pair_ask(p, side, command, false);

	if (r.e.what[0])
		fail_msg("%s on %s: %s", ctl_command_name(command), node_name[side], r.e.what);
}

void pair_up_both(struct pair *p)
{
	pair_start(p, ALICE);
	pair_start(p, BOB);
	pair_must(p, BOB, CTL_UP);
	pair_must(p, ALICE, CTL_UP);
}

struct model_daemon pair_facts(struct pair *p, int side)
{
	struct model_daemon *list, ret = { .name = "" };
	size_t nr;

	if (!p->side[side].m)
		return ret;
	assert_int_equal(manager_facts(p->side[side].m, "r0", &list, &nr, NULL), 0);
	if (nr)
		ret = list[0];
	free(list);
	return ret;
}

bool pair_has_problem(struct pair *p, int side, const char *code)
{
	struct model_daemon d = pair_facts(p, side);

	return strcmp(d.code, code) == 0 && d.problem[0];
}
