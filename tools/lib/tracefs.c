// SPDX-License-Identifier: GPL-2.0
/*
 * Nothing is read while it is being traced: reading costs time of the processors that are measured,
 * and what is read late comes in the order of time.
 */
#include "tracefs.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT		"/sys/kernel/tracing"
#define NAME		"lockstep."
#define BUFFER_KIB	16384u		/* of all processors: some 16000 writes */
#define MIN_CPU_KIB	256u
#define MAX_CPU_KIB	8192u

struct trace_source {
	char dir[256];
};

const char *tracefs_root(void)
{
	const char *env = getenv("LOCKSTEP_TRACEFS");

	return env && *env ? env : ROOT;
}

static bool is_there(const char *dir, const char *name)
{
	char path[320];

	snprintf(path, sizeof(path), "%s%s", dir, name);
	return access(path, F_OK) == 0;
}

static int not_possible(struct err *e)
{
	const char *root = tracefs_root();

	if (!is_there(root, ""))
		err_set(e, -EOPNOTSUPP, "no-tracefs",
			"this kernel cannot trace: it has no tracefs");
	else if (!is_there(root, "/instances"))
		err_set(e, -ENOENT, "no-tracefs", "tracefs is not mounted on %s", root);
	else if (!is_there(root, "/events"))
		err_set(e, -EOPNOTSUPP, "no-tracefs", "this kernel cannot trace: it has no events");
	else if (!is_there(root, "/events/lockstep/enable"))
		err_set(e, -EOPNOTSUPP, "no-events", "the kernel has no events of Lockstep: its "
			"module is not loaded, is older than this program, or was built without");
	else
		return 0;
	if (!is_there(root, "") || (is_there(root, "/instances") && !is_there(root, "/events")))
		err_mend(e, "boot a kernel with CONFIG_FTRACE, as Debian's are");
	else if (!is_there(root, "/instances"))
		err_mend(e, "mount -t tracefs tracefs %s", root);
	else
		err_mend(e, "lockstep down --all && rmmod lockstep && modprobe lockstep, with the "
			 "module that came with this program");
	return -EOPNOTSUPP;
}

static int failed(struct err *e, const char *doing, const char *path)
{
	int err = -errno;

	err_set(e, err, "trace-io", "%s %s failed: %s", doing, path, strerror(-err));
	err_mend(e, "ls -l %s; the kernel may be locked down, or another user traces", path);
	return err;
}

static int write_file(const struct trace_source *t, const char *name, const char *text,
		      struct err *e)
{
	char path[320];
	ssize_t n;
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/%s", t->dir, name);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return failed(e, "opening", path);
	do
		n = write(fd, text, strlen(text));
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)strlen(text))
		err = failed(e, "writing", path);
	close(fd);
	return err;
}

/* An instance of a process that is gone. Another's number may be in use again: then it stays. */
static void remove_stale(void)
{
	char path[256 + 320];
	struct dirent *d;
	long pid;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/instances", tracefs_root());
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		if (strncmp(d->d_name, NAME, strlen(NAME)))
			continue;
		pid = strtol(d->d_name + strlen(NAME), NULL, 10);
		if (pid <= 0 || kill((pid_t)pid, 0) == 0 || errno != ESRCH)
			continue;
		snprintf(path, sizeof(path), "%s/instances/%s", tracefs_root(), d->d_name);
		(void)rmdir(path);
	}
	if (dir)
		closedir(dir);
}

static void source_close(struct trace_source *t)
{
	if (!t)
		return;
	(void)rmdir(t->dir);
	free(t);
}

static int set_up(const struct trace_source *t, const char *resource, struct err *e)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	u32 kib = BUFFER_KIB / (u32)max(cpus, 1L);
	char text[96];
	int err;

	snprintf(text, sizeof(text), "%u", min(max(kib, MIN_CPU_KIB), MAX_CPU_KIB));
	err = write_file(t, "buffer_size_kb", text, e);
	if (err)
		return err;
	/* One for all processors, and the one of the events' own times: so lines are in order. */
	err = write_file(t, "trace_clock", "mono", e);
	if (err)
		return err;
	/* Names have no quotes. */
	snprintf(text, sizeof(text), "res == \"%s\"", resource);
	err = write_file(t, "events/lockstep/filter", text, e);
	if (err)
		return err;
	return write_file(t, "events/lockstep/enable", "1", e);
}

static int source_open(const char *resource, struct trace_source **ret, struct err *e)
{
	static unsigned int number;
	struct trace_source *t;
	int err = not_possible(e);

	if (err)
		return err;
	t = calloc(1, sizeof(*t));
	if (!t)
		return err_set(e, -ENOMEM, "no-memory", "out of memory");
	remove_stale();
	snprintf(t->dir, sizeof(t->dir), "%.128s/instances/" NAME "%d.%u", tracefs_root(),
		 getpid(), __atomic_fetch_add(&number, 1, __ATOMIC_RELAXED));
	if (mkdir(t->dir, 0700)) {
		err = failed(e, "making", t->dir);
		free(t);
		return err;
	}
	err = set_up(t, resource, e);
	if (err)
		source_close(t);
	else
		*ret = t;
	return err;
}

static int source_read(struct trace_source *t, trace_line_fn fn, void *arg, struct err *e)
{
	char path[320], *line = NULL;
	size_t cap = 0;
	ssize_t n;
	FILE *f;
	int err = write_file(t, "tracing_on", "0", e);

	if (err)
		return err;
	snprintf(path, sizeof(path), "%s/trace", t->dir);
	f = fopen(path, "re");
	if (!f)
		return failed(e, "opening", path);
	while ((n = getline(&line, &cap, f)) > 0)
		fn(arg, line, (size_t)n);
	if (ferror(f))
		err = failed(e, "reading", path);
	free(line);
	fclose(f);
	return err;
}

const struct trace_ops tracefs = {
	.open = source_open,
	.read = source_read,
	.close = source_close,
};

/* ---- reading -------------------------------------------------------------------------------- */

struct reading {
	const char *resource;
	struct trace_join *join;
	struct trace_peer *peer;
	u32 bad;
};

static void take_line(void *arg, const char *line, size_t len)
{
	struct reading *r = arg;
	struct trace_event ev;
	int ret = trace_parse(line, len, &ev);

	r->bad += ret < 0;
	if (ret != 1 || strcmp(ev.res, r->resource))
		return;
	if (r->join)
		trace_join_feed(r->join, &ev);
	else
		trace_peer_feed(r->peer, &ev);
}

int trace_read_join(const struct trace_ops *ops, struct trace_source *t, const char *resource,
		    struct trace_join *j, u32 *ret_bad, struct err *e)
{
	struct reading r = { .resource = resource, .join = j };
	int err = ops->read(t, take_line, &r, e);

	*ret_bad = r.bad;
	return err;
}

int trace_read_peer(const struct trace_ops *ops, struct trace_source *t, const char *resource,
		    struct trace_peer *p, struct err *e)
{
	struct reading r = { .resource = resource, .peer = p };

	return ops->read(t, take_line, &r, e);
}
