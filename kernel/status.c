// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "lockstep: " fmt

#include "status.h"

#include <linux/random.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include "diskfail.h"
#include "gengroup.h"
#include "metaio.h"
#include "report.h"
#include "request.h"
#include "resource.h"
#include "session.h"
#include "stream.h"
#include "volume.h"

/* A peer has a few per change of role and one per volume of a resync; more is a flood (P8). */
#define MAX_MESSAGES	(2 * LOCKSTEP_MAX_VOLUMES)

struct queued_msg {
	struct list_head node;
	enum status_message type;
	struct status_msg m;
};

static u64 new_gen_id(void)
{
	u64 id;

	do {
		id = get_random_u64();
	} while (!id);
	return id;
}

static struct lockstep_session *session_locked(struct lockstep_resource *res)
{
	return rcu_dereference_protected(res->session, lockdep_is_held(&res->ctl));
}

/*
 * ---- metadata effects: change what the superblock says, volume by volume, then make it durable
 */

struct meta_change {
	u32 effects;
	/* of a new generation, the same on every volume of the resource (gengroup.h, G2) */
	u64 id;
	struct lockstep_session *session;
};

#define DOUBTS	(LOCKSTEP_MF_UNCLEAN | LOCKSTEP_MF_CRASHED_PRIMARY | LOCKSTEP_MF_OUTDATED | \
		 LOCKSTEP_MF_LEFT_PRIMARY)
#define WHOLE	(LOCKSTEP_MF_CONSISTENT | LOCKSTEP_MF_UP_TO_DATE)

static void change_primary(struct lockstep_volume *vol, const struct meta_change *c)
{
	struct meta *m = &vol->meta;

	m->flags |= LOCKSTEP_MF_PRIMARY;
	/* Somebody will write: the contents matter from now on, and are no longer the peer's. */
	m->flags &= ~(LOCKSTEP_MF_CLEAN | LOCKSTEP_MF_SERVING);
	m->primary_s = ktime_get_real_seconds();
	if (!(c->effects & STATE_EFF_META_FORCE))
		return;
	meta_gen_force(m, c->id);
	m->flags |= WHOLE;
	m->flags &= ~DOUBTS;
	vol->unproven = false;
}

/*
 * The set is narrowed here already (new generation, the peer's one noted), not only when the link
 * is lost in the middle: otherwise what we then wrote alone would carry the generation the
 * half-copied target still has, and a target forced into service could not be told from an heir of
 * ours.
 */
static void change_source(struct lockstep_volume *vol, const struct meta_change *c)
{
	struct meta *m = &vol->meta;

	/* A full one was marked as such, durably, when the session was opened. */
	m->flags |= WHOLE;
	m->flags &= ~(LOCKSTEP_MF_CLEAN | LOCKSTEP_MF_OUTDATED | LOCKSTEP_MF_SERVING |
		      LOCKSTEP_MF_LEFT_PRIMARY);
	if (vol->peer.verdict == GEN_SOURCE_FULL)
		meta_gen_source_full(m, LOCKSTEP_PEER,
				     gen_half_id(m->current_gen.id, c->session->id), c->id);
	else
		meta_gen_source(m, LOCKSTEP_PEER, vol->peer.gen,
				vol->peer.flags & LOCKSTEP_MF_CONSISTENT, c->id);
	m->peer[LOCKSTEP_PEER].flags |= LOCKSTEP_PF_SYNCING;
	/* The writer's only copy is here: see gen.h (b). */
	if (c->session->peer_role == LOCKSTEP_ROLE_PRIMARY)
		m->flags |= LOCKSTEP_MF_SERVING;
	vol->serving = c->session->peer_role == LOCKSTEP_ROLE_PRIMARY;
	vol->pulled = false;
	vol->resync.sync = LOCKSTEP_SYNC_SOURCE_WAIT;
	if (vol->peer.disk != LOCKSTEP_DISK_FAILED)
		vol->peer.disk = LOCKSTEP_DISK_INCONSISTENT;
	vol->sync_told = false;
}

