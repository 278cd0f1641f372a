// SPDX-License-Identifier: GPL-2.0
/*
 * The frame of the state machine: the table of phases, beginning and ending an attempt, jobs, and
 * the control connection's callbacks. What the steps themselves do is in the peer-*.c beside
 * this.
 */
#include "peer-phase.h"

#include <openssl/crypto.h>
#include <linux/lockstep.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "loop.h"
#include "refusal.h"

#define HASTY_MS	20
#define HASTY_MAX	5
#define SLOW_TIMES	5	/* the longest back-off */
#define HINT_MS		300
#define CONNECT_MS	3000	/* a lost first segment is sent again after 1 s and after 3 s */

#define MAY(type)	(1u << LOCKSTEP_CT_##type)

/* deadline: env->phase_ms. `text` is for status; "%s": the peer's name. */
static const struct phase_row {
	const char *text;
	u32 may;			/* frames allowed [T4] */
	bool has_deadline;		/* [T3] */
} phase_row[PEER_PHASE_NR] = {
	[PEER_OFF]	= { "disconnected on request", 0, false },
	[PEER_WAIT]	= { "connecting", 0, false },
	[PEER_DIAL]	= { "connecting", 0, false },
	[PEER_TLS]	= { "authenticating", 0, false },
	[PEER_FACTS]	= { "asking the kernel", 0, true },
	[PEER_HELLO]	= { "waiting for the peer's hello", MAY(HELLO) | MAY(REFUSE), true },
	[PEER_VERDICT]	= { "waiting for the peer's verdict", MAY(VERDICT) | MAY(REFUSE), true },
	[PEER_STALE]	= { "waiting for the peer to close an old session", MAY(REFUSE), true },
	[PEER_CLEAR]	= { "closing an old session", MAY(REFUSE), true },
	[PEER_TOKEN]	= { "waiting for the session", MAY(TOKEN) | MAY(REFUSE), true },
	[PEER_OPEN]	= { "opening the session", MAY(READY) | MAY(REFUSE), true },
	[PEER_JOIN]	= { "opening data connections", MAY(READY) | MAY(REFUSE), true },
	[PEER_READY]	= { "waiting for the peer's data connections", MAY(READY) | MAY(REFUSE),
			    true },
	[PEER_START]	= { "starting replication", MAY(REFUSE), true },
	[PEER_STARTED]	= { "waiting for the peer to start replication",
			    MAY(STARTED) | MAY(REFUSE), true },
	[PEER_ADOPT]	= { "taking up the session", MAY(ADOPT) | MAY(REFUSE), true },
	[PEER_CONNECTED] = { "connected", MAY(PING) | MAY(PONG) | MAY(MARKS) | MAY(MARKS_DONE) |
			     MAY(RESIZE) | MAY(RESIZE_DONE) | MAY(TRACE) |
			     MAY(TRACE_DONE) | MAY(REFUSE), false },
	[PEER_ENDING]	= { "ending the session", MAY(PING) | MAY(PONG) | MAY(MARKS) |
			    MAY(MARKS_DONE) | MAY(RESIZE) | MAY(RESIZE_DONE) | MAY(TRACE) |
			    MAY(TRACE_DONE) | MAY(REFUSE), true },
	[PEER_SPLIT]	= { "split brain", MAY(SPLIT) | MAY(RESOLVE) | MAY(RESOLVE_DONE) |
			    MAY(PING) | MAY(PONG) | MAY(REFUSE), false },
	[PEER_SETTLE]	= { "waiting for the kernel", 0, false },
};

const char *const peer_refuse_code[LOCKSTEP_RF_NR] = {
	[LOCKSTEP_RF_VERSION]	= "peer-version",
	[LOCKSTEP_RF_IDENTITY]	= "peer-identity",
	[LOCKSTEP_RF_LIMITS]	= "peer-limits",
	[LOCKSTEP_RF_SPLIT]	= "split-brain",
	[LOCKSTEP_RF_UNRELATED]	= "unrelated",
	[LOCKSTEP_RF_BLANK]	= "both-blank",
	[LOCKSTEP_RF_ROLE]	= "target-is-primary",
	[LOCKSTEP_RF_BUSY]	= "peer-busy",
	[LOCKSTEP_RF_VERDICT]	= "verdicts-differ",
	[LOCKSTEP_RF_TWO_PRIMARIES] = "two-primaries",
	[LOCKSTEP_RF_INCONSISTENT] = "both-inconsistent",
	[LOCKSTEP_RF_INTERNAL]	= "peer-refused",
};

