// SPDX-License-Identifier: GPL-2.0
/*
 * A page is in one of these forms, told apart by (words, weight):
 *
 *   NULL, 0            EMPTY
 *   NULL, all bits     FULL
 *   words, 0..all      exactly what the words say; bits beyond the end of the volume are clear
 *
 * EMPTY and FULL are only savings of memory: words that are all clear or all set are legal and
 * happen whenever the caller's hands (`*spare`) are full when a page could give its words back.
 *
 * A spare is zeroed when it is taken even though the caller offers it zeroed: within one call over
 * several pages, words given back by one page may be taken by the next.
 */
#include "oosmap.h"

#define PAGE_SHIFT_BITS	15
#define PAGE_WORDS	512u
#define WORD_BITS	64u

static_assert((1u << PAGE_SHIFT_BITS) == OOSMAP_PAGE_BITS);
static_assert(PAGE_WORDS * WORD_BITS == OOSMAP_PAGE_BITS);
static_assert(PAGE_WORDS * sizeof(u64) == OOSMAP_PAGE_BYTES);

/* The part of one page that a range of the volume covers. */
struct span {
	u32 page;
	u32 first, end;		/* bits of that page, [first, end) */
	u32 bits;		/* that exist in the page: fewer in the last one */
};

static u32 bits_in_page(const struct oosmap *b, u32 page)
{
	u64 left = b->nr_bits - ((u64)page << PAGE_SHIFT_BITS);

	return left < OOSMAP_PAGE_BITS ? (u32)left : OOSMAP_PAGE_BITS;
}

/* The first page's share of [first, end), which is not empty and inside the volume. */
static struct span span_at(const struct oosmap *b, u64 first, u64 end)
{
	struct span s;
	u64 start;

	s.page = (u32)(first >> PAGE_SHIFT_BITS);
	s.bits = bits_in_page(b, s.page);
	start = (u64)s.page << PAGE_SHIFT_BITS;
	s.first = (u32)(first - start);
	s.end = end - start < s.bits ? (u32)(end - start) : s.bits;
	return s;
}

static u64 span_next(const struct span *s)
{
	return ((u64)s->page << PAGE_SHIFT_BITS) + s->end;
}

/* End of [first, first + count) clipped to the volume. */
static u64 clip(const struct oosmap *b, u64 first, u64 count)
{
	if (first >= b->nr_bits)
		return first;
	return count < b->nr_bits - first ? first + count : b->nr_bits;
}

/* Bits of word `w` that lie in [first, end). */
static u64 word_mask(u32 w, u32 first, u32 end)
{
	u32 lo = w * WORD_BITS;
	u64 mask = ~0ull;

	if (first > lo)
		mask <<= first - lo;
	if (end < lo + WORD_BITS)
		mask &= ~0ull >> (lo + WORD_BITS - end);
	return mask;
}

static u32 words_set(u64 *words, u32 first, u32 end)
{
	u32 w, changed = 0;

	for (w = first / WORD_BITS; w * WORD_BITS < end; w++) {
		u64 mask = word_mask(w, first, end);

		changed += hweight64(mask & ~words[w]);
		words[w] |= mask;
	}
	return changed;
}

static u32 words_clear(u64 *words, u32 first, u32 end)
{
	u32 w, changed = 0;

	for (w = first / WORD_BITS; w * WORD_BITS < end; w++) {
		u64 mask = word_mask(w, first, end);

		changed += hweight64(mask & words[w]);
		words[w] &= ~mask;
	}
	return changed;
}

/* First bit at or after `from` that is set (or clear, when `flip` is all ones); `end` if none. */
static u32 words_find(const u64 *words, u32 from, u32 end, u64 flip)
{
	u32 w;

	for (w = from / WORD_BITS; w * WORD_BITS < end; w++) {
		u64 hits = (words[w] ^ flip) & word_mask(w, from, end);

		if (hits)
			return w * WORD_BITS + (u32)__ffs64(hits);
	}
	return end;
}

static u64 *take_spare(u64 **spare)
{
	u64 *words = *spare;

	if (words)
		memset(words, 0, OOSMAP_PAGE_BYTES);
	*spare = NULL;
	return words;
}

