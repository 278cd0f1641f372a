// SPDX-License-Identifier: GPL-2.0
#include "ctl.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "meta.h"

/* More resources than anyone has; bounds what a reply can make us allocate. */
#define CTL_MAX_FACTS	4096

enum {
	TAKES_ALL	= 1 << 0,	/* instead of a resource */
	TAKES_NONE	= 1 << 1,	/* no resource: all */
	TAKES_FORCE	= 1 << 2,
	TAKES_VOLUME	= 1 << 3,
	NEEDS_VOLUME	= 1 << 4 | TAKES_VOLUME,
	TAKES_SIZE	= 1 << 5,
	TAKES_DRY_RUN	= 1 << 6,
	NEEDS_KEEP	= 1 << 7,
	TAKES_END	= 1 << 8,
};

static const struct {
	const char *name;
	u32 takes;
} commands[CTL_COMMAND_NR] = {
	[CTL_UP]	 = { "up", TAKES_ALL },
	[CTL_DOWN]	 = { "down", TAKES_ALL },
	[CTL_STATUS]	 = { "status", TAKES_NONE },
	[CTL_PROMOTE]	 = { "promote", TAKES_FORCE },
	[CTL_DEMOTE]	 = { "demote", 0 },
	[CTL_CONNECT]	 = { "connect", TAKES_DRY_RUN },
	[CTL_DISCONNECT] = { "disconnect", 0 },
	[CTL_ATTACH]	 = { "attach", TAKES_VOLUME },
	[CTL_DETACH]	 = { "detach", NEEDS_VOLUME },
	[CTL_RESIZE]	 = { "resize", NEEDS_VOLUME | TAKES_SIZE | TAKES_FORCE },
	[CTL_EVENTS]	 = { "events", TAKES_NONE },
	[CTL_RESOLVE]	 = { "resolve", NEEDS_KEEP },
	[CTL_RESUME]	 = { "resume", 0 },
	[CTL_OUTDATE]	 = { "outdate", 0 },
	[CTL_TRACE]	 = { "trace", TAKES_END },
};

/* Where each string of struct model_daemon goes. */
#define FACT(member)	{ #member, offsetof(struct model_daemon, member), \
			  sizeof(((struct model_daemon *)0)->member) }
static const struct {
	const char *name;
	size_t offset, size;
} fact_strings[] = {
	FACT(name), FACT(config), FACT(node), FACT(peer), FACT(peer_address), FACT(phase),
	FACT(problem), FACT(mend), FACT(code), FACT(note),
};

const char *ctl_socket_path(const char *option)
{
	const char *env = getenv("LOCKSTEP_SOCKET");

	if (option)
		return option;
	return env && *env ? env : CTL_SOCKET;
}

const char *ctl_command_name(enum ctl_command c)
{
	return (unsigned int)c < CTL_COMMAND_NR ? commands[c].name : "?";
}

static int bad_line(struct err *e, const char *what)
{
	int ret = err_set(e, -EPROTO, "ctl-protocol", "the other end of the control socket sent %s",
			  what);

	err_means(e, "lockstep and lockstepd are probably of different versions");
	err_mend(e, "systemctl restart lockstepd");
	return ret;
}

static int parse_command(const char *name, enum ctl_command *ret, struct err *e)
{
	if (!name)
		return bad_line(e, "a command that is no string");
	for (int i = 0; i < CTL_COMMAND_NR; i++) {
		if (strcmp(commands[i].name, name))
			continue;
		*ret = i;
		return 0;
	}
	return err_set(e, -EINVAL, "ctl-command",
		       "lockstepd knows no command of the name \"%.32s\"", name);
}

/* A string that must be a valid resource or node name. */
static int parse_name(const json_t *j, const char *what, char *ret, struct err *e)
{
	const char *s = json_string_value(j);

	if (!s || !meta_name_ok(s))
		return err_set(e, -EINVAL, "bad-name", "\"%.64s\" is not a %s name", s ? s : "",
			       what);
	snprintf(ret, LOCKSTEP_NAME_BYTES, "%s", s);
	return 0;
}

/* A number from 0 to max; so a negative one or a fraction is none. */
static bool parse_number(const json_t *j, u64 max, u64 *ret)
{
	json_int_t v = json_integer_value(j);

	if (!json_is_integer(j) || v < 0 || (u64)v > max)
		return false;
	*ret = (u64)v;
	return true;
}

static const char *const keep_words[] = {
	[CTL_KEEP_HERE]	= "here",
	[CTL_KEEP_PEER]	= "peer",
};

