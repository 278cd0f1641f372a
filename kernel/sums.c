// SPDX-License-Identifier: GPL-2.0
#include "sums.h"

#include <linux/bio.h>
#include <linux/xxhash.h>
#include <lockstep/limits.h>

__le64 lockstep_sum(const struct bio *bio, u32 at, u32 len)
{
	const struct bio_vec *bv = &bio->bi_io_vec[at / PAGE_SIZE];

	return cpu_to_le64(xxh64(page_address(bv->bv_page) + at % PAGE_SIZE, len, 0));
}

void lockstep_sums(const struct bio *bio, u32 bytes, __le64 *ret)
{
	u32 at, len;

	for (at = 0; at < bytes; at += len) {
		len = min(bytes - at, LOCKSTEP_BIT_BYTES);
		*ret++ = lockstep_sum(bio, at, len);
	}
}
