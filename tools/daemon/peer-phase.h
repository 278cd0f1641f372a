/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Inside of the peer state machine; for peer*.c only.
 *
 *   OFF <-> WAIT -> DIAL -> TLS -> FACTS -> HELLO -+-> ADOPT ----------------------> CONNECTED
 *            ^     (dialler only; the listener is    +-> VERDICT -> [TOKEN] -> OPEN ->   ^
 *            |      given proved connections)        |   JOIN -> READY -> START/STARTED -+
 *            +-- SETTLE <-- any                      +-> STALE, CLEAR (back to WAIT)
 *            +-- SETTLE <-- ENDING <-- CONNECTED     +-> SPLIT (for control only)
 *
 * [T1] At most one job of a peer is under way, and frames are not taken meanwhile. So requests to
 * the
 *      kernel are in the order of the steps, and a new attempt never meets the rest of an old one:
 *      SETTLE waits for it.
 * [T2] A session that was opened and not started here, or is to end, is closed in SETTLE. One that
 *      was started is the kernel's: the next hello finds out whether both have it.
 * [T3] Whatever waits for the peer has a deadline, of the phase.
 * [T4] A frame that the phase does not allow ends the connection.
 * [T5] A session that we end so that the next one knows more is closed after the peer has taken
 *      notice of that, or has had its time to: ENDING waits for the peer to let go of the control
 *      connection. Else its kernel may see the end before its daemon hears the reason, and a host
 *      that is well be fenced (fence-judge.h).
 */
#ifndef LOCKSTEPD_PEER_PHASE_H
#define LOCKSTEPD_PEER_PHASE_H

#include "agree.h"
#include "dial.h"
#include "join.h"
#include "peer.h"
#include "split-policy.h"
#include "tracefs.h"

enum peer_phase {
	PEER_OFF,		/* not wanted */
	PEER_WAIT,		/* dialler: back-off; listener: for the dialler */
	PEER_DIAL,
	PEER_TLS,
	PEER_FACTS,		/* asking our kernel */
	PEER_HELLO,		/* ours is sent */
	PEER_VERDICT,		/* ours is sent */
	PEER_STALE,		/* the peer has a session we have not: it will close it */
	PEER_CLEAR,		/* we have one the peer has not: closing it */
	PEER_TOKEN,		/* listener: for the token */
	PEER_OPEN,		/* SESSION_OPEN */
	PEER_JOIN,		/* streams are joining */
	PEER_READY,		/* ours are all with the kernel */
	PEER_START,		/* SESSION_START */
	PEER_STARTED,		/* for the peer's STARTED */
	PEER_ADOPT,		/* ours is sent */
	PEER_CONNECTED,
	PEER_ENDING,		/* we said that we end the session [T5] */
	PEER_SPLIT,		/* both were written alone: peer-split.c */
	PEER_SETTLE,		/* an attempt has ended, the kernel has not */
	PEER_PHASE_NR
};

/* How the attempt that ended is followed by the next one. */
enum peer_retry {
	RETRY_LATER,		/* with back-off */
	RETRY_NOW,		/* something that is mended by saying hello again */
	RETRY_SLOW,		/* something that is mended here, and then we are told */
};

/* What the kernel has of the session this attempt is about. */
enum peer_kernel {
	KERNEL_NONE,
	KERNEL_OPEN,		/* opened, or being opened; or up, and to be closed [T5] */
	KERNEL_UP,		/* started: lives on without us */
};

enum marks_todo {
	MARKS_NOTHING,
	MARKS_SEND,		/* the other side copies: send ours */
	MARKS_SAY_DONE,		/* target of a full resync: they do not matter */
	MARKS_AWAIT,		/* we copy: the peer's will come */
};

enum resize_step {
	RESIZE_NONE,
	RESIZE_ASKED,		/* the peer, for its disk */
	RESIZE_AGAIN,		/* connecting anew, with the new size */
	RESIZE_SYNC,		/* and once more, so that what is new is copied */
};

struct peer_resizing {
	enum resize_step step;
	struct peer_resize ask;
	peer_resized_fn done;
	void *arg;
	sd_event_source *timer;
};

/* since_s 0: none; all else of it lasts, so that status has it while hellos are said again. */
struct peer_split {
	u64 since_s;
	u32 volume;
	enum gen_rule rule;
	u64 id;
	struct split_facts mine, theirs;
	bool heard;			/* theirs are from the peer's SPLIT */
	u64 tried_id;			/* the split that the policy was applied to, 0: none */
	/* Of this connection. */
	bool keeper;			/* we said that the peer may give up its changes */
	enum resolve asked;
	peer_resolved_fn done;		/* NULL: the policy asked */
	void *arg;
	sd_event_source *timer;
};

