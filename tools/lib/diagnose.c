// SPDX-License-Identifier: GPL-2.0
#include "diagnose.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "text.h"
#include <linux/lockstep.h>

/* What all volumes of a resource have in common, the worst of each. */
struct summary {
	u32 disk, peer_disk;
	const struct model_volume *worst;	/* has that disk */
	bool is_blank;				/* one was never synchronised */
	u32 sync;				/* of any that is being synchronised */
	struct diagnose_sync progress;		/* of all of them together */
	bool has_progress;
	const struct model_volume *verifying;	/* the first that is being compared */
	bool is_loading;
};

static bool is_syncing(const struct model_volume *v)
{
	return v->sync == LOCKSTEP_SYNC_SOURCE || v->sync == LOCKSTEP_SYNC_TARGET;
}

bool diagnose_sync(const struct model_volume *v, struct diagnose_sync *ret)
{
	u64 total = v->sync_total_bits, left = v->oos_bits, seconds = v->sync_ms / 1000;

	memset(ret, 0, sizeof(*ret));
	if (!is_syncing(v) || !v->has_sync_progress)
		return false;
	/* Writes during the resync may mark more than there was at its beginning. */
	total = max(total, left);
	ret->total_bytes = total << LOCKSTEP_BIT_SHIFT;
	ret->left_bytes = left << LOCKSTEP_BIT_SHIFT;
	ret->done_bytes = ret->total_bytes - ret->left_bytes;
	/* Rounded down: never 100 % before it is done. */
	ret->permille = left ? (unsigned int)((total - left) * 1000 / total) : 1000;
	if (v->has_sync_rate)
		ret->rate_bytes_s = v->sync_rate;
	else if (seconds)
		ret->rate_bytes_s = ret->done_bytes / seconds;
	ret->has_eta = v->has_sync_left || (!v->has_sync_rate && ret->rate_bytes_s > 0);
	if (v->has_sync_left)
		ret->eta_s = v->sync_left_ms / 1000;
	else if (ret->has_eta)
		ret->eta_s = ret->left_bytes / ret->rate_bytes_s;
	return true;
}

bool diagnose_sync_all(const struct model_resource *r, struct diagnose_sync *ret)
{
	struct diagnose_sync p;
	bool any = false;

	memset(ret, 0, sizeof(*ret));
	for (u32 i = 0; i < r->nr_volumes; i++) {
		if (!diagnose_sync(&r->volume[i], &p))
			continue;
		any = true;
		ret->total_bytes += p.total_bytes;
		ret->left_bytes += p.left_bytes;
		ret->done_bytes += p.done_bytes;
		ret->rate_bytes_s += p.rate_bytes_s;
	}
	ret->permille = 1000;
	if (ret->left_bytes)
		ret->permille = (unsigned int)((ret->done_bytes >> LOCKSTEP_BIT_SHIFT) * 1000 /
					       (ret->total_bytes >> LOCKSTEP_BIT_SHIFT));
	ret->has_eta = ret->rate_bytes_s > 0;
	if (ret->has_eta)
		ret->eta_s = ret->left_bytes / ret->rate_bytes_s;
	return any;
}

bool diagnose_verify(const struct model_volume *v, struct diagnose_verify *ret)
{
	u64 first = v->verify_first_bit, end = max(v->verify_end_bit, first);
	u64 at = min(max(v->verify_bit, first), end);

	memset(ret, 0, sizeof(*ret));
	if (v->verify == LOCKSTEP_VERIFY_NONE)
		return false;
	ret->total_bytes = (end - first) << LOCKSTEP_BIT_SHIFT;
	ret->done_bytes = (at - first) << LOCKSTEP_BIT_SHIFT;
	ret->permille = at < end ? (unsigned int)((at - first) * 1000 / (end - first)) : 1000;
	ret->bad_bytes = v->verify_bad_bits << LOCKSTEP_BIT_SHIFT;
	ret->repaired_bytes = v->verify_repaired_bits << LOCKSTEP_BIT_SHIFT;
	return true;
}

