// SPDX-License-Identifier: GPL-2.0
/*
 * trace-write: the peer's tracing begins first and ends last, so that it has seen every write that
 * we have. Ours needs no daemon; without one, or with a peer that cannot, its half is missing,
 * which is said. Whatever ends this program ends the tracing: ours here, the peer's by its own
 * clock.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cmd.h"
#include "ctl.h"
#include "gather.h"
#include "nl.h"
#include "progress.h"
#include "trace.h"
#include "trace-judge.h"
#include "tracefs.h"

#define DEF_COUNT	1000u
#define DEF_TIMEOUT_S	10u
#define POLL_MS		20
#define CALL_TIMEOUT_MS	20000
/* Flushes are requests, too, and what was under way at either end is seen in part only. */
#define SPARE(count)	((count) / 4 + 64)

struct trace_run {
	const struct opts *o;
	const struct model_resource *r;
	u32 count, timeout_s;
	struct nl *nl;
	struct trace_source *source;
	struct trace_join *join;
	u32 bad;
	bool has_peer;
	struct err no_peer;		/* why not */
	struct ctl_reply items;
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

static void catch_signals(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
	struct sigaction a = { .sa_handler = on_signal };

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		sigaction(numbers[i], &a, NULL);
}

static u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

/* ---- may it be? ----------------------------------------------------------------------------- */

static int check_options(const struct opts *o, struct trace_run *t, struct err *e)
{
	t->count = o->given & CMD_OPT_COUNT ? o->count : DEF_COUNT;
	t->timeout_s = o->given & CMD_OPT_TIMEOUT ? o->timeout_s : DEF_TIMEOUT_S;
	if (!t->count)
		err_set(e, -EINVAL, "usage", "--count takes a number from 1 to %u",
			TRACE_MAX_COUNT);
	else if (!t->timeout_s || t->timeout_s > TRACE_LONGEST_S)
		err_set(e, -EINVAL, "usage", "--timeout takes a number from 1 to %u",
			TRACE_LONGEST_S);
	else
		return cmd_check_name(o->operand, e);
	err_mend(e, "lockstep help trace-write");
	return -EINVAL;
}

/* ---- the peer's half ------------------------------------------------------------------------ */

static int ask_peer(struct trace_run *t, bool end, struct ctl_reply *ret, struct err *e)
{
	struct ctl_request q = { .command = CTL_TRACE, .end = end };

	snprintf(q.resource, sizeof(q.resource), "%s", t->r->name);
	return ctl_call(t->o->socket, &q, CALL_TIMEOUT_MS, ret, e);
}

/* Fails only if nothing else would do. */
static int begin_peer(struct trace_run *t, struct err *e)
{
	struct ctl_reply reply = { 0 };
	int err = ask_peer(t, false, &reply, &t->no_peer);

	ctl_reply_free(&reply);
	t->has_peer = !err;
	if (!err || !(t->o->given & CMD_OPT_PEER))
		return 0;
	if (e)
		*e = t->no_peer;
	return err;
}

static int end_peer(struct trace_run *t, struct err *e)
{
	int err;

	if (!t->has_peer)
		return 0;
	err = ask_peer(t, true, &t->items, &t->no_peer);
	t->has_peer = !err;
	if (!err || !(t->o->given & CMD_OPT_PEER))
		return 0;
	if (e)
		*e = t->no_peer;
	return err;
}

/* ---- ours ----------------------------------------------------------------------------------- */

/* Writes that have ended so far, of all volumes; *ret stays if those are not all told. */
static int count_writes(struct trace_run *t, u64 *ret, struct err *e)
{
	const struct model_resource *r;
	struct model m;
	u64 writes = 0;
	int err = nl_status(t->nl, t->r->name, &m, e);

	if (err)
		return err;
	r = model_find(&m, t->r->name);
	if (!r)
		err = err_set(e, -ENOENT, "not-up", "%s is not up any more", t->r->name);
	for (u32 i = 0; r && i < r->nr_volumes; i++)
		writes += r->volume[i].writes;
	if (r && !model_is_partial(r))
		*ret = writes;
	model_free(&m);
	return err;
}

static int wait_writes(struct trace_run *t, struct err *e)
{
	struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
	u64 end = now_ms() + (u64)t->timeout_s * 1000, first = 0, now;
	struct progress p = { 0 };
	int err = count_writes(t, &first, e);

	now = first;
	while (!err && !stopped && now - first < t->count + SPARE(t->count) && now_ms() < end) {
		if (progress_is_due(&p, now_ms()))
			progress_show(&p, "%llu of %u writes", (unsigned long long)(now - first),
				      t->count);
		nanosleep(&pause, NULL);
		err = count_writes(t, &now, e);
	}
	progress_clear(&p);
	if (!err && stopped) {
		err = err_set(e, -EINTR, "interrupted", "interrupted; nothing is traced any more");
		err_mend(e, "lockstep trace-write %s", t->r->name);
	}
	return err;
}

/* The instance is gone afterwards, whatever happened. */
static int trace_here(struct trace_run *t, struct err *e)
{
	int err;

	t->join = trace_join_create(t->count + SPARE(t->count) + 4096);
	if (!t->join)
		return err_set(e, -ENOMEM, "no-memory", "out of memory");
	err = tracefs.open(t->r->name, &t->source, e);
	if (err)
		return err;
	err = wait_writes(t, e);
	if (!err)
		err = trace_read_join(&tracefs, t->source, t->r->name, t->join, &t->bad, e);
	tracefs.close(t->source);
	return err;
}

/* ---- the report ----------------------------------------------------------------------------- */

static int report(struct trace_run *t, struct err *e)
{
	struct trace_joined got = trace_join_get(t->join);
	struct trace_report r = {
		.name = t->r->name, .node = t->r->node, .peer = t->r->peer,
		.no_peer = t->has_peer ? NULL : t->no_peer.what,
		.partial = t->bad + got.partial,
	};
	bool any = false;

	for (int c = 0; c < TRACE_CLASS_NR; c++) {
		if (trace_sum(got.write, got.nr, c, t->count, t->has_peer, t->items.items,
			      t->items.nr_items, &r.sum[c]))
			return err_set(e, -ENOMEM, "no-memory", "out of memory");
		any |= r.sum[c].nr;
	}
	if (!any)
		return trace_judge_nothing(t->r, &got, t->bad, t->timeout_s, e);
	if (!(t->o->given & CMD_OPT_JSON))
		trace_print_text(stdout, &r);
	else if (trace_print_json(stdout, &r))
		return err_set(e, -EIO, "output", "writing the output failed");
	if (t->no_peer.what[0] && t->no_peer.mend[0] && !(t->o->given & CMD_OPT_JSON))
		printf("  -> %s\n", t->no_peer.mend);
	return 0;
}

int cmd_trace_write(const struct opts *o)
{
	struct trace_run t = { .o = o };
	struct model m;
	struct err e;
	int err = check_options(o, &t, &e);

	if (err)
		return cmd_refuse(&e);
	err = gather_kernel(o->operand, true, &m, &e);
	if (err)
		return cmd_refuse(&e);
	t.r = model_find(&m, o->operand);
	err = trace_judge_state(t.r, &e);
	if (!err)
		err = nl_open(&t.nl, &e);
	catch_signals();
	if (!err)
		err = begin_peer(&t, &e);
	if (!err)
		err = trace_here(&t, &e);
	/* Also after a failure: the peer need not go on. */
	if (err)
		(void)end_peer(&t, NULL);
	else
		err = end_peer(&t, &e);
	if (!err)
		err = report(&t, &e);
	ctl_reply_free(&t.items);
	trace_join_free(t.join);
	nl_shut(t.nl);
	model_free(&m);
	return err ? cmd_refuse(&e) : CMD_OK;
}
