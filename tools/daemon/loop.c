// SPDX-License-Identifier: GPL-2.0
#include "loop.h"

#include <stdlib.h>
#include <time.h>

#include "log.h"

#define ACCURACY_US	10000

u64 loop_now_ms(sd_event *event)
{
	uint64_t us = 0;

	(void)sd_event_now(event, CLOCK_MONOTONIC, &us);
	return us / 1000;
}

static void must(int r)
{
	if (r >= 0)
		return;
	log_error("cannot keep time: %s", strerror(-r));
	abort();
}

void loop_timer(sd_event *event, sd_event_source **source, u64 delay_ms,
		sd_event_time_handler_t callback, void *arg)
{
	u64 at_us = (loop_now_ms(event) + delay_ms) * 1000;

	if (!*source) {
		must(sd_event_add_time(event, source, CLOCK_MONOTONIC, at_us, ACCURACY_US,
				       callback, arg));
		return;
	}
	must(sd_event_source_set_time(*source, at_us));
	must(sd_event_source_set_enabled(*source, SD_EVENT_ONESHOT));
}

void loop_timer_off(sd_event_source *source)
{
	if (source)
		(void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

void loop_defer(sd_event *event, sd_event_source **source, sd_event_handler_t callback, void *arg)
{
	if (!*source) {
		must(sd_event_add_defer(event, source, callback, arg));
		return;
	}
	must(sd_event_source_set_enabled(*source, SD_EVENT_ONESHOT));
}

void loop_drop(sd_event_source **source)
{
	if (*source)
		(void)sd_event_source_set_enabled(*source, SD_EVENT_OFF);
	*source = sd_event_source_unref(*source);
}
