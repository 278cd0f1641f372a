// SPDX-License-Identifier: GPL-2.0
/*
 * gengroup.h. As in gen.c, what can favour either side is one function of two sides which does not
 * know who is "self".
 */
#include "gengroup.h"
#include <lockstep/disk.h>

#define DOUBTS	(LOCKSTEP_MF_UNCLEAN | LOCKSTEP_MF_CRASHED_PRIMARY)
#define MAPS	(LOCKSTEP_MF_MARKS_VALID | LOCKSTEP_MF_REGIONS_VALID)

struct group {
	const struct gen_view *self, *peer;
	u32 nr;
	u32 self_doubts, peer_doubts;	/* [G1] */
	bool self_half, peer_half;	/* [G2] */
	struct gen_result *result;
};

/* One side as the group sees it: [G1], and [G2] if it is taken back. */
static struct gen_view seen(const struct gen_view *v, u32 doubts, bool back)
{
	struct gen_view r = *v;

	if (r.current_id && !r.no_disk && !(r.flags & LOCKSTEP_MF_PRIMARY))
		r.flags |= doubts;
	if (back) {
		r.current_id = r.since_id;
		r.since_id = 0;
	}
	return r;
}

static bool is_mixed(const struct group *g)
{
	bool source = false, target = false;
	u32 i;

	for (i = 0; i < g->nr; i++) {
		source |= gen_verdict_is_source(g->result[i].verdict);
		target |= gen_verdict_is_target(g->result[i].verdict);
	}
	return source && target;
}

static u32 doubts_of(const struct gen_view *v, u32 nr)
{
	u32 all = 0, i;

	for (i = 0; i < nr; i++)
		if (!v[i].no_disk)
			all |= v[i].flags & DOUBTS;
	return all;
}

/* ---- [G2] */

/* Does `y` have `id`, or go on from it? */
static bool is_from(const struct gen_view *y, u64 id)
{
	return id && (y->current_id == id || y->since_id == id);
}

/* Noted on this volume, straight from what the peer has, or had before it went on for itself. */
static bool is_noted(const struct gen_view *x, const struct gen_view *y)
{
	return (x->flags & LOCKSTEP_MF_NARROWED) != 0 && is_from(y, x->since_id);
}

/*
 * Did `x` die half narrowed? Then every volume has either the new generation, the same id on all of
 * them, or still what was there before it.
 */
static bool is_half_narrowed(const struct gen_view *x, u32 doubts, const struct gen_view *y, u32 nr)
{
	u64 id = 0;
	u32 i, noted = 0;

	if (!(doubts & LOCKSTEP_MF_CRASHED_PRIMARY))
		return false;
	for (i = 0; i < nr; i++) {
		if (!is_noted(&x[i], &y[i]))
			continue;
		if (noted++ && id != x[i].current_id)
			return false;
		id = x[i].current_id;
	}
	for (i = 0; i < nr; i++)
		if (!is_noted(&x[i], &y[i]) &&
		    (!is_from(&y[i], x[i].current_id) || x[i].current_id == id))
			return false;
	return noted && noted < nr;
}

/* ---- each volume by itself, with [G1] and [G2] */

static void look(const struct group *g, u32 i, struct gen_view *self, struct gen_view *peer)
{
	const struct gen_view *s = &g->self[i], *p = &g->peer[i];

	*self = seen(s, g->self_doubts, g->self_half && is_noted(s, p));
	*peer = seen(p, g->peer_doubts, g->peer_half && is_noted(p, s));
}

static void compare_each(struct group *g)
{
	struct gen_view self, peer;
	u32 i;

	g->self_half = is_half_narrowed(g->self, g->self_doubts, g->peer, g->nr);
	g->peer_half = is_half_narrowed(g->peer, g->peer_doubts, g->self, g->nr);
	for (i = 0; i < g->nr; i++) {
		look(g, i, &self, &peer);
		g->result[i] = gen_compare(&self, &peer);
	}
}

/* ---- [G4] */

static bool is_free(const struct gen_result *r)
{
	return r->rule == GEN_RULE_MARKS_SELF || r->rule == GEN_RULE_MARKS_PEER ||
	       r->rule == GEN_RULE_MARKS_BOTH;
}

static void follow_others(struct group *g)
{
	bool source = false, target = false;
	struct gen_view self, peer;
	u32 i;

	for (i = 0; i < g->nr; i++) {
		if (is_free(&g->result[i]))
			continue;
		source |= gen_verdict_is_source(g->result[i].verdict);
		target |= gen_verdict_is_target(g->result[i].verdict);
	}
	if (source && target)
		return;
	if (!source && !target)
		source = g->self[0].node_id < g->peer[0].node_id;
	for (i = 0; i < g->nr; i++) {
		if (!is_free(&g->result[i]))
			continue;
		look(g, i, &self, &peer);
		g->result[i] = gen_by_marks(&self, &peer, source);
	}
}

/* ---- [G3] */

static bool is_whole(const struct gen_view *v)
{
	return v->current_id && v->flags & LOCKSTEP_MF_CONSISTENT;
}

/*
 * Has the target, of one volume at least, no whole copy, or a new disk? And is everything that
 * would be copied the other way a volume of equal generations, so that only the question whose
 * cache lost what made it so?
 */
static bool can_follow(const struct group *g, bool self_source)
{
	const struct gen_view *target = self_source ? g->peer : g->self;
	bool found = false;
	u32 i;

	for (i = 0; i < g->nr; i++) {
		enum gen_verdict v = g->result[i].verdict;

		if (self_source ? gen_verdict_is_source(v) : gen_verdict_is_target(v))
			found |= !target[i].no_disk && !is_whole(&target[i]);
		else if (v != GEN_NONE && g->self[i].current_id != g->peer[i].current_id)
			return false;
	}
	return found;
}

/* By marks only if everything that either side may have and the other not is written down. */
static void follow(struct group *g, bool self_source)
{
	u32 i;

	for (i = 0; i < g->nr; i++) {
		struct gen_result *r = &g->result[i];
		bool known = (g->self[i].flags & g->peer[i].flags & MAPS) == MAPS;

		if (self_source && gen_verdict_is_target(r->verdict)) {
			r->verdict = known ? GEN_SOURCE : GEN_SOURCE_FULL;
			r->rule = GEN_RULE_GROUP_SELF;
		} else if (!self_source && gen_verdict_is_source(r->verdict)) {
			r->verdict = known ? GEN_TARGET : GEN_TARGET_FULL;
			r->rule = GEN_RULE_GROUP_PEER;
		}
	}
}

static void follow_half_synced(struct group *g)
{
	if (can_follow(g, true))
		follow(g, true);
	else if (can_follow(g, false))
		follow(g, false);
}

bool gen_compare_group(const struct gen_view *self, const struct gen_view *peer, u32 nr,
		       struct gen_result *ret)
{
	struct group g = {
		.self = self, .peer = peer, .nr = nr, .result = ret,
		.self_doubts = doubts_of(self, nr), .peer_doubts = doubts_of(peer, nr),
	};
	u32 i;

	compare_each(&g);
	for (i = 0; i < nr; i++)
		if (ret[i].verdict >= GEN_BLANK)
			return !is_mixed(&g);
	if (is_mixed(&g))
		follow_others(&g);
	if (is_mixed(&g))
		follow_half_synced(&g);
	return !is_mixed(&g);
}
