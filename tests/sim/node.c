// SPDX-License-Identifier: GPL-2.0
/*
 * The node's driver: what the module does around core. Effects are carried out in the order of
 * their bit numbers, each finished before the next, and a crash may come between any two of them or
 * in the middle of a metadata write.
 */
#include "sim.h"

#define WHOLE	(LOCKSTEP_MF_CONSISTENT | LOCKSTEP_MF_UP_TO_DATE)
#define DOUBTS	(LOCKSTEP_MF_UNCLEAN | LOCKSTEP_MF_CRASHED_PRIMARY | LOCKSTEP_MF_OUTDATED | \
		 LOCKSTEP_MF_LEFT_PRIMARY)
#define MAPS	(LOCKSTEP_MF_MARKS_VALID | LOCKSTEP_MF_REGIONS_VALID)

static u64 new_id(void)
{
	return ++w.next_id;
}

/*
 * ---- metadata -----------------------------------------------------------------------------------
 */

/* PREFLUSH reaches the data too when it is the same device. */
bool node_store(struct node *nd)
{
	_Alignas(8) u8 block[LOCKSTEP_SB_BYTES];
	u8 *to = nd->disk.sb[!nd->sb_copy];
	u64 torn = roll(9);

	if (nd->failed)
		return true;		/* remembered, no more */
	node_point(nd);
	if (nd->dying)
		return false;
	nd->m.sequence++;
	nd->durable_known = false;
	meta_encode(&nd->m, block);
	node_point(nd);
	if (nd->dying) {
		memcpy(to, block, 512 * (size_t)torn);
		return false;
	}
	/* With the metadata of an internal disk goes a flush of its data. */
	if (!nd->disk.external && disk_flush_fails(&nd->disk)) {
		node_flush_failed(nd, true);
		return false;
	}
	if (disk_fails(&nd->disk, BAD_META)) {
		if (roll(3) == 0) {	/* it is there all the same */
			memcpy(to, block, sizeof(block));
			w.landed = true;
		}
		return false;
	}
	disk_flush(&nd->disk, true);
	memcpy(to, block, sizeof(block));
	nd->sb_copy = !nd->sb_copy;
	nd->durable = nd->m;
	nd->durable_known = nd->durable_ok = true;
	node_point(nd);
	return !nd->dying;
}

const struct meta *node_durable(struct node *nd)
{
	enum meta_err err;
	u32 detail;

	if (!nd->durable_known)
		nd->durable_ok = meta_pick(nd->disk.sb[0], nd->disk.sb[1], &nd->durable, &err,
					   &detail) >= 0;
	nd->durable_known = true;
	return nd->durable_ok ? &nd->durable : NULL;
}

/* Owed: whoever it was, nobody hears of it. */
void node_flush_failed(struct node *nd, bool owed)
{
	trace("%d: a flush failed, %s", nd->n, owed ? "owed" : "told");
	check_flush_failed(nd);
	flush_errors_note(&nd->errors, owed && !MUTATED(FLUSH_UNTOLD));
	diskfail_post(nd);
}

bool node_flush(struct node *nd)
{
	if (nd->failed)
		return true;
	node_point(nd);
	if (nd->dying)
		return false;
	if (disk_flush_fails(&nd->disk)) {
		node_flush_failed(nd, true);
		return false;
	}
	disk_flush(&nd->disk, false);
	return true;
}

static void note_session(struct node *nd)
{
	CHECK(nd->dying || nd->s.epoch > nd->epoch || MUTATED(EPOCH_UNCHECKED),
	      "P6: node %d starts a session of epoch %llu and has seen %llu", nd->n,
	      (unsigned long long)nd->s.epoch, (unsigned long long)nd->epoch);
	nd->m.epoch = nd->epoch = max(nd->epoch, nd->s.epoch);
	nd->m.peer[0].boot_id = other(nd)->boot_id;
}

