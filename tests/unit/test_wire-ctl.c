// SPDX-License-Identifier: GPL-2.0
/*
 * Control messages and the join: round trip, every truncation, every bound; damage never goes
 * unseen.
 */
#include "test.h"
#include "gen.h"
#include <lockstep/disk.h>
#include "wire.h"
#include <linux/lockstep.h>

#define CAP	(LOCKSTEP_CTL_MAX_BYTES + 4096)

static _Alignas(8) u8 buf[CAP];
static u64 rng = 29;

static void fill(void *p, size_t n)
{
	u8 *b = p;

	while (n--)
		*b++ = (u8)next_random(&rng);
}

static struct wire_hello good_hello(u32 nr)
{
	struct wire_hello h;

	memset(&h, 0, sizeof(h));
	h.version_min = h.version_max = 1;
	h.features = next_random(&rng);
	h.boot_id = next_random(&rng);
	h.epoch = next_random(&rng);
	h.session_id = next_random(&rng);
	h.node_id = 31;
	h.role = LOCKSTEP_ROLE_PRIMARY;
	h.streams = LOCKSTEP_MAX_STREAMS;
	h.nr_volumes = nr;
	h.timeout_ms = LOCKSTEP_MAX_TIMEOUT_MS;
	strcpy(h.resource, "data.1");
	strcpy(h.node, "alpha");
	return h;
}

static struct wire_hello_volume good_volume(u32 number)
{
	struct wire_hello_volume v;

	fill(&v, sizeof(v));
	v.volume = number;
	v.flags &= LOCKSTEP_MF_KNOWN;
	v.data_sect = random_below(&rng, LOCKSTEP_MAX_DATA_SECT + 1);
	v.data_max_sect = random_below(&rng, LOCKSTEP_MAX_DATA_SECT + 1);
	v.oos_bits = random_below(&rng, 1000);
	v.logical_bytes = 512;
	v.physical_bytes = 4096;
	v.caps &= LOCKSTEP_VC_KNOWN;
	v.disk = LOCKSTEP_DISK_UP_TO_DATE;
	v.sync = LOCKSTEP_SYNC_TARGET;
	return v;
}

