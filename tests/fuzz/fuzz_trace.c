// SPDX-License-Identifier: GPL-2.0
/* Lines of the kernel's trace, whatever they say, and both joins fed with what comes of them. */
#include <assert.h>
#include <stdio.h>
#include "trace.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
size_t fuzz_seed(u32 n, u8 *buf, size_t cap);

static void check(const struct trace_event *ev)
{
	assert(ev->kind < TRACE_KIND_NR && memchr(ev->res, 0, sizeof(ev->res)));
	assert(ev->volume < LOCKSTEP_MAX_VOLUMES);
	assert(ev->key.stream < LOCKSTEP_MAX_STREAMS && ev->key.slot < LOCKSTEP_STREAM_SLOTS);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct trace_join *join;
	static struct trace_peer *peer;
	const char *p = (const char *)data, *end = p + size, *line_end;
	struct trace_joined got;
	struct trace_event ev;
	u32 nr;

	/* They live on: what one input leaves is there for the next. */
	if (!join) {
		join = trace_join_create(8);
		peer = trace_peer_create(8);
	}
	for (; p < end; p = line_end + 1) {
		line_end = memchr(p, '\n', (size_t)(end - p));
		if (!line_end)
			line_end = end;
		if (trace_parse(p, (size_t)(line_end - p), &ev) != 1)
			continue;
		check(&ev);
		trace_join_feed(join, &ev);
		trace_peer_feed(peer, &ev);
	}
	got = trace_join_get(join);
	assert(got.nr <= 8);
	for (u32 i = 0; i < got.nr; i++)
		assert(got.write[i].ns[TRACE_SUBMIT] <= got.write[i].ns[TRACE_END]);
	trace_peer_get(peer, &nr);
	assert(nr <= 8);
	return 0;
}

#define WRITE(what, ns) \
	"x-1 [000] .....  9.7: lockstep_write_" what ": ns=" ns " res=r0 vol=0 minor=0 " \
	"id=000000000cfc3b01 type=write sector=8 bytes=4096\n"
#define MSG(what, ns, type) \
	"x-1 [000] d..1.  9.7: lockstep_msg_" what ": ns=" ns " res=r0 vol=0 " \
	"id=000000000cfc3b01 type=" type " flags=0x10 status=0 sector=8 bytes=4096 epoch=1 " \
	"stream=2 slot=3 gen=4\n"

size_t fuzz_seed(u32 n, u8 *buf, size_t cap)
{
	static const char *const seed[] = {
		"# tracer: nop\n" WRITE("submit", "1") WRITE("mapped", "2")
		MSG("queued", "3", "write") MSG("sent", "4", "write") WRITE("local_start", "5")
		WRITE("local_done", "6") MSG("received", "7", "ack") WRITE("end", "8"),
		MSG("received", "1", "write") MSG("disk_done", "2", "write")
		MSG("sent", "3", "ack"),
		"CPU:1 [LOST 12 EVENTS]\n" WRITE("end", "18446744073709551615"),
	};

	if (n >= ARRAY_SIZE(seed) || strlen(seed[n]) > cap)
		return 0;
	memcpy(buf, seed[n], strlen(seed[n]));
	return strlen(seed[n]);
}
