/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Verify: compare both copies of a volume on line, as the engine's job (engine.h) on the node where
 * it is asked for. The range of what is compared is held over both reads, so application I/O on
 * this node raises no false alarm; and the peer, which could not hold ours, must not be primary.
 *
 * Blocks that differ are noted in a map. With repair, which only the primary may ask for (it
 * writes), they are written anew at the peer from here, within the same range, as any write is.
 *
 * It changes no state of the resource. It stops by command, with its session, and when this side or
 * the peer changes its role; and can be resumed where it stopped. One that goes to the end of the
 * volume can be resumed after a restart, too: the metadata has its place (verify_bit), noted when
 * it stops and now and then on the way. Only the list of what differed is lost then.
 */
#ifndef LOCKSTEP_VERIFY_H
#define LOCKSTEP_VERIFY_H

#include <linux/atomic.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include "marks.h"

struct lockstep_resource;
struct lockstep_volume;

struct lockstep_verify {
	/* Under resource.ctl. */
	bool repair;
	bool has_map;
	u64 first_bit, end_bit;
	u64 from_bit;			/* this time; resumed: behind first_bit */

	u8 state;			/* enum lockstep_verify_state; under engine.lock */
	u64 next_bit;			/* owned by the engine's work */
	u64 stopped_bit;		/* where it stopped; all before is done */
	u64 noted_bit;			/* owned by the engine's work: last put into the metadata */
	unsigned long began;		/* jiffies */
	atomic64_t bad_bits, repaired_bits;
	struct lockstep_marks map;	/* what differed */
};

struct lockstep_verify_range {
	u64 first_bit, nr_bits;		/* nr_bits 0: to the end */
	bool repair, resume;
};

void lockstep_verify_init(struct lockstep_volume *vol);
void lockstep_verify_exit(struct lockstep_volume *vol);

/* ctl held. Refusals carry a sentence. */
int lockstep_verify_start_locked(struct lockstep_volume *vol, const struct lockstep_verify_range *r,
				 char *why, size_t len);
/* No new requests; those under way end by themselves. Any context that may sleep. */
void lockstep_verify_stop(struct lockstep_volume *vol);
/* The same at a session's end. Nothing is stored: the disk may hang. ctl held. */
void lockstep_verify_lose_locked(struct lockstep_volume *vol);
/* The same by command; its place is noted durably, too. ctl held. */
void lockstep_verify_stop_locked(struct lockstep_volume *vol);
/*
 * The same on all volumes. ctl held. Before the peer may become primary: what is concluded after
 * this is not noted.
 */
void lockstep_verify_stop_all_locked(struct lockstep_resource *res);
/* Before this side gives up its role: and no repair is under way any more. */
void lockstep_verify_end_locked(struct lockstep_resource *res);
/* All before is done. */
u64 lockstep_verify_position(struct lockstep_volume *vol);

#endif /* LOCKSTEP_VERIFY_H */