static void ctl_header(void **state)
{
	const struct { u16 type; u32 bytes; enum wire_err err; } rows[] = {
		{ LOCKSTEP_CT_HELLO, 160, WIRE_OK }, { LOCKSTEP_CT_HELLO, 159, WIRE_LENGTH },
		{ LOCKSTEP_CT_HELLO, 160 + 608, WIRE_OK }, { LOCKSTEP_CT_HELLO, 161, WIRE_LENGTH },
		{ LOCKSTEP_CT_HELLO, 160 + 256 * 608, WIRE_OK },
		{ LOCKSTEP_CT_HELLO, 160 + 257 * 608, WIRE_LENGTH },
		{ LOCKSTEP_CT_VERDICT, 8, WIRE_OK }, { LOCKSTEP_CT_VERDICT, 20, WIRE_LENGTH },
		{ LOCKSTEP_CT_VERDICT, 8 + 8 * 256, WIRE_OK },
		{ LOCKSTEP_CT_VERDICT, 8 + 8 * 257, WIRE_LENGTH },
		{ LOCKSTEP_CT_TOKEN, 56, WIRE_OK }, { LOCKSTEP_CT_TOKEN, 57, WIRE_LENGTH },
		{ LOCKSTEP_CT_READY, 0, WIRE_OK }, { LOCKSTEP_CT_READY, 1, WIRE_LENGTH },
		{ LOCKSTEP_CT_STARTED, 0, WIRE_OK }, { LOCKSTEP_CT_PING, 0, WIRE_OK },
		{ LOCKSTEP_CT_PONG, 0, WIRE_OK }, { LOCKSTEP_CT_ADOPT, 0, WIRE_OK },
		{ LOCKSTEP_CT_MARKS, 16, WIRE_OK },
		{ LOCKSTEP_CT_MARKS, LOCKSTEP_CTL_MAX_BYTES, WIRE_OK },
		{ LOCKSTEP_CT_MARKS, LOCKSTEP_CTL_MAX_BYTES + 1, WIRE_LENGTH },
		{ LOCKSTEP_CT_MARKS, 0xffffffff, WIRE_LENGTH },
		{ LOCKSTEP_CT_MARKS_DONE, 16, WIRE_OK },
		{ LOCKSTEP_CT_MARKS_DONE, 17, WIRE_LENGTH },
		{ LOCKSTEP_CT_REFUSE, 256, WIRE_OK }, { LOCKSTEP_CT_REFUSE, 255, WIRE_LENGTH },
		{ 0, 0, WIRE_TYPE }, { LOCKSTEP_CT_NR, 0, WIRE_TYPE }, { 0xffff, 0, WIRE_TYPE },
	};
	struct lockstep_ctl_hdr h;
	struct wire_ctl c;
	u32 i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		c.type = rows[i].type;
		c.body_bytes = rows[i].bytes;
		wire_ctl_encode(&c, &h);
		memset(&c, 0, sizeof(c));
		if (wire_ctl_decode(&h, sizeof(h), &c) != rows[i].err)
			fail_msg("row %u", i);
		if (!rows[i].err)
			assert_true(c.type == rows[i].type && c.body_bytes == rows[i].bytes);
	}
	c.type = LOCKSTEP_CT_PING;
	c.body_bytes = 0;
	wire_ctl_encode(&c, &h);
	for (i = 0; i < sizeof(h); i++)
		assert_int_equal(wire_ctl_decode(&h, i, &c), WIRE_SHORT);
	/* Any byte damaged: refused, or another message without a body. */
	for (i = 0; i < sizeof(h) * 255; i++) {
		((u8 *)&h)[i / 255] ^= (u8)(1 + i % 255);
		if (wire_ctl_decode(&h, sizeof(h), &c) == WIRE_OK)
			assert_true(i / 255 == 4 && c.type != LOCKSTEP_CT_PING && !c.body_bytes);
		((u8 *)&h)[i / 255] ^= (u8)(1 + i % 255);
	}
	h.pad2 = cpu_to_le32(1);
	assert_int_equal(wire_ctl_decode(&h, sizeof(h), &c), WIRE_PAD);
}

static void hello_round_trip(void **state)
{
	static struct wire_hello_volume v[256], back_v[256];
	struct wire_hello h, back;
	static const u32 counts[] = { 0, 1, 2, 256 };
	size_t len, cut;
	u32 i, k;

	(void)state;
	for (k = 0; k < ARRAY_SIZE(counts); k++) {
		for (i = 0; i < counts[k]; i++)
			v[i] = good_volume(i);
		h = good_hello(counts[k]);
		len = 160 + counts[k] * 608;
		assert_int_equal(wire_hello_encode(&h, v, buf, len - 1), 0);
		assert_int_equal(wire_hello_encode(&h, v, buf, CAP), len);
		assert_int_equal(wire_hello_decode(buf, len, &back, back_v, 256), WIRE_OK);
		assert_memory_equal(&h, &back, sizeof(h));
		for (i = 0; i < counts[k]; i++)
			assert_memory_equal(&v[i], &back_v[i], sizeof(v[i]));
		for (cut = 0; cut < len; cut += cut < 800 ? 1 : 601)
			assert_int_equal(wire_hello_decode(buf, cut, &back, back_v, 256),
					 WIRE_SHORT);
		assert_int_equal(wire_hello_decode(buf, len + 1, &back, back_v, 256), WIRE_LENGTH);
		if (counts[k])
			assert_int_equal(wire_hello_decode(buf, len, &back, back_v, counts[k] - 1),
					 WIRE_LENGTH);
	}
	h.nr_volumes = 257;
	wire_hello_encode(&h, v, buf, 0);
	((struct lockstep_ctl_hello *)buf)->nr_volumes = cpu_to_le32(257);
	assert_int_equal(wire_hello_decode(buf, CAP, &back, back_v, 300), WIRE_LENGTH);
}

