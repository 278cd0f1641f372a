// SPDX-License-Identifier: GPL-2.0
/*
 * Application requests and the resync, as the module runs them: range first, then by mode; a write
 * in flight when the session ends is marked and kept (an orphan) until the set is narrowed.
 */
#include "sim.h"

static u32 payload[MAX_WRITE_SECT];

static const u32 *content(struct node *nd, const struct request *r)
{
	u32 i;

	for (i = 0; i < r->nr; i++)
		payload[i] = r->is_resync ? nd->disk.view[r->first + i] : r->id;
	return payload;
}

static struct request *free_request(struct node *nd, bool resync)
{
	int i;

	/* The last two are the resync's. */
	for (i = resync ? MAX_REQS - 2 : 0; i < (resync ? MAX_REQS : MAX_REQS - 2); i++)
		if (nd->req[i].state == REQ_FREE)
			return &nd->req[i];
	return NULL;
}

bool io_in_flight(const struct node *nd)
{
	int i;

	for (i = 0; i < MAX_REQS; i++)
		if (nd->req[i].state != REQ_FREE)
			return true;
	return false;
}

/* The crash takes requests with it; nobody hears of them again. */
void io_forget(struct node *nd)
{
	memset(nd->req, 0, sizeof(nd->req));
	memset(nd->disk.op, 0, sizeof(nd->disk.op));
	nd->disk.nr_ops = 0;
}

static void start(struct node *nd, struct request *r);

static void on_ready(struct iorange *range, void *ctx)
{
	struct request *r = (struct request *)range;

	/* Not started here: core must not be entered again from the callback. */
	if (r->state == REQ_BLOCKED)
		r->state = REQ_HELD;
	(void)ctx;
}

static void leave_range(struct node *nd, struct request *r)
{
	if (!r->is_flush && !MUTATED(NO_RANGES))
		iorange_leave(&nd->bucket, &r->range, on_ready, nd);
}

static void clear_marks(struct node *nd, const struct request *r)
{
	u32 first = (r->first + 7) / 8, end = (r->first + r->nr) / 8;
	u64 *spare = nd->page[0].words ? NULL : nd->words;

	if (end > first)
		oosmap_clear(&nd->map, first, end - first, &spare);
}

static void complete(struct node *nd, struct request *r)
{
	if (r->both && !r->is_flush)
		clear_marks(nd, r);
	leave_range(nd, r);
	r->state = REQ_FREE;
	if (r->is_resync)
		return;
	w.stats_writes++;
	trace("%d completes %s %u at %u+%u", nd->n, r->is_flush ? "flush" : "write", r->id,
	      r->first, r->nr);
	check_completed(nd, r);
}

static void look_done(struct node *nd, struct request *r)
{
	bool peer = r->peer_done || (MUTATED(COMPLETE_ON_LOCAL) && !r->is_resync && !r->is_flush) ||
		    (MUTATED(FLUSH_LOCAL_ONLY) && r->is_flush);

	if (r->state == REQ_RUNNING && r->local_done && peer)
		complete(nd, r);
}

void io_local_done(struct node *nd, struct request *r)
{
	r->local_done = true;
	look_done(nd, r);
}

void io_ack(struct node *nd, const struct wire_msg *m, int stream)
{
	struct request *r = slots_find(&nd->slots[stream], m->slot, m->slot_gen);

	if (!r)
		return;
	slots_put(&nd->slots[stream], m->slot);
	r->peer_done = true;
	r->both = true;
	r->peer_boot = other(nd)->boot_id;
	look_done(nd, r);
}

static void call_peer(struct node *nd, struct request *r)
{
	struct wire_msg m = { .type = LOCKSTEP_WT_WRITE, .epoch = nd->s.epoch };
	u32 gen = 0;

	r->stream = (u32)roll(NR_STREAMS);
	r->slot = slots_get(&nd->slots[r->stream], r, &gen);
	CHECK(r->slot != SLOT_NONE, "simulator: no slot");
	m.slot = r->slot;
	m.slot_gen = gen;
	if (r->is_flush) {
		m.type = LOCKSTEP_WT_FLUSH;
	} else {
		m.sector = r->first;
		m.size_bytes = m.payload_bytes = r->nr * 512;
		m.flags = (r->fua ? LOCKSTEP_WH_FUA : 0) | (r->is_resync ? LOCKSTEP_WH_RESYNC : 0);
	}
	net_send(nd, (int)r->stream, &m, r->is_flush ? NULL : content(nd, r));
}

static void local(struct node *nd, struct request *r)
{
	struct op *op = disk_submit(&nd->disk, r->is_flush ? OP_FLUSH : OP_WRITE,
				    w.now + 1 + roll(10));

	op->first = r->first;
	op->nr = r->nr;
	op->fua = r->fua;
	op->req = r;
	if (!r->is_flush)
		memcpy(op->data, content(nd, r), r->nr * sizeof(op->data[0]));
}

static void start_resync(struct node *nd, struct request *r)
{
	r->state = REQ_RUNNING;
	r->local_done = true;
	if (MUTATED(CLEAR_BEFORE_ACK))
		clear_marks(nd, r);
	call_peer(nd, r);
}

