/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Making one TCP connection without waiting: look the name up (in a job, if it is a name), try
 * each address, hand out the connected socket with its options set. Owner: whoever started it; it
 * ends with done() or dial_cancel().
 */
#ifndef LOCKSTEPD_DIAL_H
#define LOCKSTEPD_DIAL_H

#include <sys/socket.h>
#include <systemd/sd-event.h>

#include "err.h"
#include "job.h"
#include "os.h"

struct dial_addr {
	struct sockaddr_storage ss;
	socklen_t len;
};

struct dial;

/* fd is the callee's from here; -1: e says why not. The dial is gone when this is called. */
typedef void (*dial_done_fn)(void *arg, int fd, const struct dial_addr *to, const struct err *e);

struct dial *dial_name(sd_event *event, struct jobs *jobs, const char *address, u16 port,
		       u32 deadline_ms, dial_done_fn done, void *arg);
struct dial *dial_addr(sd_event *event, const struct dial_addr *to, u32 deadline_ms,
		       dial_done_fn done, void *arg);
void dial_cancel(struct dial *d);	/* NULL is fine */

/* Addresses of a name or number. Waits for name servers unless `numeric`. Returns how many. */
int dial_look_up(const char *address, u16 port, bool numeric, bool passive,
		 struct dial_addr *ret, u32 max, struct err *e);

/* What every socket of ours gets: no Nagle, keepalive. */
void dial_set_options(int fd);

/* "10.0.0.1 port 7400" */
void dial_addr_text(const struct dial_addr *a, char *ret, size_t size);

#endif /* LOCKSTEPD_DIAL_H */
