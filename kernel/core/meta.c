// SPDX-License-Identifier: GPL-2.0
/*
 * A superblock is checked in three steps, each needing the one before: is it ours (magic), is it
 * whole (crc), can we use it (version, features, fields). Magic, version, crc and sequence stay
 * where they are in every version to come, so that even a superblock we cannot use tells how old it
 * is.
 *
 * That matters for the choice between the copies: a whole copy of newer software with the higher
 * sequence is the truth. Taking the older one that we happen to understand would be going back
 * in time behind the administrator's back, so it is refused instead (P5).
 *
 * Everything in a layout follows from the size of the data device, and decoding insists on it: one
 * formula, and no offset from the disk is ever trusted (P8).
 */
#include "meta.h"

#define ASSERT_AT(type, member, offset) \
	static_assert(offsetof(struct type, member) == (offset))

ASSERT_AT(lockstep_disk_gen, id, 0);
ASSERT_AT(lockstep_disk_gen, nr, 8);
static_assert(sizeof(struct lockstep_disk_gen) == 16);

ASSERT_AT(lockstep_disk_peer, since, 0);
ASSERT_AT(lockstep_disk_peer, boot_id, 16);
ASSERT_AT(lockstep_disk_peer, seen_s, 24);
ASSERT_AT(lockstep_disk_peer, node_id, 32);
ASSERT_AT(lockstep_disk_peer, flags, 36);
ASSERT_AT(lockstep_disk_peer, pad, 40);
static_assert(sizeof(struct lockstep_disk_peer) == 64);

ASSERT_AT(lockstep_superblock, magic, 0);
ASSERT_AT(lockstep_superblock, version, 8);
ASSERT_AT(lockstep_superblock, crc, 12);
ASSERT_AT(lockstep_superblock, sequence, 16);
ASSERT_AT(lockstep_superblock, compat, 24);
ASSERT_AT(lockstep_superblock, ro_compat, 28);
ASSERT_AT(lockstep_superblock, incompat, 32);
ASSERT_AT(lockstep_superblock, flags, 36);
ASSERT_AT(lockstep_superblock, node_id, 40);
ASSERT_AT(lockstep_superblock, volume, 44);
ASSERT_AT(lockstep_superblock, device_sect, 48);
ASSERT_AT(lockstep_superblock, data_max_sect, 56);
ASSERT_AT(lockstep_superblock, data_sect, 64);
ASSERT_AT(lockstep_superblock, region_map_sect, 72);
ASSERT_AT(lockstep_superblock, bitmap_sect, 80);
ASSERT_AT(lockstep_superblock, region_map_4k, 88);
ASSERT_AT(lockstep_superblock, bitmap_4k, 92);
ASSERT_AT(lockstep_superblock, region_bytes, 96);
ASSERT_AT(lockstep_superblock, bit_bytes, 100);
ASSERT_AT(lockstep_superblock, epoch, 104);
ASSERT_AT(lockstep_superblock, boot_id, 112);
ASSERT_AT(lockstep_superblock, written_s, 120);
ASSERT_AT(lockstep_superblock, primary_s, 128);
ASSERT_AT(lockstep_superblock, current_gen, 136);
ASSERT_AT(lockstep_superblock, block_bytes, 152);
ASSERT_AT(lockstep_superblock, history_nr, 156);
ASSERT_AT(lockstep_superblock, resource, 160);
ASSERT_AT(lockstep_superblock, node, 208);
ASSERT_AT(lockstep_superblock, peer, 256);
ASSERT_AT(lockstep_superblock, history, 768);
ASSERT_AT(lockstep_superblock, index_sect, 1792);
ASSERT_AT(lockstep_superblock, verify_bit, 1800);
ASSERT_AT(lockstep_superblock, index_4k, 1808);
ASSERT_AT(lockstep_superblock, pad0, 1812);
ASSERT_AT(lockstep_superblock, write_s, 1816);
ASSERT_AT(lockstep_superblock, pad, 1824);
static_assert(sizeof(struct lockstep_superblock) == LOCKSTEP_SB_BYTES);