static void try_now(struct peer *p);
static void settle(struct peer *p);

/* ---- phases */

static int on_late(sd_event_source *s, uint64_t now, void *arg)
{
	struct peer *p = arg;

	(void)s;
	(void)now;
	if (p->phase == PEER_WAIT) {
		try_now(p);
		return 0;
	}
	if (p->job)
		peer_fail_text(p, RETRY_LATER, "kernel-slow", "the kernel has not answered for "
			       "%u s (%s)", p->env->phase_ms / 1000, phase_row[p->phase].text);
	else
		peer_fail_text(p, RETRY_LATER, "peer-silent", "%s has not answered for %u s (%s)",
			       p->other->name, p->env->phase_ms / 1000, phase_row[p->phase].text);
	return 0;
}

void peer_set_phase(struct peer *p, enum peer_phase phase)
{
	log_debug("%s: %s -> %s", p->conf->name, phase_row[p->phase].text, phase_row[phase].text);
	p->phase = phase;
	p->env->changed(p->env->changed_arg);
	p->phase_ms = loop_now_ms(p->env->event);
	loop_timer_off(p->timer);
	if (phase_row[phase].has_deadline)
		loop_timer(p->env->event, &p->timer, p->env->phase_ms, on_late, p);
}

void peer_set_problem(struct peer *p, const struct err *e)
{
	if (strcmp(p->problem.what, e->what) == 0)
		return;
	p->problem = *e;
	refusal_complete(&p->problem, p->conf->name, p->other->name);
	p->problem_since_s = (u64)time(NULL);
	p->env->changed(p->env->changed_arg);
	if (e->code[0])
		log_warn("%s: %s", p->conf->name, e->what);
}

/* ---- ending an attempt */

/* Let go of everything that is ours; what the kernel has is for settle(). */
static void drop_attempt(struct peer *p)
{
	conn_finish(p->conn);
	p->conn = NULL;
	dial_cancel(p->dial);
	p->dial = NULL;
	peer_drop_streams(p);
	loop_timer_off(p->pinger);
	loop_timer_off(p->ticker);
}

static u64 retry_delay(struct peer *p)
{
	u32 jitter, delay = p->backoff_ms;

	if (p->retry == RETRY_NOW && p->hasty++ < HASTY_MAX)
		return HASTY_MS;
	p->hasty = 0;
	if (p->retry == RETRY_SLOW)
		return (u64)p->env->retry_max_ms * SLOW_TIMES;
	p->backoff_ms = min(p->backoff_ms * 2, p->env->retry_max_ms);
	/* Two resources that lost one link should not knock at the same instants for ever. */
	join_random(&jitter, sizeof(jitter));
	return delay - delay / 4 + jitter % (delay / 2 + 1);
}

static void rest(struct peer *p)
{
	struct conn *c = p->next_conn;

	p->kernel = KERNEL_NONE;
	p->session_id = 0;
	if (!p->wanted) {
		peer_set_phase(p, PEER_OFF);
		return;
	}
	peer_set_phase(p, PEER_WAIT);
	if (c) {
		p->next_conn = NULL;
		peer_take_control(p, c);
	} else if (p->dialler) {
		loop_timer(p->env->event, &p->timer, retry_delay(p), on_late, p);
	}
}

static void settled(struct peer *p, struct peer_job *j)
{
	if (j->ret < 0)
		log_warn("%s: a session could not be closed: %s", p->conf->name, j->e.what);
	rest(p);
}

void peer_announced(struct peer *p, u64 session_id)
{
	/* What was never connected is not held: two that fail to connect go on failing. */
	if (!session_id || session_id != p->connected_id)
		return;
	p->connected_id = 0;
	p->back_ms = 0;
	p->held_until_ms = loop_now_ms(p->env->event) + p->env->hold_ms;
}

