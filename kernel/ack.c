// SPDX-License-Identifier: GPL-2.0
#include "ack.h"

#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <net/sock.h>
#include <net/tcp.h>
#include "session.h"
#include "stream.h"
#include "trace.h"
#include "turn.h"

/* ---- in softirq ----------------------------------------------------------------------------- */

struct arrived {
	struct lockstep_stream *st;
	u32 need;		/* bytes in the socket that are worth waking the thread */
};

/* False: not for us, or not now; the thread looks at it anew, and says what is wrong with it. */
static bool take(struct arrived *a, const struct lockstep_wire_hdr *hdr)
{
	struct lockstep_stream *st = a->st;
	u64 epoch = st->session->epoch;
	struct lockstep_call *call;
	struct wire_msg msg;

	if (wire_msg_decode(hdr, &msg))
		return false;
	a->need = turn_need(&msg, epoch);
	if (!turn_is_soft(&msg, epoch))
		return false;
	call = lockstep_stream_answered_soft(st, &msg);
	if (!call)
		return false;
	trace_lockstep_msg_received(st, &msg, NULL);
	lockstep_stream_end_call_soft(st, call);
	return true;
}

/* Bytes taken: whole headers only. One that is torn between two buffers is the thread's. */
static int take_all(read_descriptor_t *desc, struct sk_buff *skb, unsigned int offset, size_t len)
{
	struct arrived *a = desc->arg.data;
	struct lockstep_wire_hdr hdr;
	size_t done = 0;

	while (len - done >= sizeof(hdr)) {
		a->need = turn_need(NULL, 0);
		if (skb_copy_bits(skb, offset + done, &hdr, sizeof(hdr)) || !take(a, &hdr))
			break;
		done += sizeof(hdr);
	}
	return done;
}

static void to_thread(struct lockstep_stream *st)
{
	WRITE_ONCE(st->thread_receives, true);
	wake_up(&st->turn);
}

static void receive(struct lockstep_stream *st, struct sock *sk)
{
	struct arrived a = { .st = st, .need = turn_need(NULL, 0) };
	read_descriptor_t desc = { .arg.data = &a, .count = 1 };
	bool owned = sock_owned_by_user_nocheck(sk);

	if (!owned && tcp_read_sock(sk, &desc, take_all) > 0)
		WRITE_ONCE(st->last_recv, jiffies);
	if (turn_wakes(owned, tcp_inq(sk), a.need, READ_ONCE(sk->sk_rcvbuf)))
		to_thread(st);
}

/*
 * Under the socket's lock: its spinlock, in softirq, or by its owner, who works off what arrived
 * meanwhile.
 */
static void data_ready(struct sock *sk)
{
	struct lockstep_stream *st;

	read_lock_bh(&sk->sk_callback_lock);
	st = sk->sk_user_data;
	if (st && st->thread_receives)
		st->old_data_ready(sk);
	else if (st)
		receive(st, sk);
	read_unlock_bh(&sk->sk_callback_lock);
}

static void state_change(struct sock *sk)
{
	struct lockstep_stream *st;

	read_lock_bh(&sk->sk_callback_lock);
	st = sk->sk_user_data;
	if (st) {
		st->old_state_change(sk);
		to_thread(st);
	}
	read_unlock_bh(&sk->sk_callback_lock);
}

/* ---- the thread's side ---------------------------------------------------------------------- */

void lockstep_ack_init(struct lockstep_stream *st)
{
	struct sock *sk = st->sock->sk;

	init_waitqueue_head(&st->turn);
	st->thread_receives = true;
	write_lock_bh(&sk->sk_callback_lock);
	if (!sk->sk_user_data) {
		sk->sk_user_data = st;
		st->old_data_ready = sk->sk_data_ready;
		st->old_state_change = sk->sk_state_change;
		sk->sk_data_ready = data_ready;
		sk->sk_state_change = state_change;
		st->is_watched = true;
	}
	write_unlock_bh(&sk->sk_callback_lock);
}

void lockstep_ack_exit(struct lockstep_stream *st)
{
	struct sock *sk = st->sock->sk;

	if (!st->is_watched)
		return;
	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_data_ready = st->old_data_ready;
	sk->sk_state_change = st->old_state_change;
	sk->sk_user_data = NULL;
	write_unlock_bh(&sk->sk_callback_lock);
}

static bool is_over(const struct sock *sk)
{
	return sk->sk_state != TCP_ESTABLISHED || sk->sk_err || sk->sk_shutdown & RCV_SHUTDOWN;
}

/*
 * Not for ever: a session's silence, and its end, come with a shutdown of the socket. `idle` is set
 * before `answers` is looked at, and whoever sets that looks at `idle` after it: one of the two
 * sees the other.
 */
static void wait_for_turn(struct lockstep_stream *st)
{
	while (!READ_ONCE(st->thread_receives)) {
		smp_store_mb(st->idle, true);
		wait_event_idle(st->turn,
				READ_ONCE(st->thread_receives) || READ_ONCE(st->answers));
		WRITE_ONCE(st->idle, false);
		if (xchg(&st->answers, false))
			lockstep_stream_kick(st);
	}
}

/*
 * Empty is looked at under the lock under which data arrive: what comes after that finds the
 * softirq in charge, and what came before is seen here. Likewise with the connection's end.
 */
void lockstep_ack_hand_over(struct lockstep_stream *st)
{
	struct sock *sk = st->sock->sk;

	if (!st->is_watched)
		return;
	lock_sock(sk);
	if (skb_queue_empty(&sk->sk_receive_queue) && !is_over(sk) && !READ_ONCE(st->dead))
		WRITE_ONCE(st->thread_receives, false);
	release_sock(sk);
	wait_for_turn(st);
}

void lockstep_ack_answer(struct lockstep_stream *st)
{
	smp_store_mb(st->answers, true);
	if (READ_ONCE(st->idle))
		wake_up(&st->turn);
	else
		lockstep_stream_kick_worker(st);
}

void lockstep_ack_take_back(struct lockstep_stream *st)
{
	struct sock *sk = st->sock->sk;

	lock_sock(sk);
	to_thread(st);
	release_sock(sk);
}
