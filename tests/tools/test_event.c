// SPDX-License-Identifier: GPL-2.0
/*
 * Changes: each type from a pair of models that differ in that one thing; and, over random models,
 * that a reader who knows the first and takes in the lines knows the second. Then the lines' text.
 * With the argument "json" it prints one line of each kind for the schema check instead.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <jansson.h>

#include "diagnose.h"
#include "event.h"
#include "text.h"
#include <linux/lockstep.h>

/* ---- collecting ----------------------------------------------------------------------------- */

#define LINES	4000

struct heard {
	char *line[LINES];
	u32 nr;
};

static void hear(void *arg, const struct event *ev)
{
	struct heard *h = arg;
	struct event numbered = *ev;

	assert_true(h->nr < LINES);
	numbered.seq = h->nr + 1;
	h->line[h->nr++] = event_line(&numbered);
}

static void forget(struct heard *h)
{
	while (h->nr)
		free(h->line[--h->nr]);
}

static char *as_text(const char *line)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	struct err e;
	int r = event_print_text(f, line, strlen(line), &e);

	fclose(f);
	assert_true(r == EVENT_SAID_LINE || r == EVENT_SAID_END);
	return text;
}

/* The lines that lead from old to new, without number and time, are exactly `want`. */
static void expect(const struct model *old, const struct model *new, const char *want)
{
	static struct heard h;
	char got[4096] = "", *text, *from;

	event_diff(old, new, hear, &h);
	for (u32 i = 0; i < h.nr; i++) {
		text = as_text(h.line[i]);
		from = strchr(strchr(text, ' ') + 1, ' ') + 1;
		assert_true(strlen(got) + strlen(from) < sizeof(got));
		strcat(got, from);
		free(text);
	}
	forget(&h);
	assert_string_equal(got, want);
}

/* ---- one thing at a time -------------------------------------------------------------------- */

static struct model before, after;
static struct model_resource *r;	/* of after, as the next two */
static struct model_volume *v;

static void make(void)
{
	model_free(&before);
	model_free(&after);
	before.has_module = before.has_daemon = true;
	r = model_resource(&before, "r0");
	r->in_kernel = r->has_daemon = r->daemon.configured = true;
	strcpy(r->peer, "bob");
	strcpy(r->daemon.phase, "connected");
	r->role = LOCKSTEP_ROLE_PRIMARY;
	r->peer_role = LOCKSTEP_ROLE_SECONDARY;
	r->link = LOCKSTEP_LINK_UP;
	r->io_mode = LOCKSTEP_IO_BOTH;
	v = model_volume(r, 0);
	v->disk = v->peer_disk = LOCKSTEP_DISK_UP_TO_DATE;
	v->data_sect = 2048;
	v->gen_current = 1;
	assert_int_equal(model_copy(&after, &before), 0);
	r = model_find(&after, "r0");
	v = &r->volume[0];
}

/* What is expected of the change made since make(); then begin anew. */
static void is(const char *want)
{
	expect(&before, &after, want);
	make();
}

static void test_kernel(void **state)
{
	(void)state;
	make();
	is("");
	r->automatic = true;
	is("automatic r0 old=no new=yes\n");
	r->role = LOCKSTEP_ROLE_SECONDARY;
	model_find(&before, "r0")->automatic = true;
	is("role r0 old=primary new=secondary\nautomatic r0 old=yes new=no\n");
	r->peer_role = LOCKSTEP_ROLE_PRIMARY;
	is("peer-role r0 old=secondary new=primary\n");
	r->link = LOCKSTEP_LINK_DOWN;
	strcpy(r->link_lost, "silence for 6000 ms");
	is("link r0 old=up new=down why=\"silence for 6000 ms\"\n"
	   "problem r0 code=not-connected text=\"bob is not connected; the last session ended: "
	   "silence for 6000 ms\" mend=\"on bob: lockstep status r0; and from here: ping its "
	   "address\"\n");
	r->io_mode = LOCKSTEP_IO_ALONE;
	is("io r0 old=both new=alone\n");
	strcpy(r->wait, "the peer");
	is("wait r0 new=\"the peer\"\n");
	strcpy(before.resource[0].wait, "3 writes");
	strcpy(r->wait, "12 writes");
	is("");
	strcpy(before.resource[0].wait, "the peer");
	is("wait r0 old=\"the peer\"\n");
	strcpy(r->daemon.phase, "connecting");
	is("phase r0 old=connected new=connecting\n");
}