static void summarise(const struct model_resource *r, struct summary *s)
{
	memset(s, 0, sizeof(*s));
	s->disk = s->peer_disk = LOCKSTEP_DISK_UP_TO_DATE;
	for (u32 i = 0; i < r->nr_volumes; i++) {
		const struct model_volume *v = &r->volume[i];

		if (!s->worst || v->disk < s->disk)
			s->worst = v;
		s->disk = min(s->disk, v->disk);
		s->peer_disk = min(s->peer_disk, v->peer_disk);
		s->is_blank |= !v->gen_current && v->disk == LOCKSTEP_DISK_INCONSISTENT;
		if (v->sync != LOCKSTEP_SYNC_NONE && !is_syncing(v) && !s->sync)
			s->sync = v->sync;
		if (is_syncing(v))
			s->sync = v->sync;
		if (v->verify == LOCKSTEP_VERIFY_RUNNING && !s->verifying)
			s->verifying = v;
		s->is_loading |= v->loading;
	}
	s->has_progress = diagnose_sync_all(r, &s->progress);
}

static const char *peer_name(const struct model_resource *r)
{
	if (r->peer[0])
		return r->peer;
	return r->daemon.peer[0] ? r->daemon.peer : "the peer";
}

static void add(char *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* One more part, behind a comma. */
static void add(char *text, const char *fmt, ...)
{
	size_t used = strlen(text);
	va_list ap;

	if (used)
		used += (size_t)snprintf(text + used, HEADLINE_BYTES - used, ", ");
	if (used >= HEADLINE_BYTES)
		return;
	va_start(ap, fmt);
	vsnprintf(text + used, HEADLINE_BYTES - used, fmt, ap);
	va_end(ap);
}

static const char *disk_words(u32 disk, bool is_blank)
{
	switch (disk) {
	case LOCKSTEP_DISK_NONE:
		return "has no disk";
	case LOCKSTEP_DISK_FAILED:
		return "failed";
	case LOCKSTEP_DISK_INCONSISTENT:
		return is_blank ? "never synchronised" : "inconsistent";
	case LOCKSTEP_DISK_OUTDATED:
		return "outdated";
	case LOCKSTEP_DISK_UNSURE:
		return "perhaps not the latest";
	case LOCKSTEP_DISK_UP_TO_DATE:
		return "up to date";
	}
	return "in a state unknown to this version";
}

static void add_link(char *text, const struct model_resource *r)
{
	const char *peer = peer_name(r);

	if (r->link == LOCKSTEP_LINK_UP)
		add(text, "connected to %s", peer);
	else if (r->link == LOCKSTEP_LINK_OPENING)
		add(text, "connecting to %s", peer);
	else if (r->has_daemon && r->daemon.stay_off)
		add(text, "disconnected from %s on request", peer);
	else if (r->has_daemon && r->daemon.phase[0])
		add(text, "not connected to %s (%s)", peer, r->daemon.phase);
	else
		add(text, "not connected to %s", peer);
}

static void add_copies(char *text, const struct model_resource *r, const struct summary *s)
{
	const char *peer = peer_name(r);
	char percent[32] = "";

	if (s->has_progress && s->progress.total_bytes)
		snprintf(percent, sizeof(percent), " (%u %%)", s->progress.permille / 10);
	if (model_is_partial(r))
		add(text, "too busy to tell of all its volumes");
	else if (!r->nr_volumes)
		add(text, "no volumes");
	else if (s->sync == LOCKSTEP_SYNC_SOURCE)
		add(text, "synchronising %s's copy%s", peer, percent);
	else if (s->sync == LOCKSTEP_SYNC_TARGET)
		add(text, "this copy is being synchronised%s", percent);
	else if (s->sync == LOCKSTEP_SYNC_SOURCE_WAIT)
		add(text, "about to synchronise %s's copy", peer);
	else if (r->link != LOCKSTEP_LINK_UP)
		add(text, "this copy %s", disk_words(s->disk, s->is_blank));
	else if (s->disk == LOCKSTEP_DISK_UP_TO_DATE && s->peer_disk == LOCKSTEP_DISK_UP_TO_DATE)
		add(text, "both copies up to date");
	else
		add(text, "this copy %s, %s's %s", disk_words(s->disk, s->is_blank), peer,
		    disk_words(s->peer_disk, false));
}

void diagnose_headline(const struct model *m, const struct model_resource *r,
		       char ret[HEADLINE_BYTES])
{
	struct diagnose_verify verify;
	struct summary s;

	(void)m;
	ret[0] = '\0';
	if (!r->in_kernel) {
		add(ret, r->has_daemon && r->daemon.configured ? "wanted up, but not in the kernel"
			: "down");
		return;
	}
	summarise(r, &s);
	add(ret, "%s here", r->role != LOCKSTEP_ROLE_PRIMARY ? "secondary" :
	    r->automatic ? "primary, automatically," : "primary");
	if (r->link == LOCKSTEP_LINK_UP && r->peer_role == LOCKSTEP_ROLE_PRIMARY)
		add(ret, "%s is primary", peer_name(r));
	add_link(ret, r);
	add_copies(ret, r, &s);
	if (s.is_loading)
		add(ret, "reading its bitmap");
	if (s.verifying && diagnose_verify(s.verifying, &verify))
		add(ret, "comparing the copies (%u %%)", verify.permille / 10);
	if (r->io_mode == LOCKSTEP_IO_FROZEN)
		add(ret, "reads and writes wait");
	else if (r->held)
		add(ret, "%u write%s held", r->held, r->held == 1 ? "" : "s");
	else if (r->io_mode == LOCKSTEP_IO_ALONE)
		add(ret, "writing here alone");
}

static void disk_problem(const struct model_resource *r, const struct model_volume *v,
			 struct err *ret)
{
	bool is_primary = r->role == LOCKSTEP_ROLE_PRIMARY;
	char stuck[64] = "";

	if (v->disk == LOCKSTEP_DISK_NONE)
		err_set(ret, 0, "no-disk", "volume %u has no disk", v->number);
	else
		err_set(ret, 0, "disk-failed", "the disk of volume %u, %s, was given up%s%s",
			v->number, v->backing[0] ? v->backing : "unknown",
			v->disk_why[0] ? ": " : "", v->disk_why);
	if (v->stuck)
		snprintf(stuck, sizeof(stuck), "; %u request%s never came back from it", v->stuck,
			 v->stuck == 1 ? "" : "s");
	if (!is_primary)
		err_means(ret, "Nothing is kept here until it has a disk again%s", stuck);
	else if (r->io_mode == LOCKSTEP_IO_FROZEN)
		err_means(ret, "%s has the data and is not connected: reads and writes wait for it "
			  "and are not lost%s", peer_name(r), stuck);
	else
		err_means(ret, "Reading and writing go on through %s%s", peer_name(r), stuck);
	if (is_primary && r->io_mode == LOCKSTEP_IO_FROZEN)
		err_mend(ret, "bring %s back: on it, lockstep up %s", peer_name(r), r->name);
	else
		err_mend(ret, "replace the disk (a new one: lockstep init %s --volume %u), then "
			 "lockstep attach %s", r->name, v->number, r->name);
}

static void daemon_problem(const struct model_daemon *d, struct err *ret);

/* Held because nobody knows yet whether the peer goes on. */
static void unfenced_problem(const struct model *m, const struct model_resource *r, struct err *ret)
{
	const char *peer = peer_name(r);

	if (r->has_daemon && !strncmp(r->daemon.code, "fence-", 6)) {
		daemon_problem(&r->daemon, ret);
	} else if (m->has_daemon && r->has_daemon && r->daemon.configured) {
		err_set(ret, 0, "fencing", "%s is not connected, and is being fenced", peer);
	} else {
		err_set(ret, 0, "unfenced", "%s is not connected, and nobody fences it: lockstepd "
			"does not run, or does not look after %s", peer, r->name);
		err_mend(ret, "systemctl start lockstepd && lockstep up %s", r->name);
	}
	err_means(ret, "Reads and writes wait; they are neither lost nor failed, and go on when %s "
		  "is back or fenced", peer);
}

/* A disk in use that has not given back what a session left there: no other one begins. */
static const struct model_volume *left_at(const struct model_resource *r)
{
	for (u32 i = 0; i < r->nr_volumes; i++)
		if (r->volume[i].stuck && r->volume[i].disk != LOCKSTEP_DISK_FAILED)
			return &r->volume[i];
	return NULL;
}

/* No copy within reach, though none of our disks failed: the kernel's own words say more. */
static void frozen_problem(const struct model *m, const struct model_resource *r, struct err *ret)
{
	const struct model_volume *v = left_at(r);
	const char *peer = peer_name(r);

	if (r->unfenced) {
		unfenced_problem(m, r, ret);
		return;
	}
	if (v) {
		err_set(ret, 0, "frozen", "reads and writes wait: requests of the last session are "
			"still at %s, which does not answer", v->backing);
		err_means(ret, "They are neither lost nor failed; they go on when it does");
		err_mend(ret, "wait for the disk; or, to give it up and go on through %s: lockstep "
			 "detach %s", peer, r->name);
		return;
	}
	err_set(ret, 0, "frozen", "reads and writes wait: no copy is within reach%s%s",
		r->wait[0] ? "; " : "", r->wait);
	err_means(ret, "They are neither lost nor failed; they go on when %s is back", peer);
	err_mend(ret, "bring %s back: on it, lockstep up %s", peer, r->name);
}

/* What a resync or a verify found. It is not urgent: everything else comes first. */
static void content_problem(const struct model_resource *r, struct err *ret)
{
	for (u32 i = 0; i < r->nr_volumes && !ret->what[0]; i++) {
		const struct model_volume *v = &r->volume[i];
		u64 bad = v->verify_bad_bits - min(v->verify_repaired_bits, v->verify_bad_bits);

		if (v->sync_error_bits) {
			err_set(ret, 0, "unreadable", "%s of volume %u cannot be read at the "
				"source of the synchronisation", text_bits(v->sync_error_bits).s,
				v->number);
			err_means(ret, "The rest is copied; these are tried again each minute. "
				  "Writing them anew mends them, too");
			err_mend(ret, "dmesg | grep -i error, on the host that copies; replace its "
				 "disk");
		} else if (bad && v->verify != LOCKSTEP_VERIFY_RUNNING) {
			err_set(ret, 0, "copies-differ", "verify found %s of volume %u that differ "
				"between the copies", text_bits(bad).s, v->number);
			err_mend(ret, "lockstep verify %s --result; and, if the copy of the "
				 "primary is right: lockstep verify %s --repair", r->name, r->name);
		}
	}
}

/* The link is not up: why, and who should bring it up. */
static bool link_problem(const struct model *m, const struct model_resource *r, struct err *ret)
{
	const char *peer = peer_name(r);
	char why[MODEL_TEXT_BYTES + 32] = "";

	if (r->link == LOCKSTEP_LINK_UP)
		return false;
	if (r->link_lost[0])
		snprintf(why, sizeof(why), "; the last session ended: %s", r->link_lost);
	if (!m->has_daemon) {
		err_set(ret, 0, "no-daemon",
			"%s is not connected, and lockstepd, which would look for it, does not "
			"run%s",
			peer, why);
		err_mend(ret, "systemctl start lockstepd && lockstep up %s", r->name);
	} else if (!r->has_daemon || !r->daemon.configured) {
		err_set(ret, 0, "not-configured",
			"lockstepd does not look after %s, so nobody looks for %s%s",
			r->name, peer, why);
		err_mend(ret, "lockstep up %s", r->name);
	} else if (r->daemon.stay_off) {
		err_set(ret, 0, "disconnected", "%s is disconnected on request", peer);
		err_mend(ret, "lockstep connect %s", r->name);
	} else if (r->link == LOCKSTEP_LINK_DOWN) {
		err_set(ret, 0, "not-connected", "%s is not connected%s", peer, why);
		err_mend(ret, "on %s: lockstep status %s; and from here: ping its address", peer,
			 r->name);
	}
	return ret->what[0];
}

static void held_problem(const struct model_resource *r, struct err *ret)
{
	err_set(ret, 0, "writes-held", "%u write%s held%s%s", r->held,
		r->held == 1 ? " is" : "s are", r->wait[0] ? ": " : "", r->wait);
	err_means(ret, "They are neither lost nor failed; they go on when this is over");
	err_mend(ret, "wait; if it lasts, on %s: lockstep status %s", peer_name(r), r->name);
}

/* What is not known is said to be so, rather than left out: somebody decides by it. */
void diagnose_split_side(const struct model_split_side *s, char ret[SPLIT_SIDE_BYTES])
{
	size_t size = SPLIT_SIDE_BYTES, at = 0;

	at += snprintf(ret + at, size - at, "%s", s->marks_known ? "" : "at least ");
	at += snprintf(ret + at, size - at, "%s of its own", text_bytes(s->marked_bytes).s);
	if (s->dirty_bytes)
		at += snprintf(ret + at, size - at, ", and up to %s more, as it crashed",
			       text_bytes(s->dirty_bytes).s);
	if (!s->heard)
		at += snprintf(ret + at, size - at, ", last written at an unknown time");
	else if (!s->write_s)
		at += snprintf(ret + at, size - at, ", no write known");
	else
		at += snprintf(ret + at, size - at, ", last written %s%s",
			       s->crashed ? "at " : "", s->crashed ? "least until " : "");
	if (s->heard && s->write_s)
		at += snprintf(ret + at, size - at, "%s", text_when(s->write_s).s);
	at += snprintf(ret + at, size - at, "; %s", text_role(s->role));
	if (s->heard)
		snprintf(ret + at, size - at, ", last promoted %s", text_when(s->primary_s).s);
}

static void daemon_problem(const struct model_daemon *d, struct err *ret)
{
	err_set(ret, 0, d->code[0] ? d->code : "problem", "%s", d->problem);
	err_mend(ret, "%s", d->mend);
}

bool diagnose_problem(const struct model *m, const struct model_resource *r, struct err *ret)
{
	struct summary s;

	memset(ret, 0, sizeof(*ret));
	summarise(r, &s);
	if (r->in_kernel && s.worst && s.disk <= LOCKSTEP_DISK_FAILED)
		disk_problem(r, s.worst, ret);
	else if (r->in_kernel && r->io_mode == LOCKSTEP_IO_FROZEN)
		frozen_problem(m, r, ret);
	else if (r->has_daemon && r->daemon.problem[0])
		daemon_problem(&r->daemon, ret);
	else if (!r->in_kernel && r->has_daemon && r->daemon.configured) {
		err_set(ret, 0, "not-in-kernel",
			"%s was asked for, but the kernel does not have it", r->name);
		err_mend(ret, "lockstep up %s", r->name);
	} else if (!r->in_kernel)
		return false;
	else if (link_problem(m, r, ret))
		return true;
	else if (s.is_blank && r->link == LOCKSTEP_LINK_UP && s.sync == LOCKSTEP_SYNC_NONE) {
		err_set(ret, 0, "blank", "nobody said yet whose data counts");
		err_mend(ret, "on the host whose data counts: lockstep promote --force %s",
			 r->name);
	} else if (r->held)
		held_problem(r, ret);
	else
		content_problem(r, ret);
	return ret->what[0];
}

static bool is_one_of(const char *code, const char *const *list, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (!strcmp(code, list[i]))
			return true;
	return false;
}

int diagnose_rank(const struct model_resource *r, const struct err *problem)
{
	static const char *const copies[] = {
		"split-brain", "two-primaries", "unrelated", "both-inconsistent", "copies-differ",
		"unreadable",
	};
	static const char *const disks[] = { "disk-failed", "no-disk" };
	static const char *const wanted[] = { "disconnected", "blank", "both-blank" };
	const char *code = problem->code;

	if (r->in_kernel && (r->io_mode == LOCKSTEP_IO_FROZEN || r->held))
		return 0;
	if (is_one_of(code, copies, ARRAY_SIZE(copies)))
		return 1;
	if (is_one_of(code, disks, ARRAY_SIZE(disks)))
		return 2;
	if (is_one_of(code, wanted, ARRAY_SIZE(wanted)))
		return 5;
	return r->in_kernel && r->role == LOCKSTEP_ROLE_PRIMARY && r->link != LOCKSTEP_LINK_UP ?
		3 : 4;
}

bool diagnose_host(const struct model *m, struct err *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (!m->has_module) {
		err_set(ret, 0, "no-module",
			"the kernel module lockstep is not loaded, so nothing is up");
		err_mend(ret, "modprobe lockstep");
	} else if (!m->has_daemon) {
		err_set(ret, 0, "no-daemon", "lockstepd does not run");
		err_means(ret,
			  "What is in the kernel goes on, and is shown here, but a lost connection "
			  "stays lost");
		err_mend(ret, "systemctl start lockstepd");
	}
	return ret->what[0];
}
