/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who, if anybody, gives up what it wrote in a split brain without a person being asked. Pure. Each
 * side asks about itself only; with the arguments swapped at most one of the two is told to.
 *
 *   primaries  both policies say  and                                   gives up
 *   two        anything                                                 nobody
 *   one        keep-primary                                             the secondary, whatever it
 *                                                                       wrote
 *   none       keep-changed       one side wrote nothing, and the       the side that wrote nothing
 *                                 other one wrote something
 *   otherwise                                                           nobody
 *
 * "Wrote nothing" is what is known, not what is likely: in every volume its marks are complete and
 * name nothing, and neither side crashed since the two were last together: a crash of its own may
 * have taken marks with it, and one of the other side writes that only this one still has.
 */
#ifndef LOCKSTEPD_SPLIT_POLICY_H
#define LOCKSTEPD_SPLIT_POLICY_H

#include "os.h"
#include "wire.h"

/* One side, as it says so itself. */
struct split_facts {
	struct wire_split s;
	struct wire_split_volume v[LOCKSTEP_MAX_VOLUMES];
};

/* Is it we who give up? */
bool split_policy_yields(const struct split_facts *mine, const struct split_facts *theirs);

#endif /* LOCKSTEPD_SPLIT_POLICY_H */
