// SPDX-License-Identifier: GPL-2.0
/* The control protocol survives a round trip and anything else that is sent to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "ctl.h"

static void test_request(void **state)
{
	struct ctl_request r = { .command = CTL_PROMOTE, .resource = "r0", .node = "alice",
				 .force = true }, back;
	struct err e;
	char *line;

	(void)state;
	line = ctl_format_request(&r);
	assert_non_null(line);
	assert_int_equal(line[strlen(line) - 1], '\n');
	assert_int_equal(ctl_parse_request(line, strlen(line), &back, &e), 0);
	assert_int_equal(back.command, CTL_PROMOTE);
	assert_string_equal(back.resource, "r0");
	assert_string_equal(back.node, "alice");
	assert_true(back.force);
	assert_false(back.all || back.has_volume);
	free(line);
	r = (struct ctl_request){ .command = CTL_RESIZE, .resource = "r0", .has_volume = true,
				  .volume = 255, .size_sect = LOCKSTEP_MAX_DATA_SECT };
	line = ctl_format_request(&r);
	assert_int_equal(ctl_parse_request(line, strlen(line), &back, &e), 0);
	assert_memory_equal(&back, &r, sizeof(r));
	free(line);
	for (int keep = CTL_KEEP_HERE; keep <= CTL_KEEP_PEER; keep++) {
		r = (struct ctl_request){ .command = CTL_RESOLVE, .resource = "r0", .keep = keep,
					  .split_id = 0xfedcba9876543210 };
		line = ctl_format_request(&r);
		assert_int_equal(ctl_parse_request(line, strlen(line), &back, &e), 0);
		assert_memory_equal(&back, &r, sizeof(r));
		free(line);
	}
	r = (struct ctl_request){ .command = CTL_CONNECT, .resource = "r0", .dry_run = true };
	line = ctl_format_request(&r);
	assert_int_equal(ctl_parse_request(line, strlen(line), &back, &e), 0);
	assert_memory_equal(&back, &r, sizeof(r));
	free(line);
}

static void test_bad_requests(void **state)
{
	static const char *const bad[] = {
		"", "\n", "{", "[]", "5", "{}", "{\"version\":1}", "{\"command\":\"up\"}",
		"{\"version\":2,\"command\":\"status\"}", "{\"version\":1,\"command\":\"fly\"}",
		"{\"version\":1,\"command\":5}", "{\"version\":1,\"command\":\"up\"}",
		"{\"version\":1,\"command\":\"up\",\"resource\":\"../x\"}",
		"{\"version\":1,\"command\":\"up\",\"resource\":5}",
		"{\"version\":1,\"command\":\"up\",\"resource\":\"r0\",\"x\":1}",
		"{\"version\":1,\"command\":\"up\",\"resource\":\"r0\",\"options\":[]}",
		"{\"version\":1,\"command\":\"up\",\"resource\":\"r0\",\"options\":{\"x\":1}}",
		"{\"version\":1,\"command\":\"up\",\"resource\":\"r0\",\"options\":{\"force\":1}}",
		"{\"version\":1,\"command\":\"up\",\"resource\":\"r0\","
		"\"options\":{\"force\":true}}",
		"{\"version\":1,\"command\":\"up\",\"resource\":\"r0\",\"options\":{\"all\":true}}",
		"{\"version\":1,\"command\":\"promote\",\"options\":{\"all\":true}}",
		"{\"version\":1,\"command\":\"detach\",\"resource\":\"r0\"}",
		"{\"version\":1,\"command\":\"up\",\"resource\":\"r0\",\"options\":{\"volume\":1}}",
		"{\"version\":1,\"command\":\"attach\",\"resource\":\"r0\","
		"\"options\":{\"volume\":256}}",
		"{\"version\":1,\"command\":\"attach\",\"resource\":\"r0\","
		"\"options\":{\"volume\":-1}}",
		"{\"version\":1,\"command\":\"attach\",\"resource\":\"r0\","
		"\"options\":{\"volume\":\"0\"}}",
		"{\"version\":1,\"command\":\"attach\",\"resource\":\"r0\","
		"\"options\":{\"size_sect\":2048}}",
		"{\"version\":1,\"command\":\"resize\",\"resource\":\"r0\","
		"\"options\":{\"volume\":0,\"size_sect\":1e30}}",
		"{\"version\":1,\"command\":\"resolve\",\"resource\":\"r0\"}",
		"{\"version\":1,\"command\":\"resolve\",\"resource\":\"r0\","
		"\"options\":{\"keep\":\"here\"}}",
		"{\"version\":1,\"command\":\"resolve\",\"resource\":\"r0\","
		"\"options\":{\"keep\":\"both\",\"split_id\":\"0123456789abcdef\"}}",
		"{\"version\":1,\"command\":\"resolve\",\"resource\":\"r0\","
		"\"options\":{\"keep\":\"here\",\"split_id\":\"123\"}}",
		"{\"version\":1,\"command\":\"resolve\",\"resource\":\"r0\","
		"\"options\":{\"split_id\":\"0123456789abcdef\"}}",
		"{\"version\":1,\"command\":\"up\",\"resource\":\"r0\","
		"\"options\":{\"keep\":\"here\"}}",
		"{\"version\":1,\"command\":\"disconnect\",\"resource\":\"r0\","
		"\"options\":{\"dry_run\":true}}",
		"{\"version\":1,\"command\":\"up\",\"resource\":\"r0\"}{}",
		"{\"version\":1,\"command\":\"up\",\"resource\":\"r0\",\"options\":{\"end\":true}}",
		"{\"version\":1,\"command\":\"trace\",\"resource\":\"r0\",\"options\":{\"end\":1}}",
		"{\"version\":1,\"command\":\"trace\"}",
		"{\"version\":1,\"command\":\"up\",\"resource\":\"r\\u00000\"}",
	};
	struct ctl_request r;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		e.what[0] = '\0';
		if (!ctl_parse_request(bad[i], strlen(bad[i]), &r, &e) || !e.what[0])
			fail_msg("taken: %s", bad[i]);
	}
}

static void test_refusal(void **state)
{
	struct err e, back;
	struct ctl_reply r;
	char *line;

	(void)state;
	err_set(&e, -EBUSY, "busy", "r0 is \"in use\" by \xff");
	err_means(&e, "it cannot be taken down");
	err_mend(&e, "umount /mnt");
	line = ctl_reply_err(&e);
	assert_int_equal(ctl_parse_reply(line, strlen(line), &r, &back), -EREMOTEIO);
	assert_string_equal(back.code, "busy");
	assert_string_equal(back.what, "r0 is \"in use\" by ?");
	assert_string_equal(back.means, "it cannot be taken down");
	assert_string_equal(back.mend, "umount /mnt");
	free(line);
}

static void test_status(void **state)
{
	struct model_daemon d[2] = {
		{ .name = "r0", .configured = true, .phase = "connecting", .peer = "bob",
		  .problem = "it is broken", .mend = "mend it", .code = "broken",
		  .problem_since_s = 1234567890123 },
		{ .name = "r1", .stay_off = true, .peer_address = "10.0.0.1 port 7400",
		  .split = { .is = true, .since_s = 1234567890123, .volume = 3, .rule = "split",
			     .id = ~0ull,
			     .here = { "alice", 1, true, true, false, 1ull << 50, 12, 34, 56 },
			     .peer = { "bob", 2, false, false, true, 0, 0, 0, 0 } } },
	};
	struct ctl_reply r;
	struct model m;
	struct err e;
	char *line;

	(void)state;
	line = ctl_reply_status(d, 2);
	assert_int_equal(ctl_parse_reply(line, strlen(line), &r, &e), 0);
	assert_int_equal(r.nr_facts, 2);
	assert_memory_equal(r.facts, d, sizeof(d));
	free(line);
	model_init(&m);
	assert_non_null(model_resource(&m, "r2"));
	assert_non_null(model_resource(&m, "r0"));
	assert_int_equal(ctl_merge(&m, &r, &e), 0);
	assert_int_equal(m.nr_resources, 3);
	assert_string_equal(m.resource[1].name, "r1");
	assert_true(m.resource[0].has_daemon && m.resource[1].daemon.stay_off);
	assert_false(m.resource[2].has_daemon);
	model_free(&m);
	ctl_reply_free(&r);
	line = ctl_reply_status(NULL, 0);
	assert_int_equal(ctl_parse_reply(line, strlen(line), &r, &e), 0);
	assert_int_equal(r.nr_facts, 0);
	ctl_reply_free(&r);
	free(line);
}

static void test_trace(void **state)
{
	static struct trace_item item[LOCKSTEP_TRACE_ITEMS + 1];
	struct ctl_request r = { .command = CTL_TRACE, .resource = "r0", .end = true }, back;
	struct ctl_reply reply;
	struct err e;
	char *line;

	(void)state;
	line = ctl_format_request(&r);
	assert_int_equal(ctl_parse_request(line, strlen(line), &back, &e), 0);
	assert_memory_equal(&back, &r, sizeof(r));
	free(line);
	for (u32 i = 0; i < ARRAY_SIZE(item); i++)
		item[i] = (struct trace_item){
			{ ~0ull, i % LOCKSTEP_MAX_STREAMS, i % LOCKSTEP_STREAM_SLOTS, U32_MAX - i },
			(1ull << 48) - 1, i };
	/* As many as a message of the peer's can have. */
	line = ctl_reply_trace(item, LOCKSTEP_TRACE_ITEMS);
	assert_true(strlen(line) < CTL_REPLY_BYTES);
	assert_int_equal(ctl_parse_reply(line, strlen(line), &reply, &e), 0);
	assert_int_equal(reply.nr_items, LOCKSTEP_TRACE_ITEMS);
	assert_memory_equal(reply.items, item, LOCKSTEP_TRACE_ITEMS * sizeof(*item));
	ctl_reply_free(&reply);
	free(line);
	line = ctl_reply_trace(item, LOCKSTEP_TRACE_ITEMS + 1);
	assert_int_equal(ctl_parse_reply(line, strlen(line), &reply, &e), -EPROTO);
	free(line);
	line = ctl_reply_trace(NULL, 0);
	assert_int_equal(ctl_parse_reply(line, strlen(line), &reply, &e), 0);
	assert_int_equal(reply.nr_items, 0);
	ctl_reply_free(&reply);
	free(line);
}

