// SPDX-License-Identifier: GPL-2.0
/*
 * There is one list of resources and one list of requests under way; a resource has at most one
 * request. What the kernel has is compared with what we believe in one place (compared()), from
 * one dump, whatever gave the reason: the first start, an event, lost events, or the clock. So a
 * missed event costs seconds and never a state that stays wrong.
 */
#include "manager.h"

#include <linux/lockstep.h>
#include <stdlib.h>

#include "batch.h"
#include "hooks.h"
#include "log.h"
#include "loop.h"
#include "refusal.h"
#include "request.h"
#include "resource.h"
#include "stream.h"
#include "watch.h"

#define EVENTS_AT_ONCE	64
#define EVENTS_BEFORE_DUMP 4096	/* taken before a dump is looked at */
#define NO_MODULE_MS	60000

struct compare {
	struct job job;
	struct manager *m;		/* NULL: it is gone */
	const struct kern *kern;
	struct model model;
	u64 asked_ms;
	u64 events_before;		/* that had been taken when it was asked for */
	int ret;
	struct err e;
};

struct manager {
	sd_event *event;
	struct manager_options o;
	struct peer_env env;
	struct jobs *jobs;
	struct conns *conns;
	struct listeners *listeners;
	struct resource *resources;	/* sorted by name */
	struct request *requests;
	struct compare *compare;	/* under way */
	bool compare_again;
	u64 removed_ms;			/* a resource was removed last */
	sd_event_source *compare_timer, *events;
	u64 seq;			/* of the last event; 0: none since the socket was opened */
	u64 events_taken;
	struct watch *watch;
	struct streams *streams;
	struct hooks *hooks;
	char problem[128];		/* of the kernel as a whole, logged once */
};

static void compare_soon(struct manager *m, u64 delay_ms);

/* ---- resources */

static struct resource **find_place(struct manager *m, const char *name)
{
	struct resource **p = &m->resources;

	while (*p && strcmp((*p)->name, name) < 0)
		p = &(*p)->next;
	return p;
}

static struct resource *find(struct manager *m, const char *name)
{
	struct resource *r = *find_place(m, name);

	return r && strcmp(r->name, name) == 0 ? r : NULL;
}

static struct resource *find_or_create(struct manager *m, const char *name)
{
	struct resource **p = find_place(m, name), *r = *p;

	if (r && strcmp(r->name, name) == 0)
		return r;
	r = resource_create(name, &m->env, m->o.run_dir);
	if (!r)
		return NULL;
	r->next = *p;
	*p = r;
	watch_facts_changed(m->watch);
	return r;
}

static void forget(struct manager *m, const char *name)
{
	struct resource **p = find_place(m, name), *r = *p;

	if (!r || strcmp(r->name, name) != 0)
		return;
	*p = r->next;
	resource_destroy(r);
	m->removed_ms = loop_now_ms(m->event);
	watch_facts_changed(m->watch);
}

/* ---- what arrives at the ports */

/* "lockstep/NAME/ID" -> the resource whose dialling peer that would be. */
static struct resource *find_identity(struct manager *m, const char *identity)
{
	char want[TLS_IDENTITY_BYTES];

	for (struct resource *r = m->resources; r; r = r->next) {
		if (!r->peer || peer_is_dialler(r->peer))
			continue;
		snprintf(want, sizeof(want), "lockstep/%s/%u", r->name,
			 r->plan.conf->node[1 - r->plan.self].id);
		if (strcmp(want, identity) == 0)
			return r;
	}
	return NULL;
}

static bool find_key(void *arg, const char *identity, u8 ret_key[LOCKSTEP_KEY_BYTES])
{
	struct resource *r = find_identity(arg, identity);

	if (!r)
		return false;
	memcpy(ret_key, peer_key(r->peer), LOCKSTEP_KEY_BYTES);
	return true;
}

static void on_control(void *arg, struct conn *c)
{
	struct resource *r = find_identity(arg, conn_identity(c));

	if (r)
		peer_take_control(r->peer, c);
	else
		conn_close(c);		/* removed during the handshake */
}

static enum listen_join on_join(void *arg, int fd, const struct wire_join *j)
{
	enum listen_join answer = LISTEN_UNKNOWN;
	struct manager *m = arg;

	for (struct resource *r = m->resources; r && answer == LISTEN_UNKNOWN; r = r->next)
		if (r->peer)
			answer = peer_take_join(r->peer, fd, j);
	return answer;
}

