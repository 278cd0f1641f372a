// SPDX-License-Identifier: GPL-2.0
/*
 * The maps on disk, as the module keeps them: the region map by group commit, urgent while somebody
 * waits for it; the bitmap and the clearing of regions in passes, by the steps of core/persist.
 */
#include <errno.h>
#include "sim.h"

/*
 * ---- writes that somebody waits for -------------------------------------------------------------
 */

/* FUA. False: the node died over it; any of the cells may be old or new. */
static bool store_cells(struct node *nd, u32 first, u32 nr, const u32 *cell)
{
	u32 i;

	node_point(nd);
	if (nd->dying)
		return false;
	if (disk_fails(&nd->disk, BAD_META)) {
		diskfail_post(nd);
		return false;
	}
	node_point(nd);
	if (nd->dying) {
		for (i = 0; i < nr; i++)
			if (roll(2))
				disk_write(&nd->disk, first + i, 1, cell + i, true);
		return false;
	}
	disk_write(&nd->disk, first, nr, cell, true);
	node_point(nd);
	return !nd->dying;
}

/* Whatever is being written arrives now. */
static void drain(struct node *nd)
{
	u32 i, again;

	do {
		for (i = again = 0; i < nd->disk.op_end && !nd->dying; i++) {
			struct op op = nd->disk.op[i];

			if (op.type == OP_NONE || op.owner < OWN_MAP || op.gone)
				continue;
			disk_retire(&nd->disk, &nd->disk.op[i]);
			maps_op_done(nd, &op, disk_complete(&nd->disk, &op));
			again = 1;
		}
	} while (again && !nd->dying);
}

/* What was picked goes on as it was. */
static void forget_pass(struct node *nd)
{
	u32 cursor = 0;

	regions_finish(&nd->regions, &cursor, REGIONS_CLEAR_NONE);
	nd->pass.p.step = PERSIST_DONE;
}

static u8 index_of(u32 marks, u32 page)
{
	u32 all = page_blocks(page);

	return !(marks & all) ? INDEX_EMPTY : (marks & all) == all ? INDEX_FULL : INDEX_STORED;
}

u32 maps_marks(const struct node *nd)
{
	u32 p, marks = 0;

	for (p = 0; p < NR_PAGES; p++) {
		if (nd->disk_index[p] == INDEX_FULL)
			marks |= page_blocks(p);
		else if (nd->disk_index[p] == INDEX_STORED)
			marks |= nd->disk_bits & page_blocks(p);
	}
	return marks;
}

static bool store_index(struct node *nd, u8 all)
{
	u32 cell[NR_PAGES], p;

	for (p = 0; p < NR_PAGES; p++)
		cell[p] = all;
	if (!store_cells(nd, CELL_INDEX, NR_PAGES, cell))
		return false;
	memset(nd->disk_index, all, sizeof(nd->disk_index));
	return true;
}

/* A full verdict, before READY: from then on only our marks know what the other side lacks. */
bool maps_fill(struct node *nd)
{
	drain(nd);
	while (oosmap_fill(&nd->map))
		;
	nd->marks = ALL_BLOCKS;
	return MUTATED(FULL_NOT_DURABLE) || store_index(nd, INDEX_FULL);
}

/* The end of a resync at the target: both copies have flushed, and are the same. */
bool maps_empty(struct node *nd)
{
	static const u32 none[NR_REGIONS];

	drain(nd);
	forget_pass(nd);
	if (!store_index(nd, INDEX_EMPTY) || !store_cells(nd, CELL_MAP, NR_REGIONS, none))
		return false;
	memset(nd->region_words, 0, sizeof(nd->region_words));
	memset(&nd->region_block, 0, sizeof(nd->region_block));
	regions_init(&nd->regions, nd->region_words, &nd->region_block, NR_REGIONS);
	regions_session_begins(&nd->regions);
	node_clear_all(nd);
	return true;
}

static bool store_marks(struct node *nd)
{
	u32 cell[NR_BLOCKS], i, marks;

	marks = nd->marks;
	for (i = 0; i < NR_BLOCKS; i++)
		cell[i] = marks >> i & 1;
	if (!store_cells(nd, CELL_BITS, NR_BLOCKS, cell))
		return false;
	nd->disk_bits = marks;
	for (i = 0; i < NR_PAGES; i++)
		cell[i] = index_of(marks, i);
	if (!store_cells(nd, CELL_INDEX, NR_PAGES, cell))
		return false;
	for (i = 0; i < NR_PAGES; i++)
		nd->disk_index[i] = (u8)cell[i];
	return true;
}

