// SPDX-License-Identifier: GPL-2.0
/* The superblock: what is written is read back, and nothing else is believed. */
#include "test.h"
#include "meta.h"

static _Alignas(8) u8 block[2][LOCKSTEP_SB_BYTES];
static u64 rng = 17;

static void random_meta(struct meta *m, bool external)
{
	struct meta_layout l;
	u64 sect = 4096 + random_below(&rng, 1ull << 32);
	u32 i;

	assert_int_equal(meta_layout(sect, external ? U64_MAX : 0, &l), META_OK);
	meta_init(m, &l, sect, "res-1.a", "node_A", 5, 255, external, 0);
	m->sequence = next_random(&rng);
	m->flags |= (u32)next_random(&rng) & LOCKSTEP_MF_KNOWN & ~LOCKSTEP_MF_EXTERNAL;
	m->compat = (u32)next_random(&rng);
	m->ro_compat = (u32)next_random(&rng);
	m->data_sect = random_below(&rng, l.data_max_sect + 1);
	m->verify_bit = random_below(&rng, l.data_max_sect / 8 + 1);
	m->epoch = next_random(&rng);
	m->boot_id = next_random(&rng);
	m->written_s = next_random(&rng);
	m->primary_s = next_random(&rng);
	m->write_s = next_random(&rng);
	m->block_bytes = random_below(&rng, 2) ? 0 : 512u << random_below(&rng, 8);
	m->current_gen = (struct meta_gen){ next_random(&rng), next_random(&rng) };
	for (i = 0; i < LOCKSTEP_MAX_PEERS; i++)
		m->peer[i] = (struct meta_peer){
			.since = { next_random(&rng), next_random(&rng) },
			.boot_id = next_random(&rng), .seen_s = next_random(&rng),
			.node_id = (u32)random_below(&rng, LOCKSTEP_MAX_NODES),
			.flags = (u32)random_below(&rng, LOCKSTEP_PF_KNOWN + 1) };
	for (i = (u32)random_below(&rng, LOCKSTEP_HISTORY + 1); i; i--)
		meta_history_push(m, (struct meta_gen){ next_random(&rng), i });
}

static void round_trip(void **state)
{
	struct meta m, back;
	u32 detail, round;

	(void)state;
	for (round = 0; round < 500; round++) {
		random_meta(&m, round & 1);
		meta_encode(&m, block[0]);
		assert_int_equal(meta_decode(block[0], &back, &detail), META_OK);
		assert_memory_equal(&m, &back, sizeof(m));
		assert_int_equal(meta_check_device(&m, m.device_sect, round & 1 ? U64_MAX : 0),
				 META_OK);
	}
}

static void every_single_byte_corruption(void **state)
{
	struct meta m, back;
	u32 detail, at;

	(void)state;
	random_meta(&m, false);
	meta_encode(&m, block[0]);
	for (at = 0; at < LOCKSTEP_SB_BYTES; at++) {
		u8 x = (u8)(1 + random_below(&rng, 255));

		block[0][at] ^= x;
		memset(&back, 0x5a, sizeof(back));
		assert_int_equal(meta_decode(block[0], &back, &detail),
				 at < 8 ? META_NO_MAGIC : META_BAD_CRC);
		assert_int_equal(back.flags, 0x5a5a5a5a);
		block[0][at] ^= x;
	}
}

/* A field changed and the crc made right again: by software, not by the disk. */
static enum meta_err forge(u32 at, u64 value, u32 bytes, u32 *ret_detail)
{
	struct lockstep_superblock *sb = (void *)block[1];
	struct meta back;
	u32 i;

	memcpy(block[1], block[0], LOCKSTEP_SB_BYTES);
	for (i = 0; i < bytes; i++)
		block[1][at + i] = (u8)(value >> (8 * i));
	sb->crc = 0;
	sb->crc = cpu_to_le32(os_crc32c(block[1], LOCKSTEP_SB_BYTES));
	return meta_decode(block[1], &back, ret_detail);
}

#define AT(member)	((u32)offsetof(struct lockstep_superblock, member))

