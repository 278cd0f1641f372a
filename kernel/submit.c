// SPDX-License-Identifier: GPL-2.0
#include "submit.h"

#include <linux/blkdev.h>
#include "resource.h"

static void submit_work(struct work_struct *work)
{
	struct lockstep_submit *s = container_of(work, struct lockstep_submit, work);
	struct bio *bio = s->bio;

	bio_reset(bio, s->bdev, s->opf);
	bio->bi_vcnt = s->vcnt;
	bio->bi_iter = s->iter;
	bio->bi_end_io = s->end_io;
	bio->bi_private = s->private;
	submit_bio_noacct(bio);
}

static void by_worker(struct lockstep_submit *s)
{
	INIT_WORK(&s->work, submit_work);
	queue_work(lockstep_disk_wq, &s->work);
}

static void ended(struct bio *bio)
{
	struct lockstep_submit *s = bio->bi_private;

	/* A stack that has changed since we asked does not know how to refuse. */
	if (bio->bi_status == BLK_STS_AGAIN || bio->bi_status == BLK_STS_NOTSUPP) {
		by_worker(s);
		return;
	}
	bio->bi_private = s->private;
	s->end_io(bio);
}

static void note(struct lockstep_submit *s, struct bio *bio)
{
	s->bio = bio;
	s->bdev = bio->bi_bdev;
	s->iter = bio->bi_iter;
	s->end_io = bio->bi_end_io;
	s->private = bio->bi_private;
	s->opf = bio->bi_opf;
	s->vcnt = bio->bi_vcnt;
}

void lockstep_submit(struct lockstep_submit *s, struct bio *bio)
{
	if (bdev_nowait(bio->bi_bdev)) {
		note(s, bio);
		bio->bi_opf |= REQ_NOWAIT;
		bio->bi_end_io = ended;
		bio->bi_private = s;
	}
	submit_bio_noacct(bio);
}

void lockstep_submit_later(struct lockstep_submit *s, struct bio *bio)
{
	if (!bdev_nowait(bio->bi_bdev)) {
		submit_bio_noacct(bio);
		return;
	}
	note(s, bio);
	by_worker(s);
}
