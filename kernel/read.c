// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "lockstep: " fmt

#include "read.h"

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/highmem.h>
#include "compat.h"
#include "diskfail.h"
#include "engine.h"
#include "remote.h"
#include "report.h"
#include "request.h"
#include "resource.h"
#include "submit.h"
#include "volume.h"

/*
 * A failed read is repaired in parts of this size, through pages of our own: the application may
 * do what it likes with its buffer, and what is written back must be what the peer has.
 */
#define PART_PAGES	16u
#define PART_BYTES	(PART_PAGES * (u32)PAGE_SIZE)

struct lockstep_read {
	struct lockstep_volume *vol;
	struct bio *master;
	struct lockstep_waiter wait;
	struct lockstep_remote remote;
	struct lockstep_range range;
	unsigned long start;		/* for I/O accounting */
	u64 start_ns;			/* for the pacing of what runs beside it */
	blk_status_t status;
	struct bvec_iter rest;		/* of the master: not read yet */
	struct bio *part;		/* being repaired: pages of our own */
	struct lockstep_submit submit;	/* clone or part */
	struct bio clone;		/* last: the bio set puts its vectors behind it */
};

static struct bio_set read_bios, part_bios;

int lockstep_read_init(void)
{
	int err;

	err = bioset_init(&read_bios, 256, offsetof(struct lockstep_read, clone), 0);
	if (err)
		return err;
	err = bioset_init(&part_bios, 4, 0, BIOSET_NEED_BVECS);
	if (err)
		bioset_exit(&read_bios);
	return err;
}

void lockstep_read_exit(void)
{
	bioset_exit(&part_bios);
	bioset_exit(&read_bios);
}

static void finish(struct lockstep_read *rd, blk_status_t status)
{
	struct lockstep_volume *vol = rd->vol;
	struct bio *master = rd->master;

	atomic64_inc(&vol->reads);
	atomic64_add(bio_sectors(master), &vol->read_sect);
	bio_end_io_acct(master, rd->start);
	lockstep_engine_note_end(&vol->engine, PACE_READ, ktime_get_ns() - rd->start_ns);
	atomic_dec(&vol->in_flight);
	bio_put(&rd->clone);
	if (status)
		master->bi_status = status;
	bio_endio(master);
	percpu_ref_put(&vol->ref);
}

/* Later, by a worker: go() is what comes next. */
static void defer(struct lockstep_read *rd, void (*go)(struct lockstep_waiter *w))
{
	rd->wait.go = go;
	lockstep_request_defer(rd->vol->res, &rd->wait);
}

static struct lockstep_read *of_wait(struct lockstep_waiter *w)
{
	return container_of(w, struct lockstep_read, wait);
}

/* ---- repair --------------------------------------------------------------------------------- */

static void repair_next(struct lockstep_waiter *w);

static void free_part(struct lockstep_read *rd)
{
	u32 i;

	for (i = 0; rd->part && i < rd->part->bi_vcnt; i++)
		__free_page(rd->part->bi_io_vec[i].bv_page);
	if (rd->part)
		bio_put(rd->part);
	rd->part = NULL;
	lockstep_range_leave(&rd->vol->ranges, &rd->range);
}

static u32 part_sects(const struct lockstep_read *rd)
{
	return rd->range.range.end_sect - rd->range.range.first_sect;
}

static void rewritten(struct lockstep_waiter *w)
{
	struct lockstep_read *rd = of_wait(w);
	struct lockstep_volume *vol = rd->vol;
	u32 blocks = DIV_ROUND_UP(part_sects(rd), LOCKSTEP_BIT_SECT);

	if (rd->part->bi_status) {
		atomic64_inc(&vol->write_errors);
		lockstep_disk_failed(vol, DISK_FAILED_REPAIR,
				     blk_status_to_errno(rd->part->bi_status));
	} else {
		atomic64_add(blocks, &vol->repairs);
		pr_info_ratelimited("%s/%u: unreadable sector %llu of %s written anew from %s\n",
				    vol->res->name, vol->number, rd->range.range.first_sect,
				    vol->backing, vol->res->peer_name);
		lockstep_report_event(vol->res, vol, LOCKSTEP_EVENT_REPAIRED);
	}
	free_part(rd);
	repair_next(w);
}

static void rewrite_done(struct bio *bio)
{
	struct lockstep_read *rd = bio->bi_private;

	percpu_ref_put(&rd->vol->disk_ref);
	defer(rd, rewritten);
}

static void go(struct lockstep_waiter *w);

/* By the peer. If that is because our disk was given up, the next session has it. */
static void not_read(struct lockstep_read *rd)
{
	if (READ_ONCE(rd->vol->stale))
		defer(rd, go);
	else
		finish(rd, BLK_STS_IOERR);
}

