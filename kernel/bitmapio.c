// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "lockstep: " fmt

#include "bitmapio.h"

#include <linux/slab.h>
#include "diskfail.h"
#include "persist.h"
#include "resource.h"
#include "session.h"
#include "volume.h"

#define PASS_JIFFIES	(10 * HZ)
/* So many pages are read before attach returns; more are read afterwards. */
#define LOAD_AT_ONCE	256u
#define LOOK_AT_ONCE	4096u

static u64 page_sect(const struct lockstep_volume *vol, u32 page)
{
	return vol->meta.bitmap_sect + (u64)page * LOCKSTEP_BIT_SECT;
}

static u64 index_sect(const struct lockstep_volume *vol, u32 index)
{
	return vol->meta.index_sect + (u64)index * LOCKSTEP_BIT_SECT;
}

/* ---- reading -------------------------------------------------------------------------------- */

static int load_index(struct lockstep_volume *vol)
{
	struct lockstep_bitmap_io *io = &vol->bitmap_io;
	u32 i, nr = oosmap_index_blocks(vol->marks.bitmap.nr_pages);
	u64 sect;
	int err;

	for (i = 0; i < nr; i++) {
		sect = index_sect(vol, i);
		err = lockstep_metaio_blocks(vol, false, 1, &sect, io->buf, NULL);
		if (err)
			return err;
		spin_lock_irq(&vol->marks.lock);
		oosmap_index_load(&vol->marks.bitmap, i, io->buf[0]);
		spin_unlock_irq(&vol->marks.lock);
		cond_resched();
	}
	return 0;
}

/* The next pages to read, up to a batch; *from goes on behind. */
static u32 unread_batch(struct lockstep_volume *vol, u32 *from, u32 *page, u64 *sect)
{
	struct oosmap *map = &vol->marks.bitmap;
	u32 nr = 0;

	while (nr < LOCKSTEP_META_BATCH && *from < map->nr_pages) {
		u32 at, end = min(*from + LOOK_AT_ONCE, map->nr_pages);

		spin_lock_irq(&vol->marks.lock);
		at = oosmap_next_unread(map, *from, LOOK_AT_ONCE);
		spin_unlock_irq(&vol->marks.lock);
		*from = at;
		if (at >= end)
			continue;
		page[nr] = at;
		sect[nr++] = page_sect(vol, at);
		(*from)++;
	}
	return nr;
}

static void load_page(struct lockstep_volume *vol, u32 page, const void *buf)
{
	u64 *spare = (u64 *)__get_free_page(GFP_NOIO | __GFP_NOWARN);

	spin_lock_irq(&vol->marks.lock);
	oosmap_page_load(&vol->marks.bitmap, page, buf, &spare);
	spin_unlock_irq(&vol->marks.lock);
	free_page((unsigned long)spare);
}

/* A page that cannot be read is marked as a whole: that costs copying, and no block. */
static void load_pages(struct lockstep_volume *vol)
{
	struct lockstep_bitmap_io *io = &vol->bitmap_io;
	u32 page[LOCKSTEP_META_BATCH], from = 0, nr, i;
	u64 sect[LOCKSTEP_META_BATCH];
	unsigned long failed;

	while ((nr = unread_batch(vol, &from, page, sect))) {
		lockstep_metaio_blocks(vol, false, nr, sect, io->buf, &failed);
		for (i = 0; i < nr; i++) {
			if (test_bit(i, &failed))
				pr_warn("%s/%u: page %u of the bitmap cannot be read: its 128 MiB "
					"are marked\n", vol->res->name, vol->number, page[i]);
			load_page(vol, page[i], test_bit(i, &failed) ? NULL : io->buf[i]);
		}
		cond_resched();
	}
}

static void load_work(struct work_struct *work)
{
	struct lockstep_volume *vol = container_of(work, struct lockstep_volume,
						   bitmap_io.load_work);

	if (!percpu_ref_tryget_live(&vol->disk_ref))
		return;
	mutex_lock(&vol->bitmap_io.lock);
	load_pages(vol);
	mutex_unlock(&vol->bitmap_io.lock);
	percpu_ref_put(&vol->disk_ref);
	pr_info("%s/%u: bitmap read, %llu KiB out of sync\n", vol->res->name, vol->number,
		lockstep_marks_weight(&vol->marks) * (LOCKSTEP_BIT_BYTES / 1024));
}

bool lockstep_bitmap_is_loading(struct lockstep_volume *vol)
{
	return READ_ONCE(vol->marks.bitmap.nr_unread);
}

/* ---- writing: the steps of a job ------------------------------------------------------------ */

struct saving {
	u32 page[LOCKSTEP_META_BATCH];	/* whose content is in io->buf */
	u32 nr_pages, index;
	u32 from, cursor;		/* the pages that the snapshot is of */
};

