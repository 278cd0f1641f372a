/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel module as functions: generic netlink family "lockstep" <-> plain structs. The only
 * user of netlink in the tools. What the numbers mean is in include/uapi/linux/lockstep.h, and
 * nothing is decided here.
 *
 * nl_shut() and not nl_close(), because that name is libnl's.
 *
 * Every function returns 0 or a negative errno, and fills in `e` (may be NULL) with the kernel's
 * own sentence where it gave one; outputs are written on success only. Nothing is logged.
 * -ENOPKG, code "no-module": the module is not loaded.
 *
 * A request runs inside the kernel while its sender waits: promote, demote and whatever writes
 * metadata can take seconds. A struct nl serves one thread at a time; open as many as needed.
 *
 * Use:	if (nl_open(&nl, e) < 0 || nl_status(nl, NULL, &model, e) < 0)
 *		...;
 *	model_free(&model);
 *	nl_shut(nl);
 */
#ifndef LOCKSTEP_NL_H
#define LOCKSTEP_NL_H

#include "os.h"
#include "err.h"
#include "model.h"
#include <lockstep/limits.h>

#define NL_RUNS_BYTES	(32u << 10)	/* longest LOCKSTEP_ATTR_RUNS */

struct nl;

/* A socket of its own, ready for requests. */
int nl_open(struct nl **ret, struct err *e);
void nl_shut(struct nl *nl);		/* NULL is fine */

/*
 * What there is, of one resource or (name NULL) of all. *ret is initialised here and to be given
 * to model_free(). A name that is not there is no error: the model is empty then. has_module is
 * set. Of a resource that is busy volumes may be missing: model_is_partial(), and whole.h.
 */
int nl_status(struct nl *nl, const char *name, struct model *ret, struct err *e);

struct nl_resource {
	const char *name;
	u32 node_id, peer_node_id;
	const char *node, *peer;
	u32 timeout_ms, ping_ms;	/* 0: the kernel's default */
	u32 disk_timeout_ms;		/* LOCKSTEP_DEF_DISK_TIMEOUT_MS is not sent; 0: never */
	u32 fencing;			/* enum lockstep_fencing */
	bool auto_promote;
};

int nl_res_add(struct nl *nl, const struct nl_resource *r, struct err *e);
int nl_res_del(struct nl *nl, const char *name, struct err *e);

/* A volume and its disk. */
struct nl_disk {
	u32 volume, minor;		/* minor: of nl_vol_add() alone */
	const char *backing;
	const char *meta;		/* NULL or "": internal */
	u64 device_sect;		/* size when it was last attached, 0: unknown */
};

int nl_vol_add(struct nl *nl, const char *name, const struct nl_disk *d, struct err *e);
int nl_vol_del(struct nl *nl, const char *name, u32 volume, struct err *e);
/* A disk for a volume that has lost its own, and giving one up. */
int nl_vol_attach(struct nl *nl, const char *name, const struct nl_disk *d, struct err *e);
int nl_vol_detach(struct nl *nl, const char *name, u32 volume, struct err *e);
/* Take up the backing device's size. data_sect: the size the volume should have, 0: any. */
int nl_resize(struct nl *nl, const char *name, u32 volume, u64 data_sect, bool force,
	      struct err *e);

struct nl_surrender_volume {
	u32 volume;
	u64 gen_current, gen_since, meta_seq;	/* ours, as whoever decided knew them */
};

/*
 * Split brain: give up what was written here. -EAGAIN: it has changed since, or was primary and may
 * have been written. -EBUSY: it is primary, or there is a session. -EOPNOTSUPP: the module is too
 * old to tell.
 */
int nl_surrender(struct nl *nl, const char *name, const struct nl_surrender_volume *v, u32 nr,
		 struct err *e);

struct nl_promotion {
	bool force;
	bool fenced;			/* the peer's fencing succeeded, begun in this round */
	u32 fence_round;
};

/* -ENOTUNIQ: the peer has to be fenced first. */
int nl_promote(struct nl *nl, const char *name, const struct nl_promotion *p, struct err *e);
int nl_demote(struct nl *nl, const char *name, struct err *e);

