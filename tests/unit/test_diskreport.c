// SPDX-License-Identifier: GPL-2.0
/* Every kind of report with errors of all sorts; every pair of them, in either order. */
#include "test.h"
#include "diskreport.h"

static const int errors[] = { -EIO, -ETIMEDOUT, -ENOSPC, -1, -4095 };

#define NR	((DISK_FAILURE_NR - 1) * ARRAY_SIZE(errors) * 2)

/* Each that there can be, by number. */
static u32 nth(u32 n)
{
	u32 kinds = DISK_FAILURE_NR - 1;

	return disk_report((enum disk_failure)(1 + n % kinds),
			   errors[n / kinds % ARRAY_SIZE(errors)],
			   n / kinds / ARRAY_SIZE(errors));
}

static bool is_late(enum disk_failure what)
{
	return what == DISK_LATE_FLUSH || what == DISK_LATE_REQUEST;
}

static void one(void **state)
{
	u32 i;

	(void)state;
	assert_false(disk_report_is_late(0));
	assert_false(disk_report_is_error(0));
	for (i = 0; i < NR; i++) {
		u32 what = 1 + i % (DISK_FAILURE_NR - 1), r = nth(i);
		int err = errors[i / (DISK_FAILURE_NR - 1) % ARRAY_SIZE(errors)];

		assert_int_equal(disk_report_what(r), what);
		assert_int_equal(!!(r & DISK_REPORT_NEWS), i >= NR / 2);
		/* A disk's own "timed out" is an error of a request that is over. */
		assert_int_equal(disk_report_is_late(r), is_late(what));
		assert_int_equal(disk_report_is_error(r), !is_late(what));
		assert_int_equal(disk_report_err(r), is_late(what) ? -ETIMEDOUT : err);
	}
}

static u32 without_news(u32 report)
{
	return report & ~DISK_REPORT_NEWS;
}

static void two(void **state)
{
	u32 i, k, a, b, r;

	(void)state;
	for (i = 0; i < NR; i++) {
		a = nth(i);
		assert_int_equal(disk_report_merge(0, a), a);
		for (k = 0; k < NR; k++) {
			b = nth(k);
			r = disk_report_merge(a, b);
			/* One of the two, as a whole. */
			assert_true(without_news(r) == without_news(a) ||
				    without_news(r) == without_news(b));
			assert_int_equal(disk_report_is_error(r),
					 disk_report_is_error(a) || disk_report_is_error(b));
			assert_int_equal(r & DISK_REPORT_NEWS, (a | b) & DISK_REPORT_NEWS);
			/* The first of its sort. */
			if (disk_report_is_error(a) || !disk_report_is_error(b))
				assert_int_equal(without_news(r), without_news(a));
		}
	}
}

static void texts(void **state)
{
	u32 i, k;

	(void)state;
	for (i = 1; i < DISK_FAILURE_NR; i++)
		for (k = 0; k < i; k++)
			assert_string_not_equal(disk_failure_text((enum disk_failure)i),
						disk_failure_text((enum disk_failure)k));
	assert_string_equal(disk_failure_text(DISK_FAILURE_NR),
			    disk_failure_text((enum disk_failure)0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one),
		cmocka_unit_test(two),
		cmocka_unit_test(texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
