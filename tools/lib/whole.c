// SPDX-License-Identifier: GPL-2.0
#include "whole.h"

#include <time.h>

#define PAUSE_MS	100

static u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

int whole_check(const struct model_resource *r, struct err *e)
{
	if (!model_is_partial(r))
		return 0;
	err_set(e, -EAGAIN, "kernel-again", "the kernel is busy with %s, and tells of only %u of "
		"its %u volumes%s%s", r->name, r->nr_volumes, r->kernel_volumes,
		r->wait[0] ? "; it waits for " : "", r->wait);
	err_mend(e, "lockstep status %s, then this again", r->name);
	return -EAGAIN;
}

int whole_status(whole_ask_fn ask, void *arg, const char *name, u32 wait_ms, struct model *ret,
		 struct err *e)
{
	struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };
	u64 end = now_ms() + wait_ms;
	const struct model_resource *r;
	int err;

	for (;;) {
		err = ask(arg, name, ret, e);
		if (err < 0)
			return err;
		r = model_find(ret, name);
		if (!r || !model_is_partial(r))
			return 0;
		if (now_ms() >= end)
			break;
		model_free(ret);
		nanosleep(&pause, NULL);
	}
	err = whole_check(r, e);
	model_free(ret);
	return err;
}
