// SPDX-License-Identifier: GPL-2.0
/*
 * 4 KiB random writes to the first bytes of a device until it is killed, so many in flight, and
 * nothing beside them: fio's other threads, which look around a hundred times a second, are more
 * than the writes are where these take long.
 *
 *	ioload DEVICE BYTES DEPTH
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BLOCK		4096u
#define MAX_DEPTH	256

static uint64_t state = 88172645463325252u;
static uint64_t blocks;
static int fd;

/* xorshift: the same blocks each time. */
static int64_t next_offset(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (int64_t)(state % blocks * BLOCK);
}

static void *buffer(void)
{
	void *p;

	if (posix_memalign(&p, BLOCK, BLOCK))
		err(1, "memory");
	memset(p, 0x5a, BLOCK);
	return p;
}

static void one_at_a_time(void)
{
	void *buf = buffer();

	for (;;)
		if (pwrite(fd, buf, BLOCK, next_offset()) != BLOCK)
			err(1, "write");
}

static void submit(aio_context_t ctx, struct iocb *cb)
{
	cb->aio_offset = next_offset();
	if (syscall(SYS_io_submit, ctx, 1, &cb) != 1)
		err(1, "io_submit");
}

static void many(long depth)
{
	static struct iocb cb[MAX_DEPTH];
	static struct io_event done[MAX_DEPTH];
	aio_context_t ctx = 0;
	long n, i;

	if (syscall(SYS_io_setup, depth, &ctx))
		err(1, "io_setup");
	for (i = 0; i < depth; i++) {
		cb[i].aio_fildes = (uint32_t)fd;
		cb[i].aio_lio_opcode = IOCB_CMD_PWRITE;
		cb[i].aio_buf = (uintptr_t)buffer();
		cb[i].aio_nbytes = BLOCK;
		submit(ctx, &cb[i]);
	}
	for (;;) {
		n = syscall(SYS_io_getevents, ctx, 1, depth, done, NULL);
		for (i = 0; i < n; i++) {
			if (done[i].res != BLOCK)
				errx(1, "a write failed: %lld", (long long)done[i].res);
			submit(ctx, (struct iocb *)(uintptr_t)done[i].obj);
		}
	}
}

int main(int argc, char **argv)
{
	long depth = argc == 4 ? atol(argv[3]) : 0;

	if (depth < 1 || depth > MAX_DEPTH)
		errx(2, "usage: ioload DEVICE BYTES DEPTH");
	blocks = strtoull(argv[2], NULL, 0) / BLOCK;
	fd = open(argv[1], O_RDWR | O_DIRECT);
	if (fd < 0 || !blocks)
		err(1, "%s", argv[1]);
	if (depth == 1)
		one_at_a_time();
	else
		many(depth);
	return 0;
}
