/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Dirty-region map: one bit per 4 MiB region, on disk and here. With the bitmap it names, at any
 * instant and on stable storage, every block that may differ (P3).
 *
 * [R1] A write goes to the local disk or to the peer only while the bit of its region is durable:
 *      regions_enter() says GO or WAIT; whoever waits asks again when the map has been written.
 * [R2] A region is cleared only if it was quiet from when it became a candidate: no request in it
 *      then (the caller looks, and keeps it otherwise), none that entered since; its marks have
 *      reached the disk since, and a flush begun since has succeeded on both copies.
 * [R3] Without a session the flush of the peer is not needed, because a write alone is marked; but
 *      regions that were dirty when the session ended are pinned: the peer's cache may have lost
 *      what it acknowledged. Only a flush of both clears them. What is found at attach is pinned.
 * [R4] What is written into the peer's cache for other reasons (resync) notes its region in memory
 *      before its marks are cleared; the map on disk gets it before it gets a bitmap without those
 *      marks (persist.h). Noted only after the session has ended it is pinned like the others [R3].
 *
 * Bits of a region: want (may differ: to be on disk), disk (is on disk, may be relied on), fast
 * (want and disk, written to in this interval, no candidate: R1 needs no lock), cand, pin.
 *
 * Storage is the caller's. Not locked: the caller serialises all calls but regions_is_fast().
 */
#ifndef LOCKSTEP_CORE_REGIONS_H
#define LOCKSTEP_CORE_REGIONS_H

#include "os.h"
#include <lockstep/limits.h>

#define REGIONS_BLOCK_BITS	32768u		/* regions in 4 KiB of map: 128 GiB of volume */
#define REGIONS_BLOCK_WORDS	512u

struct regions_block {
	u32 nr_want;
	bool dirty;		/* the disk does not have what is wanted, or has more */
	bool urgent;		/* somebody waits for it */
};

struct regions {
	u64 *want, *disk, *fast, *cand, *pin;
	struct regions_block *block;
	u32 nr, nr_blocks;
	u32 nr_want;
	bool alone;		/* no session in which the peer gets writes */
};

enum regions_verdict {
	REGIONS_GO,
	REGIONS_WAIT,
};

/* Which candidates may be cleared. */
enum regions_clear {
	REGIONS_CLEAR_NONE,
	REGIONS_CLEAR_UNPINNED,	/* [R3] */
	REGIONS_CLEAR_ALL,	/* both copies have flushed */
};

static inline u32 regions_count(u64 nr_sect)
{
	return (u32)((nr_sect + LOCKSTEP_REGION_SECT - 1) / LOCKSTEP_REGION_SECT);
}

static inline u32 regions_blocks(u32 nr)
{
	return DIV_ROUND_UP(nr, REGIONS_BLOCK_BITS);
}

/* Words of storage for `nr` regions. */
static inline u64 regions_words(u32 nr)
{
	return 5ull * REGIONS_BLOCK_WORDS * regions_blocks(nr);
}

/* `words` and `block` (one for each 4 KiB of map) zeroed. No session, nothing dirty. */
void regions_init(struct regions *r, u64 *words, struct regions_block *block, u32 nr);
/* Attach: block `b` as it was found on the disk: dirty, durable, pinned. */
void regions_load(struct regions *r, u32 b, const void *buf);

/* ---- writers -------------------------------------------------------------------------------- */

/* The word and the bit of it that say "go" without a lock, for the caller to read in one go. */
static inline const u64 *regions_fast_word(const struct regions *r, u32 region)
{
	return &r->fast[region / 64];
}

static inline bool regions_is_fast(u64 word, u32 region)
{
	return word >> region % 64 & 1;
}

/* [R1] The writer has entered its range already, so that regions_pick's caller sees it. */
enum regions_verdict regions_enter(struct regions *r, u32 region);
/* [R4] */
void regions_note(struct regions *r, u32 region);
bool regions_is_dirty(const struct regions *r, u32 region);
/* Next run of dirty regions, cut where a block of the map ends: its length, 0: none. */
u32 regions_find(const struct regions *r, u32 from, u32 *ret_first);

/* ---- the map on disk ------------------------------------------------------------------------ */

/*
 * Next block at or after `from` that has to be written, with what it has to say (4 KiB); nr_blocks:
 * none. Only urgent ones, or all that are dirty. It is not to be asked for again before
 * regions_map_done(); others may be.
 */
u32 regions_map_next(struct regions *r, u32 from, bool urgent, void *buf);
/* `buf` as regions_map_next gave it: stable now, or (!ok) not known. */
void regions_map_done(struct regions *r, u32 b, const void *buf, bool ok);

/* ---- clearing ------------------------------------------------------------------------------- */

/*
 * Regions that nobody wrote to since the last pick become candidates; their numbers go to `out`.
 * The rest begins a new interval. *cursor: from 0, goes on; nr: that was all. Looks at no more than
 * one block of the map; cap is 64 or more.
 */
u32 regions_pick(struct regions *r, u32 *cursor, u32 *out, u32 cap);
/* No candidate after all: somebody is in it. */
void regions_keep(struct regions *r, u32 region);
/*
 * Candidates that still are: clear them as far as may be, the others go on. One block a call. With
 * CLEAR_NONE also for whoever has turned regions into marks that a pass under way has not saved.
 */
void regions_finish(struct regions *r, u32 *cursor, enum regions_clear clear);

/* ---- sessions ------------------------------------------------------------------------------- */

/* Before the first write that goes to the peer too. */
void regions_session_begins(struct regions *r);
/* After the last one, before the first that goes on alone. */
void regions_session_ended(struct regions *r);

#endif /* LOCKSTEP_CORE_REGIONS_H */
