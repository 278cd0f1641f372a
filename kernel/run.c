// SPDX-License-Identifier: GPL-2.0
/*
 * Each run is a small state machine: what it waits for queues its work when it is done, and the
 * work goes on from `stage`. So the copying and summing of several runs use several processors.
 *
 * It works in chunks: the whole run, or, once a disk has failed to read that, single blocks. Of a
 * chunk, the parts that differ are moved one after the other.
 */
#define pr_fmt(fmt) "lockstep: " fmt

#include "run.h"

#include <linux/bio.h>
#include <linux/bitmap.h>
#include <linux/blkdev.h>
#include <linux/slab.h>
#include "diskfail.h"
#include "engine.h"
#include "resource.h"
#include "session.h"
#include "stream.h"
#include "submit.h"
#include "sums.h"
#include "volume.h"

#define RUN_BITS	(LOCKSTEP_MAX_IO_BYTES / LOCKSTEP_BIT_BYTES)

enum stage {
	STAGE_RANGE,			/* the range is ours */
	STAGE_CHUNK,			/* the chunk is read here, and summed at the peer */
	STAGE_FETCHED,			/* PULL: the part has come from the peer */
	STAGE_MOVED,			/* the part is at its new place */
};

struct lockstep_run {
	struct lockstep_volume *vol;
	struct lockstep_range range;
	struct lockstep_call call;
	struct work_struct work;
	struct lockstep_submit submit;
	struct list_head node;		/* engine.runs */
	enum stage stage;
	ktime_t began;			/* with its range; 0: it was settled meanwhile */
	u64 first_bit;
	u32 nr;				/* blocks */
	u32 pos, len;			/* the chunk */
	u32 part, part_len;		/* of it, what is being moved */
	bool single;			/* chunks are single blocks */
	atomic_t pending;		/* local read, peer's sums, and who starts both */
	u32 flush_failures;		/* of our disk, when the chunk was read */
	int peer_status;		/* enum lockstep_wire_status, or LOCKSTEP_CALL_LOST */
	blk_status_t local_status;
	__le64 *sums;			/* the peer's; NULL: not compared */
	DECLARE_BITMAP(differs, RUN_BITS);
	struct bio bio;			/* last: the bio set puts its vectors behind it */
};

static struct bio_set run_bios;

int lockstep_run_module_init(void)
{
	return bioset_init(&run_bios, 16, offsetof(struct lockstep_run, bio), BIOSET_NEED_BVECS);
}

void lockstep_run_module_exit(void)
{
	bioset_exit(&run_bios);
}

struct list_head *lockstep_run_node(struct lockstep_run *run)
{
	return &run->node;
}

u64 lockstep_run_first_bit(const struct list_head *node)
{
	return list_entry(node, struct lockstep_run, node)->first_bit;
}

static const struct lockstep_how *how(const struct lockstep_run *run)
{
	return &run->vol->engine.how;
}

static const struct lockstep_job *job(const struct lockstep_run *run)
{
	return run->vol->engine.job;
}

/* ---- beginning and end ---------------------------------------------------------------------- */

static void free_run(struct lockstep_run *run)
{
	kfree(run->sums);
	bio_put(&run->bio);
}

static void end_run(struct lockstep_run *run)
{
	struct lockstep_volume *vol = run->vol;
	u32 took_us = run->began ? (u32)ktime_us_delta(ktime_get(), run->began) : 0;

	lockstep_range_leave(&vol->ranges, &run->range);
	/* Before the engine lets go of us: the volume, with what it keeps, may be gone then. */
	lockstep_pages_empty(&vol->engine.pages, &run->bio);
	lockstep_engine_run_ended(vol, &run->node, run->nr * LOCKSTEP_BIT_BYTES, took_us);
	free_run(run);
}

static void next(struct lockstep_run *run, enum stage stage)
{
	run->stage = stage;
	queue_work(lockstep_sum_wq, &run->work);
}

static void range_ready(struct lockstep_range *r)
{
	next(container_of(r, struct lockstep_run, range), STAGE_RANGE);
}

/* ---- the two ends --------------------------------------------------------------------------- */

