/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Two-node simulator: the real core in two nodes, disks that forget, a network that loses; one
 * process, one seed, no clock. A seed replays exactly: sim --seed N -v.
 *
 * What is modelled of the drivers is the order in which they carry out what core says; node.c
 * executes effects strictly by their bit numbers, maps.c keeps the maps on disk, diskfail.c gives a
 * disk up and takes one again. One volume, no witness.
 *
 * The world is small so that everything meets: NR_REGIONS regions of REGION_BLOCKS blocks, a bitmap
 * page for every two regions. Bitmap pages of core are far larger; the bits behind the last block
 * of a page are never used, see node_clear().
 *
 * The content of a sector is the number of the write that wrote it. Writes are numbered as they are
 * submitted and overlapping ones are ordered, so "has this write or a later one" is >=. The cells
 * of a disk behind its sectors are metadata: one a region, one a bitmap page (its index entry), one
 * a block (its bit). A cell is what a crash keeps or loses as a whole.
 */
#ifndef LOCKSTEP_SIM_H
#define LOCKSTEP_SIM_H

#include "flusherr.h"
#include "gen.h"
#include "iorange.h"
#include "meta.h"
#include "oosmap.h"
#include "orphan.h"
#include "os.h"
#include "persist.h"
#include "regions.h"
#include "rle.h"
#include "slots.h"
#include "state.h"
#include "wire.h"

#define NR_REGIONS	4u
#define REGION_BLOCKS	6u
#define NR_PAGES	2u
#define NR_BLOCKS	(NR_REGIONS * REGION_BLOCKS)
#define PAGE_BLOCKS	(NR_BLOCKS / NR_PAGES)
#define NR_SECT		(NR_BLOCKS * LOCKSTEP_BIT_SECT)
#define REGION_SECT	(REGION_BLOCKS * LOCKSTEP_BIT_SECT)
#define ALL_BLOCKS	((1u << NR_BLOCKS) - 1)

#define CELL_MAP	NR_SECT
#define CELL_INDEX	(CELL_MAP + NR_REGIONS)
#define CELL_BITS	(CELL_INDEX + NR_PAGES)
#define NR_CELLS	(CELL_BITS + NR_BLOCKS)

#define NR_STREAMS	2
#define NR_SLOTS	32u
#define MAX_OPS		64
#define MAX_MSGS	128
#define MAX_REQS	11		/* the last three: two of the resync, one of the pass */
#define REQ_RESYNC	(MAX_REQS - 3)
#define REQ_PASS	(MAX_REQS - 1)
#define MAX_WRITE_SECT	20u
#define MAX_OP_CELLS	24u

enum { INDEX_EMPTY, INDEX_FULL, INDEX_STORED };

