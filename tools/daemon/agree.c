// SPDX-License-Identifier: GPL-2.0
/*
 * Texts name the two hosts in one fixed order, the dialler first, whoever writes them, so that an
 * administrator who looks at both sides reads the same sentence twice and not two that seem to
 * disagree.
 */
#include "agree.h"
#include "gengroup.h"

#include <linux/lockstep.h>
#include <lockstep/disk.h>
#include <stdarg.h>
#include <stdio.h>

#include "text.h"

/* The pair in the fixed order, and what is being agreed. */
struct talk {
	const struct hello *mine, *theirs;
	const struct hello *first, *second;	/* dialler, listener */
	struct agreement *a;
};

__attribute__((format(printf, 3, 4)))
static bool refuse(struct talk *t, u32 code, const char *fmt, ...)
{
	va_list ap;

	t->a->refuse = code;
	va_start(ap, fmt);
	vsnprintf(t->a->text, sizeof(t->a->text), fmt, ap);
	va_end(ap);
	return false;
}

__attribute__((format(printf, 2, 3)))
static void mend(struct talk *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(t->a->mend, sizeof(t->a->mend), fmt, ap);
	va_end(ap);
}

/* ---- our hello */

static void fill_volume(const struct model_volume *m, struct wire_hello_volume *v)
{
	memset(v, 0, sizeof(*v));
	v->volume = m->number;
	/* What we heard of it last is none of the peer's business: it knows. */
	v->flags = m->flags & ~LOCKSTEP_MF_LEFT_PRIMARY;
	v->current_id = m->gen_current;
	v->current_nr = m->gen_nr;
	v->since_id = m->gen_since;
	v->peer_boot_id = m->last_boot_id;
	v->data_sect = m->data_sect;
	v->data_max_sect = m->data_max_sect;
	v->oos_bits = m->oos_bits;
	v->meta_seq = m->meta_seq;
	v->logical_bytes = m->logical_bytes;
	v->physical_bytes = m->physical_bytes;
	v->max_io_bytes = m->max_io_bytes;
	v->caps = m->caps & LOCKSTEP_VC_KNOWN;
	v->disk = m->disk;
	v->sync = m->sync;
	for (u32 i = 0; i < m->gen_history_nr && i < LOCKSTEP_HISTORY; i++)
		v->history[i] = m->gen_history[i];
}

void agree_fill_hello(const struct model_resource *r, const struct agree_self *self,
		      struct hello *ret)
{
	struct wire_hello *h = &ret->h;

	memset(h, 0, sizeof(*h));
	h->version_min = LOCKSTEP_WIRE_VERSION_MIN;
	h->version_max = LOCKSTEP_WIRE_VERSION_MAX;
	h->features = LOCKSTEP_WF_ZEROES | LOCKSTEP_WF_REGIONS | LOCKSTEP_WF_CSUM |
		      LOCKSTEP_WF_READ | LOCKSTEP_WF_SPLIT | LOCKSTEP_WF_TRACE |
		      LOCKSTEP_WF_HOLD;
	h->boot_id = r->boot_id;
	h->epoch = r->epoch;
	h->session_id = r->link == LOCKSTEP_LINK_UP ? r->session_id : 0;
	h->node_id = r->node_id;
	h->peer_node_id = r->peer_node_id;
	h->role = r->role;
	h->streams = self->streams;
	h->timeout_ms = self->timeout_ms;
	h->nr_volumes = r->nr_volumes;
	snprintf(h->resource, sizeof(h->resource), "%s", r->name);
	snprintf(h->node, sizeof(h->node), "%s", r->node);
	for (u32 i = 0; i < r->nr_volumes; i++)
		fill_volume(&r->volume[i], &ret->v[i]);
}

/* ---- checks */

