// SPDX-License-Identifier: GPL-2.0
/*
 * The verbs that change what is going on. Each asks lockstepd; promote, demote, down and detach go
 * straight to the kernel when it does not run, because those are what one needs on the day it does
 * not.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cmd.h"
#include "call.h"
#include "conf.h"
#include "gather.h"
#include "nl.h"
#include "text.h"
#include "use.h"

/* More than a peer that does not answer can take; then the daemon itself has answered (P10). */
#define CALL_TIMEOUT_MS		60000

int cmd_build(const struct opts *o, enum ctl_command command, struct ctl_request *r, struct err *e)
{
	memset(r, 0, sizeof(*r));
	r->command = command;
	r->force = o->given & CMD_OPT_FORCE;
	r->all = o->given & CMD_OPT_ALL;
	r->has_volume = o->given & CMD_OPT_VOLUME;
	r->volume = o->volume;
	r->dry_run = o->given & CMD_OPT_DRY_RUN;
	if (o->operand && cmd_check_name(o->operand, e))
		return -EINVAL;
	if (o->operand)
		snprintf(r->resource, sizeof(r->resource), "%s", o->operand);
	if (o->node && strlen(o->node) >= sizeof(r->node)) {
		err_set(e, -EINVAL, "bad-name", "\"%.64s...\" is too long for a node's name: it "
			"has %zu letters at most", o->node, sizeof(r->node) - 1);
		err_mend(e, "see which names the configuration has: ls %s", conf_dir());
		return -EINVAL;
	}
	if (o->node)
		strcpy(r->node, o->node);
	return 0;
}

/* A promotion may wait for the fencing program as well. */
static unsigned int patience_ms(const struct ctl_request *r)
{
	unsigned int ms = CALL_TIMEOUT_MS;
	struct conf *c;

	if (r->command != CTL_PROMOTE || conf_load_name(r->resource, &c, NULL))
		return ms;
	if (c->fencing.policy)
		ms += c->fencing.timeout_ms;
	conf_free(c);
	return ms;
}

int cmd_call(const struct opts *o, const struct ctl_request *r, struct err *e)
{
	struct ctl_reply reply = { 0 };
	int err = ctl_call(o->socket, r, patience_ms(r), &reply, e);

	if (!err && reply.text[0])
		printf("%s\n", reply.text);
	if (!err)
		ctl_reply_free(&reply);
	return err;
}

static int finish(int err, const struct err *e)
{
	return err ? cmd_refuse(e) : CMD_OK;
}

static int call_only(const struct opts *o, enum ctl_command command)
{
	struct ctl_request r;
	struct err e;
	int err = cmd_build(o, command, &r, &e);

	if (!err)
		err = cmd_call(o, &r, &e);
	return finish(err, &e);
}

int cmd_connect(const struct opts *o)
{
	return call_only(o, CTL_CONNECT);
}

int cmd_disconnect(const struct opts *o)
{
	return call_only(o, CTL_DISCONNECT);
}

/*
 * What the daemon would refuse in the file and the key is refused here, too: also when it does not
 * run.
 */
static int check_conf(const char *name, struct err *e)
{
	u8 key[LOCKSTEP_KEY_BYTES];
	struct conf *c;
	int err = conf_load_name(name, &c, e);

	if (err)
		return err;
	err = conf_read_key(c, key, e);
	explicit_bzero(key, sizeof(key));
	conf_free(c);
	return err;
}

int cmd_up(const struct opts *o)
{
	struct ctl_request r;
	struct err e;
	int err = cmd_build(o, CTL_UP, &r, &e);

	if (!err && o->operand)
		err = check_conf(o->operand, &e);
	if (!err)
		err = cmd_call(o, &r, &e);
	return finish(err, &e);
}

/* ---- with a dead daemon, too ---------------------------------------------------------------- */

static int kernel_promote(struct nl *nl, const struct ctl_request *r, struct err *e)
{
	const struct nl_promotion p = { .force = r->force };

	return nl_promote(nl, r->resource, &p, e);
}

