// SPDX-License-Identifier: GPL-2.0
/* check-meta: offline, without module and daemon. What is checked: metacheck.c. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd.h"
#include "conf.h"
#include "device.h"
#include "print.h"

#define STATE_DIR	"/var/lib/lockstep"	/* lockstepd(8) */

struct check {
	struct metacheck *list;
	u32 nr;
	char (*path)[CONF_PATH_BYTES];		/* list[].file.path points here */
};

static int check_pair(struct check *c, const char *data, const char *meta, u64 old_sect,
		      struct err *e)
{
	struct metacheck *one = &c->list[c->nr];
	struct device d, m;
	u64 data_sect = 0;
	int err;

	if (meta && *meta && !device_open(data, DEVICE_READ, &d, NULL)) {
		data_sect = d.sect;
		device_close(&d);
	}
	err = device_open(meta && *meta ? meta : data, DEVICE_READ, &m, e);
	if (err)
		return err;
	metacheck_run(&m, meta && *meta, data_sect, old_sect, one);
	device_close(&m);
	snprintf(c->path[c->nr], CONF_PATH_BYTES, "%s", m.path);
	one->file.path = c->path[c->nr++];
	return 0;
}

/* By path alone nobody says where the metadata is: at its end first, then at its beginning. */
static int check_device(struct check *c, const char *path, struct err *e)
{
	struct device d;
	int err = check_pair(c, path, NULL, 0, e);

	if (err || metafile_is_ours(&c->list[0].file))
		return err;
	err = device_open(path, DEVICE_READ, &d, e);
	if (err)
		return err;
	metacheck_run(&d, true, 0, 0, &c->list[0]);
	device_close(&d);
	c->list[0].file.path = c->path[0];
	return 0;
}

/* What the daemon noted when the disk was last attached; 0: nothing. */
static u64 old_size(const char *name, u32 volume)
{
	char path[128];
	u64 sect = 0;
	FILE *f;

	snprintf(path, sizeof(path), STATE_DIR "/%s-%u.size", name, volume);
	f = fopen(path, "re");
	if (f && fscanf(f, "%" SCNu64, &sect) != 1)
		sect = 0;
	if (f)
		fclose(f);
	return sect;
}

static int check_name(struct check *c, const struct opts *o, const struct conf *conf,
		      struct err *e)
{
	int self = conf_self(conf, o->node, e), err = self < 0 ? self : 0;

	for (u32 i = 0; i < conf->nr_volumes && !err; i++) {
		const struct conf_volume *v = &conf->volume[i];

		if (o->given & CMD_OPT_VOLUME && v->number != o->volume)
			continue;
		err = check_pair(c, v->disk[self], v->meta[self], old_size(conf->name, v->number),
				 e);
	}
	if (err || c->nr)
		return err;
	err_set(e, -ENOENT, "no-volume", "%s has no volume %u", conf->path, o->volume);
	err_mend(e, "grep number %s", conf->path);
	return -ENOENT;
}

static int run(struct check *c, const struct opts *o, struct err *e)
{
	struct conf *conf = NULL;
	u32 cap = 1;
	int err = o->operand ? conf_load_name(o->operand, &conf, e) : 0;

	if (err)
		return err;
	if (conf)
		cap = conf->nr_volumes;
	c->list = calloc(cap, sizeof(*c->list));
	c->path = calloc(cap, sizeof(*c->path));
	if (!c->list || !c->path)
		err = err_set(e, -ENOMEM, "no-memory", "out of memory");
	else if (conf)
		err = check_name(c, o, conf, e);
	else if (o->given & CMD_OPT_META)
		err = check_pair(c, o->device, o->meta, 0, e);
	else
		err = check_device(c, o->device, e);
	conf_free(conf);
	return err;
}

static int verdict(const struct check *c, struct err *e)
{
	u32 bad = 0;

	for (u32 i = 0; i < c->nr; i++)
		bad += c->list[i].nr_errors != 0;
	if (!bad)
		return 0;
	err_set(e, -EUCLEAN, "bad-meta", "the metadata of %u of %u volumes is not in order", bad,
		c->nr);
	err_mend(e, "lockstep dump-meta shows it; if the other host's copy is good: lockstep init "
		 "NAME --volume N --force");
	return -EUCLEAN;
}

int cmd_check_meta(const struct opts *o)
{
	const struct print_ops *print = o->given & CMD_OPT_JSON ? &print_json : &print_text;
	struct check c = { 0 };
	struct err e;
	int err = 0;

	if (o->operand && o->given & CMD_OPT_META) {
		err = err_set(&e, -EINVAL, "usage", "--meta goes with --device only");
		err_mend(&e, "lockstep help check-meta");
	}
	if (!err)
		err = run(&c, o, &e);
	if (c.nr)
		print->check(stdout, c.list, c.nr);
	if (!err)
		err = verdict(&c, &e);
	free(c.list);
	free(c.path);
	return err ? cmd_refuse(&e) : CMD_OK;
}
