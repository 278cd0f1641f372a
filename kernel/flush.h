/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A flush of the local disk that nobody waits for without an end (P10). It is made by a worker, who
 * stays with a disk that does not answer; whoever asked goes on after disk_timeout_ms, and what he
 * says is the caller's. One at a time in a volume: one that was left behind is the next one's to
 * wait for first, from when it began, so that a disk that hangs keeps everybody together for no
 * longer than one flush may take.
 *
 * For volumes that are in their place. The worker has a live vol->disk_ref: neither the volume nor
 * its disk goes before the flush has come back.
 */
#ifndef LOCKSTEP_FLUSH_H
#define LOCKSTEP_FLUSH_H

#include <linux/completion.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct lockstep_volume;

struct lockstep_flusher {
	struct mutex lock;
	struct work_struct work;
	struct completion done;
	/* Under lock. */
	bool out;			/* asked for, and nobody has seen its end */
	/* The worker's from when it is asked for until `done`. */
	bool begun;
	unsigned long since;		/* jiffies: it was asked for, or then has begun */
	int err;
};

void lockstep_flusher_init(struct lockstep_volume *vol);
/* Another disk is in the place of the one that it was about. Nothing is at that any more. */
void lockstep_flusher_forget(struct lockstep_volume *vol);

/*
 * What else may come of it than 0 or an error: no errno, as each of those may be a disk's. The disk
 * has it for disk_timeout_ms; or no worker has come to it in that time (core/flushwait.h).
 */
#define LOCKSTEP_FLUSH_LATE	1
#define LOCKSTEP_FLUSH_UNTRIED	2

/*
 * 0: what had been written is on stable storage. Negative: the error was the disk's, and has been
 * reported as such (diskfail.h); -ENODEV: it was given up. Positive: not so far, see above.
 */
int lockstep_flush_disk(struct lockstep_volume *vol);

#endif /* LOCKSTEP_FLUSH_H */