/* Words that say no more than the weight does go back, if the caller's hands are free. */
static void give_back(struct oosmap_page *p, u32 bits, u64 **spare)
{
	if (*spare || (p->weight != 0 && p->weight != bits))
		return;
	*spare = p->words;
	p->words = NULL;
}

void oosmap_init(struct oosmap *b, struct oosmap_page *page, u64 nr_bits)
{
	b->page = page;
	b->nr_pages = (u32)oosmap_pages(nr_bits);
	b->nr_bits = nr_bits;
	b->weight = 0;
	b->nr_unread = 0;
	b->cursor = 0;
	memset(page, 0, b->nr_pages * sizeof(*page));
}

static void forget_unread(struct oosmap *b, struct oosmap_page *p)
{
	if (!(p->flags & OOSMAP_UNREAD))
		return;
	p->flags &= (u8)~OOSMAP_UNREAD;
	b->nr_unread--;
}

static u32 set_in_page(struct oosmap_page *p, const struct span *s, u64 **spare)
{
	u32 changed;

	if (!p->words) {
		if (p->weight)
			return 0;
		if (s->end - s->first < s->bits)
			p->words = take_spare(spare);
		if (!p->words) {
			/* The whole page is meant, or there is no memory: FULL marks too much. */
			p->weight = s->bits;
			return s->bits;
		}
	}
	changed = words_set(p->words, s->first, s->end);
	p->weight += changed;
	if (p->weight == s->bits)
		give_back(p, s->bits, spare);
	return changed;
}

bool oosmap_needs_page(const struct oosmap *b, u64 first, u64 count, bool set)
{
	u64 end = clip(b, first, count);

	while (first < end) {
		struct span s = span_at(b, first, end);
		const struct oosmap_page *p = &b->page[s.page];

		if (!p->words && (p->weight == 0) == set && s.end - s.first < s.bits)
			return true;
		first = span_next(&s);
	}
	return false;
}

u64 oosmap_set(struct oosmap *b, u64 first, u64 count, u64 **spare)
{
	u64 end = clip(b, first, count), changed = 0;

	while (first < end) {
		struct span s = span_at(b, first, end);
		u32 n = set_in_page(&b->page[s.page], &s, spare);
		if (n)
			b->page[s.page].flags |= OOSMAP_CHANGED;
		changed += n;
		first = span_next(&s);
	}
	b->weight += changed;
	return changed;
}

static u32 clear_in_page(struct oosmap_page *p, const struct span *s, u64 **spare)
{
	u32 changed;

	if (!p->words) {
		if (!p->weight)
			return 0;
		if (s->end - s->first == s->bits) {
			p->weight = 0;
			return s->bits;
		}
		p->words = take_spare(spare);
		if (!p->words)
			return 0;
		words_set(p->words, 0, s->bits);
	}
	changed = words_clear(p->words, s->first, s->end);
	p->weight -= changed;
	if (!p->weight)
		give_back(p, s->bits, spare);
	return changed;
}

u64 oosmap_clear(struct oosmap *b, u64 first, u64 count, u64 **spare)
{
	u64 end = clip(b, first, count), changed = 0;

	while (first < end) {
		struct span s = span_at(b, first, end);
		u32 n = clear_in_page(&b->page[s.page], &s, spare);
		if (n)
			b->page[s.page].flags |= OOSMAP_CHANGED;
		changed += n;
		first = span_next(&s);
	}
	b->weight -= changed;
	return changed;
}

/* First set bit of the span; its end if none. */
static u32 find_in_page(const struct oosmap_page *p, const struct span *s)
{
	if (!p->weight)
		return s->end;
	if (!p->words)
		return s->first;
	return words_find(p->words, s->first, s->end, 0);
}

bool oosmap_test(const struct oosmap *b, u64 bit)
{
	return !oosmap_is_clear(b, bit, 1);
}

bool oosmap_is_clear(const struct oosmap *b, u64 first, u64 count)
{
	u64 end = clip(b, first, count);

	while (first < end) {
		struct span s = span_at(b, first, end);

		if (find_in_page(&b->page[s.page], &s) < s.end)
			return false;
		first = span_next(&s);
	}
	return true;
}

