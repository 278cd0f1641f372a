// SPDX-License-Identifier: GPL-2.0
/*
 * A disk with a volatile cache: a crash keeps any subset of what was not flushed, sector by sector.
 */
#include "sim.h"

void disk_flush(struct disk *d)
{
	memcpy(d->stable, d->view, sizeof(d->stable));
}

struct op *disk_submit(struct disk *d, enum op_type type, u64 due)
{
	int i;

	for (i = 0; i < MAX_OPS; i++) {
		if (d->op[i].type == OP_NONE) {
			memset(&d->op[i], 0, sizeof(d->op[i]));
			d->op[i].type = type;
			d->op[i].due = due;
			d->nr_ops++;
			return &d->op[i];
		}
	}
	world_fail("simulator: too many disk operations");
	return &d->op[0];
}

void disk_retire(struct disk *d, struct op *op)
{
	op->type = OP_NONE;
	d->nr_ops--;
}

void disk_apply(struct disk *d, struct op *op)
{
	u32 i;

	if (op->type == OP_FLUSH) {
		disk_flush(d);
		return;
	}
	for (i = 0; i < op->nr; i++) {
		d->view[op->first + i] = op->data[i];
		if (op->fua)
			d->stable[op->first + i] = op->data[i];
	}
}

void disk_crash(struct disk *d, u64 *rng)
{
	u64 mood = *rng % 3, i, k;

	d->nr_ops = 0;
	/* What was on its way is there in part. */
	for (i = 0; i < MAX_OPS; i++) {
		struct op *op = &d->op[i];

		for (k = 0; op->type == OP_WRITE && k < op->nr; k++)
			if (roll(2))
				d->view[op->first + k] = op->data[k];
		op->type = OP_NONE;
	}
	for (i = 0; i < NR_SECT; i++) {
		if (mood == 0 || (mood == 1 && roll(2)))
			d->view[i] = d->stable[i];
		d->stable[i] = d->view[i];
	}
}

bool disk_is_idle(const struct disk *d)
{
	return !d->nr_ops;
}
