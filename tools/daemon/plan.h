/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What `up` has to know and to do, apart from the loop: configuration, who we are, the key, where
 * to listen; and making the kernel agree with it. Every function waits (files, name servers, the
 * kernel) and belongs into a job.
 */
#ifndef LOCKSTEPD_PLAN_H
#define LOCKSTEPD_PLAN_H

#include "conf.h"
#include "dial.h"
#include "err.h"
#include "kern.h"

#define PLAN_ADDRS	4

struct plan {
	struct conf *conf;
	int self;			/* index into conf->node */
	u8 key[LOCKSTEP_KEY_BYTES];
	struct dial_addr listen[PLAN_ADDRS];	/* none if we are the one who dials */
	u32 nr_listen;
};

/* `node`: the option, may be "". On success *ret is the caller's, plan_clear() it. */
int plan_load(const char *name, const char *node, struct plan *ret, struct err *e);
void plan_clear(struct plan *p);

/* Do two plans lead to the same connections? */
bool plan_is_same(const struct plan *a, const struct plan *b);

/*
 * Make the resource and its volumes in the kernel, as far as they are not there. On failure
 * nothing is left that was not there before. *ret_new: something was made.
 */
int plan_apply(const struct plan *p, const struct kern *kern, bool *ret_new, struct err *e);

#endif /* LOCKSTEPD_PLAN_H */
