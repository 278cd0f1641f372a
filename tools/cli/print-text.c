// SPDX-License-Identifier: GPL-2.0
/*
 * For people: first a sentence, then facts in a column, then what is wrong and what mends it. Fits
 * 80 columns, save for paths and commands, which are never broken.
 */
#include "print.h"

#include <inttypes.h>
#include <stdarg.h>

#include "diagnose.h"
#include "text.h"
#include <linux/lockstep.h>

#define COLUMNS		79
#define LABEL_COLUMNS	13	/* two blanks, label, blank */

void print_fold(FILE *f, const char *text, size_t col, size_t indent)
{
	bool fresh = true;

	for (;;) {
		size_t len;

		text += strspn(text, " ");
		len = strcspn(text, " ");
		if (!len)
			break;
		if (!fresh && col + 1 + len > COLUMNS) {
			fprintf(f, "\n%*s", (int)indent, "");
			col = indent;
			fresh = true;
		}
		fprintf(f, "%s%.*s", fresh ? "" : " ", (int)len, text);
		col += len + !fresh;
		fresh = false;
		text += len;
	}
	fputc('\n', f);
}

static void field(FILE *f, const char *label, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* "  label     text". An empty label goes on with the one before. */
static void field(FILE *f, const char *label, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(f, "  %-*s", LABEL_COLUMNS - 2, label);
	print_fold(f, text, LABEL_COLUMNS, LABEL_COLUMNS);
}

/* ---- status --------------------------------------------------------------------------------- */

void print_problem(FILE *f, const struct err *e, u64 since_s)
{
	char since[TEXT_BYTES + 16] = "";

	if (since_s)
		snprintf(since, sizeof(since), " (since %s)", text_when(since_s).s);
	field(f, "problem", "%s%s", e->what, since);
	if (e->means[0])
		field(f, "", "%s", e->means);
	if (e->mend[0])
		fprintf(f, "%*s-> %s\n", LABEL_COLUMNS, "", e->mend);
}

static void print_sync(FILE *f, const struct model_volume *v)
{
	char eta[TEXT_BYTES + 16] = "";
	struct diagnose_sync p;

	if (v->sync_error_bits)
		field(f, "", "%s cannot be read at the source, tried again each minute",
		      text_bits(v->sync_error_bits).s);
	if (!diagnose_sync(v, &p))
		return;
	fprintf(f, "%*s%s %s\n", LABEL_COLUMNS, "", text_bar(p.permille).s,
		v->sync == LOCKSTEP_SYNC_SOURCE ? "sent to the peer" : "received from the peer");
	if (p.has_eta)
		snprintf(eta, sizeof(eta), ", %s left", text_duration(p.eta_s).s);
	field(f, "", "%s of %s, %s/s%s", text_bytes(p.done_bytes).s, text_bytes(p.total_bytes).s,
	      text_bytes(p.rate_bytes_s).s, eta);
	if (v->sync_compared_bits)
		field(f, "", "compared %s, copied %s", text_bits(v->sync_compared_bits).s,
		      text_bits(v->sync_copied_bits).s);
}

static void print_verify(FILE *f, const struct model_volume *v)
{
	char found[2 * TEXT_BYTES + 32] = "no differences";
	struct diagnose_verify p;

	if (!diagnose_verify(v, &p))
		return;
	if (p.bad_bytes)
		snprintf(found, sizeof(found), "%s differed", text_bytes(p.bad_bytes).s);
	if (p.repaired_bytes)
		snprintf(found + strlen(found), sizeof(found) - strlen(found), ", %s repaired",
			 text_bytes(p.repaired_bytes).s);
	if (v->verify == LOCKSTEP_VERIFY_RUNNING)
		fprintf(f, "%*s%s compared\n", LABEL_COLUMNS, "", text_bar(p.permille).s);
	if (v->verify == LOCKSTEP_VERIFY_RUNNING)
		field(f, "", "verify: %s so far", found);
	else if (v->verify == LOCKSTEP_VERIFY_STOPPED)
		field(f, "", "verify: stopped after %s of %s: %s", text_bytes(p.done_bytes).s,
		      text_bytes(p.total_bytes).s, found);
	else
		field(f, "", "verify: %s compared: %s", text_bytes(p.total_bytes).s, found);
}

/* What is out of the ordinary about the disk; nothing, as a rule. */
static void print_disk(FILE *f, const struct model_volume *v)
{
	if (v->loading)
		field(f, "", "reading its bitmap: no session before that is done");
	if (v->stuck)
		field(f, "", "%u request%s never came back from the disk", v->stuck,
		      v->stuck == 1 ? "" : "s");
	if (v->read_errors || v->write_errors || v->repairs)
		field(f, "", "failed reads %" PRIu64 ", failed writes %" PRIu64
		      ", blocks repaired from the peer %" PRIu64, v->read_errors, v->write_errors,
		      v->repairs);
}

static void print_volume(FILE *f, const struct model_resource *r, const struct model_volume *v)
{
	char label[24];

	snprintf(label, sizeof(label), "volume %u", v->number);
	field(f, label, "/dev/lockstep%u, %s, on %s%s%s", v->minor,
	      text_sect(model_volume_sect(v)).s, v->backing[0] ? v->backing : "no disk",
	      v->meta[0] ? ", metadata on " : "", v->meta);
	if (v->openers && v->opener[0])
		field(f, "", "in use by %s%s", v->opener, v->openers > 1 ? " and others" : "");
	field(f, "", "copy here %s, at %s %s", text_disk(v->disk),
	      r->peer[0] ? r->peer : "the peer",
	      r->link == LOCKSTEP_LINK_UP ? text_disk(v->peer_disk) : "unknown");
	print_disk(f, v);
	if (v->oos_bits && v->sync == LOCKSTEP_SYNC_NONE)
		field(f, "", "marked as different from the peer's: %s",
		      text_bytes(v->oos_bits << LOCKSTEP_BIT_SHIFT).s);
	field(f, "", "read %s, written %s, written for the peer %s", text_sect(v->read_sect).s,
	      text_sect(v->write_sect).s, text_sect(v->peer_write_sect).s);
	print_sync(f, v);
	print_verify(f, v);
}

static void print_kernel_facts(FILE *f, const struct model_resource *r)
{
	const char *address = r->daemon.peer_address;

	field(f, "node", "%s (id %u); peer %s (id %u)%s%s", r->node, r->node_id, r->peer,
	      r->peer_node_id, *address ? " at " : "", address);
	if (r->link == LOCKSTEP_LINK_UP)
		field(f, "link", "up, %u stream%s, epoch %" PRIu64 ", time-out %u ms", r->streams,
		      r->streams == 1 ? "" : "s", r->epoch, r->timeout_ms);
	else
		field(f, "link", "%s, epoch %" PRIu64 "%s%s", text_link(r->link), r->epoch,
		      r->link_lost[0] ? ", last ended: " : "", r->link_lost);
	if (r->auto_promote)
		field(f, "auto", "opening it for writing promotes, the last close demotes");
	if (r->wait[0])
		field(f, "waits for", "%s", r->wait);
	for (u32 i = 0; i < r->nr_volumes; i++)
		print_volume(f, r, &r->volume[i]);
}

static void print_split_side(FILE *f, const struct model_split_side *s, const char *where)
{
	char text[SPLIT_SIDE_BYTES];

	diagnose_split_side(s, text);
	field(f, "", "%s%s: %s", s->node, where, text);
}

static void print_split(FILE *f, const struct model_split *s)
{
	field(f, "split", "found %s in volume %u, by rule %s; nothing is copied",
	      text_when(s->since_s).s, s->volume, s->rule);
	print_split_side(f, &s->here, " (here)");
	print_split_side(f, &s->peer, "");
}

static void print_resource(FILE *f, const struct model *m, const struct model_resource *r)
{
	char headline[HEADLINE_BYTES];
	struct err problem;

	diagnose_headline(m, r, headline);
	fprintf(f, "%s: ", r->name);
	print_fold(f, headline, strlen(r->name) + 2, 2);
	if (r->in_kernel)
		print_kernel_facts(f, r);
	else if (r->daemon.config[0])
		field(f, "config", "%s", r->daemon.config);
	if (r->daemon.split.is)
		print_split(f, &r->daemon.split);
	if (diagnose_problem(m, r, &problem))
		print_problem(f, &problem, r->daemon.problem[0] ? r->daemon.problem_since_s : 0);
	if (r->daemon.note[0])
		field(f, "note", "%s", r->daemon.note);
}

static void print_full(FILE *f, const struct model *m, const char *name)
{
	u32 shown = 0;

	for (u32 i = 0; i < m->nr_resources; i++) {
		const struct model_resource *r = &m->resource[i];

		if (name && strcmp(name, r->name))
			continue;
		if (shown++)
			fputc('\n', f);
		print_resource(f, m, r);
	}
	if (!shown)
		fprintf(f, "no resources\n");
}

static void text_status(FILE *f, const struct model *m, const struct print_status *o)
{
	struct err problem;

	if (o->name || o->is_full || m->nr_resources <= 1 || print_table(f, m, o->columns))
		print_full(f, m, o->name);
	if (!diagnose_host(m, &problem))
		return;
	fprintf(f, "\nthis host:\n");
	print_problem(f, &problem, 0);
}

/* ---- metadata ------------------------------------------------------------------------------- */

static void print_copy(FILE *f, const struct metafile *x, int i)
{
	const struct metafile_copy *c = &x->copy[i];
	char label[24], detail[48] = "";

	snprintf(label, sizeof(label), "copy %d", i);
	if (c->io_err) {
		field(f, label, "sector %" PRIu64 ": cannot be read: %s", c->sect,
		      strerror(-c->io_err));
		return;
	}
	if (c->err == META_BAD_FEATURE)
		snprintf(detail, sizeof(detail), ", feature bit %u", c->detail);
	if (c->err == META_BAD_FIELD)
		snprintf(detail, sizeof(detail), ", at byte %u", c->detail);
	if (c->err != META_OK)
		field(f, label, "sector %" PRIu64 ": %s%s", c->sect, text_meta_err(c->err), detail);
	else
		field(f, label, "sector %" PRIu64 ": whole, sequence %" PRIu64 "%s", c->sect,
		      c->meta.sequence, x->picked == i ? ", this one counts" : ", older");
}

static void print_flags(FILE *f, u32 flags)
{
	char text[256] = "";
	const char *word;

	for (unsigned int n = 0; (word = text_flag(n)); n++) {
		size_t used = strlen(text);

		if (flags & 1u << n)
			snprintf(text + used, sizeof(text) - used, "%s%s", used ? " " : "", word);
	}
	field(f, "flags", "%s", text[0] ? text : "none");
}

static void print_generations(FILE *f, const struct meta *m)
{
	if (!m->current_gen.id)
		field(f, "generation", "none: never synchronised");
	else
		field(f, "generation", "%s, number %" PRIu64, text_id(m->current_gen.id).s,
		      m->current_gen.nr);
	for (u32 i = 0; i < m->history_nr; i++)
		field(f, i ? "" : "before", "%s, number %" PRIu64, text_id(m->history[i].id).s,
		      m->history[i].nr);
	for (int i = 0; i < LOCKSTEP_MAX_PEERS; i++) {
		const struct meta_peer *p = &m->peer[i];

		if (!p->since.id && !p->boot_id && !p->seen_s)
			continue;
		field(f, "peer", "id %u, last seen %s%s%s", p->node_id, text_when(p->seen_s).s,
		      p->since.id ? ", left behind at " : "",
		      p->since.id ? text_id(p->since.id).s : "");
	}
}

static void print_meta(FILE *f, const struct meta *m)
{
	field(f, "belongs to", "resource %s, volume %u, node %s (id %u)", m->resource, m->volume,
	      m->node, m->node_id);
	field(f, "size", "%s agreed with the peer, %s possible; device %s",
	      m->data_sect ? text_sect(m->data_sect).s : "none", text_sect(m->data_max_sect).s,
	      text_sect(m->device_sect).s);
	print_flags(f, m->flags);
	print_generations(f, m);
	field(f, "epoch", "%" PRIu64 ", boot id %s", m->epoch,
	      m->boot_id ? text_id(m->boot_id).s : "none");
	field(f, "written", "%s; last promoted here: %s", text_when(m->written_s).s,
	      text_when(m->primary_s).s);
	field(f, "region map", "sector %" PRIu64 ", %u x 4 KiB", m->region_map_sect,
	      m->region_map_4k);
	field(f, "index", "sector %" PRIu64 ", %u x 4 KiB", m->index_sect, m->index_4k);
	field(f, "bitmap", "sector %" PRIu64 ", %u x 4 KiB", m->bitmap_sect, m->bitmap_4k);
}

static void text_meta(FILE *f, const struct metafile *files, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		const struct metafile *x = &files[i];

		fprintf(f, "%s%s: %s metadata\n", i ? "\n" : "", x->path,
			x->external ? "external" : "internal");
		for (int c = 0; c < 2 && (x->picked >= 0 || x->err != META_TOO_SMALL); c++)
			print_copy(f, x, c);
		if (x->picked < 0) {
			field(f, "problem", "no copy is to be used: %s", text_meta_err(x->err));
			continue;
		}
		print_meta(f, &x->copy[x->picked].meta);
		if (x->fits != META_OK)
			field(f, "problem", "it describes a device of another size than this one");
	}
}