/* Deliberate mistakes: each must be caught (sim --mutations). */
#define MUTATIONS(m)									\
	/* writes in flight at the loss complete at once */				\
	m(COMPLETE_BEFORE_NARROW, "complete-before-narrow")				\
	/* a write completes without the peer's ACK */					\
	m(COMPLETE_ON_LOCAL, "complete-on-local")					\
	/* the peer acknowledges on receipt */						\
	m(ACK_BEFORE_DISK, "ack-before-disk")						\
	/* resync clears its mark when it sends */					\
	m(CLEAR_BEFORE_ACK, "clear-before-ack")						\
	/* writes in flight at the loss are not marked */				\
	m(NO_ORPHAN_MARK, "no-orphan-mark")						\
	/* META_TARGET is not written */						\
	m(TARGET_STAYS_CONSISTENT, "target-stays-consistent")				\
	/* a flush completes without the peer's */					\
	m(FLUSH_LOCAL_ONLY, "flush-local-only")						\
	/* ATTACHED found at attach is ignored */					\
	m(CRASH_UNNOTICED, "crash-unnoticed")						\
	/* overlapping writes are not ordered */					\
	m(NO_RANGES, "no-ranges")							\
	/* a source whose resync was cut goes on in its generation */			\
	m(CUT_RESYNC_ALONE, "cut-resync-alone")						\
	/* the peer's answer to ROLE_ASK is not waited for */				\
	m(PROMOTE_UNASKED, "promote-unasked")						\
	/* writes alone are not marked */						\
	m(ALONE_WITHOUT_MARK, "alone-without-mark")					\
	/* SYNC_DONE is sent while blocks are still to be copied */			\
	m(SYNC_DONE_EARLY, "sync-done-early")						\
	/* the new generation is durable, the data before it is not */			\
	m(NARROW_WITHOUT_FLUSH, "narrow-without-flush")					\
	/* [R1] a write goes although its region is only being marked */		\
	m(MARK_AFTER_SEND, "mark-after-send")						\
	/* [R1] a map block counts when it is submitted */				\
	m(MARK_NOT_DURABLE, "mark-not-durable")						\
	/* regions found at attach are forgotten: maps are not there, flags say so */	\
	m(MAPS_LOST_IN_CRASH, "maps-lost-in-crash")					\
	/* [R2] regions are cleared before the flush */					\
	m(CLEAR_BEFORE_FLUSH, "clear-before-flush")					\
	/* [R2] after our flush alone, after the peer's alone */			\
	m(CLEAR_OUR_FLUSH, "clear-after-our-flush")					\
	m(CLEAR_PEER_FLUSH, "clear-after-peer-flush")					\
	/* [R2] though a request is in the region */					\
	m(CLEAR_IN_FLIGHT, "clear-in-flight")						\
	/* [R2] though its marks are not on the disk */					\
	m(CLEAR_WITHOUT_MARKS, "clear-without-marks")					\
	/* [R3] pinned ones, without a session */					\
	m(CLEAR_PINNED, "clear-pinned")							\
	/* [R4] what the resync wrote is not noted */					\
	m(RESYNC_NOT_NOTED, "resync-not-noted")						\
	/* the index says STORED before the page is */					\
	m(INDEX_BEFORE_PAGE, "index-before-page")					\
	/* [B2] marks go from the disk before their regions are on it */			\
	m(PAGES_BEFORE_MAP, "pages-before-map")						\
	/* [B2] the page is written as it is then, not as in the snapshot */		\
	m(BITS_NO_SNAPSHOT, "bits-no-snapshot")						\
	/* the marks that count are those of before replication was on */		\
	m(UNION_TOO_EARLY, "union-too-early")						\
	/* the target keeps its marks for itself */					\
	m(UNION_NOT_SENT, "union-not-sent")						\
	/* regions do not become marks: for a peer that crashed, for our own crash */	\
	m(NO_CONVERT_PEER, "no-convert-peer")						\
	m(NO_CONVERT_OWN, "no-convert-own")						\
	/* closed in an orderly way, marks in memory only */				\
	m(CLOSE_WITHOUT_MARKS, "close-without-marks")					\
	/* a message of an old epoch is taken */					\
	m(EPOCH_UNCHECKED, "epoch-unchecked")						\
	/* the end of a write of an earlier session clears its mark in this one */	\
	m(CLEAR_LATE, "clear-late")							\
	/* [S9] what the peer sent and the disk still has is not known as such */	\
	m(NO_DRAIN, "no-drain")								\
	/* a promotion, a session that does not wait for it */				\
	m(PROMOTE_BESIDE_STRAYS, "promote-beside-strays")				\
	m(COPIES_OUTLIVE, "copies-outlive")						\
	m(OPEN_BESIDE_STRAYS, "open-beside-strays")					\
	/* a full verdict does not make the index say so before the target gives up */	\
	m(FULL_NOT_DURABLE, "full-not-durable")						\
	/* P9: whoever serves a primary without a disk does not mark what it writes */	\
	m(SERVE_WITHOUT_MARKS, "serve-without-marks")					\
	/* and does not wait for its new generation to be durable */			\
	m(SERVE_BEFORE_DURABLE, "serve-before-durable")					\
	/* it goes on with a peer that has crashed; with one that went on by itself */	\
	m(RESUME_UNCLEAN, "resume-unclean")						\
	m(RESUME_PROMOTED, "resume-promoted")						\
	/* what was in flight completes without being sent again */			\
	m(RESUME_UNSENT, "resume-without-resend")					\
	/* what is sent again with a disk attached is not marked for that disk */	\
	m(RESEND_UNMARKED, "resend-unmarked")						\
	/* the disk is gone before writes are held */					\
	m(DROP_BEFORE_HOLD, "drop-before-hold")						\
	/* a session that was worked through counts as such when its resync is done */	\
	m(THROUGH_STAYS, "through-stays")						\
	/* a disk that has the only copy is given up */					\
	m(GIVE_UP_ONLY_COPY, "keep-only-copy")						\
	/* and one that is ahead of the peer, because there is no session */		\
	m(SINCE_UNSEEN, "keep-ahead")							\
	/* and one whose peer has just said that it has none */				\
	m(HELLO_UNSEEN, "keep-heard")							\
	/* once the peer has a disk again, its writes are not marked */			\
	m(PULLED_UNMARKED, "pulled-unmarked")						\
	/* one that works through its peer opens a session as the source */		\
	m(FROZEN_SOURCE, "frozen-source")						\
	/* one that works through its peer starts before the peer */			\
	m(TARGET_FIRST, "target-first")							\
	/* an attached disk is taken for good */					\
	m(ATTACH_TRUSTED, "attach-trusted")						\
	/* forced on with an attached disk, what was on its way to the old one is done */ \
	m(THAW_COMPLETES, "thaw-completes")						\
	/* a copy that was given up still calls itself good */				\
	m(SURRENDER_STAYS_GOOD, "surrender-stays-good")					\
	/* its marks go with its generation */						\
	m(SURRENDER_DROPS_MARKS, "surrender-drops-marks")				\
	/* a person is told before it is durable */					\
	m(SURRENDER_NOT_DURABLE, "surrender-not-durable")			\
	/* [S7] the node forgets that there is a policy */				\
	m(UNFENCED, "unfenced")								\
	/* the outcome "the peer is primary" lets it go on; an outcome of an older loss */ \
	m(GOES_ON_BESIDE, "goes-on-beside")						\
	m(STALE_OUTCOME, "stale-outcome")						\
	/* the peer answers that it is outdated, and has noted nothing */		\
	m(OUTDATE_NOT_DURABLE, "outdate-not-durable")					\
	/* an outdated copy is promoted */						\
	m(OUTDATED_PROMOTABLE, "outdated-promotable")					\
	/* promoted alone without asking what became of the peer */			\
	m(PROMOTE_UNFENCED, "promote-unfenced")						\
	/* the peer is back: what was in flight counts as acknowledged, and is not sent */ \
	m(AGAIN_UNSENT, "again-unsent")							\
	/* closed beside a primary, and not noted */					\
	m(LEFT_FORGOTTEN, "left-forgotten")						\
	/* the peer may be primary by our word: forgotten while it has not told */	\
	m(GRANT_FORGOTTEN, "grant-forgotten")					\
	/* P2: nobody is told that a flush of ours failed, or one whose session is over */ \
	m(FLUSH_UNTOLD, "flush-untold")						\
	/* one that failed on the only copy is sent again, until it succeeds */	\
	m(FLUSH_RETRIED, "flush-retried")					\
	/* nor of what was in the cache then, and completes only now */		\
	m(LATE_WRITE_UNTOLD, "late-write-untold")				\
	/* one that began alone fails, though the peer has all by now */	\
	m(ALONE_FLUSH_FAILS, "alone-flush-fails")				\
	/* and counts as new when it is sent again; so does what is asked beside it */ \
	m(FLUSH_AS_NEW, "flush-as-new")						\
	m(LOST_ANSWER_FORGOTTEN, "lost-answer-forgotten")			\
	/* P3: what the cache of a disk that is kept has lost is not marked */	\
	m(KEPT_UNMARKED, "kept-unmarked")					\
	/* what came while it was secondary is in no map of its regions */	\
	m(PROMOTE_WITHOUT_FLUSH, "promote-without-flush")			\
	/* by a write that was in that cache, and is acknowledged only now */	\
	m(CLEAR_WHAT_IS_LOST, "clear-what-is-lost")				\
	/* [R2] regions are cleared by a flush after one that failed */		\
	m(CLEAR_AFTER_FAILED, "clear-after-failed")				\
	/* closed as clean with an error that nobody has heard of */		\
	m(CLOSE_INDEBTED, "close-indebted")