static int kernel_demote(struct nl *nl, const struct ctl_request *r, struct err *e)
{
	return nl_demote(nl, r->resource, e);
}

static int kernel_down(struct nl *nl, const struct ctl_request *r, struct err *e)
{
	return nl_res_del(nl, r->resource, e);
}

static int kernel_detach(struct nl *nl, const struct ctl_request *r, struct err *e)
{
	return nl_vol_detach(nl, r->resource, r->volume, e);
}

/* down --all: every resource there is; the first that is refused ends it. */
static int kernel_all(struct nl *nl, const struct ctl_request *r, cmd_kernel_fn fn, struct err *e)
{
	struct ctl_request one = *r;
	struct model m;
	int err = nl_status(nl, NULL, &m, e);

	if (err)
		return err;
	for (u32 i = 0; i < m.nr_resources && !err; i++) {
		snprintf(one.resource, sizeof(one.resource), "%s", m.resource[i].name);
		err = fn(nl, &one, e);
	}
	model_free(&m);
	return err;
}

int cmd_call_kernel(const struct ctl_request *r, cmd_kernel_fn fn, struct err *e)
{
	struct nl *nl;
	int err = nl_open(&nl, e);

	if (err)
		return err;
	fprintf(stderr, "lockstep: lockstepd does not run; asking the kernel directly\n");
	err = r->all ? kernel_all(nl, r, fn, e) : fn(nl, r, e);
	nl_shut(nl);
	return err;
}

/* Who uses any volume of it, by mounts and holders: more than "in use by mount (pid 1)" tells. */
static bool explain_use(const struct model_resource *r, const char *verb, struct err *e)
{
	char path[32], text[256], mend[256];
	struct stat st;

	for (u32 i = 0; i < r->nr_volumes; i++) {
		snprintf(path, sizeof(path), "/dev/lockstep%u", r->volume[i].minor);
		if (stat(path, &st) || !S_ISBLK(st.st_mode) ||
		    !use_describe(st.st_rdev, path, text, sizeof(text), mend, sizeof(mend)))
			continue;
		err_means(e, "%s is %s", path, text);
		err_mend(e, "%s && lockstep %s %s", mend, verb, r->name);
		return true;
	}
	return false;
}

/* Whoever refused, and with whatever words: if something of it is mounted, that is the reason. */
static void explain_refusal(const struct ctl_request *r, struct err *e)
{
	struct model m;
	struct nl *nl;

	if ((r->command != CTL_DOWN && r->command != CTL_DEMOTE) || nl_open(&nl, NULL))
		return;
	if (!nl_status(nl, r->all ? NULL : r->resource, &m, NULL)) {
		for (u32 i = 0; i < m.nr_resources; i++)
			if (explain_use(&m.resource[i], ctl_command_name(r->command), e))
				break;
		model_free(&m);
	}
	nl_shut(nl);
}

static int ask_either(const struct opts *o, const struct ctl_request *r, cmd_kernel_fn fn)
{
	struct err e;
	int err = cmd_call(o, r, &e);

	if (err == -ECONNREFUSED)
		err = cmd_call_kernel(r, fn, &e);
	if (err)
		explain_refusal(r, &e);
	return finish(err, &e);
}

static int call_or_kernel(const struct opts *o, enum ctl_command command, cmd_kernel_fn fn)
{
	struct ctl_request r;
	struct err e;
	int err = cmd_build(o, command, &r, &e);

	return err ? finish(err, &e) : ask_either(o, &r, fn);
}

int cmd_promote(const struct opts *o)
{
	return call_or_kernel(o, CTL_PROMOTE, kernel_promote);
}

int cmd_demote(const struct opts *o)
{
	return call_or_kernel(o, CTL_DEMOTE, kernel_demote);
}

int cmd_down(const struct opts *o)
{
	return call_or_kernel(o, CTL_DOWN, kernel_down);
}

/* ---- disks and sizes ------------------------------------------------------------------------ */

