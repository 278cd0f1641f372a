// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "lockstep: " fmt

#include "stream.h"

#include <linux/delay.h>
#include <linux/file.h>
#include <linux/kthread.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <net/sock.h>
#include <net/tcp.h>
#include "ack.h"
#include "compat.h"
#include "recv.h"
#include "resource.h"
#include "session.h"
#include "trace.h"

/* ---- sending -------------------------------------------------------------------------------- */

/* The payload's vectors that are still to be sent. */
static u32 vectors_left(const struct lockstep_stream *st, const struct bio_vec *bv)
{
	u32 left = st->iter.bi_size + st->iter.bi_bvec_done, nr = 0;

	while (left) {
		left -= min(left, bv[nr].bv_len);
		nr++;
	}
	return nr;
}

/*
 * n bytes of payload have gone. With the last of them the request may be answered and freed,
 * vectors and all.
 */
static void payload_sent(struct lockstep_stream *st, struct bio *payload, u32 n)
{
	if (n == st->iter.bi_size)
		st->iter.bi_size = 0;
	else
		bvec_iter_advance(payload->bi_io_vec, &st->iter, n);
}

static int send_header(struct lockstep_stream *st, unsigned int flags)
{
	struct msghdr msg = { .msg_flags = flags | MSG_NOSIGNAL };
	struct lockstep_tx *tx = st->cur;
	struct kvec vec = {
		.iov_base = (u8 *)&tx->hdr + st->hdr_sent,
		.iov_len = sizeof(tx->hdr) - st->hdr_sent,
	};
	int n;

	if (tx->payload)
		msg.msg_flags |= MSG_MORE;
	n = kernel_sendmsg(st->sock, &msg, &vec, 1, vec.iov_len);
	if (n > 0)
		st->hdr_sent += n;
	return n;
}

/* What is left of the payload, in one call: the vectors that `iter` still covers. */
static int send_payload(struct lockstep_stream *st, unsigned int flags)
{
	struct msghdr msg = { .msg_flags = flags | MSG_NOSIGNAL };
	struct bio *bio = st->cur->payload;
	const struct bio_vec *bv = __bvec_iter_bvec(bio->bi_io_vec, st->iter);
	int n;

	if (st->cur->lends_pages) {
		n = compat_send_pages(st->sock, bv, vectors_left(st, bv), st->iter.bi_bvec_done,
				      st->iter.bi_size, msg.msg_flags);
	} else {
		compat_iov_iter_bvec_source(&msg.msg_iter, bv, vectors_left(st, bv),
					    st->iter.bi_size);
		msg.msg_iter.iov_offset = st->iter.bi_bvec_done;
		n = sock_sendmsg(st->sock, &msg);
	}
	if (n > 0)
		payload_sent(st, bio, n);
	return n;
}

/* So many vectors are worth a copy of them, to spare a call; and so many bytes one of them. */
#define TOGETHER_VECS	16u
#define TOGETHER_BYTES	16384u

/* Header and payload in one call, if that has few vectors. */
static int send_first(struct lockstep_stream *st, unsigned int flags)
{
	struct msghdr msg = { .msg_flags = flags | MSG_NOSIGNAL };
	struct lockstep_tx *tx = st->cur;
	struct bio *bio = tx->payload;
	struct bio_vec vec[1 + TOGETHER_VECS];
	u8 *hdr = (u8 *)&tx->hdr + st->hdr_sent;
	u32 hdr_left = sizeof(tx->hdr) - st->hdr_sent, nr;
	const struct bio_vec *bv;
	int n;

	if (!bio)
		return send_header(st, flags);
	bv = __bvec_iter_bvec(bio->bi_io_vec, st->iter);
	nr = vectors_left(st, bv);
	if (nr > TOGETHER_VECS || is_vmalloc_addr(hdr) ||
	    (tx->lends_pages && st->iter.bi_size > TOGETHER_BYTES))
		return send_header(st, flags);
	vec[0] = (struct bio_vec){
		.bv_page = virt_to_page(hdr), .bv_offset = offset_in_page(hdr), .bv_len = hdr_left,
	};
	memcpy(vec + 1, bv, nr * sizeof(*bv));
	vec[1].bv_offset += st->iter.bi_bvec_done;
	vec[1].bv_len -= st->iter.bi_bvec_done;
	compat_iov_iter_bvec_source(&msg.msg_iter, vec, 1 + nr, hdr_left + st->iter.bi_size);
	n = sock_sendmsg(st->sock, &msg);
	if (n > 0) {
		st->hdr_sent += min_t(u32, n, hdr_left);
		if (n > hdr_left)
			payload_sent(st, bio, n - hdr_left);
	}
	return n;
}

