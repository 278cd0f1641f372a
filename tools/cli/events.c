// SPDX-License-Identifier: GPL-2.0
/*
 * events: the daemon's stream, as it comes or as text. Each line goes out by itself, so that a pipe
 * has it at once. Ends only when the daemon or the reader does, and says which on the standard
 * error output: a watcher that stopped must not look like one to which nothing happens.
 */
#include <stdio.h>
#include <unistd.h>

#include "cmd.h"
#include "ctl.h"
#include "event.h"
#include "gather.h"

#define FIRST_MS	5000	/* for the first line; then it may take for ever */

/* A name that nothing has would be waited for in silence. */
static int check_name(const struct opts *o, struct err *e)
{
	struct model m;
	int err;

	if (!o->operand)
		return 0;
	err = cmd_check_name(o->operand, e);
	if (!err)
		err = gather(o->operand, o->socket, &m, e);
	if (!err)
		model_free(&m);
	return err;
}

/* The first line may be a refusal, in the form of any reply. */
static int check_first(const char *line, size_t len, struct err *e)
{
	struct ctl_reply reply = { 0 };
	int err;

	if (event_print_text(NULL, line, len, NULL) > 0)
		return 0;
	err = ctl_parse_reply(line, len, &reply, e);
	if (err)
		return err;
	ctl_reply_free(&reply);
	return event_print_text(NULL, line, len, e);
}

static int ended(const struct opts *o, const struct err *why, struct err *e)
{
	if (why)
		err_set(e, -EPIPE, why->code, "lockstepd ended the stream of events: %s",
			why->what);
	else
		err_set(e, -EPIPE, "daemon-gone", "lockstepd went away, and nothing is known of "
			"what happened since");
	err_mend(e, "%slockstep events%s%s", why ? "" : "systemctl restart lockstepd && ",
		 o->operand ? " " : "", o->operand ? o->operand : "");
	return -EPIPE;
}

/* CTL_STOP: whoever read our output has left, and nothing is wrong. */
static int pass_on(const struct opts *o, struct ctl_stream *s, struct err *e)
{
	bool is_json = o->given & CMD_OPT_JSON;
	int timeout_ms = FIRST_MS, r, said;
	const char *line;
	struct err why;
	size_t len;

	for (;;) {
		r = ctl_stream_next(s, EVENT_LINE_BYTES, timeout_ms, STDOUT_FILENO, &line, &len, e);
		if (r < 0 || r == CTL_STOP)
			return r;
		if (r == CTL_CLOSED)
			return ended(o, NULL, e);
		if (timeout_ms >= 0) {
			r = check_first(line, len, e);
			if (r < 0)
				return r;
			timeout_ms = -1;
		}
		if (is_json)
			fwrite(line, 1, len, stdout);
		said = event_print_text(is_json ? NULL : stdout, line, len, &why);
		if (fflush(stdout))
			return err_set(e, -EIO, "output", "writing the output failed");
		if (said == EVENT_SAID_END)
			return ended(o, &why, e);
		if (said < 0) {
			*e = why;
			return said;
		}
	}
}

int cmd_events(const struct opts *o)
{
	struct ctl_request r = { .command = CTL_EVENTS };
	struct ctl_stream s;
	struct err e;
	int err = check_name(o, &e);

	if (!err && o->operand)
		snprintf(r.resource, sizeof(r.resource), "%s", o->operand);
	if (!err)
		err = ctl_stream_open(&s, o->socket, &r, FIRST_MS, &e);
	if (err)
		return cmd_refuse(&e);
	err = pass_on(o, &s, &e);
	ctl_stream_close(&s);
	return err == CTL_STOP ? CMD_OK : cmd_refuse(&e);
}
