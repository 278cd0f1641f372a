/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One resource as the daemon sees it: its plan, its listening sockets, its peer, and the flag
 * that keeps it disconnected. Knows no requests.
 */
#ifndef LOCKSTEPD_RESOURCE_H
#define LOCKSTEPD_RESOURCE_H

#include "fence.h"
#include "peer.h"
#include "plan.h"

struct resource {
	struct resource *next;
	char name[LOCKSTEP_NAME_BYTES];
	const struct peer_env *env;
	const char *run_dir;
	struct plan plan;		/* conf NULL: it could not be read, see problem */
	u32 nr_listening;		/* of plan.listen, in order */
	struct peer *peer;		/* NULL like plan.conf */
	struct fence *fence;
	bool stay_off;
	struct err problem;		/* of its own; the peer has others */
	u64 problem_since_s;
};

struct resource *resource_create(const char *name, const struct peer_env *env,
				 const char *run_dir);
void resource_destroy(struct resource *r);	/* the kernel keeps what it has */

/* Take the plan (consumed) and look for the peer, unless told to stay off. */
int resource_set_plan(struct resource *r, struct plan *plan, struct err *e);
void resource_set_problem(struct resource *r, const struct err *e);

/* Remembered in a file: it outlives the daemon, and not the host. */
int resource_stay_off(struct resource *r, bool off, struct err *e);

void resource_facts(const struct resource *r, struct model_daemon *ret);

#endif /* LOCKSTEPD_RESOURCE_H */
