// SPDX-License-Identifier: GPL-2.0
/*
 * Crash replay: the real core (regions, bitmap, their order, the superblock) drives a metadata
 * device that records what is written to it. After every write and every flush of a seeded history
 * (writes with and without the peer, resyncs, passes, losses of the session, closes, attaches) the
 * machine loses power: each write that is not known to be stable may be there, missing, or torn at
 * 512 bytes; all combinations up to a bound, else a sample. What an attach then finds must name
 * every block that may differ.
 *
 * The driver here does what kernel/bitmapio.c and kernel/regionmap.c do, step by step, and another
 * actor runs between any two steps.
 */
#include <stdio.h>
#include "test.h"
#include "meta.h"
#include "oosmap.h"
#include "persist.h"
#include "regions.h"

/*
 * ---- the metadata device ------------------------------------------------------------------------
 */

/* Data device of 3 pages of bitmap and a bit: 384 MiB and 40 blocks; external metadata. */
#define DATA_SECT	(3 * 262144u + 40 * 8)
#define BITS		(DATA_SECT / LOCKSTEP_BIT_SECT)
#define PAGES		4
#define REGIONS		97
#define DEV_BLOCKS	64
#define MAX_WAY		16
#define SECTORS		8
#define ALL_SUBSETS	8		/* bits: 256 combinations */

struct way {
	u32 block;
	_Alignas(8) u8 data[4096];
};

static struct device {
	_Alignas(8) u8 stable[DEV_BLOCKS][4096];
	struct way way[MAX_WAY];	/* submitted, not known to be stable; in order */
	u32 nr_way;
} dev;

static u8 crashed[DEV_BLOCKS][4096];	/* what a crash left */

/*
 * ---- the node and what is true of it ------------------------------------------------------------
 */

static struct node {
	struct meta meta;
	int copy;
	struct meta_layout layout;
	struct oosmap map;
	struct oosmap_page page[PAGES];
	struct regions regions;
	u64 words[5 * REGIONS_BLOCK_WORDS];
	struct regions_block block[1];
	bool session;
	bool quiet;			/* nobody but the job */
	/* Of the job that runs. */
	struct persist job;
	bool running;
	u32 cursor, from, nr, index, saved[PAGES];
	_Alignas(8) u8 buf[PAGES][4096], map_buf[4096];
	bool map_writing;
	u32 map_at;
} nd;

/*
 * The truth, block by block of a sample of the volume. A block may differ from when a write to it
 * starts until it is settled: flushed on both, or copied and flushed. It is settled in memory
 * (`cleared`) before it is stable.
 */
#define SAMPLE		24u

static u32 sample[SAMPLE];
static struct truth {
	bool alone;		/* written without the peer: differs until it is copied */
	bool loose;		/* on both, not flushed on both: a cache may lose it */
	bool late;		/* written since the flush that is under way began */
	bool busy;		/* a write is at the disks */
	bool waits;		/* for its region */
	bool both;		/* of the busy one: goes to the peer too */
} truth[SAMPLE];

static u64 rng;
static u64 checked, steps;

static u32 roll(u32 n)
{
	return (u32)random_below(&rng, n);
}

static u32 region_of(u32 i)
{
	return (u32)((u64)sample[i] * LOCKSTEP_BIT_SECT / LOCKSTEP_REGION_SECT);
}

static u32 block_of(u64 sect)
{
	assert_int_equal(sect % 8, 0);
	assert_in_range(sect / 8, 0, DEV_BLOCKS - 1);
	return (u32)(sect / 8);
}

/*
 * ---- crashes ------------------------------------------------------------------------------------
 */

static bool bit_in(const u8 *block, u64 bit)
{
	return block[bit / 8] >> bit % 8 & 1;
}

/* Is the block named, on the device as the crash left it? */
static bool is_named(u64 bit)
{
	u64 page = bit / OOSMAP_PAGE_BITS, region = bit * LOCKSTEP_BIT_SECT / LOCKSTEP_REGION_SECT;
	u32 form = crashed[block_of(nd.layout.index_sect)][page / 4] >> 2 * (page % 4) & 3;

	if (bit_in(crashed[block_of(nd.layout.region_map_sect)], region))
		return true;
	if (form == LOCKSTEP_INDEX_EMPTY)
		return false;
	return form != LOCKSTEP_INDEX_STORED ||
	       bit_in(crashed[block_of(nd.layout.bitmap_sect) + page], bit % OOSMAP_PAGE_BITS);
}

