/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Moves superblocks between memory and the disk. The only writer of metadata while a volume is
 * attached.
 */
#ifndef LOCKSTEP_METAIO_H
#define LOCKSTEP_METAIO_H

#include <linux/types.h>

struct lockstep_volume;

int lockstep_metaio_init(void);
void lockstep_metaio_exit(void);

/*
 * Read both copies, take the newer whole one into vol->meta. old_sect: where a smaller device
 * ended, to be looked at if nothing is at the present end; 0: nowhere. Returns 0 or -errno with a
 * sentence in `why`.
 */
int lockstep_metaio_load(struct lockstep_volume *vol, u64 old_sect, char *why, size_t len);
/* Where the copies lie, by vol->meta and not by the device, which may have grown: vol->sb_sect. */
int lockstep_metaio_place(struct lockstep_volume *vol);
/* Size of the metadata device; 0: internal. */
u64 lockstep_metaio_md_sect(const struct lockstep_volume *vol);

/*
 * Write vol->meta to the older copy and have it stable on return. Flushes the data device first,
 * because what the superblock claims of the data (consistent, up to date) has to be stable before
 * the claim is. ctl held.
 *
 * It waits for the disk for as long as that takes, as does what else is written under ctl, and with
 * it whoever wants ctl: the resource's wait says so (P10). This is accepted. A superblock cannot be
 * left to a worker and a limit: it would get there when its caller has gone back to what was
 * before, and say what is no longer so, of a primary whose demotion failed for example that it is
 * a secondary [S5]; and none could follow it, to say otherwise, before it is back. So a disk that
 * hangs keeps: a promotion, the start of a session and the end of its resync, narrowing, an outcome
 * of fencing, outdating, surrender, a new size, an attach, and what undoes one of these. Demote and
 * down are how somebody gets rid of such a disk: those try it first (lockstep_flush_try), and are
 * kept only if it hangs after that.
 */
int lockstep_metaio_store(struct lockstep_volume *vol);

/*
 * Blocks of 4 KiB to or from the metadata device, at the same time, up to LOCKSTEP_META_BATCH;
 * returns when all are done: 0, or an error one of them had. Writes are on stable storage then.
 * `failed`, if not NULL, gets a bit for each that failed.
 */
#define LOCKSTEP_META_BATCH	8u
int lockstep_metaio_blocks(struct lockstep_volume *vol, bool write, u32 nr, const u64 *sect,
			   void *const *block, unsigned long *failed);

/*
 * Read a block of each device of the volume into `page`, 4 KiB; returns when they have answered. An
 * error is an answer.
 */
void lockstep_metaio_touch(struct lockstep_volume *vol, void *page);

/* Flush the data device. */
int lockstep_metaio_flush_data(struct lockstep_volume *vol);

#endif /* LOCKSTEP_METAIO_H */
