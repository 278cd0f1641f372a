/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the outcome of a fencing program means, and which program is to run. Pure: no processes, no
 * kernel, no time.
 *
 * The exit codes are those of DRBD's fence-peer handlers, so that programs written for those serve:
 *
 *   code  the program says               policy outdate   policy fence
 *   3     the peer's copy is inconsistent    go on            go on
 *   4     the peer has noted that it is      go on            go on
 *         outdated
 *   5     the peer cannot be reached and is  go on            stay
 *         assumed to be down
 *   6     the peer is primary                stay (PRIMARY)   stay (PRIMARY)
 *   7     the peer was fenced: its power     go on            go on
 *         is off, or it was reset
 *   any other, a signal, a time-out, no      stay             stay
 *   program
 *
 * 5 is an assumption: a peer behind a cut that takes both the session and whatever the program asks
 * through may be promoted at this moment. `outdate` is the policy of those who accept that, or know
 * that the program's way to the peer fails only with the peer; `fence` is the one of those who do
 * not. No policy lets a primary go on beside a primary.
 */
#ifndef LOCKSTEPD_FENCE_JUDGE_H
#define LOCKSTEPD_FENCE_JUDGE_H

#include "hook.h"

enum fence_exit {
	FENCE_EXIT_INCONSISTENT	= 3,
	FENCE_EXIT_OUTDATED	= 4,
	FENCE_EXIT_UNREACHABLE	= 5,
	FENCE_EXIT_PRIMARY	= 6,
	FENCE_EXIT_FENCED	= 7,
};

enum fence_verdict {
	FENCE_GO_ON,
	FENCE_STAY,
	FENCE_PRIMARY,		/* stay, and say so */
};

/* policy: enum lockstep_fencing, not NONE */
enum fence_verdict fence_judge(u32 policy, const struct hook_result *res);

/* "the peer is primary" and the like; how the program ended, for what is no code of the table. */
void fence_exit_text(const struct hook_result *res, char *ret, size_t size);

enum fence_what {
	FENCE_NOTHING,
	FENCE_RUN,		/* the program */
	FENCE_UNDO,		/* the unfence program */
};

/* What is known, of the kernel and of the programs so far. */
struct fence_sight {
	bool unfenced;		/* the kernel waits */
	bool asked;		/* a promotion waits */
	bool in_sync;		/* connected, both copies up to date */
	bool undone;		/* the unfence program has ended well since it was in sync */
	bool is_busy;		/* a program is running, or its outcome on the way to the kernel */
	bool is_held;		/* the end of the session was announced, and its time is not over */
	bool is_waiting;	/* the last one failed, and the time to try again has not come */
	bool has_program, has_unfence;
};

/*
 * The first row that fits:
 *
 *   a program is running, or its outcome is on the way		nothing
 *   a promotion waits, and there is a program			run it
 *   the last one failed, and its time has not come		nothing
 *   the kernel waits, for a session whose end was announced	nothing, as long as it is held
 *   the kernel waits						run the program, if there is one
 *   in sync, and not undone since				undo, if there is a program for it
 *   all else							nothing
 *
 * A session that a side ends so that the next one knows more (a resize, a hello that names another
 * session) looks like a loss of the peer to the kernel, which waits. Such an end
 * is said before it comes: by us, or by the peer on the authenticated control connection. So it is
 * held for a time, in which the next session is made; the kernel lets nothing through meanwhile. A
 * loss that nobody announced is never held, and no end is held twice.
 *
 * One at a time. A promotion does not wait for another try, nor for what is held: it is answered
 * with what comes. Undoing needs no memory of what was done: it is run once whenever the two have
 * come to be in sync, also when the daemon has just begun, so that one that was killed in between
 * forgets nothing. Both programs must bear being run again.
 */
enum fence_what fence_next(const struct fence_sight *s);

/* How long until the next try, after one that was wait_ms (0: the first) later than the last. */
u32 fence_backoff_ms(u32 wait_ms);

#endif /* LOCKSTEPD_FENCE_JUDGE_H */
