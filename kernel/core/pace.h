/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pacing: how much a resync or verify may have in flight beside the application.
 *
 * Nobody knows what the disks, the network and the processors can do, so it is measured by what
 * matters: how long the application's requests take. They are counted by class and length of time;
 * what the slowest few of them took with nothing of ours in flight is the baseline, taken anew
 * every few seconds in a short pause (PROBE). While they take clearly longer than that the window
 * is cut by a third, else it grows a little (RUN); at the smallest window there are rests between
 * runs, up to a limit: some work always gets done (PACE_REST_MAX_US: about 1 MiB/s), or a resync
 * beside a busy application would never end. Without an application there is no limit (FREE).
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
#define PACE_WINDOW_MIN		(16u << 10)
#define PACE_WINDOW_START	(256u << 10)	/* with an application: grown from there */
#define PACE_WINDOW_SPARSE	(1u << 20)	/* too few requests to judge by */
#define PACE_REST_MIN_US	4000u
#define PACE_REST_MAX_US	16000u
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
	u32 rest_us;		/* after each run */
	bool pause;		/* start nothing */

	/* Its own. */
	u8 phase;		/* enum pace_phase */
	u32 base[PACE_CLASSES];	/* bucket + 1 of the baseline; 0: unknown */
	u64 since_us;		/* seen was taken */
	u64 probed_us;		/* end of the last probe */
	struct pace_counts seen;
};

void pace_init(struct pace *p);

/* The counter of a request that took so long. */
u32 pace_bucket(u64 ns);

/* Length of a run that fits the window: a power of two of bytes. */
u32 pace_run_bytes(const struct pace *p);

/*
 * Look again: often, at least each 50 ms while something is to be done; cheap when it is too early.
 * `idle_us`: since the application's last request ended, 0 while there is one. `in_flight`: of
 * ours.
 */
void pace_tick(struct pace *p, u64 now_us, const struct pace_counts *counts, u64 idle_us,
	       bool in_flight);

#endif /* LOCKSTEP_CORE_PACE_H */