#define MUTATION_ENUM(name, text)	MUT_##name,
enum mutation { MUT_NONE, MUTATIONS(MUTATION_ENUM) MUT_NR };

/*
 * ---- disk ---------------------------------------------------------------------------------------
 */

enum op_type { OP_NONE, OP_WRITE, OP_FLUSH };
enum op_owner { OWN_REQUEST, OWN_PEER, OWN_MAP, OWN_PAGE, OWN_INDEX };

struct op {
	u8 type, owner;
	bool fua;
	bool gone;			/* its disk was given up: nobody waits for it */
	bool waits;			/* OWN_PEER: for its region to be in the map */
	bool stray;			/* OWN_PEER: its session is over [S9] */
	u64 due;
	u32 first, nr;			/* cells */
	u32 data[MAX_OP_CELLS];
	struct request *req;		/* OWN_REQUEST */
	struct wire_msg msg;		/* OWN_PEER: to be acknowledged */
	int stream;
	u64 session_id;
};

enum { BAD_DATA = 1, BAD_META = 2, BAD_FLUSH = 4 };	/* the last: of two flushes one */

struct disk {
	u8 bad;				/* fails whatever is asked of it */
	bool external;			/* metadata has a cache of its own */
	u32 view[NR_CELLS];		/* what a read returns */
	u32 stable[NR_CELLS];		/* what survives a crash for certain */
	u32 cached;			/* blocks where the two differ */
	bool meta_cached;
	bool limbo;			/* it has lost some of that: given up, or kept? */
	_Alignas(8) u8 sb[2][LOCKSTEP_SB_BYTES];
	u32 nr_ops, op_end;
	struct op op[MAX_OPS];
};

