// SPDX-License-Identifier: GPL-2.0
/*
 * fast is a subset of want and disk, and disjoint from cand. A bit of disk that is set means that
 * every block of map that is on its way has the bit, or that it was there before and no block
 * without it is on its way: it is taken away when such a block is handed out, not when it has
 * arrived, and given only when one with it has.
 *
 * Why a writer that saw `fast` cannot be overlooked (R2). It entered its range first. A region
 * becomes a candidate only when fast is gone, and then its ranges are looked at, under the lock
 * they are entered under. Either the writer is still there, and the region is kept; or it has left,
 * so what it wrote is complete and the flush that follows covers it; or it enters later, and by the
 * same lock it sees that fast is gone, comes to regions_enter() and ends the candidacy, or finds
 * the region cleared and waits for it like any other.
 */
#include "regions.h"

#define WORD(i)	((i) / 64)
#define MASK(i)	(1ull << (i) % 64)

static bool is_set(const u64 *map, u32 i)
{
	return map[WORD(i)] & MASK(i);
}

void regions_init(struct regions *r, u64 *words, struct regions_block *block, u32 nr)
{
	u64 n = (u64)REGIONS_BLOCK_WORDS * regions_blocks(nr);

	r->want = words;
	r->disk = words + n;
	r->fast = words + 2 * n;
	r->cand = words + 3 * n;
	r->pin = words + 4 * n;
	r->block = block;
	r->nr = nr;
	r->nr_blocks = regions_blocks(nr);
	r->nr_want = 0;
	r->alone = true;
}

/* Bits of word `w` that exist. */
static u64 existing(const struct regions *r, u32 w)
{
	u32 first = w * 64;

	if (first >= r->nr)
		return 0;
	return r->nr - first >= 64 ? ~0ull : ~0ull >> (64 - (r->nr - first));
}

void regions_load(struct regions *r, u32 b, const void *buf)
{
	const __le64 *from = buf;
	u32 first = b * REGIONS_BLOCK_WORDS, i, n = 0;

	for (i = 0; i < REGIONS_BLOCK_WORDS; i++) {
		u64 word = le64_to_cpu(from[i]) & existing(r, first + i);

		r->want[first + i] = word;
		r->disk[first + i] = word;
		r->pin[first + i] = word;
		n += hweight64(word);
	}
	r->block[b].nr_want = n;
	r->nr_want += n;
}

/* ---- writers -------------------------------------------------------------------------------- */

static bool want(struct regions *r, u32 region)
{
	struct regions_block *b = &r->block[region / REGIONS_BLOCK_BITS];

	if (is_set(r->want, region))
		return false;
	r->want[WORD(region)] |= MASK(region);
	b->nr_want++;
	b->dirty = true;
	r->nr_want++;
	return true;
}

enum regions_verdict regions_enter(struct regions *r, u32 region)
{
	struct regions_block *b = &r->block[region / REGIONS_BLOCK_BITS];

	want(r, region);
	r->cand[WORD(region)] &= ~MASK(region);
	if (is_set(r->disk, region)) {
		r->fast[WORD(region)] |= MASK(region);
		return REGIONS_GO;
	}
	/* If it is not dirty then the block is on its way with this bit in it. */
	if (b->dirty)
		b->urgent = true;
	return REGIONS_WAIT;
}

void regions_note(struct regions *r, u32 region)
{
	want(r, region);
	if (r->alone)
		r->pin[WORD(region)] |= MASK(region);
	r->cand[WORD(region)] &= ~MASK(region);
}

bool regions_is_dirty(const struct regions *r, u32 region)
{
	return is_set(r->want, region);
}

u32 regions_find(const struct regions *r, u32 from, u32 *ret_first)
{
	u32 i = from;

	while (i < r->nr && !is_set(r->want, i)) {
		if (i % REGIONS_BLOCK_BITS == 0 && !r->block[i / REGIONS_BLOCK_BITS].nr_want)
			i += REGIONS_BLOCK_BITS;
		else if (i % 64 == 0 && !r->want[WORD(i)])
			i += 64;
		else
			i++;
	}
	*ret_first = i;
	if (i >= r->nr)
		return 0;
	do {
		i++;
	} while (i < r->nr && i % REGIONS_BLOCK_BITS && is_set(r->want, i));
	return i - *ret_first;
}