static void forged_fields(void **state)
{
	const struct { u32 at; u64 value; u32 bytes, field; } bad[] = {
		{ AT(flags), LOCKSTEP_MF_KNOWN + 1, 4, AT(flags) },
		{ AT(node_id), LOCKSTEP_MAX_NODES, 4, AT(node_id) },
		{ AT(volume), LOCKSTEP_MAX_VOLUMES, 4, AT(volume) },
		{ AT(device_sect), 7, 8, AT(device_sect) },
		{ AT(device_sect), ~0ull, 8, AT(data_max_sect) },
		{ AT(data_max_sect), 1ull << 40, 8, AT(data_max_sect) },
		{ AT(data_sect), 1ull << 50, 8, AT(data_sect) },
		{ AT(region_map_sect), 8, 8, AT(region_map_sect) },
		{ AT(bitmap_sect), 0, 8, AT(bitmap_sect) },
		{ AT(region_map_4k), 0, 4, AT(region_map_4k) },
		{ AT(bitmap_4k), 0, 4, AT(bitmap_4k) },
		{ AT(index_sect), 16, 8, AT(index_sect) },
		{ AT(index_4k), 0, 4, AT(index_4k) },
		{ AT(verify_bit), 1ull << 40, 8, AT(verify_bit) },
		{ AT(region_bytes), 4096, 4, AT(region_bytes) },
		{ AT(bit_bytes), 512, 4, AT(bit_bytes) },
		{ AT(block_bytes), 256, 4, AT(block_bytes) },
		{ AT(block_bytes), 131072, 4, AT(block_bytes) },
		{ AT(block_bytes), 513, 4, AT(block_bytes) },
		{ AT(history_nr), LOCKSTEP_HISTORY + 1, 4, AT(history_nr) },
		{ AT(history_nr), 4, 4, AT(history) + 3 * 16 },
		{ AT(history_nr), 2, 4, AT(history) + 2 * 16 },
		{ AT(history) + 8 + 16 * 10, 1, 1, AT(history) + 16 * 10 },
		{ AT(peer) + 64 + 32, 32, 1, AT(peer) + 64 },
		{ AT(peer) + 64 + 36, LOCKSTEP_PF_KNOWN + 1, 1, AT(peer) + 64 },
		{ AT(peer) + 64 + 63, 1, 1, AT(peer) + 64 },
		{ AT(resource), 0, 1, AT(resource) },
		{ AT(resource) + 2, '/', 1, AT(resource) },
		{ AT(resource) + 47, 'x', 1, AT(resource) },
		{ AT(node), '-', 1, AT(node) },
		{ AT(pad0), 1, 1, AT(pad0) },
		{ AT(pad) + 2271, 1, 1, AT(pad) },
	};
	struct meta m;
	u32 i, detail;

	(void)state;
	random_meta(&m, false);
	m.history_nr = 3;
	memset(m.history + 3, 0, sizeof(m.history) - 3 * sizeof(m.history[0]));
	m.history[0].id = m.history[1].id = m.history[2].id = 9;
	meta_encode(&m, block[0]);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		if (forge(bad[i].at, bad[i].value, bad[i].bytes, &detail) != META_BAD_FIELD ||
		    detail != bad[i].field)
			fail_msg("row %u: detail %u", i, detail);
	}
	/* A name without an end. */
	memset(block[0] + AT(resource), 'a', LOCKSTEP_NAME_BYTES);
	assert_int_equal(forge(AT(compat), 0, 4, &detail), META_BAD_FIELD);
	meta_encode(&m, block[0]);
	assert_int_equal(forge(AT(version), 1, 4, &detail), META_BAD_VERSION);
	assert_int_equal(forge(AT(incompat), 0x60, 4, &detail), META_BAD_FEATURE);
	assert_int_equal(detail, 5);
	assert_int_equal(forge(AT(compat), ~0ull, 4, &detail), META_OK);
	assert_int_equal(forge(AT(ro_compat), ~0ull, 4, &detail), META_OK);
}

