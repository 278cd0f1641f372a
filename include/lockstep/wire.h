/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * On-wire format, version 1. Little-endian; every pad is named and must be zero on arrival.
 *
 * Two kinds of connection between two nodes, on one TCP port. The listener tells them apart by
 * the first byte: 0x16 is a TLS record (control), 'L' begins a lockstep_wire_join (data).
 *
 *   control  TLS 1.3 with the pre-shared key, between the daemons; lockstep_ctl_* messages.
 *   data     after a lockstep_wire_join in each direction, proved with the token that was agreed on
 *            the control connection, handed to the kernel; from then on lockstep_wire_hdr messages.
 *
 * The node with the smaller id dials, always; the other listens. So connections cannot cross.
 *
 * Parsing lives in kernel/core/wire.c alone (P8). Nothing here is ever used before it went through
 * it.
 */
#ifndef LOCKSTEP_WIRE_H
#define LOCKSTEP_WIRE_H

#include <linux/types.h>
#include <lockstep/limits.h>

#define LOCKSTEP_WIRE_VERSION_MIN	1
#define LOCKSTEP_WIRE_VERSION_MAX	1

/* Feature bits of the hello: used only when both sides offer them. */
#define LOCKSTEP_WF_ZEROES		(1ull << 0)	/* ZEROES messages are understood */
#define LOCKSTEP_WF_REGIONS		(1ull << 1)	/* keeps a dirty-region map */
#define LOCKSTEP_WF_CSUM		(1ull << 2)	/* answers CSUM (checksum resync, verify) */
#define LOCKSTEP_WF_READ		(1ull << 3)	/* answers READ (remote reads) */
#define LOCKSTEP_WF_RDMA		(1ull << 4)	/* has the RDMA transport */
/* stays connected in a split brain: SPLIT, RESOLVE, RESOLVE_DONE */
#define LOCKSTEP_WF_SPLIT		(1ull << 5)
#define LOCKSTEP_WF_TRACE		(1ull << 6)	/* traces on request: TRACE, TRACE_DONE */
/* fences nobody for a while after BUSY while connected */
#define LOCKSTEP_WF_HOLD		(1ull << 7)

/* ---- data connections ---------------------------------------------------------------------- */

#define LOCKSTEP_JOIN_MAGIC		"LSJOIN\0"	/* 8 bytes with the NULs */

/*
 * First message on a data connection, dialler first, answered by the listener in the same shape.
 * proof = HMAC-SHA256(token, "lockstep join " side | session_id | stream | nonce | peer nonce),
 * side being "dialler" or "listener", numbers little-endian; the dialler's peer nonce is all zero.
 */
struct lockstep_wire_join {
	__u8	magic[8];	/*  0 */
	__le64	session_id;	/*  8 */
	__le32	stream;		/* 16 */
	__le32	pad;		/* 20 */
	__u8	nonce[32];	/* 24 */
	__u8	proof[32];	/* 56 */
};				/* 88 */

#define LOCKSTEP_WIRE_MAGIC		0x4c53u		/* "SL" on the wire */

