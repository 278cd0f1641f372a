// SPDX-License-Identifier: GPL-2.0
#include "pages.h"

#include <linux/bio.h>
#include <linux/mm.h>

/* Under one lock, with interrupts off, so many are looked at. */
#define BATCH	32u

#define BIG_BYTES	((u32)PAGE_SIZE << LOCKSTEP_PAGES_ORDER)

static void stack_init(struct lockstep_page_stack *stack, u32 order)
{
	stack->order = order;
	stack->first = NULL;
	stack->nr = 0;
	stack->spare = 0;
}

void lockstep_pages_init(struct lockstep_pages *pages)
{
	spin_lock_init(&pages->lock);
	stack_init(&pages->big, LOCKSTEP_PAGES_ORDER);
	stack_init(&pages->single, 0);
}

static struct page *pop(struct lockstep_page_stack *stack)
{
	struct page *page = stack->first;

	if (!page)
		return NULL;
	stack->first = (struct page *)page_private(page);
	set_page_private(page, 0);
	if (--stack->nr < stack->spare)
		stack->spare = stack->nr;
	return page;
}

/* ---- giving back ---------------------------------------------------------------------------- */

static u32 pop_some(struct lockstep_pages *pages, struct lockstep_page_stack *stack,
		    struct page **page, u32 max)
{
	u32 n = 0;

	spin_lock_irq(&pages->lock);
	while (n < max && stack->first)
		page[n++] = pop(stack);
	spin_unlock_irq(&pages->lock);
	return n;
}

static void give_back(struct lockstep_pages *pages, struct lockstep_page_stack *stack, u32 nr)
{
	struct page *page[BATCH];
	u32 i, n;

	for (; nr; nr -= n) {
		n = pop_some(pages, stack, page, min(nr, BATCH));
		if (!n)
			return;
		for (i = 0; i < n; i++)
			put_page(page[i]);
	}
}

void lockstep_pages_exit(struct lockstep_pages *pages)
{
	give_back(pages, &pages->big, U32_MAX);
	give_back(pages, &pages->single, U32_MAX);
	pages->big.spare = 0;
	pages->single.spare = 0;
}

static void trim(struct lockstep_pages *pages, struct lockstep_page_stack *stack)
{
	u32 spare, kept = LOCKSTEP_PAGES_KEPT >> stack->order;

	spin_lock_irq(&pages->lock);
	spare = stack->spare;
	spin_unlock_irq(&pages->lock);
	if (spare > kept)
		give_back(pages, stack, spare - kept);
	spin_lock_irq(&pages->lock);
	stack->spare = stack->nr;
	spin_unlock_irq(&pages->lock);
}

void lockstep_pages_trim(struct lockstep_pages *pages)
{
	trim(pages, &pages->big);
	trim(pages, &pages->single);
}

/* ---- to a bio ------------------------------------------------------------------------------- */

static void add(struct bio *bio, struct page *page, u32 bytes, u32 *left_bytes)
{
	__bio_add_page(bio, page, bytes, 0);
	*left_bytes -= bytes;
}

/* Such that are there, as many as fit. */
static void add_kept(struct lockstep_pages *pages, struct lockstep_page_stack *stack,
		     struct bio *bio, u32 *left_bytes)
{
	u32 bytes = (u32)PAGE_SIZE << stack->order;
	unsigned long flags;
	struct page *page;

	spin_lock_irqsave(&pages->lock, flags);
	while (*left_bytes >= bytes && (page = pop(stack)))
		add(bio, page, bytes, left_bytes);
	/* The last single page may be filled in part. */
	if (!stack->order && *left_bytes && *left_bytes < bytes && (page = pop(stack)))
		add(bio, page, *left_bytes, left_bytes);
	spin_unlock_irqrestore(&pages->lock, flags);
}

/*
 * Large ones only if there are some: small ones do as well. Nobody is woken to make some, and none
 * is taken from what is there for those who cannot wait.
 */
static void add_big(struct bio *bio, gfp_t gfp, u32 *left_bytes)
{
	struct page *page;

	gfp &= ~__GFP_RECLAIM;
	gfp |= __GFP_COMP | __GFP_NOMEMALLOC | __GFP_NOWARN | __GFP_NORETRY;
	while (*left_bytes >= BIG_BYTES && (page = alloc_pages(gfp, LOCKSTEP_PAGES_ORDER)))
		add(bio, page, BIG_BYTES, left_bytes);
}

bool lockstep_pages_fill(struct lockstep_pages *pages, struct bio *bio, u32 bytes, gfp_t gfp)
{
	struct page *page;

	add_kept(pages, &pages->big, bio, &bytes);
	add_big(bio, gfp, &bytes);
	add_kept(pages, &pages->single, bio, &bytes);
	while (bytes && (page = alloc_page(gfp)))
		add(bio, page, min_t(u32, bytes, PAGE_SIZE), &bytes);
	return !bytes;
}

struct bvec_iter lockstep_pages_iter(const struct bio *bio, u32 at, u32 bytes)
{
	u32 idx = 0;

	/* Large ones come first, and are filled. */
	for (; at >= BIG_BYTES && bio->bi_io_vec[idx].bv_len == BIG_BYTES; at -= BIG_BYTES)
		idx++;
	if (bio->bi_io_vec[idx].bv_len != BIG_BYTES) {
		idx += at / PAGE_SIZE;
		at %= PAGE_SIZE;
	}
	return (struct bvec_iter){ .bi_size = bytes, .bi_idx = idx, .bi_bvec_done = at };
}

/* ---- and back ------------------------------------------------------------------------------- */

static struct lockstep_page_stack *stack_of(struct lockstep_pages *pages, struct page *page)
{
	return compound_order(page) ? &pages->big : &pages->single;
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
	struct lockstep_page_stack *stack = stack_of(pages, page);

	lockdep_assert_held(&pages->lock);
	if (stack->nr >= LOCKSTEP_PAGES_MAX >> stack->order || !is_worth_keeping(page))
		return false;
	set_page_private(page, (unsigned long)stack->first);
	stack->first = page;
	stack->nr++;
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

	/* Whoever still has one frees it, large or not. */
	for (i = 0; i < left; i++)
		put_page(bio->bi_io_vec[i].bv_page);
	bio->bi_vcnt = 0;
}
