// SPDX-License-Identifier: GPL-2.0
/*
 * One function per event, in a table. Each works on a copy of the state that state_step() throws
 * away when the event is refused, so a function may return a refusal at any point.
 *
 * Three choices that are not obvious:
 *
 * A promotion that was asked for ends with the peer's answer or with the session, never before,
 * but for one reason: we grant the peer's own. The answer is still due then, and nothing is asked
 * again until it has come. Else an answer could be taken for that to a later question: we would be
 * primary by a grant that the peer knows for used up (`granted`), and it would not know that it
 * leaves a primary behind.
 *
 * A session that ends during a resync leaves the source with set BOTH: the target may have finished
 * and be up to date in our generation without our knowing, and may be promoted. So we must not
 * write alone in that generation; BOTH makes the next write narrow first, into a generation of its
 * own.
 *
 * Roles and generations stand still while a session is OPENING, because the verdict was based on
 * them: promotion, demotion and narrowing wait until it is UP or gone. Both ends come with
 * EFF_MODE, so a held write looks again.
 */
#include "state.h"

void state_init(struct lockstep_state *s, bool smaller_id)
{
	memset(s, 0, sizeof(*s));
	s->role = LOCKSTEP_ROLE_SECONDARY;
	s->peer_role = LOCKSTEP_ROLE_UNKNOWN;
	s->link = LOCKSTEP_LINK_DOWN;
	s->set = STATE_SET_BOTH;
	s->sync = STATE_SYNC_NONE;
	s->copy = STATE_COPY_BLANK;
	s->smaller_id = smaller_id;
}

static bool is_primary(const struct lockstep_state *s)
{
	return s->role == LOCKSTEP_ROLE_PRIMARY;
}

static bool is_up(const struct lockstep_state *s)
{
	return s->link == LOCKSTEP_LINK_UP;
}

static bool is_good(const struct lockstep_state *s)
{
	return s->copy == STATE_COPY_UP_TO_DATE;
}

/* Why a copy may not be promoted or stay primary without force. */
static enum state_refusal copy_refusal(u32 copy)
{
	switch (copy) {
	case STATE_COPY_UP_TO_DATE:
		return STATE_OK;
	case STATE_COPY_OUTDATED:
		return STATE_RF_OUTDATED;
	case STATE_COPY_INCONSISTENT:
		return STATE_RF_INCONSISTENT;
	case STATE_COPY_BLANK:
		return STATE_RF_BLANK;
	case STATE_COPY_FAILED:
		return STATE_RF_FAILED;
	default:
		return STATE_RF_NO_COPY;
	}
}

static void become_primary(struct lockstep_state *s, u32 *eff)
{
	s->role = LOCKSTEP_ROLE_PRIMARY;
	s->left_primary = 0;
	s->granted = 0;
	*eff |= STATE_EFF_META_PRIMARY | STATE_EFF_MODE | STATE_EFF_RW | STATE_EFF_NOTIFY;
	if (is_up(s))
		*eff |= STATE_EFF_TELL;
}

static void narrow(struct lockstep_state *s, u32 *eff)
{
	s->narrowing = 1;
	*eff |= STATE_EFF_META_NARROW;
}

/*
 * Force is for a node that stands alone: with a session there is a peer with a better copy to
 * promote, or to be synced from. What was forced is a new lineage of which the peer has nothing
 * yet, which the first write makes durable by narrowing; until then set BOTH keeps it from
 * completing.
 */
static enum state_refusal promote_alone(struct lockstep_state *s, u32 arg, u32 *eff)
{
	bool force = arg & STATE_PROMOTE_FORCE;

	/* [S9]: also by force, which gives up what the peer has, not what is written here next. */
	if (s->strays)
		return STATE_RF_STRAYS;
	/* [S7]: not after the fact, so that a peer that says "I am primary" still counts. */
	if (s->fencing && is_good(s) && s->set == STATE_SET_BOTH &&
	    !(arg & (STATE_PROMOTE_FORCE | STATE_PROMOTE_FENCED)))
		return STATE_RF_UNFENCED;
	if (is_good(s) && s->set == STATE_SET_BOTH && arg & STATE_PROMOTE_AUTO)
		return STATE_RF_ALONE;				/* [S8] */
	if (!is_good(s)) {
		if (!force || s->copy == STATE_COPY_FAILED)
			return copy_refusal(s->copy);
		s->copy = STATE_COPY_UP_TO_DATE;
		s->set = STATE_SET_BOTH;
		*eff |= STATE_EFF_META_FORCE;
	}
	become_primary(s, eff);
	return STATE_OK;
}

