// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "lockstep: " fmt

#include "volume.h"

#include <linux/bio.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <lockstep/wire.h>
#include "auto.h"
#include "diskfail.h"
#include "engine.h"
#include "metaio.h"
#include "report.h"
#include "request.h"
#include "resize.h"
#include "resource.h"
#include "status.h"
#include "volsize.h"

static int major;

/* ---- the disk ------------------------------------------------------------------------------- */

static void submit(struct bio *bio)
{
	lockstep_request_submit(bio->bi_bdev->bd_disk->private_data, bio);
}

COMPAT_OPEN(volume_open, disk, for_write)
{
	struct lockstep_volume *vol = disk->private_data;
	char why[LOCKSTEP_BY_OPEN_BYTES];
	bool waited;
	int err = 0;

	snprintf(why, sizeof(why), "this side is secondary; lockstep promote %s", vol->res->name);
again:
	waited = for_write && lockstep_auto_enter(vol, why, sizeof(why));
	mutex_lock(&vol->open_lock);
	/* It was in use when we came, and whoever closed it last has had it demoted since. */
	if (for_write && !waited && !vol->writable && !vol->going &&
	    READ_ONCE(vol->res->by_open.on)) {
		mutex_unlock(&vol->open_lock);
		goto again;
	}
	if (vol->going) {
		/* Or so it is tried: it may be refused yet. */
		err = -EBUSY;
	} else if (for_write && !vol->writable) {
		pr_info_ratelimited("%s/%u: %s (pid %d) may not open /dev/lockstep%u for writing: "
				    "%s\n", vol->res->name, vol->number, current->comm,
				    task_pid_nr(current), vol->minor, why);
		err = -EROFS;
	} else {
		if (!vol->openers++)
			snprintf(vol->opener, sizeof(vol->opener), "%s (pid %d)", current->comm,
				 task_pid_nr(current));
	}
	mutex_unlock(&vol->open_lock);
	if (waited)
		lockstep_auto_leave(vol->res, !err);
	return err;
}

COMPAT_RELEASE(volume_release, disk, for_write)
{
	struct lockstep_volume *vol = disk->private_data;
	bool last;

	mutex_lock(&vol->open_lock);
	last = !--vol->openers;
	mutex_unlock(&vol->open_lock);
	if (last)
		lockstep_auto_closed(vol->res);
}

static const struct block_device_operations volume_fops = {
	.owner = THIS_MODULE,
	.submit_bio = submit,
	.open = volume_open,
	.release = volume_release,
};

int lockstep_volume_init(void)
{
	int err;

	err = lockstep_metaio_init();
	if (err)
		return err;
	err = lockstep_regions_module_init();
	if (err)
		goto metaio;
	major = register_blkdev(0, "lockstep");
	if (major >= 0)
		return 0;
	err = major;
	lockstep_regions_module_exit();
metaio:
	lockstep_metaio_exit();
	return err;
}

void lockstep_volume_exit(void)
{
	unregister_blkdev(major, "lockstep");
	lockstep_regions_module_exit();
	lockstep_metaio_exit();
}

/* ---- limits --------------------------------------------------------------------------------- */

static void read_limits(struct lockstep_volume *vol)
{
	struct block_device *bdev = vol->data.bdev;
	struct lockstep_limits *l = &vol->local;

	l->logical_bytes = bdev_logical_block_size(bdev);
	l->physical_bytes = bdev_physical_block_size(bdev);
	l->max_io_bytes = LOCKSTEP_MAX_IO_BYTES;
	l->caps = 0;
	if (bdev_write_zeroes_sectors(bdev))
		l->caps |= LOCKSTEP_VC_ZEROES;
	if (bdev_write_cache(bdev))
		l->caps |= LOCKSTEP_VC_CACHE;
}

/*
 * What the device offers is what both copies can do, as far as the peer is known. A flush is always
 * offered: it may be needed on the peer, whichever disk that gets one day. Lower devices split by
 * themselves what is too long for them.
 */