#define BLOCK_SECT	8u		/* sectors of 4 KiB: the unit of all metadata */
#define BLOCK_SHIFT	3
#define BLOCK_BITS_SHIFT 15		/* bits that one block of a map holds */
#define REGION_BLOCKS_SHIFT (LOCKSTEP_REGION_SHIFT - 12)
#define SB_AREA_BLOCKS	(LOCKSTEP_SB_AREA_BYTES / LOCKSTEP_SB_BYTES)
#define MAX_DATA_BLOCKS	(LOCKSTEP_MAX_DATA_SECT >> BLOCK_SHIFT)
#define MAX_BLOCK_BYTES	65536u		/* largest logical block Linux has */

static_assert(LOCKSTEP_BIT_SECT == BLOCK_SECT);
static_assert(LOCKSTEP_INDEX_PAGES == 4 * LOCKSTEP_SB_BYTES);

/* ---- layout --------------------------------------------------------------------------------- */

static u64 shift_up(u64 n, unsigned int shift)
{
	return (n + (1ull << shift) - 1) >> shift;
}

/*
 * Internal: the maps are sized for the whole device rather than for what remains of it, which costs
 * at most a block or two and needs no fixed point. Blocks from the end backwards.
 */
static u64 layout_internal(u64 dev_blocks, struct meta_layout *l)
{
	u64 at = dev_blocks - SB_AREA_BLOCKS;

	if (dev_blocks < SB_AREA_BLOCKS + l->region_map_4k + l->index_4k + l->bitmap_4k)
		return 0;
	l->sb_sect[0] = (dev_blocks - 1) << BLOCK_SHIFT;
	l->sb_sect[1] = at << BLOCK_SHIFT;
	at -= l->region_map_4k;
	l->region_map_sect = at << BLOCK_SHIFT;
	at -= l->index_4k;
	l->index_sect = at << BLOCK_SHIFT;
	at -= l->bitmap_4k;
	l->bitmap_sect = at << BLOCK_SHIFT;
	return at;
}

static u64 layout_external(u64 dev_blocks, u64 meta_dev_blocks, struct meta_layout *l)
{
	u64 at = SB_AREA_BLOCKS;

	if (meta_dev_blocks < SB_AREA_BLOCKS + l->region_map_4k + l->index_4k + l->bitmap_4k)
		return 0;
	l->sb_sect[0] = 0;
	l->sb_sect[1] = (at - 1) << BLOCK_SHIFT;
	l->region_map_sect = at << BLOCK_SHIFT;
	at += l->region_map_4k;
	l->index_sect = at << BLOCK_SHIFT;
	at += l->index_4k;
	l->bitmap_sect = at << BLOCK_SHIFT;
	return dev_blocks;
}

enum meta_err meta_layout(u64 data_dev_sect, u64 meta_dev_sect, struct meta_layout *ret)
{
	u64 dev_blocks = data_dev_sect >> BLOCK_SHIFT;
	u64 max_blocks = min(dev_blocks, (u64)MAX_DATA_BLOCKS);
	u64 regions = shift_up(max_blocks, REGION_BLOCKS_SHIFT);
	struct meta_layout l;
	u64 data_blocks;

	l.bitmap_4k = (u32)shift_up(max_blocks, BLOCK_BITS_SHIFT);
	l.index_4k = (u32)DIV_ROUND_UP(l.bitmap_4k, LOCKSTEP_INDEX_PAGES);
	l.region_map_4k = (u32)shift_up(regions, BLOCK_BITS_SHIFT);
	if (meta_dev_sect)
		data_blocks = layout_external(dev_blocks, meta_dev_sect >> BLOCK_SHIFT, &l);
	else
		data_blocks = layout_internal(dev_blocks, &l);
	l.data_max_sect = min(data_blocks, (u64)MAX_DATA_BLOCKS) << BLOCK_SHIFT;
	if (l.data_max_sect < LOCKSTEP_MIN_DATA_SECT)
		return META_TOO_SMALL;
	*ret = l;
	return META_OK;
}

/* ---- encode --------------------------------------------------------------------------------- */

static void copy_name(char *to, const char *from)
{
	size_t i;

	memset(to, 0, LOCKSTEP_NAME_BYTES);
	for (i = 0; i < LOCKSTEP_NAME_BYTES - 1 && from[i]; i++)
		to[i] = from[i];
}

