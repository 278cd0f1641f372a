/* SPDX-License-Identifier: GPL-2.0 */
/*
 * State machine of one resource: role x link x set x copy, and what a write does in each.
 *
 *   role:  SECONDARY --promote--> (ASKING the peer, if there is a session) --granted--> PRIMARY
 *          PRIMARY --demote--> SECONDARY
 *   link:  DOWN --open--> OPENING --start--> UP --lost--> DOWN          (any --lost/close--> DOWN)
 *   set:   which copies a completed write is on: BOTH, or ME alone. Narrowed (P4) by a primary that
 *          lost its peer and wants to write; widened again when a resync has finished and both
 *          flushed.
 *   copy:  ours: FAILED (a volume's disk was given up), BLANK, INCONSISTENT (target), OUTDATED,
 *          UP_TO_DATE
 *
 * What a write does (state_io_mode), which is never stored but follows:
 *
 *   role       link      set    narrowing      mode
 *   SECONDARY  any       any    any            NONE
 *   PRIMARY    UP        any    no             BOTH   (set ME: being synced, gets writes too)
 *   PRIMARY    not UP    ME     no             ALONE
 *   PRIMARY    not UP    BOTH   no             LAZY
 *   PRIMARY    any       any    yes            NARROW
 *   PRIMARY    not UP    any    no, copy not   FROZEN
 *                               UP_TO_DATE,
 *                               or unfenced
 *
 * A primary whose disk fails (P9) goes on through the peer. There is no message for it: it ends the
 * session and says hello again without that copy. As the peer's START makes it the source, it takes
 * a new generation of its own, durably, before it takes another write (P4), and everything that was
 * in flight is sent again and marked there. Between the two nothing completes: FROZEN. The same
 * session is the way back: with a disk attached again the primary is the target of a resync, and
 * reads through the peer until that is done.
 *
 * Fencing. With a fencing policy a primary that has lost its peer does not narrow by itself: it is
 * `unfenced`, and FROZEN, until somebody knows that the peer will not be primary with the copy it
 * has. What ends it:
 *
 *   START            the peer is back; what was in flight goes to it again, nothing was narrowed
 *   FENCED           the fencing program's outcome, or a person's word: narrow and go on alone
 *   POLICY none      likewise: there is nothing to wait for any more
 *   PROMOTE --force  of a primary without a good copy (below): likewise a person's word
 *   DEMOTE, DISK_FAILED (given up for good)    nobody writes any more
 *
 *   lost while     set after LOST    unfenced?
 *   UP             BOTH              yes: also in the middle of a resync, which the peer may have
 *                                    finished unheard
 *   OPENING        BOTH              yes, though the outcome was known before: the peer may have
 *                                    started the session and become as good as we are
 *   OPENING        ME                no: our generation is not the peer's, and never was since
 *
 * A promotion without a session, of a set of BOTH, is refused (UNFENCED) until the same is known of
 * the peer; with ME the peer was left behind already. An outcome is about one loss: the driver
 * counts sessions, and drops what is about an earlier one.
 *
 * OUTDATE is the other side of it: a secondary without a session notes, durably, that the peer goes
 * on without it, and refuses to be promoted from then on.
 *
 * Automatic promotion (STATE_PROMOTE_AUTO) asks like any other with a session, and gives nothing up
 * without one: alone it is refused while the set is BOTH, whatever the policy. A person who types
 * `promote` beside a peer that is silent has looked; a program that opens a device has not, and
 * with the peer in use behind a cut link it would make two primaries without anybody's knowing.
 * With ME the peer was left behind already, knowingly. `automatic` goes with the role, or with an
 * explicit promotion: from then on it is a person's.
 *
 * A secondary also remembers whether the peer was primary when it last heard of it
 * (`left_primary`). Shut down like that, it does not know at the next start whether the primary has
 * written since (LOCKSTEP_MF_LEFT_PRIMARY).
 *
 *   the session ended, and         heard last     closed then, and attached alone
 *   the peer was primary           left_primary   UNSURE: it may have gone on
 *   we had granted it, and not     left_primary   likewise: its word may be lost with the session
 *   heard since (`granted`)
 *   the peer was secondary         -              as it was: nobody wrote after it
 *   it was promoted here since     -              as it was: we took over, and know what is ours
 *   we were primary                -              as it was: the peer was none
 *
 * state_step() is the only function that moves it. It returns effects, a set of bits that the
 * caller carries out in the order of their numbers, each finished before the next begins; that
 * order is the argument: metadata that must be durable first has the lowest numbers, then what
 * tells the peer, then what lets writes go on, then what tells people.
 *
 * [S1] At most one node is PRIMARY while the link is UP: promotion asks the peer, who refuses if it
 *      is primary, or asking too and has the smaller node id.
 * [S2] No write completes on one copy alone while set is BOTH: LAZY and NARROW hold them, and
 *      NARROWED (metadata durable) comes before ALONE.
 * [S3] A target is INCONSISTENT, durably (EFF_META_TARGET), before START has finished, that is
 *      before the first byte from the peer is applied.
 * [S4] While a session is UP, set is BOTH unless we are the source of a resync, and then becomes
 *      BOTH only by SYNC_DONE (both flushed, target's metadata durable). Without a session BOTH is
 *      the careful side, on which no write completes (S2): a set is BOTH again after a resync that
 *      was cut off (the target may have finished unheard), after an attach and after a forced
 *      promotion, and the next write narrows it into a generation that nobody else has.
 * [S5] PRIMARY is durable on disk (EFF_META_PRIMARY) before the first write is admitted.
 * [S6] A primary whose copy is not UP_TO_DATE completes nothing without a session in which the peer
 *      is the source: its own disk is gone, or behind. It never narrows.
 * [S7] Under a fencing policy a primary whose peer was lost while the set was BOTH completes and
 *      narrows nothing until the peer is back or its fate is known.
 * [S8] Nobody becomes primary automatically without a session while the set is BOTH.
 * [S9] While writes of a session, the peer's or of a resync, are still at a disk of ours after its
 *      end (`strays`) no other session opens and nobody becomes primary here: what comes late would
 *      overwrite what comes next (P6).
 */
