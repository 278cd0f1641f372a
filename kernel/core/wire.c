// SPDX-License-Identifier: GPL-2.0
/*
 * Data messages are described by one row each (`rules`); what a row does not allow is refused, also
 * where it would do no harm: whatever is not checked today cannot be given a meaning tomorrow.
 * Control messages live in wire-ctl.c.
 *
 * The crc is looked at right after the magic: with it right, any other fault is the peer's
 * software, not the network, and worth naming.
 */
#include "wire.h"
#include <linux/lockstep.h>

#define ASSERT_AT(type, member, offset) \
	static_assert(offsetof(struct type, member) == (offset))

ASSERT_AT(lockstep_wire_join, magic, 0);
ASSERT_AT(lockstep_wire_join, session_id, 8);
ASSERT_AT(lockstep_wire_join, stream, 16);
ASSERT_AT(lockstep_wire_join, pad, 20);
ASSERT_AT(lockstep_wire_join, nonce, 24);
ASSERT_AT(lockstep_wire_join, proof, 56);
static_assert(sizeof(struct lockstep_wire_join) == 88);

ASSERT_AT(lockstep_wire_hdr, magic, 0);
ASSERT_AT(lockstep_wire_hdr, type, 2);
ASSERT_AT(lockstep_wire_hdr, flags, 3);
ASSERT_AT(lockstep_wire_hdr, volume, 4);
ASSERT_AT(lockstep_wire_hdr, status, 6);
ASSERT_AT(lockstep_wire_hdr, payload_bytes, 8);
ASSERT_AT(lockstep_wire_hdr, size_bytes, 12);
ASSERT_AT(lockstep_wire_hdr, sector, 16);
ASSERT_AT(lockstep_wire_hdr, slot, 24);
ASSERT_AT(lockstep_wire_hdr, slot_gen, 28);
ASSERT_AT(lockstep_wire_hdr, epoch, 32);
ASSERT_AT(lockstep_wire_hdr, pad, 40);
ASSERT_AT(lockstep_wire_hdr, crc, 44);
static_assert(sizeof(struct lockstep_wire_hdr) == 48);

#define HDR_CRC_BYTES	offsetof(struct lockstep_wire_hdr, crc)
#define REGION_SHIFT	(LOCKSTEP_REGION_SHIFT - LOCKSTEP_SECT_SHIFT)

/* What `sector` is in a message without an extent. */
enum arg_kind {
	ARG_ZERO,
	ARG_ANY,
	ARG_ROLE,		/* a role, or UNKNOWN where the sender has nothing to say */
	ARG_ROLE_KNOWN,
	ARG_GENERATION,		/* not 0 */
};

/* What follows the header of a message with an extent. */
enum payload_kind {
	PAYLOAD_NONE,
	PAYLOAD_BYTES,		/* the extent's */
	PAYLOAD_SUMS,		/* a checksum for each of its blocks */
};

/* Of a request: may `status` say how many epochs ago it was asked for first (flusherr.h)? */
enum ago_kind {
	AGO_NONE,
	AGO_PREFLUSH,		/* with that flag */
	AGO_ANY,
};

struct type_rule {
	const char *name;	/* NULL: no such message yet */
	u32 max_bytes;		/* longest extent; 0: has none */
	u8 flags;		/* those it may carry */
	u8 arg;			/* enum arg_kind */
	u8 payload;		/* enum payload_kind */
	bool blocks;		/* the extent begins at a block of 4 KiB */
	bool reads;		/* the receiver reads the extent, into memory of its own */
	bool slot;
	bool volume;		/* belongs to one volume; else `volume` is 0 */
	bool status;		/* else `status` is 0, or */
	u8 ago;			/* enum ago_kind */
};

#define WRITE_FLAGS \
	(LOCKSTEP_WH_FUA | LOCKSTEP_WH_PREFLUSH | LOCKSTEP_WH_RESYNC | LOCKSTEP_WH_SYNC)
#define READ_FLAGS	(LOCKSTEP_WH_RESYNC | LOCKSTEP_WH_SYNC)

