// SPDX-License-Identifier: GPL-2.0
/*
 * The oracle for "an acknowledged write is never lost". Writes to a block device and, after each
 * write has returned, puts a record of it where the machine's death cannot take it (a virtio port
 * whose other end is a file on the host). Afterwards the survivor's device is checked against the
 * records.
 *
 *	ackload write DEVICE RECORDS SEED SECONDS THREADS
 *	ackload check DEVICE RECORDS SEED
 *
 * The device is cut into slots of 512 B, 4 KiB and 64 KiB; a slot has one write in flight at most,
 * and its n-th write puts {magic, slot, n, seed} into each of its sectors. So after a crash every
 * sector of a slot must hold n = the last recorded one, or the one after it, which may have been
 * under way (a record may be lost with the machine as well). Anything else is a lost or a foreign
 * write.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define MAGIC		0x4b4c41434b4c4f47ull
#define GROUP_BYTES	(64 * 1024 * 2)		/* one slot of 64 KiB, 15 of 4 KiB, 8 of 512 B */
#define GROUP_SLOTS	24
#define MAX_SLOTS	(1 << 20)

struct sector {
	uint64_t magic, slot, n, seed;
	uint8_t fill[480];
};

struct record {
	uint32_t slot, n;
	uint64_t magic;
};

static int dev, records;
static uint32_t slots, threads;
static uint64_t seed;
static uint32_t *count;
static volatile bool stop;
static uint64_t total;

static void slot_place(uint32_t slot, uint64_t *at, uint32_t *bytes)
{
	uint64_t base = (uint64_t)(slot / GROUP_SLOTS) * GROUP_BYTES;
	uint32_t i = slot % GROUP_SLOTS;

	if (!i) {
		*at = base;
		*bytes = 65536;
	} else if (i < 16) {
		*at = base + 65536 + (i - 1) * 4096;
		*bytes = 4096;
	} else {
		*at = base + 65536 + 15 * 4096 + (i - 16) * 512;
		*bytes = 512;
	}
}

static void die(const char *what)
{
	fprintf(stderr, "ackload: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void fill(void *buf, uint32_t bytes, uint32_t slot, uint32_t n)
{
	struct sector *s = buf;
	uint32_t i;

	for (i = 0; i < bytes / sizeof(*s); i++) {
		s[i].magic = MAGIC;
		s[i].slot = slot;
		s[i].n = n;
		s[i].seed = seed;
		memset(s[i].fill, (int)(n * 31 + slot + i), sizeof(s[i].fill));
	}
}

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static void write_one(uint32_t slot, void *buf)
{
	struct record r = { .slot = slot, .magic = MAGIC ^ seed };
	uint32_t bytes;
	uint64_t at;

	slot_place(slot, &at, &bytes);
	fill(buf, bytes, slot, ++count[slot]);
	if (pwrite(dev, buf, bytes, (off_t)at) != (ssize_t)bytes)
		die("write");
	r.n = count[slot];
	/* Only now: the record says "acknowledged". */
	if (write(records, &r, sizeof(r)) != sizeof(r))
		die("record");
	__atomic_add_fetch(&total, 1, __ATOMIC_RELAXED);
}

static void *writer(void *arg)
{
	uint32_t me = (uint32_t)(uintptr_t)arg, i = 0;
	uint64_t x = seed * 7919 + me + 1;
	void *buf;

	if (posix_memalign(&buf, 4096, 65536))
		die("memory");
	while (!stop) {
		/* Slots are dealt to the threads, so none has two writes in flight. */
		write_one((uint32_t)(next_random(&x) % (slots / threads)) * threads + me, buf);
		if (!(++i % 64) && !me && fdatasync(dev))
			die("flush");
	}
	free(buf);
	return NULL;
}

static void open_device(const char *path, int flags)
{
	uint64_t bytes;

	dev = open(path, flags | O_DIRECT);
	if (dev < 0)
		die(path);
	if (ioctl(dev, BLKGETSIZE64, &bytes))
		die("size");
	slots = (uint32_t)(bytes / GROUP_BYTES) * GROUP_SLOTS;
	if (slots > MAX_SLOTS)
		slots = MAX_SLOTS;
	count = calloc(slots, sizeof(*count));
	if (!count)
		die("memory");
}

static int do_write(char **a)
{
	pthread_t t[64];
	uint32_t i;

	open_device(a[0], O_RDWR);
	records = open(a[1], O_WRONLY | O_CREAT, 0600);
	if (records < 0)
		die(a[1]);
	seed = strtoull(a[2], NULL, 0);
	threads = (uint32_t)atoi(a[4]);
	if (!threads || threads > 64)
		threads = 8;
	for (i = 0; i < threads; i++)
		if (pthread_create(&t[i], NULL, writer, (void *)(uintptr_t)i))
			die("thread");
	sleep((unsigned int)atoi(a[3]));
	stop = true;
	for (i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	printf("written %" PRIu64 "\n", total);
	return 0;
}

static bool check_slot(uint32_t slot, void *buf)
{
	const struct sector *s = buf;
	uint32_t bytes, i;
	uint64_t at;

	slot_place(slot, &at, &bytes);
	if (pread(dev, buf, bytes, (off_t)at) != (ssize_t)bytes)
		die("read");
	for (i = 0; i < bytes / sizeof(*s); i++) {
		bool ours = s[i].magic == MAGIC && s[i].slot == slot && s[i].seed == seed;

		if (ours && (s[i].n == count[slot] || s[i].n == count[slot] + 1))
			continue;
		/* Never recorded: what was there before is as good as its first write. */
		if (!ours && !count[slot])
			continue;
		printf("LOST slot %u sector %u at byte %" PRIu64 ": recorded %u, found %" PRIu64
		       "%s\n", slot, i, at, count[slot], s[i].n,
		       ours ? "" : " (foreign)");
		return false;
	}
	return true;
}

static int do_check(char **a)
{
	uint32_t i, bad = 0, used = 0;
	struct record r;
	uint64_t n = 0;
	void *buf;

	open_device(a[0], O_RDONLY);
	records = open(a[1], O_RDONLY);
	if (records < 0)
		die(a[1]);
	seed = strtoull(a[2], NULL, 0);
	while (read(records, &r, sizeof(r)) == sizeof(r)) {
		if (r.magic != (MAGIC ^ seed) || r.slot >= slots) {
			printf("BAD record %" PRIu64 "\n", n);
			return 1;
		}
		if (count[r.slot] < r.n)
			count[r.slot] = r.n;
		n++;
	}
	if (posix_memalign(&buf, 4096, 65536))
		die("memory");
	for (i = 0; i < slots; i++) {
		used += !!count[i];
		bad += !check_slot(i, buf);
	}
	printf("acknowledged %" PRIu64 " slots %u lost %u\n", n, used, bad);
	return bad || !n;
}

int main(int argc, char **argv)
{
	if (argc == 7 && !strcmp(argv[1], "write"))
		return do_write(argv + 2);
	if (argc == 5 && !strcmp(argv[1], "check"))
		return do_check(argv + 2);
	fprintf(stderr, "usage: ackload write DEVICE RECORDS SEED SECONDS THREADS\n"
			"       ackload check DEVICE RECORDS SEED\n");
	return 2;
}
