/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints along a write's way, system "lockstep". On the host where it is submitted:
 *
 *   lockstep_write_submit       it has come
 *   lockstep_write_mapped       its range is free and its region is in the map on the disk; again
 *                               after it was held
 *   lockstep_msg_queued         its message has a slot and is in the send queue
 *   lockstep_msg_sent           the last byte was handed to the socket
 *   lockstep_write_local_start  it goes to the local disk
 *   lockstep_write_local_done   that has ended it; before or after the answer
 *   lockstep_msg_received       the answer is there (type=ack)
 *   lockstep_write_end          it is completed
 *
 * and on its peer lockstep_msg_received (the whole message is there), lockstep_msg_disk_done and
 * lockstep_msg_sent (type=ack). The last three are of every message of the data connections, so
 * that flushes, reads and what a resync copies can be followed as well.
 *
 * Joining. On both hosts (epoch, stream, slot, gen) is one message and its answer. On the
 * submitter's, `id` is the same in the events of one request, from lockstep_write_submit on, and in
 * the lockstep_msg_queued of its message. `ns` is the monotonic clock: the trace's own stamps are
 * rounded to microseconds when they are printed.
 *
 * All that is read here is read while tracing is on only; who is traced guarantees that it is
 * there. Parsed by tools/lib/trace.c: fields are only ever appended.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM lockstep

#if !defined(LOCKSTEP_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define LOCKSTEP_TRACE_H

#include <linux/ktime.h>
#include <linux/tracepoint.h>
#include "compat.h"
#include "resource.h"
#include "session.h"
#include "stream.h"
#include "volume.h"
#include "write.h"

#define show_lockstep_type(type) \
	__print_symbolic(type, \
			 { LOCKSTEP_WT_WRITE, "write" }, \
			 { LOCKSTEP_WT_ZEROES, "zeroes" }, \
			 { LOCKSTEP_WT_FLUSH, "flush" }, \
			 { LOCKSTEP_WT_ACK, "ack" }, \
			 { LOCKSTEP_WT_READ, "read" }, \
			 { LOCKSTEP_WT_DATA, "data" }, \
			 { LOCKSTEP_WT_CSUM, "csum" }, \
			 { LOCKSTEP_WT_CSUM_DATA, "csum_data" })

DECLARE_EVENT_CLASS(lockstep_write,
	TP_PROTO(const struct lockstep_request *req),
	TP_ARGS(req),
	TP_STRUCT__entry(
		__field(u64, ns)
		__string(res, req->vol->res->name)
		__field(u32, volume)
		__field(u32, minor)
		__field(const void *, id)
		__field(u8, type)
		__field(u64, sector)
		__field(u32, bytes)
	),
	TP_fast_assign(
		__entry->ns = ktime_get_ns();
		compat_assign_str(res, req->vol->res->name);
		__entry->volume = req->vol->number;
		__entry->minor = req->vol->minor;
		__entry->id = &req->call;
		__entry->type = req->is_flush ? LOCKSTEP_WT_FLUSH :
				bio_op(req->master) == REQ_OP_WRITE ? LOCKSTEP_WT_WRITE :
				LOCKSTEP_WT_ZEROES;
		__entry->sector = req->is_flush ? 0 : req->master->bi_iter.bi_sector;
		__entry->bytes = req->master->bi_iter.bi_size;
	),
	TP_printk("ns=%llu res=%s vol=%u minor=%u id=%p type=%s sector=%llu bytes=%u",
		  __entry->ns, __get_str(res), __entry->volume, __entry->minor, __entry->id,
		  show_lockstep_type(__entry->type), __entry->sector, __entry->bytes)
);

#define LOCKSTEP_WRITE_EVENT(name) \
DEFINE_EVENT(lockstep_write, lockstep_write_##name, \
	TP_PROTO(const struct lockstep_request *req), TP_ARGS(req))

LOCKSTEP_WRITE_EVENT(submit);
LOCKSTEP_WRITE_EVENT(mapped);
LOCKSTEP_WRITE_EVENT(local_start);
LOCKSTEP_WRITE_EVENT(local_done);
LOCKSTEP_WRITE_EVENT(end);

/* The message of a call, where it is known: else NULL. */
DECLARE_EVENT_CLASS(lockstep_msg,
	TP_PROTO(const struct lockstep_stream *st, const struct wire_msg *msg,
		 const struct lockstep_call *call),
	TP_ARGS(st, msg, call),
	TP_STRUCT__entry(
		__field(u64, ns)
		__string(res, st->session->res->name)
		__field(u32, volume)
		__field(const void *, id)
		__field(u8, type)
		__field(u8, flags)
		__field(u16, status)
		__field(u64, sector)
		__field(u32, bytes)
		__field(u64, epoch)
		__field(u32, stream)
		__field(u32, slot)
		__field(u32, gen)
	),
	TP_fast_assign(
		__entry->ns = ktime_get_ns();
		compat_assign_str(res, st->session->res->name);
		__entry->volume = msg->volume;
		__entry->id = call;
		__entry->type = msg->type;
		__entry->flags = msg->flags;
		__entry->status = msg->status;
		__entry->sector = msg->sector;
		__entry->bytes = msg->size_bytes;
		__entry->epoch = msg->epoch;
		__entry->stream = st->number;
		__entry->slot = msg->slot;
		__entry->gen = msg->slot_gen;
	),
	TP_printk("ns=%llu res=%s vol=%u id=%p type=%s flags=0x%x status=%u sector=%llu bytes=%u "
		  "epoch=%llu stream=%u slot=%u gen=%u",
		  __entry->ns, __get_str(res), __entry->volume, __entry->id,
		  show_lockstep_type(__entry->type), __entry->flags, __entry->status,
		  __entry->sector, __entry->bytes, __entry->epoch, __entry->stream, __entry->slot,
		  __entry->gen)
);

/* Pings, roles and the like have no slot, and are not traced. */
#define LOCKSTEP_MSG_EVENT(name) \
DEFINE_EVENT_CONDITION(lockstep_msg, lockstep_msg_##name, \
	TP_PROTO(const struct lockstep_stream *st, const struct wire_msg *msg, \
		 const struct lockstep_call *call), \
	TP_ARGS(st, msg, call), \
	TP_CONDITION(wire_type_has_slot(msg->type)))

LOCKSTEP_MSG_EVENT(queued);
LOCKSTEP_MSG_EVENT(sent);
LOCKSTEP_MSG_EVENT(received);
LOCKSTEP_MSG_EVENT(disk_done);

#ifndef LOCKSTEP_TRACE_TAKE
#define LOCKSTEP_TRACE_TAKE
/* Of a message that may be gone once it is sent: what lockstep_msg_sent will say. */
static inline void lockstep_trace_take(const struct lockstep_tx *tx, struct wire_msg *ret)
{
	if (!trace_lockstep_msg_sent_enabled() || wire_msg_decode(&tx->hdr, ret))
		ret->type = 0;
}
#endif

#endif /* LOCKSTEP_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
