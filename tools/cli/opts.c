// SPDX-License-Identifier: GPL-2.0
#include "opts.h"

#include <getopt.h>
#include <stdlib.h>

#include "ctl.h"
#include "text.h"
#include "tracefs.h"

/* What getopt returns for a long option: its bit's number, beyond every letter. */
#define LONG(option)	(256 + __builtin_ctz(option))

/* No short option but -h and -j: the others are too weighty to be typed by mistake. */
static const struct option long_options[] = {
	{ "help",	no_argument,		NULL, 'h' },
	{ "force",	no_argument,		NULL, LONG(CMD_OPT_FORCE) },
	{ "clean",	no_argument,		NULL, LONG(CMD_OPT_CLEAN) },
	{ "all",	no_argument,		NULL, LONG(CMD_OPT_ALL) },
	{ "json",	no_argument,		NULL, LONG(CMD_OPT_JSON) },
	{ "volume",	required_argument,	NULL, LONG(CMD_OPT_VOLUME) },
	{ "node",	required_argument,	NULL, LONG(CMD_OPT_NODE) },
	{ "socket",	required_argument,	NULL, LONG(CMD_OPT_SOCKET) },
	{ "device",	required_argument,	NULL, LONG(CMD_OPT_DEVICE) },
	{ "timeout",	required_argument,	NULL, LONG(CMD_OPT_TIMEOUT) },
	{ "repair",	no_argument,		NULL, LONG(CMD_OPT_REPAIR) },
	{ "resume",	no_argument,		NULL, LONG(CMD_OPT_RESUME) },
	{ "stop",	no_argument,		NULL, LONG(CMD_OPT_STOP) },
	{ "wait",	no_argument,		NULL, LONG(CMD_OPT_WAIT) },
	{ "result",	no_argument,		NULL, LONG(CMD_OPT_RESULT) },
	{ "range",	required_argument,	NULL, LONG(CMD_OPT_RANGE) },
	{ "size",	required_argument,	NULL, LONG(CMD_OPT_SIZE) },
	{ "shrink",	no_argument,		NULL, LONG(CMD_OPT_SHRINK) },
	{ "meta",	required_argument,	NULL, LONG(CMD_OPT_META) },
	{ "full",	no_argument,		NULL, LONG(CMD_OPT_FULL) },
	{ "keep",	required_argument,	NULL, LONG(CMD_OPT_KEEP) },
	{ "save",	required_argument,	NULL, LONG(CMD_OPT_SAVE) },
	{ "yes",	no_argument,		NULL, LONG(CMD_OPT_YES) },
	{ "dry-run",	no_argument,		NULL, LONG(CMD_OPT_DRY_RUN) },
	{ "count",	required_argument,	NULL, LONG(CMD_OPT_COUNT) },
	{ "peer",	no_argument,		NULL, LONG(CMD_OPT_PEER) },
	{ NULL, 0, NULL, 0 }
};

static const char *option_name(u32 option)
{
	for (const struct option *l = long_options; l->name; l++)
		if (l->val == LONG(option))
			return l->name;
	return "?";
}

static int usage(const struct cmd *cmd, struct err *e)
{
	err_mend(e, "lockstep %s %s", cmd->name, cmd->usage);
	return -EINVAL;
}

static int parse_number(const struct cmd *cmd, u32 option, const char *text, u32 max, u32 *ret,
			struct err *e)
{
	unsigned long v;
	char *end;

	errno = 0;
	v = strtoul(text, &end, 10);
	if (!errno && end != text && !*end && *text != '-' && v <= max) {
		*ret = (u32)v;
		return 0;
	}
	err_set(e, -EINVAL, "usage", "--%s takes a number from 0 to %u, not \"%.32s\"",
		option_name(option), max, text);
	return usage(cmd, e);
}

static int parse_size(const struct cmd *cmd, const char *text, u64 *ret, struct err *e)
{
	if (text_parse_bytes(text, ret) && *ret)
		return 0;
	err_set(e, -EINVAL, "usage", "--size takes bytes, or as in 10G, not \"%.32s\"", text);
	return usage(cmd, e);
}

