// SPDX-License-Identifier: GPL-2.0
/*
 * Two nodes, two volumes, one superblock at a time, a crash between any two of them; walked at
 * random, by seed. At each hello the two volumes have one direction, both sides see it alike, it is
 * never a split (nobody is forced here, and only members of the set are promoted), and the source
 * of each volume has what was promised.
 */
#include "test.h"
#include "gengroup.h"
#include "meta.h"
#include <lockstep/disk.h>
#include <stdlib.h>

#define NR	2u
#define SEEDS	60000u
#define STEPS	150u
#define DOUBTS	(LOCKSTEP_MF_UNCLEAN | LOCKSTEP_MF_CRASHED_PRIMARY | LOCKSTEP_MF_OUTDATED)
#define WHOLE	(LOCKSTEP_MF_CONSISTENT | LOCKSTEP_MF_UP_TO_DATE)

enum effect { IDLE, PRIMARY, SECONDARY, TARGET, SOURCE, EQUAL, NARROW, SYNCED, CLOSE };

struct node {
	struct meta m[NR], disk[NR];	/* in memory, on stable storage */
	u32 view[NR], stable[NR];	/* version of a volume's data, with and without the cache */
	u32 marks[NR];			/* blocks marked: none, or some */
	struct gen_view said[NR];	/* in its last hello */
	bool alive, primary;
	bool me;			/* state.h: set ME, without a session */
	enum effect doing, then;	/* `then`: what follows, on this node */
	u32 at;				/* next volume to write down */
	u64 id;				/* of a new generation */
};

static struct world {
	struct node n[2];
	u32 done[NR], flushed[NR];	/* completed, and flushed, to the application */
	bool up, syncing;		/* session; one side is copied to the other in it */
	u32 source;			/* which one, then */
	struct gen_result r[NR];	/* of the session, as node 0 sees it */
	u32 set;			/* bit n: node n has all that was completed */
	u64 next_id, session;
	u32 crashes;
} w;

static u64 rnd, seed;
static u32 counts[GEN_RULE_NR], mixed_alone;

static u32 roll(u32 n)
{
	rnd = rnd * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(rnd >> 33) % n;
}

static void dump(void)
{
	u32 i, v;

	print_error("seed %llu: set %u up %d syncing %d source %u\n", (unsigned long long)seed,
		    w.set, w.up, w.syncing, w.source);
	for (i = 0; i < 2; i++)
		for (v = 0; v < NR; v++) {
			const struct node *n = &w.n[i];
			const struct meta *m = &n->m[v];

			print_error("  %u/%u: current %llu since %llu flags %x marks %u, has %u, "
				    "stable %u; promised %u, %u\n", i, v,
				    (unsigned long long)m->current_gen.id,
				    (unsigned long long)m->peer[0].since.id, m->flags, n->marks[v],
				    n->view[v], n->stable[v], w.done[v], w.flushed[v]);
		}
}

#define MUST(c)	do { if (!(c)) { dump(); fail_msg("%s", #c); } } while (0)

/* ---- effects, as the module carries them out */

static u64 half_of(const struct node *source, u32 v)
{
	return gen_half_id(source->said[v].current_id, w.session);
}

