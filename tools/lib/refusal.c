// SPDX-License-Identifier: GPL-2.0
#include "refusal.h"

#include <stdio.h>

static const char *const of_state[] = {
	[STATE_RF_ALREADY]	= "lockstep status NAME",
	[STATE_RF_PEER_PRIMARY]	= "on the other host: lockstep demote NAME",
	[STATE_RF_ASKING]	= "wait for it; lockstep status NAME",
	[STATE_RF_BLANK]	= "to say that it counts: lockstep promote --force NAME",
	[STATE_RF_INCONSISTENT]	= "connect the other host, then lockstep wait-sync NAME; or, to "
				  "make it count all the same: lockstep promote --force NAME",
	[STATE_RF_OUTDATED]	= "connect the other host; or, to give up what only that one has: "
				  "lockstep promote --force NAME",
	[STATE_RF_TARGET]	= "lockstep wait-sync NAME, then this again",
	[STATE_RF_NO_COPY]	= "lockstep attach NAME",
	[STATE_RF_SESSION]	= "lockstep disconnect NAME, then this again",
	[STATE_RF_NO_SESSION]	= "lockstep wait-connect NAME, then this again",
	[STATE_RF_NARROWING]	= "this again; lockstep status NAME says what it waits for",
	[STATE_RF_VERDICT]	= "lockstep status NAME",
	[STATE_RF_PRIMARY_TARGET] = "stop what uses it, then lockstep demote NAME",
	[STATE_RF_TWO_PRIMARIES] = "on the host that is to follow: lockstep demote NAME",
	[STATE_RF_CONNECTING]	= "lockstep wait-connect NAME, then this again",
	[STATE_RF_FAILED]	= "replace the disk, then lockstep attach NAME",
	[STATE_RF_ONLY_COPY]	= "lockstep wait-sync NAME, then this again",
	[STATE_RF_UNFENCED]	= "systemctl start lockstepd, which fences it, then this again; "
				  "or, if it is no primary: lockstep promote --force NAME",
	[STATE_RF_ALONE]	= "if the other host does not use it: lockstep promote NAME",
	[STATE_RF_IN_USE]	= "stop what uses it, then lockstep demote NAME",
	[STATE_RF_AHEAD]	= "lockstep promote NAME, here, as this is the newer copy; or "
				  "connect the other host",
	[STATE_RF_STRAYS]	= "wait until the disk answers, then this again; or, to give it "
				  "up: lockstep detach NAME",
};

static const struct {
	const char *code, *mend;
} of_code[] = {
	{ "both-blank", "on the host whose data counts: lockstep promote --force NAME" },
	{ "both-inconsistent", "on the host whose copy is the better one: lockstep promote "
	  "--force NAME" },
	{ "peer-busy", "wait for it; lockstep status NAME" },
	{ "peer-identity", "make NAME.conf the same on both hosts, then on both lockstep up NAME" },
	{ "peer-limits", "on PEER: lockstep status NAME" },
	{ "peer-refused", "on PEER: journalctl -u lockstepd -n 20" },
	{ "peer-silent", "on PEER: systemctl status lockstepd" },
	{ "peer-version", "install the same release of Lockstep on both hosts" },
	{ "protocol", "install the same release of Lockstep on both hosts; if it is: on both, "
	  "systemctl restart lockstepd" },
	{ "split-brain", "lockstep status NAME; then, on the host whose changes are to count: "
	  "lockstep resolve NAME --keep here" },
	{ "target-is-primary", "on the host that is primary: stop what uses it, then lockstep "
	  "demote NAME" },
	{ "two-primaries", "on the host that is to follow: lockstep demote NAME" },
	{ "unrelated", "on the host whose copy is to be replaced: lockstep down NAME, lockstep "
	  "init --force NAME, lockstep up NAME" },
	{ "verdicts-differ", "install the same release of Lockstep on both hosts" },
	{ "fencing", "bring PEER back: on it, lockstep up NAME" },
	{ "outdate-inconsistent", "connect the other host, then lockstep wait-sync NAME" },
	{ "outdate-primary", "stop what uses it, then lockstep demote NAME" },
	{ "address", "getent hosts says what is known; correct the address in NAME.conf, then "
	  "lockstep up NAME" },
	{ "join", "see that the port in NAME.conf is open in both directions" },
	{ "kernel-again", "lockstep status NAME, then this again" },
	{ "kernel-busy", "lockstep status NAME" },
	{ "kernel-exists", "lockstep status NAME" },
	{ "kernel-refused", "lockstep status NAME" },
	{ "kernel-unknown", "lockstep status NAME" },
	{ "kernel-slow", "dmesg | tail -n 20, for a disk that hangs; lockstep status NAME" },
	{ "listen", "see who has that port: ss -ltnp; then lockstep up NAME" },
	{ "not-up", "lockstep up NAME" },
	{ "no-volume", "lockstep status NAME" },
	{ "no-memory", "free memory; it is tried again by itself" },
	{ "no-permission", "lockstep status NAME" },
	{ "session-lost", "it is looked for all the time; on PEER, if it runs: lockstep status "
	  "NAME" },
	{ "unreachable", "on PEER: systemctl status lockstepd; and from here: ping its address" },
};

