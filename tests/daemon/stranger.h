/* SPDX-License-Identifier: GPL-2.0 */
/*
 * alice's place taken by the test itself: a control connection to bob with the right key, that
 * says what the test wants. In its own words it follows the protocol up to the token, unless told
 * to send garbage.
 */
#ifndef LOCKSTEP_TEST_STRANGER_H
#define LOCKSTEP_TEST_STRANGER_H

#include "pair.h"

#include "agree.h"
#include "conn.h"
#include "join.h"

struct stranger {
	struct pair *p;
	struct conns *conns;
	struct conn *c;
	bool is_open, is_closed;
	u32 frames, last_type;
	u32 refuse;			/* code of a REFUSE that came */
	/* Answers as alice would, to the end of this step. */
	bool polite;
	struct hello mine, theirs;
	struct agreement agreed;
	struct wire_token token;
	bool token_sent;
};

void stranger_dial(struct stranger *s, struct pair *p, u8 key_seed);
void stranger_done(struct stranger *s);
int stranger_connect_raw(struct pair *p);	/* a plain socket to bob, non-blocking */
/* Our hello, as alice's fake kernel would have it. */
size_t stranger_hello(struct stranger *s, void *buf, size_t size);
void stranger_address(struct pair *p, struct dial_addr *ret);

#endif /* LOCKSTEP_TEST_STRANGER_H */
