// SPDX-License-Identifier: GPL-2.0
/*
 * Every sequence of seven events, against a history that remembers each failure by itself: what
 * happened since a flush began, whether an application has heard of it, whether it is marked.
 */
#include "flusherr.h"
#include "test.h"

#define LENGTH	7
#define FLUSHES	2			/* at a time, of each kind of reader */

/* BEGIN and END: of flush 0 or 1, both with a reader of each kind. */
enum event { NOTE, TELL, MARK, ATTACH, BEGIN_0, BEGIN_1, END_0, END_1, NR_EVENTS };

struct failure {
	bool told, marked, of_old_disk;
};

struct history {
	struct failure failure[LENGTH];
	u32 nr;
	u32 sample[FLUSHES][FLUSHERR_NR];
	bool begun[FLUSHES];
};

static void begin(struct history *h, const struct flusherr *f, u32 n)
{
	u32 r;

	h->begun[n] = true;
	for (r = 0; r < FLUSHERR_NR; r++)
		h->sample[n][r] = flusherr_sample(f, r);
}

/* What was told, or marked, before it began is not its concern; afterwards makes no difference. */
static void expect_end(struct history *h, const struct flusherr *f, u32 n,
		       const struct failure *then, u32 nr_then)
{
	bool good[FLUSHERR_NR] = { true, true, true };
	u32 i;

	for (i = 0; i < h->nr; i++) {
		bool since = i >= nr_then;

		if (h->failure[i].of_old_disk)
			continue;
		good[FLUSHERR_APPLICATION] &= !since && then[i].told;
		good[FLUSHERR_WRITE] &= !since;
		good[FLUSHERR_COPY] &= !since && then[i].marked;
	}
	for (i = 0; i < FLUSHERR_NR; i++)
		assert_int_equal(flusherr_is_good(f, h->sample[n][i]), good[i]);
}

static void set_all(struct history *h, enum event e)
{
	u32 i;

	for (i = 0; i < h->nr; i++) {
		h->failure[i].told |= e == TELL || e == ATTACH;
		h->failure[i].marked |= e == MARK || e == ATTACH;
		h->failure[i].of_old_disk |= e == ATTACH;
	}
}

static void run(const enum event *events)
{
	struct failure then[FLUSHES][LENGTH];
	struct history h = { .nr = 0 };
	u32 nr_then[FLUSHES] = { 0 }, i, n;
	struct flusherr f = { 0 };

	for (i = 0; i < LENGTH; i++) {
		n = events[i] == BEGIN_1 || events[i] == END_1;
		switch (events[i]) {
		case NOTE:
			flusherr_note(&f);
			h.failure[h.nr++] = (struct failure){ .told = false };
			break;
		case TELL:
			flusherr_tell(&f, f.errors);
			break;
		case MARK:
			flusherr_mark(&f, f.errors);
			break;
		case ATTACH:
			flusherr_attach(&f);
			break;
		case BEGIN_0:
		case BEGIN_1:
			begin(&h, &f, n);
			memcpy(then[n], h.failure, sizeof(then[n]));
			nr_then[n] = h.nr;
			break;
		default:
			if (h.begun[n])
				expect_end(&h, &f, n, then[n], nr_then[n]);
		}
		set_all(&h, events[i]);
		assert_true(f.told <= f.errors && f.marked <= f.errors && f.floor <= f.told);
	}
}

static void every_sequence(void **state)
{
	enum event events[LENGTH];
	u32 seq, left, i;

	(void)state;
	for (seq = 0; seq < 1u << 3 * LENGTH; seq++) {
		for (i = 0, left = seq; i < LENGTH; i++, left /= NR_EVENTS)
			events[i] = left % NR_EVENTS;
		run(events);
	}
}

/* A failure while marks are made is not among them. */
static void marked_meanwhile(void **state)
{
	struct flusherr f = { 0 };
	u32 errors;

	(void)state;
	flusherr_note(&f);
	errors = f.errors;
	flusherr_note(&f);
	flusherr_mark(&f, errors);
	assert_false(flusherr_is_marked(&f));
	assert_false(flusherr_is_good(&f, flusherr_sample(&f, FLUSHERR_COPY)));
	flusherr_mark(&f, f.errors);
	assert_true(flusherr_is_marked(&f));
	assert_true(flusherr_is_good(&f, flusherr_sample(&f, FLUSHERR_COPY)));
}

/* Two that are under way are told, and the next one succeeds. */
static void told_once(void **state)
{
	struct flusherr f = { 0 };
	u32 a = flusherr_sample(&f, FLUSHERR_APPLICATION), b;

	(void)state;
	flusherr_note(&f);
	b = flusherr_sample(&f, FLUSHERR_APPLICATION);
	assert_false(flusherr_is_good(&f, a));
	flusherr_tell(&f, f.errors);
	assert_false(flusherr_is_good(&f, b));
	flusherr_tell(&f, f.errors);
	assert_true(flusherr_is_good(&f, flusherr_sample(&f, FLUSHERR_APPLICATION)));
}

/* One that was judged before a failure says nothing of it; nor takes anything back. */
static void told_before(void **state)
{
	struct flusherr f = { 0 };
	u32 judged;

	(void)state;
	flusherr_note(&f);
	judged = f.errors;
	flusherr_note(&f);
	flusherr_tell(&f, judged);
	assert_false(flusherr_is_good(&f, flusherr_sample(&f, FLUSHERR_APPLICATION)));
	flusherr_tell(&f, f.errors);
	assert_true(flusherr_is_good(&f, flusherr_sample(&f, FLUSHERR_APPLICATION)));
	flusherr_tell(&f, judged);
	assert_true(flusherr_is_good(&f, flusherr_sample(&f, FLUSHERR_APPLICATION)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_sequence),
		cmocka_unit_test(marked_meanwhile),
		cmocka_unit_test(told_once),
		cmocka_unit_test(told_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
