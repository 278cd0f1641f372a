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

/* One call for each page touched, each with a page if it needs one: then nothing is over-marked. */
static void exact_call(u64 first, u64 count, bool set)
{
	u64 end = first + count, part, before, changed, *spare;

	model_fill(first, count, set);
	for (; first < end; first += part) {
		part = min(end - first, OOSMAP_PAGE_BITS - first % OOSMAP_PAGE_BITS);
		before = map.weight;
		spare = oosmap_needs_page(&map, first, part, set) ? new_page() : NULL;
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
	assert_true(oosmap_needs_page(&map, 5, 1, true));
	assert_false(oosmap_needs_page(&map, 5, 1, false));
	assert_false(oosmap_needs_page(&map, 0, OOSMAP_PAGE_BITS, true));
	/* No memory: one bit marks its page; the last page is smaller. */
	assert_int_equal(oosmap_set(&map, 5, 1, &spare), OOSMAP_PAGE_BITS);
	assert_int_equal(oosmap_set(&map, BITS - 1, 1, &spare), 777);
	assert_int_equal(oosmap_set(&map, 5, 100, &spare), 0);
	assert_false(oosmap_needs_page(&map, 5, 1, true));
	assert_true(oosmap_needs_page(&map, 5, 1, false));
	assert_false(oosmap_needs_page(&map, 0, OOSMAP_PAGE_BITS, false));
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
	assert_false(oosmap_needs_page(&map, 0, 9, true) || oosmap_needs_page(&map, 0, 9, false));
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

/*
 * ---- to the disk and back -----------------------------------------------------------------------
 */

static _Alignas(8) u8 disk_page[PAGES][OOSMAP_PAGE_BYTES], disk_index[OOSMAP_PAGE_BYTES];
static struct oosmap_page loaded_pages[PAGES];
static struct oosmap loaded;

static void save_all(bool ok, u32 cap)
{
	static _Alignas(8) u8 buf[PAGES][OOSMAP_PAGE_BYTES];
	void *const to[] = { buf[0], buf[1], buf[2], buf[3] };
	u32 cursor = 0, from, n, i, page[PAGES], index;

	while (cursor < map.nr_pages) {
		from = cursor;
		n = oosmap_save(&map, &cursor, cap, to, page, &index);
		for (i = 0; i < n; i++)
			memcpy(disk_page[page[i]], buf[i], OOSMAP_PAGE_BYTES);
		if (index != U32_MAX) {
			assert_int_equal(index, 0);
			oosmap_index_encode(&map, index, disk_index);
		}
		oosmap_saved(&map, from, cursor, ok);
	}
}

static void free_loaded(void)
{
	u64 *p;

	while ((p = oosmap_empty(&loaded)))
		free(p);
}

/* What a fresh attach finds is the plain array, or more. */
static void check_loaded(bool exact)
{
	u64 *spare, i, weight = 0;
	u32 page;

	oosmap_init(&loaded, loaded_pages, BITS);
	oosmap_index_load(&loaded, 0, disk_index);
	while ((page = oosmap_next_unread(&loaded, 0, 100)) < PAGES) {
		spare = new_page();
		oosmap_page_load(&loaded, page, disk_page[page], &spare);
		free(spare);
	}
	assert_int_equal(loaded.nr_unread, 0);
	for (i = 0; i < BITS; i++) {
		if (plain[i] && !oosmap_test(&loaded, i))
			fail_msg("bit %lu is lost", (unsigned long)i);
		weight += oosmap_test(&loaded, i);
	}
	assert_int_equal(weight, loaded.weight);
	if (exact)
		assert_int_equal(weight, plain_weight());
	free_loaded();
}

static void saved_and_loaded(void **state)
{
	u64 rng = 11, first, count, round;

	(void)state;
	oosmap_init(&map, pages, BITS);
	memset(plain, 0, sizeof(plain));
	memset(disk_index, 0, sizeof(disk_index));
	for (round = 0; round < 150; round++) {
		random_range(&rng, &first, &count);
		exact_call(first, count, random_below(&rng, 2));
		if (random_below(&rng, 20) == 0)
			empty_map();
		if (random_below(&rng, 20) == 0) {
			for (u64 *p; (p = oosmap_fill(&map)); )
				free(p);
			memset(plain, 1, sizeof(plain));
		}
		save_all(true, 1 + (u32)random_below(&rng, PAGES));
		check_loaded(true);
	}
	empty_map();
}

static void save_only_what_changed(void **state)
{
	void *const to[] = { disk_page[0] };
	u32 cursor = 0, page, index;
	u64 *spare = new_page();

	(void)state;
	oosmap_init(&map, pages, BITS);
	oosmap_set(&map, 7, 1, &spare);
	assert_int_equal(oosmap_save(&map, &cursor, 1, to, &page, &index), 1);
	assert_int_equal(page, 0);
	assert_int_equal(index, 0);
	assert_int_equal(disk_page[0][0], 0x80);
	/* Set while it is on its way: once more, but the entry is there. */
	oosmap_set(&map, 8, 1, &spare);
	oosmap_saved(&map, 0, cursor, true);
	cursor = 0;
	assert_int_equal(oosmap_save(&map, &cursor, 1, to, &page, &index), 1);
	assert_int_equal(index, U32_MAX);
	oosmap_saved(&map, 0, cursor, true);
	cursor = 0;
	assert_int_equal(oosmap_save(&map, &cursor, 1, to, &page, &index), 0);
	/* Mixed to empty: the entry only. If it is not known whether it arrived: again. */
	oosmap_clear(&map, 0, 100, &spare);
	cursor = 0;
	assert_int_equal(oosmap_save(&map, &cursor, 1, to, &page, &index), 0);
	assert_int_equal(index, 0);
	oosmap_saved(&map, 0, cursor, false);
	free(spare);
	spare = new_page();
	oosmap_set(&map, 9, 1, &spare);
	cursor = 0;
	assert_int_equal(oosmap_save(&map, &cursor, 1, to, &page, &index), 1);
	assert_int_equal(index, 0);
	oosmap_saved(&map, 0, cursor, true);
	free(spare);
	empty_map();
}

static void unread_pages(void **state)
{
	void *const to[] = { disk_page[0] };
	u32 cursor = 0, page, index;
	u64 *spare = NULL;

	(void)state;
	oosmap_init(&map, pages, BITS);
	memset(disk_index, 0, sizeof(disk_index));
	disk_index[0] = 0xea;		/* stored, stored, stored, unknown: the last is full */
	assert_int_equal(oosmap_index_load(&map, 0, disk_index), 3);
	assert_int_equal(map.weight, 777);
	/* Set before it is read: kept, and not saved over what the disk alone knows. */
	spare = new_page();
	oosmap_set(&map, 3, 1, &spare);
	assert_int_equal(oosmap_save(&map, &cursor, 1, to, &page, &index), 0);
	memset(disk_page[0], 0, OOSMAP_PAGE_BYTES);
	disk_page[0][0] = 1;
	oosmap_page_load(&map, 0, disk_page[0], &spare);
	assert_true(oosmap_test(&map, 0) && oosmap_test(&map, 3) && !oosmap_test(&map, 1));
	cursor = 0;
	assert_int_equal(oosmap_save(&map, &cursor, 1, to, &page, &index), 1);
	oosmap_saved(&map, 0, cursor, true);
	/* Unreadable, and without memory: all of it. */
	spare = NULL;
	oosmap_page_load(&map, 1, NULL, &spare);
	oosmap_page_load(&map, 2, disk_page[0], &spare);
	assert_int_equal(map.weight, 2 + 2 * OOSMAP_PAGE_BITS + 777);
	assert_int_equal(map.nr_unread, 0);
	empty_map();
}

static void resized(void **state)
{
	u64 *spare = new_page(), *p;

	(void)state;
	memset(pages, 0, sizeof(pages));
	oosmap_init(&map, pages, 100);
	oosmap_set(&map, 98, 2, &spare);
	assert_null(oosmap_resize(&map, BITS));
	assert_int_equal(map.nr_pages, PAGES);
	assert_int_equal(map.weight, 2);
	assert_true(oosmap_test(&map, 99) && !oosmap_test(&map, 100));
	spare = new_page();
	oosmap_set(&map, BITS - 1, 1, &spare);
	assert_null(spare);
	while ((p = oosmap_resize(&map, 99)))
		free(p);
	assert_int_equal(map.weight, 1);
	assert_int_equal(map.nr_pages, 1);
	assert_int_equal(map.nr_bits, 99);
	spare = NULL;
	oosmap_set(&map, 0, 99, &spare);
	free(spare);
	/* A full one stays full. */
	assert_null(oosmap_resize(&map, 3 * OOSMAP_PAGE_BITS));
	assert_int_equal(map.weight, OOSMAP_PAGE_BITS);
	empty_map();
	memset(pages, 0, sizeof(pages));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_with_memory),
		cmocka_unit_test(never_under_marks),
		cmocka_unit_test(full_pages),
		cmocka_unit_test(saved_and_loaded),
		cmocka_unit_test(save_only_what_changed),
		cmocka_unit_test(unread_pages),
		cmocka_unit_test(resized),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
