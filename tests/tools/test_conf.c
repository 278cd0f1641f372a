// SPDX-License-Identifier: GPL-2.0
/*
 * The configuration parser takes what lockstep.conf(5) describes and refuses the rest by name and
 * line.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "conf.h"
#include <lockstep/wire.h>
#include <linux/lockstep.h>

#define NODES	"nodes: { alice: { id = 0; address = \"10.77.0.1\"; };\n" \
		"  bob: { id = 1; address = \"10.77.0.2\"; }; };\n"
#define VOLUMES	"volumes: ( { number = 0; minor = 0; disk = \"/dev/vdb\"; } );\n"

static int parse(const char *text, struct conf **ret, struct err *e)
{
	memset(e, 0, sizeof(*e));
	return conf_parse(text, strlen(text), "/etc/lockstep/r0.conf", ret, e);
}

static void test_least(void **state)
{
	struct conf *c = NULL;
	struct err e;

	(void)state;
	assert_int_equal(parse(NODES VOLUMES, &c, &e), 0);
	assert_string_equal(c->name, "r0");
	assert_string_equal(c->path, "/etc/lockstep/r0.conf");
	assert_string_equal(c->key, "/etc/lockstep/r0.key");
	assert_int_equal(c->disk_timeout_ms, LOCKSTEP_DEF_DISK_TIMEOUT_MS);
	assert_int_equal(c->fencing.policy, LOCKSTEP_FENCING_NONE);
	assert_string_equal(c->fencing.program, "");
	assert_int_equal(c->streams, LOCKSTEP_DEF_STREAMS);
	assert_int_equal(c->timeout_ms, LOCKSTEP_DEF_TIMEOUT_MS);
	assert_int_equal(c->ping_ms, LOCKSTEP_DEF_PING_MS);
	assert_int_equal(c->nr_volumes, 1);
	assert_int_equal(c->split_no_primary, LOCKSTEP_SP_NONE);
	assert_int_equal(c->split_one_primary, LOCKSTEP_SP_NONE);
	assert_string_equal(c->node[1].name, "bob");
	assert_int_equal(c->node[1].port, LOCKSTEP_DEF_PORT);
	assert_string_equal(c->volume[0].disk[0], "/dev/vdb");
	assert_string_equal(c->volume[0].disk[1], "/dev/vdb");
	assert_string_equal(c->volume[0].meta[0], "");
	conf_free(c);
}

/*
 * Everything at once, nodes and volumes in the other order: node[0] has the smaller id, volumes
 * ascend.
 */
static void test_whole(void **state)
{
	static const char text[] =
		"// comment\n# comment\n"
		"nodes = { bob = { id = 7; address = \"fe80::1%eth0\"; port = 7401; };\n"
		"  alice = { id = 3; address = \"alice.example.org\"; }; };\n"
		"volumes = (\n"
		"  { number = 4; minor = 9; disk = { alice = \"/dev/sdb\"; bob = \"/dev/sdc\"; };\n"
		"    meta = { alice = \"internal\"; bob = \"/dev/sdd\"; }; },\n"
		"  { number = 1; minor = 8; disk = \"/dev/vdc\"; meta = \"internal\"; } );\n"
		"net = { streams = 16; timeout_ms = 500; };\n"
		"disk_timeout_ms = 0;\n"
		"hooks: { split_brain = \"/h/split\"; any = \"/h/any\"; };\n"
		"split_brain: { no_primary = \"keep-changed\"; one_primary = \"keep-primary\"; };\n"
		"key = \"/root/secret\";\n";
	struct conf *c = NULL;
	struct err e;

	(void)state;
	assert_int_equal(parse(text, &c, &e), 0);
	assert_string_equal(c->node[0].name, "alice");
	assert_int_equal(c->node[0].id, 3);
	assert_int_equal(c->node[1].port, 7401);
	assert_int_equal(c->volume[0].number, 1);
	assert_int_equal(c->volume[1].minor, 9);
	assert_string_equal(c->volume[1].disk[0], "/dev/sdb");
	assert_string_equal(c->volume[1].disk[1], "/dev/sdc");
	assert_string_equal(c->volume[1].meta[0], "");
	assert_string_equal(c->volume[1].meta[1], "/dev/sdd");
	assert_int_equal(c->ping_ms, 250);
	assert_string_equal(c->key, "/root/secret");
	assert_int_equal(c->disk_timeout_ms, 0);
	assert_string_equal(c->hook[CONF_HOOK_SPLIT_BRAIN], "/h/split");
	assert_string_equal(c->hook[CONF_HOOK_DISK_FAILED], "");
	assert_string_equal(c->hook[CONF_HOOK_ANY], "/h/any");
	assert_int_equal(c->split_no_primary, LOCKSTEP_SP_KEEP_CHANGED);
	assert_int_equal(c->split_one_primary, LOCKSTEP_SP_KEEP_PRIMARY);
	assert_int_equal(conf_self(c, "alice", &e), 0);
	assert_int_equal(conf_self(c, "bob", &e), 1);
	conf_free(c);
}