static bool next_message(struct lockstep_stream *st)
{
	unsigned long flags;

	spin_lock_irqsave(&st->lock, flags);
	st->cur = list_first_entry_or_null(&st->queue, struct lockstep_tx, node);
	if (st->cur)
		list_del_init(&st->cur->node);
	spin_unlock_irqrestore(&st->lock, flags);
	if (!st->cur)
		return false;
	st->hdr_sent = 0;
	if (st->cur->payload)
		st->iter = st->cur->payload->bi_iter;
	return true;
}

/*
 * Move the queue into the socket. 0: it is empty; -EAGAIN: the socket is full (only with
 * MSG_DONTWAIT); else the connection is broken.
 *
 * The `sent` pointer and "is this the last byte" are looked at before the last bytes go out:
 * afterwards the message may be gone (see stream.h).
 */
static int send_queue(struct lockstep_stream *st, unsigned int flags)
{
	lockdep_assert_held(&st->send_lock);
	while (st->cur || next_message(st)) {
		struct lockstep_tx *tx = st->cur;
		void (*sent)(struct lockstep_tx *tx) = tx->sent;
		struct bio *payload = tx->payload;
		/* Nobody but us takes it off: what is held back for it goes out with it. */
		unsigned int more = list_empty_careful(&st->queue) ? 0 : MSG_MORE;
		struct wire_msg note;
		int n = 1;

		lockstep_trace_take(tx, &note);
		while (n > 0 && st->hdr_sent < sizeof(tx->hdr))
			n = send_first(st, flags | more);
		while (n > 0 && payload && st->iter.bi_size)
			n = send_payload(st, flags | more);
		if (n <= 0)
			return n ? n : -EPIPE;
		trace_lockstep_msg_sent(st, &note, NULL);
		smp_store_release(&st->cur, NULL);
		if (sent)
			sent(tx);
	}
	return 0;
}

/* ret of send_queue; false: somebody has to go on later. */
static void send_result(struct lockstep_stream *st, int err)
{
	if (err == -EAGAIN)
		queue_work(lockstep_io_wq, &st->send_work);
	else if (err < 0)
		lockstep_session_fail(st->session, "sending to the peer failed", err);
}

static void send_work(struct work_struct *work)
{
	struct lockstep_stream *st = container_of(work, struct lockstep_stream, send_work);
	unsigned int noio = memalloc_noio_save();
	int err = 0;

	mutex_lock(&st->send_lock);
	/*
	 * Blocks for at most sk_sndtimeo, the session's time-out; then the peer is as good as gone.
	 */
	if (!READ_ONCE(st->dead))
		err = send_queue(st, 0);
	mutex_unlock(&st->send_lock);
	memalloc_noio_restore(noio);
	if (err < 0)
		lockstep_session_fail(st->session, "sending to the peer failed", err);
}

void lockstep_stream_kick_worker(struct lockstep_stream *st)
{
	queue_work(lockstep_io_wq, &st->send_work);
}