static void check_crashed(void)
{
	enum meta_err err;
	struct meta m;
	u32 detail, i;

	checked++;
	if (meta_pick(crashed[0], crashed[block_of(nd.layout.sb_sect[1])], &m, &err, &detail) < 0)
		fail_msg("no superblock: %s", meta_err_name(err));
	/* Until the first attach is durable the maps mean nothing, and nothing was written. */
	if (!(m.flags & LOCKSTEP_MF_REGIONS_VALID)) {
		assert_false(m.flags & LOCKSTEP_MF_ATTACHED);
		for (i = 0; i < SAMPLE; i++)
			assert_false(truth[i].alone || truth[i].loose || truth[i].busy);
		return;
	}
	for (i = 0; i < SAMPLE; i++) {
		if (!truth[i].alone && !truth[i].loose && !truth[i].busy)
			continue;
		if (!is_named(sample[i]))
			fail_msg("block %u may differ (%s%s%s) and is not named: step %u, "
				 "marked %u, region %u, page %u/%u", sample[i],
				 truth[i].alone ? "alone " : "", truth[i].loose ? "loose " : "",
				 truth[i].busy ? "busy" : "", nd.job.step,
				 oosmap_test(&nd.map, sample[i]),
				 regions_is_dirty(&nd.regions, region_of(i)),
				 nd.map.page[sample[i] / OOSMAP_PAGE_BITS].disk,
				 nd.map.page[sample[i] / OOSMAP_PAGE_BITS].flags);
		/* Closed is a promise: nothing is in a cache that only the map knows. */
		if (!(m.flags & LOCKSTEP_MF_ATTACHED))
			assert_false(truth[i].busy);
	}
}

static void apply(const struct way *w, u32 sectors)
{
	u32 s;

	for (s = 0; s < SECTORS; s++)
		if (sectors & 1u << s)
			memcpy(crashed[w->block] + 512 * s, w->data + 512 * s, 512);
}

/* Power fails now. */
static void crash_here(void)
{
	u32 subset, i, n = dev.nr_way, rounds = n <= ALL_SUBSETS ? 1u << n : 256;

	for (subset = 0; subset < rounds; subset++) {
		u32 which = n <= ALL_SUBSETS ? subset : (u32)next_random(&rng);

		memcpy(crashed, dev.stable, sizeof(crashed));
		for (i = 0; i < n; i++)
			if (which & 1u << i)
				apply(&dev.way[i], 0xff);
		check_crashed();
	}
	for (subset = 0; n && subset < 16; subset++) {
		memcpy(crashed, dev.stable, sizeof(crashed));
		for (i = 0; i < n; i++)
			apply(&dev.way[i], (u32)next_random(&rng) & 0xff);
		check_crashed();
	}
}

static void submit(u64 sect, const void *data)
{
	struct way *w = &dev.way[dev.nr_way++];

	assert_in_range(dev.nr_way, 1, MAX_WAY);
	w->block = block_of(sect);
	memcpy(w->data, data, 4096);
	steps++;
	crash_here();
}

/* All that was submitted is stable (they were written with FUA and are complete). */
static void settle(void)
{
	u32 i;

	for (i = 0; i < dev.nr_way; i++)
		memcpy(dev.stable[dev.way[i].block], dev.way[i].data, 4096);
	dev.nr_way = 0;
	crash_here();
}

/*
 * ---- writers, resync and sessions: what goes on beside the jobs
 * ----------------------------------
 */

static void mark(u64 bit)
{
	u64 *spare = calloc(1, OOSMAP_PAGE_BYTES);

	/* Now and then there is no memory. */
	if (!roll(40)) {
		free(spare);
		spare = NULL;
	}
	oosmap_set(&nd.map, bit, 1, &spare);
	free(spare);
}

static void unmark(u64 bit)
{
	u64 *spare = calloc(1, OOSMAP_PAGE_BYTES);

	oosmap_clear(&nd.map, bit, 1, &spare);
	free(spare);
}