/*
 * Each bad text, the code it is refused with, a piece of the sentence and a piece of the way out.
 */
static const struct bad {
	const char *text, *code, *what, *mend;
} bad[] = {
	{ NODES VOLUMES "net: { streems = 4; };", "conf-unknown-setting",
	  "r0.conf:4: unknown setting \"streems\" in \"net\"", "\"streams\"" },
	{ NODES VOLUMES "volume: ();", "conf-unknown-setting", ":4: unknown setting \"volume\"",
	  "\"volumes\"" },
	{ NODES VOLUMES "zzzzzzzzzz = 1;", "conf-unknown-setting", "zzzzzzzzzz",
	  "what is known here: nodes, volumes, net, key" },
	{ NODES VOLUMES "disk_timeout_ms = 999;", "conf-range", "disk_timeout_ms", "0 for never" },
	{ NODES VOLUMES "disk_timeout_ms = -1;", "conf-range", "disk_timeout_ms", "" },
	{ NODES VOLUMES "hooks = 1;", "conf-type", "group", "any = " },
	{ NODES VOLUMES "hooks: { spilt_brain = \"/x\"; };", "conf-unknown-setting", "spilt_brain",
	  "split_brain" },
	{ NODES VOLUMES "hooks: { any = \"notify\"; };", "conf-path", "notify", "whole path" },
	{ NODES VOLUMES "hooks: { any = 5; };", "conf-type", "any", "whole path" },
	{ NODES VOLUMES "split_brain = \"none\";", "conf-type", "\"split_brain\"", "" },
	{ NODES VOLUMES "split_brain: { two_primaries = \"none\"; };", "conf-unknown-setting",
	  "two_primaries", "no_primary, one_primary" },
	{ NODES VOLUMES "split_brain: { no_primary = \"keep-primary\"; };", "conf-word",
	  "keep-primary", "none, keep-changed" },
	{ NODES VOLUMES "split_brain: { one_primary = \"keep-primry\"; };", "conf-word",
	  "keep-primry", "\"keep-primary\"" },
	{ NODES VOLUMES "split_brain: { one_primary = 1; };", "conf-type", "one_primary", "" },
	{ "nodes: { a: { id = 0; adress = \"x\"; }; b: { id = 1; }; };\n" VOLUMES,
	  "conf-unknown-setting", "adress", "\"address\"" },
	{ NODES "volumes: ( { number = 0; minor = 0; disk = \"/dev/vdb\"; mta = \"internal\"; } );",
	  "conf-unknown-setting", ":3: unknown setting \"mta\"", "\"meta\"" },
	{ NODES "volumes: ( { number = 0; minor = 0;"
	  " disk: { alice = \"/dev/a\"; bop = \"/dev/b\"; }; } );",
	  "conf-unknown-setting", "bop", "\"bob\"" },
	{ NODES "volumes: ( { number = 0; minor = 0; disk: { alice = \"/dev/a\"; }; } );",
	  "conf-missing", "\"bob\"", "bob = " },
	{ VOLUMES, "conf-missing", "nodes", "nodes: {" },
	{ NODES, "conf-missing", "volumes", "volumes: (" },
	{ NODES "volumes: ();", "conf-missing", "volumes", "volumes: (" },
	{ NODES "volumes: ( { number = 0; minor = 0; } );", "conf-missing", "disk", "disk = " },
	{ NODES "volumes: ( { minor = 0; disk = \"/dev/x\"; } );", "conf-missing", "number",
	  "number" },
	{ "nodes: { a: { id = 0; address = \"h1\"; }; };\n" VOLUMES, "conf-nodes", "names 1", "" },
	{ "nodes: { a: { id = 0; address = \"h1\"; }; b: { id = 1; address = \"h2\"; };"
	  " c: { id = 2; address = \"h3\"; }; };\n" VOLUMES, "conf-nodes", "names 3", "" },
	{ "nodes: { a: { id = 1; address = \"h1\"; }; b: { id = 1; address = \"h2\"; }; };\n"
	  VOLUMES, "conf-nodes", "both have id 1", "another id" },
	{ "nodes: { a: { id = 0; address = \"h1\"; }; b: { id = 1; address = \"H1\"; }; };\n"
	  VOLUMES, "conf-nodes", "both have the address", "" },
	{ "nodes: { a: { id = 32; address = \"h1\"; }; b: { id = 1; address = \"h2\"; }; };\n"
	  VOLUMES, "conf-range", "\"id\" is 32", "0 to 31" },
	{ "nodes: { a: { id = 0; address = \"10.77.0.300\"; };"
	  " b: { id = 1; address = \"h\"; }; };\n" VOLUMES, "conf-address", "10.77.0.300",
	  "address = " },
	{ "nodes: { a: { id = 0; address = \"[::1]\"; }; b: { id = 1; address = \"h\"; }; };\n"
	  VOLUMES, "conf-address", "[::1]", "brackets" },
	{ "nodes: { a: { id = 0; address = \"h:7400\"; }; b: { id = 1; address = \"h\"; }; };\n"
	  VOLUMES, "conf-address", "h:7400", "without port" },
	{ NODES "volumes: ( { number = 256; minor = 0; disk = \"/dev/x\"; } );", "conf-range",
	  "256", "0 to 255" },
	{ NODES "volumes: ( { number = -1; minor = 0; disk = \"/dev/x\"; } );", "conf-range",
	  "-1", "0" },
	{ NODES "volumes: ( { number = \"0\"; minor = 0; disk = \"/dev/x\"; } );", "conf-type",
	  "whole number", "without quotes" },
	{ NODES "volumes: ( { number = 0; minor = 1.5; disk = \"/dev/x\"; } );", "conf-type",
	  "whole number", "" },
	{ NODES "volumes: ( { number = 0; minor = 0; disk = \"vdb\"; } );", "conf-path",
	  "not an absolute path", "/dev/vdb" },
	{ NODES "volumes: ( { number = 0; minor = 0; disk = \"internal\"; } );", "conf-path",
	  "internal", "" },
	{ NODES "volumes: ( { number = 0; minor = 0; disk = \"\"; } );", "conf-empty", "disk", "" },
	{ NODES "volumes: ( { number = 0; minor = 0; disk = 5; } );", "conf-type", "in quotes",
	  "" },
	{ NODES "volumes: ( { number = 0; minor = 0; disk = \"/dev/a\"; },"
	  "{ number = 0; minor = 1; disk = \"/dev/b\"; } );", "conf-twice", "number 0", "" },
	{ NODES "volumes: ( { number = 0; minor = 0; disk = \"/dev/a\"; },"
	  "{ number = 1; minor = 0; disk = \"/dev/b\"; } );", "conf-twice", "minor 0", "" },
	{ NODES "volumes: ( { number = 0; minor = 0; disk = \"/dev/a\"; },"
	  "{ number = 1; minor = 1; disk = \"/dev/a\"; } );", "conf-twice", "/dev/a", "" },
	{ NODES "volumes: ( { number = 0; minor = 0; disk = \"/dev/a\"; meta = \"/dev/a\"; } );",
	  "conf-twice", "/dev/a", "" },
	{ NODES "volumes: ( 5 );", "conf-type", "must be a group", "{ number" },
	{ NODES VOLUMES "net: { streams = 0; };", "conf-range", "streams", "1 to 16" },
	{ NODES VOLUMES "net: { timeout_ms = 499; };", "conf-range", "timeout_ms", "500" },
	{ NODES VOLUMES "net: { timeout_ms = 1000; ping_ms = 501; };", "conf-range", "ping_ms",
	  "500" },
	{ NODES VOLUMES "net = 5;", "conf-type", "net", "" },
	{ NODES VOLUMES "key = \"r0.key\";", "conf-path", "r0.key", "whole path" },
	{ NODES VOLUMES "net: { streams = 4; streams = 5; };", "conf-syntax", "duplicate", "" },
	{ NODES VOLUMES "net { streams = 4 }}", "conf-syntax", ":4:", "name = value" },
	{ NODES VOLUMES "  @include \"/etc/passwd\"\n", "conf-include", ":4:", "" },
	{ "", "conf-missing", "nodes", "" },
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct conf *c = NULL;
		struct err e;
		int err = parse(bad[i].text, &c, &e);

		if (err >= 0 || strcmp(e.code, bad[i].code) || !strstr(e.what, bad[i].what) ||
		    !strstr(e.mend, bad[i].mend))
			fail_msg("row %zu: %d %s \"%s\" -> \"%s\"", i, err, e.code, e.what, e.mend);
		assert_null(c);
	}
}