/*
 * The same for one who copied by itself and goes on writing: its regions stay, and so does what was
 * marked for a write that failed since there was nothing left to copy.
 */
bool maps_end_pull(struct node *nd)
{
	drain(nd);
	forget_pass(nd);
	return store_marks(nd);
}

/* Orderly end: first the map, then the bitmap. */
bool maps_close(struct node *nd)
{
	u32 cell[NR_REGIONS], i;

	drain(nd);
	forget_pass(nd);
	for (i = 0; i < NR_REGIONS; i++)
		cell[i] = regions_is_dirty(&nd->regions, i);
	if (!store_cells(nd, CELL_MAP, NR_REGIONS, cell))
		return false;
	if (MUTATED(CLOSE_WITHOUT_MARKS))
		return true;
	return store_marks(nd);
}

/* First attach: what happens to be there means nothing. */
void maps_format(struct node *nd)
{
	static const u32 none[NR_REGIONS + NR_PAGES];

	store_cells(nd, CELL_MAP, NR_REGIONS + NR_PAGES, none);
}

static void load_page(struct node *nd, u32 page)
{
	u32 index = nd->disk.view[CELL_INDEX + page], i;

	nd->disk_index[page] = (u8)index;
	/* One that cannot be read is all marked. */
	if (index == INDEX_FULL || (index == INDEX_STORED && roll(50) == 0))
		node_mark_page(nd, page);
	for (i = page * PAGE_BLOCKS; index == INDEX_STORED && i < (page + 1) * PAGE_BLOCKS; i++)
		if (nd->disk.view[CELL_BITS + i])
			node_mark_blocks(nd, 1u << i);
}

void maps_load(struct node *nd)
{
	u32 r, p;

	memset(nd->region_words, 0, sizeof(nd->region_words));
	memset(&nd->region_block, 0, sizeof(nd->region_block));
	regions_init(&nd->regions, nd->region_words, &nd->region_block, NR_REGIONS);
	memset(nd->map_buf, 0, sizeof(nd->map_buf));
	for (r = 0; r < NR_REGIONS; r++)
		nd->map_buf[0] |= (u8)(nd->disk.view[CELL_MAP + r] << r);
	if (!MUTATED(MAPS_LOST_IN_CRASH) || !(nd->m.flags & LOCKSTEP_MF_ATTACHED))
		regions_load(&nd->regions, 0, nd->map_buf);
	nd->map_writing = false;
	memset(&nd->pass, 0, sizeof(nd->pass));
	nd->pass.p.step = PERSIST_DONE;
	nd->pass.next = w.now + 1 + roll(100);
	oosmap_init(&nd->map, nd->page, (NR_PAGES - 1) * OOSMAP_PAGE_BITS + PAGE_BLOCKS);
	nd->marks = 0;
	nd->disk_bits = 0;
	for (p = 0; p < NR_BLOCKS; p++)
		nd->disk_bits |= nd->disk.view[CELL_BITS + p] << p;
	for (p = 0; p < NR_PAGES; p++)
		load_page(nd, p);
}

/*
 * ---- the region map -----------------------------------------------------------------------------
 */

void maps_kick_map(struct node *nd, bool urgent)
{
	struct op *op;
	u32 i;

	if (nd->map_writing || nd->dying || nd->failed ||
	    regions_map_next(&nd->regions, 0, urgent, nd->map_buf) == nd->regions.nr_blocks)
		return;
	nd->map_writing = true;
	op = io_op(nd, OP_WRITE, OWN_MAP);
	op->fua = true;
	op->first = CELL_MAP;
	op->nr = NR_REGIONS;
	for (i = 0; i < NR_REGIONS; i++)
		op->data[i] = nd->map_buf[0] >> i & 1;
	if (MUTATED(MARK_NOT_DURABLE))
		regions_map_done(&nd->regions, 0, nd->map_buf, true);
}

static void advance(struct node *nd, int result);