static void look(u32 i)
{
	u32 r = region_of(i);

	if (!regions_is_fast(*regions_fast_word(&nd.regions, r), r) &&
	    regions_enter(&nd.regions, r) == REGIONS_WAIT)
		return;
	truth[i].waits = false;
	truth[i].busy = true;
	truth[i].both = nd.session;
	if (!truth[i].both)
		mark(sample[i]);
}

static void write_done(u32 i)
{
	truth[i].busy = false;
	if (truth[i].both) {
		/* Both have it: whatever was copied before is overwritten. */
		truth[i].alone = false;
		truth[i].loose = true;
		truth[i].late = true;
		unmark(sample[i]);
	} else {
		truth[i].alone = true;
	}
}

static void writer(void)
{
	u32 i = roll(SAMPLE);

	if (truth[i].waits)
		look(i);
	else if (truth[i].busy)
		write_done(i);
	else {
		truth[i].waits = true;
		look(i);
	}
}

/* Copied to the peer, into its cache (R4: noted first). */
static void resync(void)
{
	u32 i = roll(SAMPLE);

	if (!nd.session || truth[i].busy || truth[i].waits || !oosmap_test(&nd.map, sample[i]))
		return;
	truth[i].loose |= truth[i].alone;
	truth[i].late |= truth[i].alone;
	truth[i].alone = false;
	regions_note(&nd.regions, region_of(i));
	unmark(sample[i]);
}

static void finish(enum regions_clear clear)
{
	u32 cursor = 0;

	while (cursor < nd.regions.nr)
		regions_finish(&nd.regions, &cursor, clear);
}

static void regions_to_marks(void)
{
	u32 at = 0, first, n;
	u64 *spare = NULL;

	while ((n = regions_find(&nd.regions, at, &first))) {
		oosmap_set(&nd.map, first * 1024ull, n * 1024ull, &spare);
		free(spare);
		spare = NULL;
		at = first + n;
	}
	finish(REGIONS_CLEAR_NONE);
}

static void session(void)
{
	u32 i;

	if (!nd.session) {
		for (i = 0; i < SAMPLE; i++)
			if (truth[i].busy)
				write_done(i);
		/* What the map alone knows, since the bitmap in memory was lost. */
		if (nd.meta.flags & LOCKSTEP_MF_UNCLEAN)
			regions_to_marks();
		nd.session = true;
		regions_session_begins(&nd.regions);
		return;
	}
	nd.session = false;
	/* Answers that will not come: marked, and complete alone. */
	for (i = 0; i < SAMPLE; i++) {
		if (!truth[i].busy)
			continue;
		mark(sample[i]);
		truth[i].busy = false;
		truth[i].alone = true;
	}
	regions_session_ended(&nd.regions);
}

static void bystander(void)
{
	u32 n = nd.quiet ? 0 : roll(4);

	while (n--) {
		u32 what = roll(20);

		if (what < 13)
			writer();
		else if (what < 19)
			resync();
		else if (!roll(6))
			session();
	}
	crash_here();
}

/*
 * ---- the driver's half of a job -----------------------------------------------------------------
 */

static int map_commit(void)
{
	u32 b = regions_map_next(&nd.regions, 0, false, nd.map_buf);

	if (b == nd.regions.nr_blocks)
		return 0;
	submit(nd.layout.region_map_sect, nd.map_buf);
	bystander();
	settle();
	regions_map_done(&nd.regions, b, nd.map_buf, true);
	return 0;
}

/* Somebody waits for the map: at any time, but not within a commit. */
static void map_urgent(void)
{
	u32 i;

	if (nd.regions.block[0].urgent)
		map_commit();
	for (i = 0; i < SAMPLE; i++)
		if (truth[i].waits && roll(2))
			look(i);
}

static void pick(void)
{
	u32 cursor = 0, region[256], n, i, k;

	while (cursor < nd.regions.nr) {
		n = regions_pick(&nd.regions, &cursor, region, ARRAY_SIZE(region));
		for (i = 0; i < n; i++)
			for (k = 0; k < SAMPLE; k++)
				if ((truth[k].busy || truth[k].waits) && region_of(k) == region[i])
					regions_keep(&nd.regions, region[i]);
	}
}

