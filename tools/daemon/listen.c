// SPDX-License-Identifier: GPL-2.0
/*
 * A join can overtake the control message that announces its session, because they travel on
 * different connections. So a join for an unknown session is parked for a moment instead of being
 * refused at once; the dialler would otherwise fail a whole session for one lost segment.
 */
#include "listen.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"
#include "loop.h"

#define BACKLOG		32
#define PARK_MS		3000
#define TLS_RECORD	0x16	/* first byte of every TLS handshake */

struct socket {
	struct socket *next;
	struct listeners *l;
	struct dial_addr addr;
	u32 users;
	int fd;
	sd_event_source *io;
};

/* A connection nobody has vouched for. Exactly one of fd and conn is in use. */
struct half {
	struct half *next;
	struct listeners *l;
	int fd;
	struct conn *conn;
	bool parked;
	u16 port;
	char from[80];
	sd_event_source *io, *timer;
	u8 buf[sizeof(struct lockstep_wire_join)];
	size_t got;
	struct wire_join join;		/* once parked */
};

struct listeners {
	sd_event *event;
	struct conns *conns;
	u32 deadline_ms;
	const struct listen_ops *ops;
	void *arg;
	struct socket *sockets;
	struct half *halves;		/* newest first */
	u32 nr_halves;
	struct log_limit limit;
};

/* ---- half-open connections */

static void half_unlink(struct half *h)
{
	struct half **p = &h->l->halves;

	while (*p != h)
		p = &(*p)->next;
	*p = h->next;
	h->l->nr_halves--;
}

/* Close whatever it still owns. */
static void half_free(struct half *h)
{
	half_unlink(h);
	loop_drop(&h->io);
	loop_drop(&h->timer);
	conn_close(h->conn);
	if (h->fd >= 0)
		close(h->fd);
	free(h);
}

static void half_fail(struct half *h, const char *identity, const struct err *why)
{
	struct listeners *l = h->l;

	if (log_may(&l->limit, loop_now_ms(l->event), 10))
		log_warn("closed a connection from %s: %s", h->from, why->what);
	l->ops->stranger(l->arg, h->port, h->from, identity, why);
	half_free(h);
}

static void half_fail_code(struct half *h, const char *code, const char *text)
{
	struct err e;

	err_set(&e, 0, code, "%s", text);
	half_fail(h, "", &e);
}

static void half_open(struct conn *c, void *arg)
{
	struct half *h = arg;
	struct listeners *l = h->l;

	h->conn = NULL;
	half_free(h);
	l->ops->control(l->arg, c);
}

static void half_closed(struct conn *c, const struct err *why, void *arg)
{
	struct half *h = arg;

	h->conn = NULL;
	half_fail(h, conn_identity(c), why);
}

static const struct conn_ops half_conn_ops = {
	.open = half_open,
	.closed = half_closed,
};

static void half_begin_tls(struct half *h)
{
	int fd = h->fd;

	loop_drop(&h->io);
	loop_timer_off(h->timer);	/* the connection has its own deadline */
	h->fd = -1;
	h->conn = conn_accept(h->l->conns, fd, &half_conn_ops, h);
	if (!h->conn)
		half_free(h);
}

static void half_offer_join(struct half *h)
{
	struct listeners *l = h->l;

	switch (l->ops->join(l->arg, h->fd, &h->join)) {
	case LISTEN_TAKEN:
		h->fd = -1;
		half_free(h);
		break;
	case LISTEN_REFUSED:
		half_free(h);
		break;
	case LISTEN_UNKNOWN:
		if (h->parked)
			break;
		h->parked = true;
		/* Nothing is read any more: more bytes would only spin. */
		(void)sd_event_source_set_enabled(h->io, SD_EVENT_OFF);
		(void)sd_event_source_set_time_relative(h->timer, PARK_MS * 1000);
		break;
	}
}

static void half_read_join(struct half *h)
{
	ssize_t n = recv(h->fd, h->buf + h->got, sizeof(h->buf) - h->got, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		half_free(h);
		return;
	}
	h->got += (size_t)n;
	if (h->got < sizeof(h->buf)) {
		if (memcmp(h->buf, LOCKSTEP_JOIN_MAGIC, min_t(size_t, h->got, 8)) != 0)
			half_fail_code(h, "not-lockstep", "it does not speak Lockstep");
		return;
	}
	if (wire_join_decode(h->buf, sizeof(h->buf), &h->join) != WIRE_OK) {
		half_fail_code(h, "not-lockstep", "it does not speak Lockstep");
		return;
	}
	half_offer_join(h);
}

