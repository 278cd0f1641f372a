// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "lockstep: " fmt

#include "peerreq.h"

#include <linux/bio.h>
#include <linux/blkdev.h>
#include "ack.h"
#include "diskfail.h"
#include "pages.h"
#include "regionmap.h"
#include "resource.h"
#include "session.h"
#include "status.h"
#include "stream.h"
#include "submit.h"
#include "sums.h"
#include "trace.h"
#include "volume.h"

/* Who has it; moved by xchg and cmpxchg alone. */
enum where {
	HERE,				/* being received, or answered */
	AT_DISK,			/* or waiting for its region; on the stream's list */
	STRAY,				/* the same, and its session is over: stream is gone */
};

struct lockstep_peer_request {
	struct lockstep_tx answer;
	struct lockstep_stream *stream;	/* not of a STRAY */
	struct lockstep_volume *vol;
	atomic_t where;
	struct list_head node;		/* at_disk of the stream */
	unsigned long since;		/* jiffies: AT_DISK, and not waiting for a worker */
	struct wire_msg msg;
	struct work_struct work;	/* CSUM: read, to be summed; served: its region is there */
	struct lockstep_region_wait region;	/* served writes */
	struct lockstep_submit submit;
	struct bio bio;			/* last: the bio set puts its vectors behind it */
};

static struct bio_set peer_bios;

int lockstep_peer_request_init(void)
{
	return bioset_init(&peer_bios, 64, offsetof(struct lockstep_peer_request, bio),
			   BIOSET_NEED_BVECS);
}

void lockstep_peer_request_exit(void)
{
	bioset_exit(&peer_bios);
}

struct bio *lockstep_peer_request_bio(struct lockstep_peer_request *pr)
{
	return &pr->bio;
}

/*
 * As soon as the disk has it: a peer that does not read its answers must not pin more than those,
 * and what it asked to read.
 */
static bool free_pages_of(struct lockstep_peer_request *pr, struct lockstep_pages *keep)
{
	bool any = pr->bio.bi_vcnt;

	lockstep_pages_empty(keep, &pr->bio);
	return any;
}

static void free_payload(struct lockstep_peer_request *pr)
{
	if (free_pages_of(pr, &pr->stream->pages))
		atomic_sub(wire_msg_memory(&pr->msg), &pr->stream->peer_bytes);
}

static void destroy(struct lockstep_peer_request *pr)
{
	struct lockstep_session *s = pr->stream->session;

	free_payload(pr);
	atomic_dec(&pr->stream->peer_requests);
	bio_put(&pr->bio);
	lockstep_session_idle(s);
}

static void answer_sent(struct lockstep_tx *tx)
{
	destroy(container_of(tx, struct lockstep_peer_request, answer));
}

static blk_opf_t operation(const struct wire_msg *msg)
{
	blk_opf_t opf = REQ_OP_WRITE | REQ_IDLE;

	if (wire_type_is_read(msg->type))
		return REQ_OP_READ;
	/* The primary waits for us: never behind writeback. */
	if (msg->type == LOCKSTEP_WT_FLUSH)
		return REQ_OP_WRITE | REQ_PREFLUSH | REQ_SYNC | REQ_IDLE;
	if (msg->type == LOCKSTEP_WT_ZEROES)
		return REQ_OP_WRITE_ZEROES |
		       (msg->flags & LOCKSTEP_WH_UNMAP ? 0 : REQ_NOUNMAP);
	if (msg->flags & LOCKSTEP_WH_FUA)
		opf |= REQ_FUA;
	if (msg->flags & LOCKSTEP_WH_PREFLUSH)
		opf |= REQ_PREFLUSH;
	if (!(msg->flags & LOCKSTEP_WH_RESYNC))
		opf |= REQ_SYNC;
	return opf;
}

void lockstep_peer_request_abandon(struct lockstep_peer_request *pr)
{
	destroy(pr);
}

/*
 * Twice the credits, because ours are given back only after the answer is sent, when the peer may
 * have used them again already.
 */
bool lockstep_peer_request_allowed(const struct lockstep_stream *st)
{
	return atomic_read(&st->peer_requests) < 2 * LOCKSTEP_STREAM_SLOTS &&
	       atomic_read(&st->peer_bytes) < 2 * LOCKSTEP_STREAM_WINDOW_BYTES;
}

