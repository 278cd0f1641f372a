/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Two-node simulator: the real core in two nodes, disks that forget, a network that loses; one
 * process, one seed, no clock. A seed replays exactly: sim --seed N -v.
 *
 * What is modelled of the drivers is the order in which they carry out what core says; node.c
 * executes effects strictly by their bit numbers. Scope, as the module is today: the bitmap lives
 * in memory only (MARKS_VALID is unset by a crash, and by a close with bits set); REGIONS_VALID is
 * never set. One volume. No witness. Disks do not fail, they forget.
 *
 * The content of a sector is the number of the write that wrote it. Writes are numbered as they are
 * submitted and overlapping ones are ordered, so "has this write or a later one" is >=.
 */
#ifndef LOCKSTEP_SIM_H
#define LOCKSTEP_SIM_H

#include "gen.h"
#include "iorange.h"
#include "meta.h"
#include "oosmap.h"
#include "os.h"
#include "rle.h"
#include "slots.h"
#include "state.h"
#include "wire.h"

#define NR_BLOCKS	24u
#define NR_SECT		(NR_BLOCKS * LOCKSTEP_BIT_SECT)
#define NR_STREAMS	2
#define NR_SLOTS	64u
#define MAX_OPS		96
#define MAX_MSGS	256
#define MAX_REQS	10
#define MAX_WRITE_SECT	20u

/* Deliberate mistakes: each must be caught (sim --mutations). */
enum mutation {
	MUT_NONE,
	MUT_COMPLETE_BEFORE_NARROW,	/* writes in flight at the loss complete at once */
	MUT_COMPLETE_ON_LOCAL,		/* a write completes without the peer's ACK */
	MUT_ACK_BEFORE_DISK,		/* the peer acknowledges on receipt */
	MUT_CLEAR_BEFORE_ACK,		/* resync clears its mark when it sends */
	MUT_NO_ORPHAN_MARK,		/* writes in flight at the loss are not marked */
	MUT_TARGET_STAYS_CONSISTENT,	/* META_TARGET is not written */
	MUT_FLUSH_LOCAL_ONLY,		/* a flush completes without the peer's */
	MUT_CRASH_UNNOTICED,		/* ATTACHED found at attach is ignored */
	MUT_MAPS_SURVIVE_CRASH,		/* MARKS_VALID and REGIONS_VALID though memory was lost */
	MUT_NO_RANGES,			/* overlapping writes are not ordered */
	/* a source whose resync was cut goes on in its generation */
	MUT_CUT_RESYNC_ALONE,
	MUT_PROMOTE_UNASKED,		/* the peer's answer to ROLE_ASK is not waited for */
	MUT_ALONE_WITHOUT_MARK,		/* writes alone are not marked */
	MUT_SYNC_DONE_EARLY,		/* SYNC_DONE is sent while blocks are still to be copied */
	/* the new generation is durable, the data before it is not */
	MUT_NARROW_WITHOUT_FLUSH,
	MUT_NR
};

/*
 * ---- disk ---------------------------------------------------------------------------------------
 */

enum op_type { OP_NONE, OP_WRITE, OP_FLUSH };

struct op {
	enum op_type type;
	u64 due;
	u32 first, nr;			/* sectors */
	bool fua;
	u32 data[MAX_WRITE_SECT];
	/* Whose it is: an application request, or a message of the peer to be acknowledged. */
	struct request *req;
	struct wire_msg msg;
	int stream;
};

struct disk {
	u32 view[NR_SECT];		/* what a read returns */
	u32 stable[NR_SECT];		/* what survives a crash for certain */
	_Alignas(8) u8 sb[2][LOCKSTEP_SB_BYTES];
	u32 nr_ops;
	struct op op[MAX_OPS];
};

void disk_flush(struct disk *d);
void disk_retire(struct disk *d, struct op *op);
struct op *disk_submit(struct disk *d, enum op_type type, u64 due);
void disk_apply(struct disk *d, struct op *op);
void disk_crash(struct disk *d, u64 *rng);
bool disk_is_idle(const struct disk *d);

/*
 * ---- node ---------------------------------------------------------------------------------------
 */

enum req_state { REQ_FREE, REQ_BLOCKED, REQ_HELD, REQ_RUNNING, REQ_ORPHAN };