static void derive_limits(const struct lockstep_volume *vol, struct compat_limits *ret)
{
	const struct lockstep_limits *l = &vol->local, *p = &vol->peer.limits;
	bool zeroes = l->caps & LOCKSTEP_VC_ZEROES;

	memset(ret, 0, sizeof(*ret));
	ret->logical_bytes = max(l->logical_bytes, vol->meta.block_bytes);
	ret->physical_bytes = max(l->physical_bytes, ret->logical_bytes);
	if (vol->peer.valid) {
		ret->logical_bytes = max(ret->logical_bytes, p->logical_bytes);
		ret->physical_bytes = max3(ret->physical_bytes, p->physical_bytes,
					   ret->logical_bytes);
		zeroes = zeroes && p->caps & LOCKSTEP_VC_ZEROES;
	}
	ret->io_min = ret->physical_bytes;
	ret->io_opt = bdev_io_opt(vol->data.bdev);
	ret->max_sect = LOCKSTEP_MAX_IO_SECT;
	ret->zero_sect = zeroes ? LOCKSTEP_REGION_SECT : 0;
	ret->zero_granularity = max(ret->physical_bytes, LOCKSTEP_BIT_BYTES);
}

static int in_use(const struct lockstep_volume *vol, const char *what, char *why, size_t len)
{
	if (why)
		snprintf(why, len, "/dev/lockstep%u is in use by %s: %s", vol->minor, vol->opener,
			 what);
	return -EBUSY;
}

static void set_size(struct lockstep_volume *vol, u64 sect)
{
	lockdep_assert_held(&vol->open_lock);
	if (vol->data_sect == sect)
		return;
	vol->data_sect = sect;
	set_capacity_and_notify(vol->disk, sect);
}

/* As far as users go. Who comes meanwhile is not given what goes away, nor yet what is new. */
static int agree_users(struct lockstep_volume *vol, u64 sect, char *why, size_t len)
{
	struct compat_limits l;
	int err = 0;

	derive_limits(vol, &l);
	mutex_lock(&vol->open_lock);
	if (vol->openers && sect < vol->data_sect)
		err = in_use(vol, "it cannot become smaller now", why, len);
	else if (vol->openers && l.logical_bytes != queue_logical_block_size(vol->disk->queue))
		err = in_use(vol, "its block size cannot change now", why, len);
	err = err ?: compat_disk_limits(vol->disk, &l);
	if (!err) {
		vol->meta.block_bytes = l.logical_bytes;
		set_size(vol, min(sect, vol->data_sect));
	}
	mutex_unlock(&vol->open_lock);
	return err;
}

/*
 * Size first from the agreement, else from before, else what we have. The disk is written without
 * open_lock, for which open() and status wait.
 */
int lockstep_volume_agree_locked(struct lockstep_volume *vol, char *why, size_t len)
{
	u64 sect = vol->peer.data_sect, old = vol->data_sect;
	int err;

	lockdep_assert_held(&vol->res->ctl);
	if (sect < LOCKSTEP_MIN_DATA_SECT || sect > vol->data_max_sect) {
		snprintf(why, len, "a size of %llu sectors does not fit %s, which gives %llu",
			 sect, vol->backing, vol->data_max_sect);
		return -EINVAL;
	}
	err = agree_users(vol, sect, why, len);
	if (err)
		return err;
	err = lockstep_resize_agreed_locked(vol, sect, why, len);
	mutex_lock(&vol->open_lock);
	set_size(vol, err ? old : sect);
	mutex_unlock(&vol->open_lock);
	return err;
}

u32 lockstep_volume_strays(struct lockstep_volume *vol)
{
	return atomic_read(&vol->strays) + lockstep_engine_strays(vol);
}

/* ---- openers -------------------------------------------------------------------------------- */

