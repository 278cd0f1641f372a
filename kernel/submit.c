// SPDX-License-Identifier: GPL-2.0
#include "submit.h"

#include <linux/blkdev.h>
#include <linux/major.h>
#include "compat.h"
#include "resource.h"
#include "submitway.h"

/* ---- jobs ----------------------------------------------------------------------------------- */

static struct lockstep_disk_job *pop(struct lockstep_disk_jobs *jobs)
{
	struct lockstep_disk_job *job;

	spin_lock_irq(&jobs->lock);
	job = list_first_entry_or_null(&jobs->list, struct lockstep_disk_job, node);
	if (job)
		list_del(&job->node);
	spin_unlock_irq(&jobs->lock);
	return job;
}

static void jobs_work(struct work_struct *work)
{
	struct lockstep_disk_jobs *jobs = container_of(work, struct lockstep_disk_jobs, work);
	struct lockstep_disk_job *job;

	while ((job = pop(jobs))) {
		if (job->since)
			WRITE_ONCE(*job->since, jiffies);
		smp_store_release(&job->waiting, false);
		WRITE_ONCE(jobs->busy_since, jiffies | 1);
		job->run(job);
		WRITE_ONCE(jobs->busy_since, 0);
	}
}

void lockstep_disk_jobs_init(struct lockstep_disk_jobs *jobs)
{
	spin_lock_init(&jobs->lock);
	INIT_LIST_HEAD(&jobs->list);
	INIT_WORK(&jobs->work, jobs_work);
	jobs->busy_since = 0;
}

/* The last one may have been what its volume's end waited for: the work is on its way out. */
void lockstep_disk_jobs_exit(struct lockstep_disk_jobs *jobs)
{
	cancel_work_sync(&jobs->work);
}

void lockstep_disk_jobs_add(struct lockstep_disk_jobs *jobs, struct lockstep_disk_job *job,
			    void (*run)(struct lockstep_disk_job *job))
{
	unsigned long flags;

	job->run = run;
	WRITE_ONCE(job->waiting, true);
	spin_lock_irqsave(&jobs->lock, flags);
	list_add_tail(&job->node, &jobs->list);
	/* Under the lock: once it is done, and that may be at once, the volume may go. */
	queue_work(lockstep_disk_wq, &jobs->work);
	spin_unlock_irqrestore(&jobs->lock, flags);
}

bool lockstep_disk_jobs_are_stuck(const struct lockstep_disk_jobs *jobs, unsigned long before)
{
	unsigned long since = READ_ONCE(jobs->busy_since);

	return since && time_before(since, before);
}

/* ---- bios ----------------------------------------------------------------------------------- */

static void submit_job(struct lockstep_disk_job *job)
{
	struct lockstep_submit *s = container_of(job, struct lockstep_submit, job);
	struct bio *bio = s->bio;

	bio_reset(bio, s->bdev, s->opf);
	bio->bi_vcnt = s->vcnt;
	bio->bi_iter = s->iter;
	bio->bi_end_io = s->end_io;
	bio->bi_private = s->private;
	submit_bio_noacct(bio);
}

static void ended(struct bio *bio)
{
	struct lockstep_submit *s = bio->bi_private;

	/* A stack that has changed since we asked does not know how to refuse. */
	if (bio->bi_status == BLK_STS_AGAIN || bio->bi_status == BLK_STS_NOTSUPP) {
		lockstep_disk_jobs_add(s->jobs, &s->job, submit_job);
		return;
	}
	bio->bi_private = s->private;
	s->end_io(bio);
}

static void note(struct lockstep_submit *s, struct lockstep_disk_jobs *jobs, struct bio *bio)
{
	s->jobs = jobs;
	s->bio = bio;
	s->bdev = bio->bi_bdev;
	s->iter = bio->bi_iter;
	s->end_io = bio->bi_end_io;
	s->private = bio->bi_private;
	s->opf = bio->bi_opf;
	s->vcnt = bio->bi_vcnt;
}

static enum submit_way way_of(const struct bio *bio)
{
	const blk_opf_t both = REQ_SYNC | REQ_IDLE;
	struct block_device *bdev = bio->bi_bdev;
	struct submit_facts f = {
		.synchronous = compat_bdev_synchronous(bdev),
		.nowait = bdev_nowait(bdev),
		.mq = queue_is_mq(bdev_get_queue(bdev)),
		.drops_nowait = bdev->bd_disk->major == MD_MAJOR,
		/* wbt_should_throttle() lets pass what has both flags. */
		.throttled = bio_op(bio) == REQ_OP_WRITE && (bio->bi_opf & both) != both,
		.flush = bio->bi_opf & REQ_PREFLUSH,
	};

	return submit_way(&f);
}

void lockstep_submits_init(struct lockstep_submits *ss)
{
	lockstep_disk_jobs_init(&ss->prompt);
	lockstep_disk_jobs_init(&ss->patient);
}

void lockstep_submits_exit(struct lockstep_submits *ss)
{
	lockstep_disk_jobs_exit(&ss->prompt);
	lockstep_disk_jobs_exit(&ss->patient);
}

void lockstep_submit(struct lockstep_submit *s, struct lockstep_submits *ss, struct bio *bio)
{
	enum submit_way way = way_of(bio);

	note(s, way == SUBMIT_PATIENT ? &ss->patient : &ss->prompt, bio);
	if (way == SUBMIT_PROMPT || way == SUBMIT_PATIENT) {
		lockstep_disk_jobs_add(s->jobs, &s->job, submit_job);
		return;
	}
	if (way == SUBMIT_NOWAIT) {
		bio->bi_opf |= REQ_NOWAIT;
		bio->bi_end_io = ended;
		bio->bi_private = s;
	}
	submit_bio_noacct(bio);
}
