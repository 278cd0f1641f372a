// SPDX-License-Identifier: GPL-2.0
#include "stranger.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdlib.h>

static u8 buf[LOCKSTEP_CTL_MAX_BYTES];

void stranger_address(struct pair *p, struct dial_addr *ret)
{
	assert_int_equal(dial_look_up("127.0.0.1", p->port, true, false, ret, 1, NULL), 1);
}

int stranger_connect_raw(struct pair *p)
{
	struct dial_addr a;
	int fd;

	stranger_address(p, &a);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a.ss, a.len), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static bool find(void *arg, const char *identity, u8 *ret_key)
{
	(void)arg;
	(void)identity;
	(void)ret_key;
	return false;
}

size_t stranger_hello(struct stranger *s, void *to, size_t size)
{
	struct agree_self self = { 4, 6000 };
	struct model_resource r = s->p->side[ALICE].k.r;

	strcpy(r.name, "r0");
	strcpy(r.node, "alice");
	r.node_id = 0;
	r.peer_node_id = 1;
	r.nr_volumes = 1;
	r.volume = &s->p->side[ALICE].k.v[0].m;
	agree_fill_hello(&r, &self, &s->mine);
	return wire_hello_encode(&s->mine.h, s->mine.v, to, size);
}

static void on_open(struct conn *c, void *arg)
{
	struct stranger *s = arg;

	s->is_open = true;
	if (s->polite)
		conn_send(c, LOCKSTEP_CT_HELLO, buf, stranger_hello(s, buf, sizeof(buf)));
}

static void send_verdict(struct stranger *s)
{
	struct wire_choice choice = { .volume = 0 };

	agree(&s->mine, &s->theirs, true, &s->agreed);
	assert_int_equal(s->agreed.refuse, 0);
	choice.verdict = (u16)s->agreed.volume[0].verdict;
	choice.rule = (u16)s->agreed.volume[0].rule;
	conn_send(s->c, LOCKSTEP_CT_VERDICT, buf,
		  wire_verdict_encode(&choice, 1, buf, sizeof(buf)));
}

static void send_token(struct stranger *s)
{
	s->token.session_id = 4711;
	s->token.epoch = s->agreed.epoch;
	s->token.streams = s->agreed.streams;
	s->token.timeout_ms = s->agreed.timeout_ms;
	memset(s->token.token, 7, sizeof(s->token.token));
	conn_send(s->c, LOCKSTEP_CT_TOKEN, buf, wire_token_encode(&s->token, buf, sizeof(buf)));
	s->token_sent = true;
}

static void on_frame(struct conn *c, const struct wire_ctl *h, const u8 *body, void *arg)
{
	struct stranger *s = arg;
	struct wire_refuse r;

	(void)c;
	s->frames++;
	s->last_type = h->type;
	if (h->type == LOCKSTEP_CT_REFUSE && wire_refuse_decode(body, h->body_bytes, &r) == WIRE_OK)
		s->refuse = r.code;
	if (!s->polite)
		return;
	if (h->type == LOCKSTEP_CT_HELLO) {
		assert_int_equal(wire_hello_decode(body, h->body_bytes, &s->theirs.h, s->theirs.v,
						   LOCKSTEP_MAX_VOLUMES), WIRE_OK);
		send_verdict(s);
	} else if (h->type == LOCKSTEP_CT_VERDICT) {
		send_token(s);
	}
}

static void on_drained(struct conn *c, void *arg)
{
	(void)c;
	(void)arg;
}

static void on_closed(struct conn *c, const struct err *why, void *arg)
{
	struct stranger *s = arg;

	(void)c;
	(void)why;
	s->c = NULL;
	s->is_closed = true;
}

static const struct conn_ops ops = {
	.open = on_open,
	.frame = on_frame,
	.drained = on_drained,
	.closed = on_closed,
};

void stranger_dial(struct stranger *s, struct pair *p, u8 key_seed)
{
	u8 key[LOCKSTEP_KEY_BYTES];

	s->p = p;
	if (!s->conns) {
		assert_int_equal(conns_create(p->event, find, NULL, PHASE_MS, &s->conns), 0);
		s->mine.v = calloc(LOCKSTEP_MAX_VOLUMES, sizeof(*s->mine.v));
		s->theirs.v = calloc(LOCKSTEP_MAX_VOLUMES, sizeof(*s->theirs.v));
		s->agreed.volume = calloc(LOCKSTEP_MAX_VOLUMES, sizeof(*s->agreed.volume));
	}
	s->is_open = s->is_closed = s->token_sent = false;
	s->frames = s->refuse = 0;
	pair_key(key_seed, key);
	s->c = conn_dial(s->conns, stranger_connect_raw(p), "lockstep/r0/0", key, &ops, s);
	assert_non_null(s->c);
}

void stranger_done(struct stranger *s)
{
	conns_destroy(s->conns);
	free(s->mine.v);
	free(s->theirs.v);
	free(s->agreed.volume);
}
