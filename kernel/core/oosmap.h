/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Out-of-sync bitmap, sparse: one bit per 4 KiB block, kept in 4 KiB pages of 32768 bits (128 MiB
 * of volume each); only pages with some but not all bits set need memory. A page is EMPTY, FULL or
 * has words. Setting never fails: when no page is at hand, the whole page becomes FULL, which marks
 * too much (costs copying) and never too little (P3).
 *
 * Storage is the caller's: the array of struct oosmap_page, and 4 KiB pages offered as `spare`. Not
 * locked: the caller serialises every call on one bitmap. No call takes more than the work of
 * `budget` pages or of its own range.
 */
#ifndef LOCKSTEP_CORE_OOSMAP_H
#define LOCKSTEP_CORE_OOSMAP_H

#include "os.h"

#define OOSMAP_PAGE_BITS	32768u
#define OOSMAP_PAGE_BYTES	4096u

struct oosmap_page {
	u64 *words;		/* 512 words, or NULL: EMPTY (weight 0) or FULL (weight != 0) */
	u32 weight;		/* bits set; of a FULL page: all that exist in it */
};

struct oosmap {
	struct oosmap_page *page;
	u32 nr_pages;
	u64 nr_bits;
	u64 weight;		/* bits set in all */
	u32 cursor;		/* where oosmap_fill or oosmap_empty goes on; 0: none under way */
};

/* Pages needed for a volume of nr_bits. */
static inline u64 oosmap_pages(u64 nr_bits)
{
	return (nr_bits + OOSMAP_PAGE_BITS - 1) / OOSMAP_PAGE_BITS;
}

/* `page` has oosmap_pages(nr_bits) entries; all become EMPTY. */
void oosmap_init(struct oosmap *b, struct oosmap_page *page, u64 nr_bits);

/*
 * Set bits [first, first + count), clipped to the volume. *spare: a page or NULL; taken (set to
 * NULL) when needed. A page that becomes all set gives its words back through *spare if that is
 * NULL, else keeps them. Returns the bits that were clear before, counting over-marked ones.
 */
u64 oosmap_set(struct oosmap *b, u64 first, u64 count, u64 **spare);

/*
 * Clear bits [first, first + count), clipped. A FULL page which is cleared in part needs a page:
 * without one it stays FULL (still correct). Words no longer needed go back through *spare if that
 * is NULL (as they are; a spare is zeroed when it is taken). Returns the bits cleared.
 */
u64 oosmap_clear(struct oosmap *b, u64 first, u64 count, u64 **spare);

bool oosmap_test(const struct oosmap *b, u64 bit);

/* Are all of [first, first + count) clear? (empty range: true) */
bool oosmap_is_clear(const struct oosmap *b, u64 first, u64 count);

/*
 * First run of set bits at or after `from`: its start in *ret_first, its length (at most max_len,
 * cut where a page of the bitmap ends) returned. 0: none before *ret_next, where to go on;
 * *ret_next == nr_bits: none at all. Looks at no more than `budget` pages.
 */
u32 oosmap_find(const struct oosmap *b, u64 from, u32 max_len, u32 budget, u64 *ret_first,
		u64 *ret_next);

/*
 * All bits of the volume, without memory. Words in use are handed back one a call: returns them,
 * NULL when finished. Bits may be set between two calls, but not cleared, and the two functions do
 * not mix.
 */
u64 *oosmap_fill(struct oosmap *b);
/* The same with none set. */
u64 *oosmap_empty(struct oosmap *b);

#endif /* LOCKSTEP_CORE_OOSMAP_H */
