// SPDX-License-Identifier: GPL-2.0
/* Ranges in one bucket start exactly when no earlier overlapping one is left, in order. */
#include "test.h"
#include "iorange.h"

#define NR	40

struct model {
	struct iorange r;	/* first: ready() is given this */
	bool in, running;
	u64 order;
};

static struct model all[NR];

static void on_ready(struct iorange *r, void *ctx)
{
	struct model *m = (struct model *)r;
	u64 *last = ctx;

	assert_true(m->in);
	assert_false(m->running);
	assert_true(m->order > *last);		/* oldest first */
	*last = m->order;
	m->running = true;
}

/* By brute force: is something earlier in its way? */
static bool is_blocked(const struct model *m)
{
	int i;

	for (i = 0; i < NR; i++)
		if (all[i].in && all[i].order < m->order && iorange_overlaps(&all[i].r, &m->r))
			return true;
	return false;
}

static void check_all(void)
{
	int i;

	for (i = 0; i < NR; i++)
		if (all[i].in)
			assert_int_equal(all[i].running, !is_blocked(&all[i]));
}

static void enter(struct iorange_bucket *b, struct model *m, u64 *rng, u64 *order)
{
	u64 first = random_below(rng, 64);

	m->order = ++*order;
	m->running = iorange_enter(b, &m->r, first, first + 1 + random_below(rng, 8));
	m->in = true;
}

static void leave(struct iorange_bucket *b, struct model *m)
{
	u64 last = 0;

	m->in = false;
	m->running = false;
	iorange_leave(b, &m->r, on_ready, &last);
}

static void agrees_with_brute_force(void **state)
{
	struct iorange_bucket b;
	u64 rng = 1, order = 0;
	int step;

	(void)state;
	iorange_bucket_init(&b);
	for (step = 0; step < 50000; step++) {
		struct model *m = &all[random_below(&rng, NR)];

		if (!m->in)
			enter(&b, m, &rng, &order);
		else if (m->running)
			leave(&b, m);
		check_all();
	}
	/* Nothing is stuck: whatever runs leaves until all are gone. */
	for (step = 0; step < NR * NR; step++)
		if (all[step % NR].running)
			leave(&b, &all[step % NR]);
	assert_null(b.oldest);
	assert_null(b.newest);
}

static void touching_is_not_overlapping(void **state)
{
	struct iorange_bucket b;
	struct iorange x, y, z;
	u64 last = 0;

	(void)state;
	iorange_bucket_init(&b);
	assert_true(iorange_enter(&b, &x, 8, 16));
	assert_true(iorange_enter(&b, &y, 16, 24));
	assert_true(iorange_enter(&b, &z, 0, 8));
	iorange_leave(&b, &y, on_ready, &last);		/* from the middle */
	assert_ptr_equal(b.oldest, &x);
	assert_ptr_equal(b.newest, &z);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_brute_force),
		cmocka_unit_test(touching_is_not_overlapping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
