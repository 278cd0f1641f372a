// SPDX-License-Identifier: GPL-2.0
/*
 * Split brain: both hosts were written alone. The connection stays, for control only, so that both
 * say what each of them has and either can be asked whose changes are to count.
 *
 * Giving up needs the other side's yes, because two that both gave up would have nothing left that
 * anybody calls good. Whoever says yes gives up nothing itself for as long as this connection
 * lasts, and a new one begins with new hellos, in which the other one is not split any more or
 * everything is as it was. Two questions that cross are both answered no.
 *
 * What is given up is what somebody has looked at, and saved perhaps. The split's number, which the
 * question brings, has in it the sequence of the metadata of whoever gives up, as the hellos of
 * this connection named it (agree.h); and that one's kernel looks whether it is still so
 * (SURRENDER). Who was primary in between, and may have been written, has another one: then the
 * answer is to look again. Nothing but a change of role or of disks writes the metadata of a
 * secondary without a session, so whoever looks again gets through; and whoever is kept may be
 * promoted and demoted all the while.
 *
 * A side that dies over it has given up nothing, or some volumes, or all: the next hello is a split
 * again, which is resolved by the same command, or is none.
 */
#include "peer-phase.h"

#include <linux/lockstep.h>
#include <lockstep/disk.h>
#include <stdlib.h>
#include <time.h>

#include "log.h"
#include "loop.h"

/* A few writes of a few disks; less than lockstep(8) waits. */
#define RESOLVE_MS	30000

/* ---- what is known */

/* A bitmap that is still being read names what has been read of it: no number to decide by yet. */
static u32 unread(const struct model_volume *v)
{
	return v->loading ? LOCKSTEP_MF_MARKS_VALID : 0;
}

static void facts_of(const struct peer *p, const struct model_resource *r, struct split_facts *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->s.nr_volumes = r->nr_volumes;
	ret->s.role = r->role;
	ret->s.no_primary = p->conf->split_no_primary;
	ret->s.one_primary = p->conf->split_one_primary;
	for (u32 i = 0; i < r->nr_volumes; i++) {
		const struct model_volume *v = &r->volume[i];

		ret->v[i] = (struct wire_split_volume){
			.volume = v->number,
			.flags = v->flags & LOCKSTEP_MF_KNOWN & ~unread(v),
			.oos_bits = v->oos_bits,
			.dirty_bytes = v->dirty_regions * LOCKSTEP_REGION_BYTES,
			.write_s = v->write_s,
			.primary_s = v->primary_s,
		};
	}
}

void peer_split_facts(struct peer *p, const struct model_resource *r)
{
	facts_of(p, r, &p->split.mine);
}

/* All that a hello says; the rest comes with SPLIT, from a peer that knows that. */
static void facts_of_hello(const struct hello *h, struct split_facts *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->s.nr_volumes = h->h.nr_volumes;
	ret->s.role = h->h.role;
	for (u32 i = 0; i < h->h.nr_volumes; i++) {
		ret->v[i].volume = h->v[i].volume;
		ret->v[i].flags = h->v[i].flags;
		ret->v[i].oos_bits = h->v[i].oos_bits;
	}
}

static void describe(const struct split_facts *f, const char *node, bool heard,
		     struct model_split_side *ret)
{
	memset(ret, 0, sizeof(*ret));
	snprintf(ret->node, sizeof(ret->node), "%s", node);
	ret->role = f->s.role;
	ret->heard = heard;
	ret->marks_known = heard;	/* a hello does not say whether all are read */
	for (u32 i = 0; i < f->s.nr_volumes; i++) {
		const struct wire_split_volume *v = &f->v[i];
		bool crashed = v->flags & LOCKSTEP_MF_UNCLEAN;

		ret->crashed |= crashed;
		ret->marks_known &= (v->flags & LOCKSTEP_MF_MARKS_VALID) != 0;
		ret->marked_bytes += v->oos_bits << LOCKSTEP_BIT_SHIFT;
		ret->dirty_bytes += crashed ? v->dirty_bytes : 0;
		ret->write_s = max(ret->write_s, v->write_s);
		ret->primary_s = max(ret->primary_s, v->primary_s);
	}
}

