// SPDX-License-Identifier: GPL-2.0
/*
 * The printers say what is going on, in 80 columns, and name what is wrong with the command that
 * mends it. With the argument "json" or "json-many" it prints a sample for the schema check
 * instead, with "words" all words for the manual's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "diagnose.h"
#include "event.h"
#include "print.h"
#include "text.h"
#include <linux/lockstep.h>

static struct model_resource *up_resource(struct model *m, const char *name)
{
	struct model_resource *r = model_resource(m, name);
	struct model_volume *v = model_volume(r, 0);

	m->has_module = m->has_daemon = true;
	r->in_kernel = r->has_daemon = r->daemon.configured = true;
	strcpy(r->daemon.name, name);
	strcpy(r->node, "alice");
	strcpy(r->peer, "bob");
	strcpy(r->daemon.peer_address, "10.77.0.2 port 7400");
	r->peer_node_id = 1;
	r->role = LOCKSTEP_ROLE_PRIMARY;
	r->peer_role = LOCKSTEP_ROLE_SECONDARY;
	r->link = LOCKSTEP_LINK_UP;
	r->io_mode = LOCKSTEP_IO_BOTH;
	r->streams = 4;
	r->epoch = 7;
	r->session_id = 0x1234567890abcdef;
	v->disk = v->peer_disk = LOCKSTEP_DISK_UP_TO_DATE;
	v->data_sect = 20971520;
	v->gen_current = 5;
	v->flags = 0x23;
	v->gen_history[0] = 3;
	v->gen_history_nr = 1;
	strcpy(v->backing, "/dev/vdb");
	return r;
}

static void expect(const struct model *m, const struct model_resource *r, const char *headline,
		   const char *code, const char *mend)
{
	char text[HEADLINE_BYTES];
	struct err e;

	diagnose_headline(m, r, text);
	assert_string_equal(text, headline);
	diagnose_problem(m, r, &e);
	assert_string_equal(e.code, code);
	if (!strstr(e.mend, mend))
		fail_msg("\"%s\" lacks \"%s\"", e.mend, mend);
}

static void says(const struct model *m, const struct model_resource *r, const char *code,
		 const char *what, const char *mend)
{
	struct err e;

	diagnose_problem(m, r, &e);
	assert_string_equal(e.code, code);
	assert_string_equal(e.what, what);
	assert_string_equal(e.mend, mend);
}

/* A whole mirror with one thing less at a time. */
static void test_less(void **state)
{
	struct model own, *m = &own;
	struct model_resource *r;
	struct model_volume *v;

	(void)state;
	model_init(m);
	r = up_resource(m, "r0");
	v = &r->volume[0];
	v->disk = LOCKSTEP_DISK_NONE;
	says(m, r, "no-disk", "volume 0 has no disk", "replace the disk (a new one: lockstep init "
	     "r0 --volume 0), then lockstep attach r0");
	v->disk = LOCKSTEP_DISK_UP_TO_DATE;
	r->held = 1;
	says(m, r, "writes-held", "1 write is held",
	     "wait; if it lasts, on bob: lockstep status r0");
	r->held = 12;
	strcpy(r->wait, "the peer's answer");
	says(m, r, "writes-held", "12 writes are held: the peer's answer",
	     "wait; if it lasts, on bob: lockstep status r0");
	r->held = 0;
	r->wait[0] = '\0';
	/* The daemon runs, and was never told of it. */
	r->link = LOCKSTEP_LINK_DOWN;
	strcpy(r->link_lost, "silence for 6000 ms");
	m->has_daemon = true;
	r->has_daemon = false;
	says(m, r, "not-configured", "lockstepd does not look after r0, so nobody looks for bob; "
	     "the last session ended: silence for 6000 ms", "lockstep up r0");
	r->unfenced = true;
	r->io_mode = LOCKSTEP_IO_FROZEN;
	says(m, r, "unfenced", "bob is not connected, and nobody fences it: lockstepd does not "
	     "run, or does not look after r0", "systemctl start lockstepd && lockstep up r0");
	model_free(m);
}

