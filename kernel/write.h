/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One application write or flush, from the inside: shared by request.c, which starts and completes
 * it, and park.c, which keeps what cannot complete yet. See request.h.
 */
#ifndef LOCKSTEP_WRITE_H
#define LOCKSTEP_WRITE_H

#include <linux/bio.h>
#include <linux/list.h>
#include "ranges.h"
#include "regionmap.h"
#include "request.h"
#include "stream.h"
#include "submit.h"

struct lockstep_resource;
struct lockstep_session;
struct lockstep_volume;

/* Who has the local bio; moved by xchg and cmpxchg alone. */
enum local_state {
	LOCAL_NONE,			/* not started, or there is no disk */
	LOCAL_PENDING,			/* at the disk */
	LOCAL_DONE,
	LOCAL_ABANDONED,		/* at a disk that was given up: its end means nothing */
};

#define PARK_PEER	1u
#define PARK_LOCAL	2u

struct lockstep_request {
	struct lockstep_volume *vol;
	struct bio *master;		/* the application's; gone once it has completed */
	struct lockstep_range range;
	struct lockstep_region_wait region;
	struct lockstep_waiter wait;
	struct list_head flush_node;	/* flushes of the volume, under io_lock */
	struct list_head orphan;	/* under io_lock */
	u8 parked;			/* PARK_*, under io_lock */
	struct lockstep_call call;
	u64 call_epoch;			/* the session it was made in; 0: none */
	/* local disk, peer, and the submitter while it starts both */
	atomic_t pending;
	atomic_t local;			/* enum local_state */
	atomic_t holders;		/* of the memory: the request and an abandoned bio */
	unsigned long start;		/* for I/O accounting */
	u64 start_ns;			/* for the pacing of what runs beside it */
	unsigned long local_start;	/* jiffies; good while LOCAL_PENDING: submit.job's */
	struct lockstep_submit submit;	/* its job also: zeroes that the disk cannot write itself */
	u64 asked_epoch;		/* flush of the peer: flushnote.h */
	u32 flush_failures, flush_errors;	/* when it began: here, there */
	blk_status_t status;		/* of the local disk */
	bool peer_failed;		/* so says the peer, which has the only copy */
	bool through;			/* it had, when it answered */
	bool is_flush;			/* no data, no range */
	bool flushing, fua;		/* PREFLUSH, with data or without, and FUA, as it came */
	bool both;			/* acknowledged by the peer: may clear marks */
	bool alone;			/* begun without the peer; a flush may get there yet */
	bool resent;			/* in a session through which we work */
	bool holds_pages;		/* abandoned, with a reference on each page */
	bool shared;			/* the bio's vectors are the application's */
	u16 nr_vecs;			/* of the clone: a worker may be making it anew */
	struct bio clone;		/* last: the bio set puts its vectors behind it */
};

/* One of `pending` is settled; the last one completes it. Any context. */
void lockstep_write_put(struct lockstep_request *req);
/* The bio's memory; an abandoned bio has a share in it. */
void lockstep_write_put_memory(struct lockstep_request *req);
/* Every block it touches, out of sync. May sleep. */
void lockstep_write_mark(struct lockstep_request *req);
/* To the peer. Its part is parked if that is not possible. Under mode_srcu. */
void lockstep_write_send(struct lockstep_request *req, struct lockstep_session *s);
/* It ends with an error, before it was started. */
void lockstep_write_refuse(struct lockstep_request *req);
/* The write this range, waiter or call belongs to; NULL: somebody else's. */
struct lockstep_request *lockstep_write_of_range(struct lockstep_range *r);
struct lockstep_request *lockstep_write_of_waiter(struct lockstep_waiter *w);
struct lockstep_request *lockstep_write_of_region(struct lockstep_region_wait *w);
struct lockstep_request *lockstep_write_of_call(const struct lockstep_call *call);

/* The local part has ended without a result that counts. Any context. */
void lockstep_park_local(struct lockstep_request *req);
/* The session ended without the peer's answer. May sleep. */
void lockstep_park_peer(struct lockstep_request *req);
/* A bio comes back from a disk that was given up. Any context. */
void lockstep_park_late(struct lockstep_request *req);
/* These have been taken off the list of orphans: they end with the status they have. */
void lockstep_park_end(struct lockstep_resource *res, struct list_head *orphans);

#endif /* LOCKSTEP_WRITE_H */
