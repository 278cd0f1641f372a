// SPDX-License-Identifier: GPL-2.0
#include "fence.h"

#include <linux/lockstep.h>
#include <stdlib.h>
#include <time.h>

#include "fence-judge.h"
#include "log.h"
#include "loop.h"

struct fence {
	const struct peer_env *env;
	char name[LOCKSTEP_NAME_BYTES];
	const struct conf *conf;	/* NULL: not read yet */
	int self;
	/* What the kernel said last. */
	bool unfenced, in_sync;
	u32 seen_round;
	u64 held_until_ms;		/* peer.h */
	sd_event_source *hold;
	/* The program that is running. */
	struct hook *hook;
	enum fence_what what;
	u32 round;			/* it was begun for */
	bool for_promotion;
	struct fence_job *job;		/* its outcome, on the way to the kernel */
	bool undone;
	sd_event_source *retry;
	bool is_waiting;
	u32 wait_ms;
	fence_asked_fn asked;
	void *asked_arg;
	u32 asked_round;
	struct err problem;
	u64 problem_since_s;
};

struct fence_job {
	struct job job;
	struct fence *f;		/* NULL: it was destroyed */
	const struct kern *kern;
	char name[LOCKSTEP_NAME_BYTES];
	u32 round;
	int ret;
	struct err e;
};

static void advance(struct fence *f);

/* ---- what is wrong */

static void set_problem(struct fence *f, const struct err *e)
{
	struct err none = { .code = "" };

	if (!e)
		e = &none;
	if (strcmp(f->problem.what, e->what) != 0) {
		f->problem_since_s = (u64)time(NULL);
		if (e->what[0])
			log_warn("%s: %s", f->name, e->what);
	}
	f->problem = *e;
}

const struct err *fence_problem(const struct fence *f, u64 *ret_since_s)
{
	*ret_since_s = f->problem_since_s;
	return &f->problem;
}

static const struct conf_node *other(const struct fence *f)
{
	return &f->conf->node[1 - f->self];
}

static const char *program_of(const struct fence *f, enum fence_what what)
{
	return what == FENCE_UNDO ? f->conf->fencing.unfence : f->conf->fencing.program;
}

static void explain(struct fence *f, const struct hook_result *res, struct err *e)
{
	const char *peer = other(f)->name;
	char text[128];

	fence_exit_text(res, text, sizeof(text));
	if (fence_judge(f->conf->fencing.policy, res) == FENCE_PRIMARY) {
		err_set(e, -EPERM, "fence-primary", "the fencing program %s says that %s is "
			"primary (exit code 6)", program_of(f, FENCE_RUN), peer);
		err_mend(e, "on one of the two: stop what uses it, then lockstep demote %s",
			 f->name);
		return;
	}
	err_set(e, -EPERM, "fence-failed", "the fencing program %s %s: whether %s goes on is not "
		"known", program_of(f, FENCE_RUN), text, peer);
	err_mend(e, "bring %s back; or, only if it is certain to be no primary and to become none: "
		 "lockstep %s %s", peer, f->for_promotion ? "promote --force" : "resume", f->name);
}

/* ---- the kernel is told */

static void tell_work(struct job *job)
{
	struct fence_job *j = (struct fence_job *)job;

	j->ret = j->kern->ops->fenced(j->kern->arg, j->name, &j->round, &j->e);
}

static int on_retry(sd_event_source *s, uint64_t now, void *arg)
{
	struct fence *f = arg;

	(void)s;
	(void)now;
	f->is_waiting = false;
	advance(f);
	return 0;
}

static void wait_and_retry(struct fence *f)
{
	f->wait_ms = fence_backoff_ms(f->wait_ms);
	f->is_waiting = true;
	loop_timer(f->env->event, &f->retry, f->wait_ms, on_retry, f);
}

