/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Every limit and default of Lockstep, each with its reason. Used by the formats, core, the module
 * and the tools; numbers only, no types.
 */
#ifndef LOCKSTEP_LIMITS_H
#define LOCKSTEP_LIMITS_H

/* The unit of every `_sect` number, whatever the device's own block size is. */
#define LOCKSTEP_SECT_BYTES		512u
#define LOCKSTEP_SECT_SHIFT		9

/*
 * One bit of the out-of-sync bitmap: the page size, and the block size of nearly every file system.
 */
#define LOCKSTEP_BIT_BYTES		4096u
#define LOCKSTEP_BIT_SHIFT		12
#define LOCKSTEP_BIT_SECT		8u

/*
 * One bit of the dirty-region map, and the stretch no request ever crosses: so a request has one
 * region to mark and one range bucket to wait in.
 */
#define LOCKSTEP_REGION_BYTES		(4u << 20)
#define LOCKSTEP_REGION_SHIFT		22
#define LOCKSTEP_REGION_SECT		8192u

/* Longest payload of one message: one bio of 256 pages. */
#define LOCKSTEP_MAX_IO_BYTES		(1u << 20)
#define LOCKSTEP_MAX_IO_SECT		2048u

/* 1 PiB; keeps every sector, bit and region number far from overflow. */
#define LOCKSTEP_MAX_DATA_SECT		(1ull << 41)
#define LOCKSTEP_MIN_DATA_SECT		2048ull		/* 1 MiB: less is a typing error */

#define LOCKSTEP_NAME_BYTES		48		/* resource or node name, with its NUL */
#define LOCKSTEP_MAX_VOLUMES		256		/* per resource */
#define LOCKSTEP_MAX_MINOR		((1u << 20) - 1)
/* slots in the formats; one is used today */
#define LOCKSTEP_MAX_PEERS		8
#define LOCKSTEP_MAX_NODES		32		/* node ids are 0 to 31 */
#define LOCKSTEP_HISTORY		64		/* generations remembered on disk */

#define LOCKSTEP_MAX_STREAMS		16		/* TCP connections of one session */
#define LOCKSTEP_DEF_STREAMS		4
#define LOCKSTEP_STREAM_SLOTS		512		/* requests in flight on one stream */
/*
 * Payload bytes in flight on one stream: bounds what the receiver has to hold in memory, and is
 * more than any bandwidth-delay product a synchronous mirror is useful at.
 */
#define LOCKSTEP_STREAM_WINDOW_BYTES	(16u << 20)

#define LOCKSTEP_DEF_PORT		7400		/* control and data connections alike */
#define LOCKSTEP_KEY_BYTES		32		/* pre-shared key and session token */

/* Silence from the peer for this long, though we pinged, means it is gone. */
#define LOCKSTEP_DEF_TIMEOUT_MS		6000u
#define LOCKSTEP_MIN_TIMEOUT_MS		500u
#define LOCKSTEP_MAX_TIMEOUT_MS		600000u
/* A session that was opened and not started by then never will be: its daemon died. */
#define LOCKSTEP_OPENING_MS		30000u
/* A peer that speaks but leaves a request unanswered for this long has a disk that hangs. */
#define LOCKSTEP_ANSWER_MS		30000u
#define LOCKSTEP_DEF_PING_MS		1000u
/*
 * A request at the local disk for this long means that the disk is gone. Disks that recover by
 * themselves do so within seconds; the kernel's own drivers give up after 30 s.
 */
#define LOCKSTEP_DEF_DISK_TIMEOUT_MS	30000u
#define LOCKSTEP_MIN_DISK_TIMEOUT_MS	1000u		/* 0: never */
#define LOCKSTEP_MAX_DISK_TIMEOUT_MS	3600000u

#endif /* LOCKSTEP_LIMITS_H */