/* The one volume there is, unless one was named. */
static int pick_volume(struct ctl_request *r, u64 *ret_sect, struct err *e)
{
	const struct model_volume *v;
	const struct model_resource *res;
	struct model m;
	int err = gather_kernel(r->resource, true, &m, e);

	if (err)
		return err;
	res = model_find(&m, r->resource);
	v = r->has_volume ? model_find_volume(res, r->volume) :
	    res->nr_volumes == 1 ? &res->volume[0] : NULL;
	if (v) {
		r->has_volume = true;
		r->volume = v->number;
		*ret_sect = model_volume_sect(v);
	} else if (r->has_volume) {
		err = err_set(e, -ENOENT, "no-volume", "%s has no volume %u", r->resource,
			      r->volume);
		err_mend(e, "lockstep status %s", r->resource);
	} else {
		err = err_set(e, -EINVAL, "which-volume", "%s has %u volumes, and none was named",
			      r->resource, res->nr_volumes);
		err_mend(e, "lockstep %s %s --volume N", ctl_command_name(r->command), r->resource);
	}
	model_free(&m);
	return err;
}

int cmd_attach(const struct opts *o)
{
	struct ctl_request r;
	struct err e;
	int err = cmd_build(o, CTL_ATTACH, &r, &e);

	if (!err)
		err = check_conf(o->operand, &e);
	if (!err)
		err = cmd_call(o, &r, &e);
	return finish(err, &e);
}

int cmd_detach(const struct opts *o)
{
	struct ctl_request r;
	struct err e;
	u64 sect;
	int err = cmd_build(o, CTL_DETACH, &r, &e);

	if (!err)
		err = pick_volume(&r, &sect, &e);
	return err ? finish(err, &e) : ask_either(o, &r, kernel_detach);
}

/* Nothing becomes smaller by a slip. */
static int check_size(const struct opts *o, const struct ctl_request *r, u64 now_sect,
		      struct err *e)
{
	char lost[TEXT_BYTES];

	if (r->size_sect > LOCKSTEP_MAX_DATA_SECT ||
	    (r->size_sect && r->size_sect < LOCKSTEP_MIN_DATA_SECT)) {
		err_set(e, -ERANGE, "size-range", "a volume has %s to %s",
			text_sect(LOCKSTEP_MIN_DATA_SECT).s, text_sect(LOCKSTEP_MAX_DATA_SECT).s);
		err_mend(e, "lockstep resize %s --size 10G", r->resource);
		return -ERANGE;
	}
	if (!r->size_sect && r->force) {
		err_set(e, -EINVAL, "usage", "--shrink needs --size");
		err_mend(e, "lockstep resize %s --size S --shrink", r->resource);
		return -EINVAL;
	}
	if (!r->size_sect || r->size_sect >= now_sect || r->force)
		return 0;
	snprintf(lost, sizeof(lost), "%s", text_sect(now_sect - r->size_sect).s);
	err_set(e, -EINVAL, "would-shrink", "volume %u of %s has %s, and would lose its last %s",
		r->volume, r->resource, text_sect(now_sect).s, lost);
	err_means(e, "A file system on it must be made smaller first, or it is destroyed");
	err_mend(e, "if that is done: lockstep resize %s --volume %u --size %" PRIu64 " --shrink",
		 r->resource, r->volume, o->size_bytes);
	return -EINVAL;
}

int cmd_resize(const struct opts *o)
{
	struct ctl_request r;
	struct err e;
	u64 sect;
	int err = cmd_build(o, CTL_RESIZE, &r, &e);

	/* Rounded up, to whole blocks of the bitmap: what was asked for fits. */
	r.size_sect = (o->size_bytes + LOCKSTEP_BIT_BYTES - 1) / LOCKSTEP_BIT_BYTES *
		      LOCKSTEP_BIT_SECT;
	r.force = o->given & CMD_OPT_SHRINK;
	if (!err)
		err = pick_volume(&r, &sect, &e);
	if (!err)
		err = check_size(o, &r, sect, &e);
	if (!err)
		err = cmd_call(o, &r, &e);
	if (!err && r.force && r.size_sect < sect)
		fprintf(stderr, "lockstep: the last %s of volume %u were given up\n",
			text_sect(sect - r.size_sect).s, r.volume);
	return finish(err, &e);
}
