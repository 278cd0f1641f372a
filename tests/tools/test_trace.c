// SPDX-License-Identifier: GPL-2.0
/* The kernel's events become writes, and those sums: whatever is in between, missing or forged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include <jansson.h>

#include "trace.h"
#include "trace-judge.h"
#include "tracefs.h"
#include <linux/lockstep.h>

#define LINE_BYTES	400

static const char good[] =
	"    kworker/u3:2-119     [000] d..1.     9.795400: lockstep_msg_queued: ns=9616103194 "
	"res=r0 vol=1 id=000000000cfc3b01 type=write flags=0x10 status=0 sector=8 bytes=4096 "
	"epoch=3 stream=2 slot=511 gen=4294967295";

static void test_parse(void **state)
{
	struct trace_event ev;
	char line[LINE_BYTES];

	(void)state;
	assert_int_equal(trace_parse(good, strlen(good), &ev), 1);
	assert_int_equal(ev.kind, TRACE_QUEUED);
	assert_int_equal(ev.ns, 9616103194);
	assert_string_equal(ev.res, "r0");
	assert_int_equal(ev.volume, 1);
	assert_int_equal(ev.id, 0xcfc3b01);
	assert_int_equal(ev.type, LOCKSTEP_WT_WRITE);
	assert_int_equal(ev.flags, 0x10);
	assert_int_equal(ev.sector, 8);
	assert_int_equal(ev.bytes, 4096);
	assert_int_equal(ev.key.epoch, 3);
	assert_int_equal(ev.key.stream, 2);
	assert_int_equal(ev.key.slot, 511);
	assert_int_equal(ev.key.gen, U32_MAX);
	/* Fields of a later version, and types that are none of ours, are no harm. */
	snprintf(line, sizeof(line), "%s new=5 newer=what\n", good);
	assert_int_equal(trace_parse(line, strlen(line), &ev), 1);
	snprintf(line, sizeof(line), "x: lockstep_write_end: ns=1 res=a-b.c vol=0 minor=9 id=ff "
		 "type=0x55 sector=0 bytes=0");
	assert_int_equal(trace_parse(line, strlen(line), &ev), 1);
	assert_int_equal(ev.kind, TRACE_END);
	assert_int_equal(ev.type, 0);
}

