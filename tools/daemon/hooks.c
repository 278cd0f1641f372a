// SPDX-License-Identifier: GPL-2.0
#include "hooks.h"

#include <stdlib.h>

#include "hook.h"
#include "log.h"
#include "loop.h"

/* One run of one program. */
struct todo {
	struct todo *next;
	char program[CONF_PATH_BYTES];
	char node[LOCKSTEP_NAME_BYTES], peer[LOCKSTEP_NAME_BYTES];
	struct event ev;
};

struct queue {
	struct queue *next;
	struct hooks *h;
	char name[LOCKSTEP_NAME_BYTES];		/* of the resource */
	/* As last seen: the last event of a resource comes when its configuration has gone. */
	bool has_conf;
	char program[CONF_HOOK_NR][CONF_PATH_BYTES];
	char node[LOCKSTEP_NAME_BYTES], peer[LOCKSTEP_NAME_BYTES];
	struct todo *first, **last;		/* first: the one that runs, while `running` */
	u32 nr, nr_dropped;
	struct event *early;			/* HOOKS_EARLY, or NULL */
	u32 nr_early;
	struct hook *running;
	char note[HOOKS_NOTE_BYTES];
};

struct hooks {
	sd_event *event;
	hooks_conf_fn conf;
	void *conf_arg;
	u32 timeout_ms;
	struct queue *queues;
};

bool hooks_is_for(enum conf_hook hook, const struct event *ev)
{
	switch (hook) {
	case CONF_HOOK_SPLIT_BRAIN:
		return ev->kind == EVENT_SPLIT_BRAIN;
	case CONF_HOOK_DISK_FAILED:
		return ev->kind == EVENT_DISK_FAILED;
	case CONF_HOOK_SYNC_DONE:
		return ev->kind == EVENT_SYNC_DONE;
	case CONF_HOOK_PEER_LOST:
		return ev->kind == EVENT_LINK && !strcmp(ev->text[0], "up");
	case CONF_HOOK_PEER_BACK:
		return ev->kind == EVENT_LINK && !strcmp(ev->text[1], "up");
	case CONF_HOOK_PROBLEM:
		return ev->kind == EVENT_PROBLEM || ev->kind == EVENT_SPLIT_BRAIN;
	case CONF_HOOK_ANY:
		return ev->resource[0] && !event_is_progress(ev->kind);
	case CONF_HOOK_NR:
		break;
	}
	return false;
}

/* ---- running -------------------------------------------------------------------------------- */

