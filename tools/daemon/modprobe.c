// SPDX-License-Identifier: GPL-2.0
#include "modprobe.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

static int spawn(const char *module, pid_t *ret)
{
	static const char *const path[] = { "/usr/sbin/modprobe", "/sbin/modprobe" };
	char *env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	char *argv[] = { "modprobe", "-q", "--", (char *)module, NULL };
	posix_spawnattr_t attr;
	sigset_t none;
	int r = ENOENT;

	/* Threads of ours run with every signal blocked; modprobe must not. */
	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attr, &none);
	for (size_t i = 0; r != 0 && i < sizeof(path) / sizeof(path[0]); i++)
		r = posix_spawn(ret, path[i], NULL, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	return -r;
}

static int failed(struct err *e, const char *module, const char *why)
{
	err_set(e, -ENOPKG, "no-module", "the kernel module %s is not loaded, and %s", module, why);
	err_mend(e, "modprobe %s", module);
	return -ENOPKG;
}

int modprobe(const char *module, unsigned int timeout_ms, struct err *e)
{
	struct timespec nap = { .tv_nsec = 10000000 };
	pid_t pid, got = 0;
	int status = 0;

	if (spawn(module, &pid) < 0)
		return failed(e, module, "there is no modprobe to load it with");
	for (unsigned int ms = 0; ms < timeout_ms; ms += 10) {
		got = waitpid(pid, &status, WNOHANG);
		if (got != 0)
			break;
		nanosleep(&nap, NULL);
	}
	if (got == 0) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		return failed(e, module, "modprobe did not come to an end");
	}
	if (got == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return failed(e, module, "modprobe could not load it");
}
