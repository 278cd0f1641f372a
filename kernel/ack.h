/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who takes what arrives on a stream: its thread, or the network's own context.
 *
 * An acknowledgement of a write is 48 bytes, needs no memory and nothing that sleeps. Waking a
 * thread for it costs two context switches, on a fast network a good part of the whole write. So
 * while the thread has nothing to do it hands the socket over: acknowledgements are then taken
 * where they arrive, in the softirq that processes the segment, and the application's bio completes
 * from there. Whatever else arrives wakes the thread, once there is enough of it to be worth it,
 * and the thread takes the socket back.
 *
 *   the socket is with   on arrival of        what happens
 *   the thread           anything             it reads, message by message (recv.c)
 *   the softirq          whole acks           the calls end here; it stays with the softirq
 *                        anything else        left in the socket; the thread takes over, as soon
 *                                             as core/turn.h says
 *                        its end              the thread takes over, and finds out which
 *
 * The thread hands over when the socket is empty, at a message's border. While it waits it is also
 * the one to send what a disk's completion has to answer: who is awake for nothing else answers
 * sooner than a worker that has to be found first.
 *
 * `thread_receives` says who; it changes under the socket's lock alone, as both sides have it. So
 * whoever takes the socket back by that lock (shutdown does) knows that nobody is at work in
 * softirq.
 */
#ifndef LOCKSTEP_ACK_H
#define LOCKSTEP_ACK_H

#include <linux/types.h>

struct lockstep_stream;

/* Watch the socket. Its thread has it at first, and always if it has another user. */
void lockstep_ack_init(struct lockstep_stream *st);
/* The socket is as before. The thread has ended. */
void lockstep_ack_exit(struct lockstep_stream *st);

/* The thread, at a message's border, has nothing to read: returns when it is its turn again. */
void lockstep_ack_hand_over(struct lockstep_stream *st);
/* There is an answer in the send queue. Any context. */
void lockstep_ack_answer(struct lockstep_stream *st);
/* The thread gets the socket back, whatever is there. May sleep. */
void lockstep_ack_take_back(struct lockstep_stream *st);

#endif /* LOCKSTEP_ACK_H */