static void encode_two(u64 seq0, u64 seq1)
{
	struct meta m;

	random_meta(&m, false);
	m.sequence = seq0;
	meta_encode(&m, block[0]);
	m.sequence = seq1;
	meta_encode(&m, block[1]);
}

static void pick(void **state)
{
	enum meta_err err;
	struct meta m;
	u32 detail;

	(void)state;
	encode_two(4, 5);
	assert_int_equal(meta_pick(block[0], block[1], &m, &err, &detail), 1);
	assert_int_equal(m.sequence, 5);
	assert_int_equal(err, META_OK);
	assert_int_equal(meta_pick(block[1], block[0], &m, &err, &detail), 0);
	assert_int_equal(meta_pick(block[0], NULL, &m, &err, &detail), 0);
	assert_int_equal(m.sequence, 4);
	assert_int_equal(meta_pick(NULL, block[1], &m, &err, &detail), 1);
	assert_int_equal(meta_pick(NULL, NULL, &m, &err, &detail), -1);
	assert_int_equal(err, META_NO_MAGIC);
	/* Equal: both say the same. */
	encode_two(7, 7);
	assert_int_equal(meta_pick(block[0], block[1], &m, &err, &detail), 0);
	/* The newer one torn: the older one counts. Both torn, or one foreign: torn says more. */
	encode_two(4, 5);
	block[1][2000] ^= 1;
	assert_int_equal(meta_pick(block[0], block[1], &m, &err, &detail), 0);
	block[0][300] ^= 1;
	assert_int_equal(meta_pick(block[0], block[1], &m, &err, &detail), -1);
	assert_int_equal(err, META_BAD_CRC);
	memset(block[1], 0, LOCKSTEP_SB_BYTES);
	assert_int_equal(meta_pick(block[0], block[1], &m, &err, &detail), -1);
	assert_int_equal(err, META_BAD_CRC);
	assert_int_equal(meta_pick(block[1], block[0], &m, &err, &detail), -1);
	assert_int_equal(err, META_BAD_CRC);
}

/* Newer software wrote last: what it left for us to understand is the past, and is not taken. */
static void pick_refuses_the_past(void **state)
{
	enum meta_err err;
	struct meta m;
	u32 detail;

	(void)state;
	encode_two(9, 4);
	assert_int_equal(forge(AT(incompat), 8, 4, &detail), META_BAD_FEATURE);
	random_meta(&m, false);
	m.sequence = 4;
	meta_encode(&m, block[0]);
	assert_int_equal(meta_pick(block[0], block[1], &m, &err, &detail), -1);
	assert_int_equal(err, META_BAD_FEATURE);
	assert_int_equal(detail, 3);
	assert_int_equal(meta_pick(block[1], block[0], &m, &err, &detail), -1);
	/* The other way about it is only in the way. */
	random_meta(&m, false);
	m.sequence = 10;
	meta_encode(&m, block[0]);
	assert_int_equal(meta_pick(block[0], block[1], &m, &err, &detail), 0);
}

static void layout_at_size(u64 sect, bool external)
{
	struct meta_layout l;
	u64 end;

	if (meta_layout(sect, external ? 1ull << 40 : 0, &l))
		return;
	assert_int_equal(l.data_max_sect % 8, 0);
	assert_in_range(l.data_max_sect, LOCKSTEP_MIN_DATA_SECT, LOCKSTEP_MAX_DATA_SECT);
	/* The maps are large enough, and nothing overlaps or ends beyond the device. */
	assert_true((u64)l.bitmap_4k * 32768 * 8 >= l.data_max_sect);
	assert_true((u64)l.index_4k * LOCKSTEP_INDEX_PAGES >= l.bitmap_4k);
	assert_true((u64)l.region_map_4k * 32768 * LOCKSTEP_REGION_SECT >= l.data_max_sect);
	if (external) {
		assert_int_equal(l.sb_sect[0], 0);
		assert_int_equal(l.sb_sect[1], 120);
		assert_int_equal(l.region_map_sect, 128);
		assert_int_equal(l.index_sect, 128 + l.region_map_4k * 8);
		assert_int_equal(l.bitmap_sect, l.index_sect + l.index_4k * 8);
		return;
	}
	end = sect & ~7ull;
	assert_int_equal(l.sb_sect[0], end - 8);
	assert_int_equal(l.sb_sect[1], end - 128);
	assert_int_equal(l.region_map_sect + l.region_map_4k * 8ull, l.sb_sect[1]);
	assert_int_equal(l.index_sect + l.index_4k * 8ull, l.region_map_sect);
	assert_int_equal(l.bitmap_sect + l.bitmap_4k * 8ull, l.index_sect);
	assert_true(l.data_max_sect <= l.bitmap_sect);
	if (l.data_max_sect < LOCKSTEP_MAX_DATA_SECT)
		assert_int_equal(l.data_max_sect, l.bitmap_sect);
}

