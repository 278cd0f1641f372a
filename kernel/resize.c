// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "lockstep: " fmt

#include "resize.h"

#include <linux/slab.h>
#include <linux/sched.h>
#include <linux/lockstep.h>
#include "bitmapio.h"
#include "diskfail.h"
#include "marks.h"
#include "metaio.h"
#include "resource.h"
#include "volsize.h"
#include "volume.h"

/* ---- moving the metadata -------------------------------------------------------------------- */

/*
 * The new place is written while the old one stays as it is, and becomes the truth with the first
 * superblock there: attaching looks at the present end first. Until then a crash leaves the old
 * set, afterwards the new one, and both say the same.
 */
struct move {
	struct lockstep_volume *vol;
	struct meta old, new;
	void *index;				/* the block of the index being moved */
	void *buf[LOCKSTEP_META_BATCH];
	u32 page[LOCKSTEP_META_BATCH];		/* of the bitmap, to be moved */
	u32 nr_pages;
};

static void move_free(struct move *m)
{
	int i;

	for (i = 0; i < LOCKSTEP_META_BATCH; i++)
		free_page((unsigned long)m->buf[i]);
	free_page((unsigned long)m->index);
	kfree(m);
}

static struct move *move_alloc(struct lockstep_volume *vol)
{
	struct move *m = kzalloc(sizeof(*m), GFP_KERNEL);
	bool ok;
	int i;

	if (!m)
		return NULL;
	m->vol = vol;
	m->old = vol->meta;
	m->index = (void *)get_zeroed_page(GFP_KERNEL);
	ok = m->index;
	for (i = 0; i < LOCKSTEP_META_BATCH; i++) {
		m->buf[i] = (void *)get_zeroed_page(GFP_KERNEL);
		ok &= !!m->buf[i];
	}
	if (ok)
		return m;
	move_free(m);
	return NULL;
}

/* Block `nr` of a map that has nr_old of them, zeroes beyond, to its new place. */
static int move_block(struct move *m, u64 from, u32 nr_old, u64 to, u32 nr, void *buf)
{
	u64 sect = from + (u64)nr * LOCKSTEP_BIT_SECT;
	int err = 0;

	if (nr < nr_old)
		err = lockstep_metaio_blocks(m->vol, false, 1, &sect, &buf, NULL);
	else
		memset(buf, 0, LOCKSTEP_SB_BYTES);
	sect = to + (u64)nr * LOCKSTEP_BIT_SECT;
	return err ?: lockstep_metaio_blocks(m->vol, true, 1, &sect, &buf, NULL);
}

static int move_regions(struct move *m)
{
	u32 i;
	int err = 0;

	for (i = 0; i < m->new.region_map_4k && !err; i++)
		err = move_block(m, m->old.region_map_sect, m->old.region_map_4k,
				 m->new.region_map_sect, i, m->buf[0]);
	return err;
}

/* A page that cannot be read counts as wholly marked, as it does at attach. */
static void index_set_full(struct move *m, u32 page)
{
	u8 *byte = (u8 *)m->index + page % LOCKSTEP_INDEX_PAGES / 4;
	unsigned int shift = 2 * (page % 4);

	*byte = (*byte & ~(3u << shift)) | LOCKSTEP_INDEX_FULL << shift;
}

static int move_pages(struct move *m)
{
	u64 sect[LOCKSTEP_META_BATCH];
	unsigned long failed = 0;
	u32 i, nr = m->nr_pages;

	m->nr_pages = 0;
	if (!nr)
		return 0;
	for (i = 0; i < nr; i++)
		sect[i] = m->old.bitmap_sect + (u64)m->page[i] * LOCKSTEP_BIT_SECT;
	lockstep_metaio_blocks(m->vol, false, nr, sect, m->buf, &failed);
	for (i = 0; i < nr; i++) {
		sect[i] = m->new.bitmap_sect + (u64)m->page[i] * LOCKSTEP_BIT_SECT;
		if (test_bit(i, &failed))
			index_set_full(m, m->page[i]);
	}
	return lockstep_metaio_blocks(m->vol, true, nr, sect, m->buf, NULL);
}

