// SPDX-License-Identifier: GPL-2.0
/*
 * A disk with a volatile cache: a crash keeps any subset of what was not flushed, cell by cell.
 * Metadata on the same device shares the cache, on another it has its own. A disk that has gone bad
 * fails everything; of the data of a failed write any part may be there all the same.
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

void disk_flush(struct disk *d, bool meta)
{
	if (!meta || !d->external)
		flush_data(d);
	if ((meta || !d->external) && d->meta_cached) {
		memcpy(&d->stable[CELL_MAP], &d->view[CELL_MAP],
		       (NR_CELLS - CELL_MAP) * sizeof(u32));
		d->meta_cached = false;
	}
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

/* What it lost it does not know either: cell by cell. */
static void lose(struct disk *d)
{
	u32 i, was;

	for (i = 0; i < NR_SECT; i++) {
		if (d->view[i] == d->stable[i] || roll(2))
			continue;
		trace("%d loses %u at %u", d == &w.node[1].disk, d->view[i], i);
		was = d->view[i];
		d->view[i] = d->stable[i];
		check_lost(d, i, was);
	}
	for (i = 0; i < NR_BLOCKS; i++)
		note(d, 1u << i);
}

bool disk_flush_fails(struct disk *d)
{
	if (!disk_fails(d, BAD_DATA) && !(d->bad & BAD_FLUSH && roll(2)))
		return false;
	if (w.flushes_fail && d->cached && roll(2))
		lose(d);
	return true;
}

void disk_retire(struct disk *d, struct op *op)
{
	op->type = OP_NONE;
	d->nr_ops--;
	while (d->op_end && d->op[d->op_end - 1].type == OP_NONE)
		d->op_end--;
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

void disk_apply(struct disk *d, struct op *op)
{
	if (op->type == OP_FLUSH)
		disk_flush(d, false);
	else
		disk_write(d, op->first, op->nr, op->data, op->fua);
}

bool disk_fails(const struct disk *d, u8 part)
{
	return d->bad & (d->external ? part : BAD_DATA | BAD_META);
}

bool disk_complete(struct disk *d, struct op *op)
{
	u32 i;

	if (op->type == OP_FLUSH && disk_flush_fails(d))
		return false;
	if (op->type == OP_FLUSH || !disk_fails(d, op->owner < OWN_MAP ? BAD_DATA : BAD_META)) {
		disk_apply(d, op);
		return true;
	}
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
}
