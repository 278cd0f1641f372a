// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "lockstep: " fmt

#include "resync.h"

#include <linux/bio.h>
#include <linux/blkdev.h>
#include "report.h"
#include "resource.h"
#include "session.h"
#include "status.h"
#include "stream.h"
#include "volume.h"

/*
 * Long enough for the wire's bandwidth, short enough that an application write never waits long for
 * a range.
 */
#define RUN_BITS	128u		/* 512 KiB */
#define DEPTH		16u

enum stage {
	STAGE_RANGE,			/* range taken: read */
	STAGE_READ,			/* read here: send */
};

struct resync_request {
	struct lockstep_volume *vol;
	struct lockstep_range range;
	struct lockstep_call call;
	struct list_head node;		/* resync.ready */
	enum stage stage;
	struct bvec_iter iter;		/* the whole run; reading moves bio's */
	struct bio bio;			/* last */
};

static struct bio_set resync_bios;

int lockstep_resync_module_init(void)
{
	return bioset_init(&resync_bios, DEPTH, offsetof(struct resync_request, bio),
			   BIOSET_NEED_BVECS);
}

void lockstep_resync_module_exit(void)
{
	bioset_exit(&resync_bios);
}

static void kick(struct lockstep_volume *vol)
{
	mod_delayed_work(lockstep_slow_wq, &vol->resync.work, 0);
}

/* ---- one request ---------------------------------------------------------------------------- */

static void enqueue(struct resync_request *rr, enum stage stage)
{
	struct lockstep_resync *rs = &rr->vol->resync;
	unsigned long flags;

	spin_lock_irqsave(&rs->lock, flags);
	rr->stage = stage;
	list_add_tail(&rr->node, &rs->ready);
	spin_unlock_irqrestore(&rs->lock, flags);
	kick(rr->vol);
}

static void range_ready(struct lockstep_range *r)
{
	enqueue(container_of(r, struct resync_request, range), STAGE_RANGE);
}

static void retire(struct lockstep_volume *vol)
{
	struct lockstep_resync *rs = &vol->resync;
	unsigned long flags;

	spin_lock_irqsave(&rs->lock, flags);
	if (!--rs->in_flight)
		wake_up_all(&rs->drained);
	/* Under the lock: once it is dropped and nothing is in flight, the volume may go. */
	kick(vol);
	spin_unlock_irqrestore(&rs->lock, flags);
}

static void destroy(struct resync_request *rr)
{
	struct lockstep_volume *vol = rr->vol;
	u32 i;

	lockstep_range_leave(&vol->ranges, &rr->range);
	for (i = 0; i < rr->bio.bi_vcnt; i++)
		__free_page(rr->bio.bi_io_vec[i].bv_page);
	bio_put(&rr->bio);
	retire(vol);
}

/*
 * The peer has it on its disk, perhaps in a volatile cache: the marks go now, in memory, and the
 * end of the resync is declared only after a flush on both sides. A peer that dies before has an
 * inconsistent copy and says so.
 */
static void peer_done(struct lockstep_call *call, int status)
{
	struct resync_request *rr = container_of(call, struct resync_request, call);
	struct lockstep_volume *vol = rr->vol;
	u32 sects = rr->iter.bi_size >> LOCKSTEP_SECT_SHIFT;

	if (status == LOCKSTEP_WS_OK) {
		lockstep_marks_clear_sleep(&vol->marks, rr->iter.bi_sector, sects);
		atomic64_add(sects, &vol->resync_sect);
	} else if (status != LOCKSTEP_CALL_LOST) {
		lockstep_session_fail(call->stream->session,
				      "the peer could not write a resynced block to its disk", 0);
	}
	destroy(rr);
}

static bool is_zero(const struct resync_request *rr)
{
	u32 i;

	for (i = 0; i < rr->bio.bi_vcnt; i++) {
		const struct bio_vec *bv = &rr->bio.bi_io_vec[i];

		if (memchr_inv(page_address(bv->bv_page), 0, bv->bv_len))
			return false;
	}
	return true;
}

/*
 * The session this resync belongs to, or NULL when that is over. Requests outlive their session
 * (nobody waits for them at its end), and must neither use nor disturb the next one, which may not
 * even have its streams. Under mode_srcu.
 */
static struct lockstep_session *session_of(struct lockstep_volume *vol)
{
	struct lockstep_session *s;

	s = srcu_dereference(vol->res->session, &vol->res->mode_srcu);
	return s && s->id == READ_ONCE(vol->resync.session_id) ? s : NULL;
}