/* Blocks of the run: where they are on the volume and in the pages. */
static struct bvec_iter iter_of(const struct lockstep_run *run, u32 pos, u32 len)
{
	struct bvec_iter iter = lockstep_pages_iter(&run->bio, pos * LOCKSTEP_BIT_BYTES,
						    len * LOCKSTEP_BIT_BYTES);

	iter.bi_sector = (run->first_bit + pos) * LOCKSTEP_BIT_SECT;
	return iter;
}

static void local(struct lockstep_run *run, blk_opf_t opf, u32 pos, u32 len, bio_end_io_t *done)
{
	struct bio *bio = &run->bio;
	unsigned short nr = bio->bi_vcnt;

	bio_reset(bio, run->vol->data.bdev, opf);
	bio->bi_vcnt = nr;
	bio->bi_iter = iter_of(run, pos, len);
	bio->bi_end_io = done;
	/* These workers sum for all: none may wait for a disk. */
	lockstep_submit(&run->submit, &run->vol->submits, bio);
}

static bool call(struct lockstep_run *run, u8 type, u32 pos, u32 len,
		 void (*done)(struct lockstep_call *call, int status))
{
	struct lockstep_volume *vol = run->vol;
	struct lockstep_resource *res = vol->res;
	struct wire_msg *m = &run->call.msg;
	struct lockstep_session *s;
	bool called = false;
	int idx;

	*m = (struct wire_msg){
		.type = type,
		.flags = how(run)->flags,
		.volume = vol->number,
		.sector = (run->first_bit + pos) * LOCKSTEP_BIT_SECT,
		.size_bytes = len * LOCKSTEP_BIT_BYTES,
	};
	if (type == LOCKSTEP_WT_WRITE)
		m->payload_bytes = m->size_bytes;
	if (type == LOCKSTEP_WT_ZEROES)
		m->flags |= LOCKSTEP_WH_UNMAP;
	run->call.tx.payload = type == LOCKSTEP_WT_WRITE ? &run->bio : NULL;
	/*
	 * Ours alone: what has been sent of a run is not read once more, and its pages are not used
	 * for another one while TCP has them (pages.c).
	 */
	run->call.tx.lends_pages = true;
	run->call.rx_vec = run->bio.bi_io_vec;
	run->call.rx_iter = iter_of(run, pos, len);
	run->call.rx_sums = run->sums;
	run->call.done = done;
	run->call.soft = false;
	idx = srcu_read_lock(&res->mode_srcu);
	s = lockstep_engine_session(vol);
	if (s) {
		m->epoch = s->epoch;
		called = lockstep_stream_call(lockstep_session_bulk_stream(s, vol->engine.turn++),
					      &run->call);
	}
	srcu_read_unlock(&res->mode_srcu, idx);
	return called;
}

/* ---- moving --------------------------------------------------------------------------------- */

static void next_chunk(struct lockstep_run *run);

static void move_call_done(struct lockstep_call *call, int status)
{
	struct lockstep_run *run = container_of(call, struct lockstep_run, call);

	run->peer_status = status;
	next(run, how(run)->pull && status == LOCKSTEP_WS_OK ? STAGE_FETCHED : STAGE_MOVED);
}

static void write_done(struct bio *bio)
{
	struct lockstep_run *run = container_of(bio, struct lockstep_run, bio);

	run->local_status = bio->bi_status;
	lockstep_engine_write_ended(run->vol);
	next(run, STAGE_MOVED);
}

static bool is_zero(const struct lockstep_run *run, u32 pos, u32 len)
{
	struct bvec_iter iter = iter_of(run, pos, len);
	struct bio_vec bv;

	for (; iter.bi_size; bvec_iter_advance_single(run->bio.bi_io_vec, &iter, bv.bv_len)) {
		bv = bvec_iter_bvec(run->bio.bi_io_vec, iter);
		if (memchr_inv(page_address(bv.bv_page) + bv.bv_offset, 0, bv.bv_len))
			return false;
	}
	return true;
}

static void move_part(struct lockstep_run *run)
{
	bool zeroes = !how(run)->pull && run->vol->peer.limits.caps & LOCKSTEP_VC_ZEROES &&
		      is_zero(run, run->part, run->part_len);
	u8 type = how(run)->pull ? LOCKSTEP_WT_READ :
		  zeroes ? LOCKSTEP_WT_ZEROES : LOCKSTEP_WT_WRITE;

	run->local_status = BLK_STS_OK;
	run->bio.bi_iter = iter_of(run, run->part, run->part_len);
	if (!call(run, type, run->part, run->part_len, move_call_done))
		end_run(run);
}

