// SPDX-License-Identifier: GPL-2.0
/* Control messages of a split brain; the rules are those of wire-ctl.c. */
#include "wire.h"
#include <linux/lockstep.h>
#include <lockstep/disk.h>

#define ASSERT_AT(type, member, offset) \
	static_assert(offsetof(struct type, member) == (offset))

ASSERT_AT(lockstep_ctl_split, nr_volumes, 0);
ASSERT_AT(lockstep_ctl_split, role, 4);
ASSERT_AT(lockstep_ctl_split, no_primary, 8);
ASSERT_AT(lockstep_ctl_split, one_primary, 12);
static_assert(sizeof(struct lockstep_ctl_split) == 16);

ASSERT_AT(lockstep_ctl_split_volume, volume, 0);
ASSERT_AT(lockstep_ctl_split_volume, flags, 4);
ASSERT_AT(lockstep_ctl_split_volume, oos_bits, 8);
ASSERT_AT(lockstep_ctl_split_volume, dirty_bytes, 16);
ASSERT_AT(lockstep_ctl_split_volume, write_s, 24);
ASSERT_AT(lockstep_ctl_split_volume, primary_s, 32);
static_assert(sizeof(struct lockstep_ctl_split_volume) == 40);

ASSERT_AT(lockstep_ctl_resolve, keep, 0);
ASSERT_AT(lockstep_ctl_resolve, pad, 4);
static_assert(sizeof(struct lockstep_ctl_resolve) == 8);

ASSERT_AT(lockstep_ctl_resolve_done, refused, 0);
ASSERT_AT(lockstep_ctl_resolve_done, pad, 4);
ASSERT_AT(lockstep_ctl_resolve_done, text, 8);
static_assert(sizeof(struct lockstep_ctl_resolve_done) == 256);
static_assert(sizeof(((struct wire_resolve_done *)0)->text) == 248);

#define MAX_BITS	(LOCKSTEP_MAX_DATA_SECT / LOCKSTEP_BIT_SECT)
/* The last region of a device may be shorter, and is counted whole. */
#define MAX_DIRTY	(LOCKSTEP_MAX_DATA_SECT * LOCKSTEP_SECT_BYTES + LOCKSTEP_REGION_BYTES)

static enum wire_err check_length(size_t len, size_t want)
{
	if (len < want)
		return WIRE_SHORT;
	return len == want ? WIRE_OK : WIRE_LENGTH;
}

/* ---- facts ---------------------------------------------------------------------------------- */

size_t wire_split_encode(const struct wire_split *s, const struct wire_split_volume *v, void *buf,
			 size_t cap)
{
	struct lockstep_ctl_split *w = buf;
	struct lockstep_ctl_split_volume *d = (void *)(w + 1);
	u32 i;

	if (s->nr_volumes > LOCKSTEP_MAX_VOLUMES ||
	    cap < sizeof(*w) + s->nr_volumes * sizeof(*d))
		return 0;
	w->nr_volumes = cpu_to_le32(s->nr_volumes);
	w->role = cpu_to_le32(s->role);
	w->no_primary = cpu_to_le32(s->no_primary);
	w->one_primary = cpu_to_le32(s->one_primary);
	for (i = 0; i < s->nr_volumes; i++) {
		d[i].volume = cpu_to_le32(v[i].volume);
		d[i].flags = cpu_to_le32(v[i].flags);
		d[i].oos_bits = cpu_to_le64(v[i].oos_bits);
		d[i].dirty_bytes = cpu_to_le64(v[i].dirty_bytes);
		d[i].write_s = cpu_to_le64(v[i].write_s);
		d[i].primary_s = cpu_to_le64(v[i].primary_s);
	}
	return sizeof(*w) + s->nr_volumes * sizeof(*d);
}

static enum wire_err check_volumes(const struct lockstep_ctl_split_volume *d, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		if (le32_to_cpu(d[i].volume) >= LOCKSTEP_MAX_VOLUMES ||
		    le64_to_cpu(d[i].oos_bits) > MAX_BITS ||
		    le64_to_cpu(d[i].dirty_bytes) > MAX_DIRTY)
			return WIRE_VALUE;
		if (le32_to_cpu(d[i].flags) & ~LOCKSTEP_MF_KNOWN)
			return WIRE_FLAGS;
		if (i && le32_to_cpu(d[i].volume) <= le32_to_cpu(d[i - 1].volume))
			return WIRE_ORDER;
	}
	return WIRE_OK;
}

