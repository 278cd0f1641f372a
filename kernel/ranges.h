/* SPDX-License-Identifier: GPL-2.0 */
/* Range buckets of a volume: core/range with locks, and a way to wake whoever waited. */
#ifndef LOCKSTEP_RANGES_H
#define LOCKSTEP_RANGES_H

#include <linux/spinlock.h>
#include "iorange.h"

#define LOCKSTEP_BUCKETS	256

struct lockstep_bucket {
	spinlock_t lock;		/* interrupts off */
	struct iorange_bucket ranges;
};

struct lockstep_ranges {
	struct lockstep_bucket bucket[LOCKSTEP_BUCKETS];
};

struct lockstep_range {
	struct iorange range;
	/*
	 * Nothing earlier is in the way any more. Any context, bucket locked: only queue something.
	 */
	void (*ready)(struct lockstep_range *r);
};

void lockstep_ranges_init(struct lockstep_ranges *rs);

/* [sect, sect + nr) lies in one region. True: go on; false: ready() will be called. */
bool lockstep_range_enter(struct lockstep_ranges *rs, struct lockstep_range *r, u64 sect, u32 nr);
/* Is any range there, waiting or not, that overlaps [sect, sect + nr), which lies in one region? */
bool lockstep_ranges_busy(struct lockstep_ranges *rs, u64 sect, u32 nr);
void lockstep_range_leave(struct lockstep_ranges *rs, struct lockstep_range *r);

/* Every range there is, each with its bucket locked: fn() may neither enter nor leave one. */
void lockstep_ranges_walk(struct lockstep_ranges *rs,
			  void (*fn)(struct lockstep_range *r, void *ctx), void *ctx);

#endif /* LOCKSTEP_RANGES_H */