static void change(struct node *n, u32 v)
{
	struct node *peer = &w.n[n == &w.n[0]];
	struct meta *m = &n->m[v];
	struct gen_result r = w.r[v];

	if (n == &w.n[1])
		r.verdict = gen_mirror(r.verdict);
	switch (n->doing) {
	case PRIMARY:
		m->flags |= LOCKSTEP_MF_PRIMARY;
		break;
	case SECONDARY:
		m->flags &= ~LOCKSTEP_MF_PRIMARY;
		break;
	case TARGET:
		if (r.verdict == GEN_NONE)
			break;
		w.set &= ~(1u << (n == &w.n[1]));
		if (r.verdict == GEN_TARGET_FULL)
			meta_gen_target_full(m, 0, half_of(peer, v));
		else if (m->flags & LOCKSTEP_MF_NARROWED &&
			 m->peer[0].since.id == peer->m[v].current_gen.id)
			meta_gen_unnarrow(m, 0);
		m->flags &= ~WHOLE;
		break;
	case SOURCE:
		if (r.verdict == GEN_NONE)
			break;
		m->flags |= WHOLE;
		if (r.verdict == GEN_SOURCE_FULL)
			meta_gen_source_full(m, 0, half_of(n, v), n->id);
		else
			meta_gen_source(m, 0, peer->said[v].current_id,
					peer->said[v].flags & LOCKSTEP_MF_CONSISTENT, n->id);
		m->peer[0].flags |= LOCKSTEP_PF_SYNCING;
		n->marks[v] = 1;
		break;
	case EQUAL:
		meta_gen_together(m, 0);
		m->flags &= ~DOUBTS;
		break;
	case NARROW:
		meta_gen_narrow(m, 0, n->id);
		m->peer[0].flags &= ~LOCKSTEP_PF_SYNCING;
		break;
	case SYNCED:
		if (r.verdict == GEN_NONE)
			break;
		if (gen_verdict_is_target(r.verdict))
			meta_gen_adopt(m, 0, peer->m[v].current_gen);
		else
			meta_gen_together(m, 0);
		m->flags |= WHOLE;
		m->flags &= ~DOUBTS;
		m->peer[0].flags &= ~LOCKSTEP_PF_SYNCING;
		n->marks[v] = 0;
		break;
	case CLOSE:
		meta_close(m, peer->primary);
		break;
	case IDLE:
		break;
	}
}

static void begin(struct node *n, enum effect e)
{
	n->doing = e;
	n->at = 0;
	n->id = ++w.next_id;
}

static void flush(struct node *n)
{
	memcpy(n->stable, n->view, sizeof(n->stable));
}

static void finished(u32 i)
{
	struct node *n = &w.n[i], *peer = &w.n[!i];
	enum effect e = n->doing;

	n->doing = IDLE;
	switch (e) {
	case PRIMARY:
		n->primary = true;
		for (u32 v = 0; v < NR; v++) {
			MUST(n->view[v] >= w.flushed[v]);
			w.done[v] = min(w.done[v], n->view[v]);
		}
		break;
	case SECONDARY:
		n->primary = false;
		break;
	case NARROW:
		w.set = 1u << i;
		n->me = true;
		break;
	case TARGET:
		begin(peer, SOURCE);
		break;
	case SOURCE:
		w.set = 1u << i;	/* [S4]: of the resource */
		w.up = w.syncing = true;
		w.source = i;
		break;
	case EQUAL:
		if (peer->doing == IDLE) {
			w.up = true;
			w.set = 3;
		}
		break;
	case SYNCED:
		if (w.up && w.syncing && i != w.source) {
			begin(peer, SYNCED);
		} else if (w.up && w.syncing) {
			w.syncing = false;
			w.set = 3;
		}
		break;
	case CLOSE:
		n->alive = n->primary = false;
		w.up = w.syncing = false;
		break;
	case IDLE:
		break;
	}
}

/* One superblock. Nothing else of the other node can depend on a half-done effect of this one. */
static void step_effect(u32 i)
{
	struct node *n = &w.n[i];

	change(n, n->at);
	n->disk[n->at] = n->m[n->at];
	if (++n->at == NR)
		finished(i);
}

/* ---- what else happens */

static void crash(u32 i)
{
	struct node *n = &w.n[i];
	u32 v;

	for (v = 0; v < NR; v++) {
		if (roll(2))
			n->view[v] = n->stable[v];
		n->stable[v] = n->view[v];
	}
	n->alive = n->primary = false;
	n->doing = IDLE;
	w.up = w.syncing = false;
	w.crashes++;
	/* A session that was being opened is none. */
	if (w.n[!i].doing == SOURCE || w.n[!i].doing == TARGET || w.n[!i].doing == EQUAL ||
	    w.n[!i].doing == SYNCED)
		while (w.n[!i].doing != IDLE && w.n[!i].at < NR) {
			change(&w.n[!i], w.n[!i].at);
			w.n[!i].disk[w.n[!i].at] = w.n[!i].m[w.n[!i].at];
			if (++w.n[!i].at == NR)
				w.n[!i].doing = IDLE;
		}
}