/*
 * A primary that is FROZEN, with a disk attached again: the peer has what came after, but if that
 * is gone for good a person may say that this copy is the one that counts from now on.
 */
static enum state_refusal thaw(struct lockstep_state *s, u32 *eff)
{
	if (s->copy == STATE_COPY_FAILED)
		return STATE_RF_FAILED;
	s->copy = STATE_COPY_UP_TO_DATE;
	s->set = STATE_SET_BOTH;
	/*
	 * Not narrowed in the same step: a force that cannot be made durable has not happened, and
	 * the next write narrows anyway.
	 */
	*eff |= STATE_EFF_META_PRIMARY | STATE_EFF_META_FORCE | STATE_EFF_MODE | STATE_EFF_NOTIFY;
	return STATE_OK;
}

/* What a person asks for stays until a person says otherwise, whoever asked for it first. */
static enum state_refusal make_explicit(struct lockstep_state *s, u32 *eff)
{
	s->automatic = 0;
	*eff |= STATE_EFF_NOTIFY;
	return STATE_OK;
}

static enum state_refusal on_promote(struct lockstep_state *s, u32 arg, u32 *eff)
{
	bool force = arg & STATE_PROMOTE_FORCE, automatic = arg & STATE_PROMOTE_AUTO;

	if (is_primary(s) && !is_good(s) && force && s->link == LOCKSTEP_LINK_DOWN) {
		s->automatic = 0;
		return thaw(s, eff);
	}
	if ((is_primary(s) || s->asking) && s->automatic && !automatic)
		return make_explicit(s, eff);
	if (is_primary(s))
		return STATE_RF_ALREADY;
	if (s->answer_due)
		return STATE_RF_ASKING;
	s->automatic = automatic;
	if (s->link == LOCKSTEP_LINK_OPENING)
		return STATE_RF_CONNECTING;
	if (!is_up(s))
		return promote_alone(s, arg, eff);
	if (s->peer_role == LOCKSTEP_ROLE_PRIMARY)
		return STATE_RF_PEER_PRIMARY;
	if (s->sync == STATE_SYNC_TARGET)
		return STATE_RF_TARGET;
	if (!is_good(s))
		return copy_refusal(s->copy);
	s->asking = s->answer_due = 1;
	*eff |= STATE_EFF_ASK;
	return STATE_OK;
}

static enum state_refusal on_denied(struct lockstep_state *s, u32 arg, u32 *eff)
{
	(void)arg;
	if (!s->answer_due)
		return STATE_RF_ALREADY;
	if (s->asking)
		*eff |= STATE_EFF_NOTIFY;
	s->asking = s->answer_due = 0;
	return STATE_OK;
}

static enum state_refusal on_granted(struct lockstep_state *s, u32 arg, u32 *eff)
{
	/*
	 * A peer that told us since that it is primary itself has nothing to grant, and a copy that
	 * failed since has nothing to be primary with.
	 */
	if (!s->asking || s->peer_role == LOCKSTEP_ROLE_PRIMARY || !is_good(s))
		return on_denied(s, arg, eff);
	s->asking = s->answer_due = 0;
	become_primary(s, eff);
	return STATE_OK;
}

static enum state_refusal on_peer_asks(struct lockstep_state *s, u32 arg, u32 *eff)
{
	(void)arg;
	if (!is_up(s))
		return STATE_RF_NO_SESSION;
	/* Our target has half a copy and should know better than to ask. */
	if (is_primary(s) || (s->asking && s->smaller_id) || s->sync == STATE_SYNC_SOURCE) {
		*eff |= STATE_EFF_DENY;
		return STATE_OK;
	}
	if (s->asking) {
		s->asking = 0;
		*eff |= STATE_EFF_NOTIFY;
	}
	/* From here on it may write, and its ROLE_TELL may be lost with the session. */
	s->granted = 1;
	*eff |= STATE_EFF_GRANT;
	return STATE_OK;
}

