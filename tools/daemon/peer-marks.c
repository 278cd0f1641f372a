// SPDX-License-Identifier: GPL-2.0
/*
 * The target's marks go to the source, which unites them with its own and then begins to copy.
 * Where the target is primary, working through the source with a disk attached again, it is the
 * other way round: whoever orders the writes does the copying.
 * One chunk is read, sent and drained before the next is read, so a bitmap of any size needs the
 * memory of one chunk.
 *
 * After an interruption of the control connection it is all done again: marks are united, so
 * twice is as good as once.
 */
#include "peer-phase.h"

#include <linux/lockstep.h>
#include <stdlib.h>

#include "log.h"
#include "loop.h"

#define LATE_MS	30000

/* From the one who sends to the one who copies. */
static enum marks_todo todo_of(bool copies, bool full)
{
	return copies ? MARKS_AWAIT : full ? MARKS_SAY_DONE : MARKS_SEND;
}

static enum marks_todo todo_new(const struct peer *p, u32 i)
{
	const struct agreed_volume *a = &p->agreed.volume[i];
	bool full = a->verdict == GEN_TARGET_FULL || a->verdict == GEN_SOURCE_FULL;

	/* Nowhere to copy to. */
	if (p->mine.v[i].disk == LOCKSTEP_DISK_FAILED ||
	    p->theirs.v[i].disk == LOCKSTEP_DISK_FAILED)
		return MARKS_NOTHING;
	if (gen_verdict_is_target(a->verdict))
		return todo_of(p->mine.h.role == LOCKSTEP_ROLE_PRIMARY, full);
	if (gen_verdict_is_source(a->verdict))
		return todo_of(p->theirs.h.role != LOCKSTEP_ROLE_PRIMARY, full);
	return MARKS_NOTHING;
}

/* In a live session primary and target are the same side only if it works through the other. */
static enum marks_todo todo_adopted(const struct peer *p, u32 i)
{
	const struct wire_hello_volume *mine = &p->mine.v[i], *theirs = &p->theirs.v[i];

	if (mine->disk == LOCKSTEP_DISK_FAILED || theirs->disk == LOCKSTEP_DISK_FAILED)
		return MARKS_NOTHING;
	if (mine->sync == LOCKSTEP_SYNC_SOURCE_WAIT)
		return todo_of(p->theirs.h.role != LOCKSTEP_ROLE_PRIMARY, false);
	if (theirs->sync == LOCKSTEP_SYNC_SOURCE_WAIT && mine->sync == LOCKSTEP_SYNC_TARGET)
		return todo_of(p->mine.h.role == LOCKSTEP_ROLE_PRIMARY, false);
	return MARKS_NOTHING;
}

void peer_plan_marks(struct peer *p, bool adopted)
{
	for (u32 i = 0; i < p->mine.h.nr_volumes; i++)
		p->marks[i] = adopted ? todo_adopted(p, i) : todo_new(p, i);
	p->marks_at = 0;
	p->marks_bit = 0;
	p->marks_ms = loop_now_ms(p->env->event);
}

static bool is_pending(const struct peer *p, enum marks_todo todo)
{
	for (u32 i = 0; i < p->mine.h.nr_volumes; i++)
		if (p->marks[i] == todo)
			return true;
	return false;
}

bool peer_marks_are_late(const struct peer *p, u64 now_ms)
{
	return !p->job && is_pending(p, MARKS_AWAIT) && now_ms - p->marks_ms > LATE_MS;
}

static void no_memory(struct peer *p)
{
	peer_fail_text(p, RETRY_LATER, "no-memory", "no memory to ask the kernel");
}

/* ---- who sends */

static void send_chunk(struct peer *p, u16 type, u32 volume, const struct nl_marks *m)
{
	struct wire_marks w = { .volume = volume };
	size_t size, n;
	void *buf = peer_scratch(&size);

	if (m) {
		w.first_bit = m->first_bit;
		w.run_bytes = m->run_bytes;
		w.runs = m->runs;
	}
	n = wire_marks_encode(&w, buf, size);
	peer_send(p, type, buf, n);
}

static int run_get(struct peer_job *j)
{
	j->marks = malloc(sizeof(*j->marks));
	if (!j->marks)
		return err_set(&j->e, -ENOMEM, "no-memory", "no memory for the marks");
	return j->kern->ops->marks_get(j->kern->arg, j->name, j->volume, j->first_bit, j->marks,
				       &j->e);
}

