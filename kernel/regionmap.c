// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "lockstep: " fmt

#include "regionmap.h"

#include <linux/mm.h>
#include <linux/slab.h>
#include "bitmapio.h"
#include "diskfail.h"
#include "resource.h"
#include "volume.h"

static u32 region_of(u64 sect)
{
	return (u32)(sect / LOCKSTEP_REGION_SECT);
}

static u64 block_sect(const struct lockstep_volume *vol, u32 block)
{
	return vol->meta.region_map_sect + (u64)block * LOCKSTEP_BIT_SECT;
}

/* ---- life ----------------------------------------------------------------------------------- */

/*
 * Of its own: application writes wait for it, and the other queues' works may wait for the peer or
 * for application writes.
 */
static struct workqueue_struct *map_wq;

int lockstep_regions_module_init(void)
{
	map_wq = alloc_workqueue("lockstep_map", WQ_MEM_RECLAIM | WQ_HIGHPRI | WQ_UNBOUND, 0);
	return map_wq ? 0 : -ENOMEM;
}

void lockstep_regions_module_exit(void)
{
	destroy_workqueue(map_wq);
}

static void commit_work(struct work_struct *work)
{
	struct lockstep_volume *vol = container_of(work, struct lockstep_volume,
						   regions.commit_work);

	/* Nobody attaches another disk, or takes the volume away, while this is at the old one. */
	if (!percpu_ref_tryget_live(&vol->disk_ref))
		return;
	lockstep_regions_commit_urgent(vol);
	percpu_ref_put(&vol->disk_ref);
}

int lockstep_regions_init(struct lockstep_volume *vol, u64 max_sect)
{
	struct lockstep_regions *rg = &vol->regions;
	u32 nr = regions_count(max_sect);
	struct regions_block *blocks;
	u64 *words;
	int i;

	spin_lock_init(&rg->lock);
	INIT_LIST_HEAD(&rg->waiting);
	mutex_init(&rg->map_lock);
	INIT_WORK(&rg->commit_work, commit_work);
	words = kvcalloc(regions_words(nr), sizeof(*words), GFP_KERNEL | __GFP_NOWARN);
	blocks = kvcalloc(regions_blocks(nr), sizeof(*blocks), GFP_KERNEL | __GFP_NOWARN);
	regions_init(&rg->map, words, blocks, nr);
	if (!words || !blocks)
		return -ENOMEM;
	for (i = 0; i < LOCKSTEP_META_BATCH; i++) {
		rg->map_buf[i] = (void *)get_zeroed_page(GFP_KERNEL);
		if (!rg->map_buf[i])
			return -ENOMEM;
	}
	return 0;
}

void lockstep_regions_exit(struct lockstep_volume *vol)
{
	struct lockstep_regions *rg = &vol->regions;
	int i;

	for (i = 0; i < LOCKSTEP_META_BATCH; i++) {
		free_page((unsigned long)rg->map_buf[i]);
		rg->map_buf[i] = NULL;
	}
	kvfree(rg->map.want);		/* all of the words */
	kvfree(rg->map.block);
	regions_init(&rg->map, NULL, NULL, 0);
}

int lockstep_regions_load(struct lockstep_volume *vol)
{
	struct lockstep_regions *rg = &vol->regions;
	u64 sect[LOCKSTEP_META_BATCH];
	u32 b, i, nr;
	int err = 0;

	mutex_lock(&rg->map_lock);
	for (b = 0; b < rg->map.nr_blocks && !err; b += nr) {
		nr = min(rg->map.nr_blocks - b, LOCKSTEP_META_BATCH);
		for (i = 0; i < nr; i++)
			sect[i] = block_sect(vol, b + i);
		err = lockstep_metaio_blocks(vol, false, nr, sect, rg->map_buf, NULL);
		spin_lock_irq(&rg->lock);
		for (i = 0; i < nr && !err; i++)
			regions_load(&rg->map, b + i, rg->map_buf[i]);
		spin_unlock_irq(&rg->lock);
	}
	mutex_unlock(&rg->map_lock);
	return err;
}

