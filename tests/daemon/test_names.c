// SPDX-License-Identifier: GPL-2.0
/* A host name in the place of an address: looked up beside the loop, and said what is wrong. */
#include "pair.h"

#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define UNKNOWN	"bob.example"
#define SLOW	"slow.example"
#define KNOWN	"known.example"

/* The name server, and a host's files: the program's own comes before the library's. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		struct addrinfo **ret)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	struct timespec late = { .tv_sec = PHASE_MS / 1000 + 1 };

	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	if (node && !(hints->ai_flags & AI_NUMERICHOST) && !strcmp(node, UNKNOWN))
		return EAI_NONAME;
	if (node && !(hints->ai_flags & AI_NUMERICHOST) && !strcmp(node, SLOW)) {
		nanosleep(&late, NULL);
		return EAI_AGAIN;
	}
	if (node && !(hints->ai_flags & AI_NUMERICHOST) && !strcmp(node, KNOWN))
		node = "127.0.0.1";
	return real(node, service, hints, ret);
}

static bool alice_has_problem(struct pair *p)
{
	return pair_has_problem(p, ALICE, "address");
}

static void up_with(struct pair *p, const char *bob)
{
	strcpy(p->bob, bob);
	pair_write_conf(p, 1, 4);
	pair_must(p, ALICE, CTL_UP);
}

static void begin(struct pair *p)
{
	for (int side = 0; side < 2; side++)
		pair_gen(p, side, 0, 7, 0, GOOD);
	pair_start(p, BOB);
	pair_must(p, BOB, CTL_UP);
	pair_start(p, ALICE);
}

static void says(struct pair *p, const char *what)
{
	until(p, alice_has_problem);
	assert_string_equal(pair_facts(p, ALICE).problem, what);
	assert_string_equal(pair_facts(p, ALICE).mend, "getent hosts says what is known; correct "
			    "the address in r0.conf, then lockstep up r0");
}

/* What is to be done then is done: it connects. */
static void test_unknown(void **state)
{
	struct pair *p = *state;

	begin(p);
	up_with(p, UNKNOWN);
	says(p, "the address " UNKNOWN " is not known: Name or service not known");
	up_with(p, KNOWN);
	until(p, are_connected);
	assert_string_equal(pair_facts(p, ALICE).problem, "");
}

static void test_silent_server(void **state)
{
	struct pair *p = *state;

	begin(p);
	up_with(p, SLOW);
	says(p, "no name server answers for " SLOW);
	up_with(p, KNOWN);
	until(p, are_connected);
}

int main(void)
{
#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, pair_set_up, pair_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_unknown),
		TEST(test_silent_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