#define HELLO(err, ...) do { \
	struct wire_hello h = good_hello(2), back; \
	struct wire_hello_volume v[2] = { good_volume(3), good_volume(7) }, back_v[2]; \
	size_t len_; \
	__VA_ARGS__; \
	len_ = wire_hello_encode(&h, v, buf, CAP); \
	assert_int_equal(wire_hello_decode(buf, len_, &back, back_v, 2), err); \
} while (0)

static void hello_values(void **state)
{
	(void)state;
	HELLO(WIRE_OK, (void)0);
	HELLO(WIRE_VALUE, h.version_min = 0);
	HELLO(WIRE_VALUE, h.version_min = 2);
	HELLO(WIRE_VALUE, h.boot_id = 0);
	HELLO(WIRE_VALUE, h.node_id = 32);
	HELLO(WIRE_VALUE, h.peer_node_id = 32);
	HELLO(WIRE_VALUE, h.peer_node_id = 31);
	HELLO(WIRE_VALUE, h.role = 0);
	HELLO(WIRE_VALUE, h.role = 3);
	HELLO(WIRE_OK, h.role = LOCKSTEP_ROLE_SECONDARY);
	HELLO(WIRE_VALUE, h.streams = 0);
	HELLO(WIRE_VALUE, h.streams = LOCKSTEP_MAX_STREAMS + 1);
	HELLO(WIRE_VALUE, h.timeout_ms = LOCKSTEP_MIN_TIMEOUT_MS - 1);
	HELLO(WIRE_VALUE, h.timeout_ms = LOCKSTEP_MAX_TIMEOUT_MS + 1);
	HELLO(WIRE_TEXT, h.resource[0] = 0);
	HELLO(WIRE_TEXT, h.resource[47] = 'x');
	HELLO(WIRE_TEXT, memset(h.resource, 'x', 48));
	HELLO(WIRE_TEXT, h.node[0] = '\n');
	HELLO(WIRE_VALUE, v[1].volume = LOCKSTEP_MAX_VOLUMES);
	HELLO(WIRE_ORDER, v[1].volume = 3);
	HELLO(WIRE_ORDER, v[1].volume = 2);
	HELLO(WIRE_FLAGS, v[0].flags = LOCKSTEP_MF_KNOWN + 1);
	HELLO(WIRE_FLAGS, v[0].caps = LOCKSTEP_VC_KNOWN + 1);
	HELLO(WIRE_SECTOR, v[0].data_sect = LOCKSTEP_MAX_DATA_SECT + 1);
	HELLO(WIRE_SECTOR, v[0].data_max_sect = ~0ull);
	HELLO(WIRE_VALUE, v[0].oos_bits = (LOCKSTEP_MAX_DATA_SECT >> 3) + 1);
	HELLO(WIRE_VALUE, v[0].disk = LOCKSTEP_DISK_UP_TO_DATE + 1);
	HELLO(WIRE_VALUE, v[0].sync = LOCKSTEP_SYNC_TARGET + 1);
	HELLO(WIRE_OK, v[0].logical_bytes = v[0].physical_bytes = 0);
	HELLO(WIRE_VALUE, v[0].logical_bytes = 0);
	HELLO(WIRE_VALUE, v[0].physical_bytes = 0);
	HELLO(WIRE_VALUE, v[0].logical_bytes = 513);
	HELLO(WIRE_VALUE, v[0].logical_bytes = 256);
	HELLO(WIRE_VALUE, v[0].physical_bytes = 1u << 31);
}

