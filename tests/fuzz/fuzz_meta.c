// SPDX-License-Identifier: GPL-2.0
/*
 * A superblock from a hostile or broken disk: what is accepted is in bounds and encodes to the
 * same.
 */
#include <assert.h>
#include "meta.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
size_t fuzz_seed(u32 n, u8 *buf, size_t cap);

static _Alignas(8) u8 block[LOCKSTEP_SB_BYTES], again[LOCKSTEP_SB_BYTES];

static void check(void)
{
	enum meta_err err;
	struct meta m;
	u32 detail;

	if (meta_decode(block, &m, &detail) || meta_pick(block, NULL, &m, &err, &detail) != 0)
		return;
	assert(m.data_sect <= m.data_max_sect && m.data_max_sect <= LOCKSTEP_MAX_DATA_SECT);
	assert(m.history_nr <= LOCKSTEP_HISTORY && meta_name_ok(m.resource));
	if (!(m.flags & LOCKSTEP_MF_EXTERNAL))
		assert(m.bitmap_sect + m.bitmap_4k * 8ull <= m.device_sect &&
		       m.index_sect + m.index_4k * 8ull <= m.device_sect);
	assert(m.verify_bit <= m.data_max_sect / LOCKSTEP_BIT_SECT);
	meta_encode(&m, again);
	assert(!memcmp(block, again, sizeof(block)));
	meta_gen_narrow(&m, 0, 5);
	meta_gen_adopt(&m, 0, (struct meta_gen){ 6, 7 });
	meta_gen_force(&m, 8);
	assert(m.history_nr <= LOCKSTEP_HISTORY);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct lockstep_superblock *sb = (void *)block;

	memset(block, 0, sizeof(block));
	memcpy(block, data, min(size, sizeof(block)));
	check();
	/* With magic and crc as they should be, to get behind them. */
	memcpy(sb->magic, LOCKSTEP_DISK_MAGIC, sizeof(sb->magic));
	sb->crc = cpu_to_le32(0);
	sb->crc = cpu_to_le32(os_crc32c(block, sizeof(block)));
	check();
	return 0;
}

size_t fuzz_seed(u32 n, u8 *buf, size_t cap)
{
	struct meta_layout l;
	struct meta m;

	if (n > 1 || cap < LOCKSTEP_SB_BYTES || meta_layout(1 << 20, n ? 1 << 20 : 0, &l))
		return 0;
	meta_init(&m, &l, 1 << 20, "r0", "alpha", 1, 2, n, 5);
	meta_gen_narrow(&m, 0, 6);
	meta_gen_narrow(&m, 0, 7);
	meta_encode(&m, buf);
	/* Most of a superblock is pad: mutations should meet what is not. */
	return 1100;
}