static void map_done(struct node *nd, bool ok)
{
	bool waited_for = nd->pass.map == MAP_WRITTEN;

	nd->map_writing = false;
	regions_map_done(&nd->regions, 0, nd->map_buf, ok);
	if (ok) {
		io_region_durable(nd);
		net_region_durable(nd, false);
	} else {
		diskfail_post(nd);
	}
	if (nd->pass.map == MAP_WAITS)
		maps_kick_map(nd, false);
	if (nd->pass.map == MAP_WAITS)
		nd->pass.map = nd->map_writing ? MAP_WRITTEN : MAP_IDLE;
	if (waited_for)
		nd->pass.map = MAP_IDLE;
	if (nd->pass.p.step == PERSIST_MAP && nd->pass.map == MAP_IDLE)
		advance(nd, ok ? 0 : -EIO);
	if (ok)
		maps_kick_map(nd, true);
}

/*
 * ---- the steps of a pass ------------------------------------------------------------------------
 *
 * Each returns whether it is finished; if not, the end of an operation goes on.
 */

static bool is_up(const struct node *nd)
{
	return nd->st.link == LOCKSTEP_LINK_UP && !nd->s.lost_at;
}

static void pick(struct node *nd)
{
	u32 out[NR_REGIONS + 64], cursor = 0, nr, i;

	nr = regions_pick(&nd->regions, &cursor, out, ARRAY_SIZE(out));
	for (i = 0; i < nr; i++)
		if (io_is_in_region(nd, out[i]) && !MUTATED(CLEAR_IN_FLIGHT))
			regions_keep(&nd->regions, out[i]);
}

static void snapshot(struct node *nd)
{
	u32 i;

	nd->pass.marks = nd->marks;
	for (i = 0; i < NR_PAGES; i++)
		nd->pass.index[i] = index_of(nd->marks, i);
}

/* Whatever is on its way first, then what is wanted now. */
static bool write_map(struct node *nd)
{
	if (MUTATED(PAGES_BEFORE_MAP) && !nd->pass.p.outside)
		return true;
	if (nd->map_writing) {
		nd->pass.map = MAP_WAITS;
		return false;
	}
	maps_kick_map(nd, false);
	nd->pass.map = nd->map_writing ? MAP_WRITTEN : MAP_IDLE;
	return !nd->map_writing;
}

static bool is_page_to_be_written(const struct node *nd, u32 p)
{
	return nd->pass.index[p] == INDEX_STORED &&
	       (nd->disk_index[p] != INDEX_STORED || MUTATED(INDEX_BEFORE_PAGE) ||
		(nd->disk_bits ^ nd->pass.marks) & page_blocks(p));
}

static bool write_pages(struct node *nd)
{
	struct op *op;
	u32 p, i;

	nd->pass.pending = 0;
	for (p = 0; p < NR_PAGES; p++) {
		if (!is_page_to_be_written(nd, p))
			continue;
		op = io_op(nd, OP_WRITE, OWN_PAGE);
		op->fua = true;
		op->first = CELL_BITS + p * PAGE_BLOCKS;
		op->nr = PAGE_BLOCKS;
		for (i = 0; i < PAGE_BLOCKS; i++)
			op->data[i] = nd->pass.marks >> (p * PAGE_BLOCKS + i) & 1;
		nd->pass.pending++;
	}
	return !nd->pass.pending;
}

static bool write_index(struct node *nd)
{
	struct op *op;
	u32 p;

	if (!memcmp(nd->pass.index, nd->disk_index, sizeof(nd->disk_index)))
		return true;
	op = io_op(nd, OP_WRITE, OWN_INDEX);
	op->fua = true;
	op->first = CELL_INDEX;
	op->nr = NR_PAGES;
	for (p = 0; p < NR_PAGES; p++)
		op->data[p] = nd->pass.index[p];
	return false;
}

static bool store_pages(struct node *nd)
{
	if (MUTATED(BITS_NO_SNAPSHOT))
		snapshot(nd);
	check_unmarked(nd, maps_marks(nd) & ~nd->pass.marks);
	return MUTATED(INDEX_BEFORE_PAGE) ? write_index(nd) : write_pages(nd);
}

static bool flush(struct node *nd, int *result)
{
	*result = -ENOTCONN;
	if (MUTATED(CLEAR_BEFORE_FLUSH) && is_up(nd)) {
		*result = 0;
		return true;
	}
	if (!is_up(nd))
		return true;
	if (io_flush_pass(nd, !MUTATED(CLEAR_PEER_FLUSH), !MUTATED(CLEAR_OUR_FLUSH)))
		return false;
	*result = -EIO;
	return true;
}