static void test_untold(void **state)
{
	struct model m;
	struct model_resource *r;

	(void)state;
	model_init(&m);
	r = up_resource(&m, "r0");
	r->kernel_volumes = 2;
	expect(&m, r, "primary here, connected to bob, too busy to tell of all its volumes", "",
	       "");
	model_free(&m);
}

static void test_headlines(void **state)
{
	struct model m;
	struct model_resource *r;
	struct model_volume *v;

	(void)state;
	model_init(&m);
	r = up_resource(&m, "r0");
	v = &r->volume[0];
	expect(&m, r, "primary here, connected to bob, both copies up to date", "", "");
	r->role = LOCKSTEP_ROLE_SECONDARY;
	r->peer_role = LOCKSTEP_ROLE_PRIMARY;
	v->disk = LOCKSTEP_DISK_INCONSISTENT;
	v->sync = LOCKSTEP_SYNC_TARGET;
	v->has_sync_progress = true;
	v->sync_total_bits = 1000000;
	v->oos_bits = 250000;
	v->sync_ms = 10000;
	expect(&m, r, "secondary here, bob is primary, connected to bob, this copy is being "
	       "synchronised (75 %)", "", "");
	v->sync = LOCKSTEP_SYNC_SOURCE;
	r->role = LOCKSTEP_ROLE_PRIMARY;
	r->peer_role = LOCKSTEP_ROLE_SECONDARY;
	expect(&m, r, "primary here, connected to bob, synchronising bob's copy (75 %)", "", "");
	v->sync = LOCKSTEP_SYNC_NONE;
	v->disk = LOCKSTEP_DISK_UP_TO_DATE;
	r->link = LOCKSTEP_LINK_DOWN;
	r->io_mode = LOCKSTEP_IO_ALONE;
	strcpy(r->daemon.phase, "connecting");
	strcpy(r->link_lost, "silence for 6000 ms");
	expect(&m, r, "primary here, not connected to bob (connecting), this copy up to date, "
	       "writing here alone", "not-connected", "on bob: lockstep status r0");
	strcpy(r->daemon.problem, "bob has another key");
	strcpy(r->daemon.code, "wrong-key");
	strcpy(r->daemon.mend, "copy the key");
	expect(&m, r, "primary here, not connected to bob (connecting), this copy up to date, "
	       "writing here alone", "wrong-key", "copy the key");
	r->daemon.problem[0] = '\0';
	r->daemon.stay_off = true;
	r->held = 1;
	expect(&m, r, "primary here, disconnected from bob on request, this copy up to date, "
	       "1 write held", "disconnected", "lockstep connect r0");
	m.has_daemon = r->has_daemon = false;
	r->held = 0;
	expect(&m, r,
	       "primary here, not connected to bob, this copy up to date, writing here alone",
	       "no-daemon", "systemctl start lockstepd");
	v->disk = LOCKSTEP_DISK_FAILED;
	r->link = LOCKSTEP_LINK_UP;
	r->io_mode = LOCKSTEP_IO_BOTH;
	strcpy(v->disk_why, "a write failed: Input/output error");
	expect(&m, r, "primary here, connected to bob, this copy failed, bob's up to date",
	       "disk-failed", "lockstep attach r0");
	r->link = LOCKSTEP_LINK_DOWN;
	r->io_mode = LOCKSTEP_IO_FROZEN;
	expect(&m, r, "primary here, not connected to bob, this copy failed, reads and writes wait",
	       "disk-failed", "bring bob back");
	v->disk = LOCKSTEP_DISK_INCONSISTENT;
	expect(&m, r, "primary here, not connected to bob, this copy inconsistent, reads and "
	       "writes wait", "frozen", "bring bob back");
	v->disk = LOCKSTEP_DISK_UP_TO_DATE;
	/* Fencing: nobody at work; at work; failed, in the daemon's words. */
	r->unfenced = true;
	expect(&m, r, "primary here, not connected to bob, this copy up to date, reads and writes "
	       "wait", "unfenced", "systemctl start lockstepd");
	m.has_daemon = r->has_daemon = r->daemon.configured = true;
	expect(&m, r, "primary here, disconnected from bob on request, this copy up to date, "
	       "reads and writes wait", "fencing", "");
	strcpy(r->daemon.code, "fence-failed");
	strcpy(r->daemon.problem, "the program ended with exit code 9");
	strcpy(r->daemon.mend, "lockstep resume r0");
	expect(&m, r, "primary here, disconnected from bob on request, this copy up to date, "
	       "reads and writes wait", "fence-failed", "lockstep resume r0");
	m.has_daemon = r->has_daemon = r->unfenced = false;
	r->daemon.code[0] = r->daemon.problem[0] = r->daemon.mend[0] = 0;
	r->link = LOCKSTEP_LINK_UP;
	r->io_mode = LOCKSTEP_IO_BOTH;
	v->loading = true;
	v->verify = LOCKSTEP_VERIFY_RUNNING;
	v->verify_first_bit = 100;
	v->verify_bit = 125;
	v->verify_end_bit = 200;
	v->verify_bad_bits = 2;
	expect(&m, r, "primary here, connected to bob, both copies up to date, reading its bitmap, "
	       "comparing the copies (25 %)", "", "");
	v->loading = false;
	v->verify = LOCKSTEP_VERIFY_DONE;
	expect(&m, r, "primary here, connected to bob, both copies up to date", "copies-differ",
	       "--repair");
	v->verify_repaired_bits = 2;
	expect(&m, r, "primary here, connected to bob, both copies up to date", "", "");
	v->sync_error_bits = 1;
	expect(&m, r, "primary here, connected to bob, both copies up to date", "unreadable",
	       "replace");
	r->in_kernel = false;
	r->has_daemon = true;
	expect(&m, r, "wanted up, but not in the kernel", "not-in-kernel", "lockstep up r0");
	r->has_daemon = false;
	expect(&m, r, "down", "", "");
	model_free(&m);
}