/* No job is under way: leave nothing half-made in the kernel [T2], nor what is to end [T5]. */
static void settle(struct peer *p)
{
	struct peer_job *j;

	/* Who is told to stay away does not come back: that end is a loss. */
	if (p->ends && p->wanted)
		peer_announced(p, p->session_id);
	p->ends = false;
	if (p->kernel != KERNEL_OPEN) {
		rest(p);
		return;
	}
	p->kernel = KERNEL_NONE;
	j = peer_job_create(p, peer_run_close, settled);
	if (!j) {
		rest(p);
		return;
	}
	j->session_id = p->session_id;
	peer_job_start(p, j);
}

void peer_fail(struct peer *p, const struct err *why, enum peer_retry retry)
{
	if (why)
		peer_set_problem(p, why);
	peer_resize_lost(p);
	peer_split_lost(p);
	peer_trace_lost(p);
	peer_dry_over(p, why);
	drop_attempt(p);
	p->retry = retry;
	peer_set_phase(p, PEER_SETTLE);
	if (!p->job)
		settle(p);
}

void peer_fail_text(struct peer *p, enum peer_retry retry, const char *code, const char *fmt, ...)
{
	char text[512];
	struct err e;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(&e, 0, code, "%s", text);
	peer_fail(p, &e, retry);
}

static void send_refusal(struct peer *p, u32 refuse, const struct err *why)
{
	size_t size, n;
	void *buf = peer_scratch(&size);

	n = wire_refuse_encode(refuse, why->what, buf, size);
	if (n)
		peer_send(p, LOCKSTEP_CT_REFUSE, buf, n);
}

void peer_refuse(struct peer *p, u32 refuse, const struct err *why, enum peer_retry retry)
{
	send_refusal(p, refuse, why);
	peer_resize_refused(p, refuse, why);
	/* Busy is no problem of anyone's: the next hello mends it. */
	peer_fail(p, refuse == LOCKSTEP_RF_BUSY ? NULL : why, retry);
}

/* ---- jobs */

int peer_run_close(struct peer_job *j)
{
	return j->kern->ops->session_close(j->kern->arg, j->name, j->session_id, &j->e);
}

static void job_work(struct job *job)
{
	struct peer_job *j = (struct peer_job *)job;

	j->ret = j->run(j);
}

static void job_free(struct peer_job *j)
{
	if (j->fd >= 0)
		close(j->fd);
	model_free(&j->model);
	free(j->volumes);
	free(j->given_up);
	free(j->marks);
	if (j->source)
		j->trace->close(j->source);
	trace_peer_free(j->traced);
	free(j);
}

static void job_done(struct job *job)
{
	struct peer_job *j = (struct peer_job *)job;
	struct peer *p = j->peer;

	if (!p) {
		job_free(j);
		return;
	}
	p->job = NULL;
	if (p->conn)
		conn_pause(p->conn, false);
	/*
	 * next() of a job that settle() itself started runs in that phase; others ended with
	 * the attempt.
	 */
	if (p->phase != PEER_SETTLE || j->next == settled)
		j->next(p, j);
	else
		settle(p);
	job_free(j);
}

struct peer_job *peer_job_create(struct peer *p, int (*run)(struct peer_job *j),
				 void (*next)(struct peer *p, struct peer_job *j))
{
	struct peer_job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->job.work = job_work;
	j->job.done = job_done;
	j->peer = p;
	j->kern = p->env->kern;
	snprintf(j->name, sizeof(j->name), "%s", p->conf->name);
	j->run = run;
	j->next = next;
	j->fd = -1;
	model_init(&j->model);
	return j;
}

void peer_job_start(struct peer *p, struct peer_job *j)
{
	WARN_ON_ONCE(p->job);
	p->job = j;
	if (p->conn)
		conn_pause(p->conn, true);
	job_start(p->env->jobs, &j->job);
}

/* ---- the control connection */

void *peer_scratch(size_t *ret_size)
{
	static u8 buf[LOCKSTEP_CTL_MAX_BYTES];	/* one loop, one thread */

	*ret_size = sizeof(buf);
	return buf;
}

void peer_send(struct peer *p, u16 type, const void *body, size_t len)
{
	/*
	 * A full buffer means that the peer reads nothing: its silence is noticed by the
	 * deadline.
	 */
	if (p->conn && conn_send(p->conn, type, body, len) < 0)
		log_debug("%s: a frame of type %u was not sent", p->conf->name, type);
}

