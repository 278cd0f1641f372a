/* SPDX-License-Identifier: GPL-2.0 */
/* What trace-write can be asked of, and why it saw nothing: pure, for the sentences' test. */
#ifndef LOCKSTEP_TRACE_JUDGE_H
#define LOCKSTEP_TRACE_JUDGE_H

#include "err.h"
#include "model.h"
#include "trace.h"

/* May the writes of `r` be traced here, as it is now? */
int trace_judge_state(const struct model_resource *r, struct err *e);

/* No write is in the report: `got` is what was joined, `bad` what was not to be understood. */
int trace_judge_nothing(const struct model_resource *r, const struct trace_joined *got, u32 bad,
			u32 timeout_s, struct err *e);

#endif /* LOCKSTEP_TRACE_JUDGE_H */
