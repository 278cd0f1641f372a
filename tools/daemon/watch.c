// SPDX-License-Identifier: GPL-2.0
#include "watch.h"

#include <linux/lockstep.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "log.h"
#include "loop.h"

#define STEADY_MS	200	/* a phase that lasted */

struct last {
	struct last *next;
	char name[LOCKSTEP_NAME_BYTES];
	u64 seq;
};

struct watch {
	sd_event *event;
	watch_facts_fn facts;
	void *facts_arg;
	struct {
		const struct watch_ops *ops;
		void *arg;
	} listener[WATCH_LISTENERS];
	u32 nr_listeners;
	struct model kernel;	/* its half, as last heard */
	struct model now;	/* both halves, as last told */
	struct last *last;
	u64 seq;
	char stream[20];
	bool is_lost;
	char lost[128];
	sd_event_source *soon, *steady;
};

u64 watch_wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

/* ---- numbers -------------------------------------------------------------------------------- */

static struct last *find_last(const struct watch *w, const char *name)
{
	struct last *l = w->last;

	while (l && strcmp(l->name, name))
		l = l->next;
	return l;
}

static void note_last(struct watch *w, const char *name)
{
	struct last *l = find_last(w, name);

	if (!l) {
		l = calloc(1, sizeof(*l));
		if (!l)
			return;
		snprintf(l->name, sizeof(l->name), "%s", name);
		l->next = w->last;
		w->last = l;
	}
	l->seq = w->seq;
}

static void forget_gone(struct watch *w)
{
	struct last **p = &w->last, *l;

	while ((l = *p)) {
		if (model_find(&w->now, l->name)) {
			p = &l->next;
			continue;
		}
		*p = l->next;
		free(l);
	}
}

/* The one place where events get their numbers. */
static void tell(void *arg, const struct event *said)
{
	struct watch *w = arg;
	struct event ev = *said;

	ev.seq = ++w->seq;
	ev.time_ms = watch_wall_ms();
	if (ev.resource[0])
		note_last(w, ev.resource);
	for (u32 i = 0; i < w->nr_listeners; i++)
		w->listener[i].ops->event(w->listener[i].arg, &ev);
}

/* ---- both halves ---------------------------------------------------------------------------- */

/*
 * Between `up` and the dump that shows it, and between the kernel's word that it is gone and the
 * end of the `down` that asked for it, the daemon has a resource that the kernel has not. That is
 * no trouble unless it lasts.
 */
static bool is_passing(const struct model *next, const struct model_resource *was, const char *name)
{
	const struct model_resource *r = model_find(next, name);

	return !(r && r->in_kernel) && !(was && was->has_daemon && !was->in_kernel);
}

static int on_steady(sd_event_source *s, uint64_t now, void *arg);

static int merge_facts(struct watch *w, struct model *next, bool is_steady)
{
	struct model_daemon *facts;
	struct model_resource *r;
	const struct model_resource *was;
	size_t nr;
	int ret = w->facts(w->facts_arg, &facts, &nr);

	if (ret < 0)
		return ret;
	next->has_daemon = true;
	for (size_t i = 0; i < nr; i++) {
		was = model_find(&w->now, facts[i].name);
		if (!is_steady && is_passing(next, was, facts[i].name)) {
			loop_timer(w->event, &w->steady, STEADY_MS, on_steady, w);
			continue;
		}
		r = model_resource(next, facts[i].name);
		if (!r) {
			ret = -ENOMEM;
			break;
		}
		r->has_daemon = true;
		r->daemon = facts[i];
		if (!is_steady && was && was->has_daemon)
			memcpy(r->daemon.phase, was->daemon.phase, sizeof(r->daemon.phase));
	}
	free(facts);
	return ret;
}

/*
 * Tell what is different now. Without memory nothing is told and nothing is forgotten: the next
 * time finds the same difference.
 */
static void update(struct watch *w, bool is_steady)
{
	struct model next, old;

	if (model_copy(&next, &w->kernel) < 0)
		return;
	if (merge_facts(w, &next, is_steady) < 0) {
		model_free(&next);
		return;
	}
	/* Listeners may ask for the model: it is the one that includes what they hear. */
	old = w->now;
	w->now = next;
	event_diff(&old, &next, tell, w);
	model_free(&old);
	forget_gone(w);
}

static int on_soon(sd_event_source *s, void *arg)
{
	(void)s;
	update(arg, false);
	return 0;
}