static void layout(void **state)
{
	static const u64 base[] = {
		0, 2048, 2192, 4096, 1ull << 18, 1ull << 28, LOCKSTEP_MAX_DATA_SECT, 1ull << 45,
	};
	struct meta_layout l;
	u64 i, d;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(base); i++) {
		for (d = 0; d < 600; d++) {
			layout_at_size(base[i] + d, false);
			layout_at_size(base[i] + d, true);
			if (base[i] > d) {
				layout_at_size(base[i] - d, false);
				layout_at_size(base[i] - d, true);
			}
		}
	}
	layout_at_size(U64_MAX, false);
	layout_at_size(U64_MAX, true);
	assert_int_equal(meta_layout(0, 0, &l), META_TOO_SMALL);
	assert_int_equal(meta_layout(2048 + 128 + 24 - 1, 0, &l), META_TOO_SMALL);
	assert_int_equal(meta_layout(2048 + 128 + 24, 0, &l), META_OK);
	assert_int_equal(meta_layout(2047, 1 << 20, &l), META_TOO_SMALL);
	assert_int_equal(meta_layout(2048, 128 + 24, &l), META_OK);
	assert_int_equal(meta_layout(2048, 128 + 23, &l), META_TOO_SMALL);
}

static void devices(void **state)
{
	struct meta_layout l;
	struct meta m;

	(void)state;
	assert_int_equal(meta_layout(100003, 0, &l), META_OK);
	meta_init(&m, &l, 100003, "r", "n", 1, 0, false, 77);
	assert_true(m.flags & LOCKSTEP_MF_CLEAN);
	assert_int_equal(m.current_gen.id, 77);
	assert_int_equal(meta_check_device(&m, 100003, 0), META_OK);
	assert_int_equal(meta_check_device(&m, 100000, 0), META_OK);
	assert_int_equal(meta_check_device(&m, 100008, 0), META_MOVED);
	assert_int_equal(meta_check_device(&m, 99999, 0), META_MOVED);
	assert_int_equal(meta_check_device(&m, 100003, 5000), META_MOVED);
	assert_int_equal(meta_layout(100003, 5000, &l), META_OK);
	meta_init(&m, &l, 100003, "r", "n", 1, 0, true, 0);
	assert_int_equal(m.flags, LOCKSTEP_MF_EXTERNAL);
	assert_int_equal(meta_check_device(&m, 100003, 5000), META_OK);
	assert_int_equal(meta_check_device(&m, 200000, 5000), META_OK);
	assert_int_equal(meta_check_device(&m, 99999, 5000), META_MOVED);
	assert_int_equal(meta_check_device(&m, 100003, 151), META_MOVED);
	assert_int_equal(meta_check_device(&m, 100003, 0), META_MOVED);
}

/* Grown by so many sectors: where is everything now, and is the old place left alone? */
static enum meta_err grown(u64 sect, u64 more, u64 meta_sect, struct meta *m, struct meta *ret)
{
	struct meta_layout l;

	assert_int_equal(meta_layout(sect, meta_sect, &l), META_OK);
	meta_init(m, &l, sect, "r", "n", 1, 0, meta_sect, 0);
	m->flags |= LOCKSTEP_MF_MARKS_VALID;
	m->data_sect = l.data_max_sect;
	m->verify_bit = 17;
	return meta_grow(m, sect + more, meta_sect, ret);
}