int lockstep_volume_unused(struct lockstep_volume *vol, char *why, size_t len)
{
	int err = 0;

	mutex_lock(&vol->open_lock);
	if (vol->openers)
		err = in_use(vol, "close it first", why, len);
	mutex_unlock(&vol->open_lock);
	return err;
}

int lockstep_volume_set_writable(struct lockstep_volume *vol, bool writable, char *why, size_t len)
{
	int err = 0;

	/*
	 * What was cached while we were secondary is not what is on the disk now. Whoever finds
	 * `writable`, and opens it at that instant, finds the disk writable, too.
	 */
	if (writable) {
		invalidate_bdev(vol->disk->part0);
		set_disk_ro(vol->disk, false);
	}
	mutex_lock(&vol->open_lock);
	if (!writable && vol->openers)
		err = in_use(vol, "close it first", why, len);
	else
		WRITE_ONCE(vol->writable, writable);
	mutex_unlock(&vol->open_lock);
	if (!writable && !err)
		set_disk_ro(vol->disk, true);
	return err;
}

u8 lockstep_volume_disk(const struct lockstep_volume *vol)
{
	u32 flags = vol->meta.flags;

	if (vol->failed)
		return LOCKSTEP_DISK_FAILED;
	if (!(flags & LOCKSTEP_MF_CONSISTENT))
		return LOCKSTEP_DISK_INCONSISTENT;
	if (flags & LOCKSTEP_MF_OUTDATED)
		return LOCKSTEP_DISK_OUTDATED;
	if (!(flags & LOCKSTEP_MF_UP_TO_DATE) || vol->unproven ||
	    flags & (LOCKSTEP_MF_UNCLEAN | LOCKSTEP_MF_LEFT_PRIMARY))
		return LOCKSTEP_DISK_UNSURE;
	return LOCKSTEP_DISK_UP_TO_DATE;
}

/* ---- attach --------------------------------------------------------------------------------- */

static int open_device(struct lockstep_bdev *b, const char *path, struct lockstep_volume *vol,
		       char *why, size_t len)
{
	int err = compat_bdev_open(b, path, vol);
	const char *name = vol->res->name;

	if (err == -EBUSY)
		snprintf(why, len, "%s is in use (mounted, or held by another driver); lsblk %s "
			 "says by what, then lockstep up %s", path, path, name);
	else if (err == -ENOTBLK)
		snprintf(why, len, "%s is not a block device; correct the disk in "
			 "/etc/lockstep/%s.conf, then lockstep up %s", path, name, name);
	else if (err)
		snprintf(why, len, "%s cannot be opened (error %d); see to the device, or correct "
			 "/etc/lockstep/%s.conf, then lockstep up %s", path, err, name, name);
	if (err)
		b->bdev = NULL;
	return err;
}

static int open_devices(struct lockstep_volume *vol, char *why, size_t len)
{
	int err;

	err = open_device(&vol->data, vol->backing, vol, why, len);
	if (err)
		return err;
	vol->md = vol->data;
	if (!vol->meta_path[0])
		return 0;
	vol->md.bdev = NULL;
	err = open_device(&vol->md, vol->meta_path, vol, why, len);
	if (err || vol->md.bdev != vol->data.bdev)
		return err;
	/* The same holder may open it twice. */
	compat_bdev_close(&vol->md);
	snprintf(why, len, "%s cannot hold both the data and the metadata of volume %u",
		 vol->backing, vol->number);
	return -EINVAL;
}

static void close_devices(struct lockstep_volume *vol)
{
	if (vol->md.bdev && vol->md.bdev != vol->data.bdev)
		compat_bdev_close(&vol->md);
	if (vol->data.bdev)
		compat_bdev_close(&vol->data);
	vol->md.bdev = NULL;
}

