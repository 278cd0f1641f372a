// SPDX-License-Identifier: GPL-2.0
/*
 * init in two passes: every disk of the resource is opened, claimed and checked before the first
 * byte is written to any. What is refused changes nothing; and what is claimed stays claimed until
 * the end, so that nobody can mount between the check and the write.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "conf.h"
#include "device.h"
#include "metafile.h"
#include "nl.h"
#include "probe.h"
#include "text.h"

struct target {
	const struct conf_volume *volume;
	struct device data, meta;	/* meta.fd < 0: internal */
	struct meta_layout layout;
};

struct init {
	const struct opts *opts;
	struct conf *conf;
	int self;
	struct target target[LOCKSTEP_MAX_VOLUMES];
	u32 nr_targets;
};

static bool is_external(const struct target *t)
{
	return t->meta.fd >= 0;
}

static const struct device *meta_device(const struct target *t)
{
	return is_external(t) ? &t->meta : &t->data;
}

/* ---- checks --------------------------------------------------------------------------------- */

/* A disk the module has attached is claimed by it without a trace in /sys: ask the module. */
static void name_module_user(const char *path, struct err *e)
{
	struct stat want, st;
	struct model m;
	struct nl *nl;

	if (stat(path, &want) || nl_open(&nl, NULL))
		return;
	if (!nl_status(nl, NULL, &m, NULL)) {
		for (u32 i = 0; i < m.nr_resources; i++) {
			const struct model_resource *r = &m.resource[i];

			for (u32 j = 0; j < r->nr_volumes; j++) {
				const struct model_volume *v = &r->volume[j];

				if ((stat(v->backing, &st) || st.st_rdev != want.st_rdev) &&
				    (!*v->meta || stat(v->meta, &st) || st.st_rdev != want.st_rdev))
					continue;
				err_set(e, -EBUSY, "device-busy", "%s is in use by resource %s",
					path, r->name);
				err_means(e,
					  "A disk in use is never touched, not even with --force");
				err_mend(e, "lockstep down %s", r->name);
			}
		}
		model_free(&m);
	}
	nl_shut(nl);
}

static int claim(const char *path, struct device *ret, struct err *e)
{
	int err = device_open(path, DEVICE_CLAIM, ret, e);

	if (err == -EBUSY)
		name_module_user(path, e);
	return err;
}

/* Smallest device, data (internal) or metadata (external), that meta_layout() is content with. */
static u64 smallest_sect(u64 data_sect)
{
	u64 lo = 0, hi = LOCKSTEP_MAX_DATA_SECT;
	struct meta_layout l;

	while (lo + 1 < hi) {
		u64 mid = lo + (hi - lo) / 2;

		if (meta_layout(data_sect ? data_sect : mid, data_sect ? mid : 0, &l) == META_OK)
			hi = mid;
		else
			lo = mid;
	}
	return hi;
}

static int check_size(struct target *t, struct err *e)
{
	bool data_is_small = !is_external(t) || t->data.sect < LOCKSTEP_MIN_DATA_SECT;
	const struct device *d = data_is_small ? &t->data : &t->meta;
	const char *holds;
	u64 need;

	if (meta_layout(t->data.sect, is_external(t) ? t->meta.sect : 0, &t->layout) == META_OK)
		return 0;
	if (!is_external(t))
		need = smallest_sect(0);
	else
		need = data_is_small ? LOCKSTEP_MIN_DATA_SECT : smallest_sect(t->data.sect);
	if (d == &t->meta)
		holds = "the metadata";
	else
		holds = is_external(t) ? "a volume" : "a volume and its metadata";
	err_set(e, -ENOSPC, "device-too-small", "%s has %s, too small for %s: at least %llu KiB",
		d->path, text_sect(d->sect).s, holds, (unsigned long long)DIV_ROUND_UP(need, 2));
	err_mend(e, "name a larger one in %s", d == &t->meta ? "\"meta\"" : "\"disk\"");
	return -ENOSPC;
}

