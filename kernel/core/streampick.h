/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which of a session's streams a request takes. Nothing rests on it: overlapping requests are kept
 * apart before they are sent (kernel/ranges.h). It is for the processors' sake only:
 *
 *   request of            stream
 *   an application        that of the processor it comes from, counted around
 *   a copy or comparison  in turn one of the last ones, as many as (streampick_nr_bulk): half of
 *                         the processors, 1 at least, and all but the first stream at most
 *
 * Long requests on several streams are worth it only where several processors take them in. Where
 * there is but one, packets of several streams arrive in each other's midst, so fewer are put
 * together and more are acknowledged: copying by three streams took 1.47 times the processor time
 * of one plain TCP stream, by one 1.26 times (medians, both hosts' QEMU, one processor each).
 *
 * The last ones, because processors are counted from 0: what an application writes waits behind no
 * long request then if there are streams enough. Never the first of several: it has what the
 * session itself has to say, which must not wait.
 */
#ifndef LOCKSTEP_CORE_STREAMPICK_H
#define LOCKSTEP_CORE_STREAMPICK_H

#include "os.h"

/* nr_streams: 1 or more, here and below. Returns the number of a stream, from 0. */
u32 streampick_io(u32 cpu, u32 nr_streams);

/* How many streams long requests are spread over; nr_cpus: those online, 1 or more. */
u32 streampick_nr_bulk(u32 nr_streams, u32 nr_cpus);

/* turn: counts requests, and may overflow. */
u32 streampick_bulk(u32 turn, u32 nr_streams, u32 nr_cpus);

#endif /* LOCKSTEP_CORE_STREAMPICK_H */
