// SPDX-License-Identifier: GPL-2.0
/*
 * A disk with a volatile cache: a crash keeps any subset of what was not flushed, cell by cell.
 * Metadata on the same device shares the cache, on another it has its own. A disk that has gone bad
 * fails everything; of the data of a failed write any part may be there all the same. And a flush
 * may fail once: part of what was in the cache is lost, and the next one succeeds.
 */
#include "sim.h"

static void flush_data(struct disk *d)
{
	u32 left = d->cached;

	for (; left; left &= left - 1) {
		u32 first = (u32)__builtin_ctz(left) * LOCKSTEP_BIT_SECT;

		memcpy(&d->stable[first], &d->view[first], LOCKSTEP_BIT_SECT * sizeof(u32));
	}
	d->cached = 0;
}

static struct node *node_of(const struct disk *d)
{
	return &w.node[d == &w.node[1].disk];
}

static void lose_block(struct disk *d, u32 block)
{
	u32 first = block * LOCKSTEP_BIT_SECT, i;

	for (i = first; i < first + LOCKSTEP_BIT_SECT; i++) {
		if (d->view[i] != d->stable[i])
			d->had[i] = max(d->had[i], d->view[i]);
		d->view[i] = d->stable[i];
	}
	w.touched |= 1u << block;
}

/* Whoever runs on it is owed an error; not what it writes through another one. */
static void lose(struct disk *d)
{
	struct node *nd = node_of(d);
	u32 left, lost = 0;

	for (left = d->cached; left; left &= left - 1)
		if (roll(2))
			lost |= left & -left;
	trace("%d: a flush fails, blocks %06x of %06x are lost", nd->n, lost, d->cached);
	for (left = lost; left; left &= left - 1)
		lose_block(d, (u32)__builtin_ctz(left));
	d->cached &= ~lost;
	if (roll(2))
		flush_data(d);
	if (!lost || nd->failed)
		return;
	w.stat[STAT_LOST]++;
	d->lost = true;
	d->lost_steps = 0;
	d->lost_id = w.next_write;
	d->owed |= nd->rw && nd->st.copy == STATE_COPY_UP_TO_DATE;
}

/* Once: it has forgotten the next time. */
static bool flush_fails(struct disk *d)
{
	if (!d->flush_fails)
		return false;
	d->flush_fails = false;
	lose(d);
	return true;
}

bool disk_flush(struct disk *d, bool meta)
{
	if ((!meta || !d->external) && flush_fails(d)) {
		flusherr_note(&node_of(d)->flusherr);
		return false;
	}
	if (!meta || !d->external)
		flush_data(d);
	if ((meta || !d->external) && d->meta_cached) {
		memcpy(&d->stable[CELL_MAP], &d->view[CELL_MAP],
		       (NR_CELLS - CELL_MAP) * sizeof(u32));
		d->meta_cached = false;
	}
	return true;
}

void disk_retire(struct disk *d, struct op *op)
{
	op->type = OP_NONE;
	d->nr_ops--;
	while (d->op_end && d->op[d->op_end - 1].type == OP_NONE)
		d->op_end--;
}

static void note(struct disk *d, u32 blocks)
{
	u32 left;

	w.touched |= blocks;
	d->cached &= ~blocks;
	for (left = blocks; left; left &= left - 1) {
		u32 b = (u32)__builtin_ctz(left), first = b * LOCKSTEP_BIT_SECT;

		if (memcmp(&d->view[first], &d->stable[first], LOCKSTEP_BIT_SECT * sizeof(u32)))
			d->cached |= 1u << b;
	}
}

void disk_write(struct disk *d, u32 first, u32 nr, const u32 *data, bool fua)
{
	memcpy(&d->view[first], data, nr * sizeof(u32));
	if (fua)
		memcpy(&d->stable[first], data, nr * sizeof(u32));
	if (first >= CELL_MAP)
		d->meta_cached |= !fua;
	else
		note(d, blocks_of(first, nr));
}

bool disk_apply(struct disk *d, struct op *op)
{
	if (op->type == OP_FLUSH)
		return disk_flush(d, false);
	disk_write(d, op->first, op->nr, op->data, op->fua);
	return true;
}

bool disk_fails(const struct disk *d, u8 part)
{
	return d->external ? d->bad & part : d->bad != 0;
}

void disk_found(struct disk *d)
{
	d->lost = d->owed = false;
	memset(d->had, 0, sizeof(d->had));
}

/* FUA may be a flush behind the write. */
static bool fua_fails(struct disk *d, const struct op *op)
{
	return op->fua && (op->owner < OWN_MAP || !d->external) && flush_fails(d);
}

bool disk_complete(struct disk *d, struct op *op)
{
	u32 i;

	if (!disk_fails(d, op->owner < OWN_MAP ? BAD_DATA : BAD_META) && !fua_fails(d, op))
		return disk_apply(d, op);
	if (op->type == OP_FLUSH || op->fua)
		flusherr_note(&node_of(d)->flusherr);
	for (i = 0; op->type == OP_WRITE && op->owner < OWN_MAP && i < op->nr; i++)
		if (roll(4) == 0)
			disk_write(d, op->first + i, 1, &op->data[i], false);
	return false;
}

void disk_crash(struct disk *d)
{
	u64 mood = roll(3), i, k;

	/* What was on its way is there in part. */
	for (i = 0; i < d->op_end; i++) {
		struct op *op = &d->op[i];

		for (k = 0; op->type == OP_WRITE && !op->waits && k < op->nr; k++)
			if (roll(2))
				disk_write(d, op->first + (u32)k, 1, &op->data[k], false);
		op->type = OP_NONE;
	}
	d->nr_ops = d->op_end = 0;
	for (i = 0; i < NR_CELLS; i++) {
		if (d->view[i] == d->stable[i])
			continue;
		if (mood == 0 || (mood == 1 && roll(2)))
			d->view[i] = d->stable[i];
		d->stable[i] = d->view[i];
	}
	w.touched |= d->cached;
	d->cached = 0;
	d->meta_cached = false;
	disk_found(d);
}