static void change_target(struct lockstep_volume *vol, const struct meta_change *c)
{
	/*
	 * What is here is nothing by itself any more, but half a copy of what the source has: by a
	 * name that only the two know (gen.h), so if the resync is interrupted, this disk, and no
	 * other, is known to go on by what is still marked there.
	 */
	if (vol->peer.verdict == GEN_TARGET_FULL)
		meta_gen_target_full(&vol->meta, LOCKSTEP_PEER,
				     gen_half_id(vol->peer.gen, c->session->id));
	/*
	 * Half narrowed (gengroup.h, G2): the peer has what we were about to go on from, and
	 * nothing was written since; what it now copies is what it has by that name.
	 */
	else if (vol->meta.flags & LOCKSTEP_MF_NARROWED &&
		 vol->meta.peer[LOCKSTEP_PEER].since.id == vol->peer.gen)
		meta_gen_unnarrow(&vol->meta, LOCKSTEP_PEER);
	/* Now only: what it was until here says what it has been (meta.h). */
	vol->meta.flags &= ~(WHOLE | LOCKSTEP_MF_CLEAN | LOCKSTEP_MF_SERVING);
	/* A disk attached under a primary says so from here on [S5]. */
	if (vol->res->state.role == LOCKSTEP_ROLE_PRIMARY)
		vol->meta.flags |= LOCKSTEP_MF_PRIMARY;
	vol->resync.sync = LOCKSTEP_SYNC_TARGET;
	vol->sync_told = false;
}

static void change_equal(struct lockstep_volume *vol)
{
	struct meta *m = &vol->meta;

	/*
	 * Both declared their contents irrelevant: both take the larger id (gen.h, both-clean); in
	 * no other case do they differ here. Not by the flag: a promotion since the hello, and a
	 * demotion, have taken it away, and the peer takes the larger id all the same.
	 */
	m->current_gen.id = max(m->current_gen.id, vol->peer.gen);
	/* The end of a resync that we did not hear of may have left it set. */
	meta_gen_together(m, LOCKSTEP_PEER);
	m->flags &= ~(DOUBTS | LOCKSTEP_MF_CLEAN | LOCKSTEP_MF_SERVING);
	m->flags |= WHOLE | LOCKSTEP_MF_MARKS_VALID;
	vol->peer.disk = LOCKSTEP_DISK_UP_TO_DATE;
}

/* Target: our copy is what the source's is. Source: the peer is with us again. */
static void change_synced(struct lockstep_volume *vol)
{
	struct meta *m = &vol->meta;

	if (vol->resync.sync == LOCKSTEP_SYNC_TARGET) {
		struct meta_gen gen = { .id = vol->resync.source_gen, .nr = m->current_gen.nr + 1 };

		meta_gen_adopt(m, LOCKSTEP_PEER, gen);
		/*
		 * Who copies by itself had none left when it said so. What is marked since is of a
		 * write that failed, maybe not on both: it stays, for the next session (P3).
		 */
		if (!vol->resync.pull)
			lockstep_marks_empty(&vol->marks);
	} else {
		meta_gen_together(m, LOCKSTEP_PEER);
	}
	m->flags |= WHOLE | LOCKSTEP_MF_MARKS_VALID;
	m->flags &= ~(DOUBTS | LOCKSTEP_MF_SERVING);
	vol->unproven = false;
}

/*
 * The end of a resync is durable here. At its source: what the peer wrote meanwhile is on both, or
 * was copied with the rest: it does not say that it has all before that is so. Until here its
 * writes go on being marked, and their regions, too: if the metadata could not be written, this
 * would still be the only copy, with writes on it that nothing names (P3).
 */
static void end_sync(struct lockstep_volume *vol)
{
	/* What it had said at the beginning is over: is_ahead below. */
	vol->peer.verdict = GEN_NONE;
	if (vol->resync.sync == LOCKSTEP_SYNC_TARGET)
		return;
	vol->serving = false;
	if (vol->pulled)
		lockstep_marks_empty(&vol->marks);
}

static void note_session(struct lockstep_volume *vol, const struct lockstep_session *s)
{
	struct meta_peer *p = &vol->meta.peer[LOCKSTEP_PEER];

	/* P6: nothing of a lower epoch is taken from here on, not even after a crash. */
	vol->meta.epoch = max(vol->meta.epoch, s->epoch);
	p->boot_id = s->peer_boot_id;
	p->node_id = vol->res->peer_node_id;
	p->seen_s = ktime_get_real_seconds();
}

