// SPDX-License-Identifier: GPL-2.0
/* Data messages: round trip, every bound, every damaged byte. */
#include "test.h"
#include "wire.h"
#include <linux/lockstep.h>

static u64 rng = 23;

static struct wire_msg good(u8 type)
{
	struct wire_msg m = { .type = type, .epoch = next_random(&rng) };

	if (wire_type_has_slot(type)) {
		m.slot = (u32)next_random(&rng);
		m.slot_gen = (u32)next_random(&rng);
	}
	if (wire_type_has_extent(type)) {
		m.volume = (u16)random_below(&rng, LOCKSTEP_MAX_VOLUMES);
		m.size_bytes = 512 * (u32)(1 + random_below(&rng, LOCKSTEP_MAX_IO_SECT));
		m.sector = random_below(&rng, LOCKSTEP_MAX_DATA_SECT >> 13) << 13;
		m.sector += random_below(&rng, LOCKSTEP_REGION_SECT - m.size_bytes / 512 + 1);
	}
	if (type == LOCKSTEP_WT_WRITE || type == LOCKSTEP_WT_DATA)
		m.payload_bytes = m.size_bytes;
	if (type == LOCKSTEP_WT_CSUM || type == LOCKSTEP_WT_CSUM_DATA)
		m.sector &= ~7ull;
	if (type == LOCKSTEP_WT_CSUM_DATA)
		m.payload_bytes = (m.size_bytes + 4095) / 4096 * 8;
	if (type == LOCKSTEP_WT_ROLE_TELL)
		m.sector = LOCKSTEP_ROLE_PRIMARY;
	if (type == LOCKSTEP_WT_SYNC_DONE)
		m.sector = 1 + random_below(&rng, 1 << 30);
	if (type == LOCKSTEP_WT_FLUSH)
		m.status = (u16)next_random(&rng);
	if (type == LOCKSTEP_WT_ACK)
		m.status = (u16)random_below(&rng, LOCKSTEP_WS_NR);
	return m;
}

static bool is_type(u8 type)
{
	return strcmp(wire_type_name(type), "unknown") != 0;
}

static enum wire_err recode(const struct wire_msg *m, struct wire_msg *back)
{
	struct lockstep_wire_hdr h;

	wire_msg_encode(m, &h);
	return wire_msg_decode(&h, back);
}

static void assert_same(const struct wire_msg *a, const struct wire_msg *b)
{
	assert_true(a->type == b->type && a->flags == b->flags && a->volume == b->volume &&
		    a->status == b->status && a->payload_bytes == b->payload_bytes &&
		    a->size_bytes == b->size_bytes && a->sector == b->sector &&
		    a->slot == b->slot && a->slot_gen == b->slot_gen && a->epoch == b->epoch);
}

static void round_trip(void **state)
{
	struct wire_msg m, back;
	u32 type, i, known = 0;

	(void)state;
	for (type = 0; type < 256; type++) {
		m = good((u8)type);
		if (!is_type((u8)type)) {
			assert_int_equal(recode(&m, &back), WIRE_TYPE);
			assert_false(wire_type_has_extent((u8)type));
			assert_false(wire_type_has_slot((u8)type));
			continue;
		}
		known++;
		for (i = 0; i < 300; i++) {
			m = good((u8)type);
			assert_int_equal(recode(&m, &back), WIRE_OK);
			assert_same(&m, &back);
		}
	}
	assert_int_equal(known, 17);
}

static void damaged(void **state)
{
	struct lockstep_wire_hdr h;
	struct wire_msg m, back;
	u32 type, at, bit;

	(void)state;
	for (type = 0; type < LOCKSTEP_WT_NR; type++) {
		if (!is_type((u8)type))
			continue;
		m = good((u8)type);
		wire_msg_encode(&m, &h);
		for (at = 0; at < sizeof(h); at++) {
			for (bit = 1; bit < 256; bit++) {
				((u8 *)&h)[at] ^= (u8)bit;
				assert_int_equal(wire_msg_decode(&h, &back),
						 at < 2 ? WIRE_MAGIC : WIRE_CRC);
				((u8 *)&h)[at] ^= (u8)bit;
			}
		}
	}
}

