// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "lockstep: " fmt

#include "resync.h"

#include <linux/blkdev.h>
#include <lockstep/disk.h>
#include "engine.h"
#include "report.h"
#include "resource.h"
#include "session.h"
#include "status.h"
#include "stream.h"
#include "volume.h"

/* Blocks that could not be read are tried again after so long. */
#define RETRY		(60 * HZ)
/* A night without a second copy, at most: disks die in pairs. */
#define FINISH_S	(8 * 3600u)

static struct lockstep_volume *volume_of(struct lockstep_resync *rs)
{
	return container_of(rs, struct lockstep_volume, resync);
}

static void clear(struct lockstep_volume *vol, u64 first, u32 count, u32 failures)
{
	u64 sect = first * LOCKSTEP_BIT_SECT, nr = count * LOCKSTEP_BIT_SECT;
	int idx;

	/*
	 * Only while the session is there in which it was found out: the mark may be of the next
	 * one, to which the peer came without its cache. A session's end waits for us, and comes
	 * before any mark of the next. And so does the marking of what a failed flush has lost,
	 * which what was read before that is no measure of (diskfail.c).
	 */
	idx = srcu_read_lock(&vol->res->mode_srcu);
	if (lockstep_engine_session(vol) &&
	    failures == lockstep_flush_failures(&vol->flush_notes)) {
		/* It may be in a cache only: known to the region map before its mark goes (R4). */
		lockstep_regions_note(vol, sect, nr);
		lockstep_marks_clear_sleep(&vol->marks, sect, nr);
		atomic64_add(count, &vol->resync.settled_bits);
	}
	srcu_read_unlock(&vol->res->mode_srcu, idx);
}

static void same(struct lockstep_volume *vol, u64 first, u32 count, u32 failures)
{
	atomic64_add(count, &vol->resync.compared_bits);
	clear(vol, first, count, failures);
}

static void differs(struct lockstep_volume *vol, u64 first, u32 count)
{
	atomic64_add(count, &vol->resync.compared_bits);
}

static void moved(struct lockstep_volume *vol, u64 first, u32 count, u32 failures)
{
	atomic64_add(count, &vol->resync.copied_bits);
	atomic64_add(count * LOCKSTEP_BIT_SECT, &vol->resync_sect);
	clear(vol, first, count, failures);
}

static void bad(struct lockstep_volume *vol, u64 bit)
{
	pr_err_ratelimited("%s/%u: the block at sector %llu cannot be read for the resync\n",
			   vol->res->name, vol->number, bit * LOCKSTEP_BIT_SECT);
	atomic64_inc(&vol->resync.bad_bits);
}

static void refused(struct lockstep_volume *vol)
{
	lockstep_engine_fail_session(vol, "the peer refuses a request of the resync", 0);
}

static bool wanted(struct lockstep_volume *vol, u64 first, u32 count)
{
	return !lockstep_marks_are_clear(&vol->marks, first, count);
}

/* ---- the walk ------------------------------------------------------------------------------- */

static u32 next(struct lockstep_volume *vol, u32 max_bits, u64 *ret_sect)
{
	struct lockstep_resync *rs = &vol->resync;
	u64 first, to, sect, end;
	u32 bits;

	if (READ_ONCE(rs->flushing))
		return 0;
	bits = lockstep_marks_find(&vol->marks, rs->next_bit, max_bits, &first, &to);
	if (!bits)
		return 0;
	sect = first * LOCKSTEP_BIT_SECT;
	end = min((first + bits) * LOCKSTEP_BIT_SECT,
		  (sect / LOCKSTEP_REGION_SECT + 1) * LOCKSTEP_REGION_SECT);
	end = min(end, vol->data_sect);
	*ret_sect = sect;
	return (end - sect) / LOCKSTEP_BIT_SECT;
}

static void begun(struct lockstep_volume *vol, u64 sect, u32 bits)
{
	vol->resync.next_bit = sect / LOCKSTEP_BIT_SECT + bits;
}

/*
 * The only copy keeps its disk, and the application will hear of it. The error may be about an
 * earlier flush: so it is asked again, in this session, but not at once: the disk may fail each. If
 * what is copied was lost there, the peer ends the session (diskfail.c).
 */
static void flush_again(struct lockstep_volume *vol)
{
	WRITE_ONCE(vol->resync.flushing, false);
	lockstep_engine_release_quietly(vol);
	lockstep_engine_kick_later(vol, HZ / 10);
}

static void flush_done(struct lockstep_call *call, int status)
{
	struct lockstep_resync *rs = container_of(call, struct lockstep_resync, flush_call);
	struct lockstep_volume *vol = volume_of(rs);

	if (lockstep_flush_asked(vol, call->msg.epoch, rs->flush_asked, status, false)) {
		flush_again(vol);
		return;
	}
	if (status != LOCKSTEP_WS_OK && status != LOCKSTEP_CALL_LOST)
		lockstep_session_fail(call->stream->session, "the peer could not flush", 0);
	if (status == LOCKSTEP_WS_OK) {
		spin_lock_irq(&vol->engine.lock);
		rs->flushed = true;
		spin_unlock_irq(&vol->engine.lock);
		lockstep_status_post(vol->res, STATUS_SYNC_EMPTY);
	}
	lockstep_engine_release(vol);
}

