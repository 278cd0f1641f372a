// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "lockstep: " fmt

#include "request.h"

#include <linux/bio.h>
#include <linux/blkdev.h>
#include "compat.h"
#include "resource.h"
#include "session.h"
#include "status.h"
#include "stream.h"
#include "volume.h"

struct lockstep_request {
	struct lockstep_volume *vol;
	struct bio *master;		/* the application's */
	struct lockstep_range range;
	struct lockstep_region_wait region;
	struct list_head node;		/* held, orphans or ready of the resource */
	struct lockstep_call call;
	/* local disk, peer, and the submitter while it starts both */
	atomic_t pending;
	unsigned long start;		/* for I/O accounting */
	u64 start_ns;			/* for the pacing of what runs beside it */
	blk_status_t status;		/* of the local disk */
	bool is_flush;			/* no data, no range */
	bool both;			/* acknowledged by the peer: may clear marks */
	struct bio clone;		/* last: the bio set puts its vectors behind it */
};

static struct bio_set request_bios, split_bios;

int lockstep_request_init(void)
{
	int err;

	err = bioset_init(&request_bios, 256, offsetof(struct lockstep_request, clone), 0);
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

static void count(struct lockstep_request *req, bool write)
{
	struct lockstep_volume *vol = req->vol;
	u32 sects = bio_sectors(req->master);

	atomic64_inc(write ? &vol->writes : &vol->reads);
	atomic64_add(sects, write ? &vol->write_sect : &vol->read_sect);
}

static void finish(struct lockstep_request *req)
{
	struct lockstep_volume *vol = req->vol;
	struct bio *master = req->master;

	bio_end_io_acct(master, req->start);
	if (!req->is_flush)
		lockstep_engine_note_end(&vol->engine,
					 op_is_write(bio_op(master)) ? PACE_WRITE : PACE_READ,
					 ktime_get_ns() - req->start_ns);
	atomic_dec(&vol->in_flight);
	if (req->status)
		master->bi_status = req->status;
	bio_put(&req->clone);
	bio_endio(master);
	percpu_ref_put(&vol->ref);
}

/*
 * Both are done (or the one there is). Marks are settled before the range is left, so that a resync
 * that waits for the range finds them as they are, and the range before the bio completes, so that
 * whoever waits for completion finds the range free.
 */
static void complete_write(struct lockstep_request *req)
{
	struct lockstep_volume *vol = req->vol;
	u64 sect = req->master->bi_iter.bi_sector;
	u32 nr = bio_sectors(req->master);

	if (!req->is_flush) {
		if (req->status)
			/* Undefined here now, and maybe new at the peer: the copies may differ. */
			lockstep_marks_set_atomic(&vol->marks, req->range.range.first_sect, nr);
		else if (req->both)
			lockstep_marks_clear(&vol->marks, sect, nr);
		lockstep_range_leave(&vol->ranges, &req->range);
	}
	count(req, true);
	finish(req);
}

static void put_pending(struct lockstep_request *req)
{
	if (atomic_dec_and_test(&req->pending))
		complete_write(req);
}

static void local_done(struct bio *bio)
{
	struct lockstep_request *req = container_of(bio, struct lockstep_request, clone);

	if (bio->bi_status) {
		req->status = bio->bi_status;
		pr_err_ratelimited("%s/%u: local disk failed a write at sector %llu: %d\n",
				   req->vol->res->name, req->vol->number,
				   req->range.range.first_sect,
				   blk_status_to_errno(bio->bi_status));
	}
	put_pending(req);
}

static void mark(struct lockstep_request *req)
{
	if (!req->is_flush)
		lockstep_marks_set(&req->vol->marks, req->master->bi_iter.bi_sector,
				   bio_sectors(req->master));
}

/*
 * The session ended with this one unanswered: it may be on the peer's disk or not. Marked now, and
 * kept from completing: the marks of the orphans are what the narrowed generation is about (P3,
 * P4).
 */
static void orphan(struct lockstep_request *req)
{
	struct lockstep_resource *res = req->vol->res;

	mark(req);
	spin_lock_irq(&res->io_lock);
	list_add_tail(&req->node, &res->orphans);
	spin_unlock_irq(&res->io_lock);
}

static void peer_done(struct lockstep_call *call, int status)
{
	struct lockstep_request *req = container_of(call, struct lockstep_request, call);

	if (status == LOCKSTEP_WS_OK) {
		req->both = true;
		put_pending(req);
		return;
	}
	/* A peer whose disk fails is no copy: go on without it, the same way as when it dies. */
	if (status != LOCKSTEP_CALL_LOST)
		lockstep_session_fail(call->stream->session, "the peer could not write to its disk",
				      status);
	orphan(req);
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
	if (req->is_flush) {
		m->type = LOCKSTEP_WT_FLUSH;
		m->sector = 0;
		req->call.tx.payload = NULL;
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
	if (bio->bi_opf & REQ_PREFLUSH)
		m->flags |= LOCKSTEP_WH_PREFLUSH;
	if (bio->bi_opf & REQ_SYNC)
		m->flags |= LOCKSTEP_WH_SYNC;
}

/*
 * To the peer first, then to the disk: the way there is the longer one. Either order is right:
 * until both have it, it is not acknowledged. `pending` has one more than the two, so that neither
 * completion can finish it under us.
 */
static void start_both(struct lockstep_request *req, struct lockstep_session *s)
{
	atomic_set(&req->pending, 3);
	message(req, s);
	req->call.done = peer_done;
	if (!lockstep_stream_call(lockstep_session_stream(s), &req->call))
		orphan(req);
	submit_bio_noacct(&req->clone);
	put_pending(req);
}

static void start_alone(struct lockstep_request *req)
{
	/* Marked before it is written: a mark too many costs a copy, one too few a block (P3). */
	atomic_set(&req->pending, 1);
	mark(req);
	submit_bio_noacct(&req->clone);
}

/* False: the mode is one that lets it go by now. */
static bool hold(struct lockstep_request *req)
{
	struct lockstep_resource *res = req->vol->res;
	bool held, ask;

	spin_lock_irq(&res->io_lock);
	held = res->io_mode == LOCKSTEP_IO_LAZY || res->io_mode == LOCKSTEP_IO_NARROW;
	ask = res->io_mode == LOCKSTEP_IO_LAZY;
	if (held) {
		list_add_tail(&req->node, &res->held);
		res->nr_held++;
	}
	spin_unlock_irq(&res->io_lock);
	if (held && ask)
		lockstep_status_post(res, STATUS_WRITE);
	return held;
}

static void refuse(struct lockstep_request *req)
{
	req->status = BLK_STS_IOERR;
	if (!req->is_flush)
		lockstep_range_leave(&req->vol->ranges, &req->range);
	finish(req);
}

/*
 * Its range is free. First its region has to be in the map on the disk (R1), whatever the mode;
 * then by mode, under mode_srcu from looking until it is with the peer or marked.
 */
static void start(struct lockstep_request *req)
{
	struct lockstep_resource *res = req->vol->res;
	struct lockstep_session *s;
	int idx;

	if (!req->is_flush &&
	    !lockstep_regions_begin(req->vol, req->range.range.first_sect, &req->region))
		return;
again:
	idx = srcu_read_lock(&res->mode_srcu);
	switch (READ_ONCE(res->io_mode)) {
	case LOCKSTEP_IO_BOTH:
		s = srcu_dereference(res->session, &res->mode_srcu);
		if (!s) {
			/* Its end has begun between the two looks: by now the mode says hold. */
			srcu_read_unlock(&res->mode_srcu, idx);
			goto again;
		}
		start_both(req, s);
		break;
	case LOCKSTEP_IO_ALONE:
		start_alone(req);
		break;
	case LOCKSTEP_IO_LAZY:
	case LOCKSTEP_IO_NARROW:
		if (hold(req))
			break;
		srcu_read_unlock(&res->mode_srcu, idx);
		goto again;
	default:
		refuse(req);
	}
	srcu_read_unlock(&res->mode_srcu, idx);
}

void lockstep_request_ready_work(struct work_struct *work)
{
	struct lockstep_resource *res = container_of(work, struct lockstep_resource, ready_work);
	struct lockstep_request *req, *tmp;
	LIST_HEAD(list);

	spin_lock_irq(&res->io_lock);
	list_splice_init(&res->ready, &list);
	spin_unlock_irq(&res->io_lock);
	list_for_each_entry_safe(req, tmp, &list, node) {
		list_del_init(&req->node);
		start(req);
	}
}

/* Nothing blocks it any more; not started here, because this may be a disk's completion. */
static void start_later(struct lockstep_request *req)
{
	struct lockstep_resource *res = req->vol->res;
	unsigned long flags;

	spin_lock_irqsave(&res->io_lock, flags);
	list_add_tail(&req->node, &res->ready);
	spin_unlock_irqrestore(&res->io_lock, flags);
	queue_work(lockstep_io_wq, &res->ready_work);
}

static void range_ready(struct lockstep_range *r)
{
	start_later(container_of(r, struct lockstep_request, range));
}

static void region_ready(struct lockstep_region_wait *w)
{
	start_later(container_of(w, struct lockstep_request, region));
}

/* ---- modes ---------------------------------------------------------------------------------- */

void lockstep_request_hold(struct lockstep_resource *res)
{
	lockdep_assert_held(&res->ctl);
	spin_lock_irq(&res->io_lock);
	if (res->io_mode == LOCKSTEP_IO_BOTH)
		res->io_mode = LOCKSTEP_IO_NARROW;
	spin_unlock_irq(&res->io_lock);
}

/*
 * The mode is published before anything is let go. Orphans complete in ALONE only, that is after
 * the set was durably narrowed (P4): in BOTH they are those of a session that has failed and whose
 * end is still to come, and letting them go here would hide from it that something has to be
 * narrowed for.
 */
void lockstep_request_set_mode(struct lockstep_resource *res, enum lockstep_io_mode mode)
{
	bool holds = mode == LOCKSTEP_IO_LAZY || mode == LOCKSTEP_IO_NARROW;
	struct lockstep_request *req, *tmp;
	LIST_HEAD(held);
	LIST_HEAD(orphans);

	lockdep_assert_held(&res->ctl);
	spin_lock_irq(&res->io_lock);
	res->io_mode = mode;
	if (mode == LOCKSTEP_IO_ALONE)
		list_splice_init(&res->orphans, &orphans);
	if (!holds) {
		list_splice_init(&res->held, &held);
		res->nr_held = 0;
	}
	spin_unlock_irq(&res->io_lock);
	list_for_each_entry_safe(req, tmp, &orphans, node) {
		list_del_init(&req->node);
		put_pending(req);
	}
	list_for_each_entry_safe(req, tmp, &held, node) {
		list_del_init(&req->node);
		start(req);
	}
	/* In LAZY somebody may have been held before it was LAZY: nobody else would ask. */
	if (mode == LOCKSTEP_IO_LAZY && READ_ONCE(res->nr_held))
		lockstep_status_post(res, STATUS_WRITE);
}

/* ---- submission ----------------------------------------------------------------------------- */

static struct lockstep_request *create(struct lockstep_volume *vol, struct bio *bio)
{
	struct lockstep_request *req;
	struct bio *clone;

	clone = bio_alloc_clone(vol->data.bdev, bio, GFP_NOIO, &request_bios);
	req = container_of(clone, struct lockstep_request, clone);
	req->vol = vol;
	req->master = bio;
	req->status = BLK_STS_OK;
	req->both = false;
	req->is_flush = !bio_sectors(bio);
	req->range.ready = range_ready;
	req->region.ready = region_ready;
	INIT_LIST_HEAD(&req->node);
	req->start = bio_start_io_acct(bio);
	req->start_ns = ktime_get_ns();
	lockstep_engine_note_begin(&vol->engine);
	atomic_inc(&vol->in_flight);
	return req;
}

static void read_done(struct bio *bio)
{
	struct lockstep_request *req = container_of(bio, struct lockstep_request, clone);

	req->status = bio->bi_status;
	count(req, false);
	finish(req);
}

/* Reads are local: what is acknowledged is here. */
static void submit_read(struct lockstep_volume *vol, struct bio *bio)
{
	struct lockstep_request *req;

	if (READ_ONCE(vol->stale)) {
		bio_io_error(bio);
		percpu_ref_put(&vol->ref);
		return;
	}
	req = create(vol, bio);
	req->clone.bi_end_io = read_done;
	submit_bio_noacct(&req->clone);
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
	if (req->is_flush || lockstep_range_enter(&vol->ranges, &req->range, sect,
						  bio_sectors(bio)))
		start(req);
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
		submit_read(vol, bio);
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
