/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Life of one application bio:
 *
 *   submit -> split at regions -> enter its range (waits behind earlier overlapping ones) -> have
 *   its region in the map on the disk (waits for a write of it) -> look at the io mode:
 *     BOTH    call to the peer and local bio at the same time; done when both are (P1)
 *     ALONE   marked, then the local bio
 *     LAZY, NARROW   held; LAZY asks the state worker to narrow the set
 *     NONE    refused
 *   -> leave the range, complete the application's bio.
 *
 * A flush is the same without a range: it goes to both at once, and nothing drains for it, because
 * whatever was acknowledged before it has completed at both disks already (P2).
 *
 * When the session ends with the answer outstanding, the request is marked out of sync and becomes
 * an orphan: it completes when the set is narrowed (P4).
 */
#ifndef LOCKSTEP_REQUEST_H
#define LOCKSTEP_REQUEST_H

#include <linux/workqueue.h>
#include <linux/lockstep.h>

struct bio;
struct lockstep_call;
struct lockstep_resource;
struct lockstep_volume;

int lockstep_request_init(void);
void lockstep_request_exit(void);

/* block_device_operations.submit_bio, for a volume. */
void lockstep_request_submit(struct lockstep_volume *vol, struct bio *bio);

/* Hold whatever comes from now on, until the next set_mode. ctl held. */
void lockstep_request_hold(struct lockstep_resource *res);
/* New io mode: held requests look at it, orphans complete if it lets writes go on. ctl held. */
void lockstep_request_set_mode(struct lockstep_resource *res, enum lockstep_io_mode mode);

/* Does this call belong to an application's request? */
bool lockstep_request_is_call(const struct lockstep_call *call);

/* Work of a resource: requests that their range has let go. */
void lockstep_request_ready_work(struct work_struct *work);

#endif /* LOCKSTEP_REQUEST_H */
