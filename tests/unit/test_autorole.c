// SPDX-License-Identifier: GPL-2.0
/* Automatic promotion: every combination of facts against the tables of autorole.h. */
#include "test.h"
#include "autorole.h"
#include <lockstep/limits.h>

static void what_to_do_now(void **state)
{
	u32 i, nr[3] = { 0 };

	(void)state;
	for (i = 0; i < 4 * 4 * 16; i++) {
		struct autorole_facts f = { i & 1, i >> 1 & 1, i >> 2 & 1, i >> 3 & 1,
					    i >> 4 & 3, i >> 6 & 3 };
		enum autorole_next next = autorole_next(&f);

		nr[next]++;
		assert_int_equal(next == AUTOROLE_PROMOTE, f.enabled && f.wanted && !f.writable);
		assert_int_equal(next == AUTOROLE_DEMOTE,
				 !f.wanted && !f.openers && f.primary && f.automatic);
	}
	assert_true(nr[0] && nr[1] && nr[2]);
}

/* Each refusal is on one of the two lists; a new one has to be put there by hand. */
static void which_refusals_pass(void **state)
{
	static const enum state_refusal pass[] = {
		STATE_RF_ALREADY, STATE_RF_PEER_PRIMARY, STATE_RF_ASKING, STATE_RF_NARROWING,
		STATE_RF_CONNECTING, STATE_RF_STRAYS,
	}, stay[] = {
		STATE_OK, STATE_RF_BLANK, STATE_RF_INCONSISTENT, STATE_RF_OUTDATED, STATE_RF_TARGET,
		STATE_RF_NO_COPY, STATE_RF_SESSION, STATE_RF_NO_SESSION, STATE_RF_VERDICT,
		STATE_RF_PRIMARY_TARGET, STATE_RF_TWO_PRIMARIES, STATE_RF_FAILED,
		STATE_RF_ONLY_COPY, STATE_RF_IN_USE, STATE_RF_UNFENCED, STATE_RF_ALONE,
		STATE_RF_AHEAD,
	};
	u32 i;

	(void)state;
	assert_int_equal(ARRAY_SIZE(pass) + ARRAY_SIZE(stay), STATE_RF_NR);
	for (i = 0; i < ARRAY_SIZE(pass); i++)
		assert_true(autorole_may_pass(pass[i]));
	for (i = 0; i < ARRAY_SIZE(stay); i++)
		assert_false(autorole_may_pass(stay[i]));
}

static enum autorole_wait expected(const struct autorole_opener *o, bool seen)
{
	if (o->going)
		return AUTOROLE_GONE;
	if (o->writable)
		return AUTOROLE_OPEN;
	if (!o->enabled || o->waited_ms >= o->limit_ms)
		return AUTOROLE_REFUSED;
	if (seen && !o->may_pass)
		return AUTOROLE_REFUSED;
	if (seen && o->waited_ms >= AUTOROLE_PATIENCE_MS)
		return AUTOROLE_REFUSED;
	return AUTOROLE_WAIT;
}

static void who_waits(void **state)
{
	static const u64 waited[] = { 0, 1999, 2000, 2001, 5999, 6000, 7000 };
	static const u32 came[] = { 0, 1, 7, 0x7fffffff, 0xffffffff };
	u32 flags, i, j, nr[4] = { 0 };
	int d;

	(void)state;
	for (flags = 0; flags < 16; flags++)
		for (i = 0; i < ARRAY_SIZE(waited); i++)
			for (j = 0; j < ARRAY_SIZE(came); j++)
				for (d = -2; d <= 2; d++) {
					struct autorole_opener o = {
						.enabled = flags & 1, .going = flags & 2,
						.writable = flags & 4, .may_pass = flags & 8,
						.came = came[j], .ended = came[j] + (u32)d,
						.waited_ms = waited[i],
						.limit_ms = autorole_limit_ms(2000),
					};
					enum autorole_wait w = autorole_wait(&o);

					assert_int_equal(w, expected(&o, d > 0));
					nr[w]++;
				}
	for (i = 0; i < 4; i++)
		assert_true(nr[i]);
}

/* Whatever happens, nobody waits beyond the limit, and the limit leaves time for the patience. */
static void it_ends(void **state)
{
	struct autorole_opener o = { .enabled = true, .may_pass = true };

	(void)state;
	o.limit_ms = autorole_limit_ms(LOCKSTEP_MAX_TIMEOUT_MS);
	assert_true(o.limit_ms > LOCKSTEP_MAX_TIMEOUT_MS);
	assert_true(autorole_limit_ms(0) >= AUTOROLE_PATIENCE_MS);
	o.waited_ms = o.limit_ms - 1;
	assert_int_equal(autorole_wait(&o), AUTOROLE_WAIT);
	o.waited_ms++;
	assert_int_equal(autorole_wait(&o), AUTOROLE_REFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_to_do_now),
		cmocka_unit_test(which_refusals_pass),
		cmocka_unit_test(who_waits),
		cmocka_unit_test(it_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
