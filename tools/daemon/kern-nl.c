// SPDX-License-Identifier: GPL-2.0
/*
 * The real kernel: each call opens a netlink socket of its own. That costs two more system calls
 * and buys that calls from several threads never share anything, and that a module which was
 * unloaded and loaded again (its family has another number then) is found.
 */
#include "kern.h"

#include "modprobe.h"

#define MODPROBE_MS	20000

static struct nl *events;

#define CALL(fn, ...)					\
({							\
	struct nl *nl_;					\
	int r_ = nl_open(&nl_, e);			\
							\
	(void)k;					\
	if (r_ == 0) {					\
		r_ = fn(nl_, __VA_ARGS__, e);		\
		nl_shut(nl_);				\
	}						\
	r_;						\
})

static int k_status(void *k, const char *name, struct model *ret, struct err *e)
{
	return CALL(nl_status, name, ret);
}

static int k_res_add(void *k, const struct nl_resource *r, struct err *e)
{
	return CALL(nl_res_add, r);
}

static int k_res_del(void *k, const char *name, struct err *e)
{
	return CALL(nl_res_del, name);
}

static int k_vol_add(void *k, const char *name, const struct nl_disk *d, struct err *e)
{
	return CALL(nl_vol_add, name, d);
}

static int k_vol_del(void *k, const char *name, u32 volume, struct err *e)
{
	return CALL(nl_vol_del, name, volume);
}

static int k_vol_attach(void *k, const char *name, const struct nl_disk *d, struct err *e)
{
	return CALL(nl_vol_attach, name, d);
}

static int k_vol_detach(void *k, const char *name, u32 volume, struct err *e)
{
	return CALL(nl_vol_detach, name, volume);
}

static int k_resize(void *k, const char *name, u32 volume, u64 data_sect, bool force,
		    struct err *e)
{
	return CALL(nl_resize, name, volume, data_sect, force);
}

static int k_promote(void *k, const char *name, const struct nl_promotion *p, struct err *e)
{
	return CALL(nl_promote, name, p);
}

static int k_res_set(void *k, const char *name, const struct nl_policies *p, struct err *e)
{
	return CALL(nl_res_set, name, p);
}

static int k_fenced(void *k, const char *name, const u32 *round, struct err *e)
{
	return CALL(nl_fenced, name, round);
}

static int k_outdate(void *k, const char *name, struct err *e)
{
	return CALL(nl_outdate, name);
}

static int k_demote(void *k, const char *name, struct err *e)
{
	return CALL(nl_demote, name);
}

static int k_surrender(void *k, const char *name, const struct nl_surrender_volume *v, u32 nr,
		       struct err *e)
{
	return CALL(nl_surrender, name, v, nr);
}

static int k_session_open(void *k, const struct nl_session *s, struct err *e)
{
	return CALL(nl_session_open, s);
}

static int k_stream_add(void *k, const char *name, u64 session_id, u32 stream, int fd,
			struct err *e)
{
	return CALL(nl_stream_add, name, session_id, stream, fd);
}

static int k_session_start(void *k, const char *name, u64 session_id, struct err *e)
{
	return CALL(nl_session_start, name, session_id);
}

static int k_session_close(void *k, const char *name, u64 session_id, struct err *e)
{
	return CALL(nl_session_close, name, session_id);
}

static int k_marks_get(void *k, const char *name, u32 volume, u64 first_bit,
		       struct nl_marks *ret, struct err *e)
{
	return CALL(nl_marks_get, name, volume, first_bit, ret);
}

static int k_marks_merge(void *k, const char *name, u64 session_id, u32 volume, u64 first_bit,
			 const void *runs, u32 run_bytes, struct err *e)
{
	return CALL(nl_marks_merge, name, session_id, volume, first_bit, runs, run_bytes);
}

static int k_sync_start(void *k, const char *name, u64 session_id, u32 volume, struct err *e)
{
	return CALL(nl_sync_start, name, session_id, volume);
}

static int k_load(void *k, struct err *e)
{
	struct nl *nl;
	int r = nl_open(&nl, e);

	(void)k;
	if (r == 0) {
		nl_shut(nl);
		return 0;
	}
	return r == -ENOPKG ? modprobe("lockstep", MODPROBE_MS, e) : r;
}

static void k_events_close(void *k)
{
	(void)k;
	nl_shut(events);
	events = NULL;
}

static int k_events_open(void *k, struct err *e)
{
	struct nl *nl;
	int r = nl_events_open(&nl, e);

	if (r < 0)
		return r;
	k_events_close(k);
	events = nl;
	return nl_fd(nl);
}

static int k_event_next(void *k, struct nl_event *ret)
{
	(void)k;
	return events ? nl_event_next(events, ret) : -EAGAIN;
}

static const struct kern_ops netlink_ops = {
	.status = k_status,
	.res_add = k_res_add,
	.res_del = k_res_del,
	.vol_add = k_vol_add,
	.vol_del = k_vol_del,
	.vol_attach = k_vol_attach,
	.vol_detach = k_vol_detach,
	.resize = k_resize,
	.promote = k_promote,
	.res_set = k_res_set,
	.fenced = k_fenced,
	.outdate = k_outdate,
	.demote = k_demote,
	.surrender = k_surrender,
	.session_open = k_session_open,
	.stream_add = k_stream_add,
	.session_start = k_session_start,
	.session_close = k_session_close,
	.marks_get = k_marks_get,
	.marks_merge = k_marks_merge,
	.sync_start = k_sync_start,
	.load = k_load,
	.events_open = k_events_open,
	.event_next = k_event_next,
	.events_close = k_events_close,
};

struct kern kern_netlink = { .ops = &netlink_ops };