static enum state_refusal on_peer_role(struct lockstep_state *s, u32 role, u32 *eff)
{
	if (!is_up(s))
		return STATE_RF_NO_SESSION;
	if (role != LOCKSTEP_ROLE_SECONDARY && role != LOCKSTEP_ROLE_PRIMARY)
		return STATE_RF_ALREADY;
	if (role == LOCKSTEP_ROLE_PRIMARY) {
		if (is_primary(s))
			return STATE_RF_TWO_PRIMARIES;
		if (s->sync == STATE_SYNC_SOURCE)
			return STATE_RF_PEER_PRIMARY;
	}
	s->peer_role = (u8)role;
	s->granted = 0;
	*eff |= STATE_EFF_NOTIFY;
	return STATE_OK;
}

static enum state_refusal on_demote(struct lockstep_state *s, u32 arg, u32 *eff)
{
	(void)arg;
	if (!is_primary(s))
		return STATE_RF_ALREADY;
	if (s->narrowing)
		return STATE_RF_NARROWING;
	if (s->link == LOCKSTEP_LINK_OPENING)
		return STATE_RF_CONNECTING;
	s->role = LOCKSTEP_ROLE_SECONDARY;
	s->unfenced = 0;
	*eff |= STATE_EFF_META_SECONDARY | STATE_EFF_MODE | STATE_EFF_RO | STATE_EFF_NOTIFY;
	if (is_up(s))
		*eff |= STATE_EFF_TELL;
	/*
	 * Whoever works through the peer says hello anew as a secondary: a copy that is missing is
	 * then none of the session's, and one that is behind is caught up by its source.
	 */
	if (is_up(s) && !is_good(s))
		*eff |= STATE_EFF_CLOSE;
	return STATE_OK;
}

static enum state_refusal on_open(struct lockstep_state *s, u32 peer_role, u32 *eff)
{
	if (s->link != LOCKSTEP_LINK_DOWN)
		return STATE_RF_SESSION;
	/* The generation the verdict was based on is being replaced at this moment. */
	if (s->narrowing)
		return STATE_RF_NARROWING;
	if (s->strays)
		return STATE_RF_STRAYS;				/* [S9] */
	/* Heard, though the session may end before it is up. In a set of ME we are ahead of it. */
	if (!is_primary(s) && s->set == STATE_SET_BOTH && peer_role == LOCKSTEP_ROLE_PRIMARY)
		s->left_primary = 1;
	s->link = LOCKSTEP_LINK_OPENING;
	*eff |= STATE_EFF_NOTIFY;
	return STATE_OK;
}

static enum state_refusal start_equal(struct lockstep_state *s, u32 *eff)
{
	s->set = STATE_SET_BOTH;
	s->sync = STATE_SYNC_NONE;
	s->copy = STATE_COPY_UP_TO_DATE;
	*eff |= STATE_EFF_META_EQUAL;
	return STATE_OK;
}

static enum state_refusal start_source(struct lockstep_state *s, u32 arg, u32 *eff)
{
	/* The peer would be overwritten under its application, unless that works through us. */
	if (s->peer_role == LOCKSTEP_ROLE_PRIMARY && !(arg & STATE_START_THROUGH))
		return STATE_RF_PEER_PRIMARY;
	if (is_primary(s) && arg & STATE_START_THROUGH)
		return STATE_RF_VERDICT;
	s->set = STATE_SET_ME;
	s->sync = STATE_SYNC_SOURCE;
	s->copy = STATE_COPY_UP_TO_DATE;
	*eff |= STATE_EFF_META_SOURCE;
	return STATE_OK;
}

static enum state_refusal start_target(struct lockstep_state *s, u32 arg, u32 *eff)
{
	bool no_disk = arg & STATE_START_NO_DISK;

	/* [S6]: what it has itself counts for nothing already. */
	if (is_primary(s) && (is_good(s) || !(arg & STATE_START_THROUGH)))
		return STATE_RF_PRIMARY_TARGET;
	/* A copy that does not exist is worth a session only to an application. */
	if (no_disk && !is_primary(s))
		return STATE_RF_FAILED;
	s->set = STATE_SET_BOTH;
	s->sync = STATE_SYNC_TARGET;
	s->copy = no_disk ? STATE_COPY_FAILED : STATE_COPY_INCONSISTENT;
	*eff |= STATE_EFF_META_TARGET;
	if (is_primary(s))
		*eff |= STATE_EFF_RESEND;
	return STATE_OK;
}

