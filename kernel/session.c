// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "lockstep: " fmt

#include "session.h"

#include <linux/slab.h>
#include "diskfail.h"
#include "engine.h"
#include "peerreq.h"
#include "request.h"
#include "resource.h"
#include "resync.h"
#include "status.h"
#include "stream.h"
#include "streampick.h"
#include "volume.h"

/* ---- messages of the session itself --------------------------------------------------------- */

static void told(struct lockstep_tx *tx)
{
	kfree(tx);
}

void lockstep_session_tell(struct lockstep_session *s, u8 type, u16 volume, u16 status, u64 arg)
{
	struct wire_msg msg = {
		.type = type,
		.volume = volume,
		.status = status,
		.sector = arg,
		.epoch = s->epoch,
	};
	struct lockstep_stream *st = s->stream[0];
	struct lockstep_tx *tx;

	tx = kzalloc(sizeof(*tx), GFP_NOIO);
	if (!tx) {
		lockstep_session_fail(s, "no memory for a message", -ENOMEM);
		return;
	}
	wire_msg_encode(&msg, &tx->hdr);
	tx->sent = told;
	lockstep_stream_queue(st, tx);
	lockstep_stream_kick_worker(st);
}

static void beat_sent(struct lockstep_tx *tx)
{
	clear_bit_unlock(0, &container_of(tx, struct lockstep_beat, tx)->queued);
}

static void send_beat(struct lockstep_session *s, struct lockstep_beat *b, u8 type)
{
	struct wire_msg msg = { .type = type, .epoch = s->epoch };

	if (test_and_set_bit_lock(0, &b->queued))
		return;
	b->tx.payload = NULL;
	b->tx.sent = beat_sent;
	wire_msg_encode(&msg, &b->tx.hdr);
	lockstep_stream_queue(s->stream[0], &b->tx);
	lockstep_stream_kick_worker(s->stream[0]);
}

void lockstep_session_pong(struct lockstep_session *s)
{
	send_beat(s, &s->pong, LOCKSTEP_WT_PONG);
}

static unsigned long last_heard(const struct lockstep_session *s)
{
	unsigned long last = READ_ONCE(s->stream[0]->last_recv), heard;
	u32 i;

	for (i = 1; i < s->nr_streams; i++) {
		heard = READ_ONCE(s->stream[i]->last_recv);
		if (time_after(heard, last))
			last = heard;
	}
	return last;
}

/* Why the session cannot go on, or NULL. */
static const char *is_overdue(struct lockstep_session *s, char *buf, size_t len)
{
	unsigned long limit = msecs_to_jiffies(s->timeout_ms);
	u32 i;

	if (!READ_ONCE(s->started))
		return time_after(jiffies, s->opened + msecs_to_jiffies(LOCKSTEP_OPENING_MS)) ?
		       "it was opened and never started" : NULL;
	if (time_after(jiffies, last_heard(s) + limit)) {
		snprintf(buf, len, "no answer from the peer for %u ms",
			 jiffies_to_msecs(jiffies - last_heard(s)));
		return buf;
	}
	for (i = 0; i < s->nr_streams; i++)
		if (lockstep_stream_is_overdue(s->stream[i]))
			return "the peer is there but does not finish a request";
	return NULL;
}

static void trim_pages(struct lockstep_session *s)
{
	u32 i;

	for (i = 0; i < s->nr_streams; i++)
		lockstep_pages_trim(&s->stream[i]->pages);
}

/*
 * All deadlines of a session (P10): a ping a second makes a healthy peer speak, and nothing heard
 * on any stream for timeout_ms means it is gone; a peer that speaks but leaves a request unanswered
 * has a disk that hangs; a session that nobody starts holds writes. This work needs no lock that a
 * stuck disk could hold.
 */
static void ping_work(struct work_struct *work)
{
	struct lockstep_session *s = container_of(work, struct lockstep_session, ping_work.work);
	char buf[64];
	const char *why = is_overdue(s, buf, sizeof(buf));

	if (why) {
		lockstep_session_fail(s, why, 0);
		return;
	}
	if (READ_ONCE(s->started)) {
		send_beat(s, &s->ping, LOCKSTEP_WT_PING);
		trim_pages(s);
	}
	lockstep_disk_check(s);
	queue_delayed_work(lockstep_io_wq, &s->ping_work, msecs_to_jiffies(s->res->ping_ms));
}

void lockstep_session_busy(struct lockstep_session *s)
{
	atomic_inc(&s->busy);
}

void lockstep_session_idle(struct lockstep_session *s)
{
	/* A completion, because the waiter frees what it waits in as soon as it sees this. */
	if (atomic_dec_and_test(&s->busy))
		complete(&s->idle);
}

