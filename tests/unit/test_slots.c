// SPDX-License-Identifier: GPL-2.0
/* An answer finds its request, and only that. */
#include "test.h"
#include "slots.h"

#define NR	7

static void stale_answers_find_nothing(void **state)
{
	struct { u32 slot, gen; int *owner; bool live; } use[400];
	struct slot storage[NR];
	struct slots s;
	int owners[400];
	u64 rng = 3;
	u32 n = 0, live = 0, i;

	(void)state;
	slots_init(&s, storage, NR);
	while (n < ARRAY_SIZE(use)) {
		if (random_below(&rng, 2)) {
			u32 gen = 0, slot = slots_get(&s, &owners[n], &gen);

			assert_int_equal(slot == SLOT_NONE, live == NR);
			if (slot == SLOT_NONE)
				continue;
			use[n].slot = slot;
			use[n].gen = gen;
			use[n].owner = &owners[n];
			use[n].live = true;
			n++;
			live++;
		} else if (n) {
			i = (u32)random_below(&rng, n);
			if (!use[i].live)
				continue;
			slots_put(&s, use[i].slot);
			use[i].live = false;
			live--;
		}
		assert_int_equal(s.used, live);
		for (i = 0; i < n; i++)
			assert_ptr_equal(slots_find(&s, use[i].slot, use[i].gen),
					 use[i].live ? use[i].owner : NULL);
	}
}

static void nonsense_finds_nothing(void **state)
{
	struct slot storage[NR];
	struct slots s;
	u32 gen;
	int owner;

	(void)state;
	slots_init(&s, storage, 0);
	assert_int_equal(slots_get(&s, &owner, &gen), SLOT_NONE);
	slots_init(&s, storage, NR);
	assert_null(slots_find(&s, 0, 1));
	assert_null(slots_find(&s, NR, 1));
	assert_null(slots_find(&s, SLOT_NONE, 1));
	assert_int_equal(slots_get(&s, &owner, &gen), 0);
	assert_ptr_equal(slots_find(&s, 0, gen), &owner);
	assert_null(slots_find(&s, 0, gen + 1));
	assert_null(slots_find(&s, 0, gen - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stale_answers_find_nothing),
		cmocka_unit_test(nonsense_finds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
