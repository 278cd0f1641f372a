// SPDX-License-Identifier: GPL-2.0
/*
 * From matching verdicts to replication: token, SESSION_OPEN, streams, SESSION_START, in that
 * order, then pings for as long as it lasts.
 *
 * The order of the starts is the argument. The side whose copy will be overwritten starts first,
 * so it is durably inconsistent before the other can send a byte; with nothing to copy the
 * secondary goes first, so the primary's first write finds a receiver that is up.
 */
#include "peer-phase.h"

#include <linux/lockstep.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"
#include "loop.h"

static void no_memory(struct peer *p)
{
	peer_fail_text(p, RETRY_LATER, "no-memory", "no memory to ask the kernel");
}

/*
 * The kernel said no. Its state or its epoch has moved on since the hello, or the session was
 * lost while it was being made: all of them are mended by saying hello again.
 */
static void kernel_refused(struct peer *p, const struct peer_job *j)
{
	if (j->ret == -EAGAIN || j->ret == -ESTALE || j->ret == -ENOTCONN) {
		log_info("%s: %s", p->conf->name, j->e.what);
		peer_refuse(p, LOCKSTEP_RF_BUSY, &j->e, RETRY_NOW);
		return;
	}
	peer_refuse(p, LOCKSTEP_RF_INTERNAL, &j->e, RETRY_LATER);
}

/* ---- opening */

static int run_open(struct peer_job *j)
{
	return j->kern->ops->session_open(j->kern->arg, &j->session, &j->e);
}

static void fill_volume(const struct peer *p, u32 i, struct nl_session_volume *v)
{
	const struct agreed_volume *a = &p->agreed.volume[i];
	const struct wire_hello_volume *mine = &p->mine.v[i], *theirs = &p->theirs.v[i];

	v->volume = a->volume;
	v->verdict = a->verdict;
	v->gen_current = mine->current_id;
	v->gen_since = mine->since_id;
	v->flags = mine->flags | (mine->disk == LOCKSTEP_DISK_FAILED ? LOCKSTEP_FLAG_NO_DISK : 0) |
		   (p->mine.h.role == LOCKSTEP_ROLE_PRIMARY ? LOCKSTEP_FLAG_PRIMARY : 0);
	v->peer_gen_current = theirs->current_id;
	v->peer_flags = theirs->flags;
	v->data_sect = a->data_sect;
	v->logical_bytes = a->logical_bytes;
	v->physical_bytes = a->physical_bytes;
	v->max_io_bytes = a->max_io_bytes;
	v->caps = a->caps;
	v->disk = theirs->disk;
}

static void dial_streams(struct peer *p);
static void add_streams(struct peer *p);

static void opened(struct peer *p, struct peer_job *j)
{
	if (j->ret < 0) {
		p->kernel = KERNEL_NONE;
		kernel_refused(p, j);
		return;
	}
	p->session_ms = loop_now_ms(p->env->event);
	peer_set_phase(p, PEER_JOIN);
	if (p->dialler)
		dial_streams(p);
	else
		add_streams(p);		/* what has joined in the meantime */
}

static void open_session(struct peer *p)
{
	struct peer_job *j = peer_job_create(p, run_open, opened);

	if (j)
		j->volumes = calloc(p->agreed.nr_volumes + 1, sizeof(*j->volumes));
	if (!j || !j->volumes) {
		free(j);
		no_memory(p);
		return;
	}
	for (u32 i = 0; i < p->agreed.nr_volumes; i++)
		fill_volume(p, i, &j->volumes[i]);
	j->session = (struct nl_session) {
		.name = j->name,
		.session_id = p->session_id,
		.epoch = p->epoch,
		.peer_boot_id = p->theirs.h.boot_id,
		.peer_role = p->theirs.h.role,
		.streams = p->agreed.streams,
		.timeout_ms = p->agreed.timeout_ms,
		.volume = j->volumes,
		.nr_volumes = p->agreed.nr_volumes,
	};
	p->kernel = KERNEL_OPEN;
	peer_set_phase(p, PEER_OPEN);
	peer_job_start(p, j);
}

