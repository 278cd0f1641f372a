/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A write whose local part has ended without a result that counts: its disk failed, or is given up.
 * kernel/park.c carries this out.
 *
 *   we work through  the disk  other   its call was made     what comes of the part
 *   the peer                   parts
 *   no               any       any     any                   PARK: whoever takes the report, or the
 *                                                            end of the session, comes for it
 *   yes              in use    any     any                   PARK: its report is on the way
 *   yes              given up  parked  any                   PARK: with them
 *   yes              given up  none    in this session, or  SETTLE: the answer is still to come, or
 *                                      in one of the kind    was there: from a peer that has noted
 *                                                            to be the only copy
 *                                      in another one        SEND: that peer had noted nothing, and
 *                                                            nobody comes for the orphans any more
 *
 * A call is made once in a session: a second time, while the first is out, two slots would own it.
 * Sessions are named by their epochs; 0: none.
 */
#ifndef LOCKSTEP_CORE_ORPHAN_H
#define LOCKSTEP_CORE_ORPHAN_H

#include "os.h"

enum orphan_next {
	ORPHAN_PARK,
	ORPHAN_SETTLE,
	ORPHAN_SEND,
};

struct orphan_facts {
	u64 through_epoch;		/* of the session in which we work through the peer */
	u64 call_epoch;
	bool resent;			/* it was sent again, in a session of that kind */
	bool given_up;			/* the disk */
	bool parked;			/* another part of it */
};

enum orphan_next orphan_next(const struct orphan_facts *f);

/*
 * Is a request bound to its own disk, so that nobody else can do it? alone: it was begun while
 * there was no peer to have it, and has not been sent since. Then its failure is the application's
 * at once, and it is not taken from a disk that is given up.
 *
 *   alone  flush  bound
 *   no     any    no: the peer has it, or will be sent it
 *   yes    no     yes: the peer gets a write begun alone by a resync, only after it has ended
 *   yes    yes    no: a resync may end before the flush does, and has brought the peer all that it
 *                 is for; then the disk may be given up, and the flush is the peer's (P9)
 */
bool orphan_is_bound(bool alone, bool is_flush);

#endif /* LOCKSTEP_CORE_ORPHAN_H */
