// SPDX-License-Identifier: GPL-2.0
#include "pages.h"

#include <linux/gfp.h>
#include <linux/mm.h>

void lockstep_pages_init(struct lockstep_pages *pages)
{
	spin_lock_init(&pages->lock);
	pages->nr = 0;
}

void lockstep_pages_exit(struct lockstep_pages *pages)
{
	while (pages->nr)
		__free_page(pages->page[--pages->nr]);
}

struct page *lockstep_page_get(struct lockstep_pages *pages)
{
	struct page *page = NULL;
	unsigned long flags;

	spin_lock_irqsave(&pages->lock, flags);
	if (pages->nr)
		page = pages->page[--pages->nr];
	spin_unlock_irqrestore(&pages->lock, flags);
	return page ?: alloc_page(GFP_NOIO);
}

/*
 * One that somebody else still has, as a disk behind a network may in a packet that it sends once
 * more, is not to change under them. Nor are the system's last reserves for us to keep.
 */
static bool is_worth_keeping(struct page *page)
{
	return page_count(page) == 1 && !page_is_pfmemalloc(page);
}

void lockstep_page_put(struct lockstep_pages *pages, struct page *page)
{
	unsigned long flags;
	bool kept = false;

	if (pages && is_worth_keeping(page)) {
		spin_lock_irqsave(&pages->lock, flags);
		kept = pages->nr < LOCKSTEP_PAGES_KEPT;
		if (kept)
			pages->page[pages->nr++] = page;
		spin_unlock_irqrestore(&pages->lock, flags);
	}
	if (!kept)
		__free_page(page);
}