/* What may change while a resource is there. NULL: stays. */
struct nl_policies {
	const u32 *fencing;		/* enum lockstep_fencing */
	const bool *auto_promote;
};

/* -EOPNOTSUPP: the module that is loaded does not know what is asked for. */
int nl_res_set(struct nl *nl, const char *name, const struct nl_policies *p, struct err *e);

/* ---- fencing */

/* round NULL: by a person's word, whichever round it is. -ESTALE: it is over. */
int nl_fenced(struct nl *nl, const char *name, const u32 *round, struct err *e);
/* -EPERM: primary; -EUCLEAN: not consistent; -EBUSY: connected. */
int nl_outdate(struct nl *nl, const char *name, struct err *e);

struct nl_session_volume {
	u32 volume;
	u32 verdict;			/* enum gen_verdict */
	u64 gen_current, gen_since;	/* ours, that the verdict was based on */
	u32 flags;			/* the same, with LOCKSTEP_FLAG_* */
	u64 peer_gen_current;
	u32 peer_flags;			/* LOCKSTEP_MF_* */
	u64 data_sect;			/* agreed */
	u32 logical_bytes, physical_bytes, max_io_bytes, caps;
	u32 disk;			/* of the peer */
};

struct nl_session {
	const char *name;
	u64 session_id, epoch, peer_boot_id;
	u32 peer_role, streams, timeout_ms;
	const struct nl_session_volume *volume;
	u32 nr_volumes;
};

/* -EAGAIN from open and start: what the verdict was based on has changed. */
int nl_session_open(struct nl *nl, const struct nl_session *s, struct err *e);
/* The kernel takes a reference of its own: the caller closes fd, whatever this returns. */
int nl_stream_add(struct nl *nl, const char *name, u64 session_id, u32 stream, int fd,
		  struct err *e);
int nl_session_start(struct nl *nl, const char *name, u64 session_id, struct err *e);
/* session_id 0: whatever session there is. */
int nl_session_close(struct nl *nl, const char *name, u64 session_id, struct err *e);

/* One chunk of the out-of-sync bitmap, in the form of kernel/core/rle.h. */
struct nl_marks {
	u64 first_bit;			/* the first gap counts from here */
	u64 next_bit;			/* where to go on, if has_next */
	bool has_next;
	u32 run_bytes;
	u8 runs[NL_RUNS_BYTES];
};

int nl_marks_get(struct nl *nl, const char *name, u32 volume, u64 first_bit,
		 struct nl_marks *ret, struct err *e);
int nl_marks_merge(struct nl *nl, const char *name, u64 session_id, u32 volume, u64 first_bit,
		   const void *runs, u32 run_bytes, struct err *e);
int nl_sync_start(struct nl *nl, const char *name, u64 session_id, u32 volume, struct err *e);

/* ---- verify */

struct nl_verify {
	u32 volume;
	u64 first_bit, nr_bits;		/* nr_bits 0: to the end */
	bool repair, resume;
};

int nl_verify_start(struct nl *nl, const char *name, const struct nl_verify *v, struct err *e);
int nl_verify_stop(struct nl *nl, const char *name, u32 volume, struct err *e);
/* What the last one found to differ. */
int nl_verify_get(struct nl *nl, const char *name, u32 volume, u64 first_bit,
		  struct nl_marks *ret, struct err *e);

/* ---- events */

struct nl_event {
	u32 event;			/* enum lockstep_event */
	u64 seq;
	char name[LOCKSTEP_NAME_BYTES];	/* of the resource */
	bool has_volume;
	/*
	 * With has_volume: of it, as in nl_status. Without: of the resource. Only what the
	 * event carries is set.
	 */
	struct model_resource resource;	/* has no volumes */
	struct model_volume volume;
};

/* A socket that listens to the group "events" and is used for nothing else. */
int nl_events_open(struct nl **ret, struct err *e);
int nl_fd(const struct nl *nl);
/*
 * One event, without waiting. -EAGAIN: none left. -ENOBUFS: some were lost, ask nl_status().
 * -EBADMSG: one that is not to be understood was skipped.
 */
int nl_event_next(struct nl *nl, struct nl_event *ret);

#endif /* LOCKSTEP_NL_H */
