// SPDX-License-Identifier: GPL-2.0
/*
 * A disk with a volatile cache, for the lab: an NBD server on a unix socket for one client at a
 * time, QEMU. What was written and not flushed is kept in memory; when the client goes away
 * without saying goodbye, power was lost: a random part of it reaches the backing file, torn at
 * 512 bytes, and the rest never was. An orderly goodbye writes all of it.
 *
 *	powerloss FILE SOCKET SEED
 *
 * Reads commands from stdin, one letter each: "s" writes everything out, as a disk may at any
 * time, so that the file can be looked at. On stdout: "ready", "settled", and at each end of the
 * client "kept all" or "lost N of M sectors".
 *
 * The cache is a private mapping of the file: pages are copied as they are written, and a bit per
 * sector says what the file does not have yet. As a real disk does it, now and then some of that
 * is written out unasked; so after a loss a sector may hold an older version that was never
 * flushed, too.
 *
 * The protocol is in the NBD project's doc/proto.md; the part of it here is what QEMU asks for.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define SECTOR		512u
#define BLOCK		8u		/* sectors that mostly share their fate */
#define MAX_IO		(64u << 20)

enum { OPT_EXPORT_NAME = 1, OPT_ABORT = 2, OPT_GO = 7 };
enum { REP_ACK = 1, REP_INFO = 3, REP_ERR_UNSUP = 0x80000001u };
enum { CMD_READ, CMD_WRITE, CMD_DISC, CMD_FLUSH, CMD_TRIM, CMD_CACHE, CMD_ZEROES };
enum { CMD_FLAG_FUA = 1 };
/* has flags, flush, FUA, trim, zeroes */
enum { EXPORT_FLAGS = 1 | 4 | 8 | 32 | 64 };

struct request {
	uint32_t magic;
	uint16_t flags, type;
	uint64_t cookie, at;
	uint32_t len;
} __attribute__((packed));

struct reply {
	uint32_t magic, error;
	uint64_t cookie;
} __attribute__((packed));

static int file;
static uint64_t size, sectors;
static uint8_t *cache;
static uint64_t *dirty;
static uint64_t nr_dirty;
static uint64_t rnd;