/* The part's bytes, to the application. */
static void hand_over(struct lockstep_read *rd)
{
	u32 at = 0, left = part_sects(rd) << LOCKSTEP_SECT_SHIFT, n;
	struct bio_vec to;
	struct page *page;

	for (; left; left -= n, at += n) {
		to = bvec_iter_bvec(rd->master->bi_io_vec, rd->rest);
		page = rd->part->bi_io_vec[at / PAGE_SIZE].bv_page;
		n = min3(left, to.bv_len, (u32)(PAGE_SIZE - at % PAGE_SIZE));
		memcpy_to_page(to.bv_page, to.bv_offset, page_address(page) + at % PAGE_SIZE, n);
		bio_advance_iter(rd->master, &rd->rest, n);
	}
}

/* The application has its bytes; the disk gets them too, or is no good. */
static void got_part(struct lockstep_remote *r, int status)
{
	struct lockstep_read *rd = container_of(r, struct lockstep_read, remote);
	struct lockstep_volume *vol = rd->vol;

	if (status != LOCKSTEP_WS_OK) {
		free_part(rd);
		not_read(rd);
		return;
	}
	hand_over(rd);
	rd->part->bi_iter = (struct bvec_iter){
		.bi_sector = rd->range.range.first_sect,
		.bi_size = part_sects(rd) << LOCKSTEP_SECT_SHIFT,
	};
	rd->part->bi_end_io = rewrite_done;
	rd->part->bi_private = rd;
	if (percpu_ref_tryget_live(&vol->disk_ref)) {
		bio_set_dev(rd->part, vol->data.bdev);
		lockstep_submit(&rd->submit, &vol->submits, rd->part);
		return;
	}
	free_part(rd);
	defer(rd, repair_next);
}

/* Without waiting: the worker that is here also lets go those who could give memory back. */
static bool alloc_part(struct lockstep_read *rd)
{
	u32 left = part_sects(rd) << LOCKSTEP_SECT_SHIFT, n;
	struct page *page;

	rd->part = bio_alloc_bioset(rd->master->bi_bdev, PART_PAGES,
				    REQ_OP_WRITE | REQ_SYNC | REQ_IDLE,
				    GFP_NOWAIT | __GFP_NOWARN, &part_bios);
	if (!rd->part)
		return false;
	for (; left; left -= n) {
		n = min_t(u32, left, PAGE_SIZE);
		page = alloc_page(GFP_NOWAIT | __GFP_NOWARN);
		if (!page)
			return false;
		__bio_add_page(rd->part, page, n, 0);
	}
	return true;
}

/*
 * The range is ours: nothing is written here until the block is what the peer has. What the peer
 * lacks itself, as the target of a resync, nobody can read.
 */
static void repair_part(struct lockstep_waiter *w)
{
	struct lockstep_read *rd = of_wait(w);
	struct lockstep_volume *vol = rd->vol;
	u64 first = rd->range.range.first_sect / LOCKSTEP_BIT_SECT;
	u64 end = DIV_ROUND_UP(rd->range.range.end_sect, LOCKSTEP_BIT_SECT);

	if (!alloc_part(rd) || !lockstep_marks_are_clear(&vol->marks, first, end - first)) {
		free_part(rd);
		finish(rd, BLK_STS_IOERR);
		return;
	}
	rd->remote.bio = rd->part;
	rd->remote.iter = (struct bvec_iter){
		.bi_sector = rd->range.range.first_sect,
		.bi_size = part_sects(rd) << LOCKSTEP_SECT_SHIFT,
	};
	rd->remote.done = got_part;
	if (lockstep_remote_read(vol, &rd->remote))
		return;
	free_part(rd);
	not_read(rd);
}

static void range_ready(struct lockstep_range *r)
{
	struct lockstep_read *rd = container_of(r, struct lockstep_read, range);

	defer(rd, repair_part);
}

static void repair_next(struct lockstep_waiter *w)
{
	struct lockstep_read *rd = of_wait(w);
	u64 sect = rd->rest.bi_sector;
	u32 to_region = LOCKSTEP_REGION_SECT - (sect & (LOCKSTEP_REGION_SECT - 1));
	u32 nr = min3(bvec_iter_sectors(rd->rest), to_region, PART_BYTES >> LOCKSTEP_SECT_SHIFT);

	if (!rd->rest.bi_size) {
		finish(rd, BLK_STS_OK);
		return;
	}
	rd->range.ready = range_ready;
	if (lockstep_range_enter(&rd->vol->ranges, &rd->range, sect, nr))
		repair_part(w);
}

/* ---- from where ----------------------------------------------------------------------------- */