/* ---- writers -------------------------------------------------------------------------------- */

bool lockstep_regions_begin(struct lockstep_volume *vol, u64 sect, struct lockstep_region_wait *w)
{
	struct lockstep_regions *rg = &vol->regions;
	u32 region = region_of(sect);
	unsigned long flags;
	bool go;

	w->failed = false;
	if (regions_is_fast(READ_ONCE(*regions_fast_word(&rg->map, region)), region))
		return true;
	spin_lock_irqsave(&rg->lock, flags);
	go = rg->gone || regions_enter(&rg->map, region) == REGIONS_GO;
	if (!go)
		list_add_tail(&w->node, &rg->waiting);
	spin_unlock_irqrestore(&rg->lock, flags);
	if (!go) {
		queue_work(map_wq, &rg->commit_work);
		lockstep_bitmap_kick(vol);
	}
	return go;
}

void lockstep_regions_note(struct lockstep_volume *vol, u64 sect, u64 nr)
{
	struct lockstep_regions *rg = &vol->regions;
	u32 region, end = region_of(sect + nr - 1);
	unsigned long flags;

	spin_lock_irqsave(&rg->lock, flags);
	for (region = region_of(sect); region <= end; region++)
		regions_note(&rg->map, region);
	spin_unlock_irqrestore(&rg->lock, flags);
	lockstep_bitmap_kick(vol);
}

bool lockstep_regions_is_dirty(struct lockstep_volume *vol, u64 sect)
{
	struct lockstep_regions *rg = &vol->regions;
	unsigned long flags;
	bool dirty;

	spin_lock_irqsave(&rg->lock, flags);
	dirty = regions_is_dirty(&rg->map, region_of(sect));
	spin_unlock_irqrestore(&rg->lock, flags);
	return dirty;
}

u32 lockstep_regions_weight(struct lockstep_volume *vol)
{
	return READ_ONCE(vol->regions.map.nr_want);
}

void lockstep_regions_to_marks(struct lockstep_volume *vol)
{
	struct lockstep_regions *rg = &vol->regions;
	u32 at = 0, first, nr;

	do {
		spin_lock_irq(&rg->lock);
		nr = regions_find(&rg->map, at, &first);
		spin_unlock_irq(&rg->lock);
		if (nr)
			lockstep_marks_set(&vol->marks, (u64)first * LOCKSTEP_REGION_SECT,
					   (u64)nr * LOCKSTEP_REGION_SECT);
		at = first + nr;
		cond_resched();
	} while (nr);
	/*
	 * A pass that took its snapshot before would clear regions whose marks it has not saved. No
	 * flush of both has succeeded since: this comes before the session is up.
	 */
	lockstep_regions_finish(vol, REGIONS_CLEAR_NONE);
	lockstep_bitmap_kick(vol);
}

void lockstep_regions_session_begins(struct lockstep_volume *vol)
{
	spin_lock_irq(&vol->regions.lock);
	regions_session_begins(&vol->regions.map);
	spin_unlock_irq(&vol->regions.lock);
}

void lockstep_regions_session_ended(struct lockstep_volume *vol)
{
	spin_lock_irq(&vol->regions.lock);
	regions_session_ended(&vol->regions.map);
	spin_unlock_irq(&vol->regions.lock);
}

/* ---- the map on disk ------------------------------------------------------------------------ */

static void end_waits(struct lockstep_regions *rg, bool failed)
{
	struct lockstep_region_wait *w, *tmp;
	LIST_HEAD(list);

	spin_lock_irq(&rg->lock);
	list_splice_init(&rg->waiting, &list);
	spin_unlock_irq(&rg->lock);
	list_for_each_entry_safe(w, tmp, &list, node) {
		w->failed = failed;
		w->ready(w);
	}
}

void lockstep_regions_fail_waits(struct lockstep_volume *vol)
{
	end_waits(&vol->regions, true);
}

bool lockstep_regions_is_overdue(const struct lockstep_volume *vol, u32 ms)
{
	unsigned long since = READ_ONCE(vol->regions.commit_since);

	return since && time_after(jiffies, since + msecs_to_jiffies(ms));
}