/* 1: there is something to be written, and io->lock is held until it is; 0: nothing is left. */
static int take_snapshot(struct lockstep_volume *vol, struct saving *sv)
{
	struct lockstep_bitmap_io *io = &vol->bitmap_io;
	struct oosmap *map = &vol->marks.bitmap;

	mutex_lock(&io->lock);
	while (sv->cursor < map->nr_pages) {
		sv->from = sv->cursor;
		spin_lock_irq(&vol->marks.lock);
		sv->nr_pages = oosmap_save(map, &sv->cursor, LOCKSTEP_META_BATCH, io->buf,
					   sv->page, &sv->index);
		spin_unlock_irq(&vol->marks.lock);
		if (sv->nr_pages || sv->index != U32_MAX)
			return 1;
		/* Nothing to write, but maybe to be noted as saved: back to what the disk has. */
		spin_lock_irq(&vol->marks.lock);
		oosmap_saved(map, sv->from, sv->cursor, true);
		spin_unlock_irq(&vol->marks.lock);
		cond_resched();
	}
	mutex_unlock(&io->lock);
	return 0;
}

static int write_pages(struct lockstep_volume *vol, const struct saving *sv)
{
	u64 sect[LOCKSTEP_META_BATCH];
	u32 i;

	if (!sv->nr_pages)
		return 0;
	for (i = 0; i < sv->nr_pages; i++)
		sect[i] = page_sect(vol, sv->page[i]);
	return lockstep_metaio_blocks(vol, true, sv->nr_pages, sect, vol->bitmap_io.buf, NULL);
}

/* The pages are written: their buffers are free. */
static int write_index(struct lockstep_volume *vol, const struct saving *sv)
{
	struct lockstep_bitmap_io *io = &vol->bitmap_io;
	u64 sect;

	if (sv->index == U32_MAX)
		return 0;
	sect = index_sect(vol, sv->index);
	spin_lock_irq(&vol->marks.lock);
	oosmap_index_encode(&vol->marks.bitmap, sv->index, io->buf[0]);
	spin_unlock_irq(&vol->marks.lock);
	return lockstep_metaio_blocks(vol, true, 1, &sect, io->buf, NULL);
}

static int saved(struct lockstep_volume *vol, const struct saving *sv, bool ok)
{
	spin_lock_irq(&vol->marks.lock);
	oosmap_saved(&vol->marks.bitmap, sv->from, sv->cursor, ok);
	spin_unlock_irq(&vol->marks.lock);
	mutex_unlock(&vol->bitmap_io.lock);
	return 0;
}

static int flush_both(struct lockstep_volume *vol)
{
	int err;

	/* The peer works through us, and may have no disk that could flush. */
	if (READ_ONCE(vol->serving))
		return -EIO;
	err = lockstep_session_flush_peer(vol->res, vol->number, false);
	if (err)
		return err;
	/* One that is late has not failed: no disk is given up for a flush of nobody's. */
	err = lockstep_flush_disk(vol);
	/* Whatever it says, it is not that there is no session. In doubt: flusherr.h. */
	return err || lockstep_flush_in_doubt(vol) ? -EIO : 0;
}

/*
 * Clean is the claim that whoever acknowledged something here has it here. A write or a flush that
 * has failed, and that the state worker has not taken yet (it waits for the ctl which we hold),
 * belies it: the peer may believe, by what was acknowledged before, that nothing differs, and it
 * compares its regions only with a copy that is not clean. So then the superblock stays as it is,
 * as after a crash. Nobody is to come any more who could report: whatever reports does so before it
 * gives back vol->disk_ref or vol->ref, or, of the peer, before its session is idle. All of them
 * have been waited for, our own work was stopped, and the flush, the last that can fail, is made.
 */
static int write_super(struct lockstep_volume *vol)
{
	int err = lockstep_metaio_flush_data(vol);

	if (err)
		return err;
	if (lockstep_disk_has_erred(vol))
		return -EIO;
	/* Nor by who works through us: he goes on only with one that has lost nothing. */
	if (vol->meta.flags & LOCKSTEP_MF_SERVING && lockstep_flush_is_unheard(vol))
		return -EIO;
	meta_close(&vol->meta, vol->res->state.left_primary);
	return lockstep_metaio_store(vol);
}

static int run_step(struct lockstep_volume *vol, const struct persist *p, struct saving *sv)
{
	switch (p->step) {
	case PERSIST_PICK:
		lockstep_regions_pick(vol);
		return 0;
	case PERSIST_SNAPSHOT:
		return take_snapshot(vol, sv);
	case PERSIST_MAP:
		return lockstep_regions_commit(vol);
	case PERSIST_PAGES:
		return write_pages(vol, sv);
	case PERSIST_INDEX:
		return write_index(vol, sv);
	case PERSIST_SAVED:
		return saved(vol, sv, true);
	case PERSIST_LOST:
		return saved(vol, sv, false);
	case PERSIST_FLUSH:
		return flush_both(vol);
	case PERSIST_FINISH:
		lockstep_regions_finish(vol, p->clear);
		return 0;
	case PERSIST_SUPER:
		return write_super(vol);
	case PERSIST_DONE:
		break;
	}
	return 0;
}