static void change(struct lockstep_volume *vol, const struct meta_change *c)
{
	if (c->effects & STATE_EFF_META_PRIMARY)
		change_primary(vol, c);
	if (c->effects & STATE_EFF_META_SECONDARY)
		vol->meta.flags &= ~LOCKSTEP_MF_PRIMARY;
	if (c->effects & STATE_EFF_META_TARGET)
		change_target(vol, c);
	if (c->effects & STATE_EFF_META_SOURCE)
		change_source(vol, c);
	if (c->effects & STATE_EFF_META_EQUAL)
		change_equal(vol);
	if (c->effects & (STATE_EFF_META_NARROW | STATE_EFF_META_SYNCED | STATE_EFF_META_EQUAL))
		vol->meta.peer[LOCKSTEP_PEER].flags &= ~LOCKSTEP_PF_SYNCING;
	if (c->effects & STATE_EFF_META_NARROW)
		meta_gen_narrow(&vol->meta, LOCKSTEP_PEER, c->id);
	if (c->effects & STATE_EFF_META_SYNCED)
		change_synced(vol);
	if (c->effects & STATE_EFF_META_SURRENDER)
		meta_gen_surrender(&vol->meta, LOCKSTEP_PEER);
	if (c->effects & STATE_EFF_META_OUTDATED)
		vol->meta.flags |= LOCKSTEP_MF_OUTDATED;
	if (c->effects & (STATE_EFF_META_TARGET | STATE_EFF_META_SOURCE | STATE_EFF_META_EQUAL)) {
		note_session(vol, c->session);
		lockstep_regions_session_begins(vol);
	}
}

#define META_EFFECTS	(STATE_EFF_META_PRIMARY | STATE_EFF_META_FORCE |		\
			 STATE_EFF_META_SECONDARY | STATE_EFF_META_TARGET |	\
			 STATE_EFF_META_SOURCE | STATE_EFF_META_EQUAL |		\
			 STATE_EFF_META_NARROW | STATE_EFF_META_SYNCED |	\
			 STATE_EFF_META_SURRENDER | STATE_EFF_META_OUTDATED)

static enum state_copy copy_of(const struct lockstep_volume *vol)
{
	const struct meta_peer *p = &vol->meta.peer[LOCKSTEP_PEER];
	u32 flags = vol->meta.flags;

	if (vol->failed)
		return STATE_COPY_FAILED;
	if (!vol->meta.current_gen.id)
		return STATE_COPY_BLANK;
	if (!(flags & LOCKSTEP_MF_CONSISTENT))
		return STATE_COPY_INCONSISTENT;
	if (flags & LOCKSTEP_MF_OUTDATED || !(flags & LOCKSTEP_MF_UP_TO_DATE))
		return STATE_COPY_OUTDATED;
	/* Crashed, and the peer was or may have been with it: only that knows what came after. */
	if (flags & LOCKSTEP_MF_UNCLEAN && (!p->since.id || p->flags & LOCKSTEP_PF_SYNCING))
		return STATE_COPY_OUTDATED;
	/* Closed beside a primary that may have gone on: only that knows. */
	if (vol->unproven || flags & LOCKSTEP_MF_LEFT_PRIMARY)
		return STATE_COPY_OUTDATED;
	return STATE_COPY_UP_TO_DATE;
}

/* All that change() touches, but for what stays true: marks of blocks that are equal now. */
static void note_before(struct lockstep_volume *vol)
{
	struct lockstep_volume_before *b = &vol->before;

	b->meta = vol->meta;
	b->sync_told = vol->sync_told;
	b->unproven = vol->unproven;
	b->serving = vol->serving;
	b->pulled = vol->pulled;
	b->sync = vol->resync.sync;
	b->peer_disk = vol->peer.disk;
}

/* The sequence stays: a half-written copy has it. */
static void go_back(struct lockstep_volume *vol)
{
	const struct lockstep_volume_before *b = &vol->before;
	u64 sequence = vol->meta.sequence;

	vol->meta = b->meta;
	vol->meta.sequence = sequence;
	vol->sync_told = b->sync_told;
	vol->unproven = b->unproven;
	vol->serving = b->serving;
	vol->pulled = b->pulled;
	vol->resync.sync = b->sync;
	vol->peer.disk = b->peer_disk;
}

/*
 * What is in memory must not claim what could not be written; and the disks whose turn had come, up
 * to the one that failed, must not claim what is not so: a primary that stays one, because a
 * demotion failed, would be taken for a secondary after a crash [S5], as soon as the volume that
 * still says otherwise (gengroup.h, G1) is gone with its disk. So they get what was there before.
 * One that does not take that either has failed, too.
 */
