// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "lockstep: " fmt

#include "metaio.h"

#include <linux/bio.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include "diskfail.h"
#include "resource.h"
#include "volume.h"

#define SUPER_OPF	(REQ_OP_WRITE | REQ_META | REQ_SYNC | REQ_PREFLUSH | REQ_FUA)

static int block_io(struct block_device *bdev, u64 sect, void *block, blk_opf_t opf)
{
	struct bio_vec vec;
	struct bio bio;
	int err;

	bio_init(&bio, bdev, &vec, 1, opf);
	bio.bi_iter.bi_sector = sect;
	if (bio_add_page(&bio, virt_to_page(block), LOCKSTEP_SB_BYTES, offset_in_page(block)) !=
	    LOCKSTEP_SB_BYTES)
		return -EIO;
	err = submit_bio_wait(&bio);
	bio_uninit(&bio);
	return err;
}

struct batch {
	struct lockstep_volume *vol;	/* whose cache goes with each: one without FUA; or NULL */
	atomic_t left;
	struct completion done;
	unsigned long failed;
	int err;
};

struct batch_bio {
	struct batch *batch;
	u32 nr;
	struct bio bio;			/* last */
};

/*
 * Bios of our own: these writes let application writes go on, which may be what memory waits for.
 * Each is submitted before the next is taken, so a small reserve is enough for all volumes.
 */
static struct bio_set batch_bios;

int lockstep_metaio_init(void)
{
	return bioset_init(&batch_bios, LOCKSTEP_META_BATCH, offsetof(struct batch_bio, bio),
			   BIOSET_NEED_BVECS);
}

void lockstep_metaio_exit(void)
{
	bioset_exit(&batch_bios);
}

static void batch_done(struct batch *b)
{
	if (atomic_dec_and_test(&b->left))
		complete(&b->done);
}

static void batch_endio(struct bio *bio)
{
	struct batch_bio *bb = container_of(bio, struct batch_bio, bio);
	struct batch *b = bb->batch;

	if (bio->bi_status) {
		if (b->vol)
			lockstep_flush_failed_here(b->vol, true);
		WRITE_ONCE(b->err, blk_status_to_errno(bio->bi_status));
		set_bit(bb->nr, &b->failed);
	}
	bio_put(bio);
	batch_done(b);
}

int lockstep_metaio_blocks(struct lockstep_volume *vol, bool write, u32 nr, const u64 *sect,
			   void *const *block, unsigned long *failed)
{
	blk_opf_t opf = write ? REQ_OP_WRITE | REQ_META | REQ_SYNC | REQ_FUA :
				REQ_OP_READ | REQ_META | REQ_SYNC;
	struct batch b = { .left = ATOMIC_INIT(nr + 1) };
	struct batch_bio *bb;
	struct bio *bio;
	u32 i;

	if (write && vol->md.bdev == vol->data.bdev && lockstep_flush_follows_fua(vol->md.bdev))
		b.vol = vol;
	init_completion(&b.done);
	for (i = 0; i < nr; i++) {
		bio = bio_alloc_bioset(vol->md.bdev, 1, opf, GFP_NOIO, &batch_bios);
		bb = container_of(bio, struct batch_bio, bio);
		bb->batch = &b;
		bb->nr = i;
		bio->bi_iter.bi_sector = sect[i];
		bio->bi_end_io = batch_endio;
		__bio_add_page(bio, virt_to_page(block[i]), LOCKSTEP_SB_BYTES,
			       offset_in_page(block[i]));
		submit_bio(bio);
	}
	batch_done(&b);
	wait_for_completion_io(&b.done);
	if (failed)
		*failed = b.failed;
	return b.err;
}

u64 lockstep_metaio_md_sect(const struct lockstep_volume *vol)
{
	return vol->md.bdev == vol->data.bdev ? 0 : bdev_nr_sectors(vol->md.bdev);
}

static int describe(enum meta_err err, u32 detail, const struct lockstep_volume *vol, char *why,
		    size_t len)
{
	const char *dev = vol->meta_path[0] ? vol->meta_path : vol->backing;

	switch (err) {
	case META_NO_MAGIC:
		snprintf(why, len, "%s holds no lockstep metadata; if it is new, and not an old "
			 "one that was made larger: lockstep init %s", dev, vol->res->name);
		return -ENODATA;
	case META_BAD_FEATURE:
		snprintf(why, len, "%s needs feature bit %u which this version does not know", dev,
			 detail);
		return -EOPNOTSUPP;
	case META_TOO_SMALL:
		snprintf(why, len, "%s is too small", dev);
		return -ENOSPC;
	default:
		snprintf(why, len, "metadata on %s cannot be used: %s (%u)", dev,
			 meta_err_name(err), detail);
		return -EUCLEAN;
	}
}

int lockstep_metaio_place(struct lockstep_volume *vol)
{
	struct meta_layout layout;

	if (meta_layout(vol->meta.device_sect, lockstep_metaio_md_sect(vol), &layout))
		return -ENOSPC;
	memcpy(vol->sb_sect, layout.sb_sect, sizeof(vol->sb_sect));
	return 0;
}

/*
 * What a data device of dev_sect sectors has. META_NO_MAGIC: nothing of ours there; nothing was
 * said then.
 */
