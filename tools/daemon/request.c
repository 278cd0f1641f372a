// SPDX-License-Identifier: GPL-2.0
#include "request.h"

#include <stdlib.h>

static bool is_unknown(int ret)
{
	return ret == -ENODEV || ret == -ENOENT || ret == -ENOPKG;
}

static int run_up(struct request *r)
{
	int ret = plan_load(r->name, r->node, &r->plan, &r->e);

	if (ret < 0 || r->adopt)
		return ret;
	ret = plan_apply(&r->plan, r->kern, &r->made_new, &r->e);
	if (ret < 0)
		plan_clear(&r->plan);
	return ret;
}

static void hint_busy(struct request *r, const char *then)
{
	if (r->ret == -EBUSY && !r->e.mend[0])
		err_mend(&r->e, "stop what has it open (umount, the virtual machine, ...), then %s "
			 "%s", then, r->name);
}

static void hint_unknown(struct request *r)
{
	if (!is_unknown(r->ret) || r->ret == -ENOPKG)
		return;
	err_set(&r->e, r->ret, "not-up", "%s is not up on this host", r->name);
	err_mend(&r->e, "lockstep up %s", r->name);
}

static int run_down(struct request *r)
{
	int ret = r->kern->ops->res_del(r->kern->arg, r->name, &r->e);

	r->was_there = ret == 0;
	return is_unknown(ret) ? 0 : ret;
}

static int run_promote(struct request *r)
{
	int ret = r->kern->ops->promote(r->kern->arg, r->name, r->force, &r->e);

	if (ret < 0 && ret != -EPERM && !r->force && !is_unknown(ret) && !r->e.mend[0])
		err_mend(&r->e, "lockstep status %s says more; lockstep promote --force %s only if "
			 "the other copy is not to count any more", r->name, r->name);
	return ret;
}

static int run_disconnect(struct request *r)
{
	int ret = r->kern->ops->session_close(r->kern->arg, r->name, 0, &r->e);

	return is_unknown(ret) ? 0 : ret;
}

static void work(struct job *job)
{
	struct request *r = (struct request *)job;

	switch (r->command) {
	case CTL_UP:
		r->ret = run_up(r);
		break;
	case CTL_DOWN:
		r->ret = run_down(r);
		hint_busy(r, "lockstep down");
		break;
	case CTL_PROMOTE:
		r->ret = run_promote(r);
		hint_unknown(r);
		break;
	case CTL_DEMOTE:
		r->ret = r->kern->ops->demote(r->kern->arg, r->name, &r->e);
		hint_busy(r, "lockstep demote");
		hint_unknown(r);
		break;
	case CTL_DISCONNECT:
		r->ret = run_disconnect(r);
		break;
	default:
		r->ret = err_set(&r->e, -EINVAL, "internal", "no such command");
	}
}

static void done(struct job *job)
{
	struct request *r = (struct request *)job;

	if (r->owner)
		r->done(r);
	else
		request_free(r);
}

struct request *request_create(enum ctl_command command, const char *name)
{
	struct request *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->job.work = work;
	r->job.done = done;
	r->command = command;
	snprintf(r->name, sizeof(r->name), "%s", name);
	return r;
}

void request_start(struct request *r, struct jobs *jobs)
{
	job_start(jobs, &r->job);
}

void request_free(struct request *r)
{
	if (!r)
		return;
	plan_clear(&r->plan);
	free(r);
}