static enum state_refusal on_start(struct lockstep_state *s, u32 arg, u32 *eff)
{
	u32 verdict = arg & 0xff, peer_role = arg >> 8 & 0xff;

	if (s->link != LOCKSTEP_LINK_OPENING)
		return is_up(s) ? STATE_RF_SESSION : STATE_RF_NO_SESSION;
	if (peer_role != LOCKSTEP_ROLE_SECONDARY && peer_role != LOCKSTEP_ROLE_PRIMARY)
		return STATE_RF_VERDICT;
	if (is_primary(s) && peer_role == LOCKSTEP_ROLE_PRIMARY)
		return STATE_RF_TWO_PRIMARIES;
	s->link = LOCKSTEP_LINK_UP;
	s->peer_role = (u8)peer_role;
	s->left_primary = 0;
	/* It was neither narrowed nor given up: the peer gets it now. */
	if (s->unfenced)
		*eff |= STATE_EFF_RESEND;
	s->unfenced = 0;
	*eff |= STATE_EFF_MODE | STATE_EFF_NOTIFY;
	/* A disk that failed since the hello: the verdict is about a copy that is no more. */
	if (s->copy == STATE_COPY_FAILED && !(arg & STATE_START_NO_DISK))
		return STATE_RF_FAILED;
	switch (verdict) {
	case GEN_NONE:
		/* [S6]: it is the peer that has the data, so the peer is the source. */
		return is_primary(s) && !is_good(s) ? STATE_RF_VERDICT : start_equal(s, eff);
	case GEN_SOURCE:
	case GEN_SOURCE_FULL:
		return is_primary(s) && !is_good(s) ? STATE_RF_VERDICT :
						      start_source(s, arg, eff);
	case GEN_TARGET:
	case GEN_TARGET_FULL:
		return start_target(s, arg, eff);
	default:
		return STATE_RF_VERDICT;
	}
}

static enum state_refusal on_lost(struct lockstep_state *s, u32 in_flight, u32 *eff)
{
	if (s->link == LOCKSTEP_LINK_DOWN)
		return STATE_RF_NO_SESSION;
	if (s->sync == STATE_SYNC_SOURCE)
		s->set = STATE_SET_BOTH;	/* it may have finished unheard */
	if (s->sync != STATE_SYNC_NONE)
		*eff |= STATE_EFF_SYNC_STOP;
	if (is_up(s) && !is_primary(s))
		s->left_primary = s->peer_role == LOCKSTEP_ROLE_PRIMARY || s->granted;
	s->granted = 0;
	s->link = LOCKSTEP_LINK_DOWN;
	s->peer_role = LOCKSTEP_ROLE_UNKNOWN;
	s->sync = STATE_SYNC_NONE;
	s->asking = s->answer_due = 0;
	*eff |= STATE_EFF_MODE | STATE_EFF_NOTIFY;
	if (!is_primary(s) || !is_good(s) || s->set != STATE_SET_BOTH)
		return STATE_OK;
	if (s->fencing)
		s->unfenced = 1;			/* [S7] */
	else if (in_flight)
		narrow(s, eff);
	return STATE_OK;
}

/*
 * Narrowed at once, not with the next write: what is in flight waits for it, and that the peer was
 * left behind must be known after a crash of ours, though nothing was written since.
 */
static enum state_refusal on_fenced(struct lockstep_state *s, u32 arg, u32 *eff)
{
	(void)arg;
	if (!s->unfenced)
		return STATE_RF_ALREADY;
	/* The peer is saying hello: what comes of that is better than any outcome. */
	if (s->link == LOCKSTEP_LINK_OPENING)
		return STATE_RF_CONNECTING;
	s->unfenced = 0;
	narrow(s, eff);
	*eff |= STATE_EFF_NOTIFY;
	return STATE_OK;
}

/*
 * Again where it is outdated already, and also where it was only unsure: that may be cleared up by
 * a disk or a start, and what the peer said may not.
 */
