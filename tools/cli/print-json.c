// SPDX-License-Identifier: GPL-2.0
/*
 * For programs. Members and words are promised, as tools/lib/state-json.c has it.
 */
#include "print.h"

#include "diagnose.h"
#include "state-json.h"
#include "text.h"
#include <linux/lockstep.h>

#define JSON_VERSION	1

/* Consumes j. A reply that could not be built must not look like an empty one. */
static void dump(FILE *f, json_t *j)
{
	if (json_dumpf(j, f, JSON_INDENT(2)))
		fprintf(stderr, "lockstep: writing the output failed\n");
	fputc('\n', f);
	json_decref(j);
}

static void json_status(FILE *f, const struct model *m, const struct print_status *how)
{
	json_t *o = json_object(), *list = json_array();
	struct err problem;

	for (u32 i = 0; i < m->nr_resources; i++)
		if (!how->name || !strcmp(how->name, m->resource[i].name))
			json_array_append_new(list, state_json_resource(m, &m->resource[i]));
	sj_put(o, "version", sj_num(JSON_VERSION));
	sj_put(o, "module", json_boolean(m->has_module));
	sj_put(o, "daemon", json_boolean(m->has_daemon));
	sj_put(o, "problem", diagnose_host(m, &problem) ? state_json_err(&problem, 0)
		: json_null());
	sj_put(o, "resources", list);
	dump(f, o);
}

/* ---- metadata ------------------------------------------------------------------------------- */

