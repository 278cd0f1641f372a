// SPDX-License-Identifier: GPL-2.0
/*
 * conf_parse() on any bytes: either refuses with a sentence, or what it took keeps every bound. For
 * libFuzzer; with FUZZ_SMOKE, a driver of its own that mangles a good file some thousand times,
 * from a fixed seed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "conf.h"
#include "meta.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * libconfig forgets the text it has begun when a string does not end: some bytes per refused file,
 * its own.
 */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libconfig";
}

const char *__lsan_default_options(void);
const char *__lsan_default_options(void)
{
	return "print_suppressions=0";
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "fuzz_conf: %s\n", what);
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf *c = NULL;
	struct err e = { 0 };

	if (conf_parse((const char *)data, size, "/etc/lockstep/r0.conf", &c, &e)) {
		must(e.what[0] && e.code[0], "refused without a reason");
		must(!c, "output on failure");
		return 0;
	}
	must(c->node[0].id < c->node[1].id && c->node[1].id < LOCKSTEP_MAX_NODES, "ids");
	must(c->nr_volumes >= 1 && c->nr_volumes <= LOCKSTEP_MAX_VOLUMES, "volumes");
	must(c->streams >= 1 && c->streams <= LOCKSTEP_MAX_STREAMS, "streams");
	must(c->split_no_primary <= 1 && !(c->split_one_primary & ~2u), "split_brain");
	must(c->ping_ms && c->ping_ms * 2 <= c->timeout_ms, "ping");
	for (int n = 0; n < CONF_NODES; n++) {
		must(meta_name_ok(c->node[n].name) && c->node[n].address[0] && c->node[n].port,
		     "node");
		for (u32 i = 0; i < c->nr_volumes; i++)
			must(c->volume[i].disk[n][0] == '/', "disk");
	}
	conf_free(c);
	return 0;
}

#ifdef FUZZ_SMOKE
static const char seed_text[] =
	"nodes: { alice: { id = 0; address = \"10.77.0.1\"; };\n"
	"  bob: { id = 1; address = \"fe80::2\"; port = 7400; }; };\n"
	"volumes: ( { number = 0; minor = 0; disk = \"/dev/vdb\"; },\n"
	"  { number = 1; minor = 1; disk: { alice = \"/dev/sdb\"; bob = \"/dev/sdc\"; };\n"
	"    meta = \"internal\"; } );\n"
	"net: { streams = 4; timeout_ms = 6000; ping_ms = 1000; }; # comment\n"
	"disk_timeout_ms = 20000;\n"
	"split_brain: { no_primary = \"keep-changed\"; one_primary = \"none\"; };\n"
	"hooks: { split_brain = \"/h/a\"; any = \"/h/b\"; };\n"
	"key = \"/etc/lockstep/r0.key\";\n";

static unsigned long long rnd_state = 88172645463325252ull;

static size_t rnd(size_t below)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return rnd_state % below;
}

/* One small change: a byte, a cut, a doubled piece, or a character that means something. */
static size_t mangle(char *buf, size_t len, size_t cap)
{
	static const char special[] = "{}()[];:=\",@#/\\*\n\0-0x9.";
	size_t at = rnd(len + 1), n = rnd(len - at + 1) % 32;

	switch (rnd(4)) {
	case 0:
		if (at < len)
			buf[at] = (char)rnd(256);
		return len;
	case 1:
		memmove(buf + at, buf + at + n, len - at - n);
		return len - n;
	case 2:
		if (len + n > cap)
			return len;
		memmove(buf + at + n, buf + at, len - at);
		return len + n;
	default:
		if (at < len)
			buf[at] = special[rnd(sizeof(special) - 1)];
		return len;
	}
}

int main(void)
{
	static char buf[8192];

	LLVMFuzzerTestOneInput((const uint8_t *)seed_text, sizeof(seed_text) - 1);
	for (int i = 0; i < 20000; i++) {
		size_t len = sizeof(seed_text) - 1;
		char *exact;

		memcpy(buf, seed_text, len);
		for (size_t n = rnd(8) + 1; n; n--)
			len = mangle(buf, len, sizeof(buf));
		/* Of exactly that size, so that reading past its end is seen. */
		exact = malloc(len ? len : 1);
		memcpy(exact, buf, len);
		LLVMFuzzerTestOneInput((const uint8_t *)exact, len);
		free(exact);
	}
	return 0;
}
#endif
