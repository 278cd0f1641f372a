// SPDX-License-Identifier: GPL-2.0
/*
 * Every reachable state with every event; and two nodes together: never two primaries in one
 * session.
 */
#include "test.h"
#include "state.h"

/*
 * ---- one node, every state x event
 * ----------------------------------------------------------------
 */

static const struct {
	enum state_event ev;
	u32 arg;
} inputs[] = {
	{ STATE_EV_PROMOTE, 0 }, { STATE_EV_PROMOTE, STATE_PROMOTE_FORCE },
	{ STATE_EV_PROMOTE, STATE_PROMOTE_FENCED }, { STATE_EV_PROMOTE, STATE_PROMOTE_AUTO },
	{ STATE_EV_GRANTED, 0 },
	{ STATE_EV_DENIED, 0 }, { STATE_EV_PEER_ASKS, 0 }, { STATE_EV_PEER_ROLE, 0 },
	{ STATE_EV_PEER_ROLE, 1 }, { STATE_EV_PEER_ROLE, 2 }, { STATE_EV_PEER_ROLE, 257 },
	{ STATE_EV_DEMOTE, 0 }, { STATE_EV_OPEN, 1 }, { STATE_EV_OPEN, 2 },
	{ STATE_EV_START, STATE_START(GEN_NONE, 0) }, { STATE_EV_START, STATE_START(GEN_NONE, 1) },
	{ STATE_EV_START, STATE_START(GEN_NONE, 2) }, { STATE_EV_START, STATE_START(GEN_NONE, 3) },
	{ STATE_EV_START, STATE_START(GEN_SOURCE, 1) },
	{ STATE_EV_START, STATE_START(GEN_SOURCE, 2) },
	{ STATE_EV_START, STATE_START(GEN_SOURCE_FULL, 1) },
	{ STATE_EV_START, STATE_START(GEN_TARGET, 1) },
	{ STATE_EV_START, STATE_START(GEN_TARGET, 2) },
	{ STATE_EV_START, STATE_START(GEN_TARGET_FULL, 2) },
	{ STATE_EV_START, STATE_START(GEN_SPLIT, 1) }, { STATE_EV_START, STATE_START(77, 1) },
	{ STATE_EV_LOST, 0 }, { STATE_EV_LOST, 1 }, { STATE_EV_WRITE, 0 }, { STATE_EV_NARROWED, 0 },
	{ STATE_EV_SYNC_DONE, 0 }, { STATE_EV_COPY, 0 }, { STATE_EV_COPY, 1 }, { STATE_EV_COPY, 2 },
	{ STATE_EV_COPY, 3 }, { STATE_EV_COPY, 4 }, { STATE_EV_COPY, 5 },
	{ STATE_EV_DISK_FAILED, 0 }, { STATE_EV_DISK_FAILED, STATE_DISK_ANYWAY },
	{ STATE_EV_DISK_FAILED, STATE_DISK_AHEAD },
	{ STATE_EV_NARROW_FAILED, 0 }, { STATE_EV_SURRENDER, 0 },
	{ STATE_EV_FENCED, 0 }, { STATE_EV_OUTDATE, 0 }, { STATE_EV_OUTDATE, 1 },
	{ STATE_EV_POLICY, 0 }, { STATE_EV_POLICY, 1 },
	{ STATE_EV_STRAYS, 0 }, { STATE_EV_STRAYS, 1 },
	{ STATE_EV_START, STATE_START(GEN_SOURCE, 1) | STATE_START_THROUGH },
	{ STATE_EV_START, STATE_START(GEN_SOURCE, 2) | STATE_START_THROUGH },
	{ STATE_EV_START, STATE_START(GEN_TARGET, 1) | STATE_START_THROUGH },
	{ STATE_EV_START, STATE_START(GEN_TARGET, 1) | STATE_START_THROUGH | STATE_START_NO_DISK },
	{ STATE_EV_START, STATE_START(GEN_TARGET, 2) | STATE_START_THROUGH | STATE_START_NO_DISK },
};

#define HAS(eff)	((effects & STATE_EFF_##eff) != 0)
#define PRIMARY		LOCKSTEP_ROLE_PRIMARY
#define UP		LOCKSTEP_LINK_UP

