// SPDX-License-Identifier: GPL-2.0
/*
 * The table, and long lives of a disk that fails flushes now and then: nobody is told that his data
 * is stable while some of it is gone and he has not heard so, and errors end by themselves.
 */
#include "test.h"
#include "flusherr.h"
#include "state.h"

static const struct lockstep_state
	we_write = { .role = LOCKSTEP_ROLE_PRIMARY, .peer_role = LOCKSTEP_ROLE_SECONDARY },
	peer_writes = { .role = LOCKSTEP_ROLE_SECONDARY, .peer_role = LOCKSTEP_ROLE_PRIMARY },
	about_to = { .role = LOCKSTEP_ROLE_SECONDARY, .peer_role = LOCKSTEP_ROLE_SECONDARY,
		     .granted = 1 },
	nobody_writes = { .role = LOCKSTEP_ROLE_SECONDARY, .peer_role = LOCKSTEP_ROLE_SECONDARY };

static void one(u64 epoch, u64 failed, u16 ago, u32 bits)
{
	bool owed = bits & 1, well = bits & 2, here = bits & 4, doubt = bits & 8;
	struct flush_errors e = {
		.failed_epoch = failed, .failures = 7, .settled = doubt ? 6 : 7, .owed = owed,
	};
	bool since = ago && failed && failed + ago >= epoch;
	bool answer = flush_errors_answer(&e, well, here, epoch, ago);

	assert_int_equal(e.failures, well ? 7 : 8);
	assert_int_equal(answer, well && !doubt && (here || (!owed && !since)));
	if (here) {
		assert_int_equal(e.owed, owed || !well);
		assert_int_equal(e.failed_epoch, failed);
	} else {
		/* Only what was owed before: its own is told by this answer. */
		assert_int_equal(e.owed, owed && !well);
		assert_int_equal(e.failed_epoch, !well || owed || since ? epoch :
						 ago || failed == epoch ? failed : 0);
	}
}

static void table(void **state)
{
	u64 epoch, failed;
	u32 bits;
	u16 ago;

	(void)state;
	for (epoch = 1; epoch < 12; epoch++)
		for (failed = 0; failed <= epoch; failed++)
			for (ago = 0; ago < 14; ago++)
				for (bits = 0; bits < 16; bits++)
					one(epoch, failed, ago, bits);
}

static void writes(void **state)
{
	u32 bits;

	(void)state;
	for (bits = 0; bits < 64; bits++) {
		bool here = bits & 1, failed = bits & 2, through = bits & 4, error = bits & 8;
		bool doubt = bits & 16, other = bits & 32, lost = failed && !other;
		/* other: the disk that it was on has been given up since. */
		struct flush_errors e = {
			.failures = 5, .settled = doubt ? 4 : 5, .cleared = other ? 5 : 3,
		};
		struct flush_asks a = { .errors = 3 };

		flush_errors_write_ends(&e, &a, here, failed ? 4 : 5, through, error ? 2 : 3);
		assert_int_equal(e.owed, here && lost && doubt);
		assert_int_equal(a.failed, !e.owed && ((here && lost) || (through && error)));
	}
}

static u16 ago_of(u64 lost, u64 epoch, u64 asked)
{
	struct flush_asks a = { .lost_epoch = lost };

	return flush_asks_send(&a, epoch, &asked);
}

static void ago(void **state)
{
	struct flush_errors e = { .failed_epoch = 5 };

	(void)state;
	assert_int_equal(ago_of(0, 7, 0), 0);
	assert_int_equal(ago_of(0, 7, 7), 0);
	assert_int_equal(ago_of(0, 7, 8), 0);
	assert_int_equal(ago_of(0, 7, 4), 3);
	assert_int_equal(ago_of(3, 7, 0), 4);
	assert_int_equal(ago_of(3, 7, 4), 4);
	assert_int_equal(ago_of(5, 7, 4), 3);
	assert_int_equal(ago_of(0, 70000, 2), 0xffff);
	/* So long ago that the number has no room for it: since ever. */
	assert_false(flush_errors_answer(&e, true, false, 1ull << 40, 0xffff));
	flush_errors_clear(&e);
	assert_true(flush_errors_answer(&e, true, false, 1ull << 40, 0xffff));
}