static void change_source(struct node *nd)
{
	struct meta *m = &nd->m;

	m->flags |= WHOLE;
	m->flags &= ~(LOCKSTEP_MF_CLEAN | LOCKSTEP_MF_OUTDATED | LOCKSTEP_MF_SERVING |
		      LOCKSTEP_MF_LEFT_PRIMARY);
	if (nd->s.verdict == GEN_SOURCE_FULL)
		meta_gen_source_full(m, 0, gen_half_id(m->current_gen.id, nd->s.id), new_id());
	else
		meta_gen_source(m, 0, nd->s.hello_gen, nd->s.peer_flags & LOCKSTEP_MF_CONSISTENT,
				new_id());
	m->peer[0].flags |= LOCKSTEP_PF_SYNCING;
	/* The writer's only copy is here: gen.h (b). */
	if (nd->s.peer_role == LOCKSTEP_ROLE_PRIMARY)
		m->flags |= LOCKSTEP_MF_SERVING;
	/* With a disk too: what it sends again may be on no other (io_resend). */
	nd->serving = nd->s.peer_role == LOCKSTEP_ROLE_PRIMARY &&
		      (nd->s.peer_disk == LOCKSTEP_DISK_FAILED || !MUTATED(PULLED_UNMARKED));
	nd->pulled = false;
	note_session(nd);
}

static void change_target(struct node *nd)
{
	/* Half a copy of what the source has: if it is interrupted, it goes on by marks. */
	if (nd->s.verdict == GEN_TARGET_FULL)
		meta_gen_target_full(&nd->m, 0, gen_half_id(nd->s.hello_gen, nd->s.id));
	if (!MUTATED(TARGET_STAYS_CONSISTENT))
		nd->m.flags &= ~(WHOLE | LOCKSTEP_MF_CLEAN);
	nd->m.flags &= ~LOCKSTEP_MF_SERVING;
	if (nd->st.role == LOCKSTEP_ROLE_PRIMARY)
		nd->m.flags |= LOCKSTEP_MF_PRIMARY;
	note_session(nd);
}

static void change_surrender(struct node *nd)
{
	meta_gen_surrender(&nd->m, 0);
	if (MUTATED(SURRENDER_STAYS_GOOD))
		nd->m.flags |= WHOLE;
	if (MUTATED(SURRENDER_DROPS_MARKS))
		node_clear_all(nd);
}

static void change_meta(struct node *nd, u32 eff)
{
	struct meta *m = &nd->m;

	switch (eff) {
	case STATE_EFF_META_PRIMARY:
		m->flags |= LOCKSTEP_MF_PRIMARY;
		m->flags &= ~(LOCKSTEP_MF_CLEAN | LOCKSTEP_MF_SERVING);
		break;
	case STATE_EFF_META_SECONDARY:
		m->flags &= ~LOCKSTEP_MF_PRIMARY;
		break;
	case STATE_EFF_META_FORCE:
		meta_gen_force(m, new_id());
		m->flags |= WHOLE;
		m->flags &= ~DOUBTS;
		nd->unproven = false;
		break;
	case STATE_EFF_META_TARGET:
		change_target(nd);
		break;
	case STATE_EFF_META_SOURCE:
		change_source(nd);
		break;
	case STATE_EFF_META_EQUAL:
		m->peer[0].flags &= ~LOCKSTEP_PF_SYNCING;
		if (nd->s.adopt_id)
			m->current_gen.id = nd->s.adopt_id;
		meta_gen_together(m, 0);
		m->flags |= WHOLE;
		m->flags &= ~(DOUBTS | LOCKSTEP_MF_CLEAN | LOCKSTEP_MF_SERVING);
		note_session(nd);
		break;
	case STATE_EFF_META_SURRENDER:
		change_surrender(nd);
		break;
	case STATE_EFF_META_NARROW:
		check_narrows(nd);
		m->peer[0].flags &= ~LOCKSTEP_PF_SYNCING;
		meta_gen_narrow(m, 0, new_id());
		w.alone[nd->n] = true;		/* or about to be: a crash may come in between */
		break;
	case STATE_EFF_META_OUTDATED:
		if (!MUTATED(OUTDATE_NOT_DURABLE))
			m->flags |= LOCKSTEP_MF_OUTDATED;
		break;
	}
}

static void change_synced(struct node *nd, bool target)
{
	struct meta_gen gen = { .id = nd->s.peer_gen, .nr = nd->m.current_gen.nr + 1 };

	nd->m.peer[0].flags &= ~LOCKSTEP_PF_SYNCING;
	if (target) {
		meta_gen_adopt(&nd->m, 0, gen);
		w.made_good[nd->n] = gen.id;
	} else {
		meta_gen_together(&nd->m, 0);
	}
	nd->m.flags |= WHOLE;
	nd->m.flags &= ~(DOUBTS | LOCKSTEP_MF_SERVING);
	nd->unproven = false;
}

/*
 * ---- effects ------------------------------------------------------------------------------------
 */

