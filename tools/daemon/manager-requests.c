// SPDX-License-Identifier: GPL-2.0
/*
 * Requests: what is asked is begun here, in a job (request.c) or at a peer, and answered when that
 * has come to its end.
 */
#include "manager-own.h"

#include "batch.h"
#include "log.h"
#include "refusal.h"

bool manager_is_busy(const struct manager *m, const char *name)
{
	for (const struct request *r = m->requests; r; r = r->next)
		if (strcmp(r->name, name) == 0)
			return true;
	return false;
}

static void reply_ok(struct request *r, const char *fmt)
{
	char text[256];

	if (!r->reply)
		return;
	snprintf(text, sizeof(text), fmt, r->name);
	r->reply(r->arg, NULL, text);
}

/* `up` of something that is up and unchanged disturbs nothing. */
static int take_plan(struct manager *m, struct request *r, bool *ret_same)
{
	struct resource *res = manager_find_or_create(m, r->name);

	if (!res)
		return err_set(&r->e, -ENOMEM, "no-memory", "no memory for %s", r->name);
	*ret_same = res->plan.conf && res->peer && plan_is_same(&res->plan, &r->plan);
	/* What takes no new connection is taken up as it is. */
	if (*ret_same && !r->made_new) {
		memcpy(res->plan.conf->hook, r->plan.conf->hook, sizeof(r->plan.conf->hook));
		res->plan.conf->fencing = r->plan.conf->fencing;
		res->plan.conf->auto_promote = r->plan.conf->auto_promote;
		peer_retry_now(res->peer);
		return 0;
	}
	return resource_set_plan(res, &r->plan, &r->e);
}

static void up_done(struct manager *m, struct request *r)
{
	struct resource *res;
	bool same = false;

	if (r->ret == 0)
		r->ret = take_plan(m, r, &same);
	if (r->ret == 0) {
		/* Opens the event socket if the module has just come. */
		manager_compare_soon(m, 0);
		res = manager_find(m, r->name);
		reply_ok(r, res->stay_off ? "%s is up, and stays disconnected as asked" :
			 same && !r->made_new ? "%s is up already" : "%s is up");
		return;
	}
	/* The kernel has it: it is shown, with the reason why nothing more is done. */
	if (r->adopt) {
		res = manager_find_or_create(m, r->name);
		if (res)
			resource_set_problem(res, &r->e);
	}
	if (r->reply)
		r->reply(r->arg, &r->e, NULL);
}

static void down_done(struct manager *m, struct request *r)
{
	struct resource *res = manager_find(m, r->name);
	bool known = res || r->was_there;

	if (r->ret < 0) {
		r->reply(r->arg, &r->e, NULL);
		return;
	}
	if (res)
		(void)resource_stay_off(res, false, NULL);
	manager_forget(m, r->name);
	reply_ok(r, known ? "%s is down" : "%s was not up");
}

static void role_done(struct manager *m, struct request *r)
{
	struct resource *res = manager_find(m, r->name);

	if (r->ret < 0) {
		r->reply(r->arg, &r->e, NULL);
		return;
	}
	/* It may be what the peer refused us for. */
	if (res && res->peer)
		peer_retry_now(res->peer);
	reply_ok(r, r->command == CTL_PROMOTE ? "%s is primary" : "%s is secondary");
}

static int not_up(const char *name, struct err *e)
{
	err_set(e, -ENODEV, "not-up", "%s is not up on this host", name);
	err_mend(e, "lockstep up %s", name);
	return -ENODEV;
}

/* The disk counts from the next hello on; the session without it the kernel has ended itself. */
static void attach_done(struct manager *m, struct request *r)
{
	struct resource *res = manager_find(m, r->name);
	char text[256];

	if (r->nr_attached && res && res->peer)
		peer_again(res->peer, "a disk was attached");
	if (r->ret < 0) {
		r->reply(r->arg, &r->e, NULL);
		return;
	}
	snprintf(text, sizeof(text), "%s: %u volume%s a disk again; lockstep wait-sync %s waits "
		 "until all is copied", r->name, r->nr_attached,
		 r->nr_attached == 1 ? " has" : "s have", r->name);
	r->reply(r->arg, NULL, text);
}