static void finish(struct node *nd)
{
	enum regions_clear clear = nd->pass.p.clear;
	u32 cursor = 0;

	if (MUTATED(CLEAR_PINNED) && clear == REGIONS_CLEAR_UNPINNED)
		clear = REGIONS_CLEAR_ALL;
	regions_finish(&nd->regions, &cursor, clear);
	trace("%d ends a pass, clears %s: marks on disk %06x, regions %06x", nd->n,
	      clear == REGIONS_CLEAR_ALL ? "all" : clear ? "unpinned" : "none",
	      maps_marks(nd), node_regions_wanted(nd));
	w.stat[STAT_PASSES]++;
}

static bool run_step(struct node *nd, int *result)
{
	*result = 0;
	switch (nd->pass.p.step) {
	case PERSIST_PICK:
		pick(nd);
		return true;
	case PERSIST_SNAPSHOT:
		snapshot(nd);
		*result = nd->pass.marks != maps_marks(nd) && !MUTATED(CLEAR_WITHOUT_MARKS);
		return true;
	case PERSIST_MAP:
		return write_map(nd);
	case PERSIST_PAGES:
		return store_pages(nd);
	case PERSIST_INDEX:
		return MUTATED(INDEX_BEFORE_PAGE) ? write_pages(nd) : write_index(nd);
	case PERSIST_FLUSH:
		return flush(nd, result);
	case PERSIST_FINISH:
		finish(nd);
		return true;
	default:
		return true;
	}
}

/* The step under way is finished, so: on to the next that takes its time. */
static void advance(struct node *nd, int result)
{
	do {
		persist_next(&nd->pass.p, &nd->regions, result);
	} while (nd->pass.p.step != PERSIST_DONE && !nd->dying && run_step(nd, &result));
}

void maps_flushed(struct node *nd, int result)
{
	/* One before it has failed, and what that was for is nowhere now. */
	if (flush_errors_in_doubt(&nd->errors) && !MUTATED(CLEAR_AFTER_FAILED))
		result = -EIO;
	if (nd->pass.p.step == PERSIST_FLUSH)
		advance(nd, result);
}

void maps_session_ended(struct node *nd)
{
	if (nd->pass.p.step == PERSIST_FLUSH)
		advance(nd, -ENOTCONN);
}

/* Regions have become marks: a pass that took its snapshot before has not saved these. */
void maps_converted(struct node *nd)
{
	u32 cursor = 0;

	regions_finish(&nd->regions, &cursor, REGIONS_CLEAR_NONE);
}

static bool is_dirty(const struct node *nd)
{
	return nd->regions.nr_want || nd->region_block.dirty || nd->marks != maps_marks(nd);
}

void maps_advance(struct node *nd)
{
	struct pass *p = &nd->pass;
	int result;

	if (p->p.step != PERSIST_DONE || w.now < p->next || nd->failed || !is_dirty(nd))
		return;
	p->next = w.now + 1 + roll(roll(2) ? 12 : 120);
	persist_begin(&p->p, PERSIST_PASS, &nd->regions);
	if (run_step(nd, &result))
		advance(nd, result);
}

/* The disk is given up, and what it says with it. */
void maps_gone(struct node *nd)
{
	forget_pass(nd);
	nd->map_writing = false;
	nd->pass.map = MAP_IDLE;
}

void maps_op_done(struct node *nd, struct op *op, bool ok)
{
	u32 i;

	if (op->owner == OWN_MAP) {
		map_done(nd, ok);
		return;
	}
	nd->pass.bad |= !ok;
	switch (op->owner) {
	case OWN_PAGE:
		for (i = 0; ok && i < op->nr; i++) {
			nd->disk_bits &= ~(1u << (op->first - CELL_BITS + i));
			nd->disk_bits |= op->data[i] << (op->first - CELL_BITS + i);
		}
		if (--nd->pass.pending)
			return;
		break;
	case OWN_INDEX:
		for (i = 0; ok && i < NR_PAGES; i++)
			nd->disk_index[i] = (u8)op->data[i];
		break;
	}
	ok = !nd->pass.bad;
	nd->pass.bad = false;
	if (!ok)
		diskfail_post(nd);
	if (nd->pass.p.step != PERSIST_DONE)
		advance(nd, ok ? 0 : -EIO);
}
