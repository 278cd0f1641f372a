/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Generic netlink family "lockstep": how the daemon and the command line drive the kernel module.
 *
 * Every command needs CAP_NET_ADMIN in the initial user namespace. Every refusal a person can cause
 * carries an extended-ack text: one sentence that names the thing. Unknown attributes are refused.
 * Numbers are host-endian, as netlink has it. Strings are NUL-terminated and bounded by
 * LOCKSTEP_NAME_BYTES unless said otherwise.
 */
#ifndef _UAPI_LINUX_LOCKSTEP_H
#define _UAPI_LINUX_LOCKSTEP_H

#define LOCKSTEP_GENL_NAME	"lockstep"
/*
 * Raised when the module comes to need of a command what older tools do not say. Those it refuses
 * in words: it would find their commands wrong for ever otherwise, for no reason that they know. A
 * status they may ask for. 2: SESSION_OPEN with LOCKSTEP_FLAG_PRIMARY.
 */
#define LOCKSTEP_GENL_VERSION	2
#define LOCKSTEP_GENL_MCGRP	"events"	/* multicast group of LOCKSTEP_CMD_EVENT */

/* Who may write. Also on the wire. */
enum lockstep_role {
	LOCKSTEP_ROLE_UNKNOWN	= 0,	/* of a peer we have no session with */
	LOCKSTEP_ROLE_SECONDARY	= 1,
	LOCKSTEP_ROLE_PRIMARY	= 2,
};

/* The session with the peer. */
enum lockstep_link_state {
	LOCKSTEP_LINK_DOWN	= 0,	/* no session */
	LOCKSTEP_LINK_OPENING	= 1,	/* SESSION_OPEN done, streams arriving, nothing flows */
	LOCKSTEP_LINK_UP	= 2,	/* replication is on */
};

/* One copy. */
enum lockstep_disk_state {
	LOCKSTEP_DISK_NONE	= 0,	/* no backing device, or unknown (of a peer) */
	LOCKSTEP_DISK_FAILED	= 1,	/* dropped after an error */
	LOCKSTEP_DISK_INCONSISTENT = 2,	/* blank, or half-way through a resync */
	LOCKSTEP_DISK_OUTDATED	= 3,	/* consistent, and known to be behind */
	LOCKSTEP_DISK_UNSURE	= 4,	/* consistent, but nobody confirmed that it is the latest */
	LOCKSTEP_DISK_UP_TO_DATE = 5,
};

/* Resync of one volume in this session. */
enum lockstep_sync_state {
	LOCKSTEP_SYNC_NONE	= 0,
	/* we are the source and wait for the peer's marks: SYNC_START */
	LOCKSTEP_SYNC_SOURCE_WAIT = 1,
	LOCKSTEP_SYNC_SOURCE	= 2,	/* copying to the peer */
	LOCKSTEP_SYNC_TARGET	= 3,	/* being copied to */
};

/* What happens to an application write now. */
enum lockstep_io_mode {
	LOCKSTEP_IO_NONE	= 0,	/* not primary: none admitted */
	LOCKSTEP_IO_BOTH	= 1,	/* to both copies */
	/* peer gone, nothing written since: the first write narrows the set */
	LOCKSTEP_IO_LAZY	= 2,
	LOCKSTEP_IO_NARROW	= 3,	/* held until the narrowed set is durable (P4) */
	LOCKSTEP_IO_ALONE	= 4,	/* marked and written here only */
	/*
	 * Our disk is gone and so is the peer, which has the data: held until it is back, because
	 * nothing here could serve or keep them. Or UNFENCED: held until the peer is back or its
	 * fate is known.
	 */
	LOCKSTEP_IO_FROZEN	= 5,
};

/* Comparing the two copies of a volume on line. */
enum lockstep_verify_state {
	LOCKSTEP_VERIFY_NONE	= 0,	/* never asked for since attach */
	LOCKSTEP_VERIFY_RUNNING	= 1,
	/* by command or by the end of the session: may be resumed */
	LOCKSTEP_VERIFY_STOPPED	= 2,
	LOCKSTEP_VERIFY_DONE	= 3,
};

