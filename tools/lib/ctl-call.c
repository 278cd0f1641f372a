// SPDX-License-Identifier: GPL-2.0
/*
 * The command line's side of the control socket. One deadline covers connecting, sending and
 * receiving, so that a daemon which hangs costs the person a known time and not a terminal (P10).
 */
#include "ctl.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define FIRST_BUFFER_BYTES	4096u

struct call {
	int fd;
	u64 deadline_ms;
	const char *path;
	struct err *e;
};

static u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

static int call_failed(struct call *c, int err, const char *doing)
{
	int ret = err_set(c->e, err, "ctl-io", "%s lockstepd (%s) failed: %s", doing, c->path,
			  strerror(-err));

	err_mend(c->e, "journalctl -u lockstepd -n 20");
	return ret;
}

static int wait_ready(struct call *c, short events)
{
	struct pollfd p = { .fd = c->fd, .events = events };
	u64 now = now_ms();
	int n;

	n = now < c->deadline_ms ? poll(&p, 1, (int)(c->deadline_ms - now)) : 0;
	if (n > 0)
		return 0;
	if (n < 0)
		return errno == EINTR ? 0 : call_failed(c, -errno, "waiting for");
	err_set(c->e, -ETIMEDOUT, "ctl-timeout", "lockstepd (%s) did not answer in time", c->path);
	err_means(c->e, "It may still carry the command out");
	err_mend(c->e, "lockstep status");
	return -ETIMEDOUT;
}

static int call_connect(struct call *c)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (strlen(c->path) >= sizeof(a.sun_path)) {
		err_set(c->e, -ENAMETOOLONG, "ctl-path",
			"the socket's path \"%.200s\" is longer than %zu bytes", c->path,
			sizeof(a.sun_path) - 1);
		err_mend(c->e, "give the path that lockstepd has: --socket " CTL_SOCKET);
		return -ENAMETOOLONG;
	}
	strcpy(a.sun_path, c->path);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		return call_failed(c, -errno, "opening a socket to");
	while (connect(c->fd, (struct sockaddr *)&a, sizeof(a))) {
		struct timespec pause = { .tv_nsec = 20000000 };

		if (errno == ENOENT || errno == ECONNREFUSED) {
			err_set(c->e, -ECONNREFUSED, "no-daemon",
				"lockstepd does not run: nobody listens on %s", c->path);
			err_mend(c->e, "systemctl start lockstepd");
			return -ECONNREFUSED;
		}
		/* Its backlog is full: the only case in which a unix socket says "later". */
		if (errno != EAGAIN || now_ms() >= c->deadline_ms)
			return call_failed(c, -errno, "connecting to");
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int call_send(struct call *c, const char *line, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = send(c->fd, line + done, len - done, MSG_NOSIGNAL);

		if (n > 0) {
			done += (size_t)n;
		} else if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			int err = wait_ready(c, POLLOUT);

			if (err)
				return err;
		} else {
			return call_failed(c, n ? -errno : -EPIPE, "writing to");
		}
	}
	return 0;
}

/* One line, or all there is until the daemon closes. */
static int call_receive(struct call *c, char **ret, size_t *ret_len)
{
	size_t cap = 0, len = 0;
	char *buf = NULL, *more;
	int err = 0;

	for (;;) {
		ssize_t n;

		if (len == cap) {
			cap = cap ? cap * 2 : FIRST_BUFFER_BYTES;
			more = cap > CTL_REPLY_BYTES ? NULL : realloc(buf, cap);
			if (!more) {
				err = call_failed(c, -EMSGSIZE, "reading from");
				break;
			}
			buf = more;
		}
		n = recv(c->fd, buf + len, cap - len, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			err = wait_ready(c, POLLIN);
			if (err)
				break;
			continue;
		}
		if (n < 0)
			err = call_failed(c, -errno, "reading from");
		if (n <= 0)
			break;
		len += (size_t)n;
		if (buf[len - 1] == '\n')
			break;
	}
	if (!err && (!len || buf[len - 1] != '\n'))
		err = call_failed(c, -ECONNRESET, "reading from");
	if (err) {
		free(buf);
		return err;
	}
	*ret = buf;
	*ret_len = len;
	return 0;
}

