/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A flush that has failed, on a disk that is kept all the same because nobody else has its data:
 * who is told of it (P2), and what is marked (P3)?
 *
 * A disk that fails a flush may have lost what it was to make stable, and says so once: the next
 * flush succeeds, though nothing brings back what is gone. So the error belongs to whoever writes
 * there, whoever's flush it was; until he has been told, no flush of his may succeed.
 *
 *   whose flush failed                         told by
 *   the application's, here                    its own error
 *   ours: a pass, a metadata write, ...        the application's next flush: `owed`
 *   of a peer that writes through this disk    its own error, in the answer
 *   the same, and its session is over          that peer's next flush: `owed`
 *   of a peer, and the writer is here          the application's next flush: `owed`
 *
 * An answer can be lost with its session. Then the peer sends what it had asked for again, in the
 * next one, and the disk may have it this time. So a peer says of a request how many epochs ago it
 * asked first (`ago`, 0: now), and is answered by the worst of what happened since:
 *
 *   owed   ago   failed_epoch             answer
 *   yes    any   any                      error; owed no more, failed_epoch = this one
 *   no     0     any                      what its own flush says
 *   no     > 0   epoch - ago or later     error, and failed_epoch = this one: it may be lost again
 *   no     > 0   earlier                  what its own flush says
 *
 * Nothing has to be confirmed: a request that was not asked before is not held responsible for what
 * was, so errors end by themselves; one that was cannot be answered better the second time. One
 * that is new, in a later epoch, says that its sender has heard the answers to all before it.
 *
 * A peer does not send flushes of its own (a pass, the end of a resync) again, and may be asked for
 * new ones before it sends the old ones. So of all that it has asked, and not heard an answer to,
 * it remembers the earliest (struct flush_asks), and asks for everything as if it were that, until
 * one that did so has been answered.
 *
 * A write that was in the cache of the disk when a flush failed, and completes only now (the other
 * copy was slower, or its answer was), is not what that error told of: the next flush owes for it
 * as well.
 *
 * In doubt. From the failure until it is known whether the disk is given up or kept (state.h,
 * DISK_FAILED), nothing may rest on what it holds: no flush of a peer is answered well, by which it
 * would clear regions; no pass clears any; no resync ends. A disk that is kept turns its dirty
 * regions into marks first: they name all that its cache can have lost, and what is there now is
 * what the other copy gets. A write or a copy that began before does not clear marks at its end.
 *
 * A disk without FUA of its own flushes after such a write, so a FUA write that fails there is a
 * flush that failed, and other writers' data is what it lost: owed.
 *
 * What is owed goes with the disk: an attach, or becoming the target of a resync, ends it; and with
 * whom it is owed to: a promotion or demotion here, a peer that is secondary while we are, the end
 * of a resync that made the peer's own copy good (it asked for a flush before that). Not locked:
 * the caller serialises.
 */
#ifndef LOCKSTEP_CORE_FLUSHERR_H
#define LOCKSTEP_CORE_FLUSHERR_H

#include "os.h"

/* Of the disk here. */
struct flush_errors {
	u64 failed_epoch;	/* of the last error a peer was answered with; 0: none */
	u32 failures;		/* flushes that failed */
	u32 settled;		/* of those: marked, or the disk was given up */
	u32 cleared;		/* of those: on a disk that does not count any more */
	bool owed;
};

/* The disk is given up, another one is attached, or what it has counts for nothing any more. */
void flush_errors_clear(struct flush_errors *e);
/* Nobody is here any more who would have to be told. */
void flush_errors_heard(struct flush_errors *e);
/* A flush failed. Owed: nobody hears of it by that flush itself. */
void flush_errors_note(struct flush_errors *e, bool owed);
bool flush_errors_in_doubt(const struct flush_errors *e);
/*
 * The disk is kept, and the caller has marked the dirty regions since there were so many failures;
 * one that came meanwhile stays in doubt. True: our own application writes here, and is still to be
 * told (flush_asks_failed): whatever becomes of this disk.
 */
bool flush_errors_keep(struct flush_errors *e, u32 failures, bool writer_is_here);
/* The application's flush succeeded here. Is it to fail all the same? Then it has been told. */
bool flush_errors_take(struct flush_errors *e);
/* A flush of the peer has ended, well or not: is it to be answered well? */
bool flush_errors_answer(struct flush_errors *e, bool well, bool writer_is_here, u64 epoch,
			 u16 ago);
/* One that the peer, writing through us, may not have heard of? Then this is no clean end. */
bool flush_errors_are_unheard(const struct flush_errors *e);

/* Of the one who writes, about the peer's disk. */
struct flush_asks {
	u64 lost_epoch;		/* 0: every answer was heard */
	u32 errors;		/* that were the answer to a flush */
	bool failed;		/* the application has not been told of one */
};

/*
 * A request is sent now, in `epoch`: what it says as `ago`, never too little. *asked is the
 * request's own: 0 before it is sent the first time, from then on what it is responsible for.
 */
u16 flush_asks_send(const struct flush_asks *a, u64 epoch, u64 *asked);
/* Its session is over, and no answer came. */
void flush_asks_lost(struct flush_asks *a, u64 asked);
/* One has, well or not. */
void flush_asks_answered(struct flush_asks *a, bool well);
/* The application has not been told of an error: its next flush is to fail. */
void flush_asks_failed(struct flush_asks *a);
/* Another application, or none. */
void flush_asks_clear(struct flush_asks *a);
bool flush_asks_take(struct flush_asks *a);

/*
 * An application's write completes. As it began there were so many `failures` here and `errors`
 * there. here: our disk has had it; through: the peer has the only copy.
 */
void flush_errors_write_ends(struct flush_errors *e, struct flush_asks *a, bool here, u32 failures,
			     bool through, u32 errors);

#endif /* LOCKSTEP_CORE_FLUSHERR_H */
