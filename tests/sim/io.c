// SPDX-License-Identifier: GPL-2.0
/*
 * Application requests, as the module runs them: range first, then by mode, then the region's bit;
 * a write in flight when the session ends is marked and kept (an orphan) until the set is narrowed.
 */
#include <errno.h>
#include "sim.h"

static u32 payload[MAX_WRITE_SECT];

static const u32 *content(struct node *nd, const struct request *r)
{
	u32 i;

	for (i = 0; i < r->nr; i++)
		payload[i] = r->kind == REQ_COPY ? nd->disk.view[r->first + i] : r->id;
	return payload;
}

static bool any_of_first(const struct node *nd, int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		if (nd->req[i].state != REQ_FREE)
			return true;
	return false;
}

bool io_in_flight(const struct node *nd)
{
	return any_of_first(nd, REQ_PASS);
}

/* Of the application's, which are what a demotion waits for. */
bool io_app_in_flight(const struct node *nd)
{
	return any_of_first(nd, REQ_RESYNC);
}

/* In its range, waiting or not. */
bool io_is_in_region(const struct node *nd, u32 region)
{
	int i;

	for (i = 0; i < MAX_REQS; i++)
		if (nd->req[i].state != REQ_FREE && req_has_data(&nd->req[i]) &&
		    nd->req[i].first / REGION_SECT == region)
			return true;
	return false;
}

/* The crash takes requests with it; nobody hears of them again. */
void io_forget(struct node *nd)
{
	memset(nd->req, 0, sizeof(nd->req));
	memset(nd->disk.op, 0, sizeof(nd->disk.op));
	nd->disk.nr_ops = nd->disk.op_end = 0;
}

/* Some take long: a disk that is busy, or retries. */
struct op *io_op(struct node *nd, enum op_type type, enum op_owner owner)
{
	static struct op nowhere;
	struct disk *d = &nd->disk;
	struct op *op = &nowhere;
	u32 i;

	node_point(nd);
	for (i = 0; i < MAX_OPS && !nd->dying; i++) {
		if (d->op[i].type != OP_NONE)
			continue;
		op = &d->op[i];
		d->nr_ops++;
		d->op_end = max(d->op_end, i + 1);
		break;
	}
	if (op == &nowhere && !nd->dying)
		world_fail("simulator: too many disk operations");
	op->type = (u8)type;
	op->owner = (u8)owner;
	op->fua = op->gone = op->waits = op->stray = false;
	op->first = op->nr = 0;
	op->due = w.now + 1 + roll(!w.quiet && roll(40) == 0 ? 400 : 10);
	return op;
}

static void on_ready(struct iorange *range, void *ctx)
{
	struct request *r = (struct request *)range;

	/* Not started here: core must not be entered again from the callback. */
	if (r->state == REQ_BLOCKED)
		r->state = REQ_HELD;
	(void)ctx;
}

void io_leave(struct node *nd, struct request *r)
{
	if (req_has_data(r) && !MUTATED(NO_RANGES))
		iorange_leave(&nd->bucket, &r->range, on_ready, nd);
	r->state = REQ_FREE;
}

static bool is_flush(const struct request *r)
{
	return r->kind == REQ_FLUSH || r->kind == REQ_SYNC_FLUSH || r->kind == REQ_PASS_FLUSH;
}

static void complete(struct node *nd, struct request *r)
{
	r->failed |= r->peer_failed;
	/* One of ours failed at the peer, which has the only copy: nobody else is told. */
	if (r->kind == REQ_FLUSH && !r->failed && flush_asks_take(&nd->asks))
		r->failed = true;
	if (r->kind == REQ_FLUSH && r->failed)
		check_told(nd);
	/* Undefined here now, and maybe new at the peer. */
	if (r->failed && r->kind == REQ_WRITE)
		node_mark(nd, r->first, r->nr);
	/* In the session that it was acknowledged in: a later one may have marked it since. */
	else if (r->both && !r->resent && r->local == LOCAL_DONE && req_has_data(r) &&
		 (r->failures == nd->errors.failures || MUTATED(CLEAR_WHAT_IS_LOST)) &&
		 (r->session_id == nd->s.id || MUTATED(CLEAR_LATE)))
		node_clear(nd, r->first, r->nr);
	if (r->kind == REQ_WRITE && !MUTATED(LATE_WRITE_UNTOLD))
		flush_errors_write_ends(&nd->errors, &nd->asks, r->local == LOCAL_DONE,
					r->failures, nd->through, r->errors);
	io_leave(nd, r);
	if (r->kind == REQ_PASS_FLUSH)
		maps_flushed(nd, r->failed ? -EIO : 0);
	if (r->kind > REQ_FLUSH || r->failed)
		return;
	w.stat[STAT_WRITES]++;
	trace("%d completes %s %u at %u+%u", nd->n, r->kind == REQ_FLUSH ? "flush" : "write",
	      r->id, r->first, r->nr);
	check_completed(nd, r);
}

