// SPDX-License-Identifier: GPL-2.0
/*
 * What must hold, seen from outside. `done[n]` is, for each sector, the last write that completed
 * in node n's line of life; `flushed[n]` the last that a flush covered. While both are in the
 * up-to-date set they are the same; when one goes on alone the lines part. A crash may take back
 * what was completed and not flushed, but only when no other copy of the set is alive to give it
 * back.
 *
 *   P1  What completed is on every copy of the set: when it completes (check_completed), when a
 *       copy is promoted or declared up to date, and whenever both are in sync and at rest.
 *   P2  What a flush covered is on stable storage of every copy of the set: then, and after every
 *       step (check_flushed).
 *   P3  check-marks.c.
 *   P4  What completes on one copy alone does so after the other is durably out of the set
 *       (check_completed: a copy that is still in it has to have it).
 *   P5  Nothing that completed is overwritten unless a person said so (check_target); a split is
 *       found only where both went on alone (daemon.c).
 *   P6  Nothing of a session that has ended is taken or reaches a disk, and no epoch comes twice
 *       (net.c, node.c).
 *   P7  Never two primaries in one session (check_step), no primary that is written to (net.c).
 *   P10 When everything heals, both agree in the end by themselves (world.c).
 */
#include "sim.h"

/* Is this copy, by what its disk says, one that counts as much as `as`? */
bool check_is_in_set(struct node *nd, struct node *as)
{
	const struct meta *a = node_durable(nd), *b = node_durable(as);

	return a && b && a->current_gen.id && a->current_gen.id == b->current_gen.id &&
	       a->flags & b->flags & LOCKSTEP_MF_CONSISTENT;
}

static bool has(const u32 *want, const u32 *content, u32 *ret_sect)
{
	u32 i;

	for (i = 0; i < NR_SECT; i++) {
		if (content[i] < want[i]) {
			*ret_sect = i;
			return false;
		}
	}
	return true;
}

static bool has_write(const struct request *r, const u32 *content, u32 *ret_sect)
{
	u32 i;

	for (i = r->first; i < r->first + r->nr; i++) {
		if (content[i] < r->id) {
			*ret_sect = i;
			return false;
		}
	}
	return true;
}

/*
 * ---- what a disk loses by a flush that fails ----------------------------------------------------
 *
 * Until somebody has decided about it, nothing is expected of what is in its cache. Then either the
 * disk is given up, or what it lost is lost; and the application hears of it before a flush of its
 * succeeds.
 */

/* What is there now is all that is left. */
void check_lost(struct disk *d, u32 sect, u32 value)
{
	int n = d == &w.node[1].disk;
	u32 rest = d->view[sect];

	d->limbo = true;
	w.rest[n][sect] = w.lost[n][sect] ? min(w.rest[n][sect], rest) : rest;
	w.lost[n][sect] = max(w.lost[n][sect], value);
	w.lost_at[n][sect] = w.now;
}

/* The disk is given up, or has crashed: what is expected of it then is another question. */
void check_unlost(struct node *nd)
{
	nd->disk.limbo = false;
	memset(w.lost[nd->n], 0, sizeof(w.lost[0]));
	memset(w.told[nd->n], 0, sizeof(w.told[0]));
}

static void forget(u32 *what, const struct node *nd, u32 sect)
{
	what[sect] = min(what[sect], nd->disk.view[sect]);
}

/*
 * What was lost on n is no longer what those expect of it who left it, or whom it left. Also if it
 * has been written to since: a crash may take that, and does not bring the other back.
 */
static void forget_beside(int n, u32 sect)
{
	u32 rest = w.rest[n][sect];

	w.left[n].done[sect] = min(w.left[n].done[sect], rest);
	if (!w.alone[!n])
		w.done[!n][sect] = min(w.done[!n][sect], rest);
}

/* Whose application reads and writes there? */
static struct node *user_of(struct node *nd)
{
	struct node *peer = other(nd);

	if (nd->st.role == LOCKSTEP_ROLE_PRIMARY)
		return nd;
	return peer->alive && peer->st.role == LOCKSTEP_ROLE_PRIMARY &&
	       peer->st.copy != STATE_COPY_UP_TO_DATE ? peer : NULL;
}

/* A write that was on that disk and is still on its way to the other, or its answer from here. */
static void note_lost(struct node *user, int n)
{
	struct request *r;
	int i;
	u32 k;

	for (i = 0; i < REQ_RESYNC; i++) {
		r = &user->req[i];
		for (k = r->first; r->state != REQ_FREE && k < r->first + r->nr; k++)
			r->lost |= w.lost[n][k] >= r->id;
	}
}

