// SPDX-License-Identifier: GPL-2.0
#include "flushwait.h"

enum flushwait flushwait_next(const struct flushwait_facts *f, u64 *ret_left)
{
	*ret_left = 0;
	if (!f->limit)
		return FLUSHWAIT_MORE;
	if (f->waited < f->limit) {
		*ret_left = f->limit - f->waited;
		return FLUSHWAIT_MORE;
	}
	return f->begun ? FLUSHWAIT_LATE : FLUSHWAIT_UNTRIED;
}
