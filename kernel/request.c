// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "lockstep: " fmt

#include "request.h"

#include <linux/bio.h>
#include <linux/blkdev.h>
#include "compat.h"
#include "diskfail.h"
#include "orphan.h"
#include "read.h"
#include "resource.h"
#include "session.h"
#include "status.h"
#include "stream.h"
#include "trace.h"
#include "volume.h"
#include "write.h"

static struct bio_set request_bios, split_bios;

int lockstep_request_init(void)
{
	int err;

	err = bioset_init(&request_bios, 256, offsetof(struct lockstep_request, clone),
			  BIOSET_NEED_BVECS);
	if (err)
		return err;
	err = bioset_init(&split_bios, 64, 0, BIOSET_NEED_BVECS);
	if (err)
		bioset_exit(&request_bios);
	return err;
}

void lockstep_request_exit(void)
{
	bioset_exit(&split_bios);
	bioset_exit(&request_bios);
}

/* ---- completion ----------------------------------------------------------------------------- */

void lockstep_write_put_memory(struct lockstep_request *req)
{
	if (atomic_dec_and_test(&req->holders))
		bio_put(&req->clone);
}

static void finish(struct lockstep_request *req)
{
	struct lockstep_volume *vol = req->vol;
	struct bio *master = req->master;
	blk_status_t status = req->status;
	u64 now_s = ktime_get_real_seconds();

	trace_lockstep_write_end(req);
	atomic64_inc(&vol->writes);
	atomic64_add(bio_sectors(master), &vol->write_sect);
	/* Once a second, so that the writers of all processors need not fight for it. */
	if (!status && bio_sectors(master) && READ_ONCE(vol->write_s) != now_s)
		WRITE_ONCE(vol->write_s, now_s);
	bio_end_io_acct(master, req->start);
	if (!req->is_flush)
		lockstep_engine_note_end(&vol->engine,
					 PACE_WRITE,
					 ktime_get_ns() - req->start_ns);
	atomic_dec(&vol->in_flight);
	lockstep_write_put_memory(req);
	if (status)
		master->bi_status = status;
	bio_endio(master);
	percpu_ref_put(&vol->ref);
}

static void forget_flush(struct lockstep_request *req)
{
	struct lockstep_resource *res = req->vol->res;
	unsigned long flags;

	spin_lock_irqsave(&res->io_lock, flags);
	list_del_init(&req->flush_node);
	spin_unlock_irqrestore(&res->io_lock, flags);
}

/*
 * Both have it: a mark from before can go. Only while the session is there in which the peer said
 * so: if the local disk was so slow that another one has begun, the peer may have lost its cache in
 * between, and the mark says just that. The end of a session waits for whoever looks here, and
 * comes before any mark of the next one.
 */
static void clear_marks(struct lockstep_request *req)
{
	struct lockstep_volume *vol = req->vol;
	struct lockstep_resource *res = vol->res;
	struct lockstep_session *s;
	int idx;

	if (!req->both || req->resent || atomic_read(&req->local) != LOCAL_DONE)
		return;
	idx = srcu_read_lock(&res->mode_srcu);
	s = srcu_dereference(res->session, &res->mode_srcu);
	/* Nor if it was in a cache of ours that has lost something since: marked for that. */
	if (s && s->epoch == req->call.msg.epoch &&
	    req->flush_failures == lockstep_flush_failures(&vol->flush_notes))
		lockstep_marks_clear(&vol->marks, req->master->bi_iter.bi_sector,
				     bio_sectors(req->master));
	srcu_read_unlock(&res->mode_srcu, idx);
}

/*
 * Both are done (or the one there is). Marks are settled before the range is left, so that a resync
 * that waits for the range finds them as they are, and the range before the bio completes, so that
 * whoever waits for completion finds the range free.
 */