struct lockstep_peer_request *lockstep_peer_request_create(struct lockstep_stream *st,
							   struct lockstep_volume *vol,
							   const struct wire_msg *msg)
{
	u32 bytes = wire_msg_memory(msg), nr = DIV_ROUND_UP(bytes, PAGE_SIZE);
	struct lockstep_peer_request *pr;
	struct bio *bio;

	bio = bio_alloc_bioset(vol->data.bdev, nr, operation(msg), GFP_NOIO, &peer_bios);
	if (!bio)
		return NULL;
	pr = container_of(bio, struct lockstep_peer_request, bio);
	pr->stream = st;
	pr->vol = vol;
	pr->msg = *msg;
	pr->answer.payload = NULL;
	pr->answer.sent = answer_sent;
	atomic_set(&pr->where, HERE);
	lockstep_disk_job_init(&pr->submit.job, &pr->since);
	bio->bi_iter.bi_sector = wire_type_has_extent(msg->type) ? msg->sector : 0;
	lockstep_session_busy(st->session);
	atomic_inc(&st->peer_requests);
	atomic_add(bytes, &st->peer_bytes);
	if (lockstep_pages_fill(&st->pages, bio, bytes, GFP_NOIO))
		return pr;
	if (!bio->bi_vcnt)
		atomic_sub(bytes, &st->peer_bytes);
	lockstep_peer_request_abandon(pr);
	return NULL;
}

/*
 * From the disk's completion, any context: acknowledge only now, and only to the stream that asked.
 * In the receiving thread itself (a disk that completes at once) the thread sends before it sleeps;
 * else it is woken if it sleeps, or a worker does.
 */
static void send_answer(struct lockstep_peer_request *pr, struct wire_msg *msg)
{
	struct lockstep_stream *st = pr->stream;
	bool own = in_task() && current == st->recv_task;

	msg->volume = pr->msg.volume;
	msg->slot = pr->msg.slot;
	msg->slot_gen = pr->msg.slot_gen;
	msg->epoch = pr->msg.epoch;
	wire_msg_encode(msg, &pr->answer.hdr);
	/*
	 * The session, and with it the stream, may go once the answer is queued; our own thread
	 * cannot be outlived.
	 */
	lockstep_session_busy(st->session);
	lockstep_stream_queue(st, &pr->answer);
	if (!own)
		lockstep_ack_answer(st);
	lockstep_session_idle(st->session);
}

static void answer(struct lockstep_peer_request *pr, u16 status)
{
	struct wire_msg msg = { .type = LOCKSTEP_WT_ACK, .status = status };

	free_payload(pr);
	send_answer(pr, &msg);
}

/* The first `bytes` of the pages follow. */
static void answer_with(struct lockstep_peer_request *pr, u8 type, u32 bytes)
{
	struct wire_msg msg = {
		.type = type,
		.sector = pr->msg.sector,
		.size_bytes = pr->msg.size_bytes,
		.payload_bytes = bytes,
	};

	pr->bio.bi_iter = (struct bvec_iter){ .bi_size = bytes };
	pr->answer.payload = &pr->bio;
	/* They would be lost to the pool, which keeps none that somebody else has. */
	pr->answer.lends_pages = false;
	send_answer(pr, &msg);
}

static void count(struct lockstep_peer_request *pr)
{
	u32 sect = pr->msg.size_bytes / LOCKSTEP_SECT_BYTES;

	if (pr->msg.flags & LOCKSTEP_WH_RESYNC) {
		atomic64_add(sect, &pr->vol->resync_sect);
	} else if (pr->msg.type != LOCKSTEP_WT_FLUSH) {
		atomic64_inc(&pr->vol->peer_writes);
		atomic64_add(sect, &pr->vol->peer_write_sect);
	}
}

/* ---- at the disk ---------------------------------------------------------------------------- */

/* False: it was given up, and gets nothing any more. */
static bool enter_disk(struct lockstep_peer_request *pr)
{
	struct lockstep_stream *st = pr->stream;
	unsigned long flags;

	if (!percpu_ref_tryget_live(&pr->vol->disk_ref))
		return false;
	pr->since = jiffies;
	atomic_set(&pr->where, AT_DISK);
	spin_lock_irqsave(&st->disk_lock, flags);
	list_add_tail(&pr->node, &st->at_disk);
	spin_unlock_irqrestore(&st->disk_lock, flags);
	return true;
}

static bool is_flushing(const struct lockstep_peer_request *pr)
{
	return pr->msg.type == LOCKSTEP_WT_FLUSH || pr->msg.flags & LOCKSTEP_WH_PREFLUSH;
}

static bool is_fua_flush(const struct lockstep_peer_request *pr)
{
	return pr->msg.flags & LOCKSTEP_WH_FUA &&
	       lockstep_flush_follows_fua(pr->vol->data.bdev);
}

/*
 * False: its session is over, and so is the request; nothing of either is to be touched. A disk
 * that is still in use and has not taken a write is to be given up all the same: what it had
 * acknowledged before may be gone as well.
 */
