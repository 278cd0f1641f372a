/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fencing of one resource: runs the program when the kernel waits for it or a promotion asks, and
 * tells the kernel what came of it, about the loss it was begun for. What an outcome means and what
 * runs when: fence-judge.h.
 *
 * Nothing of it is remembered: a daemon that comes back finds the kernel waiting and runs the
 * program again, which therefore has to bear that. The outcome of a program that was begun before
 * the peer was back is refused by the kernel, which counts sessions.
 */
#ifndef LOCKSTEPD_FENCE_H
#define LOCKSTEPD_FENCE_H

#include "peer.h"

struct fence;

struct fence *fence_create(const char *name, const struct peer_env *env);
/* A program that is running is killed. A promotion that waits is answered: no. */
void fence_destroy(struct fence *f);		/* NULL is fine */

/* Borrowed until the next call. */
void fence_set_conf(struct fence *f, const struct conf *conf, int self);

/* What the kernel says (NULL: it does not have it); held_until_ms: of peer_held_until(). */
void fence_look(struct fence *f, const struct model_resource *r, u64 held_until_ms);

/*
 * May we be promoted without the peer? One at a time. done() comes always, perhaps before this
 * returns; e NULL: yes, if there was no session since `round`.
 */
typedef void (*fence_asked_fn)(void *arg, const struct err *e);

void fence_ask(struct fence *f, u32 round, fence_asked_fn done, void *arg);

/* Why it still waits; what[0] is 0 if nothing is wrong. */
const struct err *fence_problem(const struct fence *f, u64 *ret_since_s);

#endif /* LOCKSTEPD_FENCE_H */
