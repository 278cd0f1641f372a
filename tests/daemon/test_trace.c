// SPDX-License-Identifier: GPL-2.0
/* The peer's half of a trace: asked for, answered, refused, and never left behind. */
#include "pair.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A trace of one write's way on the host it is written to, and of one that a resync copies. */
#define MSG(what, ns, res, type, flags, stream) \
	"x-1 [000] d..1. 1.1: lockstep_msg_" what ": ns=" ns " res=" res " vol=0 id=0 type=" type \
	" flags=" flags " status=0 sector=0 bytes=4096 epoch=7 stream=" stream " slot=5 gen=9\n"

static const char *const lines[] = {
	"# tracer: nop\n",
	MSG("received", "100", "r0", "write", "0x10", "1"),
	MSG("received", "110", "r0", "write", "0x4", "2"),
	MSG("received", "120", "r1", "write", "0x0", "3"),
	MSG("disk_done", "5100", "r0", "write", "0x10", "1"),
	MSG("sent", "5900", "r0", "ack", "0x0", "1"),
};

struct trace_source {
	u32 nothing;
};

static u32 opened, closed, wait_ms;
static bool refuse;

static int fake_open(const char *resource, struct trace_source **ret, struct err *e)
{
	assert_string_equal(resource, "r0");
	usleep(wait_ms * 1000);
	if (refuse) {
		err_set(e, -EOPNOTSUPP, "no-tracefs", "this kernel cannot trace");
		err_mend(e, "boot another one");
		return -EOPNOTSUPP;
	}
	*ret = calloc(1, sizeof(**ret));
	__atomic_add_fetch(&opened, 1, __ATOMIC_RELAXED);
	return 0;
}

static int fake_read(struct trace_source *t, trace_line_fn fn, void *arg, struct err *e)
{
	(void)e;
	assert_non_null(t);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		fn(arg, lines[i], strlen(lines[i]));
	return 0;
}

static void fake_close(struct trace_source *t)
{
	if (t)
		__atomic_add_fetch(&closed, 1, __ATOMIC_RELAXED);
	free(t);
}

static const struct trace_ops fake_trace = { fake_open, fake_read, fake_close };

struct traced {
	bool done;
	struct err e;
	struct trace_item item[4];
	u32 nr;
};

static void on_traced(void *arg, const struct err *e, const struct trace_item *item, u32 nr)
{
	struct traced *t = arg;

	assert_false(t->done);
	t->done = true;
	if (e)
		t->e = *e;
	t->nr = nr;
	if (nr)
		memcpy(t->item, item, min(nr, (u32)ARRAY_SIZE(t->item)) * sizeof(*item));
}

static void ask(struct pair *p, int side, bool end, struct traced *t)
{
	struct ctl_request q = { .command = CTL_TRACE, .resource = "r0", .end = end };

	memset(t, 0, sizeof(*t));
	manager_trace(p->side[side].m, &q, on_traced, t);
}

static struct traced trace(struct pair *p, int side, bool end)
{
	struct traced t;

	ask(p, side, end, &t);
	for (u32 i = 0; !t.done; i++) {
		assert_true(i < 100000);
		assert_true(sd_event_run(p->event, 1000000) >= 0);
	}
	return t;
}

static void begin(struct pair *p)
{
	opened = closed = wait_ms = 0;
	refuse = false;
	p->trace = &fake_trace;
	pair_gen(p, ALICE, 0, 7, 0, GOOD);
	pair_gen(p, BOB, 0, 7, 0, GOOD);
	pair_up_both(p);
	until(p, are_connected);
}

static bool is_closed(struct pair *p)
{
	(void)p;
	return __atomic_load_n(&closed, __ATOMIC_RELAXED) == opened;
}

static void test_trace(void **state)
{
	struct pair *p = *state;
	struct traced t;

	begin(p);
	for (int side = 0; side < 2; side++) {
		t = trace(p, side, false);
		assert_string_equal(t.e.what, "");
		assert_int_equal(opened, side + 1);
		t = trace(p, side, true);
		assert_string_equal(t.e.what, "");
		assert_int_equal(t.nr, 1);
		assert_int_equal(t.item[0].key.epoch, 7);
		assert_int_equal(t.item[0].key.stream, 1);
		assert_int_equal(t.item[0].key.slot, 5);
		assert_int_equal(t.item[0].key.gen, 9);
		assert_int_equal(t.item[0].disk_ns, 5000);
		assert_int_equal(t.item[0].answer_ns, 800);
		assert_true(is_closed(p));
	}
	/* The connection has gone through it unharmed. */
	assert_true(are_connected(p));
}

static void test_refusals(void **state)
{
	struct pair *p = *state;
	struct traced t, second;

	begin(p);
	t = trace(p, ALICE, true);
	assert_string_equal(t.e.code, "peer-refused");
	assert_non_null(strstr(t.e.what, "nothing is traced"));
	refuse = true;
	t = trace(p, ALICE, false);
	assert_string_equal(t.e.what,
			    "bob refuses: this kernel cannot trace; on bob: boot another one");
	refuse = false;
	/* One at a time. */
	wait_ms = 100;
	ask(p, ALICE, false, &t);
	second = trace(p, ALICE, false);
	assert_string_equal(second.e.code, "busy");
	while (!t.done)
		assert_true(sd_event_run(p->event, 5000000) >= 0);
	assert_string_equal(t.e.what, "");
	/* Another one takes the place of one that nobody came for. */
	t = trace(p, ALICE, false);
	assert_int_equal(opened, 2);
	assert_int_equal(closed, 1);
	pair_must(p, ALICE, CTL_DISCONNECT);
	until(p, is_closed);
	t = trace(p, ALICE, false);
	assert_string_equal(t.e.code, "not-connected");
}

/* Whoever asked, or was asked, dies: the other side is told, and no trace stays. */
static void test_lost(void **state)
{
	struct pair *p = *state;
	struct traced t;

	begin(p);
	t = trace(p, ALICE, false);
	pair_kill(p, ALICE);
	until(p, is_closed);
	assert_int_equal(opened, 1);
	pair_start(p, ALICE);
	pair_must(p, ALICE, CTL_UP);
	until(p, are_connected);
	wait_ms = 300;
	ask(p, ALICE, false, &t);
	pair_run(p, 50);
	pair_kill(p, BOB);
	until(p, is_closed);
	for (u32 i = 0; !t.done && i < 100; i++)
		pair_run(p, 50);
	assert_string_equal(t.e.code, "not-connected");
	/* Its own daemon dies: the question is answered all the same. */
	pair_start(p, BOB);
	pair_must(p, BOB, CTL_UP);
	until(p, are_connected);
	ask(p, ALICE, false, &t);
	pair_run(p, 50);
	pair_kill(p, ALICE);
	assert_true(t.done);
	until(p, is_closed);
}

int main(void)
{
#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, pair_set_up, pair_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_trace),
		TEST(test_refusals),
		TEST(test_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
