// SPDX-License-Identifier: GPL-2.0
/*
 * Every pair of views over small ids: the two answers mirror each other, and every rule is reached.
 */
#include "test.h"
#include "gen.h"
#include <lockstep/disk.h>

#define C	LOCKSTEP_MF_CONSISTENT
#define U	LOCKSTEP_MF_UNCLEAN
#define P	(LOCKSTEP_MF_UNCLEAN | LOCKSTEP_MF_CRASHED_PRIMARY)
#define M	LOCKSTEP_MF_MARKS_VALID
#define R	LOCKSTEP_MF_REGIONS_VALID
#define CLEAN	LOCKSTEP_MF_CLEAN
#define NOW	LOCKSTEP_MF_PRIMARY

static const u32 flag_sets[] = {
	C | M, C, C | M | R, C | U, C | U | M, C | U | M | R, C | P, C | P | M, C | P | M | R,
	M, 0, U | M, P | M, P | M | R, U | M | R, CLEAN, CLEAN | C | M, NOW | C | M, NOW | C,
	NOW | C | P | M | R, NOW | C | P | M, NOW | C | U | M | R, NOW | C | U,
};

#define SERVING	LOCKSTEP_MF_SERVING

static u32 reached[GEN_RULE_NR];

static struct gen_view view(u32 node, u64 current, u64 since, u64 history, u32 flags, u64 oos)
{
	struct gen_view v = {
		.current_id = current, .since_id = since, .history = { history },
		.oos_bits = oos, .flags = flags, .node_id = node,
	};

	return v;
}

/* A primary has what was completed in its generation, whatever happened in an earlier life. */
static void check_primary(const struct gen_view *a, const struct gen_view *b, enum gen_verdict v)
{
	bool whole = a->flags & C && !(a->flags & CLEAN) && !a->no_disk && !b->no_disk;

	if (whole && a->current_id && a->current_id == b->current_id && a->flags & NOW &&
	    !(b->flags & NOW))
		assert_false(gen_verdict_is_target(v));
}

static void check_pair(const struct gen_view *a, const struct gen_view *b)
{
	struct gen_result x = gen_compare(a, b), y = gen_compare(b, a);

	assert_true(x.verdict < GEN_VERDICT_NR && x.rule > GEN_RULE_NONE && x.rule < GEN_RULE_NR);
	assert_int_equal(gen_mirror(x.verdict), y.verdict);
	assert_int_equal(gen_mirror_rule(x.rule), y.rule);
	assert_int_equal(x.adopt_id, y.adopt_id);
	assert_int_equal(x.adopt_id != 0, x.rule == GEN_RULE_BOTH_CLEAN);
	/* What is copied from is there, and consistent or declared irrelevant. */
	if (gen_verdict_is_source(x.verdict))
		assert_true(!a->no_disk && a->flags & (C | CLEAN) && a->current_id);
	if (x.verdict == GEN_SOURCE && !b->no_disk)
		assert_true(a->flags & M);
	if (a->no_disk || b->no_disk)
		assert_true(gen_verdict_is_source(x.verdict) || gen_verdict_is_target(x.verdict) ||
			    x.verdict == GEN_INCONSISTENT);
	check_primary(a, b, x.verdict);
	/* Marks are of one copy, and an id in the past is not one copy's alone. */
	if (x.rule == GEN_RULE_HISTORY_SELF)
		assert_int_equal(x.verdict, GEN_SOURCE_FULL);
	/* A primary with all of it is no target for marks alone, whoever has them. */
	if (!gen_verdict_is_source(x.verdict) && a->flags & NOW && !(b->flags & NOW))
		assert_true(x.rule != GEN_RULE_MARKS_SELF && x.rule != GEN_RULE_MARKS_PEER &&
			    x.rule != GEN_RULE_MARKS_BOTH);
	/* Nothing is silently thrown away: two lines of life after a common point never merge. */
	if (!a->no_disk && !b->no_disk &&
	    a->flags & b->flags & C && !((a->flags | b->flags) & CLEAN) && a->since_id &&
	    a->since_id == b->since_id && a->current_id != b->current_id &&
	    a->current_id != b->since_id && b->current_id != a->since_id &&
	    a->current_id && b->current_id)
		assert_true(x.verdict == GEN_SPLIT);
	reached[x.rule]++;
}