/* Is this the copy of this volume of this resource of this node? */
static int check_identity(struct lockstep_volume *vol, char *why, size_t len)
{
	const struct lockstep_resource *res = vol->res;
	const struct meta *m = &vol->meta;
	const char *dev = vol->backing;

	if (strcmp(m->resource, res->name)) {
		snprintf(why, len, "%s holds a copy of resource %s, not of %s; correct the disk in "
			 "/etc/lockstep/%s.conf, then lockstep up %s", dev, m->resource, res->name,
			 res->name, res->name);
		return -EUCLEAN;
	}
	if (m->node_id != res->node_id) {
		snprintf(why, len, "%s holds the copy of node %u (%s), this is node %u (%s); "
			 "correct /etc/lockstep/node, or the ids in /etc/lockstep/%s.conf, then "
			 "lockstep up %s", dev, m->node_id, m->node, res->node_id, res->node_name,
			 res->name, res->name);
		return -EUCLEAN;
	}
	if (m->volume != vol->number) {
		snprintf(why, len, "%s holds volume %u, not volume %u; correct the numbers in "
			 "/etc/lockstep/%s.conf, then lockstep up %s", dev, m->volume, vol->number,
			 res->name, res->name);
		return -EUCLEAN;
	}
	if (!!(m->flags & LOCKSTEP_MF_EXTERNAL) != !!vol->meta_path[0]) {
		snprintf(why, len, "%s was made for %s metadata; correct meta in "
			 "/etc/lockstep/%s.conf, then lockstep up %s", dev,
			 m->flags & LOCKSTEP_MF_EXTERNAL ? "external" : "internal", res->name,
			 res->name);
		return -EUCLEAN;
	}
	return 0;
}

/*
 * Noted durably before anything else happens, so that a second crash does not hide the first. The
 * maps come before it: what it says of them is then so.
 */
static int take_up(struct lockstep_volume *vol, char *why, size_t len)
{
	bool unclean = vol->meta.flags & LOCKSTEP_MF_ATTACHED;
	bool primary = vol->meta.flags & LOCKSTEP_MF_PRIMARY;
	int err;

	err = lockstep_bitmap_attach(vol, meta_attach(&vol->meta), why, len);
	if (err)
		return err;
	if (unclean)
		pr_warn("%s/%u: %s was not closed cleanly%s: %u regions of 4 MiB may differ\n",
			vol->res->name, vol->number, vol->backing,
			primary ? ", while primary" : "", lockstep_regions_weight(vol));
	err = lockstep_metaio_store(vol);
	if (err)
		snprintf(why, len, "metadata on %s cannot be written (error %d); see to the disk "
			 "(dmesg), then lockstep up %s", vol->meta_path[0] ? vol->meta_path :
			 vol->backing, err, vol->res->name);
	return err;
}

/* Closed cleanly: data and maps are stable, then the superblock says so. */
static void close_metadata(struct lockstep_volume *vol)
{
	int err = lockstep_bitmap_close(vol);

	if (err)
		pr_err("%s/%u: closing %s failed (error %d): left as not closed\n", vol->res->name,
		       vol->number, vol->backing, err);
}

static void ref_released(struct percpu_ref *ref)
{
	complete(&container_of(ref, struct lockstep_volume, ref)->ref_done);
}

static void disk_ref_released(struct percpu_ref *ref)
{
	complete(&container_of(ref, struct lockstep_volume, disk_ref)->disk_done);
}

static int add_disk_of(struct lockstep_volume *vol, char *why, size_t len)
{
	struct compat_limits l;
	int err;

	derive_limits(vol, &l);
	vol->disk = compat_disk_alloc(&l);
	if (IS_ERR(vol->disk)) {
		err = PTR_ERR(vol->disk);
		vol->disk = NULL;
		return err;
	}
	vol->disk->major = major;
	vol->disk->first_minor = vol->minor;
	vol->disk->minors = 1;
	vol->disk->flags |= GENHD_FL_NO_PART;
	vol->disk->fops = &volume_fops;
	vol->disk->private_data = vol;
	snprintf(vol->disk->disk_name, sizeof(vol->disk->disk_name), "lockstep%u", vol->minor);
	set_capacity(vol->disk, vol->data_sect);
	set_disk_ro(vol->disk, true);
	err = add_disk(vol->disk);
	if (err) {
		snprintf(why, len,
			 "/dev/lockstep%u cannot be created (error %d), perhaps its minor is "
			 "taken; give it another one in /etc/lockstep/%s.conf, then lockstep up %s",
			 vol->minor, err, vol->res->name, vol->res->name);
		put_disk(vol->disk);
		vol->disk = NULL;
	}
	return err;
}

