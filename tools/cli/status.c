// SPDX-License-Identifier: GPL-2.0
#include "cmd.h"
#include "gather.h"
#include "print.h"

int cmd_status(const struct opts *o)
{
	const struct print_ops *print = o->given & CMD_OPT_JSON ? &print_json : &print_text;
	struct model m;
	struct err e;

	if (o->operand && cmd_check_name(o->operand, &e))
		return cmd_refuse(&e);
	if (gather(o->operand, o->socket, &m, &e))
		return cmd_refuse(&e);
	print->status(stdout, &m, o->operand);
	model_free(&m);
	return CMD_OK;
}
