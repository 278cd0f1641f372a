// SPDX-License-Identifier: GPL-2.0
/*
 * A client that goes away while its request runs does not stop it: the request is then answered
 * to nobody. So a client lives until both its connection and its request are over. One that asked
 * for events is none any more: its socket is handed on.
 */
#include "server.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl.h"
#include "log.h"
#include "loop.h"

#define MAX_CLIENTS	32
#define TALK_MS		10000	/* to send the request, and to take the reply */

struct client {
	struct client *next;
	struct server *s;		/* NULL: it is gone */
	int fd;				/* -1: the client is gone */
	sd_event_source *io, *timer;
	bool pending;			/* a request runs */
	char *in;			/* CTL_REQUEST_BYTES */
	size_t in_len;
	char *out;
	size_t out_len, out_at;
};

struct server {
	sd_event *event;
	struct manager *m;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int fd;
	sd_event_source *io;
	struct client *clients;
	u32 nr_clients;
};

static int on_client(sd_event_source *s, int fd, uint32_t events, void *arg);

static void unlink_client(struct client *c)
{
	struct client **p;

	if (!c->s)
		return;
	for (p = &c->s->clients; *p != c; p = &(*p)->next)
		;
	*p = c->next;
	c->s->nr_clients--;
}

static void hang_up(struct client *c)
{
	loop_drop(&c->io);
	loop_drop(&c->timer);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	if (c->pending)
		return;
	unlink_client(c);
	free(c->in);
	free(c->out);
	free(c);
}

static int on_late(sd_event_source *s, uint64_t now, void *arg)
{
	(void)s;
	(void)now;
	hang_up(arg);
	return 0;
}

static void write_reply(struct client *c)
{
	ssize_t n;

	while (c->out_at < c->out_len) {
		n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at,
			 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		c->out_at += (size_t)n;
	}
	hang_up(c);
}

/* `line` is ours; NULL: no memory, and the client learns it by the closed connection. */
static void answer(struct client *c, char *line)
{
	c->pending = false;
	if (!line || c->fd < 0) {
		free(line);
		hang_up(c);
		return;
	}
	c->out = line;
	c->out_len = strlen(line);
	(void)sd_event_source_set_io_events(c->io, EPOLLOUT);
	(void)sd_event_source_set_enabled(c->io, SD_EVENT_ON);
	loop_timer(c->s->event, &c->timer, TALK_MS, on_late, c);
}

static void on_reply(void *arg, const struct err *e, const char *text)
{
	struct client *c = arg;

	answer(c, e ? ctl_reply_err(e) : ctl_reply_ok(text));
}

static void on_traced(void *arg, const struct err *e, const struct trace_item *item, u32 nr)
{
	struct client *c = arg;

	answer(c, e ? ctl_reply_err(e) : ctl_reply_trace(item, nr));
}

static void answer_status(struct client *c, const char *name)
{
	struct model_daemon *facts;
	struct err e;
	size_t nr;

	if (manager_facts(c->s->m, name, &facts, &nr, &e) < 0) {
		answer(c, ctl_reply_err(&e));
		return;
	}
	answer(c, ctl_reply_status(facts, nr));
	free(facts);
}

/* The socket becomes a reader's; on a refusal the client is answered as any other. */
static void begin_stream(struct client *c, const char *name)
{
	struct err e = { .code = "" };

	/* A descriptor has one event source at a time. */
	loop_drop(&c->io);
	if (manager_listen(c->s->m, c->fd, name, &e) == 0) {
		c->fd = -1;
		c->pending = false;
		hang_up(c);
		return;
	}
	if (sd_event_add_io(c->s->event, &c->io, c->fd, EPOLLOUT, on_client, c) < 0) {
		c->pending = false;
		hang_up(c);
		return;
	}
	answer(c, ctl_reply_err(&e));
}

static void take_request(struct client *c, size_t len)
{
	struct ctl_request q;
	struct err e = { .code = "" };

	c->pending = true;
	loop_timer_off(c->timer);	/* the request has its own deadlines */
	(void)sd_event_source_set_enabled(c->io, SD_EVENT_OFF);
	if (ctl_parse_request(c->in, len, &q, &e) < 0)
		answer(c, ctl_reply_err(&e));
	else if (q.command == CTL_STATUS)
		answer_status(c, q.resource);
	else if (q.command == CTL_EVENTS)
		begin_stream(c, q.resource);
	else if (q.command == CTL_TRACE)
		manager_trace(c->s->m, &q, on_traced, c);
	else
		manager_request(c->s->m, &q, on_reply, c);
}

