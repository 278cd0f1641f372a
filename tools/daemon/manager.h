/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The resources this daemon looks after: taken up from the kernel at start, added and removed on
 * request. Carries requests out, each in a job, one at a time for each resource; hands what
 * arrives at the ports to the right peer; and compares, every few seconds and whenever the kernel
 * says something, what the kernel has with what the peers believe.
 *
 * Never touches a device or a session unless a request says so: going away leaves everything as
 * it is.
 */
#ifndef LOCKSTEPD_MANAGER_H
#define LOCKSTEPD_MANAGER_H

#include <systemd/sd-event.h>

#include "ctl.h"
#include "kern.h"
#include "model.h"
#include "peer.h"

struct manager_options {
	const char *node;		/* who we are; NULL: the file or the host says */
	const char *run_dir;		/* for what must outlive the daemon, not the host */
	const char *state_dir;		/* for what must outlive the host */
	const struct kern *kern;
	const struct trace_ops *trace;	/* NULL: the kernel's */
	u32 phase_ms, ping_ms, dead_ms, retry_min_ms, retry_max_ms, compare_ms;
	u32 stream_bytes;		/* kept for a reader of events; 0: the default */
	u32 hold_ms;			/* peer.h, peer_held_until() */
	u32 hook_ms;			/* for a program that is told of one; 0: the default */
};

#define MANAGER_DEFAULTS	\
	.phase_ms = 10000, .ping_ms = 2000, .dead_ms = 10000, \
	.retry_min_ms = 100, .retry_max_ms = 2000, .compare_ms = 5000, .hold_ms = 10000

struct manager;

/* Strings in `o` are borrowed. Begins at once to take up what the kernel has. */
int manager_create(sd_event *event, const struct manager_options *o, struct manager **ret);
void manager_destroy(struct manager *m);

/* e NULL: done, and text says so. */
typedef void (*manager_reply_fn)(void *arg, const struct err *e, const char *text);

/*
 * Anything but CTL_STATUS, CTL_EVENTS and CTL_TRACE. The reply may come before this returns, and
 * comes always.
 */
void manager_request(struct manager *m, const struct ctl_request *r, manager_reply_fn reply,
		     void *arg);

/* CTL_TRACE; see peer.h. */
void manager_trace(struct manager *m, const struct ctl_request *q, peer_traced_fn done, void *arg);

/* Facts of one resource (name "": of all). *ret is one block, free() it. */
int manager_facts(struct manager *m, const char *name, struct model_daemon **ret, size_t *ret_nr,
		  struct err *e);

/* From now on fd, taken on success, is told of events; name "": of all resources. */
int manager_listen(struct manager *m, int fd, const char *name, struct err *e);

#endif /* LOCKSTEPD_MANAGER_H */