static void grow(void **state)
{
	const u64 tib = 1ull << 31;
	struct meta m, n, back;
	u32 detail, round;

	(void)state;
	for (round = 0; round < 500; round++) {
		u64 sect = 8192 + random_below(&rng, tib), more = random_below(&rng, tib);

		if (grown(sect, more, 0, &m, &n)) {
			/* Not by as much as the new metadata is long. */
			assert_true(more < (sect + more) / 30000 + 256);
			continue;
		}
		assert_true(n.bitmap_sect >= m.device_sect);
		assert_true(n.data_max_sect >= m.data_max_sect && n.bitmap_4k >= m.bitmap_4k);
		assert_int_equal(meta_check_device(&n, sect + more, 0), META_OK);
		assert_true(n.data_sect == m.data_sect && n.verify_bit == 17);
		meta_encode(&n, block[0]);
		assert_int_equal(meta_decode(block[0], &back, &detail), META_OK);
	}
	assert_int_equal(grown(tib, 8, 0, &m, &n), META_MOVED);
	assert_int_equal(meta_grow(&m, tib - 8, 0, &n), META_MOVED);
	assert_int_equal(meta_grow(&m, 2 * tib, 4096, &n), META_MOVED);
	/* External: where it is, as long as no map before the last one becomes longer. */
	assert_int_equal(grown(1 << 20, 1 << 20, 4096, &m, &n), META_OK);
	assert_true(n.bitmap_sect == m.bitmap_sect && n.data_max_sect == 2 << 20);
	assert_int_equal(grown(1 << 20, 1 << 20, 208, &m, &n), META_OK);
	assert_int_equal(grown(1 << 20, 1 << 27, 200, &m, &n), META_TOO_SMALL);
	assert_int_equal(grown(1 << 28, 1, 1 << 20, &m, &n), META_OK);
	assert_int_equal(grown(1 << 28, 8, 1 << 20, &m, &n), META_MOVED);
}

#define G(n)	((struct meta_gen){ n, n })

/* What a source goes on from is what the peer really has. */
static void source_generations(void **state)
{
	struct meta_layout l;
	struct meta m;

	(void)state;
	assert_int_equal(meta_layout(100000, 0, &l), META_OK);
	meta_init(&m, &l, 100000, "r", "n", 1, 0, false, 0);
	meta_gen_force(&m, 10);
	meta_gen_source(&m, 0, 10, true, 11);		/* it has what we had */
	assert_int_equal(m.current_gen.id, 11);
	assert_int_equal(m.peer[0].since.id, 10);
	meta_gen_source(&m, 0, 11, false, 12);		/* cut off: it has half of it */
	assert_int_equal(m.current_gen.id, 11);
	assert_int_equal(m.peer[0].since.id, 10);
	meta_gen_source(&m, 0, 9, true, 12);		/* older still */
	assert_int_equal(m.current_gen.id, 11);
	assert_int_equal(m.peer[0].since.id, 10);
	meta_gen_source(&m, 0, 11, true, 13);		/* it noted the end, and we never heard */
	assert_int_equal(m.current_gen.id, 13);
	assert_int_equal(m.peer[0].since.id, 11);
	assert_int_equal(m.history[0].id, 10);
	assert_true(m.flags & LOCKSTEP_MF_NARROWED);
}

