// SPDX-License-Identifier: GPL-2.0
/*
 * The table of gen.h, top to bottom. Every rule that can favour either side is one function of
 * (source, target) which does not know who is "self", called in both directions; the mirror
 * property follows from that shape and is tested all the same.
 */
#include "gen.h"
#include <lockstep/disk.h>

static bool has(const struct gen_view *v, u32 flag)
{
	return (v->flags & flag) != 0;
}

static bool is_clean(const struct gen_view *v)
{
	return has(v, LOCKSTEP_MF_CLEAN);
}

/* Contents that somebody could want to copy. */
static bool is_consistent(const struct gen_view *v)
{
	return v->current_id && has(v, LOCKSTEP_MF_CONSISTENT) && !is_clean(v);
}

static bool is_crashed(const struct gen_view *v)
{
	return has(v, LOCKSTEP_MF_CRASHED_PRIMARY);
}

/* Now: at attach it becomes is_crashed(). */
static bool is_primary(const struct gen_view *v)
{
	return has(v, LOCKSTEP_MF_PRIMARY);
}

static bool is_unclean(const struct gen_view *v)
{
	return has(v, LOCKSTEP_MF_UNCLEAN | LOCKSTEP_MF_CRASHED_PRIMARY);
}

static bool knows_marks(const struct gen_view *v)
{
	return has(v, LOCKSTEP_MF_MARKS_VALID);
}

static bool knows_regions(const struct gen_view *v)
{
	return has(v, LOCKSTEP_MF_REGIONS_VALID);
}

static bool knows_all(const struct gen_view *a, const struct gen_view *b)
{
	return knows_marks(a) && knows_regions(a) && knows_marks(b) && knows_regions(b);
}

/* What was marked and lost counts only where something can have been marked: away from the peer. */
static bool has_marks(const struct gen_view *v)
{
	return knows_marks(v) ? v->oos_bits != 0 : v->since_id != 0;
}

static bool in_history(const struct gen_view *v, u64 id)
{
	u32 i;

	for (i = 0; i < LOCKSTEP_HISTORY; i++) {
		if (v->history[i] && v->history[i] == id)
			return true;
	}
	return false;
}

static bool knows_generation(const struct gen_view *v, u64 id)
{
	return id && (v->current_id == id || v->since_id == id || in_history(v, id));
}

static bool has_common_generation(const struct gen_view *a, const struct gen_view *b)
{
	u32 i;

	if (knows_generation(b, a->current_id) || knows_generation(b, a->since_id))
		return true;
	for (i = 0; i < LOCKSTEP_HISTORY; i++) {
		if (knows_generation(b, a->history[i]))
			return true;
	}
	return false;
}

static struct gen_result answer(enum gen_verdict verdict, enum gen_rule rule)
{
	struct gen_result r = { .verdict = verdict, .rule = rule };

	return r;
}

static struct gen_result to_peer(bool by_marks, enum gen_rule rule)
{
	return answer(by_marks ? GEN_SOURCE : GEN_SOURCE_FULL, rule);
}

static struct gen_result from_peer(bool by_marks, enum gen_rule rule)
{
	return answer(by_marks ? GEN_TARGET : GEN_TARGET_FULL, rule);
}

/*
 * May a copy be brought up by marks although one of the two restarted? Then what its volatile cache
 * lost must be known: as regions of the source, and where the source itself lost something that the
 * target may have, as regions of the target, which may have been the primary then.
 */
static bool are_regions_known(const struct gen_view *source, const struct gen_view *target)
{
	if (is_unclean(source))
		return knows_regions(source) && knows_regions(target);
	return !is_unclean(target) || knows_regions(source);
}

/* Are the target's own marks there, or was it never in a position to make any? */
static bool are_own_marks_known(const struct gen_view *target)
{
	if (is_crashed(target))
		return knows_marks(target) && knows_regions(target);
	return knows_marks(target) || is_unclean(target);
}

/* The target is half-way through a resync from this source, or from its past, or went back there */
static bool can_continue(const struct gen_view *source, const struct gen_view *target)
{
	if (target->current_id != source->current_id && target->current_id != source->since_id)
		return false;
	/* One that surrendered may have been primary, alone, when it crashed. */
	if (is_crashed(target) && !knows_regions(target))
		return false;
	return knows_marks(source) && knows_marks(target) && are_regions_known(source, target);
}

/* The source went on alone from exactly what the target has. */
static bool can_catch_up(const struct gen_view *source, const struct gen_view *target)
{
	return knows_marks(source) && are_own_marks_known(target) &&
	       are_regions_known(source, target);
}