/*
 * What a primary does when it has lost its peer while both copies are in the set. The kernel tells
 * NONE from the others only; how they differ is the daemon's business.
 */
enum lockstep_fencing {
	LOCKSTEP_FENCING_NONE	= 0,	/* it goes on alone by itself */
	/* it waits until the peer is outdated, fenced, or known to be down */
	LOCKSTEP_FENCING_OUTDATE = 1,
	LOCKSTEP_FENCING_FENCE	= 2,	/* until the peer is outdated or fenced */
};

enum lockstep_cmd {
	LOCKSTEP_CMD_UNSPEC,
	/*
	 * RES_NAME NODE_ID NODE_NAME PEER_NODE_ID PEER_NAME [TIMEOUT_MS] [PING_MS] [FENCING]
	 * [AUTO_PROMOTE]: create a resource, secondary, without volumes. EEXIST if it is there.
	 */
	LOCKSTEP_CMD_RES_ADD,
	/*
	 * RES_NAME: close the session, detach and remove all volumes. EBUSY (naming the opener)
	 * while in use.
	 */
	LOCKSTEP_CMD_RES_DEL,
	/*
	 * RES_NAME VOLUME MINOR BACKING [META]: open the backing device exclusively, read its
	 * metadata, create /dev/lockstepMINOR. META absent: internal metadata.
	 */
	LOCKSTEP_CMD_VOL_ADD,
	/* RES_NAME VOLUME: the reverse; the peer's session is closed first. EBUSY while open. */
	LOCKSTEP_CMD_VOL_DEL,
	/*
	 * [RES_NAME]: dump. One message per resource (no VOLUME attribute) followed by one per
	 * volume of it.
	 */
	LOCKSTEP_CMD_STATUS_GET,
	/*
	 * RES_NAME [FORCE] [FENCE_ROUND]: become primary. With a session: asks the peer. Without
	 * one, under a fencing policy: ENOTUNIQ, unless FENCE_ROUND says that the peer has been
	 * fenced since that round; ESTALE if there was a session since.
	 */
	LOCKSTEP_CMD_PROMOTE,
	/* RES_NAME: become secondary. EBUSY (naming the opener) while open for writing. */
	LOCKSTEP_CMD_DEMOTE,
	/*
	 * RES_NAME SESSION_ID EPOCH PEER_BOOT_ID PEER_ROLE STREAMS TIMEOUT_MS, and one PEER_VOLUME
	 * nest for each volume {VOLUME VERDICT GEN_CURRENT GEN_SINCE FLAGS (ours, that the verdict
	 * was based on; FLAGS with LOCKSTEP_FLAG_NO_DISK if ours was given up, and
	 * LOCKSTEP_FLAG_PRIMARY if we were said to be primary) PEER_GEN_CURRENT
	 * PEER_FLAGS DATA_SECT (agreed) LOGICAL_BYTES PHYSICAL_BYTES MAX_IO_BYTES CAPS DISK (the
	 * peer's)}: announce a session. EAGAIN when the state the verdict was based on has changed:
	 * say hello again.
	 */
	LOCKSTEP_CMD_SESSION_OPEN,
	/*
	 * RES_NAME SESSION_ID STREAM FD: hand over one connected, authenticated socket. The kernel
	 * keeps it.
	 */
	LOCKSTEP_CMD_STREAM_ADD,
	/*
	 * RES_NAME SESSION_ID: all streams are there: write down what the verdicts ask for (a sync
	 * target is durably inconsistent from here), then switch replication on. EAGAIN as above.
	 */
	LOCKSTEP_CMD_SESSION_START,
	/*
	 * RES_NAME [SESSION_ID]: end it. Without SESSION_ID whatever session there is; no session
	 * is no error.
	 */
	LOCKSTEP_CMD_SESSION_CLOSE,
	/*
	 * RES_NAME VOLUME FIRST_BIT: one chunk of the out-of-sync bitmap: reply RUNS, FIRST_BIT
	 * (where the chunk begins), NEXT_BIT (where to go on; absent: that was all). Form of RUNS:
	 * kernel/core/rle.h.
	 */
	LOCKSTEP_CMD_MARKS_GET,
	/*
	 * RES_NAME SESSION_ID VOLUME FIRST_BIT RUNS: the peer's marks, to be united with ours.
	 * ENOTCONN, here and below: there is no such session any more.
	 */
	LOCKSTEP_CMD_MARKS_MERGE,
	/*
	 * RES_NAME SESSION_ID VOLUME: as source: the marks are united, go. No error when already
	 * running.
	 */
	LOCKSTEP_CMD_SYNC_START,
	/*
	 * Multicast only. EVENT SEQ RES_NAME [VOLUME], and the status attributes of what changed.
	 */
	LOCKSTEP_CMD_EVENT,
	/*
	 * RES_NAME VOLUME BACKING [META]: give a volume whose disk has failed or was detached a
	 * disk again, while it goes on being used through the peer. What is on it counts for
	 * nothing until the next session's verdict: close the session and say hello again. EBUSY
	 * while requests are still at the old disk, EEXIST if it has a disk.
	 */
	LOCKSTEP_CMD_VOL_ATTACH,
	/*
	 * RES_NAME VOLUME: give up the local disk on purpose. A primary goes on through the peer,
	 * which notes it first; EPERM if the peer could not take over (no session, being synced).
	 */
	LOCKSTEP_CMD_VOL_DETACH,
	/*
	 * RES_NAME VOLUME [FIRST_BIT] [NR_BITS] [REPAIR] [RESUME]: compare both copies under
	 * application I/O. REPAIR: blocks that differ are written anew at the peer, from here.
	 * RESUME: go on where the last one stopped. EBUSY: one is running, or a resync.
	 */
	LOCKSTEP_CMD_VERIFY_START,
	/* RES_NAME VOLUME: no error if none is running. */
	LOCKSTEP_CMD_VERIFY_STOP,
	/*
	 * RES_NAME VOLUME FIRST_BIT: what the last verify found to differ, in the form of
	 * MARKS_GET.
	 */
	LOCKSTEP_CMD_VERIFY_GET,
	/*
	 * RES_NAME VOLUME [DATA_SECT] [FORCE]: may the volume be given this size (0 or absent: all
	 * that both sides can give) with the next hello? Less than now only with FORCE, while
	 * nobody has it open. EBUSY when the backing device has grown since it was attached:
	 * attaching it again takes up its size (DATA_MAX_SECT).
	 */
	LOCKSTEP_CMD_RESIZE,
	/*
	 * RES_NAME, and one PEER_VOLUME nest for each volume {VOLUME GEN_CURRENT GEN_SINCE META_SEQ
	 * (ours, as whoever decided knew them)}: give up what was written here beside the peer,
	 * durably, on all volumes: each is inconsistent then, and keeps its marks. EBUSY while
	 * primary or with a session; EAGAIN when any of the three has changed, so also when it was
	 * primary in between and may have been written. May be repeated, with what is so then.
	 */
	LOCKSTEP_CMD_SURRENDER,
	/*
	 * RES_NAME, and FENCING or AUTO_PROMOTE or both: change the policies of a resource that is
	 * there. What is absent stays; on an error both do.
	 */
	LOCKSTEP_CMD_RES_SET,
	/*
	 * RES_NAME [FENCE_ROUND]: the peer will not be primary with the copy it has: go on alone.
	 * ESTALE if there was a session since that round; without it the round is the present one,
	 * by a person's word. No error if nothing waits for it.
	 */
	LOCKSTEP_CMD_FENCED,
	/*
	 * RES_NAME: note, durably, that the peer goes on without this copy. EPERM: primary; EBUSY:
	 * connected; EUCLEAN: it is not consistent anyway.
	 */
	LOCKSTEP_CMD_OUTDATE,
	__LOCKSTEP_CMD_MAX
};
#define LOCKSTEP_CMD_MAX	(__LOCKSTEP_CMD_MAX - 1)

