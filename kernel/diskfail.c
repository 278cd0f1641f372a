// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "lockstep: " fmt

#include "diskfail.h"

#include <linux/delay.h>
#include <linux/ratelimit.h>
#include "bitmapio.h"
#include "engine.h"
#include "peerreq.h"
#include "report.h"
#include "request.h"
#include "resource.h"
#include "session.h"
#include "status.h"
#include "volume.h"

/* What never comes back is overdue at each look: twice a second, for as long as it hangs. */
#define TELL_AGAIN	(600 * HZ)

static bool is_news(struct lockstep_volume *vol, bool late)
{
	unsigned long told = READ_ONCE(vol->disk_told);

	if (READ_ONCE(vol->failed))
		return false;
	if (!late)
		return true;
	if (told && time_before(jiffies, told + TELL_AGAIN))
		return false;
	WRITE_ONCE(vol->disk_told, jiffies | 1);
	return true;
}

void lockstep_disk_failed(struct lockstep_volume *vol, enum disk_failure what, int err)
{
	bool late = disk_failure_is_late(what), news = is_news(vol, late);
	u32 report = disk_report(what, err, news);
	int kept = atomic_read(&vol->disk_report);

	if (news)
		pr_err_ratelimited("%s/%u: local disk %s failed %s: %d\n", vol->res->name,
				   vol->number, vol->backing, disk_failure_text(what),
				   disk_report_err(report));
	if (READ_ONCE(vol->failed) && !late)
		return;
	while (!atomic_try_cmpxchg(&vol->disk_report, &kept, disk_report_merge(kept, report)))
		;
	/* After it is there: whoever takes the condition finds it. */
	lockstep_status_post(vol->res, STATUS_DISK_FAILED);
}

bool lockstep_disk_has_erred(const struct lockstep_volume *vol)
{
	return disk_report_is_error(atomic_read_acquire(&vol->disk_report));
}

void lockstep_disk_drop_locked(struct lockstep_volume *vol)
{
	lockdep_assert_held(&vol->res->ctl);
	if (vol->failed)
		return;
	WRITE_ONCE(vol->failed, true);
	WRITE_ONCE(vol->stale, true);
	/* Remembered, no more: what never counted says nothing of what the peer has (gen.h, b). */
	if (vol->unproven)
		vol->meta.flags &= ~(LOCKSTEP_MF_CONSISTENT | LOCKSTEP_MF_UP_TO_DATE);
	percpu_ref_kill(&vol->disk_ref);
	/* After the kill: whoever was not there yet does not come any more. */
	lockstep_request_abandon(vol);
	lockstep_regions_set_gone(vol, true);
	lockstep_flush_forget(vol);
	pr_warn("%s/%u: %s is given up: it failed %s\n", vol->res->name, vol->number, vol->backing,
		vol->disk_why);
	lockstep_report_event(vol->res, vol, LOCKSTEP_EVENT_DISK_FAILED);
}

/*
 * Whatever else it was, a flush has failed: what the cache lost the peer may have, and the other
 * way round (flusherr.h). We copy to it by these marks. If it copies from us by its own, because it
 * is primary, it has to begin again with ours; not if it has no disk, and only writes here.
 */
static void mark_doubt(struct lockstep_volume *vol)
{
	struct lockstep_resource *res = vol->res;
	struct lockstep_session *s;
	u32 failures;

	if (!lockstep_flush_in_doubt(vol))
		return;
	failures = lockstep_flush_failures(&vol->flush_notes);
	/* Whoever has not seen the failure, and clears a mark of what it read before, is done. */
	synchronize_srcu(&res->mode_srcu);
	lockstep_regions_to_marks(vol);
	/* Not before: a pass, and the peer's, would clear regions that are still to be marked. */
	lockstep_flush_kept(vol, failures);
	lockstep_engine_kick(vol);
	s = rcu_dereference_protected(res->session, lockdep_is_held(&res->ctl));
	if (s && vol->serving && vol->peer.disk != LOCKSTEP_DISK_FAILED)
		lockstep_session_fail(s, LOCKSTEP_COPIED_IN_DOUBT, 0);
}

/*
 * A secondary that is ahead keeps its disk also when the session has gone that the request was of.
 * What may be wrong on such a disk, and why no promise rests on it:
 *
 *   a write of the peer    was never acknowledged: the peer sends it again in the next session, or
 *                          has crashed with it. Whatever is there now is copied, one way or the
 *                          other: the marks of what a primary wrote through us, and its regions
 *                          durably, were set before the write came to the disk (P3, serve() in
 *                          peerreq.c)
 *   a flush of the peer    was never acknowledged either (P2); it is owed to the next one, and what
 *                          may have gone from the cache is marked, as in a session (flusherr.h)
 *   our metadata           nothing is acknowledged before it is there: who waits for it fails
 */
static void take_failure(struct lockstep_volume *vol, u32 report)
{
	struct lockstep_resource *res = vol->res;
	bool ahead = lockstep_status_is_ahead_locked(vol);
	u32 arg = vol->number | (ahead ? STATE_DISK_AHEAD : 0);

	if (vol->failed) {
		/* One that was just on its way there when the disk was given up. */
		lockstep_request_abandon(vol);
		return;
	}
	snprintf(vol->disk_why, sizeof(vol->disk_why), "%s (error %d)",
		 disk_failure_text(disk_report_what(report)), disk_report_err(report));
	if (!lockstep_status_step_locked(res, STATE_EV_DISK_FAILED, arg, NULL, 0))
		return;
	vol->disk_why[0] = 0;
	if (report & DISK_REPORT_NEWS)
		pr_err_ratelimited("%s/%u: %s is kept all the same: nobody else has its data\n",
				   res->name, vol->number, vol->backing);
	mark_doubt(vol);
	/* Late is not never. */
	if (disk_report_is_late(report))
		return;
	lockstep_request_fail_local(vol);
	lockstep_regions_fail_waits(vol);
}

