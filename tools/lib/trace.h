/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the time of writes goes: the kernel's events (kernel/trace.h) as text, joined to writes,
 * and what they come to. Pure: who reads the text is tracefs.h.
 *
 *   a) trace_parse() each line; trace_join_feed() on the host that writes, trace_peer_feed() on its
 *      peer
 *   b) carry the peer's durations over: those need no common clock
 *   c) trace_sum(), and print it
 *
 * The legs of a write, one after the other, so that they sum to the whole of it:
 *
 *   submit -region- mapped -slot- queued -send- sent -(wire, peer)- answer -local- -finish- end
 *
 * The peer's disk and its answer are what the peer measured; the wire, both ways, is what is left
 * of sent to answer, and so has the network, both hosts' stacks and their threads' waking in it.
 * `local` is how much longer the local disk takes than the answer.
 */
#ifndef LOCKSTEP_TRACE_H
#define LOCKSTEP_TRACE_H

#include <stdio.h>

#include "os.h"
#include <lockstep/wire.h>

enum trace_kind {
	TRACE_SUBMIT,
	TRACE_MAPPED,
	TRACE_LOCAL_START,
	TRACE_LOCAL_DONE,
	TRACE_END,
	/* Of messages: these have a key. */
	TRACE_QUEUED,
	TRACE_SENT,
	TRACE_RECEIVED,
	TRACE_DISK_DONE,
	TRACE_KIND_NR
};

/* One message and its answer, on both hosts. */
struct trace_key {
	u64 epoch;
	u32 stream, slot, gen;
};

struct trace_event {
	enum trace_kind kind;
	u64 ns, id, sector;
	char res[LOCKSTEP_NAME_BYTES];
	u32 volume, bytes, flags, status;
	u8 type;			/* enum lockstep_wire_type, 0: another */
	struct trace_key key;		/* of messages only */
};

/*
 * A line of the trace, which need not be terminated. 1: *ret is an event; 0: no event of ours;
 * -EBADMSG: one that is not to be understood.
 */
int trace_parse(const char *line, size_t len, struct trace_event *ret);

/* ---- the host that writes: trace-join.c */

struct trace_write {
	struct trace_key key;
	u32 volume, bytes;
	u8 type;			/* WRITE, ZEROES or FLUSH */
	bool has_local;			/* both of its times are good */
	u64 ns[TRACE_KIND_NR];		/* RECEIVED: the answer */
};

struct trace_join;

/* Keeps the last `cap` writes that are complete. NULL: no memory. */
struct trace_join *trace_join_create(u32 cap);
void trace_join_free(struct trace_join *j);
/* In the order of time. */
void trace_join_feed(struct trace_join *j, const struct trace_event *ev);

struct trace_joined {
	const struct trace_write *write;	/* the joiner's, in no order */
	u32 nr;
	u32 alone;			/* ended without the peer */
	u32 partial;			/* some of their events are missing */
};

struct trace_joined trace_join_get(const struct trace_join *j);

/* ---- its peer */

struct trace_item {
	struct trace_key key;
	u64 disk_ns, answer_ns;		/* received to disk done, and on to answer sent */
};

struct trace_peer;

struct trace_peer *trace_peer_create(u32 cap);
void trace_peer_free(struct trace_peer *p);
void trace_peer_feed(struct trace_peer *p, const struct trace_event *ev);
const struct trace_item *trace_peer_get(const struct trace_peer *p, u32 *ret_nr);

/* ---- sums: trace-sum.c */

enum trace_leg {
	TRACE_LEG_REGION,		/* its range and its region in the map on the disk */
	TRACE_LEG_SLOT,			/* a slot of a stream */
	TRACE_LEG_SEND,			/* into the socket */
	TRACE_LEG_WIRE,			/* without the peer's half: all from sent to answer */
	TRACE_LEG_PEER_DISK,
	TRACE_LEG_PEER_ANSWER,
	TRACE_LEG_LOCAL,		/* the local disk, after the answer */
	TRACE_LEG_FINISH,
	TRACE_LEG_TOTAL,
	TRACE_LEG_LOCAL_DISK,		/* all of it, beside the others */
	TRACE_LEG_NR
};

struct trace_stat {
	s64 median_ns, p99_ns, mean_ns;
};

struct trace_sum {
	u32 nr;				/* writes that are summed here */
	u32 unmatched;			/* those of which the peer's half is missing */
	u32 nr_local;			/* of nr: with a local disk */
	u32 median_bytes;
	u64 span_ns;			/* from the first submission to the last end */
	bool has_peer;
	struct trace_stat leg[TRACE_LEG_NR];
};

enum trace_class { TRACE_WRITES, TRACE_FLUSHES, TRACE_CLASS_NR };

/*
 * The `max` latest of a class. With the peer's half (has_peer, `item` in any order: it is sorted)
 * only what is in both. -ENOMEM.
 */
int trace_sum(const struct trace_write *w, u32 nr, enum trace_class class, u32 max, bool has_peer,
	      struct trace_item *item, u32 nr_items, struct trace_sum *ret);

struct trace_report {
	const char *name, *node, *peer;
	const char *no_peer;		/* why the peer's half is missing; NULL: it is not */
	u32 partial;
	struct trace_sum sum[TRACE_CLASS_NR];
};

void trace_print_text(FILE *f, const struct trace_report *r);
/* -1: it could not be written. */
int trace_print_json(FILE *f, const struct trace_report *r);

#endif /* LOCKSTEP_TRACE_H */
