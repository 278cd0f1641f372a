// SPDX-License-Identifier: GPL-2.0
/*
 * Streams: in order each, in no order among themselves; a message goes through the real codec. A
 * direction that is cut holds messages back, as TCP does, until it heals or one side has waited too
 * long. Of a session that breaks some still arrives, the rest is lost; and a few messages wander
 * about and turn up in a later session, where only their epoch tells (P6).
 */
#include "sim.h"

#define SILENCE		90		/* steps without a word from the peer: it is gone */

static bool is_raw(u8 type)
{
	return type == SIM_CSUM || type == SIM_CSUM_DATA;
}

static void remove_msg(u32 i)
{
	w.nr_msgs--;
	memmove(&w.msg[i], &w.msg[i + 1], (w.nr_msgs - i) * sizeof(w.msg[0]));
}

void net_send(struct node *from, int stream, const struct wire_msg *m, const u32 *data)
{
	u64 due = w.now + 1 + roll(roll(8) ? 6 : 60);
	bool late = from->s.lost_at;
	struct message *msg;
	u32 i;

	node_point(from);
	if (from->dying || (late && roll(10)))
		return;
	for (i = 0; i < w.nr_msgs; i++) {
		struct message *o = &w.msg[i];

		if (o->to == !from->n && o->stream == stream && o->session_id == from->s.id)
			due = max(due, o->due);
	}
	if (w.nr_msgs == MAX_MSGS) {
		world_fail("simulator: too many messages");
		return;
	}
	msg = &w.msg[w.nr_msgs++];
	memset(msg, 0, offsetof(struct message, data));
	msg->late = late;
	msg->serving = check_is_serving(from);
	msg->to = !from->n;
	msg->stream = stream;
	msg->due = late ? due + roll(600) : due;
	msg->session_id = from->s.id;
	msg->raw = *m;
	if (!is_raw(m->type))
		wire_msg_encode(m, &msg->h);
	if (data)
		memcpy(msg->data, data, m->payload_bytes / 512 * sizeof(*data));
}

void net_tell(struct node *from, u8 type, u16 status, u64 arg)
{
	struct wire_msg m = {
		.type = type, .status = status, .sector = arg, .epoch = from->s.epoch,
	};

	net_send(from, 0, &m, NULL);
}

/* Some of what is on its way still arrives, in order; both will notice. */
void net_break(void)
{
	u32 left[2][NR_STREAMS], i, k;

	for (i = 0; i < 2; i++)
		for (k = 0; k < NR_STREAMS; k++)
			left[i][k] = roll(2) ? 0 : (u32)roll(4);
	for (i = k = 0; i < w.nr_msgs; i++) {
		struct message *m = &w.msg[i];

		if (m->late || left[m->to][m->stream]) {
			left[m->to][m->stream] -= !m->late;
		} else if (roll(6)) {
			continue;
		} else {
			m->late = true;
			m->due += roll(600);
		}
		if (k != i)
			w.msg[k] = *m;
		k++;
	}
	w.nr_msgs = k;
	for (i = 0; i < 2; i++)
		if (w.node[i].alive && w.node[i].s.id && !w.node[i].s.lost_at)
			w.node[i].s.lost_at = w.now + 1 + roll(80);
	daemon_reset();
}

void net_forget_late(void)
{
	u32 i, k;

	for (i = k = 0; i < w.nr_msgs; i++)
		if (!w.msg[i].late)
			w.msg[k++] = w.msg[i];
	w.nr_msgs = k;
}

static void acknowledge(struct node *nd, int stream, const struct wire_msg *req, const u32 *data,
			u16 status)
{
	struct wire_msg ack = {
		.type = LOCKSTEP_WT_ACK, .slot = req->slot, .slot_gen = req->slot_gen,
		.epoch = req->epoch, .status = status,
	};

	if (data) {
		ack.type = SIM_CSUM_DATA;
		ack.payload_bytes = req->size_bytes;
	}
	net_send(nd, stream, &ack, data);
}

static bool has_region(struct node *nd, const struct op *op)
{
	u32 region = op->first / REGION_SECT;

	return regions_is_fast(*regions_fast_word(&nd->regions, region), region) ||
	       regions_enter(&nd->regions, region) == REGIONS_GO;
}