/* Whatever else it has asked for beside the one by which it was told is no better. */
static void note_told(struct request *r, const struct node *nd)
{
	u32 i;

	for (i = 0; i < NR_SECT; i++)
		if (w.told[nd->n][i] && w.told[nd->n][i] >= w.lost[nd->n][i])
			r->want[i] = min(r->want[i], nd->disk.view[i]);
}

/* An error that its application may hear of, whatever is decided about the disk. */
void check_flush_failed(struct node *nd)
{
	struct node *user = user_of(nd);

	if (user && (user != nd || nd->st.set == STATE_SET_ME ||
		     nd->st.link != LOCKSTEP_LINK_UP))
		w.excused[user->n] = true;
}

/* It stays, and is the only copy. */
void check_kept(struct node *nd)
{
	struct node *user = user_of(nd);
	int n = nd->n;
	u32 i;

	if (user) {
		note_lost(user, n);
		w.excused[user->n] = true;
	}
	for (i = 0; user && i < MAX_REQS; i++)
		note_told(&user->req[i], nd);
	for (i = 0; i < NR_SECT; i++) {
		if (w.lost[n][i])
			forget_beside(n, i);
		if (w.lost[n][i] <= nd->disk.view[i])
			continue;
		if (user && w.app[user->n][i] > nd->disk.view[i] && w.told[n][i] < w.lost[n][i])
			w.untold[user->n][i] = max(w.untold[user->n][i], w.app[user->n][i]);
		if (user)
			forget(w.app[user->n], nd, i);
		else
			w.gap[n][i] = w.lost[n][i];
		forget(w.done[n], nd, i);
	}
	check_unlost(nd);
}

/* It has completed: what is lost of it is known only now. */
static void lose_late(struct node *copy, const struct request *r)
{
	bool limbo = copy->disk.limbo;
	u32 i;

	for (i = r->first; r->lost && i < r->first + r->nr; i++)
		if (copy->disk.view[i] < r->id)
			check_lost(&copy->disk, i, r->id);
	if (r->lost && !limbo)
		check_kept(copy);
}

/* A flush of the application there failed; what else it has asked for is worth nothing either. */
void check_told(struct node *nd)
{
	int i, n;

	CHECK(w.excused[nd->n] || nd->st.link != LOCKSTEP_LINK_UP ||
	      w.node[0].disk.limbo || w.node[1].disk.limbo,
	      "P9: a flush failed on %d, and no only copy has failed anything", nd->n);

	memset(w.untold[nd->n], 0, sizeof(w.untold[0]));
	for (n = 0; n < 2; n++)
		if (user_of(&w.node[n]) == nd)
			memcpy(w.told[n], w.lost[n], sizeof(w.told[0]));
	for (i = 0; i < MAX_REQS; i++)
		if (nd->req[i].state != REQ_FREE)
			memset(nd->req[i].want, 0, sizeof(nd->req[i].want));
}

/* What a flush that is asked for now is about: not what is known to be gone. */
void check_wanted(struct node *nd, struct request *r)
{
	int n;

	memcpy(r->want, nd->st.copy == STATE_COPY_UP_TO_DATE ? w.done[nd->n] : w.app[nd->n],
	       sizeof(r->want));
	for (n = 0; n < 2; n++)
		if (user_of(&w.node[n]) == nd)
			note_told(r, &w.node[n]);
}

/* Another one may be just about to be told. */
static bool is_asked(const struct node *nd)
{
	int i;

	for (i = 0; i < REQ_RESYNC; i++)
		if (nd->req[i].state != REQ_FREE && nd->req[i].kind == REQ_FLUSH)
			return true;
	return false;
}

/* Of what was lost before this one began. */
static bool is_told(const struct node *nd, const struct request *r, const struct node *copy,
		    u32 *ret_sect)
{
	u32 i;

	for (i = 0; i < NR_SECT; i++)
		if (copy->disk.stable[i] < w.untold[nd->n][i] &&
		    w.lost_at[copy->n][i] < r->began) {
			*ret_sect = i;
			return false;
		}
	return true;
}

