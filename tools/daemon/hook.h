/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Runs a program of the administrator's from the loop, without ever waiting for it. No shell, no
 * arguments, and of the daemon's environment only PATH: what it is told is what the caller added.
 * Working directory /, stdin is /dev/null, stdout and stderr go where the daemon's log goes. A
 * process group of its own, which is killed at the time limit (P10).
 *
 *   struct hook_env env = { .nr = 0 };
 *
 *   hook_env_add(&env, "LOCKSTEP_RESOURCE", "%s", name);
 *   r = hook_run(event, program, &env, 30000, on_done, arg, &h);	(and h = NULL in on_done)
 *   hook_env_clear(&env);
 */
#ifndef LOCKSTEPD_HOOK_H
#define LOCKSTEPD_HOOK_H

#include <systemd/sd-event.h>

#include "err.h"
#include "os.h"

#define HOOK_ENV_MAX	32		/* variables, PATH not counted */

struct hook_env {
	char *var[HOOK_ENV_MAX + 2];	/* "NAME=value"; ours to free */
	u32 nr;
	bool is_short;			/* one of them did not fit, or no memory: not to be run */
};

void hook_env_add(struct hook_env *env, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void hook_env_clear(struct hook_env *env);

enum hook_end {
	HOOK_EXITED,		/* value: exit code */
	HOOK_SIGNALLED,		/* value: the signal, which was not ours */
	HOOK_TIMED_OUT,		/* it was killed; value: the limit in ms */
	HOOK_NOT_RUN,		/* value: errno of execve, positive */
};

struct hook_result {
	enum hook_end end;
	int value;
};

/* For people, behind the program's name: "ended with exit code 3". */
void hook_result_text(const struct hook_result *res, char *ret, size_t size);

struct hook;

typedef void (*hook_done_fn)(void *arg, const struct hook_result *res);

/*
 * Begin. 0: done() comes once, from the loop, at the latest soon after timeout_ms; *ret is good
 * until then. Negative: nothing was begun, e says why, and done() does not come.
 */
int hook_run(sd_event *event, const char *program, const struct hook_env *env, u32 timeout_ms,
	     hook_done_fn done, void *arg, struct hook **ret, struct err *e);

/*
 * Kill it; done() does not come. The loop buries it. A program may have done all of its work by
 * then, or half of it.
 */
void hook_cancel(struct hook *h);		/* NULL is fine */

#endif /* LOCKSTEPD_HOOK_H */