enum lockstep_attr {
	LOCKSTEP_ATTR_UNSPEC,
	LOCKSTEP_ATTR_PAD,
	/* Resource. */
	LOCKSTEP_ATTR_RES_NAME,		/* string: [A-Za-z0-9_.-]+ not beginning with '.' or '-' */
	LOCKSTEP_ATTR_NODE_ID,		/* u32: ours, 0 to 31 */
	LOCKSTEP_ATTR_NODE_NAME,	/* string: ours */
	LOCKSTEP_ATTR_PEER_NODE_ID,	/* u32 */
	LOCKSTEP_ATTR_PEER_NAME,	/* string */
	LOCKSTEP_ATTR_TIMEOUT_MS,	/* u32: silence that means the peer is gone */
	LOCKSTEP_ATTR_PING_MS,		/* u32 */
	LOCKSTEP_ATTR_ROLE,		/* u32: enum lockstep_role */
	LOCKSTEP_ATTR_PEER_ROLE,	/* u32 */
	LOCKSTEP_ATTR_LINK,		/* u32: enum lockstep_link_state */
	LOCKSTEP_ATTR_IO_MODE,		/* u32: enum lockstep_io_mode */
	LOCKSTEP_ATTR_SESSION_ID,	/* u64 */
	LOCKSTEP_ATTR_EPOCH,		/* u64: highest we took part in */
	LOCKSTEP_ATTR_BOOT_ID,		/* u64: this load of the module */
	LOCKSTEP_ATTR_PEER_BOOT_ID,	/* u64: of the live session, 0: none */
	LOCKSTEP_ATTR_STREAMS,		/* u32: of the live session */
	LOCKSTEP_ATTR_NR_VOLUMES,	/* u32 */
	/* string (up to 128): what anything waits for now; absent: nothing */
	LOCKSTEP_ATTR_WAIT,
	LOCKSTEP_ATTR_HELD,		/* u32: writes held */
	LOCKSTEP_ATTR_LINK_LOST,	/* string (up to 128): why the last session ended */
	/* Volume. */
	LOCKSTEP_ATTR_VOLUME,		/* u32: number within the resource */
	LOCKSTEP_ATTR_MINOR,		/* u32: of /dev/lockstepN */
	LOCKSTEP_ATTR_BACKING,		/* string: path of a block device, up to 255 */
	LOCKSTEP_ATTR_META,		/* string: path of an external metadata device, up to 255 */
	LOCKSTEP_ATTR_DISK,		/* u32: enum lockstep_disk_state */
	LOCKSTEP_ATTR_PEER_DISK,	/* u32 */
	LOCKSTEP_ATTR_SYNC,		/* u32: enum lockstep_sync_state */
	LOCKSTEP_ATTR_DATA_SECT,	/* u64: size of the volume */
	LOCKSTEP_ATTR_DATA_MAX_SECT,	/* u64: what this side's backing device could give */
	LOCKSTEP_ATTR_OOS_BITS,		/* u64: 4 KiB blocks out of sync */
	LOCKSTEP_ATTR_SYNC_TOTAL_BITS,	/* u64: as this resync began */
	LOCKSTEP_ATTR_SYNC_MS,		/* u64: since this resync began */
	LOCKSTEP_ATTR_GEN_CURRENT,	/* u64: id */
	LOCKSTEP_ATTR_GEN_NR,		/* u64 */
	LOCKSTEP_ATTR_GEN_SINCE,	/* u64: id, of the peer; 0: with us */
	LOCKSTEP_ATTR_GEN_HISTORY,	/* binary: u64 ids, newest first */
	LOCKSTEP_ATTR_FLAGS,		/* u32: LOCKSTEP_MF_* */
	LOCKSTEP_ATTR_LAST_BOOT_ID,	/* u64: instance of the peer in our last session with it */
	LOCKSTEP_ATTR_WRITTEN_S,	/* u64: wall clock of the metadata's last write */
	LOCKSTEP_ATTR_LOGICAL_BYTES,	/* u32: of the backing device; in status: of the volume */
	LOCKSTEP_ATTR_PHYSICAL_BYTES,	/* u32 */
	LOCKSTEP_ATTR_MAX_IO_BYTES,	/* u32 */
	LOCKSTEP_ATTR_CAPS,		/* u32: LOCKSTEP_VC_* */
	LOCKSTEP_ATTR_OPENERS,		/* u32: how many have it open */
	LOCKSTEP_ATTR_OPENER,		/* string (up to 64): the first of them, "comm (pid N)" */
	LOCKSTEP_ATTR_IN_FLIGHT,	/* u32: application requests */
	LOCKSTEP_ATTR_READS,		/* u64: requests completed */
	LOCKSTEP_ATTR_READ_SECT,	/* u64 */
	LOCKSTEP_ATTR_WRITES,		/* u64 */
	LOCKSTEP_ATTR_WRITE_SECT,	/* u64 */
	LOCKSTEP_ATTR_PEER_WRITES,	/* u64: applied for the peer */
	LOCKSTEP_ATTR_PEER_WRITE_SECT,	/* u64 */
	LOCKSTEP_ATTR_RESYNC_SECT,	/* u64: copied by resync, either way */
	/* Requests. */
	LOCKSTEP_ATTR_FORCE,		/* flag */
	LOCKSTEP_ATTR_STREAM,		/* u32 */
	LOCKSTEP_ATTR_FD,		/* u32: file descriptor of a connected TCP socket */
	LOCKSTEP_ATTR_PEER_VOLUME,	/* nest, repeated */
	LOCKSTEP_ATTR_VERDICT,		/* u32: enum gen_verdict (kernel/core/gen.h) */
	LOCKSTEP_ATTR_PEER_GEN_CURRENT,	/* u64 */
	LOCKSTEP_ATTR_PEER_FLAGS,	/* u32: LOCKSTEP_MF_* */
	LOCKSTEP_ATTR_FIRST_BIT,	/* u64 */
	LOCKSTEP_ATTR_NEXT_BIT,		/* u64 */
	LOCKSTEP_ATTR_RUNS,		/* binary, up to 32 KiB */
	/* Events. */
	LOCKSTEP_ATTR_EVENT,		/* u32: enum lockstep_event */
	/* u64: one more with each event of this module; a gap means: ask STATUS_GET */
	LOCKSTEP_ATTR_SEQ,
	/* Disk of a volume. */
	/*
	 * u64: size of the backing device. In status: as the metadata has it. In VOL_ADD and
	 * VOL_ATTACH, optional: the size it had when it was last attached, so that internal
	 * metadata is found on a device that has grown since.
	 */
	LOCKSTEP_ATTR_DEVICE_SECT,
	LOCKSTEP_ATTR_DISK_WHY,		/* string (up to 128): why the disk was given up */
	LOCKSTEP_ATTR_STUCK,		/* u32: requests that never came back from that disk */
	LOCKSTEP_ATTR_READ_ERRORS,	/* u64: failed reads of the local disk */
	LOCKSTEP_ATTR_WRITE_ERRORS,	/* u64 */
	LOCKSTEP_ATTR_REPAIRS,		/* u64: blocks written anew after a failed read */
	LOCKSTEP_ATTR_LOADING,		/* flag: the bitmap is still being read from the disk */
	LOCKSTEP_ATTR_DIRTY_REGIONS,	/* u64: regions written since both last flushed */
	/* u32, of a resource: a request at the local disk for longer means that the disk is gone;
	 * 0: never
	 */
	LOCKSTEP_ATTR_DISK_TIMEOUT_MS,
	/* Resync, beside OOS_BITS, SYNC_TOTAL_BITS and SYNC_MS. */
	LOCKSTEP_ATTR_SYNC_COMPARED_BITS, /* u64: compared by checksum in this resync */
	LOCKSTEP_ATTR_SYNC_COPIED_BITS,	/* u64: copied in this resync */
	LOCKSTEP_ATTR_SYNC_RATE,	/* u64: bytes a second settled, of the last seconds */
	LOCKSTEP_ATTR_SYNC_LEFT_MS,	/* u64: at that rate; absent: unknown */
	LOCKSTEP_ATTR_SYNC_ERROR_BITS,	/* u64: blocks that cannot be read at the source */
	/* Verify. */
	LOCKSTEP_ATTR_NR_BITS,		/* u64 */
	LOCKSTEP_ATTR_REPAIR,		/* flag */
	LOCKSTEP_ATTR_RESUME,		/* flag */
	LOCKSTEP_ATTR_VERIFY,		/* u32: enum lockstep_verify_state */
	LOCKSTEP_ATTR_VERIFY_FIRST_BIT,	/* u64: where it began */
	LOCKSTEP_ATTR_VERIFY_BIT,	/* u64: how far it has come */
	LOCKSTEP_ATTR_VERIFY_END_BIT,	/* u64: where it ends */
	LOCKSTEP_ATTR_VERIFY_BAD_BITS,	/* u64: blocks that differed */
	LOCKSTEP_ATTR_VERIFY_REPAIRED_BITS, /* u64 */
	/* What happened here when; wall clock, 0: never. */
	LOCKSTEP_ATTR_WRITE_S,		/* u64: last application write that completed here */
	LOCKSTEP_ATTR_PRIMARY_S,	/* u64: last promotion here */
	/* Fencing, of a resource. */
	LOCKSTEP_ATTR_FENCING,		/* u32: enum lockstep_fencing */
	LOCKSTEP_ATTR_FENCE_ROUND,	/* u32: sessions opened so far */
	LOCKSTEP_ATTR_UNFENCED,		/* flag: frozen until the peer's fate is known */
	/* u32, of a resource, 0 or 1: opening it for writing promotes, the last close demotes */
	LOCKSTEP_ATTR_AUTO_PROMOTE,
	LOCKSTEP_ATTR_AUTOMATIC,	/* flag: primary because of that */
	/*
	 * u64, of a volume: one more at each write of its metadata, so at each change of its role;
	 * never 0. A secondary without a session whose number is the same has not been written.
	 */
	LOCKSTEP_ATTR_META_SEQ,
	__LOCKSTEP_ATTR_MAX
};
#define LOCKSTEP_ATTR_MAX	(__LOCKSTEP_ATTR_MAX - 1)

