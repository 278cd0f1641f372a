// SPDX-License-Identifier: GPL-2.0
/*
 * A request has an id from its submission to its end; its message has a key from the moment it gets
 * a slot. Ids are addresses and slots are few, so both are used again at once: what counts is who
 * had it last, and events come in the order of time. Whatever does not fit is counted and
 * forgotten, as the trace begins and ends in the middle of things, and loses events when there are
 * too many.
 */
#include "trace.h"

#include <stdlib.h>

#define OPEN_NR		16384u		/* requests under way: two for every slot there is */
#define BUCKETS		4096u
#define NONE		U32_MAX

struct open {
	struct trace_write w;
	u64 id;
	u32 have;			/* bits of enum trace_kind */
	u32 next;			/* in the bucket, or in the list of free ones */
	bool odd;			/* sent twice, or its answer said no */
};

struct ring {
	u32 cap, nr, at;
};

struct trace_join {
	struct open open[OPEN_NR];
	u32 free, bucket[BUCKETS];
	u32 slot[LOCKSTEP_MAX_STREAMS][LOCKSTEP_STREAM_SLOTS];
	struct trace_write *done;
	struct ring ring;
	u32 alone, partial;
};

static u32 ring_next(struct ring *r)
{
	u32 at = r->at;

	r->at = (r->at + 1) % r->cap;
	if (r->nr < r->cap)
		r->nr++;
	return at;
}

static bool is_same(const struct trace_key *a, const struct trace_key *b)
{
	return a->epoch == b->epoch && a->stream == b->stream && a->slot == b->slot &&
	       a->gen == b->gen;
}

static bool has_data(u8 type)
{
	return type == LOCKSTEP_WT_WRITE || type == LOCKSTEP_WT_ZEROES ||
	       type == LOCKSTEP_WT_FLUSH;
}

/* ---- the host that writes ------------------------------------------------------------------- */

struct trace_join *trace_join_create(u32 cap)
{
	struct trace_join *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->done = calloc(cap, sizeof(*j->done));
	if (!j->done) {
		free(j);
		return NULL;
	}
	j->ring.cap = cap;
	for (u32 i = 0; i < OPEN_NR; i++)
		j->open[i].next = i + 1 < OPEN_NR ? i + 1 : NONE;
	memset(j->bucket, 0xff, sizeof(j->bucket));
	memset(j->slot, 0xff, sizeof(j->slot));
	return j;
}

void trace_join_free(struct trace_join *j)
{
	if (j)
		free(j->done);
	free(j);
}

static u32 *bucket_of(struct trace_join *j, u64 id)
{
	return &j->bucket[id * 0x9e3779b97f4a7c15ull >> 52];
}

static struct open *find(struct trace_join *j, u64 id)
{
	u32 i = *bucket_of(j, id);

	while (i != NONE && j->open[i].id != id)
		i = j->open[i].next;
	return i == NONE ? NULL : &j->open[i];
}

static struct open *find_key(struct trace_join *j, const struct trace_key *key)
{
	u32 i = j->slot[key->stream][key->slot];

	return i != NONE && is_same(&j->open[i].w.key, key) ? &j->open[i] : NULL;
}

static void forget(struct trace_join *j, struct open *o)
{
	u32 i = (u32)(o - j->open), *p = bucket_of(j, o->id);
	u32 *slot = &j->slot[o->w.key.stream][o->w.key.slot];

	while (*p != i)
		p = &j->open[*p].next;
	*p = o->next;
	if (*slot == i)
		*slot = NONE;
	o->next = j->free;
	j->free = i;
}

static void submit(struct trace_join *j, const struct trace_event *ev)
{
	struct open *o = find(j, ev->id);
	u32 i = j->free, *b;

	if (o) {
		j->partial++;		/* its end was lost */
		forget(j, o);
		i = j->free;
	}
	if (i == NONE) {
		j->partial++;
		return;
	}
	o = &j->open[i];
	j->free = o->next;
	b = bucket_of(j, ev->id);
	*o = (struct open){ .id = ev->id, .next = *b };
	*b = i;
	o->w.volume = ev->volume;
	o->w.bytes = ev->bytes;
	o->w.type = ev->type;
	o->w.ns[TRACE_SUBMIT] = ev->ns;
	o->have = 1u << TRACE_SUBMIT;
}

static void note(struct open *o, const struct trace_event *ev)
{
	o->w.ns[ev->kind] = ev->ns;
	o->have |= 1u << ev->kind;
}

static void queued(struct trace_join *j, const struct trace_event *ev)
{
	struct open *o = find(j, ev->id);

	if (!o)
		return;
	/* In another session: what the first one took is not a leg of anything. */
	o->odd |= o->have & 1u << TRACE_QUEUED;
	o->w.key = ev->key;
	j->slot[ev->key.stream][ev->key.slot] = (u32)(o - j->open);
	note(o, ev);
}

