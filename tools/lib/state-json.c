// SPDX-License-Identifier: GPL-2.0
/*
 * The words and members are promised by status.schema.json: new ones may be added, none changes its
 * meaning within version 1. Ids are hex strings, because a JSON number is a double in most readers
 * and would lose their low bits.
 */
#include "state-json.h"

#include <stdio.h>

#include "diagnose.h"
#include "text.h"
#include <linux/lockstep.h>

/* Paths and names need not be UTF-8; what is not becomes '?'. */
json_t *sj_str(const char *s)
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
json_t *sj_str_or_null(const char *s)
{
	return s[0] ? sj_str(s) : json_null();
}

json_t *sj_num(u64 v)
{
	return json_integer((json_int_t)min(v, (u64)INT64_MAX));
}

json_t *sj_id(u64 v)
{
	return v ? json_string(text_id(v).s) : json_null();
}

void sj_put(json_t *o, const char *key, json_t *value)
{
	json_object_set_new(o, key, value);
}

json_t *state_json_err(const struct err *e, u64 since_s)
{
	json_t *o = json_object();

	sj_put(o, "code", sj_str(e->code));
	sj_put(o, "text", sj_str(e->what));
	sj_put(o, "means", sj_str_or_null(e->means));
	sj_put(o, "mend", sj_str_or_null(e->mend));
	sj_put(o, "since_s", since_s ? sj_num(since_s) : json_null());
	return o;
}

json_t *state_json_flags(u32 flags)
{
	json_t *list = json_array();
	const char *word;

	for (unsigned int n = 0; (word = text_flag(n)); n++)
		if (flags & 1u << n)
			json_array_append_new(list, json_string(word));
	return list;
}

/* ---- status --------------------------------------------------------------------------------- */

json_t *sj_bits(u64 v)
{
	return sj_num(v << LOCKSTEP_BIT_SHIFT);
}

json_t *state_json_verify(const struct model_volume *v)
{
	struct diagnose_verify p;
	json_t *o = json_object();

	sj_put(o, "state", json_string(text_verify(v->verify)));
	if (!diagnose_verify(v, &p))
		return o;
	sj_put(o, "first_byte", sj_bits(v->verify_first_bit));
	sj_put(o, "at_byte", sj_bits(v->verify_bit));
	sj_put(o, "end_byte", sj_bits(v->verify_end_bit));
	sj_put(o, "percent", json_real(p.permille / 10.0));
	sj_put(o, "differing_bytes", sj_num(p.bad_bytes));
	sj_put(o, "repaired_bytes", sj_num(p.repaired_bytes));
	return o;
}

static json_t *json_errors(const struct model_volume *v)
{
	json_t *o = json_object();

	sj_put(o, "reads", sj_num(v->read_errors));
	sj_put(o, "writes", sj_num(v->write_errors));
	sj_put(o, "repaired_blocks", sj_num(v->repairs));
	sj_put(o, "stuck_requests", sj_num(v->stuck));
	return o;
}

static json_t *json_sync(const struct model_volume *v)
{
	struct diagnose_sync p;
	json_t *o = json_object();

	sj_put(o, "state", json_string(text_sync(v->sync)));
	if (!diagnose_sync(v, &p))
		return o;
	sj_put(o, "total_bytes", sj_num(p.total_bytes));
	sj_put(o, "left_bytes", sj_num(p.left_bytes));
	sj_put(o, "percent", json_real(p.permille / 10.0));
	sj_put(o, "elapsed_ms", sj_num(v->sync_ms));
	sj_put(o, "rate_bytes_per_s", sj_num(p.rate_bytes_s));
	sj_put(o, "eta_s", p.has_eta ? sj_num(p.eta_s) : json_null());
	sj_put(o, "compared_bytes", sj_bits(v->sync_compared_bits));
	sj_put(o, "copied_bytes", sj_bits(v->sync_copied_bits));
	sj_put(o, "unreadable_bytes", sj_bits(v->sync_error_bits));
	return o;
}

