// SPDX-License-Identifier: GPL-2.0
/* The administrator's programs: what they get, how they end, that none outlives its limit. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "hook.h"

#define LONG_MS		20000

struct fixture {
	sd_event *event;
	struct hook *hook;
	struct hook_env env;
	char dir[64], program[128], out[128];
	struct hook_result res;
	int nr_done;
};

static void on_done(void *arg, const struct hook_result *res)
{
	struct fixture *f = arg;

	f->res = *res;
	f->hook = NULL;
	f->nr_done++;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/test_hook.XXXXXX");
	if (!mkdtemp(f->dir) || sd_event_new(&f->event) < 0)
		return -1;
	snprintf(f->program, sizeof(f->program), "%s/program", f->dir);
	snprintf(f->out, sizeof(f->out), "%s/out", f->dir);
	hook_env_add(&f->env, "OUT", "%s", f->out);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	hook_env_clear(&f->env);
	sd_event_unref(f->event);
	unlink(f->program);
	unlink(f->out);
	rmdir(f->dir);
	free(f);
	return 0;
}

static void write_program(struct fixture *f, const char *body)
{
	FILE *out = fopen(f->program, "w");

	assert_non_null(out);
	fprintf(out, "#!/bin/sh\n%s\n", body);
	fclose(out);
	assert_int_equal(chmod(f->program, 0700), 0);
}

static void begin(struct fixture *f, u32 timeout_ms)
{
	struct err e = { .code = "" };

	f->nr_done = 0;
	assert_int_equal(hook_run(f->event, f->program, &f->env, timeout_ms, on_done, f, &f->hook,
				  &e), 0);
	/* It comes from the loop only. */
	assert_int_equal(f->nr_done, 0);
}

static u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000 + (u64)ts.tv_nsec / 1000000;
}

static void finish(struct fixture *f)
{
	u64 end = now_ms() + LONG_MS;

	while (!f->nr_done && now_ms() < end)
		assert_true(sd_event_run(f->event, 100000) >= 0);
	assert_int_equal(f->nr_done, 1);
}

static void run(struct fixture *f, const char *body, u32 timeout_ms)
{
	write_program(f, body);
	begin(f, timeout_ms);
	finish(f);
}

static char *output(struct fixture *f)
{
	static char text[4096];
	FILE *in = fopen(f->out, "r");
	size_t n;

	assert_non_null(in);
	n = fread(text, 1, sizeof(text) - 1, in);
	fclose(in);
	text[n] = 0;
	return text;
}

/* Every exit code arrives as it is: the fencing contract is made of them. */
static void test_exit_codes(void **state)
{
	struct fixture *f = *state;
	char body[32];

	for (int code = 0; code <= 255; code += code < 8 ? 1 : 30) {
		snprintf(body, sizeof(body), "exit %d", code);
		run(f, body, LONG_MS);
		assert_int_equal(f->res.end, HOOK_EXITED);
		assert_int_equal(f->res.value, code);
	}
	/* What a shell says of a program that is not there is an exit code like any other. */
	run(f, "exit 127", LONG_MS);
	assert_int_equal(f->res.end, HOOK_EXITED);
}

/* What was added, and PATH, and nothing else; "secret" must not leak to it. */
static void test_environment(void **state)
{
	struct fixture *f = *state;

	setenv("LOCKSTEP_TEST_SECRET", "secret", 1);
	hook_env_add(&f->env, "LOCKSTEP_NAME", "%s of %d", "two words", 7);
	run(f, "/usr/bin/env > $OUT", LONG_MS);
	assert_int_equal(f->res.value, 0);
	assert_non_null(strstr(output(f), "LOCKSTEP_NAME=two words of 7\n"));
	assert_non_null(strstr(output(f), "PATH=/"));
	assert_null(strstr(output(f), "secret"));
	assert_null(strstr(output(f), "HOME="));
}

/* Empty stdin, directory /, a group of its own, no signal blocked, no file inherited. */
static void test_surroundings(void **state)
{
	int leak = open("/dev/zero", O_RDONLY);		/* not close-on-exec */
	struct fixture *f = *state;
	sigset_t term, old;
	char *at;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &old);
	signal(SIGPIPE, SIG_IGN);
	run(f, "exec > $OUT 2>&1; cat; pwd; readlink /proc/$$/fd/*\n"
	       "grep -E 'SigBlk|SigIgn' /proc/self/status\n"
	       "awk '{ print ($1 == $5) ? \"own\" : \"not\" }' /proc/$$/stat", LONG_MS);
	sigprocmask(SIG_SETMASK, &old, NULL);
	signal(SIGPIPE, SIG_DFL);
	assert_int_equal(strncmp(output(f), "/\n", 2), 0);
	assert_non_null(strstr(output(f), "own\n"));
	assert_non_null(strstr(output(f), "SigBlk:\t0000000000000000"));
	at = strstr(output(f), "SigIgn:\t");
	assert_non_null(at);
	assert_int_equal(strtoull(at + 8, NULL, 16) & 1ull << (SIGPIPE - 1), 0);
	assert_null(strstr(output(f), "/dev/zero"));
	assert_null(strstr(output(f), "pipe:"));
	close(leak);
}