static enum state_refusal on_outdate(struct lockstep_state *s, u32 ahead, u32 *eff)
{
	if (is_primary(s))
		return STATE_RF_IN_USE;
	if (s->link == LOCKSTEP_LINK_UP)
		return STATE_RF_SESSION;
	if (s->link == LOCKSTEP_LINK_OPENING)
		return STATE_RF_CONNECTING;
	if (s->copy < STATE_COPY_OUTDATED)
		return copy_refusal(s->copy);
	/* Whoever asks would serve old data: fencing would make the split brain (P5). */
	if (ahead || s->set == STATE_SET_ME)
		return STATE_RF_AHEAD;
	s->copy = STATE_COPY_OUTDATED;
	*eff |= STATE_EFF_META_OUTDATED | STATE_EFF_NOTIFY;
	return STATE_OK;
}

/*
 * A policy that comes holds what has not gone on alone yet; one that goes has nobody to wait for.
 */
static enum state_refusal on_policy(struct lockstep_state *s, u32 arg, u32 *eff)
{
	if (s->fencing == !!arg)
		return STATE_RF_ALREADY;
	if (s->narrowing)
		return STATE_RF_NARROWING;
	if (!arg && s->unfenced && s->link == LOCKSTEP_LINK_OPENING)
		return STATE_RF_CONNECTING;
	s->fencing = !!arg;
	*eff |= STATE_EFF_MODE | STATE_EFF_NOTIFY;
	if (!s->fencing && s->unfenced) {
		s->unfenced = 0;
		narrow(s, eff);
	} else if (s->fencing && is_primary(s) && is_good(s) && !is_up(s)) {
		s->unfenced = s->set == STATE_SET_BOTH;
	}
	return STATE_OK;
}

static enum state_refusal on_write(struct lockstep_state *s, u32 arg, u32 *eff)
{
	(void)arg;
	if (state_io_mode(s) != LOCKSTEP_IO_LAZY)
		return STATE_RF_ALREADY;
	if (s->link == LOCKSTEP_LINK_OPENING)
		return STATE_RF_CONNECTING;
	narrow(s, eff);
	*eff |= STATE_EFF_NOTIFY;
	return STATE_OK;
}

static enum state_refusal on_narrowed(struct lockstep_state *s, u32 arg, u32 *eff)
{
	(void)arg;
	if (!s->narrowing)
		return STATE_RF_ALREADY;
	s->narrowing = 0;
	s->set = STATE_SET_ME;
	*eff |= STATE_EFF_MODE | STATE_EFF_NOTIFY;
	return STATE_OK;
}

static enum state_refusal on_sync_done(struct lockstep_state *s, u32 arg, u32 *eff)
{
	(void)arg;
	if (s->sync == STATE_SYNC_NONE)
		return STATE_RF_ALREADY;
	if (s->sync == STATE_SYNC_TARGET) {
		/* What is not there cannot have become whole. */
		if (s->copy == STATE_COPY_FAILED)
			return STATE_RF_FAILED;
		s->copy = STATE_COPY_UP_TO_DATE;
	}
	s->sync = STATE_SYNC_NONE;
	s->set = STATE_SET_BOTH;
	*eff |= STATE_EFF_META_SYNCED | STATE_EFF_MODE | STATE_EFF_NOTIFY;
	return STATE_OK;
}

static enum state_refusal on_narrow_failed(struct lockstep_state *s, u32 arg, u32 *eff)
{
	(void)arg;
	if (!s->narrowing)
		return STATE_RF_ALREADY;
	s->narrowing = 0;
	*eff |= STATE_EFF_MODE | STATE_EFF_NOTIFY;
	return STATE_OK;
}

/*
 * Whoever has the only good copy keeps it, whatever its disk does: giving it up would lose what a
 * disk with one bad block still has. So a primary gives its disk up in a session that is whole, or
 * when it works through the peer anyway; a secondary, too, unless the peer was left behind, or is
 * half a copy of ours: also when the session in which we were its source is over.
 */
static bool is_only_copy(const struct lockstep_state *s, bool ahead)
{
	if (is_up(s))
		return s->sync == STATE_SYNC_SOURCE;
	return is_primary(s) ? is_good(s) : ahead;
}

static enum state_refusal on_disk_failed(struct lockstep_state *s, u32 arg, u32 *eff)
{
	if (s->narrowing)
		return STATE_RF_NARROWING;
	if (is_only_copy(s, arg & STATE_DISK_AHEAD) && !(arg & STATE_DISK_ANYWAY))
		return STATE_RF_ONLY_COPY;
	s->copy = STATE_COPY_FAILED;
	s->unfenced = 0;
	*eff |= STATE_EFF_MODE | STATE_EFF_NOTIFY;
	if (s->link != LOCKSTEP_LINK_DOWN)
		*eff |= STATE_EFF_CLOSE;
	return STATE_OK;
}