static void complete_write(struct lockstep_request *req)
{
	struct lockstep_volume *vol = req->vol;

	if (req->peer_failed || (req->flushing && !req->status && lockstep_flush_is_due(vol)))
		req->status = BLK_STS_IOERR;
	if (req->is_flush) {
		forget_flush(req);
	} else {
		if (req->status)
			/* Undefined here now, and maybe new at the peer: the copies may differ. */
			lockstep_marks_set_atomic(&vol->marks, req->range.range.first_sect,
						  bio_sectors(req->master));
		else
			clear_marks(req);
		if (!req->status)
			lockstep_flush_write_ends(vol, atomic_read(&req->local) == LOCAL_DONE,
						  req->flush_failures, req->through,
						  req->flush_errors);
		lockstep_range_leave(&vol->ranges, &req->range);
	}
	finish(req);
}

void lockstep_write_put(struct lockstep_request *req)
{
	if (atomic_dec_and_test(&req->pending))
		complete_write(req);
}

void lockstep_write_mark(struct lockstep_request *req)
{
	if (!req->is_flush)
		lockstep_marks_set(&req->vol->marks, req->master->bi_iter.bi_sector,
				   bio_sectors(req->master));
}

/*
 * An earlier one that failed, and of which nobody was told, is this one's: whoever decides what
 * becomes of the disk then decides about this one, too.
 */
static blk_status_t flush_ended(struct lockstep_request *req, blk_status_t status)
{
	if (status)
		lockstep_flush_failed_here(req->vol, !req->flushing);
	else if (req->flushing && lockstep_flush_owes(req->vol))
		status = BLK_STS_IOERR;
	return status;
}

static bool flushes_here(const struct lockstep_request *req)
{
	return req->flushing || (req->fua && lockstep_flush_follows_fua(req->vol->data.bdev));
}

/*
 * What is bound is the application's error at once; a flush that fails is reported in any case:
 * flusherr.h.
 */
static void local_failed(struct lockstep_request *req, blk_status_t status)
{
	enum disk_failure what = req->is_flush ? DISK_FAILED_FLUSH : DISK_FAILED_WRITE;
	bool bound = orphan_is_bound(req->alone, req->is_flush);
	bool report = !bound || flushes_here(req);
	struct lockstep_volume *vol = req->vol;

	req->status = status;
	/* Reported after it is parked: whoever takes the report finds it. */
	if (bound)
		lockstep_write_put(req);
	else
		lockstep_park_local(req);
	if (report)
		lockstep_disk_failed(vol, what, blk_status_to_errno(status));
}

static void local_ended(struct lockstep_request *req, blk_status_t status)
{
	struct lockstep_volume *vol = req->vol;

	if (atomic_xchg(&req->local, LOCAL_DONE) == LOCAL_ABANDONED) {
		lockstep_park_late(req);
		return;
	}
	trace_lockstep_write_local_done(req);
	if (status)
		atomic64_inc(&vol->write_errors);
	if (flushes_here(req))
		status = flush_ended(req, status);
	if (status)
		local_failed(req, status);
	else
		lockstep_write_put(req);
	percpu_ref_put(&vol->disk_ref);
}

static void zero_job(struct lockstep_disk_job *job)
{
	struct lockstep_request *req = container_of(job, struct lockstep_request, submit.job);
	const struct iorange *r = &req->range.range;
	int err;

	err = blkdev_issue_zeroout(req->vol->data.bdev, r->first_sect, r->end_sect - r->first_sect,
				   GFP_NOIO, BLKDEV_ZERO_NOUNMAP);
	local_ended(req, errno_to_blk_status(err));
}

/* A disk may offer to write zeroes by itself and find out at the first one that it cannot. */
static bool is_unable_to_zero(const struct bio *bio)
{
	return bio_op(bio) == REQ_OP_WRITE_ZEROES &&
	       (bio->bi_status == BLK_STS_NOTSUPP || bio->bi_status == BLK_STS_TARGET);
}