/* One block of the index, after the pages of the bitmap that it says count. */
static int move_index_block(struct move *m, u32 nr)
{
	u64 sect = m->old.index_sect + (u64)nr * LOCKSTEP_BIT_SECT;
	u32 first = nr * LOCKSTEP_INDEX_PAGES, i;
	const u8 *index = m->index;
	int err = 0;

	if (nr < m->old.index_4k)
		err = lockstep_metaio_blocks(m->vol, false, 1, &sect, &m->index, NULL);
	else
		memset(m->index, 0, LOCKSTEP_SB_BYTES);
	for (i = 0; i < LOCKSTEP_INDEX_PAGES && first + i < m->old.bitmap_4k && !err; i++) {
		if ((index[i / 4] >> 2 * (i % 4) & 3) != LOCKSTEP_INDEX_STORED)
			continue;
		m->page[m->nr_pages++] = first + i;
		if (m->nr_pages == LOCKSTEP_META_BATCH)
			err = move_pages(m);
		cond_resched();
	}
	err = err ?: move_pages(m);
	sect = m->new.index_sect + (u64)nr * LOCKSTEP_BIT_SECT;
	return err ?: lockstep_metaio_blocks(m->vol, true, 1, &sect, &m->index, NULL);
}

static int move_maps(struct move *m)
{
	const u32 maps = LOCKSTEP_MF_REGIONS_VALID | LOCKSTEP_MF_MARKS_VALID;
	int err;
	u32 i;

	/* Never attached: there is nothing in them yet. */
	if ((m->old.flags & maps) != maps)
		return 0;
	err = move_regions(m);
	for (i = 0; i < m->new.index_4k && !err; i++)
		err = move_index_block(m, i);
	return err;
}

/* A stale superblock must not be found should the disk ever be as small again. */
static void wipe_old(struct move *m, const u64 *sb_sect)
{
	int i;

	for (i = 0; i < 2; i++)
		memset(m->buf[i], 0, LOCKSTEP_SB_BYTES);
	if (lockstep_metaio_blocks(m->vol, true, 2, sb_sect, m->buf, NULL))
		pr_warn("%s: the superblocks at the old end could not be wiped\n",
			m->vol->backing);
}

static int move_supers(struct move *m)
{
	struct lockstep_volume *vol = m->vol;
	u64 old_sect[2] = { vol->sb_sect[0], vol->sb_sect[1] };
	bool moved;
	int err;

	vol->meta = m->new;
	err = lockstep_metaio_place(vol);
	if (!err)
		err = lockstep_metaio_store(vol);
	if (err) {
		vol->meta = m->old;
		memcpy(vol->sb_sect, old_sect, sizeof(old_sect));
		return err;
	}
	moved = vol->sb_sect[0] != old_sect[0];
	/* The other copy. One is enough to go on: the next write is its turn again. */
	if (moved && !lockstep_metaio_store(vol))
		wipe_old(m, old_sect);
	vol->data_max_sect = vol->meta.data_max_sect;
	return 0;
}

int lockstep_resize_take_up(struct lockstep_volume *vol, char *why, size_t len)
{
	u64 sect = bdev_nr_sectors(vol->data.bdev);
	struct move *m;
	int err;

	lockdep_assert_held(&vol->res->ctl);
	if (sect / LOCKSTEP_BIT_SECT <= vol->meta.device_sect / LOCKSTEP_BIT_SECT)
		return 0;
	m = move_alloc(vol);
	if (!m)
		return -ENOMEM;
	if (meta_grow(&m->old, sect, lockstep_metaio_md_sect(vol), &m->new)) {
		pr_notice("%s/%u: %s has grown, but its metadata cannot be moved: it is used as "
			  "before\n", vol->res->name, vol->number, vol->backing);
		move_free(m);
		return 0;
	}
	err = move_maps(m) ?: move_supers(m);
	if (err)
		snprintf(why, len, "%s has grown, and moving its metadata to the new end failed "
			 "(error %d)", vol->backing, err);
	else
		pr_info("%s/%u: %s has grown, its metadata is at the new end: %llu MiB possible\n",
			vol->res->name, vol->number, vol->backing, vol->data_max_sect >> 11);
	move_free(m);
	return err;
}

