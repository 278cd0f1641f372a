/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What there is, as plain data: resources and volumes as the kernel reports them, and beside them
 * what the daemon knows about each. Filled in by nl.c (kernel) and ctl.c (daemon), read by the
 * printers and the daemon. Knows neither netlink nor text.
 *
 * Numbers mean what include/uapi/linux/lockstep.h says of the attribute of the same name. Strings
 * are always terminated; an empty one is an absent one. A has_ flag guards what may be absent and
 * has no value that says so.
 */
#ifndef LOCKSTEP_MODEL_H
#define LOCKSTEP_MODEL_H

#include "os.h"
#include <lockstep/limits.h>

#define MODEL_PATH_BYTES	256	/* BACKING, META */
#define MODEL_TEXT_BYTES	128	/* WAIT, LINK_LOST, DISK_WHY */
#define MODEL_OPENER_BYTES	64	/* OPENER */

struct model_volume {
	u32 number;
	u32 minor;
	char backing[MODEL_PATH_BYTES];
	char meta[MODEL_PATH_BYTES];	/* empty: internal */
	/* States. */
	u32 disk, peer_disk;		/* enum lockstep_disk_state */
	u32 sync;			/* enum lockstep_sync_state */
	u32 flags;			/* LOCKSTEP_MF_* */
	/* The disk, and what went wrong with it. */
	char disk_why[MODEL_TEXT_BYTES];	/* empty: it was not given up */
	u32 stuck;
	u64 read_errors, write_errors, repairs;
	bool loading;			/* its bitmap is still being read */
	u64 dirty_regions;
	u64 device_sect;		/* of the backing device, by its metadata; 0: unknown */
	/* Size and limits. */
	u64 data_sect, data_max_sect;
	u32 logical_bytes, physical_bytes, max_io_bytes;
	u32 caps;			/* LOCKSTEP_VC_* */
	/* What differs, and the resync that mends it. */
	u64 oos_bits;
	bool has_sync_progress;		/* the next two are there */
	u64 sync_total_bits;
	u64 sync_ms;
	u64 sync_compared_bits, sync_copied_bits, sync_error_bits;
	bool has_sync_rate, has_sync_left;
	u64 sync_rate;			/* bytes a second, of the last seconds */
	u64 sync_left_ms;
	/* Verify. */
	u32 verify;			/* enum lockstep_verify_state */
	u64 verify_first_bit, verify_bit, verify_end_bit;
	u64 verify_bad_bits, verify_repaired_bits;
	/* Generations. */
	u64 gen_current, gen_nr, gen_since;
	u64 gen_history[LOCKSTEP_HISTORY];	/* newest first, 0: unused */
	u32 gen_history_nr;
	u64 last_boot_id;
	u64 meta_seq;			/* 0: an older module, which does not say */
	u64 write_s, primary_s;		/* last application write, last promotion here; 0: never */
	/* Use. */
	u32 openers;
	char opener[MODEL_OPENER_BYTES];	/* empty: nobody has it open */
	u32 in_flight;
	u64 reads, read_sect;
	u64 writes, write_sect;
	u64 peer_writes, peer_write_sect;
	u64 resync_sect;
};

/* One side of a split brain, over all its volumes. */
struct model_split_side {
	char node[LOCKSTEP_NAME_BYTES];
	u32 role;
	bool heard;		/* else nothing is known but its hello: role and marks */
	bool crashed;		/* it was not closed cleanly: the times are "at least" */
	bool marks_known;	/* else nobody knows how much it wrote */
	u64 marked_bytes;	/* written since the two parted */
	u64 dirty_bytes;	/* crashed: up to so much more */
	u64 write_s, primary_s;	/* last application write, last promotion; 0: unknown */
};

struct model_split {
	bool is;
	u64 since_s;		/* when this daemon found it; wall clock */
	u32 volume;		/* the first that is split */
	char rule[24];		/* by which (gen.h) */
	u64 id;			/* changes with what was decided upon; same on both hosts */
	struct model_split_side here, peer;
};