static int snapshot(void)
{
	void *const buf[] = { nd.buf[0], nd.buf[1], nd.buf[2], nd.buf[3] };

	if (nd.cursor >= nd.map.nr_pages)
		return 0;
	nd.from = nd.cursor;
	nd.nr = oosmap_save(&nd.map, &nd.cursor, 1 + roll(PAGES), buf, nd.saved, &nd.index);
	return 1;
}

static int write_pages(void)
{
	u32 i;

	for (i = 0; i < nd.nr; i++)
		submit(nd.layout.bitmap_sect + 8ull * nd.saved[i], nd.buf[i]);
	bystander();
	settle();
	return 0;
}

static int write_index(void)
{
	if (nd.index == U32_MAX)
		return 0;
	oosmap_index_encode(&nd.map, nd.index, nd.map_buf);
	submit(nd.layout.index_sect, nd.map_buf);
	bystander();
	settle();
	return 0;
}

static int flush_both(void)
{
	bool both = nd.session;
	u32 i;

	for (i = 0; i < SAMPLE; i++)
		truth[i].late = false;
	bystander();
	map_urgent();
	bystander();
	if (!both)
		return -ENOTCONN;
	if (!nd.session || !roll(5))
		return -EIO;
	for (i = 0; i < SAMPLE; i++)
		if (!truth[i].late)
			truth[i].loose = false;
	return 0;
}

static void write_super(void)
{
	nd.meta.sequence++;
	nd.copy = 1 - nd.copy;
	meta_encode(&nd.meta, nd.map_buf);
	submit(nd.layout.sb_sect[nd.copy], nd.map_buf);
	settle();
}

static int step(void)
{
	switch (nd.job.step) {
	case PERSIST_PICK:
		pick();
		return 0;
	case PERSIST_SNAPSHOT:
		return snapshot();
	case PERSIST_MAP:
		return map_commit();
	case PERSIST_PAGES:
		return write_pages();
	case PERSIST_INDEX:
		return write_index();
	case PERSIST_SAVED:
	case PERSIST_LOST:
		oosmap_saved(&nd.map, nd.from, nd.cursor, nd.job.step == PERSIST_SAVED);
		return 0;
	case PERSIST_FLUSH:
		return flush_both();
	case PERSIST_FINISH:
		finish(nd.job.clear);
		return 0;
	case PERSIST_SUPER:
		meta_close(&nd.meta, false);
		write_super();
		return 0;
	case PERSIST_DONE:
		break;
	}
	return 0;
}

static void run(enum persist_job job)
{
	nd.cursor = 0;
	nd.quiet = job == PERSIST_CLOSE;
	persist_begin(&nd.job, job, &nd.regions);
	while (nd.job.step != PERSIST_DONE) {
		int result = step();

		bystander();
		map_urgent();
		/* A write that fails though it has arrived: the job gives up, and tells. */
		if (!roll(60) && job == PERSIST_PASS &&
		    (nd.job.step == PERSIST_MAP || nd.job.step == PERSIST_PAGES ||
		     nd.job.step == PERSIST_INDEX))
			result = -EIO;
		persist_next(&nd.job, &nd.regions, result);
	}
	nd.quiet = false;
}

/*
 * ---- attach, close, crash -----------------------------------------------------------------------
 */

static void free_map(void)
{
	u64 *p;

	for (;;) {
		p = oosmap_empty(&nd.map);
		if (!p && !nd.map.cursor)
			return;
		free(p);
	}
}

static void attach(void)
{
	enum meta_err err;
	u32 detail, page;
	u64 *spare;

	nd.copy = meta_pick(dev.stable[0], dev.stable[block_of(nd.layout.sb_sect[1])], &nd.meta,
			    &err, &detail);
	assert_in_range(nd.copy, 0, 1);
	memset(nd.words, 0, sizeof(nd.words));
	memset(nd.block, 0, sizeof(nd.block));
	regions_init(&nd.regions, nd.words, nd.block, REGIONS);
	oosmap_init(&nd.map, nd.page, BITS);
	nd.session = false;
	if (meta_attach(&nd.meta)) {
		memset(nd.map_buf, 0, sizeof(nd.map_buf));
		submit(nd.layout.region_map_sect, nd.map_buf);
		submit(nd.layout.index_sect, nd.map_buf);
		settle();
	} else {
		regions_load(&nd.regions, 0, dev.stable[block_of(nd.layout.region_map_sect)]);
		oosmap_index_load(&nd.map, 0, dev.stable[block_of(nd.layout.index_sect)]);
		while ((page = oosmap_next_unread(&nd.map, 0, PAGES)) < PAGES) {
			spare = calloc(1, OOSMAP_PAGE_BYTES);
			oosmap_page_load(&nd.map, page,
					 dev.stable[block_of(nd.layout.bitmap_sect) + page],
					 &spare);
			free(spare);
		}
	}
	write_super();
	crash_here();
}

