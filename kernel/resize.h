/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A volume takes another size.
 *
 * The disk first: one that has grown since it was last attached has its metadata at what was its
 * end. It is found there (LOCKSTEP_ATTR_DEVICE_SECT) and moved to the new end while nothing else
 * uses the disk, at attach; so an attached disk that grows is taken up by detaching and attaching
 * it, which a primary does under its users.
 *
 * Then, on request, both sides agree on a new size with a new session (lockstep_volume_agree_locked
 * is told), and each marks what it has got, so that it is copied (core/volsize.h).
 */
#ifndef LOCKSTEP_RESIZE_H
#define LOCKSTEP_RESIZE_H

#include <linux/types.h>

struct lockstep_volume;

/*
 * Metadata is loaded, nothing else uses the disk, maps are not in memory yet: move it to the end of
 * a disk that has grown. A disk that has not, or not by enough, is fine as it is. -errno with a
 * sentence: what was there is untouched, or complete at its new place.
 */
int lockstep_resize_take_up(struct lockstep_volume *vol, char *why, size_t len);

/*
 * May the volume be given that size with the next session, as far as this side is concerned?
 * data_sect 0: whatever the disk gives. Changes nothing. ctl held. -EBUSY in use, -EPERM smaller
 * without `force`, -ENOSPC too large; with a sentence.
 */
int lockstep_resize_check_locked(struct lockstep_volume *vol, u64 data_sect, bool force, char *why,
				 size_t len);

/*
 * The session that is being opened gives the volume this size: what is new is marked, and the size
 * noted, on stable storage, before users see it. -errno with a sentence: it keeps the one it has.
 * ctl held; nobody has it open if it becomes smaller, so nobody marks what goes.
 */
int lockstep_resize_agreed_locked(struct lockstep_volume *vol, u64 sect, char *why, size_t len);

#endif /* LOCKSTEP_RESIZE_H */