/* ---- the map on disk ------------------------------------------------------------------------ */

u32 regions_map_next(struct regions *r, u32 from, bool urgent, void *buf)
{
	u32 first, i;
	__le64 *to = buf;

	while (from < r->nr_blocks && !(urgent ? r->block[from].urgent : r->block[from].dirty))
		from++;
	if (from >= r->nr_blocks)
		return r->nr_blocks;
	first = from * REGIONS_BLOCK_WORDS;
	for (i = 0; i < REGIONS_BLOCK_WORDS; i++) {
		to[i] = cpu_to_le64(r->want[first + i]);
		r->disk[first + i] &= r->want[first + i];
	}
	r->block[from].dirty = false;
	r->block[from].urgent = false;
	return from;
}

void regions_map_done(struct regions *r, u32 b, const void *buf, bool ok)
{
	u32 first = b * REGIONS_BLOCK_WORDS, i;
	const __le64 *from = buf;

	if (!ok) {
		r->block[b].dirty = true;
		r->block[b].urgent = true;
		return;
	}
	for (i = 0; i < REGIONS_BLOCK_WORDS; i++)
		r->disk[first + i] |= le64_to_cpu(from[i]);
}

/* ---- clearing ------------------------------------------------------------------------------- */

static void pick_word(struct regions *r, u32 w, u32 *out, u32 *nr)
{
	u64 quiet = r->want[w] & ~r->fast[w];

	r->cand[w] = quiet;
	for (; quiet; quiet &= quiet - 1)
		out[(*nr)++] = w * 64 + (u32)__ffs64(quiet);
	r->fast[w] = 0;
}

u32 regions_pick(struct regions *r, u32 *cursor, u32 *out, u32 cap)
{
	u32 b = *cursor / REGIONS_BLOCK_BITS, w = WORD(*cursor), nr = 0;
	u32 end = WORD(min(r->nr, (b + 1) * REGIONS_BLOCK_BITS) + 63);

	if (*cursor < r->nr && !r->block[b].nr_want)
		w = end;
	for (; w < end && nr + 64 <= cap; w++)
		pick_word(r, w, out, &nr);
	*cursor = min(r->nr, w * 64);
	return nr;
}

void regions_keep(struct regions *r, u32 region)
{
	r->cand[WORD(region)] &= ~MASK(region);
}

static u32 finish_word(struct regions *r, u32 w, enum regions_clear clear)
{
	u64 gone = r->cand[w];

	r->cand[w] = 0;
	if (clear == REGIONS_CLEAR_NONE)
		return 0;
	if (clear == REGIONS_CLEAR_UNPINNED)
		gone &= ~r->pin[w];
	r->want[w] &= ~gone;
	r->disk[w] &= ~gone;
	r->pin[w] &= ~gone;
	return hweight64(gone);
}

void regions_finish(struct regions *r, u32 *cursor, enum regions_clear clear)
{
	u32 b = *cursor / REGIONS_BLOCK_BITS, w, n = 0;

	for (w = b * REGIONS_BLOCK_WORDS; w < (b + 1) * REGIONS_BLOCK_WORDS; w++)
		if (r->cand[w])
			n += finish_word(r, w, clear);
	if (n)
		r->block[b].dirty = true;
	r->block[b].nr_want -= n;
	r->nr_want -= n;
	*cursor = min(r->nr, (b + 1) * REGIONS_BLOCK_BITS);
}

/* ---- sessions ------------------------------------------------------------------------------- */

void regions_session_begins(struct regions *r)
{
	r->alone = false;
}

void regions_session_ended(struct regions *r)
{
	u32 b, w;

	if (r->alone)
		return;
	r->alone = true;
	for (b = 0; b < r->nr_blocks; b++) {
		if (!r->block[b].nr_want)
			continue;
		for (w = b * REGIONS_BLOCK_WORDS; w < (b + 1) * REGIONS_BLOCK_WORDS; w++)
			r->pin[w] = r->want[w];
	}
}