u32 oosmap_find(const struct oosmap *b, u64 from, u32 max_len, u32 budget, u64 *ret_first,
		u64 *ret_next)
{
	for (; budget && from < b->nr_bits; budget--) {
		struct span s = span_at(b, from, b->nr_bits);
		const struct oosmap_page *p = &b->page[s.page];
		u32 first = find_in_page(p, &s), end = s.end;

		if (first < s.end) {
			if (end - first > max_len)
				end = first + max_len;
			if (p->words)
				end = words_find(p->words, first, end, ~0ull);
			*ret_first = from - s.first + first;
			*ret_next = *ret_first + (end - first);
			return end - first;
		}
		from = span_next(&s);
	}
	*ret_next = from < b->nr_bits ? from : b->nr_bits;
	return 0;
}

/*
 * Give pages the weight 0 or all, from the cursor on, up to and with the next that has words, but
 * no more than one call may.
 */
static u64 *level(struct oosmap *b, bool full)
{
	u32 budget = OOSMAP_BUDGET;

	while (b->cursor < b->nr_pages) {
		struct oosmap_page *p = &b->page[b->cursor];
		u32 weight = full ? bits_in_page(b, b->cursor) : 0;
		u64 *words = p->words;

		if (!budget--)
			return NULL;
		if (words || p->weight != weight || p->flags & OOSMAP_UNREAD)
			p->flags |= OOSMAP_CHANGED;
		forget_unread(b, p);
		b->weight = b->weight - p->weight + weight;
		p->weight = weight;
		p->words = NULL;
		b->cursor++;
		if (words)
			return words;
	}
	b->cursor = 0;
	return NULL;
}

u64 *oosmap_fill(struct oosmap *b)
{
	return level(b, true);
}

u64 *oosmap_empty(struct oosmap *b)
{
	return level(b, false);
}

/* The last page of a map that becomes larger or smaller has more or fewer bits that exist. */
static void resize_last(struct oosmap *b, u32 last, u32 bits)
{
	struct oosmap_page *p = &b->page[last];
	u32 before = bits_in_page(b, last), weight = p->weight;

	if (bits == before)
		return;
	if (p->words && bits < before)
		p->weight -= words_clear(p->words, bits, before);
	else if (!p->words && p->weight)
		p->weight = bits;
	b->weight = b->weight - weight + p->weight;
	p->flags |= OOSMAP_CHANGED;
}

u64 *oosmap_resize(struct oosmap *b, u64 nr_bits)
{
	u32 pages = (u32)oosmap_pages(nr_bits), budget = OOSMAP_BUDGET;

	if (!b->cursor)
		b->cursor = pages;
	while (b->cursor < b->nr_pages) {
		struct oosmap_page *p = &b->page[b->cursor];
		u64 *words = p->words;

		if (!budget--)
			return NULL;
		forget_unread(b, p);
		b->weight -= p->weight;
		p->weight = 0;
		p->words = NULL;
		/* The index is written without it from now on: what it says there is not known. */
		p->flags = OOSMAP_CHANGED;
		p->disk = LOCKSTEP_INDEX_UNKNOWN;
		b->cursor++;
		if (words)
			return words;
	}
	b->cursor = 0;
	if (pages && b->nr_pages) {
		u32 last = min(pages, b->nr_pages) - 1;
		u64 left = nr_bits - ((u64)last << PAGE_SHIFT_BITS);

		resize_last(b, last, (u32)min(left, (u64)OOSMAP_PAGE_BITS));
	}
	b->nr_pages = pages;
	b->nr_bits = nr_bits;
	return NULL;
}

/* ---- to the disk and back ------------------------------------------------------------------- */

static u8 form_of(const struct oosmap *b, u32 page)
{
	const struct oosmap_page *p = &b->page[page];

	if (!p->weight)
		return LOCKSTEP_INDEX_EMPTY;
	return p->weight == bits_in_page(b, page) ? LOCKSTEP_INDEX_FULL : LOCKSTEP_INDEX_STORED;
}

static void words_encode(const u64 *words, void *buf)
{
	__le64 *to = buf;
	u32 i;

	for (i = 0; i < PAGE_WORDS; i++)
		to[i] = cpu_to_le64(words[i]);
}

