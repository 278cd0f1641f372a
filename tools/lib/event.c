// SPDX-License-Identifier: GPL-2.0
#include "event.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <time.h>

#include "state-json.h"
#include "text.h"

static const struct row {
	const char *name;
	const char *text[EVENT_TEXTS];		/* keys */
	const char *number[EVENT_NUMBERS];
	bool has_percent, is_progress;
} rows[EVENT_KIND_NR] = {
	[EVENT_BEGIN]		= { "begin", { "stream" }, { "resources" }, 0, 0 },
	[EVENT_STATE]		= { "state", { NULL }, { NULL }, 0, 0 },
	[EVENT_RESYNC]		= { "resync", { "text" }, { NULL }, 0, 0 },
	[EVENT_END]		= { "end", { "code", "text" }, { NULL }, 0, 0 },
	[EVENT_APPEARED]	= { "appeared", { NULL }, { NULL }, 0, 0 },
	[EVENT_GONE]		= { "gone", { NULL }, { NULL }, 0, 0 },
	[EVENT_ROLE]		= { "role", { "old", "new" }, { NULL }, 0, 0 },
	[EVENT_AUTOMATIC]	= { "automatic", { "old", "new" }, { NULL }, 0, 0 },
	[EVENT_PEER_ROLE]	= { "peer-role", { "old", "new" }, { NULL }, 0, 0 },
	[EVENT_LINK]		= { "link", { "old", "new", "why" }, { NULL }, 0, 0 },
	[EVENT_IO]		= { "io", { "old", "new" }, { NULL }, 0, 0 },
	[EVENT_WAIT]		= { "wait", { "old", "new" }, { NULL }, 0, 0 },
	[EVENT_PHASE]		= { "phase", { "old", "new" }, { NULL }, 0, 0 },
	[EVENT_PROBLEM]		= { "problem", { "code", "text", "means", "mend" }, { NULL },
				    0, 0 },
	[EVENT_SPLIT_BRAIN]	= { "split-brain", { "code", "text", "means", "mend" }, { NULL },
				    0, 0 },
	[EVENT_MENDED]		= { "mended", { "code" }, { NULL }, 0, 0 },
	[EVENT_DISK]		= { "disk", { "old", "new" }, { NULL }, 0, 0 },
	[EVENT_DISK_FAILED]	= { "disk-failed", { "old", "new", "why" }, { NULL }, 0, 0 },
	[EVENT_DISK_ATTACHED]	= { "disk-attached", { "old", "new" }, { NULL }, 0, 0 },
	[EVENT_PEER_DISK]	= { "peer-disk", { "old", "new" }, { NULL }, 0, 0 },
	[EVENT_SYNC_STARTED]	= { "sync-started", { "role" }, { "total_bytes", "left_bytes" },
				    0, 0 },
	[EVENT_SYNC_PROGRESS]	= { "sync-progress", { "role" },
				    { "total_bytes", "left_bytes", "rate_bytes_per_s" }, 1, 1 },
	[EVENT_SYNC_DONE]	= { "sync-done", { NULL }, { NULL }, 0, 0 },
	[EVENT_SYNC_STOPPED]	= { "sync-stopped", { NULL }, { "left_bytes" }, 0, 0 },
	[EVENT_VERIFY_STARTED]	= { "verify-started", { NULL },
				    { "differing_bytes", "repaired_bytes" }, 0, 0 },
	[EVENT_VERIFY_PROGRESS]	= { "verify-progress", { NULL },
				    { "differing_bytes", "repaired_bytes" }, 1, 1 },
	[EVENT_VERIFY_STOPPED]	= { "verify-stopped", { NULL },
				    { "differing_bytes", "repaired_bytes" }, 1, 0 },
	[EVENT_VERIFY_DONE]	= { "verify-done", { NULL },
				    { "differing_bytes", "repaired_bytes" }, 0, 0 },
	[EVENT_VERIFY_FORGOTTEN] = { "verify-forgotten", { NULL }, { NULL }, 0, 0 },
	[EVENT_SIZE]		= { "size", { NULL }, { "old_bytes", "new_bytes" }, 0, 0 },
	[EVENT_DISK_ERRORS]	= { "disk-errors", { NULL },
				    { "reads", "writes", "repaired_blocks" }, 0, 0 },
};

bool event_is_progress(enum event_kind kind)
{
	return (u32)kind < EVENT_KIND_NR && rows[kind].is_progress;
}

const char *event_kind_name(enum event_kind kind)
{
	return (u32)kind < EVENT_KIND_NR ? rows[kind].name : NULL;
}

/* ---- JSON ----------------------------------------------------------------------------------- */