static void undo(struct lockstep_resource *res, int last)
{
	struct lockstep_volume *vol;
	int i, err;

	resource_for_each_volume(res, i, vol) {
		go_back(vol);
		err = i > last || vol->failed ? 0 : lockstep_metaio_store(vol);
		if (err && i < last)
			lockstep_disk_failed(vol, DISK_FAILED_META, err);
	}
}

/*
 * Target, copied, and both have flushed: what it had marked goes, on the disk too, before it claims
 * to be what the source is.
 */
static int save_marks(struct lockstep_volume *vol, u32 effects)
{
	if (!(effects & STATE_EFF_META_SYNCED) || vol->resync.sync != LOCKSTEP_SYNC_TARGET)
		return 0;
	return lockstep_bitmap_save(vol);
}

/*
 * What was given up is remembered, no more. And what is said again of an outdated copy changes
 * nothing: a write of it would look like a change of the copy to whoever resolves a split by the
 * metadata's sequence.
 */
static int store(struct lockstep_volume *vol, u32 effects)
{
	if (vol->failed)
		return 0;
	if (effects & STATE_EFF_META_OUTDATED && vol->before.meta.flags == vol->meta.flags)
		return 0;
	return save_marks(vol, effects) ?: lockstep_metaio_store(vol);
}

static int run_meta(struct lockstep_resource *res, u32 effects)
{
	struct meta_change c = {
		.effects = effects,
		.id = new_gen_id(),
		.session = session_locked(res),
	};
	struct lockstep_volume *vol;
	int i, err = 0;

	if (!(effects & META_EFFECTS))
		return 0;
	if (effects & (STATE_EFF_META_NARROW | STATE_EFF_META_SOURCE))
		c.id = gen_group_id(&res->tried_id, c.id);
	res->wait = "metadata on the local disk";
	resource_for_each_volume(res, i, vol)
		note_before(vol);
	resource_for_each_volume(res, i, vol) {
		change(vol, &c);
		err = store(vol, effects);
		if (err) {
			lockstep_disk_failed(vol, DISK_FAILED_META, err);
			break;
		}
	}
	if (err)
		undo(res, i);
	else if (!(effects & STATE_EFF_META_OUTDATED))	/* store() may have written none */
		res->tried_id = 0;
	res->wait = NULL;
	resource_for_each_volume(res, i, vol)
		if (!err && effects & STATE_EFF_META_SYNCED)
			end_sync(vol);
	resource_for_each_volume(res, i, vol)
		WRITE_ONCE(vol->stale, copy_of(vol) != STATE_COPY_UP_TO_DATE);
	resource_for_each_volume(res, i, vol)
		res->epoch = max(res->epoch, vol->meta.epoch);
	return err;
}

/* ---- the other effects ---------------------------------------------------------------------- */

static void set_writable(struct lockstep_resource *res, bool writable)
{
	struct lockstep_volume *vol;
	int i;

	resource_for_each_volume(res, i, vol)
		lockstep_volume_set_writable(vol, writable, NULL, 0);
}

static void tell_role(struct lockstep_resource *res)
{
	struct lockstep_session *s = session_locked(res);

	if (s)
		lockstep_session_tell(s, LOCKSTEP_WT_ROLE_TELL, 0, 0, res->state.role);
}

static void tell_synced(struct lockstep_resource *res, struct lockstep_session *s)
{
	struct lockstep_volume *vol;
	int i;

	resource_for_each_volume(res, i, vol) {
		if (vol->resync.sync == LOCKSTEP_SYNC_TARGET)
			lockstep_session_tell(s, LOCKSTEP_WT_SYNC_DONE_OK, vol->number, 0, 0);
		vol->resync.sync = LOCKSTEP_SYNC_NONE;
		vol->peer.disk = LOCKSTEP_DISK_UP_TO_DATE;
		lockstep_report_event(res, vol, LOCKSTEP_EVENT_SYNC_DONE);
	}
}

