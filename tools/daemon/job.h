/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Work that may wait: requests to the kernel (which run inside the sender's system call, disk
 * writes included) and name look-ups. A job runs in a thread of its own choosing and touches
 * nothing but itself; what follows from it happens in the loop, which therefore never stands
 * still: the peer may need it to get the very answer a promotion waits for.
 *
 * A job has no deadline, because nothing can call a thread back from the kernel. Whoever starts
 * one has a deadline of its own, and says in its status that it waits for the kernel.
 */
#ifndef LOCKSTEPD_JOB_H
#define LOCKSTEPD_JOB_H

#include "os.h"
#include <systemd/sd-event.h>

struct jobs;

struct job {
	void (*work)(struct job *j);	/* in a thread */
	void (*done)(struct job *j);	/* in the loop; j is its to free */
	struct job *next;
};

int jobs_create(sd_event *event, struct jobs **ret);
/*
 * Waits up to wait_ms for running jobs; done() of finished ones is called. Jobs still running then
 * are left behind with their threads: only to be followed by exit.
 */
void jobs_destroy(struct jobs *jobs, unsigned int wait_ms);

/* Always takes the job: where no thread can be had, it waits for one that becomes free. */
void job_start(struct jobs *jobs, struct job *j);

#endif /* LOCKSTEPD_JOB_H */
