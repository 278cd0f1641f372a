// SPDX-License-Identifier: GPL-2.0
#include "pages.h"

#include <linux/bio.h>
#include <linux/mm.h>

/* Under one lock, with interrupts off, so many are looked at. */
#define BATCH	32u

void lockstep_pages_init(struct lockstep_pages *pages)
{
	spin_lock_init(&pages->lock);
	pages->first = NULL;
	pages->nr = 0;
	pages->spare = 0;
}

static struct page *pop_locked(struct lockstep_pages *pages)
{
	struct page *page = pages->first;

	lockdep_assert_held(&pages->lock);
	if (!page)
		return NULL;
	pages->first = (struct page *)page_private(page);
	set_page_private(page, 0);
	if (--pages->nr < pages->spare)
		pages->spare = pages->nr;
	return page;
}

static void add(struct bio *bio, struct page *page, u32 *left_bytes)
{
	u32 n = min_t(u32, *left_bytes, PAGE_SIZE);

	__bio_add_page(bio, page, n, 0);
	*left_bytes -= n;
}

static u32 pop_some(struct lockstep_pages *pages, struct page **page, u32 max)
{
	u32 n = 0;

	spin_lock_irq(&pages->lock);
	while (n < max && pages->first)
		page[n++] = pop_locked(pages);
	spin_unlock_irq(&pages->lock);
	return n;
}

static void give_back(struct lockstep_pages *pages, u32 nr)
{
	struct page *page[BATCH];
	u32 i, n;

	for (; nr; nr -= n) {
		n = pop_some(pages, page, min(nr, BATCH));
		if (!n)
			return;
		for (i = 0; i < n; i++)
			__free_page(page[i]);
	}
}

void lockstep_pages_exit(struct lockstep_pages *pages)
{
	give_back(pages, U32_MAX);
	pages->spare = 0;
}

void lockstep_pages_trim(struct lockstep_pages *pages)
{
	u32 spare;

	spin_lock_irq(&pages->lock);
	spare = pages->spare;
	spin_unlock_irq(&pages->lock);
	if (spare > LOCKSTEP_PAGES_KEPT)
		give_back(pages, spare - LOCKSTEP_PAGES_KEPT);
	spin_lock_irq(&pages->lock);
	pages->spare = pages->nr;
	spin_unlock_irq(&pages->lock);
}

bool lockstep_pages_fill(struct lockstep_pages *pages, struct bio *bio, u32 bytes, gfp_t gfp)
{
	u32 nr = DIV_ROUND_UP(bytes, PAGE_SIZE), i;
	struct page *page = NULL;
	unsigned long flags;

	spin_lock_irqsave(&pages->lock, flags);
	for (i = 0; i < nr && (page = pop_locked(pages)); i++)
		add(bio, page, &bytes);
	spin_unlock_irqrestore(&pages->lock, flags);
	for (; i < nr && (page = alloc_page(gfp)); i++)
		add(bio, page, &bytes);
	return i == nr;
}

/*
 * One that somebody else still has, as a disk behind a network may in a packet that it sends once
 * more, is not to change under them. Nor are the system's last reserves for us to keep.
 */
static bool is_worth_keeping(struct page *page)
{
	return page_count(page) == 1 && !page_is_pfmemalloc(page);
}

static bool keep_locked(struct lockstep_pages *pages, struct page *page)
{
	if (pages->nr == LOCKSTEP_PAGES_MAX || !is_worth_keeping(page))
		return false;
	set_page_private(page, (unsigned long)pages->first);
	pages->first = page;
	pages->nr++;
	return true;
}

/* Those that are kept come off the bio; what stays in front is for the system. */
static u32 keep(struct lockstep_pages *pages, struct bio *bio)
{
	u32 i, left = 0;
	unsigned long flags;

	spin_lock_irqsave(&pages->lock, flags);
	for (i = 0; i < bio->bi_vcnt; i++)
		if (!keep_locked(pages, bio->bi_io_vec[i].bv_page))
			bio->bi_io_vec[left++].bv_page = bio->bi_io_vec[i].bv_page;
	spin_unlock_irqrestore(&pages->lock, flags);
	return left;
}

void lockstep_pages_empty(struct lockstep_pages *pages, struct bio *bio)
{
	u32 i, left = pages ? keep(pages, bio) : bio->bi_vcnt;

	for (i = 0; i < left; i++)
		__free_page(bio->bi_io_vec[i].bv_page);
	bio->bi_vcnt = 0;
}
