// SPDX-License-Identifier: GPL-2.0
#include "split-policy.h"

#include <linux/lockstep.h>
#include <lockstep/disk.h>

static bool is_primary(const struct split_facts *f)
{
	return f->s.role == LOCKSTEP_ROLE_PRIMARY;
}

static bool has_crashed(const struct split_facts *f)
{
	for (u32 i = 0; i < f->s.nr_volumes; i++)
		if (f->v[i].flags & (LOCKSTEP_MF_UNCLEAN | LOCKSTEP_MF_CRASHED_PRIMARY))
			return true;
	return false;
}

static bool wrote_nothing(const struct split_facts *f)
{
	for (u32 i = 0; i < f->s.nr_volumes; i++)
		if (!(f->v[i].flags & LOCKSTEP_MF_MARKS_VALID) || f->v[i].oos_bits)
			return false;
	return f->s.nr_volumes > 0;
}

bool split_policy_yields(const struct split_facts *mine, const struct split_facts *theirs)
{
	bool here = is_primary(mine), there = is_primary(theirs);

	if (mine->s.no_primary != theirs->s.no_primary ||
	    mine->s.one_primary != theirs->s.one_primary ||
	    mine->s.nr_volumes != theirs->s.nr_volumes || here)
		return false;
	if (there)
		return mine->s.one_primary == LOCKSTEP_SP_KEEP_PRIMARY;
	return mine->s.no_primary == LOCKSTEP_SP_KEEP_CHANGED && !has_crashed(mine) &&
	       !has_crashed(theirs) && wrote_nothing(mine) && !wrote_nothing(theirs);
}