static void test_not_ours(void **state)
{
	static const char *const lines[] = {
		"", "\n", "# tracer: nop", "CPU:1 [LOST 123 EVENTS]", ": lockstep_", ": lockstep_:",
		"fio-1 [000] .....  1.0: block_rq_issue: 8,0 W 4096 () 0 + 8 [fio]",
		"fio-1 [000] .....  1.0: lockstep_write_fly: ns=1 res=r0 vol=0 id=1 type=write",
	};
	struct trace_event ev;
	char line[LINE_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		assert_int_equal(trace_parse(lines[i], strlen(lines[i]), &ev), 0);
	/* Each truncation is another line, a broken event, or one with a shorter last number. */
	for (size_t len = 0; len < strlen(good); len++) {
		char *exact = malloc(len ? len : 1);
		int ret;

		memcpy(exact, good, len);
		ret = trace_parse(exact, len, &ev);
		free(exact);
		assert_true(ret <= 0 || len > strlen(good) - 10);
	}
	/* A process that calls itself like an event does not hide the real one. */
	snprintf(line, sizeof(line), "x: lockstep_msg-%s", good);
	assert_int_equal(trace_parse(line, strlen(line), &ev), 1);
}

static void test_broken(void **state)
{
	static const struct {
		const char *from, *to;
	} change[] = {
		{ "ns=9616103194", "" }, { "ns=9616103194", "ns=" }, { "ns=9616103194", "ns=-1" },
		{ "ns=9616103194", "ns=18446744073709551616" }, { "ns=9616103194", "ns" },
		{ "res=r0", "res=" }, { "res=r0", "res=../r0" }, { "vol=1", "vol=256" },
		{ "res=r0", "res=rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr" },
		{ "id=000000000cfc3b01", "id=g" }, { "stream=2", "stream=16" },
		{ "slot=511", "slot=512" }, { "gen=4294967295", "gen=4294967296" },
		{ "vol=1", "vol=1 vol=1" }, { "flags=0x10", "flags=0x" }, { "epoch=3", "" },
		{ "flags=0x10", "flags=0x100" }, { "bytes=4096", "bytes=4294967296" },
	};
	struct trace_event ev;
	char line[LINE_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(change); i++) {
		const char *at = strstr(good, change[i].from);

		assert_non_null(at);
		snprintf(line, sizeof(line), "%.*s%s%s", (int)(at - good), good, change[i].to,
			 at + strlen(change[i].from));
		if (trace_parse(line, strlen(line), &ev) != -EBADMSG)
			fail_msg("row %zu: %s", i, line);
	}
}

/* ---- joining */

struct step {
	enum trace_kind kind;
	u64 ns, id;
	u8 type;
	u32 slot, gen, status;
};

static void feed(struct trace_join *j, struct trace_peer *p, struct step s)
{
	struct trace_event ev = {
		.kind = s.kind, .ns = s.ns, .id = s.id, .res = "r0", .bytes = 4096,
		.type = s.type ? s.type : LOCKSTEP_WT_WRITE, .status = s.status,
		.key = { 1, 0, s.slot, s.gen },
	};

	if (j)
		trace_join_feed(j, &ev);
	else
		trace_peer_feed(p, &ev);
}

/* One write from t on, with legs of 1, 2, 4, 100 us, and 8 for its completion. */
static void one(struct trace_join *j, u64 t, u64 id, u32 slot, u32 gen, u8 type, u64 local_us)
{
	feed(j, NULL, (struct step){ TRACE_SUBMIT, t, id, type, 0, 0, 0 });
	feed(j, NULL, (struct step){ TRACE_MAPPED, t + 1000, id, type, 0, 0, 0 });
	feed(j, NULL, (struct step){ TRACE_QUEUED, t + 3000, id, type, slot, gen, 0 });
	feed(j, NULL, (struct step){ TRACE_SENT, t + 7000, 0, type, slot, gen, 0 });
	feed(j, NULL, (struct step){ TRACE_LOCAL_START, t + 7000, id, type, 0, 0, 0 });
	if (local_us <= 100)
		feed(j, NULL, (struct step){ TRACE_LOCAL_DONE, t + 7000 + local_us * 1000, id, type,
					     0, 0, 0 });
	feed(j, NULL, (struct step){ TRACE_RECEIVED, t + 107000, 0, LOCKSTEP_WT_ACK, slot, gen,
				     0 });
	if (local_us > 100)
		feed(j, NULL, (struct step){ TRACE_LOCAL_DONE, t + 7000 + local_us * 1000, id, type,
					     0, 0, 0 });
	t += 7000 + max(local_us, (u64)100) * 1000;
	feed(j, NULL, (struct step){ TRACE_END, t + 8000, id, type, 0, 0, 0 });
}

static void serve(struct trace_peer *p, u64 t, u32 slot, u32 gen, u64 disk_us)
{
	feed(NULL, p, (struct step){ TRACE_RECEIVED, t, 0, 0, slot, gen, 0 });
	feed(NULL, p, (struct step){ TRACE_DISK_DONE, t + disk_us * 1000, 0, 0, slot, gen, 0 });
	feed(NULL, p, (struct step){ TRACE_SENT, t + disk_us * 1000 + 5000, 0, LOCKSTEP_WT_ACK,
				     slot, gen, 0 });
}

static void test_join(void **state)
{
	struct trace_join *j = trace_join_create(4);
	struct trace_joined got;
	const u64 *ns;

	(void)state;
	one(j, 1000000, 7, 3, 1, 0, 50);
	got = trace_join_get(j);
	assert_int_equal(got.nr, 1);
	assert_int_equal(got.write[0].key.slot, 3);
	assert_true(got.write[0].has_local);
	ns = got.write[0].ns;
	assert_int_equal(ns[TRACE_RECEIVED] - ns[TRACE_SENT], 100000);
	/* The same address, the same slot, another write. */
	one(j, 2000000, 7, 3, 2, 0, 50);
	assert_int_equal(trace_join_get(j).nr, 2);
	/* The trace began in the middle of one: its answer and end are nobody's. */
	feed(j, NULL, (struct step){ TRACE_RECEIVED, 3000000, 0, LOCKSTEP_WT_ACK, 3, 3, 0 });
	feed(j, NULL, (struct step){ TRACE_END, 3000001, 9, 0, 0, 0, 0 });
	/* An answer of an earlier use of the slot is not this one's. */
	feed(j, NULL, (struct step){ TRACE_SUBMIT, 3000010, 7, 0, 0, 0, 0 });
	feed(j, NULL, (struct step){ TRACE_MAPPED, 3000011, 7, 0, 0, 0, 0 });
	feed(j, NULL, (struct step){ TRACE_QUEUED, 3000012, 7, 0, 3, 4, 0 });
	feed(j, NULL, (struct step){ TRACE_SENT, 3000013, 0, 0, 3, 4, 0 });
	feed(j, NULL, (struct step){ TRACE_RECEIVED, 3000014, 0, LOCKSTEP_WT_ACK, 3, 3, 0 });
	feed(j, NULL, (struct step){ TRACE_END, 3000015, 7, 0, 0, 0, 0 });
	/* The end was lost, and the address is used again. */
	feed(j, NULL, (struct step){ TRACE_SUBMIT, 3000020, 7, 0, 0, 0, 0 });
	one(j, 4000000, 7, 3, 5, 0, 50);
	/* Written alone. */
	feed(j, NULL, (struct step){ TRACE_SUBMIT, 5000000, 7, 0, 0, 0, 0 });
	feed(j, NULL, (struct step){ TRACE_MAPPED, 5000001, 7, 0, 0, 0, 0 });
	feed(j, NULL, (struct step){ TRACE_END, 5000002, 7, 0, 0, 0, 0 });
	got = trace_join_get(j);
	assert_int_equal(got.nr, 3);
	assert_int_equal(got.partial, 2);
	assert_int_equal(got.alone, 1);
	/* The last ones are kept. */
	for (u32 i = 0; i < 9; i++)
		one(j, 6000000 + i * 1000000, 7, 3, 10 + i, 0, 50);
	got = trace_join_get(j);
	assert_int_equal(got.nr, 4);
	for (u32 i = 0; i < got.nr; i++)
		assert_true(got.write[i].key.gen >= 15);
	trace_join_free(j);
}

/* A refusal, and what was sent in a second session, are no leg of anything. */
static void test_odd(void **state)
{
	struct trace_join *j = trace_join_create(4);

	(void)state;
	feed(j, NULL, (struct step){ TRACE_SUBMIT, 10, 7, 0, 0, 0, 0 });
	feed(j, NULL, (struct step){ TRACE_MAPPED, 11, 7, 0, 0, 0, 0 });
	feed(j, NULL, (struct step){ TRACE_QUEUED, 12, 7, 0, 1, 1, 0 });
	feed(j, NULL, (struct step){ TRACE_SENT, 13, 0, 0, 1, 1, 0 });
	feed(j, NULL, (struct step){ TRACE_RECEIVED, 14, 0, LOCKSTEP_WT_ACK, 1, 1,
				     LOCKSTEP_WS_IO_ERROR });
	feed(j, NULL, (struct step){ TRACE_END, 15, 7, 0, 0, 0, 0 });
	feed(j, NULL, (struct step){ TRACE_SUBMIT, 20, 7, 0, 0, 0, 0 });
	feed(j, NULL, (struct step){ TRACE_MAPPED, 21, 7, 0, 0, 0, 0 });
	feed(j, NULL, (struct step){ TRACE_QUEUED, 22, 7, 0, 1, 2, 0 });
	feed(j, NULL, (struct step){ TRACE_QUEUED, 23, 7, 0, 2, 1, 0 });
	feed(j, NULL, (struct step){ TRACE_SENT, 24, 0, 0, 2, 1, 0 });
	feed(j, NULL, (struct step){ TRACE_RECEIVED, 25, 0, LOCKSTEP_WT_ACK, 2, 1, 0 });
	feed(j, NULL, (struct step){ TRACE_END, 26, 7, 0, 0, 0, 0 });
	assert_int_equal(trace_join_get(j).nr, 0);
	assert_int_equal(trace_join_get(j).partial, 2);
	/* More under way than there is room for. */
	for (u32 i = 0; i < 20000; i++)
		feed(j, NULL, (struct step){ TRACE_SUBMIT, 100 + i, 1000 + i, 0, 0, 0, 0 });
	assert_int_equal(trace_join_get(j).partial, 2 + 20000 - 16384);
	trace_join_free(j);
}

static void test_peer(void **state)
{
	struct trace_peer *p = trace_peer_create(2);
	const struct trace_item *item;
	struct trace_event ev = { .kind = TRACE_RECEIVED, .ns = 5, .type = LOCKSTEP_WT_WRITE,
				  .flags = LOCKSTEP_WH_RESYNC, .key = { 1, 0, 9, 1 } };
	u32 nr;

	(void)state;
	serve(p, 1000, 3, 1, 40);
	item = trace_peer_get(p, &nr);
	assert_int_equal(nr, 1);
	assert_int_equal(item[0].key.slot, 3);
	assert_int_equal(item[0].disk_ns, 40000);
	assert_int_equal(item[0].answer_ns, 5000);
	/* Copied by a resync; of another use; no disk. */
	trace_peer_feed(p, &ev);
	feed(NULL, p, (struct step){ TRACE_DISK_DONE, 6, 0, 0, 9, 1, 0 });
	feed(NULL, p, (struct step){ TRACE_SENT, 7, 0, LOCKSTEP_WT_ACK, 9, 1, 0 });
	feed(NULL, p, (struct step){ TRACE_RECEIVED, 10, 0, 0, 3, 2, 0 });
	feed(NULL, p, (struct step){ TRACE_DISK_DONE, 11, 0, 0, 3, 1, 0 });
	feed(NULL, p, (struct step){ TRACE_SENT, 12, 0, LOCKSTEP_WT_ACK, 3, 2, 0 });
	trace_peer_get(p, &nr);
	assert_int_equal(nr, 1);
	for (u32 i = 0; i < 5; i++)
		serve(p, 2000, 4, 10 + i, 40);
	item = trace_peer_get(p, &nr);
	assert_int_equal(nr, 2);
	assert_true(item[0].key.gen >= 13 && item[1].key.gen >= 13);
	trace_peer_free(p);
}

/* ---- sums */

static s64 legs_of(const struct trace_sum *s)
{
	s64 sum = 0;

	for (int leg = 0; leg < TRACE_LEG_TOTAL; leg++)
		sum += s->leg[leg].mean_ns;
	return sum;
}

static void test_sum(void **state)
{
	struct trace_join *j = trace_join_create(1000);
	struct trace_peer *p = trace_peer_create(1000);
	struct trace_item item[200];
	struct trace_joined got;
	struct trace_sum s;
	u32 nr;

	(void)state;
	for (u32 i = 0; i < 200; i++) {
		/* Each tenth waits for the local disk; the peer knows nothing of the last two. */
		one(j, (i + 1) * 1000000ull, 7, i, 1, 0, i % 10 ? 50 : 300);
		if (i < 198)
			serve(p, 5, i, 1, i == 50 ? 90 : 40);
	}
	one(j, 900000000, 7, 300, 1, LOCKSTEP_WT_FLUSH, 50);
	got = trace_join_get(j);
	assert_int_equal(got.nr, 201);
	memcpy(item, trace_peer_get(p, &nr), 198 * sizeof(*item));
	assert_int_equal(nr, 198);
	assert_int_equal(trace_sum(got.write, got.nr, TRACE_WRITES, 1000, true, item, nr, &s), 0);
	assert_int_equal(s.nr, 198);
	assert_int_equal(s.unmatched, 2);
	assert_int_equal(s.nr_local, 198);
	assert_int_equal(s.leg[TRACE_LEG_REGION].median_ns, 1000);
	assert_int_equal(s.leg[TRACE_LEG_SLOT].median_ns, 2000);
	assert_int_equal(s.leg[TRACE_LEG_SEND].median_ns, 4000);
	assert_int_equal(s.leg[TRACE_LEG_WIRE].median_ns, 55000);
	assert_int_equal(s.leg[TRACE_LEG_PEER_DISK].median_ns, 40000);
	assert_int_equal(s.leg[TRACE_LEG_PEER_DISK].p99_ns, 40000);
	assert_int_equal(s.leg[TRACE_LEG_PEER_ANSWER].median_ns, 5000);
	assert_int_equal(s.leg[TRACE_LEG_LOCAL].median_ns, 0);
	assert_int_equal(s.leg[TRACE_LEG_LOCAL].p99_ns, 200000);
	assert_int_equal(s.leg[TRACE_LEG_FINISH].median_ns, 8000);
	assert_int_equal(s.leg[TRACE_LEG_TOTAL].median_ns, 115000);
	assert_int_equal(s.leg[TRACE_LEG_LOCAL_DISK].median_ns, 50000);
	assert_int_equal(s.median_bytes, 4096);
	/* Means are rounded one by one. */
	assert_true(labs(legs_of(&s) - s.leg[TRACE_LEG_TOTAL].mean_ns) < TRACE_LEG_NR);

	/* Without the peer's half all of them count, and the wire has it in it. */
	assert_int_equal(trace_sum(got.write, got.nr, TRACE_WRITES, 1000, false, NULL, 0, &s), 0);
	assert_int_equal(s.nr, 200);
	assert_int_equal(s.leg[TRACE_LEG_WIRE].median_ns, 100000);
	/* The latest of them. */
	assert_int_equal(trace_sum(got.write, got.nr, TRACE_WRITES, 3, true, item, nr, &s), 0);
	assert_int_equal(s.nr, 1);
	assert_int_equal(s.unmatched, 2);
	assert_int_equal(s.span_ns, 115000);
	assert_int_equal(trace_sum(got.write, got.nr, TRACE_FLUSHES, 9, false, NULL, 0, &s), 0);
	assert_int_equal(s.nr, 1);
	/* Of nothing. */
	assert_int_equal(trace_sum(got.write, 0, TRACE_WRITES, 9, true, NULL, 0, &s), 0);
	assert_int_equal(s.nr, 0);
	trace_join_free(j);
	trace_peer_free(p);
}

static char *printed(const struct trace_report *r, bool json)
{
	size_t len = 0;
	char *text = NULL;
	FILE *f = open_memstream(&text, &len);

	if (json)
		assert_int_equal(trace_print_json(f, r), 0);
	else
		trace_print_text(f, r);
	fclose(f);
	return text;
}

static void test_print(void **state)
{
	struct trace_report r = { .name = "r0", .node = "alice", .peer = "bob" };
	struct trace_join *j = trace_join_create(10);
	struct trace_item item = { { 1, 0, 1, 1 }, 40000, 5000 };
	struct trace_joined got;
	double share = 0;
	json_t *o, *legs, *v;
	const char *key;
	char *text;

	(void)state;
	one(j, 1000000, 7, 1, 1, 0, 300);
	got = trace_join_get(j);
	assert_int_equal(trace_sum(got.write, 1, TRACE_WRITES, 9, true, &item, 1, &r.sum[0]), 0);
	text = printed(&r, false);
	assert_non_null(strstr(text, "r0: 1 write on alice in 315.0 us, of 4.00 KiB (median)\n"));
	assert_non_null(strstr(text, "  bob: its disk                     40.0 us    40.0 us "));
	assert_non_null(strstr(text, "  all                              315.0 us   315.0 us "));
	assert_non_null(strstr(text, "   12.7 %\n"));
	assert_non_null(strstr(text, "  100.0 %\n"));
	assert_non_null(strstr(text, "local disk, after the answer     200.0 us"));
	assert_null(strstr(text, "flush"));
	assert_null(strstr(text, "missing"));
	free(text);
	text = printed(&r, true);
	o = json_loads(text, 0, NULL);
	assert_non_null(o);
	assert_true(json_is_null(json_object_get(o, "flushes")));
	legs = json_object_get(json_object_get(o, "writes"), "legs");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(legs, "peer_disk"),
							    "median_ns")), 40000);
	json_object_foreach(legs, key, v)
		if (strcmp(key, "total"))
			share += json_number_value(json_object_get(v, "share"));
	assert_true(share > 0.999 && share < 1.001);
	json_decref(o);
	free(text);

	r.no_peer = "lockstepd does not run";
	r.partial = 3;
	assert_int_equal(trace_sum(got.write, 1, TRACE_WRITES, 9, false, NULL, 0, &r.sum[0]), 0);
	text = printed(&r, false);
	assert_non_null(strstr(text, "  wire and bob                     100.0 us"));
	assert_null(strstr(text, "bob: its"));
	assert_non_null(strstr(text, "bob's half is missing: lockstepd does not run\n"));
	assert_non_null(strstr(text, "3 requests were seen in part only"));
	free(text);
	text = printed(&r, true);
	o = json_loads(text, 0, NULL);
	legs = json_object_get(json_object_get(o, "writes"), "legs");
	assert_true(json_is_null(json_object_get(legs, "peer_disk")));
	json_decref(o);
	free(text);
	trace_join_free(j);
}