void disk_flush(struct disk *d, bool meta);
bool disk_flush_fails(struct disk *d);	/* then some of the cache may be gone */
void disk_retire(struct disk *d, struct op *op);
void disk_apply(struct disk *d, struct op *op);
void disk_write(struct disk *d, u32 first, u32 nr, const u32 *data, bool fua);
void disk_crash(struct disk *d);
bool disk_fails(const struct disk *d, u8 part);
bool disk_complete(struct disk *d, struct op *op);	/* false: it failed */

/*
 * ---- node ---------------------------------------------------------------------------------------
 */

enum req_kind { REQ_WRITE, REQ_FLUSH, REQ_COPY, REQ_SYNC_FLUSH, REQ_PASS_FLUSH };
/* blocked: by a range; held: by the mode; marking: region not durable yet */
enum req_local { LOCAL_NONE, LOCAL_PENDING, LOCAL_DONE, LOCAL_ABANDONED };
enum req_state { REQ_FREE, REQ_BLOCKED, REQ_HELD, REQ_MARKING, REQ_RUNNING, REQ_ORPHAN };

struct request {
	struct iorange range;		/* first */
	enum req_kind kind;
	enum req_state state;
	enum req_local local;
	bool both, local_done, peer_done, fua, compared, pull, alone, resent;
	bool served;			/* acknowledged by a peer that had noted that it serves */
	/* the local part has no result that counts, yet; the request has failed */
	bool local_parked, failed;
	bool peer_failed;		/* said by the peer, which has the only copy */
	bool lost;			/* it was on the disk, which has lost some of it since */
	u32 id, first, nr;
	u32 slot, stream;
	u64 peer_disk;			/* attachment of the peer that acknowledged */
	u32 peer_medium;		/* which disk that was */
	u64 session_id;			/* in which it was called */
	u64 asked;			/* flush: core/flusherr.h */
	u32 failures, errors;		/* of the node, when it began: flushes here, at the peer */
	u64 began;			/* flush: at the disk that counts, or on its way there */
	u32 want[NR_SECT];		/* flush: what it promises to make stable */
};

static inline bool req_has_data(const struct request *r)
{
	return r->kind == REQ_WRITE || r->kind == REQ_COPY;
}

struct session {
	u64 id, epoch;			/* id 0: none */
	enum gen_verdict verdict;
	u64 peer_gen, adopt_id;
	u64 hello_gen;			/* the peer's, in its hello */
	u32 peer_flags;
	u64 peer_disk_id;		/* its attachment then */
	u32 peer_medium;
	u32 peer_role, peer_disk, early_marks;
	bool compare, sync_started, sync_told;
	u32 silent;			/* steps in which the peer could not be heard */
	u64 lost_at;			/* when this side notices; 0: all is well */
};

/* Clearing regions and keeping the bitmap on disk up to date: core/persist says in which order. */
struct pass {
	struct persist p;		/* step DONE: none under way */
	u64 next;			/* when to begin another */
	u32 marks;			/* snapshot: blocks */
	u8 index[NR_PAGES];		/* and what the index is to say */
	u32 pending;			/* page writes under way */
	bool bad;			/* one of them failed */
	/* its wait for the region map: for an older write to end, for its own */
	enum { MAP_IDLE, MAP_WAITS, MAP_WRITTEN } map;
};