#ifndef LOCKSTEP_CORE_STATE_H
#define LOCKSTEP_CORE_STATE_H

#include "os.h"
#include "gen.h"
#include <linux/lockstep.h>

enum state_set {
	STATE_SET_BOTH,
	STATE_SET_ME,
};

enum state_sync {
	STATE_SYNC_NONE,
	STATE_SYNC_SOURCE,	/* at least one volume of ours is being copied to the peer */
	STATE_SYNC_TARGET,
};

/* Worst copy of all volumes of the resource; they go together. */
enum state_copy {
	STATE_COPY_FAILED,
	STATE_COPY_BLANK,
	STATE_COPY_INCONSISTENT,
	STATE_COPY_OUTDATED,
	STATE_COPY_UP_TO_DATE,
};

struct lockstep_state {
	u8 role;		/* enum lockstep_role, never UNKNOWN */
	u8 peer_role;		/* UNKNOWN while link is not UP */
	u8 link;		/* enum lockstep_link_state */
	u8 set;
	u8 sync;
	u8 copy;
	u8 narrowing;		/* bool: EFF_META_NARROW is under way */
	u8 asking;		/* bool: ROLE_ASK sent, no answer yet */
	u8 answer_due;		/* bool: likewise, though we may have given it up since */
	u8 smaller_id;		/* bool, fixed: our node id is the smaller one */
	u8 fencing;		/* bool: there is a fencing policy */
	u8 unfenced;		/* bool: primary, and the fate of the peer it lost is unknown */
	u8 left_primary;	/* bool: secondary, and the peer was primary when it was lost */
	u8 automatic;		/* bool: primary, or asking, because somebody opened it */
	u8 strays;		/* bool: requests of an ended session are at our disk */
	u8 granted;		/* bool: the peer may be primary by our word, and has not told */
};