static void test_volume(void **state)
{
	(void)state;
	make();
	v->disk = LOCKSTEP_DISK_OUTDATED;
	is("disk r0/0 old=up-to-date new=outdated\n");
	v->disk = LOCKSTEP_DISK_FAILED;
	strcpy(v->disk_why, "a write failed");
	strcpy(v->backing, "/dev/vdb");
	is("disk-failed r0/0 old=up-to-date new=failed why=\"a write failed\"\n"
	   "problem r0 code=disk-failed text=\"the disk of volume 0, /dev/vdb, was given up: a "
	   "write failed\" means=\"Reading and writing go on through bob\" mend=\"replace the disk "
	   "(a new one: lockstep init r0 --volume 0), then lockstep attach r0\"\n");
	before.resource[0].volume[0].disk = LOCKSTEP_DISK_NONE;
	v->disk = LOCKSTEP_DISK_INCONSISTENT;
	is("disk-attached r0/0 old=none new=inconsistent\nmended r0 code=no-disk\n");
	v->peer_disk = LOCKSTEP_DISK_INCONSISTENT;
	is("peer-disk r0/0 old=up-to-date new=inconsistent\n");
	v->data_sect = 4096;
	is("size r0/0 old_bytes=1048576 new_bytes=2097152\n");
	v->read_errors = 3;
	v->repairs = 2;
	is("disk-errors r0/0 reads=3 writes=0 repaired_blocks=2\n");
	model_volume(r, 1);
	is("appeared r0/1\n"
	   "problem r0 code=no-disk text=\"volume 1 has no disk\" means=\"Reading and writing go "
	   "on through bob\" mend=\"replace the disk (a new one: lockstep init r0 --volume 1), "
	   "then lockstep attach r0\"\n");
	r->nr_volumes = 0;
	is("gone r0/0\n");
}

static void test_sync(void **state)
{
	struct model_volume *old;

	(void)state;
	make();
	v->sync = LOCKSTEP_SYNC_SOURCE_WAIT;
	is("");
	v->sync = LOCKSTEP_SYNC_SOURCE;
	v->oos_bits = v->sync_total_bits = 256;
	v->has_sync_progress = true;
	is("sync-started r0/0 role=source total_bytes=1048576 left_bytes=1048576\n");
	old = &before.resource[0].volume[0];
	old->sync = v->sync = LOCKSTEP_SYNC_TARGET;
	old->oos_bits = v->sync_total_bits = 256;
	v->has_sync_progress = v->has_sync_rate = true;
	v->oos_bits = 64;
	v->sync_rate = 77;
	v->sync_ms = 999;
	expect(&before, &after, "");		/* not yet a second */
	v->sync_ms = 1000;
	is("sync-progress r0/0 role=target total_bytes=1048576 left_bytes=262144 "
	   "rate_bytes_per_s=77 percent=75.0\n");
	before.resource[0].volume[0].sync = LOCKSTEP_SYNC_TARGET;
	is("sync-done r0/0\n");
	before.resource[0].volume[0].sync = LOCKSTEP_SYNC_TARGET;
	v->peer_disk = before.resource[0].volume[0].peer_disk = LOCKSTEP_DISK_NONE;
	v->oos_bits = 1;
	is("sync-stopped r0/0 left_bytes=4096\n");
	before.resource[0].volume[0].sync = LOCKSTEP_SYNC_TARGET;
	v->sync = LOCKSTEP_SYNC_SOURCE;
	is("sync-done r0/0\nsync-started r0/0 role=source total_bytes=0 left_bytes=0\n");
}

