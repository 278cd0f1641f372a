/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One request and its answer, for nl*.c only: nl.c sends and takes apart, nl-cmd.c says what.
 * Names follow libnl's where they meet it.
 */
#ifndef LOCKSTEP_NL_TALK_H
#define LOCKSTEP_NL_TALK_H

#include "nl.h"

#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#define NL_TEXT_BYTES	512

struct nl {
	struct nl_sock *sk;
	int family;
	unsigned char *event_buf;	/* of an event socket, else NULL */
	/* Of the request under way. */
	bool done;
	int error;			/* negative errno of the kernel, or 0 */
	char text[NL_TEXT_BYTES];		/* its sentence, or empty */
	char name[LOCKSTEP_NAME_BYTES];		/* of the resource it is about, or empty */
	int (*on_reply)(struct nl *nl, struct nlattr **attr);
	void *reply_arg;
	int reply_error;
};

/* A message to this family; NULL: no memory. `extra`: bytes it needs beyond the usual. */
struct nl_msg *nl_request(struct nl *nl, u8 cmd, int flags, size_t extra);
/* It did not fit: frees it. */
int nl_too_long(struct nl_msg *msg, struct err *e);

/*
 * Send msg (consumed), take what comes back: each message to nl->on_reply. `what` completes "the
 * kernel refuses to ...".
 */
int nl_talk(struct nl *nl, struct nl_msg *msg, const char *what, struct err *e);

/* The common shape: a command about one resource, with `fill` adding the rest (not 0: no room). */
typedef int (*nl_fill_fn)(struct nl_msg *msg, const void *arg);

int nl_command(struct nl *nl, u8 cmd, const char *name, nl_fill_fn fill, const void *arg,
	       size_t extra, const char *what, struct err *e);

#endif /* LOCKSTEP_NL_TALK_H */