struct request {
	struct iorange range;		/* first */
	enum req_state state;
	bool is_flush, is_resync, both, local_done, peer_done, fua;
	u32 id, first, nr;
	u32 slot, stream;
	u64 peer_boot;			/* instance of the peer that acknowledged */
	u32 want[NR_SECT];		/* flush: what it promises to make stable */
};

struct session {
	u64 id, epoch;			/* id 0: none */
	enum gen_verdict verdict;
	u64 peer_gen, adopt_id;
	u32 peer_role;
	bool marks_exchanged, sync_started, sync_told;
	u64 lost_at;			/* when this side notices; 0: all is well */
};

struct node {
	int n;
	bool alive, external, rw, demoting;
	u64 boot_id;
	struct lockstep_state st;
	struct meta m;
	int sb_copy;			/* where m was last written */
	struct disk disk;
	/* What the disk's superblocks say, decoded when asked for: checks ask often. */
	struct meta durable;
	bool durable_known, durable_ok;
	struct oosmap map;
	struct oosmap_page page[1];
	u64 words[NR_BLOCKS ? 512 : 0];
	struct iorange_bucket bucket;
	struct slots slots[NR_STREAMS];
	struct slot storage[NR_STREAMS][NR_SLOTS];
	struct request req[MAX_REQS];
	struct session s;
	enum { FL_NONE, FL_RUNNING, FL_DONE } sync_flush;
	u64 restart_at;
};

struct message {
	bool used;
	int to, stream;
	u64 due, session_id, order;
	struct lockstep_wire_hdr h;
	u32 data[MAX_WRITE_SECT];
};

struct world {
	u64 rng, seed, now, next_order, next_id, next_session, next_epoch;
	enum mutation mutation;
	bool verbose, failed, quiet, forced, link_up, met;
	char why[200];
	struct node node[2];
	u32 nr_msgs;
	struct message msg[MAX_MSGS];
	u32 next_write;
	/* What has been promised to the applications, as far as each node's line of life knows. */
	u32 done[2][NR_SECT], flushed[2][NR_SECT];
	bool alone[2];			/* went on without the other since they were last in sync */
	struct {
		int step;
		u64 at;
		enum gen_verdict verdict[2];
		u64 current[2], since[2], boot[2], adopt_id;
		u8 role[2];
		u64 session_id;
		int first;		/* who starts first */
	} daemon;
	u64 stats_syncs, stats_splits, stats_writes, stats_crashes;
};

extern struct world w;

#define CHECK(cond, ...) do { if (!(cond)) world_fail(__VA_ARGS__); } while (0)
#define MUTATED(name)	(w.mutation == MUT_##name)

__attribute__((format(printf, 1, 2))) void world_fail(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void trace(const char *fmt, ...);
u64 roll(u64 n);			/* 0 to n - 1 */

/* node.c */
bool node_step(struct node *nd, enum state_event ev, u32 arg);
void node_attach(struct node *nd);
void node_crash(struct node *nd);
void node_close(struct node *nd);
void node_lose_session(struct node *nd);
const struct meta *node_durable(struct node *nd);
void node_mark(struct node *nd, u32 first_sect, u32 nr);
void node_init_disk(struct node *nd);

/* io.c */
void io_submit(struct node *nd, u32 first, u32 nr, bool flush, bool fua);
void io_release(struct node *nd);
void io_session_lost(struct node *nd);
void io_ack(struct node *nd, const struct wire_msg *m, int stream);
void io_local_done(struct node *nd, struct request *req);
bool io_in_flight(const struct node *nd);
void io_forget(struct node *nd);
void sync_advance(struct node *nd);

/* net.c */
void net_send(struct node *from, int stream, const struct wire_msg *m, const u32 *data);
void net_tell(struct node *from, u8 type, u16 status, u64 arg);
void net_deliver(struct message *m);
void net_break(void);
void net_op_done(struct node *nd, struct op *op);

/* daemon.c */
void daemon_advance(void);
void daemon_reset(void);

/* check.c */
void check_step(void);
void check_completed(struct node *nd, const struct request *req);
void check_start(struct node *nd);
void check_promoted(struct node *nd, bool forced);
void check_crashed(struct node *nd);
void check_caught_up(struct node *target);
void check_synced(void);

static inline struct node *other(const struct node *nd)
{
	return &w.node[!nd->n];
}

#endif /* LOCKSTEP_SIM_H */