/* False: it is worth nothing, and another one is about to say so. */
static bool check_flush(const struct node *nd, const struct request *r, const struct node *copy)
{
	u32 sect = 0;

	if (is_asked(nd) && !(has(r->want, copy->disk.stable, &sect) &&
			      is_told(nd, r, copy, &sect)))
		return false;
	CHECK(has(r->want, copy->disk.stable, &sect),
	      "P2: flush %u completed on %d, copy %d does not have sector %u for certain", r->id,
	      nd->n, copy->n, sect);
	CHECK(is_told(nd, r, copy, &sect),
	      "P2: flush %u completed on %d, and nobody was told that %d lost sector %u", r->id,
	      nd->n, copy->n, sect);
	return true;
}

/*
 * Not more than its own: what is newer may be in the cache, of a peer that was promoted before this
 * one, of which it had had its part, was done here.
 */
static void promise(int n, const struct request *r)
{
	u32 i;

	for (i = r->first; i < r->first + r->nr; i++) {
		w.done[n][i] = max(w.done[n][i], r->id);
		if (r->fua)
			w.flushed[n][i] = max(w.flushed[n][i], r->id);
	}
	for (i = 0; r->kind == REQ_FLUSH && i < NR_SECT; i++)
		w.flushed[n][i] = max(w.flushed[n][i], r->want[i]);
	w.touched |= r->kind == REQ_FLUSH ? ALL_BLOCKS : blocks_of(r->first, r->nr);
}

static void promise_app(struct node *nd, const struct request *r)
{
	u32 i;

	for (i = r->first; i < r->first + r->nr; i++)
		w.app[nd->n][i] = max(w.app[nd->n][i], r->id);
	if (other(nd)->alive && other(nd)->st.role == LOCKSTEP_ROLE_PRIMARY)
		w.beside[!nd->n] = true;
}

/* Has it noted, durably, that it has the only copy? */
bool check_is_serving(struct node *nd)
{
	const struct meta *m = node_durable(nd);

	return m && m->flags & LOCKSTEP_MF_SERVING && m->peer[0].since.id;
}

/* [S6] The copy is the peer's, and it has noted so. */
static void check_through(struct node *nd, const struct request *r)
{
	struct node *peer = other(nd);
	/*
	 * Acknowledged, and lost before we were done here: from the only cache that had it, or with
	 * the only disk.
	 */
	bool gone = peer->medium != r->peer_medium ||
		    (r->kind == REQ_WRITE && !r->fua &&
		     (!peer->alive || peer->dying || peer->failed ||
		      peer->disk_id != r->peer_disk));
	u32 sect = 0;

	CHECK(r->served || (nd->st.link == LOCKSTEP_LINK_UP && nd->st.sync == STATE_SYNC_TARGET),
	      "P9: %u completed on %d, which has no copy and no session", r->id, nd->n);
	CHECK(r->served || check_is_serving(peer),
	      "P4: %u completed on %d, whose peer has not noted that it serves", r->id, nd->n);
	if (r->kind == REQ_FLUSH && !gone)
		gone = !check_flush(nd, r, peer);
	else if (!peer->disk.limbo && !r->lost)
		CHECK(gone || has_write(r, r->fua ? peer->disk.stable : peer->disk.view, &sect),
		      "P1: write %u completed on %d, its peer lacks sector %u", r->id, nd->n,
		      sect);
	if (!gone)
		promise(peer->n, r);
	lose_late(peer, r);
}

/* P1, P2 and P4 at the moment something completes. */
void check_completed(struct node *nd, const struct request *r)
{
	bool flush = r->kind == REQ_FLUSH, worth = true, gone;
	u32 sect = 0;
	int n;

	if (nd->dying)
		return;
	promise_app(nd, r);
	if (nd->st.copy != STATE_COPY_UP_TO_DATE) {
		check_through(nd, r);
		return;
	}
	for (n = 0; n < 2; n++) {
		struct node *copy = &w.node[n];

		if (copy != nd && !check_is_in_set(copy, nd))
			continue;
		/* It was there, and a crash took it from the cache before we were done here. */
		gone = copy != nd && r->both && !flush && !r->fua &&
		       (!copy->alive || copy->dying || copy->failed ||
			copy->disk_id != r->peer_disk);
		CHECK(gone || flush || copy->disk.limbo || r->lost ||
		      has_write(r, copy->disk.view, &sect),
		      "P1: write %u completed on %d, copy %d of the set lacks it at sector %u",
		      r->id, nd->n, n, sect);
		worth &= !flush || check_flush(nd, r, copy);
		CHECK(!r->fua || has_write(r, copy->disk.stable, &sect),
		      "P2: write %u (FUA) completed on %d, copy %d has sector %u in its cache",
		      r->id, nd->n, n, sect);
	}
	for (n = 0; n < 2 && worth; n++)
		if (&w.node[n] == nd || check_is_in_set(&w.node[n], nd))
			promise(n, r);
	lose_late(nd, r);
}

