/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One control connection: TLS over a connected socket, whole frames in and out. Knows no phases
 * and no resources. Everything is bounded: one frame of the longest kind is buffered each way,
 * and a sender who does not drain, or a handshake that does not end, is closed.
 *
 * Owner: whoever set the callbacks. A connection that ends by itself calls closed() and is freed
 * after it; conn_close() and conn_finish() end it without a call. Any of them may be used inside
 * any callback.
 */
#ifndef LOCKSTEPD_CONN_H
#define LOCKSTEPD_CONN_H

#include <systemd/sd-event.h>

#include "err.h"
#include "os.h"
#include "tls.h"
#include "wire.h"

struct conn;

struct conn_ops {
	void (*open)(struct conn *c, void *arg);	/* the other end has proved the key */
	/* body is valid during the call only. */
	void (*frame)(struct conn *c, const struct wire_ctl *h, const u8 *body, void *arg);
	void (*drained)(struct conn *c, void *arg);	/* all that was sent is with the socket */
	void (*closed)(struct conn *c, const struct err *why, void *arg);
};

/* Context of all connections of a daemon. */
struct conns;

int conns_create(sd_event *event, tls_find_fn find, void *arg, u32 deadline_ms, struct conns **ret);
void conns_destroy(struct conns *cs);		/* closes all that are left */

/* Both take fd, also when they return NULL (no memory). */
struct conn *conn_dial(struct conns *cs, int fd, const char *identity,
		       const u8 key[LOCKSTEP_KEY_BYTES], const struct conn_ops *ops, void *arg);
struct conn *conn_accept(struct conns *cs, int fd, const struct conn_ops *ops, void *arg);

void conn_set_owner(struct conn *c, const struct conn_ops *ops, void *arg);
/* What the dialler said it is; "" before that. Proved once open. */
const char *conn_identity(const struct conn *c);

/* Queue one frame. -ENOBUFS: the other end does not read; close it. */
int conn_send(struct conn *c, u16 type, const void *body, size_t len);
bool conn_is_drained(const struct conn *c);
/* While paused, frames wait in the buffer. */
void conn_pause(struct conn *c, bool paused);
/* When the last bytes came in. */
u64 conn_heard_ms(const struct conn *c);

void conn_close(struct conn *c);		/* at once; NULL is fine */
void conn_finish(struct conn *c);		/* send what is queued, then close; NULL is fine */

#endif /* LOCKSTEPD_CONN_H */