void meta_init(struct meta *m, const struct meta_layout *l, u64 device_sect, const char *resource,
	       const char *node, u32 node_id, u32 volume, bool external, u64 clean_id)
{
	memset(m, 0, sizeof(*m));
	m->flags = external ? LOCKSTEP_MF_EXTERNAL : 0;
	/* Whatever it holds is as good as anything: whole, the latest, and nothing to copy. */
	if (clean_id)
		m->flags |= LOCKSTEP_MF_CLEAN | LOCKSTEP_MF_CONSISTENT | LOCKSTEP_MF_UP_TO_DATE |
			    LOCKSTEP_MF_MARKS_VALID;
	m->node_id = node_id;
	m->volume = volume;
	m->device_sect = device_sect;
	m->data_max_sect = l->data_max_sect;
	m->region_map_sect = l->region_map_sect;
	m->bitmap_sect = l->bitmap_sect;
	m->index_sect = l->index_sect;
	m->region_map_4k = l->region_map_4k;
	m->bitmap_4k = l->bitmap_4k;
	m->index_4k = l->index_4k;
	m->current_gen.id = clean_id;
	copy_name(m->resource, resource);
	copy_name(m->node, node);
}

static u32 block_crc(const void *block)
{
	const u8 *p = block;
	const size_t at = offsetof(struct lockstep_superblock, crc);
	const u8 zero[4] = { 0 };
	u32 crc;

	crc = os_crc32c(p, at);
	crc = os_crc32c_more(crc, zero, sizeof(zero));
	return os_crc32c_more(crc, p + at + sizeof(zero), LOCKSTEP_SB_BYTES - at - sizeof(zero));
}

static void put_gen(const struct meta_gen *g, struct lockstep_disk_gen *d)
{
	d->id = cpu_to_le64(g->id);
	d->nr = cpu_to_le64(g->nr);
}

static struct meta_gen get_gen(const struct lockstep_disk_gen *d)
{
	struct meta_gen g = { le64_to_cpu(d->id), le64_to_cpu(d->nr) };

	return g;
}

static void put_lists(const struct meta *m, struct lockstep_superblock *sb)
{
	u32 i;

	for (i = 0; i < LOCKSTEP_MAX_PEERS; i++) {
		put_gen(&m->peer[i].since, &sb->peer[i].since);
		sb->peer[i].boot_id = cpu_to_le64(m->peer[i].boot_id);
		sb->peer[i].seen_s = cpu_to_le64(m->peer[i].seen_s);
		sb->peer[i].node_id = cpu_to_le32(m->peer[i].node_id);
		sb->peer[i].flags = cpu_to_le32(m->peer[i].flags);
	}
	for (i = 0; i < m->history_nr; i++)
		put_gen(&m->history[i], &sb->history[i]);
}

void meta_encode(const struct meta *m, void *block)
{
	struct lockstep_superblock *sb = block;

	memset(sb, 0, sizeof(*sb));
	memcpy(sb->magic, LOCKSTEP_DISK_MAGIC, sizeof(sb->magic));
	sb->version = cpu_to_le32(LOCKSTEP_DISK_VERSION);
	sb->sequence = cpu_to_le64(m->sequence);
	sb->compat = cpu_to_le32(m->compat);
	sb->ro_compat = cpu_to_le32(m->ro_compat);
	sb->incompat = cpu_to_le32(m->incompat);
	sb->flags = cpu_to_le32(m->flags);
	sb->node_id = cpu_to_le32(m->node_id);
	sb->volume = cpu_to_le32(m->volume);
	sb->device_sect = cpu_to_le64(m->device_sect);
	sb->data_max_sect = cpu_to_le64(m->data_max_sect);
	sb->data_sect = cpu_to_le64(m->data_sect);
	sb->region_map_sect = cpu_to_le64(m->region_map_sect);
	sb->bitmap_sect = cpu_to_le64(m->bitmap_sect);
	sb->index_sect = cpu_to_le64(m->index_sect);
	sb->region_map_4k = cpu_to_le32(m->region_map_4k);
	sb->bitmap_4k = cpu_to_le32(m->bitmap_4k);
	sb->index_4k = cpu_to_le32(m->index_4k);
	sb->verify_bit = cpu_to_le64(m->verify_bit);
	sb->region_bytes = cpu_to_le32(LOCKSTEP_REGION_BYTES);
	sb->bit_bytes = cpu_to_le32(LOCKSTEP_BIT_BYTES);
	sb->epoch = cpu_to_le64(m->epoch);
	sb->boot_id = cpu_to_le64(m->boot_id);
	sb->written_s = cpu_to_le64(m->written_s);
	sb->primary_s = cpu_to_le64(m->primary_s);
	sb->write_s = cpu_to_le64(m->write_s);
	put_gen(&m->current_gen, &sb->current_gen);
	sb->block_bytes = cpu_to_le32(m->block_bytes);
	sb->history_nr = cpu_to_le32(m->history_nr);
	memcpy(sb->resource, m->resource, sizeof(sb->resource));
	memcpy(sb->node, m->node, sizeof(sb->node));
	put_lists(m, sb);
	sb->crc = cpu_to_le32(block_crc(sb));
}

