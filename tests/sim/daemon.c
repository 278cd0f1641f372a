// SPDX-License-Identifier: GPL-2.0
/*
 * Both daemons as one procedure with pauses: hello (through the codec), verdicts (which must
 * mirror), SESSION_OPEN on both, READY, SESSION_START (target first), the other's, marks from
 * target to source, SYNC_START. Anything may happen in the pauses; whatever changed under a verdict
 * ends the attempt.
 */
#include "sim.h"

enum { D_IDLE, D_OPEN, D_START1, D_START2, D_MARKS, D_SYNC };

#define CRASHED	(LOCKSTEP_MF_UNCLEAN | LOCKSTEP_MF_CRASHED_PRIMARY)

void daemon_reset(void)
{
	w.daemon.step = D_IDLE;
	w.daemon.at = w.now + 5 + roll(60);
}

static void hello_of(struct node *nd, struct gen_view *v)
{
	static _Alignas(8) u8 buf[1024];
	struct wire_hello h = {
		.version_min = 1, .version_max = 1, .boot_id = nd->boot_id, .epoch = nd->epoch,
		.node_id = (u32)nd->n, .peer_node_id = (u32)!nd->n, .role = nd->st.role,
		.streams = 2, .nr_volumes = 1, .timeout_ms = 6000, .resource = "sim", .node = "n",
	}, back;
	struct wire_hello_volume vol = {
		.flags = nd->m.flags, .disk = node_disk(nd), .current_id = nd->m.current_gen.id,
		.since_id = nd->m.peer[0].since.id, .oos_bits = nd->map.weight,
	}, back_vol;
	size_t len;
	u32 i;

	for (i = 0; i < nd->m.history_nr; i++)
		vol.history[i] = nd->m.history[i].id;
	len = wire_hello_encode(&h, &vol, buf, sizeof(buf));
	CHECK(wire_hello_decode(buf, len, &back, &back_vol, 1) == WIRE_OK, "hello does not decode");
	memset(v, 0, sizeof(*v));
	v->current_id = back_vol.current_id;
	v->since_id = back_vol.since_id;
	v->oos_bits = back_vol.oos_bits;
	v->flags = back_vol.flags;
	v->no_disk = back_vol.disk == LOCKSTEP_DISK_FAILED;
	v->node_id = back.node_id;
	memcpy(v->history, back_vol.history, sizeof(v->history));
}

/* Its copy counts for nothing any more, by a person's word. */
static void make_blank(struct node *nd)
{
	int i;

	trace("%d is made blank to resolve a split brain", nd->n);
	nd->m.current_gen.id = nd->m.peer[0].since.id = 0;
	nd->m.history_nr = 0;
	memset(nd->m.history, 0, sizeof(nd->m.history));
	nd->m.flags &= ~(LOCKSTEP_MF_CONSISTENT | LOCKSTEP_MF_UP_TO_DATE);
	nd->durable_known = false;
	for (i = 0; i < 2; i++)
		meta_encode(&nd->m, nd->disk.sb[i]);
	memset(w.done[nd->n], 0, sizeof(w.done[0]));
	memset(w.flushed[nd->n], 0, sizeof(w.flushed[0]));
	w.surrendered[nd->n] = false;
	node_step(nd, STATE_EV_COPY, STATE_COPY_BLANK);
}

/*
 * What it wrote beside the other is given up, by a person's word: at once, or not at all, if it
 * dies over it. If its disk fails it may be on that, and here it is not so.
 */
static void surrender(struct node *nd)
{
	const struct meta *m;
	bool ok = node_step(nd, STATE_EV_SURRENDER, 0);

	m = node_durable(nd);
	if (ok || (m && !(m->flags & LOCKSTEP_MF_CONSISTENT)))
		check_surrendered(nd, ok || nd->dying);
	if (ok)
		node_step(nd, STATE_EV_COPY, node_copy(nd));
}

static void step_down(struct node *nd)
{
	if (diskfail_is_stuck(nd))
		diskfail_unstick(nd);
	else
		nd->demoting = true;
}

