/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Slots: ids of requests in flight on one stream. An id on the wire is slot number + generation,
 * never a pointer (P8): an answer is accepted only if the slot is taken and the generation fits, so
 * that a late, repeated or invented answer finds nothing. The number of slots is the credit for
 * flow control. Storage is the caller's; not locked.
 */
#ifndef LOCKSTEP_CORE_SLOTS_H
#define LOCKSTEP_CORE_SLOTS_H

#include "os.h"

#define SLOT_NONE	0xffffffffu

struct slot {
	void *owner;		/* NULL: free */
	u32 gen;		/* of the present or next use */
	u32 next_free;
};

struct slots {
	struct slot *slot;
	u32 nr, free_head, used;
};

void slots_init(struct slots *s, struct slot *storage, u32 nr);
/* Take a slot for `owner` (not NULL). SLOT_NONE: none free. */
u32 slots_get(struct slots *s, void *owner, u32 *ret_gen);
/* The owner of exactly this use of the slot, or NULL. */
void *slots_find(const struct slots *s, u32 slot, u32 gen);
/* Free it; its generation moves on. */
void slots_put(struct slots *s, u32 slot);

#endif /* LOCKSTEP_CORE_SLOTS_H */