static void test_verify(void **state)
{
	(void)state;
	make();
	v->verify = LOCKSTEP_VERIFY_RUNNING;
	v->verify_end_bit = 1000;
	is("verify-started r0/0 differing_bytes=0 repaired_bytes=0\n");
	before.resource[0].volume[0] = *v;
	before.resource[0].volume[0].verify = v->verify = LOCKSTEP_VERIFY_RUNNING;
	before.resource[0].volume[0].verify_end_bit = v->verify_end_bit = 1000;
	v->verify_bit = 9;
	expect(&before, &after, "");		/* not yet a per cent */
	v->verify_bit = 255;
	expect(&before, &after, "verify-progress r0/0 differing_bytes=0 repaired_bytes=0 "
	       "percent=25.5\n");
	v->verify_bit = 0;
	v->verify_bad_bits = 1;
	expect(&before, &after, "verify-progress r0/0 differing_bytes=4096 repaired_bytes=0 "
	       "percent=0.0\n");
	v->verify_repaired_bits = 1;
	v->verify = LOCKSTEP_VERIFY_STOPPED;
	expect(&before, &after, "verify-stopped r0/0 differing_bytes=4096 repaired_bytes=4096 "
	       "percent=0.0\n");
	v->verify = LOCKSTEP_VERIFY_DONE;
	is("verify-done r0/0 differing_bytes=4096 repaired_bytes=4096\n");
	before.resource[0].volume[0].verify = LOCKSTEP_VERIFY_DONE;
	is("verify-forgotten r0/0\n");
}

static void test_problems(void **state)
{
	(void)state;
	make();
	strcpy(r->daemon.problem, "both wrote");
	strcpy(r->daemon.mend, "choose");
	strcpy(r->daemon.code, "split-brain");
	is("split-brain r0 code=split-brain text=\"both wrote\" mend=choose\n");
	before.resource[0].link = r->link = LOCKSTEP_LINK_DOWN;
	strcpy(r->daemon.problem, "bob has another key");
	strcpy(r->daemon.code, "wrong-key");
	is("mended r0 code=not-connected\n"
	   "problem r0 code=wrong-key text=\"bob has another key\"\n");
	before.resource[0].held = 1;
	r->held = 33;
	is("problem r0 code=writes-held text=\"33 writes are held\" means=\"They are neither lost "
	   "nor failed; they go on when this is over\" mend=\"wait; if it lasts, on bob: lockstep "
	   "status r0\"\n");
	before.resource[0].held = 20;
	r->held = 33;
	is("");
	before.resource[0].held = 20;
	is("mended r0 code=writes-held\n");
}

static void test_come_and_go(void **state)
{
	struct model none;

	(void)state;
	model_init(&none);
	none.has_module = none.has_daemon = true;
	make();
	expect(&none, &after,
	       "appeared r0\n"
	       "role r0 old=unknown new=primary\n"
	       "peer-role r0 old=unknown new=secondary\n"
	       "link r0 old=down new=up\n"
	       "io r0 old=none new=both\n"
	       "appeared r0/0\n"
	       "disk-attached r0/0 old=none new=up-to-date\n"
	       "peer-disk r0/0 old=none new=up-to-date\n"
	       "size r0/0 old_bytes=0 new_bytes=1048576\n"
	       "phase r0 new=connected\n");
	expect(&before, &none, "gone r0\nphase r0 old=connected\n");
	r->in_kernel = false;
	is("gone r0\nproblem r0 code=not-in-kernel text=\"r0 was asked for, but the kernel does "
	   "not have it\" mend=\"lockstep up r0\"\n");
	model_free(&before);
	model_free(&after);
}

/* ---- over random models --------------------------------------------------------------------- */

static u64 seed;

static u32 any(u32 nr)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(seed >> 33) % nr;
}

static const char *any_text(void)
{
	static const char *const texts[] = {
		"", "", "the peer", "3 writes", "a \"word\"\n\\ \x7f"
	};

	return texts[any(ARRAY_SIZE(texts))];
}

