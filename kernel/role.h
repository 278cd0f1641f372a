/* SPDX-License-Identifier: GPL-2.0 */
/* Promotion and demotion: the parts that wait, around the state machine, which decides. */
#ifndef LOCKSTEP_ROLE_H
#define LOCKSTEP_ROLE_H

#include <linux/types.h>
#include "state.h"

struct lockstep_resource;
struct lockstep_volume;

struct lockstep_promotion {
	bool force;
	bool fenced;		/* the peer's fencing succeeded, in this round */
	u32 fence_round;
	bool automatic;		/* because somebody opens it: auto.h */
	enum state_refusal refusal;	/* the answer; STATE_OK also of an error */
};

/*
 * Those that are not _locked take resource.ctl themselves, wait no longer than the session's
 * time-out for the peer, and put a sentence into `why` when they refuse.
 */
int lockstep_role_promote(struct lockstep_resource *res, struct lockstep_promotion *p, char *why,
			  size_t len);
/* automatic: -ECANCELED if it is a person's promotion, or has become one meanwhile. */
int lockstep_role_demote(struct lockstep_resource *res, bool automatic, char *why, size_t len);
/*
 * A split brain, and what was written here is to be given up: on all volumes, durably, or -errno
 * with a sentence; then some may have got there and some not, and it may be repeated (gen.h). ctl
 * held.
 */
int lockstep_role_surrender_locked(struct lockstep_resource *res, char *why, size_t len);
/* The session is closed, and the volume goes, or -EBUSY with a sentence. ctl held. */
int lockstep_role_remove_locked(struct lockstep_volume *vol, char *why, size_t len);
/*
 * Demote if need be, close the session, detach and remove everything. Refused, all volumes are
 * there, and it may be repeated; a primary may be secondary then.
 */
int lockstep_role_down(struct lockstep_resource *res, char *why, size_t len);

#endif /* LOCKSTEP_ROLE_H */