/* UTC, so that lines of two hosts can be laid side by side. */
static void put_head(json_t *o, u64 seq, u64 time_ms, const char *kind, const char *resource)
{
	time_t s = (time_t)(time_ms / 1000);
	char text[80] = "", when[40] = "";
	struct tm tm;

	if (gmtime_r(&s, &tm) && strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm))
		snprintf(text, sizeof(text), "%s.%03uZ", when, (unsigned int)(time_ms % 1000));
	sj_put(o, "version", sj_num(EVENT_VERSION));
	sj_put(o, "seq", sj_num(seq));
	sj_put(o, "time", json_string(text));
	sj_put(o, "kind", json_string(kind));
	sj_put(o, "resource", sj_str_or_null(resource));
}

/* Consumes j. */
static char *dump_line(json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT), *line;
	size_t len = text ? strlen(text) : 0;

	json_decref(j);
	line = text ? realloc(text, len + 2) : NULL;
	if (!line) {
		free(text);
		return NULL;
	}
	memcpy(line + len, "\n", 2);
	return line;
}

char *event_line(const struct event *ev)
{
	const struct row *row = &rows[ev->kind];
	json_t *o = json_object();

	put_head(o, ev->seq, ev->time_ms, row->name, ev->resource);
	if (ev->has_volume)
		sj_put(o, "volume", sj_num(ev->volume));
	for (int i = 0; i < EVENT_TEXTS && row->text[i]; i++)
		sj_put(o, row->text[i], sj_str_or_null(ev->text[i]));
	for (int i = 0; i < EVENT_NUMBERS && row->number[i]; i++)
		sj_put(o, row->number[i], sj_num(ev->number[i]));
	if (row->has_percent)
		sj_put(o, "percent", json_real(ev->permille / 10.0));
	return dump_line(o);
}

char *event_state_line(u64 seq, u64 time_ms, u64 last_seq, const struct model *m,
		       const struct model_resource *r)
{
	json_t *o = json_object();

	put_head(o, seq, time_ms, rows[EVENT_STATE].name, r->name);
	sj_put(o, "last_seq", sj_num(last_seq));
	sj_put(o, "state", state_json_resource(m, r));
	return dump_line(o);
}

/* ---- text ----------------------------------------------------------------------------------- */

static bool is_plain(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if ((unsigned char)*s <= ' ' || *s == '"' || *s == '\\' || *s == '=' ||
		    (unsigned char)*s == 0x7f)
			return false;
	return true;
}

/* A word as it is; all else in quotes, escaped as in JSON, so that a line stays a line. */
static void print_string(FILE *f, const char *s)
{
	if (is_plain(s)) {
		fputs(s, f);
		return;
	}
	fputc('"', f);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fprintf(f, "\\%c", *s);
		else if ((unsigned char)*s < ' ' || (unsigned char)*s == 0x7f)
			fprintf(f, "\\u%04x", (unsigned char)*s);
		else
			fputc(*s, f);
	}
	fputc('"', f);
}

/* What is absent, or no single value, has no place in a line of text. */
static void print_pair(FILE *f, const char *key, const json_t *value)
{
	if (json_is_string(value)) {
		fprintf(f, " %s=", key);
		print_string(f, json_string_value(value));
	} else if (json_is_integer(value)) {
		fprintf(f, " %s=%" JSON_INTEGER_FORMAT, key, json_integer_value(value));
	} else if (json_is_real(value)) {
		fprintf(f, " %s=%.1f", key, json_real_value(value));
	} else if (json_is_boolean(value)) {
		fprintf(f, " %s=%s", key, json_is_true(value) ? "yes" : "no");
	}
}

static void print_keys(FILE *f, const json_t *o, const char *const *keys)
{
	for (; *keys; keys++)
		print_pair(f, *keys, json_object_get(o, *keys));
}

struct head {
	json_int_t seq;
	const char *time, *kind, *resource;
};

static void print_head(FILE *f, const struct head *h, const char *kind)
{
	fprintf(f, "%" JSON_INTEGER_FORMAT " %s %s %s", h->seq, h->time, kind, h->resource);
}

/* One line for the resource and one for each of its volumes. */
static void print_state(FILE *f, const struct head *h, const json_t *line)
{
	static const char *const keys[] = { "in_kernel", "role", "peer_role", "link", "io",
					    "waits_for", "summary", NULL };
	static const char *const volume_keys[] = { "device", "disk", "peer_disk", "size_bytes",
						   "out_of_sync_bytes", NULL };
	const json_t *state = json_object_get(line, "state");
	const json_t *volumes = json_object_get(state, "volumes"), *v;
	size_t i;

	print_head(f, h, h->kind);
	print_pair(f, "last_seq", json_object_get(line, "last_seq"));
	print_keys(f, state, keys);
	print_pair(f, "phase", json_object_get(json_object_get(state, "daemon"), "phase"));
	print_pair(f, "problem", json_object_get(json_object_get(state, "problem"), "code"));
	fputc('\n', f);
	json_array_foreach(volumes, i, v) {
		print_head(f, h, h->kind);
		fprintf(f, "/%" JSON_INTEGER_FORMAT,
			json_integer_value(json_object_get(v, "number")));
		print_keys(f, v, volume_keys);
		print_pair(f, "sync", json_object_get(json_object_get(v, "sync"), "state"));
		print_pair(f, "verify", json_object_get(json_object_get(v, "verify"), "state"));
		fputc('\n', f);
	}
}