void peer_make_session(struct peer *p)
{
	struct wire_token t = { .session_id = 0 };
	size_t size, n;
	void *buf = peer_scratch(&size);

	if (!p->dialler) {
		peer_set_phase(p, PEER_TOKEN);
		return;
	}
	while (!t.session_id)
		join_random(&t.session_id, sizeof(t.session_id));
	join_random(t.token, sizeof(t.token));
	t.epoch = p->agreed.epoch;
	t.streams = p->agreed.streams;
	t.timeout_ms = p->agreed.timeout_ms;
	n = wire_token_encode(&t, buf, size);
	peer_send(p, LOCKSTEP_CT_TOKEN, buf, n);
	p->session_id = t.session_id;
	p->epoch = t.epoch;
	memcpy(p->token, t.token, sizeof(p->token));
	open_session(p);
}

void peer_on_token(struct peer *p, const u8 *body, size_t len)
{
	struct wire_token t;

	if (wire_token_decode(body, len, &t) != WIRE_OK || !t.session_id ||
	    t.epoch < p->agreed.epoch || t.streams != p->agreed.streams ||
	    t.timeout_ms != p->agreed.timeout_ms) {
		peer_fail_text(p, RETRY_LATER, "protocol", "%s announced a session on other terms "
			       "than agreed", p->other->name);
		return;
	}
	p->session_id = t.session_id;
	p->epoch = t.epoch;
	memcpy(p->token, t.token, sizeof(p->token));
	p->has_token = true;
	open_session(p);
	listen_look_again(p->env->listeners);
}

/* ---- streams */

void peer_drop_streams(struct peer *p)
{
	for (u32 i = 0; i < LOCKSTEP_MAX_STREAMS; i++) {
		join_cancel(p->joining[i]);
		p->joining[i] = NULL;
		if (p->fd[i] >= 0)
			close(p->fd[i]);
		p->fd[i] = -1;
	}
	p->has_token = false;
	memset(p->token, 0, sizeof(p->token));
}

static void joined(void *arg, u32 stream, int fd, const struct err *e)
{
	struct peer *p = arg;

	p->joining[stream] = NULL;
	if (fd < 0) {
		peer_fail(p, e, RETRY_LATER);
		return;
	}
	p->fd[stream] = fd;
	p->joined[stream] = true;
	add_streams(p);
}

static void dial_streams(struct peer *p)
{
	for (u32 i = 0; i < p->agreed.streams; i++) {
		p->joining[i] = join_dial(p->env->event, &p->peer_addr, p->env->phase_ms, p->token,
					  p->session_id, i, joined, p);
		if (!p->joining[i]) {
			no_memory(p);
			return;
		}
	}
}

/* Each number joins once, so that a join overheard on the wire cannot be played again. */
enum listen_join peer_take_join(struct peer *p, int fd, const struct wire_join *j)
{
	if (!p->has_token || j->session_id != p->session_id)
		return LISTEN_UNKNOWN;
	if (j->stream >= p->agreed.streams || p->joined[j->stream] ||
	    !join_is_proved(p->token, JOIN_DIALLER, j, NULL) ||
	    join_answer(fd, p->token, j) < 0) {
		log_warn("%s: a data connection was refused: it does not prove session and stream",
			 p->conf->name);
		return LISTEN_REFUSED;
	}
	p->fd[j->stream] = fd;
	p->joined[j->stream] = true;
	add_streams(p);
	return LISTEN_TAKEN;
}

static int run_stream(struct peer_job *j)
{
	return j->kern->ops->stream_add(j->kern->arg, j->name, j->session_id, j->stream, j->fd,
					&j->e);
}

static void go_on(struct peer *p);

static void added(struct peer *p, struct peer_job *j)
{
	if (j->ret < 0) {
		kernel_refused(p, j);
		return;
	}
	if (++p->nr_added < p->agreed.streams) {
		add_streams(p);
		return;
	}
	p->has_token = false;
	memset(p->token, 0, sizeof(p->token));
	peer_send(p, LOCKSTEP_CT_READY, NULL, 0);
	peer_set_phase(p, PEER_READY);
	if (p->peer_ready)
		go_on(p);
}