static void verdict(void **state)
{
	struct wire_choice c[256], back[256];
	u32 i, nr = 0;
	size_t len;

	(void)state;
	for (i = 0; i < 256; i++)
		c[i] = (struct wire_choice){ i, (u16)(i % GEN_VERDICT_NR), (u16)(i % GEN_RULE_NR) };
	len = wire_verdict_encode(c, 256, buf, CAP);
	assert_int_equal(len, 8 + 256 * 8);
	assert_int_equal(wire_verdict_decode(buf, len, back, 256, &nr), WIRE_OK);
	assert_int_equal(nr, 256);
	assert_memory_equal(c, back, sizeof(c));
	for (i = 0; i < len; i++)
		assert_int_equal(wire_verdict_decode(buf, i, back, 256, &nr), WIRE_SHORT);
	assert_int_equal(wire_verdict_decode(buf, len + 8, back, 256, &nr), WIRE_LENGTH);
	assert_int_equal(wire_verdict_decode(buf, len, back, 255, &nr), WIRE_LENGTH);
	assert_int_equal(wire_verdict_encode(c, 256, buf, len - 1), 0);
	buf[4] = 1;
	assert_int_equal(wire_verdict_decode(buf, len, back, 256, &nr), WIRE_PAD);
	buf[4] = 0;
	buf[1] = 2;
	assert_int_equal(wire_verdict_decode(buf, len, back, 1000, &nr), WIRE_LENGTH);
	c[1].volume = 0;
	len = wire_verdict_encode(c, 2, buf, CAP);
	assert_int_equal(wire_verdict_decode(buf, len, back, 256, &nr), WIRE_ORDER);
	c[1].volume = 256;
	len = wire_verdict_encode(c, 2, buf, CAP);
	assert_int_equal(wire_verdict_decode(buf, len, back, 256, &nr), WIRE_VALUE);
	c[0].rule = GEN_RULE_NR;
	len = wire_verdict_encode(c, 1, buf, CAP);
	assert_int_equal(wire_verdict_decode(buf, len, back, 256, &nr), WIRE_VALUE);
	c[0].rule = 0;
	c[0].verdict = GEN_VERDICT_NR;
	len = wire_verdict_encode(c, 1, buf, CAP);
	assert_int_equal(wire_verdict_decode(buf, len, back, 256, &nr), WIRE_VALUE);
}

#define TOKEN(err, ...) do { \
	struct wire_token t = { .session_id = 5, .epoch = 6, .streams = 1, \
				.timeout_ms = LOCKSTEP_DEF_TIMEOUT_MS }, back; \
	fill(t.token, sizeof(t.token)); \
	__VA_ARGS__; \
	assert_int_equal(wire_token_encode(&t, buf, CAP), 56); \
	assert_int_equal(wire_token_decode(buf, 56, &back), err); \
	if (!(err)) \
		assert_memory_equal(&t, &back, sizeof(t)); \
} while (0)

static void token(void **state)
{
	struct wire_token last = { 0 };
	u32 i;

	(void)state;
	TOKEN(WIRE_VALUE, t.session_id = 0);
	TOKEN(WIRE_VALUE, t.epoch = 0);
	TOKEN(WIRE_VALUE, t.streams = 0);
	TOKEN(WIRE_VALUE, t.streams = LOCKSTEP_MAX_STREAMS + 1);
	TOKEN(WIRE_VALUE, t.timeout_ms = 0);
	TOKEN(WIRE_OK, (void)0);
	for (i = 0; i < 56; i++)
		assert_int_equal(wire_token_decode(buf, i, &last), WIRE_SHORT);
	assert_int_equal(wire_token_decode(buf, 57, &last), WIRE_LENGTH);
	assert_int_equal(wire_token_encode(&last, buf, 55), 0);
}

