// SPDX-License-Identifier: GPL-2.0
/*
 * Run-length form: what goes in comes out, chunk by chunk; whatever is not the one encoding is
 * refused.
 */
#include "test.h"
#include "rle.h"

#define BITS	(OOSMAP_PAGE_BITS * 5 + 4321)
#define PAGES	6

static struct oosmap_page from_page[PAGES], to_page[PAGES];
static struct oosmap from, to;

static void set(struct oosmap *b, u64 first, u64 count)
{
	u64 part, *spare;

	for (; count; first += part, count -= part) {
		part = min(count, OOSMAP_PAGE_BITS - first % OOSMAP_PAGE_BITS);
		spare = calloc(1, OOSMAP_PAGE_BYTES);
		oosmap_set(b, first, part, &spare);
		free(spare);
	}
}

static void release(struct oosmap *b)
{
	u64 *p;

	while ((p = oosmap_empty(b)))
		free(p);
}

static void take_chunk(const u8 *buf, size_t len, u64 first_bit)
{
	u64 first, count, end = first_bit;
	struct rle_iter it;

	rle_iter_init(&it, buf, len, first_bit, BITS);
	while (rle_iter_next(&it, &first, &count)) {
		assert_true(first > end || (first == first_bit && end == first_bit));
		set(&to, first, count);
		end = first + count;
	}
	assert_false(it.bad);
	assert_int_equal(it.at, len);
}

static void transfer(size_t cap, u32 budget)
{
	u64 pos = 0, before, first, next, a, b;
	u8 *buf = malloc(cap);
	u32 n, m;
	size_t len;

	while (pos < BITS) {
		before = pos;
		len = rle_encode(&from, &pos, buf, cap, budget);
		assert_true(pos > before && pos <= BITS && len <= cap);
		take_chunk(buf, len, before);
	}
	free(buf);
	assert_int_equal(from.weight, to.weight);
	for (pos = 0; pos < BITS; pos = next) {
		n = oosmap_find(&from, pos, BITS, 1, &first, &next);
		m = oosmap_find(&to, pos, BITS, 1, &a, &b);
		assert_int_equal(n, m);
		assert_int_equal(next, b);
		if (n)
			assert_int_equal(first, a);
	}
}

static void round_trip(void **state)
{
	u64 rng = 11, i, round;

	(void)state;
	oosmap_init(&from, from_page, BITS);
	oosmap_init(&to, to_page, BITS);
	for (round = 0; round < 60; round++) {
		u64 runs = random_below(&rng, 300), longest = 1 + random_below(&rng, 3 * 32768);

		for (i = 0; i < runs; i++) {
			u64 first = random_below(&rng, BITS);

			set(&from, first, min(1 + random_below(&rng, round & 1 ? 9 : longest),
					      BITS - first));
		}
		transfer(RLE_PAIR_BYTES + random_below(&rng, 500), 1 + random_below(&rng, 4));
		release(&from);
		release(&to);
	}
}

/* A bitmap that is all set is one pair, and an empty one is nothing. */
static void extremes(void **state)
{
	static const u8 all[] = { 0x00, 0xe1, 0xa1, 0x0a };
	u64 pos = 0;
	u8 buf[64];

	(void)state;
	oosmap_init(&from, from_page, BITS);
	assert_int_equal(rle_encode(&from, &pos, buf, sizeof(buf), 2), 0);
	assert_int_equal(pos, 2 * OOSMAP_PAGE_BITS);
	assert_int_equal(rle_encode(&from, &pos, buf, sizeof(buf), 100), 0);
	assert_int_equal(pos, BITS);
	assert_null(oosmap_fill(&from));
	pos = 0;
	assert_int_equal(rle_encode(&from, &pos, buf, sizeof(buf), 100), sizeof(all));
	assert_memory_equal(buf, all, sizeof(all));
	assert_int_equal(BITS, 0x61 + (0x21 << 7) + (0x0a << 14));
	pos = 0;
	assert_int_equal(rle_encode(&from, &pos, buf, sizeof(buf), 0), 0);
	assert_int_equal(pos, 0);
	assert_int_equal(rle_encode(&from, &pos, buf, RLE_PAIR_BYTES - 1, 9), 0);
	assert_int_equal(pos, 0);
	release(&from);
}

static bool accepts(const u8 *buf, size_t len, u64 first_bit, u64 nr_bits)
{
	u64 first, count, end = first_bit;
	struct rle_iter it;

	rle_iter_init(&it, buf, len, first_bit, nr_bits);
	while (rle_iter_next(&it, &first, &count)) {
		assert_true(first >= end && count > 0 && count <= nr_bits);
		assert_true(first + count <= nr_bits);
		end = first + count;
	}
	if (it.bad)
		assert_false(rle_iter_next(&it, &first, &count));
	return !it.bad;
}

#define ACCEPTS(first, nr, ...) \
	accepts((const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }), first, nr)

static void malformed(void **state)
{
	(void)state;
	assert_true(accepts(NULL, 0, 0, 100));
	assert_true(accepts(NULL, 0, 100, 100));
	assert_false(accepts(NULL, 0, 101, 100));
	assert_true(ACCEPTS(0, 100, 0, 100));
	assert_true(ACCEPTS(0, 100, 99, 1));
	assert_false(ACCEPTS(0, 100, 100, 1));		/* beyond the end */
	assert_false(ACCEPTS(0, 100, 99, 2));
	assert_false(ACCEPTS(50, 100, 0, 51));
	assert_true(ACCEPTS(50, 100, 0, 50));
	assert_false(ACCEPTS(0, 100, 5));		/* half a pair */
	assert_false(ACCEPTS(0, 100, 5, 0));		/* empty run */
	assert_false(ACCEPTS(0, 100, 5, 1, 0, 1));	/* two that are one */
	assert_true(ACCEPTS(0, 100, 5, 1, 1, 1));
	assert_false(ACCEPTS(0, 100, 0x80, 0x00, 1));	/* not minimal */
	assert_false(ACCEPTS(0, 100, 5, 0x81, 0x00));
	assert_false(ACCEPTS(0, 100, 0x85));		/* cut */
	/* 2^64 - 1 is a number, 2^64 is not; neither is in range. */
	assert_false(ACCEPTS(0, 100, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1));
	assert_false(ACCEPTS(0, 100, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 1));
	assert_false(ACCEPTS(0, 100, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff));
	assert_true(ACCEPTS(0, ~0ull, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1));
	assert_false(ACCEPTS(0, ~0ull, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(extremes),
		cmocka_unit_test(malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
