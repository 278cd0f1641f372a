/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The peer of one resource: finds it, agrees with it, and gives the kernel a session; then keeps
 * the control connection alive. Phases, what each allows and how long it may last: peer-phase.h.
 *
 * Owns the control connection and every socket until the kernel has it. Never owns the kernel's
 * session: that lives on when this is destroyed, and is adopted by the next one (P10 is kept by
 * deadlines here, by the kernel there).
 */
#ifndef LOCKSTEPD_PEER_H
#define LOCKSTEPD_PEER_H

#include <systemd/sd-event.h>

#include "conf.h"
#include "conn.h"
#include "job.h"
#include "kern.h"
#include "listen.h"
#include "model.h"
#include "tracefs.h"

/* What all peers share; outlives them. */
struct peer_env {
	sd_event *event;
	struct jobs *jobs;
	const struct kern *kern;
	const struct trace_ops *trace;
	struct conns *conns;
	struct listeners *listeners;
	const char *state_dir;		/* sizes.h */
	u32 phase_ms;			/* deadline of each step with the peer */
	u32 ping_ms, dead_ms;		/* of the control connection */
	u32 retry_min_ms, retry_max_ms;
	u32 hold_ms;			/* for an announced end to be followed by a session */
	/* Something in peer_facts() may be different: look at it soon, not now. */
	void (*changed)(void *arg);
	void *changed_arg;
};

struct peer;

/* `conf` and `env` are borrowed. Does nothing before peer_connect(). */
int peer_create(const struct peer_env *env, const struct conf *conf, int self,
		const u8 key[LOCKSTEP_KEY_BYTES], struct peer **ret);
void peer_destroy(struct peer *p);		/* NULL is fine */

/* Look for the peer, at once and again and again. */
void peer_connect(struct peer *p);
/* Stop that. The kernel's session is the caller's to close. */
void peer_disconnect(struct peer *p);
/* Something changed that may have stood in the way: do not wait out the back-off. */
void peer_retry_now(struct peer *p);
/* The same, by the kernel's word, which our own last attempt may have caused: not too often. */
void peer_hint(struct peer *p);

/*
 * Because of what `why` says: say hello again at once. If we are connected the session ends first,
 * after the peer was told that it will: neither side takes that for a loss (fence-judge.h).
 */
void peer_again(struct peer *p, const char *why);

/*
 * Until when (loop_now_ms()) a session that has ended is no reason to fence the peer: its end was
 * announced, and the next one is being made. 0: no such end, by what the kernel said when it was
 * asked at asked_ms: what it said before the next session was there is about the one that ended.
 */
u64 peer_held_until(const struct peer *p, u64 asked_ms);

/*
 * Our disk of a volume has taken up its size (max_sect is what it gives, now_sect the volume's
 * size): have the peer's do the same, then connect anew with size_sect (0: all that both give).
 * done() comes always, perhaps before this returns: e NULL and the size, or why not.
 */
struct peer_resize {
	u32 volume;
	u64 size_sect, max_sect, now_sect;
	bool shrink;
};

typedef void (*peer_resized_fn)(void *arg, const struct err *e, u64 sect);

void peer_resize(struct peer *p, const struct peer_resize *ask, peer_resized_fn done, void *arg);

/*
 * Split brain: whose changes are to count. `id`: of the split that was looked at (struct
 * model_split). done() comes always, perhaps before this returns: e NULL and a sentence, or why
 * not.
 */
enum resolve { RESOLVE_NOTHING, RESOLVE_KEEP_HERE, RESOLVE_KEEP_PEER };
typedef void (*peer_resolved_fn)(void *arg, const struct err *e, const char *text);
void peer_resolve(struct peer *p, enum resolve keep, u64 id, peer_resolved_fn done, void *arg);

/* Ask the peer what it has, and say what would come of it, without a session. done() as above. */
void peer_dry_run(struct peer *p, peer_resolved_fn done, void *arg);

/*
 * Have the peer begin to trace what it does with our writes, or (end) say what it has seen. done()
 * comes always, perhaps before this returns: e NULL and the items, which are good during the call
 * only, or why not.
 */
typedef void (*peer_traced_fn)(void *arg, const struct err *e, const struct trace_item *item,
			       u32 nr);
void peer_trace(struct peer *p, bool end, peer_traced_fn done, void *arg);

bool peer_is_connected(const struct peer *p);
bool peer_is_dialler(const struct peer *p);

/* From the listener. */
void peer_take_control(struct peer *p, struct conn *c);
enum listen_join peer_take_join(struct peer *p, int fd, const struct wire_join *j);
/* Somebody without the key, or without our language, was at the port. */
void peer_stranger(struct peer *p, const char *from, u16 port, const struct err *why);

/* What the kernel says it has (NULL: not this resource), asked for at asked_ms. */
void peer_compare(struct peer *p, const struct model_resource *r, u64 asked_ms);

/* Fill in the daemon's facts: phase, problem, peer. */
void peer_facts(const struct peer *p, struct model_daemon *ret);
const u8 *peer_key(const struct peer *p);

#endif /* LOCKSTEPD_PEER_H */
