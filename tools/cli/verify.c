// SPDX-License-Identifier: GPL-2.0
/*
 * verify: starts, stops and watches what the kernel does, and lists what it found. Asks the kernel
 * alone: comparing needs no daemon.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cmd.h"
#include "diagnose.h"
#include "gather.h"
#include "nl.h"
#include "print.h"
#include "progress.h"
#include "rle.h"
#include "text.h"
#include <linux/lockstep.h>

#define POLL_MS		200
/* Options that start one, and that can be given with neither of the other two forms. */
#define STARTING	(CMD_OPT_RANGE | CMD_OPT_REPAIR | CMD_OPT_RESUME | CMD_OPT_WAIT | \
			 CMD_OPT_TIMEOUT)

struct verify {
	const struct opts *o;
	struct nl *nl;
	struct model m;
	const struct model_resource *r;
};

static u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

static bool is_chosen(const struct verify *v, const struct model_volume *vol)
{
	return !(v->o->given & CMD_OPT_VOLUME) || vol->number == v->o->volume;
}

static int check_options(const struct opts *o, struct err *e)
{
	u32 other = o->given & (CMD_OPT_STOP | CMD_OPT_RESULT);

	if (other == (CMD_OPT_STOP | CMD_OPT_RESULT) || (other && (o->given & STARTING)))
		err_set(e, -EINVAL, "usage", "--%s goes with none of the other options",
			other & CMD_OPT_STOP ? "stop" : "result");
	else if ((o->given & CMD_OPT_JSON) && !(o->given & CMD_OPT_RESULT))
		err_set(e, -EINVAL, "usage", "--json goes with --result only");
	else if ((o->given & CMD_OPT_RESUME) && (o->given & CMD_OPT_RANGE))
		err_set(e, -EINVAL, "usage", "--resume goes on with the range of the last one");
	else if ((o->given & CMD_OPT_TIMEOUT) && !(o->given & CMD_OPT_WAIT))
		err_set(e, -EINVAL, "usage", "--timeout goes with --wait only");
	else
		return cmd_check_name(o->operand, e);
	err_mend(e, "lockstep help verify");
	return -EINVAL;
}

/* ---- starting and waiting ------------------------------------------------------------------- */

static int start(struct verify *v, const struct model_volume *vol, struct err *e)
{
	u64 bits = (model_volume_sect(vol) + LOCKSTEP_BIT_SECT - 1) / LOCKSTEP_BIT_SECT;
	u64 first = v->o->from_bytes >> LOCKSTEP_BIT_SHIFT;
	/* Without adding: TO may be the largest number there is. */
	u64 end = v->o->to_bytes / LOCKSTEP_BIT_BYTES + !!(v->o->to_bytes % LOCKSTEP_BIT_BYTES);
	struct nl_verify q = {
		.volume = vol->number,
		.repair = v->o->given & CMD_OPT_REPAIR,
		.resume = v->o->given & CMD_OPT_RESUME,
	};

	if (first >= bits) {
		err_set(e, -ERANGE, "verify-range", "volume %u ends at %s, before the range begins",
			vol->number, text_sect(model_volume_sect(vol)).s);
		err_mend(e, "lockstep verify %s --volume %u", v->r->name, vol->number);
		return -ERANGE;
	}
	if (v->o->given & CMD_OPT_RANGE) {
		q.first_bit = first;
		q.nr_bits = end < bits ? end - first : 0;
	}
	return nl_verify_start(v->nl, v->r->name, &q, e);
}

/* One look. 1: it runs, as far as is known; 0: it is over and *ret says how. */
static int look(struct verify *v, u32 number, struct model_volume *ret, struct err *e)
{
	const struct model_volume *vol = NULL;
	const struct model_resource *r;
	struct model m;
	bool untold;
	int err = nl_status(v->nl, v->r->name, &m, e);

	if (err)
		return err;
	r = model_find(&m, v->r->name);
	vol = r ? model_find_volume(r, number) : NULL;
	untold = r && !vol && model_is_partial(r);
	if (vol)
		*ret = *vol;
	else if (!untold)
		err = err_set(e, -ENOENT, "no-volume", "%s has no volume %u any more", v->r->name,
			      number);
	model_free(&m);
	return err ? err : untold || ret->verify == LOCKSTEP_VERIFY_RUNNING;
}

static void show(struct progress *p, const struct model_volume *vol)
{
	struct diagnose_verify d;

	if (diagnose_verify(vol, &d))
		progress_show(p, "volume %u: %s compared, %s differ", vol->number,
			      text_bar(d.permille).s, text_bytes(d.bad_bytes).s);
}

static int wait_end(struct verify *v, u32 number, u64 end_ms, struct model_volume *ret,
		    struct err *e)
{
	struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
	struct progress p = { 0 };
	int err;

	for (;;) {
		err = look(v, number, ret, e);
		if (err <= 0)
			break;
		if (now_ms() >= end_ms) {
			err = err_set(e, -ETIMEDOUT, "timeout", "volume %u is not compared after "
				      "%u s; it goes on", number, v->o->timeout_s);
			err_mend(e, "lockstep status %s", v->r->name);
			break;
		}
		if (progress_is_due(&p, now_ms()))
			show(&p, ret);
		nanosleep(&pause, NULL);
	}
	progress_clear(&p);
	return err;
}