/* P2, for what changed in this step. */
static void check_flushed_block(int n, int copy, u32 block)
{
	const u32 *stable = w.node[copy].disk.stable, *flushed = w.flushed[n];
	u32 i;

	for (i = block * LOCKSTEP_BIT_SECT; i < (block + 1) * LOCKSTEP_BIT_SECT; i++)
		CHECK(stable[i] >= flushed[i], "P2: sector %u was flushed (%u), copy %d has %u", i,
		      flushed[i], copy, stable[i]);
}

static void check_flushed(void)
{
	u32 left;
	int n, copy;

	for (n = 0; n < 2; n++)
		for (copy = 0; copy < 2; copy++)
			for (left = check_is_in_set(&w.node[copy], &w.node[n]) ? w.touched : 0;
			     left; left &= left - 1)
				check_flushed_block(n, copy, (u32)__builtin_ctz(left));
}

static void compare_views(void)
{
	const u32 *a = w.node[0].disk.view, *b = w.node[1].disk.view;
	u32 left;

	for (left = w.touched; left; left &= left - 1) {
		u32 block = (u32)__builtin_ctz(left), i = block * LOCKSTEP_BIT_SECT;

		w.differ &= ~(1u << block);
		if (memcmp(a + i, b + i, LOCKSTEP_BIT_SECT * sizeof(*a)))
			w.differ |= 1u << block;
	}
}

/* P7 [S1], and byte equality whenever both say that they are in sync and nothing is on its way. */
static void check_session(void)
{
	struct node *a = &w.node[0], *b = &w.node[1];
	u32 sect = 0;

	if (!a->alive || !b->alive || !a->s.id || a->s.id != b->s.id || a->s.lost_at ||
	    b->s.lost_at || a->st.link != LOCKSTEP_LINK_UP || b->st.link != LOCKSTEP_LINK_UP)
		return;
	w.met = true;
	CHECK(a->st.role != LOCKSTEP_ROLE_PRIMARY || b->st.role != LOCKSTEP_ROLE_PRIMARY,
	      "P7: both are primary in one session");
	if (a->st.sync != STATE_SYNC_NONE || b->st.sync != STATE_SYNC_NONE ||
	    a->disk.nr_ops || b->disk.nr_ops || w.nr_msgs)
		return;
	if (io_in_flight(a) || io_in_flight(b))
		return;
	if (a->disk.limbo || b->disk.limbo)
		return;
	/* A write that failed here, and was said to, may be at the peer: marked. */
	CHECK(!(w.differ & ~(a->marks | b->marks)), "P3: in sync, but blocks %06x differ",
	      w.differ);
	CHECK(has(w.done[0], a->disk.view, &sect),
	      "P1: in sync, but sector %u is %u and %u was completed", sect, a->disk.view[sect],
	      w.done[0][sect]);
}

/*
 * P1, for the application that runs on a primary: wherever it would be read from now, what it was
 * told to be written is there.
 */
static void check_application(const struct node *nd)
{
	const struct node *peer = other(nd), *from = nd;
	u32 sect = 0;

	if (!nd->alive || nd->st.role != LOCKSTEP_ROLE_PRIMARY || nd->disk.bad)
		return;
	if (nd->st.copy != STATE_COPY_UP_TO_DATE) {
		if (state_io_mode(&nd->st) != LOCKSTEP_IO_BOTH || !peer->alive ||
		    peer->s.id != nd->s.id || peer->st.link != LOCKSTEP_LINK_UP)
			return;
		CHECK(!w.beside[nd->n], "P9: %d goes on through a peer that was written by itself",
		      nd->n);
		from = peer;
	}
	if (from->disk.limbo)
		return;
	CHECK(has(w.app[nd->n], from->disk.view, &sect),
	      "P1: the application on %d wrote %u to sector %u, copy %d has %u", nd->n,
	      w.app[nd->n][sect], sect, from->n, from->disk.view[sect]);
}

