// SPDX-License-Identifier: GPL-2.0
/*
 * For how long did the kernel keep a processor from a real-time task? A thread that wakes up each
 * millisecond, above everything else, sees each loop of the kernel that gives nobody a turn.
 *
 *	stall		until SIGTERM; then prints the longest delay, in microseconds
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

static volatile sig_atomic_t stop;

static void on_term(int sig)
{
	(void)sig;
	stop = 1;
}

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int main(void)
{
	struct sched_param p = { .sched_priority = 80 };
	struct timespec ms = { .tv_nsec = 1000000 };
	int64_t before, late, worst = 0;

	signal(SIGTERM, on_term);
	mlockall(MCL_CURRENT | MCL_FUTURE);
	if (sched_setscheduler(0, SCHED_FIFO, &p)) {
		perror("stall: sched_setscheduler");
		return 1;
	}
	while (!stop) {
		before = now_us();
		clock_nanosleep(CLOCK_MONOTONIC, 0, &ms, NULL);
		late = now_us() - before - 1000;
		if (late > worst && !stop)
			worst = late;
	}
	printf("%lld\n", (long long)worst);
	return 0;
}