static bool check_identity(struct talk *t)
{
	const struct wire_hello *m = &t->mine->h, *p = &t->theirs->h;
	const struct wire_hello *a = &t->first->h, *b = &t->second->h;

	if (max(m->version_min, p->version_min) > min(m->version_max, p->version_max)) {
		mend(t, "install the same release of Lockstep on both hosts");
		return refuse(t, LOCKSTEP_RF_VERSION, "%s speaks protocol versions %u to %u and %s "
			      "%u to %u", a->node, a->version_min, a->version_max, b->node,
			      b->version_min, b->version_max);
	}
	mend(t, "make /etc/lockstep/%s.conf the same on both hosts, then lockstep up %s",
	     m->resource, m->resource);
	if (strcmp(m->resource, p->resource) != 0)
		return refuse(t, LOCKSTEP_RF_IDENTITY, "%s talks about resource %s and %s about %s",
			      a->node, a->resource, b->node, b->resource);
	if (m->peer_node_id != p->node_id || p->peer_node_id != m->node_id)
		return refuse(t, LOCKSTEP_RF_IDENTITY, "%s is node %u and expects node %u, %s is "
			      "node %u and expects node %u", a->node, a->node_id, a->peer_node_id,
			      b->node, b->node_id, b->peer_node_id);
	if (m->nr_volumes != p->nr_volumes)
		return refuse(t, LOCKSTEP_RF_IDENTITY, "%s has %u volumes in %s and %s has %u",
			      a->node, a->nr_volumes, a->resource, b->node, b->nr_volumes);
	for (u32 i = 0; i < m->nr_volumes; i++)
		if (t->mine->v[i].volume != t->theirs->v[i].volume)
			return refuse(t, LOCKSTEP_RF_IDENTITY, "%s has volume %u in %s where %s "
				      "has volume %u", a->node, t->first->v[i].volume, a->resource,
				      b->node, t->second->v[i].volume);
	t->a->mend[0] = 0;
	return true;
}

/*
 * The size a side insists on: the agreed one; before any agreement, what it has if it holds
 * content already, because somebody may have used it to the end.
 */
static u64 insists(const struct hello *h, const struct wire_hello_volume *v)
{
	bool has_content = h->h.role == LOCKSTEP_ROLE_PRIMARY ||
			   (v->current_id && !(v->flags & LOCKSTEP_MF_CLEAN));

	if (v->data_sect)
		return v->data_sect;
	return has_content ? v->data_max_sect : 0;
}

static u64 mib(u64 sect)
{
	return sect >> 11;
}

/*
 * Two sizes that were agreed on at different times: a resize has reached one side only, because it
 * is being carried out (whoever asked for it gives the new size as its own) or because the other
 * one died over it. The larger one is taken: what it adds is copied, and a smaller one would take
 * away what somebody may have used.
 */
static bool is_resized(const struct wire_hello_volume *v1, const struct wire_hello_volume *v2,
		       u64 limit)
{
	return v1->data_sect && v2->data_sect && v1->data_sect != v2->data_sect &&
	       max(v1->data_sect, v2->data_sect) <= limit;
}

static bool check_size(struct talk *t, u32 i, struct agreed_volume *out)
{
	const struct wire_hello_volume *v1 = &t->first->v[i], *v2 = &t->second->v[i];
	const char *n1 = t->first->h.node, *n2 = t->second->h.node;
	u64 s1 = insists(t->first, v1), s2 = insists(t->second, v2);
	u64 limit = min(v1->data_max_sect, v2->data_max_sect) & ~7ull;
	u64 size = s1 ? s1 : s2 ? s2 : limit;

	if (!v1->data_max_sect || !v2->data_max_sect) {
		mend(t, "on %s: replace the disk (lockstep init %s if it is a new one), then "
		     "lockstep attach %s", v1->data_max_sect ? n2 : n1, t->first->h.resource,
		     t->first->h.resource);
		return refuse(t, LOCKSTEP_RF_LIMITS, "volume %u has no disk on %s", v1->volume,
			      v1->data_max_sect ? n2 : n1);
	}
	if (is_resized(v1, v2, limit))
		size = max(s1, s2);
	else if (s1 && s2 && s1 != s2) {
		mend(t, "on the host whose copy is to be replaced: lockstep down %s, lockstep init "
		     "--force %s, lockstep up %s", t->first->h.resource, t->first->h.resource,
		     t->first->h.resource);
		return refuse(t, LOCKSTEP_RF_LIMITS, "volume %u is %llu MiB on %s and %llu MiB on "
			      "%s", v1->volume, (unsigned long long)mib(s1), n1,
			      (unsigned long long)mib(s2), n2);
	}
	if (size > limit || limit < LOCKSTEP_MIN_DATA_SECT) {
		const char *small = v1->data_max_sect < v2->data_max_sect ? n1 : n2;

		mend(t, "give volume %u a larger disk on %s", v1->volume, small);
		return refuse(t, LOCKSTEP_RF_LIMITS, "volume %u needs %llu sectors (%llu MiB), and "
			      "the disk of %s can hold only %llu", v1->volume,
			      (unsigned long long)size, (unsigned long long)mib(size), small,
			      (unsigned long long)limit);
	}
	out->data_sect = size;
	return true;
}

