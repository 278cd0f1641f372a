// SPDX-License-Identifier: GPL-2.0
/*
 * Control messages and the join of a data connection: the other half of wire.h.
 *
 * Every body has a length that follows from its type and its own counters, and must have exactly
 * that. Decoders check the whole body before they write the first byte of the result, so a caller
 * never holds half a message. Integers are read where they lie: the caller's buffer is aligned to 8
 * bytes, which kmalloc and malloc both give, and every struct of the format is a multiple of 8
 * or stands last.
 */
#include "wire.h"
#include "gen.h"
#include "meta.h"
#include <linux/lockstep.h>

#define ASSERT_AT(type, member, offset) \
	static_assert(offsetof(struct type, member) == (offset))

ASSERT_AT(lockstep_ctl_hdr, magic, 0);
ASSERT_AT(lockstep_ctl_hdr, type, 4);
ASSERT_AT(lockstep_ctl_hdr, pad, 6);
ASSERT_AT(lockstep_ctl_hdr, body_bytes, 8);
ASSERT_AT(lockstep_ctl_hdr, pad2, 12);
static_assert(sizeof(struct lockstep_ctl_hdr) == 16);

ASSERT_AT(lockstep_ctl_hello, version_min, 0);
ASSERT_AT(lockstep_ctl_hello, version_max, 4);
ASSERT_AT(lockstep_ctl_hello, features, 8);
ASSERT_AT(lockstep_ctl_hello, boot_id, 16);
ASSERT_AT(lockstep_ctl_hello, epoch, 24);
ASSERT_AT(lockstep_ctl_hello, session_id, 32);
ASSERT_AT(lockstep_ctl_hello, node_id, 40);
ASSERT_AT(lockstep_ctl_hello, peer_node_id, 44);
ASSERT_AT(lockstep_ctl_hello, role, 48);
ASSERT_AT(lockstep_ctl_hello, streams, 52);
ASSERT_AT(lockstep_ctl_hello, nr_volumes, 56);
ASSERT_AT(lockstep_ctl_hello, timeout_ms, 60);
ASSERT_AT(lockstep_ctl_hello, resource, 64);
ASSERT_AT(lockstep_ctl_hello, node, 112);
static_assert(sizeof(struct lockstep_ctl_hello) == 160);

ASSERT_AT(lockstep_ctl_volume, volume, 0);
ASSERT_AT(lockstep_ctl_volume, flags, 4);
ASSERT_AT(lockstep_ctl_volume, current_id, 8);
ASSERT_AT(lockstep_ctl_volume, current_nr, 16);
ASSERT_AT(lockstep_ctl_volume, since_id, 24);
ASSERT_AT(lockstep_ctl_volume, peer_boot_id, 32);
ASSERT_AT(lockstep_ctl_volume, data_sect, 40);
ASSERT_AT(lockstep_ctl_volume, data_max_sect, 48);
ASSERT_AT(lockstep_ctl_volume, oos_bits, 56);
ASSERT_AT(lockstep_ctl_volume, meta_seq, 64);
ASSERT_AT(lockstep_ctl_volume, logical_bytes, 72);
ASSERT_AT(lockstep_ctl_volume, physical_bytes, 76);
ASSERT_AT(lockstep_ctl_volume, max_io_bytes, 80);
ASSERT_AT(lockstep_ctl_volume, caps, 84);
ASSERT_AT(lockstep_ctl_volume, disk, 88);
ASSERT_AT(lockstep_ctl_volume, sync, 92);
ASSERT_AT(lockstep_ctl_volume, history, 96);
static_assert(sizeof(struct lockstep_ctl_volume) == 608);

ASSERT_AT(lockstep_ctl_verdict, nr_volumes, 0);
ASSERT_AT(lockstep_ctl_verdict, pad, 4);
static_assert(sizeof(struct lockstep_ctl_verdict) == 8);

ASSERT_AT(lockstep_ctl_choice, volume, 0);
ASSERT_AT(lockstep_ctl_choice, verdict, 4);
ASSERT_AT(lockstep_ctl_choice, rule, 6);
static_assert(sizeof(struct lockstep_ctl_choice) == 8);

