/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Run-length form of a bitmap, for the daemons' exchange: pairs (gap, length) of unsigned LEB128
 * numbers, at most 10 bytes each: `gap` clear bits counted from the end of the run before (from
 * first_bit for the first), then `length` >= 1 set ones; runs that touch are one run, so only the
 * first gap can be 0. Minimal encoding is required; anything else is refused.
 */
#ifndef LOCKSTEP_CORE_RLE_H
#define LOCKSTEP_CORE_RLE_H

#include "os.h"
#include "oosmap.h"

/* Longest possible pair. */
#define RLE_PAIR_BYTES	20u

/*
 * Encode set bits from *pos on into buf until `cap` bytes are used, `budget` pages looked at, or
 * the bitmap ends. Moves *pos to where the next call goes on (nr_bits: finished). Returns the bytes
 * written, which may be 0 before the end. `cap` is at least RLE_PAIR_BYTES.
 */
size_t rle_encode(const struct oosmap *b, u64 *pos, void *buf, size_t cap, u32 budget);

struct rle_iter {
	const u8 *buf;
	size_t len, at;
	u64 bit, nr_bits;
	bool bad;		/* malformed or beyond nr_bits: nothing after this is to be used */
};

void rle_iter_init(struct rle_iter *it, const void *buf, size_t len, u64 first_bit, u64 nr_bits);
/* Next run; false at the end or when bad. */
bool rle_iter_next(struct rle_iter *it, u64 *ret_first, u64 *ret_count);

#endif /* LOCKSTEP_CORE_RLE_H */
