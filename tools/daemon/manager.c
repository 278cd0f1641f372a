// SPDX-License-Identifier: GPL-2.0
/*
 * There is one list of resources and one list of requests under way; a resource has at most one
 * request. What the kernel has is compared with what we believe in one place (compared()), from
 * one dump, whatever gave the reason: the first start, an event, lost events, or the clock. So a
 * missed event costs seconds and never a state that stays wrong.
 */
#include "manager-own.h"

#include <linux/lockstep.h>
#include <stdlib.h>

#include "log.h"
#include "loop.h"

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

/* ---- resources */

static struct resource **find_place(struct manager *m, const char *name)
{
	struct resource **p = &m->resources;

	while (*p && strcmp((*p)->name, name) < 0)
		p = &(*p)->next;
	return p;
}

struct resource *manager_find(struct manager *m, const char *name)
{
	struct resource *r = *find_place(m, name);

	return r && strcmp(r->name, name) == 0 ? r : NULL;
}

struct resource *manager_find_or_create(struct manager *m, const char *name)
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

void manager_forget(struct manager *m, const char *name)
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

/* ---- facts */

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
		manager_compare_soon(m, 0);
	}
	m->seq = seq;
	m->events_taken++;
}

static void take_event(struct manager *m, const struct nl_event *ev)
{
	struct resource *r = manager_find(m, ev->name);

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
	manager_compare_soon(m, 0);
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
		manager_compare_soon(m, 0);
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
		manager_compare_soon(m, 0);	/* what happened before we listened */
}

/* ---- comparing */

static void adopt(struct manager *m, const char *name)
{
	struct request *r;

	if (manager_find(m, name) || manager_is_busy(m, name))
		return;
	r = request_create(CTL_UP, name);
	if (!r)
		return;
	r->adopt = true;
	manager_start_request(m, r);
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
		fence_look(r->fence, model_find(&c->model, r->name),
			   r->peer ? peer_held_until(r->peer, c->asked_ms) : 0);
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
			manager_compare_soon(m, 0);
		else
			manager_compare_soon(m, c->ret == -ENOPKG ? NO_MODULE_MS : m->o.compare_ms);
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
		manager_compare_soon(m, m->o.compare_ms);
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

void manager_compare_soon(struct manager *m, u64 delay_ms)
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
	const struct resource *r = manager_find(arg, name);

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
		.hold_ms = o->hold_ms,
		.changed = on_changed,
		.changed_arg = m,
	};
	manager_compare_soon(m, 0);
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