#define TRACE(epoch, list) \
	"{\"version\":1,\"ok\":true,\"epoch\":" epoch ",\"trace\":" list "}"

static void test_bad_replies(void **state)
{
	static const char *const bad[] = {
		"", "{}", "[]", "{\"version\":1}", "{\"version\":1,\"ok\":false}",
		"{\"version\":1,\"ok\":1}", "{\"version\":2,\"ok\":true}",
		"{\"version\":1,\"ok\":true,\"resources\":5}",
		"{\"version\":1,\"ok\":true,\"resources\":[5]}",
		"{\"version\":1,\"ok\":true,\"resources\":[{}]}",
		"{\"version\":1,\"ok\":true,\"resources\":[{\"name\":\"a b\"}]}",
		TRACE("\"0000000000000001\"", "{}"), TRACE("1", "[]"), TRACE("\"1\"", "[]"),
		TRACE("\"0000000000000001\"", "[[1,2,3,4]]"),
		TRACE("\"0000000000000001\"", "[[1,2,3,4,5,6]]"),
		TRACE("\"0000000000000001\"", "[[16,2,3,4,5]]"),
		TRACE("\"0000000000000001\"", "[[1,512,3,4,5]]"),
		TRACE("\"0000000000000001\"", "[[1,2,3,-4,5]]"),
		TRACE("\"0000000000000001\"", "[[1,2,3,4,\"5\"]]"),
	};
	struct ctl_reply r;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (!ctl_parse_reply(bad[i], strlen(bad[i]), &r, &e))
			fail_msg("taken: %s", bad[i]);
}

