// SPDX-License-Identifier: GPL-2.0
/*
 * The oracle for "one writer at any time". Runs on both machines at once:
 *
 *	counter DEVICE MIB
 *
 * and, whenever the device can be opened for writing there, reads a number at that place, writes
 * the next one, and prints that once the write has returned. If only one side is ever a writer, and
 * each sees all that the other one had acknowledged, then no number is printed twice and none is
 * left out, on both machines together. Two writers read the same number and print the same one;
 * a writer that does not see what was acknowledged goes back. SIGTERM ends it in good order.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAGIC		0x4c6f636b636f756eull
#define AT_ONCE		8
#define BLOCK		4096

struct block {
	uint64_t magic, n;
	uint8_t fill[BLOCK - 16];
};

static volatile sig_atomic_t stop;

static void on_term(int sig)
{
	(void)sig;
	stop = true;
}

static int die(const char *what)
{
	printf("error: %s: %s\n", what, strerror(errno));
	return 1;
}

/* 0: not now. */
static int count(const char *path, off_t at, struct block *b)
{
	int fd = open(path, O_RDWR | O_DIRECT);

	if (fd < 0)
		return errno == EROFS || errno == EACCES || errno == EPERM ? 0 : die(path);
	for (int i = 0; i < AT_ONCE && !stop; i++) {
		if (pread(fd, b, BLOCK, at) != BLOCK)
			return die("read");
		b->n = b->magic == MAGIC ? b->n + 1 : 1;
		b->magic = MAGIC;
		if (pwrite(fd, b, BLOCK, at) != BLOCK)
			return die("write");
		printf("%" PRIu64 "\n", b->n);
	}
	fflush(stdout);
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	struct block *b;
	off_t at;

	if (argc != 3)
		return 2;
	at = (off_t)atoi(argv[2]) << 20;
	signal(SIGTERM, on_term);
	if (posix_memalign((void **)&b, BLOCK, BLOCK))
		return 1;
	memset(b, 0, sizeof(*b));
	while (!stop) {
		if (count(argv[1], at, b))
			return 1;
		/* A window for a demotion: the device must not be open then. */
		usleep(20000);
	}
	return 0;
}
