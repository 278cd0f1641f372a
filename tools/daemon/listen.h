/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Listening sockets and what arrives on them before anyone knows who it is. Control and data
 * connections share a port; the first byte tells them apart. Strangers get little:
 * LISTEN_HALF_OPEN connections in all, of which the oldest makes room for a new one, a deadline
 * for each, and no memory but that of one join message (the TLS library's own aside) until the
 * key is proved.
 */
#ifndef LOCKSTEPD_LISTEN_H
#define LOCKSTEPD_LISTEN_H

#include <systemd/sd-event.h>

#include "conn.h"
#include "dial.h"
#include "os.h"
#include "wire.h"

#define LISTEN_HALF_OPEN	32	/* one session's streams may all arrive at once */

enum listen_join {
	LISTEN_TAKEN,		/* the socket is the callee's */
	LISTEN_UNKNOWN,		/* nobody waits for this session, yet */
	LISTEN_REFUSED,
};

struct listen_ops {
	/* A proved control connection: the callee's. */
	void (*control)(void *arg, struct conn *c);
	enum listen_join (*join)(void *arg, int fd, const struct wire_join *j);
	/* Something else came; identity may be "". */
	void (*stranger)(void *arg, u16 port, const char *from, const char *identity,
			 const struct err *why);
};

struct listeners;

int listeners_create(sd_event *event, struct conns *conns, u32 deadline_ms,
		     const struct listen_ops *ops, void *arg, struct listeners **ret);
void listeners_destroy(struct listeners *l);

/* Counted: several resources may share one address. */
int listen_add(struct listeners *l, const struct dial_addr *addr, struct err *e);
void listen_remove(struct listeners *l, const struct dial_addr *addr);

/* A session became known: look again at joins that came too early. */
void listen_look_again(struct listeners *l);

#endif /* LOCKSTEPD_LISTEN_H */