static void quiesce(void)
{
	u32 i;

	if (nd.session)
		session();
	for (i = 0; i < SAMPLE; i++) {
		truth[i].waits = false;
		if (truth[i].busy)
			write_done(i);
	}
}

static void close_cleanly(void)
{
	u32 i;

	quiesce();
	run(PERSIST_CLOSE);
	/*
	 * What was written alone is found again from the bitmap, not only from regions; what a
	 * crash left to the regions is called UNCLEAN until it is copied.
	 */
	memcpy(crashed, dev.stable, sizeof(crashed));
	memset(crashed[block_of(nd.layout.region_map_sect)], 0, 4096);
	for (i = 0; i < SAMPLE; i++)
		if (truth[i].alone && !(nd.meta.flags & LOCKSTEP_MF_UNCLEAN))
			assert_true(is_named(sample[i]));
	free_map();
}

/* One of the states that power loss may leave becomes the truth. */
static void power_loss(void)
{
	u32 i;

	free_map();
	for (i = 0; i < SAMPLE; i++) {
		/* Under way: on one side, or on both, or on none. */
		truth[i].loose |= truth[i].busy;
		truth[i].busy = false;
		truth[i].waits = false;
	}
}

static void format(void)
{
	memset(&dev, 0xa5, sizeof(dev));	/* what an old disk holds */
	dev.nr_way = 0;
	assert_int_equal(meta_layout(DATA_SECT, DEV_BLOCKS * 8, &nd.layout), META_OK);
	assert_int_equal(regions_count(DATA_SECT), REGIONS);
	assert_int_equal(oosmap_pages(BITS), PAGES);
	meta_init(&nd.meta, &nd.layout, DATA_SECT, "r", "n", 0, 0, true, 9);
	meta_encode(&nd.meta, dev.stable[0]);
	nd.meta.sequence = 1;
	meta_encode(&nd.meta, dev.stable[block_of(nd.layout.sb_sect[1])]);
}

static void choose_sample(void)
{
	u32 i;

	/* Neighbours, page ends, the last block; and twice in one region. */
	static const u32 edge[] = { 0, 1, OOSMAP_PAGE_BITS - 1, OOSMAP_PAGE_BITS, BITS - 1, 1024 };

	for (i = 0; i < SAMPLE; i++)
		sample[i] = i < ARRAY_SIZE(edge) ? edge[i] : 4000 + i * 3989 + roll(1000);
	for (i = 0; i < SAMPLE; i++)
		sample[i] = min(sample[i], BITS - 1);
	for (i = ARRAY_SIZE(edge); i < SAMPLE; i++)
		if (sample[i] == BITS - 1)
			sample[i] = BITS - 2 - i;
	memset(truth, 0, sizeof(truth));
}

static void replay(void **state)
{
	u32 seed, i, cleared = 0, before;

	(void)state;
	for (seed = 1; seed <= 60; seed++) {
		rng = seed * 7919;
		choose_sample();
		format();
		attach();
		for (i = 0; i < 25; i++) {
			u32 what = roll(10);

			bystander();
			map_urgent();
			if (what < 7) {
				before = nd.regions.nr_want;
				run(PERSIST_PASS);
				cleared += nd.regions.nr_want < before;
			} else if (what == 7) {
				run(PERSIST_SAVE);
			} else if (what == 8) {
				close_cleanly();
				attach();
			} else {
				power_loss();
				attach();
			}
		}
		free_map();
	}
	printf("  %lu writes of metadata, %lu crashes, %u passes that cleared something\n",
	       (unsigned long)steps, (unsigned long)checked, cleared);
	/* It would all hold if nothing were ever cleared. */
	assert_true(cleared > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
