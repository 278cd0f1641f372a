// SPDX-License-Identifier: GPL-2.0
/*
 * Nothing that comes from the peer is used before wire_msg_decode() has checked it, and nothing
 * that only fits together with our own state (volume, epoch, size) before the checks here (P8). A
 * flaw ends the session with one line that names the field.
 */
#define pr_fmt(fmt) "lockstep: " fmt

#include "recv.h"

#include <linux/kthread.h>
#include <linux/sched/mm.h>
#include <net/sock.h>
#include <net/tcp.h>
#include "ack.h"
#include "compat.h"
#include "peerreq.h"
#include "resource.h"
#include "session.h"
#include "status.h"
#include "stream.h"
#include "trace.h"
#include "turn.h"
#include "volume.h"

/* Answers of a disk that completes at once leave at the latest after so many requests. */
#define ANSWERS_BATCH	8

static int recv_bytes(struct lockstep_stream *st, void *buf, size_t len, unsigned int flags)
{
	struct kvec vec = { .iov_base = buf, .iov_len = len };
	struct msghdr msg = { .msg_flags = flags | MSG_NOSIGNAL };

	return kernel_recvmsg(st->sock, &msg, &vec, 1, len, msg.msg_flags);
}

/*
 * Before the thread sleeps it sends the answers that disk completions queued on it meanwhile: a
 * disk that completes at once costs no second thread, and answers that came together leave
 * together. Whether something is there is a guess without the socket's lock: a wrong one costs a
 * call.
 */
static unsigned int before_header(struct lockstep_stream *st)
{
	if (!skb_queue_empty_lockless(&st->sock->sk->sk_receive_queue))
		return MSG_DONTWAIT;
	lockstep_stream_kick(st);
	lockstep_ack_hand_over(st);
	return MSG_WAITALL;
}

static int recv_header(struct lockstep_stream *st, struct lockstep_wire_hdr *hdr)
{
	unsigned int flags = before_header(st);
	size_t have = 0;
	int n;

	while (have < sizeof(*hdr)) {
		n = recv_bytes(st, (u8 *)hdr + have, sizeof(*hdr) - have, flags);
		if (n <= 0 && n != -EAGAIN)
			return n ? n : -ECONNRESET;
		have += max(n, 0);
		if (have < sizeof(*hdr))
			lockstep_stream_kick(st);
		flags = MSG_WAITALL;
	}
	WRITE_ONCE(st->last_recv, jiffies);
	return 0;
}

/* A flaw in what follows costs this, once for each part, and no more. */
#define PART_WAIT	(HZ / 10)

static bool is_there(struct sock *sk, u32 bytes)
{
	return tcp_inq(sk) >= (int)bytes || sk->sk_err || sk->sk_shutdown & RCV_SHUTDOWN ||
	       sk->sk_state != TCP_ESTABLISHED;
}

/*
 * Sleep until so many bytes are there, and be woken once: that is what the low-water mark is for.
 * TCP wakes us below it, too, if its window or the memory is used up; then, and whenever it is not
 * all there, who takes it waits for the rest as ever. The mark does not stay: in the midst of
 * taking something it would be waited for on top of what is taken.
 */
static void wait_for_part(struct sock *sk, u32 bytes)
{
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	long timeout = PART_WAIT;

	lock_sock(sk);
	if (!is_there(sk, bytes)) {
		WRITE_ONCE(sk->sk_rcvlowat, bytes);
		add_wait_queue(sk_sleep(sk), &wait);
		sk_wait_event(sk, &timeout, is_there(sk, bytes), &wait);
		remove_wait_queue(sk_sleep(sk), &wait);
		WRITE_ONCE(sk->sk_rcvlowat, 1);
	}
	release_sock(sk);
}

/* The next part of a payload. */
static int recv_part(struct lockstep_stream *st, struct msghdr *msg)
{
	struct sock *sk = st->sock->sk;
	bool wait;
	u32 part = turn_part(msg_data_left(msg), READ_ONCE(sk->sk_rcvbuf), &wait);
	size_t behind = msg_data_left(msg) - part;
	int n;

	if (wait)
		wait_for_part(sk, part);
	iov_iter_truncate(&msg->msg_iter, part);
	n = sock_recvmsg(st->sock, msg, MSG_WAITALL);
	iov_iter_reexpand(&msg->msg_iter, msg_data_left(msg) + behind);
	return n;
}

/* Payload into the part of the vectors that `iter` covers. */
static int recv_payload(struct lockstep_stream *st, const struct bio_vec *vec,
			struct bvec_iter iter)
{
	struct msghdr msg = { .msg_flags = MSG_WAITALL | MSG_NOSIGNAL };
	const struct bio_vec *bv = __bvec_iter_bvec(vec, iter);
	u32 left = iter.bi_size + iter.bi_bvec_done, nr = 0;
	int n;