static json_t *json_gen(const struct meta_gen *g)
{
	json_t *o = json_object();

	sj_put(o, "id", sj_id(g->id));
	sj_put(o, "number", sj_num(g->nr));
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
		sj_put(o, "node_id", sj_num(p->node_id));
		sj_put(o, "since", json_gen(&p->since));
		sj_put(o, "boot_id", sj_id(p->boot_id));
		sj_put(o, "seen_s", sj_num(p->seen_s));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *superblock_json(const struct meta *m)
{
	json_t *o = json_object(), *history = json_array();

	for (u32 i = 0; i < m->history_nr; i++)
		json_array_append_new(history, json_gen(&m->history[i]));
	sj_put(o, "resource", sj_str(m->resource));
	sj_put(o, "volume", sj_num(m->volume));
	sj_put(o, "node", sj_str(m->node));
	sj_put(o, "node_id", sj_num(m->node_id));
	sj_put(o, "sequence", sj_num(m->sequence));
	sj_put(o, "flags", state_json_flags(m->flags));
	sj_put(o, "device_bytes", sj_num(m->device_sect << LOCKSTEP_SECT_SHIFT));
	sj_put(o, "size_bytes", sj_num(m->data_sect << LOCKSTEP_SECT_SHIFT));
	sj_put(o, "max_size_bytes", sj_num(m->data_max_sect << LOCKSTEP_SECT_SHIFT));
	sj_put(o, "logical_block_bytes", sj_num(m->block_bytes));
	sj_put(o, "region_map_sect", sj_num(m->region_map_sect));
	sj_put(o, "region_map_4k", sj_num(m->region_map_4k));
	sj_put(o, "index_sect", sj_num(m->index_sect));
	sj_put(o, "index_4k", sj_num(m->index_4k));
	sj_put(o, "bitmap_sect", sj_num(m->bitmap_sect));
	sj_put(o, "bitmap_4k", sj_num(m->bitmap_4k));
	sj_put(o, "epoch", sj_num(m->epoch));
	sj_put(o, "boot_id", sj_id(m->boot_id));
	sj_put(o, "written_s", sj_num(m->written_s));
	sj_put(o, "primary_s", sj_num(m->primary_s));
	sj_put(o, "generation", json_gen(&m->current_gen));
	sj_put(o, "history", history);
	sj_put(o, "peers", json_peers(m));
	return o;
}

static json_t *meta_copy_json(const struct metafile_copy *c)
{
	json_t *o = json_object();

	sj_put(o, "sector", sj_num(c->sect));
	sj_put(o, "state", json_string(c->io_err ? "unreadable" : text_meta_err(c->err)));
	sj_put(o, "sequence", !c->io_err && c->err == META_OK ? sj_num(c->meta.sequence)
		: json_null());
	return o;
}

static json_t *metafile_json(const struct metafile *x)
{
	json_t *o = json_object(), *copies = json_array();

	for (int i = 0; i < 2; i++)
		json_array_append_new(copies, meta_copy_json(&x->copy[i]));
	sj_put(o, "path", sj_str(x->path));
	sj_put(o, "kind", json_string(x->external ? "external" : "internal"));
	sj_put(o, "copies", copies);
	sj_put(o, "counts", x->picked < 0 ? json_null() : sj_num((u64)x->picked));
	sj_put(o, "state", json_string(text_meta_err(x->picked < 0 ? x->err : x->fits)));
	sj_put(o, "meta", x->picked < 0 ? json_null() : superblock_json(&x->copy[x->picked].meta));
	return o;
}

static void json_meta(FILE *f, const struct metafile *files, size_t nr)
{
	json_t *o = json_object(), *list = json_array();

	for (size_t i = 0; i < nr; i++)
		json_array_append_new(list, metafile_json(&files[i]));
	sj_put(o, "version", sj_num(JSON_VERSION));
	sj_put(o, "metadata", list);
	dump(f, o);
}

static json_t *check_json(const struct metacheck *c)
{
	json_t *o = json_object(), *list = json_array(), *f;

	for (u32 i = 0; i < c->nr_findings; i++) {
		f = json_object();
		sj_put(f, "error", json_boolean(c->finding[i].is_error));
		sj_put(f, "text", sj_str(c->finding[i].text));
		json_array_append_new(list, f);
	}
	sj_put(o, "ok", json_boolean(!c->nr_errors));
	sj_put(o, "errors", sj_num(c->nr_errors));
	sj_put(o, "findings", list);
	sj_put(o, "at_old_end", json_boolean(c->at_old_end));
	sj_put(o, "superblocks", metafile_json(&c->file));
	sj_put(o, "regions", c->regions_valid ? sj_num(c->regions) : json_null());
	sj_put(o, "dirty_regions", c->regions_valid ? sj_num(c->dirty_regions) : json_null());
	sj_put(o, "pages", c->marks_valid ? sj_num(c->pages) : json_null());
	sj_put(o, "pages_empty", sj_num(c->pages_empty));
	sj_put(o, "pages_full", sj_num(c->pages_full));
	sj_put(o, "pages_stored", sj_num(c->pages_stored));
	sj_put(o, "marked_bytes", c->marks_valid ? sj_bits(c->marked_blocks) : json_null());
	sj_put(o, "unreadable_blocks", sj_num(c->unreadable));
	return o;
}

static void json_check(FILE *f, const struct metacheck *list, size_t nr)
{
	json_t *o = json_object(), *checks = json_array();

	for (size_t i = 0; i < nr; i++)
		json_array_append_new(checks, check_json(&list[i]));
	sj_put(o, "version", sj_num(JSON_VERSION));
	sj_put(o, "checks", checks);
	dump(f, o);
}

/* ---- verify --------------------------------------------------------------------------------- */

static json_t *diff_json(const struct print_diff *d)
{
	json_t *o = json_object(), *list = json_array(), *range;

	for (size_t i = 0; i < d->nr; i++) {
		range = json_object();
		sj_put(range, "offset", sj_bits(d->range[i].first));
		sj_put(range, "length", sj_bits(d->range[i].count));
		json_array_append_new(list, range);
	}
	sj_put(o, "volume", sj_num(d->volume->number));
	sj_put(o, "verify", state_json_verify(d->volume));
	sj_put(o, "differing_bytes", sj_bits(d->total));
	sj_put(o, "ranges", list);
	return o;
}

static void json_diff(FILE *f, const char *name, const struct print_diff *list, size_t nr)
{
	json_t *o = json_object(), *volumes = json_array();

	for (size_t i = 0; i < nr; i++)
		json_array_append_new(volumes, diff_json(&list[i]));
	sj_put(o, "version", sj_num(JSON_VERSION));
	sj_put(o, "resource", sj_str(name));
	sj_put(o, "volumes", volumes);
	dump(f, o);
}

const struct print_ops print_json = {
	.status = json_status,
	.meta = json_meta,
	.check = json_check,
	.diff = json_diff,
};
