/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A bio to a local disk from somebody who must not wait for that disk.
 *
 * A block device with a queue keeps whoever submits until there is room in it, and a disk that
 * hangs makes none. An application's own thread may be kept; not so a receiving thread, which the
 * end of a session waits for, nor a worker or a command that lets others go on (P9, P10). They
 * submit without waiting, and if that is refused a worker of its own takes over, which may sleep as
 * long as it likes.
 *
 * Devices without queues (device mapper, md, brd) either know how to refuse as well, or do not keep
 * anybody: what they cannot do at once they put aside. They get the bio directly.
 */
#ifndef LOCKSTEP_SUBMIT_H
#define LOCKSTEP_SUBMIT_H

#include <linux/bio.h>
#include <linux/workqueue.h>

/* Lives as long as the bio, which it has until bi_end_io is called. */
struct lockstep_submit {
	struct work_struct work;
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
void lockstep_submit(struct lockstep_submit *s, struct bio *bio);
/*
 * For what the block layer may hold back in favour of others (writes of no hurry), whether there is
 * room or not: by the worker, unless the device has no queue.
 */
void lockstep_submit_later(struct lockstep_submit *s, struct bio *bio);

#endif /* LOCKSTEP_SUBMIT_H */