/* lockstep_wire_hdr.type */
enum lockstep_wire_type {
	/* Requests of the writer or the sync source; answered by ACK with the same slot. */
	LOCKSTEP_WT_WRITE	= 1,	/* payload goes to sector */
	LOCKSTEP_WT_ZEROES	= 2,	/* size_bytes of zeroes at sector, no payload */
	LOCKSTEP_WT_FLUSH	= 3,	/* answered when all acknowledged before is stable (P2) */
	/* Answers. */
	LOCKSTEP_WT_ACK		= 4,	/* done, or not: status */
	/* Link. Stream 0 only. No slot. */
	LOCKSTEP_WT_PING	= 5,
	LOCKSTEP_WT_PONG	= 6,
	/*
	 * Roles. Stream 0 only. `arg` is a lockstep_role; ROLE_ANSWER: status says granted or not.
	 */
	LOCKSTEP_WT_ROLE_ASK	= 7,
	LOCKSTEP_WT_ROLE_ANSWER	= 8,
	LOCKSTEP_WT_ROLE_TELL	= 9,	/* my role has become this */
	/*
	 * End of a resync: source tells, after both flushed; target answers once durable. `arg` =
	 * generation.
	 */
	LOCKSTEP_WT_SYNC_DONE	= 10,
	LOCKSTEP_WT_SYNC_DONE_OK = 11,
	/*
	 * READ: an extent of the peer's copy, no payload; answered by DATA with the extent's bytes,
	 * or by an ACK that says why not.
	 */
	LOCKSTEP_WT_READ	= 12,
	LOCKSTEP_WT_DATA	= 13,
	/*
	 * CSUM: the same, but of each 4 KiB block of the extent (aligned to such blocks, the
	 * volume's last one may be shorter) xxh64 with seed 0, little-endian, 8 bytes each. A
	 * block that cannot be read: ACK with IO_ERROR for the whole extent.
	 */
	LOCKSTEP_WT_CSUM	= 14,
	LOCKSTEP_WT_CSUM_DATA	= 15,
	LOCKSTEP_WT_CLOSE	= 16,	/* going away on purpose: no time-out needed */
	/*
	 * Target of a resync that pulls (a primary whose disk was replaced): all is copied, and
	 * both have flushed; the source goes on with SYNC_DONE. Stream 0. `arg` = 0.
	 */
	LOCKSTEP_WT_SYNC_PULLED	= 17,
	LOCKSTEP_WT_NR
};

/* lockstep_wire_hdr.flags */
#define LOCKSTEP_WH_FUA		(1u << 0)	/* stable before the ACK */
#define LOCKSTEP_WH_PREFLUSH	(1u << 1)	/* flush before this write */
/* copied by the resync engine, not written by anyone */
#define LOCKSTEP_WH_RESYNC	(1u << 2)
#define LOCKSTEP_WH_UNMAP	(1u << 3)	/* ZEROES: may be unmapped */
#define LOCKSTEP_WH_SYNC	(1u << 4)	/* somebody waits for it: REQ_SYNC */
#define LOCKSTEP_WH_KNOWN	0x1fu

/* lockstep_wire_hdr.status: our own numbers, never an errno */
enum lockstep_wire_status {
	LOCKSTEP_WS_OK		= 0,
	LOCKSTEP_WS_IO_ERROR	= 1,	/* the peer's disk failed */
	LOCKSTEP_WS_REFUSED	= 2,	/* not allowed in the peer's state */
	LOCKSTEP_WS_STALE	= 3,	/* epoch lower than one the peer has persisted (P6) */
	LOCKSTEP_WS_NR
};

struct lockstep_wire_hdr {
	__le16	magic;		/*  0 */
	__u8	type;		/*  2 */
	__u8	flags;		/*  3 */
	__le16	volume;		/*  4 */
	/*
	 *  6: of an answer enum lockstep_wire_status; of a FLUSH, and a WRITE with PREFLUSH, how
	 * many epochs ago it was asked for first, 0: now (kernel/core/flusherr.h)
	 */
	__le16	status;
	__le32	payload_bytes;	/*  8 bytes that follow this header: size_bytes or 0 */
	__le32	size_bytes;	/* 12 extent on the volume, multiple of 512 */
	__le64	sector;		/* 16 */
	__le32	slot;		/* 24 index into the sender's table, echoed by the answer */
	/* 28: generation of the slot: an old answer never meets a new request */
	__le32	slot_gen;
	__le64	epoch;		/* 32 of the session (P6) */
	__le32	pad;		/* 40 */
	__le32	crc;		/* 44 crc32c of bytes 0 to 43 */
	/* Where a message has no sector, `sector` carries its argument (wire_msg.arg). */
};				/* 48 */

/* ---- control connection --------------------------------------------------------------------- */

#define LOCKSTEP_CTL_MAGIC		0x43534c4cu	/* "LLSC" on the wire */
#define LOCKSTEP_CTL_MAX_BYTES		(256u << 10)	/* longest control message body */