/* Metadata that is there already: whose it is decides what the person most likely meant. */
static int refuse_ours(const struct init *in, const struct target *t, const struct metafile *f,
		       struct err *e)
{
	const struct conf_node *self = &in->conf->node[in->self];
	const struct meta *m = f->picked >= 0 ? &f->copy[f->picked].meta : NULL;

	if (!m) {
		err_set(e, -EEXIST, "meta-damaged",
			"%s holds Lockstep metadata that is not to be used (%s)",
			f->path, text_meta_err(f->err));
		err_mend(e, "lockstep dump-meta --device %s; and if it may go: lockstep init %s "
			 "--force", f->path, in->conf->name);
		return -EEXIST;
	}
	err_set(e, -EEXIST, "meta-exists",
		"%s holds metadata already: of resource %s volume %u, node %s (id %u)",
		f->path, m->resource, m->volume, m->node, m->node_id);
	if (strcmp(m->resource, in->conf->name) || m->volume != t->volume->number) {
		err_means(e, "It belongs to another volume than %s volume %u", in->conf->name,
			  t->volume->number);
		err_mend(e, "correct \"disk\" or \"meta\" in %s", in->conf->path);
	} else if (m->node_id != self->id) {
		err_means(e, "It is the other node's copy: this host is %s (id %u)", self->name,
			  self->id);
		err_mend(e, "give each host its own disk, or correct who this host is: %s/node",
			 conf_dir());
	} else {
		err_means(e, "A second init would forget what the copies have in common");
		err_mend(e, "lockstep up %s    (to begin afresh: lockstep init %s --force)",
			 in->conf->name, in->conf->name);
	}
	return -EEXIST;
}

/* Both kinds of place: a disk may have been another volume's metadata device. */
static int check_ours(const struct init *in, const struct target *t, const struct device *d,
		      struct err *e)
{
	struct metafile *f = malloc(sizeof(*f));
	int err = 0;

	if (!f)
		return err_set(e, -ENOMEM, "no-memory", "out of memory");
	for (int external = 0; external < 2 && !err; external++) {
		metafile_read(d, external, 0, f);
		if (metafile_is_ours(f))
			err = refuse_ours(in, t, f, e);
	}
	free(f);
	return err;
}

static void explain_content(const struct target *t, const struct device *d, enum probe_kind kind,
			    struct err *e)
{
	if (d == &t->meta)
		err_means(e, "It would be overwritten with metadata");
	else if (kind == PROBE_TABLE)
		err_means(e,
			  "A volume is the whole device: the table would be part of what it holds");
	else if (is_external(t))
		err_means(e, "It would become the content of the volume, and a sync from the other "
			  "host may overwrite it");
	else
		err_means(e,
			  "The metadata takes the last %s of the device: a file system that is to "
			  "be kept must be shrunk to %s (%llu bytes) before, and a sync from the "
			  "other host may overwrite it",
			  text_sect(t->data.sect - t->layout.bitmap_sect).s,
			  text_sect(t->layout.data_max_sect).s,
			  (unsigned long long)t->layout.data_max_sect << LOCKSTEP_SECT_SHIFT);
}

static int check_content(const struct init *in, const struct target *t, const struct device *d,
			 struct err *e)
{
	enum probe_kind kind;
	char found[512];
	int err = probe_device(d, &kind, found, sizeof(found), e);

	if (err || kind == PROBE_EMPTY)
		return err;
	err_set(e, -EEXIST, "device-not-empty", "%s holds %s", d->path, found);
	explain_content(t, d, kind, e);
	err_mend(e, "if that is what you want: lockstep init %s --force", in->conf->name);
	return -EEXIST;
}

static int check_target(struct init *in, struct target *t, struct err *e)
{
	const char *meta = t->volume->meta[in->self];
	int err;

	err = claim(t->volume->disk[in->self], &t->data, e);
	if (!err && *meta)
		err = claim(meta, &t->meta, e);
	if (!err)
		err = check_size(t, e);
	if (err || in->opts->given & CMD_OPT_FORCE)
		return err;
	err = check_ours(in, t, &t->data, e);
	if (!err && is_external(t))
		err = check_ours(in, t, &t->meta, e);
	if (!err)
		err = check_content(in, t, &t->data, e);
	if (!err && is_external(t))
		err = check_content(in, t, &t->meta, e);
	return err;
}

