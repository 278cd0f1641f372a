// SPDX-License-Identifier: GPL-2.0
#include "print.h"

#include <stdlib.h>

int print_diff_add(struct print_diff *d, u64 first, u64 count)
{
	struct print_range *last = d->nr ? &d->range[d->nr - 1] : NULL;
	void *more;

	d->total += count;
	if (last && last->first + last->count == first) {
		last->count += count;
		return 0;
	}
	/* Room for 2^n: asked for whenever so many are there. */
	if (!(d->nr & (d->nr - 1))) {
		more = reallocarray(d->range, d->nr ? d->nr * 2 : 1, sizeof(*d->range));
		if (!more)
			return -1;
		d->range = more;
	}
	d->range[d->nr++] = (struct print_range){ first, count };
	return 0;
}
