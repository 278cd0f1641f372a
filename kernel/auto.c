// SPDX-License-Identifier: GPL-2.0
/*
 * Why a work does it, and not open() itself. The block layer calls open() with the disk's
 * open_mutex held. Whoever removes a volume holds resource.ctl and waits for that mutex in
 * del_gendisk(). So open() may neither take ctl nor wait for somebody who needs it, unless the wait
 * ends by itself when a volume goes. It does: open() waits on state_wait, for the outcome or for
 * `going`, which is set, and state_wait woken, before del_gendisk() is called; and in any case not
 * beyond a limit that follows from the session's time-out (P10). The work may wait for ctl, and for
 * the peer's answer, as long as it likes: nobody waits for it without an end of his own.
 *
 * It has a queue of its own, which is not for memory reclaim. It waits for the state worker, which
 * takes the peer's answer; on the same queue, with no memory for another thread, the one rescuer
 * would sit in this work and never get to that one. No reclaim ever waits for it: who opens a
 * device writes nothing yet, and who closed it has written all.
 *
 * Who may still be here when a resource goes: (1) the work, with a reference of its own; it finds
 * `gone`, or a secondary without volumes; (2) an opener: he holds up del_gendisk(), so his volume,
 * and with that the resource, are there until he has left.
 */
#define pr_fmt(fmt) "lockstep: " fmt

#include "auto.h"

#include <linux/delay.h>
#include <linux/sched/signal.h>
#include "autorole.h"
#include "report.h"
#include "resource.h"
#include "role.h"
#include "volume.h"

void lockstep_auto_init(struct lockstep_resource *res)
{
	spin_lock_init(&res->by_open.lock);
	INIT_WORK(&res->by_open.work, lockstep_auto_work);
}

void lockstep_auto_set_locked(struct lockstep_resource *res, bool on)
{
	lockdep_assert_held(&res->ctl);
	if (res->by_open.on == on)
		return;
	WRITE_ONCE(res->by_open.on, on);
	wake_up_all(&res->state_wait);
	lockstep_report_event(res, NULL, LOCKSTEP_EVENT_STATE);
}

/* A queued work holds a reference of its own. */
static void kick(struct lockstep_resource *res)
{
	kref_get(&res->ref);
	if (!queue_work(lockstep_role_wq, &res->by_open.work))
		lockstep_resource_put(res);
}

/* ---- who opens, and who has closed ---------------------------------------------------------- */

static enum autorole_wait look(struct lockstep_volume *vol, struct autorole_opener *o,
			       unsigned long since)
{
	struct lockstep_by_open *b = &vol->res->by_open;

	spin_lock(&b->lock);
	o->ended = b->ended;
	o->may_pass = b->may_pass;
	spin_unlock(&b->lock);
	o->enabled = READ_ONCE(b->on);
	o->going = READ_ONCE(vol->going);
	o->writable = READ_ONCE(vol->writable);
	o->waited_ms = jiffies_to_msecs(jiffies - since);
	return autorole_wait(o);
}

/* Without the name in front, which the line of the log has already. */
static const char *past_name(const struct lockstep_resource *res, const char *why)
{
	size_t len = strlen(res->name);

	return !strncmp(why, res->name, len) && why[len] == ':' ? why + len + 2 : why;
}

static void take_why(struct lockstep_resource *res, const struct autorole_opener *o, char *why,
		     size_t len)
{
	const char *wait = lockstep_resource_waits(res);

	spin_lock(&res->by_open.lock);
	if (autorole_saw_one(o))
		strscpy(why, past_name(res, res->by_open.why), len);
	else
		snprintf(why, len, "nothing was decided in %llu ms, it waits for %s; lockstep "
			 "promote %s", o->waited_ms, wait ?: "another command", res->name);
	spin_unlock(&res->by_open.lock);
}

bool lockstep_auto_enter(struct lockstep_volume *vol, char *why, size_t len)
{
	struct lockstep_resource *res = vol->res;
	struct lockstep_by_open *b = &res->by_open;
	struct autorole_opener o = { .limit_ms = autorole_limit_ms(res->timeout_ms) };
	unsigned long since = jiffies;

	if (!READ_ONCE(b->on) || READ_ONCE(vol->writable))
		return false;
	spin_lock(&b->lock);
	b->wanted++;
	o.came = b->begun;
	spin_unlock(&b->lock);
	kick(res);
	wait_event_killable_timeout(res->state_wait, look(vol, &o, since) != AUTOROLE_WAIT,
				    msecs_to_jiffies(o.limit_ms));
	take_why(res, &o, why, len);
	return true;
}