static void on_refuse(struct peer *p, const u8 *body, size_t len)
{
	struct wire_refuse r;
	struct err e;

	if (wire_refuse_decode(body, len, &r) != WIRE_OK || r.code >= LOCKSTEP_RF_NR) {
		peer_fail_text(p, RETRY_LATER, "protocol", "%s sent a refusal that is not to be "
			       "understood", p->other->name);
		return;
	}
	if (r.code == LOCKSTEP_RF_BUSY) {
		/* Connected there is but one reason: it ends the session, and waits for us. */
		if (p->phase == PEER_CONNECTED)
			peer_announced(p, p->session_id);
		peer_fail(p, NULL, RETRY_NOW);
		return;
	}
	err_set(&e, 0, peer_refuse_code[r.code] ? peer_refuse_code[r.code] : "peer-refused",
		"%s refuses: %s", p->other->name, r.text);
	peer_resize_refused(p, r.code, &e);
	peer_fail(p, &e, RETRY_LATER);
}

static void on_frame(struct conn *c, const struct wire_ctl *h, const u8 *body, void *arg)
{
	struct peer *p = arg;

	(void)c;
	if (h->type >= 32 || !(phase_row[p->phase].may & (1u << h->type))) {
		peer_fail_text(p, RETRY_LATER, "protocol", "%s sent a message of type %u out of "
			       "turn (%s)", p->other->name, h->type, phase_row[p->phase].text);
		return;
	}
	/* What crosses our announcement is of a session that is over; a refusal may be one, too. */
	if (p->phase == PEER_ENDING && h->type != LOCKSTEP_CT_REFUSE)
		return;
	switch (h->type) {
	case LOCKSTEP_CT_HELLO:		peer_on_hello(p, body, h->body_bytes); break;
	case LOCKSTEP_CT_VERDICT:	peer_on_verdict(p, body, h->body_bytes); break;
	case LOCKSTEP_CT_TOKEN:		peer_on_token(p, body, h->body_bytes); break;
	case LOCKSTEP_CT_READY:		peer_on_ready(p); break;
	case LOCKSTEP_CT_STARTED:	peer_on_started(p); break;
	case LOCKSTEP_CT_MARKS:		peer_on_marks(p, body, h->body_bytes); break;
	case LOCKSTEP_CT_MARKS_DONE:	peer_on_marks_done(p, body, h->body_bytes); break;
	case LOCKSTEP_CT_RESIZE:	peer_on_resize(p, body, h->body_bytes); break;
	case LOCKSTEP_CT_RESIZE_DONE:	peer_on_resize_done(p, body, h->body_bytes); break;
	case LOCKSTEP_CT_SPLIT:		peer_on_split(p, body, h->body_bytes); break;
	case LOCKSTEP_CT_RESOLVE:	peer_on_resolve(p, body, h->body_bytes); break;
	case LOCKSTEP_CT_RESOLVE_DONE:	peer_on_resolve_done(p, body, h->body_bytes); break;
	case LOCKSTEP_CT_TRACE:		peer_on_trace(p, body, h->body_bytes); break;
	case LOCKSTEP_CT_TRACE_DONE:	peer_on_trace_done(p, body, h->body_bytes); break;
	case LOCKSTEP_CT_PING:		peer_send(p, LOCKSTEP_CT_PONG, NULL, 0); break;
	case LOCKSTEP_CT_PONG:		break;	/* that it was heard is all */
	case LOCKSTEP_CT_REFUSE:	on_refuse(p, body, h->body_bytes); break;
	case LOCKSTEP_CT_ADOPT:		peer_connected(p, true); break;
	}
}

static void on_drained(struct conn *c, void *arg)
{
	struct peer *p = arg;

	(void)c;
	if (p->phase == PEER_CONNECTED)
		peer_send_marks(p);
}

