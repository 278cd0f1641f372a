// SPDX-License-Identifier: GPL-2.0
/*
 * A kernel for the command line's tests: the linker puts these functions in the place of nl.c's and
 * of the two calls that make and remove an instance of tracefs. $FAKED_STATE names a file of lines
 * "word number", read at each look, that say what of a whole mirror r0 is otherwise; without the
 * file there is no r0. An instance's trace is a copy of $FAKED_TRACE.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/lockstep.h>

#include "nl.h"

struct nl {
	int nothing;
};

int __wrap_nl_open(struct nl **ret, struct err *e);
void __wrap_nl_shut(struct nl *nl);
int __wrap_nl_status(struct nl *nl, const char *name, struct model *ret, struct err *e);
int __wrap_nl_verify_start(struct nl *nl, const char *name, const struct nl_verify *v,
			   struct err *e);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_rmdir(const char *path);
int __real_mkdir(const char *path, mode_t mode);
int __real_rmdir(const char *path);

int __wrap_nl_outdate(struct nl *nl, const char *name, struct err *e);

static struct nl only;
static bool denied;		/* to whoever asks for a change */

int __wrap_nl_open(struct nl **ret, struct err *e)
{
	(void)e;
	*ret = &only;
	return 0;
}

void __wrap_nl_shut(struct nl *nl)
{
	(void)nl;
}

static void whole(struct model_resource *r)
{
	struct model_volume *v = model_volume(r, 0);

	r->in_kernel = true;
	r->kernel_volumes = 1;
	strcpy(r->node, "alice");
	strcpy(r->peer, "bob");
	r->role = LOCKSTEP_ROLE_PRIMARY;
	r->peer_role = LOCKSTEP_ROLE_SECONDARY;
	r->link = LOCKSTEP_LINK_UP;
	r->io_mode = LOCKSTEP_IO_BOTH;
	v->disk = v->peer_disk = LOCKSTEP_DISK_UP_TO_DATE;
	v->data_sect = 1 << 20;
	strcpy(v->backing, "/dev/vdb");
}

static void change(struct model_resource *r, const char *word, u64 number)
{
	struct model_volume *v = &r->volume[0];

	if (!strcmp(word, "role"))
		r->role = (u32)number;
	else if (!strcmp(word, "link"))
		r->link = (u32)number;
	else if (!strcmp(word, "writes"))
		v->writes = number;
	else if (!strcmp(word, "verify"))
		v->verify = (u32)number;
	else if (!strcmp(word, "disk"))
		v->disk = (u32)number;
	else if (!strcmp(word, "volumes"))
		r->kernel_volumes = (u32)number;
	else if (!strcmp(word, "denied"))
		denied = number;
	else
		abort();
	if (!r->kernel_volumes)
		r->nr_volumes = 0;
}

int __wrap_nl_status(struct nl *nl, const char *name, struct model *ret, struct err *e)
{
	FILE *f = fopen(getenv("FAKED_STATE"), "r");
	struct model_resource *r;
	unsigned long long number;
	char word[16];

	(void)e;
	if (nl != &only || (name && strcmp(name, "r0")))
		abort();
	model_init(ret);
	ret->has_module = true;
	if (!f)
		return 0;
	r = model_resource(ret, "r0");
	whole(r);
	while (fscanf(f, "%15s %llu", word, &number) == 2)
		change(r, word, number);
	fclose(f);
	return 0;
}

int __wrap_nl_verify_start(struct nl *nl, const char *name, const struct nl_verify *v,
			   struct err *e)
{
	(void)e;
	if (nl != &only || strcmp(name, "r0") || v->volume)
		abort();
	return 0;
}

/*
 * As it is refused: nobody may ask; and by the module: no such name, none of its volumes, primary,
 * connected, inconsistent.
 */
int __wrap_nl_outdate(struct nl *nl, const char *name, struct err *e)
{
	const struct model_resource *r;
	struct model m;
	int ret = 0;

	__wrap_nl_status(nl, name, &m, e);
	r = model_find(&m, name);
	if (denied)
		ret = err_set(e, -EPERM, "no-permission", "the kernel refuses to outdate its copy");
	else if (!r)
		ret = err_set(e, -ENOENT, "kernel-unknown", "r0 is not up here");
	else if (!r->nr_volumes)
		ret = err_set(e, -ENODEV, "kernel-unknown", "r0 has no volumes");
	else if (r->role == LOCKSTEP_ROLE_PRIMARY)
		ret = err_set(e, -EPERM, "kernel-refused", "r0: it is primary");
	else if (r->link == LOCKSTEP_LINK_UP)
		ret = err_set(e, -EBUSY, "kernel-busy", "r0: it is connected");
	else if (r->volume[0].disk == LOCKSTEP_DISK_INCONSISTENT)
		ret = err_set(e, -EUCLEAN, "kernel-refused", "r0: it is inconsistent");
	model_free(&m);
	return ret;
}

/* ---- tracefs */

static const char *const files[] = {
	"trace", "buffer_size_kb", "trace_clock", "tracing_on", "events/lockstep/filter",
	"events/lockstep/enable",
};

static void sub(char ret[512], const char *path, const char *name)
{
	snprintf(ret, 512, "%s/%s", path, name);
}

int __wrap_mkdir(const char *path, mode_t mode)
{
	int ret = __real_mkdir(path, mode);
	char name[512], line[512];
	FILE *in, *out;

	if (ret || !strstr(path, "/instances/"))
		return ret;
	sub(name, path, "events");
	__real_mkdir(name, mode);
	sub(name, path, "events/lockstep");
	__real_mkdir(name, mode);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		sub(name, path, files[i]);
		out = fopen(name, "w");
		in = i ? NULL : fopen(getenv("FAKED_TRACE"), "r");
		while (in && fgets(line, sizeof(line), in))
			fputs(line, out);
		if (in)
			fclose(in);
		fclose(out);
	}
	return 0;
}

int __wrap_rmdir(const char *path)
{
	char name[512];

	for (size_t i = 0; strstr(path, "/instances/") && i < ARRAY_SIZE(files); i++) {
		sub(name, path, files[i]);
		unlink(name);
	}
	sub(name, path, "events/lockstep");
	__real_rmdir(name);
	sub(name, path, "events");
	__real_rmdir(name);
	return __real_rmdir(path);
}