static bool check_blocks(struct talk *t, u32 i, struct agreed_volume *out)
{
	const struct wire_hello_volume *v1 = &t->first->v[i], *v2 = &t->second->v[i];
	const struct hello *small = v1->logical_bytes < v2->logical_bytes ? t->first : t->second;

	out->logical_bytes = max(v1->logical_bytes, v2->logical_bytes);
	out->physical_bytes = max(v1->physical_bytes, v2->physical_bytes);
	out->max_io_bytes = min(v1->max_io_bytes, v2->max_io_bytes);
	out->caps = (v1->caps & v2->caps & LOCKSTEP_VC_ZEROES) |
		    ((v1->caps | v2->caps) & (LOCKSTEP_VC_CACHE | LOCKSTEP_VC_ROTATIONAL));
	/* The block size of a device in use cannot grow under its users. */
	if (v1->logical_bytes != v2->logical_bytes && small->h.role == LOCKSTEP_ROLE_PRIMARY) {
		mend(t, "on %s: lockstep demote %s, and promote it again once connected",
		     small->h.node, small->h.resource);
		return refuse(t, LOCKSTEP_RF_LIMITS, "volume %u has blocks of %u bytes on %s, "
			      "which is primary, and of %u bytes on the other host", v1->volume,
			      small->v[i].logical_bytes, small->h.node, out->logical_bytes);
	}
	return true;
}

/* ---- whose data */

static void view(const struct hello *h, u32 i, struct gen_view *ret)
{
	const struct wire_hello_volume *v = &h->v[i];

	ret->current_id = v->current_id;
	ret->since_id = v->since_id;
	memcpy(ret->history, v->history, sizeof(ret->history));
	ret->oos_bits = v->oos_bits;
	ret->flags = v->flags;
	ret->node_id = h->h.node_id;
	ret->no_disk = v->disk == LOCKSTEP_DISK_FAILED;
}

static void mend_split(struct talk *t)
{
	mend(t, "on the host whose changes are to count: lockstep resolve %s --keep here (it says "
	     "first what is thrown away)", t->first->h.resource);
}

/* How much and when is status, which changes; the sentence does not. */
static bool refuse_split(struct talk *t, u32 i, enum gen_rule rule)
{
	t->a->split_volume = t->first->v[i].volume;
	t->a->split_rule = rule;
	mend_split(t);
	return refuse(t, LOCKSTEP_RF_SPLIT, "split brain in volume %u: %s and %s were both written "
		      "alone", t->a->split_volume, t->first->h.node, t->second->h.node);
}

/* FNV-1a, as of 64 bits; this is to tell one state from the next, not to withstand anybody. */
static u64 mix(u64 h, u64 v)
{
	for (int i = 0; i < 8; i++)
		h = (h ^ (v >> 8 * i & 0xff)) * 0x100000001b3ull;
	return h;
}

/*
 * What `loser` would lose: all that it has, so whatever may have been written there changes it. Of
 * the winner only which copy it is: who keeps that keeps also what is written to it meanwhile. Not
 * its role: the loser's alone can forbid anything. And not its sequence, which moves with the role,
 * and that, under auto_promote, with each program that opens the device: a question that came
 * between two of them would be refused, again and again, though nothing would be lost unseen.
 */