static void every_pair_mirrors(void **state)
{
	static struct gen_view all[ARRAY_SIZE(flag_sets) * 4 * 4 * 3 * 2];
	struct gen_view other;
	u64 cur, since, hist;
	u32 nr = 0, f, oos, i, j;

	(void)state;
	for (f = 0; f < ARRAY_SIZE(flag_sets); f++)
		for (cur = 0; cur < 4; cur++)
			for (since = 0; since < 4; since++)
				for (hist = 0; hist < 3; hist++)
					for (oos = 0; oos < 2; oos++)
						all[nr++] = view(1, cur, since, hist ? hist + 1 : 0,
								 flag_sets[f], oos * 9);
	for (i = 0; i < nr; i++) {
		for (j = 0; j < nr; j++) {
			other = all[j];
			other.node_id = 2;
			check_pair(&all[i], &other);
			other.no_disk = true;
			check_pair(&all[i], &other);
		}
	}
	for (i = GEN_RULE_NONE + 1; i < GEN_RULE_NR; i++)
		if (!reached[i] && i != GEN_RULE_GROUP_SELF && i != GEN_RULE_GROUP_PEER)
			fail_msg("rule %s was not reached", gen_rule_name(i));
}

struct row {
	struct gen_view self, peer;
	enum gen_rule rule;
	enum gen_verdict verdict;
};

static void check_rows(const struct row *table, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		struct gen_result r = gen_compare(&table[i].self, &table[i].peer);

		if (r.rule != table[i].rule || r.verdict != table[i].verdict)
			fail_msg("row %u: %s, %s", i, gen_rule_name(r.rule),
				 gen_verdict_name(r.verdict));
		check_pair(&table[i].self, &table[i].peer);
	}
}

#define V1(...)	view(1, __VA_ARGS__)
#define V2(...)	view(2, __VA_ARGS__)
#define MR	(M | R)