struct peer_tracing {
	u32 op;				/* of the question that is open */
	peer_traced_fn done;		/* NULL: none is */
	void *arg;
	sd_event_source *timer;
	struct trace_source *source;	/* for the peer; NULL: nothing is traced */
	sd_event_source *keep;
};

/* Of a dry run that waits for a hello. */
struct peer_dry {
	peer_resolved_fn done;		/* NULL: none does */
	void *arg;
	sd_event_source *timer;
};

struct peer_job;

struct peer {
	/* Fixed. */
	const struct peer_env *env;
	const struct conf *conf;
	const struct conf_node *me, *other;
	bool dialler;
	u8 key[LOCKSTEP_KEY_BYTES];
	char identity[TLS_IDENTITY_BYTES];

	enum peer_phase phase;
	u64 phase_ms;			/* since when */
	sd_event_source *timer;		/* deadline of the phase, or the next try */
	sd_event_source *pinger;	/* while connected */
	sd_event_source *ticker;	/* while split */
	struct peer_job *job;		/* [T1] */
	bool wanted;

	struct conn *conn;
	struct conn *next_conn;		/* came while this attempt was under way: next */
	struct dial *dial;
	struct dial_addr peer_addr;	/* where the control connection went */

	enum peer_retry retry;
	u32 backoff_ms;
	u32 hasty;			/* attempts repeated at once, in a row */

	/* Of this attempt. */
	struct hello mine, theirs;	/* with room for LOCKSTEP_MAX_VOLUMES each */
	struct agreement agreed;
	u64 peer_boot_id;		/* of the kernel's live session */
	enum peer_kernel kernel;
	u64 session_id, epoch;
	u64 session_ms;			/* since when session_id is what it is */
	u8 token[LOCKSTEP_KEY_BYTES];
	bool has_token, peer_ready;
	int fd[LOCKSTEP_MAX_STREAMS];	/* joined, not yet the kernel's; -1: none */
	bool joined[LOCKSTEP_MAX_STREAMS];
	u32 nr_added;
	struct join_dial *joining[LOCKSTEP_MAX_STREAMS];

	/* Marks exchange, while connected. */
	u8 marks[LOCKSTEP_MAX_VOLUMES];	/* enum marks_todo, index as in hello */
	u32 marks_at;			/* volume being sent */
	u64 marks_bit;
	u64 marks_ms;			/* last progress */

	/*
	 * Sizes for volumes that a resize has agreed on, by number; 0: none. They take the place of
	 * the present size in our hello, until a session has come of it or was refused.
	 */
	u64 wish[LOCKSTEP_MAX_VOLUMES];
	u64 wish_until_ms;	/* loop_now_ms(): it outlives refusals that may pass */
	struct peer_resizing resizing;
	bool again;			/* this session is to end: marks that it knows nothing of */
	bool was_connected;		/* since this daemon began */
	/* An end of a session that was announced. */
	u64 connected_id;		/* the last session we were connected in; 0: its end was */
	u64 held_until_ms;		/* 0: nothing is held */
	u64 back_ms;			/* the next session was there since; 0: not yet */
	bool ends;			/* the session that SETTLE closes ends on purpose */
	struct peer_split split;
	struct peer_dry dry;
	struct peer_tracing tracing;

	struct err problem;
	u64 problem_since_s;
};

/* ---- peer.c: phases, retries, jobs */

void peer_set_phase(struct peer *p, enum peer_phase phase);
/* End this attempt; `why` (may be NULL) becomes the problem in status. */
void peer_fail(struct peer *p, const struct err *why, enum peer_retry retry);
__attribute__((format(printf, 4, 5)))
void peer_fail_text(struct peer *p, enum peer_retry retry, const char *code, const char *fmt, ...);
/* Tell the peer why, too. */
void peer_refuse(struct peer *p, u32 refuse, const struct err *why, enum peer_retry retry);
void peer_set_problem(struct peer *p, const struct err *e);
/* This session ends on purpose, ours or the peer's. Once for each that we were connected in. */
void peer_announced(struct peer *p, u64 session_id);
void peer_send(struct peer *p, u16 type, const void *body, size_t len);
/* A buffer for one encoded body, good until the next call. */
void *peer_scratch(size_t *ret_size);
extern const char *const peer_refuse_code[LOCKSTEP_RF_NR];

