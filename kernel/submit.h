/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A bio to a local disk from somebody who must not wait for that disk.
 *
 * A block device with a queue keeps whoever submits until there is room in it, and a disk that
 * hangs makes none. An application's own thread may be kept; not so a receiving thread, which the
 * end of a session waits for, nor a worker or a command that lets others go on (P9, P10). They
 * submit without waiting, and if that is refused a worker takes over, which may sleep as long as it
 * likes. A volume has one for it, and what comes meanwhile waits behind: so a disk that hangs, with
 * all the requests there can be, takes a worker or two and none from another volume.
 *
 * Devices without queues (device mapper, md, brd) either know how to refuse as well, or do not keep
 * anybody: what they cannot do at once they put aside. They get the bio directly.
 */
#ifndef LOCKSTEP_SUBMIT_H
#define LOCKSTEP_SUBMIT_H

#include <linux/bio.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

/* Something that waits for a disk itself. */
struct lockstep_disk_job {
	struct list_head node;
	void (*run)(struct lockstep_disk_job *job);	/* process context, may sleep */
};

/* One after the other. */
struct lockstep_disk_jobs {
	spinlock_t lock;		/* interrupts off; leaf */
	struct list_head list;
	struct work_struct work;
};

void lockstep_disk_jobs_init(struct lockstep_disk_jobs *jobs);
/* None is there, and none comes. */
void lockstep_disk_jobs_exit(struct lockstep_disk_jobs *jobs);
/* Any context. */
void lockstep_disk_jobs_add(struct lockstep_disk_jobs *jobs, struct lockstep_disk_job *job,
			    void (*run)(struct lockstep_disk_job *job));

/* Lives as long as the bio, which it has until bi_end_io is called. */
struct lockstep_submit {
	struct lockstep_disk_job job;	/* free for others while there is no bio */
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

/* Any context in which a bio can be submitted. Everything in the bio is set. */
void lockstep_submit(struct lockstep_submit *s, struct lockstep_disk_jobs *jobs, struct bio *bio);
/*
 * For what the block layer may hold back in favour of others (writes of no hurry), whether there is
 * room or not: by the worker, unless the device has no queue.
 */
void lockstep_submit_later(struct lockstep_submit *s, struct lockstep_disk_jobs *jobs,
			   struct bio *bio);

#endif /* LOCKSTEP_SUBMIT_H */
