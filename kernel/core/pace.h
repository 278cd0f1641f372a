/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pacing: how much a resync or verify may have in flight beside the application.
 *
 * Nobody knows what the disks, the network and the processors can do, so it is measured by what
 * matters: how long the application's requests take. They are counted by class and length of time.
 * The baseline is what they take with nothing of ours in flight, looked at anew every few seconds
 * in a short pause (PROBE). While the slowest of them are clearly slower than those of the baseline
 * there is less of ours, else a little more (RUN). Without an application (FREE) as much is in
 * flight as is done within some 50 ms, so that one that comes finds no long queue before it; beside
 * one that has a request now and then, less.
 *
 * Less is first a smaller window, then rests between bursts of one smallest window each. Not a
 * window that is smaller still: where ours are felt at all, a burst is felt by the few requests
 * that meet it, whatever its length; short ones in a row are felt by all. So few that it does not
 * show in the slowest hundredth is what rests can bring about, and the longer a burst, the more is
 * copied meanwhile. A rest is at most 200 times as long as what it follows, and never longer than
 * half a second (256 KiB/s, or less where blocks lie scattered).
 *
 * And however slow it makes them: a mirror of which one half waits for a busy application to pause
 * is no mirror. What has to be done has a rate (floor) by which it ends in time; while it is slower
 * than that there is not less of it, but more, up to a window by which a machine that is able to
 * will reach it.
 *
 * It begins with much rest, and doubles what it does until that shows the first time: what was
 * learned in a former burst of work may be wrong now, and a window too large by far is felt by all
 * until it is cut.
 *
 * Pure: the caller brings counts and time. Not locked: one caller at a time.
 */
#ifndef LOCKSTEP_CORE_PACE_H
#define LOCKSTEP_CORE_PACE_H

#include "os.h"

enum pace_class {
	PACE_READ,
	PACE_WRITE,
	PACE_CLASSES
};

/* Eight buckets an octave, from 4 us on. */
#define PACE_BUCKETS		144u

/* Requests completed, each counter growing for ever and wrapping. */
struct pace_counts {
	u32 n[PACE_CLASSES][PACE_BUCKETS];
};

#define PACE_WINDOW_MAX		(16u << 20)
#define PACE_WINDOW_FREE	(2u << 20)	/* without an application: more from there */
#define PACE_WINDOW_MIN		(128u << 10)
#define PACE_WINDOW_FLOOR	(512u << 10)	/* by the floor, or beside too few to judge by */
#define PACE_REST_MIN_US	4000u
#define PACE_REST_START_US	128000u		/* with an application: less from there */
#define PACE_REST_MAX_US	512000u
#define PACE_IDLE_US		200000u		/* no request for so long: no application */

enum pace_phase {
	PACE_FREE,
	PACE_DRAIN,		/* to probe: what is in flight ends first */
	PACE_PROBE,
	PACE_RUN,
};

struct pace {
	/* What to do now. */
	u32 window_bytes;	/* in flight at most, but a single run always may be */
	u32 rest_us;		/* when all of a burst has ended */
	bool pause;		/* start nothing */

	/* Its own. */
	u8 phase;		/* enum pace_phase */
	bool doubling;		/* nothing of ours has shown since it began */
	u32 run_us;		/* what one takes, lately; 0: none has ended */
	u32 fastest_us;		/* FREE: what the fastest took */
	u64 since_us;		/* seen and done_bytes were taken; 0: never */
	u64 done_bytes;
	u64 probed_us;		/* end of the last probe */
	struct pace_counts seen;
	struct pace_counts base; /* the baseline, in fractions of a request */
};

void pace_init(struct pace *p);

/* The counter of a request that took so long. */
u32 pace_bucket(u64 ns);

/*
 * The longest run that may begin: one that fits the window; between two rests, what is left of the
 * burst, of which so much has begun. 0: none before the rest.
 */
u32 pace_run_bytes(const struct pace *p, u32 burst_bytes, u32 burst_runs);

struct pace_now {
	u64 now_us;
	const struct pace_counts *counts;
	u64 idle_us;		/* since the application's last request ended; 0: there is one */
	bool in_flight;		/* of ours */
	u32 run_us;		/* what a run took that ended since; 0: none has */
	u64 done_bytes;		/* by all that ended, growing */
	u64 floor_bytes_s;	/* at least, beside an application; < 2^40 */
};

/* Look again: often, at least each 50 ms or so while there is work; cheap when it is too early. */
void pace_tick(struct pace *p, const struct pace_now *now);

#endif /* LOCKSTEP_CORE_PACE_H */