static void random_volume(struct model_volume *x)
{
	x->disk = any(6);
	x->peer_disk = any(6);
	x->sync = any(4);
	x->verify = any(4);
	x->data_sect = any(3) * 2048;
	x->data_max_sect = any(3) * 2048;
	x->oos_bits = any(1000);
	x->has_sync_progress = any(2);
	x->sync_ms = any(5000);
	x->sync_total_bits = any(1000);
	x->verify_end_bit = any(1000);
	x->verify_bit = any(1000);
	x->verify_bad_bits = any(3);
	x->read_errors = any(2);
	x->write_errors = any(2);
	x->repairs = any(2);
	x->gen_current = any(2);
	strcpy(x->disk_why, any_text());
}

static void random_model(struct model *m)
{
	static const char *const codes[] = { "split-brain", "wrong-key", "limits" };
	static const char *const names[] = { "a", "r0", "r1", "zz" };
	struct model_resource *x;

	model_init(m);
	m->has_module = m->has_daemon = true;
	for (u32 i = 0; i < ARRAY_SIZE(names); i++) {
		if (any(4) == 0)
			continue;
		x = model_resource(m, names[i]);
		x->in_kernel = any(4);
		x->has_daemon = any(4) || !x->in_kernel;
		x->daemon.configured = x->has_daemon;
		if (x->has_daemon) {
			strcpy(x->daemon.phase, any_text());
			strcpy(x->daemon.problem, any(2) ? "" : any_text());
			strcpy(x->daemon.code, codes[any(ARRAY_SIZE(codes))]);
		}
		if (!x->in_kernel)
			continue;
		x->role = any(3);
		x->automatic = any(2);
		x->peer_role = any(3);
		x->link = any(3);
		x->io_mode = any(6);
		x->held = any(3) ? 0 : any(50);
		strcpy(x->wait, any_text());
		for (u32 n = any(3); n; n--)
			random_volume(model_volume(x, any(4)));
	}
}

/* What a reader knows of a model: all that kinds of events speak of, in words. */
static json_t *known_volume(const struct model_volume *x)
{
	bool copies = x->sync == LOCKSTEP_SYNC_SOURCE || x->sync == LOCKSTEP_SYNC_TARGET;

	return json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:I}", "disk", text_disk(x->disk),
			 "peer-disk", text_disk(x->peer_disk), "sync",
			 copies ? text_sync(x->sync) : "none", "verify", text_verify(x->verify),
			 "size", (json_int_t)(model_volume_sect(x) << 9),
			 "reads", (json_int_t)x->read_errors, "writes", (json_int_t)x->write_errors,
			 "repaired_blocks", (json_int_t)x->repairs);
}

static const char *no_digits(const char *s)
{
	static char ret[EVENT_TEXT_BYTES];
	size_t n = 0;

	for (; *s; s++)
		if (*s < '0' || *s > '9')
			ret[n++] = *s;
	ret[n] = '\0';
	return ret;
}

static void set(json_t *o, const char *key, const char *text)
{
	json_object_set_new(o, key, json_string(text));
}

/* Empty is as good as absent: the reader drops those, too. */
static void set_text(json_t *o, const char *key, const char *text)
{
	if (text && *text)
		set(o, key, no_digits(text));
	else
		json_object_del(o, key);
}

static json_t *known(const struct model *m)
{
	json_t *all = json_object(), *o;
	char number[8];
	struct err e;

	for (u32 i = 0; i < m->nr_resources; i++) {
		const struct model_resource *x = &m->resource[i];

		o = json_object();
		for (u32 n = 0; x->in_kernel && n < x->nr_volumes; n++) {
			snprintf(number, sizeof(number), "/%u", x->volume[n].number);
			json_object_set_new(o, number, known_volume(&x->volume[n]));
		}
		if (x->in_kernel) {
			json_object_set_new(o, "there", json_true());
			set(o, "role", text_role(x->role));
			set(o, "automatic", x->automatic ? "yes" : "no");
			set(o, "peer-role", text_role(x->peer_role));
			set(o, "link", text_link(x->link));
			set(o, "io", text_io(x->io_mode));
			set_text(o, "wait", x->wait);
		}
		set_text(o, "phase", x->daemon.phase);
		if (diagnose_problem(m, x, &e)) {
			set_text(o, "problem", e.what);
			set(o, "code", e.code);
		}
		if (json_object_size(o))
			json_object_set(all, x->name, o);
		json_decref(o);
	}
	return all;
}

