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
	void *page;			/* 4 KiB, the worker's */
	/* Under lock. */
	bool out;			/* asked for, and nobody has seen its end */
	bool reads;			/* as asked for: see lockstep_flush_try() */
	/* The worker's from when it is asked for until `done`. */
	bool begun;
	unsigned long since;		/* jiffies: it was asked for, or then has begun */
	int err;
};

/* False: no memory. Then, too, lockstep_flusher_exit(). */
bool lockstep_flusher_init(struct lockstep_volume *vol);
void lockstep_flusher_exit(struct lockstep_volume *vol);
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

/*
 * The same, and each of the volume's devices has answered: for who is about to wait for them
 * without a limit. A flush alone says nothing of that: without a volatile cache the block layer
 * ends it by itself, and of metadata on another device it knows nothing. So a block of each is
 * read; not written, because a write that comes back late would be over a newer one.
 */
int lockstep_flush_try(struct lockstep_volume *vol);

#endif /* LOCKSTEP_FLUSH_H */
