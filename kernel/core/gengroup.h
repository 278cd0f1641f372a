/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whose data, for all volumes of a resource together.
 *
 * An application may write to several volumes and rely on their order: the volumes are one thing,
 * are promoted, narrowed and copied as one, and so one side has to be the source of all of them.
 * But a disk takes one superblock at a time, and a node may die between two of them. So what
 * gen_compare() says of each volume by itself is put together here:
 *
 *   [G1] A side that closed in no orderly way, or crashed as primary, by what one of its volumes
 *        says, did so with all of them. Half of a promotion (or demotion, or `down`) is no reason
 *        to take one volume from here and another one from there. But not with one that is PRIMARY
 *        now: it is in use, and another one's disk was attached beside it, after it had failed.
 *   [G2] half narrowed: side X died as primary between noting "I go on without the peer" (P4) on
 *        its first volume and on its last. Nothing was completed in that generation: the writes
 *        that wanted it are held until it is durable on every volume. So where it is noted it
 *        counts for nothing, and the volume is compared as if it were not: by the flag NARROWED,
 *        which says that `current` came straight from `since`. All that are noted have the same
 *        id, or it was not one narrowing; so one that a disk refused is tried again by its id.
 *   [G3] half synced: the target Y noted the end of a resync on some volumes and not on others, or
 *        has a new disk for one of them. The up-to-date set is X alone until all are done, so X is
 *        the source of those that are done as well, though they, each by itself, would be taken
 *        from Y because X crashed.
 *
 *   [G4] leftover marks: of a volume of which gen_compare() says marks-*, each side has all that
 *        was completed. So its direction is free, and is that of the others: of a primary, for
 *        example, that has lost one disk of two, and works through the peer. If only such volumes
 *        differ, which they do without a primary, the smaller node id is the source.
 *
 * [G4] comes before [G3]. What still has two directions then is refused by the caller.
 *
 * So is a volume of which Y is in X's history, beside an equal one of X that crashed, and no rule
 * can mend that (P5). An old disk of Y may have been put back: X is the source, and going back to
 * where Y is would throw away what X wrote since. Or Y finished a resync whose end X did not hear,
 * and X, with its since from there, died half narrowed: nothing was completed since, but of the
 * volume that X had not got to, its cache, not flushed yet, may have lost what Y has. The numbers
 * of the two are the same.
 *
 * Volumes that need nothing need nothing: GEN_NONE stands beside either direction.
 */
#ifndef LOCKSTEP_CORE_GENGROUP_H
#define LOCKSTEP_CORE_GENGROUP_H

#include "gen.h"

/*
 * self[i] and peer[i] are the same volume, ret[i] what holds for it; `nr` of each. Pure, and
 * mirrored as gen_compare() is. True: no volume is source while another one is target.
 */
bool gen_compare_group(const struct gen_view *self, const struct gen_view *peer, u32 nr,
		       struct gen_result *ret);

/*
 * [G2] The id to go on with. *tried is the resource's, 0 once every disk has been written since: a
 * disk that refused an id may have it all the same, and may refuse what was to take it back. Such
 * an id is in nobody's hello, so using it again confuses nobody.
 */
static inline u64 gen_group_id(u64 *tried, u64 fresh)
{
	if (!*tried)
		*tried = fresh;
	return *tried;
}

#endif /* LOCKSTEP_CORE_GENGROUP_H */
