// SPDX-License-Identifier: GPL-2.0
#include "persist.h"

enum persist_step persist_begin(struct persist *p, enum persist_job job, const struct regions *r)
{
	p->job = job;
	p->clear = REGIONS_CLEAR_NONE;
	p->alone = r->alone;
	p->err = 0;
	if (job == PERSIST_PASS)
		p->step = PERSIST_PICK;
	else if (job == PERSIST_CLOSE)
		p->step = PERSIST_MAP;
	else
		p->step = PERSIST_SNAPSHOT;
	/* Of a close, the map first: it has to be there even if no page has changed. */
	p->outside = job == PERSIST_CLOSE;
	return p->step;
}

/* Nothing is left to save. */
static enum persist_step after_saving(const struct persist *p)
{
	switch (p->job) {
	case PERSIST_PASS:
		return PERSIST_FLUSH;
	case PERSIST_CLOSE:
		return PERSIST_SUPER;
	default:
		return PERSIST_DONE;
	}
}

/*
 * A failed flush with a session clears nothing. Without one throughout, writes are marked before
 * they are written, and their marks have just been saved.
 */
static enum regions_clear what_to_clear(const struct persist *p, const struct regions *r,
					int flush)
{
	if (!flush)
		return REGIONS_CLEAR_ALL;
	if (flush == -ENOTCONN && p->alone && r->alone)
		return REGIONS_CLEAR_UNPINNED;
	return REGIONS_CLEAR_NONE;
}

/* A write failed: what was picked goes on as it was. */
static enum persist_step give_up(struct persist *p, int err)
{
	if (!p->err)
		p->err = err;
	switch (p->step) {
	case PERSIST_MAP:
		if (p->outside)
			return PERSIST_DONE;
		return PERSIST_LOST;
	case PERSIST_PAGES:
	case PERSIST_INDEX:
		return PERSIST_LOST;
	default:
		return PERSIST_DONE;
	}
}

static enum persist_step next(struct persist *p, const struct regions *r, int result)
{
	switch (p->step) {
	case PERSIST_PICK:
		return PERSIST_SNAPSHOT;
	case PERSIST_SNAPSHOT:
		return result ? PERSIST_MAP : after_saving(p);
	case PERSIST_MAP:
		/* Before the snapshots of a close, and after the end of a pass. */
		if (!p->outside)
			return PERSIST_PAGES;
		p->outside = false;
		return p->job == PERSIST_CLOSE ? PERSIST_SNAPSHOT : PERSIST_DONE;
	case PERSIST_PAGES:
		return PERSIST_INDEX;
	case PERSIST_INDEX:
		return PERSIST_SAVED;
	case PERSIST_SAVED:
		return PERSIST_SNAPSHOT;
	case PERSIST_LOST:
		/* Also of another job, which may have relied on the pages that were to be saved. */
		return PERSIST_FINISH;
	case PERSIST_FLUSH:
		p->clear = what_to_clear(p, r, result);
		return PERSIST_FINISH;
	case PERSIST_FINISH:
		p->outside = true;
		return p->err ? PERSIST_DONE : PERSIST_MAP;
	default:
		return PERSIST_DONE;
	}
}

enum persist_step persist_next(struct persist *p, const struct regions *r, int result)
{
	bool failed = result < 0 && p->step != PERSIST_FLUSH;

	p->step = failed ? give_up(p, result) : next(p, r, result);
	return p->step;
}
