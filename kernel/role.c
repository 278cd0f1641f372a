// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "lockstep: " fmt

#include "role.h"

#include <linux/blkdev.h>
#include "diskfail.h"
#include "request.h"
#include "resource.h"
#include "session.h"
#include "status.h"
#include "volume.h"

static const char wait_answer[] = "the peer's answer to a promotion";
static const char wait_flush[] = "a flush of the peer's disk";

/*
 * Commands wait for the peer without ctl, and its owner may wait for something meanwhile: so they
 * do not write where he names that, or take it away. Of several the last one is named.
 */
static void waits_for_peer(struct lockstep_resource *res, const char *what)
{
	WRITE_ONCE(res->wait_peer, what);
}

static void waited_for_peer(struct lockstep_resource *res, const char *what)
{
	cmpxchg(&res->wait_peer, what, NULL);
}

/* ---- promotion ------------------------------------------------------------------------------ */

/*
 * No answer in time. Saying "no" to whoever asked and becoming primary later, when the grant comes
 * after all, would be the worst of both: the session ends, and the question with it.
 */
static void stop_asking(struct lockstep_resource *res)
{
	struct lockstep_session *s;

	lockstep_resource_lock(res);
	s = rcu_dereference_protected(res->session, lockdep_is_held(&res->ctl));
	if (res->state.asking && s)
		lockstep_session_fail(s, "no answer to a promotion", 0);
	lockstep_resource_unlock(res);
}

struct text {
	char *at;
	size_t left;
};

__printf(2, 3) static void add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vscnprintf(t->at, t->left, fmt, ap);
	va_end(ap);
	t->at += n;
	t->left -= n;
}

/* A wall clock's time, as what a person can do something with in one sentence. */
static void add_ago(struct text *t, u64 then_s)
{
	u64 now_s = ktime_get_real_seconds(), s = now_s > then_s ? now_s - then_s : 0;

	if (!then_s)
		add(t, "at a time that is not known");
	else if (s < 120)
		add(t, "%llu s ago", s);
	else if (s < 2 * 3600)
		add(t, "%llu min ago", s / 60);
	else if (s < 48 * 3600)
		add(t, "%llu h ago", s / 3600);
	else
		add(t, "%llu days ago", s / 86400);
}

/* What is known of the copy that is not good enough. */
static void add_facts(struct text *t, struct lockstep_volume *vol)
{
	const struct lockstep_resource *res = vol->res;
	const struct meta *m = &vol->meta;
	u32 flags = m->flags;

	if (vol->failed || !m->current_gen.id)
		return;
	if (!(flags & LOCKSTEP_MF_CONSISTENT)) {
		add(t, ", %llu MiB of volume %u are from before it",
		    lockstep_marks_weight(&vol->marks) >> (20 - LOCKSTEP_BIT_SHIFT), vol->number);
	} else if (flags & LOCKSTEP_MF_OUTDATED) {
		add(t, ", and it was told that %s goes on without it", res->peer_name);
	} else if (flags & LOCKSTEP_MF_LEFT_PRIMARY) {
		add(t, ": %s was primary when last heard, ", res->peer_name);
		add_ago(t, m->peer[LOCKSTEP_PEER].seen_s);
	} else if (flags & LOCKSTEP_MF_UNCLEAN) {
		add(t, ": this host went down without closing it, last heard of %s ",
		    res->peer_name);
		add_ago(t, m->peer[LOCKSTEP_PEER].seen_s);
	}
}

