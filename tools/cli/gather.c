// SPDX-License-Identifier: GPL-2.0
#include "gather.h"

#include <stdio.h>
#include <stdlib.h>

#include "conf.h"
#include "ctl.h"
#include "nl.h"
#include "whole.h"

#define STATUS_TIMEOUT_MS	3000

static int ask_nl(void *nl, const char *name, struct model *ret, struct err *e)
{
	return nl_status(nl, name, ret, e);
}

/* A module that is not loaded is a fact and no failure. */
static int ask_kernel(const char *name, bool whole, struct model *ret, struct err *e)
{
	struct nl *nl;
	int err;

	model_init(ret);
	err = nl_open(&nl, e);
	if (err)
		return err == -ENOPKG ? 0 : err;
	if (whole)
		err = whole_status(ask_nl, nl, name, WHOLE_WAIT_MS, ret, e);
	else
		err = nl_status(nl, name, ret, e);
	nl_shut(nl);
	return err;
}

/*
 * A daemon that is dead or does not answer is a fact, too: the kernel's half is shown without it.
 */
static int ask_daemon(const char *name, const char *socket, struct model *m, struct err *e)
{
	struct ctl_request r = { .command = CTL_STATUS };
	struct ctl_reply reply = { 0 };
	int err;

	if (name)
		snprintf(r.resource, sizeof(r.resource), "%s", name);
	err = ctl_call(socket, &r, STATUS_TIMEOUT_MS, &reply, e);
	if (err == -EREMOTEIO)
		m->has_daemon = true;
	if (err)
		return 0;
	err = ctl_merge(m, &reply, e);
	ctl_reply_free(&reply);
	return err;
}

/* What has a file and is nowhere else is down, and worth a line. */
static int add_files(const char *name, struct model *m, struct err *e)
{
	char (*names)[LOCKSTEP_NAME_BYTES];
	struct model_resource *r;
	size_t nr;
	int err = 0;

	if (conf_names(&names, &nr, NULL))
		return 0;
	for (size_t i = 0; i < nr && !err; i++) {
		if (name && strcmp(name, names[i]))
			continue;
		r = model_resource(m, names[i]);
		if (!r)
			err = err_set(e, -ENOMEM, "no-memory", "out of memory");
		else if (!r->has_daemon)
			snprintf(r->daemon.config, sizeof(r->daemon.config), "%.200s/%s.conf",
				 conf_dir(), names[i]);
	}
	free(names);
	return err;
}

static int not_there(const char *name, struct err *e)
{
	err_set(e, -ENOENT, "no-resource",
		"there is no resource %s: neither in the kernel nor in %s", name, conf_dir());
	err_mend(e, "lockstep status    (lists what there is)");
	return -ENOENT;
}

static int gather_both(const char *name, bool whole, const char *socket, struct model *ret,
		       struct err *e)
{
	int err = ask_kernel(name, whole, ret, e);

	if (err)
		return err;
	err = ask_daemon(name, socket, ret, e);
	if (!err)
		err = add_files(name, ret, e);
	if (!err && name && !model_find(ret, name))
		err = not_there(name, e);
	if (err)
		model_free(ret);
	return err;
}

int gather(const char *name, const char *socket, struct model *ret, struct err *e)
{
	return gather_both(name, false, socket, ret, e);
}

int gather_whole(const char *name, const char *socket, struct model *ret, struct err *e)
{
	return gather_both(name, true, socket, ret, e);
}

int gather_kernel(const char *name, bool whole, struct model *ret, struct err *e)
{
	int err = ask_kernel(name, whole, ret, e);
	const struct model_resource *r;

	if (err)
		return err;
	r = model_find(ret, name);
	if (r && r->in_kernel)
		return 0;
	err_set(e, -ENOENT, "not-up", "resource %s is not up here%s", name,
		ret->has_module ? "" : ": the kernel module is not loaded");
	err_mend(e, "lockstep up %s", name);
	model_free(ret);
	return -ENOENT;
}