/* The writer has no disk: what is written is here only, and known as such from before it is. */
static void serve(struct node *nd, struct op *op)
{
	w.stat[STAT_SERVED]++;
	if (MUTATED(SERVE_WITHOUT_MARKS))
		return;
	node_mark(nd, op->first, op->nr);
	op->waits = !has_region(nd, op);
	if (op->waits)
		maps_kick_map(nd, true);
}

/* Whoever waited for the map looks again; or gets no further. */
void net_region_durable(struct node *nd, bool failed)
{
	u32 i;

	for (i = 0; i < nd->disk.op_end && !nd->dying; i++) {
		struct op *op = &nd->disk.op[i];

		if (op->type == OP_NONE || !op->waits)
			continue;
		if (failed) {
			struct op lost = *op;

			disk_retire(&nd->disk, op);
			if (!lost.gone)
				net_op_done(nd, &lost, false);
		} else {
			op->waits = !has_region(nd, op);
		}
	}
}

static void take_write(struct node *nd, const struct message *m, const struct wire_msg *msg)
{
	bool flush = msg->type == LOCKSTEP_WT_FLUSH;
	struct op *op = io_op(nd, flush ? OP_FLUSH : OP_WRITE, OWN_PEER);

	op->first = (u32)msg->sector;
	op->nr = msg->payload_bytes / 512;
	op->fua = msg->flags & LOCKSTEP_WH_FUA;
	op->msg = *msg;
	op->stream = m->stream;
	op->session_id = nd->s.id;
	memcpy(op->data, m->data, op->nr * sizeof(op->data[0]));
	if (MUTATED(ACK_BEFORE_DISK))
		acknowledge(nd, m->stream, msg, NULL, LOCKSTEP_WS_OK);
	if (!flush && nd->serving && !nd->dying)
		serve(nd, op);
}

static bool answer_flush(struct node *nd, const struct op *op, bool ok)
{
	bool own = nd->st.role == LOCKSTEP_ROLE_PRIMARY;
	bool well;

	if (!ok)
		check_flush_failed(nd);
	well = flush_errors_answer(&nd->errors, ok, own, op->msg.epoch, op->msg.status);

	/* The peer may clear regions by it. */
	return MUTATED(CLEAR_AFTER_FAILED) ? ok : well;
}

/* A write of the peer is on our disk. */
void net_op_done(struct node *nd, struct op *op, bool ok)
{
	bool flush = op->type == OP_FLUSH;

	if (flush && !ok && op->stray)
		node_flush_failed(nd, true);
	if (op->stray) {
		strays_done(nd, op, ok);
		return;
	}
	CHECK(op->session_id == nd->s.id,
	      "P6: a write of session %llu reaches the disk of node %d after its end",
	      (unsigned long long)op->session_id, nd->n);
	if (!ok)
		diskfail_post(nd);
	if (flush)
		ok = answer_flush(nd, op, ok);
	if (nd->s.id && !MUTATED(ACK_BEFORE_DISK))
		acknowledge(nd, op->stream, &op->msg, NULL,
			    ok ? LOCKSTEP_WS_OK : LOCKSTEP_WS_IO_ERROR);
}

static void take_sync_done(struct node *nd, u64 gen)
{
	if (nd->st.sync != STATE_SYNC_TARGET)
		return;
	nd->s.peer_gen = gen;
	if (!node_step(nd, STATE_EV_SYNC_DONE, 0))
		net_break();
}