/* A person has said that what is on this disk is what the application wrote. */
void check_thawed(struct node *nd)
{
	u32 i, k;

	memcpy(w.app[nd->n], w.done[nd->n], sizeof(w.app[0]));
	memset(w.untold[nd->n], 0, sizeof(w.untold[0]));
	w.beside[nd->n] = false;
	w.excused[nd->n] = true;
	for (i = 0; i < MAX_REQS; i++)
		for (k = 0; k < NR_SECT; k++)
			nd->req[i].want[k] = min(nd->req[i].want[k], w.done[nd->n][k]);
}

/* With its disk goes what it alone had: of what a peer that has crashed had, and of its own. */
void check_thrown_away(struct node *nd)
{
	struct node *peer = other(nd);
	u32 i;

	if (peer->alive && !(peer->m.flags & LOCKSTEP_MF_UNCLEAN))
		return;
	for (i = 0; i < NR_SECT; i++) {
		w.done[peer->n][i] = min(w.done[peer->n][i], peer->disk.view[i]);
		w.flushed[peer->n][i] = min(w.flushed[peer->n][i], peer->disk.stable[i]);
	}
}

/* P9: whoever gives up its disk leaves nothing behind that completed. */
void check_given_up(struct node *nd)
{
	struct node *peer = other(nd);
	u32 sect = 0, i;

	if (nd->st.role != LOCKSTEP_ROLE_PRIMARY)
		return;
	CHECK(nd->s.id, "P9: %d gives up the only copy", nd->n);
	/* Two disks at once: then it is told. */
	for (i = 0; i < NR_SECT; i++) {
		if (w.app[nd->n][i] <= peer->disk.view[i] || w.gap[peer->n][i] < w.app[nd->n][i])
			continue;
		w.untold[nd->n][i] = w.app[nd->n][i];
		w.lost_at[peer->n][i] = w.now;
		forget(w.app[nd->n], peer, i);
		forget(w.done[peer->n], peer, i);
	}
	if (peer->alive && nd->s.id && peer->s.id == nd->s.id && !peer->disk.limbo)
		CHECK(has(w.app[nd->n], peer->disk.view, &sect),
		      "P9: %d gives up its disk, its peer lacks sector %u", nd->n, sect);
}

/*
 * P9: nor does whoever had been copied from, and lost the session, for a disk that has failed; or
 * was about to be: diskfail_peer_says.
 */
void check_dropped(const struct node *nd, int said)
{
	u32 sect = 0;

	if (nd->st.role == LOCKSTEP_ROLE_PRIMARY || nd->st.copy != STATE_COPY_UP_TO_DATE ||
	    nd->st.link == LOCKSTEP_LINK_UP || !(said < 0 ? nd->m.peer[0].since.id : (u64)said))
		return;
	CHECK(has(w.done[nd->n], other(nd)->disk.view, &sect),
	      "P9: %d gives up the only whole copy, its peer lacks sector %u", nd->n, sect);
}

void check_step(void)
{
	if (w.touched) {
		check_flushed();
		compare_views();
		w.touched = 0;
	}
	check_session();
	check_application(&w.node[0]);
	check_application(&w.node[1]);
	check_marks();
}

/*
 * P5: nothing that completed in the target's line of life is missing on the source, unless a person
 * said so. That line ends here: from now on the copy is inconsistent.
 */
void check_target(struct node *nd)
{
	struct node *source = other(nd);
	u32 sect = 0;

	if (source->alive && source->boot_id == w.daemon.boot[source->n] && !w.forced &&
	    !source->disk.limbo)
		CHECK(has(w.done[nd->n], source->disk.view, &sect),
		      "P5: %d is to be overwritten, sector %u was completed there (%u), not on %d",
		      nd->n, sect, w.done[nd->n][sect], source->n);
	memset(w.done[nd->n], 0, sizeof(w.done[0]));
	memset(w.flushed[nd->n], 0, sizeof(w.flushed[0]));
	w.beside[!nd->n] = false;
}

/* It may have died just after noting that what it gave up was copied over. */
void check_attached(struct node *nd)
{
	if (w.made_good[nd->n] && nd->m.current_gen.id == w.made_good[nd->n])
		w.surrendered[nd->n] = false;
}

/* A flush that fails from now on, on a disk that is kept, is marked by the regions. */
void check_named(const struct node *nd)
{
	u32 blocks = nd->disk.cached & ~node_regions_wanted(nd);

	CHECK(!blocks, "P3: %d is promoted, and no region names blocks %06x of its cache", nd->n,
	      blocks);
}