static void attach(struct node *n)
{
	u32 v;

	for (v = 0; v < NR; v++) {
		n->m[v] = n->disk[v];
		meta_attach(&n->m[v]);
		n->disk[v] = n->m[v];
	}
	n->alive = true;
	n->me = false;
}

/* kernel/status.c, copy_of(), of all volumes */
static bool is_up_to_date(const struct node *n)
{
	u32 v;

	for (v = 0; v < NR; v++) {
		const struct meta *m = &n->m[v];

		if ((m->flags & WHOLE) != WHOLE)
			return false;
		if (m->flags & LOCKSTEP_MF_UNCLEAN &&
		    (!m->peer[0].since.id || m->peer[0].flags & LOCKSTEP_PF_SYNCING))
			return false;
	}
	return true;
}

static void write_one(u32 i)
{
	struct node *n = &w.n[i], *peer = &w.n[!i];
	u32 v = roll(NR);

	if (w.up) {
		n->view[v]++;
		/* A half copy has everything with the end of the resync only. */
		if (!w.syncing || w.r[v].verdict == GEN_NONE)
			peer->view[v] = n->view[v];
		w.done[v] = n->view[v];
	} else if (n->me) {
		w.done[v] = ++n->view[v];
		n->marks[v] = 1;
	} else {
		n->view[v]++;		/* in flight: here, and perhaps there */
		if (roll(2))
			peer->view[v] += peer->alive && peer->view[v] + 1 == n->view[v];
		flush(n);		/* META_NARROW flushes first */
		begin(n, NARROW);
	}
}

/* ---- the hello */

static struct gen_view view_of(u32 i, u32 v)
{
	const struct node *n = &w.n[i];
	const struct meta *m = &n->m[v];
	struct gen_view r = {
		.current_id = m->current_gen.id, .since_id = m->peer[0].since.id,
		.oos_bits = n->marks[v], .flags = m->flags, .node_id = i,
	};

	for (u32 k = 0; k < m->history_nr; k++)
		r.history[k] = m->history[k].id;
	return r;
}

static void check_source(u32 v, u32 source)
{
	u32 must = w.flushed[v], best = 0, i;

	/* What is not flushed, a cache that was not lost has: after a power cut of both, none. */
	for (i = 0; i < 2; i++)
		if (w.set & 1u << i &&
		    !((w.n[i].m[0].flags | w.n[i].m[1].flags) & LOCKSTEP_MF_UNCLEAN))
			best = max(best, w.n[i].view[v]);
	best = min(best, w.done[v]);
	must = max(must, best);
	/* [G3]: the set is the source alone, whatever a half-told target has. */
	MUST(w.n[source].view[v] >= must);
	w.done[v] = min(w.done[v], w.n[source].view[v]);	/* what a power cut took is gone */
}

static void hello(void)
{
	struct gen_view view[2][NR];
	struct gen_result r[2][NR];
	bool source = false, target = false, alone[2] = { false, false };
	u32 i, v;

	for (i = 0; i < 2; i++)
		for (v = 0; v < NR; v++)
			view[i][v] = w.n[i].said[v] = view_of(i, v);
	for (v = 0; v < NR; v++) {
		struct gen_result one = gen_compare(&view[0][v], &view[1][v]);

		alone[0] |= gen_verdict_is_source(one.verdict);
		alone[1] |= gen_verdict_is_target(one.verdict) || one.verdict == GEN_SPLIT;
	}
	mixed_alone += alone[0] && alone[1];
	MUST(gen_compare_group(view[0], view[1], NR, r[0]));
	MUST(gen_compare_group(view[1], view[0], NR, r[1]));
	for (v = 0; v < NR; v++) {
		MUST(r[0][v].verdict < GEN_BLANK);
		MUST(gen_mirror(r[0][v].verdict) == r[1][v].verdict);
		MUST(gen_mirror_rule(r[0][v].rule) == r[1][v].rule);
		counts[r[0][v].rule]++;
		source |= gen_verdict_is_source(r[0][v].verdict);
		target |= gen_verdict_is_target(r[0][v].verdict);
		if (gen_verdict_is_source(r[0][v].verdict))
			check_source(v, 0);
		else if (gen_verdict_is_target(r[0][v].verdict))
			check_source(v, 1);
		else
			MUST(w.n[0].view[v] == w.n[1].view[v]);
	}
	MUST(!(source && target));
	memcpy(w.r, r[0], sizeof(w.r));
	w.session++;
	if (w.n[0].primary && w.n[1].primary)
		return;
	if ((source && w.n[1].primary) || (target && w.n[0].primary)) {
		begin(&w.n[source], SECONDARY);		/* the caller's refusal; demoted */
		return;
	}
	w.n[0].me = w.n[1].me = false;
	if (source || target) {
		begin(&w.n[source], TARGET);
	} else {
		begin(&w.n[0], EQUAL);
		begin(&w.n[1], EQUAL);
	}
}