static void local_done(struct bio *bio)
{
	struct lockstep_request *req = container_of(bio, struct lockstep_request, clone);

	if (is_unable_to_zero(bio) && atomic_read(&req->local) == LOCAL_PENDING) {
		lockstep_disk_jobs_add(&req->vol->zeroes, &req->submit.job, zero_job);
		return;
	}
	local_ended(req, bio->bi_status);
}

/*
 * A peer that has the only copy is kept whatever its disk does: its errors are the application's,
 * as they would be with the disk here. Sent again, a flush might succeed, after what it was for is
 * lost (P2), and a write to a bad sector would be sent for ever (P10).
 */
static bool is_failed_by_peer(struct lockstep_request *req, int status)
{
	if (req->flushing)
		return lockstep_flush_asked(req->vol, req->call_epoch, req->asked_epoch, status,
					    true);
	return status == LOCKSTEP_WS_IO_ERROR &&
	       READ_ONCE(req->vol->res->through_epoch) == req->call_epoch;
}

static void peer_done(struct lockstep_call *call, int status)
{
	struct lockstep_request *req = container_of(call, struct lockstep_request, call);

	req->peer_failed = is_failed_by_peer(req, status);
	req->through = READ_ONCE(req->vol->res->through_epoch) == req->call_epoch;
	if (status == LOCKSTEP_WS_OK || req->peer_failed) {
		req->both = !req->peer_failed;
		lockstep_write_put(req);
		return;
	}
	/* A peer whose disk fails is no copy: go on without it, the same way as when it dies. */
	if (status != LOCKSTEP_CALL_LOST)
		lockstep_session_fail(call->stream->session, "the peer could not write to its disk",
				      status);
	lockstep_park_peer(req);
}

struct lockstep_request *lockstep_write_of_call(const struct lockstep_call *call)
{
	return call->done == peer_done ? container_of(call, struct lockstep_request, call) : NULL;
}

bool lockstep_request_is_call(const struct lockstep_call *call)
{
	return call->done == peer_done;
}

/* ---- starting ------------------------------------------------------------------------------- */

static void message(struct lockstep_request *req, struct lockstep_session *s)
{
	struct wire_msg *m = &req->call.msg;
	struct bio *bio = req->master;

	*m = (struct wire_msg){
		.type = LOCKSTEP_WT_WRITE,
		.volume = req->vol->number,
		.sector = bio->bi_iter.bi_sector,
		.size_bytes = bio->bi_iter.bi_size,
		.payload_bytes = bio->bi_iter.bi_size,
		.epoch = s->epoch,
	};
	req->call.tx.payload = bio;
	/* They are the application's, which may do with them what it likes once it is told. */
	req->call.tx.lends_pages = false;
	if (req->is_flush) {
		m->type = LOCKSTEP_WT_FLUSH;
		m->sector = 0;
		req->call.tx.payload = NULL;
		lockstep_flush_ask(req->vol, m, &req->asked_epoch);
		return;
	}
	if (bio_op(bio) != REQ_OP_WRITE) {
		m->type = LOCKSTEP_WT_ZEROES;
		m->payload_bytes = 0;
		m->flags = bio_op(bio) == REQ_OP_DISCARD || !(bio->bi_opf & REQ_NOUNMAP) ?
			   LOCKSTEP_WH_UNMAP : 0;
		req->call.tx.payload = NULL;
		return;
	}
	if (bio->bi_opf & REQ_FUA)
		m->flags |= LOCKSTEP_WH_FUA;
	if (bio->bi_opf & REQ_PREFLUSH) {
		m->flags |= LOCKSTEP_WH_PREFLUSH;
		lockstep_flush_ask(req->vol, m, &req->asked_epoch);
	}
	if (bio->bi_opf & REQ_SYNC)
		m->flags |= LOCKSTEP_WH_SYNC;
}

