// SPDX-License-Identifier: GPL-2.0
/*
 * All work is done in pump(), which runs from the loop only: from the socket's readiness, or from
 * a deferred source armed by whatever gave it something to do. So no callback of ours runs inside
 * a call of the owner's, and OpenSSL's inner buffer (readable data that epoll knows nothing
 * about) is never forgotten: whoever makes room arms the source.
 */
#include "conn.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#include "loop.h"

#define FRAME_BYTES	(sizeof(struct lockstep_ctl_hdr) + LOCKSTEP_CTL_MAX_BYTES)
#define TX_BYTES	(FRAME_BYTES + (64u << 10))
#define DRAIN_MS	1000

enum conn_state {
	CONN_HANDSHAKE,
	CONN_OPEN,
	CONN_DRAIN,		/* ownerless: sends what is left, waits for the other end's close */
	CONN_CLOSED,
};

struct conns {
	sd_event *event;
	struct tls *tls;
	u32 deadline_ms;
	struct conn *first;
};

struct conn {
	struct conns *cs;
	struct conn *prev, *next;
	enum conn_state state;
	int fd;
	SSL *ssl;
	struct tls_psk psk;
	bool dialler, paused, want_write, shut;
	bool eof;			/* the other end is gone; frames may be left to deliver */
	bool must_tell_drained;
	int hold;			/* pump() is running */
	const struct conn_ops *ops;
	void *arg;
	sd_event_source *io, *timer, *kick;
	u64 heard_ms;
	/* Made once the other end has proved the key. */
	u8 *rx, *tx;
	size_t rx_at, rx_len, tx_at, tx_len;
};

static void pump(struct conn *c);

int conns_create(sd_event *event, tls_find_fn find, void *arg, u32 deadline_ms, struct conns **ret)
{
	struct conns *cs = calloc(1, sizeof(*cs));
	int r;

	if (!cs)
		return -ENOMEM;
	r = tls_create(find, arg, &cs->tls);
	if (r < 0) {
		free(cs);
		return r;
	}
	cs->event = event;
	cs->deadline_ms = deadline_ms;
	*ret = cs;
	return 0;
}

void conns_destroy(struct conns *cs)
{
	if (!cs)
		return;
	while (cs->first)
		conn_close(cs->first);
	tls_destroy(cs->tls);
	free(cs);
}

static void destroy(struct conn *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		c->cs->first = c->next;
	if (c->next)
		c->next->prev = c->prev;
	loop_drop(&c->io);
	loop_drop(&c->timer);
	loop_drop(&c->kick);
	SSL_free(c->ssl);
	close(c->fd);
	OPENSSL_cleanse(&c->psk, sizeof(c->psk));
	free(c->rx);
	free(c->tx);
	free(c);
}

void conn_close(struct conn *c)
{
	if (!c)
		return;
	c->state = CONN_CLOSED;
	c->ops = NULL;
	if (!c->hold)
		destroy(c);
}

/* End it and tell the owner. */
static void fail(struct conn *c, const struct err *why)
{
	const struct conn_ops *ops = c->ops;

	c->state = CONN_CLOSED;
	c->ops = NULL;
	if (ops)
		ops->closed(c, why, c->arg);
}

static void fail_code(struct conn *c, const char *code, const char *text)
{
	struct err e;

	err_set(&e, 0, code, "%s", text);
	fail(c, &e);
}

/* ---- making one */

static int on_io(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	(void)s;
	(void)fd;
	(void)events;
	pump(arg);
	return 0;
}

static int on_kick(sd_event_source *s, void *arg)
{
	(void)s;
	pump(arg);
	return 0;
}

static int on_timer(sd_event_source *s, uint64_t now, void *arg)
{
	struct conn *c = arg;

	(void)s;
	(void)now;
	c->hold++;
	if (c->state == CONN_HANDSHAKE)
		fail_code(c, "peer-silent", "the TLS handshake was not finished in time");
	else
		c->state = CONN_CLOSED;
	c->hold--;
	destroy(c);
	return 0;
}

static struct conn *make(struct conns *cs, int fd, bool dialler, const struct conn_ops *ops,
			 void *arg)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return NULL;
	}
	c->cs = cs;
	c->fd = fd;
	c->dialler = dialler;
	c->ops = ops;
	c->arg = arg;
	c->heard_ms = loop_now_ms(cs->event);
	c->next = cs->first;
	if (c->next)
		c->next->prev = c;
	cs->first = c;
	if (sd_event_add_io(cs->event, &c->io, fd, EPOLLIN, on_io, c) < 0) {
		destroy(c);
		return NULL;
	}
	loop_timer(cs->event, &c->timer, cs->deadline_ms, on_timer, c);
	return c;
}

static struct conn *begin(struct conn *c)
{
	if (!c->ssl) {
		destroy(c);
		return NULL;
	}
	loop_defer(c->cs->event, &c->kick, on_kick, c);
	return c;
}