/* All of a state, or only what people see of it. */
static u32 key(const struct lockstep_state *s, bool seen_only)
{
	u32 k = s->role | s->peer_role << 2 | s->link << 4 | s->set << 6 | s->sync << 7 |
		s->copy << 9 | s->narrowing << 12 | s->asking << 13 | s->smaller_id << 14 |
		s->fencing << 15 | s->unfenced << 16 | s->left_primary << 17 |
		s->automatic << 18 | s->strays << 19;

	return seen_only ? k : k | s->granted << 20 | s->answer_due << 21;
}

/* What effects go with a change, read off the two states alone. */
static void check_effects(const struct lockstep_state *a, const struct lockstep_state *b,
			  u32 effects, enum state_event ev)
{
	bool up = a->link != UP && b->link == UP;
	bool promoted = a->role != PRIMARY && b->role == PRIMARY;
	bool thawed = ev == STATE_EV_PROMOTE && a->role == PRIMARY && HAS(META_FORCE);

	assert_int_equal(HAS(META_PRIMARY), promoted || thawed);	/* [S5] */
	assert_int_equal(HAS(RW), promoted);
	assert_int_equal(HAS(META_SECONDARY), a->role == PRIMARY && b->role != PRIMARY);
	assert_int_equal(HAS(RO), HAS(META_SECONDARY));
	assert_int_equal(HAS(TELL), a->role != b->role && b->link == UP);
	assert_int_equal(HAS(META_FORCE), HAS(META_PRIMARY) && a->copy != STATE_COPY_UP_TO_DATE);
	assert_int_equal(HAS(META_TARGET), up && b->sync == STATE_SYNC_TARGET);		/* [S3] */
	assert_int_equal(HAS(META_SOURCE), up && b->sync == STATE_SYNC_SOURCE);
	assert_int_equal(HAS(META_EQUAL), up && b->sync == STATE_SYNC_NONE);
	assert_int_equal(HAS(META_NARROW), !a->narrowing && b->narrowing);
	assert_int_equal(HAS(META_SYNCED), ev == STATE_EV_SYNC_DONE);
	assert_int_equal(HAS(ASK), !a->asking && b->asking);
	assert_int_equal(HAS(GRANT) + HAS(DENY), ev == STATE_EV_PEER_ASKS);
	assert_int_equal(HAS(SYNC_STOP), ev == STATE_EV_LOST && a->sync != STATE_SYNC_NONE);
	if (state_io_mode(a) != state_io_mode(b) && !HAS(META_NARROW))
		assert_true(HAS(MODE));
	/* What people see has changed: not the bookkeeping of questions. */
	if (!HAS(ASK) && key(a, true) != key(b, true))
		assert_true(HAS(NOTIFY));
	/* [S6]: without a good copy a primary writes through its source or not at all. */
	if (b->role == PRIMARY && b->copy != STATE_COPY_UP_TO_DATE)
		assert_true(state_io_mode(b) == LOCKSTEP_IO_FROZEN ||
			    (state_io_mode(b) == LOCKSTEP_IO_BOTH && b->link == UP &&
			     b->sync == STATE_SYNC_TARGET));
	assert_int_equal(state_may_work_through(b), b->role == PRIMARY && b->link == UP &&
			 b->sync == STATE_SYNC_TARGET);
	/* Whoever carries out MODE is who forgets it. */
	if (state_may_work_through(a) && !state_may_work_through(b) && b->link == UP)
		assert_true(HAS(MODE));
	assert_int_equal(HAS(RESEND), up && b->role == PRIMARY &&
			 (b->sync == STATE_SYNC_TARGET || a->unfenced));
	/* A primary gets good only by a resync, or by a person's word. */
	if (a->role == PRIMARY && a->copy != STATE_COPY_UP_TO_DATE &&
	    b->copy == STATE_COPY_UP_TO_DATE)
		assert_true(HAS(META_SYNCED) || HAS(META_FORCE) || ev == STATE_EV_DEMOTE);
	/* [S2]: from holding to writing alone only through NARROWED. */
	if (state_io_mode(b) == LOCKSTEP_IO_ALONE && state_io_mode(a) != LOCKSTEP_IO_ALONE)
		assert_true(ev == STATE_EV_NARROWED ||
			    (ev == STATE_EV_PROMOTE && a->set == STATE_SET_ME));
	/* [S4]: writing alone ends a set of both only through NARROWED or as a source. */
	if (a->set == STATE_SET_BOTH && b->set == STATE_SET_ME)
		assert_true(ev == STATE_EV_NARROWED || HAS(META_SOURCE));
	/* What is given up is not in use, and is good for nothing until a resync or a force. */
	assert_int_equal(HAS(META_SURRENDER), ev == STATE_EV_SURRENDER);
	if (HAS(META_SURRENDER))
		assert_true(a->role != PRIMARY && a->link == 0 && a->copy != STATE_COPY_FAILED &&
			    b->copy <= STATE_COPY_INCONSISTENT);
	if (HAS(GRANT))
		assert_true(a->role != PRIMARY && !b->asking && !(a->asking && a->smaller_id));
}