void lockstep_write_refuse(struct lockstep_request *req)
{
	req->status = BLK_STS_IOERR;
	if (req->is_flush)
		forget_flush(req);
	else
		lockstep_range_leave(&req->vol->ranges, &req->range);
	finish(req);
}

/*
 * With a live disk_ref. The disk is this one now, whichever it was when the request came. It shows
 * as pending only together with since when.
 */
static void set_pending(struct lockstep_request *req)
{
	req->local_start = jiffies;
	req->flush_failures = lockstep_flush_failures(&req->vol->flush_notes);
	atomic_set_release(&req->local, LOCAL_PENDING);
}

static void submit_local(struct lockstep_request *req, bool own_thread)
{
	bio_set_dev(&req->clone, req->vol->data.bdev);
	trace_lockstep_write_local_start(req);
	if (own_thread)
		submit_bio_noacct(&req->clone);
	else
		lockstep_submit(&req->submit, &req->vol->submits, &req->clone);
}

void lockstep_write_send(struct lockstep_request *req, struct lockstep_session *s)
{
	message(req, s);
	WRITE_ONCE(req->call_epoch, s->epoch);
	req->call.done = peer_done;
	req->call.soft = true;
	if (!lockstep_stream_call(lockstep_session_stream(s), &req->call))
		lockstep_park_peer(req);
}

/* What is left to be done, outside mode_srcu. */
enum begun {
	NOTHING_LEFT,			/* it waits, or has ended */
	WITHOUT_DISK,
	WITH_DISK,
};

/*
 * To the peer first, then to the disk: the way there is the longer one. Either order is right:
 * until both have it, it is not acknowledged. `pending` has one more than the two, so that neither
 * completion can finish it under us.
 */
static enum begun begin_both(struct lockstep_request *req, struct lockstep_session *s)
{
	bool disk = percpu_ref_tryget_live(&req->vol->disk_ref);

	atomic_set(&req->pending, disk ? 3 : 2);
	req->flush_errors = READ_ONCE(req->vol->flush_notes.asks.errors);
	/* Before it can be taken from the disk: who does that asks whether the call is made. */
	WRITE_ONCE(req->call_epoch, s->epoch);
	if (disk)
		set_pending(req);
	lockstep_write_send(req, s);
	return disk ? WITH_DISK : WITHOUT_DISK;
}

static enum begun begin_alone(struct lockstep_request *req)
{
	if (!percpu_ref_tryget_live(&req->vol->disk_ref)) {
		lockstep_write_refuse(req);
		return NOTHING_LEFT;
	}
	/* Marked before it is written: a mark too many costs a copy, one too few a block (P3). */
	atomic_set(&req->pending, 2);
	req->alone = true;
	lockstep_write_mark(req);
	set_pending(req);
	return WITH_DISK;
}

/*
 * A disk whose queue is full keeps us here for as long as it hangs, and giving it up waits for
 * whoever is in mode_srcu: so this is outside. Its reference on the disk is there, and until our
 * own part of `pending` is given back the request is, too.
 */
static void go_on(struct lockstep_request *req, enum begun begun, bool own_thread)
{
	if (begun == WITH_DISK)
		submit_local(req, own_thread);
	if (begun != NOTHING_LEFT)
		lockstep_write_put(req);
}

static bool is_holding(u8 mode)
{
	return mode == LOCKSTEP_IO_LAZY || mode == LOCKSTEP_IO_NARROW ||
	       mode == LOCKSTEP_IO_FROZEN;
}

bool lockstep_request_wait(struct lockstep_resource *res, struct lockstep_waiter *w)
{
	bool held, ask;

	spin_lock_irq(&res->io_lock);
	held = is_holding(res->io_mode);
	ask = res->io_mode == LOCKSTEP_IO_LAZY;
	if (held) {
		list_add_tail(&w->node, &res->held);
		res->nr_held++;
	}
	spin_unlock_irq(&res->io_lock);
	if (held && ask)
		lockstep_status_post(res, STATUS_WRITE);
	return held;
}

