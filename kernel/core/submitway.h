/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a bio gets to a local disk from somebody whom that disk must not keep. kernel/submit.h says
 * who that is, and carries this out. By device and bio, first row that fits:
 *
 *   device                            bio                  way
 *   completes while it submits        any                  DIRECT: brd, pmem; no queue at all
 *   any                               write of no hurry    PATIENT: writeback throttling keeps it,
 *                                                          REQ_NOWAIT or not, for others' sake
 *   knows no REQ_NOWAIT (dm-thin,     any                  PROMPT: it hands requests on in the
 *   dm-crypt)                                              caller's context, who waits below
 *   blk-mq                            any                  NOWAIT
 *   stacked, drops REQ_NOWAIT (md)    any                  PROMPT: as if it did not know it
 *   stacked, passes it on (dm-linear) flush                PROMPT: split up without the flag, or
 *                                                          one at a time
 *                                     any                  NOWAIT
 *
 * A device that passes the flag on to one that drops it (dm-linear on md) looks like one that is
 * fine, and keeps us.
 */
#ifndef LOCKSTEP_CORE_SUBMITWAY_H
#define LOCKSTEP_CORE_SUBMITWAY_H

#include "os.h"

enum submit_way {
	SUBMIT_DIRECT,
	SUBMIT_NOWAIT,			/* and by the first worker if that is refused */
	SUBMIT_PROMPT,			/* by the first worker */
	SUBMIT_PATIENT,			/* by the second */
};

struct submit_facts {
	bool synchronous;		/* the device: completes while it submits */
	bool nowait;			/* knows REQ_NOWAIT */
	bool mq;			/* has queues of its own */
	bool drops_nowait;		/* says so, and does not pass it on */
	bool throttled;			/* the bio: writeback throttling may keep it */
	bool flush;			/* flushes before its data, if it has any */
};

enum submit_way submit_way(const struct submit_facts *f);

#endif /* LOCKSTEP_CORE_SUBMITWAY_H */