/* No other disk is where the half of a full copy is, or where the source goes on to. */
static void full_copies(void **state)
{
	struct meta_layout l;
	struct meta m;

	(void)state;
	assert_int_equal(meta_layout(100000, 0, &l), META_OK);
	meta_init(&m, &l, 100000, "r", "n", 1, 0, false, 0);
	meta_gen_force(&m, 10);
	meta_gen_narrow(&m, 0, 11);
	meta_gen_source_full(&m, 0, 90, 12);
	assert_int_equal(m.current_gen.id, 12);
	assert_int_equal(m.current_gen.nr, 3);
	assert_int_equal(m.peer[0].since.id, 90);
	assert_int_equal(m.history[0].id, 11);
	assert_int_equal(m.history[1].id, 10);
	assert_false(m.flags & LOCKSTEP_MF_NARROWED);
	meta_gen_source(&m, 0, 90, false, 13);		/* and on by marks */
	assert_int_equal(m.current_gen.id, 12);
	assert_int_equal(m.peer[0].since.id, 90);
	meta_gen_narrow(&m, 0, 13);
	assert_int_equal(m.peer[0].since.id, 90);
	meta_gen_source_full(&m, 0, 91, 14);		/* to another disk */
	assert_int_equal(m.peer[0].since.id, 91);
	assert_int_equal(m.history_nr, 5);
	assert_int_equal(m.history[0].id, 13);
	assert_int_equal(m.history[1].id, 90);
}

/* Of the target's generations, those that it had whole are its past. */
static void full_copies_taken(void **state)
{
	struct meta_layout l;
	struct meta m;

	(void)state;
	assert_int_equal(meta_layout(100000, 0, &l), META_OK);
	meta_init(&m, &l, 100000, "r", "n", 1, 0, false, 0);
	meta_gen_target_full(&m, 0, 90);		/* blank */
	assert_int_equal(m.current_gen.id, 90);
	assert_int_equal(m.history_nr, 0);
	meta_gen_target_full(&m, 0, 91);		/* half, and from the start */
	assert_int_equal(m.current_gen.id, 91);
	assert_int_equal(m.history_nr, 0);
	meta_gen_adopt(&m, 0, (struct meta_gen){ 10, 1 });
	m.flags |= LOCKSTEP_MF_CONSISTENT;
	meta_gen_narrow(&m, 0, 11);
	meta_gen_target_full(&m, 0, 92);		/* whole, and it went on alone */
	assert_int_equal(m.current_gen.id, 92);
	assert_int_equal(m.current_gen.nr, 2);
	assert_int_equal(m.peer[0].since.id, 0);
	assert_int_equal(m.history[0].id, 11);
	assert_int_equal(m.history[1].id, 10);
	assert_false(m.flags & LOCKSTEP_MF_NARROWED);
}

static void generations(void **state)
{
	struct meta_layout l;
	struct meta m;
	u32 i;

	(void)state;
	assert_int_equal(meta_layout(100000, 0, &l), META_OK);
	meta_init(&m, &l, 100000, "r", "n", 1, 0, false, 0);
	meta_gen_force(&m, 10);				/* of a blank one */
	assert_int_equal(m.current_gen.id, 10);
	assert_int_equal(m.current_gen.nr, 1);
	assert_int_equal(m.history_nr, 0);
	meta_gen_narrow(&m, 0, 11);
	assert_int_equal(m.peer[0].since.id, 10);
	assert_int_equal(m.history_nr, 0);
	meta_gen_narrow(&m, 0, 12);
	assert_int_equal(m.peer[0].since.id, 10);
	assert_int_equal(m.history[0].id, 11);
	assert_int_equal(m.current_gen.nr, 3);
	meta_gen_together(&m, 0);
	assert_int_equal(m.peer[0].since.id, 0);
	assert_int_equal(m.history[0].id, 10);
	assert_int_equal(m.history[1].id, 11);
	meta_gen_narrow(&m, 0, 13);
	m.flags |= LOCKSTEP_MF_CONSISTENT;
	meta_gen_force(&m, 14);				/* nothing is forgotten, nothing is since */
	assert_int_equal(m.peer[0].since.id, 0);
	assert_int_equal(m.history[0].id, 13);
	assert_int_equal(m.history[1].id, 12);
	meta_gen_narrow(&m, 0, 15);
	meta_gen_adopt(&m, 0, (struct meta_gen){ 99, 42 });
	assert_int_equal(m.current_gen.id, 99);
	assert_int_equal(m.current_gen.nr, 42);
	assert_int_equal(m.peer[0].since.id, 0);
	assert_int_equal(m.history[0].id, 15);
	assert_int_equal(m.history[1].id, 14);
	i = m.history_nr;
	meta_gen_adopt(&m, 0, (struct meta_gen){ 99, 42 });
	assert_int_equal(m.history_nr, i);
	/* Half of a generation does not make its owner's copy the older one. */
	m.flags &= ~LOCKSTEP_MF_CONSISTENT;
	meta_gen_force(&m, 100);
	assert_int_equal(m.history_nr, i);
	assert_int_equal(m.history[0].id, 15);
	/* A duplicate moves to the front, the oldest of too many falls out. */
	meta_history_push(&m, G(13));
	assert_int_equal(m.history_nr, i);
	assert_int_equal(m.history[0].id, 13);
	for (i = 0; i < LOCKSTEP_HISTORY; i++)
		meta_history_push(&m, G(1000 + i));
	assert_int_equal(m.history_nr, LOCKSTEP_HISTORY);
	assert_int_equal(m.history[0].id, 1000 + LOCKSTEP_HISTORY - 1);
	assert_int_equal(m.history[LOCKSTEP_HISTORY - 1].id, 1000);
	meta_history_push(&m, G(1000));
	assert_int_equal(m.history[LOCKSTEP_HISTORY - 1].id, 1001);
}