/* The table of the header and the stories of the design, one by one. */
static void rows(void **state)
{
	const struct row table[] = {
		{ V1(0, 0, 0, M, 0), V2(0, 0, 0, M, 0), GEN_RULE_BOTH_BLANK, GEN_BLANK },
		{ V1(5, 0, 0, CLEAN, 0), V2(7, 0, 0, CLEAN, 0), GEN_RULE_BOTH_CLEAN, GEN_NONE },
		{ V1(0, 0, 0, 0, 0), V2(7, 0, 0, C | M, 0), GEN_RULE_BLANK_SELF, GEN_TARGET_FULL },
		{ V1(0, 0, 0, 0, 0), V2(7, 0, 0, CLEAN, 0), GEN_RULE_BLANK_SELF, GEN_TARGET_FULL },
		{ V1(0, 0, 0, 0, 0), V2(7, 0, 0, M, 0), GEN_RULE_INCONS_BOTH, GEN_INCONSISTENT },
		{ V1(5, 0, 0, C | M, 0), V2(7, 0, 0, CLEAN, 0), GEN_RULE_CLEAN_PEER,
		  GEN_SOURCE_FULL },
		{ V1(5, 0, 0, M, 0), V2(7, 0, 0, CLEAN, 0), GEN_RULE_INCONS_BOTH,
		  GEN_INCONSISTENT },
		/* Resync interrupted. */
		{ V1(5, 0, 0, M, 0), V2(7, 5, 0, C | M, 3), GEN_RULE_INCONS_SELF, GEN_TARGET },
		{ V1(5, 0, 0, M, 0), V2(5, 0, 0, C | M, 3), GEN_RULE_INCONS_SELF, GEN_TARGET },
		{ V1(5, 0, 0, M, 0), V2(5, 0, 0, C, 3), GEN_RULE_INCONS_SELF, GEN_TARGET_FULL },
		{ V1(5, 0, 0, 0, 0), V2(5, 0, 0, C | M, 3), GEN_RULE_INCONS_SELF, GEN_TARGET_FULL },
		{ V1(4, 0, 0, M, 0), V2(7, 5, 4, C | M, 3), GEN_RULE_INCONS_SELF, GEN_TARGET_FULL },
		{ V1(5, 0, 0, M | U, 0), V2(7, 5, 0, C | M, 3), GEN_RULE_INCONS_SELF,
		  GEN_TARGET_FULL },
		{ V1(5, 0, 0, M | U, 0), V2(7, 5, 0, C | MR, 3), GEN_RULE_INCONS_SELF, GEN_TARGET },
		{ V1(5, 0, 0, M, 0), V2(7, 5, 0, C | MR | U, 3), GEN_RULE_INCONS_SELF,
		  GEN_TARGET_FULL },
		{ V1(5, 0, 0, MR, 0), V2(7, 5, 0, C | MR | U, 3), GEN_RULE_INCONS_SELF,
		  GEN_TARGET },
		/* Link flapped. */
		{ V1(5, 0, 0, C | M, 0), V2(5, 0, 0, C | M, 0), GEN_RULE_EQUAL, GEN_NONE },
		/* Primary crashed, secondary lived. */
		{ V1(5, 0, 0, C | P, 0), V2(5, 0, 0, C | M, 0), GEN_RULE_CRASH_SELF,
		  GEN_TARGET_FULL },
		{ V1(5, 0, 0, C | P | MR, 0), V2(5, 0, 0, C | M, 0), GEN_RULE_CRASH_SELF,
		  GEN_TARGET },
		{ V1(5, 0, 0, C | P | MR, 0), V2(5, 0, 0, C, 0), GEN_RULE_CRASH_SELF,
		  GEN_TARGET_FULL },
		/* Both lost power. */
		{ V1(5, 0, 0, C | P | MR, 0), V2(5, 0, 0, C | U, 0), GEN_RULE_CRASH_BOTH_SELF,
		  GEN_SOURCE },
		{ V1(5, 0, 0, C | P, 0), V2(5, 0, 0, C | U, 0), GEN_RULE_CRASH_BOTH_SELF,
		  GEN_SOURCE_FULL },
		{ V1(5, 0, 0, C | P | MR, 0), V2(5, 0, 0, C | P | MR, 0), GEN_RULE_CRASH_TIE,
		  GEN_SOURCE_FULL },
		/* Secondary crashed, primary lived. */
		{ V1(5, 0, 0, C | U, 0), V2(5, 0, 0, C | MR, 0), GEN_RULE_RESTART_SELF,
		  GEN_TARGET },
		{ V1(5, 0, 0, C | U, 0), V2(5, 0, 0, C | M, 0), GEN_RULE_RESTART_SELF,
		  GEN_TARGET_FULL },
		/* Both crashed as secondaries. */
		{ V1(5, 0, 0, C | U, 0), V2(5, 0, 0, C | U, 0), GEN_RULE_RESTART_BOTH,
		  GEN_SOURCE_FULL },
		{ V1(5, 0, 0, C | U | MR, 0), V2(5, 0, 0, C | U | MR, 0), GEN_RULE_RESTART_BOTH,
		  GEN_SOURCE },
		/* The end of a resync was not noted. */
		{ V1(5, 4, 0, C | M, 3), V2(5, 0, 0, C | M, 0), GEN_RULE_MARKS_SELF, GEN_SOURCE },
		{ V1(5, 4, 0, C, 0), V2(5, 0, 0, C | M, 0), GEN_RULE_MARKS_SELF, GEN_SOURCE_FULL },
		{ V1(5, 0, 0, C, 0), V2(5, 0, 0, C | M, 0), GEN_RULE_EQUAL, GEN_NONE },
		{ V1(5, 0, 0, C | M, 1), V2(5, 0, 0, C | M, 1), GEN_RULE_MARKS_BOTH, GEN_SOURCE },
		{ V1(5, 4, 0, C, 1), V2(5, 0, 0, C | M, 1), GEN_RULE_MARKS_BOTH, GEN_SOURCE_FULL },
		/* One went on alone. */
		{ V1(5, 0, 0, C | M, 0), V2(7, 5, 0, C | M, 2), GEN_RULE_SINCE_PEER, GEN_TARGET },
		{ V1(5, 0, 0, C | M, 0), V2(7, 5, 0, C, 2), GEN_RULE_SINCE_PEER, GEN_TARGET_FULL },
		{ V1(5, 0, 0, C, 0), V2(7, 5, 0, C | M, 2), GEN_RULE_SINCE_PEER, GEN_TARGET_FULL },
		{ V1(5, 0, 0, C | U, 0), V2(7, 5, 0, C | MR, 2), GEN_RULE_SINCE_PEER, GEN_TARGET },
		{ V1(5, 0, 0, C | U, 0), V2(7, 5, 0, C | M, 2), GEN_RULE_SINCE_PEER,
		  GEN_TARGET_FULL },
		{ V1(5, 0, 0, C | P, 0), V2(7, 5, 0, C | MR, 2), GEN_RULE_SINCE_PEER,
		  GEN_TARGET_FULL },
		{ V1(5, 0, 0, C | P | MR, 0), V2(7, 5, 0, C | MR, 2), GEN_RULE_SINCE_PEER,
		  GEN_TARGET },
		{ V1(5, 0, 0, C | M, 0), V2(7, 5, 0, C | U | MR, 2), GEN_RULE_SINCE_PEER,
		  GEN_TARGET_FULL },
		/* The target went on alone from an earlier point, and that is known. */
		{ V1(5, 3, 0, C | M, 0), V2(7, 5, 3, C | M, 2), GEN_RULE_SINCE_PEER, GEN_TARGET },
		/* Both wrote alone. */
		{ V1(6, 5, 0, C | M, 1), V2(7, 5, 0, C | M, 1), GEN_RULE_SPLIT, GEN_SPLIT },
		{ V1(6, 7, 0, C | M, 1), V2(7, 6, 0, C | M, 1), GEN_RULE_SPLIT, GEN_SPLIT },
		{ V1(6, 5, 0, C | M, 1), V2(7, 4, 5, C | M, 1), GEN_RULE_SPLIT_HISTORY, GEN_SPLIT },
		{ V1(6, 0, 7, C | M, 1), V2(7, 0, 6, C | M, 1), GEN_RULE_SPLIT_HISTORY, GEN_SPLIT },
		{ V1(6, 0, 2, C | M, 1), V2(7, 0, 2, C | M, 1), GEN_RULE_SPLIT_HISTORY, GEN_SPLIT },
		/* Long ago, and never. */
		{ V1(5, 0, 0, C | M, 0), V2(7, 6, 5, C | M, 0), GEN_RULE_HISTORY_PEER,
		  GEN_TARGET_FULL },
		{ V1(5, 0, 0, C | M, 0), V2(7, 0, 0, C | M, 0), GEN_RULE_UNRELATED, GEN_UNRELATED },
	};

	(void)state;
	check_rows(table, ARRAY_SIZE(table));
	assert_int_equal(gen_compare(&table[1].self, &table[1].peer).adopt_id, 7);
}