/* A target's maps go before it says that it is whole, or after: both have been flushed. */
static bool run_synced(struct node *nd, bool target)
{
	bool before = target && roll(2);

	if (target && nd->st.role == LOCKSTEP_ROLE_PRIMARY) {
		if (!maps_end_pull(nd))
			return false;
		change_synced(nd, true);
		return node_store(nd);
	}
	if (before && !maps_empty(nd))
		return false;
	change_synced(nd, target);
	if (!node_store(nd))
		return false;
	/* Only now: what is written to the only copy is marked. */
	nd->serving = false;
	if (!target && nd->pulled)
		node_clear_all(nd);
	return !target || before || maps_empty(nd);
}

static bool run_meta(struct node *nd, u32 eff, u32 effects, bool target)
{
	if (eff == STATE_EFF_META_SYNCED) {
		if (!run_synced(nd, target))
			return false;
		/* What the peer had said at the beginning is over. */
		nd->s.verdict = GEN_NONE;
		return true;
	}
	if ((eff == STATE_EFF_META_SOURCE ||
	     (eff == STATE_EFF_META_PRIMARY && !MUTATED(PROMOTE_WITHOUT_FLUSH)) ||
	     (eff == STATE_EFF_META_NARROW && !MUTATED(NARROW_WITHOUT_FLUSH))) && !node_flush(nd))
		return false;
	change_meta(nd, eff);
	/* Forced: both in one write. */
	if (eff == STATE_EFF_META_PRIMARY && effects & STATE_EFF_META_FORCE)
		return true;
	if (eff == STATE_EFF_META_SURRENDER && MUTATED(SURRENDER_NOT_DURABLE))
		return true;
	if (eff == STATE_EFF_META_SOURCE && MUTATED(SERVE_BEFORE_DURABLE) &&
	    nd->m.flags & LOCKSTEP_MF_SERVING)
		return true;
	return !nd->dying && node_store(nd);
}

static void run_effect(struct node *nd, u32 eff, bool target)
{
	switch (eff) {
	case STATE_EFF_META_TARGET:
		check_target(nd);
		break;
	case STATE_EFF_META_EQUAL:
		w.constraint[0] = w.constraint[1] = false;
		break;
	case STATE_EFF_META_SYNCED:
		if (target) {
			check_caught_up(nd);
			net_tell(nd, LOCKSTEP_WT_SYNC_DONE_OK, 0, 0);
		} else {
			check_synced();
		}
		break;
	case STATE_EFF_ASK:
		net_tell(nd, LOCKSTEP_WT_ROLE_ASK, 0, LOCKSTEP_ROLE_PRIMARY);
		if (MUTATED(PROMOTE_UNASKED))
			node_step(nd, STATE_EV_GRANTED, 0);
		break;
	case STATE_EFF_GRANT:
		net_tell(nd, LOCKSTEP_WT_ROLE_ANSWER, LOCKSTEP_WS_OK, 0);
		break;
	case STATE_EFF_DENY:
		net_tell(nd, LOCKSTEP_WT_ROLE_ANSWER, LOCKSTEP_WS_REFUSED, 0);
		break;
	case STATE_EFF_TELL:
		net_tell(nd, LOCKSTEP_WT_ROLE_TELL, 0, nd->st.role);
		break;
	case STATE_EFF_MODE:
		io_release(nd);
		break;
	case STATE_EFF_RW:
		nd->rw = true;
		memcpy(w.app[nd->n], w.done[nd->n], sizeof(w.app[0]));
		/* What was lost before is not this application's. */
		memcpy(w.told[nd->n], w.lost[nd->n], sizeof(w.told[0]));
		w.beside[nd->n] = false;
		break;
	case STATE_EFF_RO:
		nd->rw = false;
		memset(w.app[nd->n], 0, sizeof(w.app[0]));
		memset(w.untold[nd->n], 0, sizeof(w.untold[0]));
		break;
	case STATE_EFF_RESEND:
		io_resend(nd);
		break;
	case STATE_EFF_CLOSE:
		if (nd->s.id)
			node_lose_session(nd);
		break;
	}
}

#define META_EFFECTS	(STATE_EFF_ASK - 1)

/* False: it could not be written, and nothing of it is so. */
static bool run_metas(struct node *nd, u32 effects, bool target)
{
	struct meta before = nd->m;
	u64 sequence;
	u32 bit;

	for (bit = 1; bit & META_EFFECTS; bit <<= 1) {
		if (!(effects & bit) || run_meta(nd, bit, effects, target))
			continue;
		sequence = nd->m.sequence;	/* a half-written copy has it */
		nd->m = before;
		nd->m.sequence = sequence;
		if (!nd->dying)
			diskfail_post(nd);
		return false;
	}
	return true;
}

