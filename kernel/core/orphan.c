// SPDX-License-Identifier: GPL-2.0
#include "orphan.h"

enum orphan_next orphan_next(const struct orphan_facts *f)
{
	if (!f->through_epoch || !f->given_up || f->parked)
		return ORPHAN_PARK;
	return f->resent || f->call_epoch == f->through_epoch ? ORPHAN_SETTLE : ORPHAN_SEND;
}

bool orphan_is_bound(bool alone, bool is_flush)
{
	return alone && !is_flush;
}
