// SPDX-License-Identifier: GPL-2.0
/*
 * Two copies through all that can happen to them, every short sequence of steps and many long ones,
 * with the changes that core makes to the metadata and a set of numbered writes beside each: a
 * verdict never overwrites a write that counts, two copies that each have one of their own are in a
 * split, a copy by marks leaves none out (P3), and after a surrender nothing but going apart again
 * makes another.
 */
#include "test.h"
#include "gengroup.h"
#include "meta.h"

#define WHOLE	(LOCKSTEP_MF_CONSISTENT | LOCKSTEP_MF_UP_TO_DATE)
#define DOUBTS	(LOCKSTEP_MF_UNCLEAN | LOCKSTEP_MF_CRASHED_PRIMARY | LOCKSTEP_MF_OUTDATED)
#define MAPS	(LOCKSTEP_MF_MARKS_VALID | LOCKSTEP_MF_REGIONS_VALID)

enum step {
	WRITE_0, WRITE_1,		/* go on alone, and write */
	FORCE_0, FORCE_1,
	CRASH_0, CRASH_1,
	HELLO,				/* and whatever comes of it, to its end */
	HELLO_HALF,			/* the target has begun a resync, the source has not */
	HELLO_CUT,			/* the resync has begun, the session ends */
	HELLO_UNHEARD,			/* the target has noted the end, the source has not */
	SURRENDER_0, SURRENDER_1,	/* if the two are in a split, else nothing */
	EXCHANGE,			/* the second one's disk, for a blank one, and back */
	LOSE_0, LOSE_1,			/* the maps: long lives only */
	STEP_NR
};

struct copy {
	struct meta m;
	u64 has, counts;		/* writes; those that were acknowledged and not given up */
	u64 marked;			/* those that the other one may lack */
	bool alone;			/* narrowed in this life: no other generation is needed */
	bool apart;			/* has gone on without the other since they were together */
	bool forced;
};

struct pair {
	struct copy c[2];
	u64 next_id, next_write, next_session;
	bool met;
	struct copy other;		/* a disk of the second one that is not in */
	bool exchanged;
};

/* Of the marks that a session clears, those that it got round to before it was cut. */
#define EARLY	0x5555555555555555ull

static u32 reached[GEN_RULE_NR], surrenders, continued, put_back;

static u64 new_id(struct pair *p)
{
	return ++p->next_id;
}

static void fresh(struct copy *c, int n, u64 clean_id)
{
	struct meta_layout l;

	memset(c, 0, sizeof(*c));
	assert_int_equal(meta_layout(1u << 20, 0, &l), META_OK);
	meta_init(&c->m, &l, 1u << 20, "r", "n", (u32)n, 0, false, clean_id);
	c->m.flags |= MAPS;
}

static void begin(struct pair *p, bool clean)
{
	int n;

	memset(p, 0, sizeof(*p));
	for (n = 0; n < 2; n++)
		fresh(&p->c[n], n, clean ? new_id(p) : 0);
	fresh(&p->other, 1, 0);
}

static struct gen_view view_of(const struct copy *c)
{
	struct gen_view v = {
		.current_id = c->m.current_gen.id, .since_id = c->m.peer[0].since.id,
		.oos_bits = c->marked, .flags = c->m.flags, .node_id = c->m.node_id,
	};
	u32 i;

	for (i = 0; i < c->m.history_nr; i++)
		v.history[i] = c->m.history[i].id;
	return v;
}

static bool is_good(const struct copy *c)
{
	const struct meta_peer *p = &c->m.peer[0];
	u32 flags = c->m.flags;

	if (!c->m.current_gen.id || (flags & WHOLE) != WHOLE || flags & LOCKSTEP_MF_OUTDATED)
		return false;
	return !(flags & LOCKSTEP_MF_UNCLEAN) ||
	       (p->since.id && !(p->flags & LOCKSTEP_PF_SYNCING));
}