static void print_maps(FILE *f, const struct metacheck *c)
{
	if (!c->regions_valid && !c->marks_valid)
		field(f, "maps", "not in use yet: never attached");
	if (c->regions_valid)
		field(f, "regions", "%" PRIu64 " of %" PRIu64 " may differ (%u MiB each)",
		      c->dirty_regions, c->regions, LOCKSTEP_REGION_BYTES >> 20);
	if (c->marks_valid)
		field(f, "marked", "%s; pages of the bitmap: %" PRIu64 " empty, %" PRIu64 " full, %"
		      PRIu64 " stored", text_bits(c->marked_blocks).s, c->pages_empty,
		      c->pages_full, c->pages_stored);
}

static void text_check(FILE *f, const struct metacheck *list, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		const struct metacheck *c = &list[i];
		const struct metafile *x = &c->file;

		fprintf(f, "%s%s: %s\n", i ? "\n" : "", x->path,
			c->nr_errors ? "not in order" : "in order");
		for (int n = 0; n < 2 && (x->picked >= 0 || x->err != META_TOO_SMALL); n++)
			print_copy(f, x, n);
		if (x->picked >= 0) {
			const struct meta *m = &x->copy[x->picked].meta;

			field(f, "belongs to", "resource %s, volume %u, node %s (id %u)",
			      m->resource, m->volume, m->node, m->node_id);
		}
		if (c->has_maps)
			print_maps(f, c);
		for (u32 n = 0; n < c->nr_findings; n++)
			field(f, c->finding[n].is_error ? "problem" : "note", "%s",
			      c->finding[n].text);
	}
}

/* ---- verify --------------------------------------------------------------------------------- */

static void text_diff(FILE *f, const char *name, const struct print_diff *list, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		const struct print_diff *d = &list[i];
		u32 number = d->volume->number;

		if (d->volume->verify == LOCKSTEP_VERIFY_NONE)
			fprintf(f, "%s volume %u: not compared since it was attached\n", name,
				number);
		else if (!d->nr)
			fprintf(f, "%s volume %u: no differences (verify: %s)\n", name, number,
				text_verify(d->volume->verify));
		else
			fprintf(f, "%s volume %u: %s differed, in %zu stretch%s (verify: %s)\n"
				"  %20s %20s\n", name, number, text_bits(d->total).s, d->nr,
				d->nr == 1 ? "" : "es", text_verify(d->volume->verify),
				"at byte", "bytes");
		for (size_t n = 0; n < d->nr; n++)
			fprintf(f, "  %20" PRIu64 " %20" PRIu64 "\n",
				d->range[n].first << LOCKSTEP_BIT_SHIFT,
				d->range[n].count << LOCKSTEP_BIT_SHIFT);
	}
}

const struct print_ops print_text = {
	.status = text_status,
	.meta = text_meta,
	.check = text_check,
	.diff = text_diff,
};