ASSERT_AT(lockstep_ctl_token, session_id, 0);
ASSERT_AT(lockstep_ctl_token, epoch, 8);
ASSERT_AT(lockstep_ctl_token, streams, 16);
ASSERT_AT(lockstep_ctl_token, timeout_ms, 20);
ASSERT_AT(lockstep_ctl_token, token, 24);
static_assert(sizeof(struct lockstep_ctl_token) == 56);

ASSERT_AT(lockstep_ctl_marks, volume, 0);
ASSERT_AT(lockstep_ctl_marks, run_bytes, 4);
ASSERT_AT(lockstep_ctl_marks, first_bit, 8);
static_assert(sizeof(struct lockstep_ctl_marks) == 16);

ASSERT_AT(lockstep_ctl_refuse, code, 0);
ASSERT_AT(lockstep_ctl_refuse, text, 4);
static_assert(sizeof(struct lockstep_ctl_refuse) == 256);
static_assert(sizeof(((struct wire_refuse *)0)->text) == 252);

ASSERT_AT(lockstep_ctl_resize, volume, 0);
ASSERT_AT(lockstep_ctl_resize, flags, 4);
ASSERT_AT(lockstep_ctl_resize, data_sect, 8);
static_assert(sizeof(struct lockstep_ctl_resize) == 16);

ASSERT_AT(lockstep_ctl_resize_done, volume, 0);
ASSERT_AT(lockstep_ctl_resize_done, refused, 4);
ASSERT_AT(lockstep_ctl_resize_done, data_max_sect, 8);
ASSERT_AT(lockstep_ctl_resize_done, text, 16);
static_assert(sizeof(struct lockstep_ctl_resize_done) == 256);
static_assert(sizeof(((struct wire_resize_done *)0)->text) == 240);

#define HELLO_BYTES	((u32)sizeof(struct lockstep_ctl_hello))
#define VOLUME_BYTES	((u32)sizeof(struct lockstep_ctl_volume))
#define VERDICT_BYTES	((u32)sizeof(struct lockstep_ctl_verdict))
#define CHOICE_BYTES	((u32)sizeof(struct lockstep_ctl_choice))
#define MARKS_BYTES	((u32)sizeof(struct lockstep_ctl_marks))
#define MAX_BITS	(LOCKSTEP_MAX_DATA_SECT / LOCKSTEP_BIT_SECT)
#define MAX_BLOCK_BYTES	(1u << 30)	/* no block size is near this; keeps sums far from 2^32 */

static_assert(HELLO_BYTES + LOCKSTEP_MAX_VOLUMES * VOLUME_BYTES <= LOCKSTEP_CTL_MAX_BYTES);

/* Body of each type: `fixed` bytes, then up to `max_items` items. */
struct body_rule {
	bool known;
	u32 fixed, item, max_items;
};

static const struct body_rule bodies[LOCKSTEP_CT_NR] = {
	[LOCKSTEP_CT_HELLO]	= { true, HELLO_BYTES, VOLUME_BYTES, LOCKSTEP_MAX_VOLUMES },
	[LOCKSTEP_CT_VERDICT]	= { true, VERDICT_BYTES, CHOICE_BYTES, LOCKSTEP_MAX_VOLUMES },
	[LOCKSTEP_CT_TOKEN]	= { true, sizeof(struct lockstep_ctl_token), 1, 0 },
	[LOCKSTEP_CT_READY]	= { true, 0, 1, 0 },
	[LOCKSTEP_CT_STARTED]	= { true, 0, 1, 0 },
	[LOCKSTEP_CT_MARKS]	= { true, MARKS_BYTES, 1, LOCKSTEP_CTL_MAX_BYTES - MARKS_BYTES },
	[LOCKSTEP_CT_MARKS_DONE] = { true, MARKS_BYTES, 1, 0 },
	[LOCKSTEP_CT_PING]	= { true, 0, 1, 0 },
	[LOCKSTEP_CT_PONG]	= { true, 0, 1, 0 },
	[LOCKSTEP_CT_REFUSE]	= { true, sizeof(struct lockstep_ctl_refuse), 1, 0 },
	[LOCKSTEP_CT_ADOPT]	= { true, 0, 1, 0 },
	[LOCKSTEP_CT_RESIZE]	= { true, sizeof(struct lockstep_ctl_resize), 1, 0 },
	[LOCKSTEP_CT_RESIZE_DONE] = { true, sizeof(struct lockstep_ctl_resize_done), 1, 0 },
	[LOCKSTEP_CT_SPLIT]	= { true, sizeof(struct lockstep_ctl_split),
				    sizeof(struct lockstep_ctl_split_volume),
				    LOCKSTEP_MAX_VOLUMES },
	[LOCKSTEP_CT_RESOLVE]	= { true, sizeof(struct lockstep_ctl_resolve), 1, 0 },
	[LOCKSTEP_CT_RESOLVE_DONE] = { true, sizeof(struct lockstep_ctl_resolve_done), 1, 0 },
	[LOCKSTEP_CT_TRACE]	= { true, sizeof(struct lockstep_ctl_trace), 1, 0 },
	[LOCKSTEP_CT_TRACE_DONE] = { true, sizeof(struct lockstep_ctl_trace_done),
				     sizeof(struct lockstep_ctl_trace_item),
				     LOCKSTEP_TRACE_ITEMS },
};

