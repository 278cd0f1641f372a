/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Generations: who has the truth of a volume (P5).
 *
 * A generation is a random id for "what the up-to-date set held when its membership last changed".
 * Each side keeps, per volume: `current`; `since`, the generation the peer was left with when this
 * side went on without it (0 = the peer is with us); and a history of earlier ones, newest first.
 *
 *   narrow (peer lost, a write wants to go on alone): history <- current, only if since was set
 *            already; since = current (if it was 0); current = new. Durable before the first write
 *            completes (P4).
 *   resync finished:  target: current = source's, since = 0;  source: history <- since, since = 0.
 *
 * gen_compare() is pure, and both sides calling it with the arguments swapped get mirrored answers:
 * that is the property everything rests on, and it is tested exhaustively.
 *
 *   surrender (split brain, and a person gives up what this side wrote): current = since, since =
 *            0; not CONSISTENT, not UP_TO_DATE; the marks stay. Durable before anybody is told.
 *
 *   full copy begins:  target: history <- since, and current if it is CONSISTENT; current =
 *            gen_half_id(), since = 0;  source: history <- since and current, since =
 *            gen_half_id(), current = new.
 *
 * The half of a full copy has a name that no other disk has: the source clears marks as the half
 * grows, so from then on they are of that half alone. The source's own generation, or the one that
 * it went on from, another disk may have, that was taken out before: put back, it would be brought
 * up by marks that no longer name what it lacks (P3). Now that one is found in the past.
 *
 * A surrender goes back to where the two parted; from a half's name no other copy went on, so who
 * gives up as the source of an unfinished full copy gets a full one, and its history keeps what it
 * wrote before that copy began. Otherwise:
 *
 * After a surrender the copy is what an interrupted resync leaves: half of what the other side has,
 * at the generation which that one went on from. So the next verdict is incons-self, and where the
 * source's since is that generation it goes by marks: ours name what we wrote since, the source's
 * what it wrote since, and both copies have the rest. It can be promoted by force only, so nothing
 * that was given up is served as if it were good; and no generation in which it was written is in
 * current, since or history any more, so none can meet the other side's again: a split later is one
 * that somebody made later. Of several volumes each step is by itself enough: one that has taken it
 * is a target, one that has not is in a split, refused as a whole, until the command is repeated;
 * or, where that side had crashed as primary before, it looks half narrowed (gengroup.h, G2) and is
 * taken along, which is what the command was for.
 *
 * The table, evaluated from the top; S is self, P is peer. "needs M(x)" / "needs R(x)": without
 * MARKS_VALID / REGIONS_VALID of side x the verdict is the full one instead of the one by marks.
 *
 *   rule              condition                            verdict for S
 *   no-disk-both      both lost their disk                 INCONSISTENT
 *   no-disk-self/peer one lost its disk while primary, and the other one is the source; nothing is
 *                     the other is in its generation, or   copied until a disk is attached: see (b)
 *                     went on from it SERVING, or is
 *                     SERVING and the one's is not
 *                     CONSISTENT; CONSISTENT itself and
 *                     not UNCLEAN
 *   no-disk-stale     one lost its disk, and the other     INCONSISTENT
 *                     does not have all it completed, or
 *                     may have lost some of it in a crash
 *   both-blank        neither has a generation             BLANK: nobody said whose data counts
 *   both-clean        both are CLEAN (contents declared    NONE; both adopt the larger id
 *                     irrelevant, untouched since)
 *   blank-self/peer   one has no generation, the other is  full, from the other
 *                     CONSISTENT or CLEAN
 *   clean-self/peer   one is CLEAN, the other CONSISTENT   full, from the other
 *   incons-both       neither is CONSISTENT (a CLEAN one   INCONSISTENT
 *                     does not count: its contents are
 *                     irrelevant)
 *   incons-self/peer  one is not CONSISTENT (half-way      from the other; by marks if the
 *                     through a resync, or                 target's current is the source's
 *                     surrendered)                         current or since; needs M(both); target
 *                                                          CRASHED_PRIMARY: needs R(target); any
 *                                                          UNCLEAN: see (a)
 *   -- equal current --
 *   primary-self/peer exactly one is PRIMARY now, and    the primary is the source: see (c);
 *                     UNCLEAN                              needs M and R(both)
 *   crash-self/peer   exactly one is CRASHED_PRIMARY, the  the other one is the source: the
 *                     other is not UNCLEAN                 crashed one's volatile cache may have
 *                                                          lost acknowledged writes; needs M and
 *                                                          R(crashed) and M(source)
 *   crash-both        exactly one is CRASHED_PRIMARY, the  the crashed primary is the source;
 *                     other is UNCLEAN (both lost power)   needs M and R(crashed)
 *   crash-tie         both are CRASHED_PRIMARY             smaller node id is the source; full
 *   restart-self/peer exactly one is UNCLEAN (and not      the other one is the source; needs M
 *                     primary then)                        and R(source)
 *   restart-both      both are UNCLEAN, neither was        smaller node id is the source; needs M
 *                     primary then (demoted without the    and R(both)
 *                     peer, whose cache then lost what
 *                     ours had flushed)
 *   marks-self/peer   one has marks left (the end of a     the primary is the source, without
 *                     resync was not noted); MARKS_VALID   one the side with marks; needs M(source)
 *                     unset counts as marks only if its    and M(the one with marks)
 *                     since is set
 *   marks-both        both have (the volume has become     the primary is the source, without one
 *                     larger: volsize.h)                   the smaller node id; needs M(both)
 *   equal             none of these                        NONE
 *   -- different current --
 *   since-peer        P.since == S.current                 target; needs M(P); S CRASHED_PRIMARY:
 *                                                          needs M and R(S); S not UNCLEAN: needs
 *                                                          M(S); any UNCLEAN: see (a)
 *   since-self        S.since == P.current                 the mirror image
 *   split             S.since == P.since != 0, or both of  SPLIT
 *                     the two above
 *   history-peer      S.current in P.history (not both     target, full: see (d)
 *                     ways)
 *   history-self      P.current in S.history (not both     source, full: see (d)
 *                     ways)
 *   split-history     any of S's generations is one of     SPLIT
 *                     P's
 *   unrelated         none is                              UNRELATED
 *
 * (a) Target UNCLEAN: needs R(source), for what the target's volatile cache lost. Source UNCLEAN:
 *     needs R(both): its own cache lost writes that the target may have, and that whoever was
 *     primary knows.
 *
 * (b) The side without a disk is a primary whose writes and reads go through the other one. All it
 *     ever completed is there (state.h, [S6]), unless that one went on for itself, which takes
 *     SERVING away, or lost what was in its cache.
 *     What the first one remembers may be of a second disk, that was attached under it and lost as
 *     well: blank, half copied, or an old one, whose contents never counted (not CONSISTENT, says
 *     its driver). Then its generation says nothing, for whether the other one noted the start of
 *     that copy is not known, and is not needed. Such a disk is attached only after a good one was
 *     given up, which a primary does only where the other one has everything; from then on nothing
 *     was completed but there, and SERVING says that nothing else was either.
 *
 * (c) Its doubts are of an earlier life, and the other one has settled them: a copy that did not
 *     close is promoted only in a generation that it went on to without the other, or by force,
 *     which clears them (state.h, OUTDATED); and into that generation nothing but a resync from
 *     this life of the primary has brought the other one. Its end was not heard here, or the flags
 *     would be gone. So each has what was completed, but for what the other's cache lost since; and
 *     what the application has seen is what the primary has. As the target it would be refused, and
 *     the two would stay apart until its next write.
 *
 * (d) Not by marks, though the end of a resync that was not heard can have left S there, and P has
 *     kept marks since. They are of one copy, and the id does not say which: what another disk of S
 *     has taken meanwhile, half copied, is marked no more, and a copy that was restored from an
 *     image lacks what was copied after it. No history tells those from the one that P has marked.
 *
 * M(target) is needed where a target was closed in an orderly way but its marks could not be kept:
 * it may have had some of its own that it never got to hand over.
 *
 * It is also what makes an unfinished start safe: a target is INCONSISTENT from its SESSION_START
 * on, and if the session ends before the source's, the source has not marked anything yet. Where a
 * full copy was to begin, the source does not know the target's generation then: full again. Where
 * none was, nothing has changed that made it so (a map that was lost would), because the *_VALID
 * and UNCLEAN flags of a side change only with its own SESSION_START as source, or with the end of
 * the resync.
 *
 * since-self and since-peer cannot both hold in real life (each would have gone on from the other's
 * future); if the numbers say so the answer is SPLIT. since-*: if the target has a since of its
 * own, it went on alone from an earlier point too; then S.current == P.since still proves that P
 * went on from exactly what S has, so nothing of S is lost. A primary is never made a target
 * without being asked: that refusal is the daemon's, on top of the verdict, because it is about the
 * present and not about history.
 */
