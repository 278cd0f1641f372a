// SPDX-License-Identifier: GPL-2.0
#include "sums.h"

#include <linux/bio.h>
#include <linux/xxhash.h>
#include <lockstep/limits.h>
#include "pages.h"

__le64 lockstep_sum(const struct bio *bio, u32 at, u32 len)
{
	struct bvec_iter iter = lockstep_pages_iter(bio, at, len);
	const struct bio_vec *bv = &bio->bi_io_vec[iter.bi_idx];

	return cpu_to_le64(xxh64(page_address(bv->bv_page) + iter.bi_bvec_done, len, 0));
}

void lockstep_sums(const struct bio *bio, u32 bytes, __le64 *ret)
{
	u32 at, len;

	for (at = 0; at < bytes; at += len) {
		len = min(bytes - at, LOCKSTEP_BIT_BYTES);
		*ret++ = lockstep_sum(bio, at, len);
	}
}