/* [S7] */
static void check_fencing(const struct lockstep_state *a, const struct lockstep_state *b,
			  u32 effects, enum state_event ev, u32 arg)
{
	bool lost = a->link != 0 && b->link == 0;

	if (b->unfenced)
		assert_int_equal(state_io_mode(b), LOCKSTEP_IO_FROZEN);
	/* It begins with the loss, or with a policy that comes too late for it. */
	if (!a->unfenced && b->unfenced)
		assert_true(ev == STATE_EV_LOST || (ev == STATE_EV_POLICY && arg));
	if (lost && b->role == PRIMARY && b->copy == STATE_COPY_UP_TO_DATE && b->fencing)
		assert_int_equal(b->unfenced, b->set == STATE_SET_BOTH);
	/* It ends by an outcome, which narrows; by the peer, which does not; or with the writer. */
	if (a->unfenced && !b->unfenced)
		assert_true((ev == STATE_EV_FENCED && b->narrowing) ||
			    (ev == STATE_EV_POLICY && b->narrowing) ||
			    (ev == STATE_EV_START && !b->narrowing && HAS(RESEND)) ||
			    ev == STATE_EV_DEMOTE || ev == STATE_EV_DISK_FAILED);
	/* Nobody becomes primary alone in a set of both without knowing what the peer does. */
	if (ev == STATE_EV_PROMOTE && a->role != PRIMARY && b->role == PRIMARY && a->fencing &&
	    a->set == STATE_SET_BOTH && a->link != UP)
		assert_true(arg == STATE_PROMOTE_FORCE || arg == STATE_PROMOTE_FENCED);
	/* Outdated is outdated: a person's word, or a session, and nothing else. */
	if (a->copy == STATE_COPY_OUTDATED && a->role != PRIMARY && b->role == PRIMARY)
		assert_int_equal(arg, STATE_PROMOTE_FORCE);
	assert_int_equal(HAS(META_OUTDATED), ev == STATE_EV_OUTDATE);
	if (ev == STATE_EV_OUTDATE)
		assert_true(a->role != PRIMARY && a->link == 0 && !a->set && !arg &&
			    b->copy == STATE_COPY_OUTDATED);
	/* What was heard last of a peer that is gone. */
	if (ev == STATE_EV_LOST && a->link == UP)
		assert_int_equal(b->left_primary, a->role != PRIMARY &&
				 (a->peer_role == PRIMARY || a->granted));
	else if (ev == STATE_EV_OPEN && arg == PRIMARY)
		assert_int_equal(b->left_primary, a->role != PRIMARY && !a->set);
	else if (b->left_primary)
		assert_int_equal(a->left_primary, 1);
}

static void check_disk(const struct lockstep_state *a, const struct lockstep_state *b, u32 effects,
		       enum state_event ev, u32 arg)
{
	/* A copy that is the only good one is never given up, but for good. */
	if (ev == STATE_EV_DISK_FAILED && arg != STATE_DISK_ANYWAY && a->role == PRIMARY &&
	    a->copy == STATE_COPY_UP_TO_DATE)
		assert_true(a->link == UP && a->sync == STATE_SYNC_NONE);
	assert_int_equal(HAS(CLOSE), (ev == STATE_EV_DISK_FAILED && a->link != 0) ||
				     (ev == STATE_EV_DEMOTE && a->link == UP &&
				      a->copy != STATE_COPY_UP_TO_DATE));
	if (ev == STATE_EV_DISK_FAILED)
		assert_int_equal(b->copy, STATE_COPY_FAILED);
}

/* [S8], and whose promotion it is. */
static void check_automatic(const struct lockstep_state *a, const struct lockstep_state *b,
			    enum state_event ev, u32 arg)
{
	bool by_opening = ev == STATE_EV_PROMOTE && arg == STATE_PROMOTE_AUTO;
	bool is_here = b->asking || b->role == PRIMARY;

