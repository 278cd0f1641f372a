/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Resync of a volume: the engine's job (engine.h) over the marked blocks, and what comes at its
 * end. The node with the engine is the source (PUSH) or, if that is primary, the target (PULL).
 *
 * A mark goes when both have the block, in memory; the end of the resync is declared only after a
 * flush on both sides. A target that dies before has an inconsistent copy and says so.
 *
 * Where nothing but a crash separates the copies (compare), hardly any marked block differs:
 * checksums are compared first.
 *
 * A block that cannot be read at the source stays marked; the rest goes on, and it is tried again
 * after a while. The target is not whole before.
 *
 * The other half is peerreq.c: writes and reads of a resync are writes and reads.
 */
#ifndef LOCKSTEP_RESYNC_H
#define LOCKSTEP_RESYNC_H

#include <linux/types.h>
#include "stream.h"

struct lockstep_resource;
struct lockstep_volume;
struct lockstep_session;

struct lockstep_resync {
	u8 sync;			/* enum lockstep_sync_state; under resource.ctl */
	u64 source_gen;			/* target: what SYNC_DONE named */
	u64 total_bits;			/* as it began */
	unsigned long began;		/* jiffies */
	bool compare, pull;		/* in this resync */

	/* Owned by the engine's work. */
	u64 next_bit;			/* where to look next */
	unsigned long retry;		/* jiffies: when bad blocks are due again; 0: none are */
	/* Blocks, in this resync; of bad_bits: in the present walk over the marks. */
	atomic64_t compared_bits, copied_bits, bad_bits;
	atomic64_t settled_bits;	/* compared equal or copied */
	u64 settled_before;		/* as of the last tick */
	unsigned long rated;		/* jiffies of the last tick */
	u64 rate;			/* bytes settled a second, lately; read without a lock */

	/* Under engine.lock. */
	bool flushing;			/* nothing left, both flush */
	bool flushed;
	struct lockstep_call flush_call;
	u64 flush_asked;		/* of that: flushnote.h */
};

void lockstep_resync_init(struct lockstep_volume *vol);

/* As source, marks united: go, in session `s`. ctl held. -ENOTCONN: it fails meanwhile. */
int lockstep_resync_start_locked(struct lockstep_volume *vol, struct lockstep_session *s);
/*
 * As target that is primary, marks united here: the same, but to us. When it has finished both have
 * flushed; the source is to be told.
 */
int lockstep_resync_pull_locked(struct lockstep_volume *vol, struct lockstep_session *s);
/*
 * A session has failed (volumes cannot go while it is there): whoever waits for it in start looks
 * again.
 */
void lockstep_resync_session_failed(struct lockstep_resource *res);
/* No new requests on any volume of `res`; sync state becomes NONE. Marks stay. */
void lockstep_resync_stop_locked(struct lockstep_resource *res);
/* Does the engine of this node run it? */
bool lockstep_resync_is_here(const struct lockstep_volume *vol);
/* Once, when all is copied and flushed on both sides. */
bool lockstep_resync_finished_locked(struct lockstep_volume *vol);

#endif /* LOCKSTEP_RESYNC_H */
