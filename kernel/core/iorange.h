/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Range conflicts: overlapping requests in flight are put into one order, the order of arrival, on
 * the writer, so that both copies see it (streams need no order among themselves). A resync takes
 * the same ranges.
 *
 * Because no request crosses a region, all that can overlap meet in one bucket (hash of the region
 * number). A bucket is a list in order of arrival; a range counts the earlier overlapping ones that
 * are still there (`blockers`) and may start at 0. So order is first come, first served, without
 * starvation, and there is no deadlock: the oldest range in a bucket never waits.
 *
 * Not locked: the caller serialises each bucket.
 */
#ifndef LOCKSTEP_CORE_IORANGE_H
#define LOCKSTEP_CORE_IORANGE_H

#include "os.h"

struct iorange {
	u64 first_sect, end_sect;	/* [first, end) */
	struct iorange *next, *prev;	/* in the bucket, oldest first */
	u32 blockers;
};

struct iorange_bucket {
	struct iorange *oldest, *newest;
};

void iorange_bucket_init(struct iorange_bucket *b);

/* Enter a range; true: it may start at once. */
bool iorange_enter(struct iorange_bucket *b, struct iorange *r, u64 first_sect, u64 end_sect);

/*
 * Leave. `ready` is called, oldest first, for each range that nothing blocks any more; it must not
 * enter or leave ranges of this bucket itself.
 */
void iorange_leave(struct iorange_bucket *b, struct iorange *r,
		   void (*ready)(struct iorange *r, void *ctx), void *ctx);

static inline bool iorange_overlaps(const struct iorange *a, const struct iorange *b)
{
	return a->first_sect < b->end_sect && b->first_sect < a->end_sect;
}

#endif /* LOCKSTEP_CORE_IORANGE_H */