	if (by_opening && b->role == PRIMARY)
		assert_true(a->role != PRIMARY && a->link != UP && a->set == STATE_SET_ME &&
			    a->copy == STATE_COPY_UP_TO_DATE);
	if (!a->automatic && b->automatic)
		assert_true(by_opening);
	if (by_opening)
		assert_int_equal(b->automatic, 1);
	/* It ends with the role, the question, or a person's word; and with nothing else. */
	if (ev == STATE_EV_PROMOTE && !by_opening)
		assert_int_equal(b->automatic, 0);
	else if (a->automatic && is_here)
		assert_int_equal(b->automatic, 1);
	if (!is_here)
		assert_int_equal(b->automatic, 0);
}

/* [S9] */
static void check_strays(const struct lockstep_state *a, const struct lockstep_state *b,
			 enum state_event ev, u32 arg)
{
	assert_int_equal(b->strays, ev == STATE_EV_STRAYS ? arg : a->strays);
	if (!b->strays)
		return;
	assert_int_equal(b->link, 0);
	assert_true(a->role == PRIMARY || b->role != PRIMARY);
}

#define NR_KEYS	(1 << 22)

static struct lockstep_state todo[NR_KEYS];
static bool seen[NR_KEYS];
static u32 nr_todo;

static void visit(const struct lockstep_state *s)
{
	assert_true(state_valid(s));
	if (seen[key(s, false)])
		return;
	seen[key(s, false)] = true;
	todo[nr_todo++] = *s;
}

static void every_state_and_event(void **state)
{
	u32 refusals[STATE_RF_NR] = { 0 }, i, j, effects;
	struct lockstep_state s, before;
	enum state_refusal rf;

	(void)state;
	for (i = 0; i < 2; i++) {
		state_init(&s, i);
		visit(&s);
	}
	for (i = 0; i < nr_todo; i++) {
		for (j = 0; j < ARRAY_SIZE(inputs); j++) {
			s = before = todo[i];
			effects = 0xdeadbeef;
			rf = state_step(&s, inputs[j].ev, inputs[j].arg, &effects);
			refusals[rf]++;
			if (rf) {
				assert_memory_equal(&s, &before, sizeof(s));
				assert_int_equal(effects, 0xdeadbeef);
				continue;
			}
			assert_int_equal(effects & ~(STATE_EFF_END - 1), 0);
			check_effects(&before, &s, effects, inputs[j].ev);
			check_disk(&before, &s, effects, inputs[j].ev, inputs[j].arg);
			check_fencing(&before, &s, effects, inputs[j].ev, inputs[j].arg);
			check_automatic(&before, &s, inputs[j].ev, inputs[j].arg);
			check_strays(&before, &s, inputs[j].ev, inputs[j].arg);
			visit(&s);
		}
	}
	for (i = 0; i < STATE_RF_NR; i++)
		if (!refusals[i])
			fail_msg("refusal %u (%s) was not reached", i, state_refusal_text(i));
	assert_true(nr_todo > 40);
}

static bool is_failed(const struct lockstep_state *s)
{
	return s->copy == STATE_COPY_FAILED;
}

static enum state_refusal fail_disk(struct lockstep_state s, u32 arg)
{
	u32 effects;

	return state_step(&s, STATE_EV_DISK_FAILED, arg, &effects);
}

/* Row by row as the header has it. */
static void kept_or_not(void **state)
{
	u32 i, kept = 0;

	(void)state;
	assert_true(nr_todo > 40);
	for (i = 0; i < nr_todo; i++) {
		const struct lockstep_state *s = &todo[i];
		bool is_primary = s->role == PRIMARY, good = s->copy == STATE_COPY_UP_TO_DATE;
		enum state_refusal mine, ahead;

		if (s->narrowing)
			continue;
		mine = ahead = STATE_OK;
		if (s->link == UP ? s->sync == STATE_SYNC_SOURCE : is_primary && good)
			mine = ahead = STATE_RF_ONLY_COPY;
		else if (s->link != UP && !is_primary)
			ahead = STATE_RF_ONLY_COPY;
		assert_int_equal(fail_disk(*s, 0), mine);
		assert_int_equal(fail_disk(*s, STATE_DISK_AHEAD), ahead);
		assert_int_equal(fail_disk(*s, STATE_DISK_ANYWAY), STATE_OK);
		assert_int_equal(fail_disk(*s, STATE_DISK_FLAGS), STATE_OK);
		kept += mine != ahead;
	}
	assert_true(kept > 4);
}

static void take_failure(struct lockstep_state *s)
{
	u32 effects;

	state_step(s, STATE_EV_DISK_FAILED, 0, &effects);
}