/*
 * Volumes come and go without a session only, and a primary keeps what it promised. BOTH also for a
 * copy that went on alone in its last life: for all we know the peer has that generation by now (a
 * resync whose end was not noted), and for a volume added to a primary that is ALONE there is no
 * new generation yet.
 */
static enum state_refusal on_copy(struct lockstep_state *s, u32 copy, u32 *eff)
{
	if (s->link != LOCKSTEP_LINK_DOWN)
		return STATE_RF_SESSION;
	if (s->narrowing)
		return STATE_RF_NARROWING;
	if (copy > STATE_COPY_UP_TO_DATE)
		return STATE_RF_NO_COPY;
	/* [S6]: a primary that works through the peer gets up to date by a resync only. */
	if (is_primary(s) && is_good(s) != (copy == STATE_COPY_UP_TO_DATE))
		return is_good(s) ? copy_refusal(copy) : STATE_RF_OUTDATED;
	s->copy = (u8)copy;
	s->set = STATE_SET_BOTH;
	*eff |= STATE_EFF_MODE | STATE_EFF_NOTIFY;
	return STATE_OK;
}

/*
 * Without a session, so that no verdict is under way that was made of what goes; and never under an
 * application. A copy that is no good already is no refusal: the volumes may have got half-way.
 */
static enum state_refusal on_surrender(struct lockstep_state *s, u32 arg, u32 *eff)
{
	(void)arg;
	if (is_primary(s))
		return STATE_RF_IN_USE;
	if (s->link != LOCKSTEP_LINK_DOWN)
		return STATE_RF_SESSION;
	if (s->copy == STATE_COPY_FAILED)
		return STATE_RF_FAILED;
	s->copy = min(s->copy, (u8)STATE_COPY_INCONSISTENT);
	s->set = STATE_SET_BOTH;
	*eff |= STATE_EFF_META_SURRENDER | STATE_EFF_MODE | STATE_EFF_NOTIFY;
	return STATE_OK;
}

static enum state_refusal on_strays(struct lockstep_state *s, u32 arg, u32 *eff)
{
	if (s->link != LOCKSTEP_LINK_DOWN)
		return STATE_RF_SESSION;
	if (s->strays == !!arg)
		return STATE_RF_ALREADY;
	s->strays = !!arg;
	*eff |= STATE_EFF_NOTIFY;
	return STATE_OK;
}

typedef enum state_refusal (*step_fn)(struct lockstep_state *s, u32 arg, u32 *eff);

static const struct {
	step_fn step;
	const char *name;
} events[STATE_EV_NR] = {
	[STATE_EV_PROMOTE]	= { on_promote, "promote" },
	[STATE_EV_GRANTED]	= { on_granted, "granted" },
	[STATE_EV_DENIED]	= { on_denied, "denied" },
	[STATE_EV_PEER_ASKS]	= { on_peer_asks, "peer-asks" },
	[STATE_EV_PEER_ROLE]	= { on_peer_role, "peer-role" },
	[STATE_EV_DEMOTE]	= { on_demote, "demote" },
	[STATE_EV_OPEN]		= { on_open, "open" },
	[STATE_EV_START]	= { on_start, "start" },
	[STATE_EV_LOST]		= { on_lost, "lost" },
	[STATE_EV_WRITE]	= { on_write, "write" },
	[STATE_EV_NARROWED]	= { on_narrowed, "narrowed" },
	[STATE_EV_SYNC_DONE]	= { on_sync_done, "sync-done" },
	[STATE_EV_COPY]		= { on_copy, "copy" },
	[STATE_EV_DISK_FAILED]	= { on_disk_failed, "disk-failed" },
	[STATE_EV_NARROW_FAILED] = { on_narrow_failed, "narrow-failed" },
	[STATE_EV_SURRENDER]	= { on_surrender, "surrender" },
	[STATE_EV_FENCED]	= { on_fenced, "fenced" },
	[STATE_EV_OUTDATE]	= { on_outdate, "outdate" },
	[STATE_EV_POLICY]	= { on_policy, "policy" },
	[STATE_EV_STRAYS]	= { on_strays, "strays" },
};

