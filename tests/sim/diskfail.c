// SPDX-License-Identifier: GPL-2.0
/*
 * A disk that fails (P9): given up, unless nobody else has the data, and taken again after a while,
 * as it was, without what its cache had, or a new one. The peer is not told: the session ends.
 */
#include "sim.h"

/* A worker looks at it, soon. */
void diskfail_post(struct node *nd)
{
	if (!nd->fail_at && !nd->failed)
		nd->fail_at = w.now + roll(w.flushes_fail && !roll(4) ? 80 : 12);
}

/* Nobody sends to it any more; what is at it, comes back whenever it likes. */
void diskfail_drop(struct node *nd, bool good)
{
	if (nd->failed)
		return;
	trace("%d: the disk is given up", nd->n);
	w.stat[STAT_GIVEN_UP]++;
	if (good)
		check_given_up(nd);
	nd->failed = true;
	flush_errors_clear(&nd->errors);
	check_unlost(nd);
	/* What never counted says nothing of what the peer has: gen.h (b). */
	if (nd->unproven)
		nd->m.flags &= ~(LOCKSTEP_MF_CONSISTENT | LOCKSTEP_MF_UP_TO_DATE);
	nd->fail_at = 0;
	nd->attach_at = w.now + 1 + roll(roll(4) ? 500 : 60);
	maps_gone(nd);
	io_abandon(nd);
	net_region_durable(nd, true);
	io_region_durable(nd);
}

/*
 * What its cache has lost is not what the peer has, and comes from the regions that were not
 * flushed. If the peer is copying from us by its own marks, it has to begin anew with ours.
 */
static void mark_doubt(struct node *nd)
{
	bool doubt = flush_errors_in_doubt(&nd->errors);

	if (flush_errors_keep(&nd->errors, nd->errors.failures, &nd->st))
		flush_asks_failed(&nd->asks);
	if (!doubt || MUTATED(KEPT_UNMARKED))
		return;
	node_mark_blocks(nd, node_regions_wanted(nd));
	maps_converted(nd);
	if (nd->st.sync == STATE_SYNC_SOURCE && nd->s.peer_role == LOCKSTEP_ROLE_PRIMARY &&
	    nd->s.peer_disk != LOCKSTEP_DISK_FAILED)
		net_break();
}

static void keep(struct node *nd)
{
	trace("%d: the disk is kept", nd->n);
	check_kept(nd);
	mark_doubt(nd);
	io_fail_local(nd);
	net_region_durable(nd, true);
	/* Among whom that fails there may have been the last stray. */
	strays_tell(nd);
}

/* What the peer's hello says: that it is behind, not so, or (negative) there is none. */
int diskfail_peer_says(const struct node *nd)
{
	return nd->s.id ? gen_verdict_is_source(nd->s.verdict) : -1;
}

/* STATE_DISK_AHEAD. */
static bool is_ahead(struct node *nd, int said)
{
	bool since = nd->m.peer[0].since.id && !MUTATED(SINCE_UNSEEN);

	return state_disk_is_ahead(node_copy(nd), said >= 0, said > 0 && !MUTATED(HELLO_UNSEEN),
				   since);
}

/* said: diskfail_peer_says, of the session that is there or has just ended. */
void diskfail_take(struct node *nd, int said)
{
	nd->fail_at = 0;
	if (MUTATED(DROP_BEFORE_HOLD) && !nd->failed && nd->st.link == LOCKSTEP_LINK_UP &&
	    nd->st.sync == STATE_SYNC_NONE) {
		diskfail_drop(nd, true);
		nd->fail_at = w.now + 1 + roll(20);
	} else if (nd->failed && nd->st.copy != STATE_COPY_FAILED) {
		node_step(nd, STATE_EV_DISK_FAILED, 0);
	} else if (nd->failed) {
		io_abandon(nd);
	} else if (MUTATED(GIVE_UP_ONLY_COPY) && !nd->s.id) {
		diskfail_drop(nd, nd->st.copy == STATE_COPY_UP_TO_DATE);
		nd->st.copy = STATE_COPY_FAILED;
		nd->st.narrowing = 0;
	} else {
		struct node before = *nd;
		u32 arg = is_ahead(nd, said) ? STATE_DISK_AHEAD : 0;

		if (node_step(nd, STATE_EV_DISK_FAILED, arg))
			check_dropped(&before, said);
		else if (!nd->dying)
			keep(nd);
	}
}