static const struct type_rule rules[LOCKSTEP_WT_NR] = {
	[LOCKSTEP_WT_WRITE] = {
		.name = "write", .max_bytes = LOCKSTEP_MAX_IO_BYTES, .flags = WRITE_FLAGS,
		.payload = PAYLOAD_BYTES, .slot = true, .volume = true, .ago = AGO_PREFLUSH },
	[LOCKSTEP_WT_ZEROES] = {
		.name = "zeroes", .max_bytes = LOCKSTEP_REGION_BYTES,
		.flags = WRITE_FLAGS | LOCKSTEP_WH_UNMAP, .slot = true, .volume = true },
	[LOCKSTEP_WT_FLUSH] = {
		.name = "flush", .flags = LOCKSTEP_WH_SYNC, .slot = true, .volume = true,
		.ago = AGO_ANY },
	[LOCKSTEP_WT_ACK] = {
		.name = "ack", .slot = true, .volume = true, .status = true },
	[LOCKSTEP_WT_PING] = { .name = "ping", .arg = ARG_ANY },
	[LOCKSTEP_WT_PONG] = { .name = "pong", .arg = ARG_ANY },
	[LOCKSTEP_WT_ROLE_ASK] = { .name = "role-ask", .arg = ARG_ROLE },
	[LOCKSTEP_WT_ROLE_ANSWER] = { .name = "role-answer", .arg = ARG_ROLE, .status = true },
	[LOCKSTEP_WT_ROLE_TELL] = { .name = "role-tell", .arg = ARG_ROLE_KNOWN },
	[LOCKSTEP_WT_SYNC_DONE] = {
		.name = "sync-done", .arg = ARG_GENERATION, .volume = true },
	[LOCKSTEP_WT_SYNC_DONE_OK] = {
		.name = "sync-done-ok", .arg = ARG_ANY, .volume = true, .status = true },
	[LOCKSTEP_WT_READ] = {
		.name = "read", .max_bytes = LOCKSTEP_MAX_IO_BYTES, .flags = READ_FLAGS,
		.reads = true, .slot = true, .volume = true },
	[LOCKSTEP_WT_DATA] = {
		.name = "data", .max_bytes = LOCKSTEP_MAX_IO_BYTES, .payload = PAYLOAD_BYTES,
		.slot = true, .volume = true },
	[LOCKSTEP_WT_CSUM] = {
		.name = "csum", .max_bytes = LOCKSTEP_MAX_IO_BYTES, .flags = READ_FLAGS,
		.blocks = true, .reads = true, .slot = true, .volume = true },
	[LOCKSTEP_WT_CSUM_DATA] = {
		.name = "csum-data", .max_bytes = LOCKSTEP_MAX_IO_BYTES,
		.payload = PAYLOAD_SUMS, .blocks = true, .slot = true, .volume = true },
	[LOCKSTEP_WT_CLOSE] = { .name = "close" },
	[LOCKSTEP_WT_SYNC_PULLED] = { .name = "sync-pulled", .volume = true },
};

static const struct type_rule *rule_of(u8 type)
{
	return type < LOCKSTEP_WT_NR && rules[type].name ? &rules[type] : NULL;
}

bool wire_type_has_extent(u8 type)
{
	const struct type_rule *rule = rule_of(type);

	return rule && rule->max_bytes;
}

bool wire_type_has_slot(u8 type)
{
	const struct type_rule *rule = rule_of(type);

	return rule && rule->slot;
}

bool wire_type_is_read(u8 type)
{
	const struct type_rule *rule = rule_of(type);

	return rule && rule->reads;
}

u32 wire_sums_bytes(u32 size_bytes)
{
	u32 blocks = size_bytes / LOCKSTEP_BIT_BYTES + !!(size_bytes % LOCKSTEP_BIT_BYTES);

	return blocks * LOCKSTEP_SUM_BYTES;
}

u32 wire_msg_memory(const struct wire_msg *m)
{
	return wire_type_is_read(m->type) ? m->size_bytes : m->payload_bytes;
}

bool wire_answer_fits(const struct wire_msg *request, const struct wire_msg *answer)
{
	const struct type_rule *rule = rule_of(request->type);
	u8 with = request->type == LOCKSTEP_WT_READ ? LOCKSTEP_WT_DATA : LOCKSTEP_WT_CSUM_DATA;

	if (!rule || answer->volume != request->volume)
		return false;
	if (answer->type == LOCKSTEP_WT_ACK)
		return !rule->reads || answer->status != LOCKSTEP_WS_OK;
	return rule->reads && answer->type == with && answer->sector == request->sector &&
	       answer->size_bytes == request->size_bytes;
}

const char *wire_type_name(u8 type)
{
	const struct type_rule *rule = rule_of(type);

	return rule ? rule->name : "unknown";
}

void wire_msg_encode(const struct wire_msg *m, struct lockstep_wire_hdr *ret)
{
	ret->magic = cpu_to_le16(LOCKSTEP_WIRE_MAGIC);
	ret->type = m->type;
	ret->flags = m->flags;
	ret->volume = cpu_to_le16(m->volume);
	ret->status = cpu_to_le16(m->status);
	ret->payload_bytes = cpu_to_le32(m->payload_bytes);
	ret->size_bytes = cpu_to_le32(m->size_bytes);
	ret->sector = cpu_to_le64(m->sector);
	ret->slot = cpu_to_le32(m->slot);
	ret->slot_gen = cpu_to_le32(m->slot_gen);
	ret->epoch = cpu_to_le64(m->epoch);
	ret->pad = cpu_to_le32(0);
	ret->crc = cpu_to_le32(os_crc32c(ret, HDR_CRC_BYTES));
}