/* The same ends of a connection, with names. */
static void name_problem(const struct peer *p, const struct err *why, struct err *ret)
{
	*ret = *why;
	if (strcmp(why->code, "wrong-key") == 0) {
		err_set(ret, 0, why->code, "%s has another key for %s than %s here",
			p->other->name, p->conf->name, p->conf->key);
		err_mend(ret, "copy %s from one host to the other, then lockstep up %s on both",
			 p->conf->key, p->conf->name);
	} else if (strcmp(why->code, "peer-unknown-resource") == 0) {
		err_set(ret, 0, why->code, "%s does not know the resource %s", p->other->name,
			p->conf->name);
		err_mend(ret, "on %s: lockstep up %s", p->other->name, p->conf->name);
	} else if (strcmp(why->code, "not-lockstep") == 0) {
		err_set(ret, 0, why->code, "what listens on %s port %u does not speak Lockstep",
			p->other->address, p->other->port);
		err_mend(ret, "look at address and port of %s in %s", p->other->name,
			 p->conf->path);
	} else {
		err_prefix(ret, "%s", p->other->name);
	}
}

static void on_closed(struct conn *c, const struct err *why, void *arg)
{
	struct peer *p = arg;
	struct err e;

	(void)c;
	p->conn = NULL;
	if (p->phase == PEER_ENDING) {
		peer_fail(p, NULL, RETRY_NOW);
		return;
	}
	name_problem(p, why, &e);
	peer_fail(p, &e, RETRY_LATER);
}

static void on_open(struct conn *c, void *arg)
{
	(void)c;
	peer_begin(arg);
}

static const struct conn_ops control_ops = {
	.open = on_open,
	.frame = on_frame,
	.drained = on_drained,
	.closed = on_closed,
};

static void on_next_closed(struct conn *c, const struct err *why, void *arg)
{
	struct peer *p = arg;

	(void)c;
	(void)why;
	p->next_conn = NULL;
}

static void on_next_frame(struct conn *c, const struct wire_ctl *h, const u8 *body, void *arg)
{
	(void)c;
	(void)h;
	(void)body;
	(void)arg;		/* it is paused: never called */
}

static void on_next_drained(struct conn *c, void *arg)
{
	(void)c;
	(void)arg;
}

static const struct conn_ops next_ops = {
	.frame = on_next_frame,
	.drained = on_next_drained,
	.closed = on_next_closed,
};

static void turn_away(struct peer *p, struct conn *c)
{
	size_t size, n;
	void *buf = peer_scratch(&size);
	char text[252];

	snprintf(text, sizeof(text), "%s was told to stay disconnected (lockstep connect %s there)",
		 p->me->name, p->conf->name);
	n = wire_refuse_encode(LOCKSTEP_RF_INTERNAL, text, buf, size);
	(void)conn_send(c, LOCKSTEP_CT_REFUSE, buf, n);
	conn_finish(c);
}

void peer_take_control(struct peer *p, struct conn *c)
{
	if (!p->wanted && !p->dry.done) {
		turn_away(p, c);
		return;
	}
	if (p->phase == PEER_WAIT) {
		p->conn = c;
		conn_set_owner(c, &control_ops, p);
		conn_pause(c, false);
		peer_begin(p);
		return;
	}
	/*
	 * It has the key, so it is the peer, and it would not call if it still held the old
	 * connection.
	 */
	conn_close(p->next_conn);
	p->next_conn = c;
	conn_set_owner(c, &next_ops, p);
	conn_pause(c, true);
	if (p->phase != PEER_SETTLE)
		peer_fail(p, NULL, RETRY_NOW);
}

/* ---- dialling */

static void on_dialled(void *arg, int fd, const struct dial_addr *to, const struct err *e)
{
	struct peer *p = arg;
	struct err named;

	p->dial = NULL;
	if (fd < 0) {
		named = *e;
		/* A name that nobody knows says nothing of the host behind it. */
		if (strcmp(named.code, "address"))
			err_mend(&named, "see that lockstepd runs on %s and that port %u is open "
				 "to us there", p->other->name, p->other->port);
		peer_fail(p, &named, RETRY_LATER);
		return;
	}
	p->peer_addr = *to;
	p->conn = conn_dial(p->env->conns, fd, p->identity, p->key, &control_ops, p);
	if (!p->conn) {
		peer_fail_text(p, RETRY_LATER, "no-memory", "no memory for a connection");
		return;
	}
	peer_set_phase(p, PEER_TLS);
}