static bool is_in_order(const struct trace_write *w)
{
	return w->ns[TRACE_SUBMIT] <= w->ns[TRACE_MAPPED] &&
	       w->ns[TRACE_MAPPED] <= w->ns[TRACE_QUEUED] &&
	       w->ns[TRACE_QUEUED] <= w->ns[TRACE_SENT] &&
	       w->ns[TRACE_SENT] <= w->ns[TRACE_RECEIVED] &&
	       w->ns[TRACE_RECEIVED] <= w->ns[TRACE_END];
}

#define WHOLE	(1u << TRACE_SUBMIT | 1u << TRACE_MAPPED | 1u << TRACE_QUEUED | 1u << TRACE_SENT | \
		 1u << TRACE_RECEIVED | 1u << TRACE_END)
#define LOCAL	(1u << TRACE_LOCAL_START | 1u << TRACE_LOCAL_DONE)

static void end(struct trace_join *j, struct open *o)
{
	const u64 *ns = o->w.ns;

	o->w.has_local = (o->have & LOCAL) == LOCAL &&
			 ns[TRACE_LOCAL_START] <= ns[TRACE_LOCAL_DONE] &&
			 ns[TRACE_LOCAL_DONE] <= ns[TRACE_END];
	if ((o->have & WHOLE) == WHOLE && !o->odd && has_data(o->w.type) && is_in_order(&o->w))
		j->done[ring_next(&j->ring)] = o->w;
	else if (!(o->have & 1u << TRACE_QUEUED))
		j->alone++;
	else
		j->partial++;
	forget(j, o);
}

void trace_join_feed(struct trace_join *j, const struct trace_event *ev)
{
	struct open *o;

	if (ev->kind == TRACE_SUBMIT) {
		submit(j, ev);
		return;
	}
	if (ev->kind == TRACE_QUEUED) {
		queued(j, ev);
		return;
	}
	if (ev->kind < TRACE_QUEUED)
		o = find(j, ev->id);
	else if (ev->kind == TRACE_SENT ? has_data(ev->type) :
		 ev->kind == TRACE_RECEIVED && ev->type == LOCKSTEP_WT_ACK)
		o = find_key(j, &ev->key);
	else
		o = NULL;
	if (!o)
		return;
	note(o, ev);
	o->odd |= ev->status != 0;
	if (ev->kind == TRACE_END)
		end(j, o);
}

struct trace_joined trace_join_get(const struct trace_join *j)
{
	return (struct trace_joined){ j->done, j->ring.nr, j->alone, j->partial };
}

/* ---- its peer ------------------------------------------------------------------------------- */

struct served {
	struct trace_key key;
	u64 received_ns, disk_ns;	/* 0: not yet */
};

struct trace_peer {
	struct served slot[LOCKSTEP_MAX_STREAMS][LOCKSTEP_STREAM_SLOTS];
	struct trace_item *item;
	struct ring ring;
};

struct trace_peer *trace_peer_create(u32 cap)
{
	struct trace_peer *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->item = calloc(cap, sizeof(*p->item));
	if (!p->item) {
		free(p);
		return NULL;
	}
	p->ring.cap = cap;
	return p;
}

void trace_peer_free(struct trace_peer *p)
{
	if (p)
		free(p->item);
	free(p);
}

void trace_peer_feed(struct trace_peer *p, const struct trace_event *ev)
{
	struct served *s;

	if (ev->kind < TRACE_QUEUED)
		return;
	s = &p->slot[ev->key.stream][ev->key.slot];
	if (ev->kind == TRACE_RECEIVED && has_data(ev->type)) {
		*s = (struct served){ .key = ev->key };
		/* What a resync copies is nobody's write. */
		if (!(ev->flags & LOCKSTEP_WH_RESYNC))
			s->received_ns = ev->ns;
		return;
	}
	if (!s->received_ns || !is_same(&s->key, &ev->key))
		return;
	if (ev->kind == TRACE_DISK_DONE && ev->ns >= s->received_ns)
		s->disk_ns = ev->ns;
	if (ev->kind != TRACE_SENT || ev->type != LOCKSTEP_WT_ACK)
		return;
	if (s->disk_ns && ev->ns >= s->disk_ns)
		p->item[ring_next(&p->ring)] = (struct trace_item){
			s->key, s->disk_ns - s->received_ns, ev->ns - s->disk_ns };
	s->received_ns = 0;
}

const struct trace_item *trace_peer_get(const struct trace_peer *p, u32 *ret_nr)
{
	*ret_nr = p->ring.nr;
	return p->item;
}
