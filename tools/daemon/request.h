/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The part of a request that waits: one command about one resource, carried out in a job. What it
 * means for the daemon's own state is decided by the manager when it comes back.
 */
#ifndef LOCKSTEPD_REQUEST_H
#define LOCKSTEPD_REQUEST_H

#include "ctl.h"
#include "job.h"
#include "kern.h"
#include "plan.h"

struct request {
	struct job job;
	struct request *next;		/* of the owner's list */
	void *owner;			/* NULL: nobody waits any more */
	void (*done)(struct request *r);	/* in the loop; frees it */
	void (*reply)(void *arg, const struct err *e, const char *text);
	void *arg;
	/* In. */
	enum ctl_command command;
	bool adopt;			/* with CTL_UP: the kernel has it, take it up as it is */
	char name[LOCKSTEP_NAME_BYTES];
	char node[LOCKSTEP_NAME_BYTES];
	bool force;
	bool has_volume;
	u32 volume;
	u64 size_sect;
	bool fenced;			/* of CTL_PROMOTE: the peer was, in fence_round */
	const struct kern *kern;
	const char *state_dir;		/* sizes.h */
	/* Out. */
	int ret;
	struct err e;
	struct plan plan;		/* of CTL_UP and CTL_ATTACH */
	bool made_new;			/* something was made in the kernel */
	bool was_there;			/* of CTL_DOWN */
	u32 nr_attached;		/* of CTL_ATTACH; also when it failed later */
	u64 max_sect;			/* of CTL_RESIZE: what our disk can give */
	u64 now_sect;			/* ... and the size as it is */
	u32 fence_round;		/* of CTL_PROMOTE, with ret -ENOTUNIQ; then in */
};

struct request *request_create(enum ctl_command command, const char *name);
void request_start(struct request *r, struct jobs *jobs);
void request_free(struct request *r);

#endif /* LOCKSTEPD_REQUEST_H */