/* Give the kernel the next stream that has joined, if no request is under way. */
static void add_streams(struct peer *p)
{
	struct peer_job *j;
	u32 i = 0;

	while (i < LOCKSTEP_MAX_STREAMS && p->fd[i] < 0)
		i++;
	if (p->phase != PEER_JOIN || p->job || i == LOCKSTEP_MAX_STREAMS)
		return;
	j = peer_job_create(p, run_stream, added);
	if (!j) {
		no_memory(p);
		return;
	}
	j->session_id = p->session_id;
	j->stream = i;
	j->fd = p->fd[i];
	p->fd[i] = -1;
	peer_job_start(p, j);
}

/* ---- starting */

static int run_start(struct peer_job *j)
{
	return j->kern->ops->session_start(j->kern->arg, j->name, j->session_id, &j->e);
}

static void started(struct peer *p, struct peer_job *j)
{
	if (j->ret < 0) {
		kernel_refused(p, j);
		return;
	}
	p->kernel = KERNEL_UP;
	p->session_ms = loop_now_ms(p->env->event);
	peer_send(p, LOCKSTEP_CT_STARTED, NULL, 0);
	if (p->agreed.starts_first)
		peer_set_phase(p, PEER_STARTED);
	else
		peer_connected(p, false);
}

static void start(struct peer *p)
{
	struct peer_job *j = peer_job_create(p, run_start, started);

	if (!j) {
		no_memory(p);
		return;
	}
	j->session_id = p->session_id;
	peer_set_phase(p, PEER_START);
	peer_job_start(p, j);
}

/* All streams are there on both sides. */
static void go_on(struct peer *p)
{
	if (p->agreed.starts_first)
		start(p);
	else
		peer_set_phase(p, PEER_STARTED);
}

void peer_on_ready(struct peer *p)
{
	if (p->peer_ready) {
		peer_fail_text(p, RETRY_LATER, "protocol", "%s said twice that it is ready",
			       p->other->name);
		return;
	}
	p->peer_ready = true;
	if (p->phase == PEER_READY)
		go_on(p);
}

void peer_on_started(struct peer *p)
{
	if (p->agreed.starts_first)
		peer_connected(p, false);
	else
		start(p);
}

/* ---- connected */

static int on_ping(sd_event_source *s, uint64_t now, void *arg)
{
	struct peer *p = arg;
	u64 now_ms = loop_now_ms(p->env->event);

	(void)s;
	(void)now;
	if (p->phase != PEER_CONNECTED)
		return 0;
	if (now_ms - conn_heard_ms(p->conn) > p->env->dead_ms) {
		/* Only this connection is made anew: the session is the kernel's to judge. */
		peer_fail_text(p, RETRY_NOW, "peer-silent", "%s has not been heard on the control "
			       "connection for %u s", p->other->name, p->env->dead_ms / 1000);
		return 0;
	}
	if (peer_marks_are_late(p, now_ms)) {
		peer_fail_text(p, RETRY_LATER, "peer-silent", "%s does not send its marks",
			       p->other->name);
		return 0;
	}
	peer_resize_go_on(p);	/* if something was in its way before */
	if (p->phase != PEER_CONNECTED)
		return 0;
	peer_send(p, LOCKSTEP_CT_PING, NULL, 0);
	loop_timer(p->env->event, &p->pinger, p->env->ping_ms, on_ping, p);
	return 0;
}

void peer_connected(struct peer *p, bool adopted)
{
	peer_set_phase(p, PEER_CONNECTED);
	log_notice("%s: connected with %s%s", p->conf->name, p->other->name,
		   adopted ? ", the session goes on" : "");
	peer_dry_over(p, NULL);
	memset(&p->problem, 0, sizeof(p->problem));
	p->connected_id = p->session_id;
	p->back_ms = loop_now_ms(p->env->event);
	p->backoff_ms = p->env->retry_min_ms;
	p->hasty = 0;
	peer_resize_connected(p, adopted);
	loop_timer(p->env->event, &p->pinger, p->env->ping_ms, on_ping, p);
	peer_plan_marks(p, adopted);
	peer_send_marks(p);
	/* One that goes on may have just refused to end: not again before the next ping. */
	if (!adopted)
		peer_resize_go_on(p);
}
