/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's trace of one resource, in an instance of tracefs of its own: nobody else's tracing
 * is disturbed, and none is left behind. One that a killed process has left is removed by the next.
 *
 *   open    events are on, and go on in a ring of which the latest are kept
 *   read    they are off, and each line is handed out, in the order of time
 *   close   the instance is gone
 */
#ifndef LOCKSTEP_TRACEFS_H
#define LOCKSTEP_TRACEFS_H

#include "err.h"
#include "os.h"
#include "trace.h"

struct trace_source;

typedef void (*trace_line_fn)(void *arg, const char *line, size_t len);

/* The kernel's, or a test's. */
struct trace_ops {
	int (*open)(const char *resource, struct trace_source **ret, struct err *e);
	int (*read)(struct trace_source *t, trace_line_fn fn, void *arg, struct err *e);
	void (*close)(struct trace_source *t);	/* NULL is fine */
};

extern const struct trace_ops tracefs;

/* Beyond that a peer's own end of tracing comes by itself. */
#define TRACE_LONGEST_S		60u
/* Writes of one report: what a peer sends is more than these. */
#define TRACE_MAX_COUNT		4000u

/* LOCKSTEP_TRACEFS, or where the kernel wants it to be. */
const char *tracefs_root(void);

/* The two uses of read: what is not to be understood is counted in *ret_bad. */
int trace_read_join(const struct trace_ops *ops, struct trace_source *t, const char *resource,
		    struct trace_join *j, u32 *ret_bad, struct err *e);
int trace_read_peer(const struct trace_ops *ops, struct trace_source *t, const char *resource,
		    struct trace_peer *p, struct err *e);

#endif /* LOCKSTEP_TRACEFS_H */
