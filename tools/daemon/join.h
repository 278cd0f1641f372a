/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Opening one data connection: the join messages of include/lockstep/wire.h, proved with the
 * token that the control connection agreed on. Not a byte more than the join is read, because
 * what follows is the kernel's.
 */
#ifndef LOCKSTEPD_JOIN_H
#define LOCKSTEPD_JOIN_H

#include <systemd/sd-event.h>

#include "dial.h"
#include "os.h"
#include "wire.h"

enum join_side {
	JOIN_DIALLER,
	JOIN_LISTENER,
};

/* peer_nonce NULL: all zero. */
void join_prove(const u8 token[LOCKSTEP_KEY_BYTES], enum join_side side, u64 session_id, u32 stream,
		const u8 nonce[32], const u8 peer_nonce[32], u8 ret[32]);

/* Constant time: is `j` proved by that side? */
bool join_is_proved(const u8 token[LOCKSTEP_KEY_BYTES], enum join_side side,
		    const struct wire_join *j, const u8 peer_nonce[32]);

/*
 * Listener: answer a proved join. The socket is fresh, so the answer fits or the socket is
 * broken.
 */
int join_answer(int fd, const u8 token[LOCKSTEP_KEY_BYTES], const struct wire_join *j);

/* Dialler: connect, join, and check the answer. */
struct join_dial;

typedef void (*join_done_fn)(void *arg, u32 stream, int fd, const struct err *e);

struct join_dial *join_dial(sd_event *event, const struct dial_addr *to, u32 deadline_ms,
			    const u8 token[LOCKSTEP_KEY_BYTES], u64 session_id, u32 stream,
			    join_done_fn done, void *arg);
void join_cancel(struct join_dial *j);		/* NULL is fine */

/* Bytes nobody can foresee. Aborts if the kernel has none. */
void join_random(void *ret, size_t len);

#endif /* LOCKSTEPD_JOIN_H */
