// SPDX-License-Identifier: GPL-2.0
#include "save.h"

#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "metafile.h"
#include "nl.h"
#include "rle.h"
#include "text.h"
#include "whole.h"
#include <lockstep/disk.h>

#define BLOCK_BYTES	4096u
#define REGION_BLOCKS	(LOCKSTEP_REGION_BYTES / BLOCK_BYTES)
#define PATH_BYTES	(PATH_MAX + 16)

static_assert(BLOCK_BYTES == LOCKSTEP_BIT_BYTES);

struct ranges {
	struct save_range *range;
	size_t nr, room;
};

/* One volume on its way. */
struct save {
	const struct model_resource *r;
	const struct model_volume *v;
	struct ranges ranges;
	char image[PATH_BYTES], map[PATH_BYTES];
	bool made_image, made_map;
};

static int no_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "no-memory", "out of memory");
}

static int add(struct ranges *l, u64 first, u64 count, struct err *e)
{
	struct save_range *more;

	if (l->nr == l->room) {
		more = reallocarray(l->range, l->room * 2 + 64, sizeof(*more));
		if (!more)
			return no_memory(e);
		l->range = more;
		l->room = l->room * 2 + 64;
	}
	l->range[l->nr++] = (struct save_range){ first, count };
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct save_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

size_t save_union(struct save_range *range, size_t nr)
{
	size_t last = 0;

	if (!nr)
		return 0;
	qsort(range, nr, sizeof(*range), compare);
	for (size_t i = 1; i < nr; i++) {
		u64 end = range[last].first + range[last].count;

		if (range[i].first > end)
			range[++last] = range[i];
		else
			range[last].count = max(end, range[i].first + range[i].count) -
					    range[last].first;
	}
	return last + 1;
}

int save_check(const struct model_volume *v, struct err *e)
{
	if (v->loading) {
		err_set(e, -EAGAIN, "loading", "the bitmap of volume %u is still being read",
			v->number);
		err_mend(e, "wait a little, then this again");
		return -EAGAIN;
	}
	if (!(v->flags & LOCKSTEP_MF_MARKS_VALID)) {
		err_set(e, -EINVAL, "marks-unknown", "nobody knows what of volume %u only this "
			"host has: its marks are not complete", v->number);
		err_mend(e, "save all of %s by other means, then this without --save", v->backing);
		return -EINVAL;
	}
	return 0;
}

/* ---- what there is -------------------------------------------------------------------------- */

static int add_marks(struct save *s, struct nl *nl, struct err *e)
{
	u64 at = 0, first, count, blocks = model_volume_sect(s->v) / LOCKSTEP_BIT_SECT;
	struct nl_marks *m = malloc(sizeof(*m));
	struct rle_iter it;
	int err = m ? 0 : no_memory(e);

	do {
		if (!err)
			err = nl_marks_get(nl, s->r->name, s->v->number, at, m, e);
		if (err)
			break;
		rle_iter_init(&it, m->runs, m->run_bytes, m->first_bit, blocks);
		while (!err && rle_iter_next(&it, &first, &count))
			err = add(&s->ranges, first, count, e);
		if (!err && it.bad)
			err = err_set(e, -EBADMSG, "netlink", "the kernel's list of marks is not "
				      "to be understood");
		at = m->next_bit;
	} while (!err && m->has_next);
	free(m);
	return err;
}

/* One block of the region map. */
static int add_regions(struct save *s, const u8 *block, u64 first_region, struct err *e)
{
	u64 blocks = model_volume_sect(s->v) / LOCKSTEP_BIT_SECT, first;
	int err = 0;

	for (u32 bit = 0; bit < BLOCK_BYTES * 8 && !err; bit++) {
		first = (first_region + bit) * REGION_BLOCKS;
		if (block[bit / 8] >> bit % 8 & 1 && first < blocks)
			err = add(&s->ranges, first, min(blocks - first, (u64)REGION_BLOCKS), e);
	}
	return err;
}

/*
 * Not closed cleanly: what was written and is not marked lies in a region of the map. What is on
 * the disk is that, or more: nobody writes here now.
 */
static int add_dirty(struct save *s, struct err *e)
{
	const char *path = s->v->meta[0] ? s->v->meta : s->v->backing;
	static _Alignas(BLOCK_BYTES) u8 block[BLOCK_BYTES];
	static struct metafile f;
	const struct meta *m;
	struct device d;
	int err = device_open(path, DEVICE_READ, &d, e);

	if (err)
		return err;
	metafile_read(&d, s->v->meta[0], 0, &f);
	if (f.picked < 0)
		err = err_set(e, -EIO, "meta-read", "the metadata on %s cannot be read", path);
	m = f.picked < 0 ? NULL : &f.copy[f.picked].meta;
	for (u64 i = 0; !err && i < m->region_map_4k; i++) {
		err = device_read(&d, m->region_map_sect + i * LOCKSTEP_BIT_SECT, block);
		if (err)
			err_set(e, err, "meta-read", "the region map on %s cannot be read: %s",
				path, strerror(-err));
		else
			err = add_regions(s, block, i * BLOCK_BYTES * 8, e);
	}
	device_close(&d);
	return err;
}

static int find_changes(struct save *s, struct nl *nl, struct err *e)
{
	int err = add_marks(s, nl, e);

	if (!err && s->v->flags & LOCKSTEP_MF_UNCLEAN)
		err = add_dirty(s, e);
	s->ranges.nr = save_union(s->ranges.range, s->ranges.nr);
	return err;
}

/* ---- into files ----------------------------------------------------------------------------- */

static int file_failed(const char *path, const char *doing, int err, struct err *e)
{
	err_set(e, -err, "save-file", "%s %s failed: %s", doing, path, strerror(err));
	err_means(e, "Nothing was thrown away");
	err_mend(e, "give --save another file");
	return -err;
}

static int create(const char *path, bool *ret_made, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return file_failed(path, "making", errno, e);
	*ret_made = true;
	return fd;
}

static int copy_range(const struct save *s, const struct device *d, int fd,
		      const struct save_range *r, struct err *e)
{
	static _Alignas(BLOCK_BYTES) u8 block[BLOCK_BYTES];
	int err;

	for (u64 b = r->first; b < r->first + r->count; b++) {
		err = device_read(d, b * LOCKSTEP_BIT_SECT, block);
		if (err) {
			err_set(e, err, "read", "reading %s at byte %" PRIu64 " failed: %s",
				s->v->backing, b * BLOCK_BYTES, strerror(-err));
			err_means(e, "Nothing was thrown away");
			err_mend(e, "dmesg | tail");
			return err;
		}
		if (pwrite(fd, block, BLOCK_BYTES, (off_t)(b * BLOCK_BYTES)) != BLOCK_BYTES)
			return file_failed(s->image, "writing", errno ? errno : ENOSPC, e);
	}
	return 0;
}

static int write_image(struct save *s, struct err *e)
{
	struct device d;
	int fd, err = device_open(s->v->backing, DEVICE_READ, &d, e);

	if (err)
		return err;
	fd = create(s->image, &s->made_image, e);
	err = fd < 0 ? fd : 0;
	if (!err && ftruncate(fd, (off_t)(model_volume_sect(s->v) * LOCKSTEP_SECT_BYTES)))
		err = file_failed(s->image, "writing", errno, e);
	for (size_t i = 0; i < s->ranges.nr && !err; i++)
		err = copy_range(s, &d, fd, &s->ranges.range[i], e);
	if (!err && fsync(fd))
		err = file_failed(s->image, "writing", errno, e);
	if (fd >= 0)
		close(fd);
	device_close(&d);
	return err;
}

static int write_map(struct save *s, struct err *e)
{
	int fd = create(s->map, &s->made_map, e);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	bool ok;

	if (fd < 0)
		return fd;
	if (!f) {
		close(fd);
		return no_memory(e);
	}
	fprintf(f, "# lockstep changes 1\n# resource %s, volume %u, node %s\n"
		"# generation %s, since %s\n", s->r->name, s->v->number, s->r->node,
		text_id(s->v->gen_current).s, text_id(s->v->gen_since).s);
	fprintf(f, "# device %" PRIu64 " bytes, saved at %lld (seconds since 1970)\n",
		model_volume_sect(s->v) * LOCKSTEP_SECT_BYTES, (long long)time(NULL));
	for (size_t i = 0; i < s->ranges.nr; i++)
		fprintf(f, "%" PRIu64 " %" PRIu64 "\n", s->ranges.range[i].first * BLOCK_BYTES,
			s->ranges.range[i].count * BLOCK_BYTES);
	ok = !fflush(f) && !ferror(f) && !fsync(fd);
	if (fclose(f) || !ok)
		return file_failed(s->map, "writing", errno ? errno : EIO, e);
	return 0;
}

/* That the files are there is stable, too. */
static int sync_folder(const char *path, struct err *e)
{
	char copy[PATH_BYTES];
	const char *folder;
	int fd, err = 0;

	snprintf(copy, sizeof(copy), "%s", path);
	folder = dirname(copy);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd))
		err = file_failed(folder, "writing", errno, e);
	if (fd >= 0)
		close(fd);
	return err;
}

