// SPDX-License-Identifier: GPL-2.0
#include <sys/ioctl.h>
#include <unistd.h>

#include "cmd.h"
#include "gather.h"
#include "print.h"

#define COLUMNS_MIN	40u
#define COLUMNS_MAX	400u

/* As wide as the terminal; into a pipe or file as wide as a terminal usually is. */
static u32 get_columns(void)
{
	struct winsize w;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) || !w.ws_col)
		return PRINT_COLUMNS;
	/* The last column stays free: some terminals begin a new line when it is written. */
	return min(max((u32)w.ws_col - 1, COLUMNS_MIN), COLUMNS_MAX);
}

int cmd_status(const struct opts *o)
{
	const struct print_ops *print = o->given & CMD_OPT_JSON ? &print_json : &print_text;
	struct print_status how = {
		.name = o->operand,
		.is_full = o->given & CMD_OPT_FULL,
		.columns = get_columns(),
	};
	struct model m;
	struct err e;

	if (o->operand && cmd_check_name(o->operand, &e))
		return cmd_refuse(&e);
	if (gather(o->operand, o->socket, &m, &e))
		return cmd_refuse(&e);
	print->status(stdout, &m, &how);
	model_free(&m);
	return CMD_OK;
}