/*
 * All is copied: both sides flush, then the target may be told that it is whole. Not before: its
 * blocks sit in a cache, and a target that called itself up to date and then lost power would serve
 * what it never had.
 */
static void flush_both(struct lockstep_volume *vol)
{
	struct lockstep_call *call = &vol->resync.flush_call;
	struct lockstep_resource *res = vol->res;
	struct lockstep_session *s;
	int idx, err;

	err = lockstep_flush_disk(vol);
	/* Only late; or in doubt, which ends in a moment: nothing that would have to end this. */
	if (err > 0 || (!err && lockstep_flush_in_doubt(vol))) {
		flush_again(vol);
		return;
	}
	if (err)
		lockstep_engine_fail_session(vol, "the local disk cannot be flushed", err);
	call->tx.payload = NULL;
	call->done = flush_done;
	call->soft = false;
	idx = srcu_read_lock(&res->mode_srcu);
	s = lockstep_engine_session(vol);
	call->msg = (struct wire_msg){
		.type = LOCKSTEP_WT_FLUSH,
		.volume = vol->number,
		.epoch = s ? s->epoch : 0,
	};
	vol->resync.flush_asked = 0;
	lockstep_flush_ask(vol, &call->msg, &vol->resync.flush_asked);
	if (!s || err || !lockstep_stream_call(lockstep_session_stream(s), call))
		lockstep_engine_release(vol);
	srcu_read_unlock(&res->mode_srcu, idx);
}

static void walk_again(struct lockstep_volume *vol)
{
	vol->resync.next_bit = 0;
	atomic64_set(&vol->resync.bad_bits, 0);
	lockstep_engine_kick(vol);
}

/* The walk found nothing: start over, wait for those in flight, or finish. */
static void idle(struct lockstep_volume *vol)
{
	struct lockstep_resync *rs = &vol->resync;
	u64 left, bad;

	/* Nothing of ours may be in flight when it is looked whether anything is left. */
	if (READ_ONCE(rs->flushing) || !lockstep_engine_hold(vol, true))
		return;
	left = lockstep_marks_weight(&vol->marks);
	bad = atomic64_read(&rs->bad_bits);
	if (!left) {
		WRITE_ONCE(rs->flushing, true);
		flush_both(vol);
		return;
	}
	lockstep_engine_release_quietly(vol);
	if (!bad) {
		walk_again(vol);
	} else if (!rs->retry) {
		rs->retry = (jiffies + RETRY) ?: 1;
		pr_warn("%s/%u: %llu KiB cannot be read for the resync: tried again each minute\n",
			vol->res->name, vol->number, bad * (LOCKSTEP_BIT_BYTES / 1024));
		lockstep_engine_kick_later(vol, RETRY);
	} else if (time_after_eq(jiffies, rs->retry)) {
		rs->retry = 0;
		walk_again(vol);
	} else {
		lockstep_engine_kick_later(vol, rs->retry - jiffies);
	}
}

/* An average over the last few seconds. */
static void tick(struct lockstep_volume *vol)
{
	struct lockstep_resync *rs = &vol->resync;
	u64 settled = atomic64_read(&rs->settled_bits), now;
	unsigned long ms = jiffies_to_msecs(jiffies - rs->rated);

	now = div64_u64((settled - rs->settled_before) * LOCKSTEP_BIT_BYTES * MSEC_PER_SEC,
			max(ms, 1ul));
	WRITE_ONCE(rs->rate, rs->rate ? (rs->rate * 3 + now) / 4 : now);
	rs->settled_before = settled;
	rs->rated = jiffies;
	lockstep_report_event(vol->res, vol, LOCKSTEP_EVENT_SYNC_PROGRESS);
}

static u64 total_bytes(const struct lockstep_volume *vol)
{
	return vol->resync.total_bits * LOCKSTEP_BIT_BYTES;
}

static const struct lockstep_job resync_job = {
	.next = next,
	.begun = begun,
	.idle = idle,
	.tick = tick,
	.wanted = wanted,
	.same = same,
	.differs = differs,
	.moved = moved,
	.bad = bad,
	.refused = refused,
	.total_bytes = total_bytes,
	.finish_s = FINISH_S,
};

/* ---- control -------------------------------------------------------------------------------- */

void lockstep_resync_init(struct lockstep_volume *vol)
{
	vol->resync.rated = jiffies;
}

/*
 * Marks by the crash of a node are a guess about what was on its way: most of those blocks are
 * equal. All other marks say that a block was written, and a full resync that nothing is known.
 */
static bool compares(const struct lockstep_volume *vol)
{
	return (vol->meta.flags | vol->peer.flags) & LOCKSTEP_MF_UNCLEAN &&
	       vol->peer.verdict != GEN_SOURCE_FULL && vol->peer.verdict != GEN_TARGET_FULL;
}