u32 oosmap_save(struct oosmap *b, u32 *cursor, u32 cap, void *const *buf, u32 *page,
		u32 *ret_index)
{
	u32 index = *cursor / LOCKSTEP_INDEX_PAGES, nr = 0;
	u32 end = min(b->nr_pages, (index + 1) * LOCKSTEP_INDEX_PAGES);

	*ret_index = U32_MAX;
	for (; *cursor < end; (*cursor)++) {
		struct oosmap_page *p = &b->page[*cursor];

		if (!(p->flags & OOSMAP_CHANGED) || p->flags & OOSMAP_UNREAD)
			continue;
		p->next = form_of(b, *cursor);
		if (p->next == LOCKSTEP_INDEX_STORED) {
			if (nr == cap)
				break;
			words_encode(p->words, buf[nr]);
			page[nr++] = *cursor;
		}
		p->flags ^= OOSMAP_CHANGED | OOSMAP_SAVING;
		if (p->next != p->disk)
			*ret_index = index;
	}
	return nr;
}

void oosmap_index_encode(const struct oosmap *b, u32 index, void *buf)
{
	u32 first = index * LOCKSTEP_INDEX_PAGES, i;
	u32 end = min(b->nr_pages, first + LOCKSTEP_INDEX_PAGES);
	u8 *to = buf;

	memset(to, 0, OOSMAP_PAGE_BYTES);
	for (i = first; i < end; i++) {
		const struct oosmap_page *p = &b->page[i];
		u8 form = p->flags & OOSMAP_SAVING ? p->next : p->disk;

		to[(i - first) / 4] |= (u8)(form << 2 * (i % 4));
	}
}

void oosmap_saved(struct oosmap *b, u32 from, u32 to, bool ok)
{
	for (; from < to; from++) {
		struct oosmap_page *p = &b->page[from];

		if (!(p->flags & OOSMAP_SAVING))
			continue;
		p->flags &= (u8)~OOSMAP_SAVING;
		p->disk = ok ? p->next : LOCKSTEP_INDEX_UNKNOWN;
		if (!ok)
			p->flags |= OOSMAP_CHANGED;
	}
}

u32 oosmap_index_load(struct oosmap *b, u32 index, const void *buf)
{
	u32 first = index * LOCKSTEP_INDEX_PAGES, unread = b->nr_unread, i;
	u32 end = min(b->nr_pages, first + LOCKSTEP_INDEX_PAGES);
	const u8 *from = buf;

	for (i = first; i < end; i++) {
		struct oosmap_page *p = &b->page[i];

		p->disk = from[(i - first) / 4] >> 2 * (i % 4) & 3;
		if (p->disk == LOCKSTEP_INDEX_EMPTY)
			continue;
		if (p->disk == LOCKSTEP_INDEX_STORED) {
			p->flags |= OOSMAP_UNREAD;
			b->nr_unread++;
			continue;
		}
		p->weight = bits_in_page(b, i);
		b->weight += p->weight;
	}
	return b->nr_unread - unread;
}

u32 oosmap_next_unread(const struct oosmap *b, u32 from, u32 budget)
{
	while (from < b->nr_pages && budget-- && !(b->page[from].flags & OOSMAP_UNREAD))
		from++;
	return from;
}

static u32 load_words(u64 *words, const __le64 *from, u32 bits)
{
	u32 w, weight = 0;

	for (w = 0; w * WORD_BITS < bits; w++) {
		words[w] |= le64_to_cpu(from[w]) & word_mask(w, 0, bits);
		weight += hweight64(words[w]);
	}
	return weight;
}

void oosmap_page_load(struct oosmap *b, u32 page, const void *buf, u64 **spare)
{
	struct oosmap_page *p = &b->page[page];
	u32 bits = bits_in_page(b, page), before = p->weight;

	if (!(p->flags & OOSMAP_UNREAD))
		return;
	forget_unread(b, p);
	if (before == bits)
		return;
	if (!p->words && buf)
		p->words = take_spare(spare);
	if (buf && p->words) {
		p->weight = load_words(p->words, buf, bits);
	} else {
		if (p->words)
			words_set(p->words, 0, bits);
		p->weight = bits;
		p->flags |= OOSMAP_CHANGED;
	}
	b->weight = b->weight - before + p->weight;
	if (p->words)
		give_back(p, bits, spare);
}
