/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What only this host has in a split brain, into files: before it is thrown away. Of each volume a
 * sparse image of exactly the blocks that are marked here (and, after a crash, of the regions whose
 * marks may be missing), each at its place on the device; and beside it a list of them as text:
 *
 *   # lockstep changes 1
 *   # resource r0, volume 0, node alice
 *   # generation 0123456789abcdef, since 0123456789abcdef
 *   # device 1073741824 bytes, saved at 1930000000 (seconds since 1970)
 *   40960 8192                       (offset and length in bytes, ascending)
 *
 * `path` and path.map with one volume, path.N and path.N.map with several. Nothing that exists is
 * overwritten; on failure nothing is left; on return all of it is stable. Read around the page
 * cache: the kernel module writes below it.
 */
#ifndef LOCKSTEP_SAVE_H
#define LOCKSTEP_SAVE_H

#include "err.h"
#include "model.h"

int save_changes(const struct model_resource *r, const char *path, struct err *e);

struct save_range {
	u64 first, count;	/* blocks of the bitmap */
};

/* Is it known what of `v` only this host has? */
int save_check(const struct model_volume *v, struct err *e);

/* Sorted, and what overlaps or touches is one. Returns how many are left. */
size_t save_union(struct save_range *range, size_t nr);

#endif /* LOCKSTEP_SAVE_H */
