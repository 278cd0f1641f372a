// SPDX-License-Identifier: GPL-2.0
/*
 * `lockstep trace-write` wants to know what the peer does with our writes. Here is the way for that
 * question, and the answer to the peer's: events are on from its BEGIN to its END, or until nobody
 * can want them any more (TRACE_KEEP_MS, the connection's end). Durations are measured on one host
 * and clock each, so the two clocks need not agree.
 *
 * Opening and reading an instance of tracefs is a job, as requests to the kernel are. Closing one
 * that nobody asked for is done at once: it is a directory to remove.
 */
#include "peer-phase.h"

#include <stdlib.h>

#include "log.h"
#include "loop.h"

#define TRACE_KEEP_MS	((TRACE_LONGEST_S + 30) * 1000)
/* The peer reads, and says, some 8000 writes. */
#define TRACE_ANSWER_MS	15000

static const char *op_text(u32 op)
{
	return op == LOCKSTEP_TRACE_BEGIN ? "begins" : "ends";
}

/* ---- the side that was asked by a person */

static void reply(struct peer *p, const struct err *e, const struct trace_item *item, u32 nr)
{
	struct peer_tracing t = p->tracing;

	p->tracing.done = NULL;
	loop_timer_off(t.timer);
	if (t.done)
		t.done(t.arg, e, item, nr);
}

static int on_trace_late(sd_event_source *s, uint64_t now, void *arg)
{
	struct peer *p = arg;
	struct err e;

	(void)s;
	(void)now;
	err_set(&e, -ETIMEDOUT, "peer-silent", "%s has not answered for %u s", p->other->name,
		TRACE_ANSWER_MS / 1000);
	err_mend(&e, "lockstep status %s", p->conf->name);
	reply(p, &e, NULL, 0);
	return 0;
}

static bool is_refused(const struct peer *p, struct err *e)
{
	const char *name = p->conf->name;

	if (p->phase != PEER_CONNECTED) {
		err_set(e, -ENOTCONN, "not-connected", "%s is not connected", p->other->name);
		err_mend(e, "lockstep status %s", name);
	} else if (!(p->theirs.h.features & LOCKSTEP_WF_TRACE)) {
		err_set(e, -EOPNOTSUPP, "peer-version", "the lockstepd of %s is too old to trace",
			p->other->name);
		err_mend(e, "install the same release of Lockstep on both hosts");
	} else if (p->tracing.done) {
		err_set(e, -EBUSY, "busy", "another trace of %s is under way", name);
		err_mend(e, "wait for it, then try again");
	} else {
		return false;
	}
	return true;
}

void peer_trace(struct peer *p, bool end, peer_traced_fn done, void *arg)
{
	size_t size, n;
	void *buf = peer_scratch(&size);
	struct err e;

	if (is_refused(p, &e)) {
		done(arg, &e, NULL, 0);
		return;
	}
	p->tracing.op = end ? LOCKSTEP_TRACE_END : LOCKSTEP_TRACE_BEGIN;
	p->tracing.done = done;
	p->tracing.arg = arg;
	loop_timer(p->env->event, &p->tracing.timer, TRACE_ANSWER_MS, on_trace_late, p);
	n = wire_trace_encode(p->tracing.op, buf, size);
	peer_send(p, LOCKSTEP_CT_TRACE, buf, n);
}

static void take_items(struct peer *p, const struct wire_trace_done *d,
		       const struct wire_trace_item *w)
{
	struct trace_item *item = calloc(d->nr + 1, sizeof(*item));
	struct err e;

	if (!item) {
		err_set(&e, -ENOMEM, "no-memory", "no memory for the answer");
		reply(p, &e, NULL, 0);
		return;
	}
	for (u32 i = 0; i < d->nr; i++)
		item[i] = (struct trace_item){
			{ d->epoch, w[i].stream, w[i].slot, w[i].slot_gen },
			w[i].disk_ns, w[i].answer_ns };
	reply(p, NULL, item, d->nr);
	free(item);
}

void peer_on_trace_done(struct peer *p, const u8 *body, size_t len)
{
	static struct wire_trace_item item[LOCKSTEP_TRACE_ITEMS];	/* one loop, one thread */
	struct wire_trace_done d;
	struct err e;

	if (wire_trace_done_decode(body, len, &d, item, LOCKSTEP_TRACE_ITEMS) != WIRE_OK) {
		peer_fail_text(p, RETRY_LATER, "protocol", "%s sent an answer that is not to be "
			       "understood", p->other->name);
		return;
	}
	/* Late: the person has been told, or asks something else by now. */
	if (!p->tracing.done || d.op != p->tracing.op)
		return;
	if (!d.refused) {
		take_items(p, &d, item);
		return;
	}
	err_set(&e, -EREMOTEIO, "peer-refused", "%s refuses: %s", p->other->name, d.text);
	err_mend(&e, "on %s: journalctl -u lockstepd -n 20", p->other->name);
	reply(p, &e, NULL, 0);
}

/* ---- the other side */