static void run_effects(struct lockstep_resource *res, u32 eff)
{
	struct lockstep_session *s = session_locked(res);

	if (eff & STATE_EFF_META_SYNCED && s)
		tell_synced(res, s);
	if (eff & STATE_EFF_ASK && s)
		lockstep_session_tell(s, LOCKSTEP_WT_ROLE_ASK, 0, 0, LOCKSTEP_ROLE_PRIMARY);
	if (eff & STATE_EFF_GRANT)
		lockstep_verify_stop_all_locked(res);
	if (eff & STATE_EFF_GRANT && s)
		lockstep_session_tell(s, LOCKSTEP_WT_ROLE_ANSWER, 0, LOCKSTEP_WS_OK, 0);
	if (eff & STATE_EFF_DENY && s)
		lockstep_session_tell(s, LOCKSTEP_WT_ROLE_ANSWER, 0, LOCKSTEP_WS_REFUSED, 0);
	if (eff & STATE_EFF_TELL)
		tell_role(res);
	if (eff & STATE_EFF_MODE)
		lockstep_request_set_mode(res);
	if (eff & STATE_EFF_RW)
		set_writable(res, true);
	if (eff & STATE_EFF_RO)
		set_writable(res, false);
	if (eff & STATE_EFF_RESEND)
		lockstep_request_resend(res);
	if (eff & STATE_EFF_NOTIFY)
		lockstep_report_event(res, NULL, LOCKSTEP_EVENT_STATE);
}

/* ---- the step ------------------------------------------------------------------------------- */

static const char * const set_name[] = { "both", "me" };

static void log_change(struct lockstep_resource *res, enum state_event ev,
		       const struct lockstep_state *old)
{
	const struct lockstep_state *s = &res->state;

	if (!memcmp(old, s, sizeof(*s)))
		return;
	pr_info("%s: %s: role %s -> %s, link %s -> %s, set %s -> %s, writes %s -> %s\n", res->name,
		state_event_name(ev), state_role_name(old->role), state_role_name(s->role),
		state_link_name(old->link), state_link_name(s->link), set_name[old->set],
		set_name[s->set], state_io_name(state_io_mode(old)),
		state_io_name(state_io_mode(s)));
}

static int refusal_errno(enum state_refusal rf)
{
	switch (rf) {
	case STATE_RF_ALREADY:
		return -EALREADY;
	case STATE_RF_SESSION:
	case STATE_RF_ASKING:
	case STATE_RF_IN_USE:
	case STATE_RF_STRAYS:
		return -EBUSY;
	case STATE_RF_NARROWING:
	case STATE_RF_CONNECTING:
		return -EAGAIN;
	case STATE_RF_NO_SESSION:
		return -ENOTCONN;
	case STATE_RF_UNFENCED:
	case STATE_RF_ALONE:
		return -ENOTUNIQ;
	default:
		return -EPERM;
	}
}

static int start_session(struct lockstep_resource *res)
{
	struct lockstep_session *s = session_locked(res);
	int err = s ? lockstep_session_start_locked(s) : -ENOTCONN;

	if (err && s)
		lockstep_session_fail(s, "starting the streams failed", err);
	return err;
}

/*
 * A disk that is given up: writes are held before it is, and whoever was on its way has arrived, so
 * that none goes to the peer alone in a session in which that has noted nothing (P4).
 */
static void give_up(struct lockstep_resource *res, struct lockstep_volume *vol)
{
	lockstep_request_set_mode(res);
	synchronize_srcu(&res->mode_srcu);
	lockstep_disk_drop_locked(vol);
}

/* Of a disk that was given up they are the attaching one's to wait for. */
static void tell_strays(struct lockstep_resource *res)
{
	struct lockstep_volume *vol;
	bool any = false;
	int i;

	resource_for_each_volume(res, i, vol)
		any |= !vol->failed && lockstep_volume_strays(vol);
	if (res->state.strays != any)
		lockstep_status_step_locked(res, STATE_EV_STRAYS, any, NULL, 0);
}

/*
 * Order: decide; make durable what has to be (S3, S5, P4); only then start streams, tell the peer,
 * let writes go. When the metadata cannot be written the state goes back: nobody was told anything
 * yet. A narrowing that fails is the exception, because there is no state before it to return to:
 * what waits for it fails, and the next write tries again.
 */
