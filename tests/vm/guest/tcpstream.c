// SPDX-License-Identifier: GPL-2.0
/*
 * One plain TCP stream, as fast as it goes: what a resync is measured against.
 *
 *	tcpstream recv PORT		one connection, until it ends
 *	tcpstream send ADDRESS PORT MIB	prints MiB/s, counted until the last byte is acknowledged
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char buf[1 << 20];

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct sockaddr_in address(const char *host, const char *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };

	a.sin_port = htons((unsigned short)atoi(port));
	if (inet_pton(AF_INET, host, &a.sin_addr) != 1)
		errx(2, "%s is no address", host);
	return a;
}

static int receive(const char *port)
{
	struct sockaddr_in a = address("0.0.0.0", port);
	int one = 1, l = socket(AF_INET, SOCK_STREAM, 0), c;

	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(l, (struct sockaddr *)&a, sizeof(a)) || listen(l, 1))
		err(1, "port %s", port);
	c = accept(l, NULL, NULL);
	if (c < 0)
		err(1, "accept");
	while (read(c, buf, sizeof(buf)) > 0)
		;
	return 0;
}

static int transmit(const char *host, const char *port, long mib)
{
	struct sockaddr_in a = address(host, port);
	int s = socket(AF_INET, SOCK_STREAM, 0);
	double began;
	long i;

	memset(buf, 0x5a, sizeof(buf));
	if (connect(s, (struct sockaddr *)&a, sizeof(a)))
		err(1, "connect");
	began = now();
	for (i = 0; i < mib; i++) {
		size_t done = 0;

		while (done < sizeof(buf)) {
			ssize_t n = write(s, buf + done, sizeof(buf) - done);

			if (n <= 0)
				err(1, "write");
			done += (size_t)n;
		}
	}
	shutdown(s, SHUT_WR);
	/* The other end closes when it has read everything. */
	if (read(s, buf, 1) != 0)
		err(1, "read");
	printf("%.1f\n", (double)mib / (now() - began));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "recv"))
		return receive(argv[2]);
	if (argc == 5 && !strcmp(argv[1], "send"))
		return transmit(argv[2], argv[3], atol(argv[4]));
	errx(2, "usage: tcpstream recv PORT | send ADDRESS PORT MIB");
}
