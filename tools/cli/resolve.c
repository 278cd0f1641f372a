// SPDX-License-Identifier: GPL-2.0
/*
 * A split brain is resolved by throwing away what one side wrote. So it is said first what that is,
 * and asked; and the daemon gets the number of the split that was shown, so that nothing is thrown
 * away that was not. The side that gives up has to be secondary from before it is shown: the number
 * changes with each change of its role, so with whatever it could have written after, and what is
 * saved after it was shown is all there is.
 */
#include <stdio.h>
#include <unistd.h>

#include "cmd.h"
#include "ctl.h"
#include "diagnose.h"
#include "gather.h"
#include "save.h"
#include "text.h"
#include <linux/lockstep.h>

#define CALL_TIMEOUT_MS	60000

static int usage(struct err *e, const char *what)
{
	err_set(e, -EINVAL, "usage", "%s", what);
	err_mend(e, "lockstep resolve NAME --keep here|peer [--save FILE] [--yes]");
	return -EINVAL;
}

static int check_options(const struct opts *o, enum ctl_keep *ret, struct err *e)
{
	if (!o->keep)
		return usage(e, "resolve has to be told which host's changes are to count: --keep");
	if (!strcmp(o->keep, "here"))
		*ret = CTL_KEEP_HERE;
	else if (!strcmp(o->keep, "peer"))
		*ret = CTL_KEEP_PEER;
	else
		return usage(e, "--keep is \"here\" or \"peer\"");
	return cmd_check_name(o->operand, e);
}

static int check_state(const struct model *m, const struct model_resource *r, struct err *e)
{
	if (!m->has_daemon) {
		err_set(e, -ECONNREFUSED, "no-daemon", "lockstepd does not run, and the peer has "
			"to agree");
		err_mend(e, "systemctl start lockstepd");
		return -ECONNREFUSED;
	}
	if (!r->in_kernel) {
		err_set(e, -ENOENT, "not-up", "%s is not up here", r->name);
		err_mend(e, "lockstep up %s", r->name);
		return -ENOENT;
	}
	if (r->daemon.split.is)
		return 0;
	err_set(e, -EINVAL, "not-split", "%s is not in a split brain", r->name);
	err_mend(e, "lockstep status %s", r->name);
	return -EINVAL;
}

/* Before anything is shown, asked or saved: what the daemon would refuse anyway. */
static int check_loser(const struct opts *o, const struct model_resource *r, enum ctl_keep keep,
		       struct err *e)
{
	const struct model_split *s = &r->daemon.split;
	const struct model_split_side *loser = keep == CTL_KEEP_HERE ? &s->peer : &s->here;

	/* By our own kernel's word as well: what is in use would change while it is saved. */
	if (loser->role == LOCKSTEP_ROLE_PRIMARY ||
	    (keep == CTL_KEEP_PEER && r->role == LOCKSTEP_ROLE_PRIMARY)) {
		err_set(e, -EBUSY, "primary", "%s is primary on %s, and what is in use cannot be "
			"given up", r->name, loser->node);
		err_mend(e, "on %s: stop what uses it, then lockstep demote %s; then this again",
			 loser->node, r->name);
		return -EBUSY;
	}
	if (!o->save || keep == CTL_KEEP_PEER)
		return 0;
	err_set(e, -EINVAL, "save-there", "what is thrown away is on %s, and is saved there",
		loser->node);
	err_mend(e, "on %s: lockstep resolve %s --keep peer --save %s", loser->node, r->name,
		 o->save);
	return -EINVAL;
}

static void show(const struct model_resource *r, enum ctl_keep keep)
{
	const struct model_split *s = &r->daemon.split;
	const struct model_split_side *loser = keep == CTL_KEEP_HERE ? &s->peer : &s->here;
	const struct model_split_side *winner = keep == CTL_KEEP_HERE ? &s->here : &s->peer;
	char text[SPLIT_SIDE_BYTES];

	printf("%s: what %s wrote alone is thrown away:\n", r->name, loser->node);
	diagnose_split_side(loser, text);
	printf("  %s\n", text);
	printf("and %s becomes a copy of %s:\n", loser->node, winner->node);
	diagnose_split_side(winner, text);
	printf("  %s\n", text);
}

static int confirm(const struct opts *o, const struct model_resource *r, struct err *e)
{
	char answer[16] = "";

	if (o->given & CMD_OPT_YES)
		return 0;
	if (!isatty(STDIN_FILENO)) {
		err_set(e, -EINVAL, "needs-yes", "nobody is there to be asked, and --yes was not "
			"given");
		err_mend(e, "lockstep resolve %s --keep %s --yes", r->name, o->keep);
		return -EINVAL;
	}
	printf("Type yes to go on: ");
	fflush(stdout);
	if (fgets(answer, sizeof(answer), stdin) && !strcmp(answer, "yes\n"))
		return 0;
	err_set(e, -ECANCELED, "cancelled", "nothing was changed");
	err_mend(e, "lockstep status %s", r->name);
	return -ECANCELED;
}

static int call(const struct opts *o, const struct model_resource *r, enum ctl_keep keep,
		struct err *e)
{
	struct ctl_request q = { .command = CTL_RESOLVE, .keep = keep };
	struct ctl_reply reply = { 0 };
	int err;

	snprintf(q.resource, sizeof(q.resource), "%s", r->name);
	q.split_id = r->daemon.split.id;
	err = ctl_call(o->socket, &q, CALL_TIMEOUT_MS, &reply, e);
	if (err)
		return err;
	printf("%s\n", reply.text);
	ctl_reply_free(&reply);
	return 0;
}

int cmd_resolve(const struct opts *o)
{
	const struct model_resource *r;
	enum ctl_keep keep;
	struct model m;
	struct err e;
	int err = check_options(o, &keep, &e);

	if (err) {
		cmd_refuse(&e);
		return CMD_USAGE;
	}
	err = gather_whole(o->operand, o->socket, &m, &e);
	if (err)
		return cmd_refuse(&e);
	r = model_find(&m, o->operand);
	err = check_state(&m, r, &e);
	if (!err)
		err = check_loser(o, r, keep, &e);
	if (!err) {
		show(r, keep);
		err = confirm(o, r, &e);
	}
	if (!err && o->save)
		err = save_changes(r, o->save, &e);
	if (!err) {
		err = call(o, r, keep, &e);
		if (err && o->save && !e.means[0])
			err_means(&e, "What was saved stays in %s; another file is needed then",
				  o->save);
	}
	model_free(&m);
	return err ? cmd_refuse(&e) : CMD_OK;
}
