// SPDX-License-Identifier: GPL-2.0
/* Time, people and fate. */
#include <stdarg.h>
#include <stdio.h>
#include "sim.h"

#define QUIET_STEPS	3000

struct world w;

void world_fail(const char *fmt, ...)
{
	va_list ap;

	if (w.failed)
		return;
	w.failed = true;
	va_start(ap, fmt);
	vsnprintf(w.why, sizeof(w.why), fmt, ap);
	va_end(ap);
	trace("FAILED: %s", w.why);
}

void world_trace(const char *fmt, ...)
{
	va_list ap;

	printf("%6llu  ", (unsigned long long)w.now);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

/* xorshift64*: the same everywhere. */
u64 roll(u64 n)
{
	w.rng ^= w.rng >> 12;
	w.rng ^= w.rng << 25;
	w.rng ^= w.rng >> 27;
	return (w.rng * 0x2545f4914f6cdd1dull >> 33) % n;
}

static void run_disk(struct node *nd)
{
	u32 i;

	for (i = 0; i < nd->disk.op_end && !nd->dying; i++) {
		struct op op;
		bool ok;

		if (nd->disk.op[i].type == OP_NONE || nd->disk.op[i].due > w.now ||
		    nd->disk.op[i].waits)
			continue;
		node_point(nd);
		if (nd->dying)
			break;
		op = nd->disk.op[i];
		disk_retire(&nd->disk, &nd->disk.op[i]);
		ok = disk_complete(&nd->disk, &op);
		if (op.gone)
			continue;
		if (op.owner == OWN_REQUEST)
			io_local_done(nd, op.req, ok);
		else if (op.owner == OWN_PEER)
			net_op_done(nd, &op, ok);
		else
			maps_op_done(nd, &op, ok);
		if (op.stray)
			strays_tell(nd);
	}
}

/*
 * A demotion waits until nothing of the application is in flight, then flushes both sides. A resync
 * goes on, or ends with the session.
 */
static void run_demotion(struct node *nd)
{
	if (!nd->demoting || io_app_in_flight(nd) || nd->dying)
		return;
	nd->demoting = false;
	if (nd->st.role != LOCKSTEP_ROLE_PRIMARY || nd->st.link == LOCKSTEP_LINK_OPENING)
		return;
	if (!node_flush(nd)) {
		nd->demoting = !nd->dying;
		return;
	}
	if (nd->st.link == LOCKSTEP_LINK_UP && !nd->s.lost_at && other(nd)->alive &&
	    !other(nd)->disk.bad)
		disk_flush(&other(nd)->disk, false);
	node_step(nd, STATE_EV_DEMOTE, 0);
}

/*
 * Habits: all over the place; much in one region, so that the others come to rest; next to nothing.
 */
static void run_application(struct node *nd)
{
	u32 first = (u32)roll(NR_SECT), nr = 1 + (u32)roll(roll(2) ? 8 : MAX_WRITE_SECT);

	if (w.now % 128 == 0)
		w.habit = (u32)roll(NR_REGIONS + 3);
	if (!nd->rw || nd->demoting || w.quiet || nd->dying ||
	    roll(w.habit > NR_REGIONS + 1 ? 60 : 5))
		return;
	if (roll(8) == 0) {
		io_submit(nd, 0, 0, true, false);
		return;
	}
	if (roll(4) == 0)
		first = 0;			/* some overlap more than others */
	if (w.habit < NR_REGIONS)
		first = first % REGION_SECT + w.habit * REGION_SECT;
	io_submit(nd, first, nr, false, roll(10) == 0);
}

static void run_node(struct node *nd)
{
	int i;

	if (!nd->alive) {
		if (w.now >= nd->restart_at)
			node_attach(nd);
		node_reap(nd);
		return;
	}
	if (nd->paused_until > w.now)
		return;
	if (nd->s.lost_at && w.now >= nd->s.lost_at)
		node_lose_session(nd);
	run_disk(nd);
	if (!nd->dying)
		diskfail_advance(nd);
	/* Whoever a range let go starts here. */
	for (i = 0; !nd->dying && i < MAX_REQS; i++)
		if (nd->req[i].state == REQ_HELD) {
			io_release(nd);
			break;
		}
	run_application(nd);
	fence_advance(nd);
	sync_advance(nd);
	if (!nd->dying)
		maps_advance(nd);
	run_demotion(nd);
	node_reap(nd);
}

static void cut(bool to_0, bool to_1)
{
	w.cut[0] = to_0;
	w.cut[1] = to_1;
	trace("link: 0 %s 1", to_0 && to_1 ? "  " : to_0 ? "->" : to_1 ? "<-" : "<->");
}

static void pause_node(struct node *nd)
{
	nd->paused_until = w.now + 1 + roll(roll(2) ? 60 : 600);
	trace("%d stands still until %llu", nd->n, (unsigned long long)nd->paused_until);
}

/* What people and fate do to links. */
static void run_link(void)
{
	switch (roll(8)) {
	case 0:
	case 1:
		cut(true, true);
		break;
	case 2:
		cut(true, false);
		break;
	case 3:
		cut(false, true);
		break;
	case 4:
		trace("the session breaks");
		net_break();
		break;
	default:
		cut(false, false);
	}
}

/* To disks: they go bad, or somebody takes one away. */
static void run_disk_fate(struct node *nd)
{
	if (!nd->alive || nd->failed || nd->disk.bad || w.disks == DISKS_SOUND)
		return;
	if (roll(6) == 0 && nd->paused_until <= w.now) {
		node_step(nd, STATE_EV_DISK_FAILED, 0);
		return;
	}
	nd->disk.bad = w.flushes_fail && roll(2) ? BAD_FLUSH : (u8)(1 + roll(3));
	nd->attach_at = w.now + 20 + roll(300);
	trace("%d: the disk goes bad (%u)", nd->n, nd->disk.bad);
}

static bool is_nearly_copied(const struct node *nd)
{
	return nd->st.sync == STATE_SYNC_SOURCE && !(nd->marks & (nd->marks - 1));
}

/* A disk that nobody else can stand in for fails flushes, and nothing else. */
static void run_flush_fate(struct node *nd)
{
	if (!nd->alive || nd->failed || nd->disk.bad || nd->st.sync != STATE_SYNC_SOURCE)
		return;
	nd->disk.bad = BAD_FLUSH;
	nd->attach_at = w.now + 5 + roll(100);
	trace("%d: the disk fails flushes", nd->n);
}

/* And to nodes. */
static void run_fate(void)
{
	struct node *nd = &w.node[roll(2)];
	bool awake = nd->alive && nd->paused_until <= w.now;

	if (w.disks == DISKS_FAIL_OFTEN && roll(3)) {
		if (!w.flushes_fail && nd->rw && nd->st.link == LOCKSTEP_LINK_UP && roll(150) == 0)
			run_disk_fate(nd);
		if (!w.flushes_fail)
			return;
		/* Rarely in the middle of a resync: some are to reach their end. */
		if (nd->rw && nd->st.link == LOCKSTEP_LINK_UP &&
		    roll(nd->st.sync == STATE_SYNC_NONE ? 80 : 800) == 0)
			run_disk_fate(nd);
		else if (roll(is_nearly_copied(nd) ? 8 : 60) == 0)
			run_flush_fate(nd);
		else if (awake && nd->m.flags & LOCKSTEP_MF_SERVING && !nd->s.id && !nd->rw &&
			 roll(40) == 0)
			node_close(nd);		/* an update, at the wrong moment */
		return;
	}
	switch (roll(400)) {
	case 0:
		if (roll(2) || w.crash_at)
			break;
		node_die(nd);
		if (roll(3) == 0)
			node_die(other(nd));	/* the same power line */
		break;
	case 1:
	case 2:
	case 3:
		run_link();
		break;
	case 4:
	case 5:
		if (awake)
			fence_promote(nd, roll(12) == 0);
		break;
	case 6:
		nd->demoting = nd->alive && nd->st.role == LOCKSTEP_ROLE_PRIMARY;
		break;
	case 7:
		if (awake && nd->st.role == LOCKSTEP_ROLE_SECONDARY && roll(3) == 0)
			node_close(nd);
		break;
	case 8:
		if (awake && roll(4) == 0)
			pause_node(nd);
		break;
	case 9:
	case 10:
		run_disk_fate(nd);
		break;
	}
	node_reap(&w.node[0]);
	node_reap(&w.node[1]);
}

static bool is_settled(void)
{
	struct node *a = &w.node[0], *b = &w.node[1];

	return a->alive && b->alive && a->st.link == LOCKSTEP_LINK_UP &&
	       b->st.link == LOCKSTEP_LINK_UP && a->st.sync == STATE_SYNC_NONE &&
	       b->st.sync == STATE_SYNC_NONE && !io_in_flight(a) && !io_in_flight(b);
}

static void tick(void)
{
	int i;

	w.now++;
	if (!w.quiet)
		run_fate();
	net_run();
	for (i = 0; i < 2 && !w.failed; i++)
		run_node(&w.node[i]);
	if (!w.failed)
		daemon_advance();
	if (!w.failed)
		check_step();
}

void world_init(u64 seed, enum mutation m, bool verbose)
{
	int i;

	memset(&w, 0, sizeof(w));
	w.seed = seed;
	w.rng = (seed + 1) * 0x9e3779b97f4a7c15ull;
	w.mutation = m;
	w.verbose = verbose;
	w.next_id = 100;
	w.disks = seed % 3 == 0 ? DISKS_SOUND : seed % 3 == 1 ? DISKS_FAIL : DISKS_FAIL_OFTEN;
	w.flushes_fail = w.disks != DISKS_SOUND && seed / 3 % 4 == 1;
	w.fencing = seed / 12 % 3 == 2;
	for (i = 0; i < 2; i++) {
		w.node[i].n = i;
		w.node[i].disk.external = roll(2);
		node_init_disk(&w.node[i], seed % 4);
	}
}

/* Quiet at the end: everything heals, both must come to agree by themselves. */
bool world_run(u32 steps)
{
	u32 i;

	for (i = 0; i < steps && !w.failed; i++)
		tick();
	w.quiet = true;
	w.quiet_at = w.now;
	trace("quiet");
	cut(false, false);
	w.node[0].paused_until = w.node[1].paused_until = 0;
	net_break();
	for (i = 0; i < QUIET_STEPS && !w.failed && (i < 400 || !is_settled()); i++)
		tick();
	CHECK(is_settled(), "P10: not settled after everything healed");
	return !w.failed;
}