/* ---- decode --------------------------------------------------------------------------------- */

#define FIELD(member)	((u32)offsetof(struct lockstep_superblock, member))
#define NO_FIELD	U32_MAX

static bool is_zero(const u8 *p, size_t bytes)
{
	while (bytes--) {
		if (*p++)
			return false;
	}
	return true;
}

/* A name in its field: legal, terminated, and nothing hidden behind its end. */
static bool is_name_field(const u8 *field)
{
	size_t len = 0;

	while (len < LOCKSTEP_NAME_BYTES && field[len])
		len++;
	return len < LOCKSTEP_NAME_BYTES && is_zero(field + len, LOCKSTEP_NAME_BYTES - len) &&
	       meta_name_ok((const char *)field);
}

/* Offset of the first number that is out of range, or NO_FIELD. */
static u32 bad_number(const struct lockstep_superblock *sb)
{
	u32 block_bytes = le32_to_cpu(sb->block_bytes);

	if (le32_to_cpu(sb->flags) & ~LOCKSTEP_MF_KNOWN)
		return FIELD(flags);
	if (le32_to_cpu(sb->node_id) >= LOCKSTEP_MAX_NODES)
		return FIELD(node_id);
	if (le32_to_cpu(sb->volume) >= LOCKSTEP_MAX_VOLUMES)
		return FIELD(volume);
	if (le64_to_cpu(sb->data_sect) > le64_to_cpu(sb->data_max_sect))
		return FIELD(data_sect);
	if (le64_to_cpu(sb->verify_bit) > le64_to_cpu(sb->data_max_sect) >> BLOCK_SHIFT)
		return FIELD(verify_bit);
	if (le32_to_cpu(sb->region_bytes) != LOCKSTEP_REGION_BYTES)
		return FIELD(region_bytes);
	if (le32_to_cpu(sb->bit_bytes) != LOCKSTEP_BIT_BYTES)
		return FIELD(bit_bytes);
	if (block_bytes && (block_bytes < LOCKSTEP_SECT_BYTES || block_bytes > MAX_BLOCK_BYTES ||
			    block_bytes & (block_bytes - 1)))
		return FIELD(block_bytes);
	return NO_FIELD;
}

/* Is everything where it must be on a device of the size named? */
static u32 bad_place(const struct lockstep_superblock *sb)
{
	bool external = le32_to_cpu(sb->flags) & LOCKSTEP_MF_EXTERNAL;
	struct meta_layout l;

	/* Whether an external device is large enough is for meta_check_device to see. */
	if (meta_layout(le64_to_cpu(sb->device_sect), external ? U64_MAX : 0, &l))
		return FIELD(device_sect);
	if (le64_to_cpu(sb->data_max_sect) != l.data_max_sect)
		return FIELD(data_max_sect);
	if (le64_to_cpu(sb->region_map_sect) != l.region_map_sect)
		return FIELD(region_map_sect);
	if (le64_to_cpu(sb->bitmap_sect) != l.bitmap_sect)
		return FIELD(bitmap_sect);
	if (le64_to_cpu(sb->index_sect) != l.index_sect)
		return FIELD(index_sect);
	if (le32_to_cpu(sb->region_map_4k) != l.region_map_4k)
		return FIELD(region_map_4k);
	if (le32_to_cpu(sb->bitmap_4k) != l.bitmap_4k)
		return FIELD(bitmap_4k);
	if (le32_to_cpu(sb->index_4k) != l.index_4k)
		return FIELD(index_4k);
	return NO_FIELD;
}

