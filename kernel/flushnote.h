/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is remembered of flushes that failed, here and at the peer, and who is to be told: carries
 * out core/flusherr.h, which says why, under a lock of its own. Any context.
 *
 * Noted in the completion of the failed request itself, before anybody hears of its end: a flush
 * that succeeds after it must find it noted.
 */
#ifndef LOCKSTEP_FLUSHNOTE_H
#define LOCKSTEP_FLUSHNOTE_H

#include <linux/spinlock.h>
#include <linux/types.h>
#include "flusherr.h"

struct block_device;
struct lockstep_volume;
struct wire_msg;

struct lockstep_flush_notes {
	spinlock_t lock;
	struct flush_errors errors;
	struct flush_asks asks;
};

void lockstep_flush_notes_init(struct lockstep_volume *vol);

/* ---- the disk here -------------------------------------------------------------------------- */

/* Reporting it (diskfail.h) is the caller's, afterwards. */
void lockstep_flush_failed_here(struct lockstep_volume *vol, bool owed);
/* How many have. */
static inline u32 lockstep_flush_failures(const struct lockstep_flush_notes *n)
{
	return READ_ONCE(n->errors.failures);
}

bool lockstep_flush_in_doubt(struct lockstep_volume *vol);
/* It is this one's error only in part: the disk has no FUA, and flushes after such a write. */
bool lockstep_flush_follows_fua(struct block_device *bdev);
/* Whoever has told nobody yet does not any more: flush_errors_clear(). */
void lockstep_flush_forget(struct lockstep_volume *vol);
/* The state has changed, durably: flush_errors_step(). ctl held. */
void lockstep_flush_step(struct lockstep_volume *vol, u32 effects);
/*
 * The disk is kept, and what it had lost after so many failures is marked: flush_errors_keep().
 * ctl held.
 */
void lockstep_flush_kept(struct lockstep_volume *vol, u32 failures);
bool lockstep_flush_is_unheard(struct lockstep_volume *vol);
/* The application's flush succeeded here: is it to fail? */
bool lockstep_flush_owes(struct lockstep_volume *vol);
/* One of the peer has ended, `well` or not: is it to be answered well? */
bool lockstep_flush_answer(struct lockstep_volume *vol, const struct wire_msg *request, bool well);

/* ---- the peer's, asked for from here -------------------------------------------------------- */

/* Fills in what the request says of when it was asked for first; *asked is 0 the first time. */
void lockstep_flush_ask(struct lockstep_volume *vol, struct wire_msg *request, u64 *asked);
/*
 * It has ended with `status` (enum lockstep_wire_status, or LOCKSTEP_CALL_LOST). True: the peer,
 * which has the only copy, says that it failed. `app`: the application hears of that by itself.
 */
bool lockstep_flush_asked(struct lockstep_volume *vol, u64 epoch, u64 asked, int status, bool app);

/* ---- the application's requests ------------------------------------------------------------- */

/* A flush of it completes well: is it to fail all the same? */
bool lockstep_flush_is_due(struct lockstep_volume *vol);
/* A write of it completes: see flush_errors_write_ends(). */
void lockstep_flush_write_ends(struct lockstep_volume *vol, bool here, u32 failures, bool through,
			       u32 errors);

#endif /* LOCKSTEP_FLUSHNOTE_H */
