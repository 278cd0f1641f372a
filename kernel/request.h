/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Life of one application bio:
 *
 *   submit -> split at regions -> enter its range (waits behind earlier overlapping ones) -> have
 *   its region in the map on the disk (waits for a write of it) -> look at the io mode:
 *     BOTH    call to the peer and local bio at the same time; done when both are (P1)
 *     ALONE   marked, then the local bio
 *     LAZY, NARROW, FROZEN   held; LAZY asks the state worker to narrow the set
 *     NONE    refused
 *   -> leave the range, complete the application's bio.
 *
 * A flush is the same without a range: it goes to both at once, and nothing drains for it, because
 * whatever was acknowledged before it has completed at both disks already (P2).
 *
 * What cannot be finished yet is parked (an orphan), until the set says what its end is:
 *
 *   PEER   the session ended with the answer outstanding. Marked out of sync; completes when the
 *          set is narrowed (P4). A primary that works through its peer (P9) has no set to narrow
 *          to: it is not marked but sent again in the next session.
 *   LOCAL  the local disk failed it, or was given up with the request on it. If the disk is given
 *          up it completes in the next session, when the peer has noted that it is the only copy
 *          (P4); if the disk has to be kept, because nobody else has the data, it fails.
 *
 * A request whose disk never answers is let go all the same: its bio has vectors of its own, so
 * that whatever the disk does with it later is harmless; the pages are held until it returns.
 *
 * Reads are in read.c.
 */
#ifndef LOCKSTEP_REQUEST_H
#define LOCKSTEP_REQUEST_H

#include <linux/list.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <linux/lockstep.h>

struct bio;
struct lockstep_call;
struct lockstep_resource;
struct lockstep_volume;

/* Somebody who waits for the io mode to change, or for a worker. */
struct lockstep_waiter {
	struct list_head node;		/* held or ready of the resource */
	void (*go)(struct lockstep_waiter *w);	/* process context */
};

int lockstep_request_init(void);
void lockstep_request_exit(void);

/* block_device_operations.submit_bio, for a volume. */
void lockstep_request_submit(struct lockstep_volume *vol, struct bio *bio);

/*
 * Wait for another io mode: go() is called with each change that might let it go on. False: the
 * mode is one that lets it go by now. Under mode_srcu.
 */
bool lockstep_request_wait(struct lockstep_resource *res, struct lockstep_waiter *w);
/* Call go() from a worker. Any context. */
void lockstep_request_defer(struct lockstep_resource *res, struct lockstep_waiter *w);

/* Hold whatever comes from now on, until the next set_mode. ctl held. */
void lockstep_request_hold(struct lockstep_resource *res);
/*
 * The state's io mode from now on: held requests look at it, orphans complete if it lets writes go
 * on. ctl held.
 */
void lockstep_request_set_mode(struct lockstep_resource *res);
/*
 * What was parked goes to the peer again, in the session that has just started: because this
 * primary works through it (or completes if the peer has it), or because the set was not narrowed
 * when the last one ended (fencing). After set_mode, ctl held.
 */
void lockstep_request_resend(struct lockstep_resource *res);

/* The volume's disk is given up: nothing is waited for there any more. ctl held. */
void lockstep_request_abandon(struct lockstep_volume *vol);
/* The volume's disk is kept in spite of its errors: what they hit fails. ctl held. */
void lockstep_request_fail_local(struct lockstep_volume *vol);
/* Parked writes fail. ctl held. */
void lockstep_request_fail_orphans(struct lockstep_resource *res);
/* Held and parked writes fail: the set could not be narrowed. ctl held. */
void lockstep_request_fail_held(struct lockstep_resource *res);
/* Is a request at the local disk for longer than `ms`? Of reads: has none come back for so long? */
bool lockstep_request_is_overdue(struct lockstep_volume *vol, u32 ms);

/* Does this call belong to an application's request? */
bool lockstep_request_is_call(const struct lockstep_call *call);

/* Work of a resource: calls go() of those who were deferred. */
void lockstep_request_ready_work(struct work_struct *work);

#endif /* LOCKSTEP_REQUEST_H */
