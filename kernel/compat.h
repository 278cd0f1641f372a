/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between the kernels we build for (6.1, 6.12, 7.2). The only file with
 * LINUX_VERSION_CODE beside kernel/os. Each shim says when the kernel changed; a shim goes when the
 * last kernel that needs it does.
 */
#ifndef LOCKSTEP_COMPAT_H
#define LOCKSTEP_COMPAT_H

#include <linux/blkdev.h>
#include <linux/kthread.h>
#include <linux/uio.h>
#include <linux/version.h>
#include <net/sock.h>
#include <net/tcp.h>

/* ---- opening block devices: by path until 6.8, as files from 6.9 ---------------------------- */

struct lockstep_bdev {
	struct block_device *bdev;
	struct file *file;
};

/* Exclusively for `holder`, for reading and writing. */
static inline int compat_bdev_open(struct lockstep_bdev *b, const char *path, void *holder)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
	b->file = bdev_file_open_by_path(path, BLK_OPEN_READ | BLK_OPEN_WRITE, holder, NULL);
	if (IS_ERR(b->file))
		return PTR_ERR(b->file);
	b->bdev = file_bdev(b->file);
#else
	b->bdev = blkdev_get_by_path(path, FMODE_READ | FMODE_WRITE | FMODE_EXCL, holder);
	if (IS_ERR(b->bdev))
		return PTR_ERR(b->bdev);
#endif
	return 0;
}

static inline void compat_bdev_close(struct lockstep_bdev *b)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
	bdev_fput(b->file);
#else
	blkdev_put(b->bdev, FMODE_READ | FMODE_WRITE | FMODE_EXCL);
#endif
	b->bdev = NULL;
}

/* ---- block_device_operations: open and release take the disk from 6.5 on -------------------- */

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#define COMPAT_OPEN(name, disk, for_write) \
	static int name##_(struct gendisk *disk, bool for_write); \
	static int name(struct gendisk *disk, blk_mode_t mode) \
	{ \
		return name##_(disk, mode & BLK_OPEN_WRITE); \
	} \
	static int name##_(struct gendisk *disk, bool for_write)
#define COMPAT_RELEASE(name, disk, for_write) \
	static void name##_(struct gendisk *disk); \
	static void name(struct gendisk *disk) \
	{ \
		name##_(disk); \
	} \
	static void name##_(struct gendisk *disk)
#else
#define COMPAT_OPEN(name, disk, for_write) \
	static int name##_(struct gendisk *disk, bool for_write); \
	static int name(struct block_device *bdev, fmode_t mode) \
	{ \
		return name##_(bdev->bd_disk, mode & FMODE_WRITE); \
	} \
	static int name##_(struct gendisk *disk, bool for_write)
#define COMPAT_RELEASE(name, disk, for_write) \
	static void name##_(struct gendisk *disk); \
	static void name(struct gendisk *disk, fmode_t mode) \
	{ \
		name##_(disk); \
	} \
	static void name##_(struct gendisk *disk)
#endif

/* ---- queue limits: setters until 6.8, a struct with a lock from 6.9, features in it from 6.11  */

struct compat_limits {
	u32 logical_bytes, physical_bytes, io_min, io_opt;
	u32 max_sect;			/* of a read or write */
	u32 zero_sect;			/* of a discard or zeroing, 0: not offered */
	u32 zero_granularity;
};

/*
 * Does it complete while it submits? A flag since 6.3; before, whoever could read and write single
 * pages did.
 */
static inline bool compat_bdev_synchronous(struct block_device *bdev)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	return bdev_synchronous(bdev);
#else
	return bdev->bd_disk->fops->rw_page;
#endif
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
static inline void compat_limits_fill(struct queue_limits *q, const struct compat_limits *l)
{
	q->logical_block_size = l->logical_bytes;
	q->physical_block_size = l->physical_bytes;
	q->io_min = l->io_min;
	q->io_opt = l->io_opt;
	q->max_hw_sectors = l->max_sect;
	q->max_user_sectors = 0;
	q->max_segments = USHRT_MAX;
	q->max_segment_size = UINT_MAX;
	q->max_hw_discard_sectors = l->zero_sect;
	q->max_user_discard_sectors = UINT_MAX;
	q->discard_granularity = l->zero_sect ? l->zero_granularity : 0;
	q->max_write_zeroes_sectors = l->zero_sect;
	q->features |= BLK_FEAT_WRITE_CACHE | BLK_FEAT_FUA | BLK_FEAT_STABLE_WRITES;
}

static inline struct gendisk *compat_disk_alloc(const struct compat_limits *l)
{
	struct queue_limits q = {};

	compat_limits_fill(&q, l);
	return blk_alloc_disk(&q, NUMA_NO_NODE);
}

