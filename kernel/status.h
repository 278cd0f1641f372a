/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The only writer of a resource's state: takes events, lets core/state decide, carries out the
 * effects in their order, logs one line per change:
 *
 *	lockstep: NAME: EVENT: role A -> B, link A -> B, ... , writes MODE
 *
 * Commands call lockstep_status_step_locked() themselves. What comes from threads and completions
 * is posted and taken by a worker, in order; the worker takes resource.ctl (lock order:
 * resource.h).
 */
#ifndef LOCKSTEP_STATUS_H
#define LOCKSTEP_STATUS_H

#include <linux/types.h>
#include <linux/workqueue.h>
#include "state.h"

struct lockstep_resource;
struct lockstep_volume;

/* Conditions: posting one that is pending already changes nothing, and cannot fail. */
enum status_condition {
	STATUS_LOST,		/* the session has failed */
	STATUS_WRITE,		/* a request is held in mode LAZY */
	STATUS_SYNC_EMPTY,	/* a volume's resync has nothing left to copy */
	STATUS_DISK_FAILED,	/* a volume's disk_report says how */
	STATUS_STRAYS,		/* the last of a volume's strays is back */
};

/* Messages: each is taken, in order, if its session is still there. */
enum status_message {
	STATUS_PEER_ASKS = 1,
	STATUS_PEER_ANSWERS,
	STATUS_PEER_ROLE,
	STATUS_SYNC_TOLD,
	STATUS_SYNC_CONFIRMED,
	STATUS_SYNC_PULLED,
};

struct status_msg {
	u64 session_id;
	u64 arg;
	u16 volume, status;
};

/* Any context. */
void lockstep_status_post(struct lockstep_resource *res, enum status_condition c);
/* May sleep. -ENOMEM. */
int lockstep_status_post_msg(struct lockstep_resource *res, enum status_message type,
			     const struct status_msg *m);
/* Work of a resource. */
void lockstep_status_work(struct work_struct *work);

/*
 * Take an event. Returns 0, -EALREADY (nothing to do), or a negative errno with a sentence in `why`
 * (may be NULL). On an error of the metadata the state is as before.
 */
int lockstep_status_step_locked(struct lockstep_resource *res, enum state_event ev, u32 arg,
				char *why, size_t len);

/* End the session, if there is one, because of a command. The peer is told. */
void lockstep_status_close_locked(struct lockstep_resource *res, const char *why);

/* STATE_DISK_AHEAD, of a disk that has failed. ctl held. */
bool lockstep_status_is_ahead_locked(const struct lockstep_volume *failed);

/*
 * What the peer had said of itself, for a session that is over, or has not come to be, without a
 * session. Disks that have failed are judged first: that the peer has no copy may be known by its
 * hello alone. ctl held.
 */
void lockstep_status_forget_peer_locked(struct lockstep_resource *res);

/* The worst copy of the volumes, from their metadata: after attach and detach. */
void lockstep_status_copy_locked(struct lockstep_resource *res);

#endif /* LOCKSTEP_STATUS_H */
