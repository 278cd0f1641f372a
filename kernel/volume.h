/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A volume: one /dev/lockstepN over one backing device, and its metadata. Belongs to one resource,
 * whose ctl guards everything that changes; requests hold `ref`, so that a volume outlives them.
 */
#ifndef LOCKSTEP_VOLUME_H
#define LOCKSTEP_VOLUME_H

#include <linux/blkdev.h>
#include <linux/mutex.h>
#include <linux/percpu-refcount.h>
#include <linux/completion.h>
#include <linux/sched.h>
#include "compat.h"
#include "bitmapio.h"
#include "engine.h"
#include "flush.h"
#include "flushnote.h"
#include "gen.h"
#include "marks.h"
#include "meta.h"
#include "ranges.h"
#include "regionmap.h"
#include "resource.h"
#include "resync.h"
#include "submit.h"
#include "verify.h"

#define LOCKSTEP_PATH_BYTES	256

/* What a copy's device can do, ours or the peer's. */
struct lockstep_limits {
	u32 logical_bytes, physical_bytes, max_io_bytes;
	u32 caps;			/* LOCKSTEP_VC_* */
};

/* The peer's side of this volume in the present session, from SESSION_OPEN. Under resource.ctl. */
struct lockstep_peer_volume {
	bool valid;
	enum gen_verdict verdict;
	u64 gen;
	u32 flags;
	struct lockstep_limits limits;
	u64 data_sect;			/* agreed */
	u64 expect_current, expect_since;	/* ours, when the verdict was made */
	u32 expect_flags;
	u8 disk;			/* enum lockstep_disk_state */
};

/* What a change of the metadata changes, as it was: status.c goes back to it if it must. */
struct lockstep_volume_before {
	struct meta meta;
	bool sync_told, unproven, serving, pulled;
	u8 sync, peer_disk;
};

struct lockstep_volume {
	/* Immutable after creation. */
	struct lockstep_resource *res;
	u32 number, minor;
	char backing[LOCKSTEP_PATH_BYTES], meta_path[LOCKSTEP_PATH_BYTES];
	struct lockstep_bdev data, md;	/* md.bdev == data.bdev for internal metadata */
	struct gendisk *disk;
	u64 data_max_sect;
	struct lockstep_limits local;	/* of the backing device */

	struct percpu_ref ref;		/* application requests and openers in open() */
	struct completion ref_done;
	/* What an application waits for at the local disk; dead: given up. See diskfail.h. */
	struct percpu_ref disk_ref;
	struct completion disk_done;
	struct list_head flushes;	/* in flight; under resource.io_lock */
	struct lockstep_flusher flusher;
	struct lockstep_flush_notes flush_notes;

	/* Under resource.ctl. */
	struct meta meta;
	struct lockstep_volume_before before;
	/* the copy that is newest on disk; the next write goes to the other */
	int meta_copy;
	u64 sb_sect[2];			/* where the copies lie */
	void *meta_page;		/* 4 KiB buffer of metaio */
	u64 data_sect;			/* size now */
	struct lockstep_peer_volume peer;
	bool sync_told;			/* target: SYNC_DONE has come; source: SYNC_DONE_OK has */

	struct mutex open_lock;
	/* Under open_lock. */
	u32 openers;
	bool writable;			/* role is primary: opening for writing is allowed */
	bool going;			/* being removed: no more openers */
	char opener[TASK_COMM_LEN + 16];	/* the first of the present ones */

	bool stale;			/* our copy is not fit to be read; written under ctl */
	bool failed;			/* the disk was given up; written under ctl */
	/* Attached under a primary: the peer knows better what it is worth. Under ctl. */
	bool unproven;
	/*
	 * We are the source of a primary that works through us, and mark what it writes: some of it
	 * is on no disk of its own. Under ctl.
	 */
	bool serving;
	/* As source: the peer has copied everything by itself. Under ctl. */
	bool pulled;
	char disk_why[LOCKSTEP_WHY_BYTES];	/* what it failed; under ctl */
	atomic_t disk_report;		/* the same, just reported: core/diskreport.h */
	unsigned long disk_told;	/* jiffies: when the log had it that it hangs; 0: not yet */
	struct lockstep_ranges ranges;
	struct lockstep_marks marks;
	struct lockstep_engine engine;
	struct lockstep_regions regions;
	struct lockstep_bitmap_io bitmap_io;
	struct lockstep_resync resync;
	struct lockstep_verify verify;
	struct lockstep_submits submits;
	struct lockstep_disk_jobs zeroes;	/* where the disk writes none by itself */

	/* Counters for status; a lost update under contention is accepted. */
	atomic_t in_flight;
	atomic64_t reads, read_sect, writes, write_sect;
	atomic64_t peer_writes, peer_write_sect, resync_sect;
	atomic64_t read_errors, write_errors, repairs;
	u64 write_s;			/* wall clock of the last application write */
	atomic_t stuck;			/* abandoned requests that have not come back */
	atomic_t strays;		/* of the peer, likewise: peerreq.h */
	atomic_t local_reads;		/* at the local disk */
	unsigned long read_progress;	/* jiffies: the first of them began, or one came back */
};

int lockstep_volume_init(void);
void lockstep_volume_exit(void);

/*
 * Open the backing device, take up its metadata, create the disk. old_sect: size of the device when
 * it was last attached, 0: unknown. ctl held. `*why` gets a sentence on failure (static or in
 * `buf`).
 */
int lockstep_volume_add_locked(struct lockstep_resource *res, u32 number, u32 minor,
			       const char *backing, const char *meta_path, u64 old_sect, char *why,
			       size_t len);

/*
 * Removing takes three steps, so that of several volumes all go or none. ctl is held from the first
 * to the last.
 * (1) Nobody opens it from here on, or -EBUSY, with a sentence that names who has it open.
 * (2) Once the session is closed: does its disk answer? -EBUSY if it has kept something, or would.
 * (3) It goes; closed as clean, as far as the disk takes it.
 * Or stay: of (1) nothing is left.
 */
int lockstep_volume_leave_locked(struct lockstep_volume *vol, char *why, size_t len);
int lockstep_volume_may_go_locked(struct lockstep_volume *vol, char *why, size_t len);
void lockstep_volume_del_locked(struct lockstep_volume *vol);
void lockstep_volume_stay_locked(struct lockstep_volume *vol);

/*
 * Put another disk in the place of the one that was given up, with what its metadata says. On
 * failure all is as before. ctl held, no session, nothing at the old disk.
 */
int lockstep_volume_replace_locked(struct lockstep_volume *vol, const char *backing,
				   const char *meta_path, u64 old_sect, char *why, size_t len);

/* Requests of a session that is over, the peer's and of a resync, at its disk [S9]. */
u32 lockstep_volume_strays(struct lockstep_volume *vol);

/* -EBUSY, with a sentence that names the opener, while somebody has it open. */
int lockstep_volume_unused(struct lockstep_volume *vol, char *why, size_t len);

/*
 * Opening for writing from now on allowed or not. Not allowing fails with -EBUSY while it is open.
 */
int lockstep_volume_set_writable(struct lockstep_volume *vol, bool writable, char *why, size_t len);

/*
 * Take over what the session agreed on: limits, and the size, which is on the disk on return.
 * -EBUSY (in use) or what else it is, with a sentence. ctl held.
 */
int lockstep_volume_agree_locked(struct lockstep_volume *vol, char *why, size_t len);

/* enum lockstep_disk_state of our copy, from the metadata in memory. */
u8 lockstep_volume_disk(const struct lockstep_volume *vol);


#endif /* LOCKSTEP_VOLUME_H */