/* The text may be the peer's; in a header of a mail a line must stay a line. */
static void add_text(struct hook_env *env, const char *name, const char *text)
{
	char clean[2 * EVENT_TEXT_BYTES];

	snprintf(clean, sizeof(clean), "%s", text);
	for (char *c = clean; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
	hook_env_add(env, name, "%s", clean);
}

static void fill_env(const struct todo *t, struct hook_env *env)
{
	const struct event *ev = &t->ev;
	bool is_problem = ev->kind == EVENT_PROBLEM || ev->kind == EVENT_SPLIT_BRAIN;
	bool is_change = !is_problem && ev->kind != EVENT_MENDED &&
			 ev->kind != EVENT_SYNC_STARTED;
	char text[2 * EVENT_TEXT_BYTES], number[24], old[24] = "", new[24] = "";

	/* Sizes are the one change that is not in words. */
	if (ev->kind == EVENT_SIZE) {
		snprintf(old, sizeof(old), "%llu", (unsigned long long)ev->number[0]);
		snprintf(new, sizeof(new), "%llu", (unsigned long long)ev->number[1]);
	}
	event_sentence(ev, text, sizeof(text));
	snprintf(number, sizeof(number), "%llu", (unsigned long long)ev->seq);
	add_text(env, "LOCKSTEP_EVENT", event_kind_name(ev->kind));
	add_text(env, "LOCKSTEP_SEQ", number);
	add_text(env, "LOCKSTEP_RESOURCE", ev->resource);
	snprintf(number, sizeof(number), "%u", ev->volume);
	add_text(env, "LOCKSTEP_VOLUME", ev->has_volume ? number : "");
	add_text(env, "LOCKSTEP_OLD", is_change && ev->text[0][0] ? ev->text[0] : old);
	add_text(env, "LOCKSTEP_NEW", is_change && ev->text[1][0] ? ev->text[1] : new);
	add_text(env, "LOCKSTEP_CODE", is_change || ev->kind == EVENT_SYNC_STARTED ? "" :
		 ev->text[0]);
	add_text(env, "LOCKSTEP_TEXT", text);
	add_text(env, "LOCKSTEP_MEND", is_problem ? ev->text[3] : "");
	add_text(env, "LOCKSTEP_NODE", t->node);
	add_text(env, "LOCKSTEP_PEER", t->peer);
}

static void run_next(struct queue *q);

static void finish(struct queue *q)
{
	struct todo *t = q->first;

	q->first = t->next;
	if (!q->first)
		q->last = &q->first;
	q->nr--;
	free(t);
}

static void failed(struct queue *q, const struct todo *t, const char *what)
{
	snprintf(q->note, sizeof(q->note), "the hook %s %s (event %llu, %s)", t->program, what,
		 (unsigned long long)t->ev.seq, event_kind_name(t->ev.kind));
	log_warn("%s: %s", q->name, q->note);
}

static void on_done(void *arg, const struct hook_result *res)
{
	struct queue *q = arg;
	char what[160];

	q->running = NULL;
	if (res->end == HOOK_EXITED && res->value == 0) {
		q->note[0] = '\0';
	} else {
		hook_result_text(res, what, sizeof(what));
		failed(q, q->first, what);
	}
	finish(q);
	run_next(q);
}

static void run_next(struct queue *q)
{
	struct hook_env env;
	struct err e;
	int ret;

	while (q->first && !q->running) {
		memset(&env, 0, sizeof(env));
		fill_env(q->first, &env);
		ret = hook_run(q->h->event, q->first->program, &env, q->h->timeout_ms, on_done, q,
			       &q->running, &e);
		hook_env_clear(&env);
		if (ret == 0)
			return;
		q->running = NULL;
		failed(q, q->first, e.what);
		finish(q);
	}
	if (q->first || !q->nr_dropped)
		return;
	snprintf(q->note, sizeof(q->note), "%u events were not told to hooks, because earlier ones "
		 "took too long", q->nr_dropped);
	log_warn("%s: %s", q->name, q->note);
	q->nr_dropped = 0;
}

/* ---- what is to be run ---------------------------------------------------------------------- */

static struct queue *find(const struct hooks *h, const char *name)
{
	struct queue *q = h->queues;

	while (q && strcmp(q->name, name))
		q = q->next;
	return q;
}

static struct queue *find_or_create(struct hooks *h, const char *name)
{
	struct queue *q = find(h, name);

	if (q)
		return q;
	q = calloc(1, sizeof(*q));
	if (!q)
		return NULL;
	q->h = h;
	q->last = &q->first;
	snprintf(q->name, sizeof(q->name), "%s", name);
	q->next = h->queues;
	h->queues = q;
	return q;
}

static void take_conf(struct queue *q)
{
	const struct conf *c;
	int self = 0;

	c = q->h->conf(q->h->conf_arg, q->name, &self);
	if (!c)
		return;
	q->has_conf = true;
	memcpy(q->program, c->hook, sizeof(q->program));
	memcpy(q->node, c->node[self].name, sizeof(q->node));
	memcpy(q->peer, c->node[1 - self].name, sizeof(q->peer));
}

static void add(struct queue *q, const char *program, const struct event *ev)
{
	struct todo *t = q->nr < HOOKS_QUEUE ? calloc(1, sizeof(*t)) : NULL;

	if (!t) {
		q->nr_dropped++;
		return;
	}
	snprintf(t->program, sizeof(t->program), "%s", program);
	memcpy(t->node, q->node, sizeof(t->node));
	memcpy(t->peer, q->peer, sizeof(t->peer));
	t->ev = *ev;
	*q->last = t;
	q->last = &t->next;
	q->nr++;
}

/* A program that is named for two of its aspects hears of an event once. */
static bool is_named_before(const struct queue *q, const struct event *ev, enum conf_hook hook)
{
	for (u32 i = 0; i < hook; i++)
		if (hooks_is_for(i, ev) && !strcmp(q->program[i], q->program[hook]))
			return true;
	return false;
}

static void add_all(struct queue *q, const struct event *ev)
{
	for (u32 i = 0; i < CONF_HOOK_NR; i++)
		if (q->program[i][0] && hooks_is_for(i, ev) && !is_named_before(q, ev, i))
			add(q, q->program[i], ev);
}

/*
 * A disk may have failed while the daemon was dead; the next one hears of it before it has read
 * whom to tell. The phase of its peer, which comes a moment after that, brings the rest along.
 */
static void keep_early(struct queue *q, const struct event *ev)
{
	if (event_is_progress(ev->kind) || q->nr_early == HOOKS_EARLY)
		return;
	if (!q->early)
		q->early = calloc(HOOKS_EARLY, sizeof(*q->early));
	if (q->early)
		q->early[q->nr_early++] = *ev;
}

static void take_early(struct queue *q)
{
	for (u32 i = 0; i < q->nr_early; i++)
		add_all(q, &q->early[i]);
	free(q->early);
	q->early = NULL;
	q->nr_early = 0;
}

static void on_event(void *arg, const struct event *ev)
{
	struct hooks *h = arg;
	struct queue *q;

	if (!ev->resource[0])
		return;
	q = find_or_create(h, ev->resource);
	if (!q)
		return;
	take_conf(q);
	if (q->has_conf) {
		take_early(q);
		add_all(q, ev);
	} else {
		keep_early(q, ev);
	}
	run_next(q);
}

static const struct watch_ops ops = { .event = on_event };

/* ---- life ----------------------------------------------------------------------------------- */

const char *hooks_note(const struct hooks *h, const char *name)
{
	const struct queue *q = h ? find(h, name) : NULL;

	return q ? q->note : "";
}

int hooks_create(sd_event *event, struct watch *w, hooks_conf_fn conf, void *arg, u32 timeout_ms,
		 struct hooks **ret)
{
	struct hooks *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->event = event;
	h->conf = conf;
	h->conf_arg = arg;
	h->timeout_ms = timeout_ms ? timeout_ms : HOOKS_TIMEOUT_MS;
	watch_listen(w, &ops, h);
	*ret = h;
	return 0;
}

void hooks_destroy(struct hooks *h)
{
	struct queue *q;

	if (!h)
		return;
	while ((q = h->queues)) {
		h->queues = q->next;
		hook_cancel(q->running);
		while (q->first)
			finish(q);
		free(q->early);
		free(q);
	}
	free(h);
}