static void take_loss(struct lockstep_state *s)
{
	u32 effects;

	if (!state_step(s, STATE_EV_LOST, 1, &effects) && s->narrowing)
		assert_int_equal(state_step(s, STATE_EV_NARROWED, 0, &effects), STATE_OK);
}

/* The end of a session and a disk's failing, both known; what is left of the copy? */
static bool keeps(struct lockstep_state s, bool disk_first)
{
	if (disk_first)
		take_failure(&s);
	take_loss(&s);
	if (!disk_first)
		take_failure(&s);
	assert_int_equal(s.link, LOCKSTEP_LINK_DOWN);
	assert_true(state_valid(&s));
	return !is_failed(&s);
}

/* Whoever keeps its copy in one order keeps it in the one that is taken. */
/* Every copy, heard of or not: half a copy never, else the latest that is known of the peer. */
static void ahead_or_not(void **state)
{
	u32 copy, bits;

	(void)state;
	for (copy = STATE_COPY_FAILED; copy <= STATE_COPY_UP_TO_DATE; copy++)
		for (bits = 0; bits < 8; bits++) {
			bool heard = bits & 1, source = bits & 2, since = bits & 4;
			bool ahead = state_disk_is_ahead(copy, heard, source, since);

			if (copy == STATE_COPY_OUTDATED || copy == STATE_COPY_UP_TO_DATE)
				assert_int_equal(ahead, (heard && source) || (!heard && since));
			else
				assert_false(ahead);
		}
}

static void loss_beside_failure(void **state)
{
	u32 i, by_disk = 0, by_loss = 0;

	(void)state;
	assert_true(nr_todo > 40);
	for (i = 0; i < nr_todo; i++) {
		const struct lockstep_state *s = &todo[i];
		bool first = state_disk_first(s), kept[2];

		if (s->link == LOCKSTEP_LINK_DOWN || is_failed(s))
			continue;
		kept[0] = keeps(*s, false);
		kept[1] = keeps(*s, true);
		if (kept[!first] && !kept[first])
			fail_msg("role %u link %u sync %u: given up, and need not be", s->role,
				 s->link, s->sync);
		/* A source has the only whole copy, whatever its role. */
		if (s->sync == STATE_SYNC_SOURCE)
			assert_true(kept[first]);
		by_disk += kept[1] && !kept[0];
		by_loss += kept[0] && !kept[1];
	}
	/* Neither order would do for all. */
	assert_true(by_disk && by_loss);
}

/* A source is one after its session, too, for what only then comes back from its disk. */
static void failure_after_loss(void **state)
{
	u32 i, effects, sources = 0;

	(void)state;
	for (i = 0; i < nr_todo; i++) {
		struct lockstep_state s = todo[i];

		if (s.sync != STATE_SYNC_SOURCE || is_failed(&s))
			continue;
		take_loss(&s);
		assert_int_equal(state_step(&s, STATE_EV_STRAYS, 1, &effects), STATE_OK);
		assert_int_equal(fail_disk(s, STATE_DISK_AHEAD), STATE_RF_ONLY_COPY);
		/* A person may, where nobody works with it. */
		if (s.role != PRIMARY)
			assert_int_equal(fail_disk(s, 0), STATE_OK);
		sources++;
	}
	assert_true(sources > 4);
}

/* Everything that is not reachable and breaks an invariant is known to be invalid. */
static void invalid_states(void **state)
{
	struct lockstep_state s;
	u32 k, valid = 0, reachable = 0;

	(void)state;
	for (k = 0; k < NR_KEYS; k++) {
		s = (struct lockstep_state){
			.role = k & 3, .peer_role = k >> 2 & 3, .link = k >> 4 & 3,
			.set = k >> 6 & 1, .sync = k >> 7 & 3, .copy = k >> 9 & 7,
			.narrowing = k >> 12 & 1, .asking = k >> 13 & 1,
			.smaller_id = k >> 14 & 1, .fencing = k >> 15 & 1,
			.unfenced = k >> 16 & 1, .left_primary = k >> 17 & 1,
			.automatic = k >> 18 & 1, .strays = k >> 19 & 1,
			.granted = k >> 20 & 1, .answer_due = k >> 21 & 1,
		};
		valid += state_valid(&s);
		reachable += seen[k];
		if (seen[k])
			assert_true(state_valid(&s));
	}
	/*
	 * state_valid is tight: what it allows beyond what can happen would be a hole in the tests.
	 * Each with a fencing policy and without, and automatic and not; a few with strays.
	 */
	assert_in_range(valid, reachable, reachable + 2 * 2 * 28);
}

