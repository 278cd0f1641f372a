/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Those who listen to events: each gets a beginning, the state of what it asked for, and then every
 * change. The daemon waits for none of them: what a reader has not taken is kept up to a bound, and
 * one that falls behind further is told so in a last line and dropped.
 */
#ifndef LOCKSTEPD_STREAM_H
#define LOCKSTEPD_STREAM_H

#include <systemd/sd-event.h>

#include "err.h"
#include "watch.h"

#define STREAM_MAX		64
#define STREAM_QUEUE_BYTES	(1u << 20)	/* kept for a reader, beside the state at first */

struct streams;

/* queue_bytes 0: STREAM_QUEUE_BYTES. */
int streams_create(sd_event *event, struct watch *w, u32 queue_bytes, struct streams **ret);
/* Says that the daemon ends, without waiting for anybody. */
void streams_destroy(struct streams *s);

/* Takes the socket on success. name "": all resources. */
int streams_add(struct streams *s, int fd, const char *name, struct err *e);

#endif /* LOCKSTEPD_STREAM_H */