static bool is_alive(pid_t pid)
{
	return kill(pid, 0) == 0;
}

static pid_t noted_pid(struct fixture *f)
{
	u64 end = now_ms() + LONG_MS;

	/* "PID end": a half-written number is not one. */
	while (access(f->out, F_OK) != 0 || !strstr(output(f), "end"))
		if (now_ms() > end)
			fail();
		else
			(void)sd_event_run(f->event, 10000);
	return atoi(output(f));
}

static void must_die(struct fixture *f, pid_t pid)
{
	u64 end = now_ms() + LONG_MS;

	while (is_alive(pid) && now_ms() < end)
		(void)sd_event_run(f->event, 10000);
	assert_false(is_alive(pid));
}

/* At the limit the whole group dies, though it ignores what can be ignored. */
static void test_time_limit(void **state)
{
	struct fixture *f = *state;
	u64 before = now_ms();
	pid_t pid;

	run(f, "trap '' TERM INT HUP\n(trap '' TERM; sleep 1000) &\necho $! end > $OUT\nwait", 500);
	assert_int_equal(f->res.end, HOOK_TIMED_OUT);
	assert_int_equal(f->res.value, 500);
	assert_true(now_ms() - before >= 490);
	pid = noted_pid(f);
	must_die(f, pid);
}

static void test_signal(void **state)
{
	struct fixture *f = *state;

	run(f, "kill -USR1 $$; sleep 10", LONG_MS);
	assert_int_equal(f->res.end, HOOK_SIGNALLED);
	assert_int_equal(f->res.value, SIGUSR1);
}

static void test_not_there(void **state)
{
	struct fixture *f = *state;

	begin(f, LONG_MS);
	finish(f);
	assert_int_equal(f->res.end, HOOK_NOT_RUN);
	assert_int_equal(f->res.value, ENOENT);
	write_program(f, "exit 0");
	chmod(f->program, 0600);
	begin(f, LONG_MS);
	finish(f);
	assert_int_equal(f->res.end, HOOK_NOT_RUN);
	assert_int_equal(f->res.value, EACCES);
}

/* Cancelled: it dies, is buried, and nobody hears of it; at the end of the loop likewise. */
static void test_cancel(void **state)
{
	struct fixture *f = *state;
	pid_t pid;

	write_program(f, "echo $$ end > $OUT; sleep 1000");
	begin(f, LONG_MS);
	pid = noted_pid(f);
	hook_cancel(f->hook);
	must_die(f, pid);
	assert_int_equal(f->nr_done, 0);
	unlink(f->out);
	begin(f, LONG_MS);
	pid = noted_pid(f);
	hook_cancel(f->hook);
	hook_cancel(NULL);
	sd_event_unref(f->event);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(sd_event_new(&f->event), 0);
}

/* Half of what it must know is not enough to run it. */
static void test_too_much(void **state)
{
	struct err e = { .code = "" };
	struct fixture *f = *state;

	write_program(f, "exit 0");
	for (int i = 0; i < HOOK_ENV_MAX; i++)
		hook_env_add(&f->env, "ONE", "%d", i);
	assert_true(hook_run(f->event, f->program, &f->env, LONG_MS, on_done, f, &f->hook, &e) < 0);
	assert_non_null(strstr(e.what, f->program));
	hook_env_clear(&f->env);
	hook_env_add(&f->env, "LONG", "%5000d", 1);
	assert_true(hook_run(f->event, f->program, &f->env, LONG_MS, on_done, f, &f->hook, &e) < 0);
	hook_env_clear(&f->env);
	for (int i = 0; i < HOOK_ENV_MAX; i++)
		hook_env_add(&f->env, "ONE", "%d", i);
	begin(f, LONG_MS);
	finish(f);
	assert_int_equal(f->res.value, 0);
}

/* Not even begun: who asked is told at once, and nothing comes later. */
static void test_no_descriptors(void **state)
{
	struct fixture *f = *state;
	struct err e = { .code = "" };
	struct rlimit all, few;
	char what[200];

	write_program(f, "exit 0");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
	few = all;
	few.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(hook_run(f->event, f->program, &f->env, LONG_MS, on_done, f, &f->hook, &e),
			 -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
	assert_string_equal(e.code, "hook");
	snprintf(what, sizeof(what), "%s cannot be run: Too many open files", f->program);
	assert_string_equal(e.what, what);
	assert_null(f->hook);
	assert_int_equal(f->nr_done, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_exit_codes), T(test_environment), T(test_surroundings),
		T(test_time_limit), T(test_signal), T(test_not_there), T(test_cancel),
		T(test_too_much), T(test_no_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