void peer_split_model(const struct peer *p, struct model_split *ret)
{
	const struct peer_split *s = &p->split;

	memset(ret, 0, sizeof(*ret));
	if (!s->since_s)
		return;
	ret->is = true;
	ret->since_s = s->since_s;
	ret->volume = s->volume;
	snprintf(ret->rule, sizeof(ret->rule), "%s",
		 s->rule == GEN_RULE_NONE ? "mixed" : gen_rule_name(s->rule));
	ret->id = s->id;
	describe(&s->mine, p->me->name, true, &ret->here);
	describe(&s->theirs, p->other->name, s->heard, &ret->peer);
}

/* The two places where a split begins and ends, for whoever is to be told. */
static void split_noted(struct peer *p)
{
	p->split.since_s = (u64)time(NULL);
	log_warn("%s: split brain with %s (rule %s): nothing is copied before it is resolved",
		 p->conf->name, p->other->name, gen_rule_name(p->split.rule));
}

void peer_split_over(struct peer *p)
{
	if (!p->split.since_s)
		return;
	p->split.since_s = 0;
	log_notice("%s: the split brain with %s is resolved", p->conf->name, p->other->name);
}

/* ---- the phase */

static void send_facts(struct peer *p)
{
	size_t size, n;
	void *buf = peer_scratch(&size);

	n = wire_split_encode(&p->split.mine.s, p->split.mine.v, buf, size);
	if (n)
		peer_send(p, LOCKSTEP_CT_SPLIT, buf, n);
}

/* What the hellos were made of is still so? */
static bool is_as_said(const struct peer *p, const struct model_resource *r)
{
	if (!r || r->link != LOCKSTEP_LINK_DOWN || r->role != p->mine.h.role ||
	    r->nr_volumes != p->mine.h.nr_volumes)
		return false;
	for (u32 i = 0; i < r->nr_volumes; i++) {
		const struct wire_hello_volume *m = &p->mine.v[i];
		const struct model_volume *v = &r->volume[i];

		if (v->number != m->volume || v->gen_current != m->current_id ||
		    v->gen_since != m->since_id || v->meta_seq != m->meta_seq ||
		    v->flags != m->flags || v->disk != m->disk)
			return false;
	}
	return true;
}

static int run_look(struct peer_job *j)
{
	return j->kern->ops->status(j->kern->arg, j->name, &j->model, &j->e);
}

static void looked(struct peer *p, struct peer_job *j)
{
	const struct model_resource *r = j->ret < 0 ? NULL : model_find(&j->model, j->name);
	static struct split_facts now;		/* one loop, one thread */

	/* Too busy to say: nothing is known to have changed, and the next look will tell. */
	if (r && model_is_partial(r))
		return;
	if (!is_as_said(p, r)) {
		peer_again(p, "something of the split brain has changed");
		return;
	}
	facts_of(p, r, &now);
	if (memcmp(&now, &p->split.mine, sizeof(now)) == 0)
		return;
	p->split.mine = now;
	send_facts(p);
}

void peer_split_look(struct peer *p)
{
	struct peer_job *j;

	if (p->phase != PEER_SPLIT || p->job)
		return;
	j = peer_job_create(p, run_look, looked);
	if (j)
		peer_job_start(p, j);
}

static int on_tick(sd_event_source *s, uint64_t now, void *arg)
{
	struct peer *p = arg;

	(void)s;
	(void)now;
	if (p->phase != PEER_SPLIT)
		return 0;
	if (loop_now_ms(p->env->event) - conn_heard_ms(p->conn) > p->env->dead_ms) {
		peer_fail_text(p, RETRY_NOW, "peer-silent", "%s has not been heard on the control "
			       "connection for %u s", p->other->name, p->env->dead_ms / 1000);
		return 0;
	}
	peer_send(p, LOCKSTEP_CT_PING, NULL, 0);
	loop_timer(p->env->event, &p->ticker, p->env->ping_ms, on_tick, p);
	peer_split_look(p);
	return 0;
}

