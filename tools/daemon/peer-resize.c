// SPDX-License-Identifier: GPL-2.0
/*
 * A volume takes another size on both hosts.
 *
 * Whoever was asked has its disk looked at first (request.c), then asks the peer for the same
 * (RESIZE), so that both could hold the new size before anything changes. Then it closes the
 * session and says hello with the new size in the place of its own; agree() takes the larger of
 * the two, and each kernel marks what is new to it, and makes both durable, before replication is
 * on again (volsize.h); the hello after that one finds the marks, and has them copied. To become
 * smaller both must say so, so there the peer keeps the size in mind as well.
 *
 * A side that dies anywhere in this leaves two sizes at worst, and the next hello mends that; or
 * marks that a session began too early to know of, and whoever comes upon them says hello again.
 */
#include "peer-phase.h"

#include <linux/lockstep.h>
#include <stdlib.h>

#include "log.h"
#include "loop.h"
#include "sizes.h"

/* Both disks' metadata moves, which is up to 32 MiB for each TiB; less than lockstep(8) waits. */
#define RESIZE_MS	45000

/* ---- the side that was asked by a person */

static void reply(struct peer *p, const struct err *e, u64 sect)
{
	struct peer_resizing z = p->resizing;

	if (z.step == RESIZE_NONE)
		return;
	p->resizing.step = RESIZE_NONE;
	loop_timer_off(z.timer);
	z.done(z.arg, e, sect);
}

static int on_resize_late(sd_event_source *s, uint64_t now, void *arg)
{
	struct peer *p = arg;
	struct err e;

	(void)s;
	(void)now;
	if (p->resizing.step == RESIZE_ASKED) {
		err_set(&e, -ETIMEDOUT, "peer-silent", "%s has not answered for %u s",
			p->other->name, RESIZE_MS / 1000);
		err_mend(&e, "on %s: lockstep status %s", p->other->name, p->conf->name);
	} else {
		err_set(&e, -ETIMEDOUT, "not-connected", "%s is not connected again yet",
			p->other->name);
		if (p->resizing.step == RESIZE_AGAIN)
			err_means(&e, "The volume takes the new size as soon as it is");
		err_mend(&e, "lockstep status %s", p->conf->name);
	}
	reply(p, &e, 0);
	return 0;
}

void peer_resize(struct peer *p, const struct peer_resize *ask, peer_resized_fn done, void *arg)
{
	struct wire_resize w = {
		.volume = ask->volume,
		.flags = ask->shrink ? LOCKSTEP_RZ_SHRINK : 0,
		.data_sect = ask->size_sect,
	};
	size_t size, n;
	void *buf = peer_scratch(&size);
	struct err e;

	if (p->phase != PEER_CONNECTED || p->resizing.step != RESIZE_NONE) {
		err_set(&e, -ENOTCONN, "not-connected", "%s is not connected", p->other->name);
		err_mend(&e, "lockstep status %s", p->conf->name);
		done(arg, &e, 0);
		return;
	}
	p->resizing.step = RESIZE_ASKED;
	p->resizing.ask = *ask;
	p->resizing.done = done;
	p->resizing.arg = arg;
	loop_timer(p->env->event, &p->resizing.timer, RESIZE_MS, on_resize_late, p);
	n = wire_resize_encode(&w, buf, size);
	peer_send(p, LOCKSTEP_CT_RESIZE, buf, n);
}

static void wish(struct peer *p, u32 volume, u64 sect)
{
	p->wish[volume] = sect;
	p->wish_until_ms = loop_now_ms(p->env->event) + p->env->hold_ms / 2;
}

/* Everybody can: end the session, and begin the next one with the new size. */
static void begin_again(struct peer *p, u64 sect)
{
	log_notice("%s: volume %u: both disks can give %llu MiB, connecting anew", p->conf->name,
		   p->resizing.ask.volume, (unsigned long long)sect >> 11);
	wish(p, p->resizing.ask.volume, sect);
	p->resizing.step = RESIZE_AGAIN;
	peer_again(p, "a volume takes another size");
}

static void no_room(struct peer *p, u64 limit, bool peer_is_small)
{
	const struct peer_resize *ask = &p->resizing.ask;
	const char *small = peer_is_small ? p->other->name : p->me->name;
	struct err e;

	if (ask->size_sect)
		err_set(&e, -ENOSPC, "no-room", "volume %u: the disk of %s can give %llu MiB only",
			ask->volume, small, (unsigned long long)limit >> 11);
	else
		err_set(&e, -ENOSPC, "no-room", "volume %u has %llu MiB already, which is all "
			"that the disk of %s can give", ask->volume,
			(unsigned long long)ask->now_sect >> 11, small);
	err_mend(&e, "make the disk of %s larger, then lockstep resize %s again", small,
		 p->conf->name);
	reply(p, &e, 0);
}

