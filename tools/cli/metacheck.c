// SPDX-License-Identifier: GPL-2.0
#include "metacheck.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "device.h"
#include "oosmap.h"
#include "text.h"

#define MAP_BITS	(LOCKSTEP_SB_BYTES * 8)		/* in one block of a map */

static void find(struct metacheck *c, bool is_error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void find(struct metacheck *c, bool is_error, const char *fmt, ...)
{
	struct metacheck_finding *f;
	va_list ap;

	c->nr_errors += is_error;
	if (c->nr_findings == METACHECK_FINDINGS)
		return;
	f = &c->finding[c->nr_findings++];
	f->is_error = is_error;
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
}

/* ---- superblocks ---------------------------------------------------------------------------- */

static void check_copies(struct metacheck *c)
{
	const struct metafile *x = &c->file;
	const struct meta *a = &x->copy[0].meta, *b = &x->copy[1].meta;
	bool both = true;

	for (int i = 0; i < 2; i++) {
		const struct metafile_copy *copy = &x->copy[i];

		both &= !copy->io_err && copy->err == META_OK;
		if (copy->io_err)
			find(c, true, "superblock %d cannot be read: %s", i,
			     strerror(-copy->io_err));
		else if (copy->err == META_BAD_CRC)
			find(c, false, "superblock %d is torn: it was being written in a crash, "
			     "or is damaged", i);
		else if (copy->err != META_OK)
			find(c, true, "superblock %d is not to be used: %s", i,
			     text_meta_err(copy->err));
	}
	if (!both)
		return;
	if (strcmp(a->resource, b->resource) || a->node_id != b->node_id || a->volume != b->volume)
		find(c, true, "the superblocks belong to different volumes: %s/%u of node %u and "
		     "%s/%u of node %u", a->resource, a->volume, a->node_id, b->resource,
		     b->volume, b->node_id);
	if (a->sequence == b->sequence)
		find(c, true, "both superblocks have sequence %" PRIu64, a->sequence);
	else if (max(a->sequence, b->sequence) - min(a->sequence, b->sequence) > 1)
		find(c, false, "sequences %" PRIu64 " and %" PRIu64 " do not follow one another: "
		     "writing one of them failed", a->sequence, b->sequence);
}

static void check_flags(struct metacheck *c, const struct meta *m)
{
	u32 f = m->flags;

	if (f & LOCKSTEP_MF_UP_TO_DATE && !(f & LOCKSTEP_MF_CONSISTENT))
		find(c, true, "it is called up to date, and not consistent");
	if (f & LOCKSTEP_MF_CRASHED_PRIMARY && !(f & LOCKSTEP_MF_UNCLEAN))
		find(c, true, "it is called a crashed primary, and cleanly closed");
	if (f & LOCKSTEP_MF_PRIMARY && !(f & LOCKSTEP_MF_ATTACHED))
		find(c, true, "it is called primary, and not attached");
	if (f & LOCKSTEP_MF_UP_TO_DATE && !m->current_gen.id)
		find(c, true, "it is called up to date, and has no generation");
	if (f & LOCKSTEP_MF_ATTACHED)
		find(c, false, "it is attached now, or was not closed: what is read here may be "
		     "changing");
}

/* ---- maps ----------------------------------------------------------------------------------- */

static u64 count_bits(const u8 *block)
{
	u64 n = 0;

	for (size_t i = 0; i < LOCKSTEP_SB_BYTES; i++)
		n += (u64)__builtin_popcount(block[i]);
	return n;
}

/* Set bits from `from` on. */
static u64 count_from(const u8 *block, u32 from)
{
	u64 n = 0;

	for (u32 bit = from; bit < MAP_BITS; bit++)
		n += block[bit / 8] >> (bit % 8) & 1;
	return n;
}

static bool read_block(struct metacheck *c, const struct device *d, u64 sect, const char *what,
		       u64 nr, u8 *block)
{
	int err = device_read(d, sect + nr * LOCKSTEP_BIT_SECT, block);

	if (!err)
		return true;
	c->unreadable++;
	find(c, true, "block %" PRIu64 " of the %s cannot be read: %s", nr, what, strerror(-err));
	return false;
}

static void check_regions(struct metacheck *c, const struct device *d, const struct meta *m,
			  u64 data_sect)
{
	u64 beyond = 0, left;
	u8 block[LOCKSTEP_SB_BYTES];

	c->regions = (data_sect + LOCKSTEP_REGION_SECT - 1) / LOCKSTEP_REGION_SECT;
	for (u64 i = 0; i < m->region_map_4k; i++) {
		left = c->regions > i * MAP_BITS ? c->regions - i * MAP_BITS : 0;
		if (!read_block(c, d, m->region_map_sect, "region map", i, block)) {
			c->dirty_regions += min(left, (u64)MAP_BITS);
			continue;
		}
		c->dirty_regions += count_bits(block);
		if (left < MAP_BITS) {
			beyond += count_from(block, (u32)left);
			c->dirty_regions -= count_from(block, (u32)left);
		}
	}
	if (beyond)
		find(c, true, "the region map names %" PRIu64 " regions beyond the volume's end",
		     beyond);
}

/*
 * Marks beyond the end of the volume come before it becomes larger (volsize.h), which a crash may
 * have prevented. Beyond what the disk can give there is nothing to be marked.
 */
static u64 room_bits(const struct meta *m)
{
	return (m->data_max_sect + LOCKSTEP_BIT_SECT - 1) / LOCKSTEP_BIT_SECT;
}

/* A page of the bitmap that counts. */
static void check_page(struct metacheck *c, const struct device *d, const struct meta *m, u64 page,
		       u64 bits)
{
	u64 left = min(bits - page * MAP_BITS, (u64)MAP_BITS), beyond;
	u64 room = min(room_bits(m) - page * MAP_BITS, (u64)MAP_BITS);
	u8 block[LOCKSTEP_SB_BYTES];
	bool lost;

	if (!read_block(c, d, m->bitmap_sect, "bitmap", page, block)) {
		c->marked_blocks += left;
		return;
	}
	beyond = left < MAP_BITS ? count_from(block, (u32)left) : 0;
	c->marked_blocks += count_bits(block) - beyond;
	lost = room < MAP_BITS && count_from(block, (u32)room);
	if (beyond)
		find(c, lost, "page %" PRIu64 " of the bitmap marks %" PRIu64 " blocks beyond the "
		     "volume's end", page, beyond);
}

static void check_entry(struct metacheck *c, const struct device *d, const struct meta *m,
			u64 page, u32 entry, u64 bits)
{
	u64 left = min(bits - page * MAP_BITS, (u64)MAP_BITS);

	switch (entry) {
	case LOCKSTEP_INDEX_EMPTY:
		c->pages_empty++;
		break;
	case LOCKSTEP_INDEX_STORED:
		c->pages_stored++;
		check_page(c, d, m, page, bits);
		break;
	case LOCKSTEP_INDEX_UNKNOWN:
		find(c, true, "the index knows nothing of page %" PRIu64 " of the bitmap: all of "
		     "it counts as marked", page);
		/* fall through */
	default:
		c->pages_full++;
		c->marked_blocks += left;
	}
}

static void check_marks(struct metacheck *c, const struct device *d, const struct meta *m,
			u64 data_sect)
{
	u64 bits = (data_sect + LOCKSTEP_BIT_SECT - 1) / LOCKSTEP_BIT_SECT, beyond = 0, left;
	u8 block[LOCKSTEP_SB_BYTES];
	bool lost = false;

	c->pages = oosmap_pages(bits);
	for (u64 i = 0; i < m->index_4k; i++) {
		u64 first = i * LOCKSTEP_INDEX_PAGES;

		left = c->pages > first ? min(c->pages - first, (u64)LOCKSTEP_INDEX_PAGES) : 0;
		if (!read_block(c, d, m->index_sect, "bitmap's index", i, block))
			continue;
		for (u32 n = 0; n < LOCKSTEP_INDEX_PAGES; n++) {
			u32 entry = block[n / 4] >> 2 * (n % 4) & 3;

			if (n < left) {
				check_entry(c, d, m, first + n, entry, bits);
			} else if (entry != LOCKSTEP_INDEX_EMPTY) {
				beyond++;
				lost |= first + n >= oosmap_pages(room_bits(m));
			}
		}
	}
	if (beyond)
		find(c, lost, "the index names %" PRIu64 " pages of the bitmap beyond the volume's "
		     "end", beyond);
}

static void check_maps(struct metacheck *c, const struct device *d, const struct meta *m)
{
	u64 data_sect = m->data_sect ? m->data_sect : m->data_max_sect;

	c->regions_valid = m->flags & LOCKSTEP_MF_REGIONS_VALID;
	c->marks_valid = m->flags & LOCKSTEP_MF_MARKS_VALID;
	if (c->regions_valid != c->marks_valid)
		find(c, true, "of region map and bitmap only the %s counts",
		     c->marks_valid ? "bitmap" : "region map");
	if (c->regions_valid)
		check_regions(c, d, m, data_sect);
	if (c->marks_valid)
		check_marks(c, d, m, data_sect);
	c->has_maps = true;
}

/* ---- all of it ------------------------------------------------------------------------------ */

static void read_file(const struct device *d, bool external, u64 data_sect, u64 old_sect,
		      struct metacheck *c)
{
	struct device old = *d;

	metafile_read(d, external, data_sect, &c->file);
	if (external || !old_sect || old_sect >= d->sect || metafile_is_ours(&c->file))
		return;
	old.sect = old_sect;
	metafile_read(&old, false, 0, &c->file);
	c->at_old_end = metafile_is_ours(&c->file);
	if (!c->at_old_end)
		metafile_read(d, external, data_sect, &c->file);
}

void metacheck_run(const struct device *meta, bool external, u64 data_sect, u64 old_sect,
		   struct metacheck *c)
{
	const struct meta *m;

	memset(c, 0, sizeof(*c));
	read_file(meta, external, data_sect, old_sect, c);
	if (c->file.picked < 0 && !metafile_is_ours(&c->file)) {
		find(c, true, "there is no Lockstep metadata");
		return;
	}
	check_copies(c);
	if (c->file.picked < 0) {
		find(c, true, "no superblock is to be used: %s", text_meta_err(c->file.err));
		return;
	}
	m = &c->file.copy[c->file.picked].meta;
	if (c->at_old_end)
		find(c, false, "the device has grown: the metadata lies where it ended before");
	if (c->file.fits != META_OK)
		find(c, true, "it describes a device of %s, which this one is not",
		     text_sect(m->device_sect).s);
	if (!!(m->flags & LOCKSTEP_MF_EXTERNAL) != external)
		find(c, true, "it was made for %s metadata", external ? "internal" : "external");
	check_flags(c, m);
	if (c->file.fits == META_OK)
		check_maps(c, meta, m);
}
