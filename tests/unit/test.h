/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every unit test needs: cmocka in its order of includes, and numbers that are the same each
 * run.
 */
#ifndef LOCKSTEP_TEST_H
#define LOCKSTEP_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "os.h"

/* xorshift64*: good enough to wander, and identical everywhere. */
static inline u64 next_random(u64 *state)
{
	u64 x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1dull;
}

static inline u64 random_below(u64 *state, u64 n)
{
	return (next_random(state) >> 11) % n;
}

#endif /* LOCKSTEP_TEST_H */
