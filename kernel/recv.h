/* SPDX-License-Identifier: GPL-2.0 */
/* The receiving thread of a stream: bytes -> core/wire -> one function per message type. */
#ifndef LOCKSTEP_RECV_H
#define LOCKSTEP_RECV_H

struct lockstep_stream;

int lockstep_recv_thread(void *stream);

#endif /* LOCKSTEP_RECV_H */