/*
 * False: it comes back when its region is in the map, or has failed. A volume without a disk has no
 * map either: the peer keeps one. Under mode_srcu: a map goes only after everybody who may have
 * seen one has left.
 */
static bool has_region(struct lockstep_request *req)
{
	struct lockstep_volume *vol = req->vol;

	if (req->is_flush || smp_load_acquire(&vol->failed))
		return true;
	if (!req->region.failed)
		return lockstep_regions_begin(vol, req->range.range.first_sect, &req->region);
	lockstep_write_refuse(req);
	return false;
}

/*
 * Its range is free. First its region has to be in the map on the disk (R1), whatever the mode;
 * then by mode, under mode_srcu from looking until it is with the peer or marked. own_thread: we
 * are who submitted it, and nobody else waits for this call.
 */
static void start(struct lockstep_request *req, bool own_thread)
{
	struct lockstep_resource *res = req->vol->res;
	enum begun begun = NOTHING_LEFT;
	struct lockstep_session *s;
	int idx;

again:
	idx = srcu_read_lock(&res->mode_srcu);
	if (!has_region(req)) {
		srcu_read_unlock(&res->mode_srcu, idx);
		return;
	}
	trace_lockstep_write_mapped(req);
	switch (READ_ONCE(res->io_mode)) {
	case LOCKSTEP_IO_BOTH:
		s = srcu_dereference(res->session, &res->mode_srcu);
		if (!s) {
			/* Its end has begun between the two looks: by now the mode says hold. */
			srcu_read_unlock(&res->mode_srcu, idx);
			goto again;
		}
		begun = begin_both(req, s);
		break;
	case LOCKSTEP_IO_ALONE:
		begun = begin_alone(req);
		break;
	case LOCKSTEP_IO_LAZY:
	case LOCKSTEP_IO_NARROW:
	case LOCKSTEP_IO_FROZEN:
		if (lockstep_request_wait(res, &req->wait))
			break;
		srcu_read_unlock(&res->mode_srcu, idx);
		goto again;
	default:
		lockstep_write_refuse(req);
	}
	srcu_read_unlock(&res->mode_srcu, idx);
	go_on(req, begun, own_thread);
}

static void go(struct lockstep_waiter *w)
{
	start(container_of(w, struct lockstep_request, wait), false);
}

struct lockstep_request *lockstep_write_of_waiter(struct lockstep_waiter *w)
{
	return w->go == go ? container_of(w, struct lockstep_request, wait) : NULL;
}

static void go_all(struct list_head *list)
{
	struct lockstep_waiter *w, *tmp;

	list_for_each_entry_safe(w, tmp, list, node) {
		list_del_init(&w->node);
		w->go(w);
	}
}

void lockstep_request_ready_work(struct work_struct *work)
{
	struct lockstep_resource *res = container_of(work, struct lockstep_resource, ready_work);
	LIST_HEAD(list);

	spin_lock_irq(&res->io_lock);
	list_splice_init(&res->ready, &list);
	spin_unlock_irq(&res->io_lock);
	go_all(&list);
}

void lockstep_request_defer(struct lockstep_resource *res, struct lockstep_waiter *w)
{
	unsigned long flags;

	spin_lock_irqsave(&res->io_lock, flags);
	list_add_tail(&w->node, &res->ready);
	spin_unlock_irqrestore(&res->io_lock, flags);
	queue_work(lockstep_io_wq, &res->ready_work);
}

/* Nothing blocks it any more; not started here, because this may be a disk's completion. */
static void start_later(struct lockstep_request *req)
{
	lockstep_request_defer(req->vol->res, &req->wait);
}

static void range_ready(struct lockstep_range *r)
{
	start_later(container_of(r, struct lockstep_request, range));
}

static void region_ready(struct lockstep_region_wait *w)
{
	start_later(container_of(w, struct lockstep_request, region));
}