/* Everything that a primary without a disk completed is on `source`: gen.h (b). */
static bool can_serve(const struct gen_view *source, const struct gen_view *target)
{
	bool serving = has(source, LOCKSTEP_MF_SERVING);

	if (!is_consistent(source) || is_unclean(source))
		return false;
	if (serving && !has(target, LOCKSTEP_MF_CONSISTENT))
		return true;
	if (!target->current_id)
		return false;
	return source->current_id == target->current_id ||
	       (serving && source->since_id == target->current_id);
}

static struct gen_result compare_no_disk(const struct gen_view *s, const struct gen_view *p)
{
	if (s->no_disk && p->no_disk)
		return answer(GEN_INCONSISTENT, GEN_RULE_NO_DISK_BOTH);
	if (s->no_disk && can_serve(p, s))
		return from_peer(true, GEN_RULE_NO_DISK_SELF);
	if (p->no_disk && can_serve(s, p))
		return to_peer(true, GEN_RULE_NO_DISK_PEER);
	return answer(GEN_INCONSISTENT, GEN_RULE_NO_DISK_STALE);
}

static struct gen_result compare_contents(const struct gen_view *s, const struct gen_view *p)
{
	struct gen_result r;

	if (!s->current_id && !p->current_id)
		return answer(GEN_BLANK, GEN_RULE_BOTH_BLANK);
	if (is_clean(s) && is_clean(p)) {
		r = answer(GEN_NONE, GEN_RULE_BOTH_CLEAN);
		r.adopt_id = max(s->current_id, p->current_id);
		return r;
	}
	if (!s->current_id && (is_consistent(p) || is_clean(p)))
		return from_peer(false, GEN_RULE_BLANK_SELF);
	if (!p->current_id && (is_consistent(s) || is_clean(s)))
		return to_peer(false, GEN_RULE_BLANK_PEER);
	if (is_clean(s) && is_consistent(p))
		return from_peer(false, GEN_RULE_CLEAN_SELF);
	if (is_clean(p) && is_consistent(s))
		return to_peer(false, GEN_RULE_CLEAN_PEER);
	if (!is_consistent(s) && !is_consistent(p))
		return answer(GEN_INCONSISTENT, GEN_RULE_INCONS_BOTH);
	if (!is_consistent(s))
		return from_peer(can_continue(p, s), GEN_RULE_INCONS_SELF);
	if (!is_consistent(p))
		return to_peer(can_continue(s, p), GEN_RULE_INCONS_PEER);
	return answer(GEN_NONE, GEN_RULE_NONE);
}

/* Equal generations, one of them crashed while it was primary. */
static struct gen_result compare_crashed(const struct gen_view *s, const struct gen_view *p)
{
	bool s_first = s->node_id < p->node_id;

	if (is_crashed(s) && is_crashed(p))
		return s_first ? to_peer(false, GEN_RULE_CRASH_TIE) :
				 from_peer(false, GEN_RULE_CRASH_TIE);
	if (is_crashed(s)) {
		if (is_unclean(p))
			return to_peer(knows_marks(s) && knows_regions(s),
				       GEN_RULE_CRASH_BOTH_SELF);
		return from_peer(knows_marks(s) && knows_regions(s) && knows_marks(p),
				 GEN_RULE_CRASH_SELF);
	}
	if (is_unclean(s))
		return from_peer(knows_marks(p) && knows_regions(p), GEN_RULE_CRASH_BOTH_PEER);
	return to_peer(knows_marks(p) && knows_regions(p) && knows_marks(s), GEN_RULE_CRASH_PEER);
}

/* Equal generations, no primary crashed. */
static struct gen_result compare_restarted(const struct gen_view *s, const struct gen_view *p)
{
	bool s_first = s->node_id < p->node_id;

	if (is_unclean(s) && is_unclean(p))
		return s_first ? to_peer(knows_all(s, p), GEN_RULE_RESTART_BOTH) :
				 from_peer(knows_all(s, p), GEN_RULE_RESTART_BOTH);
	if (is_unclean(s))
		return from_peer(knows_marks(p) && knows_regions(p), GEN_RULE_RESTART_SELF);
	return to_peer(knows_marks(s) && knows_regions(s), GEN_RULE_RESTART_PEER);
}

/*
 * Equal generations, marks are left, and neither lost anything: each side has all that was
 * completed. So the direction is free, and is the one that a primary can go along with.
 */
static bool is_marked_source(const struct gen_view *s, const struct gen_view *p)
{
	if (is_primary(s) != is_primary(p))
		return is_primary(s);
	if (has_marks(s) != has_marks(p))
		return has_marks(s);
	return s->node_id < p->node_id;
}

struct gen_result gen_by_marks(const struct gen_view *s, const struct gen_view *p, bool source)
{
	bool s_known = knows_marks(s) || (!source && !has_marks(s));
	bool p_known = knows_marks(p) || (source && !has_marks(p));
	enum gen_rule rule = GEN_RULE_MARKS_BOTH;