static void run_effects(struct node *nd, u32 effects, bool target)
{
	u32 bit;

	for (bit = 1; bit <= STATE_EFF_CLOSE && !nd->dying && !w.failed; bit <<= 1)
		if (effects & bit)
			run_effect(nd, bit, target);
}

/* Whoever cannot narrow fails what waits for it; any other change is undone. */
static void narrow_ended(struct node *nd, bool ok)
{
	if (nd->dying)
		return;
	w.excused[nd->n] |= !ok;
	if (!ok)
		io_fail_held(nd);
	node_step(nd, ok ? STATE_EV_NARROWED : STATE_EV_NARROW_FAILED, 0);
}

/* What was on its way to a disk that is no more is not on this one. */
static void thawed(struct node *nd)
{
	check_thawed(nd);
	if (!MUTATED(THAW_COMPLETES))
		io_fail_parked(nd);
}

bool node_step(struct node *nd, enum state_event ev, u32 arg)
{
	struct lockstep_state old = nd->st;
	bool target = nd->st.sync == STATE_SYNC_TARGET;
	enum state_refusal rf;
	u32 effects;
	bool ok;

	if (nd->dying)
		return false;
	if ((MUTATED(PROMOTE_BESIDE_STRAYS) && ev == STATE_EV_PROMOTE) ||
	    (MUTATED(OPEN_BESIDE_STRAYS) && ev == STATE_EV_OPEN))
		nd->st.strays = 0;
	rf = state_step(&nd->st, ev, arg, &effects);
	trace("%d %s(%u): %s; role %s link %s set %u sync %u copy %u io %s", nd->n,
	      state_event_name(ev), arg, rf ? state_refusal_text(rf) : "ok",
	      state_role_name(nd->st.role), state_link_name(nd->st.link), nd->st.set, nd->st.sync,
	      nd->st.copy, state_io_name(state_io_mode(&nd->st)));
	if (rf)
		return false;
	CHECK(state_valid(&nd->st), "state of node %d is not valid", nd->n);
	if (MUTATED(GRANT_FORGOTTEN))
		nd->st.granted = 0;
	if (MUTATED(CUT_RESYNC_ALONE) && ev == STATE_EV_LOST && old.sync == STATE_SYNC_SOURCE) {
		nd->st.set = STATE_SET_ME;
		nd->st.narrowing = 0;
		effects &= ~(u32)STATE_EFF_META_NARROW;
	}
	if (ev == STATE_EV_DISK_FAILED)
		diskfail_drop(nd, old.copy == STATE_COPY_UP_TO_DATE);
	if (effects & STATE_EFF_META_PRIMARY)
		check_promoted(nd, effects & STATE_EFF_META_FORCE);
	ok = run_metas(nd, effects, target);
	if (nd->dying)
		return false;
	if (ok && effects & STATE_EFF_META_PRIMARY)
		check_named(nd);
	if (!ok && !(effects & STATE_EFF_META_NARROW)) {
		nd->st = old;
		w.excused[nd->n] |= old.link != LOCKSTEP_LINK_UP;
		if (ev == STATE_EV_GRANTED)
			node_step(nd, STATE_EV_DENIED, 0);
		return false;
	}
	if (ok)
		flush_errors_step(&nd->errors, &nd->asks, &nd->st, effects,
				  target || effects & STATE_EFF_META_TARGET);
	if (effects & STATE_EFF_META_FORCE && old.role == LOCKSTEP_ROLE_PRIMARY)
		thawed(nd);
	/* Before the first write that goes to the peer too. */
	if (ev == STATE_EV_START) {
		regions_session_begins(&nd->regions);
		w.lost_primary[nd->n] = w.beside_primary[nd->n] = false;
	}
	if (ev == STATE_EV_OPEN)
		nd->fence_round++;
	run_effects(nd, effects, target);
	if (effects & STATE_EFF_META_NARROW)
		narrow_ended(nd, ok);
	if (ev == STATE_EV_DISK_FAILED)
		strays_tell(nd);
	return !nd->dying;
}

/*
 * ---- life ---------------------------------------------------------------------------------------
 */