static void finish(struct manager *m, struct request *r);

static void fencing_done(struct request *r)
{
	if (r->ret < 0)
		r->reply(r->arg, &r->e, NULL);
	else
		reply_ok(r, r->command == CTL_RESUME ? "%s waits for nobody's fencing" :
			 "the copy of %s here is outdated");
}

/* Both disks and the volume have the new size, or not. */
static void on_resized(void *arg, const struct err *e, u64 sect)
{
	struct request *r = arg;

	if (!r->owner) {
		request_free(r);
		return;
	}
	if (e) {
		r->e = *e;
		r->ret = -EREMOTEIO;
	}
	r->now_sect = sect;
	finish(r->owner, r);
}

/* Our disk is ready; the peer's, and the volume itself, are the peer's business. */
static void resize_on(struct manager *m, struct request *r)
{
	struct resource *res = manager_find(m, r->name);
	struct peer_resize ask = {
		.volume = r->volume,
		.size_sect = r->size_sect,
		.max_sect = r->max_sect,
		.now_sect = r->now_sect,
		.shrink = r->force,
	};

	if (res && res->peer) {
		peer_resize(res->peer, &ask, on_resized, r);
		return;
	}
	r->ret = not_up(r->name, &r->e);
	finish(m, r);
}

static void resize_done(struct request *r)
{
	char text[256];

	if (r->ret < 0) {
		r->reply(r->arg, &r->e, NULL);
		return;
	}
	snprintf(text, sizeof(text), "volume %u of %s has %llu MiB now", r->volume, r->name,
		 (unsigned long long)r->now_sect >> 11);
	r->reply(r->arg, NULL, text);
}

/* The peer's fate is known, or is not going to be. */
static void on_fence_asked(void *arg, const struct err *e)
{
	struct request *r = arg;
	struct manager *m = r->owner;

	if (!m) {
		request_free(r);
		return;
	}
	if (e) {
		r->e = *e;
		r->ret = -EPERM;
		finish(m, r);
		return;
	}
	r->fenced = true;
	request_start(r, m->jobs);
}

/* The kernel promotes nobody alone before the peer was fenced; once, or there is no end to it. */
static void promote_on(struct manager *m, struct request *r)
{
	struct resource *res = manager_find(m, r->name);

	if (res && !r->fenced) {
		fence_ask(res->fence, r->fence_round, on_fence_asked, r);
		return;
	}
	r->ret = -EAGAIN;
	if (!r->e.mend[0])
		err_mend(&r->e, "lockstep promote %s", r->name);
	finish(m, r);
}

static void on_done(struct request *r)
{
	if (r->command == CTL_RESIZE && r->ret == 0)
		resize_on(r->owner, r);
	else if (r->command == CTL_PROMOTE && r->ret == -ENOTUNIQ)
		promote_on(r->owner, r);
	else
		finish(r->owner, r);
}

static void finish(struct manager *m, struct request *r)
{
	struct request **p = &m->requests;

	while (*p != r)
		p = &(*p)->next;
	*p = r->next;

	if (r->ret < 0) {
		refusal_complete(&r->e, r->name, "the other host");
		log_warn("%s %s: %s", ctl_command_name(r->command), r->name, r->e.what);
	} else {
		log_info("%s %s: done", r->adopt ? "take up" : ctl_command_name(r->command),
			 r->name);
	}
	if (r->command == CTL_UP)
		up_done(m, r);
	else if (r->command == CTL_DOWN)
		down_done(m, r);
	else if (r->command == CTL_ATTACH)
		attach_done(m, r);
	else if (r->command == CTL_RESIZE)
		resize_done(r);
	else if (r->command == CTL_RESUME || r->command == CTL_OUTDATE)
		fencing_done(r);
	else if ((r->command == CTL_DISCONNECT || r->command == CTL_DETACH) && r->ret < 0)
		r->reply(r->arg, &r->e, NULL);
	else if (r->command == CTL_DETACH)
		reply_ok(r, "%s goes on without that disk");
	else if (r->command == CTL_DISCONNECT)
		reply_ok(r, "%s is disconnected, until lockstep connect");
	else
		role_done(m, r);
	request_free(r);
}

