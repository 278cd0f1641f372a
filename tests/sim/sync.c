// SPDX-License-Identifier: GPL-2.0
/*
 * The resync: block by block under its range; after a crash the peer's checksum is asked for first
 * and only what differs is sent. At the end both flush, then the target is told. A primary that
 * works through the source copies by itself, from there (P9).
 */
#include "sim.h"

static u64 block_bit(u32 block)
{
	return (u64)(block / PAGE_BLOCKS) * OOSMAP_PAGE_BITS + block % PAGE_BLOCKS;
}

static bool is_pulling(const struct node *nd)
{
	return nd->st.sync == STATE_SYNC_TARGET && nd->st.role == LOCKSTEP_ROLE_PRIMARY &&
	       !nd->failed;
}

static bool is_copier(const struct node *nd)
{
	if (nd->s.lost_at)
		return false;
	return is_pulling(nd) || (nd->st.sync == STATE_SYNC_SOURCE &&
				  nd->s.peer_role != LOCKSTEP_ROLE_PRIMARY);
}

/* [R4] Before the mark is cleared. */
static void note_region(struct node *nd, const struct request *r)
{
	if (!MUTATED(RESYNC_NOT_NOTED))
		regions_note(&nd->regions, r->first / REGION_SECT);
}

void sync_start(struct node *nd, struct request *r)
{
	if (!is_copier(nd)) {
		io_leave(nd, r);
		return;
	}
	r->state = REQ_RUNNING;
	r->local_done = true;
	r->local = LOCAL_DONE;
	if (r->kind == REQ_COPY) {
		r->pull = is_pulling(nd);
		/* An application's write may have settled it while we waited for the range. */
		if (!(nd->marks & blocks_of(r->first, r->nr))) {
			io_leave(nd, r);
			return;
		}
		if (!r->pull)
			note_region(nd, r);
		if (MUTATED(CLEAR_BEFORE_ACK))
			node_clear(nd, r->first, r->nr);
	}
	io_call_peer(nd, r);
}

/* What the peer has goes to our disk; until then the block is marked. */
static void write_here(struct node *nd, struct request *r, const u32 *peers)
{
	struct op *op = io_op(nd, OP_WRITE, OWN_REQUEST);

	note_region(nd, r);
	r->both = r->peer_done = true;
	r->local_done = false;
	r->local = LOCAL_PENDING;
	op->first = r->first;
	op->nr = r->nr;
	op->req = r;
	memcpy(op->data, peers, r->nr * sizeof(*peers));
	w.stat[STAT_COPIED]++;
}

void sync_answer(struct node *nd, struct request *r, const u32 *peers)
{
	r->compared = true;
	w.stat[STAT_COMPARED]++;
	if (r->pull && (!nd->s.compare ||
			memcmp(peers, &nd->disk.view[r->first], r->nr * sizeof(*peers)))) {
		write_here(nd, r, peers);
		return;
	}
	if (memcmp(peers, &nd->disk.view[r->first], r->nr * sizeof(*peers))) {
		w.stat[STAT_COPIED]++;
		io_call_peer(nd, r);
		return;
	}
	note_region(nd, r);
	if (r->failures == nd->errors.failures)
		node_clear(nd, r->first, r->nr);
	io_leave(nd, r);
}

static struct request *free_request(struct node *nd)
{
	int i;

	for (i = REQ_RESYNC; i < REQ_PASS; i++)
		if (nd->req[i].state == REQ_FREE)
			return &nd->req[i];
	return NULL;
}

static bool is_copying(const struct node *nd)
{
	return nd->req[REQ_RESYNC].state != REQ_FREE || nd->req[REQ_RESYNC + 1].state != REQ_FREE;
}

static void copy_next(struct node *nd)
{
	struct request *r = free_request(nd);
	u64 first, next, from = block_bit((u32)roll(NR_BLOCKS));
	u32 block;

	if (!r)
		return;
	if (!oosmap_find(&nd->map, from, 1, NR_PAGES, &first, &next) ||
	    first % OOSMAP_PAGE_BITS >= PAGE_BLOCKS)
		oosmap_find(&nd->map, 0, 1, NR_PAGES, &first, &next);
	block = (u32)(first / OOSMAP_PAGE_BITS) * PAGE_BLOCKS + (u32)(first % OOSMAP_PAGE_BITS);
	memset(r, 0, offsetof(struct request, want));
	r->kind = REQ_COPY;
	r->first = block * LOCKSTEP_BIT_SECT;
	r->nr = LOCKSTEP_BIT_SECT;
	r->state = REQ_BLOCKED;
	if (MUTATED(NO_RANGES) ||
	    iorange_enter(&nd->bucket, &r->range, r->first, r->first + r->nr))
		io_start(nd, r);
}

/* What was copied is what the source has: no flush of it has failed since. */
static bool is_sure(const struct node *nd)
{
	return !flush_errors_in_doubt(&nd->errors);
}

static void tell_end(struct node *nd)
{
	if (is_pulling(nd))
		net_tell(nd, LOCKSTEP_WT_SYNC_PULLED, 0, 0);
	else
		net_tell(nd, LOCKSTEP_WT_SYNC_DONE, 0, nd->m.current_gen.id);
}

/* The peer has copied what our marks named, and both have flushed: on in the usual way. */
void sync_pulled(struct node *nd)
{
	if (nd->st.sync != STATE_SYNC_SOURCE || nd->s.peer_disk == LOCKSTEP_DISK_FAILED)
		return;
	if (!is_sure(nd)) {
		net_break();
		return;
	}
	nd->pulled = true;
	w.stat[STAT_PULLED]++;
	net_tell(nd, LOCKSTEP_WT_SYNC_DONE, 0, nd->m.current_gen.id);
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
		if (node_flush(nd) && is_sure(nd))
			tell_end(nd);
		else
			net_break();
		return;
	}
	r = free_request(nd);
	memset(r, 0, offsetof(struct request, want));
	r->kind = REQ_SYNC_FLUSH;
	nd->sync_flush = FL_RUNNING;
	io_start(nd, r);
}

void sync_advance(struct node *nd)
{
	bool told_early = MUTATED(SYNC_DONE_EARLY) && nd->marks && roll(10) == 0;

	if (!is_copier(nd) || !nd->s.sync_started || nd->s.sync_told || nd->dying)
		return;
	if (told_early) {
		nd->s.sync_told = true;
		tell_end(nd);
	} else if (nd->marks) {
		nd->sync_flush = FL_NONE;
		copy_next(nd);
	} else if (!is_copying(nd) || nd->sync_flush == FL_RUNNING) {
		finish_sync(nd);
	}
}
