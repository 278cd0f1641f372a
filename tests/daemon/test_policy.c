// SPDX-License-Identifier: GPL-2.0
/* Every pair of sides: at most one gives up, and only what the table says. */
#include "pair.h"

#include "split-policy.h"

static const u32 flag_sets[] = {
	0, LOCKSTEP_MF_MARKS_VALID, LOCKSTEP_MF_MARKS_VALID | LOCKSTEP_MF_UNCLEAN,
	LOCKSTEP_MF_MARKS_VALID | LOCKSTEP_MF_UNCLEAN | LOCKSTEP_MF_CRASHED_PRIMARY,
};

#define SIDES	(2 * 3 * 3 * 4 * 4 * 2 * 2)

/* The n-th side: role, two policies, the flags of two volumes, their marks. */
static void side(u32 n, struct split_facts *f)
{
	memset(f, 0, sizeof(*f));
	f->s.nr_volumes = 2;
	f->s.role = n % 2 ? LOCKSTEP_ROLE_PRIMARY : LOCKSTEP_ROLE_SECONDARY;
	f->s.no_primary = n / 2 % 3;
	f->s.one_primary = n / 6 % 3;
	f->v[0].flags = flag_sets[n / 18 % 4];
	f->v[1].flags = flag_sets[n / 72 % 4];
	f->v[0].oos_bits = n / 288 % 2 ? 7 : 0;
	f->v[1].oos_bits = n / 576 % 2 ? 9 : 0;
}

/* Told from the numbers alone, in other words than the code's. */
static bool is_spotless(const struct split_facts *f)
{
	return f->v[0].flags == LOCKSTEP_MF_MARKS_VALID && !f->v[0].oos_bits &&
	       f->v[1].flags == LOCKSTEP_MF_MARKS_VALID && !f->v[1].oos_bits;
}

static bool has_marks(const struct split_facts *f)
{
	return f->v[0].oos_bits || f->v[1].oos_bits || !f->v[0].flags || !f->v[1].flags;
}

static void check(const struct split_facts *a, const struct split_facts *b, u32 *yields)
{
	u32 primaries = (a->s.role == LOCKSTEP_ROLE_PRIMARY) + (b->s.role == LOCKSTEP_ROLE_PRIMARY);
	bool here = split_policy_yields(a, b), there = split_policy_yields(b, a);
	bool crashed = (a->v[0].flags | a->v[1].flags | b->v[0].flags | b->v[1].flags) &
		       LOCKSTEP_MF_UNCLEAN;
	bool expected;

	assert_false(here && there);
	if (a->s.no_primary != b->s.no_primary || a->s.one_primary != b->s.one_primary)
		expected = false;
	else if (primaries == 1)
		expected = a->s.role == LOCKSTEP_ROLE_SECONDARY && a->s.one_primary == 2;
	else
		expected = primaries == 0 && a->s.no_primary == 1 && is_spotless(a) &&
			   has_marks(b) && !crashed;
	assert_int_equal(here, expected);
	yields[primaries] += here;
}

static void every_pair(void **state)
{
	static struct split_facts a, b;
	u32 yields[3] = { 0 };

	(void)state;
	for (u32 i = 0; i < SIDES; i++) {
		side(i, &a);
		for (u32 j = 0; j < SIDES; j++) {
			/* Marks and flags of the other in all ways, policies mostly alike. */
			side(j, &b);
			if (j % 7) {
				b.s.no_primary = a.s.no_primary;
				b.s.one_primary = a.s.one_primary;
			}
			check(&a, &b, yields);
		}
	}
	assert_true(yields[0] && yields[1] && !yields[2]);
}

static void other_volumes(void **state)
{
	static struct split_facts a, b;

	(void)state;
	a.s = (struct wire_split){ 0, LOCKSTEP_ROLE_SECONDARY, 1, 2 };
	b.s = (struct wire_split){ 0, LOCKSTEP_ROLE_SECONDARY, 1, 2 };
	assert_false(split_policy_yields(&a, &b));
	b.s.role = LOCKSTEP_ROLE_PRIMARY;
	b.s.nr_volumes = 1;
	assert_false(split_policy_yields(&a, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pair),
		cmocka_unit_test(other_volumes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
