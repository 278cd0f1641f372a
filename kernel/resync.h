/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The source's half of a resync: walks the marks, and for each run of them
 *
 *   takes its range (application writes to it wait, earlier ones are waited for) -> reads it here
 *   -> sends it -> on the peer's answer clears the marks -> leaves the range.
 *
 * Because the range is held from before the read until after the answer, what is copied is what
 * both have, whatever the application does. A mark that an application's write has cleared
 * meanwhile is not copied. Blocks of zeroes travel as zeroes.
 *
 * The target's half is peerreq.c: resync writes are writes.
 */
#ifndef LOCKSTEP_RESYNC_H
#define LOCKSTEP_RESYNC_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include "stream.h"

struct lockstep_resource;
struct lockstep_volume;
struct lockstep_range;
struct lockstep_session;

struct lockstep_resync {
	u8 sync;			/* enum lockstep_sync_state; under resource.ctl */
	u64 source_gen;			/* target: what SYNC_DONE named */
	u64 session_id;			/* source: the session it runs in, and no other */
	u64 total_bits;			/* as it began */
	unsigned long began;		/* jiffies */

	spinlock_t lock;		/* interrupts off; leaf */
	struct list_head ready;		/* under lock: requests whose range or disk is done */
	bool running;			/* under lock */
	u32 in_flight;			/* under lock: requests that exist */
	u64 next_bit;			/* owned by the work: where to look next */
	bool flushed;			/* under lock: nothing left, and both sides flushed */
	bool flushing;			/* under lock: from then on no requests */
	struct lockstep_call flush_call;
	unsigned long reported;		/* jiffies of the last progress event */
	struct delayed_work work;
	wait_queue_head_t drained;
};

int lockstep_resync_module_init(void);
void lockstep_resync_module_exit(void);

void lockstep_resync_init(struct lockstep_volume *vol);

/* As source, marks united: go, in session `s`. ctl held. -ENOTCONN: it fails meanwhile. */
int lockstep_resync_start_locked(struct lockstep_volume *vol, struct lockstep_session *s);
/*
 * A session has failed (volumes cannot go while it is there): whoever waits for it in start looks
 * again.
 */
void lockstep_resync_session_failed(struct lockstep_resource *res);
/* No new requests on any volume of `res`; sync state becomes NONE. Marks stay. */
void lockstep_resync_stop_locked(struct lockstep_resource *res);
/*
 * Wait until none is in flight. Not while application requests are held or orphaned: a resync
 * request may stand behind one of them in its range, which is why the end of a session does not
 * wait here.
 */
void lockstep_resync_drain(struct lockstep_volume *vol);
/* Once, when all is copied and flushed on both sides. */
bool lockstep_resync_finished_locked(struct lockstep_volume *vol);

#endif /* LOCKSTEP_RESYNC_H */