/* ---- the walk */

static void copied(void)
{
	struct node *s = &w.n[w.source], *t = &w.n[!w.source];

	memcpy(t->view, s->view, sizeof(t->view));
	flush(s);
	flush(t);
	begin(t, SYNCED);
}

static void start(void)
{
	u32 i, v;

	memset(&w, 0, sizeof(w));
	rnd = seed * 2654435761u + 1;
	w.next_id = 100;
	w.set = 3;
	for (i = 0; i < 2; i++)
		for (v = 0; v < NR; v++) {
			struct meta *m = &w.n[i].disk[v];

			m->current_gen.id = 1 + v;
			m->flags = WHOLE;
			w.n[i].view[v] = w.n[i].stable[v] = 0;
		}
}

/*
 * A new disk for one volume. Not of a primary that crashed: what it had alone by then cannot be
 * told from what it was about to, and a mixture is refused.
 */
static void replace(u32 i, u32 v)
{
	struct node *n = &w.n[i];

	if ((n->disk[0].flags | n->disk[1].flags) &
	    (LOCKSTEP_MF_PRIMARY | LOCKSTEP_MF_CRASHED_PRIMARY))
		return;
	memset(&n->disk[v], 0, sizeof(n->disk[v]));
	n->view[v] = n->stable[v] = n->marks[v] = 0;
	w.set &= ~(1u << i);
}

static void act_node(u32 i)
{
	struct node *n = &w.n[i], *peer = &w.n[!i];

	if (!n->alive) {
		if (roll(3) == 0)
			attach(n);
		else if (roll(10) == 0 && w.set & 1u << !i)
			replace(i, roll(NR));
	} else if (n->primary) {
		u32 what = roll(12);

		if (what < 8)
			write_one(i);
		else if (what == 8 && (w.up ? !w.syncing : n->me)) {
			flush(n);
			if (w.up)
				flush(peer);
			memcpy(w.flushed, w.done, sizeof(w.flushed));
		} else if (what == 9 && w.up && !w.syncing) {
			flush(n);
			flush(peer);
			begin(n, SECONDARY);
		}
	} else if (roll(8) == 0 && !peer->primary && peer->doing == IDLE && is_up_to_date(n) &&
		   w.set & 1u << i && !(w.up && w.syncing && w.source != i) &&
		   (w.up || !peer->alive)) {
		begin(n, PRIMARY);
	} else if (roll(16) == 0 && (!w.up || !w.syncing)) {
		flush(n);
		begin(n, CLOSE);
	}
}

static void step(void)
{
	struct node *a = &w.n[0], *b = &w.n[1];
	u32 i = roll(2), busy = (a->doing != IDLE) | (b->doing != IDLE) << 1;

	if (roll(14) == 0) {
		if (w.n[i].alive)
			crash(i);
		if (roll(2) && w.n[!i].alive)
			crash(!i);
	} else if (busy) {
		step_effect(busy == 3 ? i : busy >> 1);
	} else if (w.up && roll(20) == 0) {
		w.up = w.syncing = false;	/* cut */
	} else if (a->alive && b->alive && !w.up && roll(4) == 0) {
		hello();
	} else if (w.up && w.syncing && roll(4) == 0) {
		copied();
	} else {
		act_node(i);
	}
}