/* What it came to, as an error if the copies are not known to be equal now. */
static int judge(const struct verify *v, const struct model_volume *vol, struct err *e)
{
	const char *name = v->r->name;
	struct diagnose_verify d;

	if (!diagnose_verify(vol, &d) || vol->verify != LOCKSTEP_VERIFY_DONE) {
		err_set(e, -EINTR, "verify-stopped", "the verify of volume %u was stopped",
			vol->number);
		err_mend(e, "lockstep verify %s --volume %u --resume", name, vol->number);
		return -EINTR;
	}
	if (d.bad_bytes > d.repaired_bytes) {
		err_set(e, -EILSEQ, "copies-differ", "%s of volume %u differ between the copies",
			text_bytes(d.bad_bytes - d.repaired_bytes).s, vol->number);
		err_mend(e, "lockstep verify %s --result; and, if the copy here is right: lockstep "
			 "verify %s --repair", name, name);
		return -EILSEQ;
	}
	if (d.bad_bytes)
		printf("%s volume %u: %s differed and were repaired\n", name, vol->number,
		       text_bytes(d.bad_bytes).s);
	else
		printf("%s volume %u: %s compared, no differences\n", name, vol->number,
		       text_bytes(d.total_bytes).s);
	return 0;
}

/* All chosen volumes; waiting for one before the next, so that they do not slow each other. */
static int run_start(struct verify *v, struct err *e)
{
	bool wait = v->o->given & CMD_OPT_WAIT;
	u64 end = v->o->timeout_s ? now_ms() + (u64)v->o->timeout_s * 1000 : UINT64_MAX;
	struct model_volume now = { 0 };
	struct err first = { 0 };
	int err = 0, differ = 0;

	for (u32 i = 0; i < v->r->nr_volumes && !err; i++) {
		const struct model_volume *vol = &v->r->volume[i];

		if (!is_chosen(v, vol))
			continue;
		err = start(v, vol, e);
		if (!err && !wait)
			printf("%s volume %u is being compared\n", v->r->name, vol->number);
		if (!err && wait)
			err = wait_end(v, vol->number, end, &now, e);
		if (!err && wait && judge(v, &now, e) && !differ++)
			first = *e;
	}
	if (!err && differ) {
		*e = first;
		err = -EILSEQ;
	}
	return err;
}

static int run_stop(struct verify *v, struct err *e)
{
	int err = 0;

	for (u32 i = 0; i < v->r->nr_volumes && !err; i++)
		if (is_chosen(v, &v->r->volume[i]))
			err = nl_verify_stop(v->nl, v->r->name, v->r->volume[i].number, e);
	return err;
}

/* ---- result --------------------------------------------------------------------------------- */

/* All chunks of one volume as stretches of bytes; those that touch become one. */
static int get_ranges(struct verify *v, const struct model_volume *vol, struct print_diff *d,
		      struct err *e)
{
	struct nl_marks *m = malloc(sizeof(*m));
	u64 at = 0, first, count;
	struct rle_iter it;
	int err = m ? 0 : err_set(e, -ENOMEM, "no-memory", "out of memory");

	d->volume = vol;
	do {
		if (!err)
			err = nl_verify_get(v->nl, v->r->name, vol->number, at, m, e);
		if (err)
			break;
		rle_iter_init(&it, m->runs, m->run_bytes, m->first_bit,
			      LOCKSTEP_MAX_DATA_SECT / LOCKSTEP_BIT_SECT);
		while (!err && rle_iter_next(&it, &first, &count))
			if (print_diff_add(d, first, count))
				err = err_set(e, -ENOMEM, "no-memory", "out of memory");
		at = m->next_bit;
	} while (m->has_next);
	free(m);
	return err;
}

static int run_result(struct verify *v, struct err *e)
{
	const struct print_ops *print = v->o->given & CMD_OPT_JSON ? &print_json : &print_text;
	struct print_diff *list = calloc(v->r->nr_volumes + 1, sizeof(*list));
	size_t nr = 0;
	int err = list ? 0 : err_set(e, -ENOMEM, "no-memory", "out of memory");

	for (u32 i = 0; i < v->r->nr_volumes && !err; i++)
		if (is_chosen(v, &v->r->volume[i]))
			err = get_ranges(v, &v->r->volume[i], &list[nr++], e);
	if (!err)
		print->diff(stdout, v->r->name, list, nr);
	for (size_t i = 0; i < nr; i++)
		free(list[i].range);
	free(list);
	return err;
}

/* ---- the command ---------------------------------------------------------------------------- */

static int check_volumes(const struct verify *v, struct err *e)
{
	const struct opts *o = v->o;

	if (o->given & CMD_OPT_VOLUME && !model_find_volume(v->r, o->volume)) {
		err_set(e, -ENOENT, "no-volume", "%s has no volume %u", v->r->name, o->volume);
		err_mend(e, "lockstep status %s", v->r->name);
		return -ENOENT;
	}
	if (o->given & CMD_OPT_RANGE && !(o->given & CMD_OPT_VOLUME) && v->r->nr_volumes > 1) {
		err_set(e, -EINVAL, "which-volume", "%s has %u volumes: a range of which one?",
			v->r->name, v->r->nr_volumes);
		err_mend(e, "lockstep verify %s --volume N --range ...", v->r->name);
		return -EINVAL;
	}
	return 0;
}

int cmd_verify(const struct opts *o)
{
	struct verify v = { .o = o };
	struct err e;
	int err = check_options(o, &e);

	if (err)
		return cmd_refuse(&e);
	err = gather_kernel(o->operand, true, &v.m, &e);
	if (err)
		return cmd_refuse(&e);
	v.r = model_find(&v.m, o->operand);
	err = check_volumes(&v, &e);
	if (!err)
		err = nl_open(&v.nl, &e);
	if (!err)
		err = o->given & CMD_OPT_RESULT ? run_result(&v, &e) :
		      o->given & CMD_OPT_STOP ? run_stop(&v, &e) : run_start(&v, &e);
	nl_shut(v.nl);
	model_free(&v.m);
	return err ? cmd_refuse(&e) : CMD_OK;
}
