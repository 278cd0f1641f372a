// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>

#include "cmd.h"
#include "conf.h"
#include "device.h"
#include "print.h"

struct dump {
	struct metafile *file;
	u32 nr;
	char (*path)[CONF_PATH_BYTES];
};

/* By path alone nobody says where the metadata is: try its end first, then its beginning. */
static int dump_device(const char *path, struct metafile *ret, struct err *e)
{
	struct device d;
	int err = device_open(path, DEVICE_READ, &d, e);
	struct metafile *external;

	if (err)
		return err;
	metafile_read(&d, false, 0, ret);
	if (!metafile_is_ours(ret)) {
		external = malloc(sizeof(*external));
		if (external) {
			metafile_read(&d, true, 0, external);
			if (metafile_is_ours(external))
				*ret = *external;
		}
		free(external);
	}
	device_close(&d);
	return 0;
}

static int dump_volume(const struct conf_volume *v, int self, struct metafile *ret, struct err *e)
{
	bool external = v->meta[self][0];
	struct device data, meta;
	u64 data_sect = 0;
	int err;

	/*
	 * The data device is asked for its size alone; without it the metadata can still be shown.
	 */
	if (external && !device_open(v->disk[self], DEVICE_READ, &data, NULL)) {
		data_sect = data.sect;
		device_close(&data);
	}
	err = device_open(external ? v->meta[self] : v->disk[self], DEVICE_READ, &meta, e);
	if (err)
		return err;
	metafile_read(&meta, external, data_sect, ret);
	device_close(&meta);
	return 0;
}

static int dump_name(const struct opts *o, const struct conf *c, struct dump *d, struct err *e)
{
	int self = conf_self(c, o->node, e), err = self < 0 ? self : 0;

	for (u32 i = 0; i < c->nr_volumes && !err; i++) {
		if (o->given & CMD_OPT_VOLUME && c->volume[i].number != o->volume)
			continue;
		err = dump_volume(&c->volume[i], self, &d->file[d->nr], e);
		if (!err) {
			/* The paths outlive the configuration. */
			snprintf(d->path[d->nr], CONF_PATH_BYTES, "%s", d->file[d->nr].path);
			d->file[d->nr].path = d->path[d->nr];
			d->nr++;
		}
	}
	if (err || d->nr)
		return err;
	err_set(e, -ENOENT, "no-volume", "%s has no volume %u", c->path, o->volume);
	err_mend(e, "grep number %s", c->path);
	return -ENOENT;
}

/* After everything was printed: was any of it unusable? */
static int verdict(const struct dump *d, struct err *e)
{
	for (u32 i = 0; i < d->nr; i++) {
		if (d->file[i].picked >= 0)
			continue;
		err_set(e, -ENOENT, "no-meta", "%s holds no usable Lockstep metadata",
			d->file[i].path);
		err_mend(e, "lockstep init NAME    (if it was never initialised)");
		return -ENOENT;
	}
	return 0;
}

static int fill(const struct opts *o, struct dump *d, struct err *e)
{
	struct conf *c = NULL;
	u32 cap = 1;
	int err = 0;

	if (o->operand)
		err = conf_load_name(o->operand, &c, e);
	if (err)
		return err;
	if (c)
		cap = c->nr_volumes;
	d->file = calloc(cap, sizeof(*d->file));
	d->path = calloc(cap, sizeof(*d->path));
	if (!d->file || !d->path) {
		err = err_set(e, -ENOMEM, "no-memory", "out of memory");
	} else if (c) {
		err = dump_name(o, c, d, e);
	} else {
		err = dump_device(o->device, &d->file[0], e);
		d->nr = !err;
	}
	conf_free(c);
	return err;
}

int cmd_dump_meta(const struct opts *o)
{
	const struct print_ops *print = o->given & CMD_OPT_JSON ? &print_json : &print_text;
	struct dump d = { 0 };
	struct err e;
	int err = fill(o, &d, &e);

	if (d.nr)
		print->meta(stdout, d.file, d.nr);
	if (!err)
		err = verdict(&d, &e);
	free(d.file);
	free(d.path);
	return err ? cmd_refuse(&e) : CMD_OK;
}