/* A primary without a session: what it completes is here only, and marked. */
static void write_alone(struct pair *p, struct copy *c)
{
	u64 bit = 1ull << (p->next_write++ % 64);

	if (!is_good(c))
		return;
	c->m.flags |= LOCKSTEP_MF_PRIMARY;
	c->m.flags &= ~(LOCKSTEP_MF_CLEAN | LOCKSTEP_MF_SERVING);
	if (!c->alone) {
		meta_gen_narrow(&c->m, 0, new_id(p));
		c->m.peer[0].flags &= ~LOCKSTEP_PF_SYNCING;
	}
	c->alone = c->apart = true;
	c->marked |= bit;
	c->has |= bit;
	c->counts |= bit;
}

/* A person: what this copy has is what counts from now on. */
static void force(struct pair *p, struct copy *c)
{
	if (is_good(c))
		return;
	meta_gen_force(&c->m, new_id(p));
	c->m.flags |= WHOLE | LOCKSTEP_MF_PRIMARY;
	c->m.flags &= ~(DOUBTS | LOCKSTEP_MF_CLEAN | LOCKSTEP_MF_SERVING);
	c->counts = c->has;
	c->alone = false;
	c->apart = c->forced = true;
}

static void crash(struct copy *c)
{
	c->m.flags |= LOCKSTEP_MF_ATTACHED;
	(void)meta_attach(&c->m);
	c->alone = false;
}

static bool is_content(const struct copy *c)
{
	return c->m.current_gen.id && c->m.flags & LOCKSTEP_MF_CONSISTENT &&
	       !(c->m.flags & LOCKSTEP_MF_CLEAN);
}

static void check_verdict(const struct pair *p, struct gen_result r)
{
	const struct copy *a = &p->c[0], *b = &p->c[1];
	bool both = is_content(a) && is_content(b);

	reached[r.rule]++;
	/* Whoever exchanges disks may take out what counts; but what is copied is copied whole. */
	if (p->exchanged)
		return;
	if (both && a->counts & ~b->has && b->counts & ~a->has && r.verdict != GEN_SPLIT &&
	    r.verdict != GEN_UNRELATED)
		fail_msg("both have writes of their own, %s by %s", gen_verdict_name(r.verdict),
			 gen_rule_name(r.rule));
	if (both && a->m.current_gen.id == b->m.current_gen.id &&
	    (a->m.flags ^ b->m.flags) & LOCKSTEP_MF_PRIMARY &&
	    (a->m.flags & LOCKSTEP_MF_PRIMARY ? gen_verdict_is_target(r.verdict) :
						gen_verdict_is_source(r.verdict)))
		fail_msg("a primary with all of it is the target (%s)", gen_rule_name(r.rule));
	if (r.verdict == GEN_SPLIT && !(a->apart && b->apart))
		fail_msg("a split of two that did not part (%s)", gen_rule_name(r.rule));
	if (r.verdict == GEN_UNRELATED && p->met && !a->forced && !b->forced)
		fail_msg("unrelated, and nothing was forced");
}

static void together(struct copy *c)
{
	c->m.flags |= WHOLE | MAPS;
	c->m.flags &= ~(DOUBTS | LOCKSTEP_MF_SERVING | LOCKSTEP_MF_PRIMARY | LOCKSTEP_MF_CLEAN);
	c->m.peer[0].flags &= ~LOCKSTEP_PF_SYNCING;
	c->alone = c->apart = c->forced = false;
	c->marked = 0;
}

/* What is marked on either side; a full one marks all. */
static void copy_over(struct copy *source, struct copy *target, bool full, enum step how)
{
	u64 which = full ? ~0ull : source->marked | target->marked;

	source->marked = which & ~EARLY;
	if (how == HELLO_CUT)
		which &= EARLY;
	target->has = (target->has & ~which) | (source->has & which);
	if (how != HELLO_CUT && target->has != source->has)
		fail_msg("the copy lacks %llx of the source",
			 (unsigned long long)(source->has & ~target->has));
}

/* As change_source, change_target and change_synced of the driver. */
static void resync(struct pair *p, struct copy *source, struct copy *target, bool full,
		   enum step how)
{
	u64 half = gen_half_id(source->m.current_gen.id, ++p->next_session);
	u64 peer_gen, new = new_id(p);
	bool whole;

