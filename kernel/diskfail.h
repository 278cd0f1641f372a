/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The local disk of a volume fails (P9): an error of a write, a flush or the metadata, or a request
 * that is not finished in time. Whether it is given up is the state machine's to say (state.h): not
 * if nobody else has what is on it.
 *
 * A disk that was given up stays open, and counts for nothing, until another one is attached in its
 * place or the volume goes. vol->disk_ref says who is at it: everything that an application waits
 * for takes a live reference before it submits to the local disk, so that after the disk was given
 * up nothing new goes there, and the last thing to come back is known.
 */
#ifndef LOCKSTEP_DISKFAIL_H
#define LOCKSTEP_DISKFAIL_H

#include <linux/types.h>
#include "diskreport.h"

struct lockstep_resource;
struct lockstep_session;
struct lockstep_volume;

/* Why a session ends in which a primary copies from us by its own marks: those are not enough. */
#define LOCKSTEP_COPIED_IN_DOUBT	"our disk failed a flush while the peer copied from it"

/* Report it: any context, any number of times. `err`: negative errno; not looked at if late. */
void lockstep_disk_failed(struct lockstep_volume *vol, enum disk_failure what, int err);

/*
 * Has an error been reported that nobody has taken yet? Not of one that is only late: it may come
 * back well, and whoever waits for it finds out.
 */
bool lockstep_disk_has_erred(const struct lockstep_volume *vol);

/* The reported failures, one by one, to the state machine. ctl held. */
void lockstep_disk_take_failures_locked(struct lockstep_resource *res);

/* The state machine has said so: nothing more goes to this disk. ctl held. */
void lockstep_disk_drop_locked(struct lockstep_volume *vol);

/* By command. -EPERM with a sentence: nobody else has an up-to-date copy. ctl held. */
int lockstep_disk_detach_locked(struct lockstep_volume *vol, char *why, size_t len);

/*
 * Another disk, or the same one again, in the place of the one that was given up. The session is
 * ended; whose content counts is for the next hello. old_sect: as for volume_add. ctl held.
 */
int lockstep_disk_attach_locked(struct lockstep_volume *vol, const char *backing,
				const char *meta_path, u64 old_sect, char *why, size_t len);

/* A disk that was given up: has everything come back from it? */
bool lockstep_disk_is_left(struct lockstep_volume *vol);

/*
 * Has a request, of an application here or of the peer, been at a local disk for too long? Without
 * ctl, for as long as there is this session.
 */
void lockstep_disk_check(struct lockstep_session *s);

#endif /* LOCKSTEP_DISKFAIL_H */
