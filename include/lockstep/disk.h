/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * On-disk format, version 2. Little-endian throughout; every pad is named and zero.
 *
 * Where things are (all 4 KiB aligned; numbers are sectors of 512 bytes on the metadata device):
 *
 *   internal   | data | bitmap | index | region map | superblock 1 | spare | superblock 0 | end
 *   external   | superblock 0 | spare | superblock 1 | region map | index | bitmap |
 *
 * The two superblock copies lie 60 KiB apart, so that one torn or remapped stretch of a disk takes
 * only one of them. Copy 0 of an internal layout is the last aligned 4 KiB of the device, so that
 * it is found knowing the device's size alone, and it stays clear of what other formats keep at
 * their beginning.
 *
 * Writing: the copy with the older sequence is overwritten, with PREFLUSH and FUA, never both
 * at once: at any instant one copy is whole. Reading: both are read, the whole one with the higher
 * sequence counts (kernel/core/meta.h has the arithmetic and the checks).
 */
#ifndef LOCKSTEP_DISK_H
#define LOCKSTEP_DISK_H

#include <linux/types.h>
#include <lockstep/limits.h>

#define LOCKSTEP_DISK_MAGIC		"LOCKSTEP"	/* 8 bytes, no NUL */
#define LOCKSTEP_DISK_VERSION		2
#define LOCKSTEP_SB_BYTES		4096u
#define LOCKSTEP_SB_AREA_BYTES		65536u		/* both copies and the spare between */

/*
 * Feature masks. An unknown compat bit is ignored; an unknown ro_compat bit allows reading only; an
 * unknown incompat bit is refused by naming its number.
 */
#define LOCKSTEP_INCOMPAT_KNOWN		0u
#define LOCKSTEP_RO_COMPAT_KNOWN	0u

/* lockstep_superblock.flags */
/* the copy is one point in time, not a mixture */
#define LOCKSTEP_MF_CONSISTENT		(1u << 0)
#define LOCKSTEP_MF_UP_TO_DATE		(1u << 1)  /* in the up-to-date set when last written */
/* set while primary: found set at attach = crashed */
#define LOCKSTEP_MF_PRIMARY		(1u << 2)
/* set while attached: found set = not closed cleanly */
#define LOCKSTEP_MF_ATTACHED		(1u << 3)
/* init --clean, untouched since: contents irrelevant */
#define LOCKSTEP_MF_CLEAN		(1u << 4)
/* the bitmap names every block that may differ */
#define LOCKSTEP_MF_MARKS_VALID		(1u << 5)
/* the region map names every region written since the last flush that succeeded on both copies */
#define LOCKSTEP_MF_REGIONS_VALID	(1u << 6)
/* was not closed cleanly, not reconciled since: its volatile cache may have lost writes */
#define LOCKSTEP_MF_UNCLEAN		(1u << 7)
#define LOCKSTEP_MF_CRASHED_PRIMARY	(1u << 8)  /* UNCLEAN, and was primary then */
#define LOCKSTEP_MF_EXTERNAL		(1u << 9)  /* metadata lives on a device of its own */
#define LOCKSTEP_MF_OUTDATED		(1u << 10) /* told by the peer that it went on without us */
/*
 * since `since`, written only for the peer: it is primary, has lost its disk and works through us.
 * Gone with our own promotion.
 */
#define LOCKSTEP_MF_SERVING		(1u << 11)
/*
 * closed as a secondary whose peer was primary when it was last heard: it may have written since.
 * Gone with the next session, or by force.
 */
#define LOCKSTEP_MF_LEFT_PRIMARY	(1u << 12)
/*
 * `current` came straight from `since`, when the peer was still with us: so as long as the other
 * volumes of the resource do not say the same, nothing was written in it (core/gengroup.h).
 */
#define LOCKSTEP_MF_NARROWED		(1u << 13)
#define LOCKSTEP_MF_KNOWN		0x3fffu

/*
 * A generation: a random id, never 0, and the number of generations before it in this lineage,
 * which is for people (it says which of two is the younger) and is never compared to decide. id 0:
 * none ("blank": init, never synced).
 */
struct lockstep_disk_gen {
	__le64	id;		/*  0 */
	__le64	nr;		/*  8 */
};

/*
 * lockstep_disk_peer.flags. SYNCING: `since` was set because we copy to the peer, not because we
 * went on without it: it may have been told that it is whole, and we crashed before noting so.
 */
#define LOCKSTEP_PF_SYNCING		(1u << 0)
#define LOCKSTEP_PF_KNOWN		0x1u

