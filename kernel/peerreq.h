/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One request of the peer at our disk: received, submitted, answered from the disk's completion.
 * Used by whoever is being written to, for replication and resync alike, and by whoever is read
 * from.
 *
 * Reads are answered from our copy as it is, so only if the peer may rely on it: it is what is
 * acknowledged (not stale), or the peer knows that it is not, because it resyncs us. A primary
 * answers none: its application writes without the reader's knowing.
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

#endif /* LOCKSTEP_PEERREQ_H */