	if (!has_marks(p))
		rule = GEN_RULE_MARKS_SELF;
	else if (!has_marks(s))
		rule = GEN_RULE_MARKS_PEER;
	return source ? to_peer(s_known && p_known, rule) : from_peer(s_known && p_known, rule);
}

/* Primary again, in a life after the one it did not close. */
static bool is_resumed(const struct gen_view *v)
{
	return is_primary(v) && is_unclean(v);
}

static struct gen_result compare_equal(const struct gen_view *s, const struct gen_view *p)
{
	if (is_resumed(s) && !is_primary(p))
		return to_peer(knows_all(s, p), GEN_RULE_PRIMARY_SELF);
	if (is_resumed(p) && !is_primary(s))
		return from_peer(knows_all(s, p), GEN_RULE_PRIMARY_PEER);
	if (is_crashed(s) || is_crashed(p))
		return compare_crashed(s, p);
	if (is_unclean(s) || is_unclean(p))
		return compare_restarted(s, p);
	if (has_marks(s) || has_marks(p))
		return gen_by_marks(s, p, is_marked_source(s, p));
	return answer(GEN_NONE, GEN_RULE_EQUAL);
}

static struct gen_result compare_different(const struct gen_view *s, const struct gen_view *p)
{
	bool s_behind = p->since_id == s->current_id, p_behind = s->since_id == p->current_id;
	bool s_past = in_history(p, s->current_id), p_past = in_history(s, p->current_id);

	if (s_behind && p_behind)
		return answer(GEN_SPLIT, GEN_RULE_SPLIT);
	if (s_behind)
		return from_peer(can_catch_up(p, s), GEN_RULE_SINCE_PEER);
	if (p_behind)
		return to_peer(can_catch_up(s, p), GEN_RULE_SINCE_SELF);
	if (s->since_id && s->since_id == p->since_id)
		return answer(GEN_SPLIT, GEN_RULE_SPLIT);
	if (s_past && !p_past)
		return from_peer(false, GEN_RULE_HISTORY_PEER);
	if (p_past && !s_past)
		return to_peer(false, GEN_RULE_HISTORY_SELF);
	if (has_common_generation(s, p))
		return answer(GEN_SPLIT, GEN_RULE_SPLIT_HISTORY);
	return answer(GEN_UNRELATED, GEN_RULE_UNRELATED);
}

struct gen_result gen_compare(const struct gen_view *self, const struct gen_view *peer)
{
	struct gen_result r;

	if (self->no_disk || peer->no_disk)
		return compare_no_disk(self, peer);
	r = compare_contents(self, peer);
	if (r.rule != GEN_RULE_NONE)
		return r;
	if (self->current_id == peer->current_id)
		return compare_equal(self, peer);
	return compare_different(self, peer);
}

/* As splitmix64 does it: every bit of either one moves every bit of what comes out. */
static u64 stir(u64 v)
{
	v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9ull;
	v = (v ^ v >> 27) * 0x94d049bb133111ebull;
	return v ^ v >> 31;
}

u64 gen_half_id(u64 source_gen, u64 session_id)
{
	u64 id = stir(stir(source_gen + 0x9e3779b97f4a7c15ull) + session_id);

	return id ? id : 1;
}

enum gen_verdict gen_mirror(enum gen_verdict verdict)
{
	switch (verdict) {
	case GEN_SOURCE:
		return GEN_TARGET;
	case GEN_SOURCE_FULL:
		return GEN_TARGET_FULL;
	case GEN_TARGET:
		return GEN_SOURCE;
	case GEN_TARGET_FULL:
		return GEN_SOURCE_FULL;
	default:
		return verdict;
	}
}

/*
 * Each rule with its name and the rule the peer sees; those that name no side are their own mirror.
 */
