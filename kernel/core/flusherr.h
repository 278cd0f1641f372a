/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Flushes that failed. A disk says once that it could not write what was in its cache, to whoever
 * asks first, and then forgets it: the next flush succeeds. So failures are counted here, and each
 * flush looks twice: it takes a sample when it begins, and when the disk has ended it well it is
 * good only if there was no failure but those of the sample.
 *
 *   reader        whose                        sample   not good if there was a failure
 *   APPLICATION   flush or PREFLUSH of an      told     since it began, or before, of which no
 *                 application here                      application has been told
 *   WRITE         write with FUA, and without  errors   since it began: what it wrote may have been
 *                 PREFLUSH; any other, if it            in the cache that was lost
 *                 is done here long before it
 *                 is acknowledged
 *   COPY          after which something is     marked   since it began, or before, whose blocks are
 *                 cleared, or called stable:            not marked yet
 *                 ours, and the peer's
 *
 *   told     moves when a flush of an application that failed, or was not good, has ended
 *            with an error: all that were under way fail, and a later one succeeds (P2). Only up to
 *            what was known when it was judged: it may have waited long for its end, and a write
 *            that was lost since is not acknowledged yet
 *   marked   moves when the disk is kept all the same and all that may differ from the peer is
 *            marked: so no region is cleared in between (P3). If it is given up it is not asked any
 *            more
 *   floor    moves with another disk: failures of the one before are no concern of what began then
 *
 * A disk that works on several flushes at a time, loses something and ends another one well before
 * it says so is taken at its word: the one after that is not good.
 */
#ifndef LOCKSTEP_CORE_FLUSHERR_H
#define LOCKSTEP_CORE_FLUSHERR_H

#include "os.h"

struct flusherr {
	u32 errors;		/* failures so far */
	u32 told, marked, floor;	/* of these, the first so many */
};

enum flusherr_reader {
	FLUSHERR_APPLICATION,
	FLUSHERR_WRITE,
	FLUSHERR_COPY,
	FLUSHERR_NR
};

/* When it begins. */
u32 flusherr_sample(const struct flusherr *f, enum flusherr_reader reader);
/* When the disk has ended it well. */
bool flusherr_is_good(const struct flusherr *f, u32 sample);

/* Has every failure been turned into marks? */
static inline bool flusherr_is_marked(const struct flusherr *f)
{
	return f->marked == f->errors;
}

/* The rest changes it: caller serialises. */

/* A flush, or anything else that asks for stable storage, has failed. */
void flusherr_note(struct flusherr *f);
/* An application's flush ends with an error; there were so many when it was judged. */
void flusherr_tell(struct flusherr *f, u32 errors);
/* All that may differ is marked, since there were so many errors. */
void flusherr_mark(struct flusherr *f, u32 errors);
/* Another disk is attached. */
void flusherr_attach(struct flusherr *f);

#endif /* LOCKSTEP_CORE_FLUSHERR_H */