/* One request to the kernel. run() is in a thread, next() in the loop unless the attempt ended. */
struct peer_job {
	struct job job;
	struct peer *peer;		/* NULL: it was destroyed */
	const struct kern *kern;
	char name[LOCKSTEP_NAME_BYTES];
	int (*run)(struct peer_job *j);
	void (*next)(struct peer *p, struct peer_job *j);
	/* In. */
	u64 session_id;
	struct nl_session session;	/* volume is freed with the job */
	struct nl_session_volume *volumes;
	u32 stream, volume;
	int fd;				/* closed with the job; -1: none */
	u64 first_bit;
	u64 data_sect;
	bool force;
	struct nl_surrender_volume *given_up;	/* freed with the job */
	u32 nr_given_up;
	const char *state_dir;
	struct nl_marks *marks;		/* in or out; freed with the job */
	const struct trace_ops *trace;
	struct trace_source *source;	/* closed with the job */
	/* Out. */
	struct trace_peer *traced;	/* freed with the job */
	struct model model;
	int ret;
	struct err e;
};

struct peer_job *peer_job_create(struct peer *p, int (*run)(struct peer_job *j),
				 void (*next)(struct peer *p, struct peer_job *j));
void peer_job_start(struct peer *p, struct peer_job *j);
/* Shapes shared by several steps. */
int peer_run_close(struct peer_job *j);

/* ---- peer-hello.c: facts, hello, verdicts, stale sessions */

void peer_begin(struct peer *p);	/* the control connection is open */
void peer_on_hello(struct peer *p, const u8 *body, size_t len);
void peer_on_verdict(struct peer *p, const u8 *body, size_t len);

/* ---- peer-session.c: token, streams, start */

void peer_make_session(struct peer *p);	/* verdicts agree */
void peer_on_token(struct peer *p, const u8 *body, size_t len);
void peer_on_ready(struct peer *p);
void peer_on_started(struct peer *p);
void peer_drop_streams(struct peer *p);
/* Both kernels replicate: marks, pings. `adopted`: it was so before. */
void peer_connected(struct peer *p, bool adopted);

/* ---- peer-marks.c */

void peer_plan_marks(struct peer *p, bool adopted);
void peer_send_marks(struct peer *p);
void peer_on_marks(struct peer *p, const u8 *body, size_t len);
void peer_on_marks_done(struct peer *p, const u8 *body, size_t len);
bool peer_marks_are_late(const struct peer *p, u64 now_ms);

/* ---- peer-split.c */

/* What the kernel says of our side; with each hello. */
void peer_split_facts(struct peer *p, const struct model_resource *r);
/* The hellos come to a split. False: say so to the peer and end this. */
bool peer_split_enter(struct peer *p);
/* They come to something else. */
void peer_split_over(struct peer *p);
/* Look now whether it is as it was. */
void peer_split_look(struct peer *p);
void peer_on_split(struct peer *p, const u8 *body, size_t len);
void peer_on_resolve(struct peer *p, const u8 *body, size_t len);
void peer_on_resolve_done(struct peer *p, const u8 *body, size_t len);
/* The connection ended. */
void peer_split_lost(struct peer *p);
void peer_split_model(const struct peer *p, struct model_split *ret);

/* ---- peer-dry.c */

/* Both hellos are there: true if they were only to be looked at; the attempt is over then. */
bool peer_dry_hello(struct peer *p);
/* There will be no hello to look at, or (connected) no need. */
void peer_dry_over(struct peer *p, const struct err *why);

/* ---- peer-trace.c */

void peer_on_trace(struct peer *p, const u8 *body, size_t len);
void peer_on_trace_done(struct peer *p, const u8 *body, size_t len);
/* The connection ended. */
void peer_trace_lost(struct peer *p);

/* ---- peer-resize.c */

void peer_on_resize(struct peer *p, const u8 *body, size_t len);
void peer_on_resize_done(struct peer *p, const u8 *body, size_t len);
/* Put the wishes into our hello. */
void peer_resize_hello(struct peer *p);
/* A session has come of the hello, or (why not NULL) never will as things stand. */
void peer_resize_over(struct peer *p, const struct err *why);
/* The session was refused; LOCKSTEP_RF_*. If that may pass, the next hello says the same size. */
void peer_resize_refused(struct peer *p, u32 refuse, const struct err *why);
/* The connection ended. */
void peer_resize_lost(struct peer *p);
/* Connected: what has the session been told of sizes and marks? */
void peer_resize_connected(struct peer *p, bool adopted);
/* And if it lacks some, end it. */
void peer_resize_go_on(struct peer *p);

#endif /* LOCKSTEPD_PEER_PHASE_H */