static void start(struct node *nd, struct request *r)
{
	enum lockstep_io_mode mode = state_io_mode(&nd->st);

	if (r->is_resync) {
		if (nd->st.sync == STATE_SYNC_SOURCE && !nd->s.lost_at) {
			start_resync(nd, r);
		} else {
			leave_range(nd, r);
			r->state = REQ_FREE;
		}
		return;
	}
	r->state = REQ_HELD;
	switch (mode) {
	case LOCKSTEP_IO_BOTH:
		r->state = REQ_RUNNING;
		call_peer(nd, r);
		local(nd, r);
		break;
	case LOCKSTEP_IO_ALONE:
		r->state = REQ_RUNNING;
		r->peer_done = true;
		if (!r->is_flush && !MUTATED(ALONE_WITHOUT_MARK))
			node_mark(nd, r->first, r->nr);
		local(nd, r);
		break;
	case LOCKSTEP_IO_LAZY:
		node_step(nd, STATE_EV_WRITE, 0);	/* refused while opening: stays held */
		break;
	default:
		break;
	}
}

/* The mode may have changed: who is held looks again, orphans complete when it admits them. */
void io_release(struct node *nd)
{
	u64 boot_id = nd->boot_id;
	int i;

	for (i = 0; i < MAX_REQS; i++) {
		struct request *r = &nd->req[i];
		enum lockstep_io_mode mode = state_io_mode(&nd->st);

		if (r->state == REQ_ORPHAN &&
		    (mode == LOCKSTEP_IO_ALONE || mode == LOCKSTEP_IO_BOTH)) {
			r->state = REQ_RUNNING;
			r->peer_done = true;
			look_done(nd, r);
		} else if (r->state == REQ_HELD) {
			start(nd, r);
		}
		if (!nd->alive || nd->boot_id != boot_id)
			return;
	}
}

void io_session_lost(struct node *nd)
{
	int i;

	for (i = 0; i < MAX_REQS; i++) {
		struct request *r = &nd->req[i];

		if (r->state != REQ_RUNNING || r->peer_done)
			continue;
		if (r->is_resync) {
			leave_range(nd, r);
			r->state = REQ_FREE;
			continue;
		}
		if (!r->is_flush && !MUTATED(NO_ORPHAN_MARK))
			node_mark(nd, r->first, r->nr);
		r->state = REQ_ORPHAN;
		if (MUTATED(COMPLETE_BEFORE_NARROW)) {
			r->state = REQ_RUNNING;
			r->peer_done = true;
			look_done(nd, r);
		}
	}
	nd->sync_flush = FL_NONE;
}

void io_submit(struct node *nd, u32 first, u32 nr, bool flush, bool fua)
{
	struct request *r = free_request(nd, false);

	if (!r)
		return;
	memset(r, 0, sizeof(*r));
	r->is_flush = flush;
	r->fua = fua && !flush;
	r->first = first;
	r->nr = flush ? 0 : nr;
	r->id = ++w.next_write;
	if (flush)
		memcpy(r->want, w.done[nd->n], sizeof(r->want));
	trace("%d submits %s %u at %u+%u", nd->n, flush ? "flush" : "write", r->id, first, r->nr);
	r->state = REQ_BLOCKED;
	if (flush || MUTATED(NO_RANGES) || iorange_enter(&nd->bucket, &r->range, first, first + nr))
		start(nd, r);
}

/*
 * ---- resync
 * -------------------------------------------------------------------------------------------
 */

static void copy_next(struct node *nd)
{
	struct request *r = free_request(nd, true);
	u64 first, next, from = roll(NR_BLOCKS);

	if (!r)
		return;
	if (!oosmap_find(&nd->map, from, 1, 1, &first, &next) &&
	    !oosmap_find(&nd->map, 0, 1, 1, &first, &next))
		return;
	memset(r, 0, sizeof(*r));
	r->is_resync = true;
	r->first = (u32)first * 8;
	r->nr = 8;
	r->state = REQ_BLOCKED;
	if (MUTATED(NO_RANGES) || iorange_enter(&nd->bucket, &r->range, r->first, r->first + 8))
		start(nd, r);
}

static bool is_copying(const struct node *nd)
{
	return nd->req[MAX_REQS - 1].state != REQ_FREE || nd->req[MAX_REQS - 2].state != REQ_FREE;
}

/*
 * A flush on both sides, as a request that nobody waits for; then the target may say so on its
 * disk.
 */
static void finish_sync(struct node *nd)
{
	struct request *r;

	if (nd->sync_flush == FL_RUNNING) {
		if (is_copying(nd))
			return;
		nd->sync_flush = FL_DONE;
		nd->s.sync_told = true;
		disk_flush(&nd->disk);
		net_tell(nd, LOCKSTEP_WT_SYNC_DONE, 0, nd->m.current_gen.id);
		return;
	}
	r = free_request(nd, true);
	memset(r, 0, sizeof(*r));
	r->is_resync = true;
	r->is_flush = true;
	nd->sync_flush = FL_RUNNING;
	start(nd, r);
}

void sync_advance(struct node *nd)
{
	bool told_early = MUTATED(SYNC_DONE_EARLY) && nd->map.weight && roll(10) == 0;

	if (nd->st.sync != STATE_SYNC_SOURCE || !nd->s.sync_started || nd->s.lost_at ||
	    nd->s.sync_told)
		return;
	if (told_early) {
		nd->s.sync_told = true;
		net_tell(nd, LOCKSTEP_WT_SYNC_DONE, 0, nd->m.current_gen.id);
	} else if (nd->map.weight) {
		nd->sync_flush = FL_NONE;
		copy_next(nd);
	} else if (!is_copying(nd) || nd->sync_flush == FL_RUNNING) {
		finish_sync(nd);
	}
}
