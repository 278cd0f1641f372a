/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel side as the daemon sees it, behind one table, so that the tests can put a kernel of
 * their own in its place. The functions mean what those of the same name in tools/lib/nl.h mean.
 * All but the event ones may wait and are called from jobs, several at a time; each stands on its
 * own.
 */
#ifndef LOCKSTEPD_KERN_H
#define LOCKSTEPD_KERN_H

#include "nl.h"
#include "whole.h"

struct kern_ops {
	int (*status)(void *k, const char *name, struct model *ret, struct err *e);
	int (*res_add)(void *k, const struct nl_resource *r, struct err *e);
	int (*res_del)(void *k, const char *name, struct err *e);
	int (*vol_add)(void *k, const char *name, const struct nl_disk *d, struct err *e);
	int (*vol_del)(void *k, const char *name, u32 volume, struct err *e);
	int (*vol_attach)(void *k, const char *name, const struct nl_disk *d, struct err *e);
	int (*vol_detach)(void *k, const char *name, u32 volume, struct err *e);
	int (*resize)(void *k, const char *name, u32 volume, u64 data_sect, bool force,
		      struct err *e);
	int (*promote)(void *k, const char *name, const struct nl_promotion *p, struct err *e);
	int (*demote)(void *k, const char *name, struct err *e);
	int (*surrender)(void *k, const char *name, const struct nl_surrender_volume *v, u32 nr,
			 struct err *e);
	int (*res_set)(void *k, const char *name, const struct nl_policies *p, struct err *e);
	int (*fenced)(void *k, const char *name, const u32 *round, struct err *e);
	int (*outdate)(void *k, const char *name, struct err *e);
	int (*session_open)(void *k, const struct nl_session *s, struct err *e);
	int (*stream_add)(void *k, const char *name, u64 session_id, u32 stream, int fd,
			  struct err *e);
	int (*session_start)(void *k, const char *name, u64 session_id, struct err *e);
	int (*session_close)(void *k, const char *name, u64 session_id, struct err *e);
	int (*marks_get)(void *k, const char *name, u32 volume, u64 first_bit,
			 struct nl_marks *ret, struct err *e);
	/* Of this session, not of one that came after it: -ENOTCONN. */
	int (*marks_merge)(void *k, const char *name, u64 session_id, u32 volume, u64 first_bit,
			   const void *runs, u32 run_bytes, struct err *e);
	int (*sync_start)(void *k, const char *name, u64 session_id, u32 volume, struct err *e);
	/* Load the module if it is not there. */
	int (*load)(void *k, struct err *e);
	/* Loop only. (Re)open the event socket; returns its descriptor, which stays the kern's. */
	int (*events_open)(void *k, struct err *e);
	int (*event_next)(void *k, struct nl_event *ret);
	void (*events_close)(void *k);
};

struct kern {
	const struct kern_ops *ops;
	void *arg;
};

/* status() with all volumes of that resource, see whole.h; -EAGAIN: it is busy. */
static inline int kern_status_whole(const struct kern *k, const char *name, u32 wait_ms,
				    struct model *ret, struct err *e)
{
	return whole_status(k->ops->status, k->arg, name, wait_ms, ret, e);
}

/* The real one. One per process. */
extern struct kern kern_netlink;

#endif /* LOCKSTEPD_KERN_H */
