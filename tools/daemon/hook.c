// SPDX-License-Identifier: GPL-2.0
/*
 * fork and not posix_spawn: that one waits, in the parent, until the program was found and read,
 * and it may lie on a disk that hangs, or on one that waits for the very outcome of the program.
 * The child tells a failed execve through a pipe that a successful one closes, so that an exit
 * code of the program's own is never taken for it.
 *
 * A pidfd and not SIGCHLD: the module loader of another thread has children too, and a program
 * that is waited for by its own descriptor can never be mistaken for one of those, nor can a
 * process that got its number later be killed for it: the number is ours until waitid().
 *
 * The output is not read here but goes where our stderr goes: a program that writes without end
 * cannot hold the loop up, and one whose daemon was killed can still say what it did.
 */
#include "hook.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "loop.h"

#define DEFAULT_PATH	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define ENV_BYTES	4096
/* What was killed and does not die for so long is reported as if it had. */
#define BURY_MS		2000
#define EXIT_NO_EXEC	127

struct hook {
	sd_event *event;
	sd_event_source *ended, *limit;
	pid_t pid;
	int pidfd;
	int errfd;			/* read end: errno of a failed execve, or nothing */
	u32 timeout_ms;
	bool killed;
	hook_done_fn done;		/* NULL: nobody waits any more */
	void *arg;
};

/* ---- environment */

static void add(struct hook_env *env, const char *name, const char *value)
{
	char *s = NULL;

	if (env->nr < HOOK_ENV_MAX + 1 && asprintf(&s, "%s=%s", name, value) >= 0)
		env->var[env->nr++] = s;
	else
		env->is_short = true;
}

void hook_env_add(struct hook_env *env, const char *name, const char *fmt, ...)
{
	char value[ENV_BYTES];
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	/* Half a list of devices would be fenced by half. */
	if (r < 0 || (size_t)r >= sizeof(value) || env->nr >= HOOK_ENV_MAX)
		env->is_short = true;
	else
		add(env, name, value);
}

void hook_env_clear(struct hook_env *env)
{
	while (env->nr > 0)
		free(env->var[--env->nr]);
	memset(env, 0, sizeof(*env));
}

/* ---- the child: async-signal-safe calls only, because other threads hold locks */

static void open_files(void)
{
	int fd = open("/dev/null", O_RDONLY);

	if (fd >= 0 && fd != STDIN_FILENO) {
		(void)dup2(fd, STDIN_FILENO);
		close(fd);
	}
	(void)dup2(STDERR_FILENO, STDOUT_FILENO);
}