/* In the FLAGS of SESSION_OPEN, beside LOCKSTEP_MF_*. */
#define LOCKSTEP_FLAG_NO_DISK	(1u << 31)
#define LOCKSTEP_FLAG_PRIMARY	(1u << 30)

enum lockstep_event {
	LOCKSTEP_EVENT_NONE,
	LOCKSTEP_EVENT_STATE,		/* any of the states above changed */
	LOCKSTEP_EVENT_SESSION_LOST,	/* LINK_LOST says why */
	LOCKSTEP_EVENT_SYNC_DONE,	/* VOLUME is in sync */
	LOCKSTEP_EVENT_SYNC_PROGRESS,	/* at most one a second */
	LOCKSTEP_EVENT_REMOVED,		/* resource or volume is gone */
	LOCKSTEP_EVENT_DISK_FAILED,	/* VOLUME's disk was given up: DISK_WHY */
	LOCKSTEP_EVENT_DISK_ATTACHED,	/* VOLUME has a disk again */
	/* a failed read of VOLUME was served by the peer, the block rewritten */
	LOCKSTEP_EVENT_REPAIRED,
	LOCKSTEP_EVENT_VERIFY_PROGRESS,	/* at most one a second */
	LOCKSTEP_EVENT_VERIFY_DONE,	/* or stopped: VERIFY says which */
};

#endif /* _UAPI_LINUX_LOCKSTEP_H */