static void look_done(struct node *nd, struct request *r)
{
	bool peer = r->peer_done || (MUTATED(COMPLETE_ON_LOCAL) && r->kind == REQ_WRITE) ||
		    (MUTATED(FLUSH_LOCAL_ONLY) && r->kind == REQ_FLUSH);

	if (r->state == REQ_RUNNING && r->local_done && peer && !nd->dying)
		complete(nd, r);
}

/* Park.c: no result that counts, until it is known whether the disk is given up. */
static void park_local(struct node *nd, struct request *r)
{
	if (nd->through && nd->failed && !r->alone) {
		r->failed = false;
		r->local_done = true;
		look_done(nd, r);
	} else {
		r->local_parked = true;
	}
}

void io_local_done(struct node *nd, struct request *r, bool ok)
{
	bool only_here = orphan_is_bound(r->alone, r->kind != REQ_WRITE &&
						   !MUTATED(ALONE_FLUSH_FAILS));

	/* Also one that began alone: there may have been a session since. */
	if (is_flush(r) && !ok)
		node_flush_failed(nd, r->kind != REQ_FLUSH);
	/* As if it were its own: whoever decides about the disk decides about this one. */
	if (r->kind == REQ_FLUSH && ok && flush_errors_take(&nd->errors))
		ok = false;
	r->local = LOCAL_DONE;
	r->failed |= !ok;
	if (ok || only_here || r->kind > REQ_FLUSH) {
		r->local_done = true;
		if (!ok && !r->alone)
			diskfail_post(nd);
		if (!ok && r->kind == REQ_COPY)
			io_leave(nd, r);
		else
			look_done(nd, r);
		return;
	}
	park_local(nd, r);
	diskfail_post(nd);
}

/*
 * The only copy has failed a request: the application's error, as it would be if the disk were
 * here. Not a reason to end the session: it may be about something that is over. If what we have
 * copied is of before, the peer ends it (diskfail.c).
 */
static void fail_through(struct node *nd, struct request *r)
{
	r->peer_failed = true;
	if (r->kind == REQ_SYNC_FLUSH) {
		nd->sync_flush = FL_NONE;
		io_leave(nd, r);
	}
}

void io_ack(struct node *nd, const struct wire_msg *m, const struct message *msg)
{
	struct request *r = slots_find(&nd->slots[msg->stream], m->slot, m->slot_gen);
	bool through = nd->through && !MUTATED(FLUSH_RETRIED);

	if (!r)
		return;
	slots_put(&nd->slots[msg->stream], m->slot);
	if (is_flush(r))
		flush_asks_ended(&nd->asks, m->status ? FLUSH_FAILED : FLUSH_DONE, through,
				 r->asked, r->kind == REQ_FLUSH);
	if (m->status && through && r->kind != REQ_COPY) {
		fail_through(nd, r);
		if (r->kind == REQ_SYNC_FLUSH)
			return;
	} else if (m->status && r->kind == REQ_PASS_FLUSH) {
		r->failed = true;
	} else if (m->status) {
		net_break();		/* its part stays unanswered */
		return;
	}
	if (r->kind == REQ_COPY && !r->compared && (nd->s.compare || r->pull)) {
		sync_answer(nd, r, msg->data);
		return;
	}
	r->peer_done = true;
	r->both = true;
	r->peer_disk = nd->s.peer_disk_id;
	r->peer_medium = nd->s.peer_medium;
	/*
	 * What the peer had noted when it answered, not now: it may have been promoted since, and
	 * this side not have noticed yet that the session is over.
	 */
	r->served = nd->through && msg->serving;
	look_done(nd, r);
}

