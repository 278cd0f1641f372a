// SPDX-License-Identifier: GPL-2.0
/*
 * From the authenticated connection to matching verdicts, or to the session that is still there.
 *
 * Live sessions come first. While a kernel holds a session its generations and marks are on the
 * move, so comparing them means nothing; and a session that only one kernel holds must go before
 * both can agree on anything. Which of the two is stale needs no judgement: a session counts only
 * if both hellos name it, and the module that named it is the one that made it (boot id).
 * Anything else is closed by whoever has it, who then says BUSY, and both begin again.
 */
#include "peer-phase.h"

#include <linux/lockstep.h>
#include <stdlib.h>

#include "log.h"

/* ---- facts */

/* Less than a peer waits for a hello: it is said again, later. */
#define FACTS_WAIT_MS	1000

/* A session that is open and not started is the rest of an attempt that a dead daemon made [T2]. */
static int run_facts(struct peer_job *j)
{
	const struct kern_ops *ops = j->kern->ops;
	const struct model_resource *r;
	int ret;

	for (int round = 0; round < 2; round++) {
		model_free(&j->model);
		ret = kern_status_whole(j->kern, j->name, FACTS_WAIT_MS, &j->model, &j->e);
		if (ret < 0)
			return ret;
		r = model_find(&j->model, j->name);
		if (!r || r->link != LOCKSTEP_LINK_OPENING)
			return 0;
		ret = ops->session_close(j->kern->arg, j->name, r->session_id, &j->e);
		if (ret < 0)
			return ret;
	}
	return err_set(&j->e, -EAGAIN, "kernel-again", "somebody else opens sessions of %s",
		       j->name);
}

static void send_hello(struct peer *p)
{
	size_t size, n;
	void *buf = peer_scratch(&size);

	n = wire_hello_encode(&p->mine.h, p->mine.v, buf, size);
	if (!n) {
		peer_fail_text(p, RETRY_LATER, "internal", "our hello does not fit its frame");
		return;
	}
	peer_send(p, LOCKSTEP_CT_HELLO, buf, n);
	peer_set_phase(p, PEER_HELLO);
}

static void facts_known(struct peer *p, struct peer_job *j)
{
	struct agree_self self = { p->conf->streams, p->conf->timeout_ms };
	const struct model_resource *r = model_find(&j->model, j->name);
	struct err e;

	if (j->ret < 0) {
		peer_refuse(p, LOCKSTEP_RF_INTERNAL, &j->e, RETRY_LATER);
		return;
	}
	if (!r || r->nr_volumes == 0) {
		err_set(&e, 0, "not-in-kernel", "the kernel of %s has no resource %s", p->me->name,
			p->conf->name);
		err_mend(&e, "on %s: lockstep up %s", p->me->name, p->conf->name);
		peer_refuse(p, LOCKSTEP_RF_INTERNAL, &e, RETRY_LATER);
		return;
	}
	p->peer_boot_id = r->peer_boot_id;
	agree_fill_hello(r, &self, &p->mine);
	peer_resize_hello(p);
	peer_split_facts(p, r);
	send_hello(p);
}

void peer_begin(struct peer *p)
{
	struct peer_job *j = peer_job_create(p, run_facts, facts_known);

	p->kernel = KERNEL_NONE;
	p->session_id = 0;
	p->has_token = p->peer_ready = false;
	p->nr_added = 0;
	memset(p->joined, 0, sizeof(p->joined));
	if (!j) {
		peer_fail_text(p, RETRY_LATER, "no-memory", "no memory to ask the kernel");
		return;
	}
	peer_set_phase(p, PEER_FACTS);
	peer_job_start(p, j);
}

/* ---- live sessions */

static void cleared(struct peer *p, struct peer_job *j)
{
	struct err e;

	if (j->ret < 0) {
		peer_refuse(p, LOCKSTEP_RF_INTERNAL, &j->e, RETRY_LATER);
		return;
	}
	err_set(&e, 0, "peer-busy", "%s has closed an old session", p->me->name);
	peer_refuse(p, LOCKSTEP_RF_BUSY, &e, RETRY_NOW);
}

static void clear_session(struct peer *p)
{
	struct peer_job *j = peer_job_create(p, peer_run_close, cleared);

	if (!j) {
		peer_fail_text(p, RETRY_LATER, "no-memory", "no memory to ask the kernel");
		return;
	}
	log_notice("%s: %s does not have the session we have: closing it", p->conf->name,
		   p->other->name);
	j->session_id = p->mine.h.session_id;
	/* The peer is there, and says that it has no part in it. */
	peer_announced(p, j->session_id);
	peer_set_phase(p, PEER_CLEAR);
	peer_job_start(p, j);
}

