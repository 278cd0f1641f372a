// SPDX-License-Identifier: GPL-2.0
#include "flushnote.h"

#include <linux/blkdev.h>
#include "resource.h"
#include "stream.h"
#include "volume.h"
#include "wire.h"

void lockstep_flush_notes_init(struct lockstep_volume *vol)
{
	spin_lock_init(&vol->flush_notes.lock);
}

/* ---- the disk here -------------------------------------------------------------------------- */

void lockstep_flush_failed_here(struct lockstep_volume *vol, bool owed)
{
	struct lockstep_flush_notes *n = &vol->flush_notes;
	unsigned long flags;

	spin_lock_irqsave(&n->lock, flags);
	flush_errors_note(&n->errors, owed);
	spin_unlock_irqrestore(&n->lock, flags);
}

bool lockstep_flush_in_doubt(struct lockstep_volume *vol)
{
	struct lockstep_flush_notes *n = &vol->flush_notes;
	unsigned long flags;
	bool doubt;

	spin_lock_irqsave(&n->lock, flags);
	doubt = flush_errors_in_doubt(&n->errors);
	spin_unlock_irqrestore(&n->lock, flags);
	return doubt;
}

void lockstep_flush_forget(struct lockstep_volume *vol)
{
	struct lockstep_flush_notes *n = &vol->flush_notes;

	spin_lock_irq(&n->lock);
	flush_errors_clear(&n->errors);
	spin_unlock_irq(&n->lock);
}

/* Of a stack only the top is known: it may take FUA and pass it to a disk that has none. */
bool lockstep_flush_follows_fua(struct block_device *bdev)
{
	return bdev_write_cache(bdev) &&
	       (!bdev_fua(bdev) || !queue_is_mq(bdev_get_queue(bdev)));
}

void lockstep_flush_step(struct lockstep_volume *vol, u32 effects)
{
	bool target = vol->resync.sync == LOCKSTEP_SYNC_TARGET;
	struct lockstep_flush_notes *n = &vol->flush_notes;

	spin_lock_irq(&n->lock);
	flush_errors_step(&n->errors, &n->asks, &vol->res->state, effects, target);
	spin_unlock_irq(&n->lock);
}

void lockstep_flush_kept(struct lockstep_volume *vol, u32 failures)
{
	struct lockstep_flush_notes *n = &vol->flush_notes;

	spin_lock_irq(&n->lock);
	if (flush_errors_keep(&n->errors, failures, &vol->res->state))
		flush_asks_failed(&n->asks);
	spin_unlock_irq(&n->lock);
}

bool lockstep_flush_is_unheard(struct lockstep_volume *vol)
{
	struct lockstep_flush_notes *n = &vol->flush_notes;
	bool unheard;

	spin_lock_irq(&n->lock);
	unheard = flush_errors_are_unheard(&n->errors);
	spin_unlock_irq(&n->lock);
	return unheard;
}

bool lockstep_flush_owes(struct lockstep_volume *vol)
{
	struct lockstep_flush_notes *n = &vol->flush_notes;
	unsigned long flags;
	bool owes;

	spin_lock_irqsave(&n->lock, flags);
	owes = flush_errors_take(&n->errors);
	spin_unlock_irqrestore(&n->lock, flags);
	return owes;
}

/* The role may change at this moment: a promotion has flushed before, and owes nobody. */
bool lockstep_flush_answer(struct lockstep_volume *vol, const struct wire_msg *request, bool well)
{
	bool here = READ_ONCE(vol->res->state.role) == LOCKSTEP_ROLE_PRIMARY;
	struct lockstep_flush_notes *n = &vol->flush_notes;
	unsigned long flags;

	spin_lock_irqsave(&n->lock, flags);
	well = flush_errors_answer(&n->errors, well, here, request->epoch, request->status);
	spin_unlock_irqrestore(&n->lock, flags);
	return well;
}

/* ---- the peer's, asked for from here -------------------------------------------------------- */

void lockstep_flush_ask(struct lockstep_volume *vol, struct wire_msg *request, u64 *asked)
{
	struct lockstep_flush_notes *n = &vol->flush_notes;
	unsigned long flags;

	spin_lock_irqsave(&n->lock, flags);
	request->status = flush_asks_send(&n->asks, request->epoch, asked);
	spin_unlock_irqrestore(&n->lock, flags);
}

static enum flush_answer answer_of(int status)
{
	switch (status) {
	case LOCKSTEP_WS_OK:
		return FLUSH_DONE;
	case LOCKSTEP_WS_IO_ERROR:
		return FLUSH_FAILED;
	default:
		return FLUSH_LOST;
	}
}

bool lockstep_flush_asked(struct lockstep_volume *vol, u64 epoch, u64 asked, int status, bool app)
{
	bool through = READ_ONCE(vol->res->through_epoch) == epoch;
	struct lockstep_flush_notes *n = &vol->flush_notes;
	unsigned long flags;
	bool failed;

	spin_lock_irqsave(&n->lock, flags);
	failed = flush_asks_ended(&n->asks, answer_of(status), through, asked, app);
	spin_unlock_irqrestore(&n->lock, flags);
	return failed;
}

/* ---- the application's requests ------------------------------------------------------------- */

bool lockstep_flush_is_due(struct lockstep_volume *vol)
{
	struct lockstep_flush_notes *n = &vol->flush_notes;
	unsigned long flags;
	bool due;

	spin_lock_irqsave(&n->lock, flags);
	due = flush_asks_take(&n->asks);
	spin_unlock_irqrestore(&n->lock, flags);
	return due;
}

void lockstep_flush_write_ends(struct lockstep_volume *vol, bool here, u32 failures, bool through,
			       u32 errors)
{
	struct lockstep_flush_notes *n = &vol->flush_notes;
	unsigned long flags;

	/* Nearly always; and a flush that begins after this write's end comes after this look. */
	if (failures == READ_ONCE(n->errors.failures) && errors == READ_ONCE(n->asks.errors))
		return;
	spin_lock_irqsave(&n->lock, flags);
	flush_errors_write_ends(&n->errors, &n->asks, here, failures, through, errors);
	spin_unlock_irqrestore(&n->lock, flags);
}