enum wire_err wire_split_decode(const void *buf, size_t len, struct wire_split *ret,
				struct wire_split_volume *ret_v, u32 max)
{
	const struct lockstep_ctl_split *w = buf;
	const struct lockstep_ctl_split_volume *d = (const void *)(w + 1);
	enum wire_err err;
	u32 nr, i;

	if (len < sizeof(*w))
		return WIRE_SHORT;
	nr = le32_to_cpu(w->nr_volumes);
	if (nr > max || nr > LOCKSTEP_MAX_VOLUMES)
		return WIRE_LENGTH;
	err = check_length(len, sizeof(*w) + nr * sizeof(*d));
	if (err)
		return err;
	if ((le32_to_cpu(w->role) != LOCKSTEP_ROLE_SECONDARY &&
	     le32_to_cpu(w->role) != LOCKSTEP_ROLE_PRIMARY) ||
	    le32_to_cpu(w->no_primary) >= LOCKSTEP_SP_NR ||
	    le32_to_cpu(w->one_primary) >= LOCKSTEP_SP_NR)
		return WIRE_VALUE;
	err = check_volumes(d, nr);
	if (err)
		return err;
	ret->nr_volumes = nr;
	ret->role = le32_to_cpu(w->role);
	ret->no_primary = le32_to_cpu(w->no_primary);
	ret->one_primary = le32_to_cpu(w->one_primary);
	for (i = 0; i < nr; i++) {
		ret_v[i].volume = le32_to_cpu(d[i].volume);
		ret_v[i].flags = le32_to_cpu(d[i].flags);
		ret_v[i].oos_bits = le64_to_cpu(d[i].oos_bits);
		ret_v[i].dirty_bytes = le64_to_cpu(d[i].dirty_bytes);
		ret_v[i].write_s = le64_to_cpu(d[i].write_s);
		ret_v[i].primary_s = le64_to_cpu(d[i].primary_s);
	}
	return WIRE_OK;
}

/* ---- resolution ----------------------------------------------------------------------------- */

size_t wire_resolve_encode(u32 keep, void *buf, size_t cap)
{
	struct lockstep_ctl_resolve *w = buf;

	if (cap < sizeof(*w))
		return 0;
	w->keep = cpu_to_le32(keep);
	w->pad = cpu_to_le32(0);
	return sizeof(*w);
}

enum wire_err wire_resolve_decode(const void *buf, size_t len, u32 *ret_keep)
{
	const struct lockstep_ctl_resolve *w = buf;
	enum wire_err err = check_length(len, sizeof(*w));
	u32 keep;

	if (err)
		return err;
	keep = le32_to_cpu(w->keep);
	if (keep != LOCKSTEP_KEEP_MINE && keep != LOCKSTEP_KEEP_YOURS)
		return WIRE_VALUE;
	if (w->pad)
		return WIRE_PAD;
	*ret_keep = keep;
	return WIRE_OK;
}

size_t wire_resolve_done_encode(const struct wire_resolve_done *d, void *buf, size_t cap)
{
	struct lockstep_ctl_resolve_done *w = buf;

	if (cap < sizeof(*w))
		return 0;
	memset(w, 0, sizeof(*w));
	w->refused = cpu_to_le32(d->refused);
	wire_put_text(d->text, w->text, sizeof(w->text));
	return sizeof(*w);
}

enum wire_err wire_resolve_done_decode(const void *buf, size_t len, struct wire_resolve_done *ret)
{
	const struct lockstep_ctl_resolve_done *w = buf;
	enum wire_err err = check_length(len, sizeof(*w));

	if (err)
		return err;
	if (le32_to_cpu(w->refused) > 1)
		return WIRE_VALUE;
	if (w->pad)
		return WIRE_PAD;
	if (!wire_is_text(w->text, sizeof(w->text)))
		return WIRE_TEXT;
	ret->refused = le32_to_cpu(w->refused);
	memcpy(ret->text, w->text, sizeof(ret->text));
	return WIRE_OK;
}