/* What we know of one peer. OFFSET in the struct beside each member. */
struct lockstep_disk_peer {
	/* 0: generation the peer has, while ours has gone on; 0: it is with us */
	struct lockstep_disk_gen since;
	/* 16: instance of the peer in our last session, 0: none yet */
	__le64	boot_id;
	__le64	seen_s;			/* 24 wall clock of the last session's end, for people */
	__le32	node_id;		/* 32 */
	__le32	flags;			/* 36 LOCKSTEP_PF_* */
	__u8	pad[24];		/* 40 */
};

struct lockstep_superblock {
	__u8	magic[8];		/*   0 */
	__le32	version;		/*   8 */
	__le32	crc;			/*  12 crc32c over the 4096 bytes with this field 0 */
	__le64	sequence;		/*  16 one more at each write */
	__le32	compat;			/*  24 */
	__le32	ro_compat;		/*  28 */
	__le32	incompat;		/*  32 */
	__le32	flags;			/*  36 LOCKSTEP_MF_* */
	/* 40: whose copy this is: the other host's disk is refused */
	__le32	node_id;
	__le32	volume;			/*  44 number within the resource */
	__le64	device_sect;		/*  48 size of the backing device when this was written */
	__le64	data_max_sect;		/*  56 what it could hold beside its metadata */
	/* 64: agreed size of the volume, 0 before the first agreement */
	__le64	data_sect;
	__le64	region_map_sect;	/*  72 place of the region map on the metadata device */
	__le64	bitmap_sect;		/*  80 place of the bitmap */
	__le32	region_map_4k;		/*  88 their sizes, in 4 KiB blocks */
	__le32	bitmap_4k;		/*  92 */
	__le32	region_bytes;		/*  96 LOCKSTEP_REGION_BYTES */
	__le32	bit_bytes;		/* 100 LOCKSTEP_BIT_BYTES */
	__le64	epoch;			/* 104 highest epoch we ever took part in (P6) */
	__le64	boot_id;		/* 112 instance (module load) that wrote this */
	__le64	written_s;		/* 120 wall clock of this write, for people */
	__le64	primary_s;		/* 128 wall clock of the last promotion here, for people */
	struct lockstep_disk_gen current_gen;	/* 136 */
	/* 152: agreed logical block size, 0 before the first agreement */
	__le32	block_bytes;
	__le32	history_nr;		/* 156 how many entries of history are used, newest first */
	__u8	resource[LOCKSTEP_NAME_BYTES];	/* 160 */
	__u8	node[LOCKSTEP_NAME_BYTES];	/* 208 node name at init, for people */
	struct lockstep_disk_peer peer[LOCKSTEP_MAX_PEERS];	/* 256 */
	struct lockstep_disk_gen history[LOCKSTEP_HISTORY];	/* 768 */
	__le64	index_sect;		/* 1792 place of the bitmap's index */
	/* 1800: where a verify that was stopped goes on, 0: none was */
	__le64	verify_bit;
	__le32	index_4k;		/* 1808 size of the index, in 4 KiB blocks */
	__le32	pad0;			/* 1812 */
	/*
	 * 1816: wall clock of the last application write that completed here, as far as it was
	 * known when this was written, for people; 0: none. It is the last one for certain once
	 * ATTACHED is not set.
	 */
	__le64	write_s;
	__u8	pad[2272];		/* 1824 */
};

/*
 * Region map and bitmap: plain bit arrays, bit n of the volume is bit (n % 8) of byte (n / 8). A
 * set bit: the region may differ (it was written since the last flush that succeeded on both
 * copies) / the 4 KiB block is out of sync. Together they name, at any instant, every block that
 * may differ, once REGIONS_VALID and MARKS_VALID are set. Without them what they would have named
 * is unknown, and a resync that needs it copies everything.
 *
 * Index: two bits for each 4 KiB page of the bitmap, page n in bits 2 * (n % 4) of byte n / 4. A
 * page of the bitmap counts only if its entry says so: attaching never reads the whole bitmap, and
 * marking everything never writes it. A page is stable before an entry says that it counts.
 */
#define LOCKSTEP_INDEX_EMPTY		0u	/* no bit of the page is set */
#define LOCKSTEP_INDEX_FULL		1u	/* all are */
#define LOCKSTEP_INDEX_STORED		2u	/* the page on disk says which */
#define LOCKSTEP_INDEX_UNKNOWN		3u	/* never written; read as FULL */
#define LOCKSTEP_INDEX_PAGES		16384u	/* entries in 4 KiB of index */

#endif /* LOCKSTEP_DISK_H */