void check_promoted(struct node *nd, bool forced)
{
	u32 sect = 0, i;

	w.lost_primary[nd->n] = false;
	if (forced) {
		w.beside_primary[nd->n] = false;
		/* What is there is what counts from now on. */
		w.surrendered[nd->n] = false;
		w.forced = true;
		for (i = 0; i < NR_SECT; i++) {
			w.done[nd->n][i] = min(w.done[nd->n][i], nd->disk.view[i]);
			w.flushed[nd->n][i] = min(w.flushed[nd->n][i], nd->disk.stable[i]);
		}
		return;
	}
	CHECK(!w.surrendered[nd->n], "P5: %d is promoted with what was given up", nd->n);
	CHECK(!w.beside_primary[nd->n], "P5: %d is promoted, and left a primary behind", nd->n);
	CHECK(nd->disk.limbo || has(w.done[nd->n], nd->disk.view, &sect),
	      "P1: %d is promoted and has sector %u at %u, %u was completed", nd->n, sect,
	      nd->disk.view[sect], w.done[nd->n][sect]);
}

/*
 * A person has said that what completed beside the other is not to count. It may go here and
 * nowhere else; and until this copy is what its source is, or a person calls it good all the same,
 * nobody gets to see it, and it is in no split.
 */
void check_surrendered(struct node *nd, bool sure)
{
	w.stat[STAT_SURRENDERS]++;
	w.surrendered[nd->n] = sure;
	w.made_good[nd->n] = 0;
	w.alone[nd->n] &= !sure;
	memset(w.done[nd->n], 0, sizeof(w.done[0]));
	memset(w.flushed[nd->n], 0, sizeof(w.flushed[0]));
}

/* Before the cache goes: what may be lost? */
void check_crashed(struct node *nd)
{
	struct node *peer = other(nd);
	bool together = check_is_in_set(peer, nd) && check_is_in_set(nd, peer);
	u32 sect;

	check_unlost(nd);
	/* Alive, and not itself back from a crash: then both have, and it is not asked. */
	if (together && peer->alive && !peer->dying && !peer->failed &&
	    !(peer->m.flags & LOCKSTEP_MF_UNCLEAN) && has(w.done[nd->n], peer->disk.view, &sect))
		return;
	memcpy(w.done[nd->n], w.flushed[nd->n], sizeof(w.done[0]));
	if (together)
		memcpy(w.done[peer->n], w.flushed[peer->n], sizeof(w.done[0]));
}

/* From here on the line of life of a node may part from that of the generation it leaves. */
void check_narrows(struct node *nd)
{
	w.left[nd->n].gen = nd->m.current_gen.id;
	memcpy(w.left[nd->n].done, w.done[nd->n], sizeof(w.done[0]));
	memcpy(w.left[nd->n].flushed, w.flushed[nd->n], sizeof(w.flushed[0]));
}

/*
 * The target has noted the end of a resync: it stands for what its source stands for, or stood for
 * when it left that generation because it had heard of the end of the session first.
 */
void check_caught_up(struct node *target)
{
	int source = !target->n;
	u64 gen = target->m.current_gen.id;
	u32 sect = 0;

	w.surrendered[target->n] = false;
	/* Also if the source never notes it: what was here beside that is gone. */
	w.alone[target->n] = false;
	if (w.node[source].m.current_gen.id == gen) {
		memcpy(w.done[target->n], w.done[source], sizeof(w.done[0]));
		memcpy(w.flushed[target->n], w.flushed[source], sizeof(w.flushed[0]));
	} else if (w.left[source].gen == gen) {
		memcpy(w.done[target->n], w.left[source].done, sizeof(w.done[0]));
		memcpy(w.flushed[target->n], w.left[source].flushed, sizeof(w.flushed[0]));
	}
	CHECK(target->disk.limbo || has(w.done[target->n], target->disk.view, &sect),
	      "P1: %d is declared up to date and lacks sector %u", target->n, sect);
	CHECK(has(w.flushed[target->n], target->disk.stable, &sect),
	      "P2: %d is declared up to date, sector %u was flushed and is in its cache", target->n,
	      sect);
}

/* The end of a resync is durable on both: one line of life again. */
void check_synced(void)
{
	w.stat[STAT_SYNCS]++;
	w.alone[0] = w.alone[1] = false;
	w.constraint[0] = w.constraint[1] = false;
	w.forced = false;
}
