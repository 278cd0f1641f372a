// SPDX-License-Identifier: GPL-2.0
/* What is saved of a split brain: each block once, whatever way the marks and regions lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "save.h"

static void check(const struct save_range *in, size_t nr)
{
	struct save_range list[16];
	u64 want = 0, got = 0, end = 0;

	memcpy(list, in, nr * sizeof(*in));
	for (size_t i = 0; i < nr; i++)
		for (u64 b = in[i].first; b < in[i].first + in[i].count; b++)
			want |= 1ull << b;
	nr = save_union(list, nr);
	for (size_t i = 0; i < nr; i++) {
		assert_true(list[i].count && (!i || list[i].first > end));
		end = list[i].first + list[i].count;
		for (u64 b = list[i].first; b < end; b++)
			got |= 1ull << b;
	}
	assert_true(got == want);
}

static void any_ranges(void **state)
{
	struct save_range list[16];
	u32 rng = 7;

	(void)state;
	assert_int_equal(save_union(list, 0), 0);
	for (int round = 0; round < 20000; round++) {
		size_t nr = 1 + (size_t)round % ARRAY_SIZE(list);

		for (size_t i = 0; i < nr; i++) {
			rng = rng * 1103515245 + 12345;
			list[i].first = rng >> 16 & 31;
			list[i].count = 1 + (rng >> 22 & 15);
		}
		check(list, nr);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
