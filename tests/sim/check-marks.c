// SPDX-License-Identifier: GPL-2.0
/*
 * P3, literally, after every step: after any crash of any node at this instant, every block that
 * may differ is marked on stable storage of some node that will be asked.
 *
 * For none, each and both of the nodes crashing now: what would the two say in their hellos, and
 * what would be the verdict? If it is one that copies nothing or goes by marks, then all that may
 * differ must be among the marks of the two, as they would be when that session begins. A node that
 * crashes knows what its disk says for certain: a cell that is cached or being written counts only
 * if every value it may have covers the block. One that lives knows its memory, and marks what it
 * has in flight to the peer. If either side is not clean, then regions become marks.
 *
 * May differ: what the two disks say now; of a node that crashes, what is only in its cache and
 * what is on its way to its disk. Not counted: a write on its way to the disk of a node that lives,
 * for it will get there.
 */
#include "sim.h"

#define CRASHED	(LOCKSTEP_MF_UNCLEAN | LOCKSTEP_MF_CRASHED_PRIMARY)

struct facts {
	const struct meta *m;
	u32 flags;
	u32 marks, regions;		/* known for certain */
	u32 doubt;			/* not what its view says, for all we know */
	u32 coming;			/* will be on its disk soon */
};

/* One that changes nothing, like a copy of what is the same, is none. */
static u32 blocks_on_the_way(const struct node *nd, enum op_owner owner)
{
	u32 i, blocks = 0;

	for (i = 0; i < nd->disk.op_end; i++) {
		const struct op *op = &nd->disk.op[i];

		if (op->type == OP_WRITE && op->owner == owner && !op->waits &&
		    memcmp(op->data, &nd->disk.view[op->first], op->nr * sizeof(u32)))
			blocks |= blocks_of(op->first, op->nr);
	}
	return blocks;
}

static u32 blocks_unanswered(const struct node *nd)
{
	u32 blocks = 0;
	int i;

	for (i = 0; i < REQ_RESYNC; i++) {
		const struct request *r = &nd->req[i];

		/* Marked when the session ends, sent again, or failed and marked then. */
		if (r->kind == REQ_WRITE &&
		    (r->state == REQ_ORPHAN ||
		     (r->state == REQ_RUNNING &&
		      (!r->peer_done || r->peer_failed || r->local_parked))))
			blocks |= blocks_of(r->first, r->nr);
	}
	return blocks;
}

/* False: it has not even said that it has maps. */
static bool look(struct node *nd, bool crashes, struct facts *f)
{
	memset(f, 0, sizeof(*f));
	if (crashes || !nd->alive || nd->failed) {
		f->m = node_durable(nd);
		if (!f->m)
			return false;
		f->flags = node_found_flags(f->m->flags);
		f->marks = marks_on_disk(&nd->disk);
		f->regions = regions_on_disk(&nd->disk);
		f->doubt = nd->disk.cached | blocks_on_the_way(nd, OWN_REQUEST) |
			   blocks_on_the_way(nd, OWN_PEER);
		return f->flags & LOCKSTEP_MF_REGIONS_VALID;
	}
	f->m = &nd->m;
	f->flags = nd->m.flags;
	f->marks = nd->marks | blocks_unanswered(nd);
	f->regions = node_regions_wanted(nd);
	f->coming = blocks_on_the_way(nd, OWN_REQUEST);
	return true;
}

static void view_of(const struct facts *f, u32 n, struct gen_view *v)
{
	u32 i;

	v->current_id = f->m->current_gen.id;
	v->since_id = f->m->peer[0].since.id;
	v->oos_bits = f->marks;			/* any or none is all that counts */
	v->flags = f->flags;
	v->node_id = n;
	v->no_disk = false;
	for (i = 0; i < LOCKSTEP_HISTORY; i++)
		v->history[i] = i < f->m->history_nr ? f->m->history[i].id : 0;
}

static bool is_by_marks(enum gen_verdict v)
{
	return v == GEN_NONE || v == GEN_SOURCE || v == GEN_TARGET;
}

/*
 * With the verdict NONE nobody looks at marks; but it is given to nobody who has any, and needs no
 * case of its own. Whose disk was given up has what is on that disk, and may get it back.
 */
static void check_crash(const struct facts *a, const struct facts *b, u32 who)
{
	bool limbo = w.node[0].disk.limbo || w.node[1].disk.limbo;
	u32 lacking = (w.differ | a->doubt | b->doubt) & ~(a->coming | b->coming);
	struct gen_view va, vb;
	struct gen_result r;

	w.stat[STAT_P3] += lacking != 0;
	lacking &= ~(a->marks | b->marks);
	if ((a->flags | b->flags) & CRASHED)
		lacking &= ~(a->regions | b->regions);
	/* It has just lost something: what it is worth is looked at before anything else. */
	if (!lacking || (limbo && !who))
		return;
	view_of(a, 0, &va);
	view_of(b, 1, &vb);
	r = gen_compare(&va, &vb);
	if (r.rule == GEN_RULE_BOTH_CLEAN || !is_by_marks(r.verdict))
		return;
	world_fail("P3: blocks %06x may differ and are not marked, if %s crash%s (%s by %s)",
		   lacking, who == 0 ? "none" : who == 1 ? "0" : who == 2 ? "1" : "both",
		   who == 3 ? "" : "es", gen_verdict_name(r.verdict), gen_rule_name(r.rule));
}

void check_marks(void)
{
	struct facts f[2][2];
	bool ok[2][2];
	int n, c;

	if (!w.differ && !w.node[0].disk.cached && !w.node[1].disk.cached &&
	    !w.node[0].disk.nr_ops && !w.node[1].disk.nr_ops)
		return;
	for (n = 0; n < 2; n++)
		for (c = 0; c < 2; c++)
			ok[n][c] = (c == 0 || w.node[n].alive) &&
				   look(&w.node[n], c, &f[n][c]);
	for (n = 0; n < 2; n++)
		for (c = 0; c < 2; c++)
			if (ok[0][n] && ok[1][c])
				check_crash(&f[0][n], &f[1][c], (u32)(n | c << 1));
}

/*
 * [B2] The marks of these blocks are about to go from the disk: either both copies have the same on
 * stable storage, or the region is in the map on the disk, of the primary if there is another.
 */
void check_unmarked(struct node *nd, u32 blocks)
{
	const struct meta *peers = node_durable(other(nd)), *own = node_durable(nd);
	u64 left = peers ? peers->peer[0].since.id : 0;

	/* A new disk, of no generation, gets everything, whatever is marked. */
	if (peers && !peers->current_gen.id)
		return;
	blocks &= w.differ | w.node[0].disk.cached | w.node[1].disk.cached;
	blocks &= ~regions_on_disk(&nd->disk);
	/*
	 * It knows what it writes, wrote when it crashed, or when it went on from exactly what we
	 * have, or what we went on from, too: then each names what it did itself.
	 */
	if (other(nd)->st.role == LOCKSTEP_ROLE_PRIMARY || (peers && peers->flags & CRASHED))
		blocks &= ~regions_on_disk(&other(nd)->disk);
	if (left && (left == nd->m.current_gen.id || (own && left == own->peer[0].since.id)))
		blocks &= ~(regions_on_disk(&other(nd)->disk) | marks_on_disk(&other(nd)->disk));
	CHECK(!blocks || nd->dying, "P3: blocks %06x lose their marks on the disk of %d", blocks,
	      nd->n);
}
