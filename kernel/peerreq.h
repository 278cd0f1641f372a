/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One request of the peer at our disk: received, submitted, answered from the disk's completion.
 * Used by whoever is being written to, for replication and resync alike, and by whoever is read
 * from.
 *
 * Reads are answered from our copy as it is, so only if the peer may rely on it: it is what is
 * acknowledged (not stale), or the peer knows that it is not, because it resyncs us. A primary
 * answers none: its application writes without the reader's knowing.
 *
 * A disk may take longer than the session lasts. What is there then is let go, so that the end of a
 * session has an end itself (P10): it owns its pages, and what comes of it nobody hears. Such
 * strays are counted in vol->strays, and have a share in vol->disk_ref; as long as there are any at
 * a disk that counts, no session is opened and nobody is promoted (P6; state.h, [S9]).
 */
#ifndef LOCKSTEP_PEERREQ_H
#define LOCKSTEP_PEERREQ_H

#include <linux/types.h>

struct bio;
struct lockstep_peer_request;
struct lockstep_stream;
struct lockstep_volume;
struct wire_msg;

int lockstep_peer_request_init(void);
void lockstep_peer_request_exit(void);

/* Does the peer keep to its credits on this stream? */
bool lockstep_peer_request_allowed(const struct lockstep_stream *st);

/* With pages for the payload. May wait for memory; NULL only if there is none at all. */
struct lockstep_peer_request *lockstep_peer_request_create(struct lockstep_stream *st,
							   struct lockstep_volume *vol,
							   const struct wire_msg *msg);
struct bio *lockstep_peer_request_bio(struct lockstep_peer_request *pr);
/* To the disk; the answer goes out by itself. */
void lockstep_peer_request_submit(struct lockstep_peer_request *pr);
/* The payload did not come. */
void lockstep_peer_request_abandon(struct lockstep_peer_request *pr);

/*
 * The session ends, and its streams have stopped: no longer wait for what is at disks that were
 * given up, or at any. Returns how many there were, each of which was one of session.busy; they are
 * the caller's to take off that. ctl held.
 */
u32 lockstep_peer_request_let_go(struct lockstep_stream *st, bool all);

/* Whose disk has had a request for longer than `ms`, or NULL. While the session is there. */
struct lockstep_volume *lockstep_peer_request_overdue(struct lockstep_stream *st, u32 ms);

#endif /* LOCKSTEP_PEERREQ_H */