static void test_bad_text(void **state)
{
	struct conf *c = NULL;
	static char deep[4096];
	struct err e;
	char *big;

	(void)state;
	assert_int_equal(conf_parse("a\0b", 3, "/x/r0.conf", &c, &e), -EINVAL);
	assert_string_equal(e.code, "conf-text");
	memset(deep, '(', sizeof(deep) - 1);
	memcpy(deep, "x = ", 4);
	assert_int_equal(parse(deep, &c, &e), -EINVAL);
	assert_string_equal(e.code, "conf-syntax");
	big = malloc(CONF_MAX_BYTES + 1);
	memset(big, ' ', CONF_MAX_BYTES + 1);
	assert_int_equal(conf_parse(big, CONF_MAX_BYTES + 1, "/x/r0.conf", &c, &e), -EFBIG);
	free(big);
}

static void test_bad_names(void **state)
{
	static const char *const path[] = {
		"/x/.conf", "/x/r0", "/x/r 0.conf", "/x/-r.conf", "/x/..conf", "r0.conf/", "",
		"/x/0123456789012345678901234567890123456789012345678.conf",
	};
	struct conf *c = NULL;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(path); i++) {
		assert_int_equal(conf_parse(NODES VOLUMES, strlen(NODES VOLUMES), path[i], &c, &e),
				 -EINVAL);
		assert_string_equal(e.code, "bad-name");
	}
	assert_int_equal(conf_load_name("../etc/r0", &c, &e), -EINVAL);
	assert_string_equal(e.code, "bad-name");
}