/* Whoever has not opened it after all may leave a promotion behind that nobody needs. */
void lockstep_auto_leave(struct lockstep_resource *res, bool opened)
{
	spin_lock(&res->by_open.lock);
	res->by_open.wanted--;
	spin_unlock(&res->by_open.lock);
	if (!opened)
		kick(res);
}

void lockstep_auto_closed(struct lockstep_resource *res)
{
	if (READ_ONCE(res->state.automatic))
		kick(res);
}

/* ---- the work ------------------------------------------------------------------------------- */

/*
 * `wanted` is read first: an opener is counted as such before he leaves, so nobody is missed who is
 * just between the two.
 */
static enum autorole_next next_of(struct lockstep_resource *res)
{
	struct autorole_facts f = { .writable = true };
	enum autorole_next next = AUTOROLE_NOTHING;
	struct lockstep_volume *vol;
	int i;

	spin_lock(&res->by_open.lock);
	f.wanted = res->by_open.wanted;
	spin_unlock(&res->by_open.lock);
	lockstep_resource_lock(res);
	f.enabled = res->by_open.on;
	f.primary = res->state.role == LOCKSTEP_ROLE_PRIMARY;
	f.automatic = res->state.automatic;
	resource_for_each_volume(res, i, vol) {
		mutex_lock(&vol->open_lock);
		f.openers += vol->openers;
		f.writable = f.writable && vol->writable;
		mutex_unlock(&vol->open_lock);
	}
	if (!res->gone)
		next = autorole_next(&f);
	lockstep_resource_unlock(res);
	return next;
}

/* Those that say what to do say it behind a semicolon. */
static void complete_why(const struct lockstep_resource *res, int err, char *why, size_t len)
{
	size_t at = strlen(why);

	if (err == -EALREADY)
		at = snprintf(why, len, "%s: it is just being demoted", res->name);
	if (!at)
		at = snprintf(why, len, "%s: the promotion failed (error %d)", res->name, err);
	if (!strchr(why, ';') && at < len)
		snprintf(why + at, len - at, "; lockstep promote %s", res->name);
}

/* One try. True: refused for a reason that may pass. Gives nothing up and fences nobody. */
static bool try_promote(struct lockstep_resource *res)
{
	struct lockstep_promotion p = { .automatic = true };
	struct lockstep_by_open *b = &res->by_open;
	char why[LOCKSTEP_BY_OPEN_BYTES] = "";
	bool may_pass;
	u32 number;
	int err;

	spin_lock(&b->lock);
	number = ++b->begun;
	spin_unlock(&b->lock);
	err = lockstep_role_promote(res, &p, why, sizeof(why));
	may_pass = err && autorole_may_pass(p.refusal);
	if (err)
		complete_why(res, err, why, sizeof(why));
	spin_lock(&b->lock);
	b->ended = number;
	b->may_pass = may_pass;
	memcpy(b->why, why, sizeof(why));
	spin_unlock(&b->lock);
	wake_up_all(&res->state_wait);
	return may_pass;
}

/*
 * True: refused for the moment. Somebody who has opened it again keeps it, and so does a person
 * whose promotion it has become.
 */
static bool try_demote(struct lockstep_resource *res, bool last)
{
	char why[LOCKSTEP_BY_OPEN_BYTES] = "";
	int err = lockstep_role_demote(res, true, why, sizeof(why));

	if (!err || err == -EBUSY || err == -EALREADY || err == -ECANCELED)
		return false;
	if (err == -EAGAIN && !last)
		return true;
	pr_warn("%s: stays primary after the last close (error %d): %s; lockstep demote %s\n",
		res->name, err, past_name(res, why), res->name);
	return false;
}

static bool again(struct lockstep_resource *res, bool last)
{
	switch (next_of(res)) {
	case AUTOROLE_PROMOTE:
		return try_promote(res);
	case AUTOROLE_DEMOTE:
		return try_demote(res, last);
	default:
		return false;
	}
}

/* Promotion is tried as long as anybody waits for it, who has a limit of his own. */
void lockstep_auto_work(struct work_struct *work)
{
	struct lockstep_by_open *b = container_of(work, struct lockstep_by_open, work);
	struct lockstep_resource *res = container_of(b, struct lockstep_resource, by_open);
	unsigned long until = jiffies + msecs_to_jiffies(autorole_limit_ms(res->timeout_ms));

	while (again(res, time_after(jiffies, until)))
		msleep(AUTOROLE_AGAIN_MS);
	lockstep_resource_put(res);
}