struct lockstep_request *lockstep_write_of_range(struct lockstep_range *r)
{
	return r->ready == range_ready ? container_of(r, struct lockstep_request, range) : NULL;
}

struct lockstep_request *lockstep_write_of_region(struct lockstep_region_wait *w)
{
	return w->ready == region_ready ? container_of(w, struct lockstep_request, region) : NULL;
}

/* ---- modes ---------------------------------------------------------------------------------- */

void lockstep_request_hold(struct lockstep_resource *res)
{
	lockdep_assert_held(&res->ctl);
	spin_lock_irq(&res->io_lock);
	if (res->io_mode == LOCKSTEP_IO_BOTH)
		res->io_mode = LOCKSTEP_IO_NARROW;
	res->through_epoch = 0;
	spin_unlock_irq(&res->io_lock);
}

/*
 * The mode is published before anything is let go. Orphans complete in ALONE only, that is after
 * the set was durably narrowed (P4): in BOTH they are those of a session that has failed and whose
 * end is still to come, and letting them go here would hide from it that something has to be
 * narrowed for.
 */
void lockstep_request_set_mode(struct lockstep_resource *res)
{
	enum lockstep_io_mode mode = state_io_mode(&res->state);
	LIST_HEAD(held);
	LIST_HEAD(orphans);

	lockdep_assert_held(&res->ctl);
	spin_lock_irq(&res->io_lock);
	res->io_mode = mode;
	/* Set by lockstep_request_resend() alone, for as long as it is so. */
	if (!state_may_work_through(&res->state))
		res->through_epoch = 0;
	if (mode == LOCKSTEP_IO_ALONE)
		list_splice_init(&res->orphans, &orphans);
	/* In LAZY, too: writes ask, and wait again; a read must not wait for a write. */
	if (!is_holding(mode) || mode == LOCKSTEP_IO_LAZY) {
		list_splice_init(&res->held, &held);
		res->nr_held = 0;
	}
	spin_unlock_irq(&res->io_lock);
	lockstep_park_end(res, &orphans);
	go_all(&held);
	/* In LAZY somebody may have been held before it was LAZY: nobody else would ask. */
	if (mode == LOCKSTEP_IO_LAZY && READ_ONCE(res->nr_held))
		lockstep_status_post(res, STATUS_WRITE);
}

/* ---- submission ----------------------------------------------------------------------------- */

/*
 * A clone with vectors of its own, so that the application's bio can complete while this one is
 * still at a disk that does not answer. One with more vectors than a bio can have shares them, and
 * cannot be let go early.
 */
static struct bio *clone_of(struct bio *bio, bool *shared)
{
	struct bvec_iter it;
	struct bio_vec bv;
	struct bio *clone;
	u32 nr = 0;

	*shared = false;
	if (bio_op(bio) == REQ_OP_WRITE)
		bio_for_each_bvec(bv, bio, it)
			nr++;
	if (nr > BIO_MAX_VECS) {
		*shared = true;
		return bio_alloc_clone(bio->bi_bdev, bio, GFP_NOIO, &request_bios);
	}
	clone = bio_alloc_bioset(bio->bi_bdev, nr, bio->bi_opf, GFP_NOIO, &request_bios);
	clone->bi_ioprio = bio->bi_ioprio;
	bio_clone_blkg_association(clone, bio);
	clone->bi_iter.bi_sector = bio->bi_iter.bi_sector;
	if (nr)
		bio_for_each_bvec(bv, bio, it)
			__bio_add_page(clone, bv.bv_page, bv.bv_len, bv.bv_offset);
	else
		clone->bi_iter.bi_size = bio->bi_iter.bi_size;
	return clone;
}

static struct lockstep_request *create(struct lockstep_volume *vol, struct bio *bio)
{
	struct lockstep_request *req;
	struct bio *clone;
	bool shared;

