// SPDX-License-Identifier: GPL-2.0
/*
 * connect --dry-run: one hello in each direction, and what would come of it; then BUSY, so that the
 * peer, which need not know, begins again as if we had been in its way. A peer that is being looked
 * for anyway is found by the next attempt, with a session.
 */
#include "peer-phase.h"

#include <linux/lockstep.h>

#include "log.h"
#include "loop.h"

#define DRY_MS	8000

static void reply(struct peer *p, const struct err *e, const char *text)
{
	struct peer_dry d = p->dry;

	p->dry.done = NULL;
	loop_timer_off(d.timer);
	if (d.done)
		d.done(d.arg, e, text);
}

static void describe(const struct peer *p, char *ret, size_t size)
{
	const struct wire_hello *m = &p->mine.h, *t = &p->theirs.h;

	if (p->agreed.refuse)
		snprintf(ret, size, "no session: %s", p->agreed.text);
	else if (m->session_id && m->session_id == t->session_id)
		snprintf(ret, size, "the session that both still have goes on");
	else
		agree_describe(&p->mine, &p->theirs, &p->agreed, ret, size);
}

static int on_dry_late(sd_event_source *s, uint64_t now, void *arg)
{
	struct peer *p = arg;
	struct err e;

	(void)s;
	(void)now;
	err_set(&e, -ETIMEDOUT, "not-connected", "%s did not say anything within %u s%s",
		p->other->name, DRY_MS / 1000, p->dialler ? "" : ": it is the one that dials");
	err_mend(&e, "on %s: lockstep status %s", p->other->name, p->conf->name);
	reply(p, &e, NULL);
	if (!p->wanted && p->phase == PEER_WAIT)
		peer_set_phase(p, PEER_OFF);
	return 0;
}

void peer_dry_run(struct peer *p, peer_resolved_fn done, void *arg)
{
	char text[512];
	struct err e;

	if (p->dry.done) {
		err_set(&e, -EBUSY, "busy", "another dry run of %s is under way", p->conf->name);
		err_mend(&e, "wait for it, then try again");
		done(arg, &e, NULL);
		return;
	}
	if (p->phase == PEER_CONNECTED) {
		snprintf(text, sizeof(text), "%s is connected with %s: there is nothing to decide",
			 p->conf->name, p->other->name);
		done(arg, NULL, text);
		return;
	}
	if (p->phase == PEER_SPLIT) {
		describe(p, text, sizeof(text));
		done(arg, NULL, text);
		return;
	}
	p->dry.done = done;
	p->dry.arg = arg;
	loop_timer(p->env->event, &p->dry.timer, DRY_MS, on_dry_late, p);
	if (p->phase == PEER_OFF)
		peer_set_phase(p, PEER_WAIT);
	peer_retry_now(p);
}

bool peer_dry_hello(struct peer *p)
{
	char text[512];
	struct err e;

	if (!p->dry.done)
		return false;
	describe(p, text, sizeof(text));
	log_info("%s: dry run: %s", p->conf->name, text);
	reply(p, NULL, text);
	err_set(&e, 0, "peer-busy", "%s only asked", p->me->name);
	peer_refuse(p, LOCKSTEP_RF_BUSY, &e, RETRY_NOW);
	return true;
}

void peer_dry_over(struct peer *p, const struct err *why)
{
	struct err e;
	char text[160];

	if (!p->dry.done)
		return;
	if (p->phase == PEER_CONNECTED) {
		snprintf(text, sizeof(text), "it was just being connected, and is now");
		reply(p, NULL, text);
		return;
	}
	if (why) {
		e = *why;
		err_prefix(&e, "%s could not be asked", p->other->name);
		reply(p, &e, NULL);
		return;
	}
	err_set(&e, -EAGAIN, "not-connected", "%s was not in a state to be asked", p->other->name);
	err_mend(&e, "lockstep connect %s --dry-run again", p->conf->name);
	reply(p, &e, NULL);
}