void manager_start_request(struct manager *m, struct request *r)
{
	r->owner = m;
	r->done = on_done;
	r->kern = m->o.kern;
	r->state_dir = m->o.state_dir;
	if (!r->node[0] && m->o.node)
		snprintf(r->node, sizeof(r->node), "%s", m->o.node);
	r->next = m->requests;
	m->requests = r;
	request_start(r, m->jobs);
}

/* The commands that are done, or begun, at once. Returns 0, 1: go on with a job, or an error. */
static int at_once(struct manager *m, const struct ctl_request *q, struct err *e)
{
	struct resource *res = manager_find(m, q->resource);

	/* A fencing program goes by the answer, and the kernel may have what we do not know yet. */
	if (q->command == CTL_UP || q->command == CTL_DOWN || q->command == CTL_OUTDATE)
		return 1;
	if (!res)
		return not_up(q->resource, e);
	if (q->command == CTL_CONNECT && q->dry_run)
		return res->peer ? 1 : not_up(q->resource, e);
	if (q->command == CTL_CONNECT)
		return resource_stay_off(res, false, e);
	if (q->command == CTL_RESIZE && (!res->peer || !peer_is_connected(res->peer))) {
		err_set(e, -ENOTCONN, "not-connected",
			"%s is not connected, and both hosts' disks have to be looked at",
			q->resource);
		err_mend(e, "lockstep wait-connect %s, then this again", q->resource);
		return -ENOTCONN;
	}
	if (q->command == CTL_RESOLVE && !res->peer)
		return not_up(q->resource, e);
	if (q->command == CTL_DISCONNECT)
		return resource_stay_off(res, true, e) < 0 ? -EIO : 1;
	return 1;
}

static void request_one(struct manager *m, const struct ctl_request *q, manager_reply_fn reply,
			void *arg)
{
	struct err e = { .code = "" };
	struct request *r;
	int ret;

	if (manager_is_busy(m, q->resource)) {
		err_set(&e, -EBUSY, "busy", "another command about %s is under way", q->resource);
		err_mend(&e, "wait for it, then try again");
		reply(arg, &e, NULL);
		return;
	}
	ret = at_once(m, q, &e);
	if (ret > 0 && q->command == CTL_RESOLVE) {
		peer_resolve(manager_find(m, q->resource)->peer, q->keep == CTL_KEEP_HERE ?
			     RESOLVE_KEEP_HERE : RESOLVE_KEEP_PEER, q->split_id, reply, arg);
		return;
	}
	if (ret > 0 && q->command == CTL_CONNECT) {
		peer_dry_run(manager_find(m, q->resource)->peer, reply, arg);
		return;
	}
	if (ret <= 0) {
		reply(arg, ret < 0 ? &e : NULL, "looking for the peer");
		return;
	}
	r = request_create(q->command, q->resource);
	if (!r) {
		err_set(&e, -ENOMEM, "no-memory", "no memory for the command");
		reply(arg, &e, NULL);
		return;
	}
	snprintf(r->node, sizeof(r->node), "%s", q->node);
	r->force = q->force;
	r->has_volume = q->has_volume;
	r->volume = q->volume;
	r->size_sect = q->size_sect;
	r->reply = reply;
	r->arg = arg;
	manager_start_request(m, r);
}

void manager_request(struct manager *m, const struct ctl_request *q, manager_reply_fn reply,
		     void *arg)
{
	char (*names)[LOCKSTEP_NAME_BYTES] = NULL;
	struct err e = { .code = "" };
	size_t nr = 0;

	if (!q->all) {
		request_one(m, q, reply, arg);
		return;
	}
	if (batch_names(m->resources, q->command, &names, &nr, &e) < 0) {
		reply(arg, &e, NULL);
		return;
	}
	batch_run(m, request_one, q, names, nr, reply, arg);
}

void manager_trace(struct manager *m, const struct ctl_request *q, peer_traced_fn done, void *arg)
{
	struct resource *r = manager_find(m, q->resource);
	struct err e;

	if (r && r->peer) {
		peer_trace(r->peer, q->end, done, arg);
		return;
	}
	(void)not_up(q->resource, &e);
	done(arg, &e, NULL, 0);
}