/* The next part of the chunk that differs, from `from` on. */
static void next_part(struct lockstep_run *run, u32 from)
{
	u32 end = run->pos + run->len;

	run->part = find_next_bit(run->differs, end, from);
	if (run->part >= end) {
		next_chunk(run);
		return;
	}
	run->part_len = find_next_zero_bit(run->differs, end, run->part) - run->part;
	move_part(run);
}

/* What has come from the peer is written here, unless its session is over. */
static void fetched(struct lockstep_run *run)
{
	if (!lockstep_engine_write_begins(run->vol)) {
		end_run(run);
		return;
	}
	local(run, REQ_OP_WRITE | REQ_IDLE, run->part, run->part_len, write_done);
}

static void move_failed(struct lockstep_run *run)
{
	struct lockstep_volume *vol = run->vol;

	if (run->peer_status == LOCKSTEP_WS_REFUSED) {
		job(run)->refused(vol);
	} else if (how(run)->pull && run->peer_status == LOCKSTEP_WS_IO_ERROR) {
		if (run->part_len == 1) {
			job(run)->bad(vol, run->first_bit + run->part);
			next_part(run, run->part + 1);
		} else {
			run->part_len = 1;
			move_part(run);
		}
		return;
	} else if (run->peer_status == LOCKSTEP_WS_OK) {
		lockstep_disk_failed(vol, DISK_FAILED_WRITE,
				     blk_status_to_errno(run->local_status));
	} else if (run->peer_status != LOCKSTEP_CALL_LOST) {
		lockstep_engine_fail_session(vol, "the peer could not write a block to its disk",
					     0);
	}
	end_run(run);
}

static void moved(struct lockstep_run *run)
{
	if (run->peer_status != LOCKSTEP_WS_OK || run->local_status) {
		move_failed(run);
		return;
	}
	job(run)->moved(run->vol, run->first_bit + run->part, run->part_len, run->flush_failures);
	next_part(run, run->part + run->part_len);
}

/* ---- comparing ------------------------------------------------------------------------------ */

static void put_pending(struct lockstep_run *run)
{
	if (atomic_dec_and_test(&run->pending))
		next(run, STAGE_CHUNK);
}

static void read_done(struct bio *bio)
{
	struct lockstep_run *run = container_of(bio, struct lockstep_run, bio);

	run->local_status = bio->bi_status;
	put_pending(run);
}

static void sums_done(struct lockstep_call *call, int status)
{
	struct lockstep_run *run = container_of(call, struct lockstep_run, call);

	run->peer_status = status;
	put_pending(run);
}

static void start_chunk(struct lockstep_run *run)
{
	bool read = !how(run)->pull || run->sums;

	run->flush_failures = lockstep_flush_failures(&run->vol->flush_notes);
	run->local_status = BLK_STS_OK;
	run->peer_status = LOCKSTEP_WS_OK;
	atomic_set(&run->pending, 1 + read + !!run->sums);
	if (run->sums && !call(run, LOCKSTEP_WT_CSUM, run->pos, run->len, sums_done)) {
		run->peer_status = LOCKSTEP_CALL_LOST;
		put_pending(run);
	}
	if (read)
		local(run, REQ_OP_READ, run->pos, run->len, read_done);
	put_pending(run);
}

static void next_chunk(struct lockstep_run *run)
{
	run->pos += run->len;
	if (run->pos == run->nr) {
		end_run(run);
		return;
	}
	run->len = run->single ? 1 : run->nr - run->pos;
	start_chunk(run);
}

/* Tell the job of stretches of the chunk that are equal, or are not. */
static void report(struct lockstep_run *run)
{
	u32 at = run->pos, end = run->pos + run->len, to;
	bool differs;

	for (; at < end; at = to) {
		differs = test_bit(at, run->differs);
		to = differs ? find_next_zero_bit(run->differs, end, at) :
			       find_next_bit(run->differs, end, at);
		if (differs)
			job(run)->differs(run->vol, run->first_bit + at, to - at);
		else
			job(run)->same(run->vol, run->first_bit + at, to - at, run->flush_failures);
	}
}