static void child(const char *program, char **env, int errfd)
{
	char *argv[] = { (char *)program, NULL };
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;
	int err;

	setpgid(0, 0);
	for (int s = 1; s < NSIG; s++)
		(void)sigaction(s, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	open_files();
	/* Every descriptor of ours is opened close-on-exec; a library's may not be. */
	(void)syscall(SYS_close_range, 3, ~0u, 4 /* CLOSE_RANGE_CLOEXEC */);
	if (chdir("/") == 0)
		execve(program, argv, env);
	err = errno;
	if (write(errfd, &err, sizeof(err)) < 0)
		_exit(EXIT_NO_EXEC);
	_exit(EXIT_NO_EXEC);
}

/* ---- the end */

/* At the end of the event loop, or when the child was buried. */
static void hook_free(struct hook *h)
{
	if (h->pidfd >= 0)
		close(h->pidfd);
	if (h->errfd >= 0)
		close(h->errfd);
	free(h);
}

static void on_source_gone(void *arg)
{
	hook_free(arg);
}

static void report(struct hook *h, const struct hook_result *res)
{
	hook_done_fn done = h->done;

	h->done = NULL;
	loop_drop(&h->limit);
	if (done)
		done(h->arg, res);
}

static void read_end(struct hook *h, const siginfo_t *si, struct hook_result *ret)
{
	int err = 0;

	if (read(h->errfd, &err, sizeof(err)) == sizeof(err))
		*ret = (struct hook_result) { HOOK_NOT_RUN, err };
	else if (h->killed)
		*ret = (struct hook_result) { HOOK_TIMED_OUT, (int)h->timeout_ms };
	else if (si->si_code == CLD_EXITED)
		*ret = (struct hook_result) { HOOK_EXITED, si->si_status };
	else
		*ret = (struct hook_result) { HOOK_SIGNALLED, si->si_status };
}

static int on_ended(sd_event_source *s, int fd, uint32_t revents, void *arg)
{
	struct hook_result res;
	struct hook *h = arg;
	siginfo_t si = { 0 };

	(void)fd;
	(void)revents;
	if (waitid(P_PID, (id_t)h->pid, &si, WEXITED | WNOHANG) < 0 || si.si_pid != h->pid)
		return 0;
	read_end(h, &si, &res);
	report(h, &res);
	/* The source owns h, and whoever owns the source lets it go. */
	if (sd_event_source_get_floating(s) > 0)
		(void)sd_event_source_set_floating(s, false);
	else
		sd_event_source_disable_unref(h->ended);
	return 0;
}

/* The loop keeps it until the child has died; if the loop ends before, it goes with it. */
static void leave_to_loop(struct hook *h)
{
	(void)sd_event_source_set_floating(h->ended, true);
	sd_event_source_unref(h->ended);
}

/* Nobody else may have the group's number, because the child was not waited for yet. */
static void kill_group(struct hook *h)
{
	h->killed = true;
	if (kill(-h->pid, SIGKILL) < 0)
		(void)kill(h->pid, SIGKILL);
}

static int on_limit(sd_event_source *s, uint64_t now, void *arg)
{
	struct hook_result res;
	struct hook *h = arg;

	(void)s;
	(void)now;
	if (!h->killed) {
		kill_group(h);
		loop_timer(h->event, &h->limit, BURY_MS, on_limit, h);
		return 0;
	}
	res = (struct hook_result) { HOOK_TIMED_OUT, (int)h->timeout_ms };
	leave_to_loop(h);
	report(h, &res);
	return 0;
}

/* ---- the beginning */

static int start(struct hook *h, const char *program, char **env)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	h->errfd = fds[0];
	h->pid = fork();
	if (h->pid == 0)
		child(program, env, fds[1]);
	if (h->pid < 0) {
		close(fds[1]);
		return -errno;
	}
	close(fds[1]);
	/* Here as well: it may be killed before it has come to do so itself. */
	(void)setpgid(h->pid, h->pid);
	h->pidfd = (int)syscall(SYS_pidfd_open, h->pid, 0);
	return h->pidfd < 0 ? -errno : 0;
}

/* Cannot be watched: then it must not run. It has just begun, and dies at once. */
static void abandon(struct hook *h)
{
	if (h->pid > 0) {
		kill_group(h);
		(void)waitpid(h->pid, NULL, 0);
	}
	hook_free(h);
}

int hook_run(sd_event *event, const char *program, const struct hook_env *env, u32 timeout_ms,
	     hook_done_fn done, void *arg, struct hook **ret, struct err *e)
{
	const char *path = getenv("PATH");
	struct hook_env all = *env;
	struct hook *h;
	int r;

	if (env->is_short)
		return err_set(e, -E2BIG, "hook", "%s cannot be told all it has to know", program);
	h = calloc(1, sizeof(*h));
	if (!h)
		return err_set(e, -ENOMEM, "no-memory", "no memory to run %s", program);
	*h = (struct hook) { .event = event, .pidfd = -1, .errfd = -1, .timeout_ms = timeout_ms,
			     .done = done, .arg = arg };
	add(&all, "PATH", path ? path : DEFAULT_PATH);
	all.var[all.nr] = NULL;
	r = all.is_short ? -ENOMEM : start(h, program, all.var);
	if (all.nr > env->nr)
		free(all.var[env->nr]);
	if (r == 0)
		r = sd_event_add_io(event, &h->ended, h->pidfd, EPOLLIN, on_ended, h);
	if (r < 0) {
		abandon(h);
		return err_set(e, r, "hook", "%s cannot be run: %s", program, strerror(-r));
	}
	(void)sd_event_source_set_destroy_callback(h->ended, on_source_gone);
	loop_timer(event, &h->limit, timeout_ms, on_limit, h);
	*ret = h;
	return 0;
}

void hook_cancel(struct hook *h)
{
	if (!h)
		return;
	h->done = NULL;
	loop_drop(&h->limit);
	kill_group(h);
	leave_to_loop(h);
}

void hook_result_text(const struct hook_result *res, char *ret, size_t size)
{
	switch (res->end) {
	case HOOK_EXITED:
		snprintf(ret, size, "ended with exit code %d", res->value);
		break;
	case HOOK_SIGNALLED:
		snprintf(ret, size, "was ended by signal %d", res->value);
		break;
	case HOOK_TIMED_OUT:
		snprintf(ret, size, "did not end within %d ms and was killed", res->value);
		break;
	default:
		snprintf(ret, size, "could not be run: %s", strerror(res->value));
		break;
	}
}
