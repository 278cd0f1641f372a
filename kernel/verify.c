// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "lockstep: " fmt

#include "verify.h"

#include <lockstep/disk.h>
#include "engine.h"
#include "metaio.h"
#include "report.h"
#include "resource.h"
#include "session.h"
#include "volume.h"

/* It is run from a timer, by the week or the month: no copy is missing meanwhile. */
#define FINISH_S	(7 * 86400u)

static void same(struct lockstep_volume *vol, u64 first, u32 count, u32 failures)
{
}

static void differs(struct lockstep_volume *vol, u64 first, u32 count)
{
	atomic64_add(count, &vol->verify.bad_bits);
	lockstep_marks_set(&vol->verify.map, first * LOCKSTEP_BIT_SECT, count * LOCKSTEP_BIT_SECT);
	pr_warn_ratelimited("%s/%u: the copies differ from sector %llu on, in %u KiB\n",
			    vol->res->name, vol->number, first * LOCKSTEP_BIT_SECT,
			    count * (LOCKSTEP_BIT_BYTES / 1024));
}

static void moved(struct lockstep_volume *vol, u64 first, u32 count, u32 failures)
{
	/* Into the peer's cache, like any write. */
	lockstep_regions_note(vol, first * LOCKSTEP_BIT_SECT, count * LOCKSTEP_BIT_SECT);
	atomic64_add(count, &vol->verify.repaired_bits);
}

/* Not readable here: the copies are not known to be equal. */
static void bad(struct lockstep_volume *vol, u64 bit)
{
	differs(vol, bit, 1);
}

static bool wanted(struct lockstep_volume *vol, u64 first, u32 count)
{
	return true;
}

static void refused(struct lockstep_volume *vol)
{
	pr_info_ratelimited("%s/%u: verify stops: the peer is primary or not up to date\n",
			    vol->res->name, vol->number);
	lockstep_verify_stop(vol);
}

static u32 next(struct lockstep_volume *vol, u32 max_bits, u64 *ret_sect)
{
	const u64 region_bits = LOCKSTEP_REGION_BYTES / LOCKSTEP_BIT_BYTES;
	struct lockstep_verify *vf = &vol->verify;
	u64 left = vf->end_bit - vf->next_bit;
	u32 bits;

	left = min(left, region_bits - (vf->next_bit & (region_bits - 1)));
	bits = min_t(u64, left, max_bits);
	*ret_sect = vf->next_bit * LOCKSTEP_BIT_SECT;
	return bits;
}

/* From here on it is the oldest run, or one after it, that says what is compared. */
static void begun(struct lockstep_volume *vol, u64 sect, u32 bits)
{
	WRITE_ONCE(vol->verify.next_bit, sect / LOCKSTEP_BIT_SECT + bits);
}

static const char *speed(struct lockstep_volume *vol, char *buf, size_t len)
{
	unsigned long ms = jiffies_to_msecs(jiffies - vol->verify.began);
	u64 kib = (vol->verify.end_bit - vol->verify.first_bit) * (LOCKSTEP_BIT_BYTES / 1024);

	snprintf(buf, len, "%llu KiB in %lu ms", kib, ms);
	return buf;
}

/* ---- its place in the metadata -------------------------------------------------------------- */

#define NOTE_BITS	((1ull << 30) / LOCKSTEP_BIT_BYTES)

/* In memory: whatever is stored next says it. False: nothing has changed, or may. */
static bool set_place(struct lockstep_volume *vol, u64 bit)
{
	lockdep_assert_held(&vol->res->ctl);
	if (vol->verify.end_bit != vol->data_sect / LOCKSTEP_BIT_SECT ||
	    vol->meta.verify_bit == bit || READ_ONCE(vol->failed))
		return false;
	vol->meta.verify_bit = bit;
	return true;
}

static void note_locked(struct lockstep_volume *vol, u64 bit)
{
	/* If this fails it is a place further back that it goes on from. */
	if (set_place(vol, bit) && lockstep_metaio_store(vol))
		pr_warn("%s/%u: the place of the verify could not be noted\n", vol->res->name,
			vol->number);
}

/* Whoever has ctl may wait for this work: if it is taken, the next second will do. */
static bool try_note(struct lockstep_volume *vol, u64 bit)
{
	unsigned int noio = memalloc_noio_save();
	bool locked = mutex_trylock(&vol->res->ctl);

	if (locked) {
		note_locked(vol, bit);
		mutex_unlock(&vol->res->ctl);
	}
	memalloc_noio_restore(noio);
	return locked;
}