/* It wrote on without having heard that the resync had ended: gen.h, (d). */
static void left_in_the_past(void **state)
{
	const struct row table[] = {
		{ V1(6, 0, 5, C | M, 0), V2(7, 5, 6, C | M, 2), GEN_RULE_HISTORY_PEER,
		  GEN_TARGET_FULL },
		{ V1(6, 0, 5, C | U, 0), V2(7, 5, 6, C | MR, 2), GEN_RULE_HISTORY_PEER,
		  GEN_TARGET_FULL },
		{ V1(6, 0, 5, M, 0), V2(7, 5, 6, C | M, 2), GEN_RULE_INCONS_SELF, GEN_TARGET_FULL },
		{ V1(6, 0, 4, M, 0), V2(7, 5, 6, C | M, 2), GEN_RULE_INCONS_SELF, GEN_TARGET_FULL },
		{ V1(6, 4, 5, C | M, 1), V2(7, 5, 6, C | M, 2), GEN_RULE_HISTORY_PEER,
		  GEN_TARGET_FULL },
	};

	(void)state;
	check_rows(table, ARRAY_SIZE(table));
}

/* Half of a full copy: on by marks if both have noted its name; if not, from the start. */
static void half_of_a_full_copy(void **state)
{
	u64 h = gen_half_id(6, 77);
	const struct row table[] = {
		{ V1(h, 0, 0, M, 0), V2(7, h, 6, C | M, 2), GEN_RULE_INCONS_SELF, GEN_TARGET },
		{ V1(h, 0, 0, M, 0), V2(6, 5, 0, C | M, 2), GEN_RULE_INCONS_SELF,
		  GEN_TARGET_FULL },
		{ V1(h, 0, 0, M, 0), V2(6, 0, 0, C | M, 2), GEN_RULE_INCONS_SELF,
		  GEN_TARGET_FULL },
		/* The peer is of a version that goes by its generation: source, and target. */
		{ V1(h, 0, 0, M, 0), V2(7, 6, 5, C | M, 2), GEN_RULE_INCONS_SELF,
		  GEN_TARGET_FULL },
		{ V1(6, 0, 0, M, 0), V2(7, h, 6, C | M, 2), GEN_RULE_INCONS_SELF,
		  GEN_TARGET_FULL },
		/* Another disk, half copied or whole. */
		{ V1(h + 1, 0, 0, M, 0), V2(7, h, 6, C | M, 2), GEN_RULE_INCONS_SELF,
		  GEN_TARGET_FULL },
		{ V1(6, 0, 0, C | M, 0), V2(7, h, 6, C | M, 2), GEN_RULE_HISTORY_PEER,
		  GEN_TARGET_FULL },
		/* And one that was taken out, and went on alone. */
		{ V1(8, 6, 0, C | M, 1), V2(7, h, 6, C | M, 2), GEN_RULE_SPLIT_HISTORY, GEN_SPLIT },
	};
	u64 seen[2][64];
	u32 i, j;

	(void)state;
	check_rows(table, ARRAY_SIZE(table));
	for (i = 0; i < 64; i++) {
		seen[0][i] = gen_half_id(i, 77);
		seen[1][i] = gen_half_id(6, i + 100);
	}
	for (i = 0; i < 128; i++)
		for (j = 0; j <= i; j++)
			assert_true(seen[i / 64][i % 64] > 1000 &&
				    (i == j || seen[i / 64][i % 64] != seen[j / 64][j % 64]));
}