/* ---- attach --------------------------------------------------------------------------------- */

void diskfail_replace(struct node *nd)
{
	struct disk *d = &nd->disk;

	trace("%d gets a new disk", nd->n);
	nd->medium++;
	/* With the epochs that the old one knew. */
	net_forget_late();
	memset(d->view, 0, sizeof(d->view));
	memset(d->stable, 0, sizeof(d->stable));
	memset(d->sb, 0, sizeof(d->sb));
	d->cached = 0;
	d->meta_cached = false;
	w.touched = ALL_BLOCKS;
	memset(w.done[nd->n], 0, sizeof(w.done[0]));
	memset(w.flushed[nd->n], 0, sizeof(w.flushed[0]));
	check_thrown_away(nd);
	w.surrendered[nd->n] = false;
	node_init_disk(nd, false);
	nd->durable_known = false;
}

/* Whatever came back late is there or not. */
static void settle(struct node *nd)
{
	struct disk *d = &nd->disk;
	u32 i;

	for (i = 0; i < d->op_end; i++)
		if (d->op[i].type == OP_WRITE && roll(2))
			disk_apply(d, &d->op[i]);
	memset(d->op, 0, sizeof(d->op));
	d->nr_ops = d->op_end = 0;
	/* Kept or not, nobody takes it for more than what is left by a crash. */
	check_crashed(nd);
	switch (roll(4)) {
	case 0:
		diskfail_replace(nd);
		break;
	case 1:
	case 2:
		disk_crash(d);
		break;
	}
	d->bad = 0;
}

static u32 worst_copy(struct node *nd)
{
	u32 copy = node_copy(nd);

	/* [S6]: it gets up to date by a resync only. */
	if (nd->st.role == LOCKSTEP_ROLE_PRIMARY)
		copy = min(copy, (u32)STATE_COPY_OUTDATED);
	return copy;
}

void diskfail_attach(struct node *nd)
{
	if (nd->s.id)
		node_lose_session(nd);
	if (nd->dying || nd->st.link != LOCKSTEP_LINK_DOWN)
		return;
	settle(nd);
	nd->failed = false;
	flush_errors_clear(&nd->errors);
	nd->unproven = nd->st.role == LOCKSTEP_ROLE_PRIMARY;
	node_load(nd);
	if (w.failed || !node_store(nd))
		return;
	if (MUTATED(ATTACH_TRUSTED) && nd->unproven) {
		nd->unproven = false;
		nd->m.flags |= LOCKSTEP_MF_UP_TO_DATE | LOCKSTEP_MF_CONSISTENT;
		nd->st.copy = STATE_COPY_UP_TO_DATE;
		nd->st.set = STATE_SET_BOTH;
		return;
	}
	node_step(nd, STATE_EV_COPY, worst_copy(nd));
}

void diskfail_advance(struct node *nd)
{
	if (nd->fail_at && w.now >= nd->fail_at)
		diskfail_take(nd, diskfail_peer_says(nd));
	if (nd->dying || w.now < nd->attach_at)
		return;
	if (nd->failed)
		diskfail_attach(nd);
	else if (nd->disk.bad) {
		trace("%d: the disk is well again", nd->n);
		nd->disk.bad = 0;
	}
}

/* ---- what people do about it ---------------------------------------------------------------- */

/* A primary whose writes wait for something that may never be: it cannot be demoted. */
bool diskfail_is_stuck(const struct node *nd)
{
	return nd->st.role == LOCKSTEP_ROLE_PRIMARY &&
	       state_io_mode(&nd->st) == LOCKSTEP_IO_FROZEN && io_in_flight(nd);
}

void diskfail_unstick(struct node *nd)
{
	/* Whatever else was tried, in the end the machine is started again, or that copy taken. */
	bool patient = !w.quiet || w.now - w.quiet_at < 1500;

	switch (roll(patient ? 8 : 2)) {
	case 0:
		node_die(nd);
		break;
	case 1:
		node_step(nd, STATE_EV_PROMOTE, 1);
		break;
	case 2:
	case 3:
		node_step(nd, STATE_EV_DISK_FAILED, 0);		/* detached: through the peer */
		break;
	}
}