/* One field of a good message changed, the crc right. */
#define REFUSED(type_, err, ...) do { \
	struct wire_msg m = good(type_), back; \
	__VA_ARGS__; \
	assert_int_equal(recode(&m, &back), err); \
} while (0)

static void extents(void **state)
{
	const u8 w = LOCKSTEP_WT_WRITE, z = LOCKSTEP_WT_ZEROES;

	(void)state;
	REFUSED(w, WIRE_LENGTH, m.size_bytes = m.payload_bytes = LOCKSTEP_MAX_IO_BYTES + 512);
	REFUSED(w, WIRE_LENGTH, m.payload_bytes = m.size_bytes - 512);
	REFUSED(w, WIRE_LENGTH, m.payload_bytes = 0);
	REFUSED(w, WIRE_SECTOR, m.size_bytes = m.payload_bytes = 0);
	REFUSED(w, WIRE_SECTOR, m.size_bytes = m.payload_bytes = 511);
	REFUSED(w, WIRE_SECTOR, m.sector = LOCKSTEP_MAX_DATA_SECT);
	REFUSED(w, WIRE_SECTOR, m.sector = ~0ull);
	REFUSED(w, WIRE_SECTOR, m.sector = 8191; m.size_bytes = m.payload_bytes = 1024);
	REFUSED(w, WIRE_OK, m.sector = 8191; m.size_bytes = m.payload_bytes = 512);
	REFUSED(w, WIRE_OK, m.sector = LOCKSTEP_MAX_DATA_SECT - 1;
		m.size_bytes = m.payload_bytes = 512);
	REFUSED(z, WIRE_LENGTH, m.payload_bytes = m.size_bytes);
	REFUSED(z, WIRE_LENGTH, m.size_bytes = LOCKSTEP_REGION_BYTES + 512);
	REFUSED(z, WIRE_OK, m.sector = 8192; m.size_bytes = LOCKSTEP_REGION_BYTES);
	REFUSED(z, WIRE_SECTOR, m.sector = 8193; m.size_bytes = LOCKSTEP_REGION_BYTES);
}

static void values(void **state)
{
	const u8 w = LOCKSTEP_WT_WRITE, f = LOCKSTEP_WT_FLUSH, a = LOCKSTEP_WT_ACK;

	(void)state;
	REFUSED(w, WIRE_FLAGS, m.flags = LOCKSTEP_WH_UNMAP);
	REFUSED(w, WIRE_FLAGS, m.flags = 0x80);
	REFUSED(LOCKSTEP_WT_ZEROES, WIRE_OK, m.flags = LOCKSTEP_WH_KNOWN);
	REFUSED(f, WIRE_FLAGS, m.flags = LOCKSTEP_WH_FUA);
	REFUSED(w, WIRE_VALUE, m.volume = LOCKSTEP_MAX_VOLUMES);
	REFUSED(w, WIRE_VALUE, m.status = LOCKSTEP_WS_IO_ERROR);
	REFUSED(w, WIRE_OK, m.flags = LOCKSTEP_WH_PREFLUSH; m.status = 0xffff);
	REFUSED(w, WIRE_VALUE, m.flags = LOCKSTEP_WH_FUA; m.status = 1);
	REFUSED(LOCKSTEP_WT_ZEROES, WIRE_VALUE, m.flags = LOCKSTEP_WH_PREFLUSH; m.status = 1);
	REFUSED(f, WIRE_OK, m.status = 0xffff);
	REFUSED(f, WIRE_LENGTH, m.size_bytes = 512);
	REFUSED(f, WIRE_LENGTH, m.payload_bytes = 512);
	REFUSED(f, WIRE_VALUE, m.sector = 1);
	REFUSED(a, WIRE_VALUE, m.status = LOCKSTEP_WS_NR);
	REFUSED(a, WIRE_VALUE, m.sector = 5);
	REFUSED(LOCKSTEP_WT_PING, WIRE_OK, m.sector = ~0ull);
	REFUSED(LOCKSTEP_WT_PING, WIRE_VALUE, m.volume = 1);
	REFUSED(LOCKSTEP_WT_PING, WIRE_VALUE, m.slot = 1);
	REFUSED(LOCKSTEP_WT_PING, WIRE_VALUE, m.slot_gen = 1);
	REFUSED(LOCKSTEP_WT_ROLE_ASK, WIRE_VALUE, m.sector = 3);
	REFUSED(LOCKSTEP_WT_ROLE_ASK, WIRE_OK, m.sector = LOCKSTEP_ROLE_PRIMARY);
	REFUSED(LOCKSTEP_WT_ROLE_ANSWER, WIRE_OK, m.status = LOCKSTEP_WS_REFUSED);
	REFUSED(LOCKSTEP_WT_ROLE_TELL, WIRE_VALUE, m.sector = LOCKSTEP_ROLE_UNKNOWN);
	REFUSED(LOCKSTEP_WT_ROLE_TELL, WIRE_OK, m.sector = LOCKSTEP_ROLE_SECONDARY);
	REFUSED(LOCKSTEP_WT_ROLE_TELL, WIRE_VALUE, m.sector = 3);
	REFUSED(LOCKSTEP_WT_SYNC_DONE, WIRE_VALUE, m.sector = 0);
	REFUSED(LOCKSTEP_WT_CLOSE, WIRE_VALUE, m.sector = 1);
}

