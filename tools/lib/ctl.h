/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the command line and the daemon say to each other, over a unix stream socket (mode 0600):
 * one JSON object a line, one line of request and one of reply per connection.
 *
 *   {"version":1,"command":"up","resource":"r0","options":{"node":"alice"}}
 *   {"version":1,"ok":true,"text":"r0 is up"}
 *   {"version":1,"ok":false,"code":"no-key","error":"...","means":"...","hint":"..."}
 *   {"version":1,"ok":true,"resources":[{"name":"r0","configured":true,"phase":"connecting",...}]}
 *
 * `events` is answered by a stream of lines (event.h), or by a refusal as above.
 *
 * The reply to `status` carries what the daemon knows (struct model_daemon); what the kernel knows
 * the command line asks the kernel, so that there is one source for each fact and a dead daemon
 * takes none of the kernel's with it.
 *
 * ctl.c has no sockets: everything but ctl_call() (ctl-call.c, command line only) works on buffers.
 * A line is bounded, and nothing in it is trusted.
 */
#ifndef LOCKSTEP_CTL_H
#define LOCKSTEP_CTL_H

#include "os.h"
#include "err.h"
#include "model.h"
#include "trace.h"

#define CTL_VERSION		1
#define CTL_SOCKET		"/run/lockstep/lockstepd.sock"	/* LOCKSTEP_SOCKET wins */
#define CTL_REQUEST_BYTES	(64u << 10)	/* longest line, with its newline */
#define CTL_REPLY_BYTES		(4u << 20)

enum ctl_command {
	CTL_UP,			/* (re-)read the file, make it, look for the peer; all: all files */
	CTL_DOWN,		/* close the session, remove the resource; all: every one */
	CTL_STATUS,		/* without resource: of all */
	CTL_PROMOTE,		/* option force */
	CTL_DEMOTE,
	CTL_CONNECT,		/* look for the peer again after CTL_DISCONNECT, and at once */
	CTL_DISCONNECT,		/* end the session and stay off until CTL_CONNECT */
	/* disks for volumes that have lost theirs, from the configuration; without volume: all */
	CTL_ATTACH,
	CTL_DETACH,		/* give up the disk of a volume */
	CTL_RESIZE,		/* both sides' disks, then the volume; force: smaller, too */
	CTL_EVENTS,		/* lines of event.h, until either side closes; or an error */
	CTL_RESOLVE,		/* split brain: whose changes are to count */
	CTL_RESUME,		/* go on without the peer: a person knows that it is no primary */
	CTL_OUTDATE,		/* the peer goes on without our copy */
	CTL_TRACE,		/* the peer begins to trace our writes; end: what it has seen */
	CTL_COMMAND_NR
};

enum ctl_keep {
	CTL_KEEP_NONE,
	CTL_KEEP_HERE,
	CTL_KEEP_PEER,
};

struct ctl_request {
	enum ctl_command command;
	char resource[LOCKSTEP_NAME_BYTES];	/* empty: none given */
	char node[LOCKSTEP_NAME_BYTES];		/* option: who we are; empty: not given */
	bool force;
	bool all;				/* instead of a resource, for up and down */
	bool has_volume;
	u32 volume;
	u64 size_sect;				/* of CTL_RESIZE; 0: all that both sides can give */
	enum ctl_keep keep;			/* of CTL_RESOLVE, */
	u64 split_id;				/* and the split that was looked at */
	bool dry_run;				/* of CTL_CONNECT: say what would happen */
	bool end;				/* of CTL_TRACE */
};

/* Path of the socket: `option` if not NULL, else the environment, else CTL_SOCKET. */
const char *ctl_socket_path(const char *option);

const char *ctl_command_name(enum ctl_command c);

/* ---- daemon's half. Each returns a malloc'ed line with its newline; NULL: no memory. */

/*
 * `line` need not be terminated; a trailing newline is allowed. Refuses unknown members, unknown
 * commands, bad names and a missing resource; on success every string is a valid name or empty.
 */
int ctl_parse_request(const char *line, size_t len, struct ctl_request *ret, struct err *e);

/* Done; `text` is one sentence for the person, may be NULL. */
char *ctl_reply_ok(const char *text);
char *ctl_reply_err(const struct err *e);
char *ctl_reply_status(const struct model_daemon *facts, size_t nr);
/* At most LOCKSTEP_TRACE_ITEMS, of one session. */
char *ctl_reply_trace(const struct trace_item *item, u32 nr);

/* ---- command line's half */

struct ctl_reply {
	char text[512];			/* empty: none */
	struct model_daemon *facts;	/* only for CTL_STATUS, else NULL */
	size_t nr_facts;
	struct trace_item *items;	/* only for CTL_TRACE, else NULL */
	u32 nr_items;
};

void ctl_reply_free(struct ctl_reply *r);

char *ctl_format_request(const struct ctl_request *r);

/* An error reply is returned as -EREMOTEIO with e as the daemon put it. */
int ctl_parse_reply(const char *line, size_t len, struct ctl_reply *ret, struct err *e);

/* Put the facts of a status reply beside the kernel's. */
int ctl_merge(struct model *m, const struct ctl_reply *r, struct err *e);

/*
 * One request and its reply, all within timeout_ms. -ECONNREFUSED: no daemon listens there (the
 * caller may go straight to the kernel); -EREMOTEIO: the daemon refused, e is its; else e says what
 * broke.
 */
int ctl_call(const char *path, const struct ctl_request *r, unsigned int timeout_ms,
	     struct ctl_reply *ret, struct err *e);

/* A request that is answered by more than one line; errors as of ctl_call(). */
struct ctl_stream {
	int fd;
	const char *path;		/* the caller's */
	char *buf;
	size_t len, cap, used;		/* used: of the line that was given last */
};

int ctl_stream_open(struct ctl_stream *s, const char *path, const struct ctl_request *r,
		    unsigned int timeout_ms, struct err *e);
void ctl_stream_close(struct ctl_stream *s);
enum ctl_next {
	CTL_CLOSED,		/* by the daemon */
	CTL_LINE,
	CTL_STOP,		/* nobody reads stop_fd, a pipe of ours (-1: none), any more */
};

/*
 * Wait for the next line, with its newline, at most max_bytes; good until the next call.
 * timeout_ms -1: as long as it takes. Returns enum ctl_next or an error.
 */
int ctl_stream_next(struct ctl_stream *s, size_t max_bytes, int timeout_ms, int stop_fd,
		    const char **ret, size_t *ret_len, struct err *e);

#endif /* LOCKSTEP_CTL_H */
