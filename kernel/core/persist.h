/* SPDX-License-Identifier: GPL-2.0 */
/*
 * In which order the maps of a volume reach the disk, so that at any instant what is there, bitmap
 * and region map together, covers every block that may differ (P3). The driver carries out one step
 * after the other, each finished, and durable where it writes, before it asks for the next.
 *
 * [B1] A bit that is set in memory need not be written at once: its region is in the map (R1).
 * [B2] A page of the bitmap is written without a bit that the disk still has only when the region
 *      of that bit is in the map on the disk. So the map is written between the snapshot of the
 *      pages and the pages: a mark is cleared only after its region was noted (R1, R4).
 * [B3] A page is stable before its entry of the index says that it counts.
 * [B4] A region leaves the map after the pages with its marks are stable and then both copies have
 *      flushed; see regions.h for those that may go without the flush.
 *
 * A page that is torn between old and new content is either right: each of its bits is as it was,
 * or as it will be, and the map covers the difference of the two.
 */
#ifndef LOCKSTEP_CORE_PERSIST_H
#define LOCKSTEP_CORE_PERSIST_H

#include "regions.h"

enum persist_job {
	PERSIST_PASS,		/* now and then: save, flush both copies, clear quiet regions */
	PERSIST_SAVE,		/* what has changed, now */
	PERSIST_CLOSE,		/* the same, and the superblock that says: closed */
};

enum persist_step {
	PERSIST_PICK,		/* regions_pick, all; keep those that are in use */
	/* oosmap_save; result: 1 if it goes on, 0 if there was nothing left */
	PERSIST_SNAPSHOT,
	PERSIST_MAP,		/* the region map, every dirty block of it */
	PERSIST_PAGES,		/* the snapshot's pages */
	PERSIST_INDEX,		/* its block of the index, if entries change */
	PERSIST_SAVED,		/* oosmap_saved, good */
	PERSIST_LOST,		/* oosmap_saved, not good */
	/* data of the peer and ours; result: -ENOTCONN without a session */
	PERSIST_FLUSH,
	PERSIST_FINISH,		/* regions_finish, all, with persist.clear */
	PERSIST_SUPER,		/* the superblock, without ATTACHED */
	PERSIST_DONE,		/* persist.err says how it went */
};

struct persist {
	enum persist_job job;
	enum persist_step step;
	enum regions_clear clear;
	bool alone;		/* when it began */
	bool outside;		/* the map is written by itself, not between snapshot and pages */
	int err;
};

/* The first step. */
enum persist_step persist_begin(struct persist *p, enum persist_job job, const struct regions *r);
/*
 * The next one, given the result of the last: 0 or negative errno. `r` is looked at only after
 * FLUSH; caller serialises.
 */
enum persist_step persist_next(struct persist *p, const struct regions *r, int result);

#endif /* LOCKSTEP_CORE_PERSIST_H */
