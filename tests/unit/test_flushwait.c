// SPDX-License-Identifier: GPL-2.0
/* Every moment around the limit, and whole waits: who is blamed for them, and when they end. */
#include "test.h"
#include "flushwait.h"

#define LIMIT	20u

static void moments(void **state)
{
	u64 limit, waited, left;
	u32 begun;

	(void)state;
	for (limit = 0; limit < 30; limit++)
		for (waited = 0; waited < 60; waited++)
			for (begun = 0; begun < 2; begun++) {
				struct flushwait_facts f = { limit, begun, waited };
				enum flushwait next = flushwait_next(&f, &left);

				if (!limit || waited < limit) {
					assert_int_equal(next, FLUSHWAIT_MORE);
					assert_int_equal(left, limit ? limit - waited : 0);
				} else {
					assert_int_equal(next, begun ? FLUSHWAIT_LATE :
								       FLUSHWAIT_UNTRIED);
				}
			}
}

/* Somebody waits from 0 on for a flush that begins and ends then. */
static void whole(void **state)
{
	u64 begins, takes, now, left;

	(void)state;
	for (begins = 0; begins <= 2 * LIMIT; begins++) {
		for (takes = 0; takes <= 2 * LIMIT; takes++) {
			u64 ends = begins + takes;
			enum flushwait next = FLUSHWAIT_MORE;

			for (now = 0; now < ends && next == FLUSHWAIT_MORE; ) {
				struct flushwait_facts f = {
					.limit = LIMIT, .begun = now >= begins,
					.waited = now >= begins ? now - begins : now,
				};

				next = flushwait_next(&f, &left);
				if (next != FLUSHWAIT_MORE)
					break;
				assert_in_range(left, 1, LIMIT);
				now = min(now + left, ends);
			}
			assert_in_range(now, 0, 2 * LIMIT);
			/* The disk's fault is what it has had for too long, and nothing else. */
			assert_int_equal(next == FLUSHWAIT_LATE, begins <= LIMIT && takes > LIMIT);
			assert_int_equal(next == FLUSHWAIT_UNTRIED, begins > LIMIT);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moments),
		cmocka_unit_test(whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