static bool leave_disk(struct lockstep_peer_request *pr, int err)
{
	struct lockstep_volume *vol = pr->vol;
	struct lockstep_stream *st = pr->stream;
	unsigned long flags;

	if (atomic_xchg(&pr->where, HERE) == AT_DISK) {
		spin_lock_irqsave(&st->disk_lock, flags);
		list_del(&pr->node);
		spin_unlock_irqrestore(&st->disk_lock, flags);
		percpu_ref_put(&vol->disk_ref);
		return true;
	}
	if (err && (is_flushing(pr) || is_fua_flush(pr)))
		lockstep_flush_failed_here(vol, true);
	if (err && !wire_type_is_read(pr->msg.type))
		lockstep_disk_failed(vol, DISK_FAILED_PEER_WRITE, err);
	free_pages_of(pr, NULL);
	bio_put(&pr->bio);
	if (atomic_dec_and_test(&vol->strays))
		lockstep_status_post(vol->res, STATUS_STRAYS);
	/* Last: the volume, and with it the resource, is there as long as we have this. */
	percpu_ref_put(&vol->disk_ref);
	return false;
}

static bool is_stray(const struct lockstep_peer_request *pr)
{
	return atomic_read(&pr->where) == STRAY;
}

/*
 * Counted, and off the list, before it becomes a stray: from then on its end may free it at any
 * time. Who is ending just now takes itself off the list once more, which does no harm.
 */
static bool make_stray(struct lockstep_peer_request *pr)
{
	struct lockstep_volume *vol = pr->vol;

	lockdep_assert_held(&pr->stream->disk_lock);
	atomic_inc(&vol->strays);
	list_del_init(&pr->node);
	if (atomic_cmpxchg(&pr->where, AT_DISK, STRAY) == AT_DISK)
		return true;
	atomic_dec(&vol->strays);
	return false;
}

u32 lockstep_peer_request_let_go(struct lockstep_stream *st, bool all)
{
	struct lockstep_peer_request *pr, *tmp;
	u32 nr = 0;

	spin_lock_irq(&st->disk_lock);
	list_for_each_entry_safe(pr, tmp, &st->at_disk, node)
		if (all || READ_ONCE(pr->vol->failed))
			nr += make_stray(pr);
	spin_unlock_irq(&st->disk_lock);
	return nr;
}

struct lockstep_volume *lockstep_peer_request_overdue(struct lockstep_stream *st, u32 ms)
{
	unsigned long before = jiffies - msecs_to_jiffies(ms);
	struct lockstep_volume *vol = NULL;
	struct lockstep_peer_request *pr;

	spin_lock_irq(&st->disk_lock);
	list_for_each_entry(pr, &st->at_disk, node) {
		if (!lockstep_disk_job_is_late(&pr->submit.job, before))
			continue;
		vol = pr->vol;
		break;
	}
	spin_unlock_irq(&st->disk_lock);
	return vol;
}

/* ---- its end there -------------------------------------------------------------------------- */

/* A disk that does not take what the primary's did is none; what follows is the state machine's. */
static void written(struct lockstep_peer_request *pr, int err)
{
	bool well;

	if (!leave_disk(pr, err))
		return;
	/* Before it is reported: who takes the report looks there. */
	well = is_flushing(pr) ? lockstep_flush_answer(pr->vol, &pr->msg, !err) : !err;
	if (err && !is_flushing(pr) && is_fua_flush(pr))
		lockstep_flush_failed_here(pr->vol, true);
	trace_lockstep_msg_disk_done(pr->stream, &pr->msg, NULL);
	if (err)
		lockstep_disk_failed(pr->vol, DISK_FAILED_PEER_WRITE, err);
	else
		count(pr);
	answer(pr, well ? LOCKSTEP_WS_OK : LOCKSTEP_WS_IO_ERROR);
}

static void zero_job(struct lockstep_disk_job *job)
{
	struct lockstep_peer_request *pr = container_of(job, struct lockstep_peer_request,
							submit.job);
	u64 sects = pr->msg.size_bytes / LOCKSTEP_SECT_BYTES;
	int err = 0;

	if (!is_stray(pr))
		err = blkdev_issue_zeroout(pr->vol->data.bdev, pr->msg.sector, sects, GFP_NOIO,
					   BLKDEV_ZERO_NOUNMAP);
	written(pr, err);
}

/*
 * A disk that cannot zero by itself, because it came after the primary's, or found out at the first
 * try: written out, by a worker. Not by the receiving thread, which the end of the session waits
 * for: the disk may hang.
 */
static void zero_by_hand(struct lockstep_peer_request *pr)
{
	lockstep_disk_jobs_add(&pr->vol->zeroes, &pr->submit.job, zero_job);
}