/* A daemon of one request, in a child: what it reads it drops, what it says is given. */
static pid_t serve(const char *path, const char *reply, unsigned int pause_ms)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), c;
	char buf[1024];
	pid_t pid;

	strcpy(a.sun_path, path);
	unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 1), 0);
	pid = fork();
	if (pid) {
		close(fd);
		return pid;
	}
	c = accept(fd, NULL, NULL);
	if (read(c, buf, sizeof(buf)) < 0)
		_exit(1);
	usleep(pause_ms * 1000);
	for (size_t i = 0; reply[i]; i++)
		if (write(c, reply + i, 1) != 1)
			_exit(1);
	_exit(0);
}

static int call(const char *path, const char *reply, unsigned int pause_ms, struct ctl_reply *r,
		struct err *e)
{
	struct ctl_request q = { .command = CTL_STATUS };
	pid_t pid = serve(path, reply, pause_ms);
	int err = ctl_call(path, &q, 300, r, e);

	waitpid(pid, NULL, 0);
	return err;
}

static void test_call(void **state)
{
	struct ctl_request q = { .command = CTL_STATUS };
	const char *tmp = getenv("TMPDIR");
	struct ctl_reply r = { 0 };
	char path[108];
	struct err e;

	(void)state;
	/* A socket's path is short. */
	snprintf(path, sizeof(path), "%s/lockstep-ctl-XXXXXX",
		 tmp && strlen(tmp) < 80 ? tmp : "/tmp");
	close(mkstemp(path));
	assert_int_equal(ctl_call(path, &q, 300, &r, &e), -ECONNREFUSED);
	assert_string_equal(e.code, "no-daemon");
	assert_int_equal(call(path, "{\"version\":1,\"ok\":true,\"text\":\"done\"}\n", 0, &r, &e),
			 0);
	assert_string_equal(r.text, "done");
	assert_int_equal(call(path, "{\"version\":1,\"ok\":false,\"error\":\"no\"}\n", 0, &r, &e),
			 -EREMOTEIO);
	assert_int_equal(call(path, "{\"version\":1", 0, &r, &e), -ECONNRESET);
	assert_int_equal(call(path, "", 500, &r, &e), -ETIMEDOUT);
	assert_string_equal(e.code, "ctl-timeout");
	unlink(path);
	assert_int_equal(ctl_call(path, &q, 300, &r, &e), -ECONNREFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_refusal),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_trace),
		cmocka_unit_test(test_bad_replies),
		cmocka_unit_test(test_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
