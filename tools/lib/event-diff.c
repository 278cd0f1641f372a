// SPDX-License-Identifier: GPL-2.0
#include "event.h"

#include <ctype.h>

#include "diagnose.h"
#include "text.h"
#include <linux/lockstep.h>

/* Where it goes, and what is the same for all that is said now. */
struct diff {
	event_fn fn;
	void *arg;
	struct event ev;
};

static void begin(struct diff *d, enum event_kind kind)
{
	d->ev.kind = kind;
	d->ev.permille = 0;
	memset(d->ev.text, 0, sizeof(d->ev.text));
	memset(d->ev.number, 0, sizeof(d->ev.number));
}

static void say(struct diff *d)
{
	d->fn(d->arg, &d->ev);
}

static void text(struct diff *d, int i, const char *s)
{
	snprintf(d->ev.text[i], sizeof(d->ev.text[i]), "%s", s);
}

static void change(struct diff *d, enum event_kind kind, const char *old, const char *new,
		   const char *why)
{
	begin(d, kind);
	text(d, 0, old);
	text(d, 1, new);
	text(d, 2, why);
	say(d);
}

/* Counts and times in a sentence move on by themselves. */
static bool same_but_for_numbers(const char *a, const char *b)
{
	for (;;) {
		while (isdigit((unsigned char)*a))
			a++;
		while (isdigit((unsigned char)*b))
			b++;
		if (*a != *b)
			return false;
		if (!*a)
			return true;
		a++;
		b++;
	}
}

/* ---- a volume ------------------------------------------------------------------------------- */

static void diff_disk(struct diff *d, u32 old, u32 new, const char *why)
{
	bool was = old > LOCKSTEP_DISK_FAILED, is = new > LOCKSTEP_DISK_FAILED;

	if (old == new)
		return;
	if (!is && (was || new == LOCKSTEP_DISK_FAILED))
		change(d, EVENT_DISK_FAILED, text_disk(old), text_disk(new), why);
	else if (is && !was)
		change(d, EVENT_DISK_ATTACHED, text_disk(old), text_disk(new), "");
	else
		change(d, EVENT_DISK, text_disk(old), text_disk(new), "");
}

static bool is_copying(u32 sync)
{
	return sync == LOCKSTEP_SYNC_SOURCE || sync == LOCKSTEP_SYNC_TARGET;
}

static void say_sync(struct diff *d, enum event_kind kind, const struct model_volume *v)
{
	struct diagnose_sync p;

	begin(d, kind);
	text(d, 0, text_sync(v->sync));
	d->ev.number[1] = v->oos_bits << LOCKSTEP_BIT_SHIFT;
	d->ev.number[0] = d->ev.number[1];
	if (diagnose_sync(v, &p)) {
		d->ev.number[0] = p.total_bytes;
		d->ev.number[2] = p.rate_bytes_s;
		d->ev.permille = p.permille;
	}
	say(d);
}

static void end_sync(struct diff *d, const struct model_volume *new)
{
	bool done = new->disk == LOCKSTEP_DISK_UP_TO_DATE &&
		    new->peer_disk == LOCKSTEP_DISK_UP_TO_DATE;

	begin(d, done ? EVENT_SYNC_DONE : EVENT_SYNC_STOPPED);
	d->ev.number[0] = done ? 0 : new->oos_bits << LOCKSTEP_BIT_SHIFT;
	say(d);
}

static void diff_sync(struct diff *d, const struct model_volume *old,
		      const struct model_volume *new)
{
	bool was = is_copying(old->sync), is = is_copying(new->sync);

	if (was && old->sync != new->sync)
		end_sync(d, new);
	if (is && old->sync != new->sync)
		say_sync(d, EVENT_SYNC_STARTED, new);
	else if (is && old->sync_ms / 1000 != new->sync_ms / 1000 &&
		 old->oos_bits != new->oos_bits)
		say_sync(d, EVENT_SYNC_PROGRESS, new);
}

static void diff_verify(struct diff *d, const struct model_volume *old,
			const struct model_volume *new)
{
	struct diagnose_verify was, is;
	enum event_kind kind = EVENT_VERIFY_PROGRESS;

	diagnose_verify(old, &was);
	if (!diagnose_verify(new, &is)) {
		if (old->verify == new->verify)
			return;
		begin(d, EVENT_VERIFY_FORGOTTEN);
		say(d);
		return;
	}
	if (old->verify == new->verify &&
	    (new->verify != LOCKSTEP_VERIFY_RUNNING ||
	     (was.permille / 10 == is.permille / 10 && was.bad_bytes == is.bad_bytes)))
		return;
	if (new->verify == LOCKSTEP_VERIFY_STOPPED)
		kind = EVENT_VERIFY_STOPPED;
	else if (new->verify == LOCKSTEP_VERIFY_DONE)
		kind = EVENT_VERIFY_DONE;
	else if (old->verify != new->verify)
		kind = EVENT_VERIFY_STARTED;
	begin(d, kind);
	d->ev.number[0] = is.bad_bytes;
	d->ev.number[1] = is.repaired_bytes;
	d->ev.permille = is.permille;
	say(d);
}

