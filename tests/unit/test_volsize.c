// SPDX-License-Identifier: GPL-2.0
/* Two nodes take other sizes, fail and die at every step in every order: what differs is marked. */
#include "test.h"
#include "volsize.h"
#include <string.h>

/*
 * A volume of up to three blocks, the first of which is always there, and so left out. Every world
 * that can be reached is looked at once; all of its members are less than 8.
 */
#define MAX		3
#define IDLE		7		/* no session is being opened here */

struct node {
	u8 disk, mem, map;		/* sizes: of the superblock, in memory, of the bitmap */
	u8 disk_marks, marks;		/* a bit for each block */
	u8 step;			/* the last one that has succeeded; TAKE: it is open */
	u8 from_disk, from_map;		/* the facts when it began */
};

struct world {
	struct node node[2];
	u8 agreed;			/* at the last hello */
	u8 started;			/* the session is up */
	u8 differs;			/* a bit for each block: what nobody knows */
};

static u8 below(u8 size)
{
	return (u8)((1u << size) - 2);
}

/* ---- every world once ----------------------------------------------------------------------- */

#define SLOTS	(1u << 23)

static u64 seen[SLOTS];
static struct world todo[SLOTS / 2];
static u32 nr_worlds, nr_starts, nr_halves;

static u64 pack(const struct world *w)
{
	const u8 *member = (const u8 *)w;
	u64 key = 1;

	for (size_t i = 0; i < sizeof(*w); i++) {
		assert_true(member[i] < 8);
		key = key << 3 | member[i];
	}
	return key;
}

static u8 has(const struct node *n)
{
	return below(max(n->disk, n->mem));
}

/* What one of them does not have is not known there; what both disks have, [Z1]. */
static void check(struct world *w)
{
	const struct node *a = &w->node[0], *b = &w->node[1];
	u8 both = below(min(a->disk, b->disk));

	w->differs |= below(MAX) & (u8)~(has(a) & has(b));
	if (w->differs & both & (u8)~(a->disk_marks | b->disk_marks))
		fail_msg("unmarked on both disks: %llx", (unsigned long long)pack(w));
	for (int i = 0; i < 2; i++)
		assert_true(w->node[i].map >= w->node[i].mem);
}

static void reach(struct world w)
{
	u64 key, slot;

	for (int i = 0; i < 2; i++)
		if (w.node[i].step == IDLE)
			w.node[i].from_disk = w.node[i].from_map = 0;
	check(&w);
	key = pack(&w);
	slot = key * 0x9e3779b97f4a7c15ull >> 41;
	while (seen[slot] && seen[slot] != key)
		slot = (slot + 1) % SLOTS;
	if (seen[slot])
		return;
	seen[slot] = key;
	assert_true(nr_worlds < ARRAY_SIZE(todo));
	todo[nr_worlds++] = w;
}

/* ---- what may happen to one node ------------------------------------------------------------ */

/* Any of the marks gets to the disk; there is no room for those beyond the bitmap's end. */
static void save(struct world w, int i)
{
	struct node *n = &w.node[i];
	u8 marks = n->marks & below(n->map), was = n->disk_marks;

	for (u8 bit = 2; bit < 1 << MAX; bit <<= 1) {
		n->disk_marks = (u8)((was & ~bit) | (marks & bit));
		reach(w);
	}
}

static void save_all(struct node *n)
{
	n->disk_marks = n->marks & below(n->map);
}

static void mark(struct world w, int i)
{
	struct node *n = &w.node[i];

	n->marks |= below(w.agreed) & (u8)~below(n->from_disk);
	save(w, i);
	/* Not all of it could be written. */
	n->step = IDLE;
	reach(w);
	save(w, i);
	n->step = VOLSIZE_MARK;
	save_all(n);
	reach(w);
}

static void store(struct world w, int i)
{
	struct node *n = &w.node[i];
	struct world failed = w;

	failed.node[i].step = IDLE;
	reach(failed);
	/* It said so, and was written. */
	failed.node[i].disk = w.agreed;
	reach(failed);
	n->step = VOLSIZE_STORE;
	n->disk = n->mem = w.agreed;
	reach(w);
}

