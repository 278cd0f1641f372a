/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reading the peer's copy in the place of ours (P9): an extent of any length, into the pages of a
 * bio that the caller has made.
 *
 * Nothing orders such a read against writes in flight, as nothing orders a read at the local disk:
 * what was acknowledged before it began is there.
 */
#ifndef LOCKSTEP_REMOTE_H
#define LOCKSTEP_REMOTE_H

#include <linux/bio.h>
#include "stream.h"

struct lockstep_volume;

struct lockstep_remote {
	/*
	 * By the caller: pages, which stay until done(), and extent, which is used up. Only the
	 * vectors of `bio` are used: once completed it has no iterator any more.
	 */
	const struct bio *bio;
	struct bvec_iter iter;
	/*
	 * status: enum lockstep_wire_status, or LOCKSTEP_CALL_LOST: the session has ended. Process
	 * context, may not sleep long; `r` may be freed in it. The volume must be there until then.
	 */
	void (*done)(struct lockstep_remote *r, int status);

	/* Our own. */
	struct lockstep_volume *vol;
	struct lockstep_call call;
};

/*
 * Process context. False: there is no session, done() will not be called. The peer refuses
 * (LOCKSTEP_WS_REFUSED) if its copy is not up to date or it is primary.
 */
bool lockstep_remote_read(struct lockstep_volume *vol, struct lockstep_remote *r);

#endif /* LOCKSTEP_REMOTE_H */