/* Marks are left, and one of the two is primary: it has all that was completed, like the other. */
static void marks_beside_a_primary(void **state)
{
	const struct row table[] = {
		{ V1(5, 4, 0, C | M, 3), V2(5, 0, 0, C | M | NOW, 0), GEN_RULE_MARKS_SELF,
		  GEN_TARGET },
		{ V1(5, 4, 0, C | M, 3), V2(5, 0, 0, C | NOW, 0), GEN_RULE_MARKS_SELF,
		  GEN_TARGET_FULL },
		{ V1(5, 4, 0, C, 3), V2(5, 0, 0, C | M | NOW, 0), GEN_RULE_MARKS_SELF,
		  GEN_TARGET_FULL },
		{ V1(5, 4, 0, C | M | NOW, 3), V2(5, 0, 0, C, 0), GEN_RULE_MARKS_SELF, GEN_SOURCE },
		{ V1(5, 0, 0, C | M, 1), V2(5, 0, 0, C | M | NOW, 1), GEN_RULE_MARKS_BOTH,
		  GEN_TARGET },
		{ V1(5, 0, 0, C | M, 1), V2(5, 4, 0, C | NOW, 0), GEN_RULE_MARKS_BOTH,
		  GEN_TARGET_FULL },
	};

	(void)state;
	check_rows(table, ARRAY_SIZE(table));
}

