/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A block device while init, dump-meta or outdate look at it: opening, size, whole blocks in and
 * out. With LOCKSTEP_ALLOW_FILES=1 in the environment a regular file passes for a device (tests,
 * images).
 */
#ifndef LOCKSTEP_DEVICE_H
#define LOCKSTEP_DEVICE_H

#include "os.h"
#include "err.h"
#include <sys/types.h>

struct device {
	const char *path;	/* the caller's */
	int fd;
	u64 sect;		/* its size */
	u32 logical_bytes;
	dev_t dev;		/* 0: a regular file */
};

enum device_mode {
	DEVICE_READ,		/* dump: files are always allowed */
	DEVICE_LOOK,		/* outdate: the same, refused while anybody uses it */
	DEVICE_CLAIM,		/* init: for writing, refused while anybody uses it */
};

int device_open(const char *path, enum device_mode mode, struct device *ret, struct err *e);
void device_close(struct device *d);

/* Whole 4 KiB blocks at a sector, around the page cache where the device can. Negative errno. */
int device_read(const struct device *d, u64 sect, void *block);
int device_write(const struct device *d, u64 sect, const void *block);
/* Everything written is stable. */
int device_sync(const struct device *d);

#endif /* LOCKSTEP_DEVICE_H */