void wire_ctl_encode(const struct wire_ctl *c, struct lockstep_ctl_hdr *ret)
{
	ret->magic = cpu_to_le32(LOCKSTEP_CTL_MAGIC);
	ret->type = cpu_to_le16(c->type);
	ret->pad = cpu_to_le16(0);
	ret->body_bytes = cpu_to_le32(c->body_bytes);
	ret->pad2 = cpu_to_le32(0);
}

enum wire_err wire_ctl_decode(const void *buf, size_t len, struct wire_ctl *ret)
{
	const struct lockstep_ctl_hdr *h = buf;
	const struct body_rule *rule;
	u32 type, bytes;

	if (len < sizeof(*h))
		return WIRE_SHORT;
	if (le32_to_cpu(h->magic) != LOCKSTEP_CTL_MAGIC)
		return WIRE_MAGIC;
	if (h->pad || h->pad2)
		return WIRE_PAD;
	type = le16_to_cpu(h->type);
	if (type >= LOCKSTEP_CT_NR || !bodies[type].known)
		return WIRE_TYPE;
	rule = &bodies[type];
	bytes = le32_to_cpu(h->body_bytes);
	if (bytes < rule->fixed || (bytes - rule->fixed) % rule->item ||
	    (bytes - rule->fixed) / rule->item > rule->max_items)
		return WIRE_LENGTH;
	ret->type = (u16)type;
	ret->body_bytes = bytes;
	return WIRE_OK;
}

/* Exactly `want` bytes? */
static enum wire_err check_length(size_t len, size_t want)
{
	if (len < want)
		return WIRE_SHORT;
	return len == want ? WIRE_OK : WIRE_LENGTH;
}

static bool is_zero(const u8 *p, size_t bytes)
{
	while (bytes--) {
		if (*p++)
			return false;
	}
	return true;
}

static bool is_power_of_two(u32 n)
{
	return n && !(n & (n - 1));
}

