/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What resync and verify have in common: walking over a volume beside the application, a run of
 * blocks at a time, on the node that orders the ranges (the primary, or the source where there is
 * none). One job at a time has the engine of a volume.
 *
 * Life of a run:
 *
 *   take its range (application writes to it wait, earlier ones are waited for) -> still wanted?
 *   -> [compare] read it here, and ask the peer for its checksums, at the same time
 *   -> [move] what differs: read here, send to the peer (PUSH), or read there, write here (PULL)
 *   -> leave the range.
 *
 * Because the range is held all the while, what is compared belongs together and what is copied is
 * what both have, whatever the application does. Blocks of zeroes travel as zeroes.
 *
 * An error of a disk makes the run go on block by block, so that it costs the bad ones only.
 *
 * Requests outlive their session, but neither use nor disturb the next one: a job begins only when
 * all earlier runs have ended, and what they find out late counts for nothing. Worse is what a pull
 * writes to our own disk: it might come after what the next session writes there, or whoever is
 * promoted. The end of a session waits for it a moment; what is still there then is a stray [S9].
 *
 * How much is in flight: core/pace.h.
 */
#ifndef LOCKSTEP_ENGINE_H
#define LOCKSTEP_ENGINE_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include "pace.h"
#include "pages.h"

struct lockstep_session;
struct lockstep_volume;

/*
 * What is to be done. All are called in process context without locks. next, idle and tick one at a
 * time; the others from several threads, each for blocks whose range is held.
 */
struct lockstep_job {
	/*
	 * The next run: its first sector returned in *ret_sect, at most max_bits blocks in one
	 * region; 0: none at present.
	 */
	u32 (*next)(struct lockstep_volume *vol, u32 max_bits, u64 *ret_sect);
	/*
	 * It is in the list: next() goes on behind it. Not before: what could not be begun, for
	 * want of memory, is still to come, and where it stands is never too far.
	 */
	void (*begun)(struct lockstep_volume *vol, u64 sect, u32 bits);
	/* next() had none: perhaps it is over. Called again whenever the engine is kicked. */
	void (*idle)(struct lockstep_volume *vol);
	/* About once a second while anything happens. */
	void (*tick)(struct lockstep_volume *vol);
	/* The range is held: is any of it still wanted? */
	bool (*wanted)(struct lockstep_volume *vol, u64 first_bit, u32 count);
	/* failures: of flushes here, as it was read. One since: it may be lost (flusherr.h) */
	void (*same)(struct lockstep_volume *vol, u64 first_bit, u32 count, u32 failures);
	void (*differs)(struct lockstep_volume *vol, u64 first_bit, u32 count);
	/* Both have the same now, perhaps in a cache. */
	void (*moved)(struct lockstep_volume *vol, u64 first_bit, u32 count, u32 failures);
	/* Cannot be read where it would have to be. */
	void (*bad)(struct lockstep_volume *vol, u64 bit);
	/* The peer will not, in its present state. */
	void (*refused)(struct lockstep_volume *vol);
	/*
	 * What it was about when it began, in bytes, and in how many seconds that is to be done
	 * beside an application, however slow it becomes.
	 */
	u64 (*total_bytes)(const struct lockstep_volume *vol);
	u32 finish_s;
};

/* How it is to be done. */
struct lockstep_how {
	bool compare;
	bool move;
	bool pull;			/* from the peer to us */
	u8 flags;			/* LOCKSTEP_WH_* of its messages */
};

struct lockstep_engine {
	/* Set while nothing is in flight. */
	const struct lockstep_job *job;
	struct lockstep_how how;
	u64 session_id;			/* the session it runs in, and no other */

	spinlock_t lock;		/* interrupts off; leaf */
	/* Under lock. */
	bool running;
	u32 in_flight;			/* runs, and what the job holds */
	u32 bytes;			/* of the runs */
	u64 done_bytes;			/* of those that have ended */
	u32 burst_bytes, burst_runs;	/* begun since the last rest, if there are any */
	u32 writes;			/* of a pull, at our own disk */
	struct list_head runs;		/* in the order of the walk */
	wait_queue_head_t drained;

	struct delayed_work work;
	struct lockstep_pages pages;	/* of the runs; none is kept when they have ended */