void lockstep_stream_kick(struct lockstep_stream *st)
{
	unsigned int noio;
	int err = 0;

	/*
	 * Whoever holds it may have looked at the queue just before our message came: leave it to
	 * the worker.
	 */
	if (!mutex_trylock(&st->send_lock)) {
		lockstep_stream_kick_worker(st);
		return;
	}
	noio = memalloc_noio_save();
	if (!READ_ONCE(st->dead))
		err = send_queue(st, MSG_DONTWAIT);
	memalloc_noio_restore(noio);
	mutex_unlock(&st->send_lock);
	send_result(st, err);
}

void lockstep_stream_queue(struct lockstep_stream *st, struct lockstep_tx *tx)
{
	unsigned long flags;
	bool dead;

	spin_lock_irqsave(&st->lock, flags);
	dead = st->dead;
	if (!dead)
		list_add_tail(&tx->node, &st->queue);
	spin_unlock_irqrestore(&st->lock, flags);
	if (dead && tx->sent)
		tx->sent(tx);
}

/* ---- calls ---------------------------------------------------------------------------------- */

/* Give it a slot and queue it, if there is one and the window has room. */
static bool call_start(struct lockstep_stream *st, struct lockstep_call *call)
{
	lockdep_assert_held(&st->lock);
	/* A single message always fits, or one longer than the window would wait for ever. */
	if (st->window_bytes && st->window_bytes + wire_msg_memory(&call->msg) >
				LOCKSTEP_STREAM_WINDOW_BYTES)
		return false;
	call->msg.slot = slots_get(&st->slots, call, &call->msg.slot_gen);
	if (call->msg.slot == SLOT_NONE)
		return false;
	st->window_bytes += wire_msg_memory(&call->msg);
	call->since = jiffies;
	wire_msg_encode(&call->msg, &call->tx.hdr);
	trace_lockstep_msg_queued(st, &call->msg, call);
	list_add_tail(&call->tx.node, &st->queue);
	return true;
}

bool lockstep_stream_call(struct lockstep_stream *st, struct lockstep_call *call)
{
	unsigned long flags;
	bool started = false, dead;

	call->tx.sent = NULL;
	call->stream = st;
	spin_lock_irqsave(&st->lock, flags);
	dead = st->dead;
	if (!dead) {
		/* In order: nobody overtakes those who wait. */
		started = list_empty(&st->waiting) && call_start(st, call);
		if (!started)
			list_add_tail(&call->node, &st->waiting);
	}
	spin_unlock_irqrestore(&st->lock, flags);
	if (started)
		lockstep_stream_kick(st);
	return !dead;
}

/* The one that waits longest gets what has become free. */
static bool start_waiting(struct lockstep_stream *st)
{
	struct lockstep_call *call;

	call = list_first_entry_or_null(&st->waiting, struct lockstep_call, node);
	if (!call || !call_start(st, call))
		return false;
	list_del_init(&call->node);
	return true;
}

/*
 * The call that is answered, if it has been sent: a peer that answers what is still in the queue,
 * or half on its way, would have us free what the sender works on (P8).
 */
static struct lockstep_call *answered(struct lockstep_stream *st, const struct wire_msg *msg)
{
	struct lockstep_call *call;
	unsigned long flags;
	bool queued = false;

	spin_lock_irqsave(&st->lock, flags);
	call = slots_find(&st->slots, msg->slot, msg->slot_gen);
	if (call)
		queued = !list_empty(&call->tx.node);
	spin_unlock_irqrestore(&st->lock, flags);
	return call && !queued && wire_answer_fits(&call->msg, msg) ? call : NULL;
}

/*
 * An honest answer may come while the sender has not yet noted that it has sent the last byte; that
 * is a matter of instructions, and waited for.
 */
struct lockstep_call *lockstep_stream_answered(struct lockstep_stream *st,
					       const struct wire_msg *msg)
{
	struct lockstep_call *call = answered(st, msg);

	while (call && smp_load_acquire(&st->cur) == &call->tx) {
		if (READ_ONCE(st->dead))
			return NULL;
		usleep_range(20, 50);
	}
	return call;
}

