// SPDX-License-Identifier: GPL-2.0
/*
 * Memory for the bitmap is fetched before the lock is taken and given back after it is dropped;
 * what core does not use goes away again. A page that could not be had costs copying, never a mark.
 * Most changes need none, and are tried without: a write alone marks its block each time.
 */
#include "marks.h"

#include <linux/sched.h>
#include <linux/slab.h>
#include <lockstep/limits.h>
#include "rle.h"

/* One loop under the lock looks at this many bitmap pages at the most: some ten microseconds. */
#define BUDGET_PAGES	256

int lockstep_marks_init_max(struct lockstep_marks *m, u64 nr_sect, u64 max_sect)
{
	spin_lock_init(&m->lock);
	m->max_pages = oosmap_pages(DIV_ROUND_UP(max_sect, LOCKSTEP_BIT_SECT));
	/* Who asked gets a sentence; vmalloc() would put a trace and all of memory into the log. */
	m->pages = kvcalloc(m->max_pages, sizeof(*m->pages), GFP_KERNEL | __GFP_NOWARN);
	if (!m->pages)
		return -ENOMEM;
	oosmap_init(&m->bitmap, m->pages, DIV_ROUND_UP(nr_sect, LOCKSTEP_BIT_SECT));
	return 0;
}

int lockstep_marks_init(struct lockstep_marks *m, u64 nr_sect)
{
	return lockstep_marks_init_max(m, nr_sect, nr_sect);
}

void lockstep_marks_exit(struct lockstep_marks *m)
{
	if (!m->pages)
		return;
	lockstep_marks_empty(m);
	kvfree(m->pages);
	m->pages = NULL;
}

static int grow(struct lockstep_marks *m, u32 max_pages)
{
	struct oosmap_page *pages, *old = m->pages;
	unsigned long flags;

	pages = kvcalloc(max_pages, sizeof(*pages), GFP_KERNEL | __GFP_NOWARN);
	if (!pages)
		return -ENOMEM;
	spin_lock_irqsave(&m->lock, flags);
	memcpy(pages, old, m->max_pages * sizeof(*pages));
	m->pages = pages;
	m->bitmap.page = pages;
	m->max_pages = max_pages;
	spin_unlock_irqrestore(&m->lock, flags);
	kvfree(old);
	return 0;
}

int lockstep_marks_resize(struct lockstep_marks *m, u64 nr_sect)
{
	u64 bits = DIV_ROUND_UP(nr_sect, LOCKSTEP_BIT_SECT);
	unsigned long flags;
	bool finished;
	u64 *page;
	int err;

	if (oosmap_pages(bits) > m->max_pages) {
		err = grow(m, oosmap_pages(bits));
		if (err)
			return err;
	}
	do {
		spin_lock_irqsave(&m->lock, flags);
		page = oosmap_resize(&m->bitmap, bits);
		finished = !m->bitmap.cursor;
		spin_unlock_irqrestore(&m->lock, flags);
		free_page((unsigned long)page);
		cond_resched();
	} while (!finished);
	return 0;
}

/* Not zeroed: core does that to what it takes. */
static u64 *page_get(gfp_t gfp)
{
	return (u64 *)__get_free_page(gfp | __GFP_NOWARN);
}

static void page_put(u64 *page)
{
	free_page((unsigned long)page);
}

/* Bits whose blocks are touched at all / lie wholly inside. */
static u64 touched(u64 sect, u64 nr, u64 *first)
{
	*first = sect / LOCKSTEP_BIT_SECT;
	return nr ? DIV_ROUND_UP(sect + nr, LOCKSTEP_BIT_SECT) - *first : 0;
}

static u64 covered(const struct lockstep_marks *m, u64 sect, u64 nr, u64 *first)
{
	u64 end = (sect + nr) / LOCKSTEP_BIT_SECT;

	*first = DIV_ROUND_UP(sect, LOCKSTEP_BIT_SECT);
	return end > *first ? end - *first : 0;
}

static void change_locked(struct lockstep_marks *m, u64 first, u64 count, bool set, u64 **spare)
{
	if (set)
		oosmap_set(&m->bitmap, first, count, spare);
	else
		oosmap_clear(&m->bitmap, first, count, spare);
}

/* False: it needs a page. */
static bool change_at_once(struct lockstep_marks *m, u64 first, u64 count, bool set)
{
	u64 *spare = NULL;
	unsigned long flags;
	bool done;

	spin_lock_irqsave(&m->lock, flags);
	done = !oosmap_needs_page(&m->bitmap, first, count, set);
	if (done)
		change_locked(m, first, count, set, &spare);
	spin_unlock_irqrestore(&m->lock, flags);
	if (spare)
		page_put(spare);
	return done;
}