enum state_refusal state_step(struct lockstep_state *s, enum state_event event, u32 arg,
			      u32 *ret_effects)
{
	struct lockstep_state next = *s;
	enum state_refusal refusal;
	u32 effects = 0;

	refusal = events[event].step(&next, arg, &effects);
	if (refusal)
		return refusal;
	if (!is_primary(&next) && !next.asking)
		next.automatic = 0;
	*s = next;
	*ret_effects = effects;
	return STATE_OK;
}

bool state_disk_first(const struct lockstep_state *s)
{
	return s->sync == STATE_SYNC_SOURCE;
}

enum lockstep_io_mode state_io_mode(const struct lockstep_state *s)
{
	if (!is_primary(s))
		return LOCKSTEP_IO_NONE;
	if (s->narrowing)
		return LOCKSTEP_IO_NARROW;
	if (is_up(s) && (is_good(s) || s->sync == STATE_SYNC_TARGET))
		return LOCKSTEP_IO_BOTH;
	if (!is_good(s) || s->unfenced)
		return LOCKSTEP_IO_FROZEN;
	return s->set == STATE_SET_ME ? LOCKSTEP_IO_ALONE : LOCKSTEP_IO_LAZY;
}

bool state_may_work_through(const struct lockstep_state *s)
{
	return state_io_mode(s) == LOCKSTEP_IO_BOTH && !is_good(s);
}

bool state_disk_is_ahead(enum state_copy copy, bool heard, bool source, bool since)
{
	return copy >= STATE_COPY_OUTDATED && (heard ? source : since);
}

static bool is_in_range(const struct lockstep_state *s)
{
	return (s->role == LOCKSTEP_ROLE_SECONDARY || s->role == LOCKSTEP_ROLE_PRIMARY) &&
	       s->peer_role <= LOCKSTEP_ROLE_PRIMARY && s->link <= LOCKSTEP_LINK_UP &&
	       s->set <= STATE_SET_ME && s->sync <= STATE_SYNC_TARGET &&
	       s->copy <= STATE_COPY_UP_TO_DATE && s->narrowing <= 1 && s->asking <= 1 &&
	       s->fencing <= 1 && s->unfenced <= 1 && s->left_primary <= 1 && s->automatic <= 1 &&
	       s->strays <= 1 && s->granted <= 1 && s->answer_due <= 1;
}

/* What can only be with a session: nothing of it without one, and all of it with one. */
static bool is_session_valid(const struct lockstep_state *s)
{
	if (!is_up(s))
		return s->peer_role == LOCKSTEP_ROLE_UNKNOWN && s->sync == STATE_SYNC_NONE;
	if (s->peer_role == LOCKSTEP_ROLE_UNKNOWN || s->narrowing)
		return false;
	if (is_primary(s) && s->peer_role == LOCKSTEP_ROLE_PRIMARY)
		return false;				/* [S1] */
	switch (s->sync) {
	case STATE_SYNC_TARGET:
		/* [S3]; FAILED: about to end, or a primary without a disk [S6] */
		return s->copy <= STATE_COPY_INCONSISTENT && s->copy != STATE_COPY_BLANK &&
		       s->set == STATE_SET_BOTH && !s->answer_due;
	case STATE_SYNC_SOURCE:
		return (is_good(s) || s->copy == STATE_COPY_FAILED) && s->set == STATE_SET_ME;
	default:
		/* [S4]; FAILED: about to end */
		return (is_good(s) || s->copy == STATE_COPY_FAILED) && s->set == STATE_SET_BOTH;
	}
}

/* Who may be primary next, by a word that is on its way. A source grants nothing: it denies. */
static bool is_question_valid(const struct lockstep_state *s)
{
	bool given_up = s->answer_due && !s->asking;

	if ((s->answer_due || s->granted) && (is_primary(s) || !is_up(s)))
		return false;
	if ((s->asking && !s->answer_due) || (s->granted && s->sync == STATE_SYNC_SOURCE))
		return false;
	/* A primary that works through its source was one before, and that is not asked then. */
	if (s->asking && s->sync == STATE_SYNC_SOURCE && s->peer_role == LOCKSTEP_ROLE_PRIMARY)
		return false;
	return !given_up || !(s->smaller_id || s->sync == STATE_SYNC_SOURCE);
}