static inline int compat_disk_limits(struct gendisk *disk, const struct compat_limits *l)
{
	struct queue_limits q = queue_limits_start_update(disk->queue);

	compat_limits_fill(&q, l);
	return queue_limits_commit_update_frozen(disk->queue, &q);
}
#else
static inline int compat_disk_limits(struct gendisk *disk, const struct compat_limits *l)
{
	struct request_queue *q = disk->queue;

	blk_queue_logical_block_size(q, l->logical_bytes);
	blk_queue_physical_block_size(q, l->physical_bytes);
	blk_queue_io_min(q, l->io_min);
	blk_queue_io_opt(q, l->io_opt);
	blk_queue_max_hw_sectors(q, l->max_sect);
	blk_queue_max_segments(q, USHRT_MAX);
	blk_queue_max_segment_size(q, UINT_MAX);
	blk_queue_max_discard_sectors(q, l->zero_sect);
	q->limits.discard_granularity = l->zero_sect ? l->zero_granularity : 0;
	blk_queue_max_write_zeroes_sectors(q, l->zero_sect);
	blk_queue_write_cache(q, true, true);
	/* Both copies are made from the same pages: they must not change on the way. */
	blk_queue_flag_set(QUEUE_FLAG_STABLE_WRITES, q);
	return 0;
}

static inline struct gendisk *compat_disk_alloc(const struct compat_limits *l)
{
	struct gendisk *disk = blk_alloc_disk(NUMA_NO_NODE);

	if (!disk)
		return ERR_PTR(-ENOMEM);
	compat_disk_limits(disk, l);
	return disk;
}
#endif

/* ---- iov_iter: direction by READ and WRITE until 6.1, ITER_DEST and ITER_SOURCE from 6.2 ---- */

static inline void compat_iov_iter_bvec_source(struct iov_iter *it, const struct bio_vec *bv,
					       unsigned long nr, size_t len)
{
	iov_iter_bvec(it, ITER_SOURCE, bv, nr, len);
}

static inline void compat_iov_iter_bvec_dest(struct iov_iter *it, const struct bio_vec *bv,
					     unsigned long nr, size_t len)
{
	iov_iter_bvec(it, ITER_DEST, bv, nr, len);
}

/* ---- sockets -------------------------------------------------------------------------------- */

/*
 * The pages themselves go into TCP's queue, and no copy of them: a flag of sendmsg from 6.5 on,
 * which takes a compound page apart into single ones; before that page by page. From `skip` bytes
 * behind the beginning of bv on; returns how many bytes went, or a negative errno. Nothing is
 * looked at after the last byte has gone. Each vector lies in one page, which may be a compound
 * one.
 */
static inline int compat_send_pages(struct socket *sock, const struct bio_vec *bv, unsigned int nr,
				    u32 skip, u32 len, unsigned int flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	struct msghdr msg = { .msg_flags = flags | MSG_SPLICE_PAGES };

	iov_iter_bvec(&msg.msg_iter, ITER_SOURCE, bv, nr, len);
	msg.msg_iter.iov_offset = skip;
	return sock_sendmsg(sock, &msg);
#else
	u32 sent = 0, left = 0, at = 0, part;
	struct page *page = NULL;
	int n = 0;

	(void)nr;
	lock_sock(sock->sk);
	while (sent < len) {
		if (!left) {
			left = bv->bv_len - skip;
			at = bv->bv_offset + skip;
			page = bv->bv_page;
			skip = 0;
			bv++;
		}
		part = min(left, len - sent);
		n = kernel_sendpage_locked(sock->sk, page, at, part,
					   sent + part == len ? flags :
					   flags | MSG_MORE | MSG_SENDPAGE_NOTLAST);
		if (n <= 0)
			break;
		sent += n;
		left -= n;
		at += n;
	}
	release_sock(sock->sk);
	return sent ?: n;
#endif
}

/*
 * The task's page fragment may be in use by whatever called into us to write; 6.2, in Debian's 6.1
 * too.
 */
static inline void compat_sk_no_task_frag(struct sock *sk)
{
	sk->sk_use_task_frag = false;
}

/* Reset the connection and drop everything that is queued on it, whoever else holds the socket. */
static inline void compat_tcp_abort(struct sock *sk)
{
	tcp_abort(sk, ECONNABORTED);
}

/* ---- tracepoints: a string's source is given once, in TP_STRUCT__entry, from 6.10 on --------- */

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
#define compat_assign_str(field, source)	__assign_str(field)
#else
#define compat_assign_str(field, source)	__assign_str(field, source)
#endif

/* ---- threads: complete_and_exit was renamed in 5.17 ----------------------------------------- */

static inline void __noreturn compat_kthread_complete_and_exit(struct completion *done, long code)
{
	kthread_complete_and_exit(done, code);
}

#endif /* LOCKSTEP_COMPAT_H */