static const char *of(const json_t *line, const char *key)
{
	return json_string_value(json_object_get(line, key));
}

static void apply_volume(json_t *res, const char *kind, const json_t *line)
{
	static const char *const counts[] = { "reads", "writes", "repaired_blocks" };
	static const struct model_volume none;
	json_t *o;
	char key[16];

	snprintf(key, sizeof(key), "/%d",
		 (int)json_integer_value(json_object_get(line, "volume")));
	if (!strcmp(kind, "gone")) {
		json_object_del(res, key);
		return;
	}
	if (!strcmp(kind, "appeared"))
		json_object_set_new(res, key, known_volume(&none));
	o = json_object_get(res, key);
	assert_non_null(o);
	if (!strncmp(kind, "disk", 4) && of(line, "new"))
		set(o, "disk", of(line, "new"));
	else if (!strcmp(kind, "peer-disk"))
		set(o, "peer-disk", of(line, "new"));
	else if (!strcmp(kind, "sync-done") || !strcmp(kind, "sync-stopped"))
		set(o, "sync", "none");
	else if (!strcmp(kind, "sync-started"))
		set(o, "sync", of(line, "role"));
	else if (!strcmp(kind, "verify-started") || !strcmp(kind, "verify-progress"))
		set(o, "verify", "running");
	else if (!strcmp(kind, "verify-forgotten"))
		set(o, "verify", "none");
	else if (!strncmp(kind, "verify-", 7))
		set(o, "verify", kind + 7);
	else if (!strcmp(kind, "size"))
		json_object_set(o, "size", json_object_get(line, "new_bytes"));
	for (size_t i = 0; !strcmp(kind, "disk-errors") && i < ARRAY_SIZE(counts); i++)
		json_object_set(o, counts[i], json_object_get(line, counts[i]));
}

static void drop_kernel(json_t *res)
{
	const char *key;
	json_t *value;
	void *tmp;

	json_object_foreach_safe(res, tmp, key, value)
		if (strcmp(key, "phase") && strcmp(key, "problem") && strcmp(key, "code"))
			json_object_del(res, key);
}

static void apply_resource(json_t *res, const char *kind, const json_t *line)
{
	if (!strcmp(kind, "appeared")) {
		json_object_set_new(res, "there", json_true());
		set(res, "role", "unknown");
		set(res, "automatic", "no");
		set(res, "peer-role", "unknown");
		set(res, "link", "down");
		set(res, "io", "none");
	} else if (!strcmp(kind, "gone")) {
		drop_kernel(res);
	} else if (!strcmp(kind, "wait") || !strcmp(kind, "phase")) {
		set_text(res, kind, of(line, "new"));
	} else if (!strcmp(kind, "mended")) {
		json_object_del(res, "problem");
		json_object_del(res, "code");
	} else if (!strcmp(kind, "problem") || !strcmp(kind, "split-brain")) {
		assert_string_equal(kind, strcmp(of(line, "code"), "split-brain") ? "problem" :
				    "split-brain");
		set_text(res, "problem", of(line, "text"));
		set(res, "code", of(line, "code"));
	} else {
		set(res, kind, of(line, "new"));
	}
}

static void apply(json_t *all, const char *text)
{
	json_t *line = json_loads(text, 0, NULL), *res;
	const char *name = of(line, "resource"), *kind = of(line, "kind");

	assert_non_null(name);
	res = json_object_get(all, name);
	if (!res) {
		res = json_object();
		json_object_set_new(all, name, res);
	}
	if (json_object_get(line, "volume"))
		apply_volume(res, kind, line);
	else
		apply_resource(res, kind, line);
	if (!json_object_size(res))
		json_object_del(all, name);
	json_decref(line);
}

