/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Two daemons in one process and one loop, over loopback, each with a fake kernel. alice (node 0)
 * dials, bob (node 1) listens. Included first: it brings cmocka.
 */
#ifndef LOCKSTEP_TEST_PAIR_H
#define LOCKSTEP_TEST_PAIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/lockstep.h>
#include <lockstep/disk.h>

#include "fake-kern.h"
#include "manager.h"

enum { ALICE, BOB };

#define PHASE_MS	1500
#define HOLD_MS		20000	/* less than until() waits */

struct reply {
	bool done;
	struct err e;		/* what empty: ok */
	char text[256];
};

struct pair {
	sd_event *event;
	char dir[88];
	u32 stream_bytes, hook_ms, hold_ms;	/* of manager_options, for who is started next */
	const struct trace_ops *trace;	/* likewise */
	char conf_more[512];		/* settings that pair_write_conf() adds */
	char bob[64];			/* bob's address in there */
	u16 port;
	struct side {
		struct fake k;
		struct manager *m;
		char run_dir[100];
	} side[2];
};

/* cmocka set-up and tear-down: nothing is up yet, one volume. */
int pair_set_up(void **state);
int pair_tear_down(void **state);

void pair_write_conf(struct pair *p, u32 nr_volumes, u32 streams);
void pair_write_key(struct pair *p, u8 seed);
void pair_key(u8 seed, u8 ret[LOCKSTEP_KEY_BYTES]);

/* The daemon of one side, started and killed: the fake kernel stays. */
void pair_start(struct pair *p, int side);
void pair_kill(struct pair *p, int side);

/* Generations of volume 0 (or v) of one side. */
void pair_gen(struct pair *p, int side, u32 v, u64 current, u64 since, u32 flags);
#define GOOD	(LOCKSTEP_MF_CONSISTENT | LOCKSTEP_MF_UP_TO_DATE | LOCKSTEP_MF_MARKS_VALID | \
		 LOCKSTEP_MF_REGIONS_VALID)

u64 pair_now_ms(void);

/* Run the loop. */
void pair_run(struct pair *p, u32 ms);
/* ... until fn says so; fails the test when it takes too long. */
typedef bool (*pair_fn)(struct pair *p);
void pair_until(struct pair *p, pair_fn fn, const char *what);
#define until(p, fn)	pair_until(p, fn, #fn)
bool are_connected(struct pair *p);	/* both daemons, one session in both kernels */

struct reply pair_ask(struct pair *p, int side, enum ctl_command command, bool force);
/* The same with all there is to say, but the name. */
struct reply pair_request(struct pair *p, int side, const struct ctl_request *q);
void pair_must(struct pair *p, int side, enum ctl_command command);
void pair_up_both(struct pair *p);

struct model_daemon pair_facts(struct pair *p, int side);
bool pair_has_problem(struct pair *p, int side, const char *code);

#endif /* LOCKSTEP_TEST_PAIR_H */