	if (!p->exchanged && target->counts & ~source->has)
		fail_msg("writes that count are to be overwritten");
	peer_gen = target->m.current_gen.id;
	whole = target->m.flags & LOCKSTEP_MF_CONSISTENT;
	if (full)
		meta_gen_target_full(&target->m, 0, half);
	target->m.flags &= ~(WHOLE | LOCKSTEP_MF_CLEAN | LOCKSTEP_MF_SERVING | LOCKSTEP_MF_PRIMARY);
	target->counts = 0;
	source->apart = true;
	if (how == HELLO_HALF)
		return;
	source->m.flags |= WHOLE;
	source->m.flags &= ~(LOCKSTEP_MF_CLEAN | LOCKSTEP_MF_OUTDATED);
	if (full)
		meta_gen_source_full(&source->m, 0, half, new);
	else
		meta_gen_source(&source->m, 0, peer_gen, whole, new);
	source->m.peer[0].flags |= LOCKSTEP_PF_SYNCING;
	source->alone = false;
	copy_over(source, target, full, how);
	if (how == HELLO_CUT)
		return;
	meta_gen_adopt(&target->m, 0, source->m.current_gen);
	target->counts = source->counts;
	together(target);
	if (how == HELLO_UNHEARD)
		return;
	meta_gen_together(&source->m, 0);
	together(source);
}

static struct gen_result compare(const struct pair *p)
{
	struct gen_view v[2] = { view_of(&p->c[0]), view_of(&p->c[1]) };
	struct gen_result r = gen_compare(&v[0], &v[1]), back = gen_compare(&v[1], &v[0]);

	assert_int_equal(gen_mirror(r.verdict), back.verdict);
	assert_int_equal(gen_mirror_rule(r.rule), back.rule);
	check_verdict(p, r);
	return r;
}

static void hello(struct pair *p, enum step how)
{
	struct gen_result r = compare(p);
	int i;

	p->met |= r.verdict < GEN_BLANK;
	if (r.verdict == GEN_NONE) {
		for (i = 0; i < 2; i++) {
			if (r.adopt_id)
				p->c[i].m.current_gen.id = r.adopt_id;
			meta_gen_together(&p->c[i].m, 0);
			together(&p->c[i]);
		}
		/* Equal by the numbers is equal. */
		assert_true(r.adopt_id || p->c[0].has == p->c[1].has);
	} else if (gen_verdict_is_source(r.verdict)) {
		put_back += p->exchanged && p->c[1].m.history_nr;
		resync(p, &p->c[0], &p->c[1], r.verdict == GEN_SOURCE_FULL, how);
	} else if (gen_verdict_is_target(r.verdict)) {
		resync(p, &p->c[1], &p->c[0], r.verdict == GEN_TARGET_FULL, how);
	}
}

/* What follows is a resync from the other side, by marks where both parted from one generation. */
static void surrender(struct pair *p, int n)
{
	struct gen_result before = compare(p), after;
	struct copy *c = &p->c[n], *w = &p->c[!n];
	struct meta again;

	if (before.verdict != GEN_SPLIT && before.verdict != GEN_UNRELATED)
		return;
	meta_gen_surrender(&c->m, 0);
	c->m.flags &= ~LOCKSTEP_MF_PRIMARY;
	again = c->m;
	meta_gen_surrender(&again, 0);
	assert_memory_equal(&again, &c->m, sizeof(again));
	c->counts = 0;
	c->alone = c->apart = c->forced = false;
	surrenders++;
	assert_false(is_good(c));
	after = compare(p);
	if (n)
		after.verdict = gen_mirror(after.verdict);
	assert_true(gen_verdict_is_target(after.verdict));
	if (before.rule == GEN_RULE_SPLIT && c->m.current_gen.id == w->m.peer[0].since.id &&
	    (c->m.flags & w->m.flags & MAPS) == MAPS) {
		assert_int_equal(after.verdict, GEN_TARGET);
		continued++;
	}
}

