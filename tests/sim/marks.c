// SPDX-License-Identifier: GPL-2.0
/*
 * The bitmap in memory, through core. Block b is bit b % PAGE_BLOCKS of page b / PAGE_BLOCKS; the
 * bits behind are set only while the page is FULL, and go when the first of it is cleared.
 */
#include "sim.h"

static u64 bit_of(u32 block)
{
	return (u64)(block / PAGE_BLOCKS) * OOSMAP_PAGE_BITS + block % PAGE_BLOCKS;
}

static void look(struct node *nd, u32 page)
{
	u32 i, b = page * PAGE_BLOCKS;

	nd->marks &= ~page_blocks(page);
	if (!nd->page[page].weight)
		return;
	for (i = 0; i < PAGE_BLOCKS; i++, b++)
		nd->marks |= (u32)oosmap_test(&nd->map, bit_of(b)) << b;
}

static void set(struct node *nd, u32 page, u64 first, u64 count)
{
	u64 *spare = nd->page[page].words || !roll(20) ? NULL : nd->words[page];

	oosmap_set(&nd->map, first, count, &spare);
	look(nd, page);
}

/* As core counts them; may be bits that are no block's. */
void node_mark_bits(struct node *nd, u64 first, u64 count)
{
	u64 end = first + count, next;

	for (; first < end; first = next) {
		next = min(end, (first / OOSMAP_PAGE_BITS + 1) * OOSMAP_PAGE_BITS);
		set(nd, (u32)(first / OOSMAP_PAGE_BITS), first, next - first);
	}
}

void node_mark(struct node *nd, u32 first_sect, u32 nr)
{
	u32 first = first_sect / LOCKSTEP_BIT_SECT;
	u32 end = (first_sect + nr + LOCKSTEP_BIT_SECT - 1) / LOCKSTEP_BIT_SECT;

	set(nd, first / PAGE_BLOCKS, bit_of(first), end - first);
}

void node_mark_blocks(struct node *nd, u32 blocks)
{
	for (; blocks; blocks &= blocks - 1) {
		u32 b = (u32)__builtin_ctz(blocks);

		set(nd, b / PAGE_BLOCKS, bit_of(b), 1);
	}
}

void node_mark_page(struct node *nd, u32 page)
{
	node_mark_bits(nd, (u64)page * OOSMAP_PAGE_BITS, OOSMAP_PAGE_BITS);
}

void node_clear(struct node *nd, u32 first_sect, u32 nr)
{
	u32 first = (first_sect + 7) / 8, end = (first_sect + nr) / 8, page;
	u64 start, *spare;

	if (end <= first)
		return;
	page = first / PAGE_BLOCKS;
	start = (u64)page * OOSMAP_PAGE_BITS;
	spare = nd->page[page].words ? NULL : nd->words[page];
	if (!nd->page[page].weight)
		return;
	if (!nd->page[page].words && page + 1 < NR_PAGES)
		oosmap_clear(&nd->map, start + PAGE_BLOCKS, OOSMAP_PAGE_BITS - PAGE_BLOCKS, &spare);
	oosmap_clear(&nd->map, bit_of(first), end - first, &spare);
	look(nd, page);
}

void node_clear_all(struct node *nd)
{
	while (oosmap_empty(&nd->map))
		;
	nd->marks = 0;
}

u32 node_regions_wanted(const struct node *nd)
{
	u32 r, blocks = 0;

	for (r = 0; r < NR_REGIONS; r++)
		if (regions_is_dirty(&nd->regions, r))
			blocks |= region_blocks(r);
	return blocks;
}

/*
 * ---- what a crash leaves ------------------------------------------------------------------------
 */

/* The values that a cell may have after a crash, as a set. */
static u32 values(const struct disk *d, u32 cell)
{
	u32 mask = 1u << d->view[cell] | 1u << d->stable[cell], i;

	for (i = 0; i < d->op_end; i++) {
		const struct op *op = &d->op[i];

		if (op->type == OP_WRITE && cell >= op->first && cell < op->first + op->nr)
			mask |= 1u << op->data[cell - op->first];
	}
	return mask;
}

u32 regions_on_disk(const struct disk *d)
{
	u32 r, blocks = 0;

	for (r = 0; r < NR_REGIONS; r++)
		if (values(d, CELL_MAP + r) == 1u << 1)
			blocks |= region_blocks(r);
	return blocks;
}

u32 marks_on_disk(const struct disk *d)
{
	u32 p, i, mask, blocks = 0;

	for (p = 0; p < NR_PAGES; p++) {
		mask = values(d, CELL_INDEX + p);
		if (mask & 1u << INDEX_EMPTY)
			continue;
		if (mask == 1u << INDEX_FULL) {
			blocks |= page_blocks(p);
			continue;
		}
		for (i = p * PAGE_BLOCKS; i < (p + 1) * PAGE_BLOCKS; i++)
			if (values(d, CELL_BITS + i) == 1u << 1)
				blocks |= 1u << i;
	}
	return blocks;
}