static u32 loss(const struct hello *loser, const struct hello *winner)
{
	u64 h = mix(0xcbf29ce484222325ull, loser->h.role);

	for (u32 i = 0; i < loser->h.nr_volumes; i++) {
		h = mix(h, loser->v[i].current_id);
		h = mix(h, loser->v[i].since_id);
		h = mix(h, loser->v[i].meta_seq);
	}
	for (u32 i = 0; i < winner->h.nr_volumes; i++) {
		h = mix(h, winner->v[i].current_id);
		h = mix(h, winner->v[i].since_id);
	}
	h ^= h >> 32;
	return (u32)h ? (u32)h : 1;
}

u64 agree_split_id(const struct hello *mine, const struct hello *theirs, bool dialler)
{
	const struct hello *first = dialler ? mine : theirs, *second = dialler ? theirs : mine;

	return (u64)loss(second, first) << 32 | loss(first, second);
}

bool agree_split_same(u64 a, u64 b, bool dialler_loses)
{
	return dialler_loses ? (u32)a == (u32)b : a >> 32 == b >> 32;
}

/* Nobody has what a primary without a disk has completed. */
static bool refuse_no_disk(struct talk *t, u32 i)
{
	const struct wire_hello_volume *v1 = &t->first->v[i];
	bool second = v1->disk != LOCKSTEP_DISK_FAILED;
	const struct hello *without = second ? t->second : t->first;
	const struct hello *with = second ? t->first : t->second;
	const char *res = without->h.resource;

	if (with->v[i].disk == LOCKSTEP_DISK_FAILED) {
		mend(t, "give one of them a disk again: lockstep attach %s", res);
		return refuse(t, LOCKSTEP_RF_INCONSISTENT, "the disks of volume %u of both %s and "
			      "%s have failed", v1->volume, t->first->h.node, t->second->h.node);
	}
	mend(t, "on %s: stop what uses it, then lockstep demote %s; on %s: lockstep promote %s",
	     without->h.node, res, with->h.node, res);
	return refuse(t, LOCKSTEP_RF_INCONSISTENT, "volume %u has no disk on %s, and %s may lack "
		      "what %s wrote last: it %s", v1->volume, without->h.node, with->h.node,
		      without->h.node, with->v[i].flags & LOCKSTEP_MF_UNCLEAN ? "crashed" :
		      "went on by itself or was never in sync");
}

static bool check_verdict(struct talk *t, u32 i, enum gen_verdict v, enum gen_rule rule)
{
	const char *n1 = t->first->h.node, *n2 = t->second->h.node;
	const char *res = t->first->h.resource;
	u32 number = t->first->v[i].volume;

	switch (v) {
	case GEN_BLANK:
		mend(t, "on the host whose data counts: lockstep promote --force %s; or, if "
		     "neither does, on both: lockstep init --clean --force %s before up", res, res);
		return refuse(t, LOCKSTEP_RF_BLANK, "%s and %s are both new, and nobody has said "
			      "whose data in volume %u counts", n1, n2, number);
	case GEN_SPLIT:
		return refuse_split(t, i, rule);
	case GEN_UNRELATED:
		mend(t, "on the host whose copy is to be replaced: lockstep down %s, lockstep init "
		     "--force %s, lockstep up %s", res, res, res);
		return refuse(t, LOCKSTEP_RF_UNRELATED, "the copies of volume %u on %s and %s have "
			      "no common history", number, n1, n2);
	case GEN_INCONSISTENT:
		if (t->mine->v[i].disk == LOCKSTEP_DISK_FAILED ||
		    t->theirs->v[i].disk == LOCKSTEP_DISK_FAILED)
			return refuse_no_disk(t, i);
		mend(t, "on the host whose copy is the better one: lockstep promote --force %s",
		     res);
		return refuse(t, LOCKSTEP_RF_INCONSISTENT, "neither %s nor %s has a consistent "
			      "copy of volume %u", n1, n2, number);
	default:
		return true;
	}
}