/* It crashed, became primary again alone, and the end of the resync to the peer was not heard. */
static void primary_again(void **state)
{
	const struct row table[] = {
		{ V1(5, 0, 0, C | MR, 0), V2(5, 4, 0, C | P | MR | NOW, 3), GEN_RULE_PRIMARY_PEER,
		  GEN_TARGET },
		{ V1(5, 0, 0, C | MR, 0), V2(5, 4, 0, C | U | MR | NOW, 0), GEN_RULE_PRIMARY_PEER,
		  GEN_TARGET },
		{ V1(5, 0, 0, C | U | MR, 0), V2(5, 4, 0, C | U | MR | NOW, 3),
		  GEN_RULE_PRIMARY_PEER, GEN_TARGET },
		{ V1(5, 0, 0, C | P | MR, 0), V2(5, 4, 0, C | P | MR | NOW, 3),
		  GEN_RULE_PRIMARY_PEER, GEN_TARGET },
		{ V1(5, 0, 0, C | M, 0), V2(5, 4, 0, C | P | MR | NOW, 3), GEN_RULE_PRIMARY_PEER,
		  GEN_TARGET_FULL },
		{ V1(5, 0, 0, C | MR, 0), V2(5, 4, 0, C | P | M | NOW, 3), GEN_RULE_PRIMARY_PEER,
		  GEN_TARGET_FULL },
		/* Half a copy is none; and of two primaries each has its doubts. */
		{ V1(5, 0, 0, MR, 0), V2(5, 4, 0, C | P | MR | NOW, 3), GEN_RULE_INCONS_SELF,
		  GEN_TARGET },
		{ V1(5, 0, 0, C | MR | NOW, 0), V2(5, 4, 0, C | P | MR | NOW, 3),
		  GEN_RULE_CRASH_PEER, GEN_SOURCE },
	};

	(void)state;
	check_rows(table, ARRAY_SIZE(table));
}

/* What is left of a copy that gave up what it wrote; how far it went back and what it lost. */
static void surrendered(void **state)
{
	const struct row table[] = {
		{ V1(5, 0, 0, MR, 4), V2(7, 5, 0, C | MR, 3), GEN_RULE_INCONS_SELF, GEN_TARGET },
		/* It had crashed as a primary that was alone: marks are in its regions, too. */
		{ V1(5, 0, 0, M | P, 4), V2(7, 5, 0, C | MR, 3), GEN_RULE_INCONS_SELF,
		  GEN_TARGET_FULL },
		{ V1(5, 0, 0, MR | P, 4), V2(7, 5, 0, C | MR, 3), GEN_RULE_INCONS_SELF,
		  GEN_TARGET },
		{ V1(5, 0, 0, MR | P, 4), V2(7, 5, 0, C | M, 3), GEN_RULE_INCONS_SELF,
		  GEN_TARGET_FULL },
		/* There was no point to go back to, or the other one knows of none. */
		{ V1(0, 0, 4, MR, 4), V2(7, 5, 4, C | MR, 3), GEN_RULE_BLANK_SELF,
		  GEN_TARGET_FULL },
		{ V1(5, 0, 4, MR, 4), V2(7, 4, 3, C | MR, 3), GEN_RULE_INCONS_SELF,
		  GEN_TARGET_FULL },
		/* Both gave up: nobody is left, and nothing is done. */
		{ V1(5, 0, 0, MR, 4), V2(5, 0, 0, MR, 3), GEN_RULE_INCONS_BOTH,
		  GEN_INCONSISTENT },
	};

	(void)state;
	check_rows(table, ARRAY_SIZE(table));
}

static void history_is_searched_to_its_end(void **state)
{
	struct gen_view s = view(1, 5, 0, 0, C | M, 0), p = view(2, 7, 6, 0, C | M, 0);

	(void)state;
	p.history[LOCKSTEP_HISTORY - 1] = 5;
	assert_int_equal(gen_compare(&s, &p).rule, GEN_RULE_HISTORY_PEER);
	p.history[LOCKSTEP_HISTORY - 1] = 4;
	s.history[LOCKSTEP_HISTORY - 1] = 4;
	assert_int_equal(gen_compare(&s, &p).rule, GEN_RULE_SPLIT_HISTORY);
}