static bool parse_keep(const json_t *j, enum ctl_keep *ret)
{
	const char *s = json_string_value(j);

	for (int i = CTL_KEEP_HERE; s && i <= CTL_KEEP_PEER; i++) {
		if (strcmp(s, keep_words[i]))
			continue;
		*ret = i;
		return true;
	}
	return false;
}

/* 64 bits are more than every JSON reader takes for a number: 16 hex digits. */
static bool parse_id(const json_t *j, u64 *ret)
{
	const char *s = json_string_value(j);

	if (!s || strlen(s) != 16 || strspn(s, "0123456789abcdef") != 16)
		return false;
	*ret = strtoull(s, NULL, 16);
	return true;
}

static json_t *id_json(u64 id)
{
	return json_sprintf("%016" PRIx64, id);
}

static int parse_options(json_t *options, struct ctl_request *r, struct err *e)
{
	const char *key;
	json_t *value;
	u64 v;

	if (!json_is_object(options))
		return bad_line(e, "options that are no object");
	json_object_foreach(options, key, value) {
		if (!strcmp(key, "node")) {
			int err = parse_name(value, "node", r->node, e);

			if (err)
				return err;
		} else if (!strcmp(key, "force") && json_is_boolean(value)) {
			r->force = json_is_true(value);
		} else if (!strcmp(key, "all") && json_is_boolean(value)) {
			r->all = json_is_true(value);
		} else if (!strcmp(key, "volume") &&
			   parse_number(value, LOCKSTEP_MAX_VOLUMES - 1, &v)) {
			r->has_volume = true;
			r->volume = (u32)v;
		} else if (!strcmp(key, "size_sect") &&
			   parse_number(value, LOCKSTEP_MAX_DATA_SECT, &v)) {
			r->size_sect = v;
		} else if (!strcmp(key, "dry_run") && json_is_boolean(value)) {
			r->dry_run = json_is_true(value);
		} else if (!strcmp(key, "end") && json_is_boolean(value)) {
			r->end = json_is_true(value);
		} else if ((!strcmp(key, "keep") && parse_keep(value, &r->keep)) ||
			   (!strcmp(key, "split_id") && parse_id(value, &r->split_id))) {
			continue;
		} else {
			return bad_line(e, "an option that is not known here");
		}
	}
	return 0;
}

static int parse_member(const char *key, json_t *value, struct ctl_request *r, struct err *e)
{
	if (!strcmp(key, "version"))
		return json_integer_value(value) == CTL_VERSION ? 0
			: bad_line(e, "a request of another version");
	if (!strcmp(key, "command"))
		return parse_command(json_string_value(value), &r->command, e);
	if (!strcmp(key, "resource"))
		return parse_name(value, "resource", r->resource, e);
	if (!strcmp(key, "options"))
		return parse_options(value, r, e);
	return bad_line(e, "a request with a member that is not known here");
}

/* What the members mean together. */
static int check_request(const struct ctl_request *r, struct err *e)
{
	const char *name = commands[r->command].name;
	u32 takes = commands[r->command].takes;

	if (r->all && (!(takes & TAKES_ALL) || r->resource[0]))
		return err_set(e, -EINVAL, "ctl-request", "%s cannot be asked for all resources",
			       name);
	if (r->force && !(takes & TAKES_FORCE))
		return err_set(e, -EINVAL, "ctl-request", "%s cannot be forced", name);
	if ((r->has_volume && !(takes & TAKES_VOLUME)) || (r->size_sect && !(takes & TAKES_SIZE)))
		return err_set(e, -EINVAL, "ctl-request", "%s takes neither volume nor size", name);
	if (!r->resource[0] && !r->all && !(takes & TAKES_NONE))
		return err_set(e, -EINVAL, "ctl-request", "%s needs the name of a resource", name);
	if (r->dry_run && !(takes & TAKES_DRY_RUN))
		return err_set(e, -EINVAL, "ctl-request", "%s has no dry run", name);
	if (r->end && !(takes & TAKES_END))
		return err_set(e, -EINVAL, "ctl-request", "%s cannot be ended", name);
	if (!(takes & NEEDS_KEEP) != !r->keep || !(takes & NEEDS_KEEP) != !r->split_id)
		return err_set(e, -EINVAL, "ctl-request", takes & NEEDS_KEEP ?
			       "%s needs to know what to keep of which split" :
			       "%s keeps neither side of anything", name);
	if (!r->has_volume && (takes & NEEDS_VOLUME) == NEEDS_VOLUME)
		return err_set(e, -EINVAL, "ctl-request", "%s needs the number of a volume", name);
	return 0;
}

