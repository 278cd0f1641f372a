// SPDX-License-Identifier: GPL-2.0
/*
 * The wire itself: so many bytes there, so many back, one round after the other over one TCP
 * connection. What a write that is done on two hosts cannot be faster than.
 *
 *	pingpong serve PORT				connection after connection, until killed
 *	pingpong ping ADDRESS PORT OUT BACK SECONDS	prints rounds, then mean, median and 99th
 *							percentile of a round in us
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_BYTES	(1u << 20)
#define MAX_ROUNDS	(1u << 22)

static char buf[MAX_BYTES];
static float round_us[MAX_ROUNDS];

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static struct sockaddr_in address(const char *host, const char *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };

	a.sin_port = htons((uint16_t)atoi(port));
	if (inet_pton(AF_INET, host, &a.sin_addr) != 1)
		errx(2, "%s is no address", host);
	return a;
}

static void no_delay(int s)
{
	int one = 1;

	if (setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		err(1, "TCP_NODELAY");
}

/* 0: all of it; -1: the other end is gone. */
static int get(int s, size_t want)
{
	size_t have = 0;

	while (have < want) {
		ssize_t n = read(s, buf + have, want - have);

		if (n <= 0)
			return -1;
		have += (size_t)n;
	}
	return 0;
}

static int put(int s, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(s, buf + done, len - done);

		if (n <= 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}

/* The first eight bytes say how long each direction's message is. */
static void answer(int s)
{
	uint32_t sizes[2];

	no_delay(s);
	if (get(s, sizeof(sizes)))
		return;
	memcpy(sizes, buf, sizeof(sizes));
	sizes[0] = ntohl(sizes[0]);
	sizes[1] = ntohl(sizes[1]);
	if (sizes[0] > MAX_BYTES || sizes[1] > MAX_BYTES)
		return;
	while (!get(s, sizes[0]) && !put(s, sizes[1]))
		;
}

static int serve(const char *port)
{
	struct sockaddr_in a = address("0.0.0.0", port);
	int one = 1, l = socket(AF_INET, SOCK_STREAM, 0), c;

	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(l, (struct sockaddr *)&a, sizeof(a)) || listen(l, 4))
		err(1, "port %s", port);
	for (;;) {
		c = accept(l, NULL, NULL);
		if (c < 0)
			err(1, "accept");
		answer(c);
		close(c);
	}
}

static int compare(const void *x, const void *y)
{
	float a = *(const float *)x, b = *(const float *)y;

	return (a > b) - (a < b);
}

static void print_rounds(size_t nr)
{
	double sum = 0;
	size_t i;

	for (i = 0; i < nr; i++)
		sum += (double)round_us[i];
	qsort(round_us, nr, sizeof(*round_us), compare);
	printf("%zu %.2f %.2f %.2f\n", nr, sum / (double)nr, (double)round_us[nr / 2],
	       (double)round_us[nr - 1 - nr / 100]);
}

static int ping(char **arg)
{
	struct sockaddr_in a = address(arg[0], arg[1]);
	uint32_t out = (uint32_t)atoi(arg[2]), back = (uint32_t)atoi(arg[3]), sizes[2];
	double end, began, ended;
	int s = socket(AF_INET, SOCK_STREAM, 0);
	size_t nr = 0;

	if (!out || !back || out > MAX_BYTES || back > MAX_BYTES)
		errx(2, "a message has 1 to %u bytes", MAX_BYTES);
	if (connect(s, (struct sockaddr *)&a, sizeof(a)))
		err(1, "connect");
	no_delay(s);
	sizes[0] = htonl(out);
	sizes[1] = htonl(back);
	memcpy(buf, sizes, sizeof(sizes));
	if (put(s, sizeof(sizes)))
		err(1, "write");
	memset(buf, 0x5a, sizeof(buf));
	ended = now_us();
	end = ended + atof(arg[4]) * 1e6;
	do {
		began = ended;
		if (put(s, out) || get(s, back))
			errx(1, "the other end is gone");
		ended = now_us();
		round_us[nr++] = (float)(ended - began);
	} while (ended < end && nr < MAX_ROUNDS);
	print_rounds(nr);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "serve"))
		return serve(argv[2]);
	if (argc == 7 && !strcmp(argv[1], "ping"))
		return ping(argv + 2);
	errx(2, "usage: pingpong serve PORT | ping ADDRESS PORT OUT BACK SECONDS");
}