u32 node_copy(const struct node *nd)
{
	const struct meta *m = &nd->m;
	bool alone = m->peer[0].since.id && !(m->peer[0].flags & LOCKSTEP_PF_SYNCING);

	if (nd->failed)
		return STATE_COPY_FAILED;
	if (!m->current_gen.id)
		return STATE_COPY_BLANK;
	if (!(m->flags & LOCKSTEP_MF_CONSISTENT))
		return STATE_COPY_INCONSISTENT;
	if (m->flags & LOCKSTEP_MF_OUTDATED || !(m->flags & LOCKSTEP_MF_UP_TO_DATE))
		return STATE_COPY_OUTDATED;
	/* Crashed: it may not be the latest, unless it had recorded that it went on alone. */
	if (m->flags & LOCKSTEP_MF_UNCLEAN && !alone)
		return STATE_COPY_OUTDATED;
	/* Closed beside a primary: only that knows what came after. */
	if (m->flags & LOCKSTEP_MF_LEFT_PRIMARY)
		return STATE_COPY_OUTDATED;
	return nd->unproven ? STATE_COPY_OUTDATED : STATE_COPY_UP_TO_DATE;
}

/* As the hello says it. */
u8 node_disk(const struct node *nd)
{
	if (nd->failed)
		return LOCKSTEP_DISK_FAILED;
	if (!(nd->m.flags & LOCKSTEP_MF_CONSISTENT))
		return LOCKSTEP_DISK_INCONSISTENT;
	if (nd->m.flags & LOCKSTEP_MF_OUTDATED)
		return LOCKSTEP_DISK_OUTDATED;
	if (!(nd->m.flags & LOCKSTEP_MF_UP_TO_DATE) || nd->unproven ||
	    nd->m.flags & (LOCKSTEP_MF_UNCLEAN | LOCKSTEP_MF_LEFT_PRIMARY))
		return LOCKSTEP_DISK_UNSURE;
	return LOCKSTEP_DISK_UP_TO_DATE;
}

u32 node_found_flags(u32 flags)
{
	if (flags & LOCKSTEP_MF_ATTACHED && !MUTATED(CRASH_UNNOTICED)) {
		flags |= LOCKSTEP_MF_UNCLEAN;
		if (flags & LOCKSTEP_MF_PRIMARY)
			flags |= LOCKSTEP_MF_CRASHED_PRIMARY;
	}
	return flags & ~LOCKSTEP_MF_PRIMARY;
}

static void take_up(struct node *nd)
{
	int i;

	nd->alive = true;
	nd->rw = nd->demoting = nd->failed = nd->unproven = nd->through = nd->serving = false;
	nd->fail_at = 0;
	memset(&nd->errors, 0, sizeof(nd->errors));
	memset(&nd->asks, 0, sizeof(nd->asks));
	check_unlost(nd);
	memset(w.untold[nd->n], 0, sizeof(w.untold[0]));
	memset(w.gap[nd->n], 0, sizeof(w.gap[0]));
	w.excused[nd->n] = false;
	nd->boot_id = new_id();
	nd->epoch = 0;
	nd->paused_until = 0;
	memset(&nd->s, 0, sizeof(nd->s));
	iorange_bucket_init(&nd->bucket);
	for (i = 0; i < NR_STREAMS; i++)
		slots_init(&nd->slots[i], nd->storage[i], NR_SLOTS);
	memset(nd->req, 0, sizeof(nd->req));
	state_init(&nd->st, nd->n == 0);
	nd->st.fencing = w.fencing && !MUTATED(UNFENCED);
	nd->outcome_at = 0;
}

/* Superblock and maps of the disk that is there. */
void node_load(struct node *nd)
{
	enum meta_err err;
	u32 detail;
	int copy;

	copy = meta_pick(nd->disk.sb[0], nd->disk.sb[1], &nd->m, &err, &detail);
	CHECK(copy >= 0, "node %d: no usable superblock: %s", nd->n, meta_err_name(err));
	if (copy < 0)
		return;
	nd->sb_copy = copy;
	nd->disk_id = ++w.next_disk;
	nd->epoch = max(nd->epoch, nd->m.epoch);
	if (!(nd->m.flags & LOCKSTEP_MF_REGIONS_VALID))
		maps_format(nd);
	maps_load(nd);
	nd->m.flags = node_found_flags(nd->m.flags);
	nd->m.flags |= LOCKSTEP_MF_ATTACHED | MAPS;
	nd->m.boot_id = nd->boot_id;
	nd->durable_known = false;
	check_attached(nd);
	trace("%d attached: flags %x current %llu since %llu, marks %06x regions %06x", nd->n,
	      nd->m.flags, (unsigned long long)nd->m.current_gen.id,
	      (unsigned long long)nd->m.peer[0].since.id, nd->marks, node_regions_wanted(nd));
}

