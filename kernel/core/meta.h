/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Metadata codec: the superblock in host order, its encoding, the checks on the way in, the choice
 * between the two copies, and where everything lies. Format: include/lockstep/disk.h. No I/O:
 * callers move 4 KiB blocks.
 */
#ifndef LOCKSTEP_CORE_META_H
#define LOCKSTEP_CORE_META_H

#include "os.h"
#include <lockstep/disk.h>

struct meta_gen {
	u64 id;
	u64 nr;
};

struct meta_peer {
	struct meta_gen since;
	u64 boot_id;
	u64 seen_s;
	u32 node_id;
	u32 flags;
};

/*
 * The superblock in host order. Plain data: may be copied and compared by memcpy/memcmp after
 * meta_init.
 */
struct meta {
	u64 sequence;
	u32 compat, ro_compat, incompat;
	u32 flags;
	u32 node_id;
	u32 volume;
	u64 device_sect;
	u64 data_max_sect;
	u64 data_sect;
	u64 region_map_sect;
	u64 bitmap_sect;
	u64 index_sect;
	u32 region_map_4k;
	u32 bitmap_4k;
	u64 verify_bit;
	u32 index_4k;
	u64 epoch;
	u64 boot_id;
	u64 written_s;
	u64 primary_s;
	u64 write_s;
	struct meta_gen current_gen;
	u32 block_bytes;
	u32 history_nr;
	char resource[LOCKSTEP_NAME_BYTES];
	char node[LOCKSTEP_NAME_BYTES];
	struct meta_peer peer[LOCKSTEP_MAX_PEERS];
	struct meta_gen history[LOCKSTEP_HISTORY];
};

/* Why a block is not a superblock we can use; META_OK first. Names: meta_err_name(). */
enum meta_err {
	META_OK,
	META_NO_MAGIC,		/* not ours at all, or unreadable */
	META_BAD_CRC,		/* ours, torn or damaged */
	META_BAD_VERSION,
	META_BAD_FEATURE,	/* unknown incompat bit: *ret_detail is its number */
	META_BAD_FIELD,		/* whole, but a value is out of range: *ret_detail is its offset */
	META_TOO_SMALL,		/* device cannot hold metadata and the least data */
	/* device shrank below what is described, or grew: internal metadata is elsewhere */
	META_MOVED,
	META_ERR_NR
};

struct meta_layout {
	u64 data_max_sect;	/* volume size this device can give, multiple of 8 sectors */
	u64 sb_sect[2];		/* the two copies */
	u64 region_map_sect, bitmap_sect, index_sect;
	u32 region_map_4k, bitmap_4k, index_4k;
};

/*
 * Layout for a data device of `data_dev_sect` sectors; `meta_dev_sect` is the size of the external
 * metadata device, or 0 for internal metadata. Returns META_OK or META_TOO_SMALL (also when the
 * external device is too small for this data device).
 */
enum meta_err meta_layout(u64 data_dev_sect, u64 meta_dev_sect, struct meta_layout *ret);

/*
 * A blank superblock for that layout: flags 0 (or CLEAN with gen `clean_id` != 0), names copied and
 * bounded.
 */
void meta_init(struct meta *m, const struct meta_layout *l, u64 device_sect, const char *resource,
	       const char *node, u32 node_id, u32 volume, bool external, u64 clean_id);

/* Encode into a 4096-byte block, crc last. */
void meta_encode(const struct meta *m, void *block);

/*
 * Decode and check everything: names terminated, offsets and sizes as meta_layout has them, known
 * flags, zero pads. `block` is aligned to 8 bytes, here and below.
 */
enum meta_err meta_decode(const void *block, struct meta *ret, u32 *ret_detail);

/*
 * Choose between the two copies (each a 4096-byte block, or NULL if unreadable). Returns 0 or 1,
 * the copy decoded into *ret, or -1 with *ret_err saying the more telling of the two reasons. The
 * next write goes to the other copy: 1 - returned. A whole copy with the higher sequence that
 * cannot be used (newer format) is the reason, though the other could be: that one is the past.
 */