static json_t *json_generation(const struct model_volume *v)
{
	json_t *o = json_object(), *history = json_array();

	for (u32 i = 0; i < v->gen_history_nr; i++)
		json_array_append_new(history, sj_id(v->gen_history[i]));
	sj_put(o, "current", sj_id(v->gen_current));
	sj_put(o, "number", sj_num(v->gen_nr));
	sj_put(o, "since", sj_id(v->gen_since));
	sj_put(o, "history", history);
	return o;
}

static json_t *json_io(const struct model_volume *v)
{
	json_t *o = json_object();

	sj_put(o, "in_flight", sj_num(v->in_flight));
	sj_put(o, "reads", sj_num(v->reads));
	sj_put(o, "read_bytes", sj_num(v->read_sect << LOCKSTEP_SECT_SHIFT));
	sj_put(o, "writes", sj_num(v->writes));
	sj_put(o, "written_bytes", sj_num(v->write_sect << LOCKSTEP_SECT_SHIFT));
	sj_put(o, "peer_writes", sj_num(v->peer_writes));
	sj_put(o, "peer_written_bytes", sj_num(v->peer_write_sect << LOCKSTEP_SECT_SHIFT));
	sj_put(o, "resync_bytes", sj_num(v->resync_sect << LOCKSTEP_SECT_SHIFT));
	return o;
}

static json_t *json_volume(const struct model_volume *v)
{
	char device[32];
	json_t *o = json_object();

	snprintf(device, sizeof(device), "/dev/lockstep%u", v->minor);
	sj_put(o, "number", sj_num(v->number));
	sj_put(o, "minor", sj_num(v->minor));
	sj_put(o, "device", json_string(device));
	sj_put(o, "backing", sj_str_or_null(v->backing));
	sj_put(o, "meta", sj_str_or_null(v->meta));
	sj_put(o, "size_bytes", sj_num(model_volume_sect(v) << LOCKSTEP_SECT_SHIFT));
	sj_put(o, "max_size_bytes", sj_num(v->data_max_sect << LOCKSTEP_SECT_SHIFT));
	sj_put(o, "logical_block_bytes", sj_num(v->logical_bytes));
	sj_put(o, "physical_block_bytes", sj_num(v->physical_bytes));
	sj_put(o, "disk", json_string(text_disk(v->disk)));
	sj_put(o, "peer_disk", json_string(text_disk(v->peer_disk)));
	sj_put(o, "flags", state_json_flags(v->flags));
	sj_put(o, "disk_why", sj_str_or_null(v->disk_why));
	sj_put(o, "loading", json_boolean(v->loading));
	sj_put(o, "errors", json_errors(v));
	sj_put(o, "dirty_regions", sj_num(v->dirty_regions));
	sj_put(o, "out_of_sync_bytes", sj_bits(v->oos_bits));
	sj_put(o, "sync", json_sync(v));
	sj_put(o, "verify", state_json_verify(v));
	sj_put(o, "generation", json_generation(v));
	sj_put(o, "openers", sj_num(v->openers));
	sj_put(o, "opener", sj_str_or_null(v->opener));
	sj_put(o, "io", json_io(v));
	return o;
}

static json_t *json_split_side(const struct model_split_side *s)
{
	json_t *o = json_object();

	sj_put(o, "node", sj_str(s->node));
	sj_put(o, "role", json_string(text_role(s->role)));
	sj_put(o, "own_bytes", sj_num(s->marked_bytes));
	sj_put(o, "own_bytes_known", json_boolean(s->marks_known));
	sj_put(o, "own_bytes_more", sj_num(s->dirty_bytes));
	sj_put(o, "crashed", json_boolean(s->crashed));
	sj_put(o, "written_s", s->write_s ? sj_num(s->write_s) : json_null());
	sj_put(o, "promoted_s", s->primary_s ? sj_num(s->primary_s) : json_null());
	return o;
}

