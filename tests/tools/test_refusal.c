// SPDX-License-Identifier: GPL-2.0
/* Each refusal says what mends it: nothing is missing in the tables, and what is sent is split. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "refusal.h"

static void check_mend(const char *what, const char *mend)
{
	if (!mend || !*mend)
		fail_msg("\"%s\" has no row in tools/lib/refusal.c: what mends it?", what);
	if (strlen(mend) > 200 || mend[strlen(mend) - 1] == '.')
		fail_msg("\"%s\": this is no command to type: %s", what, mend);
}

/* Every refusal of the state machine has a sentence and a command. */
static void test_states(void **state)
{
	const char *text;

	(void)state;
	for (u32 rf = STATE_OK + 1; rf < STATE_RF_NR; rf++) {
		text = state_refusal_text(rf);
		if (!text || !strcmp(text, "unknown"))
			fail_msg("refusal %u has no sentence", rf);
		check_mend(text, refusal_mend_state(rf));
	}
	assert_null(refusal_mend_state(STATE_RF_NR));
}

static void sent(const char *text, const char *what, const char *mend)
{
	struct err e;

	err_set(&e, 0, "x", "%s", text);
	refusal_split(&e, "r0");
	assert_string_equal(e.what, what);
	assert_string_equal(e.mend, mend);
}

static void test_split(void **state)
{
	char text[128];
	struct err e;

	(void)state;
	sent("r0: the peer is primary", "r0: the peer is primary",
	     "on the other host: lockstep demote r0");
	sent("r0: the peer is primary; on bob: lockstep demote r0", "r0: the peer is primary",
	     "on bob: lockstep demote r0");
	sent("a; b; to do: lockstep up r0", "a; b", "to do: lockstep up r0");
	sent("volume 0: lockstep is in the middle", "volume 0: lockstep is in the middle", "");
	sent("r0: the peer is primary today", "r0: the peer is primary today", "");
	sent("", "", "");
	/* As the module puts them, each comes with its command. */
	for (u32 rf = STATE_OK + 1; rf < STATE_RF_NR; rf++) {
		snprintf(text, sizeof(text), "r0: %s", state_refusal_text(rf));
		err_set(&e, 0, "x", "%s", text);
		refusal_split(&e, "r0");
		assert_string_equal(e.what, text);
		if (!e.mend[0] || strstr(e.mend, "NAME"))
			fail_msg("%s: \"%s\"", text, e.mend);
	}
}

static void test_complete(void **state)
{
	char name[64];
	struct err e;

	(void)state;
	err_set(&e, 0, "peer-silent", "bob is silent");
	refusal_complete(&e, "r0", "bob");
	assert_string_equal(e.mend, "on bob: systemctl status lockstepd");
	err_set(&e, 0, "peer-silent", "bob is silent");
	err_mend(&e, "as it was");
	refusal_complete(&e, "r0", "bob");
	assert_string_equal(e.mend, "as it was");
	err_set(&e, 0, "never-heard-of", "something");
	refusal_complete(&e, "r0", "bob");
	assert_non_null(strstr(e.mend, "lockstep status r0"));
	err_set(&e, 0, "", "%s", "");
	refusal_complete(&e, "r0", "bob");
	assert_string_equal(e.mend, "");
	/* A name of any length ends where the text ends. */
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	err_set(&e, 0, "unrelated", "x");
	refusal_complete(&e, name, name);
	assert_true(strlen(e.mend) < sizeof(e.mend));
}

static void outdated(int error, const char *code, const char *want)
{
	struct err e;

	err_set(&e, error, code, "x");
	refusal_outdate(&e, error);
	assert_string_equal(e.code, want);
}

/* Only the module's own -EPERM says "primary". */
static void test_outdate(void **state)
{
	(void)state;
	outdated(-EPERM, "kernel-refused", "outdate-primary");
	outdated(-EPERM, "no-permission", "no-permission");
	outdated(-EACCES, "no-permission", "no-permission");
	outdated(-EUCLEAN, "kernel-refused", "outdate-inconsistent");
	outdated(-EBUSY, "kernel-busy", "kernel-busy");
	outdated(-ENOPKG, "no-module", "no-module");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_complete),
		cmocka_unit_test(test_outdate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
