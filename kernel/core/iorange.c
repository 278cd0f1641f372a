// SPDX-License-Identifier: GPL-2.0
/*
 * A bucket holds what is in flight in a few regions: nearly always none or one, so a list that is
 * walked is faster than any tree. Counting blockers on entry makes leaving exact: a range starts
 * when the last of the earlier ones that overlap it has gone, not when "something changed" and it
 * has to look again; so nobody is woken in vain and nobody can be overtaken by a later overlapping
 * range.
 */
#include "iorange.h"

void iorange_bucket_init(struct iorange_bucket *b)
{
	b->oldest = NULL;
	b->newest = NULL;
}

bool iorange_enter(struct iorange_bucket *b, struct iorange *r, u64 first_sect, u64 end_sect)
{
	struct iorange *earlier;

	r->first_sect = first_sect;
	r->end_sect = end_sect;
	r->blockers = 0;
	for (earlier = b->oldest; earlier; earlier = earlier->next)
		r->blockers += iorange_overlaps(earlier, r);

	r->next = NULL;
	r->prev = b->newest;
	if (b->newest)
		b->newest->next = r;
	else
		b->oldest = r;
	b->newest = r;
	return r->blockers == 0;
}

static void unlink_range(struct iorange_bucket *b, struct iorange *r)
{
	if (r->prev)
		r->prev->next = r->next;
	else
		b->oldest = r->next;
	if (r->next)
		r->next->prev = r->prev;
	else
		b->newest = r->prev;
}

void iorange_leave(struct iorange_bucket *b, struct iorange *r,
		   void (*ready)(struct iorange *r, void *ctx), void *ctx)
{
	struct iorange *later = r->next;

	unlink_range(b, r);
	r->next = NULL;
	r->prev = NULL;
	for (; later; later = later->next) {
		if (!iorange_overlaps(r, later) || WARN_ON_ONCE(later->blockers == 0))
			continue;
		later->blockers--;
		if (later->blockers == 0)
			ready(later, ctx);
	}
}