enum state_event {
	STATE_EV_PROMOTE,	/* arg: STATE_PROMOTE_* */
	/*
	 * Peer's answer to ROLE_ASK. ALREADY: nothing was asked, ignore it. Whoever waits for a
	 * promotion looks at `asking` after each step: gone without role PRIMARY means refused, be
	 * it by DENIED, LOST, or because we granted the peer's own ROLE_ASK that crossed ours.
	 */
	STATE_EV_GRANTED,
	STATE_EV_DENIED,
	STATE_EV_PEER_ASKS,	/* peer's ROLE_ASK */
	STATE_EV_PEER_ROLE,	/* peer's ROLE_TELL; arg: its role */
	/* caller has made sure that nobody has it open and nothing is in flight */
	STATE_EV_DEMOTE,
	STATE_EV_OPEN,		/* SESSION_OPEN; arg: the peer's role in its hello */
	/*
	 * SESSION_START; arg: STATE_START(verdict, peer's role), for a target with its worst copy
	 * in this session. With several volumes the verdict
	 * is SOURCE if it is for any of them, TARGET likewise, else NONE; SOURCE for one and TARGET
	 * for another is no session (the caller's to refuse).
	 */
	STATE_EV_START,
	/* session ended, whyever; arg: 1 = writes were in flight to the peer */
	STATE_EV_LOST,
	/*
	 * A write wants to go on and mode is LAZY. CONNECTING: hold it, EFF_MODE comes when the
	 * session that is being opened is up or gone. ALREADY: mode is not LAZY, look again.
	 */
	STATE_EV_WRITE,
	STATE_EV_NARROWED,	/* the metadata of EFF_META_NARROW is durable on every volume */
	/* all volumes in sync, both flushed: source: target confirmed; target: told */
	STATE_EV_SYNC_DONE,
	/* Attach or detach changed our copy; arg: enum state_copy. Only without a session. */
	STATE_EV_COPY,
	/*
	 * A disk of ours failed, or is given up on purpose. ONLY_COPY: nobody else has what is on
	 * it: it is kept, and its errors are the application's. arg: STATE_DISK_*, see below; the
	 * rest of it is the caller's.
	 */
	STATE_EV_DISK_FAILED,
	/* EFF_META_NARROW could not be made durable: held writes fail, the next one tries again */
	STATE_EV_NARROW_FAILED,
	/* a person gives up what was written here beside the peer (gen.h, "surrender") */
	STATE_EV_SURRENDER,
	/* The peer will not be primary with the copy it has: its fencing succeeded [S7]. */
	STATE_EV_FENCED,
	/*
	 * Our copy is to be outdated: the peer goes on without it. arg: does one of our volumes
	 * say that it went on without the peer (a since)?
	 */
	STATE_EV_OUTDATE,
	STATE_EV_POLICY,	/* arg: is there a fencing policy? */
	/*
	 * arg: are requests of the peer still at a disk of ours that counts, though their session
	 * is over? After LOST, after DISK_FAILED, and when the last one comes back.
	 */
	STATE_EV_STRAYS,
	STATE_EV_NR
};

/*
 * arg of STATE_EV_PROMOTE. FENCED: the peer's fencing succeeded, and no session was since. AUTO:
 * because somebody opens it for writing (autorole.h).
 */
#define STATE_PROMOTE_FORCE	1u
#define STATE_PROMOTE_FENCED	2u
#define STATE_PROMOTE_AUTO	4u

/*
 * arg of STATE_EV_START: what the session means for us, and the peer's role from its hello.
 * THROUGH: the one who would be the target is primary and has no good copy in at least one volume:
 * it works through the source. NO_DISK: and the target, we, have no disk for one.
 */
#define STATE_START(verdict, peer_role)	((u32)(verdict) | (u32)(peer_role) << 8)
#define STATE_START_THROUGH	(1u << 16)
#define STATE_START_NO_DISK	(1u << 17)

