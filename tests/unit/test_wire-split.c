// SPDX-License-Identifier: GPL-2.0
/* Messages of a split brain: round trip, every truncation, every bound. */
#include "test.h"
#include <lockstep/disk.h>
#include <linux/lockstep.h>
#include "wire.h"

#define NR	3u
#define BYTES	(sizeof(struct lockstep_ctl_split) + NR * sizeof(struct lockstep_ctl_split_volume))

static _Alignas(8) u8 buf[LOCKSTEP_CTL_MAX_BYTES];

static const struct wire_split good = {
	NR, LOCKSTEP_ROLE_PRIMARY, LOCKSTEP_SP_KEEP_CHANGED, LOCKSTEP_SP_KEEP_PRIMARY,
};

static const struct wire_split_volume good_v[NR] = {
	{ 0, LOCKSTEP_MF_KNOWN, 12, 1 << 22, 1, 2 },
	{ 7, 0, LOCKSTEP_MAX_DATA_SECT / LOCKSTEP_BIT_SECT, LOCKSTEP_MAX_DATA_SECT * 512, ~0ull,
	  ~0ull },
	{ LOCKSTEP_MAX_VOLUMES - 1, 0, 0, 0, 0, 0 },
};

static void facts(void **state)
{
	struct wire_split_volume v[NR];
	struct wire_split s;
	size_t i;

	(void)state;
	assert_int_equal(wire_split_encode(&good, good_v, buf, BYTES - 1), 0);
	assert_int_equal(wire_split_encode(&good, good_v, buf, sizeof(buf)), BYTES);
	assert_int_equal(wire_split_decode(buf, BYTES, &s, v, NR), WIRE_OK);
	assert_memory_equal(&s, &good, sizeof(s));
	assert_memory_equal(v, good_v, sizeof(v));
	for (i = 0; i < BYTES; i++)
		assert_int_equal(wire_split_decode(buf, i, &s, v, NR), WIRE_SHORT);
	assert_int_equal(wire_split_decode(buf, BYTES + 1, &s, v, NR), WIRE_LENGTH);
	assert_int_equal(wire_split_decode(buf, BYTES, &s, v, NR - 1), WIRE_LENGTH);
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
		{ 0, LOCKSTEP_MAX_VOLUMES + 1, 4, WIRE_LENGTH },
		{ 0, ~0u, 4, WIRE_LENGTH },
		{ 4, LOCKSTEP_ROLE_UNKNOWN, 4, WIRE_VALUE },
		{ 4, 3, 4, WIRE_VALUE },
		{ 8, LOCKSTEP_SP_NR, 4, WIRE_VALUE },
		{ 12, LOCKSTEP_SP_NR, 4, WIRE_VALUE },
		{ 16, LOCKSTEP_MAX_VOLUMES, 4, WIRE_VALUE },
		{ 20, LOCKSTEP_MF_KNOWN + 1, 4, WIRE_FLAGS },
		{ 24, LOCKSTEP_MAX_DATA_SECT / 8 + 1, 8, WIRE_VALUE },
		{ 32, ~0ull, 8, WIRE_VALUE },
		{ 56, 0, 4, WIRE_ORDER },
	};
	struct wire_split_volume v[NR];
	struct wire_split s;
	u32 i, b;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(wire_split_encode(&good, good_v, buf, sizeof(buf)), BYTES);
		for (b = 0; b < bad[i].bytes; b++)
			buf[bad[i].at + b] = (u8)(bad[i].value >> 8 * b);
		memset(&s, 0x5a, sizeof(s));
		if (wire_split_decode(buf, BYTES, &s, v, NR) != bad[i].err)
			fail_msg("row %u", i);
		assert_int_equal(s.role, 0x5a5a5a5a);
	}
}

static void resolve(void **state)
{
	struct wire_resolve_done d = { 1, "it is primary" }, back;
	u32 keep, i;

	(void)state;
	assert_int_equal(wire_resolve_encode(LOCKSTEP_KEEP_YOURS, buf, 7), 0);
	assert_int_equal(wire_resolve_encode(LOCKSTEP_KEEP_YOURS, buf, 8), 8);
	assert_int_equal(wire_resolve_decode(buf, 8, &keep), WIRE_OK);
	assert_int_equal(keep, LOCKSTEP_KEEP_YOURS);
	for (i = 0; i < 8; i++)
		assert_int_equal(wire_resolve_decode(buf, i, &keep), WIRE_SHORT);
	assert_int_equal(wire_resolve_decode(buf, 9, &keep), WIRE_LENGTH);
	buf[7] = 1;
	assert_int_equal(wire_resolve_decode(buf, 8, &keep), WIRE_PAD);
	for (i = 0; i < 5; i++) {
		wire_resolve_encode(i, buf, 8);
		assert_int_equal(wire_resolve_decode(buf, 8, &keep),
				 i == 1 || i == 2 ? WIRE_OK : WIRE_VALUE);
	}
	assert_int_equal(wire_resolve_done_encode(&d, buf, 255), 0);
	assert_int_equal(wire_resolve_done_encode(&d, buf, 256), 256);
	assert_int_equal(wire_resolve_done_decode(buf, 256, &back), WIRE_OK);
	assert_memory_equal(&d, &back, sizeof(d));
	assert_int_equal(wire_resolve_done_decode(buf, 255, &back), WIRE_SHORT);
	buf[255] = 'x';
	assert_int_equal(wire_resolve_done_decode(buf, 256, &back), WIRE_TEXT);
	buf[4] = 1;
	assert_int_equal(wire_resolve_done_decode(buf, 256, &back), WIRE_PAD);
	buf[0] = 2;
	assert_int_equal(wire_resolve_done_decode(buf, 256, &back), WIRE_VALUE);
}

/* The headers: what the types may be followed by. */
static void headers(void **state)
{
	const struct {
		u16 type;
		u32 bytes;
		bool ok;
	} rows[] = {
		{ LOCKSTEP_CT_SPLIT, 16, true }, { LOCKSTEP_CT_SPLIT, BYTES, true },
		{ LOCKSTEP_CT_SPLIT, 17, false },
		{ LOCKSTEP_CT_SPLIT, 16 + 40 * (LOCKSTEP_MAX_VOLUMES + 1), false },
		{ LOCKSTEP_CT_RESOLVE, 8, true }, { LOCKSTEP_CT_RESOLVE, 16, false },
		{ LOCKSTEP_CT_RESOLVE_DONE, 256, true }, { LOCKSTEP_CT_RESOLVE_DONE, 0, false },
	};
	struct lockstep_ctl_hdr h;
	struct wire_ctl c;
	u32 i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		c = (struct wire_ctl){ rows[i].type, rows[i].bytes };
		wire_ctl_encode(&c, &h);
		assert_int_equal(wire_ctl_decode(&h, sizeof(h), &c) == WIRE_OK, rows[i].ok);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(facts),
		cmocka_unit_test(bounds),
		cmocka_unit_test(resolve),
		cmocka_unit_test(headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