/* What to do about a refusal, behind it. */
static void way_out(const struct lockstep_resource *res, bool force, char *why, size_t len)
{
	struct text t = { .at = why + strlen(why), .left = len - strlen(why) };
	const struct lockstep_state *s = &res->state;
	const char *peer = res->peer_name;
	struct lockstep_volume *vol;
	int i;

	if (s->peer_role == LOCKSTEP_ROLE_PRIMARY) {
		add(&t, "; on %s: lockstep demote %s", peer, res->name);
		return;
	}
	if (s->sync == STATE_SYNC_TARGET) {
		add(&t, "; lockstep wait-sync %s waits until it is done", res->name);
		return;
	}
	if (s->copy == STATE_COPY_FAILED) {
		add(&t, "; lockstep attach %s", res->name);
		return;
	}
	resource_for_each_volume(res, i, vol)
		if (READ_ONCE(vol->stale)) {
			add_facts(&t, vol);
			break;
		}
	if (force)
		return;
	if (s->copy == STATE_COPY_BLANK)
		add(&t, "; to say so: lockstep promote --force %s", res->name);
	else
		add(&t, "; connect %s, or, to give up what only %s has: "
		    "lockstep promote --force %s", peer, peer, res->name);
}

/* An outcome of fencing is about one loss: what came after it is not known by it. */
static u32 promotion_arg(const struct lockstep_resource *res, const struct lockstep_promotion *p)
{
	u32 arg = p->force ? STATE_PROMOTE_FORCE : 0;

	if (p->fenced && p->fence_round == res->fence_round)
		arg |= STATE_PROMOTE_FENCED;
	if (p->automatic)
		arg |= STATE_PROMOTE_AUTO;
	return arg;
}

/* What the step will say. */
static enum state_refusal refusal_of(const struct lockstep_resource *res, u32 arg)
{
	struct lockstep_state s = res->state;
	u32 effects;

	return state_step(&s, STATE_EV_PROMOTE, arg, &effects);
}

int lockstep_role_promote(struct lockstep_resource *res, struct lockstep_promotion *p, char *why,
			  size_t len)
{
	bool asked;
	int err;

	p->refusal = STATE_OK;
	lockstep_resource_lock(res);
	if (res->gone || !res->nr_volumes) {
		snprintf(why, len, "%s has no volumes", res->name);
		lockstep_resource_unlock(res);
		return -ENODEV;
	}
	p->refusal = refusal_of(res, promotion_arg(res, p));
	err = lockstep_status_step_locked(res, STATE_EV_PROMOTE, promotion_arg(res, p), why, len);
	if (err == -EPERM)
		way_out(res, p->force, why, len);
	asked = !err && res->state.asking;
	lockstep_resource_unlock(res);
	if (!asked)
		return err;
	/* Answer, refusal or the end of the session: each of them ends the asking. */
	waits_for_peer(res, wait_answer);
	wait_event_killable_timeout(res->state_wait, !READ_ONCE(res->state.asking),
				    msecs_to_jiffies(res->timeout_ms) * 2);
	waited_for_peer(res, wait_answer);
	stop_asking(res);
	if (READ_ONCE(res->state.role) == LOCKSTEP_ROLE_PRIMARY)
		return 0;
	p->refusal = STATE_RF_ASKING;
	snprintf(why, len, "%s: %s did not agree: it is primary, or asked for the same at the "
		 "same time, or the session ended",
		 res->name, res->peer_name);
	return -EPERM;
}

/* ---- demotion ------------------------------------------------------------------------------- */

/*
 * Order: no more openers; flush both copies, so that a clean demote leaves nothing in any cache (a
 * later crash of either side as a secondary then loses nothing); then the flag PRIMARY goes,
 * durably; then the peer is told. ctl is not held while the peer is waited for.
 */
static int close_openers(struct lockstep_resource *res, bool writable, char *why, size_t len)
{
	struct lockstep_volume *vol;
	int i, err = 0;

	lockdep_assert_held(&res->ctl);
	resource_for_each_volume(res, i, vol) {
		err = lockstep_volume_set_writable(vol, writable, why, len);
		if (err)
			break;
	}
	if (!err)
		return 0;
	resource_for_each_volume(res, i, vol)
		lockstep_volume_set_writable(vol, true, NULL, 0);
	return err;
}

