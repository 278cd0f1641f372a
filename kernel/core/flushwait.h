/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How long somebody waits for a flush that a worker makes (kernel/flush.h), and what he knows when
 * he stops. Each of the two parts of the way has the whole limit, so that what a worker's absence
 * has used up is not taken for the disk's slowness, and there is an end all the same (P10): after
 * twice the limit at most.
 *
 *   the worker     for                next
 *   has not begun  less than limit    wait for the rest of it
 *   has not begun  the limit          UNTRIED: workers are kept by other volumes' disks. Of this
 *                                     one nothing is known: it is not to be given up for that
 *   has begun      less than limit    wait for the rest of it
 *   has begun      the limit          LATE: the disk has had it for as long as it may have any
 *                                     request
 *
 * No limit (0): waits until it ends. Any unit of time.
 */
#ifndef LOCKSTEP_CORE_FLUSHWAIT_H
#define LOCKSTEP_CORE_FLUSHWAIT_H

#include "os.h"

enum flushwait {
	FLUSHWAIT_MORE,
	FLUSHWAIT_LATE,
	FLUSHWAIT_UNTRIED,
};

struct flushwait_facts {
	u64 limit;
	bool begun;
	u64 waited;			/* since it began, or else since it was asked for */
};

/* *ret_left: how much longer until to look again; 0: without a limit. */
enum flushwait flushwait_next(const struct flushwait_facts *f, u64 *ret_left);

#endif /* LOCKSTEP_CORE_FLUSHWAIT_H */