static void go_on(struct world w, int i)
{
	struct node *n = &w.node[i];
	struct volsize_facts f = { .agreed_sect = w.agreed };
	enum volsize_step step;

	if (n->step == VOLSIZE_BEGIN) {
		n->from_disk = n->mem;
		n->from_map = n->map;
	}
	f.disk_sect = n->from_disk;
	f.map_sect = n->from_map;
	step = volsize_next(&f, n->step);
	if (step == VOLSIZE_MARK) {
		mark(w, i);
		return;
	}
	if (step == VOLSIZE_STORE) {
		store(w, i);
		return;
	}
	n->step = (u8)step;
	if (step == VOLSIZE_ROOM || step == VOLSIZE_TRIM)
		n->map = w.agreed;
	n->marks &= below(n->map);
	/* [Z2]; where the size stays, an earlier STORE may have failed, and be on the disk. */
	if (step == VOLSIZE_TAKE)
		assert_true(n->mem == w.agreed && n->map == w.agreed &&
			    (n->disk == w.agreed || n->from_disk == w.agreed));
	reach(w);
}

static void crash(struct world w, int i)
{
	struct node *n = &w.node[i];

	n->mem = n->map = n->disk;
	n->marks = n->disk_marks & below(n->disk);
	n->step = IDLE;
	w.started = 0;
	reach(w);
}

/* Alone; its region is on the disk before it is written. */
static void write_alone(struct world w, int i)
{
	struct node *n = &w.node[i];

	for (u8 block = 1; block < n->mem; block++) {
		u8 bit = (u8)(1 << block);
		struct world next = w;

		next.differs |= bit;
		next.node[i].marks |= bit;
		next.node[i].disk_marks |= bit;
		reach(next);
	}
}

static void one_node(const struct world *w, int i)
{
	const struct node *n = &w->node[i];
	struct world next = *w;

	if (n->step < VOLSIZE_TAKE)
		go_on(*w, i);
	save(*w, i);
	crash(*w, i);
	if (w->started || n->step < VOLSIZE_TAKE)
		return;
	/* It never opened, or the session was lost before it began. */
	next.node[i].step = IDLE;
	reach(next);
	if (n->step != IDLE)
		return;
	write_alone(*w, i);
	/* Its superblock is written for another reason. */
	next.node[i].disk = n->mem;
	reach(next);
}

/* ---- both ----------------------------------------------------------------------------------- */

/* Copied or equal: the marks go one after the other, from memory. */
static void in_session(const struct world *w)
{
	struct world next = *w;

	for (u8 bit = 2; bit < 1 << w->agreed; bit <<= 1) {
		next = *w;
		next.differs &= (u8)~bit;
		reach(next);
		for (int i = 0; i < 2 && !(w->differs & bit); i++) {
			next = *w;
			next.node[i].marks &= (u8)~bit;
			reach(next);
		}
	}
	next = *w;
	next.started = 0;
	next.node[0].step = next.node[1].step = IDLE;
	reach(next);
}

/* Any size: a larger one, which both disks have room for, or a smaller one that was forced. */
static void hello(const struct world *w)
{
	struct world next = *w;

	for (u8 size = 1; size <= MAX; size++) {
		next.agreed = size;
		for (int who = 1; who < 4; who++) {
			next.node[0].step = who & 1 ? VOLSIZE_BEGIN : IDLE;
			next.node[1].step = who & 2 ? VOLSIZE_BEGIN : IDLE;
			reach(next);
		}
	}
}

static bool is_open(const struct node *n)
{
	return n->step == VOLSIZE_TAKE;
}

static void both_nodes(const struct world *w)
{
	const struct node *a = &w->node[0], *b = &w->node[1];
	struct world next = *w;

	if (w->started) {
		in_session(w);
	} else if (a->step == IDLE && b->step == IDLE) {
		nr_halves += a->disk != b->disk;
		hello(w);
	} else if (is_open(a) && is_open(b)) {
		/* What is marked nowhere will not be copied. */
		assert_int_equal(w->differs & below(w->agreed) & ~(a->marks | b->marks), 0);
		/* Each writes its superblock before it starts. */
		next.node[0].disk = next.node[1].disk = w->agreed;
		next.started = 1;
		nr_starts++;
		reach(next);
	}
}