static void test_sync(void **state)
{
	struct model_volume v = { .sync = LOCKSTEP_SYNC_SOURCE, .has_sync_progress = true };
	struct diagnose_sync p;

	(void)state;
	v.sync_total_bits = 10;
	v.oos_bits = 20;
	assert_true(diagnose_sync(&v, &p));
	assert_int_equal(p.permille, 0);
	assert_int_equal(p.done_bytes, 0);
	assert_false(p.has_eta);
	v.sync_total_bits = 1ull << 38;
	v.oos_bits = 1;
	v.sync_ms = 1000;
	assert_true(diagnose_sync(&v, &p));
	assert_int_equal(p.permille, 999);
	assert_true(p.has_eta);
	v.oos_bits = 0;
	assert_true(diagnose_sync(&v, &p));
	assert_int_equal(p.permille, 1000);
	/* What the kernel measured of the last seconds counts more than the average. */
	v.oos_bits = 1000;
	v.has_sync_rate = true;
	v.sync_rate = 77;
	assert_true(diagnose_sync(&v, &p));
	assert_int_equal(p.rate_bytes_s, 77);
	assert_false(p.has_eta);
	v.has_sync_left = true;
	v.sync_left_ms = 5999;
	assert_true(diagnose_sync(&v, &p));
	assert_int_equal(p.eta_s, 5);
	v.sync = LOCKSTEP_SYNC_SOURCE_WAIT;
	assert_false(diagnose_sync(&v, &p));
}

static void test_verify(void **state)
{
	struct model_volume v = { .verify_first_bit = 10, .verify_bit = 5, .verify_end_bit = 10 };
	struct diagnose_verify p;

	(void)state;
	assert_false(diagnose_verify(&v, &p));
	v.verify = LOCKSTEP_VERIFY_RUNNING;
	assert_true(diagnose_verify(&v, &p));
	assert_int_equal(p.permille, 1000);
	v.verify_end_bit = 1ull << 38;
	v.verify_bit = v.verify_end_bit - 1;
	assert_true(diagnose_verify(&v, &p));
	assert_int_equal(p.permille, 999);
	v.verify_bit = UINT64_MAX;
	assert_true(diagnose_verify(&v, &p));
	assert_int_equal(p.done_bytes, p.total_bytes);
}