static bool is_block_size(u32 bytes)
{
	return is_power_of_two(bytes) && bytes >= LOCKSTEP_SECT_BYTES && bytes <= MAX_BLOCK_BYTES;
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

static bool is_timeout(u32 ms)
{
	return ms >= LOCKSTEP_MIN_TIMEOUT_MS && ms <= LOCKSTEP_MAX_TIMEOUT_MS;
}

/* ---- hello ---------------------------------------------------------------------------------- */

static void put_volume(const struct wire_hello_volume *v, struct lockstep_ctl_volume *w)
{
	u32 i;

	w->volume = cpu_to_le32(v->volume);
	w->flags = cpu_to_le32(v->flags);
	w->current_id = cpu_to_le64(v->current_id);
	w->current_nr = cpu_to_le64(v->current_nr);
	w->since_id = cpu_to_le64(v->since_id);
	w->peer_boot_id = cpu_to_le64(v->peer_boot_id);
	w->data_sect = cpu_to_le64(v->data_sect);
	w->data_max_sect = cpu_to_le64(v->data_max_sect);
	w->oos_bits = cpu_to_le64(v->oos_bits);
	w->meta_seq = cpu_to_le64(v->meta_seq);
	w->logical_bytes = cpu_to_le32(v->logical_bytes);
	w->physical_bytes = cpu_to_le32(v->physical_bytes);
	w->max_io_bytes = cpu_to_le32(v->max_io_bytes);
	w->caps = cpu_to_le32(v->caps);
	w->disk = cpu_to_le32(v->disk);
	w->sync = cpu_to_le32(v->sync);
	for (i = 0; i < LOCKSTEP_HISTORY; i++)
		w->history[i] = cpu_to_le64(v->history[i]);
}

static void get_volume(const struct lockstep_ctl_volume *w, struct wire_hello_volume *v)
{
	u32 i;

	v->volume = le32_to_cpu(w->volume);
	v->flags = le32_to_cpu(w->flags);
	v->current_id = le64_to_cpu(w->current_id);
	v->current_nr = le64_to_cpu(w->current_nr);
	v->since_id = le64_to_cpu(w->since_id);
	v->peer_boot_id = le64_to_cpu(w->peer_boot_id);
	v->data_sect = le64_to_cpu(w->data_sect);
	v->data_max_sect = le64_to_cpu(w->data_max_sect);
	v->oos_bits = le64_to_cpu(w->oos_bits);
	v->meta_seq = le64_to_cpu(w->meta_seq);
	v->logical_bytes = le32_to_cpu(w->logical_bytes);
	v->physical_bytes = le32_to_cpu(w->physical_bytes);
	v->max_io_bytes = le32_to_cpu(w->max_io_bytes);
	v->caps = le32_to_cpu(w->caps);
	v->disk = le32_to_cpu(w->disk);
	v->sync = le32_to_cpu(w->sync);
	for (i = 0; i < LOCKSTEP_HISTORY; i++)
		v->history[i] = le64_to_cpu(w->history[i]);
}

/* Limits of the backing device: all there with a copy, all 0 without one. */
static bool are_limits_ok(const struct lockstep_ctl_volume *w)
{
	u32 logical = le32_to_cpu(w->logical_bytes), physical = le32_to_cpu(w->physical_bytes);

	if (!logical && !physical)
		return true;
	return is_block_size(logical) && is_block_size(physical);
}

static enum wire_err check_volume(const struct lockstep_ctl_volume *w)
{
	if (le32_to_cpu(w->volume) >= LOCKSTEP_MAX_VOLUMES)
		return WIRE_VALUE;
	if (le32_to_cpu(w->flags) & ~LOCKSTEP_MF_KNOWN)
		return WIRE_FLAGS;
	if (le32_to_cpu(w->caps) & ~LOCKSTEP_VC_KNOWN)
		return WIRE_FLAGS;
	if (le64_to_cpu(w->data_sect) > LOCKSTEP_MAX_DATA_SECT ||
	    le64_to_cpu(w->data_max_sect) > LOCKSTEP_MAX_DATA_SECT)
		return WIRE_SECTOR;
	if (le64_to_cpu(w->oos_bits) > MAX_BITS)
		return WIRE_VALUE;
	if (le32_to_cpu(w->disk) > LOCKSTEP_DISK_UP_TO_DATE)
		return WIRE_VALUE;
	if (le32_to_cpu(w->sync) > LOCKSTEP_SYNC_TARGET)
		return WIRE_VALUE;
	return are_limits_ok(w) ? WIRE_OK : WIRE_VALUE;
}

static enum wire_err check_hello(const struct lockstep_ctl_hello *w)
{
	u32 role = le32_to_cpu(w->role), streams = le32_to_cpu(w->streams);
	u32 node_id = le32_to_cpu(w->node_id), peer_id = le32_to_cpu(w->peer_node_id);

	if (!w->version_min || le32_to_cpu(w->version_min) > le32_to_cpu(w->version_max))
		return WIRE_VALUE;
	if (!w->boot_id)
		return WIRE_VALUE;
	if (node_id >= LOCKSTEP_MAX_NODES || peer_id >= LOCKSTEP_MAX_NODES || node_id == peer_id)
		return WIRE_VALUE;
	if (role != LOCKSTEP_ROLE_SECONDARY && role != LOCKSTEP_ROLE_PRIMARY)
		return WIRE_VALUE;
	if (!streams || streams > LOCKSTEP_MAX_STREAMS)
		return WIRE_VALUE;
	if (!is_timeout(le32_to_cpu(w->timeout_ms)))
		return WIRE_VALUE;
	return is_name_field(w->resource) && is_name_field(w->node) ? WIRE_OK : WIRE_TEXT;
}

static enum wire_err check_volumes(const struct lockstep_ctl_volume *w, u32 nr)
{
	enum wire_err err;
	u32 i;

	for (i = 0; i < nr; i++) {
		err = check_volume(&w[i]);
		if (err)
			return err;
		if (i && le32_to_cpu(w[i].volume) <= le32_to_cpu(w[i - 1].volume))
			return WIRE_ORDER;
	}
	return WIRE_OK;
}

size_t wire_hello_encode(const struct wire_hello *h, const struct wire_hello_volume *v, void *buf,
			 size_t cap)
{
	struct lockstep_ctl_hello *w = buf;
	size_t bytes = HELLO_BYTES + (size_t)h->nr_volumes * VOLUME_BYTES;
	u32 i;

	if (cap < bytes)
		return 0;
	w->version_min = cpu_to_le32(h->version_min);
	w->version_max = cpu_to_le32(h->version_max);
	w->features = cpu_to_le64(h->features);
	w->boot_id = cpu_to_le64(h->boot_id);
	w->epoch = cpu_to_le64(h->epoch);
	w->session_id = cpu_to_le64(h->session_id);
	w->node_id = cpu_to_le32(h->node_id);
	w->peer_node_id = cpu_to_le32(h->peer_node_id);
	w->role = cpu_to_le32(h->role);
	w->streams = cpu_to_le32(h->streams);
	w->nr_volumes = cpu_to_le32(h->nr_volumes);
	w->timeout_ms = cpu_to_le32(h->timeout_ms);
	memcpy(w->resource, h->resource, LOCKSTEP_NAME_BYTES);
	memcpy(w->node, h->node, LOCKSTEP_NAME_BYTES);
	for (i = 0; i < h->nr_volumes; i++)
		put_volume(&v[i], (struct lockstep_ctl_volume *)(w + 1) + i);
	return bytes;
}

static void get_hello(const struct lockstep_ctl_hello *w, struct wire_hello *h)
{
	h->version_min = le32_to_cpu(w->version_min);
	h->version_max = le32_to_cpu(w->version_max);
	h->features = le64_to_cpu(w->features);
	h->boot_id = le64_to_cpu(w->boot_id);
	h->epoch = le64_to_cpu(w->epoch);
	h->session_id = le64_to_cpu(w->session_id);
	h->node_id = le32_to_cpu(w->node_id);
	h->peer_node_id = le32_to_cpu(w->peer_node_id);
	h->role = le32_to_cpu(w->role);
	h->streams = le32_to_cpu(w->streams);
	h->nr_volumes = le32_to_cpu(w->nr_volumes);
	h->timeout_ms = le32_to_cpu(w->timeout_ms);
	memcpy(h->resource, w->resource, LOCKSTEP_NAME_BYTES);
	memcpy(h->node, w->node, LOCKSTEP_NAME_BYTES);
}

enum wire_err wire_hello_decode(const void *buf, size_t len, struct wire_hello *ret,
				struct wire_hello_volume *ret_v, u32 max_volumes)
{
	const struct lockstep_ctl_hello *w = buf;
	const struct lockstep_ctl_volume *v;
	enum wire_err err;
	u32 nr, i;

	if (len < HELLO_BYTES)
		return WIRE_SHORT;
	nr = le32_to_cpu(w->nr_volumes);
	if (nr > LOCKSTEP_MAX_VOLUMES || nr > max_volumes)
		return WIRE_LENGTH;
	err = check_length(len, HELLO_BYTES + (size_t)nr * VOLUME_BYTES);
	if (err)
		return err;
	v = (const struct lockstep_ctl_volume *)(w + 1);
	err = check_hello(w);
	if (!err)
		err = check_volumes(v, nr);
	if (err)
		return err;
	get_hello(w, ret);
	for (i = 0; i < nr; i++)
		get_volume(&v[i], &ret_v[i]);
	return WIRE_OK;
}

/* ---- verdict -------------------------------------------------------------------------------- */

size_t wire_verdict_encode(const struct wire_choice *c, u32 nr, void *buf, size_t cap)
{
	struct lockstep_ctl_verdict *w = buf;
	struct lockstep_ctl_choice *choice = (struct lockstep_ctl_choice *)(w + 1);
	size_t bytes = VERDICT_BYTES + (size_t)nr * CHOICE_BYTES;
	u32 i;

	if (cap < bytes)
		return 0;
	w->nr_volumes = cpu_to_le32(nr);
	w->pad = cpu_to_le32(0);
	for (i = 0; i < nr; i++) {
		choice[i].volume = cpu_to_le32(c[i].volume);
		choice[i].verdict = cpu_to_le16(c[i].verdict);
		choice[i].rule = cpu_to_le16(c[i].rule);
	}
	return bytes;
}

static enum wire_err check_choices(const struct lockstep_ctl_choice *c, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		if (le32_to_cpu(c[i].volume) >= LOCKSTEP_MAX_VOLUMES)
			return WIRE_VALUE;
		if (le16_to_cpu(c[i].verdict) >= GEN_VERDICT_NR ||
		    le16_to_cpu(c[i].rule) >= GEN_RULE_NR)
			return WIRE_VALUE;
		if (i && le32_to_cpu(c[i].volume) <= le32_to_cpu(c[i - 1].volume))
			return WIRE_ORDER;
	}
	return WIRE_OK;
}

