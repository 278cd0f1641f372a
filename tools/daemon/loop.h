/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Small helpers around sd-event: one-shot timers in milliseconds, and dropping a source for good.
 * Everything in the daemon but the work of jobs (job.h) runs in the one loop.
 */
#ifndef LOCKSTEPD_LOOP_H
#define LOCKSTEPD_LOOP_H

#include "os.h"
#include <systemd/sd-event.h>

/* Monotonic; of this turn of the loop. */
u64 loop_now_ms(sd_event *event);

/*
 * Arm a one-shot timer: *source is made at the first call and used again after. At exit of the
 * callback the timer is off until armed again. Failing to make one is fatal for P10, so it
 * aborts.
 */
void loop_timer(sd_event *event, sd_event_source **source, u64 delay_ms,
		sd_event_time_handler_t callback, void *arg);
void loop_timer_off(sd_event_source *source);		/* NULL is fine */

/* Run callback once, at the next turn. Same storage rules. */
void loop_defer(sd_event *event, sd_event_source **source, sd_event_handler_t callback, void *arg);

/* Disable and release: the callback is not called any more. Sets *source to NULL. */
void loop_drop(sd_event_source **source);

#endif /* LOCKSTEPD_LOOP_H */
