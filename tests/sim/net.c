// SPDX-License-Identifier: GPL-2.0
/*
 * Streams: in order each, in no order among themselves. Every message goes through the real codec.
 * A session that was cut delivers nothing more; each side notices in its own time.
 */
#include "sim.h"

void net_send(struct node *from, int stream, const struct wire_msg *m, const u32 *data)
{
	u64 due = w.now + 1 + roll(roll(8) ? 6 : 60);
	struct message *free_slot = NULL;
	int i;

	if (!w.link_up || from->s.lost_at)
		return;
	for (i = 0; i < MAX_MSGS; i++) {
		struct message *o = &w.msg[i];

		if (!o->used)
			free_slot = o;
		else if (o->to == !from->n && o->stream == stream && o->session_id == from->s.id)
			due = max(due, o->due);
	}
	if (!free_slot) {
		world_fail("simulator: too many messages");
		return;
	}
	memset(free_slot, 0, sizeof(*free_slot));
	free_slot->used = true;
	w.nr_msgs++;
	free_slot->to = !from->n;
	free_slot->stream = stream;
	free_slot->due = due;
	free_slot->order = ++w.next_order;
	free_slot->session_id = from->s.id;
	wire_msg_encode(m, &free_slot->h);
	if (data)
		memcpy(free_slot->data, data, m->payload_bytes / 512 * sizeof(*data));
}

void net_tell(struct node *from, u8 type, u16 status, u64 arg)
{
	struct wire_msg m = {
		.type = type, .status = status, .sector = arg, .epoch = from->s.epoch,
	};

	net_send(from, 0, &m, NULL);
}

/* Nothing of the session arrives any more, and both will notice. */
void net_break(void)
{
	int i;

	for (i = 0; i < MAX_MSGS; i++)
		w.msg[i].used = false;
	w.nr_msgs = 0;
	for (i = 0; i < 2; i++)
		if (w.node[i].alive && w.node[i].s.id && !w.node[i].s.lost_at)
			w.node[i].s.lost_at = w.now + 1 + roll(80);
	daemon_reset();
}

static void acknowledge(struct node *nd, int stream, const struct wire_msg *req)
{
	struct wire_msg ack = {
		.type = LOCKSTEP_WT_ACK, .slot = req->slot, .slot_gen = req->slot_gen,
		.epoch = req->epoch,
	};

	net_send(nd, stream, &ack, NULL);
}

static void take_write(struct node *nd, const struct message *m, const struct wire_msg *msg)
{
	bool flush = msg->type == LOCKSTEP_WT_FLUSH;
	struct op *op = disk_submit(&nd->disk, flush ? OP_FLUSH : OP_WRITE, w.now + 1 + roll(10));

	op->first = (u32)msg->sector;
	op->nr = msg->payload_bytes / 512;
	op->fua = msg->flags & LOCKSTEP_WH_FUA;
	op->msg = *msg;
	op->stream = m->stream;
	memcpy(op->data, m->data, op->nr * sizeof(op->data[0]));
	if (MUTATED(ACK_BEFORE_DISK))
		acknowledge(nd, m->stream, msg);
}

/* A write of the peer is on our disk. */
void net_op_done(struct node *nd, struct op *op)
{
	if (op->msg.type && nd->s.id && !MUTATED(ACK_BEFORE_DISK))
		acknowledge(nd, op->stream, &op->msg);
}

static void take_sync_done(struct node *nd, u64 gen)
{
	if (nd->st.sync != STATE_SYNC_TARGET)
		return;
	nd->s.peer_gen = gen;
	node_step(nd, STATE_EV_SYNC_DONE, 0);
}

static void dispatch(struct node *nd, const struct message *m, const struct wire_msg *msg)
{
	switch (msg->type) {
	case LOCKSTEP_WT_WRITE:
	case LOCKSTEP_WT_FLUSH:
		CHECK(nd->st.role == LOCKSTEP_ROLE_SECONDARY || msg->type == LOCKSTEP_WT_FLUSH,
		      "P7: node %d is primary and is written to", nd->n);
		take_write(nd, m, msg);
		break;
	case LOCKSTEP_WT_ACK:
		io_ack(nd, msg, m->stream);
		break;
	case LOCKSTEP_WT_ROLE_ASK:
		node_step(nd, STATE_EV_PEER_ASKS, 0);
		break;
	case LOCKSTEP_WT_ROLE_ANSWER:
		node_step(nd, msg->status ? STATE_EV_DENIED : STATE_EV_GRANTED, 0);
		break;
	case LOCKSTEP_WT_ROLE_TELL:
		CHECK(node_step(nd, STATE_EV_PEER_ROLE, (u32)msg->sector) || !nd->alive ||
		      w.mutation, "node %d was told an impossible role", nd->n);
		break;
	case LOCKSTEP_WT_SYNC_DONE:
		take_sync_done(nd, msg->sector);
		break;
	case LOCKSTEP_WT_SYNC_DONE_OK:
		if (nd->st.sync == STATE_SYNC_SOURCE)
			node_step(nd, STATE_EV_SYNC_DONE, 0);
		break;
	}
}

void net_deliver(struct message *m)
{
	struct node *nd = &w.node[m->to];
	struct message copy = *m;
	struct wire_msg msg;

	/* Not started here yet: the stream waits. */
	if (nd->alive && nd->s.id == m->session_id && nd->st.link == LOCKSTEP_LINK_OPENING) {
		m->due = w.now + 2;
		return;
	}
	m->used = false;
	w.nr_msgs--;
	if (!nd->alive || nd->s.id != copy.session_id || nd->s.lost_at ||
	    nd->st.link != LOCKSTEP_LINK_UP)
		return;
	CHECK(wire_msg_decode(&copy.h, &msg) == WIRE_OK, "message does not decode");
	if (w.failed || msg.epoch < nd->m.epoch)
		return;
	trace("%d <- %s sect %llu/%u id %u slot %u", nd->n, wire_type_name(msg.type),
	      (unsigned long long)msg.sector, msg.size_bytes / 512, copy.data[0], msg.slot);
	dispatch(nd, &copy, &msg);
}