/* Closed beside a primary: noted, and kept over any number of lonely starts and clean ends. */
static void left_primary(void **state)
{
	struct meta m;
	u32 i;

	(void)state;
	memset(&m, 0, sizeof(m));
	m.flags = LOCKSTEP_MF_CONSISTENT | LOCKSTEP_MF_UP_TO_DATE;
	meta_attach(&m);
	meta_close(&m, false);
	assert_int_equal(m.flags & LOCKSTEP_MF_LEFT_PRIMARY, 0);
	meta_attach(&m);
	meta_close(&m, true);
	for (i = 0; i < 3; i++) {
		assert_int_equal(m.flags & (LOCKSTEP_MF_LEFT_PRIMARY | LOCKSTEP_MF_ATTACHED),
				 LOCKSTEP_MF_LEFT_PRIMARY);
		meta_attach(&m);
		assert_int_not_equal(m.flags & LOCKSTEP_MF_LEFT_PRIMARY, 0);
		assert_int_equal(m.flags & LOCKSTEP_MF_UNCLEAN, 0);
		meta_close(&m, false);
	}
}

static void names(void **state)
{
	char longest[LOCKSTEP_NAME_BYTES + 1];
	struct meta_layout l;
	struct meta m;
	u32 i;

	(void)state;
	assert_true(meta_name_ok("a"));
	assert_true(meta_name_ok("Z9_.-"));
	assert_false(meta_name_ok(""));
	assert_false(meta_name_ok(".a"));
	assert_false(meta_name_ok("-a"));
	assert_false(meta_name_ok("a b"));
	assert_false(meta_name_ok("a/b"));
	assert_false(meta_name_ok("\xc3\xa4"));
	memset(longest, 'x', sizeof(longest));
	longest[LOCKSTEP_NAME_BYTES] = 0;
	assert_false(meta_name_ok(longest));
	assert_int_equal(meta_layout(100000, 0, &l), META_OK);
	meta_init(&m, &l, 100000, longest, "n", 1, 0, false, 0);
	assert_int_equal(strlen(m.resource), LOCKSTEP_NAME_BYTES - 1);
	longest[LOCKSTEP_NAME_BYTES - 1] = 0;
	assert_true(meta_name_ok(longest));
	for (i = 0; i < META_ERR_NR; i++)
		assert_non_null(meta_err_name(i));
	assert_string_equal(meta_err_name(META_ERR_NR), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(every_single_byte_corruption),
		cmocka_unit_test(forged_fields),
		cmocka_unit_test(pick),
		cmocka_unit_test(pick_refuses_the_past),
		cmocka_unit_test(layout),
		cmocka_unit_test(devices),
		cmocka_unit_test(grow),
		cmocka_unit_test(generations),
		cmocka_unit_test(source_generations),
		cmocka_unit_test(full_copies),
		cmocka_unit_test(full_copies_taken),
		cmocka_unit_test(left_primary),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