static void test_property(void **state)
{
	static struct heard h;
	struct model old, new;
	json_t *a, *b;
	char *text;
	u32 lines = 0;

	(void)state;
	for (u64 n = 0; n < 2000; n++) {
		seed = n;
		random_model(&old);
		random_model(&new);
		a = known(&old);
		b = known(&new);
		event_diff(&old, &new, hear, &h);
		lines += h.nr;
		for (u32 i = 0; i < h.nr; i++)
			apply(a, h.line[i]);
		if (!json_equal(a, b)) {
			text = json_dumps(a, JSON_SORT_KEYS | JSON_INDENT(1));
			printf("seed %llu, taken in:\n%s\n", (unsigned long long)n, text);
			free(text);
			text = json_dumps(b, JSON_SORT_KEYS | JSON_INDENT(1));
			printf("and should be:\n%s\n", text);
			fail();
		}
		forget(&h);
		/* And of what is the same there is nothing to say. */
		event_diff(&new, &new, hear, &h);
		assert_int_equal(h.nr, 0);
		json_decref(a);
		json_decref(b);
		model_free(&old);
		model_free(&new);
	}
	assert_true(lines > 20000);
}

/* ---- lines ---------------------------------------------------------------------------------- */

static void test_text(void **state)
{
	struct event ev = { .seq = 17, .time_ms = 1900000000123ull, .kind = EVENT_WAIT,
			    .resource = "r0", .has_volume = true, .volume = 3 };
	char *line, *text;

	(void)state;
	strcpy(ev.text[0], "a=b");
	strcpy(ev.text[1], "two\nlines \"and\" a \\");
	line = event_line(&ev);
	text = as_text(line);
	assert_string_equal(text, "17 2030-03-17T17:46:40.123Z wait r0/3 old=\"a=b\" "
			    "new=\"two\\u000alines \\\"and\\\" a \\\\\"\n");
	free(text);
	free(line);
	/* What is not UTF-8 costs its letter and not the line. */
	strcpy(ev.text[1], "\xff");
	line = event_line(&ev);
	text = as_text(line);
	assert_non_null(strstr(text, "new=?\n"));
	free(text);
	free(line);
}

static void test_state(void **state)
{
	char *line, *text;

	(void)state;
	make();
	line = event_state_line(9, 0, 4, &before, &before.resource[0]);
	text = as_text(line);
	assert_string_equal(text,
			    "9 1970-01-01T00:00:00.000Z state r0 last_seq=4 in_kernel=yes "
			    "role=primary peer_role=secondary link=up io=both summary=\"primary "
			    "here, connected to bob, both copies up to date\" phase=connected\n"
			    "9 1970-01-01T00:00:00.000Z state r0/0 device=/dev/lockstep0 "
			    "disk=up-to-date peer_disk=up-to-date size_bytes=1048576 "
			    "out_of_sync_bytes=0 sync=none verify=none\n");
	free(text);
	free(line);
	model_free(&before);
	model_free(&after);
}

static void test_bad_lines(void **state)
{
	static const char *const bad[] = {
		"", "{", "[]", "{}", "{\"version\":1}",
		"{\"version\":1,\"ok\":true}",
		"{\"version\":2,\"seq\":1,\"time\":\"t\",\"kind\":\"role\",\"resource\":\"r0\"}",
		"{\"version\":1,\"seq\":-1,\"time\":\"t\",\"kind\":\"role\",\"resource\":\"r0\"}",
		"{\"version\":1,\"seq\":1,\"time\":\"t t\",\"kind\":\"role\",\"resource\":\"r0\"}",
		"{\"version\":1,\"seq\":1,\"time\":\"t\",\"kind\":\"a\\nb\",\"resource\":\"r0\"}",
		"{\"version\":1,\"seq\":1,\"time\":\"t\",\"kind\":\"role\",\"resource\":7}",
		"{\"version\":1,\"seq\":1,\"time\":\"t\",\"kind\":\"role\",\"resource\":\"r 0\"}",
	};
	static const char odd[] =
		"{\"version\":1,\"seq\":1,\"time\":\"t\",\"kind\":\"new-kind\",\"resource\":\"r0\","
		"\"state\":[],\"old\":{},\"volume\":\"x\",\"later\":true,\"n\":5}";
	struct err e;
	char *text;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (event_print_text(NULL, bad[i], strlen(bad[i]), &e) >= 0)
			fail_msg("taken: %s", bad[i]);
		assert_string_equal(e.code, "ctl-protocol");
	}
	/* Of a newer daemon: what is understood is shown. */
	text = as_text(odd);
	assert_string_equal(text, "1 t new-kind r0/0 later=yes n=5\n");
	free(text);
}