static void reads(void **state)
{
	const u8 r = LOCKSTEP_WT_READ, d = LOCKSTEP_WT_DATA;
	const u8 c = LOCKSTEP_WT_CSUM, s = LOCKSTEP_WT_CSUM_DATA;

	(void)state;
	REFUSED(r, WIRE_OK, m.flags = LOCKSTEP_WH_RESYNC | LOCKSTEP_WH_SYNC);
	REFUSED(r, WIRE_FLAGS, m.flags = LOCKSTEP_WH_FUA);
	REFUSED(r, WIRE_LENGTH, m.payload_bytes = m.size_bytes);
	REFUSED(r, WIRE_LENGTH, m.size_bytes = LOCKSTEP_MAX_IO_BYTES + 512);
	REFUSED(r, WIRE_SECTOR, m.size_bytes = 0);
	REFUSED(r, WIRE_SECTOR, m.size_bytes = 700);
	REFUSED(r, WIRE_SECTOR, m.sector = 8191; m.size_bytes = 1024);
	REFUSED(r, WIRE_OK, m.sector = 3; m.size_bytes = 512);
	REFUSED(r, WIRE_VALUE, m.status = LOCKSTEP_WS_IO_ERROR);
	REFUSED(d, WIRE_LENGTH, m.payload_bytes = 0);
	REFUSED(d, WIRE_LENGTH, m.payload_bytes += 512);
	REFUSED(d, WIRE_LENGTH, m.size_bytes = m.payload_bytes = LOCKSTEP_MAX_IO_BYTES + 512);
	REFUSED(d, WIRE_FLAGS, m.flags = LOCKSTEP_WH_RESYNC);
	REFUSED(d, WIRE_VALUE, m.status = LOCKSTEP_WS_IO_ERROR);
	REFUSED(c, WIRE_LENGTH, m.payload_bytes = 8);
	REFUSED(c, WIRE_LENGTH, m.size_bytes = LOCKSTEP_MAX_IO_BYTES + 4096);
	REFUSED(c, WIRE_SECTOR, m.sector |= 4; m.size_bytes = 4096);
	REFUSED(c, WIRE_OK, m.size_bytes = 1536);
	REFUSED(s, WIRE_LENGTH, m.payload_bytes += 8);
	REFUSED(s, WIRE_LENGTH, m.payload_bytes -= 8);
	REFUSED(s, WIRE_LENGTH, m.payload_bytes = m.size_bytes);
	REFUSED(s, WIRE_SECTOR, m.sector |= 1);
	REFUSED(s, WIRE_OK, m.size_bytes = LOCKSTEP_MAX_IO_BYTES; m.sector = 0;
		m.payload_bytes = 2048);
	REFUSED(s, WIRE_OK, m.size_bytes = 4608; m.payload_bytes = 16);
}

static void ends(void **state)
{
	(void)state;
	REFUSED(LOCKSTEP_WT_SYNC_PULLED, WIRE_OK, m.volume = LOCKSTEP_MAX_VOLUMES - 1);
	REFUSED(LOCKSTEP_WT_SYNC_PULLED, WIRE_VALUE, m.sector = 1);
	REFUSED(LOCKSTEP_WT_SYNC_PULLED, WIRE_VALUE, m.slot = 1);
}