struct lockstep_stream *lockstep_session_stream(struct lockstep_session *s)
{
	return s->stream[streampick_io(raw_smp_processor_id(), s->nr_streams)];
}

struct lockstep_stream *lockstep_session_bulk_stream(struct lockstep_session *s, u32 turn)
{
	return s->stream[streampick_bulk(turn, s->nr_streams, num_online_cpus())];
}

/* ---- a flush of the peer -------------------------------------------------------------------- */

struct flush_wait {
	struct lockstep_call call;
	struct completion done;
	refcount_t refs;
	struct lockstep_volume *vol;
	u64 asked;
	bool must;
	int err;
};

static void flush_put(struct flush_wait *f)
{
	if (refcount_dec_and_test(&f->refs))
		kfree(f);
}

static void flush_done(struct lockstep_call *call, int status)
{
	struct flush_wait *f = container_of(call, struct flush_wait, call);

	if (status == LOCKSTEP_WS_OK)
		f->err = 0;
	else
		f->err = status == LOCKSTEP_CALL_LOST ? -ENOTCONN : -EIO;
	lockstep_flush_asked(f->vol, call->msg.epoch, f->asked, status, false);
	if (f->err == -EIO && f->must)
		lockstep_session_fail(call->stream->session, "the peer could not flush", 0);
	complete(&f->done);
	flush_put(f);
}

int lockstep_session_flush_peer(struct lockstep_resource *res, u32 number, bool must)
{
	struct flush_wait *f = kzalloc(sizeof(*f), GFP_NOIO);
	struct lockstep_session *s;
	int idx, err = -ENOTCONN;

	if (!f)
		return -ENOMEM;
	init_completion(&f->done);
	refcount_set(&f->refs, 2);
	f->must = must;
	f->call.done = flush_done;
	idx = srcu_read_lock(&res->mode_srcu);
	s = srcu_dereference(res->session, &res->mode_srcu);
	f->vol = READ_ONCE(res->volume[number]);
	if (s && READ_ONCE(s->started) && f->vol) {
		f->call.msg = (struct wire_msg){
			.type = LOCKSTEP_WT_FLUSH,
			.volume = number,
			.epoch = s->epoch,
		};
		lockstep_flush_ask(f->vol, &f->call.msg, &f->asked);
		if (lockstep_stream_call(lockstep_session_stream(s), &f->call))
			err = 0;
	}
	srcu_read_unlock(&res->mode_srcu, idx);
	if (err)
		flush_put(f);
	/*
	 * Ended by the answer or by the session's end; the limit only guards against a disk that
	 * hangs there.
	 */
	else if (!wait_for_completion_timeout(&f->done, msecs_to_jiffies(LOCKSTEP_ANSWER_MS) * 2))
		err = -ETIMEDOUT;
	else
		err = f->err;
	flush_put(f);
	return err;
}

/* ---- beginning ------------------------------------------------------------------------------ */

struct lockstep_session *lockstep_session_open_locked(struct lockstep_resource *res, u64 id,
						      u64 epoch, u64 peer_boot_id, u32 peer_role,
						      u32 nr_streams, u32 timeout_ms)
{
	struct lockstep_session *s;

	lockdep_assert_held(&res->ctl);
	s = kzalloc(sizeof(*s), GFP_KERNEL);
	if (!s)
		return ERR_PTR(-ENOMEM);
	s->res = res;
	s->id = id;
	s->epoch = epoch;
	s->peer_boot_id = peer_boot_id;
	s->peer_role = peer_role;
	s->nr_streams = nr_streams;
	s->timeout_ms = timeout_ms;
	init_completion(&s->idle);
	s->opened = jiffies;
	INIT_DELAYED_WORK(&s->ping_work, ping_work);
	atomic_set(&s->busy, 1);	/* the session's own, given back at its end */
	res->session_id = id;
	res->peer_boot_id = peer_boot_id;
	rcu_assign_pointer(res->session, s);
	queue_delayed_work(lockstep_io_wq, &s->ping_work, HZ);
	pr_debug("%s: session %llx created\n", res->name, id);
	return s;
}

int lockstep_session_stream_locked(struct lockstep_session *s, u32 number, int fd, char *why,
				   size_t len)
{
	struct lockstep_stream *st;

	lockdep_assert_held(&s->res->ctl);
	if (number >= s->nr_streams || s->stream[number] || s->started) {
		snprintf(why, len, "stream %u is not expected", number);
		return -EINVAL;
	}
	st = lockstep_stream_create(s, number, fd);
	if (IS_ERR(st)) {
		snprintf(why, len, "descriptor %d is not a connected TCP socket", fd);
		return PTR_ERR(st);
	}
	smp_store_release(&s->stream[number], st);
	return 0;
}