/* Blocks that touch are one stretch, over the ends of chunks, too. */
static void test_diff(void **state)
{
	struct model_volume v = { .number = 3, .verify = LOCKSTEP_VERIFY_DONE };
	struct print_diff d = { .volume = &v };
	char *text = NULL;
	size_t size;
	FILE *f;

	(void)state;
	for (u64 i = 0; i < 100; i++)
		assert_int_equal(print_diff_add(&d, 10 * i, 5), 0);
	assert_int_equal(print_diff_add(&d, 995, 7), 0);
	assert_int_equal(d.nr, 100);
	assert_int_equal(d.range[99].count, 12);
	assert_int_equal(d.total, 507);
	f = open_memstream(&text, &size);
	print_text.diff(f, "r0", &d, 1);
	print_json.diff(f, "r0", &d, 1);
	fclose(f);
	assert_non_null(strstr(text, "r0 volume 3: 1.98 MiB differed, in 100 stretches"));
	assert_non_null(strstr(text, "             4055040                49152\n"));
	assert_non_null(strstr(text, "\"offset\": 4055040"));
	free(text);
	free(d.range);
}

/* A model with something in every place. */
static void sample(struct model *m)
{
	struct model_resource *r;
	struct model_volume *v;

	model_init(m);
	up_resource(m, "r0");
	r = up_resource(m, "r1");
	v = &r->volume[0];
	v->sync = LOCKSTEP_SYNC_SOURCE;
	v->peer_disk = LOCKSTEP_DISK_INCONSISTENT;
	v->has_sync_progress = true;
	v->sync_total_bits = 871424;
	v->oos_bits = 476660;
	v->sync_ms = 13000;
	v->sync_compared_bits = 300000;
	v->sync_copied_bits = 94764;
	v->sync_error_bits = 3;
	v->has_sync_rate = v->has_sync_left = true;
	v->sync_rate = 124 << 20;
	v->sync_left_ms = 15000;
	v->read_errors = 2;
	v->repairs = 2;
	v->verify = LOCKSTEP_VERIFY_STOPPED;
	v->verify_bit = 500;
	v->verify_end_bit = 2621440;
	v->verify_bad_bits = 3;
	v->verify_repaired_bits = 1;
	r->has_disk_timeout = true;
	r->disk_timeout_ms = 30000;
	v->openers = 2;
	strcpy(v->opener, "fio (pid 4711)");
	strcpy(v->meta, "/dev/disk/by-id/nvme-EXAMPLE_0123456789-part3");
	strcpy(r->daemon.problem,
	       "the peer refuses the session because its disk for volume 0 is smaller "
	       "than what was agreed when the two met for the first time");
	strcpy(r->daemon.mend, "on bob: enlarge the disk, then lockstep connect r1");
	strcpy(r->daemon.code, "limits");
	r->daemon.problem_since_s = 1900000000;
	strcpy(r->wait, "the peer's answer to the question who is primary");
	r->daemon.split = (struct model_split){
		.is = true, .since_s = 1900000000, .volume = 0, .rule = "split-history",
		.id = 0x123456789, .here = { "alice-with-a-long-name-in-a-long-domain", 1, true,
		true, true, 12288, 64 << 20, 1900000001, 1800000000 },
		.peer = { "bob", 2, true, false, true, 4096, 0, 0, 0 },
	};
	r = up_resource(m, "r2");
	r->link = LOCKSTEP_LINK_DOWN;
	r->volume[0].oos_bits = 99;
	r->volume[0].opener[0] = '\xff';
	r->volume[0].openers = 1;
	model_volume(r, 255)->disk = 77;
	r->held = 12;
	r = up_resource(m, "r5");
	v = &r->volume[0];
	v->disk = LOCKSTEP_DISK_FAILED;
	v->stuck = 3;
	v->write_errors = 1;
	v->loading = true;
	v->dirty_regions = 17;
	strcpy(v->disk_why, "a request did not come back for 30 s");
	r->io_mode = LOCKSTEP_IO_FROZEN;
	r->fencing = LOCKSTEP_FENCING_FENCE;
	r->unfenced = true;
	r->auto_promote = r->automatic = true;
	v->verify = LOCKSTEP_VERIFY_RUNNING;
	v->verify_end_bit = 2621440;
	v->verify_bit = 300000;
	strcpy(model_resource(m, "r3")->daemon.config, "/etc/lockstep/r3.conf");
	model_resource(m, "r4")->has_daemon = true;
	model_find(m, "r4")->daemon.configured = true;
}

