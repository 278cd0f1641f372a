// SPDX-License-Identifier: GPL-2.0
/*
 * The slot freed last is taken first: its cache lines are warm. What keeps an old answer from
 * meeting the new request is the generation alone, which moves on at every put and comes round
 * after 2^32 uses of one slot; no answer is that late, because a session that is silent for its
 * time-out ends.
 */
#include "slots.h"

void slots_init(struct slots *s, struct slot *storage, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		storage[i].owner = NULL;
		storage[i].gen = 1;
		storage[i].next_free = i + 1 < nr ? i + 1 : SLOT_NONE;
	}
	s->slot = storage;
	s->nr = nr;
	s->free_head = nr ? 0 : SLOT_NONE;
	s->used = 0;
}

u32 slots_get(struct slots *s, void *owner, u32 *ret_gen)
{
	u32 slot = s->free_head;

	if (slot == SLOT_NONE || WARN_ON_ONCE(!owner))
		return SLOT_NONE;
	s->free_head = s->slot[slot].next_free;
	s->slot[slot].owner = owner;
	s->used++;
	*ret_gen = s->slot[slot].gen;
	return slot;
}

void *slots_find(const struct slots *s, u32 slot, u32 gen)
{
	if (slot >= s->nr || s->slot[slot].gen != gen)
		return NULL;
	return s->slot[slot].owner;
}

void slots_put(struct slots *s, u32 slot)
{
	if (WARN_ON_ONCE(slot >= s->nr || !s->slot[slot].owner))
		return;
	s->slot[slot].owner = NULL;
	s->slot[slot].gen++;
	s->slot[slot].next_free = s->free_head;
	s->free_head = slot;
	s->used--;
}