/* Returns true if the hellos are about sessions and not about data. */
static bool live_sessions(struct peer *p)
{
	u64 mine = p->mine.h.session_id, theirs = p->theirs.h.session_id;

	if (mine && mine == theirs && p->peer_boot_id == p->theirs.h.boot_id) {
		p->session_id = mine;
		p->session_ms = p->phase_ms;
		p->kernel = KERNEL_UP;
		peer_send(p, LOCKSTEP_CT_ADOPT, NULL, 0);
		peer_set_phase(p, PEER_ADOPT);
		return true;
	}
	if (mine) {
		clear_session(p);
		return true;
	}
	if (theirs) {
		peer_set_phase(p, PEER_STALE);
		return true;
	}
	return false;
}

/* ---- verdicts */

/* Until `lockstep attach` here there is nothing to talk about. */
static bool lacks_disk(const struct peer *p)
{
	if (p->mine.h.role == LOCKSTEP_ROLE_PRIMARY)
		return false;
	for (u32 i = 0; i < p->mine.h.nr_volumes; i++)
		if (p->mine.v[i].disk == LOCKSTEP_DISK_FAILED)
			return true;
	return false;
}

static bool refused(struct peer *p)
{
	struct err e;

	if (!p->agreed.refuse)
		return false;
	err_set(&e, 0, peer_refuse_code[p->agreed.refuse], "%s", p->agreed.text);
	err_mend(&e, "%s", p->agreed.mend);
	peer_refuse(p, p->agreed.refuse, &e, lacks_disk(p) ? RETRY_SLOW : RETRY_LATER);
	return true;
}

static void send_verdict(struct peer *p)
{
	struct wire_choice *c = calloc(p->agreed.nr_volumes + 1, sizeof(*c));
	size_t size, n = 0;
	void *buf = peer_scratch(&size);

	for (u32 i = 0; c && i < p->agreed.nr_volumes; i++) {
		c[i].volume = p->agreed.volume[i].volume;
		c[i].verdict = (u16)p->agreed.volume[i].verdict;
		c[i].rule = (u16)p->agreed.volume[i].rule;
		log_info("%s: volume %u: %s (rule %s)", p->conf->name, c[i].volume,
			 gen_verdict_name(p->agreed.volume[i].verdict),
			 gen_rule_name(p->agreed.volume[i].rule));
	}
	if (c)
		n = wire_verdict_encode(c, p->agreed.nr_volumes, buf, size);
	free(c);
	if (!n) {
		peer_fail_text(p, RETRY_LATER, "internal", "our verdict cannot be sent");
		return;
	}
	peer_send(p, LOCKSTEP_CT_VERDICT, buf, n);
	peer_set_phase(p, PEER_VERDICT);
}

void peer_on_hello(struct peer *p, const u8 *body, size_t len)
{
	enum wire_err err;

	err = wire_hello_decode(body, len, &p->theirs.h, p->theirs.v, LOCKSTEP_MAX_VOLUMES);
	if (err != WIRE_OK) {
		peer_fail_text(p, RETRY_LATER, "protocol", "the hello of %s is not to be "
			       "understood: %s", p->other->name, wire_err_name(err));
		return;
	}
	/* Who and what comes before all else: a stranger must not make us close a session. */
	agree(&p->mine, &p->theirs, p->dialler, &p->agreed);
	if (p->agreed.refuse == LOCKSTEP_RF_IDENTITY || p->agreed.refuse == LOCKSTEP_RF_VERSION) {
		(void)refused(p);
		return;
	}
	if (peer_dry_hello(p) || live_sessions(p))
		return;
	if (p->agreed.refuse != LOCKSTEP_RF_SPLIT)
		peer_split_over(p);
	else if (peer_split_enter(p))
		return;
	if (refused(p))
		return;
	send_verdict(p);
}

static bool mirrors(const struct agreed_volume *mine, const struct wire_choice *theirs)
{
	return theirs->volume == mine->volume && theirs->verdict == gen_mirror(mine->verdict) &&
	       theirs->rule == gen_mirror_rule(mine->rule);
}

void peer_on_verdict(struct peer *p, const u8 *body, size_t len)
{
	struct wire_choice *c = calloc(LOCKSTEP_MAX_VOLUMES, sizeof(*c));
	u32 nr = 0, i = 0;
	struct err e;

	if (c && wire_verdict_decode(body, len, c, LOCKSTEP_MAX_VOLUMES, &nr) == WIRE_OK &&
	    nr == p->agreed.nr_volumes)
		while (i < nr && mirrors(&p->agreed.volume[i], &c[i]))
			i++;
	free(c);
	if (nr == 0 || i < nr) {
		err_set(&e, 0, "verdicts-differ",
			"%s and %s come to different verdicts on volume %u", p->me->name,
			p->other->name,
			i < p->agreed.nr_volumes ? p->agreed.volume[i].volume : 0);
		err_mend(&e, "install the same release of Lockstep on both hosts");
		peer_refuse(p, LOCKSTEP_RF_VERDICT, &e, RETRY_LATER);
		return;
	}
	peer_make_session(p);
}
