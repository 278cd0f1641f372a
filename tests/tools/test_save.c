// SPDX-License-Identifier: GPL-2.0
/* What is saved of a split brain: each block once, whatever way the marks and regions lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "save.h"
#include <lockstep/disk.h>

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

/* Nothing is saved, and no file made, of what nobody can tell apart. */
static void refused(void **state)
{
	static struct model_volume v[2] = {
		{ .number = 0, .flags = LOCKSTEP_MF_MARKS_VALID },
		{ .number = 3, .flags = LOCKSTEP_MF_MARKS_VALID, .backing = "/dev/vdb",
		  .loading = true },
	};
	struct model_resource r = { .name = "r0", .in_kernel = true, .volume = v,
				    .nr_volumes = 2, .kernel_volumes = 2 };
	struct err e;

	(void)state;
	assert_int_equal(save_check(&v[0], &e), 0);
	assert_true(save_changes(&r, "/nonexistent/x", &e) < 0);
	assert_string_equal(e.what, "the bitmap of volume 3 is still being read");
	assert_string_equal(e.mend, "wait a little, then this again");
	v[1].loading = false;
	v[1].flags = 0;
	assert_true(save_changes(&r, "/nonexistent/x", &e) < 0);
	assert_string_equal(e.what, "nobody knows what of volume 3 only this host has: its marks "
			    "are not complete");
	assert_string_equal(e.mend,
			    "save all of /dev/vdb by other means, then this without --save");
	/* Nor if there is more than was told, not even of none at all. */
	v[1].flags = LOCKSTEP_MF_MARKS_VALID;
	for (r.kernel_volumes = 3; r.nr_volumes; r.nr_volumes--) {
		assert_int_equal(save_changes(&r, "/nonexistent/x", &e), -EAGAIN);
		assert_non_null(strstr(e.what, "of its 3 volumes"));
	}
	assert_int_equal(save_changes(&r, "/nonexistent/x", &e), -EAGAIN);
	strcpy(r.wait, "metadata on the local disk");
	assert_int_equal(save_changes(&r, "/nonexistent/x", &e), -EAGAIN);
	assert_string_equal(e.what, "the kernel is busy with r0, and tells of only 0 of its 3 "
			    "volumes; it waits for metadata on the local disk");
	assert_string_equal(e.mend, "lockstep status r0, then this again");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_ranges),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