static void compare(struct lockstep_run *run)
{
	u32 i, at;

	for (i = 0; i < run->len; i++) {
		at = (run->pos + i) * LOCKSTEP_BIT_BYTES;
		if (lockstep_sum(&run->bio, at, LOCKSTEP_BIT_BYTES) == run->sums[i])
			clear_bit(run->pos + i, run->differs);
	}
}

/* Something of the chunk could not be read, here or there. */
static void chunk_failed(struct lockstep_run *run)
{
	if (run->len > 1) {
		run->single = true;
		run->len = 1;
		start_chunk(run);
		return;
	}
	/* Where it will be overwritten it need not be readable. */
	if (how(run)->pull == !!run->local_status) {
		report(run);
		if (how(run)->move) {
			next_part(run, run->pos);
			return;
		}
	} else {
		job(run)->bad(run->vol, run->first_bit + run->pos);
	}
	next_chunk(run);
}

static void chunk_read(struct lockstep_run *run)
{
	bitmap_set(run->differs, run->pos, run->len);
	if (run->peer_status == LOCKSTEP_WS_REFUSED)
		job(run)->refused(run->vol);
	/* Stopped: what follows, a new writer perhaps, no longer waits for this range. */
	if (!lockstep_engine_is_running(run->vol) ||
	    (run->peer_status != LOCKSTEP_WS_OK && run->peer_status != LOCKSTEP_WS_IO_ERROR)) {
		end_run(run);
		return;
	}
	if (run->local_status || run->peer_status != LOCKSTEP_WS_OK) {
		chunk_failed(run);
		return;
	}
	if (run->sums) {
		compare(run);
		report(run);
	}
	if (how(run)->move)
		next_part(run, run->pos);
	else
		next_chunk(run);
}

/* ---- the work ------------------------------------------------------------------------------- */

static void begin(struct lockstep_run *run)
{
	/* An application's write may have settled it while we waited for the range. */
	if (!lockstep_engine_is_running(run->vol) ||
	    !job(run)->wanted(run->vol, run->first_bit, run->nr)) {
		end_run(run);
		return;
	}
	run->began = ktime_get();
	start_chunk(run);
}

static void run_work(struct work_struct *work)
{
	struct lockstep_run *run = container_of(work, struct lockstep_run, work);

	switch (run->stage) {
	case STAGE_RANGE:
		begin(run);
		break;
	case STAGE_CHUNK:
		chunk_read(run);
		break;
	case STAGE_FETCHED:
		fetched(run);
		break;
	case STAGE_MOVED:
		moved(run);
		break;
	}
}

struct lockstep_run *lockstep_run_create(struct lockstep_volume *vol, u64 sect, u32 bytes)
{
	const gfp_t gfp = GFP_NOWAIT | __GFP_NOWARN;
	struct lockstep_run *run;
	struct bio *bio;

	bio = bio_alloc_bioset(vol->data.bdev, DIV_ROUND_UP(bytes, PAGE_SIZE), REQ_OP_READ, gfp,
			       &run_bios);
	if (!bio)
		return NULL;
	run = container_of(bio, struct lockstep_run, bio);
	run->vol = vol;
	run->range.ready = range_ready;
	run->first_bit = sect / LOCKSTEP_BIT_SECT;
	run->nr = bytes / LOCKSTEP_BIT_BYTES;
	run->pos = 0;
	run->len = run->nr;
	run->single = false;
	run->began = 0;
	run->sums = NULL;
	lockstep_disk_job_init(&run->submit.job, NULL);
	INIT_WORK(&run->work, run_work);
	bitmap_zero(run->differs, RUN_BITS);
	if (!lockstep_pages_fill(&vol->engine.pages, bio, bytes, gfp))
		goto free;
	if (!how(run)->compare)
		return run;
	run->sums = kmalloc_array(run->nr, sizeof(*run->sums), gfp);
	if (run->sums)
		return run;
free:
	lockstep_pages_empty(&vol->engine.pages, bio);
	free_run(run);
	return NULL;
}

void lockstep_run_start(struct lockstep_run *run)
{
	if (lockstep_range_enter(&run->vol->ranges, &run->range,
				 run->first_bit * LOCKSTEP_BIT_SECT, run->nr * LOCKSTEP_BIT_SECT))
		next(run, STAGE_RANGE);
}
