// SPDX-License-Identifier: GPL-2.0
/* Control messages of a trace; the rules are those of wire-ctl.c. */
#include "wire.h"

#define ASSERT_AT(type, member, offset) \
	static_assert(offsetof(struct type, member) == (offset))

ASSERT_AT(lockstep_ctl_trace, op, 0);
ASSERT_AT(lockstep_ctl_trace, pad, 4);
static_assert(sizeof(struct lockstep_ctl_trace) == 8);

ASSERT_AT(lockstep_ctl_trace_done, op, 0);
ASSERT_AT(lockstep_ctl_trace_done, refused, 4);
ASSERT_AT(lockstep_ctl_trace_done, nr, 8);
ASSERT_AT(lockstep_ctl_trace_done, pad, 12);
ASSERT_AT(lockstep_ctl_trace_done, epoch, 16);
ASSERT_AT(lockstep_ctl_trace_done, text, 24);
static_assert(sizeof(struct lockstep_ctl_trace_done) == 256);
static_assert(sizeof(((struct wire_trace_done *)0)->text) == 232);

ASSERT_AT(lockstep_ctl_trace_item, stream, 0);
ASSERT_AT(lockstep_ctl_trace_item, slot, 4);
ASSERT_AT(lockstep_ctl_trace_item, slot_gen, 8);
ASSERT_AT(lockstep_ctl_trace_item, pad, 12);
ASSERT_AT(lockstep_ctl_trace_item, disk_ns, 16);
ASSERT_AT(lockstep_ctl_trace_item, answer_ns, 24);
static_assert(sizeof(struct lockstep_ctl_trace_item) == 32);

static_assert(sizeof(struct lockstep_ctl_trace_done) +
	      LOCKSTEP_TRACE_ITEMS * sizeof(struct lockstep_ctl_trace_item) <=
	      LOCKSTEP_CTL_MAX_BYTES);

static enum wire_err check_length(size_t len, size_t want)
{
	if (len < want)
		return WIRE_SHORT;
	return len == want ? WIRE_OK : WIRE_LENGTH;
}

static bool is_op(u32 op)
{
	return op == LOCKSTEP_TRACE_BEGIN || op == LOCKSTEP_TRACE_END;
}

size_t wire_trace_encode(u32 op, void *buf, size_t cap)
{
	struct lockstep_ctl_trace *w = buf;

	if (cap < sizeof(*w))
		return 0;
	w->op = cpu_to_le32(op);
	w->pad = cpu_to_le32(0);
	return sizeof(*w);
}

enum wire_err wire_trace_decode(const void *buf, size_t len, u32 *ret_op)
{
	const struct lockstep_ctl_trace *w = buf;
	enum wire_err err = check_length(len, sizeof(*w));

	if (err)
		return err;
	if (!is_op(le32_to_cpu(w->op)))
		return WIRE_VALUE;
	if (w->pad)
		return WIRE_PAD;
	*ret_op = le32_to_cpu(w->op);
	return WIRE_OK;
}

size_t wire_trace_done_encode(const struct wire_trace_done *d, const struct wire_trace_item *item,
			      void *buf, size_t cap)
{
	struct lockstep_ctl_trace_done *w = buf;
	struct lockstep_ctl_trace_item *t = (void *)(w + 1);
	u32 i;

	if (d->nr > LOCKSTEP_TRACE_ITEMS || cap < sizeof(*w) + d->nr * sizeof(*t))
		return 0;
	memset(w, 0, sizeof(*w));
	w->op = cpu_to_le32(d->op);
	w->refused = cpu_to_le32(d->refused);
	w->nr = cpu_to_le32(d->nr);
	w->epoch = cpu_to_le64(d->epoch);
	wire_put_text(d->text, w->text, sizeof(w->text));
	for (i = 0; i < d->nr; i++) {
		t[i].stream = cpu_to_le32(item[i].stream);
		t[i].slot = cpu_to_le32(item[i].slot);
		t[i].slot_gen = cpu_to_le32(item[i].slot_gen);
		t[i].pad = cpu_to_le32(0);
		t[i].disk_ns = cpu_to_le64(item[i].disk_ns);
		t[i].answer_ns = cpu_to_le64(item[i].answer_ns);
	}
	return sizeof(*w) + d->nr * sizeof(*t);
}

/* A duration that a difference of two of them could not hold is none. */
static enum wire_err check_items(const struct lockstep_ctl_trace_item *t, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		if (le32_to_cpu(t[i].stream) >= LOCKSTEP_MAX_STREAMS ||
		    le32_to_cpu(t[i].slot) >= LOCKSTEP_STREAM_SLOTS ||
		    le64_to_cpu(t[i].disk_ns) >> 48 || le64_to_cpu(t[i].answer_ns) >> 48)
			return WIRE_VALUE;
		if (t[i].pad)
			return WIRE_PAD;
	}
	return WIRE_OK;
}

static enum wire_err check_done(const struct lockstep_ctl_trace_done *w, u32 nr)
{
	u32 op = le32_to_cpu(w->op), refused = le32_to_cpu(w->refused);

	if (!is_op(op) || refused > 1 || (nr && (refused || op != LOCKSTEP_TRACE_END)))
		return WIRE_VALUE;
	if (w->pad)
		return WIRE_PAD;
	if (!wire_is_text(w->text, sizeof(w->text)))
		return WIRE_TEXT;
	return WIRE_OK;
}

enum wire_err wire_trace_done_decode(const void *buf, size_t len, struct wire_trace_done *ret,
				     struct wire_trace_item *ret_item, u32 max)
{
	const struct lockstep_ctl_trace_done *w = buf;
	const struct lockstep_ctl_trace_item *t = (const void *)(w + 1);
	enum wire_err err;
	u32 nr, i;

	if (len < sizeof(*w))
		return WIRE_SHORT;
	nr = le32_to_cpu(w->nr);
	if (nr > max || nr > LOCKSTEP_TRACE_ITEMS)
		return WIRE_LENGTH;
	err = check_length(len, sizeof(*w) + nr * sizeof(*t));
	if (!err)
		err = check_done(w, nr);
	if (!err)
		err = check_items(t, nr);
	if (err)
		return err;
	ret->op = le32_to_cpu(w->op);
	ret->refused = le32_to_cpu(w->refused);
	ret->nr = nr;
	ret->epoch = le64_to_cpu(w->epoch);
	memcpy(ret->text, w->text, sizeof(ret->text));
	for (i = 0; i < nr; i++) {
		ret_item[i].stream = le32_to_cpu(t[i].stream);
		ret_item[i].slot = le32_to_cpu(t[i].slot);
		ret_item[i].slot_gen = le32_to_cpu(t[i].slot_gen);
		ret_item[i].disk_ns = le64_to_cpu(t[i].disk_ns);
		ret_item[i].answer_ns = le64_to_cpu(t[i].answer_ns);
	}
	return WIRE_OK;
}