int meta_pick(const void *copy0, const void *copy1, struct meta *ret, enum meta_err *ret_err,
	      u32 *ret_detail);

/* Does a decoded superblock fit the device it was found on (META_MOVED)? */
enum meta_err meta_check_device(const struct meta *m, u64 data_dev_sect, u64 meta_dev_sect);

/*
 * Attach: what the flags that are found mean, and what they are while it is attached. ATTACHED
 * found set means that nobody closed it: the disk's cache may have lost writes that were completed.
 * True: the maps have never been used and have to be zeroed before this is written.
 */
bool meta_attach(struct meta *m);
/*
 * Close: data and maps are stable. left_primary: state.h; once noted it stays until the peer has
 * been heard, however often the disk is attached and closed.
 */
void meta_close(struct meta *m, bool left_primary);

/*
 * Where everything lies once the data device has grown to `data_dev_sect`: *ret is `m` with new
 * places and sizes. External metadata stays where it is, or META_MOVED: its maps would have to be
 * moved. Internal metadata goes to the new end, and META_MOVED if that would overlap the old place,
 * because the old one has to be whole until the new one is. META_TOO_SMALL: the external device has
 * no room for it.
 */
enum meta_err meta_grow(const struct meta *m, u64 data_dev_sect, u64 meta_dev_sect,
			struct meta *ret);

/*
 * Generation changes, as described in gen.h. Each prepares `m` for the next encode; nothing is
 * durable until the caller has written it.
 */
/* Go on without the peer. */
void meta_gen_narrow(struct meta *m, unsigned int peer, u64 new_id);
/*
 * Become the source of a peer that has `peer_gen` and, if peer_whole, all of it. Goes on without it
 * as narrowing does, unless it did so already. But a peer that has our current generation whole is
 * not left behind by any earlier one: it was told so at the end of a resync, and we never heard
 * that it noted so. Without a new generation the two could not be told apart afterwards, and after
 * a crash of both the one that was left behind would be the source.
 */
void meta_gen_source(struct meta *m, unsigned int peer, u64 peer_gen, bool peer_whole,
		     u64 new_id);
/*
 * The same of a full copy, whatever the peer has: it is left with `half_id` (gen_half_id()), and no
 * other disk may go by where it was left before. Not NARROWED: to half a copy there is no way back.
 */
void meta_gen_source_full(struct meta *m, unsigned int peer, u64 half_id, u64 new_id);
/*
 * Become the target of a full copy: half a copy from here on, by the name that the source has for
 * it. Called before CONSISTENT goes: by that it is known whether what is left was ever whole.
 */
void meta_gen_target_full(struct meta *m, unsigned int peer, u64 half_id);
/*
 * Forced promotion of a copy that is not up to date: new lineage. No since is kept, all that was
 * goes into the history: a peer that stayed behind is older (full copy), one that went on is a
 * split.
 */
void meta_gen_force(struct meta *m, u64 new_id);
/* Take a narrowing back in which nothing was written (gengroup.h, G2): NARROWED is set. */
void meta_gen_unnarrow(struct meta *m, unsigned int peer);
/* Target: sync done; or both-clean. */
void meta_gen_adopt(struct meta *m, unsigned int peer, struct meta_gen gen);
/* Source: sync done, the peer is with us again. */
void meta_gen_together(struct meta *m, unsigned int peer);
/*
 * Split brain, and a person gives up what this side wrote (gen.h, "surrender"): back to where the
 * two parted. A copy that is not CONSISTENT has nothing to give up and stays as it is, so this may
 * be repeated.
 */
void meta_gen_surrender(struct meta *m, unsigned int peer);
/* Newest first, no duplicates, the oldest falls out; id 0 is not pushed. */
void meta_history_push(struct meta *m, struct meta_gen gen);

/*
 * Resource and node names: [A-Za-z0-9_.-]+, not beginning with '.' or '-', shorter than
 * LOCKSTEP_NAME_BYTES.
 */
bool meta_name_ok(const char *name);

const char *meta_err_name(enum meta_err err);

#endif /* LOCKSTEP_CORE_META_H */