void node_attach(struct node *nd)
{
	if (nd->failed && roll(3) == 0)
		diskfail_replace(nd);
	nd->disk.bad = 0;
	take_up(nd);
	node_load(nd);
	if (!w.failed && node_store(nd))
		node_step(nd, STATE_EV_COPY, node_copy(nd));
}

static void gone(struct node *nd)
{
	nd->alive = nd->dying = false;
	nd->s.id = 0;
	nd->restart_at = w.now + 1 + roll(150);
	io_forget(nd);
	net_break();
}

void node_die(struct node *nd)
{
	if (!nd->alive || nd->dying)
		return;
	trace("%d CRASH", nd->n);
	w.stat[STAT_CRASHES]++;
	nd->dying = true;
}

void node_point(struct node *nd)
{
	if (!nd->alive || nd->dying)
		return;
	if (++w.points == w.crash_at ||
	    (!w.quiet && !w.crash_at && roll(w.disks == DISKS_FAIL_OFTEN ? 2000 : 400) == 0))
		node_die(nd);
}

void node_reap(struct node *nd)
{
	if (!nd->dying)
		return;
	check_crashed(nd);
	disk_crash(&nd->disk);
	gone(nd);
}

/*
 * Order: the session goes, caches are flushed, the maps are stored, then the flag that says we are
 * here; not if something has failed that nobody has looked at. Secondary only.
 */
void node_close(struct node *nd)
{
	bool clean;

	if (nd->s.id)
		node_lose_session(nd);
	if (nd->dying || io_in_flight(nd) || strays_any(nd))
		return;			/* refused: it stays */
	fence_closes(nd);
	trace("%d closes", nd->n);
	clean = !nd->failed && maps_close(nd) && node_flush(nd) && !nd->fail_at;
	/* A peer that works through us would never hear of it. */
	if (nd->m.flags & LOCKSTEP_MF_SERVING && flush_errors_are_unheard(&nd->errors) &&
	    !MUTATED(CLOSE_INDEBTED))
		clean = false;
	if (clean) {
		meta_close(&nd->m, nd->st.left_primary && !MUTATED(LEFT_FORGOTTEN));
		clean = node_store(nd);
	}
	if (nd->dying)
		return;
	if (!clean) {
		check_crashed(nd);	/* it will be taken for one */
		disk_crash(&nd->disk);
	}
	gone(nd);
}

void node_lose_session(struct node *nd)
{
	int i, said = diskfail_peer_says(nd);
	bool in_flight;

	trace("%d notices the end of session %llu", nd->n, (unsigned long long)nd->s.id);
	fence_loses(nd);
	strays_leave(nd);
	net_break();
	regions_session_ended(&nd->regions);
	maps_session_ended(nd);
	io_session_lost(nd);
	in_flight = io_is_parked(nd);
	nd->through = nd->serving = false;
	memset(&nd->s, 0, sizeof(nd->s));
	for (i = 0; i < NR_STREAMS; i++)
		slots_init(&nd->slots[i], nd->storage[i], NR_SLOTS);
	node_step(nd, STATE_EV_LOST, in_flight);
	strays_tell(nd);
	if (!nd->dying)
		io_release(nd);
	/* By what the peer had said for this session, before that is forgotten. */
	if (nd->fail_at && !nd->dying)
		diskfail_take(nd, said);
}

void node_init_disk(struct node *nd, bool clean)
{
	struct meta_layout l;
	struct meta m;
	u32 i;

	CHECK(!meta_layout(1 << 16, nd->disk.external ? 1 << 16 : 0, &l), "layout");
	meta_init(&m, &l, 1 << 16, "sim", nd->n ? "beta" : "alpha", (u32)nd->n, 0,
		  nd->disk.external, clean ? new_id() : 0);
	meta_encode(&m, nd->disk.sb[0]);
	/* Whatever was on that disk before. */
	for (i = CELL_MAP; i < NR_CELLS; i++)
		nd->disk.view[i] = nd->disk.stable[i] = (u32)roll(i >= CELL_INDEX &&
								  i < CELL_BITS ? 3 : 2);
}