bool state_valid(const struct lockstep_state *s)
{
	if (!is_in_range(s) || !is_session_valid(s) || !is_question_valid(s))
		return false;
	if (s->narrowing && !(is_primary(s) && s->link == LOCKSTEP_LINK_DOWN &&
			      s->set == STATE_SET_BOTH))
		return false;				/* [S2] */
	if (s->automatic && !s->asking && !is_primary(s))
		return false;
	if (s->unfenced && !(s->fencing && is_primary(s) && is_good(s) && !is_up(s) &&
			     s->set == STATE_SET_BOTH && !s->narrowing))
		return false;				/* [S7] */
	/* Whoever went on alone has the best copy, or none. */
	if (s->set == STATE_SET_ME && !is_good(s) && s->copy != STATE_COPY_FAILED)
		return false;
	if (s->left_primary && (is_primary(s) || is_up(s) || s->set != STATE_SET_BOTH))
		return false;
	if (s->strays && s->link != LOCKSTEP_LINK_DOWN)
		return false;				/* [S9] */
	return !s->narrowing || is_good(s);		/* [S6] */
}

static const char *const refusal_texts[STATE_RF_NR] = {
	[STATE_OK]		= "done",
	[STATE_RF_ALREADY]	= "there is nothing to do",
	[STATE_RF_PEER_PRIMARY]	= "the peer is primary",
	[STATE_RF_ASKING]	= "a promotion is under way already",
	[STATE_RF_BLANK]	= "it is blank: nobody said that its content counts",
	[STATE_RF_INCONSISTENT]	= "it is inconsistent: a synchronisation did not finish",
	[STATE_RF_OUTDATED]	= "nobody confirmed that it is the latest copy",
	[STATE_RF_TARGET]	= "it is being synchronised from the peer",
	[STATE_RF_NO_COPY]	= "there is no copy here",
	[STATE_RF_SESSION]	= "there is a session with the peer",
	[STATE_RF_NO_SESSION]	= "there is no session with the peer",
	[STATE_RF_NARROWING]	= "it is just going on without the peer: try again",
	[STATE_RF_VERDICT]	= "the generations of the two copies allow no session",
	[STATE_RF_PRIMARY_TARGET] = "it is primary and would be overwritten",
	[STATE_RF_TWO_PRIMARIES] = "both nodes are primary",
	[STATE_RF_CONNECTING]	= "a session is just being opened: try again",
	[STATE_RF_FAILED]	= "its disk has failed",
	[STATE_RF_ONLY_COPY]	= "nobody else has an up-to-date copy",
	[STATE_RF_IN_USE]	= "it is primary",
	[STATE_RF_UNFENCED]	= "the peer is not connected, and whether it goes on is not known",
	[STATE_RF_ALONE]	= "the peer is not connected, and whether it is in use there is "
				  "not known",
	[STATE_RF_AHEAD]	= "it went on without the peer, which lacks what was written here",
	[STATE_RF_STRAYS]	= "requests of the last session are still at its disk, which does "
				  "not answer",
};

const char *state_refusal_text(enum state_refusal r)
{
	return (u32)r < STATE_RF_NR ? refusal_texts[r] : "unknown";
}

const char *state_event_name(enum state_event e)
{
	return (u32)e < STATE_EV_NR ? events[e].name : "unknown";
}

#define NAME_OF(names, n)	((n) < ARRAY_SIZE(names) ? (names)[n] : "unknown")

const char *state_role_name(u32 role)
{
	static const char *const names[] = { "unknown", "secondary", "primary" };

	return NAME_OF(names, role);
}

const char *state_link_name(u32 link)
{
	static const char *const names[] = { "down", "opening", "up" };

	return NAME_OF(names, link);
}

const char *state_disk_name(u32 disk)
{
	static const char *const names[] = {
		"none", "failed", "inconsistent", "outdated", "unsure", "up-to-date",
	};

	return NAME_OF(names, disk);
}

const char *state_sync_name(u32 sync)
{
	static const char *const names[] = { "none", "source-wait", "source", "target" };

	return NAME_OF(names, sync);
}

const char *state_io_name(u32 mode)
{
	static const char *const names[] = {
		"none", "both", "lazy", "narrow", "alone", "frozen",
	};

	return NAME_OF(names, mode);
}
