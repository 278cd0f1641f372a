// SPDX-License-Identifier: GPL-2.0
/*
 * lockstep: what a person types. A table of subcommands and nothing else.
 */
#include <stdio.h>
#include <unistd.h>

#include "cmd.h"
#include "opts.h"

static const struct cmd commands[] = {
	{ .name = "keygen", .usage = "NAME|FILE", .run = cmd_keygen,
	  .operand = CMD_MUST_OPERAND,
	  .summary = "make the key that lets the two hosts trust each other",
	  .help =
	  "Writes 32 random bytes as hex digits into /etc/lockstep/NAME.key, or into FILE if\n"
	  "it has a slash in it, readable by its owner only. Never overwrites a file.\n"
	  "Copy the file to the other host, over a channel you trust.\n" },
	{ .name = "init", .usage = "NAME [--volume N] [--clean] [--force] [--node NODE]",
	  .run = cmd_init, .operand = CMD_MUST_OPERAND,
	  .options = CMD_OPT_VOLUME | CMD_OPT_CLEAN | CMD_OPT_FORCE | CMD_OPT_NODE,
	  .summary = "write metadata to this host's disks, once, before the first use",
	  .help = "Checks every disk of the resource first and changes nothing if one is refused.\n"
	  "  --volume N   only this volume\n"
	  "  --clean      what the disks hold is irrelevant: nothing is copied at first. Give it\n"
	  "               on both hosts, and make a new file system afterwards\n"
	  "  --force      although a disk holds something (never: although it is in use)\n"
	  "  --node NODE  who this host is, if neither /etc/lockstep/node nor its name says so\n" },
	{ .name = "up", .usage = "NAME|--all [--node NODE]", .run = cmd_up, .must_root = true,
	  .operand = CMD_MUST_OPERAND, .options = CMD_OPT_ALL | CMD_OPT_NODE | CMD_OPT_SOCKET,
	  .summary = "read the configuration, make the devices, look for the peer",
	  .help = "  --all        every resource that has a file in /etc/lockstep\n"
	  "  --node NODE  who this host is, if neither /etc/lockstep/node nor its name says so\n" },
	{ .name = "down", .usage = "NAME|--all", .run = cmd_down, .must_root = true,
	  .operand = CMD_MUST_OPERAND, .options = CMD_OPT_ALL | CMD_OPT_SOCKET,
	  .summary = "end the session and remove the devices",
	  .help = "Refused while a device is in use. Works without lockstepd, too.\n" },
	{ .name = "status", .usage = "[NAME] [--full | --json]", .run = cmd_status,
	  .must_root = true, .operand = CMD_MAY_OPERAND,
	  .options = CMD_OPT_JSON | CMD_OPT_FULL | CMD_OPT_SOCKET,
	  .summary = "what is going on, what is wrong, what mends it",
	  .help = "Of several resources a line each, and below what is wrong, the worst first.\n"
	  "  --full       all there is to say of each, as with a name\n"
	  "  -j, --json   for programs; lockstep(8) names the schema\n" },
	{ .name = "events", .usage = "[NAME] [--json]", .run = cmd_events, .must_root = true,
	  .operand = CMD_MAY_OPERAND, .options = CMD_OPT_JSON | CMD_OPT_SOCKET,
	  .summary = "how everything is, then each change as it happens",
	  .help = "A line for each, until it is interrupted or lockstepd ends; lockstep(8) has\n"
	  "the form of a line and what each kind means.\n"
	  "  -j, --json   a JSON object a line; lockstep(8) names the schema\n" },
	{ .name = "promote", .usage = "NAME [--force]", .run = cmd_promote, .must_root = true,
	  .operand = CMD_MUST_OPERAND, .options = CMD_OPT_FORCE | CMD_OPT_SOCKET,
	  .summary = "become primary: the device may be written here",
	  .help = "With a session the peer is asked first.\n"
	  "  --force      although this copy is not known to be the latest. What only the peer\n"
	  "               has is given up. Also says whose data counts in a new mirror\n" },
	{ .name = "demote", .usage = "NAME", .run = cmd_demote, .must_root = true,
	  .operand = CMD_MUST_OPERAND, .options = CMD_OPT_SOCKET,
	  .summary = "become secondary",
	  .help = "Refused while a device is open for writing, naming who has it open.\n" },
	{ .name = "connect", .usage = "NAME [--dry-run]", .run = cmd_connect, .must_root = true,
	  .operand = CMD_MUST_OPERAND, .options = CMD_OPT_DRY_RUN | CMD_OPT_SOCKET,
	  .summary = "look for the peer again after disconnect, and at once",
	  .help = "  --dry-run    only ask the peer what it has, and say what would be copied\n" },
	{ .name = "disconnect", .usage = "NAME", .run = cmd_disconnect, .must_root = true,
	  .operand = CMD_MUST_OPERAND, .options = CMD_OPT_SOCKET,
	  .summary = "end the session and stay off until connect",
	  .help = "" },
	{ .name = "resolve", .usage = "NAME --keep here|peer [--save FILE] [--yes]",
	  .run = cmd_resolve, .must_root = true, .operand = CMD_MUST_OPERAND,
	  .options = CMD_OPT_KEEP | CMD_OPT_SAVE | CMD_OPT_YES | CMD_OPT_SOCKET,
	  .summary = "end a split brain: throw away what one host wrote alone",
	  .help = "Says first what is thrown away, and asks. On either host; the one that gives\n"
	  "up must not be primary, and becomes a copy of the other.\n"
	  "  --keep here  this host's changes count, the peer's are thrown away\n"
	  "  --keep peer  the other way round\n"
	  "  --save FILE  with --keep peer: save what is thrown away first, as a sparse image\n"
	  "               FILE and a list FILE.map (FILE.N of several volumes)\n"
	  "  --yes        do not ask\n" },
	{ .name = "attach", .usage = "NAME [--volume N]", .run = cmd_attach, .must_root = true,
	  .operand = CMD_MUST_OPERAND, .options = CMD_OPT_VOLUME | CMD_OPT_SOCKET,
	  .summary = "give volumes that have lost their disk one again",
	  .help = "Reads the configuration anew, attaches the disks it names (a new disk needs\n"
	  "lockstep init NAME --volume N first) and has them brought up to date, while the\n"
	  "device goes on being used.\n"
	  "  --volume N   only this volume; else all whose disk has failed or was given up\n" },
	{ .name = "detach", .usage = "NAME [--volume N]", .run = cmd_detach, .must_root = true,
	  .operand = CMD_MUST_OPERAND, .options = CMD_OPT_VOLUME | CMD_OPT_SOCKET,
	  .summary = "give up a disk on purpose and go on through the peer",
	  .help = "Refused unless the peer is connected and its copy is up to date.\n"
	  "  --volume N   needed if there are several\n" },
	{ .name = "verify", .run = cmd_verify, .must_root = true, .operand = CMD_MUST_OPERAND,
	  .usage = "NAME [--volume N] [--range FROM-TO] [--repair] [--resume] [--wait]\n"
	  "       lockstep verify NAME [--volume N] --stop | --result [--json]",
	  .options = CMD_OPT_VOLUME | CMD_OPT_RANGE | CMD_OPT_REPAIR | CMD_OPT_RESUME |
	  CMD_OPT_WAIT | CMD_OPT_STOP | CMD_OPT_RESULT | CMD_OPT_JSON | CMD_OPT_TIMEOUT,
	  .summary = "compare the two copies while they are in use",
	  .help = "On the host that is primary. Goes on in the kernel when the command has ended.\n"
	  "  --volume N   only this volume\n"
	  "  --range F-T  bytes from F to T (10G-20G, 10G-, -20G); needs --volume if there are\n"
	  "               several\n"
	  "  --repair     write blocks that differ anew at the peer, as they are here\n"
	  "  --resume     go on where the last one was stopped\n"
	  "  --wait       until it is done; exit code 1 if the copies differ afterwards\n"
	  "  --timeout S  with --wait: stop waiting after S seconds; it goes on\n"
	  "  --stop       stop it\n"
	  "  --result     list what the last one found to differ\n" },
	{ .name = "resize", .usage = "NAME [--volume N] [--size S] [--shrink]", .run = cmd_resize,
	  .must_root = true, .operand = CMD_MUST_OPERAND,
	  .options = CMD_OPT_VOLUME | CMD_OPT_SIZE | CMD_OPT_SHRINK | CMD_OPT_SOCKET,
	  .summary = "give a volume another size while it is in use",
	  .help = "First make the disks larger on both hosts, and have each taken up: detach and\n"
	  "attach, or down and up. Then, with both connected, this on one of them.\n"
	  "  --volume N   needed if there are several\n"
	  "  --size S     bytes, or as in 10G; all that both disks can give, if not given\n"
	  "  --shrink     it may become smaller; what lies beyond the new end is lost. Only while\n"
	  "               nobody has it open on either host\n" },
	{ .name = "wait-connect", .usage = "NAME [--timeout SECONDS]", .run = cmd_wait_connect,
	  .must_root = true, .operand = CMD_MUST_OPERAND, .options = CMD_OPT_TIMEOUT,
	  .summary = "wait until the two hosts are connected",
	  .help = "  --timeout S  give up after S seconds (0, the default: never)\n" },
	{ .name = "wait-sync", .usage = "NAME [--timeout SECONDS]", .run = cmd_wait_sync,
	  .must_root = true, .operand = CMD_MUST_OPERAND, .options = CMD_OPT_TIMEOUT,
	  .summary = "wait until both copies are up to date",
	  .help = "Shows the progress if it runs on a terminal.\n"
	  "  --timeout S  give up after S seconds (0, the default: never)\n" },
	{ .name = "wait-promotable", .usage = "NAME [--timeout SECONDS]",
	  .run = cmd_wait_promotable, .must_root = true, .operand = CMD_MUST_OPERAND,
	  .options = CMD_OPT_TIMEOUT,
	  .summary = "wait until this host may become primary without --force",
	  .help = "Also when it is primary already.\n"
	  "  --timeout S  give up after S seconds (0, the default: never)\n" },
	{ .name = "resume", .usage = "NAME", .run = cmd_resume, .must_root = true,
	  .operand = CMD_MUST_OPERAND, .options = CMD_OPT_SOCKET,
	  .summary = "go on without the peer, whose fencing did not succeed",
	  .help = "Only if you know that the peer is no primary and will not become one with the\n"
	  "copy it has: it is off, or you have run outdate on it. If it does, both sides have\n"
	  "written, and one side's writes have to be given up. Works without lockstepd, too.\n" },
	{ .name = "outdate", .usage = "NAME", .run = cmd_outdate, .must_root = true,
	  .operand = CMD_MUST_OPERAND, .options = CMD_OPT_SOCKET,
	  .summary = "note that the peer goes on without this copy (for fencing programs)",
	  .help =
	  "It is not promoted without --force before it has been connected again.\n"
	  "Exit code, as a fencing program passes it on: 4 noted, or so before; 3 it is not\n"
	  "consistent anyway; 6 it is primary; 1 anything else (connected, for instance).\n" },
	{ .name = "trace-write", .run = cmd_trace_write, .must_root = true,
	  .usage = "NAME [--count N] [--timeout SECONDS] [--peer] [--json]",
	  .operand = CMD_MUST_OPERAND,
	  .options = CMD_OPT_COUNT | CMD_OPT_TIMEOUT | CMD_OPT_PEER | CMD_OPT_JSON |
	  CMD_OPT_SOCKET,
	  .summary = "where the time of writes goes, on both hosts",
	  .help = "On the host that is primary. Watches the writes that come, and makes none.\n"
	  "  --count N    of so many, the latest; flushes count, too (1000; up to 4000)\n"
	  "  --timeout S  of what comes within S seconds, if that is less (10; up to 60)\n"
	  "  --peer       fail if the peer's half cannot be had, instead of going without it\n"
	  "  -j, --json   for programs; lockstep(8) has the members\n" },
	{ .name = "dump-meta", .usage = "NAME|--device PATH [--volume N] [--json]",
	  .run = cmd_dump_meta, .operand = CMD_MUST_OPERAND,
	  .options = CMD_OPT_DEVICE | CMD_OPT_VOLUME | CMD_OPT_JSON | CMD_OPT_NODE,
	  .summary = "show the metadata on a disk; needs neither module nor daemon",
	  .help = "Reads both copies, says which one counts and why the other one does not.\n"
	  "  --device P   any block device or image file\n"
	  "  -j, --json   for programs\n" },
	{ .name = "check-meta", .run = cmd_check_meta, .operand = CMD_MUST_OPERAND,
	  .usage = "NAME|--device PATH [--meta PATH] [--volume N] [--json]",
	  .options = CMD_OPT_DEVICE | CMD_OPT_META | CMD_OPT_VOLUME | CMD_OPT_JSON | CMD_OPT_NODE,
	  .summary = "check the metadata on a disk; needs neither module nor daemon",
	  .help = "Reads superblocks, region map, index and bitmap, counts what they mark, and\n"
	  "names what is unreadable or contradicts itself: then the exit code is 1. Changes\n"
	  "nothing.\n"
	  "  --device P   any block device or image file\n"
	  "  --meta P     the device with its metadata, if that is another one\n"
	  "  -j, --json   for programs\n" },
};