static void endio(struct bio *bio)
{
	struct lockstep_peer_request *pr = container_of(bio, struct lockstep_peer_request, bio);

	if (pr->msg.type == LOCKSTEP_WT_ZEROES &&
	    (bio->bi_status == BLK_STS_NOTSUPP || bio->bi_status == BLK_STS_TARGET)) {
		zero_by_hand(pr);
		return;
	}
	written(pr, blk_status_to_errno(bio->bi_status));
}

/*
 * The sums go where the data was: each into 8 bytes of the first block, which is the first to be
 * summed.
 */
static void sum_work(struct work_struct *work)
{
	struct lockstep_peer_request *pr = container_of(work, struct lockstep_peer_request, work);
	__le64 *sums = page_address(pr->bio.bi_io_vec[0].bv_page);

	lockstep_sums(&pr->bio, pr->msg.size_bytes, sums);
	answer_with(pr, LOCKSTEP_WT_CSUM_DATA, wire_sums_bytes(pr->msg.size_bytes));
}

static void read_endio(struct bio *bio)
{
	struct lockstep_peer_request *pr = container_of(bio, struct lockstep_peer_request, bio);

	if (!leave_disk(pr, 0))
		return;
	if (bio->bi_status) {
		pr_err_ratelimited("%s/%u: local disk failed a %s of the peer at sector %llu: %d\n",
				   pr->vol->res->name, pr->vol->number,
				   wire_type_name(pr->msg.type), pr->msg.sector,
				   blk_status_to_errno(bio->bi_status));
		answer(pr, LOCKSTEP_WS_IO_ERROR);
	} else if (pr->msg.type == LOCKSTEP_WT_CSUM) {
		INIT_WORK(&pr->work, sum_work);
		queue_work(lockstep_sum_wq, &pr->work);
	} else {
		answer_with(pr, LOCKSTEP_WT_DATA, pr->msg.size_bytes);
	}
}

/* See the head of peerreq.h. */
static bool may_read(const struct lockstep_peer_request *pr)
{
	if (READ_ONCE(pr->vol->res->state.role) == LOCKSTEP_ROLE_PRIMARY)
		return false;
	return !READ_ONCE(pr->vol->stale) || pr->msg.flags & LOCKSTEP_WH_RESYNC;
}

static void write_here(struct lockstep_peer_request *pr);

static void served_work(struct work_struct *work)
{
	struct lockstep_peer_request *pr = container_of(work, struct lockstep_peer_request, work);

	if (pr->region.failed || is_stray(pr)) {
		if (leave_disk(pr, 0))
			answer(pr, LOCKSTEP_WS_IO_ERROR);
	} else if (lockstep_regions_begin(pr->vol, pr->msg.sector, &pr->region)) {
		write_here(pr);
	}
}

static void region_ready(struct lockstep_region_wait *w)
{
	struct lockstep_peer_request *pr = container_of(w, struct lockstep_peer_request, region);

	queue_work(lockstep_io_wq, &pr->work);
}

/*
 * The writer has no disk: what is written is here only, and known as such from before it is (P3).
 * False: it goes on when its region is in the map.
 */
static bool serve(struct lockstep_peer_request *pr)
{
	lockstep_marks_set(&pr->vol->marks, pr->msg.sector,
			   pr->msg.size_bytes >> LOCKSTEP_SECT_SHIFT);
	INIT_WORK(&pr->work, served_work);
	pr->region.ready = region_ready;
	return lockstep_regions_begin(pr->vol, pr->msg.sector, &pr->region);
}

void lockstep_peer_request_submit(struct lockstep_peer_request *pr)
{
	struct bio *bio = &pr->bio;
	bool read = wire_type_is_read(pr->msg.type);

	if (read && !READ_ONCE(pr->vol->failed) && !may_read(pr)) {
		answer(pr, LOCKSTEP_WS_REFUSED);
		return;
	}
	if (!enter_disk(pr)) {
		answer(pr, LOCKSTEP_WS_IO_ERROR);
		return;
	}
	bio->bi_end_io = read ? read_endio : endio;
	if (read) {
		lockstep_submit(&pr->submit, &pr->vol->submits, bio);
		return;
	}
	if (READ_ONCE(pr->vol->serving) && pr->msg.type != LOCKSTEP_WT_FLUSH && !serve(pr))
		return;
	write_here(pr);
}

static void write_here(struct lockstep_peer_request *pr)
{
	struct bio *bio = &pr->bio;

	if (pr->msg.type == LOCKSTEP_WT_ZEROES) {
		if (!bdev_write_zeroes_sectors(pr->vol->data.bdev)) {
			zero_by_hand(pr);
			return;
		}
		bio->bi_iter.bi_size = pr->msg.size_bytes;
	}
	lockstep_submit(&pr->submit, &pr->vol->submits, bio);
}