	while (left) {
		left -= min(left, bv[nr].bv_len);
		nr++;
	}
	compat_iov_iter_bvec_dest(&msg.msg_iter, bv, nr, iter.bi_size);
	msg.msg_iter.iov_offset = iter.bi_bvec_done;
	while (msg_data_left(&msg)) {
		n = recv_part(st, &msg);
		if (n <= 0)
			return n ? n : -ECONNRESET;
	}
	WRITE_ONCE(st->last_recv, jiffies);
	return 0;
}

static struct lockstep_volume *volume_of(struct lockstep_stream *st, const struct wire_msg *msg)
{
	struct lockstep_volume *vol;

	if (msg->volume >= LOCKSTEP_MAX_VOLUMES)
		return NULL;
	/* Volumes cannot go while a session is there. */
	vol = READ_ONCE(st->session->res->volume[msg->volume]);
	if (!vol || !vol->peer.valid)
		return NULL;
	return vol;
}

/* What is wrong with a request of the peer in our present state, or NULL. */
static const char *request_flaw(struct lockstep_stream *st, struct lockstep_volume *vol,
				const struct wire_msg *msg)
{
	u64 sects = msg->size_bytes / LOCKSTEP_SECT_BYTES, mask;

	if (!vol)
		return "for a volume we do not have";
	if (!lockstep_peer_request_allowed(st))
		return "beyond its credits";
	if (!wire_type_has_extent(msg->type))
		return NULL;
	mask = vol->local.logical_bytes / LOCKSTEP_SECT_BYTES - 1;
	if (msg->sector + sects > vol->data_sect)
		return "beyond the end of the volume";
	if ((msg->sector | sects) & mask)
		return "not aligned to our blocks";
	if (wire_type_is_read(msg->type))
		return NULL;
	/* One writer (P7): nobody writes over a primary, and only a target is resynced. */
	if (READ_ONCE(st->session->res->state.role) == LOCKSTEP_ROLE_PRIMARY)
		return "though we are primary";
	if (msg->flags & LOCKSTEP_WH_RESYNC &&
	    READ_ONCE(vol->resync.sync) != LOCKSTEP_SYNC_TARGET)
		return "of a resync, though we are no target";
	return NULL;
}

static int recv_request(struct lockstep_stream *st, const struct wire_msg *msg)
{
	struct lockstep_volume *vol = volume_of(st, msg);
	const char *flaw = request_flaw(st, vol, msg);
	struct lockstep_peer_request *pr;
	struct bio *bio;
	int err;

	if (flaw) {
		pr_warn_ratelimited("%s: peer sent %s (volume %u, sector %llu, %u bytes) %s\n",
				    st->session->res->name, wire_type_name(msg->type), msg->volume,
				    msg->sector, msg->size_bytes, flaw);
		return -EPROTO;
	}
	pr = lockstep_peer_request_create(st, vol, msg);
	if (!pr)
		return -ENOMEM;
	if (msg->payload_bytes) {
		bio = lockstep_peer_request_bio(pr);
		err = recv_payload(st, bio->bi_io_vec, bio->bi_iter);
		if (err) {
			lockstep_peer_request_abandon(pr);
			return err;
		}
	}
	trace_lockstep_msg_received(st, msg, NULL);
	lockstep_peer_request_submit(pr);
	return 0;
}

/* Bytes into a buffer, all of them. */
static int recv_buffer(struct lockstep_stream *st, void *buf, size_t len)
{
	size_t have = 0;
	int n;

	while (have < len) {
		n = recv_bytes(st, (u8 *)buf + have, len - have, MSG_WAITALL);
		if (n <= 0)
			return n ? n : -ECONNRESET;
		have += n;
	}
	WRITE_ONCE(st->last_recv, jiffies);
	return 0;
}

/* The payload's length is what the call made room for: wire_answer_fits() has seen to it. */
static int recv_answer(struct lockstep_stream *st, const struct wire_msg *msg)
{
	struct lockstep_call *call = lockstep_stream_answered(st, msg);
	int err = 0;

	if (!call) {
		pr_warn_ratelimited("%s: peer's %s fits no request (slot %u)\n",
				    st->session->res->name, wire_type_name(msg->type), msg->slot);
		return -EPROTO;
	}
	if (msg->type == LOCKSTEP_WT_DATA)
		err = recv_payload(st, call->rx_vec, call->rx_iter);
	else if (msg->type == LOCKSTEP_WT_CSUM_DATA)
		err = recv_buffer(st, call->rx_sums, msg->payload_bytes);
	trace_lockstep_msg_received(st, msg, NULL);
	if (!err)
		lockstep_stream_end_call(st, call, msg->status);
	return err;
}