static int step(struct lockstep_resource *res, enum state_event ev, u32 arg, char *why, size_t len)
{
	struct lockstep_state old = res->state;
	struct lockstep_volume *vol;
	enum state_refusal rf;
	u32 eff = 0;
	int i, err;

	lockdep_assert_held(&res->ctl);
	rf = state_step(&res->state, ev, arg, &eff);
	if (rf) {
		if (why)
			snprintf(why, len, "%s: %s", res->name, state_refusal_text(rf));
		return refusal_errno(rf);
	}
	WARN_ON_ONCE(!state_valid(&res->state));
	if (ev == STATE_EV_DISK_FAILED)
		give_up(res, res->volume[arg & ~STATE_DISK_FLAGS]);
	err = run_meta(res, eff);
	if (err && !(eff & STATE_EFF_META_NARROW)) {
		res->state = old;
		if (why)
			snprintf(why, len, "%s: writing metadata failed (error %d)", res->name,
				 err);
		/* The grant is used up: nobody will answer again; and the peer is to know it. */
		if (ev == STATE_EV_GRANTED) {
			step(res, STATE_EV_DENIED, 0, NULL, 0);
			tell_role(res);
		}
		return err;
	}
	resource_for_each_volume(res, i, vol)
		if (!err)
			lockstep_flush_step(vol, eff);
	/* What is neither here nor, from now on, there: nobody may take it for written. */
	if (eff & STATE_EFF_META_FORCE && old.role == LOCKSTEP_ROLE_PRIMARY)
		lockstep_request_fail_orphans(res);
	if (ev == STATE_EV_START && start_session(res))
		err = -ENOTCONN;	/* the loss is posted and will be taken as such */
	run_effects(res, eff);
	log_change(res, ev, &old);
	if (eff & STATE_EFF_META_NARROW) {
		if (err)
			lockstep_request_fail_held(res);
		step(res, err ? STATE_EV_NARROW_FAILED : STATE_EV_NARROWED, 0, NULL, 0);
		err = 0;
	}
	if (eff & STATE_EFF_CLOSE)
		lockstep_status_close_locked(res, ev == STATE_EV_DISK_FAILED ?
					     "a disk failed here" : "demoted without a copy here");
	if (ev == STATE_EV_DISK_FAILED)
		tell_strays(res);
	wake_up_all(&res->state_wait);
	return err;
}

int lockstep_status_step_locked(struct lockstep_resource *res, enum state_event ev, u32 arg,
				char *why, size_t len)
{
	return step(res, ev, arg, why, len);
}

bool lockstep_status_is_ahead_locked(const struct lockstep_volume *failed)
{
	struct lockstep_resource *res = failed->res;
	const struct lockstep_volume *vol;
	bool source = false;
	int i;

	lockdep_assert_held(&res->ctl);
	/* A target of one volume is half a copy of all: [S3] */
	resource_for_each_volume(res, i, vol)
		source |= gen_verdict_is_source(vol->peer.verdict);
	return state_disk_is_ahead(copy_of(failed), failed->peer.valid, source,
				   failed->meta.peer[LOCKSTEP_PEER].since.id);
}

void lockstep_status_copy_locked(struct lockstep_resource *res)
{
	enum state_copy worst = STATE_COPY_UP_TO_DATE;
	struct lockstep_volume *vol;
	int i;

	resource_for_each_volume(res, i, vol) {
		worst = min(worst, copy_of(vol));
		WRITE_ONCE(vol->stale, copy_of(vol) != STATE_COPY_UP_TO_DATE);
	}
	if (!res->nr_volumes)
		worst = STATE_COPY_BLANK;
	/* Whoever works through the peer gets a good copy by a resync only [S6]. */
	if (res->state.role == LOCKSTEP_ROLE_PRIMARY &&
	    res->state.copy != STATE_COPY_UP_TO_DATE)
		worst = min(worst, STATE_COPY_OUTDATED);
	step(res, STATE_EV_COPY, worst, NULL, 0);
}

void lockstep_status_forget_peer_locked(struct lockstep_resource *res)
{
	struct lockstep_volume *vol;
	int i;

	lockstep_disk_take_failures_locked(res);
	resource_for_each_volume(res, i, vol)
		vol->peer.valid = vol->serving = false;
}

/* ---- the worker ----------------------------------------------------------------------------- */

static void end_session(struct lockstep_resource *res)
{
	struct lockstep_volume *vol;
	bool application;
	int i;

	pr_info("%s: session with %s ended: %s\n", res->name, res->peer_name, res->lost_why);
	application = lockstep_session_end_locked(res);
	/* Nothing more gets to the peer, and nothing goes on alone yet (R3). */
	resource_for_each_volume(res, i, vol) {
		lockstep_regions_session_ended(vol);
		/* In memory; whatever is written next says it. For people. */
		vol->meta.peer[LOCKSTEP_PEER].seen_s = ktime_get_real_seconds();
	}
	/*
	 * At the last moment before the loss, whoever took that: a disk whose failing has ended the
	 * session was reported before it ended. Such a disk is kept, so that no second end begins
	 * in this one.
	 */
	if (state_disk_first(&res->state))
		lockstep_disk_take_failures_locked(res);
	step(res, STATE_EV_LOST, application, NULL, 0);
	tell_strays(res);
	/* Whatever the step said: what was held for the end of the session looks again. */
	lockstep_request_set_mode(res);
	lockstep_status_forget_peer_locked(res);
	lockstep_report_event(res, NULL, LOCKSTEP_EVENT_SESSION_LOST);
}