static u32 bad_list(const struct lockstep_superblock *sb)
{
	u32 used = le32_to_cpu(sb->history_nr), i;

	for (i = 0; i < LOCKSTEP_MAX_PEERS; i++) {
		const struct lockstep_disk_peer *p = &sb->peer[i];

		if (le32_to_cpu(p->node_id) >= LOCKSTEP_MAX_NODES ||
		    le32_to_cpu(p->flags) & ~LOCKSTEP_PF_KNOWN ||
		    !is_zero(p->pad, sizeof(p->pad)))
			return FIELD(peer) + i * (u32)sizeof(*p);
	}
	if (used > LOCKSTEP_HISTORY)
		return FIELD(history_nr);
	for (i = 0; i < LOCKSTEP_HISTORY; i++) {
		if (i < used ? !sb->history[i].id : sb->history[i].id || sb->history[i].nr)
			return FIELD(history) + i * (u32)sizeof(sb->history[i]);
	}
	return NO_FIELD;
}

static u32 bad_field(const struct lockstep_superblock *sb)
{
	u32 bad = bad_number(sb);

	if (bad == NO_FIELD)
		bad = bad_place(sb);
	if (bad == NO_FIELD)
		bad = bad_list(sb);
	if (bad != NO_FIELD)
		return bad;
	if (!is_name_field(sb->resource))
		return FIELD(resource);
	if (!is_name_field(sb->node))
		return FIELD(node);
	if (sb->pad0)
		return FIELD(pad0);
	return is_zero(sb->pad, sizeof(sb->pad)) ? NO_FIELD : FIELD(pad);
}

static enum meta_err check_block(const struct lockstep_superblock *sb, u32 *ret_detail)
{
	u32 unknown, bad;

	*ret_detail = 0;
	if (!sb || memcmp(sb->magic, LOCKSTEP_DISK_MAGIC, sizeof(sb->magic)))
		return META_NO_MAGIC;
	if (le32_to_cpu(sb->crc) != block_crc(sb))
		return META_BAD_CRC;
	if (le32_to_cpu(sb->version) != LOCKSTEP_DISK_VERSION)
		return META_BAD_VERSION;
	unknown = le32_to_cpu(sb->incompat) & ~LOCKSTEP_INCOMPAT_KNOWN;
	if (unknown) {
		*ret_detail = (u32)__ffs64(unknown);
		return META_BAD_FEATURE;
	}
	bad = bad_field(sb);
	if (bad != NO_FIELD) {
		*ret_detail = bad;
		return META_BAD_FIELD;
	}
	return META_OK;
}

static void get_lists(const struct lockstep_superblock *sb, struct meta *m)
{
	u32 i;

	for (i = 0; i < LOCKSTEP_MAX_PEERS; i++) {
		m->peer[i].since = get_gen(&sb->peer[i].since);
		m->peer[i].boot_id = le64_to_cpu(sb->peer[i].boot_id);
		m->peer[i].seen_s = le64_to_cpu(sb->peer[i].seen_s);
		m->peer[i].node_id = le32_to_cpu(sb->peer[i].node_id);
		m->peer[i].flags = le32_to_cpu(sb->peer[i].flags);
	}
	for (i = 0; i < LOCKSTEP_HISTORY; i++)
		m->history[i] = get_gen(&sb->history[i]);
}

