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
	       a->flags & LOCKSTEP_MF_CONSISTENT;
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

static void promise(int n, const struct request *r)
{
	u32 i;

	for (i = r->first; i < r->first + r->nr; i++) {
		w.done[n][i] = max(w.done[n][i], r->id);
		if (r->fua)
			w.flushed[n][i] = w.done[n][i];
	}
	for (i = 0; r->kind == REQ_FLUSH && i < NR_SECT; i++)
		w.flushed[n][i] = max(w.flushed[n][i], r->want[i]);
	w.touched |= r->kind == REQ_FLUSH ? ALL_BLOCKS : blocks_of(r->first, r->nr);
}

/* P1, P2 and P4 at the moment something completes. */
void check_completed(struct node *nd, const struct request *r)
{
	bool flush = r->kind == REQ_FLUSH, gone;
	u32 sect = 0;
	int n;

	if (nd->dying)
		return;
	for (n = 0; n < 2; n++) {
		struct node *copy = &w.node[n];

		if (copy != nd && !check_is_in_set(copy, nd))
			continue;
		/* It was there, and a crash took it from the cache before we were done here. */
		gone = copy != nd && r->both && !flush && !r->fua &&
		       (!copy->alive || copy->dying || copy->boot_id != r->peer_boot);
		CHECK(gone || (flush ? has(r->want, copy->disk.view, &sect) :
			       has_write(r, copy->disk.view, &sect)),
		      "P1: write %u completed on %d, copy %d of the set lacks it at sector %u",
		      r->id, nd->n, n, sect);
		CHECK(!flush || has(r->want, copy->disk.stable, &sect),
		      "P2: flush %u completed on %d, copy %d has sector %u in its cache only",
		      r->id, nd->n, n, sect);
		CHECK(!r->fua || has_write(r, copy->disk.stable, &sect),
		      "P2: write %u (FUA) completed on %d, copy %d has sector %u in its cache",
		      r->id, nd->n, n, sect);
		promise(n, r);
	}
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
	CHECK(!w.differ, "P3: in sync, but blocks %06x differ", w.differ);
	CHECK(has(w.done[0], a->disk.view, &sect),
	      "P1: in sync, but sector %u is %u and %u was completed", sect, a->disk.view[sect],
	      w.done[0][sect]);
}

void check_step(void)
{
	if (w.touched) {
		check_flushed();
		compare_views();
		w.touched = 0;
	}
	check_session();
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

	if (source->alive && source->boot_id == w.daemon.boot[source->n] && !w.forced)
		CHECK(has(w.done[nd->n], source->disk.view, &sect),
		      "P5: %d is to be overwritten, sector %u was completed there (%u), not on %d",
		      nd->n, sect, w.done[nd->n][sect], source->n);
	memset(w.done[nd->n], 0, sizeof(w.done[0]));
	memset(w.flushed[nd->n], 0, sizeof(w.flushed[0]));
}

void check_promoted(struct node *nd, bool forced)
{
	u32 sect = 0, i;

	if (forced) {
		/* What is there is what counts from now on. */
		w.forced = true;
		for (i = 0; i < NR_SECT; i++) {
			w.done[nd->n][i] = min(w.done[nd->n][i], nd->disk.view[i]);
			w.flushed[nd->n][i] = min(w.flushed[nd->n][i], nd->disk.stable[i]);
		}
		return;
	}
	CHECK(has(w.done[nd->n], nd->disk.view, &sect),
	      "P1: %d is promoted and has sector %u at %u, %u was completed", nd->n, sect,
	      nd->disk.view[sect], w.done[nd->n][sect]);
}

/* Before the cache goes: what may be lost? */
void check_crashed(struct node *nd)
{
	struct node *peer = other(nd);
	bool together = check_is_in_set(peer, nd) && check_is_in_set(nd, peer);
	u32 sect;

	/* Alive, and not itself back from a crash: then both have, and it is not asked. */
	if (together && peer->alive && !peer->dying && !(peer->m.flags & LOCKSTEP_MF_UNCLEAN) &&
	    has(w.done[nd->n], peer->disk.view, &sect))
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

	if (w.node[source].m.current_gen.id == gen) {
		memcpy(w.done[target->n], w.done[source], sizeof(w.done[0]));
		memcpy(w.flushed[target->n], w.flushed[source], sizeof(w.flushed[0]));
	} else if (w.left[source].gen == gen) {
		memcpy(w.done[target->n], w.left[source].done, sizeof(w.done[0]));
		memcpy(w.flushed[target->n], w.left[source].flushed, sizeof(w.flushed[0]));
	}
	CHECK(has(w.done[target->n], target->disk.view, &sect),
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
	w.forced = false;
}