static void take_lost(struct lockstep_resource *res)
{
	struct lockstep_session *s = session_locked(res);

	if (s && atomic_read(&s->failed))
		end_session(res);
}

void lockstep_status_close_locked(struct lockstep_resource *res, const char *why)
{
	struct lockstep_session *s = session_locked(res);

	lockdep_assert_held(&res->ctl);
	if (!s)
		return;
	if (!atomic_xchg(&s->failed, 1))
		strscpy(res->lost_why, why, sizeof(res->lost_why));
	/*
	 * As a courtesy, so that the peer need not wait for its time-out; sent at once or not at
	 * all.
	 */
	if (s->started) {
		lockstep_session_tell(s, LOCKSTEP_WT_CLOSE, 0, 0, 0);
		lockstep_stream_kick(s->stream[0]);
	}
	end_session(res);
}

static void take_write(struct lockstep_resource *res)
{
	if (state_io_mode(&res->state) == LOCKSTEP_IO_LAZY && READ_ONCE(res->nr_held))
		step(res, STATE_EV_WRITE, 0, NULL, 0);
}

static void tell_done(struct lockstep_session *s, const struct lockstep_volume *vol)
{
	lockstep_session_tell(s, LOCKSTEP_WT_SYNC_DONE, vol->number, 0, vol->meta.current_gen.id);
}

/*
 * All volumes copied and flushed on both sides? Then the target may say so on its disk: tell it
 * (source side).
 */
static void take_sync_empty(struct lockstep_resource *res)
{
	struct lockstep_session *s = session_locked(res);
	struct lockstep_volume *vol;
	int i;

	if (!s)
		return;
	resource_for_each_volume(res, i, vol)
		if (!lockstep_resync_finished_locked(vol))
			continue;
		else if (vol->resync.sync == LOCKSTEP_SYNC_TARGET)
			lockstep_session_tell(s, LOCKSTEP_WT_SYNC_PULLED, vol->number, 0, 0);
		else
			tell_done(s, vol);
}

/*
 * The peer, which works through us, has copied what our marks named, and both have flushed. From
 * here it goes the usual way.
 */
static void take_sync_pulled(struct lockstep_resource *res, const struct queued_msg *q)
{
	struct lockstep_session *s = session_locked(res);
	struct lockstep_volume *vol = NULL;

	if (q->m.volume < LOCKSTEP_MAX_VOLUMES)
		vol = res->volume[q->m.volume];
	if (!vol || vol->resync.sync != LOCKSTEP_SYNC_SOURCE_WAIT ||
	    vol->peer.disk == LOCKSTEP_DISK_FAILED ||
	    s->peer_role != LOCKSTEP_ROLE_PRIMARY) {
		lockstep_session_fail(s, "the peer ended a resync that was not", -EPROTO);
		return;
	}
	/* What it has copied may be of before: mark_doubt() in diskfail.c is about to be called. */
	if (lockstep_flush_in_doubt(vol)) {
		lockstep_session_fail(s, LOCKSTEP_COPIED_IN_DOUBT, 0);
		return;
	}
	vol->pulled = true;
	vol->resync.sync = LOCKSTEP_SYNC_SOURCE;
	tell_done(s, vol);
}

static bool all_told(struct lockstep_resource *res)
{
	struct lockstep_volume *vol;
	int i;

	resource_for_each_volume(res, i, vol)
		if (vol->resync.sync != LOCKSTEP_SYNC_NONE && !vol->sync_told)
			return false;
	return true;
}