/* The first time what is put in is blank. */
static void exchange(struct pair *p)
{
	struct copy out = p->c[1];

	if (out.m.flags & LOCKSTEP_MF_PRIMARY)
		return;
	p->c[1] = p->other;
	p->c[1].alone = false;
	p->other = out;
	p->exchanged = true;
}

static void take(struct pair *p, enum step s)
{
	switch (s) {
	case WRITE_0:
	case WRITE_1:
		write_alone(p, &p->c[s - WRITE_0]);
		break;
	case FORCE_0:
	case FORCE_1:
		force(p, &p->c[s - FORCE_0]);
		break;
	case CRASH_0:
	case CRASH_1:
		crash(&p->c[s - CRASH_0]);
		break;
	case SURRENDER_0:
	case SURRENDER_1:
		surrender(p, s - SURRENDER_0);
		break;
	case EXCHANGE:
		exchange(p);
		break;
	case LOSE_0:
	case LOSE_1:
		p->c[s - LOSE_0].m.flags &= ~MAPS;
		break;
	default:
		hello(p, s);
	}
}

static void walk(const struct pair *from, u32 depth)
{
	struct pair p;
	u32 s;

	for (s = 0; s < LOSE_0; s++) {
		p = *from;
		take(&p, s);
		if (depth > 1)
			walk(&p, depth - 1);
	}
}

/* From a pair in sync, and from one that is in a split: every sequence. */
static void every_short_life(void **state)
{
	struct pair p;

	(void)state;
	begin(&p, true);
	take(&p, HELLO);
	walk(&p, 5);
	take(&p, WRITE_0);
	take(&p, WRITE_1);
	walk(&p, 5);
	assert_true(surrenders > 1000 && continued > 1000 && put_back > 1000);
}

static void long_lives(void **state)
{
	u64 rng = 4711;
	struct pair p;
	u32 life, i;

	(void)state;
	for (life = 0; life < 6000; life++) {
		begin(&p, life & 1);
		for (i = 0; i < 50; i++)
			take(&p, (enum step)random_below(&rng, life & 2 ? STEP_NR : EXCHANGE));
	}
	assert_true(reached[GEN_RULE_SPLIT] && reached[GEN_RULE_SPLIT_HISTORY] &&
		    reached[GEN_RULE_UNRELATED] && reached[GEN_RULE_INCONS_SELF] &&
		    reached[GEN_RULE_BLANK_PEER] && reached[GEN_RULE_SINCE_PEER]);
}

static void surrender_goes_back(void **state)
{
	struct pair p;
	struct meta *m = &p.c[0].m;

	(void)state;
	begin(&p, true);
	take(&p, HELLO);
	take(&p, WRITE_0);
	take(&p, CRASH_0);
	take(&p, WRITE_0);		/* another generation: the first is in the history */
	assert_int_equal(m->history_nr, 1);
	m->flags |= LOCKSTEP_MF_SERVING;
	m->peer[0].flags |= LOCKSTEP_PF_SYNCING;
	meta_gen_surrender(m, 0);
	assert_int_equal(m->current_gen.id, p.c[1].m.current_gen.id);
	assert_int_equal(m->peer[0].since.id, 0);
	assert_int_equal(m->peer[0].flags, 0);
	assert_int_equal(m->history_nr, 0);
	assert_int_equal(m->history[0].id | m->history[0].nr, 0);
	/* What it cannot be trusted with is still known of it. */
	assert_int_equal(m->flags & (WHOLE | LOCKSTEP_MF_SERVING), 0);
	assert_int_equal(m->flags & (DOUBTS | MAPS), (DOUBTS | MAPS) & ~LOCKSTEP_MF_OUTDATED);
}

/*
 * Of two volumes one got there when the host died: a split still, which the same command mends; or
 * (it had crashed as primary before, so that the other volume looks half narrowed) what the person
 * said is carried out. Never is that side the source of anything.
 */