static void taken(void **state)
{
	struct flush_errors e = { 0 };
	struct flush_asks a = { 0 };

	(void)state;
	assert_false(flush_errors_take(&e));
	assert_false(flush_errors_in_doubt(&e));
	flush_errors_note(&e, true);
	assert_true(flush_errors_in_doubt(&e));
	assert_true(flush_errors_are_unheard(&e));
	assert_true(flush_errors_take(&e));
	assert_false(flush_errors_take(&e));
	assert_true(flush_errors_in_doubt(&e));
	flush_errors_note(&e, true);
	/* A peer writes here: it hears of it. */
	assert_false(flush_errors_keep(&e, e.failures, &peer_writes));
	assert_false(flush_errors_in_doubt(&e));
	assert_true(flush_errors_keep(&e, e.failures, &we_write));
	assert_false(flush_errors_keep(&e, e.failures, &we_write));
	flush_errors_note(&e, true);
	assert_false(flush_errors_keep(&e, e.failures, &about_to));
	assert_true(flush_errors_are_unheard(&e));
	assert_false(flush_errors_keep(&e, e.failures, &nobody_writes));
	assert_false(flush_errors_are_unheard(&e));
	flush_errors_note(&e, false);
	flush_errors_note(&e, false);
	assert_false(flush_errors_keep(&e, e.failures - 1, &we_write));
	assert_true(flush_errors_in_doubt(&e));
	flush_errors_note(&e, true);
	flush_errors_clear(&e);
	assert_false(flush_errors_in_doubt(&e));
	assert_false(flush_errors_are_unheard(&e));
	assert_false(flush_errors_take(&e));
	assert_false(flush_asks_take(&a));
	flush_asks_failed(&a);
	assert_true(flush_asks_take(&a));
	assert_false(flush_asks_take(&a));
}

/* All of: role here and there, the effects that count, target or not. */
static void steps(void **state)
{
	static const u32 effects[] = { 0, STATE_EFF_META_PRIMARY, STATE_EFF_META_SECONDARY,
				       STATE_EFF_META_TARGET, STATE_EFF_META_SYNCED,
				       STATE_EFF_META_SOURCE };
	u32 i, bits;

	(void)state;
	for (bits = 0; bits < 64; bits++) {
		for (i = 0; i < ARRAY_SIZE(effects); i++) {
			bool primary = bits & 1, primary_there = bits & 2, target = bits & 4;
			struct lockstep_state s = {
				.role = primary ? LOCKSTEP_ROLE_PRIMARY : LOCKSTEP_ROLE_SECONDARY,
				.peer_role = primary_there ? LOCKSTEP_ROLE_PRIMARY :
					     bits & 8 ? LOCKSTEP_ROLE_SECONDARY : 0,
				.granted = !!(bits & 32),
			};
			struct flush_errors e = { .failures = 2, .settled = 1, .owed = bits & 16,
						  .failed_epoch = 7 };
			struct flush_asks a = { .lost_epoch = 3, .errors = 4, .failed = true };
			bool other = i == 1 || i == 2, nobody;

			nobody = other || (i == 3 && target) || (i == 4 && !primary && !target) ||
				 (!primary && s.peer_role == LOCKSTEP_ROLE_SECONDARY &&
				  !s.granted);
			flush_errors_step(&e, &a, &s, effects[i], target);
			assert_int_equal(e.owed, bits & 16 && !nobody);
			assert_int_equal(e.failed_epoch, nobody ? 0 : 7);
			assert_true(flush_errors_in_doubt(&e));
			assert_int_equal(a.lost_epoch, other ? 0 : 3);
			assert_int_equal(flush_asks_take(&a), !other);
			assert_int_equal(a.errors, 4);
		}
	}
}

static void ended(void **state)
{
	static const enum flush_answer answers[] = { FLUSH_LOST, FLUSH_DONE, FLUSH_FAILED };
	u32 i, bits;

	(void)state;
	for (bits = 0; bits < 16; bits++) {
		for (i = 0; i < ARRAY_SIZE(answers); i++) {
			bool through = bits & 1, app = bits & 2, before = bits & 4;
			u64 asked = bits & 8 ? 5 : 9;
			struct flush_asks a = { .lost_epoch = before ? 7 : 0, .errors = 4 };
			bool failed = i == 2 && through, heard = failed || i == 1;

			assert_int_equal(flush_asks_ended(&a, answers[i], through, asked, app),
					 failed);
			assert_int_equal(a.lost_epoch, heard ? 0 : before && asked > 7 ? 7 : asked);
			assert_int_equal(a.errors, failed ? 5 : 4);
			assert_int_equal(a.failed, failed && !app);
		}
	}
}

/* ---- a life ---------------------------------------------------------------------------------- */

#define MAX_OUT		4
#define MAX_LOSSES	400

struct life {
	u64 rng, epoch;
	struct flush_errors disk;
	struct flush_asks asks;		/* the writer's */
	struct {
		bool used;
		u64 asked;
		u16 ago;
		enum { SENT, FAILED, DONE, UNSENT } at;
		u32 when;		/* it was at the disk */
	} out[MAX_OUT];
	u32 now, nr_losses;
	u32 loss[MAX_LOSSES];		/* when: those that the writer has not been told of */
	u32 errors, told_ok;
};