static char *print(const struct print_ops *ops, const struct model *m, const char *name)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	ops->status(f, m, &(struct print_status){ .name = name, .is_full = true });
	fclose(f);
	return text;
}

static void test_text(void **state)
{
	char *text, *line, *save;
	struct model m;

	(void)state;
	sample(&m);
	text = print(&print_text, &m, NULL);
	printf("%s\n", text);
	assert_non_null(strstr(text,
			       "r0: primary here, connected to bob, both copies up to date\n"));
	assert_non_null(strstr(text, "45.3 %"));
	assert_non_null(strstr(text, "-> on bob: enlarge the disk, then lockstep connect r1\n"));
	assert_non_null(strstr(text, "in use by fio (pid 4711) and others"));
	assert_non_null(strstr(text, "  split      found 2030-03-"));
	assert_non_null(strstr(text, "own, and up to 64.0 MiB more, as it crashed"));
	assert_non_null(strstr(text, "bob: 4.00 KiB of its own, no write known; primary"));
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (strlen(line) > 80 && !strstr(line, "-> "))
			fail_msg("%zu columns: %s", strlen(line), line);
	free(text);
	text = print(&print_text, &m, "r3");
	assert_string_equal(text, "r3: down\n  config     /etc/lockstep/r3.conf\n");
	free(text);
	m.has_daemon = false;
	text = print(&print_text, &m, "r0");
	assert_non_null(strstr(text, "lockstepd does not run"));
	free(text);
	model_free(&m);
	text = print(&print_text, &m, NULL);
	assert_non_null(strstr(text, "no resources"));
	assert_non_null(strstr(text, "modprobe lockstep"));
	free(text);
}

/* ---- many ----------------------------------------------------------------------------------- */

#define MANY	50

/* Each in another state, and all that can be wide is. */
static void many(struct model *m, bool are_long)
{
	char name[LOCKSTEP_NAME_BYTES];
	struct model_resource *r;
	struct model_volume *v;

	model_init(m);
	for (u32 i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), are_long ?
			 "vm-%02u-with-a-name-as-long-as-any-can-be-at-%02u" : "r%02u", i, i);
		r = up_resource(m, name);
		strcpy(r->daemon.phase, "connecting");
		r->role = i % 3;
		r->peer_role = i / 2 % 3;
		r->link = i % 5 ? LOCKSTEP_LINK_UP : i % 3;
		r->io_mode = i == 7 ? LOCKSTEP_IO_FROZEN : LOCKSTEP_IO_BOTH;
		r->held = i == 9 ? UINT32_MAX : 0;
		if (i == 24)
			r->role = r->peer_role = LOCKSTEP_ROLE_SECONDARY;
		v = &r->volume[0];
		v->disk = i / 3 % 6;
		v->peer_disk = i / 4 % 6;
		v->sync = i % 4;
		v->has_sync_progress = true;
		v->sync_total_bits = 1000;
		v->oos_bits = i;
		v->loading = i % 7 == 0;
		v->verify = i % 4;
		v->verify_end_bit = 100;
		for (u32 n = 1; are_long && n < i % 4 * 80; n++)
			model_volume(r, n)->disk = LOCKSTEP_DISK_UP_TO_DATE;
		if (i == 11 || i == 23) {
			memset(r->daemon.problem, 'x', 600);
			strcpy(r->daemon.code, i == 11 ? "split-brain" :
			       "a-word-of-31-letters-at-the-end");
			memset(r->daemon.mend, 'y', 100);
		}
		if (i == 13)
			r->in_kernel = false;
	}
}