	/* Owned by the work. */
	struct pace pace;
	unsigned long ticked;		/* jiffies */
	u32 turn;			/* of the streams; a lost update does no harm */
	/* Written when a run ends. */
	unsigned long rest_until;	/* jiffies */
	u32 run_us;			/* what it took; 0: the pacing has seen it */

	/*
	 * The application's requests, for the pacing: added to by completions without a lock, so
	 * that some are lost.
	 */
	struct pace_counts counts;
	unsigned long app_last;		/* jiffies: when one began or ended last */
};

int lockstep_engine_module_init(void);
void lockstep_engine_module_exit(void);

void lockstep_engine_init(struct lockstep_volume *vol);

/*
 * Stop, and wait until what an earlier job left has ended, for a new one in session `s`. ctl held.
 * -ENOTCONN: the session fails meanwhile.
 */
int lockstep_engine_wait_locked(struct lockstep_volume *vol, struct lockstep_session *s);
/* Begin, after that. The first run may begin before this returns. */
void lockstep_engine_start_locked(struct lockstep_volume *vol, struct lockstep_session *s,
				  const struct lockstep_job *job, const struct lockstep_how *how);
/* No new runs; those there are end by themselves. Any context. */
void lockstep_engine_stop(struct lockstep_volume *vol);
bool lockstep_engine_is_running(const struct lockstep_volume *vol);
/* Is nothing of it in flight? */
bool lockstep_engine_is_idle(const struct lockstep_volume *vol);
/* A session has failed: whoever waits for it here looks again. */
void lockstep_engine_session_failed(struct lockstep_volume *vol);
/*
 * Wait until nothing is in flight, or `s` (may be NULL) has failed; false then. Not while
 * application requests are held or orphaned: a run may stand behind one of them in its range.
 */
bool lockstep_engine_wait(struct lockstep_volume *vol, struct lockstep_session *s);
/* The same without a session, and the work does not run after it. */
void lockstep_engine_drain(struct lockstep_volume *vol);

/*
 * A write to our own disk begins (false: it is not to), process context; it has ended, any context:
 * who waits for the last one after the job was stopped is told (STATUS_STRAYS).
 */
bool lockstep_engine_write_begins(struct lockstep_volume *vol);
void lockstep_engine_write_ended(struct lockstep_volume *vol);
/* How many are still there though the job was stopped? */
u32 lockstep_engine_strays(struct lockstep_volume *vol);
/* Wait until none is, or for `ticks`; what is left of them. */
long lockstep_engine_leave_disk(struct lockstep_volume *vol, long ticks);

/* Look for work now. Any context. */
void lockstep_engine_kick(struct lockstep_volume *vol);
void lockstep_engine_kick_later(struct lockstep_volume *vol, unsigned long delay);
/* For the job: something of its own is in flight / is no longer. */
bool lockstep_engine_hold(struct lockstep_volume *vol, bool only_one);
void lockstep_engine_release(struct lockstep_volume *vol);
/* The same without kicking it: in idle(). */
void lockstep_engine_release_quietly(struct lockstep_volume *vol);
/* The first bit of the oldest run, or `otherwise` if there is none: all before it is done. */
u64 lockstep_engine_oldest_bit(struct lockstep_volume *vol, u64 otherwise);
/* The session this belongs to, or NULL when that is over. Under mode_srcu. */
struct lockstep_session *lockstep_engine_session(struct lockstep_volume *vol);
/* End it, if it is still there. */
void lockstep_engine_fail_session(struct lockstep_volume *vol, const char *why, int err);

/* An application's request begins, and ends after so long. Any context. */
static inline void lockstep_engine_note_begin(struct lockstep_engine *e)
{
	WRITE_ONCE(e->app_last, jiffies);
}

static inline void lockstep_engine_note_end(struct lockstep_engine *e, enum pace_class class,
					    u64 ns)
{
	u32 *n = &e->counts.n[class][pace_bucket(ns)];

	WRITE_ONCE(*n, READ_ONCE(*n) + 1);
	WRITE_ONCE(e->app_last, jiffies);
}

#endif /* LOCKSTEP_ENGINE_H */