struct node {
	int n;
	bool alive, dying, rw, demoting;
	bool failed;			/* our disk was given up */
	bool unproven;			/* attached under a primary, not synced since */
	bool through;			/* the session is one through which we work */
	bool serving, pulled;		/* as its source: peer without disk; copied by it */
	struct flush_errors errors;	/* our disk's */
	struct flush_asks asks;		/* of the peer */
	u32 fence_round;		/* sessions opened */
	u64 outcome_at;			/* of a fencing that is under way, 0: none */
	u32 outcome_round;
	bool outcome_ok;
	u64 fail_at, attach_at;		/* when a failure is taken note of; when a disk comes */
	u64 boot_id, paused_until, restart_at;
	u64 epoch;			/* highest seen, also without a disk */
	u64 disk_id;			/* attachment: of this boot, of a disk since */
	u32 medium;			/* one more with each new disk */
	struct lockstep_state st;
	struct meta m;
	int sb_copy;			/* where m was last written */
	struct disk disk;
	/* What the disk's superblocks say, decoded when asked for: checks ask often. */
	struct meta durable;
	bool durable_known, durable_ok;
	struct oosmap map;
	struct oosmap_page page[NR_PAGES];
	u64 words[NR_PAGES][512];
	u32 marks;			/* the same as `map`, by blocks */
	struct regions regions;
	struct regions_block region_block;
	u64 region_words[5 * REGIONS_BLOCK_WORDS];
	_Alignas(8) u8 map_buf[4096];
	bool map_writing;
	struct pass pass;
	u8 disk_index[NR_PAGES];	/* what is on the disk, as far as we know */
	u32 disk_bits;
	struct iorange_bucket bucket;
	struct slots slots[NR_STREAMS];
	struct slot storage[NR_STREAMS][NR_SLOTS];
	struct request req[MAX_REQS];
	struct session s;
	enum { FL_NONE, FL_RUNNING, FL_DONE } sync_flush;
};

struct message {
	int to, stream;
	bool late;			/* of a session that has ended: wanders about */
	bool serving;			/* its sender had noted, durably, that it serves */
	u64 due, session_id;
	struct wire_msg raw;		/* what the codec does not know yet */
	struct lockstep_wire_hdr h;
	u32 data[MAX_WRITE_SECT];
};

/* Checksums asked for and answered: the contents themselves here. */
#define SIM_CSUM	200
#define SIM_CSUM_DATA	201

enum stat { STAT_WRITES, STAT_CRASHES, STAT_SYNCS, STAT_SPLITS, STAT_PASSES, STAT_BY_MARKS,
	    STAT_FULL, STAT_COPIED, STAT_COMPARED, STAT_STALE, STAT_P3, STAT_GIVEN_UP,
	    STAT_SERVED, STAT_PULLED, STAT_SURRENDERS, STAT_STRAYS, STAT_NR };

struct world {
	u64 rng, seed, now, next_id, next_session, next_disk;
	u64 quiet_at;
	u64 points, crash_at;		/* where a node dies; 0: by chance */
	enum mutation mutation;
	bool verbose, failed, quiet, forced, met;
	enum { DISKS_SOUND, DISKS_FAIL, DISKS_FAIL_OFTEN } disks;	/* the last: else calm */
	bool flushes_fail;		/* alone, and on the only copy above all */
	bool cut[2];			/* messages to node 0, to node 1 */
	char why[200];
	struct node node[2];
	u32 nr_msgs;
	struct message msg[MAX_MSGS];
	u32 next_write;
	/* What has been promised to the applications, as far as each node's line of life knows. */
	u32 done[2][NR_SECT], flushed[2][NR_SECT];
	/*
	 * What a disk lost by a flush that failed, and what of that the application was told at
	 * once; of what was lost for good, what it was not told of.
	 */
	u32 lost[2][NR_SECT], told[2][NR_SECT], untold[2][NR_SECT];
	u32 rest[2][NR_SECT];		/* of what was lost: the oldest that was left of it */
	u64 lost_at[2][NR_SECT];
	bool excused[2];		/* the only copy that it writes to has failed something */
	u32 gap[2][NR_SECT];		/* lost for good, when the application was at the other */
	struct {
		u64 gen;
		u32 done[NR_SECT], flushed[NR_SECT];
	} left[2];			/* the generation each narrowed from, as it was then */
	/* Of those, what the application that runs there now knows of; written beside it. */
	u32 app[2][NR_SECT];
	bool beside[2];
	u32 habit;			/* what the application does at present */
	bool alone[2];			/* went on without the other since they were last in sync */
	bool surrendered[2];		/* what it wrote beside the other was given up */
	u64 made_good[2];		/* the generation in which it was copied over since */
	bool fencing;			/* there is a policy, on both */
	bool landed;			/* a superblock that a disk failed to take is there */
	bool constraint[2];		/* fenced by power: the cluster promotes it only by force */
	bool lost_primary[2];		/* the other one was primary when their session ended */
	bool beside_primary[2];		/* and then it was closed */
	u32 touched;			/* blocks that changed on a disk since the last check */
	u32 differ;			/* blocks of which the two views differ */
	struct {
		int step;
		u64 at;
		enum gen_verdict verdict[2];
		u64 current[2], since[2], boot[2], adopt_id, epoch;
		u32 flags[2], hello_flags[2];
		u8 role[2], disk[2];
		bool failed[2];
		u64 session_id;
		int first;		/* who starts first */
	} daemon;
	u64 stat[STAT_NR];
};

