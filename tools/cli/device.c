// SPDX-License-Identifier: GPL-2.0
#include "device.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "use.h"
#include <lockstep/disk.h>

static bool files_allowed(enum device_mode mode)
{
	const char *env = getenv("LOCKSTEP_ALLOW_FILES");

	return mode != DEVICE_CLAIM || (env && !strcmp(env, "1"));
}

static int open_failed(const char *path, int err, const struct stat *st, struct err *e)
{
	char text[256], mend[256];

	if (err == -EBUSY) {
		if (use_describe(st->st_rdev, path, text, sizeof(text), mend, sizeof(mend))) {
			err_set(e, err, "device-busy", "%s is in use: %s", path, text);
			err_mend(e, "%s", mend);
		} else {
			err_set(e, err, "device-busy", "%s is in use", path);
			err_mend(e, "lsblk %s; fuser -v %s", path, path);
		}
		err_means(e, "A disk in use is never touched, not even with --force");
		return err;
	}
	err_set(e, err, "device-open", "%s cannot be opened: %s", path, strerror(-err));
	if (err == -EACCES || err == -EPERM)
		err_mend(e, "sudo lockstep ...");
	if (err == -ENOENT)
		err_mend(e, "lsblk    (and correct the path in the configuration)");
	if (err == -EROFS)
		err_mend(e, "blockdev --setrw %s", path);
	return err;
}

static int get_size(struct device *d, const struct stat *st, struct err *e)
{
	u64 bytes = (u64)st->st_size;
	int logical = 512;

	d->dev = S_ISBLK(st->st_mode) ? st->st_rdev : 0;
	if (d->dev && (ioctl(d->fd, BLKGETSIZE64, &bytes) || ioctl(d->fd, BLKSSZGET, &logical)))
		return err_set(e, -errno, "device-size", "%s does not tell its size: %s", d->path,
			       strerror(errno));
	d->sect = bytes >> LOCKSTEP_SECT_SHIFT;
	d->logical_bytes = (u32)logical;
	return 0;
}

/*
 * O_DIRECT: what the module reads and writes goes around the page cache, and so do we, where we
 * can.
 */
int device_open(const char *path, enum device_mode mode, struct device *ret, struct err *e)
{
	struct device d = { .path = path };
	int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK, err;
	struct stat st;

	if (stat(path, &st))
		return open_failed(path, -errno, &st, e);
	if (!S_ISBLK(st.st_mode) && !(S_ISREG(st.st_mode) && files_allowed(mode))) {
		err_set(e, -ENOTBLK, "not-a-device", "%s is not a block device", path);
		if (S_ISREG(st.st_mode))
			err_mend(e, "losetup --find --show %s", path);
		return -ENOTBLK;
	}
	flags |= mode == DEVICE_CLAIM ? O_RDWR : O_RDONLY;
	/* On a block device, without O_CREAT: fails if anybody has claimed it, and claims it. */
	if (mode != DEVICE_READ && S_ISBLK(st.st_mode))
		flags |= O_EXCL;
	d.fd = open(path, flags | O_DIRECT);
	if (d.fd < 0 && errno == EINVAL)
		d.fd = open(path, flags);
	if (d.fd < 0)
		return open_failed(path, -errno, &st, e);
	err = fstat(d.fd, &st) ? err_set(e, -errno, "device-open", "%s: %s", path, strerror(errno))
		: get_size(&d, &st, e);
	if (err) {
		close(d.fd);
		return err;
	}
	*ret = d;
	return 0;
}

void device_close(struct device *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

/* One block by way of a buffer that is aligned as O_DIRECT wants it. */
static int transfer(const struct device *d, u64 sect, void *in, const void *out)
{
	off_t at = (off_t)(sect << LOCKSTEP_SECT_SHIFT);
	ssize_t n;
	void *buf;
	int err = 0;

	if (sect + LOCKSTEP_BIT_SECT > d->sect)
		return -ENXIO;
	if (posix_memalign(&buf, LOCKSTEP_SB_BYTES, LOCKSTEP_SB_BYTES))
		return -ENOMEM;
	if (out)
		memcpy(buf, out, LOCKSTEP_SB_BYTES);
	n = out ? pwrite(d->fd, buf, LOCKSTEP_SB_BYTES, at)
		: pread(d->fd, buf, LOCKSTEP_SB_BYTES, at);
	if (n != LOCKSTEP_SB_BYTES)
		err = n < 0 ? -errno : -EIO;
	else if (in)
		memcpy(in, buf, LOCKSTEP_SB_BYTES);
	free(buf);
	return err;
}

int device_read(const struct device *d, u64 sect, void *block)
{
	return transfer(d, sect, block, NULL);
}

int device_write(const struct device *d, u64 sect, const void *block)
{
	return transfer(d, sect, NULL, block);
}

int device_sync(const struct device *d)
{
	return fsync(d->fd) ? -errno : 0;
}
