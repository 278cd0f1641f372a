// SPDX-License-Identifier: GPL-2.0
#include "request.h"

#include <stdlib.h>

#include "refusal.h"
#include "sizes.h"

static bool is_unknown(int ret)
{
	return ret == -ENODEV || ret == -ENOENT || ret == -ENOPKG;
}

static int run_up(struct request *r)
{
	int ret = plan_load(r->name, r->node, &r->plan, &r->e);

	if (ret < 0 || r->adopt)
		return ret;
	ret = plan_apply(&r->plan, r->kern, r->state_dir, &r->made_new, &r->e);
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

static void hint_unknown(struct request *r, int ret)
{
	if (!is_unknown(ret) || ret == -ENOPKG)
		return;
	err_set(&r->e, ret, "not-up", "%s is not up on this host", r->name);
	err_mend(&r->e, "lockstep up %s", r->name);
}

/* The same where it may be the volume that is missing: the kernel says which. */
static void hint_missing(struct request *r)
{
	if ((r->ret == -ENOENT || r->ret == -ENODEV) && !r->e.mend[0])
		err_mend(&r->e, "lockstep status %s", r->name);
}

static int run_down(struct request *r)
{
	int ret = r->kern->ops->res_del(r->kern->arg, r->name, &r->e);

	r->was_there = ret == 0;
	return is_unknown(ret) ? 0 : ret;
}

/* The round as it is now: what the fencing program finds out counts from here on. */
static int note_round(struct request *r)
{
	const struct model_resource *res;
	struct model m;
	struct err e;

	if (r->kern->ops->status(r->kern->arg, r->name, &m, &e) < 0)
		return -EPERM;
	res = model_find(&m, r->name);
	if (res)
		r->fence_round = res->fence_round;
	model_free(&m);
	return res ? -ENOTUNIQ : -EPERM;
}

static int run_promote(struct request *r)
{
	const struct nl_promotion p = {
		.force = r->force,
		.fenced = r->fenced,
		.fence_round = r->fence_round,
	};
	int ret = r->kern->ops->promote(r->kern->arg, r->name, &p, &r->e);

	if (ret == -ENOTUNIQ)
		return note_round(r);
	if (ret < 0 && ret != -EPERM && !r->force && !is_unknown(ret) && !r->e.mend[0])
		err_mend(&r->e, "lockstep status %s says more; lockstep promote --force %s only if "
			 "the other copy is not to count any more", r->name, r->name);
	return ret;
}

static int run_resume(struct request *r)
{
	int ret = r->kern->ops->fenced(r->kern->arg, r->name, NULL, &r->e);

	if (ret == -EAGAIN && !r->e.mend[0])
		err_mend(&r->e, "lockstep status %s", r->name);
	return ret;
}

/*
 * The other side of a fencing program asks what became of it: the code says so. "not-up" is the
 * kernel's word for a name that it does not have; one that has no volumes yet is on its way up.
 */
static int run_outdate(struct request *r)
{
	int ret = r->kern->ops->outdate(r->kern->arg, r->name, &r->e);

	if (ret == -ENOENT)
		hint_unknown(r, ret);
	else
		refusal_outdate(&r->e, ret);
	return ret;
}

static int run_disconnect(struct request *r)
{
	int ret = r->kern->ops->session_close(r->kern->arg, r->name, 0, &r->e);

	return is_unknown(ret) ? 0 : ret;
}

static int run_attach(struct request *r)
{
	int ret = plan_load(r->name, r->node, &r->plan, &r->e);

	if (ret == 0)
		ret = plan_attach(&r->plan, r->kern, r->state_dir,
				  r->has_volume ? (int)r->volume : -1, &r->nr_attached, &r->e);
	if (ret < 0 && ret != -EBUSY && ret != -EEXIST && !r->e.mend[0] && !is_unknown(ret))
		err_mend(&r->e, "if the disk is new: lockstep init %s --volume N, then this again",
			 r->name);
	plan_clear(&r->plan);
	return ret;
}

static int run_detach(struct request *r)
{
	int ret = r->kern->ops->vol_detach(r->kern->arg, r->name, r->volume, &r->e);

	if (ret < 0 && !r->e.mend[0] && !is_unknown(ret))
		err_mend(&r->e, "lockstep status %s says how both copies are", r->name);
	return ret;
}

/* Our half; the peer's and what follows is the manager's and the peer's. */
static int run_resize(struct request *r)
{
	const struct model_resource *res;
	const struct model_volume *v = NULL;
	struct model m;
	int ret;

	ret = r->kern->ops->resize(r->kern->arg, r->name, r->volume, r->size_sect, r->force, &r->e);
	if (ret == -ENOSPC && !r->e.mend[0])
		err_mend(&r->e, "ask for less, or make the disk larger on both hosts first, then: "
			 "lockstep resize %s", r->name);
	if (ret == 0)
		ret = kern_status_whole(r->kern, r->name, WHOLE_WAIT_MS, &m, &r->e);
	if (ret < 0)
		return ret;
	res = model_find(&m, r->name);
	if (res) {
		sizes_note(r->state_dir, res);
		v = model_find_volume(res, r->volume);
	}
	if (v) {
		r->max_sect = v->data_max_sect;
		r->now_sect = v->data_sect;
	} else {
		ret = err_set(&r->e, -ENOENT, "no-volume", "%s has no volume %u", r->name,
			      r->volume);
	}
	model_free(&m);
	return ret;
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
		hint_unknown(r, r->ret);
		break;
	case CTL_DEMOTE:
		r->ret = r->kern->ops->demote(r->kern->arg, r->name, &r->e);
		hint_busy(r, "lockstep demote");
		hint_unknown(r, r->ret);
		break;
	case CTL_DISCONNECT:
		r->ret = run_disconnect(r);
		break;
	case CTL_ATTACH:
		r->ret = run_attach(r);
		hint_missing(r);
		break;
	case CTL_DETACH:
		r->ret = run_detach(r);
		hint_missing(r);
		break;
	case CTL_RESIZE:
		r->ret = run_resize(r);
		hint_missing(r);
		break;
	case CTL_RESUME:
		r->ret = run_resume(r);
		hint_unknown(r, r->ret);
		break;
	case CTL_OUTDATE:
		r->ret = run_outdate(r);
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