#define FITS(request, type_, ...) ({ \
	struct wire_msg m = *(request); \
	m.type = type_; \
	__VA_ARGS__; \
	wire_answer_fits(request, &m); })

static void answers(void **state)
{
	const u8 ack = LOCKSTEP_WT_ACK, d = LOCKSTEP_WT_DATA, s = LOCKSTEP_WT_CSUM_DATA;
	struct wire_msg w = good(LOCKSTEP_WT_WRITE), r = good(LOCKSTEP_WT_READ);
	struct wire_msg c = good(LOCKSTEP_WT_CSUM), f = good(LOCKSTEP_WT_FLUSH);

	(void)state;
	assert_true(FITS(&w, ack, m.status = LOCKSTEP_WS_OK));
	assert_true(FITS(&f, ack, m.status = LOCKSTEP_WS_IO_ERROR));
	assert_false(FITS(&w, ack, m.volume ^= 1));
	assert_false(FITS(&w, d, ));
	assert_false(FITS(&w, s, ));
	assert_true(FITS(&r, d, ));
	assert_false(FITS(&r, s, ));
	assert_false(FITS(&r, d, m.sector ^= 8));
	assert_false(FITS(&r, d, m.size_bytes += 512));
	assert_false(FITS(&r, d, m.volume ^= 1));
	/* What was asked for must come, or a reason. */
	assert_false(FITS(&r, ack, m.status = LOCKSTEP_WS_OK));
	assert_true(FITS(&r, ack, m.status = LOCKSTEP_WS_REFUSED));
	assert_true(FITS(&c, s, ));
	assert_false(FITS(&c, d, ));
	assert_false(FITS(&c, s, m.size_bytes -= 512));
	assert_false(FITS(&c, ack, m.status = LOCKSTEP_WS_OK));
	assert_true(FITS(&c, ack, m.status = LOCKSTEP_WS_IO_ERROR));
	f.type = 77;
	assert_false(FITS(&f, ack, ));
}

static void memory(void **state)
{
	struct wire_msg w = good(LOCKSTEP_WT_WRITE), z = good(LOCKSTEP_WT_ZEROES);
	struct wire_msg r = good(LOCKSTEP_WT_READ), c = good(LOCKSTEP_WT_CSUM);

	(void)state;
	assert_false(wire_type_is_read(w.type) || wire_type_is_read(77));
	assert_true(wire_type_is_read(r.type) && wire_type_is_read(c.type));
	assert_int_equal(wire_msg_memory(&w), w.size_bytes);
	assert_int_equal(wire_msg_memory(&z), 0);
	assert_int_equal(wire_msg_memory(&r), r.size_bytes);
	assert_int_equal(wire_msg_memory(&c), c.size_bytes);
	assert_int_equal(wire_sums_bytes(512), 8);
	assert_int_equal(wire_sums_bytes(4096), 8);
	assert_int_equal(wire_sums_bytes(4608), 16);
	assert_int_equal(wire_sums_bytes(LOCKSTEP_MAX_IO_BYTES), 2048);
}

static void pad(void **state)
{
	struct lockstep_wire_hdr h;
	struct wire_msg m = good(LOCKSTEP_WT_PING);

	(void)state;
	wire_msg_encode(&m, &h);
	h.pad = cpu_to_le32(1);
	h.crc = cpu_to_le32(os_crc32c(&h, offsetof(struct lockstep_wire_hdr, crc)));
	assert_int_equal(wire_msg_decode(&h, &m), WIRE_PAD);
}

static void crc_is_the_one_of_the_books(void **state)
{
	(void)state;
	assert_int_equal(os_crc32c("123456789", 9), 0xe3069283);
	assert_int_equal(os_crc32c_more(os_crc32c("1234", 4), "56789", 5), 0xe3069283);
}

static void names(void **state)
{
	u32 i;

	(void)state;
	for (i = 0; i < WIRE_ERR_NR; i++)
		assert_non_null(wire_err_name(i));
	assert_string_equal(wire_err_name(WIRE_ERR_NR), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(damaged),
		cmocka_unit_test(extents),
		cmocka_unit_test(values),
		cmocka_unit_test(reads),
		cmocka_unit_test(ends),
		cmocka_unit_test(answers),
		cmocka_unit_test(memory),
		cmocka_unit_test(pad),
		cmocka_unit_test(crc_is_the_one_of_the_books),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