static void try_now(struct peer *p)
{
	if (!p->dialler || p->phase != PEER_WAIT)
		return;
	peer_set_phase(p, PEER_DIAL);
	p->dial = dial_name(p->env->event, p->env->jobs, p->other->address, p->other->port,
			    min(p->env->phase_ms, (u32)CONNECT_MS), on_dialled, p);
	if (!p->dial)
		peer_fail_text(p, RETRY_LATER, "no-memory", "no memory for a connection");
}

/* ---- from outside */

void peer_connect(struct peer *p)
{
	p->wanted = true;
	if (p->phase == PEER_OFF)
		peer_set_phase(p, PEER_WAIT);
	peer_retry_now(p);
}

void peer_disconnect(struct peer *p)
{
	p->wanted = false;
	p->held_until_ms = 0;
	peer_dry_over(p, NULL);
	memset(&p->problem, 0, sizeof(p->problem));
	conn_close(p->next_conn);
	p->next_conn = NULL;
	if (p->phase != PEER_SETTLE && p->phase != PEER_OFF)
		peer_fail(p, NULL, RETRY_LATER);
}

void peer_retry_now(struct peer *p)
{
	peer_split_look(p);
	if (p->phase != PEER_WAIT || !p->dialler)
		return;
	p->backoff_ms = p->env->retry_min_ms;
	loop_timer(p->env->event, &p->timer, 0, on_late, p);
}

void peer_hint(struct peer *p)
{
	if (loop_now_ms(p->env->event) - p->phase_ms > HINT_MS)
		peer_retry_now(p);
}

void peer_again(struct peer *p, const char *why)
{
	struct err e;

	if (p->phase < PEER_FACTS || p->phase == PEER_SETTLE || p->phase == PEER_ENDING) {
		peer_retry_now(p);
		return;
	}
	/* Whatever this attempt has found out is out of date. */
	p->hasty = 0;
	err_set(&e, 0, "peer-busy", "%s begins again: %s", p->me->name, why);
	if (p->phase == PEER_CONNECTED) {
		p->kernel = KERNEL_OPEN;
		p->ends = true;
		/* With a job under way nothing is heard of the peer, so it is not waited for. */
		if (!p->job) {
			send_refusal(p, LOCKSTEP_RF_BUSY, &e);
			peer_set_phase(p, PEER_ENDING);
			return;
		}
	}
	peer_refuse(p, LOCKSTEP_RF_BUSY, &e, RETRY_NOW);
}

u64 peer_held_until(const struct peer *p, u64 asked_ms)
{
	/* We have said so ourselves; the peer's kernel may be quicker than its daemon's answer. */
	if (p->ends && p->wanted)
		return loop_now_ms(p->env->event) + p->env->hold_ms;
	return p->back_ms && asked_ms > p->back_ms ? 0 : p->held_until_ms;
}

bool peer_is_connected(const struct peer *p)
{
	return p->phase == PEER_CONNECTED;
}

bool peer_is_dialler(const struct peer *p)
{
	return p->dialler;
}

void peer_stranger(struct peer *p, const char *from, u16 port, const struct err *why)
{
	struct err e;

	/* Anyone can knock: while all is well that is nobody's problem. */
	if (p->phase != PEER_WAIT)
		return;
	if (strcmp(why->code, "wrong-key") == 0) {
		err_set(&e, 0, why->code, "%s, which calls itself %s, has another key for %s than "
			"%s here", from, p->other->name, p->conf->name, p->conf->key);
		err_mend(&e, "copy %s from one host to the other, then lockstep up %s on both",
			 p->conf->key, p->conf->name);
	} else if (strcmp(why->code, "not-lockstep") == 0) {
		err_set(&e, 0, why->code, "%s connected to port %u and does not speak Lockstep",
			from, port);
		err_mend(&e, "look at the addresses in %s on both hosts", p->conf->path);
	} else {
		return;
	}
	peer_set_problem(p, &e);
}

/*
 * The kernel lost the session, or somebody closed it, and the control connection has not noticed.
 * An answer that is older than the session says nothing about it.
 */