static void test_end(void **state)
{
	struct event ev = { .kind = EVENT_END };
	struct err e;
	char *line;

	(void)state;
	strcpy(ev.text[0], "too-slow");
	strcpy(ev.text[1], "did not keep up");
	line = event_line(&ev);
	assert_int_equal(event_print_text(NULL, line, strlen(line), &e), EVENT_SAID_END);
	assert_string_equal(e.code, "too-slow");
	assert_string_equal(e.what, "did not keep up");
	free(line);
}

static void test_sentence(void **state)
{
	struct event ev = { .kind = EVENT_DISK_FAILED, .resource = "r0", .has_volume = true };
	char text[256];

	(void)state;
	strcpy(ev.text[0], "up-to-date");
	strcpy(ev.text[1], "failed");
	strcpy(ev.text[2], "a write failed");
	event_sentence(&ev, text, sizeof(text));
	assert_string_equal(text,
			    "r0 volume 0: disk-failed up-to-date -> failed: a write failed");
	ev.kind = EVENT_SIZE;
	ev.number[1] = 4096;
	event_sentence(&ev, text, sizeof(text));
	assert_string_equal(text, "r0 volume 0: size: old_bytes 0, new_bytes 4096");
	ev.kind = EVENT_PROBLEM;
	ev.has_volume = false;
	event_sentence(&ev, text, sizeof(text));
	assert_string_equal(text, "r0: problem: failed");
}

static void print_all(void)
{
	struct event ev = { .seq = 1, .time_ms = 1900000000123ull };
	struct model m;
	char *line;

	for (u32 k = 0; k < EVENT_KIND_NR; k++) {
		ev.kind = k;
		snprintf(ev.resource, sizeof(ev.resource), "%s", k < EVENT_APPEARED ? "" : "r0");
		ev.has_volume = k >= EVENT_DISK;
		if (k == EVENT_STATE)
			continue;
		for (int i = 0; i < EVENT_TEXTS; i++)
			strcpy(ev.text[i], k == EVENT_SYNC_STARTED || k == EVENT_SYNC_PROGRESS ?
			       "source" : k >= EVENT_DISK && k <= EVENT_PEER_DISK ? "failed" :
			       k == EVENT_ROLE || k == EVENT_PEER_ROLE ? "primary" :
			       k == EVENT_AUTOMATIC ? "yes" :
			       k == EVENT_LINK ? "up" : k == EVENT_IO ? "both" :
			       k == EVENT_BEGIN ? "0123456789abcdef" : "word");
		line = event_line(&ev);
		fputs(line, stdout);
		free(line);
	}
	for (u32 n = 1; n < 100; n++) {
		seed = n;
		random_model(&m);
		for (u32 i = 0; i < m.nr_resources; i++) {
			line = event_state_line(1, 0, 0, &m, &m.resource[i]);
			fputs(line, stdout);
			free(line);
		}
		model_free(&m);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kernel),
		cmocka_unit_test(test_volume),
		cmocka_unit_test(test_sync),
		cmocka_unit_test(test_verify),
		cmocka_unit_test(test_problems),
		cmocka_unit_test(test_come_and_go),
		cmocka_unit_test(test_property),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_state),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_sentence),
	};

	if (argc == 2 && !strcmp(argv[1], "json")) {
		print_all();
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