static struct lockstep_volume *volume_alloc(struct lockstep_resource *res, u32 number, u32 minor,
					    const char *backing, const char *meta_path)
{
	struct lockstep_volume *vol = kvzalloc(sizeof(*vol), GFP_KERNEL | __GFP_NOWARN);

	if (!vol)
		return NULL;
	vol->res = res;
	vol->number = number;
	vol->minor = minor;
	strscpy(vol->backing, backing, sizeof(vol->backing));
	strscpy(vol->meta_path, meta_path ?: "", sizeof(vol->meta_path));
	mutex_init(&vol->open_lock);
	init_completion(&vol->ref_done);
	init_completion(&vol->disk_done);
	INIT_LIST_HEAD(&vol->flushes);
	lockstep_ranges_init(&vol->ranges);
	lockstep_engine_init(vol);
	lockstep_resync_init(vol);
	lockstep_verify_init(vol);
	lockstep_bitmap_init(vol);
	lockstep_submits_init(&vol->submits);
	lockstep_disk_jobs_init(&vol->zeroes);
	vol->meta_page = (void *)get_zeroed_page(GFP_KERNEL);
	lockstep_flush_notes_init(vol);
	if (!lockstep_flusher_init(vol) || !vol->meta_page)
		goto page;
	if (percpu_ref_init(&vol->ref, ref_released, 0, GFP_KERNEL))
		goto page;
	if (percpu_ref_init(&vol->disk_ref, disk_ref_released, PERCPU_REF_ALLOW_REINIT, GFP_KERNEL))
		goto ref;
	return vol;
ref:
	percpu_ref_exit(&vol->ref);
page:
	lockstep_flusher_exit(vol);
	free_page((unsigned long)vol->meta_page);
	kvfree(vol);
	return NULL;
}

static void volume_free(struct lockstep_volume *vol)
{
	percpu_ref_exit(&vol->disk_ref);
	percpu_ref_exit(&vol->ref);
	lockstep_submits_exit(&vol->submits);
	lockstep_disk_jobs_exit(&vol->zeroes);
	lockstep_verify_exit(vol);
	lockstep_marks_exit(&vol->marks);
	lockstep_regions_exit(vol);
	lockstep_bitmap_exit(vol);
	close_devices(vol);
	lockstep_flusher_exit(vol);
	free_page((unsigned long)vol->meta_page);
	pr_debug("%s/%u: volume destroyed\n", vol->res->name, vol->number);
	kvfree(vol);
}

static int attach(struct lockstep_volume *vol, u64 old_sect, char *why, size_t len)
{
	int err;

	err = open_devices(vol, why, len);
	if (err)
		return err;
	err = lockstep_metaio_load(vol, old_sect, why, len);
	if (err)
		return err;
	err = check_identity(vol, why, len) ?: lockstep_resize_take_up(vol, why, len);
	if (err)
		return err;
	read_limits(vol);
	vol->data_sect = vol->meta.data_sect ?: vol->data_max_sect;
	err = lockstep_marks_init_max(&vol->marks, vol->data_sect, vol->data_max_sect) ?:
	      lockstep_regions_init(vol, vol->data_max_sect);
	if (err)
		return err;
	/* Until the state machine has seen it. */
	vol->stale = true;
	err = take_up(vol, why, len);
	/* It was nobody's yet: an error that mattered is ours. */
	lockstep_flush_forget(vol);
	atomic_set(&vol->disk_report, 0);
	return err;
}

