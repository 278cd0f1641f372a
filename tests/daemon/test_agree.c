// SPDX-License-Identifier: GPL-2.0
/*
 * Every refusal of a session that two hellos can lead to: both sides say the same sentence, with
 * the facts in it, and a command. And no code of the wire's is without its word and its command.
 */
#include "pair.h"

#include "agree.h"
#include "peer-phase.h"
#include "refusal.h"

struct sides {
	struct hello h[2];
	struct wire_hello_volume v[2][LOCKSTEP_MAX_VOLUMES];
};

static struct sides s;

static void make(void)
{
	static const char *const name[] = { "alice", "bob" };

	memset(&s, 0, sizeof(s));
	for (u32 i = 0; i < 2; i++) {
		struct wire_hello *h = &s.h[i].h;
		struct wire_hello_volume *v = &s.v[i][0];

		s.h[i].v = s.v[i];
		h->version_min = h->version_max = 1;
		h->node_id = i;
		h->peer_node_id = 1 - i;
		h->role = LOCKSTEP_ROLE_SECONDARY;
		h->streams = 4;
		h->timeout_ms = 6000;
		h->nr_volumes = 1;
		strcpy(h->resource, "r0");
		strcpy(h->node, name[i]);
		v->flags = GOOD;
		v->current_id = 7;
		v->data_sect = v->data_max_sect = 1 << 20;
		v->logical_bytes = 512;
		v->physical_bytes = 4096;
		v->max_io_bytes = LOCKSTEP_MAX_IO_BYTES;
		v->disk = LOCKSTEP_DISK_UP_TO_DATE;
	}
}

static void no_version(void)
{
	s.h[1].h.version_min = s.h[1].h.version_max = 9;
}

static void other_resource(void)
{
	strcpy(s.h[1].h.resource, "r1");
}

static void other_node(void)
{
	s.h[1].h.node_id = 5;
}

static void more_volumes(void)
{
	s.v[1][1] = s.v[1][0];
	s.v[1][1].volume = 1;
	s.h[1].h.nr_volumes = 2;
}

static void other_volume(void)
{
	s.v[1][0].volume = 3;
}

static void no_disk(void)
{
	s.v[1][0].data_max_sect = 0;
}

static void other_size(void)
{
	s.v[0][0].data_sect = 1 << 19;
	s.v[0][0].data_max_sect = s.v[1][0].data_max_sect = (1 << 20) - 8;
}

static void too_small(void)
{
	s.v[1][0].data_max_sect = 1 << 19;
}

static void larger_blocks(void)
{
	s.h[0].h.role = LOCKSTEP_ROLE_PRIMARY;
	s.v[1][0].logical_bytes = 4096;
}

static void failed_disk(void)
{
	s.v[1][0].disk = LOCKSTEP_DISK_FAILED;
	s.h[0].h.role = LOCKSTEP_ROLE_PRIMARY;
}

static void split(void)
{
	for (u32 i = 0; i < 2; i++) {
		s.v[i][0].current_id = 20 + i;
		s.v[i][0].since_id = 7;
	}
}

static void unrelated(void)
{
	s.v[1][0].current_id = 99;
}

static void blank(void)
{
	for (u32 i = 0; i < 2; i++) {
		s.v[i][0].current_id = 0;
		s.v[i][0].flags = 0;
		s.v[i][0].disk = LOCKSTEP_DISK_INCONSISTENT;
		s.v[i][0].data_sect = 0;
	}
}

static void primary_target(void)
{
	s.v[0][0].current_id = 20;
	s.v[0][0].since_id = 7;
	s.h[1].h.role = LOCKSTEP_ROLE_PRIMARY;
}

static void two_primaries(void)
{
	s.h[0].h.role = s.h[1].h.role = LOCKSTEP_ROLE_PRIMARY;
}

static void inconsistent(void)
{
	for (u32 i = 0; i < 2; i++) {
		s.v[i][0].flags = LOCKSTEP_MF_MARKS_VALID | LOCKSTEP_MF_REGIONS_VALID;
		s.v[i][0].disk = LOCKSTEP_DISK_INCONSISTENT;
	}
}

static void disk_gone_and_crashed(void)
{
	s.h[0].h.role = LOCKSTEP_ROLE_PRIMARY;
	s.v[0][0].disk = LOCKSTEP_DISK_FAILED;
	s.v[1][0].flags |= LOCKSTEP_MF_UNCLEAN;
}