extern struct world w;

#define CHECK(cond, ...) do { if (!(cond)) world_fail(__VA_ARGS__); } while (0)
#define MUTATED(name)	(w.mutation == MUT_##name)

__attribute__((format(printf, 1, 2))) void world_fail(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void world_trace(const char *fmt, ...);
#define trace(...) do { if (w.verbose) world_trace(__VA_ARGS__); } while (0)
u64 roll(u64 n);			/* 0 to n - 1 */

/* world.c */
void world_init(u64 seed, enum mutation m, bool verbose);
bool world_run(u32 steps);

/*
 * node.c. A node that dies does nothing any more that anybody else could see; what is under way
 * unwinds, then node_reap() takes it away.
 */
void node_die(struct node *nd);
void node_point(struct node *nd);	/* it may die here */
void node_reap(struct node *nd);
bool node_step(struct node *nd, enum state_event ev, u32 arg);
void node_attach(struct node *nd);
void node_close(struct node *nd);
void node_lose_session(struct node *nd);
bool node_store(struct node *nd);	/* superblock; false: died over it */
const struct meta *node_durable(struct node *nd);
void node_init_disk(struct node *nd, bool clean);
u32 node_found_flags(u32 flags);
u32 node_copy(const struct node *nd);
u8 node_disk(const struct node *nd);
void node_load(struct node *nd);
bool node_flush(struct node *nd);	/* data; false: failed or died */
void node_flush_failed(struct node *nd, bool owed);

/* diskfail.c */
void diskfail_post(struct node *nd);	/* an error to be looked at */
void diskfail_drop(struct node *nd, bool good);	/* good: until now */
int diskfail_peer_says(const struct node *nd);
void diskfail_take(struct node *nd, int said);
void diskfail_attach(struct node *nd);
void diskfail_advance(struct node *nd);
void diskfail_replace(struct node *nd);	/* by a new one */
bool diskfail_is_stuck(const struct node *nd);
void diskfail_unstick(struct node *nd);	/* what people do */

/* marks.c */
void node_mark(struct node *nd, u32 first_sect, u32 nr);
void node_mark_blocks(struct node *nd, u32 blocks);
void node_mark_page(struct node *nd, u32 page);
void node_mark_bits(struct node *nd, u64 first, u64 count);
void node_clear(struct node *nd, u32 first_sect, u32 nr);	/* what is wholly inside */
void node_clear_all(struct node *nd);
u32 node_regions_wanted(const struct node *nd);			/* as blocks */
/* Covered for certain by what is on the disk, whatever of it a crash keeps: as blocks. */
u32 marks_on_disk(const struct disk *d);
u32 regions_on_disk(const struct disk *d);

/* maps.c */
void maps_format(struct node *nd);
void maps_load(struct node *nd);
void maps_kick_map(struct node *nd, bool urgent);
void maps_advance(struct node *nd);
void maps_session_ended(struct node *nd);
void maps_converted(struct node *nd);
void maps_flushed(struct node *nd, int result);
void maps_op_done(struct node *nd, struct op *op, bool ok);
void maps_gone(struct node *nd);
bool maps_end_pull(struct node *nd);
bool maps_fill(struct node *nd);
bool maps_empty(struct node *nd);
bool maps_close(struct node *nd);
u32 maps_marks(const struct node *nd);

/* io.c */
struct op *io_op(struct node *nd, enum op_type type, enum op_owner owner);
void io_submit(struct node *nd, u32 first, u32 nr, bool flush, bool fua);
void io_release(struct node *nd);
void io_session_lost(struct node *nd);
void io_ack(struct node *nd, const struct wire_msg *m, const struct message *msg);
void io_local_done(struct node *nd, struct request *req, bool ok);
void io_abandon(struct node *nd);
void io_fail_local(struct node *nd);
void io_fail_parked(struct node *nd);
void io_fail_held(struct node *nd);
void io_resend(struct node *nd);
bool io_is_parked(const struct node *nd);
void io_region_durable(struct node *nd);
bool io_in_flight(const struct node *nd);
bool io_app_in_flight(const struct node *nd);
bool io_is_in_region(const struct node *nd, u32 region);
void io_forget(struct node *nd);
bool io_flush_pass(struct node *nd, bool ours, bool peers);
void io_start(struct node *nd, struct request *r);
void io_leave(struct node *nd, struct request *r);
void io_call_peer(struct node *nd, struct request *r);

/* sync.c */
void sync_advance(struct node *nd);
void sync_start(struct node *nd, struct request *r);
void sync_answer(struct node *nd, struct request *r, const u32 *peers);
void sync_pulled(struct node *nd);

/* strays.c */
bool strays_any(const struct node *nd);
void strays_leave(struct node *nd);	/* at the end of a session */
void strays_tell(struct node *nd);
void strays_done(struct node *nd, const struct op *op, bool ok);

/* net.c */
void net_send(struct node *from, int stream, const struct wire_msg *m, const u32 *data);
void net_tell(struct node *from, u8 type, u16 status, u64 arg);
void net_run(void);
void net_break(void);
void net_forget_late(void);
void net_op_done(struct node *nd, struct op *op, bool ok);
void net_region_durable(struct node *nd, bool failed);

/* daemon.c */
void daemon_advance(void);
void daemon_reset(void);

/* fence.c */
void fence_advance(struct node *nd);
void fence_promote(struct node *nd, bool force);
void fence_loses(struct node *nd);
void fence_closes(struct node *nd);

/* check.c */
void check_step(void);
void check_completed(struct node *nd, const struct request *req);
void check_target(struct node *nd);
void check_promoted(struct node *nd, bool forced);
void check_named(const struct node *nd);
void check_surrendered(struct node *nd, bool sure);
void check_attached(struct node *nd);
void check_given_up(struct node *nd);
void check_lost(struct disk *d, u32 sect, u32 value);
void check_kept(struct node *nd);
void check_flush_failed(struct node *nd);
void check_told(struct node *nd);
void check_wanted(struct node *nd, struct request *flush);
void check_unlost(struct node *nd);
void check_dropped(const struct node *nd, int said);
bool check_is_serving(struct node *nd);
void check_thawed(struct node *nd);
void check_thrown_away(struct node *nd);
void check_crashed(struct node *nd);
void check_narrows(struct node *nd);
void check_caught_up(struct node *target);
void check_synced(void);
bool check_is_in_set(struct node *nd, struct node *as);

/* check-marks.c */
void check_unmarked(struct node *nd, u32 blocks);
void check_marks(void);

static inline struct node *other(const struct node *nd)
{
	return &w.node[!nd->n];
}

/* Blocks touched by a run of sectors. */
static inline u32 blocks_of(u32 first_sect, u32 nr)
{
	u32 first = first_sect / LOCKSTEP_BIT_SECT;
	u32 end = (first_sect + nr + LOCKSTEP_BIT_SECT - 1) / LOCKSTEP_BIT_SECT;

	return (u32)((1ull << end) - (1ull << first));
}

static inline u32 region_blocks(u32 region)
{
	return ((1u << REGION_BLOCKS) - 1) << region * REGION_BLOCKS;
}

static inline u32 page_blocks(u32 page)
{
	return ((1u << PAGE_BLOCKS) - 1) << page * PAGE_BLOCKS;
}

#endif /* LOCKSTEP_SIM_H */
