// SPDX-License-Identifier: GPL-2.0
/* What every subcommand needs. */
#include "cmd.h"

#include "meta.h"
#include "refusal.h"

static const char *about;

void cmd_about(const char *name)
{
	about = name;
}

/* Nobody is left with a refusal and no next step, whoever put it into words. */
int cmd_refuse(const struct err *e)
{
	struct err whole = *e;

	fflush(stdout);
	if (about)
		refusal_complete(&whole, about, "the other host");
	err_print(stderr, "lockstep", &whole);
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