/* Each way to be refused, the code, and facts that the sentence must have. */
static const struct {
	void (*change)(void);
	u32 code;
	const char *fact[3];
} rows[] = {
	{ no_version, LOCKSTEP_RF_VERSION, { "versions", "1 to 1", "9 to 9" } },
	{ other_resource, LOCKSTEP_RF_IDENTITY, { "r0", "r1", "bob" } },
	{ other_node, LOCKSTEP_RF_IDENTITY, { "node 5", "expects node 1", "alice" } },
	{ more_volumes, LOCKSTEP_RF_IDENTITY, { "1 volumes", "bob has 2", "r0" } },
	{ other_volume, LOCKSTEP_RF_IDENTITY, { "volume 0", "volume 3", "bob" } },
	{ no_disk, LOCKSTEP_RF_LIMITS, { "volume 0", "no disk", "bob" } },
	{ other_size, LOCKSTEP_RF_LIMITS, { "volume 0", "256 MiB on alice", "512 MiB on bob" } },
	{ too_small, LOCKSTEP_RF_LIMITS, { "1048576 sectors (512 MiB)", "bob", "524288" } },
	{ larger_blocks, LOCKSTEP_RF_LIMITS, { "512 bytes on alice", "primary", "4096" } },
	{ failed_disk, LOCKSTEP_RF_LIMITS, { "volume 0", "has failed", "bob" } },
	{ split, LOCKSTEP_RF_SPLIT, { "split brain in volume 0", "alice", "bob" } },
	{ unrelated, LOCKSTEP_RF_UNRELATED, { "volume 0", "alice", "no common history" } },
	{ blank, LOCKSTEP_RF_BLANK, { "volume 0", "both new", "bob" } },
	{ primary_target, LOCKSTEP_RF_ROLE, { "bob is primary", "overwritten", "demoted" } },
	{ two_primaries, LOCKSTEP_RF_TWO_PRIMARIES, { "alice", "bob", "both primary" } },
	{ inconsistent, LOCKSTEP_RF_INCONSISTENT, { "alice", "bob", "volume 0" } },
	{ disk_gone_and_crashed, LOCKSTEP_RF_INCONSISTENT,
	  { "volume 0", "no disk on alice", "bob may lack" } },
};

/* Said by a step of the session and not by a hello: test_refuse.c. */
static const u32 of_a_step[] = { LOCKSTEP_RF_BUSY, LOCKSTEP_RF_VERDICT, LOCKSTEP_RF_INTERNAL };

static void both_agree(struct agreement ret[2])
{
	static struct agreed_volume v[2][LOCKSTEP_MAX_VOLUMES];

	for (u32 i = 0; i < 2; i++) {
		ret[i].volume = v[i];
		agree(&s.h[i], &s.h[1 - i], i == 0, &ret[i]);
	}
}

static void test_rows(void **state)
{
	struct agreement a[2];

	(void)state;
	make();
	both_agree(a);
	assert_int_equal(a[0].refuse, 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		make();
		rows[i].change();
		both_agree(a);
		if (a[0].refuse != rows[i].code)
			fail_msg("row %zu: refused for %u (%s)", i, a[0].refuse, a[0].text);
		assert_int_equal(a[1].refuse, rows[i].code);
		assert_string_equal(a[0].text, a[1].text);
		for (u32 f = 0; f < ARRAY_SIZE(rows[i].fact); f++)
			if (!strstr(a[0].text, rows[i].fact[f]))
				fail_msg("row %zu: \"%s\" lacks \"%s\"", i, a[0].text,
					 rows[i].fact[f]);
		if (!a[0].mend[0] || !a[1].mend[0])
			fail_msg("row %zu: no way out of: %s", i, a[0].text);
	}
}

static u64 split_id(void)
{
	u64 id = agree_split_id(&s.h[0], &s.h[1], true);

	assert_true(id && agree_split_id(&s.h[1], &s.h[0], false) == id);
	return id;
}

/* Does the number say that the dialler, or the listener, would lose something else than by `id`? */
static void expect_loss(u64 id, bool dialler, bool listener)
{
	assert_int_equal(!agree_split_same(id, split_id(), true), dialler);
	assert_int_equal(!agree_split_same(id, split_id(), false), listener);
}

/*
 * Both sides name a split by one number, which is another one after all that may have written; and
 * says of which side that is so.
 */
static void test_split_id(void **state)
{
	struct {
		u64 *field;
		bool dialler, listener;
	} const change[] = {
		{ &s.v[0][1].meta_seq, true, false },
		{ &s.v[1][0].meta_seq, false, true },
		{ &s.v[0][0].current_id, true, true },
		{ &s.v[1][1].since_id, true, true },
	};
	u64 id;

	(void)state;
	make();
	split();
	for (u32 i = 0; i < 2; i++) {
		s.h[i].h.nr_volumes = 2;
		s.v[i][1] = s.v[i][0];
		s.v[i][1].volume = 1;
		s.v[i][0].meta_seq = s.v[i][1].meta_seq = 40 + i;
	}
	id = split_id();
	for (u32 i = 0; i < ARRAY_SIZE(change); i++) {
		++*change[i].field;
		assert_true(split_id() != id);
		expect_loss(id, change[i].dialler, change[i].listener);
		--*change[i].field;
		assert_true(split_id() == id);
	}
	for (u32 i = 0; i < 2; i++) {
		s.h[i].h.role = LOCKSTEP_ROLE_PRIMARY;
		assert_true(split_id() != id);
		expect_loss(id, i == 0, i == 1);
		s.h[i].h.role = LOCKSTEP_ROLE_SECONDARY;
	}
	/* What goes on by itself does not change it: whoever is to be kept may be writing. */
	s.v[0][0].oos_bits++;
	s.h[0].h.boot_id++;
	assert_true(split_id() == id);
}

static bool is_provoked(u32 code)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].code == code)
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(of_a_step); i++)
		if (of_a_step[i] == code)
			return true;
	return false;
}

/* A code that is added needs a word, a command, and a test that provokes it. */
static void test_codes(void **state)
{
	(void)state;
	for (u32 code = 1; code < LOCKSTEP_RF_NR; code++) {
		if (!peer_refuse_code[code])
			fail_msg("refusal %u of the wire has no word in peer.c", code);
		if (!refusal_mend_code(peer_refuse_code[code]))
			fail_msg("%s has no row in tools/lib/refusal.c: what mends it?",
				 peer_refuse_code[code]);
		if (!is_provoked(code))
			fail_msg("nothing here provokes %s", peer_refuse_code[code]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_codes),
		cmocka_unit_test(test_split_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