enum wire_err wire_verdict_decode(const void *buf, size_t len, struct wire_choice *ret, u32 max,
				  u32 *ret_nr)
{
	const struct lockstep_ctl_verdict *w = buf;
	const struct lockstep_ctl_choice *c;
	enum wire_err err;
	u32 nr, i;

	if (len < VERDICT_BYTES)
		return WIRE_SHORT;
	nr = le32_to_cpu(w->nr_volumes);
	if (nr > LOCKSTEP_MAX_VOLUMES || nr > max)
		return WIRE_LENGTH;
	err = check_length(len, VERDICT_BYTES + (size_t)nr * CHOICE_BYTES);
	if (err)
		return err;
	if (w->pad)
		return WIRE_PAD;
	c = (const struct lockstep_ctl_choice *)(w + 1);
	err = check_choices(c, nr);
	if (err)
		return err;
	for (i = 0; i < nr; i++) {
		ret[i].volume = le32_to_cpu(c[i].volume);
		ret[i].verdict = le16_to_cpu(c[i].verdict);
		ret[i].rule = le16_to_cpu(c[i].rule);
	}
	*ret_nr = nr;
	return WIRE_OK;
}

/* ---- token ---------------------------------------------------------------------------------- */

size_t wire_token_encode(const struct wire_token *t, void *buf, size_t cap)
{
	struct lockstep_ctl_token *w = buf;

	if (cap < sizeof(*w))
		return 0;
	w->session_id = cpu_to_le64(t->session_id);
	w->epoch = cpu_to_le64(t->epoch);
	w->streams = cpu_to_le32(t->streams);
	w->timeout_ms = cpu_to_le32(t->timeout_ms);
	memcpy(w->token, t->token, sizeof(w->token));
	return sizeof(*w);
}

