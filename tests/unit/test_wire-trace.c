// SPDX-License-Identifier: GPL-2.0
/* Messages of a trace: round trip, every truncation, every bound. */
#include "test.h"
#include "wire.h"

#define NR	3u
#define BYTES	(sizeof(struct lockstep_ctl_trace_done) + \
		 NR * sizeof(struct lockstep_ctl_trace_item))

static _Alignas(8) u8 buf[LOCKSTEP_CTL_MAX_BYTES];

static const struct wire_trace_done good = { LOCKSTEP_TRACE_END, 0, NR, 7, "" };

static const struct wire_trace_item good_item[NR] = {
	{ 0, 0, 1, 0, 0 },
	{ LOCKSTEP_MAX_STREAMS - 1, LOCKSTEP_STREAM_SLOTS - 1, ~0u, (1ull << 48) - 1,
	  (1ull << 48) - 1 },
	{ 2, 3, 4, 5, 6 },
};

static void ask(void **state)
{
	size_t i;
	u32 op;

	(void)state;
	for (op = LOCKSTEP_TRACE_BEGIN; op <= LOCKSTEP_TRACE_END; op++) {
		u32 back = 0;

		assert_int_equal(wire_trace_encode(op, buf, 7), 0);
		assert_int_equal(wire_trace_encode(op, buf, sizeof(buf)), 8);
		assert_int_equal(wire_trace_decode(buf, 8, &back), WIRE_OK);
		assert_int_equal(back, op);
	}
	for (i = 0; i < 8; i++)
		assert_int_equal(wire_trace_decode(buf, i, &op), WIRE_SHORT);
	assert_int_equal(wire_trace_decode(buf, 9, &op), WIRE_LENGTH);
	buf[4] = 1;
	assert_int_equal(wire_trace_decode(buf, 8, &op), WIRE_PAD);
	wire_trace_encode(0, buf, sizeof(buf));
	assert_int_equal(wire_trace_decode(buf, 8, &op), WIRE_VALUE);
	wire_trace_encode(3, buf, sizeof(buf));
	assert_int_equal(wire_trace_decode(buf, 8, &op), WIRE_VALUE);
}

static void done(void **state)
{
	struct wire_trace_item item[NR];
	struct wire_trace_done d;
	size_t i;

	(void)state;
	assert_int_equal(wire_trace_done_encode(&good, good_item, buf, BYTES - 1), 0);
	assert_int_equal(wire_trace_done_encode(&good, good_item, buf, sizeof(buf)), BYTES);
	assert_int_equal(wire_trace_done_decode(buf, BYTES, &d, item, NR), WIRE_OK);
	assert_memory_equal(&d, &good, sizeof(d));
	for (i = 0; i < NR; i++) {
		assert_int_equal(item[i].stream, good_item[i].stream);
		assert_int_equal(item[i].slot, good_item[i].slot);
		assert_int_equal(item[i].slot_gen, good_item[i].slot_gen);
		assert_true(item[i].disk_ns == good_item[i].disk_ns);
		assert_true(item[i].answer_ns == good_item[i].answer_ns);
	}
	for (i = 0; i < BYTES; i++)
		assert_int_equal(wire_trace_done_decode(buf, i, &d, item, NR), WIRE_SHORT);
	assert_int_equal(wire_trace_done_decode(buf, BYTES + 1, &d, item, NR), WIRE_LENGTH);
	assert_int_equal(wire_trace_done_decode(buf, BYTES, &d, item, NR - 1), WIRE_LENGTH);
}

/* One value is out of range at a time, and nothing is written. */
static void bounds(void **state)
{
	const struct {
		u32 at;
		u64 value;
		u32 bytes;
		enum wire_err err;
	} bad[] = {
		{ 0, 0, 4, WIRE_VALUE },
		{ 0, LOCKSTEP_TRACE_BEGIN, 4, WIRE_VALUE },	/* with items */
		{ 0, 3, 4, WIRE_VALUE },
		{ 4, 1, 4, WIRE_VALUE },			/* refused, with items */
		{ 4, 2, 4, WIRE_VALUE },
		{ 8, LOCKSTEP_TRACE_ITEMS + 1, 4, WIRE_LENGTH },
		{ 8, ~0u, 4, WIRE_LENGTH },
		{ 12, 1, 4, WIRE_PAD },
		{ 24, 1, 1, WIRE_TEXT },
		{ 255, 'x', 1, WIRE_TEXT },
		{ 256, LOCKSTEP_MAX_STREAMS, 4, WIRE_VALUE },
		{ 260, LOCKSTEP_STREAM_SLOTS, 4, WIRE_VALUE },
		{ 268, 1, 4, WIRE_PAD },
		{ 272, 1ull << 48, 8, WIRE_VALUE },
		{ 280, ~0ull, 8, WIRE_VALUE },
	};
	struct wire_trace_item item[NR];
	struct wire_trace_done d;
	u32 i, b;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(wire_trace_done_encode(&good, good_item, buf, sizeof(buf)), BYTES);
		for (b = 0; b < bad[i].bytes; b++)
			buf[bad[i].at + b] = (u8)(bad[i].value >> 8 * b);
		memset(&d, 0x5a, sizeof(d));
		if (wire_trace_done_decode(buf, BYTES, &d, item, NR) != bad[i].err)
			fail_msg("row %u", i);
		assert_int_equal(d.op, 0x5a5a5a5a);
	}
}

/* The longest answer is one message. */
static void longest(void **state)
{
	static struct wire_trace_item item[LOCKSTEP_TRACE_ITEMS], back[LOCKSTEP_TRACE_ITEMS];
	struct wire_trace_done d = { LOCKSTEP_TRACE_END, 0, LOCKSTEP_TRACE_ITEMS, 1, "" };
	struct wire_ctl c = { .type = LOCKSTEP_CT_TRACE_DONE };
	struct lockstep_ctl_hdr h;
	size_t len;

	(void)state;
	len = wire_trace_done_encode(&d, item, buf, sizeof(buf));
	assert_true(len > 0);
	assert_int_equal(wire_trace_done_decode(buf, len, &d, back, LOCKSTEP_TRACE_ITEMS), WIRE_OK);
	c.body_bytes = (u32)len;
	wire_ctl_encode(&c, &h);
	assert_int_equal(wire_ctl_decode(&h, sizeof(h), &c), WIRE_OK);
	c.body_bytes += 32;
	wire_ctl_encode(&c, &h);
	assert_int_equal(wire_ctl_decode(&h, sizeof(h), &c), WIRE_LENGTH);
	d.nr++;
	assert_int_equal(wire_trace_done_encode(&d, item, buf, sizeof(buf)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ask),
		cmocka_unit_test(done),
		cmocka_unit_test(bounds),
		cmocka_unit_test(longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