static void two_volumes_go_together(void **state)
{
	(void)state;
	for (seed = 1; seed <= SEEDS; seed++) {
		start();
		for (u32 k = 0; k < STEPS; k++)
			step();
	}
	/* What this file is about was met. */
	assert_true(mixed_alone > 100);
	assert_true(counts[GEN_RULE_GROUP_SELF] && counts[GEN_RULE_GROUP_PEER]);
}

/* ---- [G4] */

static struct gen_view side(u32 node, u64 current, u64 oos_bits, u32 flags)
{
	return (struct gen_view){
		.current_id = current, .oos_bits = oos_bits, .node_id = node,
		.flags = flags | LOCKSTEP_MF_CONSISTENT | LOCKSTEP_MF_UP_TO_DATE |
			 LOCKSTEP_MF_MARKS_VALID | LOCKSTEP_MF_REGIONS_VALID,
	};
}

/* Both orders, both sides: mirrored, and in one direction. */
static void one_way(const struct gen_view *a, const struct gen_view *b, enum gen_verdict want)
{
	struct gen_view s[2], p[2];
	struct gen_result r[2], m[2];

	for (u32 swap = 0; swap < 2; swap++) {
		s[0] = a[swap], s[1] = a[!swap];
		p[0] = b[swap], p[1] = b[!swap];
		assert_true(gen_compare_group(s, p, 2, r));
		assert_true(gen_compare_group(p, s, 2, m));
		for (u32 v = 0; v < 2; v++) {
			assert_int_equal(r[v].verdict, want);
			assert_int_equal(m[v].verdict, gen_mirror(want));
			assert_int_equal(m[v].rule, gen_mirror_rule(r[v].rule));
		}
	}
}

static void marks_follow(void **state)
{
	struct gen_view a[2], b[2];

	(void)state;
	for (u32 marks = 1; marks < 4; marks++) {
		/* A primary without a disk for one volume works through the peer with both. */
		a[0] = side(1, 7, marks & 1, LOCKSTEP_MF_PRIMARY);
		b[0] = side(0, 7, marks >> 1, 0);
		a[1] = side(1, 7, 0, LOCKSTEP_MF_PRIMARY);
		a[1].no_disk = true;
		b[1] = side(0, 7, 0, 0);
		one_way(a, b, GEN_TARGET);
		/* One that went on alone with the other volume has that one's marks go along. */
		a[1] = side(1, 8, 1, LOCKSTEP_MF_PRIMARY);
		a[1].since_id = 7;
		one_way(a, b, GEN_SOURCE);
	}
	/* Marks here of one volume, there of the other, and no primary. */
	a[0] = side(0, 7, 1, 0);
	b[0] = side(1, 7, 0, 0);
	a[1] = side(0, 7, 0, 0);
	b[1] = side(1, 7, 1, 0);
	one_way(a, b, GEN_SOURCE);
}

/* A disk is attached under a primary that works through the peer: alone it has crashed. */
static void attached_beside(void **state)
{
	struct gen_view a[2], b[2];
	struct gen_result r[2], m[2];

	(void)state;
	for (u32 marks = 0; marks < 4; marks++) {
		a[0] = side(1, 7, 0, LOCKSTEP_MF_UNCLEAN | LOCKSTEP_MF_CRASHED_PRIMARY);
		b[0] = side(0, 8, 1, LOCKSTEP_MF_SERVING);
		b[0].since_id = 7;
		a[1] = side(1, 7, marks & 1, LOCKSTEP_MF_PRIMARY);
		b[1] = side(0, 7, marks >> 1, 0);
		assert_true(gen_compare_group(a, b, 2, r));
		assert_true(gen_compare_group(b, a, 2, m));
		assert_int_equal(r[0].verdict, GEN_TARGET);
		assert_int_equal(r[1].verdict, marks ? GEN_TARGET : GEN_NONE);
		for (u32 v = 0; v < 2; v++)
			assert_int_equal(m[v].verdict, gen_mirror(r[v].verdict));
	}
}

/*
 * Of one volume the peer is in our past, of the other one equal, and we crashed: refused, whichever
 * of the two it is that gengroup.h names.
 */