static const struct {
	const char *name;
	enum gen_rule mirror;
} rule_rows[GEN_RULE_NR] = {
	[GEN_RULE_NONE]		= { "none", GEN_RULE_NONE },
	[GEN_RULE_BOTH_BLANK]	= { "both-blank", GEN_RULE_BOTH_BLANK },
	[GEN_RULE_BOTH_CLEAN]	= { "both-clean", GEN_RULE_BOTH_CLEAN },
	[GEN_RULE_BLANK_SELF]	= { "blank-self", GEN_RULE_BLANK_PEER },
	[GEN_RULE_BLANK_PEER]	= { "blank-peer", GEN_RULE_BLANK_SELF },
	[GEN_RULE_CLEAN_SELF]	= { "clean-self", GEN_RULE_CLEAN_PEER },
	[GEN_RULE_CLEAN_PEER]	= { "clean-peer", GEN_RULE_CLEAN_SELF },
	[GEN_RULE_INCONS_BOTH]	= { "incons-both", GEN_RULE_INCONS_BOTH },
	[GEN_RULE_INCONS_SELF]	= { "incons-self", GEN_RULE_INCONS_PEER },
	[GEN_RULE_INCONS_PEER]	= { "incons-peer", GEN_RULE_INCONS_SELF },
	[GEN_RULE_CRASH_SELF]	= { "crash-self", GEN_RULE_CRASH_PEER },
	[GEN_RULE_CRASH_PEER]	= { "crash-peer", GEN_RULE_CRASH_SELF },
	[GEN_RULE_CRASH_BOTH_SELF] = { "crash-both-self", GEN_RULE_CRASH_BOTH_PEER },
	[GEN_RULE_CRASH_BOTH_PEER] = { "crash-both-peer", GEN_RULE_CRASH_BOTH_SELF },
	[GEN_RULE_CRASH_TIE]	= { "crash-tie", GEN_RULE_CRASH_TIE },
	[GEN_RULE_RESTART_SELF]	= { "restart-self", GEN_RULE_RESTART_PEER },
	[GEN_RULE_RESTART_PEER]	= { "restart-peer", GEN_RULE_RESTART_SELF },
	[GEN_RULE_MARKS_SELF]	= { "marks-self", GEN_RULE_MARKS_PEER },
	[GEN_RULE_MARKS_PEER]	= { "marks-peer", GEN_RULE_MARKS_SELF },
	[GEN_RULE_MARKS_BOTH]	= { "marks-both", GEN_RULE_MARKS_BOTH },
	[GEN_RULE_EQUAL]	= { "equal", GEN_RULE_EQUAL },
	[GEN_RULE_SINCE_SELF]	= { "since-self", GEN_RULE_SINCE_PEER },
	[GEN_RULE_SINCE_PEER]	= { "since-peer", GEN_RULE_SINCE_SELF },
	[GEN_RULE_SPLIT]	= { "split", GEN_RULE_SPLIT },
	[GEN_RULE_HISTORY_SELF]	= { "history-self", GEN_RULE_HISTORY_PEER },
	[GEN_RULE_HISTORY_PEER]	= { "history-peer", GEN_RULE_HISTORY_SELF },
	[GEN_RULE_SPLIT_HISTORY] = { "split-history", GEN_RULE_SPLIT_HISTORY },
	[GEN_RULE_UNRELATED]	= { "unrelated", GEN_RULE_UNRELATED },
	[GEN_RULE_RESTART_BOTH]	= { "restart-both", GEN_RULE_RESTART_BOTH },
	[GEN_RULE_NO_DISK_BOTH]	= { "no-disk-both", GEN_RULE_NO_DISK_BOTH },
	[GEN_RULE_NO_DISK_SELF]	= { "no-disk-self", GEN_RULE_NO_DISK_PEER },
	[GEN_RULE_NO_DISK_PEER]	= { "no-disk-peer", GEN_RULE_NO_DISK_SELF },
	[GEN_RULE_NO_DISK_STALE] = { "no-disk-stale", GEN_RULE_NO_DISK_STALE },
	[GEN_RULE_PRIMARY_SELF]	= { "primary-self", GEN_RULE_PRIMARY_PEER },
	[GEN_RULE_PRIMARY_PEER]	= { "primary-peer", GEN_RULE_PRIMARY_SELF },
	[GEN_RULE_GROUP_SELF]	= { "group-self", GEN_RULE_GROUP_PEER },
	[GEN_RULE_GROUP_PEER]	= { "group-peer", GEN_RULE_GROUP_SELF },
};

enum gen_rule gen_mirror_rule(enum gen_rule rule)
{
	return (u32)rule < GEN_RULE_NR ? rule_rows[rule].mirror : GEN_RULE_NONE;
}

const char *gen_rule_name(enum gen_rule rule)
{
	return (u32)rule < GEN_RULE_NR ? rule_rows[rule].name : "unknown";
}

static const char *const verdict_names[GEN_VERDICT_NR] = {
	[GEN_NONE]		= "none",
	[GEN_SOURCE]		= "source",
	[GEN_SOURCE_FULL]	= "source-full",
	[GEN_TARGET]		= "target",
	[GEN_TARGET_FULL]	= "target-full",
	[GEN_BLANK]		= "blank",
	[GEN_SPLIT]		= "split",
	[GEN_UNRELATED]		= "unrelated",
	[GEN_INCONSISTENT]	= "inconsistent",
};

const char *gen_verdict_name(enum gen_verdict verdict)
{
	return (u32)verdict < GEN_VERDICT_NR ? verdict_names[verdict] : "unknown";
}
