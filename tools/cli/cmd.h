/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The subcommands: one row each in main.c's table, one function each in the file of their group.
 * Options are parsed in one place (opts.c) from the row's masks, so that an option means the same
 * everywhere and one that a command does not take is refused instead of being ignored.
 */
#ifndef LOCKSTEP_CMD_H
#define LOCKSTEP_CMD_H

#include "os.h"
#include "err.h"
#include <lockstep/limits.h>

/* Exit codes. */
enum cmd_exit {
	CMD_OK		= 0,
	CMD_FAILED	= 1,	/* refused or failed; nothing or not all was done */
	CMD_USAGE	= 2,
};

/* Options a command may take. */
enum cmd_option {
	CMD_OPT_FORCE	= 1 << 0,
	CMD_OPT_CLEAN	= 1 << 1,
	CMD_OPT_ALL	= 1 << 2,
	CMD_OPT_JSON	= 1 << 3,
	CMD_OPT_VOLUME	= 1 << 4,
	CMD_OPT_NODE	= 1 << 5,
	CMD_OPT_SOCKET	= 1 << 6,
	CMD_OPT_DEVICE	= 1 << 7,
	CMD_OPT_TIMEOUT	= 1 << 8,
	CMD_OPT_REPAIR	= 1 << 9,
	CMD_OPT_RESUME	= 1 << 10,
	CMD_OPT_STOP	= 1 << 11,
	CMD_OPT_WAIT	= 1 << 12,
	CMD_OPT_RESULT	= 1 << 13,
	CMD_OPT_RANGE	= 1 << 14,
	CMD_OPT_SIZE	= 1 << 15,
	CMD_OPT_SHRINK	= 1 << 16,
	CMD_OPT_META	= 1 << 17,
	CMD_OPT_FULL	= 1 << 18,
	CMD_OPT_KEEP	= 1 << 19,
	CMD_OPT_SAVE	= 1 << 20,
	CMD_OPT_YES	= 1 << 21,
	CMD_OPT_DRY_RUN	= 1 << 22,
	CMD_OPT_COUNT	= 1 << 23,
	CMD_OPT_PEER	= 1 << 24,
};

/* The one word that is no option. */
enum cmd_operand {
	CMD_NO_OPERAND,
	CMD_MAY_OPERAND,
	CMD_MUST_OPERAND,	/* or one of --all and --device, where the command takes them */
};

struct opts {
	const char *operand;	/* NULL: none */
	u32 given;		/* CMD_OPT_* */
	u32 volume;
	u32 timeout_s;
	u32 count;
	const char *node;
	const char *socket;	/* never NULL */
	const char *device;
	const char *meta;
	u64 from_bytes, to_bytes;	/* --range; to: the byte after, UINT64_MAX: to the end */
	u64 size_bytes;
	const char *keep;
	const char *save;
};

struct cmd {
	const char *name;
	const char *usage;	/* what follows the name */
	const char *summary;	/* a line in the overview */
	const char *help;	/* the rest of `lockstep help NAME` */
	u32 options;
	enum cmd_operand operand;
	bool must_root;
	int (*run)(const struct opts *o);	/* returns an exit code */
};

int cmd_keygen(const struct opts *o);		/* keygen.c */
int cmd_init(const struct opts *o);		/* init.c */
int cmd_dump_meta(const struct opts *o);	/* dump.c */
int cmd_check_meta(const struct opts *o);	/* check.c */
int cmd_up(const struct opts *o);		/* daemon.c */
int cmd_down(const struct opts *o);
int cmd_connect(const struct opts *o);
int cmd_disconnect(const struct opts *o);
int cmd_promote(const struct opts *o);
int cmd_demote(const struct opts *o);
int cmd_attach(const struct opts *o);
int cmd_detach(const struct opts *o);
int cmd_resize(const struct opts *o);
int cmd_resolve(const struct opts *o);		/* resolve.c */
int cmd_resume(const struct opts *o);		/* fence.c */
int cmd_outdate(const struct opts *o);
int cmd_status(const struct opts *o);		/* status.c */
int cmd_events(const struct opts *o);		/* events.c */
int cmd_verify(const struct opts *o);		/* verify.c */
int cmd_trace_write(const struct opts *o);	/* trace.c */
int cmd_wait_connect(const struct opts *o);	/* wait.c */
int cmd_wait_sync(const struct opts *o);
int cmd_wait_promotable(const struct opts *o);

/* Which resource the command is about, NULL: none; for what refusals of it are completed with. */
void cmd_about(const char *name);

/* Print e to stderr; returns CMD_FAILED, to be returned in turn. */
int cmd_refuse(const struct err *e);

/* Can this be a resource's name? */
int cmd_check_name(const char *name, struct err *e);

#endif /* LOCKSTEP_CMD_H */