static int on_steady(sd_event_source *s, uint64_t now, void *arg)
{
	(void)s;
	(void)now;
	update(arg, true);
	return 0;
}

void watch_facts_changed(struct watch *w)
{
	loop_defer(w->event, &w->soon, on_soon, w);
	loop_timer(w->event, &w->steady, STEADY_MS, on_steady, w);
}

/* ---- the kernel's half ---------------------------------------------------------------------- */

static void take_resource(struct model_resource *r, const struct nl_event *ev)
{
	struct model_volume *volumes = r->volume;
	u32 nr = r->nr_volumes;

	*r = ev->resource;
	r->volume = volumes;
	r->nr_volumes = nr;
	r->in_kernel = true;
	snprintf(r->name, sizeof(r->name), "%s", ev->name);
}

static void take_gone(struct watch *w, const char *name)
{
	struct model_resource *r = model_find(&w->kernel, name);

	if (!r)
		return;
	free(r->volume);
	w->kernel.nr_resources--;
	memmove(r, r + 1, (size_t)(&w->kernel.resource[w->kernel.nr_resources] - r) * sizeof(*r));
}

void watch_kernel_event(struct watch *w, const struct nl_event *ev)
{
	struct model_resource *r;
	struct model_volume *v;

	if (ev->event == LOCKSTEP_EVENT_REMOVED && !ev->has_volume) {
		take_gone(w, ev->name);
		update(w, false);
		return;
	}
	/* Of one we have not heard of the dump that follows tells everything at once. */
	r = model_find(&w->kernel, ev->name);
	if (!r)
		return;
	v = ev->has_volume ? model_find_volume(r, ev->volume.number) : NULL;
	if (ev->has_volume && !v)
		return;
	if (v)
		*v = ev->volume;
	else
		take_resource(r, ev);
	update(w, false);
}

void watch_kernel_model(struct watch *w, const struct model *m)
{
	struct event ev = { .kind = EVENT_RESYNC };
	struct model copy;

	if (model_copy(&copy, m) < 0)
		return;
	model_free(&w->kernel);
	w->kernel = copy;
	update(w, false);
	if (!w->is_lost)
		return;
	w->is_lost = false;
	snprintf(ev.text[0], sizeof(ev.text[0]), "%s", w->lost);
	tell(w, &ev);
	for (u32 i = 0; i < w->nr_listeners; i++)
		if (w->listener[i].ops->resynced)
			w->listener[i].ops->resynced(w->listener[i].arg);
}

void watch_kernel_lost(struct watch *w, const char *text)
{
	log_debug("%s", text);
	if (!w->is_lost)
		snprintf(w->lost, sizeof(w->lost), "%s", text);
	w->is_lost = true;
}

bool watch_is_lost(const struct watch *w)
{
	return w->is_lost;
}

/* ---- life ----------------------------------------------------------------------------------- */

void watch_listen(struct watch *w, const struct watch_ops *ops, void *arg)
{
	if (WARN_ON_ONCE(w->nr_listeners == WATCH_LISTENERS))
		return;
	w->listener[w->nr_listeners].ops = ops;
	w->listener[w->nr_listeners++].arg = arg;
}

u64 watch_seq(const struct watch *w)
{
	return w->seq;
}

const char *watch_stream(const struct watch *w)
{
	return w->stream;
}

const struct model *watch_model(const struct watch *w)
{
	return &w->now;
}

u64 watch_last_seq(const struct watch *w, const char *name)
{
	const struct last *l = find_last(w, name);

	return l ? l->seq : 0;
}

int watch_create(sd_event *event, watch_facts_fn facts, void *arg, struct watch **ret)
{
	struct watch *w = calloc(1, sizeof(*w));
	u64 id;

	if (!w || getrandom(&id, sizeof(id), 0) != sizeof(id)) {
		free(w);
		return -ENOMEM;
	}
	w->event = event;
	w->facts = facts;
	w->facts_arg = arg;
	model_init(&w->kernel);
	model_init(&w->now);
	snprintf(w->stream, sizeof(w->stream), "%016llx", (unsigned long long)id);
	*ret = w;
	return 0;
}

void watch_destroy(struct watch *w)
{
	struct last *l;

	if (!w)
		return;
	loop_drop(&w->soon);
	loop_drop(&w->steady);
	model_free(&w->kernel);
	model_free(&w->now);
	while ((l = w->last)) {
		w->last = l->next;
		free(l);
	}
	free(w);
}