static int save_volume(struct save *s, struct nl *nl, struct err *e)
{
	u64 blocks = 0;
	int err = find_changes(s, nl, e);

	if (!err)
		err = write_image(s, e);
	if (!err)
		err = write_map(s, e);
	if (!err)
		err = sync_folder(s->image, e);
	for (size_t i = 0; i < s->ranges.nr; i++)
		blocks += s->ranges.range[i].count;
	if (!err)
		printf("volume %u: %s saved in %s, listed in %s\n", s->v->number,
		       text_bits(blocks).s, s->image, s->map);
	return err;
}

static void clean_up(struct save *s, bool failed)
{
	if (failed && s->made_image)
		unlink(s->image);
	if (failed && s->made_map)
		unlink(s->map);
	free(s->ranges.range);
}

int save_changes(const struct model_resource *r, const char *path, struct err *e)
{
	struct save *list = calloc(r->nr_volumes + 1, sizeof(*list));
	struct nl *nl = NULL;
	int err = list ? 0 : no_memory(e);

	/* What is not known here would be thrown away unsaved. */
	if (!err)
		err = whole_check(r, e);
	for (u32 i = 0; i < r->nr_volumes && !err; i++)
		err = save_check(&r->volume[i], e);
	if (!err)
		err = nl_open(&nl, e);
	if (!err && strlen(path) > PATH_MAX - 32)
		err = err_set(e, -ENAMETOOLONG, "save-file", "the file's name is too long");
	for (u32 i = 0; i < r->nr_volumes && !err; i++) {
		struct save *s = &list[i];
		char number[16] = "";

		s->r = r;
		s->v = &r->volume[i];
		if (r->nr_volumes > 1)
			snprintf(number, sizeof(number), ".%u", s->v->number);
		snprintf(s->image, sizeof(s->image), "%s%s", path, number);
		snprintf(s->map, sizeof(s->map), "%.*s.map", (int)sizeof(s->map) - 8, s->image);
		err = save_volume(s, nl, e);
	}
	for (u32 i = 0; list && i < r->nr_volumes; i++)
		clean_up(&list[i], err);
	free(list);
	nl_shut(nl);
	return err;
}
