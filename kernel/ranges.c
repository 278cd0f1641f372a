// SPDX-License-Identifier: GPL-2.0
#include "ranges.h"

#include <linux/bug.h>
#include <lockstep/limits.h>

void lockstep_ranges_init(struct lockstep_ranges *rs)
{
	int i;

	for (i = 0; i < LOCKSTEP_BUCKETS; i++) {
		spin_lock_init(&rs->bucket[i].lock);
		iorange_bucket_init(&rs->bucket[i].ranges);
	}
}

/* Neighbouring regions go to neighbouring buckets: sequential load spreads by itself. */
static struct lockstep_bucket *bucket_of(struct lockstep_ranges *rs, u64 sect)
{
	return &rs->bucket[(sect / LOCKSTEP_REGION_SECT) % LOCKSTEP_BUCKETS];
}

bool lockstep_range_enter(struct lockstep_ranges *rs, struct lockstep_range *r, u64 sect, u32 nr)
{
	struct lockstep_bucket *b = bucket_of(rs, sect);
	unsigned long flags;
	bool go;

	WARN_ON_ONCE(!nr || sect / LOCKSTEP_REGION_SECT != (sect + nr - 1) / LOCKSTEP_REGION_SECT);
	spin_lock_irqsave(&b->lock, flags);
	go = iorange_enter(&b->ranges, &r->range, sect, sect + nr);
	spin_unlock_irqrestore(&b->lock, flags);
	return go;
}

bool lockstep_ranges_busy(struct lockstep_ranges *rs, u64 sect, u32 nr)
{
	struct lockstep_bucket *b = bucket_of(rs, sect);
	struct iorange all = { .first_sect = sect, .end_sect = sect + nr }, *r;
	unsigned long flags;

	spin_lock_irqsave(&b->lock, flags);
	for (r = b->ranges.oldest; r && !iorange_overlaps(r, &all); r = r->next)
		;
	spin_unlock_irqrestore(&b->lock, flags);
	return r;
}

static void ready(struct iorange *range, void *ctx)
{
	struct lockstep_range *r = container_of(range, struct lockstep_range, range);

	r->ready(r);
}

void lockstep_range_leave(struct lockstep_ranges *rs, struct lockstep_range *r)
{
	struct lockstep_bucket *b = bucket_of(rs, r->range.first_sect);
	unsigned long flags;

	spin_lock_irqsave(&b->lock, flags);
	iorange_leave(&b->ranges, &r->range, ready, NULL);
	spin_unlock_irqrestore(&b->lock, flags);
}

void lockstep_ranges_walk(struct lockstep_ranges *rs,
			  void (*fn)(struct lockstep_range *r, void *ctx), void *ctx)
{
	struct iorange *range;
	unsigned long flags;
	int i;

	for (i = 0; i < LOCKSTEP_BUCKETS; i++) {
		struct lockstep_bucket *b = &rs->bucket[i];

		spin_lock_irqsave(&b->lock, flags);
		for (range = b->ranges.oldest; range; range = range->next)
			fn(container_of(range, struct lockstep_range, range), ctx);
		spin_unlock_irqrestore(&b->lock, flags);
	}
}