void lockstep_regions_set_gone(struct lockstep_volume *vol, bool gone)
{
	spin_lock_irq(&vol->regions.lock);
	vol->regions.gone = gone;
	spin_unlock_irq(&vol->regions.lock);
	if (gone)
		end_waits(&vol->regions, false);
}

/* Up to a batch of blocks from *from on; *from goes on behind. Returns how many. */
static u32 gather(struct lockstep_volume *vol, u32 *from, bool urgent, u32 *block, u64 *sect)
{
	struct lockstep_regions *rg = &vol->regions;
	u32 nr = 0;

	spin_lock_irq(&rg->lock);
	while (nr < LOCKSTEP_META_BATCH && *from < rg->map.nr_blocks) {
		block[nr] = regions_map_next(&rg->map, *from, urgent, rg->map_buf[nr]);
		*from = block[nr] + 1;
		if (block[nr] == rg->map.nr_blocks)
			break;
		sect[nr] = block_sect(vol, block[nr]);
		nr++;
	}
	spin_unlock_irq(&rg->lock);
	return nr;
}

static int commit(struct lockstep_volume *vol, bool urgent)
{
	struct lockstep_regions *rg = &vol->regions;
	u32 block[LOCKSTEP_META_BATCH], from = 0, nr, i;
	u64 sect[LOCKSTEP_META_BATCH];
	unsigned long failed;
	int err = 0;

	mutex_lock(&rg->map_lock);
	while (!err && !READ_ONCE(rg->gone)) {
		nr = gather(vol, &from, urgent, block, sect);
		if (!nr)
			break;
		WRITE_ONCE(rg->commit_since, jiffies | 1);
		err = lockstep_metaio_blocks(vol, true, nr, sect, rg->map_buf, &failed);
		WRITE_ONCE(rg->commit_since, 0);
		spin_lock_irq(&rg->lock);
		for (i = 0; i < nr; i++)
			regions_map_done(&rg->map, block[i], rg->map_buf[i],
					 !test_bit(i, &failed));
		spin_unlock_irq(&rg->lock);
	}
	mutex_unlock(&rg->map_lock);
	if (err) {
		lockstep_disk_failed(vol, DISK_FAILED_META, err);
		return err;
	}
	end_waits(rg, false);
	return 0;
}

int lockstep_regions_commit(struct lockstep_volume *vol)
{
	return commit(vol, false);
}

void lockstep_regions_commit_urgent(struct lockstep_volume *vol)
{
	commit(vol, true);
}

/* ---- clearing ------------------------------------------------------------------------------- */

#define PICK_AT_ONCE	128

static void keep_busy(struct lockstep_volume *vol, const u32 *region, u32 nr)
{
	struct lockstep_regions *rg = &vol->regions;
	u32 i;

	for (i = 0; i < nr; i++) {
		if (!lockstep_ranges_busy(&vol->ranges, (u64)region[i] * LOCKSTEP_REGION_SECT,
					  LOCKSTEP_REGION_SECT))
			continue;
		spin_lock_irq(&rg->lock);
		regions_keep(&rg->map, region[i]);
		spin_unlock_irq(&rg->lock);
	}
}

void lockstep_regions_pick(struct lockstep_volume *vol)
{
	struct lockstep_regions *rg = &vol->regions;
	u32 region[PICK_AT_ONCE], cursor = 0, nr;

	do {
		spin_lock_irq(&rg->lock);
		nr = regions_pick(&rg->map, &cursor, region, PICK_AT_ONCE);
		spin_unlock_irq(&rg->lock);
		keep_busy(vol, region, nr);
		cond_resched();
	} while (cursor < rg->map.nr);
}

void lockstep_regions_finish(struct lockstep_volume *vol, enum regions_clear clear)
{
	struct lockstep_regions *rg = &vol->regions;
	u32 cursor = 0;

	do {
		spin_lock_irq(&rg->lock);
		regions_finish(&rg->map, &cursor, clear);
		spin_unlock_irq(&rg->lock);
		cond_resched();
	} while (cursor < rg->map.nr);
}
