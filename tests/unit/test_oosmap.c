// SPDX-License-Identifier: GPL-2.0
/* The bitmap is a plain array of bits that may over-mark, and never under-marks. */
#include "test.h"
#include "oosmap.h"

#define BITS	(OOSMAP_PAGE_BITS * 3 + 777)
#define PAGES	4

static struct oosmap_page pages[PAGES];
static struct oosmap map;
static u8 plain[BITS];

static u64 *new_page(void)
{
	/* Dirty on purpose: the map zeroes what it takes. */
	u64 *p = malloc(OOSMAP_PAGE_BYTES);

	assert_non_null(p);
	memset(p, 0xa5, OOSMAP_PAGE_BYTES);
	return p;
}

static void empty_map(void)
{
	u64 *p;

	while ((p = oosmap_empty(&map)))
		free(p);
	memset(plain, 0, sizeof(plain));
	assert_int_equal(map.weight, 0);
}

static u64 plain_weight(void)
{
	u64 n = 0;
	u32 i;

	for (i = 0; i < BITS; i++)
		n += plain[i];
	return n;
}

/* Walks the map with a small budget and says that it is the plain array, bit by bit. */
static void check_equal(u32 max_len, u32 budget)
{
	u64 at = 0, first, next, i, seen = 0;
	u32 len;

	while (at < BITS) {
		len = oosmap_find(&map, at, max_len, budget, &first, &next);
		assert_true(next > at && next <= BITS);
		for (i = at; i < next; i++)
			assert_int_equal(plain[i], len && i >= first && i < first + len);
		if (len)
			assert_true(first + len == next && len <= max_len);
		seen += len;
		at = next;
	}
	assert_int_equal(oosmap_find(&map, BITS, 1, 1, &first, &next), 0);
	assert_int_equal(next, BITS);
	assert_int_equal(seen, map.weight);
	assert_int_equal(plain_weight(), map.weight);
}

static void random_range(u64 *rng, u64 *first, u64 *count)
{
	static const u64 edge[] = {
		0, 1, 63, 64, 65, OOSMAP_PAGE_BITS - 1, OOSMAP_PAGE_BITS, OOSMAP_PAGE_BITS + 1,
		3 * OOSMAP_PAGE_BITS, BITS - 1, BITS, BITS + 5,
	};

	if (random_below(rng, 3)) {
		*first = random_below(rng, BITS);
		*count = random_below(rng, random_below(rng, 4) ? 200 : BITS);
	} else {
		*first = edge[random_below(rng, ARRAY_SIZE(edge))];
		*count = edge[random_below(rng, ARRAY_SIZE(edge))];
	}
}

static void model_fill(u64 first, u64 count, u8 value)
{
	u64 i;

	for (i = first; i < BITS && i - first < count; i++)
		plain[i] = value;
}

/* One call for each page touched, each with a page at hand: then nothing is over-marked. */
static void exact_call(u64 first, u64 count, bool set)
{
	u64 end = first + count, part, before, changed, *spare;

	model_fill(first, count, set);
	for (; first < end; first += part) {
		part = min(end - first, OOSMAP_PAGE_BITS - first % OOSMAP_PAGE_BITS);
		before = map.weight;
		spare = new_page();
		changed = set ? oosmap_set(&map, first, part, &spare) :
				oosmap_clear(&map, first, part, &spare);
		assert_int_equal(changed, set ? map.weight - before : before - map.weight);
		free(spare);
	}
}

static void exact_with_memory(void **state)
{
	u64 rng = 5, first, count, round;

	(void)state;
	oosmap_init(&map, pages, BITS);
	for (round = 0; round < 600; round++) {
		random_range(&rng, &first, &count);
		exact_call(first, count, !(round & 1));
		if (round % 8 == 0)
			check_equal(1 + (u32)random_below(&rng, OOSMAP_PAGE_BITS), 1 + round % 3);
		if (round % 100 == 99)
			empty_map();
	}
	empty_map();
}

/*
 * Without a page setting over-marks its page and clearing may do nothing; what must be set stays.
 */
