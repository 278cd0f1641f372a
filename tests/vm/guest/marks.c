// SPDX-License-Identifier: GPL-2.0
/*
 * Marks blocks of a volume as out of sync, each with the same chance, as the daemon hands over the
 * peer's marks: nothing else can make hundreds of millions of them in a test's time. The resource
 * has a session, since the kernel takes such marks for the one that is open, and no other.
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
#define DRAWS		65536u

static uint64_t state;

static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
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

/*
 * How many in a row, each with probability p of there being one more: by equal chances out of a
 * table, since logarithms are slow where the processor is emulated.
 */
struct lengths {
	uint16_t nr[DRAWS];
};

static void lengths_init(struct lengths *l, double p)
{
	double nr;
	uint32_t i;

	for (i = 0; i < DRAWS; i++) {
		nr = log(1 - (i + 0.5) / DRAWS) / log(p);
		l->nr[i] = nr < UINT16_MAX ? (uint16_t)nr : UINT16_MAX;
	}
}

static int on_status(struct nl_msg *msg, void *arg)
{
	struct nlattr *a[LOCKSTEP_ATTR_MAX + 1];
	uint64_t *session_id = arg;

	if (genlmsg_parse(nlmsg_hdr(msg), 0, a, LOCKSTEP_ATTR_MAX, NULL) == 0 &&
	    !a[LOCKSTEP_ATTR_VOLUME] && a[LOCKSTEP_ATTR_SESSION_ID])
		*session_id = nla_get_u64(a[LOCKSTEP_ATTR_SESSION_ID]);
	return NL_OK;
}

/* Of the resource's session; 0 if that cannot be had. */
static uint64_t session_id_get(struct nl_sock *s, int family, const char *name)
{
	struct nl_msg *msg = nlmsg_alloc();
	uint64_t session_id = 0;

	if (!msg || !genlmsg_put(msg, 0, 0, family, 0, NLM_F_DUMP, LOCKSTEP_CMD_STATUS_GET,
				 LOCKSTEP_GENL_VERSION) ||
	    nla_put_string(msg, LOCKSTEP_ATTR_RES_NAME, name) < 0)
		return 0;
	nl_socket_modify_cb(s, NL_CB_VALID, NL_CB_CUSTOM, on_status, &session_id);
	if (nl_send_auto(s, msg) < 0 || nl_recvmsgs_default(s) < 0)
		session_id = 0;
	nlmsg_free(msg);
	return session_id;
}

static int merge(struct nl_sock *s, int family, uint64_t session_id, const char *name,
		 uint64_t first, const void *runs, size_t len)
{
	struct nl_msg *msg = nlmsg_alloc_size(RUNS_BYTES + 4096);
	int err;

	if (!msg || !genlmsg_put(msg, 0, 0, family, 0, 0, LOCKSTEP_CMD_MARKS_MERGE,
				 LOCKSTEP_GENL_VERSION) ||
	    nla_put_string(msg, LOCKSTEP_ATTR_RES_NAME, name) < 0 ||
	    nla_put_u64(msg, LOCKSTEP_ATTR_SESSION_ID, session_id) < 0 ||
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
	static struct lengths set, clear;
	unsigned char runs[RUNS_BYTES];
	struct nl_sock *s = nl_socket_alloc();
	uint64_t bit, end, first, session_id, marked = 0;
	size_t len = 0;
	int family;

	if (argc != 6 || !s || genl_connect(s) < 0)
		return 2;
	bit = first = strtoull(argv[2], NULL, 10);
	end = bit + strtoull(argv[3], NULL, 10);
	lengths_init(&clear, 1 - atof(argv[4]) / 100);
	lengths_init(&set, atof(argv[4]) / 100);
	state = strtoull(argv[5], NULL, 10) * 2654435761u + 1;
	family = genl_ctrl_resolve(s, LOCKSTEP_GENL_NAME);
	if (family < 0)
		return 2;
	session_id = session_id_get(s, family, argv[1]);
	if (!session_id) {
		fprintf(stderr, "marks: %s has no session\n", argv[1]);
		return 1;
	}
	while (bit < end) {
		uint64_t r = next_random();
		uint64_t gap = clear.nr[r % DRAWS] + 1u, nr = set.nr[r / DRAWS % DRAWS] + 1u;

		if (bit + gap + nr > end)
			break;
		len += put(runs + len, gap);
		len += put(runs + len, nr);
		bit += gap + nr;
		marked += nr;
		if (len + PAIR_BYTES <= sizeof(runs))
			continue;
		if (merge(s, family, session_id, argv[1], first, runs, len) < 0)
			return 1;
		first = bit;
		len = 0;
	}
	if (len && merge(s, family, session_id, argv[1], first, runs, len) < 0)
		return 1;
	printf("%" PRIu64 "\n", marked);
	return 0;
}
