/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Moves the bitmap, its index and the region map between memory and the disk, in the order that
 * core/persist has. Every ten seconds, while something is dirty, a pass saves what has changed,
 * flushes both copies and clears the regions that were quiet.
 *
 * A bitmap with many pages is read in the background after attach: until then marks may be set, but
 * nobody can say what is not marked, so no session is opened.
 */
#ifndef LOCKSTEP_BITMAPIO_H
#define LOCKSTEP_BITMAPIO_H

#include <linux/mutex.h>
#include <linux/workqueue.h>
#include "metaio.h"

struct lockstep_volume;

struct lockstep_bitmap_io {
	/*
	 * One batch of pages at a time, from its snapshot until it is stable. Jobs may take turns
	 * in between: one that goes on under resource.ctl must not wait for all of a large bitmap.
	 */
	struct mutex lock;
	void *buf[LOCKSTEP_META_BATCH];	/* under lock */

	struct delayed_work pass_work;
	struct work_struct load_work;
	bool running;			/* passes are wanted */
};

void lockstep_bitmap_init(struct lockstep_volume *vol);
void lockstep_bitmap_exit(struct lockstep_volume *vol);
/*
 * Attach, metadata loaded, vol->marks and vol->regions initialised. `fresh`: nothing is there yet,
 * zero it; else read it. -errno with a sentence.
 */
int lockstep_bitmap_attach(struct lockstep_volume *vol, bool fresh, char *why, size_t len);
/* Attached for good: pages may be read in the background, passes may run. */
void lockstep_bitmap_start(struct lockstep_volume *vol);
/* No pass any more, no reading; nobody writes to the volume, and no session is there. */
void lockstep_bitmap_stop(struct lockstep_volume *vol);

bool lockstep_bitmap_is_loading(struct lockstep_volume *vol);

/*
 * What has changed, on stable storage on return. May be called with ctl held; waits for disks only.
 */
int lockstep_bitmap_save(struct lockstep_volume *vol);
/*
 * After lockstep_bitmap_stop(), and with nothing at the disk any more: everything is stable, then
 * the superblock says closed. Not if the disk has failed anything that nobody has looked at: -EIO.
 */
int lockstep_bitmap_close(struct lockstep_volume *vol);

/* Something is dirty: have a pass within ten seconds. Any context. */
void lockstep_bitmap_kick(struct lockstep_volume *vol);

#endif /* LOCKSTEP_BITMAPIO_H */