static int on_half(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	struct half *h = arg;
	u8 first;
	ssize_t n;

	(void)s;
	(void)events;
	if (h->got) {
		half_read_join(h);
		return 0;
	}
	n = recv(fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		half_free(h);	/* a port scan, a health check: nothing to say */
	else if (first == TLS_RECORD)
		half_begin_tls(h);
	else if (first == LOCKSTEP_JOIN_MAGIC[0])
		half_read_join(h);
	else
		half_fail_code(h, "not-lockstep", "it does not speak Lockstep");
	return 0;
}

static int on_half_late(sd_event_source *s, uint64_t now, void *arg)
{
	struct half *h = arg;

	(void)s;
	(void)now;
	if (h->parked)
		half_fail_code(h, "join", "it wants to join a session that nobody knows");
	else
		half_fail_code(h, "peer-silent", "it said nothing");
	return 0;
}

static void half_make_room(struct listeners *l)
{
	struct half *oldest = l->halves;

	if (l->nr_halves < LISTEN_HALF_OPEN)
		return;
	while (oldest->next)
		oldest = oldest->next;
	half_fail_code(oldest, "crowd", "too many connections are being opened at once");
}

static void half_create(struct listeners *l, int fd, const struct dial_addr *from, u16 port)
{
	struct half *h;

	half_make_room(l);
	h = calloc(1, sizeof(*h));
	if (!h) {
		close(fd);
		return;
	}
	h->l = l;
	h->fd = fd;
	h->port = port;
	/* Without its port, which is another one each time: the same caller is the same problem. */
	if (getnameinfo((const struct sockaddr *)&from->ss, from->len, h->from, sizeof(h->from),
			NULL, 0, NI_NUMERICHOST) != 0)
		snprintf(h->from, sizeof(h->from), "an unknown address");
	h->next = l->halves;
	l->halves = h;
	l->nr_halves++;
	loop_timer(l->event, &h->timer, l->deadline_ms, on_half_late, h);
	if (sd_event_add_io(l->event, &h->io, fd, EPOLLIN, on_half, h) < 0)
		half_free(h);
}

void listen_look_again(struct listeners *l)
{
	struct half *h, *next;

	for (h = l->halves; h; h = next) {
		next = h->next;
		if (h->parked)
			half_offer_join(h);
	}
}

/* ---- sockets */

static u16 port_of(const struct dial_addr *a)
{
	if (a->ss.ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)&a->ss)->sin6_port);
	return ntohs(((const struct sockaddr_in *)&a->ss)->sin_port);
}

static int on_accept(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	struct dial_addr from = { .len = sizeof(from.ss) };
	struct socket *sock = arg;
	int new;

	(void)s;
	(void)events;
	new = accept4(fd, (struct sockaddr *)&from.ss, &from.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (new < 0) {
		/* Out of descriptors: the pending one stays, and would be reported for ever. */
		if ((errno == EMFILE || errno == ENFILE) && sock->l->halves)
			half_make_room(sock->l);
		return 0;
	}
	dial_set_options(new);
	half_create(sock->l, new, &from, port_of(&sock->addr));
	return 0;
}

static struct socket **find(struct listeners *l, const struct dial_addr *addr)
{
	struct socket **p = &l->sockets;

	while (*p && ((*p)->addr.len != addr->len || memcmp(&(*p)->addr.ss, &addr->ss, addr->len)))
		p = &(*p)->next;
	return p;
}

static int make_socket(const struct dial_addr *addr)
{
	int fd, on = 1, r;

	fd = socket(addr->ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* The address may come up after us: at boot, or moved here by somebody else. */
	if (addr->ss.ss_family == AF_INET6) {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on));
	} else {
		(void)setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
	}
	if (bind(fd, (const struct sockaddr *)&addr->ss, addr->len) < 0 ||
	    listen(fd, BACKLOG) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

int listen_add(struct listeners *l, const struct dial_addr *addr, struct err *e)
{
	struct socket *sock = *find(l, addr);
	char text[80];
	int fd;

	if (sock) {
		sock->users++;
		return 0;
	}
	dial_addr_text(addr, text, sizeof(text));
	fd = make_socket(addr);
	if (fd < 0)
		return err_set(e, fd, "listen", "cannot listen on %s: %s", text, strerror(-fd));
	sock = calloc(1, sizeof(*sock));
	if (!sock || sd_event_add_io(l->event, &sock->io, fd, EPOLLIN, on_accept, sock) < 0) {
		free(sock);
		close(fd);
		return err_set(e, -ENOMEM, "no-memory", "no memory to listen on %s", text);
	}
	sock->l = l;
	sock->fd = fd;
	sock->addr = *addr;
	sock->users = 1;
	sock->next = l->sockets;
	l->sockets = sock;
	log_info("listening on %s", text);
	return 0;
}

void listen_remove(struct listeners *l, const struct dial_addr *addr)
{
	struct socket **p = find(l, addr), *sock = *p;

	if (!sock || --sock->users > 0)
		return;
	*p = sock->next;
	loop_drop(&sock->io);
	close(sock->fd);
	free(sock);
}

int listeners_create(sd_event *event, struct conns *conns, u32 deadline_ms,
		     const struct listen_ops *ops, void *arg, struct listeners **ret)
{
	struct listeners *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->event = event;
	l->conns = conns;
	l->deadline_ms = deadline_ms;
	l->ops = ops;
	l->arg = arg;
	*ret = l;
	return 0;
}

void listeners_destroy(struct listeners *l)
{
	if (!l)
		return;
	while (l->halves)
		half_free(l->halves);
	while (l->sockets) {
		l->sockets->users = 1;
		listen_remove(l, &l->sockets->addr);
	}
	free(l);
}