static void write_file(const char *dir, const char *name, const char *text, mode_t mode)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

#define KEY	"00112233445566778899aabbccddeeffFFEEDDCCBBAA99887766554433221100"

static void check_key(const struct conf *c, const char *dir, const char *text, mode_t mode,
		      const char *code)
{
	u8 key[LOCKSTEP_KEY_BYTES] = { 0 };
	struct err e = { 0 };
	int err;

	write_file(dir, "r0.key", text, mode);
	err = conf_read_key(c, key, &e);
	assert_string_equal(e.code, code);
	assert_int_equal(!err, !*code);
	assert_int_equal(key[1], *code ? 0 : 0x11);
	assert_int_equal(key[16], *code ? 0 : 0xff);
}

static void test_host(void **state)
{
	char dir[256], host[64], command[300];
	char (*names)[LOCKSTEP_NAME_BYTES];
	struct conf *c = NULL;
	struct err e = { 0 };
	size_t nr;

	(void)state;
	snprintf(dir, sizeof(dir), "%s/lockstep-conf-XXXXXX", getenv("TMPDIR") ?: "/tmp");
	assert_non_null(mkdtemp(dir));
	setenv("LOCKSTEP_CONF_DIR", dir, 1);
	assert_int_equal(conf_load_name("r0", &c, &e), -ENOENT);
	write_file(dir, "r0.conf", NODES VOLUMES, 0644);
	write_file(dir, "a1.conf", "bad", 0644);
	write_file(dir, "-x.conf", "bad", 0644);
	assert_int_equal(conf_names(&names, &nr, &e), 0);
	assert_int_equal(nr, 2);
	assert_string_equal(names[0], "a1");
	assert_string_equal(names[1], "r0");
	free(names);
	assert_int_equal(conf_load_name("r0", &c, &e), 0);

	assert_int_equal(gethostname(host, sizeof(host)), 0);
	assert_int_equal(conf_self(c, NULL, &e), -ENOENT);
	assert_non_null(strstr(e.what, "alice"));
	assert_non_null(strstr(e.what, "bob"));
	write_file(dir, "node", " bob\n", 0644);
	assert_int_equal(conf_self(c, NULL, &e), 1);
	assert_int_equal(conf_self(c, "", &e), 1);
	assert_int_equal(conf_self(c, "alice", &e), 0);
	assert_int_equal(conf_self(c, "carol", &e), -ENOENT);
	write_file(dir, "node", "carol\n", 0644);
	assert_int_equal(conf_self(c, NULL, &e), -ENOENT);
	write_file(dir, "node", "alice bob\n", 0644);
	assert_int_equal(conf_self(c, NULL, &e), -EINVAL);

	check_key(c, dir, KEY "\n", 0600, "");
	check_key(c, dir, KEY, 0400, "");
	check_key(c, dir, KEY "\n", 0640, "key-mode");
	check_key(c, dir, KEY "0\n", 0600, "bad-key");
	check_key(c, dir, "g" KEY, 0600, "bad-key");
	check_key(c, dir, "", 0600, "bad-key");
	conf_free(c);
	snprintf(command, sizeof(command), "rm -r '%s'", dir);
	assert_int_equal(system(command), 0);
}

