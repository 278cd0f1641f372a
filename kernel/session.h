/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A session: what the two sides agreed on, and the streams that carry it. Announced, filled with
 * sockets and started by the daemon; ended by whoever notices first that it is over. A session is
 * never resumed: what comes after is a new one, with a new id and a higher epoch (P6).
 *
 * Ending. lockstep_session_fail() may be called from anywhere that may sleep, any number of times:
 * it records why, unblocks the sockets and posts the event. The state worker then runs
 * lockstep_session_end_locked() under ctl, which returns when nothing of the session is left: no
 * thread, no write for the peer at the disk, no answer to come.
 */
#ifndef LOCKSTEP_SESSION_H
#define LOCKSTEP_SESSION_H

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/workqueue.h>
#include <lockstep/limits.h>
#include "stream.h"

struct lockstep_resource;

struct lockstep_session {
	/* Immutable once it is published in resource.session. */
	struct lockstep_resource *res;
	u64 id, epoch, peer_boot_id;
	u32 peer_role;			/* from the peer's hello */
	u32 timeout_ms, nr_streams;
	struct lockstep_stream *stream[LOCKSTEP_MAX_STREAMS];

	atomic_t failed;		/* first failure wins */
	bool started;			/* under resource.ctl */
	/* peer's requests at our disk, or whose answers are unsent */
	atomic_t busy;
	struct completion idle;		/* busy has come down to 0 */
	unsigned long opened;		/* jiffies */
	struct delayed_work ping_work;
	struct lockstep_beat {
		struct lockstep_tx tx;
		unsigned long queued;	/* bit 0: it is in the queue, so not to be touched */
	} ping, pong;
};

/* Under resource.ctl. Errors carry a sentence in `why`. */
struct lockstep_session *lockstep_session_open_locked(struct lockstep_resource *res, u64 id,
						      u64 epoch, u64 peer_boot_id, u32 peer_role,
						      u32 nr_streams, u32 timeout_ms);
int lockstep_session_stream_locked(struct lockstep_session *s, u32 number, int fd, char *why,
				   size_t len);

/*
 * Streams run. The caller has done what the verdict asks for on disk, and publishes the io mode
 * itself.
 */
int lockstep_session_start_locked(struct lockstep_session *s);

/*
 * End the session of `res`, whatever its phase. Sets io_mode so that writes are held before
 * anything else. Open calls are ended with LOCKSTEP_CALL_LOST. Returns true if one of them belonged
 * to an application.
 */
bool lockstep_session_end_locked(struct lockstep_resource *res);

/* It is over: why, and the error that showed it (0: none). */
void lockstep_session_fail(struct lockstep_session *s, const char *why, int err);

/* The stream for a request submitted here; for this and the next, see core/streampick.h. */
struct lockstep_stream *lockstep_session_stream(struct lockstep_session *s);
/* A stream for a large request that nobody waits for; turn counts those. */
struct lockstep_stream *lockstep_session_bulk_stream(struct lockstep_session *s, u32 turn);

/*
 * Send a message without payload or slot on stream 0. `arg`: see wire.h. GFP_NOIO; failure ends the
 * session.
 */
void lockstep_session_tell(struct lockstep_session *s, u8 type, u16 volume, u16 status, u64 arg);

/* Answer a ping; several that come before the answer is sent get one. */
void lockstep_session_pong(struct lockstep_session *s);

/*
 * Have the peer flush its copy of a volume, and wait for it. `must`: if it cannot, the session
 * ends, because what it cannot make stable it does not have. 0, -ENOTCONN (no session, or it
 * ended), -EIO, -ETIMEDOUT. Not with ctl held: the end of the session ends the waiting.
 */
int lockstep_session_flush_peer(struct lockstep_resource *res, u32 number, bool must);

/* A peer's request is in our hands / no longer. */
void lockstep_session_busy(struct lockstep_session *s);
void lockstep_session_idle(struct lockstep_session *s);

#endif /* LOCKSTEP_SESSION_H */
