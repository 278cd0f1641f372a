// SPDX-License-Identifier: GPL-2.0
/*
 * Fencing: what the program on one node does to the other, in a third way that no cut of the link
 * touches, and what the daemon makes of its outcome. Every outcome is true when it is said: the
 * peer has noted that it is outdated; it has half a copy; its power is off, and whoever runs the
 * cluster promotes it only by force before it has been in sync again; or it is primary. But it is
 * heard later, and the peer may have been back in between.
 */
#include "sim.h"

static bool is_awake(const struct node *nd)
{
	return nd->alive && !nd->dying && nd->paused_until <= w.now;
}

/* Power off. Says nothing about what is on its disk. */
static bool shoot(struct node *peer)
{
	trace("%d is fenced", peer->n);
	node_die(peer);
	node_reap(peer);
	w.constraint[peer->n] = true;
	return true;
}

static bool outdate(struct node *peer)
{
	if (peer->st.role == LOCKSTEP_ROLE_PRIMARY) {
		trace("%d is primary", peer->n);
		return MUTATED(GOES_ON_BESIDE);
	}
	if (peer->st.link != LOCKSTEP_LINK_DOWN)
		return false;
	if (peer->st.copy < STATE_COPY_OUTDATED)
		return !peer->failed;	/* half a copy */
	return node_step(peer, STATE_EV_OUTDATE, !!peer->m.peer[0].since.id);
}

static bool run_program(struct node *nd)
{
	struct node *peer = other(nd);
	bool ok;

	if (peer->dying || w.crash_at)
		return false;
	if (!is_awake(peer) || roll(4) == 0)
		return shoot(peer);
	ok = outdate(peer);
	node_reap(peer);
	return ok;
}

/* The daemon: begins the program, hears of its end, and drops what is about an earlier loss. */
void fence_advance(struct node *nd)
{
	if (nd->dying)
		return;
	if (nd->outcome_at && w.now >= nd->outcome_at) {
		nd->outcome_at = 0;
		if (nd->outcome_ok && (nd->outcome_round == nd->fence_round ||
				       MUTATED(STALE_OUTCOME)))
			node_step(nd, STATE_EV_FENCED, 0);
	}
	if (!nd->st.unfenced || nd->outcome_at || nd->dying || w.quiet || roll(60))
		return;
	nd->outcome_round = nd->fence_round;
	nd->outcome_ok = run_program(nd);
	nd->outcome_at = w.now + 1 + roll(roll(2) ? 20 : 500);
}

void fence_promote(struct node *nd, bool force)
{
	bool alone = nd->st.link == LOCKSTEP_LINK_DOWN;
	u32 arg = force ? STATE_PROMOTE_FORCE : 0;

	if (w.constraint[nd->n] && alone && !force)
		return;
	if (MUTATED(OUTDATED_PROMOTABLE) && nd->st.copy == STATE_COPY_OUTDATED && w.fencing &&
	    nd->m.flags & LOCKSTEP_MF_OUTDATED)
		nd->st.copy = STATE_COPY_UP_TO_DATE;
	if (w.fencing && alone && !force && nd->st.role == LOCKSTEP_ROLE_SECONDARY &&
	    nd->st.copy == STATE_COPY_UP_TO_DATE && nd->st.set == STATE_SET_BOTH) {
		if (!MUTATED(PROMOTE_UNFENCED) && !run_program(nd))
			return;
		arg = STATE_PROMOTE_FENCED;
	}
	if (nd->dying)
		return;
	/* A good copy too, if nobody asked what the peer does. */
	if (node_step(nd, STATE_EV_PROMOTE, arg) && force && alone)
		w.forced = true;
}

static void loses(const struct node *nd)
{
	const struct node *peer = other(nd);

	if (nd->s.id && nd->s.id == peer->s.id && nd->st.link != LOCKSTEP_LINK_DOWN &&
	    nd->st.role == LOCKSTEP_ROLE_SECONDARY && peer->st.role == LOCKSTEP_ROLE_PRIMARY)
		w.lost_primary[nd->n] = true;
}

/*
 * Before the session ends, for whichever of the two notices first: what the other one is counts,
 * not what it has told.
 */
void fence_loses(struct node *nd)
{
	loses(nd);
	loses(other(nd));
}

void fence_closes(struct node *nd)
{
	if (w.lost_primary[nd->n])
		w.beside_primary[nd->n] = true;
}
