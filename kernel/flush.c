// SPDX-License-Identifier: GPL-2.0
#include "flush.h"

#include <linux/gfp.h>
#include "flushwait.h"
#include "metaio.h"
#include "resource.h"
#include "volume.h"

/*
 * Reported by its completion (metaio.c), not by who waits: an error that comes late must be known
 * before the volume can be closed, and by then nobody may be waiting. Time is counted from here:
 * what kept the worker until now was not this disk.
 */
static void flusher_work(struct work_struct *work)
{
	struct lockstep_volume *vol = container_of(work, struct lockstep_volume, flusher.work);
	struct lockstep_flusher *f = &vol->flusher;
	/* Given up while no worker had come to it: that gets nothing any more. */
	bool gone = READ_ONCE(vol->failed);
	int err;

	WRITE_ONCE(f->since, jiffies);
	smp_store_release(&f->begun, true);
	err = gone ? -ENODEV : lockstep_metaio_flush_data(vol);
	if (f->reads && !gone)
		lockstep_metaio_touch(vol, f->page);
	f->err = err;
	complete(&f->done);
	/* Last: the volume may go. */
	percpu_ref_put(&vol->disk_ref);
}

bool lockstep_flusher_init(struct lockstep_volume *vol)
{
	mutex_init(&vol->flusher.lock);
	INIT_WORK(&vol->flusher.work, flusher_work);
	init_completion(&vol->flusher.done);
	vol->flusher.page = (void *)__get_free_page(GFP_KERNEL);
	return vol->flusher.page;
}

void lockstep_flusher_exit(struct lockstep_volume *vol)
{
	free_page((unsigned long)vol->flusher.page);
}

void lockstep_flusher_forget(struct lockstep_volume *vol)
{
	mutex_lock(&vol->flusher.lock);
	vol->flusher.out = false;
	mutex_unlock(&vol->flusher.lock);
}

static int begin(struct lockstep_volume *vol, bool reads)
{
	struct lockstep_flusher *f = &vol->flusher;

	if (!percpu_ref_tryget_live(&vol->disk_ref))
		return -ENODEV;
	reinit_completion(&f->done);
	f->out = true;
	f->reads = reads;
	f->since = jiffies;
	f->begun = false;
	/*
	 * Also the submitting: a disk whose queue is full keeps whoever does it. The work is not
	 * pending, or its end would not have been seen.
	 */
	queue_work(lockstep_disk_wq, &f->work);
	return 0;
}

static int wait_for_end(struct lockstep_volume *vol)
{
	struct flushwait_facts facts = { .limit = msecs_to_jiffies(vol->res->disk_timeout_ms) };
	struct lockstep_flusher *f = &vol->flusher;
	enum flushwait next;
	u64 left;

	do {
		facts.begun = smp_load_acquire(&f->begun);
		/* It may begin at this instant, and then later than we looked at the time. */
		facts.waited = max_t(long, jiffies - READ_ONCE(f->since), 0);
		next = flushwait_next(&facts, &left);
		/* Also when the time is over: it may have ended all the same. */
		if (next == FLUSHWAIT_MORE && !left)
			left = MAX_SCHEDULE_TIMEOUT;
		if (wait_for_completion_io_timeout(&f->done, left)) {
			f->out = false;
			return f->err;
		}
	} while (next == FLUSHWAIT_MORE);
	return next == FLUSHWAIT_LATE ? LOCKSTEP_FLUSH_LATE : LOCKSTEP_FLUSH_UNTRIED;
}

/*
 * What the one before was about is what ours is about, too: its error is no better than ours. But
 * it does not say that the devices answer, where that is asked.
 */
static int flush(struct lockstep_volume *vol, bool reads)
{
	struct lockstep_flusher *f = &vol->flusher;
	int before = 0, err = 0;

	mutex_lock(&f->lock);
	if (f->out)
		before = wait_for_end(vol);
	if (!before || (before < 0 && reads && !f->reads))
		err = begin(vol, reads) ?: wait_for_end(vol);
	mutex_unlock(&f->lock);
	return err > 0 ? err : before ?: err;
}

int lockstep_flush_disk(struct lockstep_volume *vol)
{
	return flush(vol, false);
}

int lockstep_flush_try(struct lockstep_volume *vol)
{
	return flush(vol, true);
}