static json_t *json_split(const struct model_split *s)
{
	json_t *o;

	if (!s->is)
		return json_null();
	o = json_object();
	sj_put(o, "since_s", sj_num(s->since_s));
	sj_put(o, "volume", sj_num(s->volume));
	sj_put(o, "rule", sj_str(s->rule));
	sj_put(o, "id", sj_id(s->id));
	sj_put(o, "here", json_split_side(&s->here));
	sj_put(o, "peer", json_split_side(&s->peer));
	return o;
}

static json_t *json_daemon(const struct model_daemon *d)
{
	json_t *o = json_object();

	sj_put(o, "configured", json_boolean(d->configured));
	sj_put(o, "stay_off", json_boolean(d->stay_off));
	sj_put(o, "config", sj_str_or_null(d->config));
	sj_put(o, "phase", sj_str_or_null(d->phase));
	sj_put(o, "peer_address", sj_str_or_null(d->peer_address));
	sj_put(o, "note", sj_str_or_null(d->note));
	sj_put(o, "split_brain", json_split(&d->split));
	return o;
}

static void put_kernel(json_t *o, const struct model_resource *r)
{
	json_t *volumes = json_array();

	sj_put(o, "node", sj_str(r->node));
	sj_put(o, "node_id", sj_num(r->node_id));
	sj_put(o, "peer", sj_str(r->peer));
	sj_put(o, "peer_id", sj_num(r->peer_node_id));
	sj_put(o, "role", json_string(text_role(r->role)));
	sj_put(o, "peer_role", json_string(text_role(r->peer_role)));
	sj_put(o, "link", json_string(text_link(r->link)));
	sj_put(o, "io", json_string(text_io(r->io_mode)));
	sj_put(o, "streams", sj_num(r->streams));
	sj_put(o, "timeout_ms", sj_num(r->timeout_ms));
	sj_put(o, "ping_ms", sj_num(r->ping_ms));
	sj_put(o, "disk_timeout_ms", r->has_disk_timeout ? sj_num(r->disk_timeout_ms)
		: json_null());
	sj_put(o, "epoch", sj_num(r->epoch));
	sj_put(o, "session_id", sj_id(r->session_id));
	sj_put(o, "boot_id", sj_id(r->boot_id));
	sj_put(o, "peer_boot_id", sj_id(r->peer_boot_id));
	sj_put(o, "held_writes", sj_num(r->held));
	sj_put(o, "waits_for", sj_str_or_null(r->wait));
	sj_put(o, "fencing", json_string(text_fencing(r->fencing)));
	sj_put(o, "unfenced", json_boolean(r->unfenced));
	sj_put(o, "auto_promote", json_boolean(r->auto_promote));
	sj_put(o, "automatic", json_boolean(r->automatic));
	sj_put(o, "link_lost", sj_str_or_null(r->link_lost));
	sj_put(o, "partial", json_boolean(model_is_partial(r)));
	for (u32 i = 0; i < r->nr_volumes; i++)
		json_array_append_new(volumes, json_volume(&r->volume[i]));
	sj_put(o, "volumes", volumes);
}

json_t *state_json_resource(const struct model *m, const struct model_resource *r)
{
	char headline[HEADLINE_BYTES];
	json_t *o = json_object();
	struct err problem;
	u64 since_s = r->daemon.problem[0] ? r->daemon.problem_since_s : 0;

	diagnose_headline(m, r, headline);
	sj_put(o, "name", sj_str(r->name));
	sj_put(o, "summary", sj_str(headline));
	sj_put(o, "in_kernel", json_boolean(r->in_kernel));
	if (r->in_kernel)
		put_kernel(o, r);
	sj_put(o, "daemon", r->has_daemon ? json_daemon(&r->daemon) : json_null());
	sj_put(o, "problem", diagnose_problem(m, r, &problem) ?
	       state_json_err(&problem, since_s) : json_null());
	return o;
}
