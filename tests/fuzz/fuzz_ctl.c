// SPDX-License-Identifier: GPL-2.0
/* Control messages: header, every body, the join. The first byte chooses. */
#include <assert.h>
#include <stdlib.h>
#include "gen.h"
#include "rle.h"
#include "wire.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
size_t fuzz_seed(u32 n, u8 *buf, size_t cap);

static _Alignas(8) u8 again[8192];

static void hello(const void *p, size_t len)
{
	static struct wire_hello_volume v[8];
	struct wire_hello h;

	if (wire_hello_decode(p, len, &h, v, 8))
		return;
	assert(h.nr_volumes <= 8 && memchr(h.resource, 0, sizeof(h.resource)));
	assert(wire_hello_encode(&h, v, again, sizeof(again)) == len);
	assert(!memcmp(p, again, len));
}

static void verdict(const void *p, size_t len)
{
	struct wire_choice c[16];
	u32 nr;

	if (wire_verdict_decode(p, len, c, 16, &nr))
		return;
	assert(wire_verdict_encode(c, nr, again, sizeof(again)) == len && !memcmp(p, again, len));
}

static void marks(const void *p, size_t len)
{
	struct wire_marks m;
	struct rle_iter it;
	u64 first, count;

	if (wire_marks_decode(p, len, &m))
		return;
	assert(wire_marks_encode(&m, again, sizeof(again)) == len && !memcmp(p, again, len));
	rle_iter_init(&it, m.runs, m.run_bytes, m.first_bit, LOCKSTEP_MAX_DATA_SECT / 8);
	while (rle_iter_next(&it, &first, &count))
		assert(count && first + count <= LOCKSTEP_MAX_DATA_SECT / 8);
}

static void resize(const void *p, size_t len)
{
	struct wire_resize_done d;
	struct wire_resize r;

	if (!wire_resize_decode(p, len, &r)) {
		assert(r.volume < LOCKSTEP_MAX_VOLUMES);
		assert(wire_resize_encode(&r, again, sizeof(again)) == len);
		assert(!memcmp(p, again, len));
	}
	if (!wire_resize_done_decode(p, len, &d)) {
		assert(d.volume < LOCKSTEP_MAX_VOLUMES && memchr(d.text, 0, sizeof(d.text)));
		assert(wire_resize_done_encode(&d, again, sizeof(again)) == len);
	}
}

static void split(const void *p, size_t len)
{
	struct wire_split_volume v[8];
	struct wire_resolve_done d;
	struct wire_split s;
	u32 keep;

	if (!wire_split_decode(p, len, &s, v, 8)) {
		assert(s.nr_volumes <= 8 && s.no_primary < LOCKSTEP_SP_NR);
		assert(wire_split_encode(&s, v, again, sizeof(again)) == len);
		assert(!memcmp(p, again, len));
	}
	if (!wire_resolve_decode(p, len, &keep)) {
		assert(wire_resolve_encode(keep, again, sizeof(again)) == len);
		assert(!memcmp(p, again, len));
	}
	if (!wire_resolve_done_decode(p, len, &d)) {
		assert(memchr(d.text, 0, sizeof(d.text)));
		assert(wire_resolve_done_encode(&d, again, sizeof(again)) == len);
	}
}

static void trace(const void *p, size_t len)
{
	struct wire_trace_item item[16];
	struct wire_trace_done d;
	u32 op;

	if (!wire_trace_decode(p, len, &op)) {
		assert(op == LOCKSTEP_TRACE_BEGIN || op == LOCKSTEP_TRACE_END);
		assert(wire_trace_encode(op, again, sizeof(again)) == len);
		assert(!memcmp(p, again, len));
	}
	if (!wire_trace_done_decode(p, len, &d, item, 16)) {
		assert(d.nr <= 16 && memchr(d.text, 0, sizeof(d.text)));
		for (u32 i = 0; i < d.nr; i++)
			assert(item[i].stream < LOCKSTEP_MAX_STREAMS &&
			       item[i].slot < LOCKSTEP_STREAM_SLOTS);
		assert(wire_trace_done_encode(&d, item, again, sizeof(again)) == len);
	}
}