static void on_stranger(void *arg, u16 port, const char *from, const char *identity,
			const struct err *why)
{
	struct manager *m = arg;
	struct resource *r;

	if (identity[0]) {
		r = find_identity(m, identity);
		if (r)
			peer_stranger(r->peer, from, port, why);
		return;
	}
	for (r = m->resources; r; r = r->next)
		if (r->peer && !peer_is_dialler(r->peer) &&
		    r->plan.conf->node[r->plan.self].port == port)
			peer_stranger(r->peer, from, port, why);
}

static const struct listen_ops listen_ops = {
	.control = on_control,
	.join = on_join,
	.stranger = on_stranger,
};

/* ---- requests */

static bool is_busy(const struct manager *m, const char *name)
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
	struct resource *res = find_or_create(m, r->name);

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
		compare_soon(m, 0);	/* opens the event socket if the module has just come */
		res = find(m, r->name);
		reply_ok(r, res->stay_off ? "%s is up, and stays disconnected as asked" :
			 same && !r->made_new ? "%s is up already" : "%s is up");
		return;
	}
	/* The kernel has it: it is shown, with the reason why nothing more is done. */
	if (r->adopt) {
		res = find_or_create(m, r->name);
		if (res)
			resource_set_problem(res, &r->e);
	}
	if (r->reply)
		r->reply(r->arg, &r->e, NULL);
}

static void down_done(struct manager *m, struct request *r)
{
	struct resource *res = find(m, r->name);
	bool known = res || r->was_there;

	if (r->ret < 0) {
		r->reply(r->arg, &r->e, NULL);
		return;
	}
	if (res)
		(void)resource_stay_off(res, false, NULL);
	forget(m, r->name);
	reply_ok(r, known ? "%s is down" : "%s was not up");
}

