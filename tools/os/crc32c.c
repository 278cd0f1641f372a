// SPDX-License-Identifier: GPL-2.0
/*
 * CRC-32C (Castagnoli) for userspace, by table: what runs here is control messages and metadata
 * blocks, far from any data path, so one table and no assembler.
 */
#include "os.h"

#define POLY_REFLECTED	0x82f63b78u

static u32 table[256];

/* Before main, so that threads need no care. */
__attribute__((constructor)) static void make_table(void)
{
	u32 i, crc;
	int bit;

	for (i = 0; i < 256; i++) {
		crc = i;
		for (bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? POLY_REFLECTED : 0);
		table[i] = crc;
	}
}

u32 os_crc32c_more(u32 crc, const void *data, size_t len)
{
	const u8 *p = data;

	crc = ~crc;
	while (len--)
		crc = table[(u8)(crc ^ *p++)] ^ (crc >> 8);
	return ~crc;
}

u32 os_crc32c(const void *data, size_t len)
{
	return os_crc32c_more(0, data, len);
}
