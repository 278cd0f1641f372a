/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is known of all resources, kernel's half and daemon's half together, and what changes in it:
 * each change becomes one event (tools/lib/event.h) with the next number of this daemon's stream.
 *
 * The kernel's half comes by its events, one by one, so that nothing short is missed, and by dumps,
 * which make good what an event does not carry. A dump that was taken while events arrived may be
 * older than they are and is not shown to watch_kernel_model(): that is the caller's to see to.
 * After events were lost the next dump is followed by the state of everything.
 *
 * A phase counts as one only when it has lasted: a daemon that tries to connect every few seconds
 * goes through half a dozen, and says nothing new by it. So does a resource that the daemon has and
 * the kernel has not.
 */
#ifndef LOCKSTEPD_WATCH_H
#define LOCKSTEPD_WATCH_H

#include <systemd/sd-event.h>

#include "event.h"
#include "nl.h"

struct watch;

#define WATCH_STEADY_MS	200		/* a phase that has lasted */

/* The daemon's half, of all resources; *ret is one block, freed here. Negative: no memory. */
typedef int (*watch_facts_fn)(void *arg, struct model_daemon **ret, size_t *ret_nr);

int watch_create(sd_event *event, watch_facts_fn facts, void *arg, struct watch **ret);
void watch_destroy(struct watch *w);		/* NULL is fine */

struct watch_ops {
	void (*event)(void *arg, const struct event *ev);
	/* The state of everything is to be told: watch_states(). */
	void (*resynced)(void *arg);
};

#define WATCH_LISTENERS	2

/* For as long as the watch lives. */
void watch_listen(struct watch *w, const struct watch_ops *ops, void *arg);

void watch_kernel_event(struct watch *w, const struct nl_event *ev);
void watch_kernel_model(struct watch *w, const struct model *m);
/* Events were lost: the next watch_kernel_model() says so, with this text, and all there is. */
void watch_kernel_lost(struct watch *w, const char *text);
bool watch_is_lost(const struct watch *w);
/* Something of the daemon's may be different: looked at in the next turn of the loop. */
void watch_facts_changed(struct watch *w);

/* Number of the last event, and the name of this daemon's stream: numbers of another one differ. */
u64 watch_seq(const struct watch *w);
const char *watch_stream(const struct watch *w);
const struct model *watch_model(const struct watch *w);
/* Number of the last event about this one, 0: none yet. */
u64 watch_last_seq(const struct watch *w, const char *name);

u64 watch_wall_ms(void);

#endif /* LOCKSTEPD_WATCH_H */
