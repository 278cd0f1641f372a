// SPDX-License-Identifier: GPL-2.0
#include "flusherr.h"

#include "state.h"

#define AGO_MAX		0xffffu		/* and whatever is longer ago */

static void heard(struct flush_errors *e)
{
	e->failed_epoch = 0;
	e->owed = false;
}

void flush_errors_clear(struct flush_errors *e)
{
	heard(e);
	e->settled = e->cleared = e->failures;
}

static bool hears_nobody(const struct lockstep_state *s, u32 effects, bool target)
{
	if (effects & STATE_EFF_META_TARGET && target)
		return true;
	if (s->role == LOCKSTEP_ROLE_PRIMARY)
		return false;
	return (s->peer_role == LOCKSTEP_ROLE_SECONDARY && !s->granted) ||
	       (effects & STATE_EFF_META_SYNCED && !target);
}

void flush_errors_step(struct flush_errors *e, struct flush_asks *a,
		       const struct lockstep_state *s, u32 effects, bool target)
{
	bool other = effects & (STATE_EFF_META_PRIMARY | STATE_EFF_META_SECONDARY);

	if (other || hears_nobody(s, effects, target))
		heard(e);
	if (other) {
		a->lost_epoch = 0;
		a->failed = false;
	}
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

bool flush_errors_keep(struct flush_errors *e, u32 failures, const struct lockstep_state *s)
{
	e->settled = failures;
	if (hears_nobody(s, 0, false))
		heard(e);
	return s->role == LOCKSTEP_ROLE_PRIMARY && flush_errors_take(e);
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

bool flush_asks_ended(struct flush_asks *a, enum flush_answer answer, bool through, u64 asked,
		      bool app)
{
	bool failed = answer == FLUSH_FAILED && through;

	if (answer == FLUSH_DONE || failed)
		a->lost_epoch = 0;	/* it was sent since, and so knew of what was lost */
	else if (!a->lost_epoch || asked < a->lost_epoch)
		a->lost_epoch = asked;
	a->errors += failed;
	a->failed |= failed && !app;
	return failed;
}

void flush_asks_failed(struct flush_asks *a)
{
	a->failed = true;
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
