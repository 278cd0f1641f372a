// SPDX-License-Identifier: GPL-2.0
/*
 * One line of the trace:
 *
 *	  fio-412   [001] d..1.   9.795400: lockstep_msg_queued: ns=9616103194 res=r0 vol=0 ...
 *
 * What stands before the event's name is a process's to choose, so the last place that looks like
 * one counts. Fields come as key=value, in any order; one that is not known here is of a later
 * version and skipped, one that is missing, doubled or out of range spoils the event.
 */
#include "trace.h"

#include <linux/lockstep.h>

#include "meta.h"

static const char *const kind_names[TRACE_KIND_NR] = {
	[TRACE_SUBMIT]		= "write_submit",
	[TRACE_MAPPED]		= "write_mapped",
	[TRACE_LOCAL_START]	= "write_local_start",
	[TRACE_LOCAL_DONE]	= "write_local_done",
	[TRACE_END]		= "write_end",
	[TRACE_QUEUED]		= "msg_queued",
	[TRACE_SENT]		= "msg_sent",
	[TRACE_RECEIVED]	= "msg_received",
	[TRACE_DISK_DONE]	= "msg_disk_done",
};

static const struct {
	const char *name;
	u8 type;
} type_names[] = {
	{ "write", LOCKSTEP_WT_WRITE },
	{ "zeroes", LOCKSTEP_WT_ZEROES },
	{ "flush", LOCKSTEP_WT_FLUSH },
	{ "ack", LOCKSTEP_WT_ACK },
};

enum field {
	FIELD_NS, FIELD_RES, FIELD_VOLUME, FIELD_ID, FIELD_TYPE, FIELD_SECTOR, FIELD_BYTES,
	FIELD_FLAGS, FIELD_STATUS, FIELD_EPOCH, FIELD_STREAM, FIELD_SLOT, FIELD_GEN,
	FIELD_NR
};

#define OF_WRITE	(1u << FIELD_FLAGS)	/* the first that only messages have */
#define OF_MESSAGE	(1u << FIELD_NR)

static const struct {
	const char *name;
	u8 base;			/* 0: no number */
	u64 max;
} fields[FIELD_NR] = {
	[FIELD_NS]	= { "ns", 10, U64_MAX },
	[FIELD_RES]	= { "res", 0, 0 },
	[FIELD_VOLUME]	= { "vol", 10, LOCKSTEP_MAX_VOLUMES - 1 },
	[FIELD_ID]	= { "id", 16, U64_MAX },
	[FIELD_TYPE]	= { "type", 0, 0 },
	[FIELD_SECTOR]	= { "sector", 10, LOCKSTEP_MAX_DATA_SECT },
	/* A request that has not been cut to a region yet may be of any length. */
	[FIELD_BYTES]	= { "bytes", 10, U32_MAX },
	[FIELD_FLAGS]	= { "flags", 16, 0xff },
	[FIELD_STATUS]	= { "status", 10, 0xffff },
	[FIELD_EPOCH]	= { "epoch", 10, U64_MAX },
	[FIELD_STREAM]	= { "stream", 10, LOCKSTEP_MAX_STREAMS - 1 },
	[FIELD_SLOT]	= { "slot", 10, LOCKSTEP_STREAM_SLOTS - 1 },
	[FIELD_GEN]	= { "gen", 10, U32_MAX },
};

struct text_part {
	const char *s;
	size_t len;
};

