// SPDX-License-Identifier: GPL-2.0
#include "flush.h"

#include "diskfail.h"
#include "metaio.h"
#include "resource.h"
#include "volume.h"

/*
 * Reported here, not by who waits: an error that comes late must be known before the volume can be
 * closed, and by then nobody may be waiting.
 */
static void flusher_work(struct work_struct *work)
{
	struct lockstep_volume *vol = container_of(work, struct lockstep_volume, flusher.work);
	int err = lockstep_metaio_flush_data(vol);

	vol->flusher.err = err;
	if (err)
		lockstep_disk_failed(vol, DISK_FAILED_FLUSH, err);
	complete(&vol->flusher.done);
	/* Last: the volume may go. */
	percpu_ref_put(&vol->disk_ref);
}

void lockstep_flusher_init(struct lockstep_volume *vol)
{
	mutex_init(&vol->flusher.lock);
	INIT_WORK(&vol->flusher.work, flusher_work);
	init_completion(&vol->flusher.done);
}

void lockstep_flusher_forget(struct lockstep_volume *vol)
{
	mutex_lock(&vol->flusher.lock);
	vol->flusher.out = false;
	mutex_unlock(&vol->flusher.lock);
}

static int begin(struct lockstep_volume *vol)
{
	struct lockstep_flusher *f = &vol->flusher;

	if (!percpu_ref_tryget_live(&vol->disk_ref))
		return -ENODEV;
	reinit_completion(&f->done);
	f->out = true;
	f->since = jiffies;
	/*
	 * Also the submitting: a disk whose queue is full keeps whoever does it. The work is not
	 * pending, or its end would not have been seen.
	 */
	queue_work(lockstep_disk_wq, &f->work);
	return 0;
}

static int wait_for_end(struct lockstep_volume *vol)
{
	struct lockstep_flusher *f = &vol->flusher;
	u32 ms = vol->res->disk_timeout_ms;
	long left = MAX_SCHEDULE_TIMEOUT;

	if (ms)
		left = max_t(long, f->since + msecs_to_jiffies(ms) - jiffies, 0);
	if (!wait_for_completion_io_timeout(&f->done, left))
		return -ETIMEDOUT;
	f->out = false;
	return f->err;
}

/* What the one before was about is what ours is about, too: its error is no better than ours. */
int lockstep_flush_disk(struct lockstep_volume *vol)
{
	struct lockstep_flusher *f = &vol->flusher;
	int err = 0;

	mutex_lock(&f->lock);
	if (f->out)
		err = wait_for_end(vol);
	if (!err)
		err = begin(vol) ?: wait_for_end(vol);
	mutex_unlock(&f->lock);
	return err;
}