/*
 * ctl is held all the while: nobody becomes primary beside it, and nothing is written behind it. So
 * not for longer than the disk may take for any other request; and tried, because the metadata
 * write that follows has no such limit (metaio.h).
 */
static int flush_disk(struct lockstep_volume *vol)
{
	int err;

	lockdep_assert_held(&vol->res->ctl);
	vol->res->wait = "a flush of the local disk";
	err = vol->failed ? 0 : lockstep_flush_try(vol);
	vol->res->wait = NULL;
	return err;
}

/* What is not the disk's own error is told apart by number: who takes it down goes by that. */
static int flush_errno(int flushed)
{
	switch (flushed) {
	case LOCKSTEP_FLUSH_LATE:
		return -ETIMEDOUT;
	case LOCKSTEP_FLUSH_UNTRIED:
		return -EAGAIN;
	default:
		return -EIO;
	}
}

static int flush_here(struct lockstep_resource *res, char *why, size_t len)
{
	struct lockstep_volume *vol;
	int i, err = 0, flushed;

	resource_for_each_volume(res, i, vol) {
		flushed = flush_disk(vol);
		if (!flushed)
			continue;
		err = flush_errno(flushed);
		if (flushed == LOCKSTEP_FLUSH_LATE)
			lockstep_disk_failed(vol, DISK_LATE_FLUSH, 0);
		snprintf(why, len, "%s: flushing %s failed (error %d)", res->name, vol->backing,
			 flushed < 0 ? flushed : err);
		break;
	}
	return err;
}

/* Errors end the session, which is then taken as such. */
static void flush_there(struct lockstep_resource *res)
{
	int i;

	waits_for_peer(res, wait_flush);
	for (i = 0; i < LOCKSTEP_MAX_VOLUMES; i++)
		if (READ_ONCE(res->volume[i]))
			lockstep_session_flush_peer(res, i, true);
	waited_for_peer(res, wait_flush);
}

int lockstep_role_demote(struct lockstep_resource *res, bool automatic, char *why, size_t len)
{
	int err;

	lockstep_resource_lock(res);
	if (res->state.role != LOCKSTEP_ROLE_PRIMARY)
		err = -EALREADY;
	else if (automatic && !res->state.automatic)
		err = -ECANCELED;
	else
		err = close_openers(res, false, why, len);
	lockstep_resource_unlock(res);
	if (err)
		return err;
	flush_there(res);
	lockstep_resource_lock(res);
	/* Its repairs are a primary's writes. */
	lockstep_verify_end_locked(res);
	err = automatic && !res->state.automatic ? -ECANCELED : flush_here(res, why, len);
	if (!err)
		err = lockstep_status_step_locked(res, STATE_EV_DEMOTE, 0, why, len);
	/* Not if somebody else has demoted it meanwhile. */
	if (err && res->state.role == LOCKSTEP_ROLE_PRIMARY)
		close_openers(res, true, NULL, 0);
	lockstep_resource_unlock(res);
	return err;
}

/* ---- split brain ----------------------------------------------------------------------------- */

/* Marks that are not all here yet would still be added to: they count, and nothing is lost. */
int lockstep_role_surrender_locked(struct lockstep_resource *res, char *why, size_t len)
{
	size_t at;
	int err;

	lockdep_assert_held(&res->ctl);
	if (res->gone || !res->nr_volumes) {
		snprintf(why, len, "%s has no volumes", res->name);
		return -ENODEV;
	}
	err = lockstep_status_step_locked(res, STATE_EV_SURRENDER, 0, why, len);
	at = strlen(why);
	if (err == -EBUSY && res->state.role == LOCKSTEP_ROLE_PRIMARY)
		snprintf(why + at, len - at, "; stop what uses it, then lockstep demote %s",
			 res->name);
	if (err)
		return err;
	/* The worst of all copies, as the metadata has it now. */
	lockstep_status_copy_locked(res);
	pr_notice("%s: what was written here beside %s is given up\n", res->name, res->peer_name);
	return 0;
}