/*
 * Roles and the end of a resync wait for metadata: the state worker takes them, in order of
 * arrival.
 */
static int recv_event(struct lockstep_stream *st, const struct wire_msg *msg)
{
	static const u8 event[LOCKSTEP_WT_NR] = {
		[LOCKSTEP_WT_ROLE_ASK] = STATUS_PEER_ASKS,
		[LOCKSTEP_WT_ROLE_ANSWER] = STATUS_PEER_ANSWERS,
		[LOCKSTEP_WT_ROLE_TELL] = STATUS_PEER_ROLE,
		[LOCKSTEP_WT_SYNC_DONE] = STATUS_SYNC_TOLD,
		[LOCKSTEP_WT_SYNC_DONE_OK] = STATUS_SYNC_CONFIRMED,
		[LOCKSTEP_WT_SYNC_PULLED] = STATUS_SYNC_PULLED,
	};
	struct status_msg m = {
		.session_id = st->session->id,
		.volume = msg->volume,
		.status = msg->status,
		.arg = msg->sector,
	};

	if (st->number)
		return -EPROTO;
	return lockstep_status_post_msg(st->session->res, event[msg->type], &m);
}

static int dispatch(struct lockstep_stream *st, const struct wire_msg *msg)
{
	switch (msg->type) {
	case LOCKSTEP_WT_WRITE:
	case LOCKSTEP_WT_ZEROES:
	case LOCKSTEP_WT_FLUSH:
	case LOCKSTEP_WT_READ:
	case LOCKSTEP_WT_CSUM:
		return recv_request(st, msg);
	case LOCKSTEP_WT_ACK:
	case LOCKSTEP_WT_DATA:
	case LOCKSTEP_WT_CSUM_DATA:
		return recv_answer(st, msg);
	case LOCKSTEP_WT_PING:
		lockstep_session_pong(st->session);
		return 0;
	case LOCKSTEP_WT_PONG:
		return 0;
	case LOCKSTEP_WT_ROLE_ASK:
	case LOCKSTEP_WT_ROLE_ANSWER:
	case LOCKSTEP_WT_ROLE_TELL:
	case LOCKSTEP_WT_SYNC_DONE:
	case LOCKSTEP_WT_SYNC_DONE_OK:
	case LOCKSTEP_WT_SYNC_PULLED:
		return recv_event(st, msg);
	case LOCKSTEP_WT_CLOSE:
		return -ESHUTDOWN;
	default:
		pr_warn_ratelimited("%s: peer sent %s, which it knows we do not take\n",
				    st->session->res->name, wire_type_name(msg->type));
		return -EPROTO;
	}
}

static int recv_one(struct lockstep_stream *st)
{
	struct lockstep_wire_hdr hdr;
	struct wire_msg msg;
	enum wire_err bad;
	int err;

	err = recv_header(st, &hdr);
	if (err)
		return err;
	bad = wire_msg_decode(&hdr, &msg);
	if (bad) {
		pr_warn_ratelimited("%s: peer's message is malformed: %s\n",
				    st->session->res->name, wire_err_name(bad));
		return -EPROTO;
	}
	/* The epoch belongs to the session; anything else is a stray of another one (P6). */
	if (msg.epoch != st->session->epoch) {
		pr_warn_ratelimited("%s: message of epoch %llu in a session of epoch %llu\n",
				    st->session->res->name, msg.epoch, st->session->epoch);
		return -ESTALE;
	}
	return dispatch(st, &msg);
}

int lockstep_recv_thread(void *data)
{
	struct lockstep_stream *st = data;
	unsigned int noio = memalloc_noio_save(), nr = 0;
	int err;

	do {
		err = recv_one(st);
		/* A flood must not keep the answers back until it ends. */
		if (!(++nr % ANSWERS_BATCH))
			lockstep_stream_kick(st);
	} while (!err);
	if (err == -ESHUTDOWN)
		lockstep_session_fail(st->session, "closed by the peer", 0);
	else if (err == -EPROTO || err == -ESTALE)
		lockstep_session_fail(st->session, "the peer broke the protocol", err);
	else
		lockstep_session_fail(st->session, "connection lost", err);
	memalloc_noio_restore(noio);
	/* The stream may be gone as soon as this is seen: nothing after it. */
	compat_kthread_complete_and_exit(&st->recv_done, 0);
}