int lockstep_volume_add_locked(struct lockstep_resource *res, u32 number, u32 minor,
			       const char *backing, const char *meta_path, u64 old_sect, char *why,
			       size_t len)
{
	struct lockstep_volume *vol;
	int err;

	lockdep_assert_held(&res->ctl);
	if (res->volume[number]) {
		snprintf(why, len, "volume %u is there already", number);
		return -EEXIST;
	}
	vol = volume_alloc(res, number, minor, backing, meta_path);
	if (!vol)
		return -ENOMEM;
	err = attach(vol, old_sect, why, len);
	if (err)
		goto free;
	err = add_disk_of(vol, why, len);
	if (err) {
		close_metadata(vol);
		goto free;
	}
	lockstep_bitmap_start(vol);
	/* Who looks it up without ctl finds all of it. */
	smp_store_release(&res->volume[number], vol);
	res->nr_volumes++;
	res->epoch = max(res->epoch, vol->meta.epoch);
	lockstep_status_copy_locked(res);
	pr_info("%s/%u: /dev/lockstep%u on %s, %llu MiB, %s\n", res->name, number, minor, backing,
		vol->data_sect >> 11, state_disk_name(lockstep_volume_disk(vol)));
	return 0;
free:
	volume_free(vol);
	return err;
}

/* What a disk brings with it, and what is put back if it is not taken. */
struct disk_part {
	struct lockstep_bdev data, md;
	struct meta meta;
	int meta_copy;
	u64 sb_sect[2];
	struct lockstep_marks marks;
	struct lockstep_limits local;
	u64 data_max_sect;
	char backing[LOCKSTEP_PATH_BYTES], meta_path[LOCKSTEP_PATH_BYTES];
};

static void save_part(struct lockstep_volume *vol, struct disk_part *p)
{
	p->data = vol->data;
	p->md = vol->md;
	p->meta = vol->meta;
	p->meta_copy = vol->meta_copy;
	memcpy(p->sb_sect, vol->sb_sect, sizeof(p->sb_sect));
	p->local = vol->local;
	p->data_max_sect = vol->data_max_sect;
	memcpy(p->backing, vol->backing, sizeof(p->backing));
	memcpy(p->meta_path, vol->meta_path, sizeof(p->meta_path));
}

static void restore_part(struct lockstep_volume *vol, const struct disk_part *p)
{
	vol->data = p->data;
	vol->md = p->md;
	vol->meta = p->meta;
	vol->meta_copy = p->meta_copy;
	memcpy(vol->sb_sect, p->sb_sect, sizeof(vol->sb_sect));
	vol->local = p->local;
	vol->data_max_sect = p->data_max_sect;
	memcpy(vol->backing, p->backing, sizeof(vol->backing));
	memcpy(vol->meta_path, p->meta_path, sizeof(vol->meta_path));
}