static void step_ok(struct lockstep_state *s, enum state_event ev, u32 arg)
{
	u32 effects;

	assert_int_equal(state_step(s, ev, arg, &effects), STATE_OK);
}

/*
 * A source whose resync is cut off must not write in the generation its target may have taken over.
 */
static void cut_resync_narrows_again(void **state)
{
	struct lockstep_state s;

	(void)state;
	state_init(&s, true);
	step_ok(&s, STATE_EV_COPY, STATE_COPY_UP_TO_DATE);
	step_ok(&s, STATE_EV_PROMOTE, 0);
	step_ok(&s, STATE_EV_OPEN, LOCKSTEP_ROLE_SECONDARY);
	step_ok(&s, STATE_EV_START, STATE_START(GEN_SOURCE, LOCKSTEP_ROLE_SECONDARY));
	assert_int_equal(state_io_mode(&s), LOCKSTEP_IO_BOTH);
	step_ok(&s, STATE_EV_LOST, 0);
	assert_int_equal(state_io_mode(&s), LOCKSTEP_IO_LAZY);
	step_ok(&s, STATE_EV_WRITE, 0);
	assert_int_equal(state_io_mode(&s), LOCKSTEP_IO_NARROW);
	step_ok(&s, STATE_EV_NARROWED, 0);
	assert_int_equal(state_io_mode(&s), LOCKSTEP_IO_ALONE);
}

/* The peer is lost with writes in flight: held, until one of the things that end it. */
static struct lockstep_state lost_with_policy(void)
{
	struct lockstep_state s;

	state_init(&s, true);
	step_ok(&s, STATE_EV_POLICY, 1);
	step_ok(&s, STATE_EV_COPY, STATE_COPY_UP_TO_DATE);
	step_ok(&s, STATE_EV_OPEN, LOCKSTEP_ROLE_SECONDARY);
	step_ok(&s, STATE_EV_START, STATE_START(GEN_NONE, LOCKSTEP_ROLE_SECONDARY));
	step_ok(&s, STATE_EV_PROMOTE, 0);
	step_ok(&s, STATE_EV_GRANTED, 0);
	assert_int_equal(state_io_mode(&s), LOCKSTEP_IO_BOTH);
	step_ok(&s, STATE_EV_LOST, 1);
	assert_int_equal(state_io_mode(&s), LOCKSTEP_IO_FROZEN);
	return s;
}

static void fencing_holds_writes(void **state)
{
	struct lockstep_state s = lost_with_policy();
	u32 effects;

	(void)state;
	assert_int_equal(state_step(&s, STATE_EV_WRITE, 0, &effects), STATE_RF_ALREADY);
	/* An attempt to connect that fails changes nothing. */
	step_ok(&s, STATE_EV_OPEN, LOCKSTEP_ROLE_SECONDARY);
	assert_int_equal(state_step(&s, STATE_EV_FENCED, 0, &effects), STATE_RF_CONNECTING);
	step_ok(&s, STATE_EV_LOST, 0);
	assert_int_equal(state_io_mode(&s), LOCKSTEP_IO_FROZEN);
	/* The outcome: durable first, then alone. */
	step_ok(&s, STATE_EV_FENCED, 0);
	assert_int_equal(state_io_mode(&s), LOCKSTEP_IO_NARROW);
	step_ok(&s, STATE_EV_NARROWED, 0);
	assert_int_equal(state_io_mode(&s), LOCKSTEP_IO_ALONE);
	/* Left behind once, the peer is not asked for again before it was here. */
	step_ok(&s, STATE_EV_OPEN, LOCKSTEP_ROLE_SECONDARY);
	step_ok(&s, STATE_EV_LOST, 0);
	assert_int_equal(state_io_mode(&s), LOCKSTEP_IO_ALONE);
	step_ok(&s, STATE_EV_DEMOTE, 0);
	step_ok(&s, STATE_EV_PROMOTE, 0);
	assert_int_equal(state_io_mode(&s), LOCKSTEP_IO_ALONE);
	/* The peer is back instead: nothing was narrowed. */
	s = lost_with_policy();
	step_ok(&s, STATE_EV_OPEN, LOCKSTEP_ROLE_SECONDARY);
	step_ok(&s, STATE_EV_START, STATE_START(GEN_SOURCE, LOCKSTEP_ROLE_SECONDARY));
	assert_int_equal(state_io_mode(&s), LOCKSTEP_IO_BOTH);
}

