/* SPDX-License-Identifier: GPL-2.0 */
/* Checksums of blocks, as the wire has them: xxh64 with seed 0 of each 4 KiB. */
#ifndef LOCKSTEP_SUMS_H
#define LOCKSTEP_SUMS_H

#include <linux/types.h>

struct bio;

/* Of `len` bytes, within one page, `at` bytes behind the beginning of the first vector. */
__le64 lockstep_sum(const struct bio *bio, u32 at, u32 len);

/*
 * Of the first `bytes` in the vectors of `bio`, whatever its iterator says; it has its pages by
 * lockstep_pages_fill(), here and above. `ret` has room for wire_sums_bytes(bytes); it may be the
 * beginning of the first page: a sum is stored after its block, and all before, are read.
 */
void lockstep_sums(const struct bio *bio, u32 bytes, __le64 *ret);

#endif /* LOCKSTEP_SUMS_H */