struct lockstep_call *lockstep_stream_answered_soft(struct lockstep_stream *st,
						    const struct wire_msg *msg)
{
	struct lockstep_call *call = answered(st, msg);

	return call && call->soft && smp_load_acquire(&st->cur) != &call->tx ? call : NULL;
}

/* True: others have got the room that it leaves, and are to be sent. */
static bool free_slot(struct lockstep_stream *st, struct lockstep_call *call)
{
	unsigned long flags;
	bool more = false;

	/* Nobody else ends a call while this one who receives is here: it is still there. */
	spin_lock_irqsave(&st->lock, flags);
	slots_put(&st->slots, call->msg.slot);
	st->window_bytes -= wire_msg_memory(&call->msg);
	while (start_waiting(st))
		more = true;
	spin_unlock_irqrestore(&st->lock, flags);
	return more;
}

void lockstep_stream_end_call(struct lockstep_stream *st, struct lockstep_call *call, u16 status)
{
	if (free_slot(st, call))
		lockstep_stream_kick(st);
	call->done(call, status);
}

void lockstep_stream_end_call_soft(struct lockstep_stream *st, struct lockstep_call *call)
{
	if (free_slot(st, call))
		lockstep_stream_kick_worker(st);
	call->done(call, LOCKSTEP_WS_OK);
}

bool lockstep_stream_is_overdue(struct lockstep_stream *st)
{
	unsigned long limit = msecs_to_jiffies(LOCKSTEP_ANSWER_MS);
	bool overdue = false;
	u32 i;

	spin_lock_irq(&st->lock);
	for (i = 0; i < st->slots.nr && !overdue; i++) {
		const struct lockstep_call *call = st->slot[i].owner;

		overdue = call && time_after(jiffies, call->since + limit);
	}
	spin_unlock_irq(&st->lock);
	return overdue;
}

/* ---- life ----------------------------------------------------------------------------------- */

#ifdef CONFIG_DEBUG_LOCK_ALLOC
/*
 * Our sockets are locked below file systems, ordinary ones above them (they allocate memory that
 * may be written out through us): a lock class of their own, or lockdep sees a cycle that cannot
 * close.
 */
static struct lock_class_key sk_key[2], slock_key[2];

static void reclassify(struct socket *sock)
{
	struct sock *sk = sock->sk;
	int v6 = sk->sk_family == AF_INET6;

	lock_sock(sk);
	release_sock(sk);
	if (WARN_ON_ONCE(!sock_allow_reclassification(sk)))
		return;
	sock_lock_init_class_and_name(sk, v6 ? "slock-AF_INET6-LOCKSTEP" : "slock-AF_INET-LOCKSTEP",
				      &slock_key[v6],
				      v6 ? "sk_lock-AF_INET6-LOCKSTEP" : "sk_lock-AF_INET-LOCKSTEP",
				      &sk_key[v6]);
}
#else
static void reclassify(struct socket *sock)
{
}
#endif

static bool is_tcp(struct socket *sock)
{
	struct sock *sk = sock->sk;

	return sk && (sk->sk_family == AF_INET || sk->sk_family == AF_INET6) &&
	       sk->sk_type == SOCK_STREAM && sk->sk_protocol == IPPROTO_TCP &&
	       sk->sk_state == TCP_ESTABLISHED;
}

static void prepare_socket(struct lockstep_stream *st)
{
	struct sock *sk = st->sock->sk;

	reclassify(st->sock);
	/* Closing must drop what is not delivered: see session_end in session.c. */
	sock_no_linger(sk);
	tcp_sock_set_nodelay(sk);
	sk->sk_allocation = GFP_NOIO | __GFP_MEMALLOC;
	compat_sk_no_task_frag(sk);
	/*
	 * A file system over us may have to write out to free the memory that its own writes need.
	 */
	sk_set_memalloc(sk);
	sk->sk_sndtimeo = msecs_to_jiffies(st->session->timeout_ms);
	sk->sk_rcvtimeo = MAX_SCHEDULE_TIMEOUT;
}

