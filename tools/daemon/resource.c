// SPDX-License-Identifier: GPL-2.0
#include "resource.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "refusal.h"

static void flag_path(const struct resource *r, char *ret, size_t size)
{
	snprintf(ret, size, "%s/%s.off", r->run_dir, r->name);
}

struct resource *resource_create(const char *name, const struct peer_env *env, const char *run_dir)
{
	struct resource *r = calloc(1, sizeof(*r));
	char path[512];

	if (!r)
		return NULL;
	snprintf(r->name, sizeof(r->name), "%s", name);
	r->env = env;
	r->run_dir = run_dir;
	r->fence = fence_create(name, env);
	if (!r->fence) {
		free(r);
		return NULL;
	}
	flag_path(r, path, sizeof(path));
	r->stay_off = access(path, F_OK) == 0;
	return r;
}

static void drop_plan(struct resource *r)
{
	peer_destroy(r->peer);
	r->peer = NULL;
	if (r->fence)
		fence_set_conf(r->fence, NULL, 0);
	while (r->nr_listening > 0)
		listen_remove(r->env->listeners, &r->plan.listen[--r->nr_listening]);
	plan_clear(&r->plan);
}

void resource_destroy(struct resource *r)
{
	if (!r)
		return;
	/* First: it may be about to say something of the plan. */
	fence_destroy(r->fence);
	r->fence = NULL;
	drop_plan(r);
	free(r);
}

void resource_set_problem(struct resource *r, const struct err *e)
{
	if (strcmp(r->problem.what, e->what) != 0) {
		r->problem_since_s = (u64)time(NULL);
		if (e->what[0])
			log_warn("%s: %s", r->name, e->what);
	}
	r->problem = *e;
	refusal_complete(&r->problem, r->name, "the other host");
	r->env->changed(r->env->changed_arg);
}

int resource_set_plan(struct resource *r, struct plan *plan, struct err *e)
{
	struct err none = { .code = "" };
	int ret = 0;

	drop_plan(r);
	r->plan = *plan;
	memset(plan, 0, sizeof(*plan));
	fence_set_conf(r->fence, r->plan.conf, r->plan.self);
	resource_set_problem(r, &none);
	while (ret == 0 && r->nr_listening < r->plan.nr_listen) {
		ret = listen_add(r->env->listeners, &r->plan.listen[r->nr_listening], e);
		if (ret == 0)
			r->nr_listening++;
	}
	if (ret == 0)
		ret = peer_create(r->env, r->plan.conf, r->plan.self, r->plan.key, &r->peer);
	if (ret == -ENOMEM)
		err_set(e, ret, "no-memory", "no memory for %s", r->name);
	if (ret < 0) {
		refusal_complete(e, r->name, "the other host");
		resource_set_problem(r, e);
		return ret;
	}
	if (!r->stay_off)
		peer_connect(r->peer);
	return 0;
}

int resource_stay_off(struct resource *r, bool off, struct err *e)
{
	char path[512];
	int fd, ret = 0;

	flag_path(r, path, sizeof(path));
	if (off) {
		fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			ret = -errno;
		else
			close(fd);
	} else if (unlink(path) < 0 && errno != ENOENT) {
		ret = -errno;
	}
	if (ret < 0)
		return err_set(e, ret, "run-dir", "cannot write %s: %s", path, strerror(-ret));
	r->stay_off = off;
	r->env->changed(r->env->changed_arg);
	if (r->peer && off)
		peer_disconnect(r->peer);
	else if (r->peer)
		peer_connect(r->peer);
	return 0;
}

static void put_problem(struct model_daemon *ret, const struct err *e, u64 since_s)
{
	if (!e->what[0])
		return;
	snprintf(ret->problem, sizeof(ret->problem), "%s", e->what);
	snprintf(ret->mend, sizeof(ret->mend), "%s", e->mend);
	snprintf(ret->code, sizeof(ret->code), "%s", e->code);
	ret->problem_since_s = since_s;
}

/* A peer that is not there is the reason why it is fenced: what came of that says more. */
void resource_facts(const struct resource *r, struct model_daemon *ret)
{
	const struct err *fence;
	u64 since_s;

	memset(ret, 0, sizeof(*ret));
	snprintf(ret->name, sizeof(ret->name), "%s", r->name);
	ret->configured = true;
	if (r->plan.conf)
		snprintf(ret->config, sizeof(ret->config), "%s", r->plan.conf->path);
	if (r->peer)
		peer_facts(r->peer, ret);
	else
		snprintf(ret->phase, sizeof(ret->phase), "not connecting");
	ret->stay_off = r->stay_off;
	fence = fence_problem(r->fence, &since_s);
	put_problem(ret, fence, since_s);
	put_problem(ret, &r->problem, r->problem_since_s);
}