static void local_done(struct bio *bio)
{
	struct lockstep_read *rd = container_of(bio, struct lockstep_read, clone);
	struct lockstep_volume *vol = rd->vol;
	blk_status_t status = bio->bi_status;
	u8 mode;

	WRITE_ONCE(vol->read_progress, jiffies);
	atomic_dec(&vol->local_reads);
	if (!status) {
		percpu_ref_put(&vol->disk_ref);
		finish(rd, BLK_STS_OK);
		return;
	}
	atomic64_inc(&vol->read_errors);
	pr_err_ratelimited("%s/%u: local disk %s failed a read at sector %llu: %d\n",
			   vol->res->name, vol->number, vol->backing,
			   rd->master->bi_iter.bi_sector, blk_status_to_errno(status));
	percpu_ref_put(&vol->disk_ref);
	rd->rest = rd->master->bi_iter;
	mode = READ_ONCE(vol->res->io_mode);
	/* Given up meanwhile, or a session is ending that may have to do with it: from the peer. */
	if (READ_ONCE(vol->stale) || mode == LOCKSTEP_IO_NARROW || mode == LOCKSTEP_IO_FROZEN)
		defer(rd, go);
	else if (mode == LOCKSTEP_IO_BOTH)
		defer(rd, repair_next);
	else
		finish(rd, status);
}

static void remote_done(struct lockstep_remote *r, int status)
{
	struct lockstep_read *rd = container_of(r, struct lockstep_read, remote);

	if (status == LOCKSTEP_CALL_LOST)
		defer(rd, go);		/* the next session has it, too */
	else
		finish(rd, status == LOCKSTEP_WS_OK ? BLK_STS_OK : BLK_STS_IOERR);
}

static bool read_local(struct lockstep_read *rd, bool own_thread)
{
	struct lockstep_volume *vol = rd->vol;

	if (READ_ONCE(vol->stale) || !percpu_ref_tryget_live(&vol->disk_ref))
		return false;
	if (atomic_inc_return(&vol->local_reads) == 1)
		WRITE_ONCE(vol->read_progress, jiffies);
	rd->clone.bi_end_io = local_done;
	bio_set_dev(&rd->clone, vol->data.bdev);
	if (own_thread)
		submit_bio_noacct(&rd->clone);
	else
		lockstep_submit(&rd->submit, &vol->submits, &rd->clone);
	return true;
}

/* Not local. By mode, under mode_srcu, as a write does. */
static void read_remote(struct lockstep_read *rd)
{
	struct lockstep_resource *res = rd->vol->res;
	bool asked = false;
	int idx;

	idx = srcu_read_lock(&res->mode_srcu);
	switch (READ_ONCE(res->io_mode)) {
	case LOCKSTEP_IO_BOTH:
		rd->remote.bio = rd->master;
		rd->remote.iter = rd->master->bi_iter;
		rd->remote.done = remote_done;
		asked = lockstep_remote_read(rd->vol, &rd->remote);
		break;
	case LOCKSTEP_IO_NARROW:
	case LOCKSTEP_IO_FROZEN:
		rd->wait.go = go;
		asked = lockstep_request_wait(res, &rd->wait);
		break;
	default:
		srcu_read_unlock(&res->mode_srcu, idx);
		finish(rd, BLK_STS_IOERR);
		return;
	}
	srcu_read_unlock(&res->mode_srcu, idx);
	/*
	 * The session is just ending, or not started: soon the mode says so. Not waited for here,
	 * as it may be our caller who has to say it.
	 */
	if (!asked)
		defer(rd, go);
}

/*
 * Frozen with a good copy: the peer may be primary by now, and what is here may be the past. By the
 * mode and not by the state, so that whoever is held is let go when it changes.
 */
static bool must_wait(struct lockstep_read *rd)
{
	struct lockstep_resource *res = rd->vol->res;
	bool held;
	int idx;

	if (likely(READ_ONCE(res->io_mode) != LOCKSTEP_IO_FROZEN))
		return false;
	idx = srcu_read_lock(&res->mode_srcu);
	rd->wait.go = go;
	held = lockstep_request_wait(res, &rd->wait);
	srcu_read_unlock(&res->mode_srcu, idx);
	return held;
}

static void begin(struct lockstep_read *rd, bool own_thread)
{
	if (must_wait(rd))
		return;
	/* The clone was used up if it has been at the disk; then the copy is given up for good. */
	if (!rd->rest.bi_size && read_local(rd, own_thread))
		return;
	read_remote(rd);
}

static void go(struct lockstep_waiter *w)
{
	begin(of_wait(w), false);
}

void lockstep_read_submit(struct lockstep_volume *vol, struct bio *bio)
{
	struct lockstep_read *rd;
	struct bio *clone;

	if (READ_ONCE(vol->stale) && READ_ONCE(vol->res->state.role) != LOCKSTEP_ROLE_PRIMARY) {
		bio_io_error(bio);
		percpu_ref_put(&vol->ref);
		return;
	}
	clone = bio_alloc_clone(bio->bi_bdev, bio, GFP_NOIO, &read_bios);
	rd = container_of(clone, struct lockstep_read, clone);
	lockstep_disk_job_init(&rd->submit.job, NULL);
	rd->vol = vol;
	rd->master = bio;
	rd->part = NULL;
	rd->rest = (struct bvec_iter){ 0 };
	INIT_LIST_HEAD(&rd->wait.node);
	rd->start = bio_start_io_acct(bio);
	rd->start_ns = ktime_get_ns();
	lockstep_engine_note_begin(&vol->engine);
	atomic_inc(&vol->in_flight);
	rd->wait.go = go;
	begin(rd, true);
}