struct lockstep_stream *lockstep_stream_create(struct lockstep_session *s, u32 number, int fd)
{
	struct lockstep_stream *st;
	int err;

	st = kvzalloc(sizeof(*st), GFP_KERNEL | __GFP_NOWARN);
	if (!st)
		return ERR_PTR(-ENOMEM);
	st->sock = sockfd_lookup(fd, &err);
	if (!st->sock) {
		kvfree(st);
		return ERR_PTR(err);
	}
	if (!is_tcp(st->sock)) {
		sockfd_put(st->sock);
		kvfree(st);
		return ERR_PTR(-EPROTOTYPE);
	}
	st->session = s;
	st->number = number;
	mutex_init(&st->send_lock);
	spin_lock_init(&st->lock);
	INIT_LIST_HEAD(&st->queue);
	INIT_LIST_HEAD(&st->waiting);
	spin_lock_init(&st->disk_lock);
	INIT_LIST_HEAD(&st->at_disk);
	lockstep_pages_init(&st->pages);
	slots_init(&st->slots, st->slot, LOCKSTEP_STREAM_SLOTS);
	INIT_WORK(&st->send_work, send_work);
	init_completion(&st->recv_done);
	st->last_recv = jiffies;
	prepare_socket(st);
	lockstep_ack_init(st);
	return st;
}

int lockstep_stream_start(struct lockstep_stream *st)
{
	struct task_struct *task;

	st->last_recv = jiffies;
	task = kthread_create(lockstep_recv_thread, st, "lockstep_%s/%u",
			      st->session->res->name, st->number);
	if (IS_ERR(task))
		return PTR_ERR(task);
	st->recv_task = task;
	wake_up_process(task);
	return 0;
}

void lockstep_stream_shutdown(struct lockstep_stream *st)
{
	kernel_sock_shutdown(st->sock, SHUT_RDWR);
	lockstep_ack_take_back(st);
}

/*
 * Order: (1) dead, under lock: no new messages or calls; (2) shutdown: wakes a blocked receiver and
 * sender, and nobody receives in softirq any more (ack.h); (3) the receiver ends: no more answers;
 * (4) the sender ends; (5) the socket is closed without lingering, which purges TCP's queue: from
 * here on nothing of this session reaches the peer, so that pages of requests that are completed
 * later can change without a retransmission carrying the change over (P6); (6) what was not sent is
 * told so.
 */
void lockstep_stream_stop(struct lockstep_stream *st, struct list_head *lost)
{
	struct lockstep_tx *tx;
	u32 i;

	spin_lock_irq(&st->lock);
	st->dead = true;
	spin_unlock_irq(&st->lock);
	lockstep_stream_shutdown(st);
	if (st->recv_task)
		wait_for_completion(&st->recv_done);
	lockstep_ack_exit(st);
	cancel_work_sync(&st->send_work);
	/*
	 * The file may be shared with a dying daemon, so closing ours is not enough: abort the
	 * connection.
	 */
	compat_tcp_abort(st->sock->sk);

	mutex_lock(&st->send_lock);
	if (st->cur && st->cur->sent)
		st->cur->sent(st->cur);
	st->cur = NULL;
	while (!list_empty(&st->queue)) {
		tx = list_first_entry(&st->queue, struct lockstep_tx, node);
		list_del_init(&tx->node);
		if (tx->sent)
			tx->sent(tx);
	}
	mutex_unlock(&st->send_lock);
	for (i = 0; i < st->slots.nr; i++)
		if (st->slot[i].owner)
			list_add_tail(&((struct lockstep_call *)st->slot[i].owner)->node, lost);
	list_splice_tail_init(&st->waiting, lost);
}

void lockstep_stream_destroy(struct lockstep_stream *st)
{
	/* A disk's late completion may have kicked it once more; there was nothing to send. */
	cancel_work_sync(&st->send_work);
	sockfd_put(st->sock);
	lockstep_pages_exit(&st->pages);
	kvfree(st);
}