/*
 * arg of STATE_EV_DISK_FAILED. ANYWAY: given up all the same, because the resource is taken down
 * and the disk takes nothing more. AHEAD: it has failed, nobody has asked for it, and what is on
 * it is whole, and the peer's is not (state_disk_is_ahead: the peer was left behind, or is the
 * target of a copy that was cut off). Kept?
 *
 *   link     role       sync     copy         AHEAD  kept
 *   narrowing, whatever else                         yes: refused, as everything is then
 *   UP       any        SOURCE   any          any    yes: the peer has half a copy
 *   UP       any        else     any          any    no: the peer has all of it
 *   not UP   PRIMARY    -        UP_TO_DATE   any    yes: whether the peer has it is not known
 *   not UP   PRIMARY    -        else         any    no: it works through the peer [S6]
 *   not UP   SECONDARY  -        any          yes    yes: LOST has forgotten that it was the
 *                                                    source; the since has not
 *   not UP   SECONDARY  -        any          no     no: the peer had what was acknowledged here,
 *                                                    and is not known to have failed, too
 *
 * By a person's word (detach) what a secondary has is given up though it is AHEAD: what is on the
 * disk stays there, and can be attached again.
 */
#define STATE_DISK_ANYWAY	(1u << 31)
#define STATE_DISK_AHEAD	(1u << 30)
#define STATE_DISK_FLAGS	(STATE_DISK_ANYWAY | STATE_DISK_AHEAD)

/* In the order in which they are carried out. */
enum state_effect {
	/*
	 * Flush our data device: the map of dirty regions names only what comes from here on (a
	 * disk that is kept though it fails a flush is marked by it); then flag PRIMARY on every
	 * volume, durable [S5]
	 */
	STATE_EFF_META_PRIMARY	= 1 << 0,
	/* new lineage, up to date; same write as META_PRIMARY */
	STATE_EFF_META_FORCE	= 1 << 1,
	STATE_EFF_META_SECONDARY = 1 << 2,	/* flush both copies, then clear flag PRIMARY */
	STATE_EFF_META_TARGET	= 1 << 3,	/* not consistent, on target volumes [S3] */
	/*
	 * Flush our data device, as for META_NARROW; volumes of which we are the source are up to
	 * date; note the peer; full verdict: mark everything.
	 */
	STATE_EFF_META_SOURCE	= 1 << 4,
	/*
	 * verdict NONE: reconciled: clear UNCLEAN, CRASHED_PRIMARY, CLEAN; a `since` left over goes
	 * (meta_gen_together)
	 */
	STATE_EFF_META_EQUAL	= 1 << 5,
	/*
	 * Flush our data device (the peer, left behind here, may hold acknowledged writes that we
	 * have in the cache only); then a new generation, since = old one; then EV_NARROWED.
	 */
	STATE_EFF_META_NARROW	= 1 << 6,
	STATE_EFF_META_SYNCED	= 1 << 7,	/* target: up to date with the source's generation;
						 * source: since = 0 */
	STATE_EFF_META_SURRENDER = 1 << 8,	/* back to where the two parted, on every volume */
	STATE_EFF_META_OUTDATED	= 1 << 9,	/* flag OUTDATED on every volume */
	/* send ROLE_ASK; then EV_GRANTED, EV_DENIED or EV_LOST */
	STATE_EFF_ASK		= 1 << 10,
	STATE_EFF_GRANT		= 1 << 11,	/* answer the peer's ROLE_ASK */
	STATE_EFF_DENY		= 1 << 12,
	STATE_EFF_TELL		= 1 << 13,	/* send ROLE_TELL */
	/* io mode may have changed: let held writes look again */
	STATE_EFF_MODE		= 1 << 14,
	STATE_EFF_RW		= 1 << 15,	/* device becomes writable */
	STATE_EFF_RO		= 1 << 16,
	/* resync engine stops; what is not copied stays marked */
	STATE_EFF_SYNC_STOP	= 1 << 17,
	/* what was in flight to the peer in the last session goes to it again */
	STATE_EFF_RESEND	= 1 << 18,
	STATE_EFF_NOTIFY	= 1 << 19,	/* log line and event */
	/* end the session, because of our disk; EV_LOST follows */
	STATE_EFF_CLOSE		= 1 << 20,
	STATE_EFF_END		= 1 << 21,	/* none from here on */
};

/*
 * Why an event is refused; the texts are for people. STATE_OK: it was taken. A refusal by START or
 * PEER_ROLE means that the session cannot go on: the caller closes it.
 */