static void die(const char *what)
{
	fprintf(stderr, "powerloss: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void say(const char *text)
{
	if (write(1, text, strlen(text)) < 0)
		exit(0);
}

static uint64_t next_random(void)
{
	rnd ^= rnd << 13;
	rnd ^= rnd >> 7;
	rnd ^= rnd << 17;
	return rnd * 0x2545f4914f6cdd1dull;
}

/* true in so many of 256 cases */
static bool chance(unsigned int of_256)
{
	return next_random() >> 56 < of_256;
}

static bool is_dirty(uint64_t s)
{
	return dirty[s / 64] >> s % 64 & 1;
}

static void set_dirty(uint64_t s, bool to)
{
	if (is_dirty(s) == to)
		return;
	dirty[s / 64] ^= 1ull << s % 64;
	nr_dirty += to ? 1 : -1;
}

static void put(uint64_t first, uint64_t nr)
{
	uint64_t at = first * SECTOR, end = at + nr * SECTOR;

	while (at < end) {
		ssize_t n = pwrite(file, cache + at, end - at, (off_t)at);

		if (n <= 0)
			die("cannot write the backing file");
		at += (uint64_t)n;
	}
}

/* Everything dirty of a range goes to the file. */
static void write_out(uint64_t first, uint64_t nr)
{
	uint64_t s = first, end = first + nr, n;

	while (s < end && nr_dirty) {
		if (!dirty[s / 64]) {
			s = (s / 64 + 1) * 64;
			continue;
		}
		if (!is_dirty(s)) {
			s++;
			continue;
		}
		for (n = 0; s + n < end && is_dirty(s + n); n++)
			set_dirty(s + n, false);
		put(s, n);
		s += n;
	}
}

/* A random part of what is dirty of a range goes to the file, the other sectors are left as they
 * are: sectors of a block mostly share their fate, and sometimes each has its own. */
static uint64_t write_some(uint64_t first, uint64_t nr, unsigned int of_256)
{
	uint64_t s, kept = 0;
	bool go = false, torn = false;

	for (s = first; s < first + nr && nr_dirty; s++) {
		if (s == first || s % BLOCK == 0) {
			if (s % 64 == 0 && !dirty[s / 64] && s + 64 <= first + nr) {
				s += 63;
				continue;
			}
			go = chance(of_256);
			torn = chance(16);
		}
		if (!is_dirty(s) || !(torn ? chance(of_256) : go))
			continue;
		put(s, 1);
		set_dirty(s, false);
		kept++;
	}
	return kept;
}

static void map_file(void)
{
	cache = mmap(cache, size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_NORESERVE | (cache ? MAP_FIXED : 0), file, 0);
	if (cache == MAP_FAILED)
		die("cannot map the backing file");
}

static void power_loss(void)
{
	static const unsigned int parts[] = { 0, 16, 64, 128, 192, 240, 256 };
	uint64_t had = nr_dirty, kept;
	char line[96];

	kept = write_some(0, sectors, parts[next_random() % 7]);
	memset(dirty, 0, (sectors + 63) / 64 * 8);
	nr_dirty = 0;
	map_file();			/* forget: what the file has is what there is */
	snprintf(line, sizeof(line), "lost %llu of %llu sectors\n",
		 (unsigned long long)(had - kept), (unsigned long long)had);
	say(line);
}

static void settle(void)
{
	write_out(0, sectors);
}

/* Between the client's bytes, the lab's commands. False: the client is gone. */
static bool wait_for(int conn, short what)
{
	struct pollfd p[2] = { { .fd = conn, .events = what }, { .fd = 0, .events = POLLIN } };
	char c;

	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			die("poll");
		if (p[1].revents) {
			if (read(0, &c, 1) != 1)
				exit(0);
			if (c == 's') {
				settle();
				say("settled\n");
			}
		}
		if (p[0].revents)
			return true;
	}
}

static bool get(int conn, void *to, size_t len)
{
	ssize_t n;

	while (len) {
		n = recv(conn, to, len, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			wait_for(conn, POLLIN);
			continue;
		}
		if (n <= 0)
			return false;
		to = (char *)to + n;
		len -= (size_t)n;
	}
	return true;
}

static bool send_all(int conn, const void *data, size_t len)
{
	ssize_t n;

	while (len) {
		n = send(conn, data, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data = (const char *)data + n;
		len -= (size_t)n;
	}
	return true;
}

static bool option_reply(int conn, uint32_t opt, uint32_t type, const void *data, uint32_t len)
{
	struct {
		uint64_t magic;
		uint32_t opt, type, len;
	} __attribute__((packed)) head = {
		htobe64(0x3e889045565a9ull), htobe32(opt), htobe32(type), htobe32(len)
	};

	return send_all(conn, &head, sizeof(head)) && (!len || send_all(conn, data, len));
}

/* One option of the client's. 1: go on with the next, 0: transmission begins, -1: it is gone. */
static int option(int conn)
{
	struct {
		uint64_t magic;
		uint32_t opt, len;
	} __attribute__((packed)) head;
	struct {
		uint16_t type;
		uint64_t size;
		uint16_t flags;
	} __attribute__((packed)) info = { htobe16(0), htobe64(size), htobe16(EXPORT_FLAGS) };
	struct {
		uint16_t type;
		uint32_t min, preferred, max;
	} __attribute__((packed)) block = {
		htobe16(3), htobe32(SECTOR), htobe32(4096), htobe32(32u << 20)
	};
	char data[4096];
	uint32_t opt, len;

	if (!get(conn, &head, sizeof(head)))
		return -1;
	opt = be32toh(head.opt);
	len = be32toh(head.len);
	if (len > sizeof(data) || !get(conn, data, len))
		return -1;
	switch (opt) {
	case OPT_EXPORT_NAME:
		/* Old style: size, flags, and 124 zeroes unless both sides wanted none. */
		memset(data, 0, 134);
		memcpy(data, &info.size, 10);
		return send_all(conn, data, 134) ? 0 : -1;
	case OPT_GO:
		return option_reply(conn, opt, REP_INFO, &info, sizeof(info)) &&
		       option_reply(conn, opt, REP_INFO, &block, sizeof(block)) &&
		       option_reply(conn, opt, REP_ACK, NULL, 0) ? 0 : -1;
	case OPT_ABORT:
		option_reply(conn, opt, REP_ACK, NULL, 0);
		return -1;
	default:
		return option_reply(conn, opt, REP_ERR_UNSUP, NULL, 0) ? 1 : -1;
	}
}

static bool handshake(int conn)
{
	struct {
		uint64_t magic, opt;
		uint16_t flags;
	} __attribute__((packed)) hello = {
		htobe64(0x4e42444d41474943ull), htobe64(0x49484156454f5054ull), htobe16(1)
	};
	uint32_t flags;
	int more;

	if (!send_all(conn, &hello, sizeof(hello)) || !get(conn, &flags, sizeof(flags)))
		return false;
	while ((more = option(conn)) == 1)
		;
	return more == 0;
}

/* The client's write is in the mapping: what becomes of it. */
static void written(uint64_t at, uint32_t len, bool fua)
{
	uint64_t s, first = at / SECTOR, end = (at + len + SECTOR - 1) / SECTOR;

	for (s = first; s < end; s++)
		set_dirty(s, true);
	if (fua)
		write_out(first, end - first);
	else if (chance(16))
		write_some(first, end - first, 128);
}

static bool reply(int conn, uint64_t cookie, uint32_t error, const void *data, uint32_t len)
{
	struct reply r = { htobe32(0x67446698), htobe32(error), cookie };
	struct iovec v[2] = { { &r, sizeof(r) }, { (void *)data, len } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = len ? 2 : 1 };
	ssize_t n = sendmsg(conn, &m, MSG_NOSIGNAL);

	if (n < (ssize_t)sizeof(r))
		return false;
	n -= (ssize_t)sizeof(r);
	return send_all(conn, (const char *)data + n, len - (size_t)n);
}

/* 1: next, 0: the client said goodbye, -1: it is gone. */
static int serve_one(int conn)
{
	struct request r;
	uint64_t at;
	uint32_t len;
	bool fua;

	if (!get(conn, &r, sizeof(r)) || r.magic != htobe32(0x25609513))
		return -1;
	at = be64toh(r.at);
	len = be32toh(r.len);
	fua = be16toh(r.flags) & CMD_FLAG_FUA;
	if (at > size || len > size - at || (be16toh(r.type) < CMD_DISC && len > MAX_IO)) {
		fprintf(stderr, "powerloss: %u bytes at %llu\n", len, (unsigned long long)at);
		return -1;
	}
	switch (be16toh(r.type)) {
	case CMD_READ:
		return reply(conn, r.cookie, 0, cache + at, len) ? 1 : -1;
	case CMD_WRITE:
		/* A write that power cut short: its bytes may be anything of the two. */
		if (!get(conn, cache + at, len)) {
			written(at, len, false);
			return -1;
		}
		written(at, len, fua);
		break;
	case CMD_TRIM:
	case CMD_ZEROES:
		memset(cache + at, 0, len);
		written(at, len, fua);
		break;
	case CMD_FLUSH:
		settle();
		break;
	case CMD_DISC:
		return 0;
	default:
		return reply(conn, r.cookie, EINVAL, NULL, 0) ? 1 : -1;
	}
	return reply(conn, r.cookie, 0, NULL, 0) ? 1 : -1;
}

static void serve(int conn)
{
	int more;

	if (!handshake(conn))
		return;
	while ((more = serve_one(conn)) == 1)
		;
	if (more == 0) {
		settle();
		say("kept all\n");
	} else {
		power_loss();
	}
}

static int listen_at(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(sa.sun_path)) {
		errno = ENAMETOOLONG;
		die(path);
	}
	strcpy(sa.sun_path, path);
	unlink(path);
	if (s < 0 || bind(s, (struct sockaddr *)&sa, sizeof(sa)) || listen(s, 1))
		die(path);
	return s;
}

int main(int argc, char **argv)
{
	struct stat st;
	int s, conn, bytes = 4 << 20;

	if (argc != 4) {
		fprintf(stderr, "usage: powerloss FILE SOCKET SEED\n");
		return 2;
	}
	file = open(argv[1], O_RDWR | O_CLOEXEC);
	if (file < 0 || fstat(file, &st))
		die(argv[1]);
	size = (uint64_t)st.st_size / SECTOR * SECTOR;
	sectors = size / SECTOR;
	rnd = strtoull(argv[3], NULL, 0) * 0x9e3779b97f4a7c15ull + 1;
	dirty = calloc((sectors + 63) / 64, 8);
	if (!size || !dirty)
		die("nothing there");
	map_file();
	s = listen_at(argv[2]);
	say("ready\n");
	for (;;) {
		wait_for(s, POLLIN);
		conn = accept4(s, NULL, NULL, SOCK_CLOEXEC);
		if (conn < 0)
			continue;
		setsockopt(conn, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
		serve(conn);
		close(conn);
	}
}