static void idle(struct lockstep_volume *vol)
{
	struct lockstep_verify *vf = &vol->verify;
	char buf[64];

	if (!lockstep_engine_hold(vol, true))
		return;
	lockstep_engine_stop(vol);
	vf->stopped_bit = vf->end_bit;
	WRITE_ONCE(vf->state, LOCKSTEP_VERIFY_DONE);
	pr_info("%s/%u: verify done: %s, %llu blocks differed, %llu repaired\n", vol->res->name,
		vol->number, speed(vol, buf, sizeof(buf)), (u64)atomic64_read(&vf->bad_bits),
		(u64)atomic64_read(&vf->repaired_bits));
	lockstep_report_event(vol->res, vol, LOCKSTEP_EVENT_VERIFY_DONE);
	try_note(vol, 0);
	lockstep_engine_release_quietly(vol);
}

static void tick(struct lockstep_volume *vol)
{
	u64 at = lockstep_verify_position(vol);

	if (READ_ONCE(vol->verify.state) == LOCKSTEP_VERIFY_RUNNING &&
	    at >= vol->verify.noted_bit + NOTE_BITS && try_note(vol, at))
		vol->verify.noted_bit = at;
	lockstep_report_event(vol->res, vol, LOCKSTEP_EVENT_VERIFY_PROGRESS);
}

static u64 total_bytes(const struct lockstep_volume *vol)
{
	return (vol->verify.end_bit - vol->verify.from_bit) * LOCKSTEP_BIT_BYTES;
}