/* ---- what is said instead of a report */

static struct model_resource primary = {
	.name = "r0", .node = "alice", .peer = "bob", .role = LOCKSTEP_ROLE_PRIMARY,
	.link = LOCKSTEP_LINK_UP, .io_mode = LOCKSTEP_IO_BOTH,
};

static void says(const struct err *e, const char *code, const char *what, const char *mend)
{
	assert_string_equal(e->code, code);
	assert_string_equal(e->what, what);
	assert_string_equal(e->mend, mend);
}

static void test_state(void **state)
{
	static const char alone[] = "r0 is not mirrored to bob now, and a write that goes to one "
				    "host has nothing to be told of";
	struct model_resource r = primary;
	struct err e;

	(void)state;
	assert_int_equal(trace_judge_state(&r, &e), 0);
	r.role = LOCKSTEP_ROLE_SECONDARY;
	assert_true(trace_judge_state(&r, &e) < 0);
	says(&e, "not-primary", "r0 is not primary here, and writes are traced where they are made",
	     "on bob: lockstep trace-write r0");
	r = primary;
	r.link = LOCKSTEP_LINK_DOWN;
	assert_true(trace_judge_state(&r, &e) < 0);
	says(&e, "not-connected", alone, "lockstep status r0");
	r = primary;
	r.io_mode = LOCKSTEP_IO_ALONE;
	assert_true(trace_judge_state(&r, &e) < 0);
	says(&e, "not-connected", alone, "lockstep status r0");
}

