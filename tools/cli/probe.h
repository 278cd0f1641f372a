/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a disk holds, by libblkid: file systems, partition tables, LVM, md, encryption, swap.
 */
#ifndef LOCKSTEP_PROBE_H
#define LOCKSTEP_PROBE_H

#include "os.h"
#include "err.h"

struct device;

enum probe_kind {
	PROBE_EMPTY,		/* nothing that is known */
	PROBE_CONTENT,		/* file system, swap, encrypted volume */
	PROBE_MEMBER,		/* of LVM, md, ... */
	PROBE_TABLE,		/* partition table */
};

/*
 * *ret_text: everything that was found, "an ext4 file system (label data), a gpt partition table".
 */
int probe_device(const struct device *d, enum probe_kind *ret, char *ret_text, size_t size,
		 struct err *e);

#endif /* LOCKSTEP_PROBE_H */