/* "FROM-TO", either of which may be missing. */
static int parse_range(const struct cmd *cmd, const char *text, struct opts *o, struct err *e)
{
	const char *dash = strchr(text, '-');
	char from[32] = "0";
	bool ok = dash && (dash > text || dash[1]) && dash - text < (int)sizeof(from);

	if (ok && dash > text)
		snprintf(from, sizeof(from), "%.*s", (int)(dash - text), text);
	o->to_bytes = UINT64_MAX;
	ok = ok && text_parse_bytes(from, &o->from_bytes) &&
	     (!dash[1] || text_parse_bytes(dash + 1, &o->to_bytes));
	if (ok && o->from_bytes < o->to_bytes)
		return 0;
	err_set(e, -EINVAL, "usage", "--range takes two places, as in 10G-20G, not \"%.32s\"",
		text);
	return usage(cmd, e);
}

static int take_option(const struct cmd *cmd, u32 option, const char *arg, struct opts *o,
		       struct err *e)
{
	if (!(cmd->options & option)) {
		err_set(e, -EINVAL, "usage", "%s takes no option --%s", cmd->name,
			option_name(option));
		return usage(cmd, e);
	}
	o->given |= option;
	switch (option) {
	case CMD_OPT_VOLUME:
		return parse_number(cmd, option, arg, LOCKSTEP_MAX_VOLUMES - 1, &o->volume, e);
	case CMD_OPT_TIMEOUT:
		return parse_number(cmd, option, arg, 7 * 86400, &o->timeout_s, e);
	case CMD_OPT_COUNT:
		return parse_number(cmd, option, arg, TRACE_MAX_COUNT, &o->count, e);
	case CMD_OPT_NODE:
		o->node = arg;
		break;
	case CMD_OPT_SOCKET:
		o->socket = arg;
		break;
	case CMD_OPT_DEVICE:
		o->device = arg;
		break;
	case CMD_OPT_META:
		o->meta = arg;
		break;
	case CMD_OPT_KEEP:
		o->keep = arg;
		break;
	case CMD_OPT_SAVE:
		o->save = arg;
		break;
	case CMD_OPT_RANGE:
		return parse_range(cmd, arg, o, e);
	case CMD_OPT_SIZE:
		return parse_size(cmd, arg, &o->size_bytes, e);
	}
	return 0;
}

static int take_operand(const struct cmd *cmd, int argc, char **argv, struct opts *o, struct err *e)
{
	bool instead = o->given & (CMD_OPT_ALL | CMD_OPT_DEVICE);

	if (optind < argc)
		o->operand = argv[optind++];
	if (optind < argc)
		err_set(e, -EINVAL, "usage", "\"%.64s\" is one word too many", argv[optind]);
	else if (o->operand && cmd->operand == CMD_NO_OPERAND)
		err_set(e, -EINVAL, "usage", "%s takes no name", cmd->name);
	else if (o->operand && instead)
		err_set(e, -EINVAL, "usage", "%s takes a name or --%s, not both", cmd->name,
			o->given & CMD_OPT_ALL ? "all" : "device");
	else if (!o->operand && !instead && cmd->operand == CMD_MUST_OPERAND)
		err_set(e, -EINVAL, "usage", "%s needs a name", cmd->name);
	else
		return 0;
	return usage(cmd, e);
}

/* getopt takes "--cl" for --clean. Nobody shall wipe or force by a word that was not finished. */
static int refuse_abbreviations(const struct cmd *cmd, int argc, char **argv, struct err *e)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		const struct option *l = long_options;
		size_t len;

		if (strncmp(argv[i], "--", 2))
			continue;
		len = strcspn(argv[i] + 2, "=");
		while (l->name && (strlen(l->name) != len || strncmp(l->name, argv[i] + 2, len)))
			l++;
		if (l->name)
			continue;
		err_set(e, -EINVAL, "usage", "unknown option %.64s", argv[i]);
		return usage(cmd, e);
	}
	return 0;
}

int opts_parse(const struct cmd *cmd, int argc, char **argv, struct opts *ret, struct err *e)
{
	int c, err = refuse_abbreviations(cmd, argc, argv, e);

	if (err)
		return err;
	memset(ret, 0, sizeof(*ret));
	ret->to_bytes = UINT64_MAX;
	ret->socket = ctl_socket_path(NULL);
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":hj", long_options, NULL)) != -1) {
		if (c == 'h')
			return OPTS_HELP;
		if (c == ':' || c == '?') {
			const char *word = argv[optind - 1];

			err_set(e, -EINVAL, "usage", c == ':' ? "%.64s needs a value"
				: "unknown option %.64s", word);
			return usage(cmd, e);
		}
		err = take_option(cmd, c == 'j' ? CMD_OPT_JSON : 1u << (c - 256), optarg, ret, e);
		if (err)
			return err;
	}
	return take_operand(cmd, argc, argv, ret, e);
}
