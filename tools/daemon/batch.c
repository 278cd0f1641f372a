// SPDX-License-Identifier: GPL-2.0
#include "batch.h"

#include <stdlib.h>

struct batch {
	struct manager *m;
	batch_one_fn one;
	struct ctl_request q;
	char (*names)[LOCKSTEP_NAME_BYTES];
	size_t nr, at, failed;
	struct err first;		/* failure */
	bool running, replied;		/* one() may reply before it returns: no recursion */
	manager_reply_fn reply;
	void *arg;
};

static void finish(struct batch *b)
{
	char text[128];

	if (b->failed) {
		if (b->nr > 1)
			err_prefix(&b->first, "%zu of %zu resources failed, the first", b->failed,
				   b->nr);
		b->reply(b->arg, &b->first, NULL);
	} else {
		snprintf(text, sizeof(text), "%zu resource%s %s", b->nr, b->nr == 1 ? "" : "s",
			 b->q.command == CTL_UP ? "up" : "down");
		b->reply(b->arg, NULL, text);
	}
	free(b->names);
	free(b);
}

static void on_reply(void *arg, const struct err *e, const char *text);

static void run(struct batch *b)
{
	b->running = true;
	while (b->at < b->nr) {
		b->replied = false;
		memcpy(b->q.resource, b->names[b->at++], sizeof(b->q.resource));
		b->one(b->m, &b->q, on_reply, b);
		if (!b->replied) {
			b->running = false;
			return;
		}
	}
	finish(b);
}

static void on_reply(void *arg, const struct err *e, const char *text)
{
	struct batch *b = arg;

	(void)text;
	if (e && b->failed++ == 0)
		b->first = *e;
	b->replied = true;
	if (!b->running)
		run(b);
}

int batch_names(const struct resource *list, enum ctl_command command,
		char (**ret)[LOCKSTEP_NAME_BYTES], size_t *ret_nr, struct err *e)
{
	const struct resource *r;
	size_t nr = 0;

	if (command == CTL_UP)
		return conf_names(ret, ret_nr, e);
	for (r = list; r; r = r->next)
		nr++;
	*ret = calloc(nr + 1, sizeof(**ret));
	if (!*ret)
		return err_set(e, -ENOMEM, "no-memory", "no memory for the command");
	nr = 0;
	for (r = list; r; r = r->next)
		snprintf((*ret)[nr++], LOCKSTEP_NAME_BYTES, "%s", r->name);
	*ret_nr = nr;
	return 0;
}

void batch_run(struct manager *m, batch_one_fn one, const struct ctl_request *q,
	       char (*names)[LOCKSTEP_NAME_BYTES], size_t nr, manager_reply_fn reply, void *arg)
{
	struct batch *b = calloc(1, sizeof(*b));
	struct err e;

	if (!b) {
		free(names);
		err_set(&e, -ENOMEM, "no-memory", "no memory for the command");
		reply(arg, &e, NULL);
		return;
	}
	b->m = m;
	b->one = one;
	b->q = *q;
	b->q.all = false;
	b->names = names;
	b->nr = nr;
	b->reply = reply;
	b->arg = arg;
	run(b);
}
