/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One line of `lockstep events`: what changed, as plain data, and its two forms. The daemon writes
 * the JSON form (events.schema.json) to whoever listens, the command line passes it on or turns it
 * into the text form of lockstep(8):
 *
 *   SEQ TIME KIND RESOURCE[/VOLUME] key=value...
 *
 * Which keys a kind has is one row of one table (event.c), for both forms alike. Pure: no sockets,
 * no clock.
 */
#ifndef LOCKSTEP_EVENT_H
#define LOCKSTEP_EVENT_H

#include <stdio.h>

#include "err.h"
#include "model.h"

#define EVENT_VERSION	1
#define EVENT_TEXTS	4
#define EVENT_TEXT_BYTES 640
#define EVENT_NUMBERS	4
#define EVENT_LINE_BYTES (4u << 20)	/* longest line: a state with its volumes */

enum event_kind {
	/* About the stream. */
	EVENT_BEGIN,			/* texts: stream; numbers: resources */
	EVENT_STATE,			/* made by event_state_line() alone */
	EVENT_RESYNC,			/* texts: text. State of everything follows */
	EVENT_END,			/* texts: code text. Nothing follows */
	/* About a resource; the first two with a volume, too. */
	EVENT_APPEARED,
	EVENT_GONE,
	EVENT_ROLE,			/* texts: old new, and so on where nothing is said */
	EVENT_AUTOMATIC,
	EVENT_PEER_ROLE,
	EVENT_LINK,			/* ... why */
	EVENT_IO,
	EVENT_WAIT,
	EVENT_PHASE,
	EVENT_PROBLEM,			/* texts: code text means mend */
	EVENT_SPLIT_BRAIN,		/* the same, of that one problem */
	EVENT_MENDED,			/* texts: code */
	/* About a volume. */
	EVENT_DISK,
	EVENT_DISK_FAILED,		/* ... why */
	EVENT_DISK_ATTACHED,
	EVENT_PEER_DISK,
	EVENT_SYNC_STARTED,		/* texts: role; numbers: total_bytes left_bytes */
	EVENT_SYNC_PROGRESS,		/* the same, and rate_bytes_per_s; permille */
	EVENT_SYNC_DONE,
	EVENT_SYNC_STOPPED,		/* numbers: left_bytes */
	EVENT_VERIFY_STARTED,		/* texts: state; numbers: differing_bytes repaired_bytes */
	EVENT_VERIFY_PROGRESS,		/* the same; permille */
	EVENT_VERIFY_STOPPED,
	EVENT_VERIFY_DONE,
	EVENT_VERIFY_FORGOTTEN,		/* what it found: another disk is attached */
	EVENT_SIZE,			/* numbers: old_bytes new_bytes */
	EVENT_DISK_ERRORS,		/* numbers: reads writes repaired_blocks */
	EVENT_KIND_NR
};

struct event {
	u64 seq;
	u64 time_ms;			/* wall clock */
	enum event_kind kind;
	char resource[LOCKSTEP_NAME_BYTES];	/* empty: about the stream */
	bool has_volume;
	u32 volume;
	char text[EVENT_TEXTS][EVENT_TEXT_BYTES];	/* in the order of the kind's row */
	u64 number[EVENT_NUMBERS];
	u32 permille;
};

/* For those that come often and change nothing but a number: not for hooks. */
bool event_is_progress(enum event_kind kind);
const char *event_kind_name(enum event_kind kind);	/* NULL: no such kind */

/* A malloc'ed line with its newline; NULL: no memory. */
char *event_line(const struct event *ev);
/*
 * How one resource is, in the form of status --json. seq: of the last change it includes; last_seq:
 * of the last change of this resource.
 */
char *event_state_line(u64 seq, u64 time_ms, u64 last_seq, const struct model *m,
		       const struct model_resource *r);

/* What a person reads of one event, in one sentence without full stop: for logs and hooks. */
void event_sentence(const struct event *ev, char *ret, size_t size);

enum event_said {
	EVENT_SAID_LINE = 1,		/* one that is followed by more */
	EVENT_SAID_END,			/* the last one: e says why */
};

/*
 * A line of the daemon, unterminated or not, as text to f (NULL: only look at it). Returns enum
 * event_said; -EPROTO: it is none.
 */
int event_print_text(FILE *f, const char *line, size_t len, struct err *e);

/* ---- what changed */

typedef void (*event_fn)(void *arg, const struct event *ev);

/*
 * The changes that lead from one model to another, each given to fn without number and time. By
 * them alone a reader that knew `old` knows `new`, in all of which there are kinds of events:
 * texts that differ in nothing but numbers ("3 writes are held") and progress count as the same.
 *
 *   seen                          says
 *   resource or volume            appeared (then everything that is not "none"), gone
 *   role, peer_role, link, io     old new; a link that went down: why
 *   automatic                     old new, yes or no
 *   wait, phase                   old new, "": nothing
 *   problem (diagnose_problem)    problem or split-brain; mended
 *   disk to failed or none        disk-failed; from there: disk-attached; else disk
 *   sync to source, target        sync-started; source-wait is not begun yet
 *   sync to none                  sync-done if both copies are up to date by then, else stopped
 *   sync, a second later          sync-progress, if anything was done
 *   verify                        verify-started, -progress (each per cent or find), -stopped,
 *                                 -done; back to none: verify-forgotten
 *   size, counts of errors        size, disk-errors
 */
void event_diff(const struct model *old, const struct model *new, event_fn fn, void *arg);

#endif /* LOCKSTEP_EVENT_H */
