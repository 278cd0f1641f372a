// SPDX-License-Identifier: GPL-2.0
#include "dial.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "conf.h"
#include "loop.h"

#define MAX_ADDRS	8

struct look_up {
	struct job job;
	struct dial *owner;		/* NULL: nobody waits any more */
	char address[CONF_ADDRESS_BYTES];
	u16 port;
	struct dial_addr addr[MAX_ADDRS];
	int nr;
	struct err e;
};

struct dial {
	sd_event *event;
	dial_done_fn done;
	void *arg;
	struct look_up *look_up;
	struct dial_addr addr[MAX_ADDRS];
	u32 nr, at;
	int fd;
	sd_event_source *io, *timer, *kick;
	struct err e;			/* of the last try */
};

void dial_addr_text(const struct dial_addr *a, char *ret, size_t size)
{
	char host[INET6_ADDRSTRLEN + 32], port[8];

	if (getnameinfo((const struct sockaddr *)&a->ss, a->len, host, sizeof(host), port,
			sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		snprintf(ret, size, "an unknown address");
	else
		snprintf(ret, size, "%s port %s", host, port);
}

void dial_set_options(int fd)
{
	int on = 1, idle = 10, interval = 5, count = 3;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

int dial_look_up(const char *address, u16 port, bool numeric, bool passive,
		 struct dial_addr *ret, u32 max, struct err *e)
{
	struct addrinfo hint = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV | (numeric ? AI_NUMERICHOST : 0) |
			    (passive ? AI_PASSIVE : 0),
	};
	struct addrinfo *list;
	char service[8];
	u32 n = 0;
	int r;

	snprintf(service, sizeof(service), "%u", port);
	r = getaddrinfo(address, service, &hint, &list);
	if (r != 0)
		return err_set(e, -EADDRNOTAVAIL, "address", "the address %s is not known: %s",
			       address, gai_strerror(r));
	for (const struct addrinfo *ai = list; ai && n < max; ai = ai->ai_next) {
		if (ai->ai_addrlen > sizeof(ret[n].ss))
			continue;
		memset(&ret[n], 0, sizeof(ret[n]));
		memcpy(&ret[n].ss, ai->ai_addr, ai->ai_addrlen);
		ret[n++].len = ai->ai_addrlen;
	}
	freeaddrinfo(list);
	return (int)n;
}

static void close_try(struct dial *d)
{
	loop_drop(&d->io);
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

void dial_cancel(struct dial *d)
{
	if (!d)
		return;
	if (d->look_up)
		d->look_up->owner = NULL;
	close_try(d);
	loop_drop(&d->timer);
	loop_drop(&d->kick);
	free(d);
}

static void finish(struct dial *d, int fd, const struct dial_addr *to)
{
	dial_done_fn done = d->done;
	struct dial_addr a = { .len = 0 };
	struct err e = d->e;
	void *arg = d->arg;

	if (to)
		a = *to;
	dial_cancel(d);
	done(arg, fd, to ? &a : NULL, fd < 0 ? &e : NULL);
}

static void fail_try(struct dial *d, int error)
{
	char text[128];

	dial_addr_text(&d->addr[d->at], text, sizeof(text));
	err_set(&d->e, -error, "unreachable", "cannot connect to %s: %s", text, strerror(error));
	close_try(d);
	d->at++;
}

static int on_connected(sd_event_source *s, int fd, uint32_t events, void *arg);

/* Begin with the next address that lets us; finish if there is none. */
static void try_next(struct dial *d)
{
	while (d->at < d->nr) {
		const struct dial_addr *a = &d->addr[d->at];

		d->fd = socket(a->ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (d->fd < 0) {
			fail_try(d, errno);
			continue;
		}
		dial_set_options(d->fd);
		if (connect(d->fd, (const struct sockaddr *)&a->ss, a->len) < 0 &&
		    errno != EINPROGRESS) {
			fail_try(d, errno);
			continue;
		}
		if (sd_event_add_io(d->event, &d->io, d->fd, EPOLLOUT, on_connected, d) < 0) {
			fail_try(d, ENOMEM);
			continue;
		}
		return;
	}
	finish(d, -1, NULL);
}

static int on_connected(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	struct dial *d = arg;
	socklen_t len = sizeof(int);
	int error = 0;

	(void)s;
	(void)events;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error) {
		fail_try(d, error);
		try_next(d);
		return 0;
	}
	loop_drop(&d->io);
	d->fd = -1;
	finish(d, fd, &d->addr[d->at]);
	return 0;
}

static int on_late(sd_event_source *s, uint64_t now, void *arg)
{
	struct dial *d = arg;

	(void)s;
	(void)now;
	if (d->look_up) {
		err_set(&d->e, -ETIMEDOUT, "address", "no name server answers for %s",
			d->look_up->address);
	} else if (d->at < d->nr) {
		fail_try(d, ETIMEDOUT);
	}
	finish(d, -1, NULL);
	return 0;
}

static int on_kick(sd_event_source *s, void *arg)
{
	(void)s;
	try_next(arg);
	return 0;
}

static struct dial *make(sd_event *event, u32 deadline_ms, dial_done_fn done, void *arg)
{
	struct dial *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->event = event;
	d->done = done;
	d->arg = arg;
	d->fd = -1;
	loop_timer(event, &d->timer, deadline_ms, on_late, d);
	return d;
}

static void look_up_work(struct job *j)
{
	struct look_up *l = (struct look_up *)j;

	l->nr = dial_look_up(l->address, l->port, false, false, l->addr, MAX_ADDRS, &l->e);
}

static void look_up_done(struct job *j)
{
	struct look_up *l = (struct look_up *)j;
	struct dial *d = l->owner;

	if (d) {
		d->look_up = NULL;
		d->e = l->e;
		if (l->nr > 0) {
			d->nr = (u32)l->nr;
			memcpy(d->addr, l->addr, sizeof(d->addr));
		}
	}
	free(l);
	if (d)
		try_next(d);
}

struct dial *dial_addr(sd_event *event, const struct dial_addr *to, u32 deadline_ms,
		       dial_done_fn done, void *arg)
{
	struct dial *d = make(event, deadline_ms, done, arg);

	if (!d)
		return NULL;
	d->addr[0] = *to;
	d->nr = 1;
	loop_defer(event, &d->kick, on_kick, d);
	return d;
}

struct dial *dial_name(sd_event *event, struct jobs *jobs, const char *address, u16 port,
		       u32 deadline_ms, dial_done_fn done, void *arg)
{
	struct dial *d = make(event, deadline_ms, done, arg);
	int n;

	if (!d)
		return NULL;
	n = dial_look_up(address, port, true, false, d->addr, MAX_ADDRS, NULL);
	if (n > 0) {
		d->nr = (u32)n;
		loop_defer(event, &d->kick, on_kick, d);
		return d;
	}
	d->look_up = calloc(1, sizeof(*d->look_up));
	if (!d->look_up) {
		dial_cancel(d);
		return NULL;
	}
	d->look_up->job.work = look_up_work;
	d->look_up->job.done = look_up_done;
	d->look_up->owner = d;
	snprintf(d->look_up->address, sizeof(d->look_up->address), "%s", address);
	d->look_up->port = port;
	job_start(jobs, &d->look_up->job);
	return d;
}