static void print_change(FILE *f, const struct head *h, json_t *line)
{
	static const char *const said[] = {
		"version", "seq", "time", "kind", "resource", "volume"
	};
	const json_t *volume = json_object_get(line, "volume");
	const char *key;
	json_t *value;
	size_t i;

	print_head(f, h, h->kind);
	if (volume)
		fprintf(f, "/%" JSON_INTEGER_FORMAT, json_integer_value(volume));
	json_object_foreach(line, key, value) {
		for (i = 0; i < ARRAY_SIZE(said) && strcmp(said[i], key); i++)
			;
		if (i == ARRAY_SIZE(said))
			print_pair(f, key, value);
	}
	fputc('\n', f);
}

static int bad_line(struct err *e, const char *what)
{
	int ret = err_set(e, -EPROTO, "ctl-protocol", "lockstepd sent %s among its events", what);

	err_means(e, "lockstep and lockstepd are probably of different versions");
	err_mend(e, "systemctl restart lockstepd");
	return ret;
}

/* Words of ours and nothing else end up between the blanks of the grammar. */
static bool get_head(const json_t *line, struct head *h)
{
	const json_t *resource = json_object_get(line, "resource");

	h->seq = json_integer_value(json_object_get(line, "seq"));
	h->time = json_string_value(json_object_get(line, "time"));
	h->kind = json_string_value(json_object_get(line, "kind"));
	h->resource = json_is_null(resource) ? "-" : json_string_value(resource);
	return json_is_integer(json_object_get(line, "seq")) && h->seq >= 0 && h->time &&
	       is_plain(h->time) && h->kind && is_plain(h->kind) && h->resource &&
	       is_plain(h->resource) &&
	       json_integer_value(json_object_get(line, "version")) == EVENT_VERSION;
}

int event_print_text(FILE *f, const char *line, size_t len, struct err *e)
{
	const char *code, *text;
	json_error_t jerr;
	struct head h;
	json_t *j;
	int ret = EVENT_SAID_LINE;

	if (len > EVENT_LINE_BYTES)
		return bad_line(e, "a line that is too long");
	j = json_loadb(line, len, JSON_REJECT_DUPLICATES, &jerr);
	if (!json_is_object(j) || !get_head(j, &h)) {
		json_decref(j);
		return bad_line(e, "something else");
	}
	if (f && !strcmp(h.kind, rows[EVENT_STATE].name))
		print_state(f, &h, j);
	else if (f)
		print_change(f, &h, j);
	if (!strcmp(h.kind, rows[EVENT_END].name)) {
		code = json_string_value(json_object_get(j, "code"));
		text = json_string_value(json_object_get(j, "text"));
		err_set(e, 0, code ? code : "end", "%s", text ? text : "no reason was given");
		ret = EVENT_SAID_END;
	}
	json_decref(j);
	return ret;
}

/* ---- a sentence ----------------------------------------------------------------------------- */

static void add(char *ret, size_t size, const char *before, const char *text)
{
	size_t used = strlen(ret);

	if (text[0] && used < size)
		snprintf(ret + used, size - used, "%s%s", before, text);
}

void event_sentence(const struct event *ev, char *ret, size_t size)
{
	const struct row *row = &rows[ev->kind];
	bool is_change = row->text[0] && !strcmp(row->text[0], "old");
	char number[80];

	snprintf(ret, size, "%s", ev->resource);
	if (ev->has_volume) {
		snprintf(number, sizeof(number), "%u", ev->volume);
		add(ret, size, " volume ", number);
	}
	add(ret, size, ": ", row->name);
	if (is_change) {
		add(ret, size, " ", ev->text[0][0] ? ev->text[0] : "nothing");
		add(ret, size, " -> ", ev->text[1][0] ? ev->text[1] : "nothing");
		add(ret, size, ": ", ev->text[2]);
	} else if (ev->kind == EVENT_PROBLEM || ev->kind == EVENT_SPLIT_BRAIN) {
		add(ret, size, ": ", ev->text[1]);
	} else if (row->text[0]) {
		add(ret, size, " ", ev->text[0]);
	}
	for (int i = 0; i < EVENT_NUMBERS && row->number[i]; i++) {
		snprintf(number, sizeof(number), "%s %" PRIu64, row->number[i], ev->number[i]);
		add(ret, size, i ? ", " : ": ", number);
	}
}