static bool is_word(struct text_part p, const char *word)
{
	return p.len == strlen(word) && !memcmp(p.s, word, p.len);
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

static bool parse_number(struct text_part p, u8 base, u64 max, u64 *ret)
{
	u64 v = 0;

	if (base == 16 && p.len > 2 && !memcmp(p.s, "0x", 2)) {
		p.s += 2;
		p.len -= 2;
	}
	if (!p.len)
		return false;
	for (size_t i = 0; i < p.len; i++) {
		int d = digit(p.s[i]);

		if (d >= base || v > (U64_MAX - (u64)d) / base)
			return false;
		v = v * base + (u64)d;
	}
	*ret = v;
	return v <= max;
}

static bool parse_res(struct text_part p, char ret[LOCKSTEP_NAME_BYTES])
{
	if (p.len >= LOCKSTEP_NAME_BYTES)
		return false;
	memset(ret, 0, LOCKSTEP_NAME_BYTES);
	memcpy(ret, p.s, p.len);
	return meta_name_ok(ret);
}

static u8 type_of(struct text_part p)
{
	for (size_t i = 0; i < ARRAY_SIZE(type_names); i++)
		if (is_word(p, type_names[i].name))
			return type_names[i].type;
	return 0;
}

static bool take_field(struct trace_event *ev, enum field f, struct text_part value)
{
	u64 v = 0;

	if (f == FIELD_RES)
		return parse_res(value, ev->res);
	if (f == FIELD_TYPE)
		ev->type = type_of(value);
	else if (!parse_number(value, fields[f].base, fields[f].max, &v))
		return false;
	switch (f) {
	case FIELD_NS:		ev->ns = v; break;
	case FIELD_VOLUME:	ev->volume = (u32)v; break;
	case FIELD_ID:		ev->id = v; break;
	case FIELD_SECTOR:	ev->sector = v; break;
	case FIELD_BYTES:	ev->bytes = (u32)v; break;
	case FIELD_FLAGS:	ev->flags = (u32)v; break;
	case FIELD_STATUS:	ev->status = (u32)v; break;
	case FIELD_EPOCH:	ev->key.epoch = v; break;
	case FIELD_STREAM:	ev->key.stream = (u32)v; break;
	case FIELD_SLOT:	ev->key.slot = (u32)v; break;
	case FIELD_GEN:		ev->key.gen = (u32)v; break;
	default:		break;
	}
	return true;
}

/* The next word of *p, which is behind it then. */
static struct text_part next_word(struct text_part *p)
{
	struct text_part w;

	while (p->len && *p->s == ' ') {
		p->s++;
		p->len--;
	}
	w.s = p->s;
	while (p->len && *p->s != ' ') {
		p->s++;
		p->len--;
	}
	w.len = (size_t)(p->s - w.s);
	return w;
}

/* A bit for each field that was there; 0: one is wrong. */
static u32 parse_fields(struct text_part rest, struct trace_event *ev)
{
	struct text_part word, key;
	const char *eq;
	u32 have = 0;
	int f;

	while ((word = next_word(&rest)).len) {
		eq = memchr(word.s, '=', word.len);
		if (!eq)
			return 0;
		key = (struct text_part){ word.s, (size_t)(eq - word.s) };
		for (f = 0; f < FIELD_NR && !is_word(key, fields[f].name); f++)
			;
		if (f == FIELD_NR)
			continue;
		word = (struct text_part){ eq + 1, word.len - key.len - 1 };
		if (have & 1u << f || !take_field(ev, f, word))
			return 0;
		have |= 1u << f;
	}
	return have;
}

/* Behind the last ": lockstep_" of the line; its length 0: there is none. */
static struct text_part find_event(const char *line, size_t len)
{
	static const char mark[] = ": lockstep_";
	const size_t n = sizeof(mark) - 1;

	for (size_t at = len; at > n; at--)
		if (!memcmp(line + at - n, mark, n))
			return (struct text_part){ line + at, len - at };
	return (struct text_part){ line, 0 };
}

int trace_parse(const char *line, size_t len, struct trace_event *ret)
{
	struct trace_event ev = { .kind = TRACE_KIND_NR };
	struct text_part rest, name;
	u32 need;

	while (len && (line[len - 1] == '\n' || line[len - 1] == ' '))
		len--;
	rest = find_event(line, len);
	name = next_word(&rest);
	if (name.len < 2 || name.s[name.len - 1] != ':')
		return 0;
	name.len--;
	for (int k = 0; k < TRACE_KIND_NR; k++)
		if (is_word(name, kind_names[k]))
			ev.kind = k;
	if (ev.kind == TRACE_KIND_NR)
		return 0;
	need = (ev.kind < TRACE_QUEUED ? OF_WRITE : OF_MESSAGE) - 1;
	if ((parse_fields(rest, &ev) & need) != need)
		return -EBADMSG;
	*ret = ev;
	return 1;
}
