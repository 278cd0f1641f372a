// SPDX-License-Identifier: GPL-2.0
/*
 * The resync: block by block under its range; after a crash the peer's checksum is asked for first
 * and only what differs is sent. At the end both flush, then the target is told.
 */
#include "sim.h"

static u64 block_bit(u32 block)
{
	return (u64)(block / PAGE_BLOCKS) * OOSMAP_PAGE_BITS + block % PAGE_BLOCKS;
}

static bool is_source(const struct node *nd)
{
	return nd->st.sync == STATE_SYNC_SOURCE && !nd->s.lost_at;
}

/* [R4] Before the mark is cleared. */
static void note_region(struct node *nd, const struct request *r)
{
	if (!MUTATED(RESYNC_NOT_NOTED))
		regions_note(&nd->regions, r->first / REGION_SECT);
}

void sync_start(struct node *nd, struct request *r)
{
	if (!is_source(nd)) {
		io_leave(nd, r);
		return;
	}
	r->state = REQ_RUNNING;
	r->local_done = true;
	if (r->kind == REQ_COPY) {
		/* An application's write may have settled it while we waited for the range. */
		if (!(nd->marks & blocks_of(r->first, r->nr))) {
			io_leave(nd, r);
			return;
		}
		note_region(nd, r);
		if (MUTATED(CLEAR_BEFORE_ACK))
			node_clear(nd, r->first, r->nr);
	}
	io_call_peer(nd, r);
}

void sync_answer(struct node *nd, struct request *r, const u32 *peers)
{
	r->compared = true;
	w.stat[STAT_COMPARED]++;
	if (memcmp(peers, &nd->disk.view[r->first], r->nr * sizeof(*peers))) {
		w.stat[STAT_COPIED]++;
		io_call_peer(nd, r);
		return;
	}
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
		node_point(nd);
		if (nd->dying)
			return;
		disk_flush(&nd->disk, false);
		net_tell(nd, LOCKSTEP_WT_SYNC_DONE, 0, nd->m.current_gen.id);
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

	if (!is_source(nd) || !nd->s.sync_started || nd->s.sync_told || nd->dying)
		return;
	if (told_early) {
		nd->s.sync_told = true;
		net_tell(nd, LOCKSTEP_WT_SYNC_DONE, 0, nd->m.current_gen.id);
	} else if (nd->marks) {
		nd->sync_flush = FL_NONE;
		copy_next(nd);
	} else if (!is_copying(nd) || nd->sync_flush == FL_RUNNING) {
		finish_sync(nd);
	}
}
