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
 * What is owed goes with the disk, when another one is attached, and with whom it is owed to:
 * flush_errors_step(). Not locked: the caller serialises.
 */
#ifndef LOCKSTEP_CORE_FLUSHERR_H
#define LOCKSTEP_CORE_FLUSHERR_H

#include "os.h"

struct lockstep_state;

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
/* A flush failed. Owed: nobody hears of it by that flush itself. */
void flush_errors_note(struct flush_errors *e, bool owed);
bool flush_errors_in_doubt(const struct flush_errors *e);
/*
 * The disk is kept, in state `s`, and the caller has marked the dirty regions since there were so
 * many failures; one that came meanwhile stays in doubt. True: our own application writes here, and
 * is still to be told (flush_asks_failed): whatever becomes of this disk. With nobody who writes
 * (see flush_errors_step) nobody is.
 */
bool flush_errors_keep(struct flush_errors *e, u32 failures, const struct lockstep_state *s);
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
 * A step of the state (state.h) with these `effects` is durable, `s` what came of it; target: this
 * volume is one, of a resync. Who would have to be told is there no more, when
 *
 *   we were promoted or demoted       another application, or none; of what was asked of the
 *                                     peer, nothing is known any more either
 *   we became target                  what is here does not count. It stays in doubt: by marks not
 *                                     all that was lost comes again, and until the disk is given up
 *                                     nothing may rest on it
 *   both are secondary, and the peer  nobody writes
 *   is not to be primary by our word
 *   we are secondary, and the peer's  it asked for a flush before that
 *   copy has become whole by a resync
 */
void flush_errors_step(struct flush_errors *e, struct flush_asks *a,
		       const struct lockstep_state *s, u32 effects, bool target);

/*
 * A request is sent now, in `epoch`: what it says as `ago`, never too little. *asked is the
 * request's own: 0 before it is sent the first time, from then on what it is responsible for.
 */
u16 flush_asks_send(const struct flush_asks *a, u64 epoch, u64 *asked);

enum flush_answer {
	FLUSH_LOST,		/* its session is over, or ends by this answer */
	FLUSH_DONE,
	FLUSH_FAILED,
};

/*
 * It has ended. through: the peer has the only copy. app: the application hears by itself what
 * becomes of it. True: the only copy has failed it.
 *
 *   answer   through   app
 *   DONE     any       any    what was asked before is answered with it
 *   FAILED   yes       yes    the same
 *   FAILED   yes       no     the same; the application's next flush is to fail
 *   FAILED   no        any    about the peer's disk: that session ends, and to what is asked in the
 *                             next one it is as if no answer had come
 *   LOST     any       any    no answer has
 */
bool flush_asks_ended(struct flush_asks *a, enum flush_answer answer, bool through, u64 asked,
		      bool app);
/* The application has not been told of an error: its next flush is to fail. */
void flush_asks_failed(struct flush_asks *a);
bool flush_asks_take(struct flush_asks *a);

/*
 * An application's write completes. As it began there were so many `failures` here and `errors`
 * there. here: our disk has had it; through: the peer has the only copy.
 */
void flush_errors_write_ends(struct flush_errors *e, struct flush_asks *a, bool here, u32 failures,
			     bool through, u32 errors);

#endif /* LOCKSTEP_CORE_FLUSHERR_H */
