/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Out-of-sync bitmap, sparse: one bit per 4 KiB block, kept in 4 KiB pages of 32768 bits (128 MiB
 * of volume each); only pages with some but not all bits set need memory. A page is EMPTY, FULL or
 * has words. Setting never fails: when no page is at hand, the whole page becomes FULL, which marks
 * too much (costs copying) and never too little (P3).
 *
 * How it gets to the disk: for each page the map knows what the index on the disk says of it
 * (`disk`, LOCKSTEP_INDEX_*) and whether that is still so (`changed`). oosmap_save() takes a
 * snapshot of changed pages that belong to one block of the index; the caller writes the pages that
 * have content, then the block of the index, then says how it went (oosmap_saved). When which of it
 * may be written is core/persist's to say.
 *
 * Storage is the caller's: the array of struct oosmap_page, and 4 KiB pages offered as `spare`. Not
 * locked: the caller serialises every call on one bitmap. No call takes more than the work of
 * `budget` pages or of its own range.
 */
#ifndef LOCKSTEP_CORE_OOSMAP_H
#define LOCKSTEP_CORE_OOSMAP_H

#include "os.h"
#include <lockstep/disk.h>

#define OOSMAP_PAGE_BITS	32768u
#define OOSMAP_PAGE_BYTES	4096u

struct oosmap_page {
	u64 *words;		/* 512 words, or NULL: EMPTY (weight 0) or FULL (weight != 0) */
	u32 weight;		/* bits set; of a FULL page: all that exist in it */
	u8 disk;		/* LOCKSTEP_INDEX_*: what the index on the disk says */
	u8 next;		/* while saving: what it will say */
	u8 flags;		/* OOSMAP_* */
	u8 pad;
};

#define OOSMAP_CHANGED	1u	/* not as it is on the disk */
#define OOSMAP_SAVING	2u	/* in the snapshot that is being written */
/* STORED, and not read yet: bits that only the disk knows are missing here. Never saved. */
#define OOSMAP_UNREAD	4u

/* One call of oosmap_fill or oosmap_empty goes over so many pages at most. */
#define OOSMAP_BUDGET	256u

struct oosmap {
	struct oosmap_page *page;
	u32 nr_pages;
	u64 nr_bits;
	u64 weight;		/* bits set in all */
	u32 nr_unread;
	u32 cursor;		/* where oosmap_fill or oosmap_empty goes on; 0: none under way */
};

/* Pages needed for a volume of nr_bits. */
static inline u64 oosmap_pages(u64 nr_bits)
{
	return (nr_bits + OOSMAP_PAGE_BITS - 1) / OOSMAP_PAGE_BITS;
}

/* `page` has oosmap_pages(nr_bits) entries; all become EMPTY, here and on the disk. */
void oosmap_init(struct oosmap *b, struct oosmap_page *page, u64 nr_bits);

/*
 * The volume becomes larger (`page` has zeroed entries for it) or smaller. Marks stay as they
 * are; a FULL last page stays FULL, and so marks more when it grows. Words of pages that go are
 * handed back one a call, as oosmap_fill does: NULL with cursor 0 means finished. Nobody else may
 * use the map meanwhile.
 */
u64 *oosmap_resize(struct oosmap *b, u64 nr_bits);

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

/*
 * Would setting (or clearing) these bits take the page that is offered? Without one it would mark
 * too much (or leave them set). Mostly not: the page has its words, or is so already.
 */
bool oosmap_needs_page(const struct oosmap *b, u64 first, u64 count, bool set);

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
 * All bits of the volume, without memory. Words in use are handed back one a call; NULL: finished
 * if b->cursor is 0, else so far so good, call again. Bits may be set between two calls of fill,
 * but not cleared; between two of empty neither, or they may be lost. The two functions do not mix.
 */
u64 *oosmap_fill(struct oosmap *b);
/* The same with none set. */
u64 *oosmap_empty(struct oosmap *b);

/* ---- to the disk and back ------------------------------------------------------------------- */

/* Blocks of index for a map of this many pages. */
static inline u32 oosmap_index_blocks(u32 nr_pages)
{
	return DIV_ROUND_UP(nr_pages, LOCKSTEP_INDEX_PAGES);
}

/*
 * Snapshot of changed pages from *cursor on, of one block of the index: the content of those that
 * have some goes to buf[0], buf[1], ... (4 KiB each), their numbers to page[]. Ends where the index
 * block does, or when `cap` buffers are full. *ret_index: the block that has to be written because
 * entries change, or U32_MAX. *cursor goes on behind; nr_pages: that was the last. Pages that are
 * still unread are passed over.
 */
u32 oosmap_save(struct oosmap *b, u32 *cursor, u32 cap, void *const *buf, u32 *page,
		u32 *ret_index);
/* What block `index` of the index has to say now, with the snapshot in it. 4 KiB. */
void oosmap_index_encode(const struct oosmap *b, u32 index, void *buf);
/*
 * The snapshot of oosmap_save from `from` up to *cursor is on the disk, or nobody knows what is
 * (!ok: it will be saved again).
 */
void oosmap_saved(struct oosmap *b, u32 from, u32 to, bool ok);

/*
 * Attach: what block `index` says. FULL pages are full at once, STORED ones are unread. Returns how
 * many are unread.
 */
u32 oosmap_index_load(struct oosmap *b, u32 index, const void *buf);
/* The next unread page at or after `from`; nr_pages: none. Looks at no more than `budget`. */
u32 oosmap_next_unread(const struct oosmap *b, u32 from, u32 budget);
/* Its content, united with what was set meanwhile; NULL: cannot be read, all of it is marked. */
void oosmap_page_load(struct oosmap *b, u32 page, const void *buf, u64 **spare);

#endif /* LOCKSTEP_CORE_OOSMAP_H */