static void everything_new_is_marked(void **state)
{
	struct node n = { .disk = 1, .mem = 1, .map = 1, .step = IDLE };
	struct world first = { .node = { n, n } };

	(void)state;
	reach(first);
	for (u32 at = 0; at < nr_worlds; at++) {
		struct world w = todo[at];

		one_node(&w, 0);
		one_node(&w, 1);
		both_nodes(&w);
	}
	print_message("%u worlds, %u starts, %u with sizes that differ\n", nr_worlds, nr_starts,
		      nr_halves);
	assert_true(nr_starts > 1000 && nr_halves > 1000);
}

/* ---- the table ------------------------------------------------------------------------------ */

static u32 steps(u64 disk, u64 map, u64 agreed, bool no_disk)
{
	struct volsize_facts f = {
		.disk_sect = disk, .map_sect = map, .agreed_sect = agreed, .no_disk = no_disk,
	};
	enum volsize_step step = VOLSIZE_BEGIN;
	u32 ret = 0;

	while ((step = volsize_next(&f, step)) != VOLSIZE_DONE)
		ret |= 1u << step;
	assert_int_equal(volsize_next(&f, VOLSIZE_DONE), VOLSIZE_DONE);
	assert_true(ret & 1u << VOLSIZE_TAKE);
	return ret & ~(1u << VOLSIZE_TAKE);
}

static void rows(void **state)
{
	const u32 room = 1u << VOLSIZE_ROOM, set = 1u << VOLSIZE_MARK, put = 1u << VOLSIZE_STORE,
		  trim = 1u << VOLSIZE_TRIM;
	const struct {
		u64 disk, map, agreed;
		u32 steps;
	} row[] = {
		{ 0, 16, 24, room }, { 0, 16, 16, 0 }, { 0, 16, 8, trim },
		{ 16, 16, 24, room | set | put }, { 16, 24, 24, set | put },
		{ 16, 32, 24, set | put | trim }, { 16, 16, 16, 0 }, { 16, 24, 16, put | trim },
		{ 16, 16, 8, put | trim }, { 16, 24, 8, put | trim },
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
		assert_int_equal(steps(row[i].disk, row[i].map, row[i].agreed, false),
				 row[i].steps);
		assert_int_equal(steps(row[i].disk, row[i].map, row[i].agreed, true),
				 row[i].steps & (room | trim));
	}
}

/* Each row of the table, and what follows: a disk that is taken can hold all of the volume. */
static void replaced(void **state)
{
	u32 nr[5] = { 0 };

	(void)state;
	for (u32 i = 0; i < 4 * 6 * 5 * 2; i++) {
		u64 volume = 8 + i % 4 * 8, disk = i / 4 % 6 * 8, room = 8 + i / 24 % 5 * 8;
		bool primary = i / 120;
		enum volsize_fit fit = volsize_replace(volume, primary, disk, room);

		if (room < disk)
			continue;
		nr[fit]++;
		assert_int_equal(fit == VOLSIZE_SMALL, room < volume);
		if (fit == VOLSIZE_SMALL)
			continue;
		assert_int_equal(fit == VOLSIZE_GOOD, !disk || disk == volume);
		assert_int_equal(fit == VOLSIZE_LARGE, disk > volume);
		assert_int_equal(fit == VOLSIZE_SHORT, disk && disk < volume && primary);
	}
	for (u32 i = 0; i < ARRAY_SIZE(nr); i++)
		assert_true(nr[i]);
	/* Grown through the peer, and shrunk. */
	assert_int_equal(volsize_replace(24, false, 16, 32), VOLSIZE_BEHIND);
	assert_int_equal(volsize_replace(16, false, 24, 32), VOLSIZE_LARGE);
	assert_int_equal(volsize_replace(24, false, 16, 16), VOLSIZE_SMALL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows),
		cmocka_unit_test(replaced),
		cmocka_unit_test(everything_new_is_marked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
