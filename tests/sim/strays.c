// SPDX-License-Identifier: GPL-2.0
/*
 * Requests of the peer, and writes of our own resync, that are still at our disk when their session
 * is over [S9]. Whether they get there is nobody's business any more; but what the next session, or
 * an application here, writes must not be overwritten by them (P6).
 */
#include "sim.h"

bool strays_any(const struct node *nd)
{
	u32 i;

	for (i = 0; i < nd->disk.op_end; i++) {
		const struct op *op = &nd->disk.op[i];

		if (op->type != OP_NONE && op->stray && !op->gone &&
		    (op->owner == OWN_PEER || !MUTATED(COPIES_OUTLIVE)))
			return true;
	}
	return false;
}

/* [S9] */
void strays_tell(struct node *nd)
{
	bool strays = strays_any(nd);

	if (!nd->dying && nd->st.strays != strays && !MUTATED(NO_DRAIN))
		node_step(nd, STATE_EV_STRAYS, strays);
}

static void stray(struct op *op)
{
	op->stray = true;
	if (!w.quiet)
		op->due += roll(op->owner == OWN_REQUEST ? 800 : 200);
	w.stat[STAT_STRAYS]++;
}

/* Of a resync, to our own disk. */
static bool is_own_copy(const struct op *op)
{
	return op->owner == OWN_REQUEST && op->req->kind == REQ_COPY;
}

/*
 * What the peer had sent is waited for a moment at the end of its session. A disk that takes longer
 * has it still; one that was given up, for all that anybody cares.
 */
void strays_leave(struct node *nd)
{
	u32 i;

	for (i = 0; i < nd->disk.op_end && !nd->dying; i++) {
		struct op *op = &nd->disk.op[i];

		if (op->type == OP_WRITE && is_own_copy(op))
			stray(op);
		if (op->type == OP_NONE || op->owner != OWN_PEER || op->stray)
			continue;
		if (nd->failed) {
			op->gone = true;
		} else if (roll(3) == 0 && !w.quiet) {
			stray(op);
		} else {
			if (!op->waits && !disk_complete(&nd->disk, op) && op->type == OP_FLUSH)
				node_flush_failed(nd, true);
			disk_retire(&nd->disk, op);
		}
	}
}

/* Of a session that is over: nobody hears of it, and nothing may have come after it. */
void strays_done(struct node *nd, const struct op *op, bool ok)
{
	CHECK(op->type == OP_FLUSH || (nd->st.role != LOCKSTEP_ROLE_PRIMARY && !nd->s.id),
	      "P6: a write of session %llu reaches the disk of node %d in session %llu, role %s",
	      (unsigned long long)op->session_id, nd->n, (unsigned long long)nd->s.id,
	      state_role_name(nd->st.role));
	if (!ok)
		diskfail_post(nd);
}