static void read_request(struct client *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_len, CTL_REQUEST_BYTES - c->in_len, MSG_DONTWAIT);
	char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		hang_up(c);
		return;
	}
	end = memchr(c->in + c->in_len, '\n', (size_t)n);
	c->in_len += (size_t)n;
	if (end)
		take_request(c, (size_t)(end - c->in) + 1);
	else if (c->in_len == CTL_REQUEST_BYTES)
		take_request(c, c->in_len);	/* too long a line: the parser says so */
}

static int on_client(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	struct client *c = arg;

	(void)s;
	(void)fd;
	if (c->out)
		write_reply(c);
	else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		read_request(c);
	return 0;
}

static int on_accept(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct server *s = arg;
	struct client *c;
	int new;

	(void)source;
	(void)events;
	new = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (new < 0)
		return 0;
	c = s->nr_clients < MAX_CLIENTS ? calloc(1, sizeof(*c)) : NULL;
	if (c)
		c->in = malloc(CTL_REQUEST_BYTES);
	if (!c || !c->in) {
		log_warn("too many commands at once, one was turned away");
		free(c);
		close(new);
		return 0;
	}
	c->s = s;
	c->fd = new;
	c->next = s->clients;
	s->clients = c;
	s->nr_clients++;
	loop_timer(s->event, &c->timer, TALK_MS, on_late, c);
	if (sd_event_add_io(s->event, &c->io, new, EPOLLIN, on_client, c) < 0)
		hang_up(c);
	return 0;
}

/* A socket somebody listens on is another daemon's; one nobody does is the rest of a dead one. */
static int make_socket(const char *path, struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	mode_t old;
	int fd, r;

	if (strlen(path) >= sizeof(a.sun_path)) {
		err_set(e, -ENAMETOOLONG, "socket", "the path %.200s is too long: a socket's has "
			"%zu bytes at most", path, sizeof(a.sun_path) - 1);
		err_mend(e, "lockstepd --socket " CTL_SOCKET);
		return -ENAMETOOLONG;
	}
	strcpy(a.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(e, -errno, "socket", "cannot make a socket: %s", strerror(errno));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0) {
		close(fd);
		err_set(e, -EADDRINUSE, "running", "another lockstepd runs already (%s)", path);
		err_mend(e, "systemctl status lockstepd");
		return -EADDRINUSE;
	}
	(void)unlink(path);
	old = umask(0177);
	r = bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 16) < 0 ? -errno : 0;
	umask(old);
	if (r < 0) {
		close(fd);
		err_set(e, r, "socket", "cannot listen on %s: %s", path, strerror(-r));
		err_mend(e, "ls -ld %s", path);
		return r;
	}
	return fd;
}

int server_create(sd_event *event, struct manager *m, const char *path, struct server **ret,
		  struct err *e)
{
	struct server *s = calloc(1, sizeof(*s));
	int fd;

	if (!s)
		return err_set(e, -ENOMEM, "no-memory", "no memory");
	fd = make_socket(path, e);
	if (fd < 0) {
		free(s);
		return fd;
	}
	s->fd = fd;
	s->m = m;
	s->event = event;
	snprintf(s->path, sizeof(s->path), "%s", path);
	if (sd_event_add_io(event, &s->io, fd, EPOLLIN, on_accept, s) < 0) {
		server_destroy(s);
		return err_set(e, -ENOMEM, "no-memory", "no memory");
	}
	*ret = s;
	return 0;
}

void server_destroy(struct server *s)
{
	struct client *c, *next;

	if (!s)
		return;
	for (c = s->clients; c; c = next) {
		next = c->next;
		hang_up(c);
	}
	/* Those with a request are freed by its reply, or end with the process. */
	for (c = s->clients; c; c = c->next)
		c->s = NULL;
	loop_drop(&s->io);
	close(s->fd);
	(void)unlink(s->path);
	free(s);
}