static void send_run(struct resync_request *rr)
{
	struct lockstep_volume *vol = rr->vol;
	struct lockstep_resource *res = vol->res;
	struct wire_msg *m = &rr->call.msg;
	struct lockstep_session *s;
	bool zero = vol->peer.limits.caps & LOCKSTEP_VC_ZEROES && is_zero(rr);
	int idx;

	rr->bio.bi_iter = rr->iter;
	*m = (struct wire_msg){
		.type = zero ? LOCKSTEP_WT_ZEROES : LOCKSTEP_WT_WRITE,
		.flags = LOCKSTEP_WH_RESYNC | (zero ? LOCKSTEP_WH_UNMAP : 0),
		.volume = vol->number,
		.sector = rr->iter.bi_sector,
		.size_bytes = rr->iter.bi_size,
		.payload_bytes = zero ? 0 : rr->iter.bi_size,
	};
	rr->call.tx.payload = zero ? NULL : &rr->bio;
	rr->call.done = peer_done;
	idx = srcu_read_lock(&res->mode_srcu);
	s = session_of(vol);
	if (s)
		m->epoch = s->epoch;
	if (!s || !lockstep_stream_call(lockstep_session_stream(s), &rr->call))
		destroy(rr);
	srcu_read_unlock(&res->mode_srcu, idx);
}

static void fail_session(struct lockstep_volume *vol, const char *why, int err)
{
	struct lockstep_session *s;
	int idx;

	idx = srcu_read_lock(&vol->res->mode_srcu);
	s = session_of(vol);
	if (s)
		lockstep_session_fail(s, why, err);
	srcu_read_unlock(&vol->res->mode_srcu, idx);
}

static void read_done(struct bio *bio)
{
	enqueue(container_of(bio, struct resync_request, bio), STAGE_READ);
}

static void read_run(struct resync_request *rr)
{
	struct lockstep_volume *vol = rr->vol;
	u64 first = rr->iter.bi_sector / LOCKSTEP_BIT_SECT;
	u32 count = rr->iter.bi_size / LOCKSTEP_BIT_BYTES;

	/* An application's write may have settled it while we waited for the range. */
	if (!READ_ONCE(vol->resync.running) ||
	    lockstep_marks_are_clear(&vol->marks, first, count)) {
		destroy(rr);
		return;
	}
	rr->bio.bi_end_io = read_done;
	submit_bio_noacct(&rr->bio);
}

static void advance(struct resync_request *rr)
{
	if (rr->stage == STAGE_RANGE) {
		read_run(rr);
	} else if (rr->bio.bi_status) {
		fail_session(rr->vol, "the local disk cannot be read for the resync",
			     blk_status_to_errno(rr->bio.bi_status));
		destroy(rr);
	} else {
		send_run(rr);
	}
}

/*
 * Never waits for memory: this work also lets requests go whose ranges application writes wait for.
 */
static struct resync_request *create(struct lockstep_volume *vol, u64 sect, u32 bytes)
{
	u32 nr = DIV_ROUND_UP(bytes, PAGE_SIZE), i;
	struct resync_request *rr;
	struct page *page;
	struct bio *bio;

	bio = bio_alloc_bioset(vol->data.bdev, nr, REQ_OP_READ, GFP_NOWAIT | __GFP_NOWARN,
			       &resync_bios);
	if (!bio)
		return NULL;
	rr = container_of(bio, struct resync_request, bio);
	rr->vol = vol;
	rr->range.ready = range_ready;
	bio->bi_iter.bi_sector = sect;
	for (i = 0; i < nr; i++) {
		page = alloc_page(GFP_NOWAIT | __GFP_NOWARN);
		if (!page)
			break;
		__bio_add_page(bio, page, min_t(u32, bytes - i * PAGE_SIZE, PAGE_SIZE), 0);
	}
	if (!i) {
		bio_put(bio);
		return NULL;
	}
	rr->iter = bio->bi_iter;	/* short of memory it is a shorter run */
	return rr;
}

/* ---- the walk ------------------------------------------------------------------------------- */

/* Next run of marks, not crossing a region. 0 bytes: none from next_bit to the end. */
static u32 next_run(struct lockstep_volume *vol, u64 *ret_sect)
{
	struct lockstep_resync *rs = &vol->resync;
	u64 first, next, sect, end;
	u32 bits;

	bits = lockstep_marks_find(&vol->marks, rs->next_bit, RUN_BITS, &first, &next);
	if (!bits)
		return 0;
	sect = first * LOCKSTEP_BIT_SECT;
	end = min((first + bits) * LOCKSTEP_BIT_SECT,
		  (sect / LOCKSTEP_REGION_SECT + 1) * LOCKSTEP_REGION_SECT);
	end = min(end, vol->data_sect);
	rs->next_bit = DIV_ROUND_UP(end, LOCKSTEP_BIT_SECT);
	*ret_sect = sect;
	return (end - sect) << LOCKSTEP_SECT_SHIFT;
}