static void volume_sent(struct peer *p)
{
	send_chunk(p, LOCKSTEP_CT_MARKS_DONE, p->mine.v[p->marks_at].volume, NULL);
	p->marks[p->marks_at] = MARKS_NOTHING;
	p->marks_bit = 0;
}

static void got(struct peer *p, struct peer_job *j)
{
	if (j->ret < 0) {
		peer_fail(p, &j->e, RETRY_LATER);
		return;
	}
	if (j->marks->run_bytes)
		send_chunk(p, LOCKSTEP_CT_MARKS, j->volume, j->marks);
	p->marks_bit = j->marks->next_bit;
	if (!j->marks->has_next)
		volume_sent(p);
	peer_send_marks(p);
}

void peer_send_marks(struct peer *p)
{
	struct peer_job *j;

	while (p->marks_at < p->mine.h.nr_volumes) {
		if (p->job || !conn_is_drained(p->conn))
			return;		/* goes on from there */
		if (p->marks[p->marks_at] == MARKS_SAY_DONE) {
			volume_sent(p);
		} else if (p->marks[p->marks_at] == MARKS_SEND) {
			j = peer_job_create(p, run_get, got);
			if (!j) {
				no_memory(p);
				return;
			}
			j->volume = p->mine.v[p->marks_at].volume;
			j->first_bit = p->marks_bit;
			peer_job_start(p, j);
			return;
		} else {
			p->marks_at++;
		}
	}
}

/* ---- who copies */

static u8 *find_todo(struct peer *p, u32 volume)
{
	for (u32 i = 0; i < p->mine.h.nr_volumes; i++)
		if (p->mine.v[i].volume == volume)
			return &p->marks[i];
	return NULL;
}

/* Decode and check that we asked for it. */
static u8 *take(struct peer *p, const u8 *body, size_t len, struct wire_marks *ret)
{
	u8 *todo = NULL;

	if (wire_marks_decode(body, len, ret) == WIRE_OK && ret->run_bytes <= NL_RUNS_BYTES)
		todo = find_todo(p, ret->volume);
	if (todo && *todo == MARKS_AWAIT) {
		p->marks_ms = loop_now_ms(p->env->event);
		return todo;
	}
	peer_fail_text(p, RETRY_LATER, "protocol", "%s sent marks that are not to be understood or "
		       "that nobody asked for", p->other->name);
	return NULL;
}

static int run_merge(struct peer_job *j)
{
	return j->kern->ops->marks_merge(j->kern->arg, j->name, j->session_id, j->volume,
					 j->marks->first_bit, j->marks->runs,
					 j->marks->run_bytes, &j->e);
}

static void merged(struct peer *p, struct peer_job *j)
{
	p->marks_ms = loop_now_ms(p->env->event);
	if (j->ret < 0)
		peer_fail(p, &j->e, RETRY_LATER);
	else
		peer_send_marks(p);	/* of other volumes, the other way */
}

void peer_on_marks(struct peer *p, const u8 *body, size_t len)
{
	struct wire_marks w;
	struct peer_job *j;

	if (!take(p, body, len, &w) || w.run_bytes == 0)
		return;
	j = peer_job_create(p, run_merge, merged);
	if (j)
		j->marks = malloc(sizeof(*j->marks));
	if (!j || !j->marks) {
		free(j);
		no_memory(p);
		return;
	}
	j->session_id = p->session_id;
	j->volume = w.volume;
	j->marks->first_bit = w.first_bit;
	j->marks->run_bytes = w.run_bytes;
	memcpy(j->marks->runs, w.runs, w.run_bytes);
	peer_job_start(p, j);
}

static int run_sync(struct peer_job *j)
{
	return j->kern->ops->sync_start(j->kern->arg, j->name, j->session_id, j->volume, &j->e);
}

void peer_on_marks_done(struct peer *p, const u8 *body, size_t len)
{
	struct wire_marks w;
	struct peer_job *j;
	u8 *todo;

	todo = take(p, body, len, &w);
	if (!todo)
		return;
	*todo = MARKS_NOTHING;
	j = peer_job_create(p, run_sync, merged);
	if (!j) {
		no_memory(p);
		return;
	}
	log_info("%s: volume %u: both sides' marks are united, copying begins", p->conf->name,
		 w.volume);
	/* The job may outlive us, and the session: of the next one the marks are not united yet. */
	j->session_id = p->session_id;
	j->volume = w.volume;
	peer_job_start(p, j);
}
