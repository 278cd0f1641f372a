// SPDX-License-Identifier: GPL-2.0
#include "metafile.h"

#include <stdlib.h>

#include "device.h"

static int places(const struct device *d, bool external, u64 sect[2])
{
	struct meta_layout l;
	enum meta_err err;

	/* Where the copies lie depends on the metadata device alone: any data device will do. */
	if (external)
		err = meta_layout(LOCKSTEP_MIN_DATA_SECT, d->sect, &l);
	else
		err = meta_layout(d->sect, 0, &l);
	if (err == META_OK)
		memcpy(sect, l.sb_sect, sizeof(l.sb_sect));
	return err == META_OK ? 0 : -ENOSPC;
}

static void read_copy(const struct device *d, struct metafile_copy *c, u8 *block)
{
	c->io_err = device_read(d, c->sect, block);
	if (!c->io_err)
		c->err = meta_decode(block, &c->meta, &c->detail);
}

void metafile_read(const struct device *d, bool external, u64 data_sect, struct metafile *ret)
{
	u8 block[2][LOCKSTEP_SB_BYTES];
	struct meta meta;
	u64 sect[2];

	memset(ret, 0, sizeof(*ret));
	ret->path = d->path;
	ret->external = external;
	ret->picked = -1;
	ret->err = META_TOO_SMALL;
	if (places(d, external, sect)) {
		ret->copy[0].io_err = ret->copy[1].io_err = -ENXIO;
		return;
	}
	for (int i = 0; i < 2; i++) {
		ret->copy[i].sect = sect[i];
		read_copy(d, &ret->copy[i], block[i]);
	}
	ret->picked =
		meta_pick(ret->copy[0].io_err ? NULL : block[0],
			  ret->copy[1].io_err ? NULL : block[1], &meta, &ret->err, &ret->detail);
	if (ret->picked < 0)
		return;
	if (!external)
		ret->fits = meta_check_device(&meta, d->sect, 0);
	else if (data_sect)
		ret->fits = meta_check_device(&meta, data_sect, d->sect);
}

bool metafile_is_ours(const struct metafile *f)
{
	for (int i = 0; i < 2; i++)
		if (!f->copy[i].io_err && f->copy[i].err != META_NO_MAGIC)
			return true;
	return false;
}

int metafile_create(const struct device *d, const u64 sb_sect[2], const struct meta *m,
		    struct err *e)
{
	u8 block[LOCKSTEP_SB_BYTES], back[LOCKSTEP_SB_BYTES];
	struct meta copy = *m;

	for (int i = 0; i < 2; i++) {
		int err;

		copy.sequence = (u64)i + 1;
		meta_encode(&copy, block);
		err = device_write(d, sb_sect[i], block);
		if (!err)
			err = device_sync(d);
		if (!err)
			err = device_read(d, sb_sect[i], back);
		if (!err && memcmp(block, back, sizeof(block)))
			err = -EIO;
		if (err) {
			err_set(e, err, "meta-write", "writing the metadata to %s failed: %s",
				d->path, strerror(-err));
			err_means(e, "The disk is not usable as it is");
			err_mend(e, "dmesg | tail");
			return err;
		}
	}
	return 0;
}