int ctl_parse_request(const char *line, size_t len, struct ctl_request *ret, struct err *e)
{
	struct ctl_request r = { .command = CTL_COMMAND_NR };
	json_error_t jerr;
	const char *key;
	json_t *j, *value;
	int err = 0;

	if (len > CTL_REQUEST_BYTES)
		return bad_line(e, "a request that is too long");
	j = json_loadb(line, len, JSON_REJECT_DUPLICATES, &jerr);
	if (!json_is_object(j)) {
		json_decref(j);
		return bad_line(e, "something that is no JSON object");
	}
	json_object_foreach(j, key, value) {
		err = parse_member(key, value, &r, e);
		if (err)
			break;
	}
	if (!err && (r.command == CTL_COMMAND_NR || !json_object_get(j, "version")))
		err = bad_line(e, "a request without version or command");
	if (!err)
		err = check_request(&r, e);
	json_decref(j);
	if (!err)
		*ret = r;
	return err;
}

/* Consumes j. */
static char *dump_line(json_t *j)
{
	char *text = j ? json_dumps(j, JSON_COMPACT) : NULL, *line = NULL;
	size_t len;

	json_decref(j);
	if (!text)
		return NULL;
	len = strlen(text);
	line = realloc(text, len + 2);
	if (!line) {
		free(text);
		return NULL;
	}
	memcpy(line + len, "\n", 2);
	return line;
}

/*
 * Text from the peer, the kernel or a file name need not be UTF-8, which is all JSON can carry:
 * what is not becomes '?', byte by byte, rather than losing the whole reply.
 */
static json_t *text_json(const char *text)
{
	json_t *j = json_string(text);
	char *copy;

	if (j)
		return j;
	copy = strdup(text);
	if (!copy)
		return NULL;
	for (char *p = copy; *p; p++)
		if ((unsigned char)*p >= 0x80 || (unsigned char)*p < 0x20)
			*p = '?';
	j = json_string(copy);
	free(copy);
	return j;
}

char *ctl_reply_ok(const char *text)
{
	json_t *j = json_pack("{s:i,s:b}", "version", CTL_VERSION, "ok", 1);

	if (j && text && json_object_set_new(j, "text", text_json(text))) {
		json_decref(j);
		return NULL;
	}
	return dump_line(j);
}

char *ctl_reply_err(const struct err *e)
{
	return dump_line(json_pack("{s:i,s:b,s:o,s:o,s:o,s:o}", "version", CTL_VERSION, "ok", 0,
				   "code", text_json(e->code), "error", text_json(e->what),
				   "means", text_json(e->means), "hint", text_json(e->mend)));
}

static json_t *split_side_json(const struct model_split_side *s)
{
	return json_pack("{s:o,s:I,s:b,s:b,s:b,s:I,s:I,s:I,s:I}", "node", text_json(s->node),
			 "role", (json_int_t)s->role, "heard", s->heard, "crashed", s->crashed,
			 "marks_known", s->marks_known, "marked_bytes",
			 (json_int_t)s->marked_bytes, "dirty_bytes", (json_int_t)s->dirty_bytes,
			 "write_s", (json_int_t)s->write_s, "primary_s",
			 (json_int_t)s->primary_s);
}

static json_t *split_json(const struct model_split *s)
{
	if (!s->is)
		return json_null();
	return json_pack("{s:I,s:I,s:o,s:o,s:o,s:o}", "since_s", (json_int_t)s->since_s,
			 "volume", (json_int_t)s->volume, "rule", text_json(s->rule), "id",
			 id_json(s->id), "here", split_side_json(&s->here), "peer",
			 split_side_json(&s->peer));
}

static json_t *fact_json(const struct model_daemon *d)
{
	json_t *j = json_pack("{s:b,s:b,s:I,s:o}", "configured", d->configured, "stay_off",
			      d->stay_off, "problem_since_s", (json_int_t)d->problem_since_s,
			      "split", split_json(&d->split));

	for (size_t i = 0; j && i < ARRAY_SIZE(fact_strings); i++) {
		const char *s = (const char *)d + fact_strings[i].offset;

		if (json_object_set_new(j, fact_strings[i].name, text_json(s))) {
			json_decref(j);
			j = NULL;
		}
	}
	return j;
}

char *ctl_reply_status(const struct model_daemon *facts, size_t nr)
{
	json_t *list = json_array(), *j;

	for (size_t i = 0; list && i < nr; i++) {
		if (json_array_append_new(list, fact_json(&facts[i]))) {
			json_decref(list);
			return NULL;
		}
	}
	j = json_pack("{s:i,s:b,s:o}", "version", CTL_VERSION, "ok", 1, "resources", list);
	return dump_line(j);
}

