// SPDX-License-Identifier: GPL-2.0
/*
 * Runs that touch are always joined by the encoder, over page boundaries too: a bitmap that is all
 * set is one pair, whatever its size. So a gap of 0 can only stand at the beginning, and there is
 * exactly one encoding of a chunk; the decoder holds the peer to it.
 */
#include "rle.h"

#define LEB_BYTES	10u
#define PAGE_SHIFT_BITS	15

static_assert(2 * LEB_BYTES == RLE_PAIR_BYTES);
static_assert((1u << PAGE_SHIFT_BITS) == OOSMAP_PAGE_BITS);

static size_t leb_write(u8 *buf, u64 value)
{
	size_t n = 0;

	while (value >= 0x80) {
		buf[n++] = (u8)(value | 0x80);
		value >>= 7;
	}
	buf[n++] = (u8)value;
	return n;
}

/* Bytes read; 0: cut short, longer than 64 bits, or not minimal. */
static size_t leb_read(const u8 *buf, size_t len, u64 *ret)
{
	u64 value = 0;
	size_t n;

	for (n = 0; n < len && n < LEB_BYTES; n++) {
		value |= (u64)(buf[n] & 0x7f) << (7 * n);
		if (buf[n] & 0x80)
			continue;
		if (n > 0 && buf[n] == 0)
			return 0;
		if (n == LEB_BYTES - 1 && buf[n] > 1)
			return 0;
		*ret = value;
		return n + 1;
	}
	return 0;
}

/*
 * The next run of set bits at or after *at, joined over pages, within *budget pages. Moves *at
 * behind what was looked at; the length is 0 when nothing was found. A run that the budget cuts is
 * returned as far as it was seen: the rest is a run of the next call.
 */
static u64 next_run(const struct oosmap *b, u64 *at, u32 *budget, u64 *ret_first)
{
	u64 first, next, len = 0;
	u32 part;

	while (*budget && *at < b->nr_bits) {
		part = oosmap_find(b, *at, OOSMAP_PAGE_BITS, 1, &first, &next);
		if (part && len && first != *at)
			return len;
		if (!part && len)
			return len;
		if (part && !len)
			*ret_first = first;
		len += part;
		if ((next ^ *at) >> PAGE_SHIFT_BITS)
			--*budget;
		*at = next;
		/* Inside a page the run has ended; where the page ended it may go on. */
		if (part && next & (OOSMAP_PAGE_BITS - 1))
			return len;
	}
	return len;
}

size_t rle_encode(const struct oosmap *b, u64 *pos, void *buf, size_t cap, u32 budget)
{
	u64 at = *pos, end = *pos, first = 0, len;
	size_t used = 0;
	u8 *out = buf;

	while (cap - used >= RLE_PAIR_BYTES && budget && at < b->nr_bits) {
		len = next_run(b, &at, &budget, &first);
		if (!len)
			continue;
		used += leb_write(out + used, first - end);
		used += leb_write(out + used, len);
		end = first + len;
	}
	*pos = at;
	return used;
}

void rle_iter_init(struct rle_iter *it, const void *buf, size_t len, u64 first_bit, u64 nr_bits)
{
	it->buf = buf;
	it->len = len;
	it->at = 0;
	it->bit = first_bit;
	it->nr_bits = nr_bits;
	it->bad = first_bit > nr_bits;
}

static bool next_pair(struct rle_iter *it, u64 *ret_gap, u64 *ret_count)
{
	size_t at = it->at, n;

	n = leb_read(it->buf + at, it->len - at, ret_gap);
	if (!n || (at && !*ret_gap))
		return false;
	at += n;
	n = leb_read(it->buf + at, it->len - at, ret_count);
	if (!n || !*ret_count)
		return false;
	it->at = at + n;
	return true;
}

bool rle_iter_next(struct rle_iter *it, u64 *ret_first, u64 *ret_count)
{
	u64 gap, count;

	if (it->bad || it->at == it->len)
		return false;
	if (!next_pair(it, &gap, &count) || gap > it->nr_bits - it->bit ||
	    count > it->nr_bits - it->bit - gap) {
		it->bad = true;
		return false;
	}
	*ret_first = it->bit + gap;
	*ret_count = count;
	it->bit += gap + count;
	return true;
}
