// SPDX-License-Identifier: GPL-2.0
/*
 * For programs. The words and members are promised by tools/lib/status.schema.json: new ones may be
 * added, none changes its meaning within version 1. Ids are hex strings, because a JSON number is a
 * double in most readers and would lose their low bits.
 */
#include "print.h"

#include <jansson.h>

#include "diagnose.h"
#include "text.h"
#include <linux/lockstep.h>

#define JSON_VERSION	1

/* Paths and names need not be UTF-8; what is not becomes '?'. */
static json_t *str(const char *s)
{
	json_t *j = json_string(s);
	char copy[1024];

	if (j)
		return j;
	snprintf(copy, sizeof(copy), "%s", s);
	for (char *p = copy; *p; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	return json_string(copy);
}

/* Absent is null, never "". */
static json_t *str_or_null(const char *s)
{
	return s[0] ? str(s) : json_null();
}

static json_t *num(u64 v)
{
	return json_integer((json_int_t)min(v, (u64)INT64_MAX));
}

static json_t *id(u64 v)
{
	return v ? json_string(text_id(v).s) : json_null();
}

static void put(json_t *o, const char *key, json_t *value)
{
	json_object_set_new(o, key, value);
}

static json_t *json_err(const struct err *e, u64 since_s)
{
	json_t *o = json_object();

	put(o, "code", str(e->code));
	put(o, "text", str(e->what));
	put(o, "means", str_or_null(e->means));
	put(o, "mend", str_or_null(e->mend));
	put(o, "since_s", since_s ? num(since_s) : json_null());
	return o;
}

static json_t *json_flags(u32 flags)
{
	json_t *list = json_array();
	const char *word;

	for (unsigned int n = 0; (word = text_flag(n)); n++)
		if (flags & 1u << n)
			json_array_append_new(list, json_string(word));
	return list;
}

/* ---- status --------------------------------------------------------------------------------- */

static json_t *bits(u64 v)
{
	return num(v << LOCKSTEP_BIT_SHIFT);
}

static json_t *json_verify(const struct model_volume *v)
{
	struct diagnose_verify p;
	json_t *o = json_object();

	put(o, "state", json_string(text_verify(v->verify)));
	if (!diagnose_verify(v, &p))
		return o;
	put(o, "first_byte", bits(v->verify_first_bit));
	put(o, "at_byte", bits(v->verify_bit));
	put(o, "end_byte", bits(v->verify_end_bit));
	put(o, "percent", json_real(p.permille / 10.0));
	put(o, "differing_bytes", num(p.bad_bytes));
	put(o, "repaired_bytes", num(p.repaired_bytes));
	return o;
}

static json_t *json_errors(const struct model_volume *v)
{
	json_t *o = json_object();

	put(o, "reads", num(v->read_errors));
	put(o, "writes", num(v->write_errors));
	put(o, "repaired_blocks", num(v->repairs));
	put(o, "stuck_requests", num(v->stuck));
	return o;
}

static json_t *json_sync(const struct model_volume *v)
{
	struct diagnose_sync p;
	json_t *o = json_object();

	put(o, "state", json_string(text_sync(v->sync)));
	if (!diagnose_sync(v, &p))
		return o;
	put(o, "total_bytes", num(p.total_bytes));
	put(o, "left_bytes", num(p.left_bytes));
	put(o, "percent", json_real(p.permille / 10.0));
	put(o, "elapsed_ms", num(v->sync_ms));
	put(o, "rate_bytes_per_s", num(p.rate_bytes_s));
	put(o, "eta_s", p.has_eta ? num(p.eta_s) : json_null());
	put(o, "compared_bytes", bits(v->sync_compared_bits));
	put(o, "copied_bytes", bits(v->sync_copied_bits));
	put(o, "unreadable_bytes", bits(v->sync_error_bits));
	return o;
}

static json_t *json_generation(const struct model_volume *v)
{
	json_t *o = json_object(), *history = json_array();

	for (u32 i = 0; i < v->gen_history_nr; i++)
		json_array_append_new(history, id(v->gen_history[i]));
	put(o, "current", id(v->gen_current));
	put(o, "number", num(v->gen_nr));
	put(o, "since", id(v->gen_since));
	put(o, "history", history);
	return o;
}

static json_t *json_io(const struct model_volume *v)
{
	json_t *o = json_object();

	put(o, "in_flight", num(v->in_flight));
	put(o, "reads", num(v->reads));
	put(o, "read_bytes", num(v->read_sect << LOCKSTEP_SECT_SHIFT));
	put(o, "writes", num(v->writes));
	put(o, "written_bytes", num(v->write_sect << LOCKSTEP_SECT_SHIFT));
	put(o, "peer_writes", num(v->peer_writes));
	put(o, "peer_written_bytes", num(v->peer_write_sect << LOCKSTEP_SECT_SHIFT));
	put(o, "resync_bytes", num(v->resync_sect << LOCKSTEP_SECT_SHIFT));
	return o;
}

static json_t *json_volume(const struct model_volume *v)
{
	char device[32];
	json_t *o = json_object();

	snprintf(device, sizeof(device), "/dev/lockstep%u", v->minor);
	put(o, "number", num(v->number));
	put(o, "minor", num(v->minor));
	put(o, "device", json_string(device));
	put(o, "backing", str_or_null(v->backing));
	put(o, "meta", str_or_null(v->meta));
	put(o, "size_bytes", num(model_volume_sect(v) << LOCKSTEP_SECT_SHIFT));
	put(o, "max_size_bytes", num(v->data_max_sect << LOCKSTEP_SECT_SHIFT));
	put(o, "logical_block_bytes", num(v->logical_bytes));
	put(o, "physical_block_bytes", num(v->physical_bytes));
	put(o, "disk", json_string(text_disk(v->disk)));
	put(o, "peer_disk", json_string(text_disk(v->peer_disk)));
	put(o, "flags", json_flags(v->flags));
	put(o, "disk_why", str_or_null(v->disk_why));
	put(o, "loading", json_boolean(v->loading));
	put(o, "errors", json_errors(v));
	put(o, "dirty_regions", num(v->dirty_regions));
	put(o, "out_of_sync_bytes", bits(v->oos_bits));
	put(o, "sync", json_sync(v));
	put(o, "verify", json_verify(v));
	put(o, "generation", json_generation(v));
	put(o, "openers", num(v->openers));
	put(o, "opener", str_or_null(v->opener));
	put(o, "io", json_io(v));
	return o;
}

static json_t *json_daemon(const struct model_daemon *d)
{
	json_t *o = json_object();

	put(o, "configured", json_boolean(d->configured));
	put(o, "stay_off", json_boolean(d->stay_off));
	put(o, "config", str_or_null(d->config));
	put(o, "phase", str_or_null(d->phase));
	put(o, "peer_address", str_or_null(d->peer_address));
	return o;
}

static void put_kernel(json_t *o, const struct model_resource *r)
{
	json_t *volumes = json_array();

	put(o, "node", str(r->node));
	put(o, "node_id", num(r->node_id));
	put(o, "peer", str(r->peer));
	put(o, "peer_id", num(r->peer_node_id));
	put(o, "role", json_string(text_role(r->role)));
	put(o, "peer_role", json_string(text_role(r->peer_role)));
	put(o, "link", json_string(text_link(r->link)));
	put(o, "io", json_string(text_io(r->io_mode)));
	put(o, "streams", num(r->streams));
	put(o, "timeout_ms", num(r->timeout_ms));
	put(o, "ping_ms", num(r->ping_ms));
	put(o, "disk_timeout_ms", r->has_disk_timeout ? num(r->disk_timeout_ms) : json_null());
	put(o, "epoch", num(r->epoch));
	put(o, "session_id", id(r->session_id));
	put(o, "boot_id", id(r->boot_id));
	put(o, "peer_boot_id", id(r->peer_boot_id));
	put(o, "held_writes", num(r->held));
	put(o, "waits_for", str_or_null(r->wait));
	put(o, "link_lost", str_or_null(r->link_lost));
	for (u32 i = 0; i < r->nr_volumes; i++)
		json_array_append_new(volumes, json_volume(&r->volume[i]));
	put(o, "volumes", volumes);
}

static json_t *json_resource(const struct model *m, const struct model_resource *r)
{
	char headline[HEADLINE_BYTES];
	json_t *o = json_object();
	struct err problem;
	u64 since_s = r->daemon.problem[0] ? r->daemon.problem_since_s : 0;

	diagnose_headline(m, r, headline);
	put(o, "name", str(r->name));
	put(o, "summary", str(headline));
	put(o, "in_kernel", json_boolean(r->in_kernel));
	if (r->in_kernel)
		put_kernel(o, r);
	put(o, "daemon", r->has_daemon ? json_daemon(&r->daemon) : json_null());
	put(o, "problem", diagnose_problem(m, r, &problem) ? json_err(&problem, since_s)
		: json_null());
	return o;
}

/* Consumes j. A reply that could not be built must not look like an empty one. */
static void dump(FILE *f, json_t *j)
{
	if (json_dumpf(j, f, JSON_INDENT(2)))
		fprintf(stderr, "lockstep: writing the output failed\n");
	fputc('\n', f);
	json_decref(j);
}

static void json_status(FILE *f, const struct model *m, const char *name)
{
	json_t *o = json_object(), *list = json_array();
	struct err problem;

	for (u32 i = 0; i < m->nr_resources; i++)
		if (!name || !strcmp(name, m->resource[i].name))
			json_array_append_new(list, json_resource(m, &m->resource[i]));
	put(o, "version", num(JSON_VERSION));
	put(o, "module", json_boolean(m->has_module));
	put(o, "daemon", json_boolean(m->has_daemon));
	put(o, "problem", diagnose_host(m, &problem) ? json_err(&problem, 0) : json_null());
	put(o, "resources", list);
	dump(f, o);
}

/* ---- metadata ------------------------------------------------------------------------------- */

static json_t *json_gen(const struct meta_gen *g)
{
	json_t *o = json_object();

	put(o, "id", id(g->id));
	put(o, "number", num(g->nr));
	return o;
}

static json_t *json_peers(const struct meta *m)
{
	json_t *list = json_array(), *o;

	for (int i = 0; i < LOCKSTEP_MAX_PEERS; i++) {
		const struct meta_peer *p = &m->peer[i];

		if (!p->since.id && !p->boot_id && !p->seen_s)
			continue;
		o = json_object();
		put(o, "node_id", num(p->node_id));
		put(o, "since", json_gen(&p->since));
		put(o, "boot_id", id(p->boot_id));
		put(o, "seen_s", num(p->seen_s));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *superblock_json(const struct meta *m)
{
	json_t *o = json_object(), *history = json_array();

	for (u32 i = 0; i < m->history_nr; i++)
		json_array_append_new(history, json_gen(&m->history[i]));
	put(o, "resource", str(m->resource));
	put(o, "volume", num(m->volume));
	put(o, "node", str(m->node));
	put(o, "node_id", num(m->node_id));
	put(o, "sequence", num(m->sequence));
	put(o, "flags", json_flags(m->flags));
	put(o, "device_bytes", num(m->device_sect << LOCKSTEP_SECT_SHIFT));
	put(o, "size_bytes", num(m->data_sect << LOCKSTEP_SECT_SHIFT));
	put(o, "max_size_bytes", num(m->data_max_sect << LOCKSTEP_SECT_SHIFT));
	put(o, "logical_block_bytes", num(m->block_bytes));
	put(o, "region_map_sect", num(m->region_map_sect));
	put(o, "region_map_4k", num(m->region_map_4k));
	put(o, "index_sect", num(m->index_sect));
	put(o, "index_4k", num(m->index_4k));
	put(o, "bitmap_sect", num(m->bitmap_sect));
	put(o, "bitmap_4k", num(m->bitmap_4k));
	put(o, "epoch", num(m->epoch));
	put(o, "boot_id", id(m->boot_id));
	put(o, "written_s", num(m->written_s));
	put(o, "primary_s", num(m->primary_s));
	put(o, "generation", json_gen(&m->current_gen));
	put(o, "history", history);
	put(o, "peers", json_peers(m));
	return o;
}

static json_t *meta_copy_json(const struct metafile_copy *c)
{
	json_t *o = json_object();

	put(o, "sector", num(c->sect));
	put(o, "state", json_string(c->io_err ? "unreadable" : text_meta_err(c->err)));
	put(o, "sequence", !c->io_err && c->err == META_OK ? num(c->meta.sequence) : json_null());
	return o;
}

static json_t *metafile_json(const struct metafile *x)
{
	json_t *o = json_object(), *copies = json_array();

	for (int i = 0; i < 2; i++)
		json_array_append_new(copies, meta_copy_json(&x->copy[i]));
	put(o, "path", str(x->path));
	put(o, "kind", json_string(x->external ? "external" : "internal"));
	put(o, "copies", copies);
	put(o, "counts", x->picked < 0 ? json_null() : num((u64)x->picked));
	put(o, "state", json_string(text_meta_err(x->picked < 0 ? x->err : x->fits)));
	put(o, "meta", x->picked < 0 ? json_null() : superblock_json(&x->copy[x->picked].meta));
	return o;
}

static void json_meta(FILE *f, const struct metafile *files, size_t nr)
{
	json_t *o = json_object(), *list = json_array();

	for (size_t i = 0; i < nr; i++)
		json_array_append_new(list, metafile_json(&files[i]));
	put(o, "version", num(JSON_VERSION));
	put(o, "metadata", list);
	dump(f, o);
}

static json_t *check_json(const struct metacheck *c)
{
	json_t *o = json_object(), *list = json_array(), *f;

	for (u32 i = 0; i < c->nr_findings; i++) {
		f = json_object();
		put(f, "error", json_boolean(c->finding[i].is_error));
		put(f, "text", str(c->finding[i].text));
		json_array_append_new(list, f);
	}
	put(o, "ok", json_boolean(!c->nr_errors));
	put(o, "errors", num(c->nr_errors));
	put(o, "findings", list);
	put(o, "at_old_end", json_boolean(c->at_old_end));
	put(o, "superblocks", metafile_json(&c->file));
	put(o, "regions", c->regions_valid ? num(c->regions) : json_null());
	put(o, "dirty_regions", c->regions_valid ? num(c->dirty_regions) : json_null());
	put(o, "pages", c->marks_valid ? num(c->pages) : json_null());
	put(o, "pages_empty", num(c->pages_empty));
	put(o, "pages_full", num(c->pages_full));
	put(o, "pages_stored", num(c->pages_stored));
	put(o, "marked_bytes", c->marks_valid ? bits(c->marked_blocks) : json_null());
	put(o, "unreadable_blocks", num(c->unreadable));
	return o;
}

static void json_check(FILE *f, const struct metacheck *list, size_t nr)
{
	json_t *o = json_object(), *checks = json_array();

	for (size_t i = 0; i < nr; i++)
		json_array_append_new(checks, check_json(&list[i]));
	put(o, "version", num(JSON_VERSION));
	put(o, "checks", checks);
	dump(f, o);
}

/* ---- verify --------------------------------------------------------------------------------- */

static json_t *diff_json(const struct print_diff *d)
{
	json_t *o = json_object(), *list = json_array(), *range;

	for (size_t i = 0; i < d->nr; i++) {
		range = json_object();
		put(range, "offset", bits(d->range[i].first));
		put(range, "length", bits(d->range[i].count));
		json_array_append_new(list, range);
	}
	put(o, "volume", num(d->volume->number));
	put(o, "verify", json_verify(d->volume));
	put(o, "differing_bytes", bits(d->total));
	put(o, "ranges", list);
	return o;
}

static void json_diff(FILE *f, const char *name, const struct print_diff *list, size_t nr)
{
	json_t *o = json_object(), *volumes = json_array();

	for (size_t i = 0; i < nr; i++)
		json_array_append_new(volumes, diff_json(&list[i]));
	put(o, "version", num(JSON_VERSION));
	put(o, "resource", str(name));
	put(o, "volumes", volumes);
	dump(f, o);
}

const struct print_ops print_json = {
	.status = json_status,
	.meta = json_meta,
	.check = json_check,
	.diff = json_diff,
};