static void marks(void **state)
{
	u8 runs[100];
	struct wire_marks m = {
		.volume = 255, .run_bytes = 100, .first_bit = 1ull << 38, .runs = runs,
	};
	struct wire_marks back;
	u32 i;

	(void)state;
	fill(runs, sizeof(runs));
	assert_int_equal(wire_marks_encode(&m, buf, 115), 0);
	assert_int_equal(wire_marks_encode(&m, buf, 15), 0);
	assert_int_equal(wire_marks_encode(&m, buf, 116), 116);
	assert_int_equal(wire_marks_decode(buf, 116, &back), WIRE_OK);
	assert_true(back.volume == 255 && back.run_bytes == 100 && back.first_bit == 1ull << 38);
	assert_memory_equal(back.runs, runs, 100);
	for (i = 0; i < 116; i++)
		assert_int_equal(wire_marks_decode(buf, i, &back), WIRE_SHORT);
	assert_int_equal(wire_marks_decode(buf, 117, &back), WIRE_LENGTH);
	m.first_bit++;
	wire_marks_encode(&m, buf, CAP);
	assert_int_equal(wire_marks_decode(buf, 116, &back), WIRE_VALUE);
	m.first_bit = 0;
	m.volume = 256;
	wire_marks_encode(&m, buf, CAP);
	assert_int_equal(wire_marks_decode(buf, 116, &back), WIRE_VALUE);
	m.volume = 0;
	m.run_bytes = 0;
	m.runs = NULL;
	assert_int_equal(wire_marks_encode(&m, buf, CAP), 16);
	assert_int_equal(wire_marks_decode(buf, 16, &back), WIRE_OK);
	((struct lockstep_ctl_marks *)buf)->run_bytes = cpu_to_le32(LOCKSTEP_CTL_MAX_BYTES);
	assert_int_equal(wire_marks_decode(buf, CAP, &back), WIRE_LENGTH);
}

static const char *recode_text(const char *text, enum wire_err want)
{
	static struct wire_refuse r;

	assert_int_equal(wire_refuse_encode(LOCKSTEP_RF_SPLIT, text, buf, CAP), 256);
	assert_int_equal(wire_refuse_decode(buf, 256, &r), want);
	return r.text;
}

static void refuse(void **state)
{
	char text[400];
	struct wire_refuse r;
	u32 i;

	(void)state;
	assert_string_equal(recode_text("split brain: \xc3\xa4", WIRE_OK), "split brain: \xc3\xa4");
	assert_string_equal(recode_text("", WIRE_OK), "");
	assert_string_equal(recode_text("a\x1b[2Jb\x7f\n", WIRE_OK), "a?[2Jb??");
	memset(text, 'a', sizeof(text));
	text[399] = 0;
	assert_int_equal(strlen(recode_text(text, WIRE_OK)), 251);
	/* The cut falls into a character of two, and of three bytes. */
	memcpy(text + 250, "\xc3\xa4", 2);
	assert_int_equal(strlen(recode_text(text, WIRE_OK)), 250);
	memcpy(text + 249, "\xe2\x82\xac", 3);
	assert_int_equal(strlen(recode_text(text, WIRE_OK)), 249);
	memset(text, 0x80, 399);
	assert_int_equal(strlen(recode_text(text, WIRE_OK)), 0);
	for (i = 0; i < 256; i++)
		assert_int_equal(wire_refuse_decode(buf, i, &r), WIRE_SHORT);
	assert_int_equal(wire_refuse_decode(buf, 257, &r), WIRE_LENGTH);
	assert_int_equal(wire_refuse_encode(1, "x", buf, 255), 0);
	buf[255] = 'x';
	assert_int_equal(wire_refuse_decode(buf, 256, &r), WIRE_TEXT);
	memset(buf + 4, 'x', 252);
	assert_int_equal(wire_refuse_decode(buf, 256, &r), WIRE_TEXT);
	wire_refuse_encode(0, "x", buf, CAP);
	assert_int_equal(wire_refuse_decode(buf, 256, &r), WIRE_VALUE);
	wire_refuse_encode(LOCKSTEP_RF_NR, "x", buf, CAP);
	assert_int_equal(wire_refuse_decode(buf, 256, &r), WIRE_VALUE);
}