static void dispatch(struct node *nd, const struct message *m, const struct wire_msg *msg)
{
	switch (msg->type) {
	case LOCKSTEP_WT_WRITE:
		CHECK(nd->st.role == LOCKSTEP_ROLE_SECONDARY,
		      "P7: node %d is primary and is written to", nd->n);
		take_write(nd, m, msg);
		break;
	case LOCKSTEP_WT_FLUSH:
		take_write(nd, m, msg);
		break;
	case SIM_CSUM:
		acknowledge(nd, m->stream, msg, &nd->disk.view[msg->sector], LOCKSTEP_WS_OK);
		break;
	case LOCKSTEP_WT_ACK:
	case SIM_CSUM_DATA:
		io_ack(nd, msg, m);
		break;
	case LOCKSTEP_WT_ROLE_ASK:
		node_step(nd, STATE_EV_PEER_ASKS, 0);
		break;
	case LOCKSTEP_WT_ROLE_ANSWER:
		node_step(nd, msg->status ? STATE_EV_DENIED : STATE_EV_GRANTED, 0);
		break;
	case LOCKSTEP_WT_ROLE_TELL:
		CHECK(node_step(nd, STATE_EV_PEER_ROLE, (u32)msg->sector) || nd->dying ||
		      w.mutation, "node %d was told an impossible role", nd->n);
		break;
	case LOCKSTEP_WT_SYNC_DONE:
		take_sync_done(nd, msg->sector);
		break;
	case LOCKSTEP_WT_SYNC_DONE_OK:
		if (nd->st.sync == STATE_SYNC_SOURCE && !node_step(nd, STATE_EV_SYNC_DONE, 0))
			net_break();
		break;
	case LOCKSTEP_WT_SYNC_PULLED:
		sync_pulled(nd);
		break;
	}
}

static void deliver(const struct message *m)
{
	struct node *nd = &w.node[m->to];
	struct wire_msg msg = m->raw;

	if (!is_raw(msg.type))
		CHECK(wire_msg_decode(&m->h, &msg) == WIRE_OK, "message does not decode");
	if (w.failed)
		return;
	if (msg.epoch != nd->s.epoch && !MUTATED(EPOCH_UNCHECKED)) {
		w.stat[STAT_STALE]++;
		return;
	}
	trace("%d <- %s sect %llu/%u id %u slot %u", nd->n,
	      is_raw(msg.type) ? "checksum" : wire_type_name(msg.type),
	      (unsigned long long)msg.sector, msg.size_bytes / 512, m->data[0], msg.slot);
	CHECK(m->session_id == nd->s.id, "P6: node %d takes a %s of session %llu in session %llu",
	      nd->n, wire_type_name(msg.type), (unsigned long long)m->session_id,
	      (unsigned long long)nd->s.id);
	node_point(nd);
	if (!nd->dying)
		dispatch(nd, m, &msg);
	node_reap(nd);
}

enum fate { WAITS, GONE, ARRIVES };

static enum fate fate_of(const struct message *m)
{
	struct node *nd = &w.node[m->to];

	if (!nd->alive || (!m->late && nd->s.id != m->session_id))
		return GONE;
	if (m->due > w.now || w.cut[m->to] || nd->paused_until > w.now)
		return WAITS;
	if (nd->s.lost_at && w.now >= nd->s.lost_at)
		return GONE;
	/* Not started here yet: the stream waits. */
	if (nd->s.id && nd->st.link == LOCKSTEP_LINK_OPENING)
		return WAITS;
	return nd->st.link == LOCKSTEP_LINK_UP ? ARRIVES : GONE;
}

static bool run_one(void)
{
	bool stuck[2][NR_STREAMS] = { { false } };
	struct message m;
	u32 i;

	for (i = 0; i < w.nr_msgs; i++) {
		bool *stream = &stuck[w.msg[i].to][w.msg[i].stream];
		enum fate fate = fate_of(&w.msg[i]);

		if (!w.msg[i].late && *stream)
			continue;
		if (fate == WAITS) {
			*stream |= !w.msg[i].late;
			continue;
		}
		m = w.msg[i];
		remove_msg(i);
		if (fate == ARRIVES)
			deliver(&m);
		return true;
	}
	return false;
}

/* Who has not heard from the peer for long gives the session up. */
static void listen(struct node *nd)
{
	struct node *peer = other(nd);

	if (!nd->s.id || nd->paused_until > w.now)
		return;
	if (w.cut[nd->n] || !peer->alive || peer->paused_until > w.now)
		nd->s.silent++;
	else
		nd->s.silent = 0;
	if (nd->s.silent > SILENCE && !nd->s.lost_at) {
		trace("%d has heard nothing for long", nd->n);
		nd->s.lost_at = w.now;
	}
}

void net_run(void)
{
	int i;

	while (!w.failed && run_one())
		;
	for (i = 0; i < 2; i++)
		if (w.node[i].alive)
			listen(&w.node[i]);
}