static const struct lockstep_job verify_job = {
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

void lockstep_verify_init(struct lockstep_volume *vol)
{
	vol->verify.state = LOCKSTEP_VERIFY_NONE;
}

void lockstep_verify_exit(struct lockstep_volume *vol)
{
	if (vol->verify.has_map)
		lockstep_marks_exit(&vol->verify.map);
	vol->verify.has_map = false;
}

u64 lockstep_verify_position(struct lockstep_volume *vol)
{
	struct lockstep_verify *vf = &vol->verify;

	if (READ_ONCE(vf->state) != LOCKSTEP_VERIFY_RUNNING)
		return vf->stopped_bit;
	return lockstep_engine_oldest_bit(vol, READ_ONCE(vf->next_bit));
}

static int may_start(struct lockstep_volume *vol, const struct lockstep_verify_range *r, char *why,
		     size_t len)
{
	const struct lockstep_state *s = &vol->res->state;
	const char *name = vol->res->name, *peer = vol->res->peer_name;

	if (s->link != LOCKSTEP_LINK_UP) {
		snprintf(why, len, "%s has no session with %s: there is nothing to compare with; "
			 "lockstep wait-connect %s, then this again", name, peer, name);
		return -ENOTCONN;
	}
	if (s->peer_role == LOCKSTEP_ROLE_PRIMARY) {
		snprintf(why, len, "run it on %s, which is primary; on %s: lockstep verify %s",
			 peer, peer, name);
		return -EPERM;
	}
	if (r->repair && s->role != LOCKSTEP_ROLE_PRIMARY) {
		snprintf(why, len, "only the primary may repair; lockstep promote %s first, or "
			 "verify without it", name);
		return -EPERM;
	}
	if (READ_ONCE(vol->verify.state) == LOCKSTEP_VERIFY_RUNNING) {
		snprintf(why, len, "volume %u is being verified already; lockstep status %s says "
			 "how far", vol->number, name);
		return -EBUSY;
	}
	if (vol->resync.sync != LOCKSTEP_SYNC_NONE ||
	    lockstep_volume_disk(vol) != LOCKSTEP_DISK_UP_TO_DATE ||
	    vol->peer.disk != LOCKSTEP_DISK_UP_TO_DATE) {
		snprintf(why, len, "the copies of volume %u are not in sync; lockstep wait-sync "
			 "%s, then this again", vol->number, name);
		return -EBUSY;
	}
	return 0;
}

static int set_range(struct lockstep_volume *vol, const struct lockstep_verify_range *r, char *why,
		     size_t len)
{
	u64 bits = vol->data_sect / LOCKSTEP_BIT_SECT, first = r->first_bit;
	struct lockstep_verify *vf = &vol->verify;

	if (r->resume && vf->state == LOCKSTEP_VERIFY_NONE && vol->meta.verify_bit &&
	    vol->meta.verify_bit < bits) {
		vf->first_bit = 0;
		vf->end_bit = bits;
		vf->stopped_bit = vol->meta.verify_bit;
		return 0;
	}
	if (r->resume) {
		if (vf->state != LOCKSTEP_VERIFY_STOPPED || vf->stopped_bit >= vf->end_bit ||
		    vf->end_bit > bits) {
			snprintf(why, len, "volume %u has no verify that could be resumed; "
				 "lockstep verify %s", vol->number, vol->res->name);
			return -ENOENT;
		}
		return 0;
	}
	if (first >= bits || r->nr_bits > bits - first) {
		snprintf(why, len, "volume %u has only %llu blocks of 4 KiB", vol->number, bits);
		return -ERANGE;
	}
	vf->first_bit = first;
	vf->end_bit = r->nr_bits ? first + r->nr_bits : bits;
	vf->stopped_bit = first;
	return 0;
}

/* The map has the volume's size; a resumed verify keeps what was found. */
static int prepare_map(struct lockstep_volume *vol, bool keep)
{
	struct lockstep_verify *vf = &vol->verify;
	int err;

	if (keep && vf->has_map)
		return 0;
	lockstep_verify_exit(vol);
	err = lockstep_marks_init(&vf->map, vol->data_sect);
	if (err)
		return err;
	vf->has_map = true;
	atomic64_set(&vf->bad_bits, 0);
	atomic64_set(&vf->repaired_bits, 0);
	return 0;
}

int lockstep_verify_start_locked(struct lockstep_volume *vol, const struct lockstep_verify_range *r,
				 char *why, size_t len)
{
	struct lockstep_how how = { .compare = true, .move = r->repair };
	struct lockstep_verify *vf = &vol->verify;
	struct lockstep_session *s;
	int err;

	lockdep_assert_held(&vol->res->ctl);
	err = may_start(vol, r, why, len);
	if (err)
		return err;
	s = rcu_dereference_protected(vol->res->session, lockdep_is_held(&vol->res->ctl));
	err = s ? lockstep_engine_wait_locked(vol, s) : -ENOTCONN;
	if (err) {
		snprintf(why, len, "%s: the session is ending", vol->res->name);
		return err;
	}
	err = set_range(vol, r, why, len) ?: prepare_map(vol, r->resume);
	if (err)
		return err;
	vf->repair = r->repair;
	vf->from_bit = vf->stopped_bit;
	vf->next_bit = vf->stopped_bit;
	vf->noted_bit = vf->stopped_bit;
	vf->began = jiffies;
	WRITE_ONCE(vf->state, LOCKSTEP_VERIFY_RUNNING);
	pr_info("%s/%u: verify of blocks %llu to %llu begins%s\n", vol->res->name, vol->number,
		vf->next_bit, vf->end_bit - 1, r->repair ? ", with repair" : "");
	lockstep_engine_start_locked(vol, s, &verify_job, &how);
	return 0;
}

void lockstep_verify_stop(struct lockstep_volume *vol)
{
	struct lockstep_engine *e = &vol->engine;
	struct lockstep_verify *vf = &vol->verify;
	u64 at = lockstep_engine_oldest_bit(vol, READ_ONCE(vf->next_bit));
	bool stopped;

	spin_lock_irq(&e->lock);
	stopped = e->running && e->job == &verify_job;
	if (stopped) {
		WRITE_ONCE(e->running, false);
		WRITE_ONCE(vf->state, LOCKSTEP_VERIFY_STOPPED);
		vf->stopped_bit = at;
	}
	spin_unlock_irq(&e->lock);
	if (!stopped)
		return;
	/* To give back what it kept. */
	lockstep_engine_kick(vol);
	pr_info("%s/%u: verify stopped at block %llu\n", vol->res->name, vol->number, at);
	lockstep_report_event(vol->res, vol, LOCKSTEP_EVENT_VERIFY_DONE);
}

void lockstep_verify_stop_locked(struct lockstep_volume *vol)
{
	lockdep_assert_held(&vol->res->ctl);
	lockstep_verify_stop(vol);
	if (vol->verify.state == LOCKSTEP_VERIFY_STOPPED)
		note_locked(vol, vol->verify.stopped_bit);
}

void lockstep_verify_lose_locked(struct lockstep_volume *vol)
{
	lockdep_assert_held(&vol->res->ctl);
	lockstep_verify_stop(vol);
	if (vol->verify.state == LOCKSTEP_VERIFY_STOPPED)
		set_place(vol, vol->verify.stopped_bit);
}

void lockstep_verify_stop_all_locked(struct lockstep_resource *res)
{
	struct lockstep_volume *vol;
	int i;

	lockdep_assert_held(&res->ctl);
	resource_for_each_volume(res, i, vol)
		lockstep_verify_stop_locked(vol);
}

void lockstep_verify_end_locked(struct lockstep_resource *res)
{
	struct lockstep_session *s;
	struct lockstep_volume *vol;
	int i;

	lockdep_assert_held(&res->ctl);
	s = rcu_dereference_protected(res->session, lockdep_is_held(&res->ctl));
	lockstep_verify_stop_all_locked(res);
	/* Where the session fails meanwhile nothing of it reaches the peer any more. */
	resource_for_each_volume(res, i, vol)
		if (s && vol->engine.job == &verify_job)
			lockstep_engine_wait(vol, s);
}