int ctl_call(const char *path, const struct ctl_request *r, unsigned int timeout_ms,
	     struct ctl_reply *ret, struct err *e)
{
	struct call c = { .fd = -1, .deadline_ms = now_ms() + timeout_ms, .path = path, .e = e };
	char *line = ctl_format_request(r), *reply = NULL;
	size_t len = 0;
	int err;

	if (!line)
		return err_set(e, -ENOMEM, "no-memory", "out of memory");
	err = call_connect(&c);
	if (!err)
		err = call_send(&c, line, strlen(line));
	if (!err)
		err = call_receive(&c, &reply, &len);
	if (!err)
		err = ctl_parse_reply(reply, len, ret, e);
	if (c.fd >= 0)
		close(c.fd);
	free(reply);
	free(line);
	return err;
}

/* ---- streams -------------------------------------------------------------------------------- */

int ctl_stream_open(struct ctl_stream *s, const char *path, const struct ctl_request *r,
		    unsigned int timeout_ms, struct err *e)
{
	struct call c = { .fd = -1, .deadline_ms = now_ms() + timeout_ms, .path = path, .e = e };
	char *line = ctl_format_request(r);
	int err;

	memset(s, 0, sizeof(*s));
	s->path = path;
	if (!line)
		return err_set(e, -ENOMEM, "no-memory", "out of memory");
	err = call_connect(&c);
	if (!err)
		err = call_send(&c, line, strlen(line));
	free(line);
	s->fd = c.fd;
	if (err)
		ctl_stream_close(s);
	return err;
}

void ctl_stream_close(struct ctl_stream *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	free(s->buf);
	s->buf = NULL;
}

/* CTL_LINE: there is something to read; CTL_STOP; or an error. */
static int stream_wait(struct call *c, int timeout_ms, int stop_fd)
{
	struct pollfd p[2] = {
		{ .fd = c->fd, .events = POLLIN },
		{ .fd = stop_fd },	/* POLLERR comes unasked */
	};
	int n;

	do
		n = poll(p, 2, timeout_ms);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return call_failed(c, -errno, "waiting for");
	if (n == 0) {
		err_set(c->e, -ETIMEDOUT, "ctl-timeout", "lockstepd (%s) did not answer in time",
			c->path);
		err_mend(c->e, "lockstep status");
		return -ETIMEDOUT;
	}
	return p[1].revents & (POLLERR | POLLNVAL) ? CTL_STOP : CTL_LINE;
}

static int stream_grow(struct ctl_stream *s, size_t max_bytes)
{
	size_t cap = s->cap ? s->cap * 2 : FIRST_BUFFER_BYTES;
	char *more;

	if (s->len < s->cap)
		return 0;
	more = s->len < max_bytes ? realloc(s->buf, cap) : NULL;
	if (!more)
		return -EMSGSIZE;
	s->buf = more;
	s->cap = cap;
	return 0;
}

int ctl_stream_next(struct ctl_stream *s, size_t max_bytes, int timeout_ms, int stop_fd,
		    const char **ret, size_t *ret_len, struct err *e)
{
	struct call c = { .fd = s->fd, .path = s->path, .e = e };
	size_t looked = 0;
	char *end;
	ssize_t n;
	int r;

	if (s->used) {
		memmove(s->buf, s->buf + s->used, s->len - s->used);
		s->len -= s->used;
		s->used = 0;
	}
	for (;;) {
		end = s->len > looked ? memchr(s->buf + looked, '\n', s->len - looked) : NULL;
		if (end) {
			*ret = s->buf;
			*ret_len = s->used = (size_t)(end - s->buf) + 1;
			return CTL_LINE;
		}
		looked = s->len;
		if (stream_grow(s, max_bytes) < 0)
			return call_failed(&c, -EMSGSIZE, "reading from");
		r = stream_wait(&c, timeout_ms, stop_fd);
		if (r != CTL_LINE)
			return r;
		n = recv(s->fd, s->buf + s->len, s->cap - s->len, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return CTL_CLOSED;
		if (n < 0)
			return call_failed(&c, -errno, "reading from");
		s->len += (size_t)n;
	}
}