static void told(struct job *job)
{
	struct fence_job *j = (struct fence_job *)job;
	struct fence *f = j->f;

	if (f) {
		f->job = NULL;
		/* In any case the kernel's own word is what counts: the next look has it. */
		f->unfenced = false;
		if (j->ret == 0) {
			log_notice("%s: goes on without %s", f->name, other(f)->name);
			set_problem(f, NULL);
		} else {
			log_warn("%s: the outcome of fencing came too late: %s", f->name,
				 j->e.what);
			wait_and_retry(f);
		}
		advance(f);
	}
	free(j);
}

static void tell(struct fence *f)
{
	struct fence_job *j = calloc(1, sizeof(*j));

	if (!j) {
		wait_and_retry(f);
		return;
	}
	j->job.work = tell_work;
	j->job.done = told;
	j->f = f;
	j->kern = f->env->kern;
	j->round = f->round;
	snprintf(j->name, sizeof(j->name), "%s", f->name);
	f->job = j;
	job_start(f->env->jobs, &j->job);
}

/* ---- programs */

static void answer(struct fence *f, const struct err *e)
{
	fence_asked_fn asked = f->asked;

	f->asked = NULL;
	if (asked)
		asked(f->asked_arg, e);
}

static void undo_ended(struct fence *f, const struct hook_result *res)
{
	struct err e;
	char text[128];

	f->undone = res->end == HOOK_EXITED && res->value == 0;
	if (f->undone) {
		set_problem(f, NULL);
		f->wait_ms = 0;
		return;
	}
	hook_result_text(res, text, sizeof(text));
	err_set(&e, -EIO, "unfence-failed", "the unfence program %s %s", program_of(f, FENCE_UNDO),
		text);
	err_mend(&e, "run %s by hand; it is tried again by itself", program_of(f, FENCE_UNDO));
	set_problem(f, &e);
	wait_and_retry(f);
}

static void fence_ended(struct fence *f, const struct hook_result *res)
{
	bool go_on = fence_judge(f->conf->fencing.policy, res) == FENCE_GO_ON;
	struct err e = { .code = "" };

	if (!go_on)
		explain(f, res, &e);
	if (f->for_promotion) {
		f->for_promotion = false;
		answer(f, go_on ? NULL : &e);
		return;
	}
	if (go_on) {
		f->wait_ms = 0;
		tell(f);
	} else if (f->unfenced) {
		set_problem(f, &e);
		wait_and_retry(f);
	}
}

static void on_ended(void *arg, const struct hook_result *res)
{
	enum fence_what what;
	struct fence *f = arg;
	char text[128];

	what = f->what;
	f->hook = NULL;
	f->what = FENCE_NOTHING;
	fence_exit_text(res, text, sizeof(text));
	log_notice("%s: %s %s", f->name, program_of(f, what), text);
	if (what == FENCE_UNDO)
		undo_ended(f, res);
	else
		fence_ended(f, res);
	advance(f);
}

/* The names of volumes and devices, as lists with a blank between. */
static void fill_volumes(const struct fence *f, struct hook_env *env)
{
	const struct conf *c = f->conf;
	char numbers[1024] = "", minors[2048] = "", disks[3072] = "";
	size_t n = 0, m = 0, d = 0;

	for (u32 i = 0; i < c->nr_volumes; i++) {
		const struct conf_volume *v = &c->volume[i];
		const char *gap = i ? " " : "";

		n += (size_t)snprintf(numbers + n, sizeof(numbers) - n, "%s%u", gap, v->number);
		m += (size_t)snprintf(minors + m, sizeof(minors) - m, "%s%u", gap, v->minor);
		d += (size_t)snprintf(disks + d, sizeof(disks) - d, "%s%s", gap, v->disk[f->self]);
		if (n >= sizeof(numbers) || m >= sizeof(minors) || d >= sizeof(disks)) {
			env->is_short = true;
			return;
		}
	}
	hook_env_add(env, "LOCKSTEP_VOLUMES", "%s", numbers);
	hook_env_add(env, "LOCKSTEP_MINORS", "%s", minors);
	hook_env_add(env, "DRBD_VOLUME", "%s", numbers);
	hook_env_add(env, "DRBD_MINOR", "%s", minors);
	hook_env_add(env, "DRBD_BACKING_DEV", "%s", disks);
}