/* The other side: told to be behind, it stays so until a session or a person says otherwise. */
static void outdated_is_not_promoted(void **state)
{
	struct lockstep_state s;
	u32 effects;

	(void)state;
	state_init(&s, true);
	step_ok(&s, STATE_EV_POLICY, 1);
	step_ok(&s, STATE_EV_COPY, STATE_COPY_UP_TO_DATE);
	assert_int_equal(state_step(&s, STATE_EV_PROMOTE, 0, &effects), STATE_RF_UNFENCED);
	step_ok(&s, STATE_EV_OUTDATE, 0);
	step_ok(&s, STATE_EV_OUTDATE, 0);
	assert_int_equal(state_step(&s, STATE_EV_PROMOTE, 0, &effects), STATE_RF_OUTDATED);
	assert_int_equal(state_step(&s, STATE_EV_PROMOTE, STATE_PROMOTE_FENCED, &effects),
			 STATE_RF_OUTDATED);
	step_ok(&s, STATE_EV_PROMOTE, STATE_PROMOTE_FORCE);
	assert_int_equal(state_step(&s, STATE_EV_OUTDATE, 0, &effects), STATE_RF_IN_USE);
}

/*
 * ---- two nodes, one session, messages in order, any interleaving
 * ------------------------------------
 */

#define QUEUE	4
enum msg { MSG_ASK = 1, MSG_GRANT, MSG_DENY, MSG_TELL_PRI, MSG_TELL_SEC };

struct pair {
	struct lockstep_state s[2];
	u8 queue[2][QUEUE];	/* to node n, oldest first, 0: none */
	/* bit n: node n's session ended; messages to and from it are gone */
	u8 broken;
};

static struct pair pairs[400000];
static u32 nr_pairs, table[1 << 20];

static bool post(struct pair *p, int to, u8 msg)
{
	int i;

	for (i = 0; i < QUEUE; i++) {
		if (!p->queue[to][i]) {
			p->queue[to][i] = msg;
			return true;
		}
	}
	return false;
}

static bool send_effects(struct pair *p, int n, u32 eff)
{
	bool ok = true;

	if (p->broken)
		return true;
	if (eff & STATE_EFF_ASK)
		ok &= post(p, !n, MSG_ASK);
	if (eff & STATE_EFF_GRANT)
		ok &= post(p, !n, MSG_GRANT);
	if (eff & STATE_EFF_DENY)
		ok &= post(p, !n, MSG_DENY);
	if (eff & STATE_EFF_TELL)
		ok &= post(p, !n, p->s[n].role == PRIMARY ? MSG_TELL_PRI : MSG_TELL_SEC);
	return ok;
}

static void add_pair(const struct pair *p)
{
	u32 hash = os_crc32c(p, sizeof(*p)), at;

	for (at = hash & 0xfffff; table[at]; at = (at + 1) & 0xfffff)
		if (!memcmp(&pairs[table[at] - 1], p, sizeof(*p)))
			return;
	assert_true(nr_pairs < ARRAY_SIZE(pairs));
	pairs[nr_pairs++] = *p;
	table[at] = nr_pairs;
	assert_true(state_valid(&p->s[0]) && state_valid(&p->s[1]));
	/* [S1], seen from above. */
	if (p->s[0].link == UP && p->s[1].link == UP && !p->broken)
		assert_false(p->s[0].role == PRIMARY && p->s[1].role == PRIMARY);
}

static void step_pair(const struct pair *from, int n, enum state_event ev, u32 arg, bool consume)
{
	struct pair p = *from;
	enum state_refusal rf;
	u32 eff = 0;

	if (consume) {
		memmove(&p.queue[n][0], &p.queue[n][1], QUEUE - 1);
		p.queue[n][QUEUE - 1] = 0;
	}
	rf = state_step(&p.s[n], ev, arg, &eff);
	if (rf && !consume)
		return;
	/* A peer that is primary beside us is never heard of in a session that is whole. */
	assert_true(rf != STATE_RF_TWO_PRIMARIES);
	if (ev == STATE_EV_LOST) {
		/* Whoever leaves a primary behind knows it, told or not. */
		if (!from->broken && from->s[n].link == UP && from->s[!n].role == PRIMARY)
			assert_true(p.s[n].left_primary);
		p.broken |= (u8)(1 << n);
		memset(p.queue, 0, sizeof(p.queue));
	}
	if (!rf && !send_effects(&p, n, eff))
		return;		/* more in flight than we follow */
	add_pair(&p);
}