/* A primary without a disk: the peer is with it, went on for it, or for itself, or crashed. */
static void without_a_disk(void **state)
{
	const struct {
		struct gen_view peer;
		enum gen_rule rule;
	} table[] = {
		{ V2(5, 0, 0, C | M, 0), GEN_RULE_NO_DISK_SELF },
		{ V2(7, 5, 0, C | M | SERVING, 3), GEN_RULE_NO_DISK_SELF },
		{ V2(7, 5, 0, C | M, 3), GEN_RULE_NO_DISK_STALE },
		{ V2(7, 0, 5, C | M | SERVING, 3), GEN_RULE_NO_DISK_STALE },
		{ V2(5, 0, 0, C | MR | U, 0), GEN_RULE_NO_DISK_STALE },
		{ V2(5, 0, 0, M, 0), GEN_RULE_NO_DISK_STALE },
		{ V2(4, 0, 0, C | M, 0), GEN_RULE_NO_DISK_STALE },
		{ V2(0, 0, 0, 0, 0), GEN_RULE_NO_DISK_STALE },
	};
	struct gen_view self = V1(5, 0, 0, C | M, 0), peer;
	u32 i;

	(void)state;
	self.no_disk = true;
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		assert_int_equal(gen_compare(&self, &table[i].peer).rule, table[i].rule);
		check_pair(&self, &table[i].peer);
		peer = table[i].peer;
		peer.no_disk = true;
		assert_int_equal(gen_compare(&self, &peer).rule, GEN_RULE_NO_DISK_BOTH);
		check_pair(&self, &peer);
	}
}

/*
 * Likewise, and it had a new disk meanwhile, blank or half copied, or an old one that it never
 * used: whatever the two had noted of that, the peer has gone on for it, and for nobody else.
 */
static void without_a_second_disk(void **state)
{
	const struct {
		struct gen_view self, peer;
		enum gen_rule rule;
	} table[] = {
		{ V1(9, 0, 0, M | NOW, 0), V2(7, 9, 6, C | M | SERVING, 3), GEN_RULE_NO_DISK_SELF },
		{ V1(9, 0, 0, M | NOW, 0), V2(6, 5, 0, C | M | SERVING, 3), GEN_RULE_NO_DISK_SELF },
		{ V1(0, 0, 0, M | NOW, 0), V2(6, 5, 0, C | M | SERVING, 3), GEN_RULE_NO_DISK_SELF },
		{ V1(4, 0, 0, M | NOW, 0), V2(6, 5, 0, C | M | SERVING, 3), GEN_RULE_NO_DISK_SELF },
		{ V1(9, 0, 0, M | NOW, 0), V2(6, 5, 0, C | M, 3), GEN_RULE_NO_DISK_STALE },
		{ V1(0, 0, 0, M | NOW, 0), V2(6, 5, 0, C | M, 3), GEN_RULE_NO_DISK_STALE },
		{ V1(9, 0, 0, M | NOW, 0), V2(6, 5, 0, C | MR | U | SERVING, 3),
		  GEN_RULE_NO_DISK_STALE },
		{ V1(9, 0, 0, M | NOW, 0), V2(6, 5, 0, M | SERVING, 3), GEN_RULE_NO_DISK_STALE },
		/* What is whole is taken by its generation. */
		{ V1(9, 0, 0, C | M | NOW, 0), V2(6, 5, 0, C | M | SERVING, 3),
		  GEN_RULE_NO_DISK_STALE },
	};
	struct gen_view self;
	u32 i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		self = table[i].self;
		self.no_disk = true;
		assert_int_equal(gen_compare(&self, &table[i].peer).rule, table[i].rule);
		check_pair(&self, &table[i].peer);
	}
}

static void names(void **state)
{
	u32 i;

	(void)state;
	for (i = 0; i < GEN_RULE_NR; i++) {
		assert_non_null(gen_rule_name(i));
		assert_int_equal(gen_mirror_rule(gen_mirror_rule(i)), i);
	}
	for (i = 0; i < GEN_VERDICT_NR; i++)
		assert_non_null(gen_verdict_name(i));
	assert_string_equal(gen_rule_name(GEN_RULE_NR), "unknown");
	assert_string_equal(gen_verdict_name(GEN_VERDICT_NR), "unknown");
	assert_int_equal(gen_mirror_rule(GEN_RULE_NR), GEN_RULE_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows),
		cmocka_unit_test(left_in_the_past),
		cmocka_unit_test(half_of_a_full_copy),
		cmocka_unit_test(marks_beside_a_primary),
		cmocka_unit_test(primary_again),
		cmocka_unit_test(surrendered),
		cmocka_unit_test(without_a_disk),
		cmocka_unit_test(without_a_second_disk),
		cmocka_unit_test(every_pair_mirrors),
		cmocka_unit_test(history_is_searched_to_its_end),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
