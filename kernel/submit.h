/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A bio to a local disk from somebody who must not wait for that disk.
 *
 * A block device keeps whoever submits until there is room in its queue, and a disk that hangs
 * makes none. An application's own thread may be kept; not so a receiving thread, which the end of
 * a session waits for, nor a worker or a command that lets others go on (P9, P10). They submit
 * without waiting where that is possible, and else a worker does it, which may sleep as long as it
 * likes. A volume has two for it, and what comes meanwhile waits behind: so a disk that hangs, with
 * all the requests there can be, takes a few workers and none from another volume. Who goes which
 * way: core/submitway.h.
 */
#ifndef LOCKSTEP_SUBMIT_H
#define LOCKSTEP_SUBMIT_H

#include <linux/bio.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

/* Something that waits for a disk itself. */
struct lockstep_disk_job {
	struct list_head node;
	void (*run)(struct lockstep_disk_job *job);	/* process context, may sleep */
	unsigned long *since;		/* see lockstep_disk_job_is_late */
	bool waiting;			/* on the list */
};

/*
 * It has not been added. Its request counts from *since (jiffies; or NULL) how long the disk has
 * it. What waits in our own list is not at the disk: the count begins anew when its turn comes.
 */
static inline void lockstep_disk_job_init(struct lockstep_disk_job *job, unsigned long *since)
{
	job->since = since;
	job->waiting = false;
}

/* Has the disk had it since before `before`? It may come back, or be added, meanwhile. */
static inline bool lockstep_disk_job_is_late(const struct lockstep_disk_job *job,
					     unsigned long before)
{
	return !smp_load_acquire(&job->waiting) && time_before(READ_ONCE(*job->since), before);
}

/* One after the other. */
struct lockstep_disk_jobs {
	spinlock_t lock;		/* interrupts off; leaf */
	struct list_head list;
	struct work_struct work;
	unsigned long busy_since;	/* jiffies: the job under way; 0: none */
};

void lockstep_disk_jobs_init(struct lockstep_disk_jobs *jobs);
/* None is there, and none comes. */
void lockstep_disk_jobs_exit(struct lockstep_disk_jobs *jobs);
/* Any context. */
void lockstep_disk_jobs_add(struct lockstep_disk_jobs *jobs, struct lockstep_disk_job *job,
			    void (*run)(struct lockstep_disk_job *job));

/* Is one at it since before `before` (jiffies)? Whoever waits behind it is not late, see above. */
bool lockstep_disk_jobs_are_stuck(const struct lockstep_disk_jobs *jobs, unsigned long before);

/* Of a volume. */
struct lockstep_submits {
	struct lockstep_disk_jobs prompt, patient;
};

void lockstep_submits_init(struct lockstep_submits *ss);
/* As above. */
void lockstep_submits_exit(struct lockstep_submits *ss);

/* Lives as long as the bio, which it has until bi_end_io is called. */
struct lockstep_submit {
	struct lockstep_disk_job job;	/* free for others while the bio is not there */
	struct lockstep_disk_jobs *jobs;
	/* The bio as it was: one that was refused in part is used up, and done again as a whole. */
	struct bio *bio;
	struct block_device *bdev;
	struct bvec_iter iter;
	bio_end_io_t *end_io;
	void *private;
	blk_opf_t opf;
	unsigned short vcnt;
};

/*
 * Process context. Everything in the bio is set, and s->job initialised. A worker makes the bio
 * anew: nobody else looks into it until bi_end_io is called.
 */
void lockstep_submit(struct lockstep_submit *s, struct lockstep_submits *ss, struct bio *bio);

#endif /* LOCKSTEP_SUBMIT_H */