/* Text of a trace, in the place of tracefs. */
static int read_text(struct trace_source *t, trace_line_fn fn, void *arg, struct err *e)
{
	const char *line = (const char *)t, *end;

	(void)e;
	for (; *line; line = end + 1) {
		end = strchr(line, '\n');
		fn(arg, line, (size_t)(end - line) + 1);
	}
	return 0;
}

#define OF_WRITE(what, ns, id) \
	"fio-4 [000] ..... 1.1: lockstep_write_" what ": ns=" ns " res=r0 vol=0 minor=0 id=" id \
	" type=write sector=8 bytes=4096\n"
#define OF_MESSAGE(what, ns, type) \
	"fio-4 [000] ..... 1.1: lockstep_msg_" what ": ns=" ns " res=r0 vol=0 id=7 type=" type \
	" flags=0x0 status=0 sector=8 bytes=4096 epoch=7 stream=1 slot=5 gen=9\n"

/* From the kernel's lines to the sentence: the peer has seen nothing of it. */
static void nothing_in(const char *text, const char *code, const char *what, const char *mend)
{
	static const struct trace_ops ops = { .read = read_text };
	struct trace_join *j = trace_join_create(10);
	struct trace_joined got;
	struct trace_sum s;
	struct err e;
	u32 bad;

	assert_int_equal(trace_read_join(&ops, (void *)text, "r0", j, &bad, &e), 0);
	got = trace_join_get(j);
	assert_int_equal(trace_sum(got.write, got.nr, TRACE_WRITES, 9, true, NULL, 0, &s), 0);
	assert_int_equal(s.nr, 0);
	assert_true(trace_judge_nothing(&primary, &got, bad, 10, &e) < 0);
	says(&e, code, what, mend);
	trace_join_free(j);
}