enum wire_err wire_token_decode(const void *buf, size_t len, struct wire_token *ret)
{
	const struct lockstep_ctl_token *w = buf;
	enum wire_err err = check_length(len, sizeof(*w));
	u32 streams;

	if (err)
		return err;
	streams = le32_to_cpu(w->streams);
	if (!w->session_id || !w->epoch || !streams || streams > LOCKSTEP_MAX_STREAMS ||
	    !is_timeout(le32_to_cpu(w->timeout_ms)))
		return WIRE_VALUE;
	ret->session_id = le64_to_cpu(w->session_id);
	ret->epoch = le64_to_cpu(w->epoch);
	ret->streams = streams;
	ret->timeout_ms = le32_to_cpu(w->timeout_ms);
	memcpy(ret->token, w->token, sizeof(ret->token));
	return WIRE_OK;
}

/* ---- marks ---------------------------------------------------------------------------------- */

size_t wire_marks_encode(const struct wire_marks *m, void *buf, size_t cap)
{
	struct lockstep_ctl_marks *w = buf;

	if (cap < MARKS_BYTES || cap - MARKS_BYTES < m->run_bytes)
		return 0;
	w->volume = cpu_to_le32(m->volume);
	w->run_bytes = cpu_to_le32(m->run_bytes);
	w->first_bit = cpu_to_le64(m->first_bit);
	if (m->run_bytes)
		memcpy(w + 1, m->runs, m->run_bytes);
	return MARKS_BYTES + (size_t)m->run_bytes;
}