enum lockstep_ctl_type {
	/* both, first: lockstep_ctl_hello + nr_volumes x lockstep_ctl_volume */
	LOCKSTEP_CT_HELLO	= 1,
	/* both: lockstep_ctl_verdict + nr_volumes x lockstep_ctl_choice */
	LOCKSTEP_CT_VERDICT	= 2,
	LOCKSTEP_CT_TOKEN	= 3,	/* dialler: lockstep_ctl_token; then it dials the streams */
	/* both: all streams joined and handed to the kernel; no body */
	LOCKSTEP_CT_READY	= 4,
	/* both: replication is on; no body. The sync target goes first */
	LOCKSTEP_CT_STARTED	= 5,
	/* target to source: lockstep_ctl_marks + run-length bytes */
	LOCKSTEP_CT_MARKS	= 6,
	/* target to source: that was all of one volume; lockstep_ctl_marks */
	LOCKSTEP_CT_MARKS_DONE	= 7,
	LOCKSTEP_CT_PING	= 8,	/* no body */
	LOCKSTEP_CT_PONG	= 9,	/* no body */
	LOCKSTEP_CT_REFUSE	= 10,	/* lockstep_ctl_refuse: why, for the other side's status */
	/* both, instead of TOKEN: the session named in both hellos lives on; no body */
	LOCKSTEP_CT_ADOPT	= 11,
	/*
	 * While connected: take up the size of your disk of one volume; lockstep_ctl_resize.
	 * Answered by RESIZE_DONE. The volume itself changes with the next hello, in which whoever
	 * asked gives the new size as its own.
	 */
	LOCKSTEP_CT_RESIZE	= 12,
	LOCKSTEP_CT_RESIZE_DONE	= 13,	/* lockstep_ctl_resize_done */
	/*
	 * Instead of VERDICT, when both hellos come to a split brain; again whenever something of
	 * it has changed: lockstep_ctl_split + nr_volumes x lockstep_ctl_split_volume
	 */
	LOCKSTEP_CT_SPLIT	= 14,
	/*
	 * In a split: whose changes are to count; lockstep_ctl_resolve. Answered by RESOLVE_DONE.
	 * KEEP_YOURS: may I give up mine? Whoever says yes gives up nothing itself while this
	 * connection lasts. KEEP_MINE: give up yours; done is when it is durable.
	 */
	LOCKSTEP_CT_RESOLVE	= 15,
	LOCKSTEP_CT_RESOLVE_DONE = 16,	/* lockstep_ctl_resolve_done */
	/*
	 * While connected: begin to trace what you do with our writes, or end it and say;
	 * lockstep_ctl_trace. Answered by TRACE_DONE: lockstep_ctl_trace_done + nr x
	 * lockstep_ctl_trace_item. It ends by itself after a while, and with the connection.
	 */
	LOCKSTEP_CT_TRACE	= 17,
	LOCKSTEP_CT_TRACE_DONE	= 18,
	LOCKSTEP_CT_NR
};

struct lockstep_ctl_hdr {
	__le32	magic;		/*  0 */
	__le16	type;		/*  4 */
	__le16	pad;		/*  6 */
	__le32	body_bytes;	/*  8 at most LOCKSTEP_CTL_MAX_BYTES */
	__le32	pad2;		/* 12 */
};				/* 16 */

struct lockstep_ctl_hello {
	__le32	version_min;	/*   0 wire versions we speak */
	__le32	version_max;	/*   4 */
	__le64	features;	/*   8 LOCKSTEP_WF_* */
	__le64	boot_id;	/*  16 instance of the module: changes when memory was lost */
	__le64	epoch;		/*  24 highest we persisted */
	__le64	session_id;	/*  32 session the kernel still has, 0: none */
	__le32	node_id;	/*  40 */
	__le32	peer_node_id;	/*  44 whom we think we talk to */
	__le32	role;		/*  48 lockstep_role */
	__le32	streams;	/*  52 how many we want; the smaller number wins */
	__le32	nr_volumes;	/*  56 */
	__le32	timeout_ms;	/*  60 the smaller wins */
	__u8	resource[LOCKSTEP_NAME_BYTES];	/*  64 */
	__u8	node[LOCKSTEP_NAME_BYTES];	/* 112 */
};				/* 160 */