static void a_past_decides_nothing(void **state)
{
	const u32 crashed = LOCKSTEP_MF_UNCLEAN | LOCKSTEP_MF_CRASHED_PRIMARY;
	struct gen_view a[2], b[2];
	struct gen_result r[2], m[2];

	(void)state;
	for (u32 since = 0; since < 2; since++) {
		a[0] = side(1, 9, 1, crashed);
		a[0].since_id = 5;
		a[0].history[0] = 7;
		b[0] = side(0, 7, 0, 0);
		a[1] = side(1, 8, 1, crashed);
		a[1].since_id = since ? 6 : 0;
		b[1] = side(0, 8, 0, 0);
		assert_false(gen_compare_group(a, b, 2, r));
		assert_false(gen_compare_group(b, a, 2, m));
		assert_int_equal(r[0].rule, GEN_RULE_HISTORY_SELF);
		assert_int_equal(r[1].rule, GEN_RULE_CRASH_SELF);
	}
}

/* ---- a narrowing that is tried again, on disks that refuse what they take, or take it anyway */

#define DISKS	3u

static struct attempts {
	struct meta m[DISKS], disk[DISKS];
	u64 tried, fresh;
	u32 writes, dies_at;
	u64 outcomes;			/* of each write: two bits */
} at;

/* status.c, store(); false: an error */
static bool put(u32 v)
{
	u32 outcome = at.outcomes >> 2 * (at.writes % 32) & 3;

	if (at.writes++ >= at.dies_at)
		return true;
	if (outcome != 1)
		at.disk[v] = at.m[v];
	return outcome != 1 && outcome != 2;
}

/* status.c, run_meta() */
static bool attempt(void)
{
	u64 id = gen_group_id(&at.tried, ++at.fresh);
	struct meta before[DISKS];
	u32 v, i;

	memcpy(before, at.m, sizeof(before));
	for (v = 0; v < DISKS; v++) {
		meta_gen_narrow(&at.m[v], 0, id);
		if (!put(v))
			break;
	}
	if (v == DISKS)
		return true;
	memcpy(at.m, before, sizeof(before));
	for (i = 0; i <= v; i++)
		(void)put(i);
	return false;
}

static void check_attempts(void)
{
	struct gen_view a[DISKS], b[DISKS];
	struct gen_result r[DISKS];
	u32 noted = 0, v;

	for (v = 0; v < DISKS; v++) {
		(void)meta_attach(&at.disk[v]);
		a[v] = side(0, at.disk[v].current_gen.id, 0, at.disk[v].flags);
		a[v].since_id = at.disk[v].peer[0].since.id;
		b[v] = side(1, 1 + v, 0, 0);
		noted += a[v].since_id != 0;
	}
	if (!gen_compare_group(a, b, DISKS, r))
		fail_msg("two directions: dies at write %u, outcomes %llx", at.dies_at,
			 (unsigned long long)at.outcomes);
	for (v = 0; v < DISKS; v++)
		assert_int_equal(r[v].verdict, noted == DISKS ? GEN_SOURCE : GEN_TARGET);
}

static void narrowed_again(void **state)
{
	u32 half = 0;

	(void)state;
	for (rnd = 1, seed = 0; seed < SEEDS; seed++) {
		memset(&at, 0, sizeof(at));
		at.fresh = 100;
		at.dies_at = roll(16);
		at.outcomes = (u64)roll(1u << 31) << 32 | roll(1u << 31);
		for (u32 v = 0; v < DISKS; v++) {
			at.m[v].current_gen.id = 1 + v;
			at.m[v].flags = WHOLE | LOCKSTEP_MF_ATTACHED | LOCKSTEP_MF_PRIMARY;
			at.disk[v] = at.m[v];
		}
		while (at.writes < at.dies_at && !attempt())
			half += at.writes < at.dies_at;
		check_attempts();
	}
	assert_true(half > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_volumes_go_together),
		cmocka_unit_test(marks_follow),
		cmocka_unit_test(attached_beside),
		cmocka_unit_test(a_past_decides_nothing),
		cmocka_unit_test(narrowed_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
