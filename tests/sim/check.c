// SPDX-License-Identifier: GPL-2.0
/*
 * What must hold, seen from outside. `done[n]` is, for each sector, the last write that completed
 * in node n's line of life; `flushed[n]` the last that a flush covered. While both are in the
 * up-to-date set they are the same; when one goes on alone the lines part. A crash may take back
 * what was completed and not flushed, but only when no other copy of the set is alive to give it
 * back.
 */
#include "sim.h"

/* Is this copy, by what its disk says, one that counts as much as `as`? */
static bool is_in_set(struct node *nd, struct node *as)
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

static void raise(u32 *to, const u32 *by)
{
	u32 i;

	for (i = 0; i < NR_SECT; i++)
		to[i] = max(to[i], by[i]);
}

static void promise(int n, const struct request *r)
{
	u32 i;

	for (i = 0; i < r->nr; i++) {
		w.done[n][r->first + i] = max(w.done[n][r->first + i], r->id);
		if (r->fua)
			w.flushed[n][r->first + i] = w.done[n][r->first + i];
	}
	if (r->is_flush)
		raise(w.flushed[n], r->want);
}

/* P1, P2 and P4 at the moment something completes. */
void check_completed(struct node *nd, const struct request *r)
{
	u32 want[NR_SECT] = { 0 }, i, sect = 0;
	bool gone;
	int n;

	if (r->is_flush)
		memcpy(want, r->want, sizeof(want));
	for (i = 0; i < r->nr; i++)
		want[r->first + i] = r->id;
	for (n = 0; n < 2; n++) {
		struct node *copy = &w.node[n];

		if (copy != nd && !is_in_set(copy, nd))
			continue;
		/* It was there, and a crash took it from the cache before we were done here. */
		gone = copy != nd && r->both &&
		       (!copy->alive || copy->boot_id != r->peer_boot) && !r->is_flush;
		CHECK(gone || has(want, copy->disk.view, &sect),
		      "P1: write %u completed on %d, copy %d of the set lacks it at sector %u",
		      r->id, nd->n, n, sect);
		CHECK(!(r->is_flush || r->fua) || has(want, copy->disk.stable, &sect),
		      "P2: flush %u completed on %d, copy %d has sector %u in its cache only",
		      r->id, nd->n, n, sect);
		promise(n, r);
	}
}

/* P7 [S1], and byte equality whenever both say that they are in sync and nothing is on its way. */
void check_step(void)
{
	struct node *a = &w.node[0], *b = &w.node[1];
	u32 i;

	if (!a->alive || !b->alive || !a->s.id || a->s.id != b->s.id || a->s.lost_at ||
	    b->s.lost_at || a->st.link != LOCKSTEP_LINK_UP || b->st.link != LOCKSTEP_LINK_UP)
		return;
	w.met = true;
	CHECK(a->st.role != LOCKSTEP_ROLE_PRIMARY || b->st.role != LOCKSTEP_ROLE_PRIMARY,
	      "P7: both are primary in one session");
	if (a->st.sync != STATE_SYNC_NONE || b->st.sync != STATE_SYNC_NONE)
		return;
	if (io_in_flight(a) || io_in_flight(b))
		return;
	if (!disk_is_idle(&a->disk) || !disk_is_idle(&b->disk))
		return;
	if (w.nr_msgs)
		return;
	for (i = 0; i < NR_SECT; i++) {
		CHECK(a->disk.view[i] == b->disk.view[i],
		      "P3: in sync, but sector %u is %u on 0 and %u on 1", i, a->disk.view[i],
		      b->disk.view[i]);
		CHECK(a->disk.view[i] >= w.done[0][i],
		      "P1: in sync, but sector %u is %u and %u was completed", i, a->disk.view[i],
		      w.done[0][i]);
	}
}

/*
 * P5: nothing that completed in the target's line of life is missing on the source, unless a person
 * said so. That line ends here: from now on the copy is inconsistent.
 */
void check_start(struct node *nd)
{
	struct node *source = other(nd);
	u32 sect = 0;

	if (!gen_verdict_is_target(nd->s.verdict))
		return;
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
			w.flushed[nd->n][i] = min(w.flushed[nd->n][i], nd->disk.view[i]);
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
	bool together = is_in_set(peer, nd) && is_in_set(nd, peer);
	u32 sect;

	/* Alive, and not itself back from a crash that took some of it. */
	if (together && peer->alive && has(w.done[nd->n], peer->disk.view, &sect))
		return;
	memcpy(w.done[nd->n], w.flushed[nd->n], sizeof(w.done[0]));
	if (together)
		memcpy(w.done[peer->n], w.flushed[peer->n], sizeof(w.done[0]));
}

/* The target has noted the end of a resync: it stands for what its source stands for. */
void check_caught_up(struct node *target)
{
	u32 sect = 0;

	memcpy(w.done[target->n], w.done[!target->n], sizeof(w.done[0]));
	memcpy(w.flushed[target->n], w.flushed[!target->n], sizeof(w.flushed[0]));
	CHECK(has(w.done[target->n], target->disk.view, &sect),
	      "P1: %d is declared up to date and lacks sector %u", target->n, sect);
	CHECK(has(w.flushed[target->n], target->disk.stable, &sect),
	      "P2: %d is declared up to date, sector %u was flushed and is in its cache", target->n,
	      sect);
}

/* The end of a resync is durable on both: one line of life again. */
void check_synced(void)
{
	w.stats_syncs++;
	w.alone[0] = w.alone[1] = false;
	w.forced = false;
}