static void lose(struct life *l)
{
	assert_true(l->nr_losses < MAX_LOSSES);
	l->loss[l->nr_losses++] = l->now;
}

static void send(struct life *l, int i)
{
	l->out[i].ago = flush_asks_send(&l->asks, l->epoch, &l->out[i].asked);
	l->out[i].at = SENT;
	l->out[i].used = true;
}

static void at_disk(struct life *l, int i, bool fails)
{
	l->out[i].when = l->now;
	if (fails)
		lose(l);
	l->out[i].at = flush_errors_answer(&l->disk, !fails, false, l->epoch,
					   l->out[i].ago) ? DONE : FAILED;
	flush_errors_keep(&l->disk, l->disk.failures, &peer_writes);
}

/* By one that was at the disk `when`, the writer was told of all that had been lost by then. */
static void told(struct life *l, u32 when)
{
	u32 i, left = 0;

	for (i = 0; i < l->nr_losses; i++)
		if (l->loss[i] > when)
			l->loss[left++] = l->loss[i];
	l->nr_losses = left;
	l->errors++;
}

/* Or he hears so at this moment, from one that he asked for beside it. */
static bool is_being_told(const struct life *l, u32 loss)
{
	int i;

	for (i = 0; i < MAX_OUT; i++)
		if (l->out[i].used && l->out[i].at == FAILED && l->out[i].when >= loss)
			return true;
	return false;
}

static void answer(struct life *l, int i)
{
	u32 k;

	if (l->out[i].at == FAILED)
		told(l, l->out[i].when);
	else
		l->told_ok++;
	for (k = 0; l->out[i].at == DONE && k < l->nr_losses; k++)
		assert_true(l->loss[k] > l->out[i].when || is_being_told(l, l->loss[k]));
	assert_int_equal(flush_asks_ended(&l->asks, l->out[i].at == DONE ? FLUSH_DONE :
					  FLUSH_FAILED, true, l->out[i].asked, true),
			 l->out[i].at == FAILED);
	l->out[i].used = false;
}

/* Requests that were not answered go again in the next session. Some are ours: they do not. */
static void session_ends(struct life *l)
{
	int i;

	for (i = 0; i < MAX_OUT; i++) {
		if (!l->out[i].used)
			continue;
		/* It has reached the disk, and fails there with nobody to answer. */
		if (l->out[i].at == SENT && random_below(&l->rng, 4) == 0) {
			lose(l);
			flush_errors_note(&l->disk, true);
			flush_errors_keep(&l->disk, l->disk.failures, &peer_writes);
		}
		if (l->out[i].at != UNSENT)
			flush_asks_ended(&l->asks, FLUSH_LOST, true, l->out[i].asked, true);
		l->out[i].at = UNSENT;
		l->out[i].used = random_below(&l->rng, 3);
	}
	l->epoch += 1 + random_below(&l->rng, 3);
}

static void live(struct life *l, bool fails)
{
	int i = (int)random_below(&l->rng, MAX_OUT);

	l->now++;
	switch (random_below(&l->rng, 12)) {
	case 0:
		session_ends(l);
		return;
	case 1:
		if (fails) {
			lose(l);
			flush_errors_note(&l->disk, true);
			flush_errors_keep(&l->disk, l->disk.failures, &peer_writes);
		}
		return;
	}
	if (!l->out[i].used)
		l->out[i].asked = 0;
	if (!l->out[i].used || l->out[i].at == UNSENT)
		send(l, i);
	else if (l->out[i].at == SENT)
		at_disk(l, i, fails && random_below(&l->rng, 4) == 0);
	else
		answer(l, i);
}

static void lives(void **state)
{
	u32 n, k, errors;

	(void)state;
	for (n = 1; n <= 3000; n++) {
		struct life l = { .rng = n, .epoch = 1 };

		for (k = 0; k < 300; k++)
			live(&l, true);
		/* The disk is well again: what is still unheard is heard, and then it is over. */
		for (k = 0; k < 300; k++)
			live(&l, false);
		assert_true(l.told_ok);
		memset(l.out, 0, sizeof(l.out));
		memset(&l.asks, 0, sizeof(l.asks));
		l.nr_losses = 0;
		flush_errors_answer(&l.disk, true, false, l.epoch, 0);
		for (errors = l.errors, k = 0; k < 50; k++) {
			l.out[0].asked = 0;
			send(&l, 0);
			at_disk(&l, 0, false);
			answer(&l, 0);
		}
		assert_int_equal(l.errors, errors);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(writes),
		cmocka_unit_test(ago),
		cmocka_unit_test(taken),
		cmocka_unit_test(steps),
		cmocka_unit_test(ended),
		cmocka_unit_test(lives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