void peer_on_resize_done(struct peer *p, const u8 *body, size_t len)
{
	const struct peer_resize *ask = &p->resizing.ask;
	struct wire_resize_done d;
	struct err e;
	u64 limit, want;

	if (wire_resize_done_decode(body, len, &d) != WIRE_OK) {
		peer_fail_text(p, RETRY_LATER, "protocol", "%s sent an answer that is not to be "
			       "understood", p->other->name);
		return;
	}
	/* Late: the person has been told. */
	if (p->resizing.step != RESIZE_ASKED || d.volume != ask->volume)
		return;
	if (d.refused) {
		err_set(&e, -EREMOTEIO, "peer-refused", "%s refuses: %s", p->other->name, d.text);
		reply(p, &e, 0);
		return;
	}
	limit = min(ask->max_sect, d.data_max_sect) / LOCKSTEP_BIT_SECT * LOCKSTEP_BIT_SECT;
	want = ask->size_sect ? ask->size_sect : limit;
	if (want > limit || (!ask->size_sect && want <= ask->now_sect))
		no_room(p, limit, d.data_max_sect < ask->max_sect);
	else if (want == ask->now_sect)
		reply(p, NULL, want);
	else
		begin_again(p, want);
}

/* ---- the other side */

static int run_resize(struct peer_job *j)
{
	const struct model_resource *r;
	int ret;

	ret = j->kern->ops->resize(j->kern->arg, j->name, j->volume, j->data_sect, j->force, &j->e);
	if (ret == 0)
		ret = kern_status_whole(j->kern, j->name, WHOLE_WAIT_MS, &j->model, &j->e);
	r = ret == 0 ? model_find(&j->model, j->name) : NULL;
	if (r)
		sizes_note(j->state_dir, r);
	return ret;
}

static void resized(struct peer *p, struct peer_job *j)
{
	const struct model_resource *r = model_find(&j->model, j->name);
	const struct model_volume *v = r ? model_find_volume(r, j->volume) : NULL;
	struct wire_resize_done d = { .volume = j->volume, .refused = j->ret < 0 || !v };
	size_t size, n;
	void *buf = peer_scratch(&size);

	if (d.refused)
		snprintf(d.text, sizeof(d.text), "%.*s", (int)sizeof(d.text) - 1,
			 j->ret < 0 ? j->e.what : "no such volume");
	else
		d.data_max_sect = v->data_max_sect;
	if (!d.refused && j->force && j->data_sect && j->data_sect < v->data_sect)
		wish(p, j->volume, j->data_sect);
	log_notice("%s: volume %u: %s asks for another size: %s", p->conf->name, j->volume,
		   p->other->name, d.refused ? d.text : "the disk is ready for it");
	n = wire_resize_done_encode(&d, buf, size);
	peer_send(p, LOCKSTEP_CT_RESIZE_DONE, buf, n);
	peer_send_marks(p);	/* where the job stood in their way */
}

void peer_on_resize(struct peer *p, const u8 *body, size_t len)
{
	struct wire_resize w;
	struct peer_job *j;

	if (wire_resize_decode(body, len, &w) != WIRE_OK) {
		peer_fail_text(p, RETRY_LATER, "protocol", "%s asked for a size that is not to be "
			       "understood", p->other->name);
		return;
	}
	j = peer_job_create(p, run_resize, resized);
	if (!j) {
		peer_fail_text(p, RETRY_LATER, "no-memory", "no memory to ask the kernel");
		return;
	}
	j->volume = w.volume;
	j->data_sect = w.data_sect;
	j->force = w.flags & LOCKSTEP_RZ_SHRINK;
	j->state_dir = p->env->state_dir;
	peer_job_start(p, j);
}

/* ---- both, in the next hello */

void peer_resize_hello(struct peer *p)
{
	for (u32 i = 0; i < p->mine.h.nr_volumes; i++) {
		struct wire_hello_volume *v = &p->mine.v[i];

		/* Before any agreement there is nothing to change. */
		if (v->volume < LOCKSTEP_MAX_VOLUMES && p->wish[v->volume] && v->data_sect)
			v->data_sect = p->wish[v->volume];
	}
}