/* Volumes go together: a file system may lie across two of them. */
static bool check_direction(struct talk *t)
{
	const char *res = t->first->h.resource;

	if (!t->a->is_source || !t->a->is_target)
		return true;
	t->a->split_volume = t->first->v[0].volume;
	mend_split(t);
	return refuse(t, LOCKSTEP_RF_SPLIT, "some volumes of %s are newer on %s and some on %s",
		      res, t->first->h.node, t->second->h.node);
}

/*
 * May a primary be the target? Only one that works through the peer already, because its copy is
 * gone or behind, and only from a peer that has all it ever completed (gen.h, no-disk; with a disk
 * attached again the peer's SERVING says the same).
 */
static bool works_through(const struct hello *target, const struct hello *source, u32 nr)
{
	for (u32 i = 0; i < nr; i++) {
		const struct wire_hello_volume *v = &target->v[i], *s = &source->v[i];

		if (v->disk == LOCKSTEP_DISK_FAILED || v->disk == LOCKSTEP_DISK_UP_TO_DATE)
			continue;
		if (s->flags & LOCKSTEP_MF_UNCLEAN ||
		    !(s->flags & LOCKSTEP_MF_SERVING || s->current_id == v->current_id))
			return false;
	}
	return true;
}

static bool is_good(const struct hello *h, u32 nr)
{
	for (u32 i = 0; i < nr; i++)
		if (h->v[i].disk != LOCKSTEP_DISK_UP_TO_DATE)
			return false;
	return true;
}

/* A secondary without a disk is no copy, and nobody works through the peer there. */
static bool check_disks(struct talk *t)
{
	const struct hello *side[2] = { t->first, t->second };

	for (int s = 0; s < 2; s++) {
		for (u32 i = 0; i < t->a->nr_volumes; i++) {
			if (side[s]->v[i].disk != LOCKSTEP_DISK_FAILED ||
			    side[s]->h.role == LOCKSTEP_ROLE_PRIMARY)
				continue;
			mend(t, "on %s: replace the disk (lockstep init %s if it is a new one), "
			     "then lockstep attach %s", side[s]->h.node, side[s]->h.resource,
			     side[s]->h.resource);
			return refuse(t, LOCKSTEP_RF_LIMITS, "the disk of volume %u has failed on "
				      "%s", side[s]->v[i].volume, side[s]->h.node);
		}
	}
	return true;
}

static bool check_roles(struct talk *t)
{
	const struct wire_hello *a = &t->first->h, *b = &t->second->h;
	const struct hello *target;

	if (a->role == LOCKSTEP_ROLE_PRIMARY && b->role == LOCKSTEP_ROLE_PRIMARY) {
		mend(t, "on the host that is to follow: lockstep demote %s", a->resource);
		return refuse(t, LOCKSTEP_RF_TWO_PRIMARIES, "%s and %s are both primary: one of "
			      "them must be demoted", a->node, b->node);
	}
	for (int side = 0; side < 2; side++) {
		target = side ? t->theirs : t->mine;
		if (!(side ? t->a->is_source : t->a->is_target) ||
		    target->h.role != LOCKSTEP_ROLE_PRIMARY)
			continue;
		if (!is_good(target, t->a->nr_volumes) &&
		    works_through(target, side ? t->mine : t->theirs, t->a->nr_volumes))
			continue;
		mend(t, "on %s: stop what uses it, then lockstep demote %s", target->h.node,
		     a->resource);
		return refuse(t, LOCKSTEP_RF_ROLE, "%s is primary, but its copy is the one to be "
			      "overwritten: %s must be demoted", target->h.node, target->h.node);
	}
	return true;
}

/* Of all volumes together: they are one thing (gengroup.h). */
static void compare(struct talk *t)
{
	struct gen_view mine[LOCKSTEP_MAX_VOLUMES], theirs[LOCKSTEP_MAX_VOLUMES];
	struct gen_result r[LOCKSTEP_MAX_VOLUMES];

	for (u32 i = 0; i < t->a->nr_volumes; i++) {
		view(t->mine, i, &mine[i]);
		view(t->theirs, i, &theirs[i]);
	}
	gen_compare_group(mine, theirs, t->a->nr_volumes, r);
	for (u32 i = 0; i < t->a->nr_volumes; i++) {
		t->a->volume[i].volume = t->mine->v[i].volume;
		t->a->volume[i].verdict = r[i].verdict;
		t->a->volume[i].rule = r[i].rule;
		t->a->is_source |= gen_verdict_is_source(r[i].verdict);
		t->a->is_target |= gen_verdict_is_target(r[i].verdict);
	}
}