/* The volume's size is its users' by now. */
static int check_replacement(struct lockstep_volume *vol, u64 sect, char *why, size_t len)
{
	u32 block = queue_logical_block_size(vol->disk->queue);

	if (vol->local.logical_bytes > block) {
		snprintf(why, len, "%s has blocks of %u bytes, and the volume, in use, of %u; "
			 "take one of %u or less, then lockstep init %s --volume %u, then lockstep "
			 "attach %s", vol->backing, vol->local.logical_bytes, block, block,
			 vol->res->name, vol->number, vol->res->name);
		return -EINVAL;
	}
	switch (volsize_replace(sect, vol->res->state.role == LOCKSTEP_ROLE_PRIMARY,
				vol->meta.data_sect, vol->data_max_sect)) {
	case VOLSIZE_SMALL:
		snprintf(why, len, "%s has room for %llu sectors, and the volume has %llu; take a "
			 "larger disk, then lockstep init %s --volume %u, then lockstep attach %s",
			 vol->backing, vol->data_max_sect, sect, vol->res->name, vol->number,
			 vol->res->name);
		return -ENOSPC;
	case VOLSIZE_SHORT:
		snprintf(why, len, "%s holds a copy of %llu sectors, and the volume, primary here, "
			 "has grown to %llu; demote it first, or, to copy all anew: lockstep init "
			 "--force %s --volume %u, then lockstep attach %s", vol->backing,
			 vol->meta.data_sect, sect, vol->res->name, vol->number, vol->res->name);
		return -ENOSPC;
	case VOLSIZE_LARGE:
		snprintf(why, len, "%s holds a copy of %llu sectors, and the volume has %llu; to "
			 "go back to that size: lockstep down %s, then lockstep up %s; to copy "
			 "all anew: lockstep init --force %s --volume %u, then lockstep attach %s",
			 vol->backing, vol->meta.data_sect, sect, vol->res->name, vol->res->name,
			 vol->res->name, vol->number, vol->res->name);
		return -EFBIG;
	default:
		return 0;
	}
}

/*
 * A new disk takes the size that the two sides have agreed on: it says so in the hello, where all
 * that it has room for would be what a primary insists on, and the peer cannot give.
 *
 * Of a disk that is behind, a secondary's, the size goes back to what it has, as at `up`, until the
 * next session makes it the volume's: whoever was promoted before that would write where this disk,
 * after a crash, says there is nothing [Z2].
 */
static int settle_size(struct lockstep_volume *vol, u64 sect, bool agreed, char *why, size_t len)
{
	u64 disk_sect = vol->data_sect;
	int err = 0;

	vol->data_sect = sect;
	if (vol->meta.data_sect && vol->meta.data_sect < sect) {
		mutex_lock(&vol->open_lock);
		if (vol->openers)
			err = in_use(vol, "close it first", why, len);
		else
			set_size(vol, disk_sect);
		mutex_unlock(&vol->open_lock);
		return err;
	}
	if (!vol->meta.data_sect && agreed) {
		vol->meta.data_sect = sect;
		err = lockstep_metaio_store(vol);
		if (err)
			snprintf(why, len, "the metadata of %s could not be written", vol->backing);
	}
	return err ?: disk_sect == sect ? 0 : lockstep_marks_resize(&vol->marks, sect);
}

int lockstep_volume_replace_locked(struct lockstep_volume *vol, const char *backing,
				   const char *meta_path, u64 old_sect, char *why, size_t len)
{
	bool primary = vol->res->state.role == LOCKSTEP_ROLE_PRIMARY;
	struct disk_part *old = kmalloc(sizeof(*old), GFP_KERNEL);
	u64 sect = vol->data_sect;
	int err;

	lockdep_assert_held(&vol->res->ctl);
	if (!old)
		return -ENOMEM;
	save_part(vol, old);
	vol->md.bdev = NULL;
	strscpy(vol->backing, backing, sizeof(vol->backing));
	strscpy(vol->meta_path, meta_path ?: "", sizeof(vol->meta_path));
	/* Nobody is at the maps that go: requests look at `failed` first. */
	synchronize_srcu(&vol->res->mode_srcu);
	lockstep_bitmap_stop(vol);
	lockstep_bitmap_exit(vol);
	lockstep_marks_exit(&vol->marks);
	lockstep_regions_exit(vol);
	lockstep_regions_set_gone(vol, false);
	err = attach(vol, old_sect, why, len) ?: check_replacement(vol, sect, why, len) ?:
	      settle_size(vol, sect, old->meta.data_sect != 0, why, len);
	if (!err) {
		swap(vol->data, old->data);
		swap(vol->md, old->md);
		close_devices(vol);
		swap(vol->data, old->data);
		swap(vol->md, old->md);
		vol->unproven = primary;
	} else {
		vol->data_sect = sect;
		close_devices(vol);
		restore_part(vol, old);
		lockstep_marks_exit(&vol->marks);
		lockstep_regions_exit(vol);
		if (lockstep_marks_init_max(&vol->marks, sect, vol->data_max_sect) ||
		    lockstep_regions_init(vol, vol->data_max_sect))
			err = -ENOMEM;
		lockstep_regions_set_gone(vol, true);
	}
	WRITE_ONCE(vol->stale, true);
	kfree(old);
	return err;
}

