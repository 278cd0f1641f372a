// SPDX-License-Identifier: GPL-2.0
#include "flusherr.h"

#define AGO_MAX		0xffffu		/* and whatever is longer ago */

void flush_errors_clear(struct flush_errors *e)
{
	flush_errors_heard(e);
	e->settled = e->cleared = e->failures;
}

void flush_errors_heard(struct flush_errors *e)
{
	e->failed_epoch = 0;
	e->owed = false;
}

void flush_errors_note(struct flush_errors *e, bool owed)
{
	e->failures++;
	e->owed |= owed;
}

bool flush_errors_in_doubt(const struct flush_errors *e)
{
	return e->failures != e->settled;
}

bool flush_errors_keep(struct flush_errors *e, u32 failures, bool writer_is_here)
{
	e->settled = failures;
	return writer_is_here && flush_errors_take(e);
}

bool flush_errors_take(struct flush_errors *e)
{
	bool owed = e->owed;

	e->owed = false;
	return owed;
}

static bool has_failed_since(const struct flush_errors *e, u64 epoch, u16 ago)
{
	if (!ago || !e->failed_epoch)
		return false;
	return ago == AGO_MAX || ago >= epoch || e->failed_epoch >= epoch - ago;
}

bool flush_errors_answer(struct flush_errors *e, bool well, bool writer_is_here, u64 epoch,
			 u16 ago)
{
	if (!well)
		flush_errors_note(e, writer_is_here);
	if (writer_is_here)
		return !flush_errors_in_doubt(e);
	if (!ago && epoch > e->failed_epoch)
		e->failed_epoch = 0;
	if (well && !e->owed && !has_failed_since(e, epoch, ago))
		return !flush_errors_in_doubt(e);
	if (well)
		e->owed = false;
	e->failed_epoch = epoch;
	return false;
}

bool flush_errors_are_unheard(const struct flush_errors *e)
{
	return e->owed || e->failed_epoch;
}

u16 flush_asks_send(const struct flush_asks *a, u64 epoch, u64 *asked)
{
	if (!*asked)
		*asked = epoch;
	if (a->lost_epoch && a->lost_epoch < *asked)
		*asked = a->lost_epoch;
	if (*asked >= epoch)
		return 0;
	return epoch - *asked < AGO_MAX ? (u16)(epoch - *asked) : AGO_MAX;
}

void flush_asks_lost(struct flush_asks *a, u64 asked)
{
	if (!a->lost_epoch || asked < a->lost_epoch)
		a->lost_epoch = asked;
}

/* It was sent since, and so knew of what was lost. */
void flush_asks_answered(struct flush_asks *a, bool well)
{
	a->lost_epoch = 0;
	a->errors += !well;
}

void flush_asks_failed(struct flush_asks *a)
{
	a->failed = true;
}

void flush_asks_clear(struct flush_asks *a)
{
	a->lost_epoch = 0;
	a->failed = false;
}

bool flush_asks_take(struct flush_asks *a)
{
	bool failed = a->failed;

	a->failed = false;
	return failed;
}

/*
 * Has it failed since, while this was the disk? In doubt the error is the disk's: if that is given
 * up, the other copy has the write.
 */
void flush_errors_write_ends(struct flush_errors *e, struct flush_asks *a, bool here, u32 failures,
			     bool through, u32 errors)
{
	u32 since = e->failures - failures;
	bool lost = here && since && since <= e->failures - e->cleared;

	if (lost && flush_errors_in_doubt(e))
		e->owed = true;
	else if (lost || (through && errors != a->errors))
		a->failed = true;
}