/* ---- down ----------------------------------------------------------------------------------- */

static int check_unused(struct lockstep_resource *res, char *why, size_t len)
{
	struct lockstep_volume *vol;
	int i, err = 0;

	resource_for_each_volume(res, i, vol) {
		err = lockstep_volume_unused(vol, why, len);
		if (err)
			break;
	}
	return err;
}

static bool is_meant(const struct lockstep_volume *vol, const struct lockstep_volume *only)
{
	return !only || vol == only;
}

/* Of all that are meant, or a sentence that says why of none. */
static int may_remove(struct lockstep_resource *res, struct lockstep_volume *only,
		      const char *because, char *why, size_t len)
{
	struct lockstep_volume *vol;
	int i, err = 0;

	resource_for_each_volume(res, i, vol) {
		if (is_meant(vol, only) && !err)
			err = lockstep_volume_leave_locked(vol, why, len);
	}
	if (err)
		return err;
	lockstep_status_close_locked(res, because);
	resource_for_each_volume(res, i, vol) {
		if (is_meant(vol, only) && !err)
			err = lockstep_volume_may_go_locked(vol, why, len);
	}
	return err;
}

/*
 * What can be refused comes first, for every volume: half a resource would be none. What follows
 * can fail at a disk only, and says so there: that copy is then taken for one of a crash. ctl is
 * held from the first question on, so that the answers stay true.
 */
static int remove_volumes(struct lockstep_resource *res, struct lockstep_volume *only,
			  const char *because, char *why, size_t len)
{
	struct lockstep_volume *vol;
	int i, err;

	lockdep_assert_held(&res->ctl);
	err = may_remove(res, only, because, why, len);
	resource_for_each_volume(res, i, vol) {
		if (!is_meant(vol, only))
			continue;
		if (err)
			lockstep_volume_stay_locked(vol);
		else
			lockstep_volume_del_locked(vol);
	}
	return err;
}

int lockstep_role_remove_locked(struct lockstep_volume *vol, char *why, size_t len)
{
	return remove_volumes(vol->res, vol, "a volume is removed here", why, len);
}

/* One that is late only is not: it would be left as one of a crash, though all is on it. */
static bool is_dead(struct lockstep_volume *vol)
{
	if (vol->failed)
		return false;
	return lockstep_disk_has_erred(vol) || flush_disk(vol) < 0;
}

/*
 * The resource goes, and some disks will not take even the word that they are closed. What is on
 * them says that they were not, and is judged as after a crash when they come back.
 */
static void give_up_dead_disks(struct lockstep_resource *res)
{
	struct lockstep_volume *vol;
	int i;

	lockstep_resource_lock(res);
	resource_for_each_volume(res, i, vol)
		if (is_dead(vol))
			lockstep_status_step_locked(res, STATE_EV_DISK_FAILED,
						    vol->number | STATE_DISK_ANYWAY, NULL, 0);
	lockstep_resource_unlock(res);
}

int lockstep_role_down(struct lockstep_resource *res, char *why, size_t len)
{
	int err;

	lockstep_resource_lock(res);
	err = check_unused(res, why, len);
	lockstep_resource_unlock(res);
	if (err)
		return err;
	err = lockstep_role_demote(res, false, why, len);
	if (err && err != -EALREADY && err != -EBUSY && err != -EAGAIN) {
		give_up_dead_disks(res);
		err = lockstep_role_demote(res, false, why, len);
	}
	if (err && err != -EALREADY)
		return err;
	lockstep_resource_lock(res);
	if (res->state.role == LOCKSTEP_ROLE_PRIMARY) {
		snprintf(why, len, "%s was promoted again meanwhile", res->name);
		err = -EBUSY;
	} else {
		err = remove_volumes(res, NULL, "taken down here", why, len);
	}
	if (!err)
		lockstep_resource_remove_locked(res);
	lockstep_resource_unlock(res);
	return err;
}