static void get_block(const struct lockstep_superblock *sb, struct meta *m)
{
	memset(m, 0, sizeof(*m));	/* its padding too: it may be compared by memcmp */
	m->sequence = le64_to_cpu(sb->sequence);
	m->compat = le32_to_cpu(sb->compat);
	m->ro_compat = le32_to_cpu(sb->ro_compat);
	m->incompat = le32_to_cpu(sb->incompat);
	m->flags = le32_to_cpu(sb->flags);
	m->node_id = le32_to_cpu(sb->node_id);
	m->volume = le32_to_cpu(sb->volume);
	m->device_sect = le64_to_cpu(sb->device_sect);
	m->data_max_sect = le64_to_cpu(sb->data_max_sect);
	m->data_sect = le64_to_cpu(sb->data_sect);
	m->region_map_sect = le64_to_cpu(sb->region_map_sect);
	m->bitmap_sect = le64_to_cpu(sb->bitmap_sect);
	m->index_sect = le64_to_cpu(sb->index_sect);
	m->region_map_4k = le32_to_cpu(sb->region_map_4k);
	m->bitmap_4k = le32_to_cpu(sb->bitmap_4k);
	m->index_4k = le32_to_cpu(sb->index_4k);
	m->verify_bit = le64_to_cpu(sb->verify_bit);
	m->epoch = le64_to_cpu(sb->epoch);
	m->boot_id = le64_to_cpu(sb->boot_id);
	m->written_s = le64_to_cpu(sb->written_s);
	m->primary_s = le64_to_cpu(sb->primary_s);
	m->write_s = le64_to_cpu(sb->write_s);
	m->current_gen = get_gen(&sb->current_gen);
	m->block_bytes = le32_to_cpu(sb->block_bytes);
	m->history_nr = le32_to_cpu(sb->history_nr);
	memcpy(m->resource, sb->resource, sizeof(m->resource));
	memcpy(m->node, sb->node, sizeof(m->node));
	get_lists(sb, m);
}

enum meta_err meta_decode(const void *block, struct meta *ret, u32 *ret_detail)
{
	enum meta_err err = check_block(block, ret_detail);

	if (!err)
		get_block(block, ret);
	return err;
}

/* A copy that arrived whole, whether or not we can use it: its sequence counts. */
static bool is_whole(enum meta_err err)
{
	return err != META_NO_MAGIC && err != META_BAD_CRC;
}

int meta_pick(const void *copy0, const void *copy1, struct meta *ret, enum meta_err *ret_err,
	      u32 *ret_detail)
{
	const struct lockstep_superblock *sb[2] = { copy0, copy1 };
	enum meta_err err[2];
	u32 detail[2];
	int pick;

	err[0] = check_block(sb[0], &detail[0]);
	err[1] = check_block(sb[1], &detail[1]);
	if (is_whole(err[0]) && is_whole(err[1]))
		pick = le64_to_cpu(sb[1]->sequence) > le64_to_cpu(sb[0]->sequence);
	else if (is_whole(err[0]) || is_whole(err[1]))
		pick = is_whole(err[1]);
	else
		pick = err[1] > err[0];		/* torn says more than not ours */

	*ret_err = err[pick];
	*ret_detail = detail[pick];
	if (err[pick])
		return -1;
	get_block(sb[pick], ret);
	return pick;
}

enum meta_err meta_check_device(const struct meta *m, u64 data_dev_sect, u64 meta_dev_sect)
{
	bool external = m->flags & LOCKSTEP_MF_EXTERNAL;
	u64 meta_end = m->bitmap_sect + ((u64)m->bitmap_4k << BLOCK_SHIFT);

	if (external != (meta_dev_sect != 0))
		return META_MOVED;
	if (!external)
		return data_dev_sect >> BLOCK_SHIFT == m->device_sect >> BLOCK_SHIFT ?
		       META_OK : META_MOVED;
	return data_dev_sect >= m->data_max_sect && meta_dev_sect >= meta_end ?
	       META_OK : META_MOVED;
}

static bool stays_in_place(const struct meta *m, const struct meta_layout *l)
{
	return l->region_map_sect == m->region_map_sect && l->region_map_4k == m->region_map_4k &&
	       l->index_sect == m->index_sect && l->index_4k == m->index_4k &&
	       l->bitmap_sect == m->bitmap_sect;
}

enum meta_err meta_grow(const struct meta *m, u64 data_dev_sect, u64 meta_dev_sect,
			struct meta *ret)
{
	bool external = m->flags & LOCKSTEP_MF_EXTERNAL;
	struct meta_layout l;
	enum meta_err err;