static bool may_issue(struct lockstep_resync *rs)
{
	bool may;

	spin_lock_irq(&rs->lock);
	may = rs->running && !rs->flushing && rs->in_flight < DEPTH;
	if (may)
		rs->in_flight++;
	spin_unlock_irq(&rs->lock);
	return may;
}

enum issued {
	ISSUED,				/* or may not at present */
	NOTHING_MARKED,			/* from next_bit to the end */
	NO_MEMORY,
};

static enum issued issue(struct lockstep_volume *vol)
{
	struct resync_request *rr;
	u64 sect;
	u32 bytes;

	if (!may_issue(&vol->resync))
		return ISSUED;
	bytes = next_run(vol, &sect);
	rr = bytes ? create(vol, sect, bytes) : NULL;
	if (!rr) {
		/* Not retire(): its kick would make this work run for ever. */
		spin_lock_irq(&vol->resync.lock);
		if (!--vol->resync.in_flight)
			wake_up_all(&vol->resync.drained);
		spin_unlock_irq(&vol->resync.lock);
		return bytes ? NO_MEMORY : NOTHING_MARKED;
	}
	/* Where the run became shorter, the walk comes back for the rest. */
	vol->resync.next_bit = sect / LOCKSTEP_BIT_SECT + rr->iter.bi_size / LOCKSTEP_BIT_BYTES;
	if (lockstep_range_enter(&vol->ranges, &rr->range, sect,
				 rr->iter.bi_size >> LOCKSTEP_SECT_SHIFT))
		read_run(rr);
	return ISSUED;
}

static void flush_done(struct lockstep_call *call, int status)
{
	struct lockstep_volume *vol = container_of(call, struct lockstep_volume, resync.flush_call);
	struct lockstep_resync *rs = &vol->resync;

	if (status != LOCKSTEP_WS_OK && status != LOCKSTEP_CALL_LOST)
		lockstep_session_fail(call->stream->session, "the peer could not flush", 0);
	spin_lock_irq(&rs->lock);
	rs->flushed = status == LOCKSTEP_WS_OK;
	spin_unlock_irq(&rs->lock);
	if (status == LOCKSTEP_WS_OK)
		lockstep_status_post(vol->res, STATUS_SYNC_EMPTY);
	retire(vol);
}

/*
 * All is copied: both sides flush, then the target may be told that it is whole. Not before: its
 * blocks sit in a cache, and a target that called itself up to date and then lost power would serve
 * what it never had.
 */
static void flush_both(struct lockstep_volume *vol)
{
	struct lockstep_resource *res = vol->res;
	struct lockstep_call *call = &vol->resync.flush_call;
	struct lockstep_session *s;
	int idx, err;

	err = blkdev_issue_flush(vol->data.bdev);
	if (err)
		fail_session(vol, "the local disk cannot be flushed", err);
	call->tx.payload = NULL;
	call->done = flush_done;
	idx = srcu_read_lock(&res->mode_srcu);
	s = session_of(vol);
	call->msg = (struct wire_msg){
		.type = LOCKSTEP_WT_FLUSH,
		.volume = vol->number,
		.epoch = s ? s->epoch : 0,
	};
	if (!s || err || !lockstep_stream_call(lockstep_session_stream(s), call))
		retire(vol);
	srcu_read_unlock(&res->mode_srcu, idx);
}

/* The walk found nothing: start over, wait for those in flight, or finish. */
static void walk_ended(struct lockstep_volume *vol)
{
	struct lockstep_resync *rs = &vol->resync;
	bool again, finish;

	spin_lock_irq(&rs->lock);
	again = rs->running && !rs->in_flight && lockstep_marks_weight(&vol->marks);
	finish = rs->running && !rs->in_flight && !again && !rs->flushing;
	if (finish) {
		rs->flushing = true;
		rs->in_flight++;
	}
	spin_unlock_irq(&rs->lock);
	if (again) {
		rs->next_bit = 0;
		kick(vol);
	} else if (finish) {
		flush_both(vol);
	}
}

static struct resync_request *pop_ready(struct lockstep_resync *rs)
{
	struct resync_request *rr;

	spin_lock_irq(&rs->lock);
	rr = list_first_entry_or_null(&rs->ready, struct resync_request, node);
	if (rr)
		list_del_init(&rr->node);
	spin_unlock_irq(&rs->lock);
	return rr;
}

