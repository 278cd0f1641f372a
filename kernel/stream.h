/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A stream: one TCP connection of a session. Knows messages and slots, not what they are for.
 *
 * Sending. A message is a struct lockstep_tx on the send queue; whoever holds send_lock moves the
 * queue into the socket. A submitter tries that at once without blocking; when the socket is full
 * or somebody else is sending, a worker goes on. A message is off the queue before its first byte
 * is sent, and after its last byte is handed to TCP it is not touched again unless it has a `sent`
 * function: the answer may already be completing, and freeing, what it is embedded in.
 *
 * Receiving. By a thread (recv.c); acknowledgements in softirq while it has nothing to do (ack.h).
 *
 * Calls. A request that the peer answers is a struct lockstep_call: it takes a slot (the
 * flow-control credit), or waits for one in order. Each call ends exactly once, by done(): with the
 * peer's status, or LOCKSTEP_CALL_LOST when the session ends first.
 */
#ifndef LOCKSTEP_STREAM_H
#define LOCKSTEP_STREAM_H

#include <linux/bio.h>
#include <linux/completion.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/net.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include "pages.h"
#include "slots.h"
#include "wire.h"

struct lockstep_session;
struct sock;

struct lockstep_tx {
	struct list_head node;
	struct lockstep_wire_hdr hdr;
	struct bio *payload;		/* NULL: none. Its bi_iter is not moved */
	/*
	 * TCP may have the payload's pages instead of a copy of them: nobody changes them while it
	 * has, also if it is asked to send some once more after the answer has come, or after the
	 * session's end.
	 */
	bool lends_pages;
	/*
	 * Called once when the message is sent, or when it never will be; NULL: do not touch after.
	 */
	void (*sent)(struct lockstep_tx *tx);
};

#define LOCKSTEP_CALL_LOST	(-1)

struct lockstep_call {
	struct lockstep_tx tx;
	/* waiting for a slot, or collected after the session's end */
	struct list_head node;
	struct lockstep_stream *stream;	/* filled in by lockstep_stream_call */
	unsigned long since;		/* jiffies, when it got its slot */
	struct wire_msg msg;		/* slot and slot_gen are filled in when it gets one */
	/*
	 * Where an answer's payload goes: for READ the part of the vectors that rx_iter covers, of
	 * the extent's length; for CSUM wire_sums_bytes() of it. It may be written to until done(),
	 * and holds anything if that says LOCKSTEP_CALL_LOST.
	 */
	const struct bio_vec *rx_vec;
	struct bvec_iter rx_iter;
	__le64 *rx_sums;
	/*
	 * status: enum lockstep_wire_status or LOCKSTEP_CALL_LOST. Process context, may not sleep
	 * long. `soft`: with LOCKSTEP_WS_OK also softirq.
	 */
	void (*done)(struct lockstep_call *call, int status);
	bool soft;
};

struct lockstep_stream {
	/* Immutable while the session lives. */
	struct lockstep_session *session;
	struct socket *sock;
	u32 number;

	struct mutex send_lock;
	/* Under send_lock: the message being sent. cur is also looked at without it. */
	struct lockstep_tx *cur;
	u32 hdr_sent;
	struct bvec_iter iter;

	spinlock_t lock;
	/* Under lock. */
	struct list_head queue;		/* messages to send */
	struct list_head waiting;	/* calls without a slot */
	struct slots slots;
	u32 window_bytes;		/* what the calls in flight take in the peer's memory */
	bool dead;			/* no more calls and messages */

	/* Who receives: see ack.h. Changed under the socket's lock. */
	bool thread_receives;
	bool is_watched;		/* immutable: whether it can be somebody else */
	wait_queue_head_t turn;		/* the thread waits for its own */
	bool idle, answers;		/* it waits; it is to send answers */
	void (*old_data_ready)(struct sock *sk);
	void (*old_state_change)(struct sock *sk);

	struct work_struct send_work;
	struct task_struct *recv_task;
	struct completion recv_done;
	unsigned long last_recv;	/* jiffies; by whoever receives, for the ping worker */
	atomic_t peer_requests;		/* of the peer, not answered: it must keep to its credits */
	atomic_t peer_bytes;		/* what those take in our memory */
	spinlock_t disk_lock;
	struct list_head at_disk;	/* of them, the oldest first; under disk_lock */
	struct lockstep_pages pages;	/* for what they carry, and for answers with data */
	struct slot slot[LOCKSTEP_STREAM_SLOTS];
};

/* Takes its own reference on the socket behind fd. */
struct lockstep_stream *lockstep_stream_create(struct lockstep_session *s, u32 number, int fd);
void lockstep_stream_destroy(struct lockstep_stream *st);	/* after stop */

/* Start receiving. */
int lockstep_stream_start(struct lockstep_stream *st);

/*
 * End it: nothing is sent or received after this, unsent messages got their sent(), and the socket
 * is gone together with whatever TCP had not delivered. Open calls are moved to `lost`, for the
 * caller to end.
 */
void lockstep_stream_stop(struct lockstep_stream *st, struct list_head *lost);

/* Unblock everything that waits on the socket. Any context that may sleep. */
void lockstep_stream_shutdown(struct lockstep_stream *st);

/* Ask the peer. False: the stream is dead, done() will not be called. Process context. */
bool lockstep_stream_call(struct lockstep_stream *st, struct lockstep_call *call);

/*
 * The peer's answer, in the receiving thread: the call it belongs to, if it is of a kind, and about
 * the extent, that the call has asked for; else NULL. The call keeps its slot, and so is not lost,
 * until it is ended.
 */
struct lockstep_call *lockstep_stream_answered(struct lockstep_stream *st,
					       const struct wire_msg *msg);
/* Its payload has come: end it. */
void lockstep_stream_end_call(struct lockstep_stream *st, struct lockstep_call *call, u16 status);

/*
 * The same two in softirq, for a call that is `soft` and an answer of LOCKSTEP_WS_OK. NULL also
 * where the thread would have to wait a moment.
 */
struct lockstep_call *lockstep_stream_answered_soft(struct lockstep_stream *st,
						    const struct wire_msg *msg);
void lockstep_stream_end_call_soft(struct lockstep_stream *st, struct lockstep_call *call);

/* Has a call been without an answer for LOCKSTEP_ANSWER_MS? */
bool lockstep_stream_is_overdue(struct lockstep_stream *st);

/* Queue a message. Any context. If the stream is dead its sent() is called at once. */
void lockstep_stream_queue(struct lockstep_stream *st, struct lockstep_tx *tx);
/* Send what is queued: at once if possible (process context), else by the worker. */
void lockstep_stream_kick(struct lockstep_stream *st);
void lockstep_stream_kick_worker(struct lockstep_stream *st);	/* any context */

#endif /* LOCKSTEP_STREAM_H */