static void stop(struct peer *p)
{
	loop_timer_off(p->tracing.keep);
	p->env->trace->close(p->tracing.source);
	p->tracing.source = NULL;
}

static int on_keep(sd_event_source *s, uint64_t now, void *arg)
{
	struct peer *p = arg;

	(void)s;
	(void)now;
	log_info("%s: tracing for %s ends: nobody came for it", p->conf->name, p->other->name);
	stop(p);
	return 0;
}

static void send_done(struct peer *p, const struct wire_trace_done *d,
		      const struct wire_trace_item *item)
{
	size_t size, n;
	void *buf = peer_scratch(&size);

	n = wire_trace_done_encode(d, item, buf, size);
	if (d->refused)
		log_notice("%s: tracing for %s: %s", p->conf->name, p->other->name, d->text);
	else
		log_info("%s: tracing for %s %s", p->conf->name, p->other->name, op_text(d->op));
	peer_send(p, LOCKSTEP_CT_TRACE_DONE, buf, n);
	peer_send_marks(p);	/* where the job stood in their way */
}

static void send_refusal(struct peer *p, u32 op, const struct err *e)
{
	struct wire_trace_done d = { .op = op, .refused = 1 };

	/* The way out is for a person on this host. */
	if (e->mend[0])
		snprintf(d.text, sizeof(d.text), "%.120s; on %.30s: %.70s", e->what, p->me->name,
			 e->mend);
	else
		snprintf(d.text, sizeof(d.text), "%.220s", e->what);
	send_done(p, &d, NULL);
}

static int run_begin(struct peer_job *j)
{
	return j->trace->open(j->name, &j->source, &j->e);
}

static void begun(struct peer *p, struct peer_job *j)
{
	struct wire_trace_done d = { .op = LOCKSTEP_TRACE_BEGIN };

	if (j->ret < 0) {
		send_refusal(p, d.op, &j->e);
		return;
	}
	p->tracing.source = j->source;
	j->source = NULL;
	loop_timer(p->env->event, &p->tracing.keep, TRACE_KEEP_MS, on_keep, p);
	send_done(p, &d, NULL);
}

static int run_end(struct peer_job *j)
{
	int ret;

	j->traced = trace_peer_create(LOCKSTEP_TRACE_ITEMS);
	if (!j->traced)
		return err_set(&j->e, -ENOMEM, "no-memory", "no memory for a trace");
	ret = trace_read_peer(j->trace, j->source, j->name, j->traced, &j->e);
	j->trace->close(j->source);
	j->source = NULL;
	return ret;
}

/* An item of an earlier session is none of this one's. */
static void ended(struct peer *p, struct peer_job *j)
{
	static struct wire_trace_item item[LOCKSTEP_TRACE_ITEMS];	/* one loop, one thread */
	struct wire_trace_done d = { .op = LOCKSTEP_TRACE_END };
	const struct trace_item *t;
	u32 nr;

	if (j->ret < 0) {
		send_refusal(p, d.op, &j->e);
		return;
	}
	t = trace_peer_get(j->traced, &nr);
	for (u32 i = 0; i < nr; i++)
		d.epoch = max(d.epoch, t[i].key.epoch);
	for (u32 i = 0; i < nr; i++)
		if (t[i].key.epoch == d.epoch)
			item[d.nr++] = (struct wire_trace_item){
				t[i].key.stream, t[i].key.slot, t[i].key.gen, t[i].disk_ns,
				t[i].answer_ns };
	send_done(p, &d, item);
}

void peer_on_trace(struct peer *p, const u8 *body, size_t len)
{
	struct peer_job *j;
	struct err e;
	u32 op;

	if (wire_trace_decode(body, len, &op) != WIRE_OK) {
		peer_fail_text(p, RETRY_LATER, "protocol", "%s asked for a trace in a way that is "
			       "not to be understood", p->other->name);
		return;
	}
	if (op == LOCKSTEP_TRACE_BEGIN) {
		stop(p);	/* of one that nobody came for */
	} else if (!p->tracing.source) {
		err_set(&e, -ENOENT, "not-traced", "nothing is traced, or not any more");
		send_refusal(p, op, &e);
		return;
	}
	j = peer_job_create(p, op == LOCKSTEP_TRACE_BEGIN ? run_begin : run_end,
			    op == LOCKSTEP_TRACE_BEGIN ? begun : ended);
	if (!j) {
		err_set(&e, -ENOMEM, "no-memory", "no memory for a trace");
		send_refusal(p, op, &e);
		return;
	}
	j->trace = p->env->trace;
	j->source = p->tracing.source;
	p->tracing.source = NULL;
	loop_timer_off(p->tracing.keep);
	peer_job_start(p, j);
}

void peer_trace_lost(struct peer *p)
{
	struct err e;

	if (!p->env)
		return;		/* it never came to be */
	stop(p);
	if (!p->tracing.done)
		return;
	err_set(&e, -ENOTCONN, "not-connected", "%s was lost before it answered", p->other->name);
	err_mend(&e, "lockstep status %s", p->conf->name);
	reply(p, &e, NULL, 0);
}