/* ---- writing -------------------------------------------------------------------------------- */

static int write_target(struct init *in, const struct target *t, struct err *e)
{
	const struct conf_node *self = &in->conf->node[in->self];
	struct meta *m = malloc(sizeof(*m));
	u64 clean_id = 0;
	int err = 0;

	if (!m)
		return err_set(e, -ENOMEM, "no-memory", "out of memory");
	while (in->opts->given & CMD_OPT_CLEAN && !clean_id && !err)
		if (getrandom(&clean_id, sizeof(clean_id), 0) != sizeof(clean_id))
			err = err_set(e, -EIO, "random", "the kernel gave no random bytes");
	if (!err) {
		meta_init(m, &t->layout, t->data.sect, in->conf->name, self->name, self->id,
			  t->volume->number, is_external(t), clean_id);
		m->written_s = (u64)time(NULL);
		err = metafile_create(meta_device(t), t->layout.sb_sect, m, e);
	}
	free(m);
	return err;
}

static void print_target(const struct init *in, const struct target *t)
{
	printf("%s volume %u: %s is now %s's copy, of up to %s (metadata: %s %s)\n", in->conf->name,
	       t->volume->number, t->data.path, in->conf->node[in->self].name,
	       text_sect(t->layout.data_max_sect).s, is_external(t) ? t->meta.path : "the last",
	       is_external(t) ? "" : text_sect(t->data.sect - t->layout.bitmap_sect).s);
}

static void print_next(const struct init *in)
{
	const char *name = in->conf->name, *peer = in->conf->node[1 - in->self].name;

	printf("\nNext, when the same is done on %s:\n", peer);
	printf("  lockstep up %-20s on both hosts\n", name);
	if (in->opts->given & CMD_OPT_CLEAN)
		printf("  lockstep promote %-15s on the host that is to use it\n", name);
	else
		printf("  lockstep promote --force %-7s once, on the host whose data counts\n",
		       name);
}

static int add_target(struct init *in, const struct conf_volume *v)
{
	struct target *t = &in->target[in->nr_targets++];

	t->volume = v;
	t->data.fd = t->meta.fd = -1;
	return 0;
}

static int pick_volumes(struct init *in, struct err *e)
{
	bool one = in->opts->given & CMD_OPT_VOLUME;

	for (u32 i = 0; i < in->conf->nr_volumes; i++)
		if (!one || in->conf->volume[i].number == in->opts->volume)
			add_target(in, &in->conf->volume[i]);
	if (in->nr_targets)
		return 0;
	err_set(e, -ENOENT, "no-volume", "%s has no volume %u", in->conf->path, in->opts->volume);
	err_mend(e, "grep number %s", in->conf->path);
	return -ENOENT;
}

static int run_init(struct init *in, struct err *e)
{
	int err = pick_volumes(in, e);

	for (u32 i = 0; i < in->nr_targets && !err; i++)
		err = check_target(in, &in->target[i], e);
	for (u32 i = 0; i < in->nr_targets && !err; i++) {
		err = write_target(in, &in->target[i], e);
		if (!err)
			print_target(in, &in->target[i]);
	}
	for (u32 i = 0; i < in->nr_targets; i++) {
		device_close(&in->target[i].data);
		device_close(&in->target[i].meta);
	}
	return err;
}

int cmd_init(const struct opts *o)
{
	struct init *in = calloc(1, sizeof(*in));
	struct err e;
	int err;

	if (!in)
		err = err_set(&e, -ENOMEM, "no-memory", "out of memory");
	else
		err = conf_load_name(o->operand, &in->conf, &e);
	if (!err) {
		in->opts = o;
		in->self = conf_self(in->conf, o->node, &e);
		err = in->self < 0 ? in->self : run_init(in, &e);
	}
	if (!err)
		print_next(in);
	if (in)
		conf_free(in->conf);
	free(in);
	return err ? cmd_refuse(&e) : CMD_OK;
}