#ifndef LOCKSTEP_CORE_GEN_H
#define LOCKSTEP_CORE_GEN_H

#include "os.h"
#include <lockstep/disk.h>
#include <lockstep/limits.h>

/* Values travel on the wire and over netlink: append only. Seen from the side that computed it. */
enum gen_verdict {
	GEN_NONE		= 0,	/* in sync: nothing to copy */
	/* S copies its marked blocks (united with P's marks) to P */
	GEN_SOURCE		= 1,
	GEN_SOURCE_FULL		= 2,
	GEN_TARGET		= 3,
	GEN_TARGET_FULL		= 4,
	GEN_BLANK		= 5,	/* refusals from here on */
	GEN_SPLIT		= 6,
	GEN_UNRELATED		= 7,
	GEN_INCONSISTENT	= 8,
	GEN_VERDICT_NR
};

enum gen_rule {
	GEN_RULE_NONE,
	GEN_RULE_BOTH_BLANK,
	GEN_RULE_BOTH_CLEAN,
	GEN_RULE_BLANK_SELF,
	GEN_RULE_BLANK_PEER,
	GEN_RULE_CLEAN_SELF,
	GEN_RULE_CLEAN_PEER,
	GEN_RULE_INCONS_BOTH,
	GEN_RULE_INCONS_SELF,
	GEN_RULE_INCONS_PEER,
	GEN_RULE_CRASH_SELF,
	GEN_RULE_CRASH_PEER,
	GEN_RULE_CRASH_BOTH_SELF,	/* S is the crashed primary, P restarted too */
	GEN_RULE_CRASH_BOTH_PEER,
	GEN_RULE_CRASH_TIE,
	GEN_RULE_RESTART_SELF,
	GEN_RULE_RESTART_PEER,
	GEN_RULE_MARKS_SELF,
	GEN_RULE_MARKS_PEER,
	GEN_RULE_MARKS_BOTH,
	GEN_RULE_EQUAL,
	GEN_RULE_SINCE_SELF,
	GEN_RULE_SINCE_PEER,
	GEN_RULE_SPLIT,
	GEN_RULE_HISTORY_SELF,
	GEN_RULE_HISTORY_PEER,
	GEN_RULE_SPLIT_HISTORY,
	GEN_RULE_UNRELATED,
	GEN_RULE_RESTART_BOTH,
	GEN_RULE_NO_DISK_BOTH,
	GEN_RULE_NO_DISK_SELF,
	GEN_RULE_NO_DISK_PEER,
	GEN_RULE_NO_DISK_STALE,
	/* never of gen_compare(): the other volumes decide (gengroup.h, G3) */
	GEN_RULE_GROUP_SELF,
	GEN_RULE_GROUP_PEER,
	/* and of gen_compare() again */
	GEN_RULE_PRIMARY_SELF,
	GEN_RULE_PRIMARY_PEER,
	GEN_RULE_NR
};