static void half_surrendered(void **state)
{
	struct gen_view self[2], peer[2];
	struct gen_result r[2];
	struct pair p, q;
	int crashed, done;

	(void)state;
	for (crashed = 0; crashed < 2; crashed++) {
		begin(&p, true);
		take(&p, HELLO);
		take(&p, WRITE_0);
		take(&p, WRITE_1);
		if (crashed)
			take(&p, CRASH_0);
		q = p;
		meta_gen_surrender(&p.c[0].m, 0);
		for (done = 1; done < 3; done++) {
			self[0] = view_of(&p.c[0]);
			self[1] = view_of(done == 1 ? &q.c[0] : &p.c[0]);
			peer[0] = peer[1] = view_of(&p.c[1]);
			(void)gen_compare_group(self, peer, 2, r);
			assert_int_equal(r[0].verdict, GEN_TARGET);
			assert_int_equal(r[1].verdict, done == 1 && !crashed ? GEN_SPLIT :
					 GEN_TARGET);
		}
	}
}

/*
 * The end of a resync was not heard; what was written since, another disk took half of before it
 * died, and those marks are gone. The first disk is put back: it lacks what the other one took.
 */
static void first_disk_put_back(void **state)
{
	struct copy first;
	struct pair p;

	(void)state;
	begin(&p, true);
	take(&p, HELLO);
	take(&p, WRITE_0);
	take(&p, HELLO_UNHEARD);
	take(&p, WRITE_0);
	take(&p, WRITE_0);
	first = p.c[1];
	fresh(&p.c[1], 1, 0);
	take(&p, HELLO_CUT);
	p.c[1] = first;
	take(&p, HELLO);
	assert_int_equal(p.c[1].has, p.c[0].has);
	assert_true(reached[GEN_RULE_HISTORY_SELF]);
}

/*
 * The second one crashed, and its cache lost what the first one has; a resync began of which the
 * first one noted nothing, and so did a full one (its marks are lost). Whoever calls that half good
 * has not got what the first one completed in the generation that the half came from.
 */
static void half_that_was_called_good(void **state)
{
	struct gen_result r;
	struct pair p;

	(void)state;
	begin(&p, true);
	take(&p, HELLO);
	take(&p, WRITE_0);
	take(&p, HELLO);
	p.c[1].has = 0;
	take(&p, CRASH_1);
	take(&p, HELLO_HALF);
	p.c[0].m.flags &= ~LOCKSTEP_MF_MARKS_VALID;
	r = compare(&p);
	assert_int_equal(r.rule, GEN_RULE_INCONS_PEER);
	assert_int_equal(r.verdict, GEN_SOURCE_FULL);
	take(&p, HELLO_HALF);
	take(&p, FORCE_1);
	r = compare(&p);
	assert_int_equal(r.rule, GEN_RULE_SPLIT_HISTORY);
	take(&p, HELLO);
	assert_true(p.c[0].has);
}

/* However often it begins: what the first one never noted is no past of the second one. */
static void begun_again_and_again(void **state)
{
	struct pair p;
	u64 was, before;
	int i;

	(void)state;
	begin(&p, true);
	take(&p, HELLO);
	before = p.c[1].m.current_gen.id;
	take(&p, WRITE_0);
	take(&p, HELLO);
	was = p.c[1].m.current_gen.id;
	take(&p, WRITE_0);
	p.c[0].m.flags &= ~LOCKSTEP_MF_MARKS_VALID;
	for (i = 0; i < 2 * LOCKSTEP_HISTORY; i++) {
		take(&p, HELLO_HALF);
		assert_false(p.c[1].m.flags & LOCKSTEP_MF_CONSISTENT);
	}
	assert_int_equal(p.c[1].m.history[0].id, was);
	assert_int_equal(p.c[1].m.history[1].id, before);
	take(&p, HELLO);
	assert_int_equal(p.c[1].m.current_gen.id, p.c[0].m.current_gen.id);
	assert_int_equal(p.c[1].m.history[1].id, was);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(surrender_goes_back),
		cmocka_unit_test(half_surrendered),
		cmocka_unit_test(first_disk_put_back),
		cmocka_unit_test(half_that_was_called_good),
		cmocka_unit_test(begun_again_and_again),
		cmocka_unit_test(every_short_life),
		cmocka_unit_test(long_lives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