struct conn *conn_dial(struct conns *cs, int fd, const char *identity,
		       const u8 key[LOCKSTEP_KEY_BYTES], const struct conn_ops *ops, void *arg)
{
	struct conn *c = make(cs, fd, true, ops, arg);

	if (!c)
		return NULL;
	snprintf(c->psk.identity, sizeof(c->psk.identity), "%s", identity);
	memcpy(c->psk.key, key, LOCKSTEP_KEY_BYTES);
	c->ssl = tls_dialler(cs->tls, fd, &c->psk);
	return begin(c);
}

struct conn *conn_accept(struct conns *cs, int fd, const struct conn_ops *ops, void *arg)
{
	struct conn *c = make(cs, fd, false, ops, arg);

	if (!c)
		return NULL;
	c->ssl = tls_listener(cs->tls, fd, &c->psk);
	return begin(c);
}

void conn_set_owner(struct conn *c, const struct conn_ops *ops, void *arg)
{
	c->ops = ops;
	c->arg = arg;
}

const char *conn_identity(const struct conn *c)
{
	return c->psk.identity;
}

u64 conn_heard_ms(const struct conn *c)
{
	return c->heard_ms;
}

/* ---- handshake */

static void fail_handshake(struct conn *c)
{
	static const struct {
		const char *code, *text;
	} row[] = {
		[TLS_WRONG_KEY]	= { "wrong-key", "the two keys differ" },
		[TLS_UNKNOWN]	= { "peer-unknown-resource",
				    "the peer does not know the resource" },
		[TLS_NOT_TLS]	= { "not-lockstep", "the other end does not speak Lockstep" },
		[TLS_GONE]	= { "peer-gone",
				    "the connection was closed during the TLS handshake" },
		[TLS_OTHER]	= { "tls", "the TLS handshake failed" },
	};
	enum tls_failure f = tls_failure(c->dialler, &c->psk);

	fail_code(c, row[f].code, row[f].text);
}

/* Returns true once it is open. */
static bool handshake(struct conn *c)
{
	int r, why;

	ERR_clear_error();
	r = SSL_do_handshake(c->ssl);
	if (r == 1) {
		if (!tls_is_proved(c->ssl)) {
			fail_code(c, "not-lockstep", "the other end did not prove the key");
			return false;
		}
		c->rx = malloc(FRAME_BYTES);
		c->tx = malloc(TX_BYTES);
		if (!c->rx || !c->tx) {
			fail_code(c, "no-memory", "no memory for a connection");
			return false;
		}
		OPENSSL_cleanse(c->psk.key, sizeof(c->psk.key));
		loop_timer_off(c->timer);
		c->state = CONN_OPEN;
		c->ops->open(c, c->arg);
		return c->state == CONN_OPEN;
	}
	why = SSL_get_error(c->ssl, r);
	c->want_write = why == SSL_ERROR_WANT_WRITE;
	if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
		fail_handshake(c);
	return false;
}

/* ---- in */

static void fail_ssl(struct conn *c)
{
	ERR_clear_error();
	fail_code(c, "peer-gone", "the control connection was closed");
}

static void move_to_front(struct conn *c)
{
	memmove(c->rx, c->rx + c->rx_at, c->rx_len - c->rx_at);
	c->rx_len -= c->rx_at;
	c->rx_at = 0;
}

/* Read until the socket is empty or the buffer is full. Returns true if anything came. */
static bool fill(struct conn *c)
{
	bool any = false;
	int r, why;

	if (c->rx_at)
		move_to_front(c);
	while (c->rx_len < FRAME_BYTES) {
		ERR_clear_error();
		r = SSL_read(c->ssl, c->rx + c->rx_len, (int)(FRAME_BYTES - c->rx_len));
		if (r > 0) {
			c->rx_len += (size_t)r;
			c->heard_ms = loop_now_ms(c->cs->event);
			any = true;
			continue;
		}
		why = SSL_get_error(c->ssl, r);
		c->want_write |= why == SSL_ERROR_WANT_WRITE;
		if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
			break;
		/* What came before the end (a refusal, say) is delivered before the end is. */
		c->eof = true;
		if (!any && (c->rx_len == 0 || !c->paused))
			fail_ssl(c);
		break;
	}
	return any;
}

static void fail_message(struct conn *c, enum wire_err err)
{
	struct err e;

	err_set(&e, 0, "protocol", "a message is not to be understood: %s", wire_err_name(err));
	fail(c, &e);
}

/* Hand out whole frames. */
static void deliver(struct conn *c)
{
	struct wire_ctl h;
	enum wire_err err;
	size_t have;

	while (c->state == CONN_OPEN && !c->paused) {
		/* Bodies have any length, and decoders want their structs aligned. */
		if (c->rx_at % sizeof(u64))
			move_to_front(c);
		have = c->rx_len - c->rx_at;
		if (have < sizeof(struct lockstep_ctl_hdr))
			return;
		err = wire_ctl_decode(c->rx + c->rx_at, have, &h);
		if (err != WIRE_OK) {
			fail_message(c, err);
			return;
		}
		if (have - sizeof(struct lockstep_ctl_hdr) < h.body_bytes)
			return;
		c->rx_at += sizeof(struct lockstep_ctl_hdr);
		c->rx_at += h.body_bytes;
		c->ops->frame(c, &h, c->rx + c->rx_at - h.body_bytes, c->arg);
	}
}