/* A policy is a word of three, and has a program unless it is none. */
static void test_fencing(void **state)
{
#define FENCING(text)	NODES VOLUMES "fencing: { " text " };\n"
	static const char *const bad[] = {
		FENCING(""), FENCING("policy = \"shoot\";"), FENCING("policy = 1;"),
		FENCING("policy = \"fence\";"), FENCING("policy = \"outdate\"; program = \"x\";"),
		FENCING("policy = \"fence\"; program = \"/x\"; timeout_ms = 999;"),
		FENCING("policy = \"none\"; porgram = \"/x\";"), NODES VOLUMES "fencing = 1;\n",
		FENCING("policy = \"fence\"; program = \"/x\"; unfence = \"y\";"),
	};
	struct conf *c = NULL;
	struct err e;

	(void)state;
	assert_int_equal(parse(FENCING("policy = \"none\";"), &c, &e), 0);
	assert_int_equal(c->fencing.policy, LOCKSTEP_FENCING_NONE);
	conf_free(c);
	assert_int_equal(parse(FENCING("policy = \"fence\"; program = \"/sbin/f\"; "
				       "unfence = \"/sbin/u\"; timeout_ms = 5000;"), &c, &e), 0);
	assert_int_equal(c->fencing.policy, LOCKSTEP_FENCING_FENCE);
	assert_string_equal(c->fencing.program, "/sbin/f");
	assert_string_equal(c->fencing.unfence, "/sbin/u");
	assert_int_equal(c->fencing.timeout_ms, 5000);
	conf_free(c);
	assert_int_equal(parse(FENCING("policy = \"outdate\"; program = \"/f\";"), &c, &e), 0);
	assert_int_equal(c->fencing.policy, LOCKSTEP_FENCING_OUTDATE);
	assert_int_equal(c->fencing.timeout_ms, 60000);
	conf_free(c);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(parse(bad[i], &c, &e) < 0);
		assert_true(strncmp(e.code, "conf-", 5) == 0);
		assert_non_null(strstr(e.what, "r0.conf:"));
	}
}

static void test_auto_promote(void **state)
{
	static const char *const bad[] = {
		"auto_promote = 1;", "auto_promote = \"true\";", "auto_promote: { };",
		"auto_promot = true;",
	};
	struct conf *c = NULL;
	char text[1024];
	struct err e;

	(void)state;
	assert_int_equal(parse(NODES VOLUMES, &c, &e), 0);
	assert_false(c->auto_promote);
	conf_free(c);
	assert_int_equal(parse(NODES VOLUMES "auto_promote: true;\n", &c, &e), 0);
	assert_true(c->auto_promote);
	conf_free(c);
	assert_int_equal(parse(NODES VOLUMES "auto_promote = false;\n", &c, &e), 0);
	assert_false(c->auto_promote);
	conf_free(c);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "%s%s%s\n", NODES, VOLUMES, bad[i]);
		assert_true(parse(text, &c, &e) < 0);
		assert_non_null(strstr(e.what, "auto_promot"));
		assert_non_null(strstr(e.mend, "auto_promote"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_least), cmocka_unit_test(test_fencing),
		cmocka_unit_test(test_auto_promote),
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_bad_text),
		cmocka_unit_test(test_bad_names),
		cmocka_unit_test(test_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