static void change(struct lockstep_marks *m, u64 first, u64 count, bool set, gfp_t gfp)
{
	unsigned long flags;
	u64 *spare;

	if (change_at_once(m, first, count, set))
		return;
	spare = page_get(gfp);
	spin_lock_irqsave(&m->lock, flags);
	change_locked(m, first, count, set, &spare);
	spin_unlock_irqrestore(&m->lock, flags);
	if (spare)
		page_put(spare);
}

void lockstep_marks_set(struct lockstep_marks *m, u64 sect, u64 nr)
{
	u64 first, count = touched(sect, nr, &first), end = first + count, n;

	/* By bitmap pages, so that each can have a page of memory of its own. */
	for (; first < end; first += n) {
		n = min(end - first, OOSMAP_PAGE_BITS - (first & (OOSMAP_PAGE_BITS - 1)));
		change(m, first, n, true, GFP_NOIO);
	}
}

void lockstep_marks_set_atomic(struct lockstep_marks *m, u64 sect, u64 nr)
{
	u64 first, count = touched(sect, nr, &first);

	change(m, first, count, true, GFP_ATOMIC);
}

static void clear_bits(struct lockstep_marks *m, u64 sect, u64 nr, gfp_t gfp)
{
	u64 first, count = covered(m, sect, nr, &first);

	/* Unlocked glance: nothing marked at all is the everyday case on the write path. */
	if (count && READ_ONCE(m->bitmap.weight))
		change(m, first, count, false, gfp);
}

void lockstep_marks_clear(struct lockstep_marks *m, u64 sect, u64 nr)
{
	clear_bits(m, sect, nr, GFP_ATOMIC);
}

void lockstep_marks_clear_sleep(struct lockstep_marks *m, u64 sect, u64 nr)
{
	clear_bits(m, sect, nr, GFP_NOIO);
}

static void drain(struct lockstep_marks *m, u64 *(*step)(struct oosmap *b))
{
	unsigned long flags;
	bool finished;
	u64 *page;

	do {
		spin_lock_irqsave(&m->lock, flags);
		page = step(&m->bitmap);
		finished = !m->bitmap.cursor;
		spin_unlock_irqrestore(&m->lock, flags);
		if (page)
			page_put(page);
		cond_resched();
	} while (!finished);
}

void lockstep_marks_fill(struct lockstep_marks *m)
{
	drain(m, oosmap_fill);
}

void lockstep_marks_empty(struct lockstep_marks *m)
{
	drain(m, oosmap_empty);
}

u64 lockstep_marks_weight(struct lockstep_marks *m)
{
	unsigned long flags;
	u64 weight;

	spin_lock_irqsave(&m->lock, flags);
	weight = m->bitmap.weight + m->bitmap.nr_unread;
	spin_unlock_irqrestore(&m->lock, flags);
	return weight;
}

bool lockstep_marks_are_clear(struct lockstep_marks *m, u64 first_bit, u32 count)
{
	unsigned long flags;
	bool clear;

	spin_lock_irqsave(&m->lock, flags);
	clear = oosmap_is_clear(&m->bitmap, first_bit, count);
	spin_unlock_irqrestore(&m->lock, flags);
	return clear;
}

u32 lockstep_marks_find(struct lockstep_marks *m, u64 from, u32 max_bits, u64 *ret_first,
			u64 *ret_next)
{
	unsigned long flags;
	u64 next = from;
	u32 len;

	do {
		spin_lock_irqsave(&m->lock, flags);
		len = oosmap_find(&m->bitmap, next, max_bits, BUDGET_PAGES, ret_first, &next);
		spin_unlock_irqrestore(&m->lock, flags);
		cond_resched();
	} while (!len && next < m->bitmap.nr_bits);
	*ret_next = next;
	return len;
}

size_t lockstep_marks_get(struct lockstep_marks *m, u64 *pos, void *buf, size_t cap)
{
	unsigned long flags;
	size_t len;

	do {
		spin_lock_irqsave(&m->lock, flags);
		len = rle_encode(&m->bitmap, pos, buf, cap, BUDGET_PAGES);
		spin_unlock_irqrestore(&m->lock, flags);
		cond_resched();
	} while (!len && *pos < m->bitmap.nr_bits);
	return len;
}

int lockstep_marks_merge(struct lockstep_marks *m, u64 first_bit, const void *runs, size_t len)
{
	struct rle_iter it;
	u64 first, count;

	rle_iter_init(&it, runs, len, first_bit, m->bitmap.nr_bits);
	while (rle_iter_next(&it, &first, &count)) {
		lockstep_marks_set(m, first * LOCKSTEP_BIT_SECT, count * LOCKSTEP_BIT_SECT);
		cond_resched();
	}
	return it.bad ? -EINVAL : 0;
}