/* What one side knows of one volume: the input of gen_compare (kernel/core/gen.h). */
struct lockstep_ctl_volume {
	__le32	volume;		/*   0 ascending in the message */
	__le32	flags;		/*   4 LOCKSTEP_MF_* as in memory now */
	__le64	current_id;	/*   8 */
	__le64	current_nr;	/*  16 */
	__le64	since_id;	/*  24 of the peer addressed */
	__le64	peer_boot_id;	/*  32 instance of the peer in our last session */
	/*  40 agreed size, or the one that a RESIZE is to make of it; 0: none yet */
	__le64	data_sect;
	__le64	data_max_sect;	/*  48 what this side could give */
	__le64	oos_bits;	/*  56 blocks marked out of sync here */
	/*
	 * 64: the sequence of the metadata: changes with each write of it, so with each change of
	 * role. (From an older release: the wall clock of the last write, in seconds.)
	 */
	__le64	meta_seq;
	__le32	logical_bytes;	/*  72 limits of the backing device */
	__le32	physical_bytes;	/*  76 */
	__le32	max_io_bytes;	/*  80 */
	__le32	caps;		/*  84 LOCKSTEP_VC_* */
	__le32	disk;		/*  88 lockstep_disk_state */
	__le32	sync;		/*  92 lockstep_sync_state of the live session */
	__le64	history[LOCKSTEP_HISTORY];	/* 96 newest first, 0: unused */
};				/* 608 */

#define LOCKSTEP_VC_ZEROES		(1u << 0)	/* backing device writes zeroes by itself */
#define LOCKSTEP_VC_CACHE		(1u << 1)	/* has a volatile write cache */
#define LOCKSTEP_VC_ROTATIONAL		(1u << 2)
#define LOCKSTEP_VC_KNOWN		0x7u

struct lockstep_ctl_verdict {
	__le32	nr_volumes;	/* 0 */
	__le32	pad;		/* 4 */
};				/* 8 */

struct lockstep_ctl_choice {
	__le32	volume;		/*  0 */
	__le16	verdict;	/*  4 enum gen_verdict, seen from the sender */
	__le16	rule;		/*  6 enum gen_rule */
};				/* 8 */

struct lockstep_ctl_token {
	__le64	session_id;	/*  0 random, not 0 */
	__le64	epoch;		/*  8 of the session: above both hellos' */
	__le32	streams;	/* 16 */
	__le32	timeout_ms;	/* 20 */
	__u8	token[LOCKSTEP_KEY_BYTES];	/* 24 */
};				/* 56 */

struct lockstep_ctl_marks {
	__le32	volume;		/*  0 */
	__le32	run_bytes;	/*  4 run-length bytes that follow (kernel/core/rle.h) */
	__le64	first_bit;	/*  8 bit the first gap counts from */
};				/* 16 */

struct lockstep_ctl_resize {
	__le32	volume;		/*  0 */
	__le32	flags;		/*  4 LOCKSTEP_RZ_* */
	__le64	data_sect;	/*  8 size it is to have, 0: all that both can give */
};				/* 16 */

#define LOCKSTEP_RZ_SHRINK		(1u << 0)	/* data_sect may be less than now */
#define LOCKSTEP_RZ_KNOWN		0x1u

struct lockstep_ctl_resize_done {
	__le32	volume;		/*   0 */
	__le32	refused;	/*   4 0: done, 1: not, and `text` says why */
	__le64	data_max_sect;	/*   8 what that side can give now */
	__u8	text[240];	/*  16 NUL-terminated UTF-8 */
};				/* 256 */

/* What one side has written alone, for people and for split_policy(). */
struct lockstep_ctl_split {
	__le32	nr_volumes;	/*  0 */
	__le32	role;		/*  4 lockstep_role */
	/*  8 what its configuration says: lockstep_split_policy, without and with one primary */
	__le32	no_primary;
	__le32	one_primary;	/* 12 */
};				/* 16 */

enum lockstep_split_policy {
	LOCKSTEP_SP_NONE	= 0,	/* a person decides */
	LOCKSTEP_SP_KEEP_CHANGED = 1,	/* the only side that has any changes */
	LOCKSTEP_SP_KEEP_PRIMARY = 2,
	LOCKSTEP_SP_NR
};

