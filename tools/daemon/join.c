// SPDX-License-Identifier: GPL-2.0
#include "join.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "loop.h"

#define JOIN_BYTES	sizeof(struct lockstep_wire_join)

struct join_dial {
	sd_event *event;
	struct dial *dial;
	int fd;
	sd_event_source *io, *timer;
	u8 token[LOCKSTEP_KEY_BYTES];
	struct wire_join mine;
	u8 buf[JOIN_BYTES];
	size_t got;
	join_done_fn done;
	void *arg;
};

void join_random(void *ret, size_t len)
{
	u8 *p = ret;

	while (len) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0 && errno != EINTR) {
			log_error("the kernel has no random numbers: %s", strerror(errno));
			abort();
		}
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
}

static size_t append(u8 *buf, size_t at, const void *from, size_t len)
{
	memcpy(buf + at, from, len);
	return at + len;
}

void join_prove(const u8 token[LOCKSTEP_KEY_BYTES], enum join_side side, u64 session_id, u32 stream,
		const u8 nonce[32], const u8 peer_nonce[32], u8 ret[32])
{
	static const char *const label[] = {
		[JOIN_DIALLER]	= "lockstep join dialler",
		[JOIN_LISTENER]	= "lockstep join listener",
	};
	static const u8 zero[32];
	__le64 le_session = cpu_to_le64(session_id);
	__le32 le_stream = cpu_to_le32(stream);
	unsigned int ret_len = 32;
	u8 text[128];
	size_t n = 0;

	n = append(text, n, label[side], strlen(label[side]));
	n = append(text, n, &le_session, sizeof(le_session));
	n = append(text, n, &le_stream, sizeof(le_stream));
	n = append(text, n, nonce, 32);
	n = append(text, n, peer_nonce ? peer_nonce : zero, 32);
	if (!HMAC(EVP_sha256(), token, LOCKSTEP_KEY_BYTES, text, n, ret, &ret_len))
		join_random(ret, 32);	/* no memory: proves nothing */
}

bool join_is_proved(const u8 token[LOCKSTEP_KEY_BYTES], enum join_side side,
		    const struct wire_join *j, const u8 peer_nonce[32])
{
	u8 want[32];

	join_prove(token, side, j->session_id, j->stream, j->nonce, peer_nonce, want);
	return CRYPTO_memcmp(want, j->proof, sizeof(want)) == 0;
}

static int send_join(int fd, const struct wire_join *j)
{
	struct lockstep_wire_join out;
	ssize_t n;

	wire_join_encode(j, &out);
	n = send(fd, &out, sizeof(out), MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	return n == (ssize_t)sizeof(out) ? 0 : -EIO;
}

int join_answer(int fd, const u8 token[LOCKSTEP_KEY_BYTES], const struct wire_join *j)
{
	struct wire_join mine = { .session_id = j->session_id, .stream = j->stream };

	join_random(mine.nonce, sizeof(mine.nonce));
	join_prove(token, JOIN_LISTENER, mine.session_id, mine.stream, mine.nonce, j->nonce,
		   mine.proof);
	return send_join(fd, &mine);
}

void join_cancel(struct join_dial *j)
{
	if (!j)
		return;
	dial_cancel(j->dial);
	loop_drop(&j->io);
	loop_drop(&j->timer);
	if (j->fd >= 0)
		close(j->fd);
	OPENSSL_cleanse(j->token, sizeof(j->token));
	free(j);
}

static void finish(struct join_dial *j, int fd, const struct err *e)
{
	join_done_fn done = j->done;
	u32 stream = j->mine.stream;
	void *arg = j->arg;

	if (fd >= 0)
		j->fd = -1;
	join_cancel(j);
	done(arg, stream, fd, e);
}

static void fail(struct join_dial *j, const char *why)
{
	struct err e;

	err_set(&e, 0, "join", "data connection %u was not taken by the peer: %s",
		j->mine.stream, why);
	finish(j, -1, &e);
}

static int on_late(sd_event_source *s, uint64_t now, void *arg)
{
	(void)s;
	(void)now;
	fail(arg, "no answer");
	return 0;
}

static int on_answer(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	struct join_dial *j = arg;
	struct wire_join in;
	ssize_t n;

	(void)s;
	(void)events;
	n = recv(fd, j->buf + j->got, JOIN_BYTES - j->got, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		fail(j, n < 0 ? strerror(errno) : "it closed the connection");
		return 0;
	}
	j->got += (size_t)n;
	if (j->got < JOIN_BYTES)
		return 0;
	if (wire_join_decode(j->buf, JOIN_BYTES, &in) != WIRE_OK ||
	    in.session_id != j->mine.session_id || in.stream != j->mine.stream ||
	    !join_is_proved(j->token, JOIN_LISTENER, &in, j->mine.nonce)) {
		fail(j, "its answer is not proved");
		return 0;
	}
	loop_drop(&j->io);
	finish(j, fd, NULL);
	return 0;
}

static void on_connected(void *arg, int fd, const struct dial_addr *to, const struct err *e)
{
	struct join_dial *j = arg;
	int r;

	(void)to;
	j->dial = NULL;
	if (fd < 0) {
		finish(j, -1, e);
		return;
	}
	j->fd = fd;
	join_random(j->mine.nonce, sizeof(j->mine.nonce));
	join_prove(j->token, JOIN_DIALLER, j->mine.session_id, j->mine.stream, j->mine.nonce, NULL,
		   j->mine.proof);
	r = send_join(fd, &j->mine);
	if (r == 0)
		r = sd_event_add_io(j->event, &j->io, fd, EPOLLIN, on_answer, j);
	if (r < 0)
		fail(j, strerror(-r));
}

struct join_dial *join_dial(sd_event *event, const struct dial_addr *to, u32 deadline_ms,
			    const u8 token[LOCKSTEP_KEY_BYTES], u64 session_id, u32 stream,
			    join_done_fn done, void *arg)
{
	struct join_dial *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->event = event;
	j->fd = -1;
	j->done = done;
	j->arg = arg;
	memcpy(j->token, token, sizeof(j->token));
	j->mine.session_id = session_id;
	j->mine.stream = stream;
	loop_timer(event, &j->timer, deadline_ms, on_late, j);
	j->dial = dial_addr(event, to, deadline_ms, on_connected, j);
	if (!j->dial) {
		join_cancel(j);
		return NULL;
	}
	return j;
}
