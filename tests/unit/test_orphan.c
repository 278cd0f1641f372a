// SPDX-License-Identifier: GPL-2.0
/* Every combination: what is settled, what is sent, and what is kept for somebody who comes. */
#include "test.h"
#include "orphan.h"

static void all(void **state)
{
	u64 through, call;
	u32 bits;

	(void)state;
	for (through = 0; through < 4; through++)
		for (call = 0; call < 4; call++)
			for (bits = 0; bits < 8; bits++) {
				struct orphan_facts f = {
					.through_epoch = through, .call_epoch = call,
					.given_up = bits & 1, .parked = bits & 2,
					.resent = bits & 4,
				};
				enum orphan_next next = orphan_next(&f);

				/* A disk that is kept may have it all the same. */
				if (!f.given_up || f.parked || !through)
					assert_int_equal(next, ORPHAN_PARK);
				/* Twice in a session never; not at all would be for ever. */
				else if (call == through || f.resent)
					assert_int_equal(next, ORPHAN_SETTLE);
				else
					assert_int_equal(next, ORPHAN_SEND);
			}
}

/* A write that the peer has not been sent, and nothing else. */
static void bound(void **state)
{
	(void)state;
	assert_true(orphan_is_bound(true, false));
	assert_false(orphan_is_bound(true, true));
	assert_false(orphan_is_bound(false, false));
	assert_false(orphan_is_bound(false, true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all),
		cmocka_unit_test(bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