struct lockstep_ctl_split_volume {
	__le32	volume;		/*  0 ascending in the message */
	__le32	flags;		/*  4 LOCKSTEP_MF_* */
	__le64	oos_bits;	/*  8 blocks marked */
	/* 16 bytes of all regions that may have been written since both last flushed */
	__le64	dirty_bytes;
	__le64	write_s;	/* 24 last application write here, wall clock; 0: none known */
	__le64	primary_s;	/* 32 last promotion here; 0: never */
};				/* 40 */

struct lockstep_ctl_resolve {
	__le32	keep;		/*  0 LOCKSTEP_KEEP_* */
	__le32	pad;		/*  4 */
};				/*  8 */

#define LOCKSTEP_KEEP_MINE	1u
#define LOCKSTEP_KEEP_YOURS	2u

struct lockstep_ctl_resolve_done {
	__le32	refused;	/*   0 0: done, 1: not, and `text` says why */
	__le32	pad;		/*   4 */
	__u8	text[248];	/*   8 NUL-terminated UTF-8 */
};				/* 256 */

struct lockstep_ctl_trace {
	__le32	op;		/*  0 LOCKSTEP_TRACE_* */
	__le32	pad;		/*  4 */
};				/*  8 */

#define LOCKSTEP_TRACE_BEGIN	1u
#define LOCKSTEP_TRACE_END	2u
#define LOCKSTEP_TRACE_ITEMS	8000u	/* most in one answer: the latest */

struct lockstep_ctl_trace_done {
	__le32	op;		/*   0 what it answers */
	__le32	refused;	/*   4 0: done, 1: not, and `text` says why */
	__le32	nr;		/*   8 items: only of END, and only if not refused */
	__le32	pad;		/*  12 */
	__le64	epoch;		/*  16 of the session that all items are of */
	__u8	text[232];	/*  24 NUL-terminated UTF-8 */
};				/* 256 */

/* One write, named as on the data connection. */
struct lockstep_ctl_trace_item {
	__le32	stream;		/*  0 */
	__le32	slot;		/*  4 */
	__le32	slot_gen;	/*  8 */
	__le32	pad;		/* 12 */
	__le64	disk_ns;	/* 16 from the whole message received to its disk's end of it */
	__le64	answer_ns;	/* 24 from there to the answer's last byte handed to the socket */
};				/* 32 */

struct lockstep_ctl_refuse {
	__le32	code;		/*  0 enum lockstep_refuse, for tests; the text is for people */
	__u8	text[252];	/*  4 NUL-terminated UTF-8 */
};				/* 256 */

enum lockstep_refuse {
	LOCKSTEP_RF_VERSION	= 1,	/* no wire version in common */
	LOCKSTEP_RF_IDENTITY	= 2,	/* resource, node ids or volumes do not match */
	LOCKSTEP_RF_LIMITS	= 3,	/* sizes or block sizes cannot be brought together now */
	LOCKSTEP_RF_SPLIT	= 4,	/* split brain */
	LOCKSTEP_RF_UNRELATED	= 5,	/* no common history */
	LOCKSTEP_RF_BLANK	= 6,	/* both new: nobody said whose data counts */
	LOCKSTEP_RF_ROLE	= 7,	/* the side that would be overwritten is primary */
	/*
	 * State changed meanwhile or a stale session was closed: retry at once. While connected:
	 * the session is about to end, so that the next one knows more. Whoever hears that lets go
	 * of the control connection, after which the session is closed.
	 */
	LOCKSTEP_RF_BUSY	= 8,
	LOCKSTEP_RF_VERDICT	= 9,	/* the two sides came to different verdicts */
	LOCKSTEP_RF_TWO_PRIMARIES = 10,
	LOCKSTEP_RF_INCONSISTENT = 11,	/* neither side has a consistent copy */
	LOCKSTEP_RF_INTERNAL	= 12,
	LOCKSTEP_RF_NR
};

#endif /* LOCKSTEP_WIRE_H */