	if (external != (meta_dev_sect != 0) || data_dev_sect < m->device_sect)
		return META_MOVED;
	err = meta_layout(data_dev_sect, meta_dev_sect, &l);
	if (err)
		return err;
	if (external ? !stays_in_place(m, &l) : l.bitmap_sect < m->device_sect)
		return META_MOVED;
	*ret = *m;
	ret->device_sect = data_dev_sect;
	ret->data_max_sect = l.data_max_sect;
	ret->region_map_sect = l.region_map_sect;
	ret->region_map_4k = l.region_map_4k;
	ret->index_sect = l.index_sect;
	ret->index_4k = l.index_4k;
	ret->bitmap_sect = l.bitmap_sect;
	ret->bitmap_4k = l.bitmap_4k;
	return META_OK;
}

/* ---- attach and close ------------------------------------------------------------------------ */

bool meta_attach(struct meta *m)
{
	const u32 maps = LOCKSTEP_MF_REGIONS_VALID | LOCKSTEP_MF_MARKS_VALID;
	bool fresh = (m->flags & maps) != maps;

	if (m->flags & LOCKSTEP_MF_ATTACHED) {
		m->flags |= LOCKSTEP_MF_UNCLEAN;
		if (m->flags & LOCKSTEP_MF_PRIMARY)
			m->flags |= LOCKSTEP_MF_CRASHED_PRIMARY;
	}
	m->flags &= ~LOCKSTEP_MF_PRIMARY;
	m->flags |= LOCKSTEP_MF_ATTACHED | maps;
	return fresh;
}

void meta_close(struct meta *m, bool left_primary)
{
	m->flags &= ~(LOCKSTEP_MF_ATTACHED | LOCKSTEP_MF_PRIMARY);
	if (left_primary)
		m->flags |= LOCKSTEP_MF_LEFT_PRIMARY;
}

/* ---- generations ---------------------------------------------------------------------------- */

void meta_history_push(struct meta *m, struct meta_gen gen)
{
	u32 i = 0;

	if (!gen.id)
		return;
	while (i < m->history_nr && m->history[i].id != gen.id)
		i++;
	if (i == m->history_nr) {
		if (m->history_nr < LOCKSTEP_HISTORY)
			m->history_nr++;
		else
			i--;		/* the oldest falls out */
	}
	for (; i > 0; i--)
		m->history[i] = m->history[i - 1];
	m->history[0] = gen;
}

static void move_on(struct meta *m, u64 new_id)
{
	m->current_gen.id = new_id;
	m->current_gen.nr++;
}

void meta_gen_narrow(struct meta *m, unsigned int peer, u64 new_id)
{
	struct meta_gen *since = &m->peer[peer].since;

	if (since->id) {
		meta_history_push(m, m->current_gen);
		m->flags &= ~LOCKSTEP_MF_NARROWED;
	} else {
		*since = m->current_gen;
		m->flags |= LOCKSTEP_MF_NARROWED;
	}
	move_on(m, new_id);
}

void meta_gen_source(struct meta *m, unsigned int peer, u64 peer_gen, bool peer_whole, u64 new_id)
{
	if (peer_whole && peer_gen == m->current_gen.id)
		meta_gen_together(m, peer);
	if (!m->peer[peer].since.id)
		meta_gen_narrow(m, peer, new_id);
}

void meta_gen_source_full(struct meta *m, unsigned int peer, u64 half_id, u64 new_id)
{
	meta_gen_together(m, peer);
	meta_history_push(m, m->current_gen);
	m->peer[peer].since.id = half_id;
	m->peer[peer].since.nr = m->current_gen.nr;
	move_on(m, new_id);
}

/*
 * The history is what this copy has been. A generation of which it had half, a resync's that was
 * cut off or one that was surrendered, is not: the source may have all of it and be there still,
 * having noted no start, and would be taken for the past of whoever called our half good (P5). And
 * starts of which it notes none, one after the other, push nothing out.
 */
void meta_gen_target_full(struct meta *m, unsigned int peer, u64 half_id)
{
	meta_gen_together(m, peer);
	if (m->flags & LOCKSTEP_MF_CONSISTENT)
		meta_history_push(m, m->current_gen);
	m->current_gen.id = half_id;
}

