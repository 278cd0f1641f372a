// SPDX-License-Identifier: GPL-2.0
/*
 * Marks blocks of a volume as out of sync, each with the same chance, as the daemon hands over the
 * peer's marks: nothing else can make hundreds of millions of them in a test's time.
 *
 *	marks RESOURCE FIRST_BIT NR_BITS PERCENT SEED	prints how many
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <linux/lockstep.h>

#define RUNS_BYTES	32768u
#define PAIR_BYTES	20u

static uint64_t state;

static double chance(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (double)(state >> 11) / 9007199254740992.0;
}

/* LEB128, see kernel/core/rle.h. */
static size_t put(unsigned char *p, uint64_t v)
{
	size_t n = 0;

	for (; v > 127; v >>= 7)
		p[n++] = (unsigned char)(v | 128);
	p[n++] = (unsigned char)v;
	return n;
}

/* How many in a row, each with probability p of there being one more. */
static uint64_t in_a_row(double log_p)
{
	return (uint64_t)(log(1.0 - chance()) / log_p);
}

static int merge(struct nl_sock *s, int family, const char *name, uint64_t first,
		 const void *runs, size_t len)
{
	struct nl_msg *msg = nlmsg_alloc_size(RUNS_BYTES + 4096);
	int err;

	if (!msg || !genlmsg_put(msg, 0, 0, family, 0, 0, LOCKSTEP_CMD_MARKS_MERGE,
				 LOCKSTEP_GENL_VERSION) ||
	    nla_put_string(msg, LOCKSTEP_ATTR_RES_NAME, name) < 0 ||
	    nla_put_u32(msg, LOCKSTEP_ATTR_VOLUME, 0) < 0 ||
	    nla_put_u64(msg, LOCKSTEP_ATTR_FIRST_BIT, first) < 0 ||
	    nla_put(msg, LOCKSTEP_ATTR_RUNS, (int)len, runs) < 0)
		return -1;
	err = nl_send_sync(s, msg);		/* frees it */
	if (err < 0)
		fprintf(stderr, "marks: at bit %" PRIu64 ": %s\n", first, nl_geterror(err));
	return err;
}

int main(int argc, char **argv)
{
	unsigned char runs[RUNS_BYTES];
	struct nl_sock *s = nl_socket_alloc();
	uint64_t bit, end, first, marked = 0;
	double set, clear;
	size_t len = 0;
	int family;

	if (argc != 6 || !s || genl_connect(s) < 0)
		return 2;
	bit = first = strtoull(argv[2], NULL, 10);
	end = bit + strtoull(argv[3], NULL, 10);
	set = log(atof(argv[4]) / 100);
	clear = log(1 - atof(argv[4]) / 100);
	state = strtoull(argv[5], NULL, 10) * 2654435761u + 1;
	family = genl_ctrl_resolve(s, LOCKSTEP_GENL_NAME);
	if (family < 0)
		return 2;
	while (bit < end) {
		uint64_t gap = in_a_row(clear) + (len != 0), nr = in_a_row(set) + 1;

		if (bit + gap + nr > end)
			break;
		len += put(runs + len, gap);
		len += put(runs + len, nr);
		bit += gap + nr;
		marked += nr;
		if (len + PAIR_BYTES <= sizeof(runs))
			continue;
		if (merge(s, family, argv[1], first, runs, len) < 0)
			return 1;
		first = bit;
		len = 0;
	}
	if (len && merge(s, family, argv[1], first, runs, len) < 0)
		return 1;
	printf("%" PRIu64 "\n", marked);
	return 0;
}
