/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Many seeds on every processor: forked workers that fetch the next few numbers from shared memory.
 * A world is one process's, so workers share nothing else, and a seed that fails in one fails in
 * any.
 */
#ifndef LOCKSTEP_SIM_JOBS_H
#define LOCKSTEP_SIM_JOBS_H

#include "os.h"

/* False: number `n` failed. Called in a worker. */
typedef bool (*jobs_fn)(u64 n);

/*
 * Call fn for each of [first, first + nr), in no order, in `jobs` processes. After a failure no
 * higher number is begun. Returns the lowest number that failed, or ~0. A worker that dies by a
 * signal counts as failed at the number it was at.
 */
u64 jobs_run(u64 first, u64 nr, u32 jobs, u32 chunk, jobs_fn fn);

/* Sums over all workers, filled in by fn: shared memory, added to without a lock. */
void jobs_add(u32 counter, u64 value);
u64 jobs_sum(u32 counter);

u32 jobs_default(void);			/* processors we may use */

#endif /* LOCKSTEP_SIM_JOBS_H */