/* Returns false if the peer does not know how to stay connected: it has to be refused. */
bool peer_split_enter(struct peer *p)
{
	struct peer_split *s = &p->split;
	struct err e;

	s->rule = p->agreed.split_rule;
	s->volume = p->agreed.split_volume;
	s->id = p->agreed.split_id;
	s->heard = s->keeper = false;
	facts_of_hello(&p->theirs, &s->theirs);
	if (!s->since_s)
		split_noted(p);
	if (!(p->theirs.h.features & LOCKSTEP_WF_SPLIT))
		return false;
	err_set(&e, 0, peer_refuse_code[LOCKSTEP_RF_SPLIT], "%s", p->agreed.text);
	err_mend(&e, "%s", p->agreed.mend);
	peer_set_problem(p, &e);
	peer_resize_over(p, &e);
	peer_set_phase(p, PEER_SPLIT);
	p->backoff_ms = p->env->retry_min_ms;
	p->hasty = 0;
	send_facts(p);
	loop_timer(p->env->event, &p->ticker, p->env->ping_ms, on_tick, p);
	return true;
}

/* ---- giving up */

/* A person's question, or (no `done`) the policy's. */
static void reply(struct peer *p, const struct err *e, const char *text)
{
	struct peer_split s = p->split;

	p->split.asked = RESOLVE_NOTHING;
	p->split.done = NULL;
	loop_timer_off(s.timer);
	if (s.asked == RESOLVE_NOTHING)
		return;
	if (e)
		log_warn("%s: the split brain is not resolved: %s", p->conf->name, e->what);
	if (s.done)
		s.done(s.arg, e, text);
}

static int run_surrender(struct peer_job *j)
{
	return j->kern->ops->surrender(j->kern->arg, j->name, j->given_up, j->nr_given_up, &j->e);
}

/* Make the request to our kernel; what it may give up is what our hello named. */
static bool give_up(struct peer *p, void (*next)(struct peer *p, struct peer_job *j))
{
	struct peer_job *j = peer_job_create(p, run_surrender, next);

	if (j)
		j->given_up = calloc(p->mine.h.nr_volumes + 1, sizeof(*j->given_up));
	if (!j || !j->given_up) {
		free(j);
		return false;
	}
	j->nr_given_up = p->mine.h.nr_volumes;
	for (u32 i = 0; i < j->nr_given_up; i++)
		j->given_up[i] = (struct nl_surrender_volume){
			p->mine.v[i].volume, p->mine.v[i].current_id, p->mine.v[i].since_id,
			p->mine.v[i].meta_seq };
	log_notice("%s: giving up what was written here: %s's copy is to count", p->conf->name,
		   p->other->name);
	peer_job_start(p, j);
	return true;
}

static void hint_surrender(const struct peer *p, struct err *e)
{
	if (!e->mend[0])
		err_mend(e, "lockstep resolve %s again, which shows what there is now",
			 p->conf->name);
}

/* Ours are given up, or not: either way all begins again, which takes back the peer's yes. */
static void gave_up(struct peer *p, struct peer_job *j)
{
	char text[256];

	if (j->ret < 0) {
		hint_surrender(p, &j->e);
		reply(p, &j->e, NULL);
	} else {
		snprintf(text, sizeof(text), "%s follows %s now; lockstep wait-sync %s waits until "
			 "all is copied", p->me->name, p->other->name, p->conf->name);
		reply(p, NULL, text);
	}
	peer_again(p, "the split brain is resolved");
}

static void send_done(struct peer *p, const char *refusal)
{
	struct wire_resolve_done d = { .refused = refusal != NULL };
	size_t size, n;
	void *buf = peer_scratch(&size);

	if (refusal)
		snprintf(d.text, sizeof(d.text), "%.*s", (int)sizeof(d.text) - 1, refusal);
	n = wire_resolve_done_encode(&d, buf, size);
	peer_send(p, LOCKSTEP_CT_RESOLVE_DONE, buf, n);
}

