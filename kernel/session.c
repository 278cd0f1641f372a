// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "lockstep: " fmt

#include "session.h"

#include <linux/slab.h>
#include "request.h"
#include "resource.h"
#include "resync.h"
#include "status.h"
#include "stream.h"
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

/*
 * The peer's silence. A ping a second makes a healthy peer speak; nothing heard on any stream for
 * timeout_ms means it is gone. This work needs no lock that a stuck disk could hold.
 */
static void ping_work(struct work_struct *work)
{
	struct lockstep_session *s = container_of(work, struct lockstep_session, ping_work.work);
	unsigned long last = READ_ONCE(s->stream[0]->last_recv), heard;
	char why[64];
	u32 i;

	for (i = 1; i < s->nr_streams; i++) {
		heard = READ_ONCE(s->stream[i]->last_recv);
		if (time_after(heard, last))
			last = heard;
	}
	if (time_after(jiffies, last + msecs_to_jiffies(s->timeout_ms))) {
		snprintf(why, sizeof(why), "no answer from the peer for %u ms",
			 jiffies_to_msecs(jiffies - last));
		lockstep_session_fail(s, why, 0);
		return;
	}
	lockstep_session_tell(s, LOCKSTEP_WT_PING, 0, 0, 0);
	queue_delayed_work(lockstep_io_wq, &s->ping_work, msecs_to_jiffies(s->res->ping_ms));
}

void lockstep_session_busy(struct lockstep_session *s)
{
	atomic_inc(&s->busy);
}

void lockstep_session_idle(struct lockstep_session *s)
{
	if (atomic_dec_and_test(&s->busy))
		wake_up_all(&s->idle_wait);
}

struct lockstep_stream *lockstep_session_stream(struct lockstep_session *s)
{
	return s->stream[raw_smp_processor_id() % s->nr_streams];
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
	init_waitqueue_head(&s->idle_wait);
	INIT_DELAYED_WORK(&s->ping_work, ping_work);
	atomic_set(&s->busy, 1);	/* the session's own, given back at its end */
	res->session_id = id;
	res->peer_boot_id = peer_boot_id;
	rcu_assign_pointer(res->session, s);
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
	s->stream[number] = st;
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
	s->started = true;
	queue_delayed_work(lockstep_io_wq, &s->ping_work, 0);
	return 0;
}

/* ---- end ------------------------------------------------------------------------------------ */

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

/*
 * Order: (1) hold new writes, and wait until none is on its way into a stream; (2) stop the streams, after which the peer hears
 * and says nothing more (see lockstep_stream_stop); (3) end the calls: application writes get marked here, before anything
 * completes (P3); they complete only when the state worker has narrowed the set (P4); (4) wait for the peer's writes at our disk: a later session, or
 * a promotion, must not be overtaken by them (P6).
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
	res->wait = "writes of the peer at the local disk";
	lockstep_session_idle(s);
	wait_event(s->idle_wait, !atomic_read(&s->busy));
	res->wait = NULL;
	for (i = 0; i < s->nr_streams; i++)
		if (s->stream[i])
			lockstep_stream_destroy(s->stream[i]);
	res->session_id = 0;
	res->peer_boot_id = 0;
	pr_debug("%s: session %llx destroyed\n", res->name, s->id);
	kfree(s);
	return application || !list_empty(&res->orphans);
}
