/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The dirty-region map of one volume: core's with a lock, memory and the disk around it. Writes of
 * the map are committed in groups: whoever finds its region not durable waits, one work writes
 * every block of map that somebody waits for, and then lets all of them look again.
 *
 * It says `kick` to bitmapio.h's pass when there is something to be cleared later.
 */
#ifndef LOCKSTEP_REGIONMAP_H
#define LOCKSTEP_REGIONMAP_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include "metaio.h"
#include "regions.h"

struct lockstep_volume;

struct lockstep_region_wait {
	struct list_head node;		/* regions.waiting; the caller initialises nothing */
	/*
	 * The map has been written: call lockstep_regions_begin() again. Process context, no lock
	 * of ours held; only queue something.
	 */
	void (*ready)(struct lockstep_region_wait *w);
	bool failed;			/* the map cannot be written: do not, and fail instead */
};

struct lockstep_regions {
	spinlock_t lock;		/* interrupts off */
	struct regions map;		/* under lock, but for the word of `fast` */
	struct list_head waiting;	/* under lock */
	bool gone;			/* under lock: no disk to keep a map on */
	struct mutex map_lock;		/* who writes the map; map_buf */
	void *map_buf[LOCKSTEP_META_BATCH];
	struct work_struct commit_work;
	unsigned long commit_since;	/* jiffies; 0: none is being written */
};

int lockstep_regions_module_init(void);
void lockstep_regions_module_exit(void);

/* Storage for the map of a volume of up to max_sect; nothing is read. lockstep_regions_exit() */
int lockstep_regions_init(struct lockstep_volume *vol, u64 max_sect);
void lockstep_regions_exit(struct lockstep_volume *vol);
/* Read what the disk has. */
int lockstep_regions_load(struct lockstep_volume *vol);

/*
 * May a write to `sect` go (R1)? It has entered its range. True: yes. False: w->ready() will be
 * called. Process context.
 */
bool lockstep_regions_begin(struct lockstep_volume *vol, u64 sect, struct lockstep_region_wait *w);
/*
 * [sect, sect + nr) has been written into the peer's cache: before its marks are cleared (R4). Any
 * context.
 */
void lockstep_regions_note(struct lockstep_volume *vol, u64 sect, u64 nr);
bool lockstep_regions_is_dirty(struct lockstep_volume *vol, u64 sect);
u32 lockstep_regions_weight(struct lockstep_volume *vol);
/* Mark every block of every dirty region: a cache may have lost what was written to them. */
void lockstep_regions_to_marks(struct lockstep_volume *vol);

/* Before the first write of a session, after the last (R3). */
void lockstep_regions_session_begins(struct lockstep_volume *vol);
void lockstep_regions_session_ended(struct lockstep_volume *vol);

/*
 * The disk is gone: nobody waits for the map any more, nothing is written to it. `gone` false:
 * there is one again, with a map that has been loaded.
 */
void lockstep_regions_set_gone(struct lockstep_volume *vol, bool gone);
/* The map could not be written, and the disk is kept all the same: whoever waits for it fails. */
void lockstep_regions_fail_waits(struct lockstep_volume *vol);
/* Has a write of the map been under way for longer than `ms`? */
bool lockstep_regions_is_overdue(const struct lockstep_volume *vol, u32 ms);

/* Write every block of the map that is not on the disk as it should be; ends waits. May sleep. */
int lockstep_regions_commit(struct lockstep_volume *vol);
void lockstep_regions_commit_urgent(struct lockstep_volume *vol);

/* For the pass; see core. */
void lockstep_regions_pick(struct lockstep_volume *vol);
void lockstep_regions_finish(struct lockstep_volume *vol, enum regions_clear clear);

#endif /* LOCKSTEP_REGIONMAP_H */