/* The same, because the peer was asked. */
static void gave_up_for_peer(struct peer *p, struct peer_job *j)
{
	send_done(p, j->ret < 0 ? j->e.what : NULL);
	peer_again(p, "the split brain is resolved");
}

static void asked_to_give_up(struct peer *p)
{
	char text[248];

	if (p->mine.h.role == LOCKSTEP_ROLE_PRIMARY) {
		snprintf(text, sizeof(text), "it is primary; on %s: stop what uses it, then "
			 "lockstep demote %s", p->me->name, p->conf->name);
		send_done(p, text);
	} else if (!give_up(p, gave_up_for_peer)) {
		send_done(p, "no memory to ask the kernel");
	}
}

void peer_on_resolve(struct peer *p, const u8 *body, size_t len)
{
	u32 keep;

	if (wire_resolve_decode(body, len, &keep) != WIRE_OK) {
		peer_fail_text(p, RETRY_LATER, "protocol", "%s asked something of a split brain "
			       "that is not to be understood", p->other->name);
		return;
	}
	if (p->split.asked != RESOLVE_NOTHING || (p->split.keeper && keep == LOCKSTEP_KEEP_MINE)) {
		send_done(p, "both hosts were asked at the same time: ask one of them again");
		return;
	}
	if (keep == LOCKSTEP_KEEP_MINE) {
		asked_to_give_up(p);
		return;
	}
	p->split.keeper = true;
	send_done(p, NULL);
}

void peer_on_resolve_done(struct peer *p, const u8 *body, size_t len)
{
	struct wire_resolve_done d;
	char text[256];
	struct err e;

	if (wire_resolve_done_decode(body, len, &d) != WIRE_OK) {
		peer_fail_text(p, RETRY_LATER, "protocol", "%s sent an answer that is not to be "
			       "understood", p->other->name);
		return;
	}
	if (p->split.asked == RESOLVE_NOTHING)
		return;		/* late: the person has been told */
	if (d.refused) {
		err_set(&e, -EREMOTEIO, "peer-refused", "%s refuses: %s", p->other->name, d.text);
		err_mend(&e, "lockstep status %s, on both hosts; then lockstep resolve %s again",
			 p->conf->name, p->conf->name);
		reply(p, &e, NULL);
	} else if (p->split.asked == RESOLVE_KEEP_HERE) {
		snprintf(text, sizeof(text), "%s follows %s now; lockstep wait-sync %s waits until "
			 "all is copied", p->other->name, p->me->name, p->conf->name);
		reply(p, NULL, text);
	} else if (!give_up(p, gave_up)) {
		err_set(&e, -ENOMEM, "no-memory", "no memory to ask the kernel");
		reply(p, &e, NULL);
		peer_again(p, "nothing was given up");
	}
}

/* ---- asking */

static int on_resolve_late(sd_event_source *s, uint64_t now, void *arg)
{
	struct peer *p = arg;
	struct err e;

	(void)s;
	(void)now;
	err_set(&e, -ETIMEDOUT, "peer-silent", "%s has not answered for %u s", p->other->name,
		RESOLVE_MS / 1000);
	err_means(&e, "It may still give up its changes, if that is what it was asked for");
	err_mend(&e, "lockstep status %s, on both hosts", p->conf->name);
	reply(p, &e, NULL);
	/* Whatever it says later is of this connection. */
	peer_again(p, "no answer about the split brain");
	return 0;
}

static void ask(struct peer *p, enum resolve keep, peer_resolved_fn done, void *arg)
{
	size_t size, n;
	void *buf = peer_scratch(&size);

	p->split.asked = keep;
	p->split.done = done;
	p->split.arg = arg;
	loop_timer(p->env->event, &p->split.timer, RESOLVE_MS, on_resolve_late, p);
	n = wire_resolve_encode(keep == RESOLVE_KEEP_HERE ? LOCKSTEP_KEEP_MINE :
				LOCKSTEP_KEEP_YOURS, buf, size);
	peer_send(p, LOCKSTEP_CT_RESOLVE, buf, n);
}