static void resize(void **state)
{
	struct wire_resize r = { 255, LOCKSTEP_RZ_SHRINK, LOCKSTEP_MAX_DATA_SECT }, back;
	struct wire_resize_done d = { .volume = 3, .refused = 1, .data_max_sect = 12345,
				      .text = "in use" }, dback;
	u32 i;

	(void)state;
	assert_int_equal(wire_resize_encode(&r, buf, 15), 0);
	assert_int_equal(wire_resize_encode(&r, buf, CAP), 16);
	assert_int_equal(wire_resize_decode(buf, 16, &back), WIRE_OK);
	assert_memory_equal(&r, &back, sizeof(r));
	for (i = 0; i < 16; i++)
		assert_int_equal(wire_resize_decode(buf, i, &back), WIRE_SHORT);
	assert_int_equal(wire_resize_decode(buf, 17, &back), WIRE_LENGTH);
	r.flags = 2;
	wire_resize_encode(&r, buf, CAP);
	assert_int_equal(wire_resize_decode(buf, 16, &back), WIRE_FLAGS);
	r = (struct wire_resize){ 256, 0, 0 };
	wire_resize_encode(&r, buf, CAP);
	assert_int_equal(wire_resize_decode(buf, 16, &back), WIRE_VALUE);
	r = (struct wire_resize){ 0, 0, LOCKSTEP_MAX_DATA_SECT + 8 };
	wire_resize_encode(&r, buf, CAP);
	assert_int_equal(wire_resize_decode(buf, 16, &back), WIRE_VALUE);
	r.data_sect = 4097;
	wire_resize_encode(&r, buf, CAP);
	assert_int_equal(wire_resize_decode(buf, 16, &back), WIRE_VALUE);

	assert_int_equal(wire_resize_done_encode(&d, buf, 255), 0);
	assert_int_equal(wire_resize_done_encode(&d, buf, CAP), 256);
	assert_int_equal(wire_resize_done_decode(buf, 256, &dback), WIRE_OK);
	assert_memory_equal(&d, &dback, sizeof(d));
	assert_int_equal(wire_resize_done_decode(buf, 255, &dback), WIRE_SHORT);
	buf[255] = 'x';
	assert_int_equal(wire_resize_done_decode(buf, 256, &dback), WIRE_TEXT);
	memset(buf + 16, 'x', 240);
	assert_int_equal(wire_resize_done_decode(buf, 256, &dback), WIRE_TEXT);
	d.refused = 2;
	wire_resize_done_encode(&d, buf, CAP);
	assert_int_equal(wire_resize_done_decode(buf, 256, &dback), WIRE_VALUE);
	d.refused = 0;
	d.data_max_sect = LOCKSTEP_MAX_DATA_SECT + 1;
	wire_resize_done_encode(&d, buf, CAP);
	assert_int_equal(wire_resize_done_decode(buf, 256, &dback), WIRE_VALUE);
}

static void join(void **state)
{
	struct lockstep_wire_join w;
	struct wire_join j = { .session_id = 77, .stream = 15 }, back;
	u32 i;

	(void)state;
	fill(j.nonce, 32);
	fill(j.proof, 32);
	wire_join_encode(&j, &w);
	assert_int_equal(((u8 *)&w)[0], 'L');
	assert_int_equal(wire_join_decode(&w, sizeof(w), &back), WIRE_OK);
	assert_true(back.session_id == 77 && back.stream == 15);
	assert_memory_equal(back.nonce, j.nonce, 32);
	assert_memory_equal(back.proof, j.proof, 32);
	for (i = 0; i < sizeof(w); i++)
		assert_int_equal(wire_join_decode(&w, i, &back), WIRE_SHORT);
	assert_int_equal(wire_join_decode(&w, sizeof(w) + 1, &back), WIRE_LENGTH);
	w.pad = cpu_to_le32(1);
	assert_int_equal(wire_join_decode(&w, sizeof(w), &back), WIRE_PAD);
	w.magic[7] = 1;
	assert_int_equal(wire_join_decode(&w, sizeof(w), &back), WIRE_MAGIC);
	j.stream = 16;
	wire_join_encode(&j, &w);
	assert_int_equal(wire_join_decode(&w, sizeof(w), &back), WIRE_VALUE);
	j.stream = 0;
	j.session_id = 0;
	wire_join_encode(&j, &w);
	assert_int_equal(wire_join_decode(&w, sizeof(w), &back), WIRE_VALUE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ctl_header),
		cmocka_unit_test(hello_round_trip),
		cmocka_unit_test(hello_values),
		cmocka_unit_test(verdict),
		cmocka_unit_test(token),
		cmocka_unit_test(marks),
		cmocka_unit_test(refuse),
		cmocka_unit_test(resize),
		cmocka_unit_test(join),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