/* What the daemon knows of a resource and the kernel does not. */
struct model_daemon {
	char name[LOCKSTEP_NAME_BYTES];		/* of the resource */
	bool configured;	/* `up` was asked for here: the daemon looks after it */
	bool stay_off;		/* `disconnect` was asked for: it does not dial */
	char config[MODEL_PATH_BYTES];		/* file it was read from */
	char node[LOCKSTEP_NAME_BYTES];		/* who we are */
	char peer[LOCKSTEP_NAME_BYTES];
	char peer_address[288];			/* "10.77.0.2 port 7400" */
	char phase[64];		/* "connecting", "waiting for the peer's marks", "connected" */
	/* The last thing that went wrong and has not been mended since; empty: none. */
	char problem[640];	/* one sentence, no full stop */
	char mend[640];		/* hint: the command or line that mends it */
	char code[32];		/* stable word, as in struct err */
	u64 problem_since_s;	/* wall clock, 0: unknown */
	char note[640];		/* of no consequence, but worth a line; empty: none */
	struct model_split split;
};

struct model_resource {
	char name[LOCKSTEP_NAME_BYTES];
	bool in_kernel;		/* the module has it: all but `daemon` counts only then */
	bool has_daemon;	/* the daemon answered and said something about it */
	struct model_daemon daemon;
	/* From the kernel. */
	u32 node_id, peer_node_id;
	char node[LOCKSTEP_NAME_BYTES], peer[LOCKSTEP_NAME_BYTES];
	u32 timeout_ms, ping_ms;
	bool has_disk_timeout;
	u32 disk_timeout_ms;	/* 0: never */
	u32 role, peer_role;	/* enum lockstep_role */
	u32 link;		/* enum lockstep_link_state */
	u32 io_mode;		/* enum lockstep_io_mode */
	u64 session_id, epoch, boot_id, peer_boot_id;
	u32 streams;
	u32 held;
	u32 fencing;		/* enum lockstep_fencing */
	u32 fence_round;	/* sessions opened so far */
	bool unfenced;		/* frozen until the peer's fate is known */
	u32 auto_promote;	/* bool: opening for writing promotes */
	bool automatic;		/* primary because of that */
	char wait[MODEL_TEXT_BYTES];		/* empty: nothing waits */
	char link_lost[MODEL_TEXT_BYTES];	/* empty: no session ended yet */
	/* More than nr_volumes: it was too busy to tell of all. */
	u32 kernel_volumes;
	/* Sorted by number. */
	struct model_volume *volume;
	u32 nr_volumes;
};

struct model {
	bool has_module;	/* the genetlink family answered */
	bool has_daemon;	/* lockstepd answered */
	struct model_resource *resource;	/* sorted by name */
	u32 nr_resources;
};

void model_init(struct model *m);
void model_free(struct model *m);	/* and leave it as model_init does */
/* *to is initialised here. -ENOMEM: it is empty. */
int model_copy(struct model *to, const struct model *from);

struct model_resource *model_find(const struct model *m, const char *name);
struct model_volume *model_find_volume(const struct model_resource *r, u32 number);

/* Are there volumes that the kernel had no time to tell of? Nothing is known of them then. */
bool model_is_partial(const struct model_resource *r);

/* Size of a volume: the agreed one, and before any agreement all that its disk gives. */
u64 model_volume_sect(const struct model_volume *v);

/*
 * The one of that name, made (zeroed, named) if it is not there yet; NULL: no memory, or more
 * volumes than LOCKSTEP_MAX_VOLUMES. A later call may move what an earlier one returned.
 */
struct model_resource *model_resource(struct model *m, const char *name);
struct model_volume *model_volume(struct model_resource *r, u32 number);

#endif /* LOCKSTEP_MODEL_H */
