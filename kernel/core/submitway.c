// SPDX-License-Identifier: GPL-2.0
#include "submitway.h"

enum submit_way submit_way(const struct submit_facts *f)
{
	if (f->synchronous)
		return SUBMIT_DIRECT;
	if (f->throttled)
		return SUBMIT_PATIENT;
	if (!f->nowait)
		return SUBMIT_PROMPT;
	if (f->mq)
		return SUBMIT_NOWAIT;
	return f->drops_nowait || f->flush ? SUBMIT_PROMPT : SUBMIT_NOWAIT;
}