/* Somebody has to say whose data counts. */
static void resolve(struct gen_result r)
{
	struct node *victim = &w.node[roll(2)], *winner = other(victim);

	if (r.verdict == GEN_BLANK || r.verdict == GEN_INCONSISTENT) {
		if (winner->st.role == LOCKSTEP_ROLE_SECONDARY &&
		    winner->st.link == LOCKSTEP_LINK_DOWN)
			node_step(winner, STATE_EV_PROMOTE, 1);
		return;
	}
	w.stat[STAT_SPLITS]++;
	CHECK((w.alone[0] && w.alone[1]) || w.forced || !w.met,
	      "P5: split, but not both went on alone");
	/* A narrowing that failed, and yet is on the disk, looks like one that was written in. */
	CHECK(!w.fencing || w.forced || !w.met || w.landed,
	      "P5: split, though each was fenced first");
	/* Unrelated: a lineage of its own, by force or before they ever met. */
	CHECK(r.verdict == GEN_SPLIT || !w.met || w.forced, "P5: unrelated generations");
	CHECK(!w.surrendered[0] && !w.surrendered[1], "P5: what was given up is split again");
	if (victim->st.role == LOCKSTEP_ROLE_PRIMARY)
		step_down(victim);
	else if (roll(4))
		surrender(victim);
	else
		make_blank(victim);
}

static bool is_awake(struct node *nd)
{
	return nd->alive && nd->paused_until <= w.now;
}

static bool is_ready(struct node *nd)
{
	return is_awake(nd) && nd->st.link == LOCKSTEP_LINK_DOWN && !nd->st.narrowing &&
	       !nd->s.id;
}

/* Does a primary that would be the target work through the source already? (agree.c) */
static bool works_through(int target, const struct gen_view *source)
{
	const u32 flags = LOCKSTEP_MF_SERVING | LOCKSTEP_MF_UNCLEAN;
	u8 disk = w.daemon.disk[target];

	if (disk == LOCKSTEP_DISK_UP_TO_DATE)
		return false;
	return disk == LOCKSTEP_DISK_FAILED || (source->flags & flags) == LOCKSTEP_MF_SERVING;
}

/* A primary that would be overwritten is asked to step down, and one of two. */
static bool must_step_down(int i, const struct gen_view *v, const struct gen_result *r)
{
	if (w.daemon.role[i] != LOCKSTEP_ROLE_PRIMARY)
		return false;
	if (w.daemon.role[!i] == LOCKSTEP_ROLE_PRIMARY)
		return true;
	return gen_verdict_is_target(r[i].verdict) && !works_through(i, &v[!i]);
}

/* A secondary without a disk is no copy; and one without may have nobody to go on with. */
static bool is_without_copy(const struct gen_view *v, const struct gen_result *r)
{
	int i;

	for (i = 0; i < 2; i++) {
		if (!v[i].no_disk)
			continue;
		if (w.daemon.role[i] != LOCKSTEP_ROLE_PRIMARY)
			return true;
		if (r[i].verdict >= GEN_BLANK) {
			step_down(&w.node[i]);
			return true;
		}
	}
	return false;
}

/*
 * The target, so that it is known to be one before the source does anything about it; but a source
 * through which the target works (P9) has noted that before that goes on.
 */
static int who_first(const struct gen_result *r)
{
	int target = gen_verdict_is_target(r[1].verdict);

	if (r[0].verdict == GEN_NONE)
		return (int)roll(2);
	return w.daemon.role[target] == LOCKSTEP_ROLE_PRIMARY && !MUTATED(TARGET_FIRST) ?
	       !target : target;
}

static void mutate_views(struct gen_view *v)
{
	int i;

	for (i = 0; i < 2; i++) {
		if (w.node[!i].st.role != LOCKSTEP_ROLE_PRIMARY ||
		    w.node[!i].st.copy == STATE_COPY_UP_TO_DATE)
			continue;
		if (MUTATED(RESUME_UNCLEAN))
			v[i].flags &= ~CRASHED;
		if (MUTATED(RESUME_PROMOTED))
			v[i].flags |= LOCKSTEP_MF_SERVING;
	}
}

static void say_hello(void)
{
	struct gen_view v[2];
	struct gen_result r[2];
	int i;

	for (i = 0; i < 2; i++)
		hello_of(&w.node[i], &v[i]);
	mutate_views(v);
	for (i = 0; i < 2; i++) {
		r[i] = gen_compare(&v[i], &v[!i]);
		w.daemon.verdict[i] = r[i].verdict;
		w.daemon.current[i] = v[i].current_id;
		w.daemon.since[i] = v[i].since_id;
		w.daemon.flags[i] = v[i].flags;
		w.daemon.hello_flags[i] = w.node[i].m.flags;
		w.daemon.boot[i] = w.node[i].boot_id;
		w.daemon.role[i] = w.node[i].st.role;
		w.daemon.disk[i] = node_disk(&w.node[i]);
		w.daemon.failed[i] = w.node[i].failed;
	}
	trace("hello: %s by %s", gen_verdict_name(r[0].verdict), gen_rule_name(r[0].rule));
	CHECK(gen_mirror(r[0].verdict) == r[1].verdict, "verdicts do not mirror");
	if (is_without_copy(v, r)) {
		daemon_reset();
		return;
	}
	if (r[0].verdict >= GEN_BLANK) {
		resolve(r[0]);
		daemon_reset();
		return;
	}
	for (i = 0; i < 2; i++) {
		if (must_step_down(i, v, r) && !(must_step_down(!i, v, r) && roll(2))) {
			step_down(&w.node[i]);
			daemon_reset();
			return;
		}
	}
	w.daemon.first = who_first(r);
	w.daemon.adopt_id = r[0].adopt_id;
	w.daemon.session_id = ++w.next_session;
	w.daemon.epoch = max(w.node[0].epoch, w.node[1].epoch) + 1;
	w.daemon.step = D_OPEN;
}