/*
 * What we have is not what the generation's name promises, so nothing may be concluded from "the
 * peer has exactly what we went on from": no since is kept. Every earlier generation goes into the
 * history, whence a peer that stayed behind is found to be older (full copy) and one that went on,
 * a split. But not the generation of which we have half: a peer that has all of it is not older,
 * and nothing is to be copied over it because somebody called the half good.
 */
void meta_gen_force(struct meta *m, u64 new_id)
{
	const struct meta_gen none = { 0, 0 };
	u32 i;

	for (i = 0; i < LOCKSTEP_MAX_PEERS; i++) {
		meta_history_push(m, m->peer[i].since);
		m->peer[i].since = none;
	}
	if (m->flags & LOCKSTEP_MF_CONSISTENT)
		meta_history_push(m, m->current_gen);
	m->flags &= ~LOCKSTEP_MF_NARROWED;
	move_on(m, new_id);
}

void meta_gen_unnarrow(struct meta *m, unsigned int peer)
{
	const struct meta_gen none = { 0, 0 };

	m->current_gen = m->peer[peer].since;
	m->peer[peer].since = none;
	m->flags &= ~LOCKSTEP_MF_NARROWED;
}

void meta_gen_together(struct meta *m, unsigned int peer)
{
	const struct meta_gen none = { 0, 0 };

	meta_history_push(m, m->peer[peer].since);
	m->peer[peer].since = none;
	m->flags &= ~LOCKSTEP_MF_NARROWED;
}

void meta_gen_adopt(struct meta *m, unsigned int peer, struct meta_gen gen)
{
	meta_gen_together(m, peer);
	if (m->current_gen.id != gen.id)
		meta_history_push(m, m->current_gen);
	m->current_gen = gen;
}

/*
 * The generations that came after the two parted go, everywhere: what they stood for is given up,
 * and a history names what a copy contains. All that was pushed since then has a higher number: on
 * one disk it only grows, and here it says when, not who is right. Without a `since` there is no
 * point to go back to, and the copy is blank. The marks stay, and what says how far they can be
 * trusted (UNCLEAN and the VALID flags): they name all that was written since.
 */
void meta_gen_surrender(struct meta *m, unsigned int peer)
{
	const struct meta_gen none = { 0, 0 };
	struct meta_gen since = m->peer[peer].since;
	u32 i;

	if (!(m->flags & LOCKSTEP_MF_CONSISTENT))
		return;
	m->flags &= ~(LOCKSTEP_MF_CONSISTENT | LOCKSTEP_MF_UP_TO_DATE | LOCKSTEP_MF_CLEAN |
		      LOCKSTEP_MF_SERVING | LOCKSTEP_MF_NARROWED);
	while (since.id && m->history_nr && m->history[0].nr > since.nr) {
		m->history_nr--;
		for (i = 0; i < m->history_nr; i++)
			m->history[i] = m->history[i + 1];
		m->history[m->history_nr] = none;
	}
	if (since.id)
		m->current_gen = since;
	else
		m->current_gen.id = 0;
	m->peer[peer].since = none;
	m->peer[peer].flags &= ~LOCKSTEP_PF_SYNCING;
}

/* ---- names ---------------------------------------------------------------------------------- */

static bool is_name_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '.' || c == '-';
}

bool meta_name_ok(const char *name)
{
	size_t len = 0;

	while (len < LOCKSTEP_NAME_BYTES && is_name_char(name[len]))
		len++;
	return len && len < LOCKSTEP_NAME_BYTES && !name[len] && name[0] != '.' && name[0] != '-';
}

static const char *const err_names[META_ERR_NR] = {
	[META_OK]		= "ok",
	[META_NO_MAGIC]		= "no Lockstep metadata",
	[META_BAD_CRC]		= "checksum does not match: torn or damaged",
	[META_BAD_VERSION]	= "unknown version of the format",
	[META_BAD_FEATURE]	= "needs a feature that is not known here",
	[META_BAD_FIELD]	= "a value is out of range",
	[META_TOO_SMALL]	= "device too small",
	[META_MOVED]		= "device is not of the size the metadata was made for",
};

const char *meta_err_name(enum meta_err err)
{
	return (u32)err < META_ERR_NR ? err_names[err] : "unknown";
}