/*
 * The flags that a verdict rests on. If one of them has changed since the hello (a disk was
 * attached anew, a promotion), the verdict is void: a session by an old one would take for equal
 * what is not.
 */
#define GEN_FLAGS	(LOCKSTEP_MF_CONSISTENT | LOCKSTEP_MF_CLEAN | LOCKSTEP_MF_MARKS_VALID |	\
			 LOCKSTEP_MF_REGIONS_VALID | LOCKSTEP_MF_UNCLEAN |		\
			 LOCKSTEP_MF_CRASHED_PRIMARY | LOCKSTEP_MF_PRIMARY |	\
			 LOCKSTEP_MF_SERVING)

/* One side's facts about one volume, in host order. */
struct gen_view {
	u64 current_id;			/* 0: blank */
	u64 since_id;			/* 0: peer is with us */
	u64 history[LOCKSTEP_HISTORY];	/* 0: unused */
	u64 oos_bits;
	u32 flags;			/* LOCKSTEP_MF_* */
	u32 node_id;
	bool no_disk;			/* its disk was given up; the rest is what it remembers */
};

struct gen_result {
	enum gen_verdict verdict;
	enum gen_rule rule;
	u64 adopt_id;			/* GEN_RULE_BOTH_CLEAN: generation both take; else 0 */
};

struct gen_result gen_compare(const struct gen_view *self, const struct gen_view *peer);
/* Two of which gen_compare() says marks-*, in the direction that is asked for. */
struct gen_result gen_by_marks(const struct gen_view *self, const struct gen_view *peer,
			       bool self_source);

/*
 * What both sides call the half of a full copy: from what the source had in its hello, and from the
 * session, so that no two halves, and no half and a generation, have one name. Should the two ever
 * differ, or one be of a version that has no such name, an interrupted copy is a full one again.
 */
u64 gen_half_id(u64 source_gen, u64 session_id);

/* The answer the peer must come to if we come to this one. */
enum gen_verdict gen_mirror(enum gen_verdict verdict);
enum gen_rule gen_mirror_rule(enum gen_rule rule);

/* "since-peer" and the like, for logs, status and tests; never NULL. */
const char *gen_rule_name(enum gen_rule rule);
const char *gen_verdict_name(enum gen_verdict verdict);

static inline bool gen_verdict_is_source(enum gen_verdict v)
{
	return v == GEN_SOURCE || v == GEN_SOURCE_FULL;
}

static inline bool gen_verdict_is_target(enum gen_verdict v)
{
	return v == GEN_TARGET || v == GEN_TARGET_FULL;
}

#endif /* LOCKSTEP_CORE_GEN_H */