static bool is_unchanged(int i)
{
	struct node *nd = &w.node[i];

	return is_awake(nd) && nd->boot_id == w.daemon.boot[i] &&
	       nd->m.current_gen.id == w.daemon.current[i] &&
	       nd->m.peer[0].since.id == w.daemon.since[i] && nd->st.role == w.daemon.role[i] &&
	       !((nd->m.flags ^ w.daemon.hello_flags[i]) & GEN_FLAGS) &&
	       nd->failed == w.daemon.failed[i];
}

/*
 * One of the two lost what was in its cache: what was written since the last flush of both is
 * marked, on both sides, from what each knows of it.
 */
static void convert_regions(struct node *nd)
{
	bool own = w.daemon.flags[nd->n] & CRASHED && !MUTATED(NO_CONVERT_OWN);
	bool peers = w.daemon.flags[!nd->n] & CRASHED && !MUTATED(NO_CONVERT_PEER);

	if (own || peers) {
		node_mark_blocks(nd, node_regions_wanted(nd));
		maps_converted(nd);
	}
	nd->s.compare = w.daemon.flags[0] & CRASHED || w.daemon.flags[1] & CRASHED;
	if (nd->s.verdict != GEN_SOURCE && nd->s.verdict != GEN_TARGET)
		nd->s.compare = false;
}

static void open_session(struct node *nd)
{
	struct session *s = &nd->s;

	/* [S6], before the other side can have given anything up. */
	if (nd->st.role == LOCKSTEP_ROLE_PRIMARY && nd->st.copy != STATE_COPY_UP_TO_DATE &&
	    !gen_verdict_is_target(w.daemon.verdict[nd->n]) && !MUTATED(FROZEN_SOURCE)) {
		step_down(nd);
		return;
	}
	if (!node_step(nd, STATE_EV_OPEN, w.daemon.role[!nd->n]))
		return;
	memset(s, 0, sizeof(*s));
	s->id = w.daemon.session_id;
	s->epoch = w.daemon.epoch;
	s->verdict = w.daemon.verdict[nd->n];
	s->peer_role = w.daemon.role[!nd->n];
	s->peer_disk = w.daemon.disk[!nd->n];
	s->peer_disk_id = other(nd)->disk_id;
	s->peer_medium = other(nd)->medium;
	s->hello_gen = w.daemon.current[!nd->n];
	s->peer_flags = w.daemon.hello_flags[!nd->n];
	s->adopt_id = w.daemon.adopt_id;
	nd->sync_flush = FL_NONE;
	if (MUTATED(UNION_TOO_EARLY))
		s->early_marks = nd->marks | other(nd)->marks;
	convert_regions(nd);
	if (MUTATED(UNION_TOO_EARLY))
		s->early_marks |= nd->marks;
	w.stat[STAT_BY_MARKS] += s->verdict == GEN_SOURCE;
	w.stat[STAT_FULL] += s->verdict == GEN_SOURCE_FULL;
	/* Before the other side can give up its copy: from then on only these marks know. */
	if (s->verdict == GEN_SOURCE_FULL && !maps_fill(nd)) {
		memset(s, 0, sizeof(*s));
		node_step(nd, STATE_EV_LOST, 0);
		return;
	}
	/* A primary that copies from its source goes by its own marks. */
	if (s->verdict == GEN_TARGET_FULL && s->peer_role == LOCKSTEP_ROLE_SECONDARY &&
	    nd->st.role == LOCKSTEP_ROLE_PRIMARY)
		node_mark_blocks(nd, ALL_BLOCKS);
}