void peer_compare(struct peer *p, const struct model_resource *r, u64 asked_ms)
{
	struct err e;
	bool has;

	if (p->phase < PEER_JOIN || p->phase > PEER_CONNECTED || p->phase == PEER_ADOPT ||
	    asked_ms <= p->session_ms)
		return;
	has = r && r->link != LOCKSTEP_LINK_DOWN && r->session_id == p->session_id;
	if (has && (p->phase != PEER_CONNECTED || r->link == LOCKSTEP_LINK_UP))
		return;
	if (p->job)
		return;		/* asked again soon */
	p->kernel = KERNEL_NONE;
	p->backoff_ms = p->env->retry_min_ms;
	err_set(&e, 0, "session-lost", "the session with %s was lost: %s", p->other->name,
		r && r->link_lost[0] ? r->link_lost : "the kernel gives no reason");
	err_mend(&e, "it is looked for all the time; on %s, if it runs: lockstep status %s",
		 p->other->name, p->conf->name);
	peer_fail(p, &e, RETRY_LATER);
}

void peer_facts(const struct peer *p, struct model_daemon *ret)
{
	snprintf(ret->node, sizeof(ret->node), "%s", p->me->name);
	snprintf(ret->peer, sizeof(ret->peer), "%s", p->other->name);
	snprintf(ret->peer_address, sizeof(ret->peer_address), "%s port %u", p->other->address,
		 p->other->port);
	if (p->phase == PEER_WAIT && !p->dialler)
		snprintf(ret->phase, sizeof(ret->phase), "waiting for %.40s to connect",
			 p->other->name);
	else
		snprintf(ret->phase, sizeof(ret->phase), "%s", phase_row[p->phase].text);
	snprintf(ret->problem, sizeof(ret->problem), "%s", p->problem.what);
	snprintf(ret->mend, sizeof(ret->mend), "%s", p->problem.mend);
	snprintf(ret->code, sizeof(ret->code), "%s", p->problem.code);
	ret->problem_since_s = p->problem.what[0] ? p->problem_since_s : 0;
	ret->stay_off = !p->wanted;
	peer_split_model(p, &ret->split);
}

const u8 *peer_key(const struct peer *p)
{
	return p->key;
}

int peer_create(const struct peer_env *env, const struct conf *conf, int self,
		const u8 key[LOCKSTEP_KEY_BYTES], struct peer **ret)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->mine.v = calloc(LOCKSTEP_MAX_VOLUMES, sizeof(*p->mine.v));
	p->theirs.v = calloc(LOCKSTEP_MAX_VOLUMES, sizeof(*p->theirs.v));
	p->agreed.volume = calloc(LOCKSTEP_MAX_VOLUMES, sizeof(*p->agreed.volume));
	if (!p->mine.v || !p->theirs.v || !p->agreed.volume) {
		peer_destroy(p);
		return -ENOMEM;
	}
	p->env = env;
	p->conf = conf;
	p->me = &conf->node[self];
	p->other = &conf->node[1 - self];
	p->dialler = p->me->id < p->other->id;
	memcpy(p->key, key, sizeof(p->key));
	snprintf(p->identity, sizeof(p->identity), "lockstep/%s/%u", conf->name,
		 p->dialler ? p->me->id : p->other->id);
	p->backoff_ms = env->retry_min_ms;
	for (u32 i = 0; i < LOCKSTEP_MAX_STREAMS; i++)
		p->fd[i] = -1;
	*ret = p;
	return 0;
}

void peer_destroy(struct peer *p)
{
	struct err e;

	if (!p)
		return;
	err_set(&e, -ECANCELED, "not-connected", "the connection was given up");
	peer_resize_over(p, &e);
	loop_drop(&p->resizing.timer);
	peer_split_lost(p);
	loop_drop(&p->split.timer);
	peer_trace_lost(p);
	loop_drop(&p->tracing.timer);
	loop_drop(&p->tracing.keep);
	peer_dry_over(p, &e);
	loop_drop(&p->dry.timer);
	if (p->env)
		drop_attempt(p);
	conn_close(p->next_conn);
	if (p->job)
		p->job->peer = NULL;
	loop_drop(&p->timer);
	loop_drop(&p->pinger);
	loop_drop(&p->ticker);
	OPENSSL_cleanse(p->key, sizeof(p->key));
	OPENSSL_cleanse(p->token, sizeof(p->token));
	free(p->mine.v);
	free(p->theirs.v);
	free(p->agreed.volume);
	free(p);
}
