/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A volume takes another size on one node: what is done, and in which order. kernel/resize.c
 * carries it out, before it says that the session is open.
 *
 * Both nodes do it by themselves, and at any of these steps one may die, its disk may refuse, or
 * the link be lost. The next hello takes the larger of the two sizes (tools/daemon/agree.c),
 * perhaps with other roles. So it is not agreed upon who marks what is new, which both would have
 * to remember: whoever comes to have blocks marks them, whatever the other one has or does.
 *
 * [Z1] What lies beyond the size that a superblock has is nobody's, and differs between two disks.
 *      Of what lies before the size on both disks each block is equal, or marked on stable storage
 *      of one of them: of the two, the one that got it last has marked it before it said on its
 *      disk that it has it, and marks are cleared in a session only, for which both have it.
 * [Z2] The size in memory, and what users see of it, is the one on the disk. A size of which a user
 *      knows and the disk does not would be gone after a crash, with what was written there.
 *
 * So mostly both mark the same. That costs nothing: marks are united, and a stretch of them is a
 * few bytes. A primary is the source, of two secondaries the smaller node id (gen.h, marks-both).
 *
 * "Bitmap" is compared with what is agreed, too; TAKE and DONE end each row.
 *
 *   size on disk  agreed is     bitmap is  steps
 *   0             any           any        ROOM or TRIM; the size gets to the disk with the
 *                                          session's start: a copy that was in no session before
 *                                          is copied as a whole, or its contents do not matter
 *   any           larger        smaller    ROOM, MARK, STORE
 *   any           larger        equal      MARK, STORE
 *   any           larger        larger     MARK, STORE, TRIM
 *   any           equal         equal      none
 *   any           equal         larger     STORE, TRIM
 *   any           smaller       larger     STORE, TRIM
 *   any disk, but it has failed            ROOM or TRIM: nothing is kept there any more
 *
 * A step that fails is the last one, and the volume keeps the size it has in memory. Its bitmap may
 * be larger from then on: perhaps the disk has the new size all the same, so what is marked stays
 * until another STORE has succeeded.
 */
#ifndef LOCKSTEP_CORE_VOLSIZE_H
#define LOCKSTEP_CORE_VOLSIZE_H

#include "os.h"

enum volsize_step {
	VOLSIZE_BEGIN,
	VOLSIZE_ROOM,			/* the bitmap becomes larger, as agreed */
	VOLSIZE_MARK,			/* from the size on disk on, on stable storage on return */
	VOLSIZE_STORE,			/* the superblock, with the agreed size */
	VOLSIZE_TRIM,			/* the bitmap becomes smaller, as agreed */
	VOLSIZE_TAKE,			/* it is the volume's size from now on */
	VOLSIZE_DONE,
};

struct volsize_facts {
	u64 disk_sect;			/* what the superblock has, 0: no size yet */
	u64 map_sect;			/* what the bitmap in memory is for */
	u64 agreed_sect;		/* with the session that is being opened; never 0 */
	bool no_disk;			/* it has failed, or was given up */
};

/*
 * A disk takes the place of one that the volume has lost, at whatever size the volume has come to
 * since, through the peer or on another disk in between. What an old copy lacks it gets like any
 * other, with the next session: MARK, STORE. One that has more is refused: the hello would take the
 * larger size, and the volume get back what somebody has taken off its end.
 *
 *   room on the disk      size on the disk  role       it is
 *   less than the volume  any               any        SMALL
 *   enough                none yet          any        GOOD
 *   enough                the same          any        GOOD
 *   enough                smaller           secondary  BEHIND
 *   enough                smaller           primary    SHORT: its users see the whole; by force,
 *                                                      with the peer gone, they would write where
 *                                                      the disk says after a crash that there is
 *                                                      nothing [Z2]
 *   enough                larger            any        LARGE
 */
enum volsize_fit {
	VOLSIZE_GOOD,
	VOLSIZE_BEHIND,
	VOLSIZE_SMALL,
	VOLSIZE_SHORT,
	VOLSIZE_LARGE,
};

enum volsize_fit volsize_replace(u64 volume_sect, bool primary, u64 disk_sect, u64 room_sect);

/* The step after `last`, which has succeeded; the facts are those before the first one. */
enum volsize_step volsize_next(const struct volsize_facts *f, enum volsize_step last);

#endif /* LOCKSTEP_CORE_VOLSIZE_H */