static bool agree_volume(struct talk *t, u32 i)
{
	struct agreed_volume *out = &t->a->volume[i];

	return check_verdict(t, i, out->verdict, out->rule) && check_size(t, i, out) &&
	       check_blocks(t, i, out);
}

/* The same answer on both sides, the other way round. */
static bool starts_first(const struct talk *t, bool dialler)
{
	u32 mine = t->mine->h.role, theirs = t->theirs->h.role;

	if (t->a->is_target != t->a->is_source)
		return t->a->is_target;
	if (mine != theirs)
		return mine == LOCKSTEP_ROLE_SECONDARY;
	return !dialler;
}

void agree(const struct hello *mine, const struct hello *theirs, bool dialler,
	   struct agreement *ret)
{
	struct agreed_volume *volume = ret->volume;
	struct talk t = {
		.mine = mine,
		.theirs = theirs,
		.first = dialler ? mine : theirs,
		.second = dialler ? theirs : mine,
		.a = ret,
	};

	memset(ret, 0, sizeof(*ret));
	ret->volume = volume;
	if (!check_identity(&t))
		return;
	ret->split_id = agree_split_id(mine, theirs, dialler);
	ret->nr_volumes = mine->h.nr_volumes;
	if (!check_disks(&t))
		return;
	compare(&t);
	for (u32 i = 0; i < ret->nr_volumes; i++)
		if (!agree_volume(&t, i))
			return;
	if (!check_direction(&t) || !check_roles(&t))
		return;
	ret->streams = min(min(mine->h.streams, theirs->h.streams), (u32)LOCKSTEP_MAX_STREAMS);
	ret->timeout_ms = min(mine->h.timeout_ms, theirs->h.timeout_ms);
	ret->epoch = max(mine->h.epoch, theirs->h.epoch) + 1;
	ret->starts_first = starts_first(&t, dialler);
}

/* ---- in words */

static bool is_unclean(const struct wire_hello_volume *v)
{
	return v->flags & LOCKSTEP_MF_UNCLEAN;
}

static void describe_volume(const struct hello *mine, const struct hello *theirs,
			    const struct agreement *a, u32 i, char *ret, size_t size)
{
	const struct agreed_volume *v = &a->volume[i];
	const struct wire_hello_volume *m = &mine->v[i], *t = &theirs->v[i];
	bool target = gen_verdict_is_target(v->verdict);
	const char *source = target ? theirs->h.node : mine->h.node;
	const char *rule = gen_rule_name(v->rule);

	if (v->verdict == GEN_NONE)
		snprintf(ret, size, "volume %u: nothing to copy (rule %s)", v->volume, rule);
	else if (v->verdict == GEN_SOURCE || v->verdict == GEN_TARGET)
		snprintf(ret, size, "volume %u: what is marked on either side, at most %s, from "
			 "%s%s (rule %s)", v->volume, text_bits(m->oos_bits + t->oos_bits).s,
			 source, is_unclean(m) || is_unclean(t) ? ", and of what was written "
			 "before a crash what differs" : "", rule);
	else
		snprintf(ret, size, "volume %u: all of it, %s, from %s (rule %s)", v->volume,
			 text_sect(v->data_sect).s, source, rule);
}

void agree_describe(const struct hello *mine, const struct hello *theirs,
		    const struct agreement *a, char *ret, size_t size)
{
	size_t at = 0;

	ret[0] = 0;
	for (u32 i = 0; i < a->nr_volumes && at < size - 1; i++) {
		if (i)
			at += (size_t)snprintf(ret + at, size - at, "; ");
		if (at >= size - 1)
			break;
		describe_volume(mine, theirs, a, i, ret + at, size - at);
		at += strlen(ret + at);
	}
}