enum wire_err wire_marks_decode(const void *buf, size_t len, struct wire_marks *ret)
{
	const struct lockstep_ctl_marks *w = buf;
	enum wire_err err;
	u32 run_bytes;

	if (len < MARKS_BYTES)
		return WIRE_SHORT;
	run_bytes = le32_to_cpu(w->run_bytes);
	if (run_bytes > LOCKSTEP_CTL_MAX_BYTES - MARKS_BYTES)
		return WIRE_LENGTH;
	err = check_length(len, MARKS_BYTES + (size_t)run_bytes);
	if (err)
		return err;
	if (le32_to_cpu(w->volume) >= LOCKSTEP_MAX_VOLUMES || le64_to_cpu(w->first_bit) > MAX_BITS)
		return WIRE_VALUE;
	ret->volume = le32_to_cpu(w->volume);
	ret->run_bytes = run_bytes;
	ret->first_bit = le64_to_cpu(w->first_bit);
	ret->runs = (const u8 *)(w + 1);
	return WIRE_OK;
}

/* ---- refuse --------------------------------------------------------------------------------- */

/* The text ends up on a terminal: control characters are not let through in either direction. */
static bool is_printable(u8 c)
{
	return c >= 0x20 && c != 0x7f;
}

/* Into `size` zeroed bytes. */
void wire_put_text(const char *text, u8 *ret, size_t size)
{
	size_t i = 0;

	for (; i < size - 1 && text[i]; i++)
		ret[i] = is_printable((u8)text[i]) ? (u8)text[i] : '?';
	/* Cut: not in the middle of a UTF-8 character, whose later bytes are 10xxxxxx. */
	while (i && ((u8)text[i] & 0xc0) == 0x80)
		ret[--i] = 0;
}

bool wire_is_text(const u8 *text, size_t size)
{
	size_t n = 0;

	while (n < size && is_printable(text[n]))
		n++;
	return n < size && is_zero(text + n, size - n);
}

size_t wire_refuse_encode(u32 code, const char *text, void *buf, size_t cap)
{
	struct lockstep_ctl_refuse *w = buf;

	if (cap < sizeof(*w))
		return 0;
	memset(w, 0, sizeof(*w));
	w->code = cpu_to_le32(code);
	wire_put_text(text, w->text, sizeof(w->text));
	return sizeof(*w);
}

enum wire_err wire_refuse_decode(const void *buf, size_t len, struct wire_refuse *ret)
{
	const struct lockstep_ctl_refuse *w = buf;
	enum wire_err err = check_length(len, sizeof(*w));
	u32 code;

	if (err)
		return err;
	code = le32_to_cpu(w->code);
	if (!code || code >= LOCKSTEP_RF_NR)
		return WIRE_VALUE;
	if (!wire_is_text(w->text, sizeof(w->text)))
		return WIRE_TEXT;
	ret->code = code;
	memcpy(ret->text, w->text, sizeof(ret->text));
	return WIRE_OK;
}

/* ---- resize --------------------------------------------------------------------------------- */

size_t wire_resize_encode(const struct wire_resize *r, void *buf, size_t cap)
{
	struct lockstep_ctl_resize *w = buf;

	if (cap < sizeof(*w))
		return 0;
	w->volume = cpu_to_le32(r->volume);
	w->flags = cpu_to_le32(r->flags);
	w->data_sect = cpu_to_le64(r->data_sect);
	return sizeof(*w);
}