/* ---- the volume's size ---------------------------------------------------------------------- */

int lockstep_resize_check_locked(struct lockstep_volume *vol, u64 data_sect, bool force, char *why,
				 size_t len)
{
	const char *name = vol->res->name;
	u64 disk;

	lockdep_assert_held(&vol->res->ctl);
	if (vol->failed) {
		snprintf(why, len, "volume %u has no disk here; lockstep attach %s", vol->number,
			 name);
		return -ENODEV;
	}
	disk = bdev_nr_sectors(vol->data.bdev);
	if (data_sect && data_sect < vol->data_sect && !force) {
		snprintf(why, len, "volume %u has %llu MiB, and would become smaller", vol->number,
			 vol->data_sect >> 11);
		return -EPERM;
	}
	if (data_sect && data_sect < vol->data_sect)
		return lockstep_volume_unused(vol, why, len);
	if (data_sect > vol->data_sect ? data_sect <= vol->data_max_sect : data_sect)
		return 0;
	if (disk / LOCKSTEP_BIT_SECT > vol->meta.device_sect / LOCKSTEP_BIT_SECT) {
		snprintf(why, len, "%s has grown since it was attached; to take that up first: "
			 "lockstep detach %s --volume %u, then lockstep attach %s (or down and up)",
			 vol->backing, name, vol->number, name);
		return -EBUSY;
	}
	if (!data_sect)
		return 0;
	snprintf(why, len, "%s can give %llu MiB only", vol->backing, vol->data_max_sect >> 11);
	return -ENOSPC;
}

static int resize_map(struct lockstep_volume *vol, u64 sect)
{
	int err;

	/* A job that saves marks must not see it half done. */
	mutex_lock(&vol->bitmap_io.lock);
	err = lockstep_marks_resize(&vol->marks, sect);
	mutex_unlock(&vol->bitmap_io.lock);
	return err;
}

static int store_size(struct lockstep_volume *vol, u64 sect)
{
	u64 old = vol->meta.data_sect;
	int err;

	vol->meta.data_sect = sect;
	err = lockstep_metaio_store(vol);
	if (!err)
		return 0;
	vol->meta.data_sect = old;
	lockstep_disk_failed(vol, DISK_FAILED_META, err);
	return err;
}

static int run_step(struct lockstep_volume *vol, const struct volsize_facts *f,
		    enum volsize_step step)
{
	switch (step) {
	case VOLSIZE_ROOM:
	case VOLSIZE_TRIM:
		return resize_map(vol, f->agreed_sect);
	case VOLSIZE_MARK:
		lockstep_marks_set(&vol->marks, f->disk_sect, f->agreed_sect - f->disk_sect);
		return lockstep_bitmap_save(vol);
	case VOLSIZE_STORE:
		return store_size(vol, f->agreed_sect);
	case VOLSIZE_TAKE:
		vol->meta.data_sect = f->agreed_sect;
		return 0;
	default:
		return 0;
	}
}

int lockstep_resize_agreed_locked(struct lockstep_volume *vol, u64 sect, char *why, size_t len)
{
	struct volsize_facts f = {
		.disk_sect = vol->meta.data_sect,
		.map_sect = vol->marks.bitmap.nr_bits * LOCKSTEP_BIT_SECT,
		.agreed_sect = sect,
		.no_disk = vol->failed,
	};
	enum volsize_step step = VOLSIZE_BEGIN;
	int err = 0;

	lockdep_assert_held(&vol->res->ctl);
	vol->res->wait = "metadata on the local disk";
	while (!err && (step = volsize_next(&f, step)) != VOLSIZE_DONE)
		err = run_step(vol, &f, step);
	vol->res->wait = NULL;
	if (err)
		snprintf(why, len, "volume %u: its new size could not be noted (error %d)",
			 vol->number, err);
	return err;
}
