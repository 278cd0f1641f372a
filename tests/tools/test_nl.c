// SPDX-License-Identifier: GPL-2.0
/*
 * A module that is older than the tools. What nl-cmd.c would send is looked at instead of sent
 * (the linker puts __wrap_nl_command() in its place), and answered as the kernel answers what is
 * in no policy: by netlink's own words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/lockstep.h>

#include "nl-talk.h"

static struct nl kernel;
static u32 newest;			/* the last attribute that it knows */
static bool is_full;			/* and another thing that it refuses */
static u32 asked;			/* how often */

int __wrap_nl_command(struct nl *nl, u8 cmd, const char *name, nl_fill_fn fill, const void *arg,
		      size_t extra, const char *what, struct err *e);

int __wrap_nl_command(struct nl *nl, u8 cmd, const char *name, nl_fill_fn fill, const void *arg,
		      size_t extra, const char *what, struct err *e)
{
	struct nl_msg *msg = nlmsg_alloc();
	struct nlattr *a;
	const char *text = is_full ? "there are too many" : "";
	int left;

	(void)extra;
	assert_string_equal(name, "r0");
	assert_true(cmd == LOCKSTEP_CMD_RES_ADD || cmd == LOCKSTEP_CMD_RES_SET ||
		    cmd == LOCKSTEP_CMD_SURRENDER);
	asked++;
	assert_non_null(msg);
	assert_non_null(nlmsg_put(msg, 0, 0, 0, 0, 0));
	assert_int_equal(fill(msg, arg), 0);
	nlmsg_for_each_attr(a, nlmsg_hdr(msg), 0, left)
		if ((u32)nla_type(a) > newest)
			text = "Unknown attribute type";
	nlmsg_free(msg);
	snprintf(nl->text, sizeof(nl->text), "%s", text);
	if (!*text)
		return 0;
	return err_set(e, -EINVAL, "kernel-refused", "the kernel refuses to %s: %s", what, text);
}

static void is_too_old(int ret, const struct err *e)
{
	assert_int_equal(ret, -EOPNOTSUPP);
	assert_string_equal(e->code, "kernel-lacks");
	assert_string_equal(e->what, "the kernel module that is loaded knows no auto_promote");
	assert_string_equal(e->means, "It is older than the tools");
	assert_string_equal(e->mend, "modinfo lockstep; install module and tools of one release");
}

static void test_add(void **state)
{
	struct nl_resource r = { .name = "r0", .node = "alice", .peer = "bob", .peer_node_id = 1 };
	struct err e;

	(void)state;
	newest = LOCKSTEP_ATTR_AUTO_PROMOTE - 1;
	is_full = false;
	r.disk_timeout_ms = LOCKSTEP_DEF_DISK_TIMEOUT_MS;
	/* It is not asked for what is not wanted. */
	assert_int_equal(nl_res_add(&kernel, &r, &e), 0);
	r.auto_promote = true;
	is_too_old(nl_res_add(&kernel, &r, &e), &e);
	newest = LOCKSTEP_ATTR_AUTO_PROMOTE;
	assert_int_equal(nl_res_add(&kernel, &r, &e), 0);
	/* Refused for something else: that stays its sentence. */
	is_full = true;
	assert_int_equal(nl_res_add(&kernel, &r, &e), -EINVAL);
	assert_string_equal(e.what, "the kernel refuses to add the resource: there are too many");
}

static void test_set(void **state)
{
	struct nl_policies p = { 0 };
	bool on = true;
	u32 fencing = LOCKSTEP_FENCING_NONE;
	struct err e;

	(void)state;
	newest = LOCKSTEP_ATTR_AUTO_PROMOTE - 1;
	is_full = false;
	p.fencing = &fencing;
	assert_int_equal(nl_res_set(&kernel, "r0", &p, &e), 0);
	p.auto_promote = &on;
	is_too_old(nl_res_set(&kernel, "r0", &p, &e), &e);
	on = false;
	is_too_old(nl_res_set(&kernel, "r0", &p, &e), &e);
}

/* One that does not name its sequence would give up what was written after a look at it. */
static void test_surrender(void **state)
{
	struct nl_surrender_volume v[2] = { { 0, 21, 10, 5 }, { 1, 21, 10, 0 } };
	struct err e;

	(void)state;
	newest = LOCKSTEP_ATTR_MAX;
	is_full = false;
	asked = 0;
	assert_int_equal(nl_surrender(&kernel, "r0", v, 2, &e), -EOPNOTSUPP);
	assert_int_equal(asked, 0);
	assert_string_equal(e.code, "kernel-lacks");
	assert_string_equal(e.what, "the kernel module that is loaded cannot tell whether volume 1 "
			    "was written meanwhile");
	assert_string_equal(e.mend, "modinfo lockstep; install module and tools of one release");
	v[1].meta_seq = 7;
	assert_int_equal(nl_surrender(&kernel, "r0", v, 2, &e), 0);
	assert_int_equal(asked, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_surrender),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
