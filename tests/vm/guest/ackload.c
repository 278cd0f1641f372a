// SPDX-License-Identifier: GPL-2.0
/*
 * The oracle for "an acknowledged write is never lost". Writes to a block device and, after each
 * write has returned, puts a record of it where the machine's death cannot take it (a virtio port
 * whose other end is a file on the host). Afterwards the survivor's device is checked against the
 * records.
 *
 *	ackload write DEVICE RECORDS SEED SECONDS THREADS
 *	ackload snap DEVICE FILE
 *	ackload check DEVICE RECORDS SEED [acked|flushed [SNAPSHOT]]
 *
 * The device is cut into slots of 512 B, 4 KiB and 64 KiB; a slot has one write in flight at most,
 * and its n-th write puts {magic, slot, n, seed} into each of its sectors. So after a crash every
 * sector of a slot must hold n = the last recorded one, or the one after it, which may have been
 * under way (a record may be lost with the machine as well). Anything else is a lost or a foreign
 * write.
 *
 * That is what "acked" checks, where a copy survived. Where none did, "flushed" checks that each
 * sector holds no less than what had been acknowledged when the last acknowledged flush began: the
 * flushes are recorded as well, their begin and their end, and so is a write that was itself to be
 * stable (with some seeds, one of 64 is).
 *
 * What a slot holds before its first write is known only by a snapshot, of a hash per sector,
 * taken before the load. With one, what was never written, or may be lost, must still be that.
 * ACKLOAD_MIB in the environment limits all this to so much from the device's beginning. SIGTERM
 * ends a load in good order.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MAGIC		0x4b4c41434b4c4f47ull
#define GROUP_BYTES	(64 * 1024 * 2)		/* one slot of 64 KiB, 15 of 4 KiB, 8 of 512 B */
#define GROUP_SLOTS	24
#define MAX_SLOTS	(1 << 20)
#define STABLE		(1u << 31)		/* in a record's slot: FUA */
#define FLUSH_BEGIN	(STABLE - 1)
#define FLUSH_END	(STABLE - 2)

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
static uint32_t *stable;			/* checking: at least this one is flushed */
static const uint64_t *snapshot;		/* checking: hashes of sectors */
static volatile bool stop;
static uint64_t total;
/* Of the first thread's writes, and of all. */
static uint32_t flush_every, fua_one_in;

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

static void note(uint32_t what, uint32_t n)
{
	struct record r = { .slot = what, .n = n, .magic = MAGIC ^ seed };

	if (write(records, &r, sizeof(r)) != sizeof(r))
		die("record");
}

static void write_one(uint32_t slot, void *buf, bool fua)
{
	struct iovec v = { .iov_base = buf };
	uint32_t bytes;
	uint64_t at;

	slot_place(slot, &at, &bytes);
	fill(buf, bytes, slot, ++count[slot]);
	v.iov_len = bytes;
	if (pwritev2(dev, &v, 1, (off_t)at, fua ? RWF_DSYNC : 0) != (ssize_t)bytes)
		die("write");
	/* Only now: the record says "acknowledged". */
	note(slot | (fua ? STABLE : 0), count[slot]);
	__atomic_add_fetch(&total, 1, __ATOMIC_RELAXED);
}

/* What was recorded before its begin was acknowledged before the flush was asked for. */
static void flush(void)
{
	static uint32_t nr;

	note(FLUSH_BEGIN, ++nr);
	if (fdatasync(dev))
		die("flush");
	note(FLUSH_END, nr);
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
		write_one((uint32_t)(next_random(&x) % (slots / threads)) * threads + me, buf,
			  fua_one_in && !(next_random(&x) % fua_one_in));
		if (!me && !(++i % flush_every))
			flush();
	}
	free(buf);
	return NULL;
}

static void on_term(int sig)
{
	(void)sig;
	stop = true;
}

