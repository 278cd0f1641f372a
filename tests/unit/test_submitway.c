// SPDX-License-Identifier: GPL-2.0
/* Every device and bio there can be, against what may keep a submitter. */
#include "test.h"
#include "submitway.h"

static struct submit_facts facts(u32 bits)
{
	return (struct submit_facts){
		.synchronous = bits & 1, .nowait = bits & 2, .mq = bits & 4,
		.drops_nowait = bits & 8, .throttled = bits & 16, .flush = bits & 32,
	};
}

/* Whom the device may put to sleep in submit_bio(), with REQ_NOWAIT if it is asked for. */
static bool may_be_kept(const struct submit_facts *f, bool asks)
{
	bool refuses = asks && f->nowait && (f->mq || (!f->drops_nowait && !f->flush));

	return !f->synchronous && (f->throttled || !refuses);
}

static void nobody_is_kept(void **state)
{
	u32 i;

	(void)state;
	for (i = 0; i < 64; i++) {
		struct submit_facts f = facts(i);

		switch (submit_way(&f)) {
		case SUBMIT_DIRECT:
			assert_false(may_be_kept(&f, false));
			break;
		case SUBMIT_NOWAIT:
			assert_false(may_be_kept(&f, true));
			break;
		default:
			/* A worker costs a switch: only where nothing else will do. */
			assert_true(may_be_kept(&f, true));
		}
	}
}

/* Those in a hurry do not stand behind those who are throttled. */
static void two_lines(void **state)
{
	u32 i;

	(void)state;
	for (i = 0; i < 64; i++) {
		struct submit_facts f = facts(i);

		assert_int_equal(submit_way(&f) == SUBMIT_PATIENT, f.throttled && !f.synchronous);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_is_kept),
		cmocka_unit_test(two_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
