/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pages for what the peer sends, kept from one request to the next: a kernel that clears what it
 * hands out (init_on_alloc, the rule with distributions) spends more on a page of 4 KiB than on
 * receiving it, and every byte of it is overwritten at once. Whoever takes one fills all of it that
 * is shown to anybody, as it holds what another request left.
 *
 * A few per stream, as many as an idle one may keep for ever: what comes in is mostly small, and a
 * disk gives pages back as fast as the network takes them. Who needs more, or gives back more, has
 * them from and to the system.
 */
#ifndef LOCKSTEP_PAGES_H
#define LOCKSTEP_PAGES_H

#include <linux/mm_types.h>
#include <linux/spinlock.h>

#define LOCKSTEP_PAGES_KEPT	16u

struct lockstep_pages {
	spinlock_t lock;		/* interrupts off; leaf */
	u32 nr;
	struct page *page[LOCKSTEP_PAGES_KEPT];
};

void lockstep_pages_init(struct lockstep_pages *pages);
/* All have been given back. */
void lockstep_pages_exit(struct lockstep_pages *pages);

/* May sleep; NULL: there is no memory. */
struct page *lockstep_page_get(struct lockstep_pages *pages);
/* Any context. pages NULL: not kept. */
void lockstep_page_put(struct lockstep_pages *pages, struct page *page);

#endif /* LOCKSTEP_PAGES_H */