static void test_nothing(void **state)
{
	(void)state;
	nothing_in("# tracer: nop\n", "no-load",
		   "no write came to r0 within 10 s, and this command makes none",
		   "start what is to be measured, then lockstep trace-write r0");
	nothing_in("x: lockstep_write_end: ns=1 res=r0 volume=0\nx: lockstep_write_submit: ns=5\n",
		   "trace-format", "2 events were not to be understood: module and program are of "
		   "different versions",
		   "modinfo lockstep; lockstep --version; install the same release of both");
	nothing_in(OF_WRITE("submit", "10", "7") OF_WRITE("mapped", "20", "7")
		   OF_WRITE("end", "90", "7"), "alone",
		   "all 1 writes that came to r0 went to the local disk alone",
		   "lockstep status r0");
	nothing_in(OF_WRITE("submit", "10", "7") OF_WRITE("mapped", "20", "7")
		   OF_MESSAGE("queued", "30", "write") OF_MESSAGE("sent", "40", "write")
		   OF_MESSAGE("received", "80", "ack") OF_WRITE("end", "90", "7"), "no-match",
		   "none of the 1 writes seen here was seen by bob as well",
		   "lockstep status r0");
}

/* ---- tracefs, as far as it can be had without the kernel */

static void make(const char *root, const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static bool is_made(const char *root, const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return access(path, F_OK) == 0;
}

static void refuses(const char *code, const char *mend)
{
	struct trace_source *t = NULL;
	struct err e = { .code = "" };

	assert_true(tracefs.open("r0", &t, &e) < 0);
	assert_null(t);
	assert_string_equal(e.code, code);
	assert_non_null(strstr(e.mend, mend));
}

static void test_tracefs(void **state)
{
	char root[] = "/tmp/lockstep-tracefs-XXXXXX", own[64], command[96];

	(void)state;
	assert_non_null(mkdtemp(root));
	snprintf(command, sizeof(command), "%s/nowhere", root);
	setenv("LOCKSTEP_TRACEFS", command, 1);
	refuses("no-tracefs", "CONFIG_FTRACE");
	setenv("LOCKSTEP_TRACEFS", root, 1);
	refuses("no-tracefs", "mount -t tracefs tracefs /tmp/");
	make(root, "instances");
	refuses("no-tracefs", "CONFIG_FTRACE");
	make(root, "events");
	refuses("no-events", "modprobe lockstep");
	make(root, "events/lockstep");
	make(root, "events/lockstep/enable");
	/* Those of the dead go, others stay; ours goes as well, as it cannot be set up here. */
	snprintf(own, sizeof(own), "instances/lockstep.%d.77", getpid());
	make(root, own);
	make(root, "instances/lockstep.2147483646.1");
	make(root, "instances/somebody");
	refuses("trace-io", "");
	assert_false(is_made(root, "instances/lockstep.2147483646.1"));
	assert_true(is_made(root, "instances/somebody"));
	assert_true(is_made(root, own));
	snprintf(command, sizeof(command), "[ \"$(ls '%s/instances' | wc -l)\" = 2 ]", root);
	assert_int_equal(system(command), 0);
	tracefs.close(NULL);
	unsetenv("LOCKSTEP_TRACEFS");
	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_not_ours),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_odd),
		cmocka_unit_test(test_peer),
		cmocka_unit_test(test_sum),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_state),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_tracefs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