static const struct cmd *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static void print_overview(FILE *f)
{
	fprintf(f, "lockstep: a block device whose two copies, on two hosts, move in lockstep\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(f, "  %-13s %s\n", commands[i].name, commands[i].summary);
	fprintf(f, "  %-13s %s\n\n", "help", "this, or: help COMMAND");
	fprintf(f, "Exit code: 0 done, 1 refused or failed, 2 wrong usage. "
		"Manual: man 8 lockstep\n");
}

static void print_help(const struct cmd *cmd)
{
	printf("lockstep %s %s\n  %s\n\n%s", cmd->name, cmd->usage, cmd->summary, cmd->help);
	if (cmd->options & CMD_OPT_SOCKET)
		printf("  --socket P   control socket of lockstepd, if it is elsewhere\n");
}

static int unknown_command(const char *name)
{
	struct err e;

	err_set(&e, -EINVAL, "usage", "there is no command \"%.64s\"", name);
	err_mend(&e, "lockstep help");
	cmd_refuse(&e);
	return CMD_USAGE;
}

static int help(int argc, char **argv)
{
	const struct cmd *cmd;

	if (argc < 2) {
		print_overview(stdout);
		return CMD_OK;
	}
	cmd = find_command(argv[1]);
	if (!cmd)
		return unknown_command(argv[1]);
	print_help(cmd);
	return CMD_OK;
}

static int must_be_root(const struct cmd *cmd)
{
	struct err e;

	err_set(&e, -EPERM, "not-root", "%s is for root only", cmd->name);
	err_mend(&e, "sudo lockstep %s ...", cmd->name);
	return cmd_refuse(&e);
}

static int run(int argc, char **argv)
{
	const struct cmd *cmd = find_command(argv[0]);
	struct opts o;
	struct err e;
	int ret;

	if (!cmd)
		return unknown_command(argv[0]);
	ret = opts_parse(cmd, argc, argv, &o, &e);
	if (ret == OPTS_HELP) {
		print_help(cmd);
		return CMD_OK;
	}
	if (ret) {
		cmd_refuse(&e);
		return CMD_USAGE;
	}
	if (cmd->must_root && geteuid())
		return must_be_root(cmd);
	cmd_about(o.operand);
	return cmd->run(&o);
}

/* A full pipe or disk must not look like success. */
static int finish(int ret)
{
	if (!fflush(stdout) && !ferror(stdout))
		return ret;
	fprintf(stderr, "lockstep: writing the output failed\n");
	return ret ? ret : CMD_FAILED;
}

int main(int argc, char **argv)
{
	/* No setlocale(): what we print is read by programs, too. */
	if (argc < 2) {
		print_overview(stderr);
		return CMD_USAGE;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		printf("lockstep %s\n", LOCKSTEP_VERSION);
		return finish(CMD_OK);
	}
	if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return finish(help(argc - 1, argv + 1));
	return finish(run(argc - 1, argv + 1));
}