static void resync_work(struct work_struct *work)
{
	struct lockstep_volume *vol = container_of(work, struct lockstep_volume, resync.work.work);
	struct lockstep_resync *rs = &vol->resync;
	enum issued issued = ISSUED;
	struct resync_request *rr;
	u32 i;

	while ((rr = pop_ready(rs)))
		advance(rr);
	for (i = 0; i < DEPTH && issued == ISSUED; i++)
		issued = issue(vol);
	if (issued == NOTHING_MARKED)
		walk_ended(vol);
	else if (issued == NO_MEMORY)
		queue_delayed_work(lockstep_slow_wq, &rs->work, HZ / 10);
	if (rs->running && time_after(jiffies, rs->reported + HZ)) {
		rs->reported = jiffies;
		lockstep_report_event(vol->res, vol, LOCKSTEP_EVENT_SYNC_PROGRESS);
	}
}

/* ---- control -------------------------------------------------------------------------------- */

void lockstep_resync_init(struct lockstep_volume *vol)
{
	struct lockstep_resync *rs = &vol->resync;

	spin_lock_init(&rs->lock);
	INIT_LIST_HEAD(&rs->ready);
	INIT_DELAYED_WORK(&rs->work, resync_work);
	init_waitqueue_head(&rs->drained);
}

int lockstep_resync_start_locked(struct lockstep_volume *vol, struct lockstep_session *s)
{
	struct lockstep_resync *rs = &vol->resync;

	lockdep_assert_held(&vol->res->ctl);
	if (rs->sync != LOCKSTEP_SYNC_SOURCE_WAIT)
		return 0;
	/*
	 * What an earlier session's resync left behind ends by itself, now that requests move
	 * again; unless this session fails too, whose end needs the lock we hold.
	 */
	vol->res->wait = "requests of an earlier resync";
	wait_event(rs->drained, !READ_ONCE(rs->in_flight) || atomic_read(&s->failed));
	vol->res->wait = NULL;
	if (READ_ONCE(rs->in_flight))
		return -ENOTCONN;
	lockstep_resync_drain(vol);
	WRITE_ONCE(rs->session_id, s->id);
	rs->sync = LOCKSTEP_SYNC_SOURCE;
	rs->total_bits = lockstep_marks_weight(&vol->marks);
	rs->began = jiffies;
	rs->reported = jiffies;
	spin_lock_irq(&rs->lock);
	rs->next_bit = 0;
	rs->flushing = false;
	rs->flushed = false;
	rs->running = true;
	spin_unlock_irq(&rs->lock);
	pr_info("%s/%u: resync of %llu KiB to %s begins\n", vol->res->name, vol->number,
		rs->total_bits * (LOCKSTEP_BIT_BYTES / 1024), vol->res->peer_name);
	kick(vol);
	return 0;
}

void lockstep_resync_session_failed(struct lockstep_resource *res)
{
	struct lockstep_volume *vol;
	int i;

	for (i = 0; i < LOCKSTEP_MAX_VOLUMES; i++) {
		vol = READ_ONCE(res->volume[i]);
		if (vol)
			wake_up_all(&vol->resync.drained);
	}
}

void lockstep_resync_stop_locked(struct lockstep_resource *res)
{
	struct lockstep_volume *vol;
	int i;

	resource_for_each_volume(res, i, vol) {
		spin_lock_irq(&vol->resync.lock);
		vol->resync.running = false;
		spin_unlock_irq(&vol->resync.lock);
		vol->resync.sync = LOCKSTEP_SYNC_NONE;
	}
}

void lockstep_resync_drain(struct lockstep_volume *vol)
{
	struct lockstep_resync *rs = &vol->resync;

	wait_event(rs->drained, !READ_ONCE(rs->in_flight));
	/* retire() queues the work after that, but before it drops the lock. */
	spin_lock_irq(&rs->lock);
	spin_unlock_irq(&rs->lock);
	cancel_delayed_work_sync(&rs->work);
}

bool lockstep_resync_finished_locked(struct lockstep_volume *vol)
{
	struct lockstep_resync *rs = &vol->resync;
	bool finished;

	bool again = false;

	spin_lock_irq(&rs->lock);
	finished = rs->running && rs->flushed;
	if (finished && lockstep_marks_weight(&vol->marks)) {
		/*
		 * A local write failed since: what it left is copied, and flushed, like the rest.
		 */
		rs->flushing = false;
		rs->flushed = false;
		finished = false;
		again = true;
	}
	if (finished)
		rs->running = false;
	spin_unlock_irq(&rs->lock);
	if (again)
		kick(vol);
	return finished;
}