/* Five numbers each, so that the longest answer stays short enough. */
char *ctl_reply_trace(const struct trace_item *item, u32 nr)
{
	json_t *list = json_array(), *j;

	for (u32 i = 0; list && i < nr; i++) {
		j = json_pack("[I,I,I,I,I]", (json_int_t)item[i].key.stream,
			      (json_int_t)item[i].key.slot, (json_int_t)item[i].key.gen,
			      (json_int_t)item[i].disk_ns, (json_int_t)item[i].answer_ns);
		if (json_array_append_new(list, j)) {
			json_decref(list);
			return NULL;
		}
	}
	return dump_line(json_pack("{s:i,s:b,s:o,s:o}", "version", CTL_VERSION, "ok", 1, "epoch",
				   id_json(nr ? item[0].key.epoch : 0), "trace", list));
}

char *ctl_format_request(const struct ctl_request *r)
{
	json_t *options = json_object(), *j = NULL;

	if (!options)
		return NULL;
	if (r->node[0])
		json_object_set_new(options, "node", json_string(r->node));
	if (r->force)
		json_object_set_new(options, "force", json_true());
	if (r->all)
		json_object_set_new(options, "all", json_true());
	if (r->has_volume)
		json_object_set_new(options, "volume", json_integer(r->volume));
	if (r->size_sect)
		json_object_set_new(options, "size_sect", json_integer((json_int_t)r->size_sect));
	if (r->keep)
		json_object_set_new(options, "keep", json_string(keep_words[r->keep]));
	if (r->split_id)
		json_object_set_new(options, "split_id", id_json(r->split_id));
	if (r->dry_run)
		json_object_set_new(options, "dry_run", json_true());
	if (r->end)
		json_object_set_new(options, "end", json_true());
	j = json_pack("{s:i,s:s,s:o}", "version", CTL_VERSION, "command", commands[r->command].name,
		      "options", options);
	if (j && r->resource[0])
		json_object_set_new(j, "resource", json_string(r->resource));
	return dump_line(j);
}

void ctl_reply_free(struct ctl_reply *r)
{
	free(r->facts);
	free(r->items);
	memset(r, 0, sizeof(*r));
}

static void get_string(const json_t *j, const char *key, char *ret, size_t size)
{
	const char *s = json_string_value(json_object_get(j, key));

	snprintf(ret, size, "%s", s ? s : "");
}

static u64 get_number(const json_t *j, const char *key)
{
	json_int_t v = json_integer_value(json_object_get(j, key));

	return v > 0 ? (u64)v : 0;
}

static void parse_split_side(const json_t *j, struct model_split_side *s)
{
	get_string(j, "node", s->node, sizeof(s->node));
	s->role = (u32)get_number(j, "role");
	s->heard = json_is_true(json_object_get(j, "heard"));
	s->crashed = json_is_true(json_object_get(j, "crashed"));
	s->marks_known = json_is_true(json_object_get(j, "marks_known"));
	s->marked_bytes = get_number(j, "marked_bytes");
	s->dirty_bytes = get_number(j, "dirty_bytes");
	s->write_s = get_number(j, "write_s");
	s->primary_s = get_number(j, "primary_s");
}

/* One whose id is not to be read could not be resolved, and is no use half. */
static void parse_split(const json_t *j, struct model_split *s)
{
	s->is = json_is_object(j) && parse_id(json_object_get(j, "id"), &s->id);
	if (!s->is)
		return;
	s->since_s = get_number(j, "since_s");
	s->volume = (u32)get_number(j, "volume");
	get_string(j, "rule", s->rule, sizeof(s->rule));
	parse_split_side(json_object_get(j, "here"), &s->here);
	parse_split_side(json_object_get(j, "peer"), &s->peer);
}

static int parse_fact(const json_t *j, struct model_daemon *d, struct err *e)
{
	memset(d, 0, sizeof(*d));
	if (!json_is_object(j))
		return bad_line(e, "a resource that is no object");
	for (size_t i = 0; i < ARRAY_SIZE(fact_strings); i++)
		get_string(j, fact_strings[i].name, (char *)d + fact_strings[i].offset,
			   fact_strings[i].size);
	d->configured = json_is_true(json_object_get(j, "configured"));
	d->stay_off = json_is_true(json_object_get(j, "stay_off"));
	d->problem_since_s = json_integer_value(json_object_get(j, "problem_since_s"));
	parse_split(json_object_get(j, "split"), &d->split);
	if (!meta_name_ok(d->name))
		return bad_line(e, "a resource without a proper name");
	return 0;
}