/* A size of the volume is whole blocks of the bitmap. */
static bool is_size(u64 sect)
{
	return sect <= LOCKSTEP_MAX_DATA_SECT && !(sect % LOCKSTEP_BIT_SECT);
}

enum wire_err wire_resize_decode(const void *buf, size_t len, struct wire_resize *ret)
{
	const struct lockstep_ctl_resize *w = buf;
	enum wire_err err = check_length(len, sizeof(*w));

	if (err)
		return err;
	if (le32_to_cpu(w->flags) & ~LOCKSTEP_RZ_KNOWN)
		return WIRE_FLAGS;
	if (le32_to_cpu(w->volume) >= LOCKSTEP_MAX_VOLUMES || !is_size(le64_to_cpu(w->data_sect)))
		return WIRE_VALUE;
	ret->volume = le32_to_cpu(w->volume);
	ret->flags = le32_to_cpu(w->flags);
	ret->data_sect = le64_to_cpu(w->data_sect);
	return WIRE_OK;
}

size_t wire_resize_done_encode(const struct wire_resize_done *r, void *buf, size_t cap)
{
	struct lockstep_ctl_resize_done *w = buf;

	if (cap < sizeof(*w))
		return 0;
	memset(w, 0, sizeof(*w));
	w->volume = cpu_to_le32(r->volume);
	w->refused = cpu_to_le32(r->refused);
	w->data_max_sect = cpu_to_le64(r->data_max_sect);
	wire_put_text(r->text, w->text, sizeof(w->text));
	return sizeof(*w);
}

enum wire_err wire_resize_done_decode(const void *buf, size_t len, struct wire_resize_done *ret)
{
	const struct lockstep_ctl_resize_done *w = buf;
	enum wire_err err = check_length(len, sizeof(*w));

	if (err)
		return err;
	if (le32_to_cpu(w->volume) >= LOCKSTEP_MAX_VOLUMES || le32_to_cpu(w->refused) > 1 ||
	    le64_to_cpu(w->data_max_sect) > LOCKSTEP_MAX_DATA_SECT)
		return WIRE_VALUE;
	if (!wire_is_text(w->text, sizeof(w->text)))
		return WIRE_TEXT;
	ret->volume = le32_to_cpu(w->volume);
	ret->refused = le32_to_cpu(w->refused);
	ret->data_max_sect = le64_to_cpu(w->data_max_sect);
	memcpy(ret->text, w->text, sizeof(ret->text));
	return WIRE_OK;
}

/* ---- join of a data connection -------------------------------------------------------------- */

void wire_join_encode(const struct wire_join *j, struct lockstep_wire_join *ret)
{
	memcpy(ret->magic, LOCKSTEP_JOIN_MAGIC, sizeof(ret->magic));
	ret->session_id = cpu_to_le64(j->session_id);
	ret->stream = cpu_to_le32(j->stream);
	ret->pad = cpu_to_le32(0);
	memcpy(ret->nonce, j->nonce, sizeof(ret->nonce));
	memcpy(ret->proof, j->proof, sizeof(ret->proof));
}

enum wire_err wire_join_decode(const void *buf, size_t len, struct wire_join *ret)
{
	const struct lockstep_wire_join *w = buf;
	enum wire_err err = check_length(len, sizeof(*w));

	if (err)
		return err;
	if (memcmp(w->magic, LOCKSTEP_JOIN_MAGIC, sizeof(w->magic)))
		return WIRE_MAGIC;
	if (w->pad)
		return WIRE_PAD;
	if (!w->session_id || le32_to_cpu(w->stream) >= LOCKSTEP_MAX_STREAMS)
		return WIRE_VALUE;
	ret->session_id = le64_to_cpu(w->session_id);
	ret->stream = le32_to_cpu(w->stream);
	memcpy(ret->nonce, w->nonce, sizeof(ret->nonce));
	memcpy(ret->proof, w->proof, sizeof(ret->proof));
	return WIRE_OK;
}