static void open_device(const char *path, int flags)
{
	const char *limit = getenv("ACKLOAD_MIB");
	uint64_t bytes;

	dev = open(path, flags | O_DIRECT);
	if (dev < 0)
		die(path);
	if (ioctl(dev, BLKGETSIZE64, &bytes))
		die("size");
	if (limit && bytes > strtoull(limit, NULL, 0) << 20)
		bytes = strtoull(limit, NULL, 0) << 20;
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
	/* Some loads leave more in the disks' caches than others. */
	flush_every = 8u << seed % 4 * 2;
	fua_one_in = seed / 4 % 3 ? 0 : 64;
	threads = (uint32_t)atoi(a[4]);
	if (!threads || threads > 64)
		threads = 8;
	for (i = 0; i < threads; i++)
		if (pthread_create(&t[i], NULL, writer, (void *)(uintptr_t)i))
			die("thread");
	signal(SIGTERM, on_term);
	if (!stop)
		sleep((unsigned int)atoi(a[3]));
	stop = true;
	for (i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	printf("written %" PRIu64 "\n", total);
	return 0;
}

/* Never 0, so that 0 may say "no snapshot". */
static uint64_t hash(const struct sector *s)
{
	const uint64_t *w = (const uint64_t *)s;
	uint64_t h = 0x9e3779b97f4a7c15ull;
	unsigned int i;

	for (i = 0; i < sizeof(*s) / 8; i++) {
		h = (h ^ w[i]) * 0xff51afd7ed558ccdull;
		h ^= h >> 32;
	}
	return h | 1;
}

static bool sector_ok(const struct sector *s, uint32_t slot, uint32_t least, uint64_t nr)
{
	if (s->magic == MAGIC && s->slot == slot && s->seed == seed)
		return s->n >= least && s->n <= (uint64_t)count[slot] + 1;
	/* Its first write may not have got here: then it is what was there before. */
	return !least && (!snapshot || snapshot[nr] == hash(s));
}

static bool check_slot(uint32_t slot, void *buf, bool flushed)
{
	uint32_t bytes, i, least = flushed ? stable[slot] : count[slot];
	const struct sector *s = buf;
	uint64_t at;

	slot_place(slot, &at, &bytes);
	if (pread(dev, buf, bytes, (off_t)at) != (ssize_t)bytes)
		die("read");
	for (i = 0; i < bytes / sizeof(*s); i++) {
		bool ours = s[i].magic == MAGIC && s[i].slot == slot && s[i].seed == seed;

		if (sector_ok(&s[i], slot, least, at / sizeof(*s) + i))
			continue;
		printf("LOST slot %u sector %u at byte %" PRIu64 ": recorded %u, stable %u, ", slot,
		       i, at, count[slot], stable[slot]);
		if (ours)
			printf("found %" PRIu64 "\n", s[i].n);
		else
			printf("found none of them%s\n", s[i].magic == MAGIC ?
			       " but one of another load" : "");
		return false;
	}
	return true;
}

static void *load_file(const char *path, size_t *bytes)
{
	off_t len;
	char *p;
	ssize_t n, have = 0;
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		die(path);
	len = lseek(fd, 0, SEEK_END);
	p = malloc((size_t)len + 1);
	if (!p)
		die("memory");
	while (have < len && (n = pread(fd, p + have, (size_t)(len - have), have)) > 0)
		have += n;
	close(fd);
	*bytes = (size_t)have;
	return p;
}

/* count: the last one acknowledged; stable: the last one that is known to be flushed. */
static bool replay(const struct record *r, size_t nr)
{
	uint32_t *before = calloc(slots, sizeof(*before)), begun = 0, slot;
	size_t i;

	if (!before)
		die("memory");
	for (i = 0; i < nr; i++) {
		slot = r[i].slot & ~STABLE;
		if (r[i].magic == (MAGIC ^ seed) && r[i].slot == FLUSH_BEGIN) {
			memcpy(before, count, slots * sizeof(*before));
			begun = r[i].n;
		} else if (r[i].magic == (MAGIC ^ seed) && r[i].slot == FLUSH_END &&
			   r[i].n == begun) {
			for (slot = 0; slot < slots; slot++)
				if (stable[slot] < before[slot])
					stable[slot] = before[slot];
		} else if (r[i].magic == (MAGIC ^ seed) && slot < slots) {
			if (count[slot] < r[i].n)
				count[slot] = r[i].n;
			if (r[i].slot & STABLE && stable[slot] < r[i].n)
				stable[slot] = r[i].n;
		} else {
			printf("BAD record %zu\n", i);
			return false;
		}
	}
	free(before);
	return true;
}

static int do_check(char **a, bool flushed, const char *snap)
{
	uint32_t i, bad = 0, used = 0, sure = 0;
	struct record *r;
	size_t bytes;
	void *buf;

	open_device(a[0], O_RDONLY);
	seed = strtoull(a[2], NULL, 0);
	stable = calloc(slots, sizeof(*stable));
	if (!stable || posix_memalign(&buf, 4096, 65536))
		die("memory");
	if (snap) {
		snapshot = load_file(snap, &bytes);
		if (bytes < (uint64_t)slots / GROUP_SLOTS * GROUP_BYTES / 512 * 8) {
			printf("BAD snapshot\n");
			return 1;
		}
	}
	r = load_file(a[1], &bytes);
	if (!replay(r, bytes / sizeof(*r)))
		return 1;
	for (i = 0; i < slots; i++) {
		used += !!count[i];
		sure += !!stable[i];
		bad += !check_slot(i, buf, flushed);
		if (bad > 40)
			break;
	}
	printf("acknowledged %zu slots %u of them flushed %u lost %u\n", bytes / sizeof(*r), used,
	       sure, bad);
	return bad || !bytes;
}

static int do_snap(char **a)
{
	uint64_t at, end, out[1 << 20 >> 9];
	uint32_t i;
	char *buf;
	int fd;

	open_device(a[0], O_RDONLY);
	end = (uint64_t)slots / GROUP_SLOTS * GROUP_BYTES;
	fd = open(a[1], O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || posix_memalign((void **)&buf, 4096, 1 << 20))
		die(a[1]);
	for (at = 0; at < end; at += 1 << 20) {
		uint32_t n = end - at < 1 << 20 ? (uint32_t)(end - at) : 1 << 20;

		if (pread(dev, buf, n, (off_t)at) != (ssize_t)n)
			die("read");
		for (i = 0; i < n / 512; i++)
			out[i] = hash((struct sector *)(buf + i * 512));
		if (write(fd, out, n / 512 * 8) != (ssize_t)(n / 512 * 8))
			die("write");
	}
	return 0;
}

int main(int argc, char **argv)
{
	bool flushed = argc > 5 && !strcmp(argv[5], "flushed");

	if (argc == 7 && !strcmp(argv[1], "write"))
		return do_write(argv + 2);
	if (argc >= 5 && argc <= 7 && !strcmp(argv[1], "check"))
		return do_check(argv + 2, flushed, argc == 7 ? argv[6] : NULL);
	if (argc == 4 && !strcmp(argv[1], "snap"))
		return do_snap(argv + 2);
	fprintf(stderr, "usage: ackload write DEVICE RECORDS SEED SECONDS THREADS\n"
			"       ackload snap DEVICE FILE\n"
			"       ackload check DEVICE RECORDS SEED [acked|flushed [SNAPSHOT]]\n");
	return 2;
}