static void others(const void *p, size_t len)
{
	struct wire_refuse r;
	struct wire_token t;
	struct wire_join j;
	struct wire_ctl c;

	if (!wire_refuse_decode(p, len, &r))
		assert(memchr(r.text, 0, sizeof(r.text)));
	if (!wire_token_decode(p, len, &t))
		assert(t.session_id && t.streams <= LOCKSTEP_MAX_STREAMS);
	if (!wire_join_decode(p, len, &j))
		assert(j.stream < LOCKSTEP_MAX_STREAMS);
	if (!wire_ctl_decode(p, len, &c))
		assert(c.body_bytes <= LOCKSTEP_CTL_MAX_BYTES);
	resize(p, len);
	split(p, len);
	trace(p, len);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	void *body;

	if (!size || size > sizeof(again))
		return 0;
	/* aligned, and of exactly the size of what follows the first byte */
	body = malloc(size);
	if (!body)
		return 0;
	body = realloc(body, size - 1 ? size - 1 : 1);
	memcpy(body, data + 1, size - 1);
	switch (data[0] & 3) {
	case 0:
		hello(body, size - 1);
		break;
	case 1:
		verdict(body, size - 1);
		break;
	case 2:
		marks(body, size - 1);
		break;
	default:
		others(body, size - 1);
	}
	free(body);
	return 0;
}

static size_t seed_hello(u8 *buf, size_t cap)
{
	struct wire_hello h = {
		.version_min = 1, .version_max = 1, .boot_id = 1, .peer_node_id = 1, .role = 1,
		.streams = 1, .nr_volumes = 1, .timeout_ms = 6000, .resource = "r", .node = "n",
	};
	struct wire_hello_volume v = { .logical_bytes = 512, .physical_bytes = 512 };

	return wire_hello_encode(&h, &v, buf, cap);
}

size_t fuzz_seed(u32 n, u8 *buf, size_t cap)
{
	static const u8 runs[] = { 3, 5, 0x80, 1, 9, 1, 1 };
	struct wire_choice c[2] = { { 0, GEN_SOURCE, GEN_RULE_SINCE_SELF }, { 3, 0, 0 } };
	struct wire_token t = { .session_id = 1, .epoch = 1, .streams = 1, .timeout_ms = 6000 };
	struct wire_marks m = { .run_bytes = sizeof(runs), .runs = runs };
	struct wire_join j = { .session_id = 5 };
	struct wire_resize r = { 1, LOCKSTEP_RZ_SHRINK, 4096 };
	struct wire_resize_done d = { 1, 1, 8192, "no room" };
	struct wire_split s = { 2, 1, 1, 2 };
	struct wire_split_volume sv[2] = { { 0, 1, 2, 3, 4, 5 }, { 1, 0, 0, 0, 0, 0 } };
	struct wire_resolve_done rd = { 1, "it is primary" };
	struct wire_trace_done td = { LOCKSTEP_TRACE_END, 0, 2, 9, "" };
	struct wire_trace_item ti[2] = { { 1, 2, 3, 4, 5 }, { 0, 511, 7, 8, 9 } };
	struct wire_ctl ctl = { LOCKSTEP_CT_VERDICT, 24 };
	static _Alignas(8) u8 body[4096];
	size_t len = 0;

	switch (n) {
	case 0:
		len = seed_hello(body, sizeof(body));
		break;
	case 1:
		len = wire_verdict_encode(c, 2, body, sizeof(body));
		break;
	case 2:
		len = wire_marks_encode(&m, body, sizeof(body));
		break;
	case 3:
		len = wire_refuse_encode(LOCKSTEP_RF_SPLIT, "split brain", body, sizeof(body));
		break;
	case 4:
		len = wire_token_encode(&t, body, sizeof(body));
		break;
	case 5:
		wire_join_encode(&j, (struct lockstep_wire_join *)body);
		len = sizeof(struct lockstep_wire_join);
		break;
	case 6:
		wire_ctl_encode(&ctl, (struct lockstep_ctl_hdr *)body);
		len = sizeof(struct lockstep_ctl_hdr);
		break;
	case 7:
		len = wire_resize_encode(&r, body, sizeof(body));
		break;
	case 8:
		len = wire_resize_done_encode(&d, body, sizeof(body));
		break;
	case 9:
		len = wire_split_encode(&s, sv, body, sizeof(body));
		break;
	case 10:
		len = wire_resolve_encode(LOCKSTEP_KEEP_MINE, body, sizeof(body));
		break;
	case 11:
		len = wire_resolve_done_encode(&rd, body, sizeof(body));
		break;
	case 12:
		len = wire_trace_encode(LOCKSTEP_TRACE_BEGIN, body, sizeof(body));
		break;
	case 13:
		len = wire_trace_done_encode(&td, ti, body, sizeof(body));
		break;
	}
	if (!len || cap < len + 1)
		return 0;
	buf[0] = (u8)min(n, 3u);
	memcpy(buf + 1, body, len);
	return len + 1;
}
