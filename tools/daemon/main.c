// SPDX-License-Identifier: GPL-2.0
/*
 * lockstepd: options, privileges, the loop. SIGTERM ends the daemon and nothing else: devices and
 * sessions are the kernel's, and the next daemon takes them up.
 */
#include <getopt.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "conf.h"
#include "ctl.h"
#include "log.h"
#include "manager.h"
#include "server.h"

#ifndef LOCKSTEP_VERSION
#define LOCKSTEP_VERSION	"unknown"
#endif

#define STATE_DIR	"/var/lib/lockstep"

struct options {
	const char *socket;
	const char *state_dir;
	char node[LOCKSTEP_NAME_BYTES];
	bool no_mlock, verbose;
};

static void usage(FILE *f)
{
	fputs("Usage: lockstepd [option...]\n"
	      "\n"
	      "  --foreground       accepted and of no effect: there is no background mode\n"
	      "  --config-dir DIR   where NAME.conf are, " CONF_DIR " by default\n"
	      "  --state-dir DIR    for the sizes of disks, " STATE_DIR " by default\n"
	      "  --socket PATH      for the lockstep command, " CTL_SOCKET " by default\n"
	      "  --node NAME        which node of the configuration this host is\n"
	      "  --no-mlock         do not lock memory (for tests)\n"
	      "  -v, --verbose      log every step\n"
	      "  --version\n"
	      "  -h, --help\n"
	      "\n"
	      "See lockstepd(8).\n", f);
}

/* Returns -1 to go on, or the exit code. */
static int parse(int argc, char **argv, struct options *o)
{
	enum { FOREGROUND = 256, CONFIG_DIR, SOCKET, NODE, NO_MLOCK, STATE, VERSION };
	static const struct option row[] = {
		{ "foreground",	no_argument,	   NULL, FOREGROUND },
		{ "config-dir",	required_argument, NULL, CONFIG_DIR },
		{ "socket",	required_argument, NULL, SOCKET },
		{ "state-dir",	required_argument, NULL, STATE },
		{ "node",	required_argument, NULL, NODE },
		{ "no-mlock",	no_argument,	   NULL, NO_MLOCK },
		{ "verbose",	no_argument,	   NULL, 'v' },
		{ "version",	no_argument,	   NULL, VERSION },
		{ "help",	no_argument,	   NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "vh", row, NULL)) != -1) {
		switch (c) {
		case FOREGROUND: break;
		case CONFIG_DIR: setenv("LOCKSTEP_CONF_DIR", optarg, 1); break;
		case SOCKET:	 o->socket = optarg; break;
		case STATE:	 o->state_dir = optarg; break;
		case NODE:	 snprintf(o->node, sizeof(o->node), "%s", optarg); break;
		case NO_MLOCK:	 o->no_mlock = true; break;
		case 'v':	 o->verbose = true; break;
		case VERSION:	 puts("lockstepd " LOCKSTEP_VERSION); return 0;
		case 'h':	 usage(stdout); return 0;
		default:	 usage(stderr); return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "lockstepd: what is \"%s\"?\n", argv[optind]);
		usage(stderr);
		return 2;
	}
	return -1;
}

/*
 * The device we serve may hold the swap space or the file this program is mapped from. Memory is
 * locked, and malloc is kept from giving any back, since it would have to be found again.
 */
static void lock_memory(void)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	(void)setrlimit(RLIMIT_MEMLOCK, &all);
	(void)mallopt(M_TRIM_THRESHOLD, INT_MAX);
	(void)mallopt(M_MMAP_MAX, 0);
	/* Threads share one arena: each of its own would lock 64 MiB of address space. */
	(void)mallopt(M_ARENA_MAX, 1);
	free(malloc(8u << 20));
	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		log_warn("cannot lock memory: %s", strerror(errno));
}

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *arg)
{
	(void)arg;
	log_notice("ending on signal %u; devices and sessions stay as they are", si->ssi_signo);
	sd_notify(0, "STOPPING=1");
	return sd_event_exit(sd_event_source_get_event(s), 0);
}

static int set_up_loop(sd_event *event)
{
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	signal(SIGPIPE, SIG_IGN);
	r = sd_event_add_signal(event, NULL, SIGTERM, on_signal, NULL);
	if (r >= 0)
		r = sd_event_add_signal(event, NULL, SIGINT, on_signal, NULL);
	if (r >= 0)
		r = sd_event_set_watchdog(event, true);
	return r;
}

/* The socket's directory, which also keeps the flags of disconnected resources. */
static int make_run_dir(const char *socket, char *ret, size_t size, struct err *e)
{
	const char *slash = strrchr(socket, '/');
	int r;

	if (!slash || slash == socket || (size_t)(slash - socket) >= size) {
		err_set(e, -EINVAL, "socket", "the socket path %s has no directory", socket);
		err_mend(e, "lockstepd --socket " CTL_SOCKET);
		return -EINVAL;
	}
	memcpy(ret, socket, (size_t)(slash - socket));
	ret[slash - socket] = 0;
	if (mkdir(ret, 0755) == 0 || errno == EEXIST)
		return 0;
	r = err_set(e, -errno, "run-dir", "cannot make %s: %s", ret, strerror(errno));
	err_mend(e, "mkdir -p %s", ret);
	return r;
}

static int run(sd_event *event, const struct options *o, struct err *e)
{
	struct manager_options mo = { MANAGER_DEFAULTS, .kern = &kern_netlink };
	const char *socket = ctl_socket_path(o->socket);
	struct manager *m = NULL;
	struct server *s = NULL;
	char run_dir[256];
	int r;

	mo.node = o->node[0] ? o->node : NULL;
	mo.run_dir = run_dir;
	mo.state_dir = o->state_dir;
	r = make_run_dir(socket, run_dir, sizeof(run_dir), e);
	if (r < 0)
		return r;
	r = manager_create(event, &mo, &m);
	if (r < 0)
		return err_set(e, r, "start", "cannot start: %s", strerror(-r));
	r = server_create(event, m, socket, &s, e);
	if (r == 0) {
		log_notice("lockstepd " LOCKSTEP_VERSION " is ready, commands on %s", socket);
		sd_notify(0, "READY=1\nSTATUS=Looking after replicated devices.");
		r = sd_event_loop(event);
		if (r < 0)
			err_set(e, r, "loop", "the event loop failed: %s", strerror(-r));
	}
	server_destroy(s);
	manager_destroy(m);
	return r;
}

int main(int argc, char **argv)
{
	struct options o = { .state_dir = STATE_DIR };
	struct err e = { .code = "" };
	sd_event *event = NULL;
	int r;

	r = parse(argc, argv, &o);
	if (r >= 0)
		return r;
	log_init(o.verbose);
	umask(0077);
	if (!o.no_mlock)
		lock_memory();
	r = sd_event_default(&event);
	if (r >= 0)
		r = set_up_loop(event);
	if (r < 0)
		err_set(&e, r, "loop", "cannot make an event loop: %s", strerror(-r));
	else
		r = run(event, &o, &e);
	sd_event_unref(event);
	if (r < 0) {
		log_error("%s%s%s", e.what, e.mend[0] ? " -> " : "", e.mend);
		sd_notifyf(0, "STATUS=%s\nERRNO=%d", e.what, -r);
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