/* ---- out */

int conn_send(struct conn *c, u16 type, const void *body, size_t len)
{
	struct wire_ctl h = { .type = type, .body_bytes = (u32)len };
	struct lockstep_ctl_hdr hdr;
	size_t need = sizeof(struct lockstep_ctl_hdr) + len;

	if (c->state != CONN_OPEN)
		return -ENOTCONN;
	if (c->tx_at) {
		memmove(c->tx, c->tx + c->tx_at, c->tx_len - c->tx_at);
		c->tx_len -= c->tx_at;
		c->tx_at = 0;
	}
	if (need > TX_BYTES - c->tx_len)
		return -ENOBUFS;
	wire_ctl_encode(&h, &hdr);
	memcpy(c->tx + c->tx_len, &hdr, sizeof(hdr));
	if (len)
		memcpy(c->tx + c->tx_len + sizeof(struct lockstep_ctl_hdr), body, len);
	c->tx_len += need;
	c->must_tell_drained = true;
	loop_defer(c->cs->event, &c->kick, on_kick, c);
	return 0;
}

bool conn_is_drained(const struct conn *c)
{
	return c->tx_at == c->tx_len;
}

static void flush(struct conn *c)
{
	int r, why;

	while (c->tx_at < c->tx_len) {
		ERR_clear_error();
		r = SSL_write(c->ssl, c->tx + c->tx_at, (int)(c->tx_len - c->tx_at));
		if (r > 0) {
			c->tx_at += (size_t)r;
			continue;
		}
		why = SSL_get_error(c->ssl, r);
		if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
			fail_ssl(c);
		return;
	}
}

void conn_pause(struct conn *c, bool paused)
{
	if (c->paused && !paused)
		loop_defer(c->cs->event, &c->kick, on_kick, c);
	c->paused = paused;
}

/*
 * Ownerless end. Closing a socket with unread bytes in it resets the connection, and the reset
 * may overtake the refusal we just sent: so say that nothing more comes and read until the other
 * end has closed.
 */
void conn_finish(struct conn *c)
{
	if (!c)
		return;
	if (c->state != CONN_OPEN) {
		conn_close(c);
		return;
	}
	c->ops = NULL;
	c->state = CONN_DRAIN;
	loop_timer(c->cs->event, &c->timer, DRAIN_MS, on_timer, c);
	loop_defer(c->cs->event, &c->kick, on_kick, c);
}

static void drain(struct conn *c)
{
	u8 sink[4096];
	ssize_t n;

	flush(c);
	if (c->state != CONN_DRAIN || c->tx_at < c->tx_len)
		return;
	if (!c->shut) {
		c->shut = true;
		ERR_clear_error();
		(void)SSL_shutdown(c->ssl);
		(void)shutdown(c->fd, SHUT_WR);
	}
	do
		n = recv(c->fd, sink, sizeof(sink), MSG_DONTWAIT);
	while (n > 0);
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		c->state = CONN_CLOSED;
}

/* ---- the one place where work is done */

static void pump_open(struct conn *c)
{
	bool any;

	do {
		/*
		 * First what is here already: a refusal explains why sending does not work any
		 * more.
		 */
		deliver(c);
		if (c->state != CONN_OPEN)
			return;
		flush(c);
		if (c->state != CONN_OPEN)
			return;
		if (c->must_tell_drained && conn_is_drained(c)) {
			c->must_tell_drained = false;
			c->ops->drained(c, c->arg);
		}
		if (c->state != CONN_OPEN)
			return;
		any = fill(c);
		deliver(c);
	} while (any && c->state == CONN_OPEN);
	/* Room was made, and epoll does not know what OpenSSL holds. */
	if (c->state == CONN_OPEN && !c->paused && SSL_has_pending(c->ssl))
		loop_defer(c->cs->event, &c->kick, on_kick, c);
}

static void pump(struct conn *c)
{
	uint32_t events = 0;

	c->hold++;
	c->want_write = false;
	if (c->state == CONN_HANDSHAKE)
		handshake(c);
	if (c->state == CONN_OPEN)
		pump_open(c);
	if (c->state == CONN_DRAIN)
		drain(c);
	c->hold--;
	if (c->state == CONN_CLOSED) {
		destroy(c);
		return;
	}
	/*
	 * epoll reports a hang-up whatever is asked for: the end of a paused one waits for its
	 * resumption.
	 */
	if (c->state == CONN_OPEN && c->eof) {
		(void)sd_event_source_set_enabled(c->io, SD_EVENT_OFF);
		return;
	}
	if (c->state == CONN_DRAIN)
		(void)sd_event_source_set_enabled(c->io, SD_EVENT_ON);
	if (c->state != CONN_OPEN || c->rx_len - c->rx_at < FRAME_BYTES)
		events |= EPOLLIN;
	if (c->want_write || c->tx_at < c->tx_len)
		events |= EPOLLOUT;
	(void)sd_event_source_set_io_events(c->io, events);
}
