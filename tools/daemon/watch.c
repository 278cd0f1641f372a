// SPDX-License-Identifier: GPL-2.0
#include "watch.h"

#include <linux/lockstep.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "log.h"
#include "loop.h"

/* What is remembered of a resource beside the models. */
struct seen {
	struct seen *next;
	char name[LOCKSTEP_NAME_BYTES];
	u64 seq;		/* of the last event about it, 0: none */
	char phase[64];		/* as it is, told or not */
	u64 phase_ms;		/* since when */
	u64 passing_ms;		/* since when is_passing(), 0: it is not */
	u64 round;		/* when the daemon had it last */
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
	struct seen *seen;
	u64 round;		/* one more each time the facts are looked at */
	u64 seq;
	char stream[20];
	bool is_lost;
	char lost[128];
	sd_event_source *soon, *steady;
	bool is_waiting;	/* `steady` is armed */
};

u64 watch_wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

/* ---- numbers -------------------------------------------------------------------------------- */

static struct seen *find_seen(const struct watch *w, const char *name)
{
	struct seen *s = w->seen;

	while (s && strcmp(s->name, name))
		s = s->next;
	return s;
}

static struct seen *find_or_create_seen(struct watch *w, const char *name)
{
	struct seen *s = find_seen(w, name);

	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	snprintf(s->name, sizeof(s->name), "%s", name);
	s->next = w->seen;
	w->seen = s;
	return s;
}

static void forget_gone(struct watch *w)
{
	struct seen **p = &w->seen, *s;

	while ((s = *p)) {
		if (s->round == w->round || model_find(&w->now, s->name)) {
			p = &s->next;
			continue;
		}
		*p = s->next;
		free(s);
	}
}

/* The one place where events get their numbers. */
static void tell(void *arg, const struct event *said)
{
	struct watch *w = arg;
	struct event ev = *said;
	struct seen *s;

	ev.seq = ++w->seq;
	ev.time_ms = watch_wall_ms();
	s = ev.resource[0] ? find_or_create_seen(w, ev.resource) : NULL;
	if (s)
		s->seq = ev.seq;
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

/* Each resource by itself: among many there is always one that has just changed. */
static bool has_lasted(struct watch *w, u64 since_ms)
{
	if (loop_now_ms(w->event) - since_ms >= WATCH_STEADY_MS)
		return true;
	if (!w->is_waiting)
		loop_timer(w->event, &w->steady, WATCH_STEADY_MS, on_steady, w);
	w->is_waiting = true;
	return false;
}

/* May what the daemon knows of this one be told? Then d->phase is the one to tell. */
static bool is_to_be_told(struct watch *w, const struct model *next, struct seen *s,
			  struct model_daemon *d)
{
	const struct model_resource *was = model_find(&w->now, d->name);
	u64 now_ms = loop_now_ms(w->event);

	s->round = w->round;
	if (!is_passing(next, was, d->name))
		s->passing_ms = 0;
	else if (!s->passing_ms)
		s->passing_ms = now_ms;
	if (s->passing_ms && !has_lasted(w, s->passing_ms))
		return false;
	if (strcmp(s->phase, d->phase)) {
		memcpy(s->phase, d->phase, sizeof(s->phase));
		s->phase_ms = now_ms;
	}
	if (was && was->has_daemon && !has_lasted(w, s->phase_ms))
		memcpy(d->phase, was->daemon.phase, sizeof(d->phase));
	return true;
}

static int merge_facts(struct watch *w, struct model *next)
{
	struct model_daemon *facts;
	struct model_resource *r;
	struct seen *s;
	size_t nr;
	int ret = w->facts(w->facts_arg, &facts, &nr);

	if (ret < 0)
		return ret;
	next->has_daemon = true;
	w->round++;
	for (size_t i = 0; i < nr && ret == 0; i++) {
		s = find_or_create_seen(w, facts[i].name);
		if (s && !is_to_be_told(w, next, s, &facts[i]))
			continue;
		r = s ? model_resource(next, facts[i].name) : NULL;
		if (!r) {
			ret = -ENOMEM;
			break;
		}
		r->has_daemon = true;
		r->daemon = facts[i];
	}
	free(facts);
	return ret;
}

/*
 * Tell what is different now. Without memory nothing is told and nothing is forgotten: the next
 * time finds the same difference.
 */
static void update(struct watch *w)
{
	struct model next, old;

	if (model_copy(&next, &w->kernel) < 0)
		return;
	if (merge_facts(w, &next) < 0) {
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
	update(arg);
	return 0;
}

static int on_steady(sd_event_source *s, uint64_t now, void *arg)
{
	struct watch *w = arg;

	(void)s;
	(void)now;
	w->is_waiting = false;
	update(w);
	return 0;
}

void watch_facts_changed(struct watch *w)
{
	loop_defer(w->event, &w->soon, on_soon, w);
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
		update(w);
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
	update(w);
}

/* What a dump had no time to tell is as it was: a volume that is missing in it has not gone. */
static int keep_untold(struct model *next, const struct model *old)
{
	const struct model_resource *was;
	struct model_volume *v;

	for (u32 i = 0; i < next->nr_resources; i++) {
		struct model_resource *r = &next->resource[i];

		was = model_find(old, r->name);
		for (u32 k = 0; was && k < was->nr_volumes && model_is_partial(r); k++) {
			if (model_find_volume(r, was->volume[k].number))
				continue;
			v = model_volume(r, was->volume[k].number);
			if (!v)
				return -ENOMEM;
			*v = was->volume[k];
		}
	}
	return 0;
}

void watch_kernel_model(struct watch *w, const struct model *m)
{
	struct event ev = { .kind = EVENT_RESYNC };
	struct model copy;

	if (model_copy(&copy, m) < 0)
		return;
	if (keep_untold(&copy, &w->kernel) < 0) {
		model_free(&copy);
		return;
	}
	model_free(&w->kernel);
	w->kernel = copy;
	update(w);
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
	const struct seen *s = find_seen(w, name);

	return s ? s->seq : 0;
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
	struct seen *s;

	if (!w)
		return;
	loop_drop(&w->soon);
	loop_drop(&w->steady);
	model_free(&w->kernel);
	model_free(&w->now);
	while ((s = w->seen)) {
		w->seen = s->next;
		free(s);
	}
	free(w);
}
