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
 * nothing is left that was not there before. *ret_new: something was made. `state_dir`: sizes.h.
 */
int plan_apply(const struct plan *p, const struct kern *kern, const char *state_dir, bool *ret_new,
	       struct err *e);

/*
 * Give volumes a disk again: all that lack one, or (volume not negative) that one whatever the
 * kernel thinks of it. *ret_nr: how many have got one, also when a later one fails.
 */
int plan_attach(const struct plan *p, const struct kern *kern, const char *state_dir, int volume,
		u32 *ret_nr, struct err *e);

/* Remember the sizes of the devices as they are now. */
void plan_note_sizes(const struct kern *kern, const char *name, const char *state_dir);

#endif /* LOCKSTEPD_PLAN_H */