void peer_resize_over(struct peer *p, const struct err *why)
{
	u32 volume = p->resizing.ask.volume;
	u64 sect = 0, want = p->wish[volume];
	struct err e;

	for (u32 i = 0; !why && i < p->agreed.nr_volumes; i++)
		if (p->agreed.volume[i].volume == volume)
			sect = p->agreed.volume[i].data_sect;
	memset(p->wish, 0, sizeof(p->wish));
	if (!why && want && sect != want) {
		err_set(&e, -EAGAIN, "kept-size", "volume %u keeps its size: %s does not know of "
			"the new one any more", volume, p->other->name);
		err_mend(&e, "lockstep resize %s again", p->conf->name);
		why = &e;
	}
	if (!why && p->resizing.step == RESIZE_AGAIN && sect > p->resizing.ask.now_sect)
		p->resizing.step = RESIZE_SYNC;
	/* A session that was agreed on before the peer was asked ends nothing. */
	else if (p->resizing.step >= RESIZE_AGAIN || why)
		reply(p, why, sect);
}

/*
 * A session is refused, here or by the peer. What is internal to a host may pass by itself, and
 * often does: a disk that still has a request of the session which ended for the new size. So the
 * next hello says that size again, but not for longer than half of the time for which nobody is
 * fenced for the session's end: if the size itself is what a kernel cannot take, the hosts are to
 * find each other with the old one before that is over. All else stays as it is until a person
 * mends it.
 */
void peer_resize_refused(struct peer *p, u32 refuse, const struct err *why)
{
	bool passes = p->resizing.step == RESIZE_SYNC ||
		      loop_now_ms(p->env->event) < p->wish_until_ms;

	if (refuse == LOCKSTEP_RF_BUSY || (refuse == LOCKSTEP_RF_INTERNAL && passes))
		return;
	peer_resize_over(p, why);
}

/*
 * Each kernel has marked what is new to it after the hellos, so nothing was agreed to be copied.
 * Where something is copied all the same, the marks are sent with the rest.
 */
static bool has_grown(const struct peer *p)
{
	for (u32 i = 0; i < p->mine.h.nr_volumes; i++) {
		u64 mine = p->mine.v[i].data_sect, theirs = p->theirs.v[i].data_sect;

		if (mine && theirs && mine != theirs && p->agreed.volume[i].verdict == GEN_NONE)
			return true;
	}
	return false;
}

static bool is_whole(const struct wire_hello_volume *v)
{
	return v->disk == LOCKSTEP_DISK_UP_TO_DATE && v->sync == LOCKSTEP_SYNC_NONE;
}

/* What the same looks like in a session that is older than this daemon. */
static bool has_leftovers(const struct peer *p)
{
	for (u32 i = 0; i < p->mine.h.nr_volumes; i++) {
		const struct wire_hello_volume *mine = &p->mine.v[i], *theirs = &p->theirs.v[i];

		if (is_whole(mine) && is_whole(theirs) && (mine->oos_bits || theirs->oos_bits))
			return true;
	}
	return false;
}

/*
 * Whoever asked for the size may have been told that it takes too long, or have died: so it is the
 * one who dials, too. Leftovers are looked for once: a write that was sent again after a cut leaves
 * some as well, and an application is not to wait for a new session whenever the daemons' own
 * connection is made anew.
 *
 * Under a fencing policy not by ourselves with a peer of an older release: it would take the end of
 * the session for ours, and fence a host that is well. There the marks wait for the next session.
 */
void peer_resize_connected(struct peer *p, bool adopted)
{
	bool may = p->conf->fencing.policy == LOCKSTEP_FENCING_NONE ||
		   p->theirs.h.features & LOCKSTEP_WF_HOLD;

	if (adopted) {
		p->again |= p->resizing.step == RESIZE_SYNC ||
			    (may && !p->was_connected && has_leftovers(p));
	} else {
		peer_resize_over(p, NULL);
		p->again = p->resizing.step == RESIZE_SYNC ||
			   (may && p->dialler && has_grown(p));
	}
	p->was_connected = true;
}

/*
 * `again` stays until another session begins: this one may refuse to end, for want of memory, say,
 * and be taken up by the next hello as it is.
 */
void peer_resize_go_on(struct peer *p)
{
	if (!p->again || p->job)
		return;
	peer_again(p, "what is new in a volume is to be copied");
}

void peer_resize_lost(struct peer *p)
{
	struct err e;

	if (p->resizing.step != RESIZE_ASKED)
		return;
	err_set(&e, -ENOTCONN, "not-connected", "%s was lost before it answered", p->other->name);
	err_mend(&e, "lockstep status %s; when it is connected, lockstep resize %s again",
		 p->conf->name, p->conf->name);
	reply(p, &e, 0);
}