/* Print as `lockstep status` does into a pipe; each line must fit, but for words and commands. */
static char *print_many(const struct model *m, u32 columns)
{
	char *text = NULL, *copy, *line, *save;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	print_text.status(f, m, &(struct print_status){ .columns = columns });
	fclose(f);
	copy = strdup(text);
	for (line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (strlen(line) > columns && !strstr(line, "-> ") && !strstr(line, "xxxxxx"))
			fail_msg("%zu columns: %s", strlen(line), line);
	free(copy);
	return text;
}

static const char *line_of(const char *text, const char *begin)
{
	static char line[512];
	const char *at = text;

	while (at && strncmp(at, begin, strlen(begin))) {
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	if (!at)
		fail_msg("no line begins \"%s\"", begin);
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
	return line;
}

static void test_many(void **state)
{
	struct model m;
	char *text;
	u32 lines = 0;

	(void)state;
	many(&m, false);
	text = print_many(&m, PRINT_COLUMNS);
	printf("%s\n", text);
	assert_string_equal(line_of(text, "name "),
			    "name role/peer's         link    copies                  state");
	assert_string_equal(line_of(text, "r10 "),
			    "r10  secondary/-         opening outdated/-              sync 99 %");
	assert_string_equal(line_of(text, "r24 "),
			    "r24  secondary/secondary up      inconsistent/none       degraded");
	assert_string_equal(line_of(text, "r28 "),
			    "r28  secondary/primary   up      outdated/failed         loading");
	assert_string_equal(line_of(text, "r13 "),
			    "r13  -                   -       -                       "
			    "not-in-kernel");
	for (const char *c = text; (c = strstr(c, "\nr")); c++)
		lines += c[4] == ' ';
	assert_int_equal(lines, MANY);
	free(text);
	model_free(&m);
}

/* In every width and with the longest of everything. */
static void test_many_wide(void **state)
{
	struct model m;
	char *text;

	(void)state;
	many(&m, true);
	for (u32 columns = PRINT_COLUMNS; columns < 200; columns += 7) {
		text = print_many(&m, columns);
		if (columns == PRINT_COLUMNS)
			printf("%s\n", text);
		/* The name is cut, and one sees that; with all the room there is it is whole. */
		assert_non_null(strstr(text, columns < 100 ? "~" : "at-49 "));
		free(text);
	}
	model_free(&m);
}

/* What is worst comes first, and what is alike is told once. */
static void test_many_problems(void **state)
{
	static const char *const order[] = {
		"\nfrozen\n", "\nsplit\n", "\ndisk\n", "\nlink00\n",
		"6 more, not-connected: link01 link02", "\nother\n", "\noff\n",
	};
	struct model_resource *r;
	const char *at, *found;
	struct model m;
	char name[16], *text;

	(void)state;
	model_init(&m);
	up_resource(&m, "fine");
	up_resource(&m, "disk")->volume[0].disk = LOCKSTEP_DISK_FAILED;
	for (u32 i = 0; i < 7; i++) {
		snprintf(name, sizeof(name), "link%02u", i);
		up_resource(&m, name)->link = LOCKSTEP_LINK_DOWN;
	}
	r = up_resource(&m, "off");
	r->link = LOCKSTEP_LINK_DOWN;
	r->daemon.stay_off = true;
	r = up_resource(&m, "other");
	strcpy(r->daemon.problem, "something");
	strcpy(r->daemon.mend, "lockstep whatever");
	up_resource(&m, "frozen")->io_mode = LOCKSTEP_IO_FROZEN;
	r = up_resource(&m, "split");
	strcpy(r->daemon.problem, "both wrote");
	strcpy(r->daemon.code, "split-brain");
	text = print_many(&m, PRINT_COLUMNS);
	assert_non_null(strstr(text, "12 of 13 resources need attention, the worst first:\n"));
	at = text;
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		found = strstr(at, order[i]);
		if (!found)
			fail_msg("\"%s\" is not behind the others:\n%s", order[i], text);
		at = found;
	}
	assert_non_null(strstr(text, "             -> lockstep connect off\n"));
	free(text);
	model_free(&m);
	up_resource(&m, "a");
	up_resource(&m, "b");
	model_find(&m, "b")->volume[0].peer_disk = LOCKSTEP_DISK_FAILED;
	text = print_many(&m, PRINT_COLUMNS);
	assert_non_null(strstr(text, "2 resources, nothing to mend from here; 1 without two good "
			       "copies\n"));
	free(text);
	model_find(&m, "b")->volume[0].peer_disk = LOCKSTEP_DISK_UP_TO_DATE;
	text = print_many(&m, PRINT_COLUMNS);
	assert_string_equal(text,
			    "name role/peer's       link copies          state\n"
			    "a    primary/secondary up   both up-to-date ok\n"
			    "b    primary/secondary up   both up-to-date ok\n"
			    "\n2 resources, nothing is wrong\n");
	free(text);
	model_free(&m);
	/* One is told in full. */
	up_resource(&m, "a");
	text = print_many(&m, PRINT_COLUMNS);
	assert_non_null(strstr(text,
			       "a: primary here, connected to bob, both copies up to date\n"));
	free(text);
	model_free(&m);
}

static void test_numbers(void **state)
{
	(void)state;
	assert_string_equal(text_bytes(0).s, "0 B");
	assert_string_equal(text_bytes(1023).s, "1023 B");
	assert_string_equal(text_bytes(1024).s, "1.00 KiB");
	assert_string_equal(text_bytes(1048576 - 1).s, "1.00 MiB");
	assert_string_equal(text_bytes(10 << 20).s, "10.0 MiB");
	assert_string_equal(text_bytes(100 << 20).s, "100 MiB");
	assert_string_equal(text_bytes(UINT64_MAX).s, "16.0 EiB");
	assert_string_equal(text_duration(19).s, "0:00:19");
	assert_string_equal(text_duration(3 * 86400 + 3661).s, "3 days 1:01:01");
	assert_string_equal(text_when(0).s, "never");
	assert_string_equal(text_disk(99), "unknown");
	assert_string_equal(text_id(1).s, "0000000000000001");
	assert_string_equal(text_bar(0).s, "[>.......................] 0.0 %");
	assert_string_equal(text_bar(1000).s, "[========================] 100.0 %");
}

static void test_parse(void **state)
{
	static const struct { const char *text; u64 want; } good[] = {
		{ "0", 0 }, { "4096", 4096 }, { "4096B", 4096 }, { "1K", 1024 }, { "1k", 1024 },
		{ "3GiB", 3ull << 30 }, { "15E", 15ull << 60 },
	};
	static const char *const bad[] = {
		"", "K", "-1", "+1", " 1", "1 G", "1GB", "1.5G", "16E", "1GiBs", "0x10",
		"99999999999999999999",
	};
	u64 v;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (!text_parse_bytes(good[i].text, &v) || v != good[i].want)
			fail_msg("%s", good[i].text);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (text_parse_bytes(bad[i], &v))
			fail_msg("taken: \"%s\"", bad[i]);
}

/* ---- for the manual ------------------------------------------------------------------------- */

static void print_words(const char *section, const char *(*word)(u32))
{
	const char *w;
	u32 i;

	/* "unknown" is a word of roles, where it comes first, and else the end of the table. */
	for (i = 0; (w = word(i)) && (i == 0 || strcmp(w, "unknown")); i++)
		printf("%s\t%s\n", section, w);
}

static const char *meta_err(u32 n)
{
	return text_meta_err((int)n);
}

static const char *flag(u32 n)
{
	return text_flag(n);
}

static const char *kind(u32 n)
{
	return event_kind_name(n);
}

static void print_all_words(void)
{
	print_words("Roles", text_role);
	print_words("Link", text_link);
	print_words("Copies", text_disk);
	print_words("Synchronisation", text_sync);
	print_words("Reads and writes", text_io);
	print_words("Comparing", text_verify);
	print_words("Flags", meta_err);
	print_words("Flags", flag);
	print_words("Kinds", kind);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_untold),
		cmocka_unit_test(test_headlines),
		cmocka_unit_test(test_less),
		cmocka_unit_test(test_sync),
		cmocka_unit_test(test_verify),
		cmocka_unit_test(test_diff),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_many_wide),
		cmocka_unit_test(test_many_problems),
		cmocka_unit_test(test_numbers),
	};
	struct model m;

	if (argc == 2 && !strcmp(argv[1], "words")) {
		print_all_words();
		return 0;
	}
	if (argc == 2 && !strncmp(argv[1], "json", 4)) {
		if (strcmp(argv[1], "json"))
			many(&m, true);
		else
			sample(&m);
		print_json.status(stdout, &m, &(struct print_status){ .name = NULL });
		model_free(&m);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