static int run(struct lockstep_volume *vol, enum persist_job job)
{
	struct regions *map = &vol->regions.map;
	struct saving sv = { .cursor = 0 };
	enum persist_step step;
	struct persist p;
	int result;

	spin_lock_irq(&vol->regions.lock);
	step = persist_begin(&p, job, map);
	spin_unlock_irq(&vol->regions.lock);
	while (step != PERSIST_DONE) {
		result = run_step(vol, &p, &sv);
		if (result < 0 && (step == PERSIST_PAGES || step == PERSIST_INDEX))
			lockstep_disk_failed(vol, DISK_FAILED_META, result);
		spin_lock_irq(&vol->regions.lock);
		step = persist_next(&p, map, result);
		spin_unlock_irq(&vol->regions.lock);
	}
	return p.err;
}

int lockstep_bitmap_save(struct lockstep_volume *vol)
{
	return run(vol, PERSIST_SAVE);
}

int lockstep_bitmap_close(struct lockstep_volume *vol)
{
	return run(vol, PERSIST_CLOSE);
}

/* ---- the pass ------------------------------------------------------------------------------- */

void lockstep_bitmap_kick(struct lockstep_volume *vol)
{
	if (READ_ONCE(vol->bitmap_io.running))
		queue_delayed_work(lockstep_slow_wq, &vol->bitmap_io.pass_work, PASS_JIFFIES);
}

static void pass_work(struct work_struct *work)
{
	struct lockstep_volume *vol = container_of(work, struct lockstep_volume,
						   bitmap_io.pass_work.work);
	int err = 0;

	/* See commit_work() in regionmap.c. */
	if (READ_ONCE(vol->regions.gone) || !percpu_ref_tryget_live(&vol->disk_ref))
		return;
	if (!lockstep_bitmap_is_loading(vol))
		err = run(vol, PERSIST_PASS);
	percpu_ref_put(&vol->disk_ref);
	if (!err && lockstep_regions_weight(vol))
		lockstep_bitmap_kick(vol);
}

/* ---- life ----------------------------------------------------------------------------------- */

void lockstep_bitmap_init(struct lockstep_volume *vol)
{
	struct lockstep_bitmap_io *io = &vol->bitmap_io;

	mutex_init(&io->lock);
	INIT_DELAYED_WORK(&io->pass_work, pass_work);
	INIT_WORK(&io->load_work, load_work);
}

void lockstep_bitmap_exit(struct lockstep_volume *vol)
{
	int i;

	for (i = 0; i < LOCKSTEP_META_BATCH; i++) {
		free_page((unsigned long)vol->bitmap_io.buf[i]);
		vol->bitmap_io.buf[i] = NULL;
	}
}

static int zero_maps(struct lockstep_volume *vol)
{
	const struct meta *m = &vol->meta;
	int err;

	err = blkdev_issue_zeroout(vol->md.bdev, m->region_map_sect,
				   (u64)m->region_map_4k * LOCKSTEP_BIT_SECT, GFP_NOIO, 0);
	if (err)
		return err;
	/* Stable with the superblock, which is written with a flush in front. */
	return blkdev_issue_zeroout(vol->md.bdev, m->index_sect,
				    (u64)m->index_4k * LOCKSTEP_BIT_SECT, GFP_NOIO, 0);
}

int lockstep_bitmap_attach(struct lockstep_volume *vol, bool fresh, char *why, size_t len)
{
	struct lockstep_bitmap_io *io = &vol->bitmap_io;
	const char *dev = vol->meta_path[0] ? vol->meta_path : vol->backing;
	int i, err;

	for (i = 0; i < LOCKSTEP_META_BATCH; i++) {
		io->buf[i] = (void *)get_zeroed_page(GFP_KERNEL);
		if (!io->buf[i])
			return -ENOMEM;
	}
	if (fresh) {
		err = zero_maps(vol);
		if (err)
			snprintf(why, len, "metadata on %s cannot be written (error %d); see to "
				 "the disk (dmesg), then lockstep up %s", dev, err,
				 vol->res->name);
		return err;
	}
	mutex_lock(&io->lock);
	err = lockstep_regions_load(vol) ?: load_index(vol);
	if (err)
		snprintf(why, len, "the region map or the bitmap's index on %s cannot be read "
			 "(error %d): what is out of sync is not known; lockstep init makes it a "
			 "new copy", dev, err);
	else if (vol->marks.bitmap.nr_unread <= LOAD_AT_ONCE)
		load_pages(vol);
	mutex_unlock(&io->lock);
	return err;
}

void lockstep_bitmap_start(struct lockstep_volume *vol)
{
	WRITE_ONCE(vol->bitmap_io.running, true);
	if (lockstep_bitmap_is_loading(vol))
		queue_work(lockstep_slow_wq, &vol->bitmap_io.load_work);
	if (lockstep_regions_weight(vol))
		lockstep_bitmap_kick(vol);
}

void lockstep_bitmap_stop(struct lockstep_volume *vol)
{
	struct lockstep_bitmap_io *io = &vol->bitmap_io;

	/* Pages that were not read have marks that only the disk has: not before they are. */
	flush_work(&io->load_work);
	WRITE_ONCE(io->running, false);
	/* A pass that runs may have looked before and queue itself once more. */
	cancel_delayed_work_sync(&io->pass_work);
	flush_work(&vol->regions.commit_work);
}