static int load_at(struct lockstep_volume *vol, u64 dev_sect, enum meta_err *ret, char *why,
		   size_t len)
{
	u64 md_sect = lockstep_metaio_md_sect(vol);
	void *copy[2] = { vol->meta_page, NULL };
	struct meta_layout layout;
	u32 detail = 0;
	int i, pick, io[2];

	*ret = meta_layout(dev_sect, md_sect, &layout);
	if (*ret)
		return describe(*ret, 0, vol, why, len);
	copy[1] = (void *)get_zeroed_page(GFP_KERNEL);
	if (!copy[1])
		return -ENOMEM;
	for (i = 0; i < 2; i++) {
		io[i] = block_io(vol->md.bdev, layout.sb_sect[i], copy[i],
				 REQ_OP_READ | REQ_META | REQ_SYNC);
		if (io[i])
			pr_warn("%s: superblock %d unreadable: %d\n", vol->backing, i, io[i]);
	}
	pick = meta_pick(io[0] ? NULL : copy[0], io[1] ? NULL : copy[1], &vol->meta, ret, &detail);
	free_page((unsigned long)copy[1]);
	if (pick < 0 && io[0] && io[1]) {
		snprintf(why, len, "neither superblock of %s can be read", vol->backing);
		*ret = META_BAD_CRC;
		return -EIO;
	}
	if (pick < 0)
		return describe(*ret, detail, vol, why, len);
	*ret = meta_check_device(&vol->meta, dev_sect, md_sect);
	if (*ret)
		return describe(*ret, 0, vol, why, len);
	vol->meta_copy = pick;
	return 0;
}

int lockstep_metaio_load(struct lockstep_volume *vol, u64 old_sect, char *why, size_t len)
{
	u64 dev_sect = bdev_nr_sectors(vol->data.bdev);
	enum meta_err seen = META_OK, old = META_OK;
	int err;

	err = load_at(vol, dev_sect, &seen, why, len);
	if (seen == META_NO_MAGIC && old_sect && old_sect < dev_sect &&
	    !lockstep_metaio_md_sect(vol)) {
		err = load_at(vol, old_sect, &old, why, len);
		if (!err)
			pr_info("%s: metadata found where it ended before it grew\n",
				vol->backing);
	}
	if (err)
		return err;
	vol->data_max_sect = vol->meta.data_max_sect;
	WRITE_ONCE(vol->write_s, vol->meta.write_s);
	return lockstep_metaio_place(vol);
}

/* A flush that is nobody's but ours, alone or before a block. */
struct own_flush {
	struct lockstep_volume *vol;
	struct completion done;
	int err;
	struct bio bio;
	struct bio_vec vec;
};

static void own_flush_endio(struct bio *bio)
{
	struct own_flush *f = container_of(bio, struct own_flush, bio);

	f->err = blk_status_to_errno(bio->bi_status);
	/* Here, and not by who waits: flushnote.h. Reported too, or the doubt would never end. */
	if (f->err) {
		lockstep_flush_failed_here(f->vol, true);
		lockstep_disk_failed(f->vol, bio->bi_vcnt ? DISK_FAILED_META : DISK_FAILED_FLUSH,
				     f->err);
	}
	complete(&f->done);
}

static int flush_and_wait(struct own_flush *f, struct lockstep_volume *vol)
{
	f->vol = vol;
	init_completion(&f->done);
	f->bio.bi_end_io = own_flush_endio;
	submit_bio(&f->bio);
	/* In slices: a disk that hangs is no reason to report its worker as hung (flush.h). */
	while (!wait_for_completion_io_timeout(&f->done, 30 * HZ))
		;
	bio_uninit(&f->bio);
	return f->err;
}

int lockstep_metaio_flush_data(struct lockstep_volume *vol)
{
	struct own_flush f;

	bio_init(&f.bio, vol->data.bdev, NULL, 0, REQ_OP_WRITE | REQ_PREFLUSH);
	return flush_and_wait(&f, vol);
}

/* Both superblocks are on the data's device: its cache goes first. */
static int store_and_flush(struct lockstep_volume *vol, u64 sect)
{
	struct own_flush f;

	bio_init(&f.bio, vol->md.bdev, &f.vec, 1, SUPER_OPF);
	f.bio.bi_iter.bi_sector = sect;
	__bio_add_page(&f.bio, virt_to_page(vol->meta_page), LOCKSTEP_SB_BYTES,
		       offset_in_page(vol->meta_page));
	return flush_and_wait(&f, vol);
}

void lockstep_metaio_touch(struct lockstep_volume *vol, void *page)
{
	block_io(vol->md.bdev, vol->sb_sect[0], page, REQ_OP_READ | REQ_META | REQ_SYNC);
	if (vol->md.bdev != vol->data.bdev)
		block_io(vol->data.bdev, 0, page, REQ_OP_READ | REQ_SYNC);
}

int lockstep_metaio_store(struct lockstep_volume *vol)
{
	bool external = vol->md.bdev != vol->data.bdev;
	int target = 1 - vol->meta_copy, err;

	if (vol->res)
		lockdep_assert_held(&vol->res->ctl);
	if (external) {
		err = lockstep_metaio_flush_data(vol);
		if (err)
			return err;
	}
	vol->meta.sequence++;
	vol->meta.boot_id = lockstep_boot_id;
	vol->meta.written_s = ktime_get_real_seconds();
	/* As far as we know: exact once no more can come, which is when it is closed. */
	vol->meta.write_s = READ_ONCE(vol->write_s);
	meta_encode(&vol->meta, vol->meta_page);
	/* PREFLUSH stands for the flush of the data where both share a device. */
	err = external ? block_io(vol->md.bdev, vol->sb_sect[target], vol->meta_page, SUPER_OPF) :
			 store_and_flush(vol, vol->sb_sect[target]);
	if (err) {
		pr_err("%s: writing metadata failed: %d\n", vol->backing, err);
		return err;
	}
	vol->meta_copy = target;
	return 0;
}