	clone = clone_of(bio, &shared);
	req = container_of(clone, struct lockstep_request, clone);
	req->vol = vol;
	req->master = bio;
	req->status = BLK_STS_OK;
	req->both = false;
	req->alone = false;
	req->resent = false;
	req->peer_failed = false;
	req->through = false;
	req->call_epoch = 0;
	req->asked_epoch = 0;
	req->flush_failures = 0;
	req->flush_errors = 0;
	req->holds_pages = false;
	req->shared = shared;
	req->nr_vecs = clone->bi_vcnt;
	lockstep_disk_job_init(&req->submit.job, &req->local_start);
	req->parked = 0;
	req->is_flush = !bio_sectors(bio);
	/* The block layer takes the flag off the clone, if the disk here has no cache. */
	req->flushing = bio->bi_opf & REQ_PREFLUSH;
	req->fua = bio->bi_opf & REQ_FUA;
	req->range.ready = range_ready;
	req->wait.go = go;
	INIT_LIST_HEAD(&req->wait.node);
	INIT_LIST_HEAD(&req->flush_node);
	INIT_LIST_HEAD(&req->orphan);
	atomic_set(&req->local, LOCAL_NONE);
	atomic_set(&req->holders, 1);
	req->region.ready = region_ready;
	req->region.failed = false;
	req->start = bio_start_io_acct(bio);
	req->start_ns = ktime_get_ns();
	lockstep_engine_note_begin(&vol->engine);
	atomic_inc(&vol->in_flight);
	trace_lockstep_write_submit(req);
	return req;
}

static void note_flush(struct lockstep_request *req)
{
	struct lockstep_resource *res = req->vol->res;

	spin_lock_irq(&res->io_lock);
	list_add_tail(&req->flush_node, &req->vol->flushes);
	spin_unlock_irq(&res->io_lock);
}

/*
 * Discards become zeroes: the content of a discarded block is the device's whim, and two devices'
 * whims are not the same. Both sides unmap where their device then surely reads zeroes.
 */
static void submit_write(struct lockstep_volume *vol, struct bio *bio)
{
	struct lockstep_request *req = create(vol, bio);
	u64 sect = bio->bi_iter.bi_sector;

	if (bio_op(bio) == REQ_OP_DISCARD)
		req->clone.bi_opf = (req->clone.bi_opf & ~REQ_OP_MASK) | REQ_OP_WRITE_ZEROES;
	req->clone.bi_end_io = local_done;
	if (req->is_flush)
		note_flush(req);
	if (req->is_flush || lockstep_range_enter(&vol->ranges, &req->range, sect,
						  bio_sectors(bio)))
		start(req, true);
}

/* Sectors up to where it must be split, 0: nowhere. */
static u32 split_at(const struct bio *bio)
{
	u64 sect = bio->bi_iter.bi_sector;
	u32 left = LOCKSTEP_REGION_SECT - (sect & (LOCKSTEP_REGION_SECT - 1));

	if (bio_op(bio) == REQ_OP_WRITE)
		left = min(left, LOCKSTEP_MAX_IO_SECT);
	return bio_sectors(bio) > left ? left : 0;
}

void lockstep_request_submit(struct lockstep_volume *vol, struct bio *bio)
{
	struct bio *first;
	u32 at;

	if (!percpu_ref_tryget_live(&vol->ref)) {
		bio_io_error(bio);
		return;
	}
	if (!op_is_write(bio_op(bio))) {
		lockstep_read_submit(vol, bio);
		return;
	}
	at = split_at(bio);
	if (at) {
		first = bio_split(bio, at, GFP_NOIO, &split_bios);
		if (IS_ERR_OR_NULL(first)) {
			bio_io_error(bio);
			percpu_ref_put(&vol->ref);
			return;
		}
		bio_chain(first, bio);
		/*
		 * The rest comes back to us after this one, by the block layer's own list: no
		 * recursion.
		 */
		submit_bio_noacct(bio);
		bio = first;
	}
	submit_write(vol, bio);
}
