// SPDX-License-Identifier: GPL-2.0
/*
 * Run-length bytes from the peer: in bounds, ascending, and exactly one encoding for what they say.
 */
#include <assert.h>
#include <stdlib.h>
#include "rle.h"

#define BITS	(OOSMAP_PAGE_BITS * 3 + 99)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
size_t fuzz_seed(u32 n, u8 *buf, size_t cap);

static struct oosmap_page page[4];

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	u64 first, count, end = 0, pos = 0, *p;
	static u8 again[2 * 8192 + 64];
	struct oosmap map;
	struct rle_iter it;
	bool over = false;

	if (size > 8192)
		return 0;
	oosmap_init(&map, page, BITS);
	rle_iter_init(&it, data, size, 0, BITS);
	while (rle_iter_next(&it, &first, &count)) {
		assert(first >= end && count && first + count <= BITS);
		end = first + count;
		while (count) {
			u64 part = min(count, OOSMAP_PAGE_BITS - first % OOSMAP_PAGE_BITS);

			p = malloc(OOSMAP_PAGE_BYTES);
			over |= !p;
			oosmap_set(&map, first, part, &p);
			free(p);
			first += part;
			count -= part;
		}
	}
	if (!it.bad && !over)
		assert(rle_encode(&map, &pos, again, sizeof(again), 99) == size &&
		       pos == BITS && !memcmp(data, again, size));
	while ((p = oosmap_empty(&map)))
		free(p);
	return 0;
}

size_t fuzz_seed(u32 n, u8 *buf, size_t cap)
{
	static const u8 runs[3][8] = {
		{ 0, 5, 3, 0x90, 2, 1, 1, 7 }, { 0x80, 1, 1, 1, 2, 3, 4, 5 },
		{ 0xff, 0xff, 1, 1, 9, 0x81, 1, 1 },
	};

	if (n > 2 || cap < 8)
		return 0;
	memcpy(buf, runs[n], 8);
	return n == 2 ? 7 : 8;
}
