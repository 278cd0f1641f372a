// SPDX-License-Identifier: GPL-2.0
/* What every subcommand needs. */
#include "cmd.h"

#include "meta.h"

int cmd_refuse(const struct err *e)
{
	fflush(stdout);
	err_print(stderr, "lockstep", e);
	return CMD_FAILED;
}

int cmd_check_name(const char *name, struct err *e)
{
	if (meta_name_ok(name))
		return 0;
	err_set(e, -EINVAL, "bad-name", "\"%.64s\" cannot be a resource's name", name);
	err_mend(e, "lockstep status    (lists what there is)");
	return -EINVAL;
}
