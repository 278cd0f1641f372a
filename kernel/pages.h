/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pages for what travels, kept from one request to the next: a kernel that clears what it hands out
 * (init_on_alloc, the rule with distributions) spends more on a page of 4 KiB than on receiving it,
 * and every byte of it is overwritten at once. Whoever takes one fills all of it that is shown to
 * anybody, as it holds what another request left.
 *
 * What comes back is kept, up to what may be under way at a time. So there are never more than were
 * in use together once; what has not been needed from one trim to the next goes back to the system,
 * but for a few, which one that is idle may keep for ever: what comes in is mostly small, and a
 * disk gives pages back as fast as the network takes them.
 *
 * What is long lies in large pages where there are any: TCP, and a disk's driver, go through a
 * request piece by piece, and each 64 KiB are one piece then instead of sixteen.
 */
#ifndef LOCKSTEP_PAGES_H
#define LOCKSTEP_PAGES_H

#include <linux/bio.h>
#include <linux/gfp.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <lockstep/limits.h>

#define LOCKSTEP_PAGES_ORDER	4u
/* In pages of PAGE_SIZE: of the large ones as many as that makes. */
#define LOCKSTEP_PAGES_KEPT	16u
#define LOCKSTEP_PAGES_MAX	(LOCKSTEP_STREAM_WINDOW_BYTES / PAGE_SIZE)

struct page;

struct lockstep_page_stack {
	struct page *first;		/* the last that came; page_private is the next */
	u32 order;
	u32 nr;
	u32 spare;			/* the least that nr was since the last trim */
};

struct lockstep_pages {
	spinlock_t lock;		/* interrupts off; leaf */
	struct lockstep_page_stack big, single;
};

void lockstep_pages_init(struct lockstep_pages *pages);
/* What is kept goes back; what is still out may come later. */
void lockstep_pages_exit(struct lockstep_pages *pages);
/* About once a second: give back what was not needed since the last time. Process context. */
void lockstep_pages_trim(struct lockstep_pages *pages);

/*
 * Add pages for so many bytes to an empty bio that has vectors for them; any context, if gfp
 * allows. False: there is no memory, and the bio has the first of them.
 */
bool lockstep_pages_fill(struct lockstep_pages *pages, struct bio *bio, u32 bytes, gfp_t gfp);
/*
 * Where `bytes` from the at'th on of what such a bio was filled with lie; its sector is 0. A block
 * of LOCKSTEP_BIT_BYTES that begins at a multiple of that lies in one page.
 */
struct bvec_iter lockstep_pages_iter(const struct bio *bio, u32 at, u32 bytes);
/* Those of a bio back; it is empty then. Any context. pages NULL: none are kept. */
void lockstep_pages_empty(struct lockstep_pages *pages, struct bio *bio);

#endif /* LOCKSTEP_PAGES_H */
