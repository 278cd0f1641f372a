// SPDX-License-Identifier: GPL-2.0
/*
 * The two sides of fencing that people and fencing programs have: resume, which says that the peer
 * is no danger, and outdate, which makes this side none.
 */
#include <stdio.h>
#include <stdlib.h>

#include "call.h"
#include "cmd.h"
#include "conf.h"
#include "device.h"
#include "metafile.h"
#include "nl.h"
#include "refusal.h"

/* What `outdate` ends with: the code that a fencing program passes on (fence-judge.h). */
#define EXIT_INCONSISTENT	3
#define EXIT_OUTDATED		4
#define EXIT_PRIMARY		6

static int refuse(const struct opts *o, struct err *e)
{
	refusal_complete(e, o->operand, "the other host");
	return cmd_refuse(e);
}

static int kernel_resume(struct nl *nl, const struct ctl_request *r, struct err *e)
{
	return nl_fenced(nl, r->resource, NULL, e);
}

int cmd_resume(const struct opts *o)
{
	struct ctl_request r;
	struct err e;
	int err = cmd_build(o, CTL_RESUME, &r, &e);

	if (!err)
		err = cmd_call(o, &r, &e);
	if (err == -ECONNREFUSED)
		err = cmd_call_kernel(&r, kernel_resume, &e);
	return err ? refuse(o, &e) : CMD_OK;
}

/*
 * Asked once more, past the daemon: what that does not have may be in use all the same. It looks at
 * the kernel a moment after its own start, and what it cannot take up it only shows.
 */
static int ask_kernel(const struct ctl_request *r, struct err *e)
{
	struct nl *nl;
	int err = nl_open(&nl, e);

	if (err)
		return err;
	err = nl_outdate(nl, r->resource, e);
	nl_shut(nl);
	refusal_outdate(e, err);
	if (!err)
		printf("the copy of %s here is outdated\n", r->resource);
	return err;
}

/*
 * A copy that is not up. Nothing is written to it: what is on it may say by itself that it would
 * not be promoted without --force once it is. One volume suffices, because they go together.
 */
static int look_at_disk(const struct meta *m)
{
	const u32 doubts = LOCKSTEP_MF_OUTDATED | LOCKSTEP_MF_LEFT_PRIMARY;
	bool crashed = m->flags & (LOCKSTEP_MF_ATTACHED | LOCKSTEP_MF_UNCLEAN);

	if (!m->current_gen.id || !(m->flags & LOCKSTEP_MF_CONSISTENT))
		return EXIT_INCONSISTENT;
	if (m->flags & doubts || !(m->flags & LOCKSTEP_MF_UP_TO_DATE) ||
	    (crashed && !m->peer[0].since.id))
		return EXIT_OUTDATED;
	return CMD_FAILED;
}

/*
 * As the module looks before it attaches a disk (check_identity()): what another one's copy says
 * lets nobody go on without ours.
 */
static int check_owner(const struct conf *c, const struct conf_volume *v, int self,
		       const char *path, const struct meta *m, struct err *e)
{
	const struct conf_node *me = &c->node[self];

	if (!strcmp(m->resource, c->name) && m->volume == v->number && m->node_id == me->id)
		return 0;
	err_set(e, -EUCLEAN, "not-its-copy", "%s holds node %u's copy (%s) of volume %u of %s, not "
		"node %u's (%s) of volume %u of %s", path, m->node_id, m->node, m->volume,
		m->resource, me->id, me->name, v->number, c->name);
	err_mend(e, "correct the disk in %s, or %s/node; lockstep dump-meta --device %s", c->path,
		 conf_dir(), path);
	return -EUCLEAN;
}

/*
 * -EBUSY: somebody has it. Be it a resource of ours that another network namespace has up, where
 * the one we asked does not see it: what is on the disk then is not what counts. -EUCLEAN: it is
 * another one's.
 */
static int look_at_volume(const struct conf *c, const struct conf_volume *v, int self,
			  struct err *e)
{
	bool external = v->meta[self][0];
	struct metafile *f = malloc(sizeof(*f));
	int ret = CMD_FAILED, err;
	struct device d;

	if (!f)
		return ret;
	err = device_open(external ? v->meta[self] : v->disk[self], DEVICE_LOOK, &d, e);
	if (err == -EBUSY)
		ret = err;
	if (!err) {
		metafile_read(&d, external, 0, f);
		if (f->picked >= 0)
			ret = check_owner(c, v, self, d.path, &f->copy[f->picked].meta, e) ?:
			      look_at_disk(&f->copy[f->picked].meta);
		device_close(&d);
	}
	free(f);
	return ret;
}

/* All are looked at, also when the first suffices: one that refuses speaks for the others. */
static int look_at_volumes(const struct conf *c, int self, struct err *e)
{
	int ret = CMD_FAILED;

	for (u32 i = 0; self >= 0 && i < c->nr_volumes; i++) {
		int one = look_at_volume(c, &c->volume[i], self, e);

		if (one < 0)
			return one;
		if (ret == CMD_FAILED)
			ret = one;
	}
	return ret;
}

/* `e` says that it is not up, and is the refusal if its disks say no more than that. */
static int outdate_offline(const struct opts *o, struct err *e)
{
	struct conf *c;
	struct err why;
	int ret;

	if (conf_load_name(o->operand, &c, &why))
		return cmd_refuse(e);
	ret = look_at_volumes(c, conf_self(c, o->node, &why), &why);
	conf_free(c);
	if (ret == -EBUSY)
		err_means(&why, "Whatever uses it may be changing what it says, so nothing follows "
			  "from that for %s", o->operand);
	else if (ret == -EUCLEAN)
		err_means(&why, "Nothing follows from that for %s", o->operand);
	if (ret < 0)
		return cmd_refuse(&why);
	if (ret == CMD_FAILED) {
		err_means(e, "Its copy, as far as it can be read, would be promoted once it is up");
		err_mend(e, "lockstep up %s && lockstep outdate %s", o->operand, o->operand);
		return cmd_refuse(e);
	}
	printf("%s is not up here, and its copy would not be promoted without --force\n",
	       o->operand);
	return ret;
}

/*
 * Has the daemon not said what the kernel says? Then it was not asked, or could not answer. One
 * that does not answer in time is no such: it has asked, perhaps, and waits, and so would we,
 * without an end, and outdate the copy at a time when nobody counts on it any more.
 */
static bool is_open(const struct err *e)
{
	static const char *const code[] = { "not-up", "no-module", "kernel-unknown", "no-daemon",
					    "ctl-io", "ctl-path" };

	for (size_t i = 0; i < ARRAY_SIZE(code); i++)
		if (!strcmp(e->code, code[i]))
			return true;
	return false;
}

int cmd_outdate(const struct opts *o)
{
	struct ctl_request r;
	struct err e;
	int err = cmd_build(o, CTL_OUTDATE, &r, &e);

	if (!err)
		err = cmd_call(o, &r, &e);
	if (err && is_open(&e)) {
		err = ask_kernel(&r, &e);
		/* It has no such resource, or there is no module to have one. */
		if (err == -ENOENT || err == -ENOPKG)
			return outdate_offline(o, &e);
	}
	if (!err)
		return EXIT_OUTDATED;
	refuse(o, &e);
	if (!strcmp(e.code, "outdate-primary"))
		return EXIT_PRIMARY;
	return strcmp(e.code, "outdate-inconsistent") ? CMD_FAILED : EXIT_INCONSISTENT;
}