void lockstep_disk_take_failures_locked(struct lockstep_resource *res)
{
	struct lockstep_volume *vol;
	u32 report;
	int i;

	resource_for_each_volume(res, i, vol) {
		report = atomic_xchg(&vol->disk_report, 0);
		if (report)
			take_failure(vol, report);
	}
}

int lockstep_disk_detach_locked(struct lockstep_volume *vol, char *why, size_t len)
{
	struct lockstep_resource *res = vol->res;
	int err;

	if (vol->failed)
		return -EALREADY;
	strscpy(vol->disk_why, "nothing: it was detached", sizeof(vol->disk_why));
	err = lockstep_status_step_locked(res, STATE_EV_DISK_FAILED, vol->number, why, len);
	if (err)
		vol->disk_why[0] = 0;
	return err;
}

bool lockstep_disk_is_left(struct lockstep_volume *vol)
{
	return percpu_ref_is_zero(&vol->disk_ref) && lockstep_engine_is_idle(vol);
}

/* Nobody but a request that never came back may still be at the old one; that is not waited for. */
static int wait_idle(struct lockstep_volume *vol, char *why, size_t len)
{
	int i;

	lockstep_engine_stop(vol);
	for (i = 0; i < 50 && !lockstep_disk_is_left(vol); i++)
		msleep(20);
	if (lockstep_disk_is_left(vol)) {
		lockstep_engine_drain(vol);
		return 0;
	}
	snprintf(why, len, "requests are still at %s, which does not answer: remove it from this "
		 "host, or wait until they come back", vol->backing);
	return -EBUSY;
}

int lockstep_disk_attach_locked(struct lockstep_volume *vol, const char *backing,
				const char *meta_path, u64 old_sect, char *why, size_t len)
{
	struct lockstep_resource *res = vol->res;
	int err;

	lockdep_assert_held(&res->ctl);
	if (!vol->failed) {
		snprintf(why, len, "volume %u has a disk, %s; to give that up: lockstep detach %s "
			 "--volume %u", vol->number, vol->backing, res->name, vol->number);
		return -EEXIST;
	}
	lockstep_status_close_locked(res, "a disk is attached");
	err = wait_idle(vol, why, len) ?:
	      lockstep_volume_replace_locked(vol, backing, meta_path, old_sect, why, len);
	if (err)
		return err;
	vol->disk_why[0] = 0;
	vol->disk_told = 0;
	atomic_set(&vol->disk_report, 0);
	lockstep_flusher_forget(vol);
	lockstep_flush_forget(vol);
	reinit_completion(&vol->disk_done);
	percpu_ref_reinit(&vol->disk_ref);
	smp_store_release(&vol->failed, false);
	/*
	 * Whoever still saw it failed, and so asked for no region, leaves before a session can let
	 * it write: on this disk its region would not be in the map (R1).
	 */
	synchronize_srcu(&res->mode_srcu);
	lockstep_bitmap_start(vol);
	lockstep_status_copy_locked(res);
	pr_info("%s/%u: %s is attached\n", res->name, vol->number, backing);
	lockstep_report_event(res, vol, LOCKSTEP_EVENT_DISK_ATTACHED);
	return 0;
}

static void check_peers(struct lockstep_session *s, u32 ms)
{
	struct lockstep_volume *vol;
	u32 i;

	for (i = 0; i < s->nr_streams; i++) {
		vol = s->stream[i] ? lockstep_peer_request_overdue(s->stream[i], ms) : NULL;
		if (vol)
			lockstep_disk_failed(vol, DISK_LATE_REQUEST, 0);
	}
}

/*
 * Their workers may be kept by a request that nobody counts, of a resync for example, with the
 * application's behind it. Throttled writes may take longer on a disk that is well.
 */
static bool are_jobs_stuck(const struct lockstep_volume *vol, u32 ms)
{
	unsigned long before = jiffies - msecs_to_jiffies(ms);

	return !READ_ONCE(vol->failed) &&
	       (lockstep_disk_jobs_are_stuck(&vol->submits.prompt, before) ||
		lockstep_disk_jobs_are_stuck(&vol->zeroes, before) ||
		lockstep_disk_jobs_are_stuck(&vol->submits.patient,
					     jiffies - 4 * msecs_to_jiffies(ms)));
}

void lockstep_disk_check(struct lockstep_session *s)
{
	struct lockstep_resource *res = s->res;
	struct lockstep_volume *vol;
	int i;

	if (!res->disk_timeout_ms)
		return;
	check_peers(s, res->disk_timeout_ms);
	for (i = 0; i < LOCKSTEP_MAX_VOLUMES; i++) {
		vol = READ_ONCE(res->volume[i]);
		if (vol && (lockstep_request_is_overdue(vol, res->disk_timeout_ms) ||
			    lockstep_regions_is_overdue(vol, res->disk_timeout_ms) ||
			    are_jobs_stuck(vol, res->disk_timeout_ms)))
			lockstep_disk_failed(vol, DISK_LATE_REQUEST, 0);
	}
}
