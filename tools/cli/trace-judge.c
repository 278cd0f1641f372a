// SPDX-License-Identifier: GPL-2.0
#include "trace-judge.h"

#include <linux/lockstep.h>

int trace_judge_state(const struct model_resource *r, struct err *e)
{
	if (r->role != LOCKSTEP_ROLE_PRIMARY) {
		err_set(e, -EINVAL, "not-primary", "%s is not primary here, and writes are traced "
			"where they are made", r->name);
		err_mend(e, "on %s: lockstep trace-write %s", r->peer, r->name);
	} else if (r->link != LOCKSTEP_LINK_UP || r->io_mode != LOCKSTEP_IO_BOTH) {
		err_set(e, -ENOTCONN, "not-connected", "%s is not mirrored to %s now, and a write "
			"that goes to one host has nothing to be told of", r->name, r->peer);
		err_mend(e, "lockstep status %s", r->name);
	} else {
		return 0;
	}
	return -EINVAL;
}

int trace_judge_nothing(const struct model_resource *r, const struct trace_joined *got, u32 bad,
			u32 timeout_s, struct err *e)
{
	const char *name = r->name;

	if (got->nr)
		err_set(e, -ENODATA, "no-match", "none of the %u writes seen here was seen by %s "
			"as well", got->nr, r->peer);
	else if (got->alone)
		err_set(e, -ENODATA, "alone", "all %u writes that came to %s went to the local "
			"disk alone", got->alone, name);
	else if (bad)
		err_set(e, -ENODATA, "trace-format", "%u events were not to be understood: module "
			"and program are of different versions", bad);
	else
		err_set(e, -ENODATA, "no-load", "no write came to %s within %u s, and this command "
			"makes none", name, timeout_s);
	if (got->alone || got->nr)
		err_mend(e, "lockstep status %s", name);
	else if (bad)
		err_mend(e, "modinfo lockstep; lockstep --version; install the same release of "
			 "both");
	else
		err_mend(e, "start what is to be measured, then lockstep trace-write %s", name);
	return -ENODATA;
}