int lockstep_session_start_locked(struct lockstep_session *s)
{
	u32 i;
	int err;

	lockdep_assert_held(&s->res->ctl);
	for (i = 0; i < s->nr_streams; i++)
		if (!s->stream[i])
			return -ENOTCONN;
	for (i = 0; i < s->nr_streams; i++) {
		err = lockstep_stream_start(s->stream[i]);
		if (err)
			return err;
	}
	WRITE_ONCE(s->started, true);
	mod_delayed_work(lockstep_io_wq, &s->ping_work, 0);
	return 0;
}

/* ---- end ------------------------------------------------------------------------------------ */

/* So long the end of a session waits for a local disk. */
#define LEAVE_MS	2000u

void lockstep_session_fail(struct lockstep_session *s, const char *why, int err)
{
	struct lockstep_resource *res = s->res;
	u32 i;

	if (atomic_xchg(&s->failed, 1))
		return;
	if (err)
		snprintf(res->lost_why, sizeof(res->lost_why), "%s (error %d)", why, err);
	else
		strscpy(res->lost_why, why, sizeof(res->lost_why));
	for (i = 0; i < s->nr_streams; i++)
		if (s->stream[i])
			lockstep_stream_shutdown(s->stream[i]);
	lockstep_resync_session_failed(res);
	lockstep_status_post(res, STATUS_LOST);
}

static bool end_calls(struct list_head *lost)
{
	struct lockstep_call *call, *tmp;
	bool application = false;

	list_for_each_entry_safe(call, tmp, lost, node) {
		list_del_init(&call->node);
		application |= lockstep_request_is_call(call);
		call->done(call, LOCKSTEP_CALL_LOST);
	}
	return application;
}

static u32 let_go(struct lockstep_session *s, bool all)
{
	u32 nr = 0, i, k, n;

	for (i = 0; i < s->nr_streams; i++) {
		n = s->stream[i] ? lockstep_peer_request_let_go(s->stream[i], all) : 0;
		for (k = 0; k < n; k++)
			lockstep_session_idle(s);
		nr += n;
	}
	return nr;
}

/*
 * What is at a disk that was given up is let go at once, the rest after a while; what is left then
 * is at no disk, but on its way from one, and ends by itself.
 */
static void leave_disks(struct lockstep_session *s)
{
	long ticks = msecs_to_jiffies(LEAVE_MS);
	struct lockstep_volume *vol;
	u32 nr = 0;
	int i;

	let_go(s, false);
	s->res->wait = "requests of the session at the local disk";
	resource_for_each_volume(s->res, i, vol)
		if (!vol->failed)
			ticks = lockstep_engine_leave_disk(vol, ticks);
	lockstep_session_idle(s);
	if (!wait_for_completion_timeout(&s->idle, ticks)) {
		nr = let_go(s, true);
		wait_for_completion(&s->idle);
	}
	s->res->wait = NULL;
	resource_for_each_volume(s->res, i, vol)
		nr += vol->failed ? 0 : lockstep_engine_strays(vol);
	if (nr)
		pr_warn("%s: %u requests of the session with %s are still at the local disk: the "
			"next one begins when they have come back\n", s->res->name, nr,
			s->res->peer_name);
}

/*
 * Order: (1) hold new writes, and wait until none is on its way into a stream; (2) stop the
 * streams, after which the peer hears and says nothing more (see lockstep_stream_stop); (3) end the
 * calls: application writes get marked here, before anything completes (P3); they complete only
 * when the state worker has narrowed the set (P4); (4) wait for the peer's requests at our disk,
 * and for what a resync wrote there, but not for long (P10): what is there still keeps later
 * sessions and promotions from beginning (P6; core/state.h, [S9]).
 */
bool lockstep_session_end_locked(struct lockstep_resource *res)
{
	struct lockstep_session *s;
	LIST_HEAD(lost);
	bool application;
	u32 i;

	lockdep_assert_held(&res->ctl);
	s = rcu_dereference_protected(res->session, lockdep_is_held(&res->ctl));
	if (!s)
		return false;
	atomic_set(&s->failed, 1);
	lockstep_request_hold(res);
	rcu_assign_pointer(res->session, NULL);
	synchronize_srcu(&res->mode_srcu);
	cancel_delayed_work_sync(&s->ping_work);
	for (i = 0; i < s->nr_streams; i++)
		if (s->stream[i])
			lockstep_stream_stop(s->stream[i], &lost);
	lockstep_resync_stop_locked(res);
	application = end_calls(&lost);
	leave_disks(s);
	for (i = 0; i < s->nr_streams; i++)
		if (s->stream[i])
			lockstep_stream_destroy(s->stream[i]);
	res->session_id = 0;
	res->peer_boot_id = 0;
	pr_debug("%s: session %llx destroyed\n", res->name, s->id);
	kfree(s);
	return application || !list_empty(&res->orphans);
}