static u32 start_arg(struct node *nd)
{
	struct session *s = &nd->s;
	u32 arg = STATE_START(s->verdict, s->peer_role);

	if (nd->st.role == LOCKSTEP_ROLE_PRIMARY && nd->st.copy != STATE_COPY_UP_TO_DATE)
		arg |= STATE_START_THROUGH;
	if (nd->failed)
		arg |= STATE_START_NO_DISK;
	if (s->peer_role == LOCKSTEP_ROLE_PRIMARY && gen_verdict_is_source(s->verdict) &&
	    s->peer_disk != LOCKSTEP_DISK_UP_TO_DATE)
		arg |= STATE_START_THROUGH;
	return arg;
}

static void start_session(struct node *nd)
{
	if (!is_unchanged(nd->n) || nd->s.id != w.daemon.session_id ||
	    !node_step(nd, STATE_EV_START, start_arg(nd)))
		net_break();
}

/*
 * To the one who copies; in chunks, through both codecs, as over the control connection. One who
 * pulls a full copy has marked everything itself.
 */
static void exchange_marks(struct node *from, struct node *to)
{
	static _Alignas(8) u8 buf[256];
	u64 nr_bits = from->map.nr_bits, pos = 0, first, count;
	struct wire_marks m = { 0 }, back;
	struct rle_iter it;
	u8 runs[64];
	size_t len;

	if (from->s.verdict == GEN_SOURCE_FULL || from->s.verdict == GEN_TARGET_FULL)
		pos = nr_bits;
	while (pos < nr_bits && !MUTATED(UNION_NOT_SENT)) {
		m.first_bit = pos;
		m.run_bytes = (u32)rle_encode(&from->map, &pos, runs, sizeof(runs), NR_PAGES);
		if (!m.run_bytes)
			continue;
		m.runs = runs;
		len = wire_marks_encode(&m, buf, sizeof(buf));
		CHECK(wire_marks_decode(buf, len, &back) == WIRE_OK, "marks do not decode");
		rle_iter_init(&it, back.runs, back.run_bytes, back.first_bit, nr_bits);
		while (rle_iter_next(&it, &first, &count))
			node_mark_bits(to, first, count);
		CHECK(!it.bad, "runs do not decode");
	}
	if (MUTATED(UNION_TOO_EARLY) && to->s.verdict == GEN_SOURCE) {
		node_clear_all(to);
		node_mark_blocks(to, to->s.early_marks);
	}
}

static void after_start(void)
{
	struct node *source = NULL, *copier;
	int i;

	for (i = 0; i < 2; i++)
		if (w.node[i].st.sync == STATE_SYNC_SOURCE)
			source = &w.node[i];
	if (!source || other(source)->st.sync != STATE_SYNC_TARGET) {
		if (source)
			net_break();
		w.daemon.step = D_IDLE;
		w.daemon.at = ~0ull;
		return;
	}
	copier = other(source)->st.role == LOCKSTEP_ROLE_PRIMARY ? other(source) : source;
	if (other(source)->failed) {
		w.daemon.step = D_IDLE;		/* nowhere to copy to */
		w.daemon.at = ~0ull;
	} else if (w.daemon.step == D_MARKS) {
		exchange_marks(other(copier), copier);
		w.daemon.step = D_SYNC;
	} else {
		copier->s.sync_started = true;
		w.daemon.step = D_IDLE;
		w.daemon.at = ~0ull;
	}
}

static void open_both(void)
{
	int i;

	if (!is_unchanged(0) || !is_unchanged(1)) {
		daemon_reset();
		return;
	}
	for (i = 0; i < 2; i++)
		open_session(&w.node[i]);
	w.daemon.step = D_START1;
	if (w.node[0].s.id != w.node[1].s.id)
		net_break();
}

static void start_second(void)
{
	w.daemon.step = D_MARKS;
	/* Between the two starts is where an order can be wrong. */
	if (!w.quiet && roll(12) == 0)
		net_break();
	else
		start_session(&w.node[!w.daemon.first]);
}

void daemon_advance(void)
{
	int i;

	if (w.now < w.daemon.at || w.cut[0] || w.cut[1] || !is_awake(&w.node[0]) ||
	    !is_awake(&w.node[1]))
		return;
	w.daemon.at = w.now + 1 + roll(12);
	switch (w.daemon.step) {
	case D_IDLE:
		if (is_ready(&w.node[0]) && is_ready(&w.node[1]))
			say_hello();
		break;
	case D_OPEN:
		open_both();
		break;
	case D_START1:
		w.daemon.step = D_START2;
		start_session(&w.node[w.daemon.first]);
		break;
	case D_START2:
		start_second();
		break;
	default:
		after_start();
	}
	for (i = 0; i < 2; i++)
		node_reap(&w.node[i]);
}