/* Documented in lockstep.conf(5): names are added there, and none goes. */
static void fill_env(const struct fence *f, struct hook_env *env)
{
	const struct conf_node *me = &f->conf->node[f->self], *peer = other(f);

	hook_env_add(env, "LOCKSTEP_RESOURCE", "%s", f->name);
	hook_env_add(env, "LOCKSTEP_NODE", "%s", me->name);
	hook_env_add(env, "LOCKSTEP_NODE_ID", "%u", me->id);
	hook_env_add(env, "LOCKSTEP_PEER", "%s", peer->name);
	hook_env_add(env, "LOCKSTEP_PEER_NODE_ID", "%u", peer->id);
	hook_env_add(env, "LOCKSTEP_PEER_ADDRESS", "%s", peer->address);
	hook_env_add(env, "DRBD_RESOURCE", "%s", f->name);
	hook_env_add(env, "DRBD_PEER", "%s", peer->name);
	hook_env_add(env, "DRBD_PEERS", "%s", peer->name);
	hook_env_add(env, "DRBD_PEER_ADDRESS", "%s", peer->address);
	hook_env_add(env, "DRBD_PEER_AF", "%s", strchr(peer->address, ':') ? "ipv6" : "ipv4");
	hook_env_add(env, "DRBD_PEER_NODE_ID", "%u", peer->id);
	hook_env_add(env, "DRBD_MY_NODE_ID", "%u", me->id);
	hook_env_add(env, "DRBD_CONF", "%s", f->conf->path);
	fill_volumes(f, env);
}

static void run(struct fence *f, enum fence_what what)
{
	struct hook_result not_run = { HOOK_NOT_RUN, EAGAIN };
	struct hook_env env = { .nr = 0 };
	struct err e = { .code = "" };
	int ret;

	f->what = what;
	f->for_promotion = f->asked != NULL;
	f->round = f->for_promotion ? f->asked_round : f->seen_round;
	fill_env(f, &env);
	log_notice("%s: runs %s", f->name, program_of(f, what));
	ret = hook_run(f->env->event, program_of(f, what), &env, f->conf->fencing.timeout_ms,
		       on_ended, f, &f->hook, &e);
	hook_env_clear(&env);
	if (ret < 0) {
		log_warn("%s: %s", f->name, e.what);
		not_run.value = -ret;
		on_ended(f, &not_run);
	}
}

static bool is_held(const struct fence *f)
{
	return loop_now_ms(f->env->event) < f->held_until_ms;
}

static void advance(struct fence *f)
{
	struct fence_sight s = {
		.unfenced = f->unfenced,
		.asked = f->asked,
		.in_sync = f->in_sync,
		.undone = f->undone,
		.is_busy = f->hook || f->job || f->what != FENCE_NOTHING,
		.is_held = is_held(f),
		.is_waiting = f->is_waiting,
		.has_program = f->conf && f->conf->fencing.program[0],
		.has_unfence = f->conf && f->conf->fencing.policy != LOCKSTEP_FENCING_NONE &&
			       f->conf->fencing.unfence[0],
	};
	enum fence_what what = fence_next(&s);

	if (what != FENCE_NOTHING)
		run(f, what);
}

/* ---- from outside */

static bool is_in_sync(const struct model_resource *r)
{
	for (u32 i = 0; i < r->nr_volumes; i++)
		if (r->volume[i].disk != LOCKSTEP_DISK_UP_TO_DATE ||
		    r->volume[i].peer_disk != LOCKSTEP_DISK_UP_TO_DATE ||
		    r->volume[i].sync != LOCKSTEP_SYNC_NONE)
			return false;
	return r->nr_volumes && !model_is_partial(r) && r->link == LOCKSTEP_LINK_UP;
}