enum state_refusal {
	STATE_OK,
	STATE_RF_ALREADY,	/* promote of a primary, demote of a secondary: nothing to do */
	STATE_RF_PEER_PRIMARY,
	STATE_RF_ASKING,	/* a promotion is under way already */
	STATE_RF_BLANK,		/* never synced, nobody said its content counts: --force says so */
	STATE_RF_INCONSISTENT,
	STATE_RF_OUTDATED,
	STATE_RF_TARGET,	/* being synced from the peer */
	STATE_RF_NO_COPY,
	STATE_RF_SESSION,	/* there is a session already */
	STATE_RF_NO_SESSION,
	STATE_RF_NARROWING,	/* wait for it and try again */
	STATE_RF_VERDICT,	/* the verdict allows no session */
	STATE_RF_PRIMARY_TARGET, /* we are primary and would be overwritten */
	STATE_RF_TWO_PRIMARIES,
	/* session is opening: roles stay as they are until it is up or gone */
	STATE_RF_CONNECTING,
	STATE_RF_FAILED,	/* a disk of ours was given up */
	STATE_RF_ONLY_COPY,	/* nobody else has the data */
	STATE_RF_IN_USE,	/* we are primary: what is to be given up is being used */
	STATE_RF_UNFENCED,	/* promotion without the peer: its fate has to be known first */
	STATE_RF_ALONE,		/* the same, by opening it: a person may know, a program does not */
	STATE_RF_AHEAD,		/* what is to be outdated has what the peer lacks */
	STATE_RF_STRAYS,	/* a disk of ours has not answered since the last session [S9] */
	STATE_RF_NR
};

/* Fresh resource, nothing attached. */
void state_init(struct lockstep_state *s, bool smaller_id);

/*
 * Take one event. On STATE_OK *s is the new state and *ret_effects what to do; else neither is
 * changed. Caller serialises.
 */
enum state_refusal state_step(struct lockstep_state *s, enum state_event event, u32 arg,
			      u32 *ret_effects);

/*
 * A session is over and a disk has failed, and neither has been taken yet. Which is taken first?
 *
 *   sync      first
 *   SOURCE    DISK_FAILED   the only whole copy is here, and LOST is what forgets that (it may be
 *                           known by the metadata after that, too: AHEAD)
 *   else      LOST          nobody goes on through a session that is over: a primary that gave its
 *                           disk up for it would have neither, and stand still
 */
bool state_disk_first(const struct lockstep_state *s);

enum lockstep_io_mode state_io_mode(const struct lockstep_state *s);

/*
 * May a primary be working through its peer, which has the only good copy (P9)? Not any more once
 * a resync has made ours good: a peer whose disk fails then is done without, and its error is not
 * the application's.
 */
bool state_may_work_through(const struct lockstep_state *s);

/*
 * AHEAD of STATE_EV_DISK_FAILED: is what is on a disk that has failed whole, and the peer's not?
 * copy is the disk's own volume's. heard: there is a verdict of a hello of the peer's; then source
 * decides: by that of any volume we are its source. Else since: one is set in the metadata.
 *
 *   copy          heard  source  since  ahead
 *   < OUTDATED    any    any     any    no: half a copy is nobody's only one
 *   else          yes    yes     any    yes
 *   else          yes    no      any    no: the since is of before, the peer may be whole by now
 *   else          no     any     yes    yes
 *   else          no     any     no     no
 */
bool state_disk_is_ahead(enum state_copy copy, bool heard, bool source, bool since);

/* Does [S1] to [S9] hold of one node's state? For tests and WARN_ON_ONCE. */
bool state_valid(const struct lockstep_state *s);

/* One sentence without the names of things: "it is being synchronised from the peer". */
const char *state_refusal_text(enum state_refusal r);
const char *state_event_name(enum state_event e);
const char *state_role_name(u32 role);
const char *state_link_name(u32 link);
const char *state_disk_name(u32 disk);
const char *state_sync_name(u32 sync);
const char *state_io_name(u32 mode);

#endif /* LOCKSTEP_CORE_STATE_H */
