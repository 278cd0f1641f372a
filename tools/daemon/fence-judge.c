// SPDX-License-Identifier: GPL-2.0
#include "fence-judge.h"

#include <linux/lockstep.h>
#include <stdio.h>

#define FIRST_RETRY_MS	1000u
#define LAST_RETRY_MS	60000u

enum fence_verdict fence_judge(u32 policy, const struct hook_result *res)
{
	if (res->end != HOOK_EXITED)
		return FENCE_STAY;
	switch (res->value) {
	case FENCE_EXIT_INCONSISTENT:
	case FENCE_EXIT_OUTDATED:
	case FENCE_EXIT_FENCED:
		return FENCE_GO_ON;
	case FENCE_EXIT_UNREACHABLE:
		return policy == LOCKSTEP_FENCING_OUTDATE ? FENCE_GO_ON : FENCE_STAY;
	case FENCE_EXIT_PRIMARY:
		return FENCE_PRIMARY;
	default:
		return FENCE_STAY;
	}
}

void fence_exit_text(const struct hook_result *res, char *ret, size_t size)
{
	static const char *const text[] = {
		[FENCE_EXIT_INCONSISTENT] = "the peer's copy is inconsistent",
		[FENCE_EXIT_OUTDATED]	= "the peer is outdated",
		[FENCE_EXIT_UNREACHABLE] = "the peer cannot be reached",
		[FENCE_EXIT_PRIMARY]	= "the peer is primary",
		[FENCE_EXIT_FENCED]	= "the peer was fenced",
	};

	if (res->end == HOOK_EXITED && (u32)res->value < ARRAY_SIZE(text) && text[res->value])
		snprintf(ret, size, "says that %s (exit code %d)", text[res->value], res->value);
	else
		hook_result_text(res, ret, size);
}

enum fence_what fence_next(const struct fence_sight *s)
{
	if (s->is_busy)
		return FENCE_NOTHING;
	if (s->asked && s->has_program)
		return FENCE_RUN;
	if (s->is_waiting)
		return FENCE_NOTHING;
	if (s->unfenced)
		return s->has_program && !s->is_held ? FENCE_RUN : FENCE_NOTHING;
	return s->in_sync && s->has_unfence && !s->undone ? FENCE_UNDO : FENCE_NOTHING;
}

u32 fence_backoff_ms(u32 wait_ms)
{
	return wait_ms ? min(wait_ms * 2, LAST_RETRY_MS) : FIRST_RETRY_MS;
}