static void never_under_marks(void **state)
{
	u64 rng = 7, first, count, *spare, *held = NULL, round, before, changed, i;

	(void)state;
	oosmap_init(&map, pages, BITS);
	memset(plain, 0, sizeof(plain));
	for (round = 0; round < 3000; round++) {
		random_range(&rng, &first, &count);
		spare = NULL;
		if (random_below(&rng, 3) == 0)
			spare = held ? held : new_page();
		if (spare == held)
			held = NULL;
		before = map.weight;
		if (random_below(&rng, 2)) {
			changed = oosmap_set(&map, first, count, &spare);
			assert_int_equal(map.weight, before + changed);
			model_fill(first, count, 1);
		} else {
			changed = oosmap_clear(&map, first, count, &spare);
			assert_int_equal(map.weight, before - changed);
			model_fill(first, count, 0);
		}
		if (held)
			free(held);
		held = spare;
		for (i = 0; i < BITS; i += 1 + random_below(&rng, 7))
			if (plain[i])
				assert_true(oosmap_test(&map, i));
		if (random_below(&rng, 40) == 0)
			empty_map();
	}
	free(held);
	empty_map();
}

static void full_pages(void **state)
{
	u64 *spare = NULL, *p, first, next;

	(void)state;
	oosmap_init(&map, pages, BITS);
	/* No memory: one bit marks its page; the last page is smaller. */
	assert_int_equal(oosmap_set(&map, 5, 1, &spare), OOSMAP_PAGE_BITS);
	assert_int_equal(oosmap_set(&map, BITS - 1, 1, &spare), 777);
	assert_int_equal(oosmap_set(&map, 5, 100, &spare), 0);
	assert_int_equal(map.weight, OOSMAP_PAGE_BITS + 777);
	assert_int_equal(oosmap_find(&map, 0, 40000, 1, &first, &next), OOSMAP_PAGE_BITS);
	assert_int_equal(oosmap_find(&map, OOSMAP_PAGE_BITS, 1, 2, &first, &next), 0);
	assert_int_equal(next, 3 * OOSMAP_PAGE_BITS);
	/* Clearing a part without a page does nothing, the whole page needs none. */
	assert_int_equal(oosmap_clear(&map, 5, 1, &spare), 0);
	assert_int_equal(oosmap_clear(&map, 0, OOSMAP_PAGE_BITS, &spare), OOSMAP_PAGE_BITS);
	assert_int_equal(oosmap_clear(&map, BITS - 777, 777, &spare), 777);
	assert_int_equal(oosmap_clear(&map, 0, BITS, &spare), 0);
	assert_int_equal(map.weight, 0);

	/* A page that fills up gives its words back; one that the caller cannot take keeps them. */
	spare = new_page();
	oosmap_set(&map, 0, OOSMAP_PAGE_BITS - 1, &spare);
	assert_null(spare);
	oosmap_set(&map, OOSMAP_PAGE_BITS - 1, 1, &spare);
	assert_non_null(spare);
	assert_null(pages[0].words);
	oosmap_clear(&map, 7, 1, &spare);
	assert_null(spare);
	spare = new_page();
	oosmap_set(&map, 7, 1, &spare);
	assert_non_null(pages[0].words);
	assert_int_equal(oosmap_find(&map, 3, 40000, 1, &first, &next), OOSMAP_PAGE_BITS - 3);
	oosmap_clear(&map, 0, OOSMAP_PAGE_BITS, &spare);
	assert_non_null(pages[0].words);
	assert_true(oosmap_is_clear(&map, 0, BITS));
	free(spare);

	spare = NULL;
	oosmap_set(&map, 9, 1, &spare);
	while ((p = oosmap_fill(&map)))
		free(p);
	assert_int_equal(map.weight, BITS);
	assert_true(oosmap_test(&map, BITS - 1));
	assert_false(oosmap_test(&map, BITS));
	assert_true(oosmap_is_clear(&map, BITS, 10));
	assert_true(oosmap_is_clear(&map, 3, 0));
	assert_false(oosmap_is_clear(&map, 3, ~0ull));
	empty_map();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_with_memory),
		cmocka_unit_test(never_under_marks),
		cmocka_unit_test(full_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