static void diff_counts(struct diff *d, const struct model_volume *old,
			const struct model_volume *new)
{
	u64 was = model_volume_sect(old), is = model_volume_sect(new);

	if (was != is) {
		begin(d, EVENT_SIZE);
		d->ev.number[0] = was << LOCKSTEP_SECT_SHIFT;
		d->ev.number[1] = is << LOCKSTEP_SECT_SHIFT;
		say(d);
	}
	if (old->read_errors != new->read_errors || old->write_errors != new->write_errors ||
	    old->repairs != new->repairs) {
		begin(d, EVENT_DISK_ERRORS);
		d->ev.number[0] = new->read_errors;
		d->ev.number[1] = new->write_errors;
		d->ev.number[2] = new->repairs;
		say(d);
	}
}

/* NULL: it is not there. */
static void diff_volume(struct diff *d, const struct model_volume *old,
			const struct model_volume *new)
{
	static const struct model_volume none;

	d->ev.has_volume = true;
	d->ev.volume = old ? old->number : new->number;
	if (!new || !old) {
		begin(d, new ? EVENT_APPEARED : EVENT_GONE);
		say(d);
	}
	if (new) {
		old = old ? old : &none;
		diff_disk(d, old->disk, new->disk, new->disk_why);
		if (old->peer_disk != new->peer_disk)
			change(d, EVENT_PEER_DISK, text_disk(old->peer_disk),
			       text_disk(new->peer_disk), "");
		diff_sync(d, old, new);
		diff_verify(d, old, new);
		diff_counts(d, old, new);
	}
	d->ev.has_volume = false;
	d->ev.volume = 0;
}

/* ---- a resource ----------------------------------------------------------------------------- */

static void diff_volumes(struct diff *d, const struct model_resource *old,
			 const struct model_resource *new)
{
	for (u32 i = 0; i < old->nr_volumes; i++)
		if (!model_find_volume(new, old->volume[i].number))
			diff_volume(d, &old->volume[i], NULL);
	for (u32 i = 0; i < new->nr_volumes; i++)
		diff_volume(d, model_find_volume(old, new->volume[i].number), &new->volume[i]);
}

static const char *yes_no(bool is)
{
	return is ? "yes" : "no";
}

static void diff_kernel(struct diff *d, const struct model_resource *old,
			const struct model_resource *new)
{
	if (old->role != new->role)
		change(d, EVENT_ROLE, text_role(old->role), text_role(new->role), "");
	if (old->automatic != new->automatic)
		change(d, EVENT_AUTOMATIC, yes_no(old->automatic), yes_no(new->automatic), "");
	if (old->peer_role != new->peer_role)
		change(d, EVENT_PEER_ROLE, text_role(old->peer_role), text_role(new->peer_role),
		       "");
	if (old->link != new->link)
		change(d, EVENT_LINK, text_link(old->link), text_link(new->link),
		       new->link == LOCKSTEP_LINK_DOWN ? new->link_lost : "");
	if (old->io_mode != new->io_mode)
		change(d, EVENT_IO, text_io(old->io_mode), text_io(new->io_mode), "");
	diff_volumes(d, old, new);
	if (!same_but_for_numbers(old->wait, new->wait))
		change(d, EVENT_WAIT, old->wait, new->wait, "");
}

static void diff_problem(struct diff *d, const struct err *old, const struct err *new)
{
	if (!strcmp(old->code, new->code) && same_but_for_numbers(old->what, new->what))
		return;
	/* Each is mended by itself, so that whoever waits for one to go need not know all. */
	if (old->code[0] && strcmp(old->code, new->code)) {
		begin(d, EVENT_MENDED);
		text(d, 0, old->code);
		say(d);
	}
	if (!new->code[0])
		return;
	begin(d, strcmp(new->code, "split-brain") ? EVENT_PROBLEM : EVENT_SPLIT_BRAIN);
	text(d, 0, new->code);
	text(d, 1, new->what);
	text(d, 2, new->means);
	text(d, 3, new->mend);
	say(d);
}

/* One of which the kernel has nothing and the daemon neither. */
static void make_none(struct model_resource *r, const char *name)
{
	memset(r, 0, sizeof(*r));
	snprintf(r->name, sizeof(r->name), "%s", name);
}

static void diff_resource(struct diff *d, const struct model *old_model,
			  const struct model_resource *old, const struct model *new_model,
			  const struct model_resource *new)
{
	struct model_resource none;
	struct err was, is;

	make_none(&none, old ? old->name : new->name);
	old = old ? old : &none;
	new = new ? new : &none;
	snprintf(d->ev.resource, sizeof(d->ev.resource), "%s", none.name);
	diagnose_problem(old_model, old, &was);
	diagnose_problem(new_model, new, &is);
	if (old->in_kernel != new->in_kernel) {
		begin(d, new->in_kernel ? EVENT_APPEARED : EVENT_GONE);
		say(d);
	}
	if (new->in_kernel)
		diff_kernel(d, old->in_kernel ? old : &none, new);
	if (strcmp(old->daemon.phase, new->daemon.phase))
		change(d, EVENT_PHASE, old->daemon.phase, new->daemon.phase, "");
	diff_problem(d, &was, &is);
}

void event_diff(const struct model *old, const struct model *new, event_fn fn, void *arg)
{
	struct diff d = { .fn = fn, .arg = arg };

	for (u32 i = 0; i < old->nr_resources; i++)
		if (!model_find(new, old->resource[i].name))
			diff_resource(&d, old, &old->resource[i], new, NULL);
	for (u32 i = 0; i < new->nr_resources; i++)
		diff_resource(&d, old, model_find(old, new->resource[i].name), new,
			      &new->resource[i]);
}