/* ---- detach --------------------------------------------------------------------------------- */

int lockstep_volume_leave_locked(struct lockstep_volume *vol, char *why, size_t len)
{
	int err = 0;

	lockdep_assert_held(&vol->res->ctl);
	mutex_lock(&vol->open_lock);
	if (vol->openers)
		err = in_use(vol, "close it first", why, len);
	else
		WRITE_ONCE(vol->going, true);
	mutex_unlock(&vol->open_lock);
	/* Who waits in open() leaves: he holds what del_gendisk() takes. */
	wake_up_all(&vol->res->state_wait);
	return err;
}

void lockstep_volume_stay_locked(struct lockstep_volume *vol)
{
	lockdep_assert_held(&vol->res->ctl);
	mutex_lock(&vol->open_lock);
	WRITE_ONCE(vol->going, false);
	mutex_unlock(&vol->open_lock);
}

/*
 * A disk that hangs would keep the removal, and ctl, in its middle, with some volumes gone and some
 * not: so it is tried, and that is not waited for without an end. What it has kept of others is
 * known without. An error is no reason to stay: it is reported by then, and such a copy is not
 * closed as clean. A trial that found no worker says nothing of the disk, and that is no reason to
 * go: closing would wait for it without a limit. One that hangs only from here on is waited for.
 */
int lockstep_volume_may_go_locked(struct lockstep_volume *vol, char *why, size_t len)
{
	int tried = 0;
	bool kept;

	lockdep_assert_held(&vol->res->ctl);
	kept = (vol->failed && !lockstep_disk_is_left(vol)) || lockstep_volume_strays(vol);
	if (!kept && !vol->failed) {
		vol->res->wait = "a flush of the local disk";
		tried = lockstep_flush_try(vol);
		vol->res->wait = NULL;
	}
	if (tried == LOCKSTEP_FLUSH_UNTRIED) {
		snprintf(why, len, "other disks of this host do not answer, and %s could not be "
			 "tried beside them: try again", vol->backing);
		return -EBUSY;
	}
	if (!kept && tried != LOCKSTEP_FLUSH_LATE)
		return 0;
	snprintf(why, len, "requests are still at %s, which does not answer: remove it from this "
		 "host, or wait until they come back", vol->backing);
	return -EBUSY;
}

void lockstep_volume_del_locked(struct lockstep_volume *vol)
{
	struct lockstep_resource *res = vol->res;
	u32 number = vol->number;

	lockdep_assert_held(&res->ctl);
	/*
	 * Who may still come: nobody opens it any more; requests end with the reference; the
	 * session is closed, so no peer's write and no resync.
	 */
	del_gendisk(vol->disk);
	percpu_ref_kill(&vol->ref);
	res->wait = "requests at the local disk";
	wait_for_completion(&vol->ref_done);
	lockstep_engine_stop(vol);
	lockstep_engine_drain(vol);
	lockstep_bitmap_stop(vol);
	if (!vol->failed)
		percpu_ref_kill(&vol->disk_ref);
	wait_for_completion(&vol->disk_done);
	/* What is left on a disk that was given up says that nobody closed it: so it is. */
	if (!vol->failed)
		close_metadata(vol);
	res->wait = NULL;
	put_disk(vol->disk);
	WRITE_ONCE(res->volume[number], NULL);
	res->nr_volumes--;
	synchronize_srcu(&res->mode_srcu);	/* whoever looks for waits: debugfs.c */
	volume_free(vol);
	lockstep_status_copy_locked(res);
}
