/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whose turn it is to take what arrives on a stream: softirq's, where it arrives, or the receiving
 * thread's. kernel/ack.h says why there are two, and carries this out.
 *
 * While the thread is idle the socket is with softirq, and of each message there:
 *
 *   message                     what softirq does with it
 *   ack, status ok, our epoch   ends the call, if that may be ended there (turn_is_soft)
 *   anything else               leaves it and what is behind it; the thread's (turn_need)
 *
 * The thread is woken, and has the socket until it is idle again, when (turn_wakes):
 *
 *   somebody is in a socket call   always: what softirq would end here could want to send, too
 *   else                           `need` bytes are there: the message, or enough of a long one, or
 *                                  a header that cannot be judged here; or a quarter of the
 *                                  socket's buffer, as more than fits would never be there
 *
 * Left lying is only the beginning of a message, whose rest is on its way: a sender finishes what
 * it has begun, or the session ends of its silence.
 *
 * A payload the thread takes part by part (turn_part), each when it is there as a whole: to be
 * woken for each packet costs more than to take it.
 *
 *   left of it, or a quarter of the buffer   the part
 *   <= TURN_ENOUGH_BYTES                     all that is left, as it comes
 *   else                                     the least of both and TURN_PART_BYTES
 */
#ifndef LOCKSTEP_CORE_TURN_H
#define LOCKSTEP_CORE_TURN_H

#include "os.h"
#include "wire.h"

/* A longer message does not have to be there as a whole. */
#define TURN_ENOUGH_BYTES	16384u

/* Long enough for few wake-ups, short enough to be taken while the next part arrives. */
#define TURN_PART_BYTES		65536u

bool turn_is_soft(const struct wire_msg *m, u64 epoch);

/*
 * Bytes, counted from a message's header on, that are worth waking the thread for. m: decoded, or
 * NULL: it is torn, or flawed, and the thread will say which.
 */
u32 turn_need(const struct wire_msg *m, u64 epoch);

/* queued: bytes in the socket that nobody has taken; room: size of its buffer. */
bool turn_wakes(bool owned, u32 queued, u32 need, u32 room);

/*
 * Bytes of a payload, of which `left` are to come, that the thread is to take next; room as above.
 * ret_wait: it sleeps until all of them are there.
 */
u32 turn_part(u32 left, u32 room, bool *ret_wait);

#endif /* LOCKSTEP_CORE_TURN_H */