static u32 payload_of(const struct type_rule *rule, u32 size_bytes)
{
	switch (rule->payload) {
	case PAYLOAD_BYTES:
		return size_bytes;
	case PAYLOAD_SUMS:
		return wire_sums_bytes(size_bytes);
	default:
		return 0;
	}
}

static enum wire_err check_extent(const struct type_rule *rule, const struct wire_msg *m)
{
	u64 sects = m->size_bytes >> LOCKSTEP_SECT_SHIFT;

	if (m->size_bytes > rule->max_bytes)
		return WIRE_LENGTH;
	if (m->payload_bytes != payload_of(rule, m->size_bytes))
		return WIRE_LENGTH;
	if (!m->size_bytes || m->size_bytes & (LOCKSTEP_SECT_BYTES - 1))
		return WIRE_SECTOR;
	if (m->sector >= LOCKSTEP_MAX_DATA_SECT)
		return WIRE_SECTOR;
	if (rule->blocks && m->sector & (LOCKSTEP_BIT_SECT - 1))
		return WIRE_SECTOR;
	if (m->sector >> REGION_SHIFT != (m->sector + sects - 1) >> REGION_SHIFT)
		return WIRE_SECTOR;
	return WIRE_OK;
}

static bool is_arg_ok(const struct type_rule *rule, u64 arg)
{
	switch (rule->arg) {
	case ARG_ANY:
		return true;
	case ARG_ROLE:
		return arg <= LOCKSTEP_ROLE_PRIMARY;
	case ARG_ROLE_KNOWN:
		return arg == LOCKSTEP_ROLE_SECONDARY || arg == LOCKSTEP_ROLE_PRIMARY;
	case ARG_GENERATION:
		return arg != 0;
	default:
		return arg == 0;
	}
}

static bool is_status_ok(const struct type_rule *rule, const struct wire_msg *m)
{
	if (rule->ago == AGO_ANY ||
	    (rule->ago == AGO_PREFLUSH && m->flags & LOCKSTEP_WH_PREFLUSH))
		return true;
	return m->status < (rule->status ? (u16)LOCKSTEP_WS_NR : 1);
}

static enum wire_err check_msg(const struct wire_msg *m)
{
	const struct type_rule *rule = rule_of(m->type);
	enum wire_err err;

	if (!rule)
		return WIRE_TYPE;
	if (m->flags & ~rule->flags)
		return WIRE_FLAGS;
	if (rule->max_bytes) {
		err = check_extent(rule, m);
		if (err)
			return err;
	} else if (m->payload_bytes || m->size_bytes) {
		return WIRE_LENGTH;
	} else if (!is_arg_ok(rule, m->sector)) {
		return WIRE_VALUE;
	}
	if (m->volume >= (rule->volume ? LOCKSTEP_MAX_VOLUMES : 1))
		return WIRE_VALUE;
	if (!is_status_ok(rule, m))
		return WIRE_VALUE;
	if (!rule->slot && (m->slot || m->slot_gen))
		return WIRE_VALUE;
	return WIRE_OK;
}

enum wire_err wire_msg_decode(const struct lockstep_wire_hdr *h, struct wire_msg *ret)
{
	struct wire_msg m;
	enum wire_err err;

	if (le16_to_cpu(h->magic) != LOCKSTEP_WIRE_MAGIC)
		return WIRE_MAGIC;
	if (le32_to_cpu(h->crc) != os_crc32c(h, HDR_CRC_BYTES))
		return WIRE_CRC;
	if (h->pad)
		return WIRE_PAD;
	m.type = h->type;
	m.flags = h->flags;
	m.volume = le16_to_cpu(h->volume);
	m.status = le16_to_cpu(h->status);
	m.payload_bytes = le32_to_cpu(h->payload_bytes);
	m.size_bytes = le32_to_cpu(h->size_bytes);
	m.sector = le64_to_cpu(h->sector);
	m.slot = le32_to_cpu(h->slot);
	m.slot_gen = le32_to_cpu(h->slot_gen);
	m.epoch = le64_to_cpu(h->epoch);
	err = check_msg(&m);
	if (!err)
		*ret = m;
	return err;
}

static const char *const err_names[WIRE_ERR_NR] = {
	[WIRE_OK]	= "ok",
	[WIRE_SHORT]	= "short",
	[WIRE_MAGIC]	= "magic",
	[WIRE_CRC]	= "crc",
	[WIRE_TYPE]	= "type",
	[WIRE_FLAGS]	= "flags",
	[WIRE_PAD]	= "pad",
	[WIRE_LENGTH]	= "length",
	[WIRE_SECTOR]	= "sector",
	[WIRE_VALUE]	= "value",
	[WIRE_TEXT]	= "text",
	[WIRE_ORDER]	= "order",
};

const char *wire_err_name(enum wire_err err)
{
	return (u32)err < WIRE_ERR_NR ? err_names[err] : "unknown";
}
