// SPDX-License-Identifier: GPL-2.0
/*
 * wait-connect, wait-sync and wait-promotable: for scripts, and for whoever watches. They ask the
 * kernel a few times a second; that is cheap, needs no daemon and cannot miss anything, whereas an
 * event can be lost.
 */
#include <stdio.h>
#include <time.h>

#include "cmd.h"
#include "diagnose.h"
#include "gather.h"
#include "progress.h"
#include "text.h"
#include <linux/lockstep.h>

#define POLL_MS		200

typedef bool (*reached_fn)(const struct model_resource *r);
/* What to show meanwhile. */
typedef void (*show_fn)(struct progress *p, const struct model *m, const struct model_resource *r);

static bool is_connected(const struct model_resource *r)
{
	return r->link == LOCKSTEP_LINK_UP;
}

static bool is_synced(const struct model_resource *r)
{
	for (u32 i = 0; i < r->nr_volumes; i++) {
		const struct model_volume *v = &r->volume[i];

		if (v->sync != LOCKSTEP_SYNC_NONE || v->disk != LOCKSTEP_DISK_UP_TO_DATE ||
		    v->peer_disk != LOCKSTEP_DISK_UP_TO_DATE)
			return false;
	}
	return is_connected(r) && r->nr_volumes && !model_is_partial(r);
}

/*
 * Would `promote` be taken now, without force? (state.h) With a fencing policy and without the peer
 * that is also the program's to say, which nobody runs for a look.
 */
static bool is_promotable(const struct model_resource *r)
{
	if (r->role == LOCKSTEP_ROLE_PRIMARY)
		return true;
	for (u32 i = 0; i < r->nr_volumes; i++)
		if (r->volume[i].disk != LOCKSTEP_DISK_UP_TO_DATE ||
		    r->volume[i].sync == LOCKSTEP_SYNC_TARGET)
			return false;
	return r->nr_volumes && !model_is_partial(r) && r->link != LOCKSTEP_LINK_OPENING &&
	       r->peer_role != LOCKSTEP_ROLE_PRIMARY;
}

static void show_headline(struct progress *p, const struct model *m, const struct model_resource *r)
{
	char headline[HEADLINE_BYTES];

	diagnose_headline(m, r, headline);
	progress_show(p, "%s", headline);
}

static void show_sync(struct progress *p, const struct model *m, const struct model_resource *r)
{
	char left[TEXT_BYTES + 16] = "";
	struct diagnose_sync s;

	if (!diagnose_sync_all(r, &s)) {
		show_headline(p, m, r);
		return;
	}
	if (s.has_eta)
		snprintf(left, sizeof(left), "  %s left", text_duration(s.eta_s).s);
	progress_show(p, "%s  %s/s%s", text_bar(s.permille).s, text_bytes(s.rate_bytes_s).s, left);
}

static u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

static int timed_out(const struct opts *o, const struct model *m, struct err *e)
{
	char headline[HEADLINE_BYTES];

	diagnose_headline(m, model_find(m, o->operand), headline);
	err_set(e, -ETIMEDOUT, "timeout", "%s is not there after %u s: %s", o->operand,
		o->timeout_s, headline);
	err_mend(e, "lockstep status %s", o->operand);
	return -ETIMEDOUT;
}

static int wait_for(const struct opts *o, reached_fn reached, show_fn show)
{
	u64 end = o->timeout_s ? now_ms() + (u64)o->timeout_s * 1000 : UINT64_MAX;
	struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
	const struct model_resource *r;
	struct progress p = { 0 };
	struct model m;
	struct err e;
	int err = cmd_check_name(o->operand, &e);
	bool done = false;

	while (!err && !done) {
		err = gather_kernel(o->operand, false, &m, &e);
		if (err)
			break;
		r = model_find(&m, o->operand);
		done = reached(r);
		if (!done && progress_is_due(&p, now_ms()))
			show(&p, &m, r);
		if (!done && now_ms() >= end)
			err = timed_out(o, &m, &e);
		model_free(&m);
		if (!done && !err)
			nanosleep(&pause, NULL);
	}
	progress_clear(&p);
	return err ? cmd_refuse(&e) : CMD_OK;
}

int cmd_wait_connect(const struct opts *o)
{
	return wait_for(o, is_connected, show_headline);
}

int cmd_wait_sync(const struct opts *o)
{
	return wait_for(o, is_synced, show_sync);
}

int cmd_wait_promotable(const struct opts *o)
{
	return wait_for(o, is_promotable, show_headline);
}