static void deliver(const struct pair *p, int n)
{
	switch (p->queue[n][0]) {
	case MSG_ASK:
		step_pair(p, n, STATE_EV_PEER_ASKS, 0, true);
		break;
	case MSG_GRANT:
		step_pair(p, n, STATE_EV_GRANTED, 0, true);
		break;
	case MSG_DENY:
		step_pair(p, n, STATE_EV_DENIED, 0, true);
		break;
	case MSG_TELL_PRI:
		step_pair(p, n, STATE_EV_PEER_ROLE, LOCKSTEP_ROLE_PRIMARY, true);
		break;
	case MSG_TELL_SEC:
		step_pair(p, n, STATE_EV_PEER_ROLE, LOCKSTEP_ROLE_SECONDARY, true);
		break;
	}
}

static void add_session(u32 verdict0, u32 verdict1, u32 role0, u32 role1)
{
	struct pair p;
	int n;

	memset(&p, 0, sizeof(p));
	for (n = 0; n < 2; n++) {
		state_init(&p.s[n], n == 0);
		step_ok(&p.s[n], STATE_EV_COPY, STATE_COPY_UP_TO_DATE);
		if ((n ? role1 : role0) == PRIMARY)
			step_ok(&p.s[n], STATE_EV_PROMOTE, 0);
		step_ok(&p.s[n], STATE_EV_OPEN, LOCKSTEP_ROLE_SECONDARY);
	}
	step_ok(&p.s[0], STATE_EV_START, STATE_START(verdict0, role1));
	step_ok(&p.s[1], STATE_EV_START, STATE_START(verdict1, role0));
	add_pair(&p);
}

static void two_nodes_one_primary(void **state)
{
	u32 i;
	int n;

	(void)state;
	add_session(GEN_NONE, GEN_NONE, 1, 1);
	add_session(GEN_NONE, GEN_NONE, 2, 1);
	add_session(GEN_NONE, GEN_NONE, 1, 2);
	add_session(GEN_SOURCE, GEN_TARGET, 1, 1);
	add_session(GEN_SOURCE, GEN_TARGET, 2, 1);
	add_session(GEN_TARGET, GEN_SOURCE, 1, 1);
	for (i = 0; i < nr_pairs; i++) {
		struct pair p = pairs[i];

		if (p.broken == 3)
			continue;
		for (n = 0; n < 2; n++) {
			deliver(&p, n);
			step_pair(&p, n, STATE_EV_PROMOTE, 0, false);
			step_pair(&p, n, STATE_EV_DEMOTE, 0, false);
			step_pair(&p, n, STATE_EV_LOST, 0, false);
		}
	}
	assert_true(nr_pairs > 150);
}

static void names(void **state)
{
	u32 i;

	(void)state;
	for (i = 0; i < STATE_RF_NR; i++)
		assert_non_null(state_refusal_text(i));
	for (i = 0; i < STATE_EV_NR; i++)
		assert_non_null(state_event_name(i));
	assert_string_equal(state_refusal_text(STATE_RF_NR), "unknown");
	assert_string_equal(state_event_name(STATE_EV_NR), "unknown");
	assert_string_equal(state_role_name(LOCKSTEP_ROLE_PRIMARY), "primary");
	assert_string_equal(state_role_name(9), "unknown");
	assert_string_equal(state_link_name(UP), "up");
	assert_string_equal(state_link_name(9), "unknown");
	assert_string_equal(state_disk_name(LOCKSTEP_DISK_UP_TO_DATE), "up-to-date");
	assert_string_equal(state_disk_name(9), "unknown");
	assert_string_equal(state_sync_name(LOCKSTEP_SYNC_TARGET), "target");
	assert_string_equal(state_sync_name(9), "unknown");
	assert_string_equal(state_io_name(LOCKSTEP_IO_ALONE), "alone");
	assert_string_equal(state_io_name(9), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_and_event),
		cmocka_unit_test(kept_or_not),
		cmocka_unit_test(ahead_or_not),
		cmocka_unit_test(loss_beside_failure),
		cmocka_unit_test(failure_after_loss),
		cmocka_unit_test(invalid_states),
		cmocka_unit_test(cut_resync_narrows_again),
		cmocka_unit_test(fencing_holds_writes),
		cmocka_unit_test(outdated_is_not_promoted),
		cmocka_unit_test(two_nodes_one_primary),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