static void role_done(struct manager *m, struct request *r)
{
	struct resource *res = find(m, r->name);

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

/* The disk counts from the next hello on. */
static void attach_done(struct manager *m, struct request *r)
{
	struct resource *res = find(m, r->name);
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
	struct resource *res = find(m, r->name);
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
	struct resource *res = find(m, r->name);

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

static void start_request(struct manager *m, struct request *r)
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
	struct resource *res = find(m, q->resource);

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

	if (is_busy(m, q->resource)) {
		err_set(&e, -EBUSY, "busy", "another command about %s is under way", q->resource);
		err_mend(&e, "wait for it, then try again");
		reply(arg, &e, NULL);
		return;
	}
	ret = at_once(m, q, &e);
	if (ret > 0 && q->command == CTL_RESOLVE) {
		peer_resolve(find(m, q->resource)->peer, q->keep == CTL_KEEP_HERE ?
			     RESOLVE_KEEP_HERE : RESOLVE_KEEP_PEER, q->split_id, reply, arg);
		return;
	}
	if (ret > 0 && q->command == CTL_CONNECT) {
		peer_dry_run(find(m, q->resource)->peer, reply, arg);
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
	start_request(m, r);
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
	struct resource *r = find(m, q->resource);
	struct err e;

	if (r && r->peer) {
		peer_trace(r->peer, q->end, done, arg);
		return;
	}
	(void)not_up(q->resource, &e);
	done(arg, &e, NULL, 0);
}

int manager_facts(struct manager *m, const char *name, struct model_daemon **ret, size_t *ret_nr,
		  struct err *e)
{
	struct model_daemon *facts;
	size_t nr = 0;

	for (struct resource *r = m->resources; r; r = r->next)
		nr++;
	facts = calloc(nr + 1, sizeof(*facts));
	if (!facts)
		return err_set(e, -ENOMEM, "no-memory", "no memory for the answer");
	nr = 0;
	for (struct resource *r = m->resources; r; r = r->next) {
		if (name[0] && strcmp(name, r->name) != 0)
			continue;
		resource_facts(r, &facts[nr]);
		snprintf(facts[nr].note, sizeof(facts[nr].note), "%s",
			 hooks_note(m->hooks, r->name));
		nr++;
	}
	*ret = facts;
	*ret_nr = nr;
	return 0;
}

/* ---- events */

static void drop_events(struct manager *m)
{
	loop_drop(&m->events);
	m->seq = 0;
	m->o.kern->ops->events_close(m->o.kern->arg);
}

/* A number that is not the next one: some were lost, or two of them came the wrong way round. */
static void note_number(struct manager *m, u64 seq)
{
	char text[128];

	if (m->seq && seq != m->seq + 1) {
		snprintf(text, sizeof(text), "kernel event %llu came after %llu",
			 (unsigned long long)seq, (unsigned long long)m->seq);
		watch_kernel_lost(m->watch, text);
		compare_soon(m, 0);
	}
	m->seq = seq;
	m->events_taken++;
}

static void take_event(struct manager *m, const struct nl_event *ev)
{
	struct resource *r = find(m, ev->name);

	note_number(m, ev->seq);
	watch_kernel_event(m->watch, ev);
	switch (ev->event) {
	case LOCKSTEP_EVENT_SYNC_DONE:
		log_notice("%s: volume %u is in sync", ev->name, ev->volume.number);
		break;
	case LOCKSTEP_EVENT_SESSION_LOST:
		log_notice("%s: the session was lost: %s", ev->name, ev->resource.link_lost);
		break;
	case LOCKSTEP_EVENT_STATE:
		if (r && r->peer)
			peer_hint(r->peer);
		break;
	case LOCKSTEP_EVENT_SYNC_PROGRESS:
		return;
	}
	compare_soon(m, 0);
}

/* As many as there are, up to max. */
static void take_events(struct manager *m, int max)
{
	struct nl_event ev;
	int r;

	for (int i = 0; i < max && m->events; i++) {
		r = m->o.kern->ops->event_next(m->o.kern->arg, &ev);
		if (r == -EAGAIN)
			return;
		if (r == 0) {
			take_event(m, &ev);
			continue;
		}
		m->events_taken++;
		watch_kernel_lost(m->watch, r == -ENOBUFS ? "the kernel's events overflowed" :
				  "an event of the kernel was not to be understood");
		compare_soon(m, 0);
		if (r != -ENOBUFS && r != -EBADMSG)
			drop_events(m);		/* made anew by the next comparison */
	}
}

static int on_event(sd_event_source *s, int fd, uint32_t revents, void *arg)
{
	(void)s;
	(void)fd;
	(void)revents;
	take_events(arg, EVENTS_AT_ONCE);
	return 0;
}

static void open_events(struct manager *m)
{
	struct err e;
	int fd;

	if (m->events)
		return;
	fd = m->o.kern->ops->events_open(m->o.kern->arg, &e);
	if (fd < 0)
		return;
	if (sd_event_add_io(m->event, &m->events, fd, EPOLLIN, on_event, m) < 0)
		drop_events(m);
	else
		compare_soon(m, 0);	/* what happened before we listened */
}

/* ---- comparing */

static void adopt(struct manager *m, const char *name)
{
	struct request *r;

	if (find(m, name) || is_busy(m, name))
		return;
	r = request_create(CTL_UP, name);
	if (!r)
		return;
	r->adopt = true;
	start_request(m, r);
}

static void compare_work(struct job *job)
{
	struct compare *c = (struct compare *)job;

	c->ret = c->kern->ops->status(c->kern->arg, NULL, &c->model, &c->e);
}

static void compare_model(struct manager *m, const struct compare *c)
{
	for (struct resource *r = m->resources; r; r = r->next) {
		if (r->peer)
			peer_compare(r->peer, model_find(&c->model, r->name), c->asked_ms);
		fence_look(r->fence, model_find(&c->model, r->name));
	}
	if (c->asked_ms <= m->removed_ms)
		return;		/* it may show what we have just removed */
	for (u32 i = 0; i < c->model.nr_resources; i++)
		adopt(m, c->model.resource[i].name);
}

/*
 * A dump and the events are of one kernel, but come by two ways. Only a dump during which no event
 * arrived, not even one that still lay in the socket, is known to be no older than the last of
 * them; any other would take back what an event has said. It is taken again then.
 */
static void watch_compared(struct manager *m, const struct compare *c)
{
	struct model none;

	if (c->ret == -ENOPKG) {
		model_init(&none);
		watch_kernel_model(m->watch, &none);
	} else if (c->ret == 0) {
		take_events(m, EVENTS_BEFORE_DUMP);
		if (m->events_taken == c->events_before)
			watch_kernel_model(m->watch, &c->model);
		else
			m->compare_again = true;
	}
}

static void compared(struct job *job)
{
	struct compare *c = (struct compare *)job;
	struct manager *m = c->m;

	if (m) {
		watch_compared(m, c);
		m->compare = NULL;
		if (c->ret == 0) {
			open_events(m);
			compare_model(m, c);
			m->problem[0] = 0;
		} else {
			/* Gone, or gone and come back under another number. */
			drop_events(m);
			if (strncmp(m->problem, c->e.what, sizeof(m->problem) - 1) != 0)
				log_warn("%s", c->e.what);
			snprintf(m->problem, sizeof(m->problem), "%.127s", c->e.what);
		}
		/*
		 * Without the module each question makes the kernel look for it: less often
		 * then.
		 */
		if (m->compare_again)
			compare_soon(m, 0);
		else
			compare_soon(m, c->ret == -ENOPKG ? NO_MODULE_MS : m->o.compare_ms);
	}
	model_free(&c->model);
	free(c);
}

static int on_compare(sd_event_source *s, uint64_t now, void *arg)
{
	struct manager *m = arg;
	struct compare *c;

	(void)s;
	(void)now;
	if (m->compare) {
		m->compare_again = true;
		return 0;
	}
	m->compare_again = false;
	c = calloc(1, sizeof(*c));
	if (!c) {
		compare_soon(m, m->o.compare_ms);
		return 0;
	}
	c->job.work = compare_work;
	c->job.done = compared;
	c->m = m;
	c->kern = m->o.kern;
	c->asked_ms = loop_now_ms(m->event);
	c->events_before = m->events_taken;
	model_init(&c->model);
	m->compare = c;
	job_start(m->jobs, &c->job);
	return 0;
}

static void compare_soon(struct manager *m, u64 delay_ms)
{
	if (m->compare)
		m->compare_again = true;
	else
		loop_timer(m->event, &m->compare_timer, delay_ms, on_compare, m);
}

/* ---- life */

static int watch_facts(void *arg, struct model_daemon **ret, size_t *ret_nr)
{
	return manager_facts(arg, "", ret, ret_nr, NULL);
}

static const struct conf *hooks_conf(void *arg, const char *name, int *ret_self)
{
	const struct resource *r = find(arg, name);

	*ret_self = r ? r->plan.self : 0;
	return r ? r->plan.conf : NULL;
}

static void on_changed(void *arg)
{
	struct manager *m = arg;

	watch_facts_changed(m->watch);
}

int manager_listen(struct manager *m, int fd, const char *name, struct err *e)
{
	return streams_add(m->streams, fd, name, e);
}

int manager_create(sd_event *event, const struct manager_options *o, struct manager **ret)
{
	struct manager *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return -ENOMEM;
	m->event = sd_event_ref(event);
	m->o = *o;
	r = jobs_create(event, &m->jobs);
	if (r == 0)
		r = watch_create(event, watch_facts, m, &m->watch);
	if (r == 0)
		r = streams_create(event, m->watch, o->stream_bytes, &m->streams);
	if (r == 0)
		r = hooks_create(event, m->watch, hooks_conf, m, o->hook_ms, &m->hooks);
	if (r == 0)
		r = conns_create(event, find_key, m, o->phase_ms, &m->conns);
	if (r == 0)
		r = listeners_create(event, m->conns, o->phase_ms, &listen_ops, m, &m->listeners);
	if (r < 0) {
		manager_destroy(m);
		return r;
	}
	m->env = (struct peer_env) {
		.event = event,
		.jobs = m->jobs,
		.kern = o->kern,
		.trace = o->trace ? o->trace : &tracefs,
		.conns = m->conns,
		.listeners = m->listeners,
		.state_dir = o->state_dir,
		.phase_ms = o->phase_ms,
		.ping_ms = o->ping_ms,
		.dead_ms = o->dead_ms,
		.retry_min_ms = o->retry_min_ms,
		.retry_max_ms = o->retry_max_ms,
		.changed = on_changed,
		.changed_arg = m,
	};
	compare_soon(m, 0);
	*ret = m;
	return 0;
}

void manager_destroy(struct manager *m)
{
	if (!m)
		return;
	streams_destroy(m->streams);
	hooks_destroy(m->hooks);
	m->hooks = NULL;
	for (struct request *r = m->requests; r; r = r->next)
		r->owner = NULL;
	while (m->resources) {
		struct resource *r = m->resources;

		m->resources = r->next;
		resource_destroy(r);
	}
	if (m->compare)
		m->compare->m = NULL;
	drop_events(m);
	listeners_destroy(m->listeners);
	conns_destroy(m->conns);
	/* What is still in the kernel is left there: its threads end with the process. */
	jobs_destroy(m->jobs, 1000);
	loop_drop(&m->compare_timer);
	watch_destroy(m->watch);
	sd_event_unref(m->event);
	free(m);
}