/* Volumes of a resource become up to date together: a half is no point in time of the whole. */
static void take_sync_message(struct lockstep_resource *res, const struct queued_msg *q)
{
	struct lockstep_session *s = session_locked(res);
	struct lockstep_volume *vol = NULL;
	u8 expect = q->type == STATUS_SYNC_TOLD ? LOCKSTEP_SYNC_TARGET : LOCKSTEP_SYNC_SOURCE;

	if (q->m.volume < LOCKSTEP_MAX_VOLUMES)
		vol = res->volume[q->m.volume];
	if (!vol || vol->resync.sync != expect || (expect == LOCKSTEP_SYNC_TARGET && !q->m.arg)) {
		lockstep_session_fail(s, "the peer ended a resync that was not", -EPROTO);
		return;
	}
	if (q->type == STATUS_SYNC_TOLD)
		vol->resync.source_gen = q->m.arg;
	vol->sync_told = true;
	if (!all_told(res))
		return;
	if (step(res, STATE_EV_SYNC_DONE, 0, NULL, 0))
		lockstep_session_fail(s, "noting the end of the resync failed", -EIO);
}

static void take_message(struct lockstep_resource *res, const struct queued_msg *q)
{
	struct lockstep_session *s = session_locked(res);

	if (!s || s->id != q->m.session_id || atomic_read(&s->failed))
		return;
	switch (q->type) {
	case STATUS_PEER_ASKS:
		step(res, STATE_EV_PEER_ASKS, 0, NULL, 0);
		break;
	case STATUS_PEER_ANSWERS:
		step(res, q->m.status == LOCKSTEP_WS_OK ? STATE_EV_GRANTED : STATE_EV_DENIED, 0,
		     NULL, 0);
		break;
	case STATUS_PEER_ROLE:
		if (step(res, STATE_EV_PEER_ROLE, q->m.arg, NULL, 0))
			lockstep_session_fail(s, "the peer claims an impossible role", -EPROTO);
		break;
	case STATUS_SYNC_PULLED:
		take_sync_pulled(res, q);
		break;
	case STATUS_SYNC_TOLD:
	case STATUS_SYNC_CONFIRMED:
		take_sync_message(res, q);
		break;
	}
}

static struct queued_msg *pop_message(struct lockstep_resource *res)
{
	struct queued_msg *q;

	spin_lock_irq(&res->io_lock);
	q = list_first_entry_or_null(&res->events, struct queued_msg, node);
	if (q) {
		list_del(&q->node);
		res->nr_events--;
	}
	spin_unlock_irq(&res->io_lock);
	return q;
}

void lockstep_status_work(struct work_struct *work)
{
	struct lockstep_resource *res = container_of(work, struct lockstep_resource, event_work);
	struct queued_msg *q;

	lockstep_resource_lock(res);
	/* Messages first: they were received before the session was lost. */
	while ((q = pop_message(res))) {
		take_message(res, q);
		kfree(q);
	}
	if (test_and_clear_bit(STATUS_LOST, &res->conditions))
		take_lost(res);
	/*
	 * Behind the loss, but for what that takes first (core/state.h); before the end of a
	 * resync, so that no copy is called whole beside a failure that is known.
	 */
	if (test_and_clear_bit(STATUS_DISK_FAILED, &res->conditions))
		lockstep_disk_take_failures_locked(res);
	if (test_and_clear_bit(STATUS_SYNC_EMPTY, &res->conditions))
		take_sync_empty(res);
	if (test_and_clear_bit(STATUS_STRAYS, &res->conditions))
		tell_strays(res);
	if (test_and_clear_bit(STATUS_WRITE, &res->conditions))
		take_write(res);
	lockstep_resource_unlock(res);
	lockstep_resource_put(res);
}

/* A queued work holds a reference of its own. */
static void queue_events(struct lockstep_resource *res)
{
	kref_get(&res->ref);
	if (!queue_work(lockstep_slow_wq, &res->event_work))
		lockstep_resource_put(res);
}

void lockstep_status_post(struct lockstep_resource *res, enum status_condition c)
{
	set_bit(c, &res->conditions);
	queue_events(res);
}

int lockstep_status_post_msg(struct lockstep_resource *res, enum status_message type,
			     const struct status_msg *m)
{
	struct queued_msg *q = kmalloc(sizeof(*q), GFP_NOIO);
	bool flood;

	if (!q)
		return -ENOMEM;
	q->type = type;
	q->m = *m;
	spin_lock_irq(&res->io_lock);
	flood = res->nr_events >= MAX_MESSAGES;
	if (!flood) {
		list_add_tail(&q->node, &res->events);
		res->nr_events++;
	}
	spin_unlock_irq(&res->io_lock);
	if (flood) {
		kfree(q);
		return -EPROTO;
	}
	queue_events(res);
	return 0;
}