static int parse_facts(const json_t *list, struct ctl_reply *r, struct err *e)
{
	size_t nr = json_array_size(list);
	int err = 0;

	if (!json_is_array(list) || nr > CTL_MAX_FACTS)
		return bad_line(e, "a list of resources that is none");
	r->facts = calloc(nr ? nr : 1, sizeof(*r->facts));
	if (!r->facts)
		return err_set(e, -ENOMEM, "no-memory", "out of memory");
	for (size_t i = 0; i < nr && !err; i++)
		err = parse_fact(json_array_get(list, i), &r->facts[i], e);
	r->nr_facts = nr;
	return err;
}

static bool parse_item(const json_t *j, struct trace_item *ret)
{
	static const u64 max[] = { LOCKSTEP_MAX_STREAMS - 1, LOCKSTEP_STREAM_SLOTS - 1, U32_MAX,
				   INT64_MAX / 4, INT64_MAX / 4 };
	u64 v[ARRAY_SIZE(max)];

	if (json_array_size(j) != ARRAY_SIZE(max))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(max); i++)
		if (!parse_number(json_array_get(j, i), max[i], &v[i]))
			return false;
	ret->key.stream = (u32)v[0];
	ret->key.slot = (u32)v[1];
	ret->key.gen = (u32)v[2];
	ret->disk_ns = v[3];
	ret->answer_ns = v[4];
	return true;
}

static int parse_trace(const json_t *j, struct ctl_reply *r, struct err *e)
{
	const json_t *list = json_object_get(j, "trace");
	size_t nr = json_array_size(list);
	u64 epoch;

	if (!json_is_array(list) || nr > LOCKSTEP_TRACE_ITEMS ||
	    !parse_id(json_object_get(j, "epoch"), &epoch))
		return bad_line(e, "a trace that is none");
	r->items = calloc(nr ? nr : 1, sizeof(*r->items));
	if (!r->items)
		return err_set(e, -ENOMEM, "no-memory", "out of memory");
	for (size_t i = 0; i < nr; i++) {
		if (!parse_item(json_array_get(list, i), &r->items[i]))
			return bad_line(e, "a trace of another shape");
		r->items[i].key.epoch = epoch;
	}
	r->nr_items = (u32)nr;
	return 0;
}

/* What the daemon refused, in its own words. */
static int parse_refusal(const json_t *j, struct err *e)
{
	struct err r = { 0 };

	get_string(j, "code", r.code, sizeof(r.code));
	get_string(j, "error", r.what, sizeof(r.what));
	get_string(j, "means", r.means, sizeof(r.means));
	get_string(j, "hint", r.mend, sizeof(r.mend));
	if (!r.what[0])
		return bad_line(e, "a refusal without a reason");
	if (e)
		*e = r;
	return -EREMOTEIO;
}

int ctl_parse_reply(const char *line, size_t len, struct ctl_reply *ret, struct err *e)
{
	struct ctl_reply r = { 0 };
	json_error_t jerr;
	json_t *j, *list;
	int err = 0;

	if (len > CTL_REPLY_BYTES)
		return bad_line(e, "a reply that is too long");
	j = json_loadb(line, len, JSON_REJECT_DUPLICATES, &jerr);
	if (!json_is_object(j) ||
	    json_integer_value(json_object_get(j, "version")) != CTL_VERSION ||
	    !json_is_boolean(json_object_get(j, "ok")))
		err = bad_line(e, "a reply of another shape");
	else if (json_is_false(json_object_get(j, "ok")))
		err = parse_refusal(j, e);
	list = err ? NULL : json_object_get(j, "resources");
	if (!err)
		get_string(j, "text", r.text, sizeof(r.text));
	if (list)
		err = parse_facts(list, &r, e);
	if (!err && json_object_get(j, "trace"))
		err = parse_trace(j, &r, e);
	json_decref(j);
	if (err)
		ctl_reply_free(&r);
	else
		*ret = r;
	return err;
}

int ctl_merge(struct model *m, const struct ctl_reply *r, struct err *e)
{
	m->has_daemon = true;
	for (size_t i = 0; i < r->nr_facts; i++) {
		struct model_resource *res = model_resource(m, r->facts[i].name);

		if (!res)
			return err_set(e, -ENOMEM, "no-memory", "out of memory");
		res->has_daemon = true;
		res->daemon = r->facts[i];
	}
	return 0;
}
