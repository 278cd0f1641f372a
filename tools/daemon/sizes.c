// SPDX-License-Identifier: GPL-2.0
#include "sizes.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

/* Resource names hold no slash (meta_name_ok), so none leads out of the directory. */
static void file_path(const char *dir, const char *resource, u32 volume, char *ret, size_t size)
{
	snprintf(ret, size, "%s/%s-%u.size", dir, resource, volume);
}

static u64 read_file(const char *path)
{
	FILE *f = fopen(path, "re");
	u64 sect = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%" SCNu64, &sect) != 1)
		sect = 0;
	fclose(f);
	return sect;
}

static u64 device_sect(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	u64 bytes = 0;

	if (fd < 0)
		return 0;
	if (ioctl(fd, BLKGETSIZE64, &bytes) < 0)
		bytes = 0;
	close(fd);
	return bytes >> LOCKSTEP_SECT_SHIFT;
}

u64 sizes_old(const char *dir, const char *resource, u32 volume, const char *backing)
{
	char path[512];
	u64 old, now;

	file_path(dir, resource, volume, path, sizeof(path));
	old = read_file(path);
	now = old ? device_sect(backing) : 0;
	return now && now != old ? old : 0;
}

/* Whole or not at all: a half number would be believed. */
static int write_file(const char *path, u64 sect)
{
	char tmp[520], text[32];
	int fd, len, r = 0;

	snprintf(tmp, sizeof(tmp), "%s.new", path);
	len = snprintf(text, sizeof(text), "%" PRIu64 "\n", sect);
	fd = open(tmp, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, text, (size_t)len) != len || fsync(fd) < 0)
		r = -EIO;
	close(fd);
	if (!r && rename(tmp, path) < 0)
		r = -errno;
	return r;
}

void sizes_note(const char *dir, const struct model_resource *r)
{
	char path[512];
	int err;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
		log_warn("cannot make %s: %s", dir, strerror(errno));
		return;
	}
	for (u32 i = 0; i < r->nr_volumes; i++) {
		const struct model_volume *v = &r->volume[i];

		file_path(dir, r->name, v->number, path, sizeof(path));
		if (!v->device_sect || read_file(path) == v->device_sect)
			continue;
		err = write_file(path, v->device_sect);
		if (err)
			log_warn("cannot write %s: %s", path, strerror(-err));
	}
}