void io_call_peer(struct node *nd, struct request *r)
{
	struct wire_msg m = { .type = LOCKSTEP_WT_FLUSH, .epoch = nd->s.epoch };
	bool compare = r->kind == REQ_COPY && (r->pull || (nd->s.compare && !r->compared));
	u32 gen = 0;

	r->stream = (u32)roll(NR_STREAMS);
	r->slot = slots_get(&nd->slots[r->stream], r, &gen);
	r->session_id = nd->s.id;
	if (nd->st.copy != STATE_COPY_UP_TO_DATE)
		r->began = w.now;
	CHECK(r->slot != SLOT_NONE, "simulator: no slot");
	m.slot = r->slot;
	m.slot_gen = gen;
	if (is_flush(r) && !MUTATED(FLUSH_AS_NEW))
		m.status = flush_asks_send(&nd->asks, m.epoch, &r->asked);
	if (req_has_data(r)) {
		m.type = compare ? SIM_CSUM : LOCKSTEP_WT_WRITE;
		m.sector = r->first;
		m.size_bytes = m.payload_bytes = r->nr * 512;
		m.flags = (r->fua ? LOCKSTEP_WH_FUA : 0) |
			  (r->kind == REQ_COPY ? LOCKSTEP_WH_RESYNC : 0);
	}
	net_send(nd, (int)r->stream, &m, req_has_data(r) ? content(nd, r) : NULL);
}

static void local(struct node *nd, struct request *r)
{
	struct op *op = io_op(nd, r->kind == REQ_WRITE ? OP_WRITE : OP_FLUSH, OWN_REQUEST);

	op->first = r->first;
	op->nr = r->nr;
	op->fua = r->fua;
	op->req = r;
	r->local = LOCAL_PENDING;
	r->began = w.now;
	if (r->kind == REQ_WRITE)
		memcpy(op->data, content(nd, r), r->nr * sizeof(op->data[0]));
	/* Some are outlived by the resync that brings the peer what they are for. */
	else if (r->alone && w.flushes_fail && !w.quiet && !roll(3))
		op->due += 200 + roll(600);
}

/* [R1] False: the region is not durable yet; it looks again when it is. */
static bool may_dirty(struct node *nd, struct request *r)
{
	u32 region = r->first / REGION_SECT;

	if (r->kind != REQ_WRITE || nd->failed ||
	    regions_is_fast(*regions_fast_word(&nd->regions, region), region) ||
	    regions_enter(&nd->regions, region) == REGIONS_GO)
		return true;
	maps_kick_map(nd, true);
	return MUTATED(MARK_AFTER_SEND) ||
	       (MUTATED(MARK_NOT_DURABLE) && regions_enter(&nd->regions, region) == REGIONS_GO);
}