static void reset(struct lockstep_volume *vol, bool pull)
{
	struct lockstep_resync *rs = &vol->resync;

	rs->total_bits = lockstep_marks_weight(&vol->marks);
	rs->began = jiffies;
	rs->compare = compares(vol);
	rs->pull = pull;
	rs->next_bit = 0;
	rs->retry = 0;
	atomic64_set(&rs->compared_bits, 0);
	atomic64_set(&rs->copied_bits, 0);
	atomic64_set(&rs->bad_bits, 0);
	atomic64_set(&rs->settled_bits, 0);
	rs->settled_before = 0;
	rs->rated = jiffies;
	rs->rate = 0;
	rs->flushing = false;
	rs->flushed = false;
}

static int start(struct lockstep_volume *vol, struct lockstep_session *s, bool pull)
{
	struct lockstep_how how = {
		.move = true,
		.pull = pull,
		.compare = compares(vol),
		.flags = LOCKSTEP_WH_RESYNC,
	};
	int err;

	err = lockstep_engine_wait_locked(vol, s);
	if (err)
		return err;
	reset(vol, pull);
	pr_info("%s/%u: resync of %llu KiB %s %s begins%s\n", vol->res->name, vol->number,
		vol->resync.total_bits * (LOCKSTEP_BIT_BYTES / 1024), pull ? "from" : "to",
		vol->res->peer_name, how.compare ? ", by checksums" : "");
	lockstep_engine_start_locked(vol, s, &resync_job, &how);
	return 0;
}

int lockstep_resync_start_locked(struct lockstep_volume *vol, struct lockstep_session *s)
{
	int err;

	lockdep_assert_held(&vol->res->ctl);
	/* A primary that works through us copies by itself, once it has a disk to copy to. */
	if (vol->resync.sync != LOCKSTEP_SYNC_SOURCE_WAIT ||
	    s->peer_role == LOCKSTEP_ROLE_PRIMARY)
		return 0;
	err = start(vol, s, false);
	if (!err)
		vol->resync.sync = LOCKSTEP_SYNC_SOURCE;
	return err;
}

int lockstep_resync_pull_locked(struct lockstep_volume *vol, struct lockstep_session *s)
{
	lockdep_assert_held(&vol->res->ctl);
	if (vol->resync.sync != LOCKSTEP_SYNC_TARGET || lockstep_engine_is_running(vol))
		return 0;
	return start(vol, s, true);
}

void lockstep_resync_session_failed(struct lockstep_resource *res)
{
	struct lockstep_volume *vol;
	int i;

	for (i = 0; i < LOCKSTEP_MAX_VOLUMES; i++) {
		vol = READ_ONCE(res->volume[i]);
		if (vol)
			lockstep_engine_session_failed(vol);
	}
}

void lockstep_resync_stop_locked(struct lockstep_resource *res)
{
	struct lockstep_volume *vol;
	int i;

	resource_for_each_volume(res, i, vol) {
		lockstep_verify_lose_locked(vol);
		lockstep_engine_stop(vol);
		vol->resync.sync = LOCKSTEP_SYNC_NONE;
		vol->resync.pull = false;
	}
}

bool lockstep_resync_is_here(const struct lockstep_volume *vol)
{
	return vol->resync.sync == LOCKSTEP_SYNC_SOURCE ||
	       (vol->resync.sync == LOCKSTEP_SYNC_TARGET && vol->resync.pull);
}

static void log_end(struct lockstep_volume *vol)
{
	struct lockstep_resync *rs = &vol->resync;

	pr_info("%s/%u: resync finished: compared %llu KiB, copied %llu KiB in %u ms\n",
		vol->res->name, vol->number,
		(u64)atomic64_read(&rs->compared_bits) * (LOCKSTEP_BIT_BYTES / 1024),
		(u64)atomic64_read(&rs->copied_bits) * (LOCKSTEP_BIT_BYTES / 1024),
		jiffies_to_msecs(jiffies - rs->began));
}

bool lockstep_resync_finished_locked(struct lockstep_volume *vol)
{
	struct lockstep_resync *rs = &vol->resync;
	bool finished, again = false;

	spin_lock_irq(&vol->engine.lock);
	finished = vol->engine.running && vol->engine.job == &resync_job && rs->flushed;
	if (finished && lockstep_marks_weight(&vol->marks)) {
		/*
		 * A local write failed since: what it left is copied, and flushed, like the rest.
		 */
		WRITE_ONCE(rs->flushing, false);
		rs->flushed = false;
		finished = false;
		again = true;
	}
	if (finished)
		WRITE_ONCE(vol->engine.running, false);
	spin_unlock_irq(&vol->engine.lock);
	/* To go on, or to give back what it kept. */
	if (again || finished)
		lockstep_engine_kick(vol);
	if (finished)
		log_end(vol);
	return finished;
}
