/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Automatic promotion: the first one who opens the device for writing makes this side primary, and
 * the last one who closes it makes it secondary again. Off unless the configuration says so. This
 * decides; kernel/auto.c carries out.
 *
 * (1) What the resource should do now. Volumes are promoted and demoted together, so the facts are
 *     about all of them:
 *
 *       enabled  wanted  writable  automatic  openers      next
 *       yes      > 0     no        any        any          PROMOTE
 *       any      0       any       primary    0            DEMOTE
 *       else                                               NOTHING
 *
 *     An automatic primary goes back also if the setting was switched off meanwhile: what opening
 *     did, closing undoes. An opener is wanted until it is counted as an opener, or has left; so
 *     whoever gives up (killed, too late) leaves no promotion behind, and whoever comes in time
 *     keeps the one that is there.
 *
 * (2) Which refusals may pass within the two seconds that an opener waits for them: those that are
 *     about the other side's letting go, or about something that is just under way. What a person
 *     has to decide, and what takes a synchronisation, does not pass.
 *
 * (3) What somebody does who waits in open(). It has to see the outcome of a try that began after
 *     it came: an earlier one may have been refused for a reason that it has seen go.
 *
 *       going                                     GONE
 *       writable                                  OPEN
 *       switched off, or out of time              REFUSED
 *       a try that began since has ended, and
 *         its refusal does not pass               REFUSED
 *         the patience is over                    REFUSED
 *       else                                      WAIT
 */
#ifndef LOCKSTEP_CORE_AUTOROLE_H
#define LOCKSTEP_CORE_AUTOROLE_H

#include "os.h"
#include "state.h"

#define AUTOROLE_PATIENCE_MS	2000u	/* for refusals that may pass */
#define AUTOROLE_AGAIN_MS	100u	/* between two tries */

enum autorole_next {
	AUTOROLE_NOTHING,
	AUTOROLE_PROMOTE,
	AUTOROLE_DEMOTE,
};

struct autorole_facts {
	bool enabled;
	bool primary, automatic;	/* of struct lockstep_state */
	bool writable;			/* all volumes */
	u32 wanted;			/* who waits in open() */
	u32 openers;			/* of all volumes, for reading, too */
};

enum autorole_next autorole_next(const struct autorole_facts *f);

bool autorole_may_pass(enum state_refusal r);

enum autorole_wait {
	AUTOROLE_WAIT,
	AUTOROLE_OPEN,
	AUTOROLE_REFUSED,
	AUTOROLE_GONE,
};

struct autorole_opener {
	bool enabled;			/* the setting, now */
	bool going, writable;		/* the volume */
	u32 came;			/* tries begun when it came */
	u32 ended;			/* number of the last try that has ended */
	bool may_pass;			/* that one's refusal */
	u64 waited_ms, limit_ms;	/* limit: whatever happens */
};

enum autorole_wait autorole_wait(const struct autorole_opener *o);

/* Has a try that began since it came ended? */
bool autorole_saw_one(const struct autorole_opener *o);

/* The longest anybody waits: the peer's answer to the last question, and the patience before it. */
u64 autorole_limit_ms(u32 timeout_ms);

#endif /* LOCKSTEP_CORE_AUTOROLE_H */