const char *refusal_mend_state(enum state_refusal rf)
{
	return (u32)rf < ARRAY_SIZE(of_state) ? of_state[rf] : NULL;
}

const char *refusal_mend_code(const char *code)
{
	for (size_t i = 0; i < ARRAY_SIZE(of_code); i++)
		if (!strcmp(of_code[i].code, code))
			return of_code[i].mend;
	return NULL;
}

/* Put in what NAME and PEER stand for. */
static void fill(struct err *e, const char *text, const char *resource, const char *peer)
{
	size_t n = 0;

	while (*text && n + 1 < sizeof(e->mend)) {
		const char *in = !strncmp(text, "NAME", 4) ? resource :
				 !strncmp(text, "PEER", 4) ? peer : NULL;

		if (in) {
			n += (size_t)snprintf(e->mend + n, sizeof(e->mend) - n, "%s", in);
			n = min(n, sizeof(e->mend) - 1);
			text += 4;
		} else {
			e->mend[n++] = *text++;
		}
	}
	e->mend[n] = '\0';
}

/* "NAME: sentence" of the state machine, and nothing behind it. */
static const char *mend_of_sentence(const char *what)
{
	const char *s = strstr(what, ": ");

	for (u32 rf = STATE_OK + 1; s && rf < STATE_RF_NR; rf++)
		if (!strcmp(s + 2, state_refusal_text(rf)))
			return refusal_mend_state(rf);
	return NULL;
}

void refusal_split(struct err *e, const char *resource)
{
	char *part = e->what, *last = NULL;
	const char *mend;

	while ((part = strstr(part, "; ")))
		last = part++;
	if (last && strstr(last, "lockstep ")) {
		snprintf(e->mend, sizeof(e->mend), "%s", last + 2);
		*last = '\0';
		return;
	}
	mend = mend_of_sentence(e->what);
	if (mend)
		fill(e, mend, resource, "the other host");
}

void refusal_outdate(struct err *e, int error)
{
	if (error == -EPERM && strcmp(e->code, "no-permission"))
		snprintf(e->code, sizeof(e->code), "outdate-primary");
	else if (error == -EUCLEAN)
		snprintf(e->code, sizeof(e->code), "outdate-inconsistent");
}

void refusal_complete(struct err *e, const char *resource, const char *peer)
{
	const char *mend;

	if (!e->what[0] || e->mend[0])
		return;
	mend = refusal_mend_code(e->code);
	fill(e, mend ? mend : "journalctl -u lockstepd -n 20; lockstep status NAME on both hosts",
	     resource, peer);
}