static void no_program(struct fence *f)
{
	struct err e;

	err_set(&e, -ENOENT, "fence-no-program", "it waits for its peer to be fenced, and %s names "
		"no program for that", f->conf ? f->conf->path : "no configuration");
	err_mend(&e, "complete \"fencing\" in the configuration, then lockstep up %s", f->name);
	set_problem(f, &e);
}

static void hold_over(struct fence *f)
{
	loop_timer_off(f->hold);
	if (strcmp(f->problem.code, "fence-held") == 0)
		set_problem(f, NULL);
}

static int on_hold_over(sd_event_source *s, uint64_t now, void *arg)
{
	struct fence *f = arg;

	(void)s;
	(void)now;
	hold_over(f);
	advance(f);
	return 0;
}

/* It waits, as it would for the program, and that is said: it may take all of its time. */
static void hold(struct fence *f)
{
	u64 left_ms = f->held_until_ms - loop_now_ms(f->env->event);
	struct err e;

	if (!f->conf || f->hook || f->is_waiting)
		return;
	err_set(&e, -EAGAIN, "fence-held", "the session with %s was ended on purpose, and is being "
		"made anew", other(f)->name);
	err_means(&e, "If that does not come about within %u s, %s is fenced",
		  f->env->hold_ms / 1000, other(f)->name);
	err_mend(&e, "wait; then lockstep status %s", f->name);
	set_problem(f, &e);
	loop_timer(f->env->event, &f->hold, left_ms, on_hold_over, f);
}

void fence_look(struct fence *f, const struct model_resource *r, u64 held_until_ms)
{
	bool unfenced = r && r->unfenced, in_sync = r && is_in_sync(r);

	/* Not while an outcome is on its way: what it says may be from before. */
	if (f->job)
		return;
	if (r && r->fence_round != f->seen_round) {
		/* Another loss: what failed before says nothing about it. */
		loop_timer_off(f->retry);
		f->is_waiting = false;
		f->wait_ms = 0;
	}
	if (!unfenced && f->unfenced)
		set_problem(f, NULL);
	f->unfenced = unfenced;
	f->in_sync = in_sync;
	f->undone = f->undone && in_sync;
	f->seen_round = r ? r->fence_round : 0;
	f->held_until_ms = held_until_ms;
	if (unfenced && is_held(f))
		hold(f);
	else
		hold_over(f);
	if (unfenced && !is_held(f) && !(f->conf && f->conf->fencing.program[0]))
		no_program(f);
	advance(f);
}

void fence_ask(struct fence *f, u32 round, fence_asked_fn done, void *arg)
{
	struct err e;

	if (f->asked || !f->conf || !f->conf->fencing.program[0]) {
		err_set(&e, -EPERM, "fence-no-program", "the peer of %s is not connected, and "
			"there is no program to fence it with", f->name);
		err_mend(&e, "complete \"fencing\" in its configuration, then lockstep up %s",
			 f->name);
		done(arg, &e);
		return;
	}
	f->asked = done;
	f->asked_arg = arg;
	f->asked_round = round;
	advance(f);
}

struct fence *fence_create(const char *name, const struct peer_env *env)
{
	struct fence *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	snprintf(f->name, sizeof(f->name), "%s", name);
	f->env = env;
	return f;
}

void fence_set_conf(struct fence *f, const struct conf *conf, int self)
{
	f->conf = conf;
	f->self = self;
}

void fence_destroy(struct fence *f)
{
	struct err e;

	if (!f)
		return;
	hook_cancel(f->hook);
	if (f->job)
		f->job->f = NULL;
	loop_drop(&f->retry);
	loop_drop(&f->hold);
	err_set(&e, -ECANCELED, "not-up", "%s was taken down", f->name);
	answer(f, &e);
	free(f);
}
