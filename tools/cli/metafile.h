/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Both copies of a superblock as they lie on a device that nobody has attached: finding, reading,
 * writing. What the bytes mean is core's (kernel/core/meta.h).
 */
#ifndef LOCKSTEP_METAFILE_H
#define LOCKSTEP_METAFILE_H

#include "os.h"
#include "err.h"
#include "meta.h"

struct device;

struct metafile_copy {
	u64 sect;
	int io_err;		/* negative errno: could not be read; the rest counts only when 0 */
	enum meta_err err;
	u32 detail;
	struct meta meta;	/* META_OK */
};

struct metafile {
	const char *path;	/* of the device with the metadata */
	bool external;
	struct metafile_copy copy[2];
	int picked;		/* the copy that counts, -1: none */
	enum meta_err err;	/* picked < 0: the more telling reason */
	u32 detail;
	enum meta_err fits;	/* picked >= 0: does it describe this device? */
};

/*
 * Read both. `data_sect`: size of the data device, for the check whether they belong together; 0:
 * unknown. META_TOO_SMALL in ret->err: the device has no room for them at all.
 */
void metafile_read(const struct device *d, bool external, u64 data_sect, struct metafile *ret);

/* Is there anything of ours, whole or damaged? */
bool metafile_is_ours(const struct metafile *f);

/*
 * Write both, one after the other, each stable before the next, so that a crash leaves either what
 * was there or a whole new copy; then read them back. Takes sequence 1 and 2.
 */
int metafile_create(const struct device *d, const u64 sb_sect[2], const struct meta *m,
		    struct err *e);

#endif /* LOCKSTEP_METAFILE_H */