static bool is_refused(struct peer *p, enum resolve keep, u64 id, struct err *e)
{
	bool dialler_loses = (keep == RESOLVE_KEEP_PEER) == p->dialler;
	const char *name = p->conf->name;

	if (p->phase == PEER_CONNECTED || (p->phase != PEER_SPLIT && !p->split.since_s)) {
		err_set(e, -EINVAL, "not-split", "%s is not in a split brain", name);
		err_mend(e, "lockstep status %s", name);
	} else if (p->phase != PEER_SPLIT) {
		err_set(e, -ENOTCONN, "not-connected", "%s is not connected, and has to agree: "
			"otherwise both could give up what they have", p->other->name);
		err_mend(e, "lockstep status %s; when %s is there, lockstep resolve %s again",
			 name, p->other->name, name);
	} else if (!agree_split_same(id, p->split.id, dialler_loses)) {
		err_set(e, -EAGAIN, "split-changed",
			"something of the split brain has changed since it was looked at");
		err_mend(e, "lockstep resolve %s again", name);
	} else if (p->split.asked != RESOLVE_NOTHING || p->split.keeper) {
		err_set(e, -EBUSY, "busy", "%s is just being resolved", name);
		err_mend(e, "lockstep status %s", name);
	} else if (keep == RESOLVE_KEEP_PEER && p->mine.h.role == LOCKSTEP_ROLE_PRIMARY) {
		err_set(e, -EBUSY, "primary", "%s is primary here, and what is in use cannot be "
			"given up", name);
		err_mend(e, "stop what uses it, then lockstep demote %s, then this again", name);
	} else if (keep == RESOLVE_KEEP_HERE && p->theirs.h.role == LOCKSTEP_ROLE_PRIMARY) {
		err_set(e, -EBUSY, "peer-primary", "%s is primary on %s, and what is in use "
			"cannot be given up", name, p->other->name);
		err_mend(e, "on %s: stop what uses it, then lockstep demote %s; then this again",
			 p->other->name, name);
	} else {
		return false;
	}
	return true;
}

void peer_resolve(struct peer *p, enum resolve keep, u64 id, peer_resolved_fn done, void *arg)
{
	struct err e;

	if (is_refused(p, keep, id, &e))
		done(arg, &e, NULL);
	else
		ask(p, keep, done, arg);
}

/*
 * What an administrator has said before. Once for each split: what was refused would be refused
 * again, as fast as hellos can be said.
 */
static void apply_policy(struct peer *p)
{
	struct peer_split *s = &p->split;

	if (s->tried_id == s->id || s->asked != RESOLVE_NOTHING || s->keeper ||
	    p->agreed.split_rule == GEN_RULE_NONE || !split_policy_yields(&s->mine, &s->theirs))
		return;
	s->tried_id = s->id;
	log_notice("%s: by the policy for a split brain, %s follows %s", p->conf->name,
		   p->me->name, p->other->name);
	ask(p, RESOLVE_KEEP_PEER, NULL, NULL);
}

void peer_on_split(struct peer *p, const u8 *body, size_t len)
{
	static struct split_facts f;		/* one loop, one thread */

	memset(&f, 0, sizeof(f));
	if (wire_split_decode(body, len, &f.s, f.v, LOCKSTEP_MAX_VOLUMES) != WIRE_OK) {
		peer_fail_text(p, RETRY_LATER, "protocol", "what %s says of a split brain is not "
			       "to be understood", p->other->name);
		return;
	}
	p->split.theirs = f;
	p->split.heard = true;
	apply_policy(p);
}

void peer_split_lost(struct peer *p)
{
	struct err e;

	p->split.keeper = false;
	if (p->split.asked == RESOLVE_NOTHING)
		return;
	p->split.tried_id = 0;		/* nobody has said no */
	err_set(&e, -ENOTCONN, "not-connected", "%s was lost before it was resolved",
		p->other->name);
	err_means(&e, "Whoever was to give up its changes may have done so");
	err_mend(&e, "lockstep status %s, on both hosts", p->conf->name);
	reply(p, &e, NULL);
}
