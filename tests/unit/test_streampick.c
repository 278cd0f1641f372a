// SPDX-License-Identifier: GPL-2.0
/* Every number of streams that can be configured, on hosts of up to 64 processors. */
#include "streampick.h"
#include "test.h"

#define STREAMS	16u
#define CPUS	64u

static void io(void **state)
{
	u32 nr, cpu;

	(void)state;
	for (nr = 1; nr <= STREAMS; nr++)
		for (cpu = 0; cpu < CPUS; cpu++) {
			assert_true(streampick_io(cpu, nr) < nr);
			/* Neighbours share none while there are several. */
			if (nr > 1)
				assert_int_not_equal(streampick_io(cpu, nr),
						     streampick_io(cpu + 1, nr));
		}
}

static void nr_bulk(void **state)
{
	u32 nr, cpus;

	(void)state;
	for (nr = 1; nr <= STREAMS; nr++)
		for (cpus = 1; cpus <= CPUS; cpus++) {
			u32 n = streampick_nr_bulk(nr, cpus);

			assert_true(n >= 1 && n <= nr);
			assert_true(nr == 1 || n < nr);
			assert_true(n <= max(1u, cpus / 2));
			/* No fewer than there may be. */
			assert_true(n + 1 >= nr || n >= cpus / 2);
		}
	/* What is given if nothing is configured. */
	assert_int_equal(streampick_nr_bulk(4, 1), 1);
	assert_int_equal(streampick_nr_bulk(4, 2), 1);
	assert_int_equal(streampick_nr_bulk(4, 4), 2);
	assert_int_equal(streampick_nr_bulk(4, 6), 3);
	assert_int_equal(streampick_nr_bulk(4, 64), 3);
}

static void bulk(void **state)
{
	u32 nr, cpus, turn, cpu;

	(void)state;
	for (nr = 1; nr <= STREAMS; nr++)
		for (cpus = 1; cpus <= CPUS; cpus++) {
			u32 n = streampick_nr_bulk(nr, cpus), used[STREAMS] = { 0 };

			for (turn = 0 - 5 * n; turn != 5 * n; turn++) {
				u32 s = streampick_bulk(turn, nr, cpus);

				assert_true(s < nr);
				assert_true(nr == 1 || s > 0);
				used[s]++;
			}
			/* All of the last n, and no other. */
			for (turn = 0; turn < nr; turn++)
				assert_true(turn < nr - n ? !used[turn] : used[turn] > 0);
			/* Streams enough: none of them is a processor's. */
			for (cpu = 0; nr >= cpus + n && cpu < cpus; cpu++)
				assert_int_equal(used[streampick_io(cpu, nr)], 0);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(io),
		cmocka_unit_test(nr_bulk),
		cmocka_unit_test(bulk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
