/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The out-of-sync marks of one volume: core's bitmap with a lock and memory around it. Marking
 * never fails (core marks a whole page of the bitmap when no memory is to be had).
 */
#ifndef LOCKSTEP_MARKS_H
#define LOCKSTEP_MARKS_H

#include <linux/spinlock.h>
#include "oosmap.h"

struct lockstep_marks {
	spinlock_t lock;	/* interrupts off: disk and network completions clear marks */
	struct oosmap bitmap;
	struct oosmap_page *pages;
	u32 max_pages;		/* that there is room for */
};

/* Room for max_sect, which is what it may be resized to without memory. */
int lockstep_marks_init_max(struct lockstep_marks *m, u64 nr_sect, u64 max_sect);
int lockstep_marks_init(struct lockstep_marks *m, u64 nr_sect);
void lockstep_marks_exit(struct lockstep_marks *m);
/*
 * The volume's size has changed: marks exist for its blocks only, or those beyond it would wait for
 * ever to be copied. Those there are stay; what is new is not marked. Nobody else may use them
 * meanwhile.
 */
int lockstep_marks_resize(struct lockstep_marks *m, u64 nr_sect);

/* Mark every 4 KiB block that [sect, sect + nr) touches. May sleep (GFP_NOIO). */
void lockstep_marks_set(struct lockstep_marks *m, u64 sect, u64 nr);
/* The same from any context: over-marks where it would need memory. */
void lockstep_marks_set_atomic(struct lockstep_marks *m, u64 sect, u64 nr);
/* Clear the marks of the blocks that lie wholly inside. Any context. */
void lockstep_marks_clear(struct lockstep_marks *m, u64 sect, u64 nr);
/*
 * The same where sleeping for memory is allowed, so that part of a wholly marked page can be
 * cleared.
 */
void lockstep_marks_clear_sleep(struct lockstep_marks *m, u64 sect, u64 nr);
void lockstep_marks_fill(struct lockstep_marks *m);
void lockstep_marks_empty(struct lockstep_marks *m);
/* While pages are still to be read from the disk, at least one for each of them. */
u64 lockstep_marks_weight(struct lockstep_marks *m);
bool lockstep_marks_are_clear(struct lockstep_marks *m, u64 first_bit, u32 count);

/* Next run of marks from bit `from`: 0 and *ret_next == nr_bits: none. See oosmap_find. */
u32 lockstep_marks_find(struct lockstep_marks *m, u64 from, u32 max_bits, u64 *ret_first,
			u64 *ret_next);

/*
 * Run-length chunks for the daemons' exchange; see rle.h. merge: -EINVAL for malformed runs, of
 * which what came before the flaw is marked.
 */
size_t lockstep_marks_get(struct lockstep_marks *m, u64 *pos, void *buf, size_t cap);
int lockstep_marks_merge(struct lockstep_marks *m, u64 first_bit, const void *runs, size_t len);

#endif /* LOCKSTEP_MARKS_H */