static void start_app(struct node *nd, struct request *r)
{
	switch (state_io_mode(&nd->st)) {
	case LOCKSTEP_IO_BOTH:
		r->state = REQ_MARKING;
		if (!may_dirty(nd, r))
			return;
		r->state = REQ_RUNNING;
		io_call_peer(nd, r);
		r->local_done = nd->failed;
		if (!nd->failed)
			local(nd, r);
		break;
	case LOCKSTEP_IO_ALONE:
		r->state = REQ_MARKING;
		if (!may_dirty(nd, r))
			return;
		r->state = REQ_RUNNING;
		r->peer_done = r->alone = true;
		if (r->kind == REQ_WRITE && !MUTATED(ALONE_WITHOUT_MARK))
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

void io_start(struct node *nd, struct request *r)
{
	if (nd->dying)
		return;
	r->state = REQ_HELD;
	r->failures = nd->errors.failures;
	r->errors = nd->asks.errors;
	if (r->kind > REQ_FLUSH)
		sync_start(nd, r);
	else
		start_app(nd, r);
}

/* A map block has arrived: who waited looks again, at the mode too. */
void io_region_durable(struct node *nd)
{
	int i;

	for (i = 0; i < MAX_REQS && !nd->dying; i++)
		if (nd->req[i].state == REQ_MARKING)
			io_start(nd, &nd->req[i]);
}

/* What is parked ends, as it is. */
static void unpark(struct node *nd, struct request *r)
{
	if (r->state == REQ_ORPHAN) {
		r->state = REQ_RUNNING;
		r->peer_done = true;
	}
	r->local_done |= r->local_parked;
	r->local_parked = false;
	look_done(nd, r);
}

static bool is_parked(const struct request *r)
{
	return r->state == REQ_ORPHAN || (r->state == REQ_RUNNING && r->local_parked);
}

bool io_is_parked(const struct node *nd)
{
	int i;

	for (i = 0; i < MAX_REQS; i++)
		if (is_parked(&nd->req[i]))
			return true;
	return false;
}

/* The disk is given up: nothing is waited for there any more. */
void io_abandon(struct node *nd)
{
	u32 i;

	for (i = 0; i < nd->disk.op_end; i++)
		nd->disk.op[i].gone |= nd->disk.op[i].owner != OWN_PEER ||
				       nd->disk.op[i].stray;
	for (i = 0; i < MAX_REQS; i++) {
		struct request *r = &nd->req[i];

		if (r->state == REQ_FREE || r->local != LOCAL_PENDING)
			continue;
		CHECK(!r->alone || r->kind != REQ_WRITE,
		      "a disk is given up with what was written alone");
		r->local = LOCAL_ABANDONED;
		if (r->kind > REQ_FLUSH)
			io_leave(nd, r);
		else
			park_local(nd, r);
	}
}

/* The disk is kept: what its errors hit fails. */
void io_fail_local(struct node *nd)
{
	int i;

	for (i = 0; i < MAX_REQS && !nd->dying; i++) {
		struct request *r = &nd->req[i];

		if (r->state == REQ_MARKING) {
			io_leave(nd, r);
		} else if (r->state != REQ_FREE && r->local_parked) {
			r->local_parked = false;
			r->local_done = true;
			look_done(nd, r);
		}
	}
}

void io_fail_parked(struct node *nd)
{
	int i;

	for (i = 0; i < MAX_REQS && !nd->dying; i++) {
		struct request *r = &nd->req[i];

		if (is_parked(r)) {
			r->failed = true;
			unpark(nd, r);
		}
	}
}

/* The set could not be narrowed. */
void io_fail_held(struct node *nd)
{
	int i;

	io_fail_parked(nd);
	for (i = 0; i < MAX_REQS && !nd->dying; i++)
		if (nd->req[i].state == REQ_HELD && nd->req[i].kind <= REQ_FLUSH) {
			if (nd->req[i].kind == REQ_FLUSH)
				check_told(nd);
			io_leave(nd, &nd->req[i]);
		}
}

/* Fencing: the set was not narrowed, and the peer is back. */
static void send_again(struct node *nd)
{
	int i;

	for (i = 0; i < MAX_REQS && !nd->dying; i++) {
		struct request *r = &nd->req[i];

		if (r->state != REQ_ORPHAN)
			continue;
		trace("%d sends %s %u again", nd->n,
		      r->kind == REQ_FLUSH ? "flush" : "write", r->id);
		r->state = REQ_RUNNING;
		if (MUTATED(AGAIN_UNSENT)) {
			/* As if the peer had answered. */
			r->peer_done = r->both = true;
			r->session_id = nd->s.id;
			look_done(nd, r);
		} else {
			io_call_peer(nd, r);
		}
	}
}

/*
 * The peer has noted that it is the only copy. A disk that was attached meanwhile gets none of
 * this: the resync has to bring it.
 */
void io_resend(struct node *nd)
{
	int i;

	if (nd->st.copy == STATE_COPY_UP_TO_DATE) {
		send_again(nd);
		return;
	}
	nd->through = true;
	for (i = 0; i < MAX_REQS && !nd->dying; i++) {
		struct request *r = &nd->req[i];

		if (!is_parked(r))
			continue;
		if (r->local_parked)
			r->failed = false;
		r->local_done |= r->local_parked;
		r->local_parked = false;
		if ((r->state == REQ_ORPHAN || r->alone) && !MUTATED(RESUME_UNSENT)) {
			r->peer_done = r->alone = false;
			if (!nd->failed && r->kind == REQ_WRITE && !MUTATED(RESEND_UNMARKED)) {
				node_mark(nd, r->first, r->nr);
				/* A part still at the disk is waited for, or given up. */
				r->resent = true;
			}
			r->state = REQ_RUNNING;
			io_call_peer(nd, r);
		} else {
			unpark(nd, r);
		}
		look_done(nd, r);
	}
}

/*
 * The mode may have changed: who is held looks again; orphans complete in ALONE only, that is after
 * the set was durably narrowed (P4).
 */
void io_release(struct node *nd)
{
	int i;

	if (!state_may_work_through(&nd->st))
		nd->through &= MUTATED(THROUGH_STAYS);
	for (i = 0; i < MAX_REQS && !nd->dying; i++) {
		struct request *r = &nd->req[i];

		if (is_parked(r) && state_io_mode(&nd->st) == LOCKSTEP_IO_ALONE)
			unpark(nd, r);
		else if (r->state == REQ_HELD)
			io_start(nd, r);
	}
}

void io_session_lost(struct node *nd)
{
	int i;

	for (i = 0; i < MAX_REQS && !nd->dying; i++) {
		struct request *r = &nd->req[i];

		if (r->state != REQ_RUNNING || r->peer_done)
			continue;
		if (r->kind == REQ_COPY && r->local == LOCAL_PENDING)
			continue;	/* at our disk: it leaves its range then */
		if (is_flush(r) && r->asked && !MUTATED(LOST_ANSWER_FORGOTTEN))
			flush_asks_ended(&nd->asks, FLUSH_LOST, false, r->asked, false);
		if (r->kind == REQ_COPY || r->kind == REQ_SYNC_FLUSH) {
			io_leave(nd, r);
			continue;
		}
		/* Its local flush may still be at the disk. */
		if (r->kind == REQ_PASS_FLUSH) {
			r->peer_done = true;
			look_done(nd, r);
			continue;
		}
		/* Whoever has no disk sends it again: there is nothing to mark it in. */
		if (r->kind == REQ_WRITE && !MUTATED(NO_ORPHAN_MARK) && !nd->failed)
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

/* Requests do not cross regions: the block layer cuts them there. */
void io_submit(struct node *nd, u32 first, u32 nr, bool flush, bool fua)
{
	struct request *r = NULL;
	int i;

	for (i = 0; i < REQ_RESYNC && !r; i++)
		if (nd->req[i].state == REQ_FREE)
			r = &nd->req[i];
	if (!r)
		return;
	memset(r, 0, offsetof(struct request, want));
	r->kind = flush ? REQ_FLUSH : REQ_WRITE;
	r->fua = fua && !flush;
	r->first = flush ? 0 : first;
	r->nr = flush ? 0 : min(nr, REGION_SECT - first % REGION_SECT);
	r->id = ++w.next_write;
	if (flush)
		check_wanted(nd, r);
	trace("%d submits %s %u at %u+%u", nd->n, flush ? "flush" : "write", r->id, r->first,
	      r->nr);
	r->state = REQ_BLOCKED;
	if (flush || MUTATED(NO_RANGES) ||
	    iorange_enter(&nd->bucket, &r->range, r->first, r->first + r->nr))
		io_start(nd, r);
}

/* For clearing regions: ours and the peer's cache at the same time. */
bool io_flush_pass(struct node *nd, bool ours, bool peers)
{
	struct request *r = &nd->req[REQ_PASS];

	if (r->state != REQ_FREE || nd->dying)
		return false;
	memset(r, 0, offsetof(struct request, want));
	r->kind = REQ_PASS_FLUSH;
	r->state = REQ_RUNNING;
	r->local_done = !ours;
	r->peer_done = !peers;
	if (peers)
		io_call_peer(nd, r);
	if (ours)
		local(nd, r);
	return true;
}
