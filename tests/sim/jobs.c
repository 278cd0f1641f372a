// SPDX-License-Identifier: GPL-2.0
#include "jobs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define NR_COUNTERS	32u
#define MAX_JOBS	64u

static struct shared {
	u64 next, lowest;		/* to be begun; that failed */
	u64 at[MAX_JOBS];		/* what each worker is at */
	u64 counter[NR_COUNTERS];
} *shared;

static void map_shared(void)
{
	if (shared)
		return;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED) {
		perror("sim: mmap");
		exit(2);
	}
}

void jobs_add(u32 counter, u64 value)
{
	map_shared();
	__atomic_fetch_add(&shared->counter[counter], value, __ATOMIC_RELAXED);
}

u64 jobs_sum(u32 counter)
{
	map_shared();
	return shared->counter[counter];
}

u32 jobs_default(void)
{
	cpu_set_t set;
	int nr;

	if (sched_getaffinity(0, sizeof(set), &set))
		return 1;
	nr = CPU_COUNT(&set);
	return nr < (int)MAX_JOBS ? (u32)nr : MAX_JOBS;
}

static void note_failure(u64 n)
{
	u64 lowest = __atomic_load_n(&shared->lowest, __ATOMIC_RELAXED);

	while (n < lowest && !__atomic_compare_exchange_n(&shared->lowest, &lowest, n, false,
							   __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

static void work(u32 worker, u64 end, u32 chunk, jobs_fn fn)
{
	u64 n, i;

	while ((n = __atomic_fetch_add(&shared->next, chunk, __ATOMIC_RELAXED)) < end) {
		for (i = n; i < n + chunk && i < end; i++) {
			if (i >= __atomic_load_n(&shared->lowest, __ATOMIC_RELAXED))
				return;
			shared->at[worker] = i;
			if (!fn(i)) {
				note_failure(i);
				return;
			}
		}
	}
	shared->at[worker] = ~0ull;
}

u64 jobs_run(u64 first, u64 nr, u32 jobs, u32 chunk, jobs_fn fn)
{
	pid_t pid[MAX_JOBS];
	int status;
	u32 i;

	map_shared();
	shared->next = first;
	shared->lowest = ~0ull;
	jobs = jobs < 1 ? 1 : jobs > MAX_JOBS ? MAX_JOBS : jobs;
	fflush(stdout);
	for (i = 0; i < jobs; i++) {
		shared->at[i] = ~0ull;
		pid[i] = fork();
		if (pid[i] < 0) {
			perror("sim: fork");
			exit(2);
		}
		if (!pid[i]) {
			work(i, first + nr, chunk, fn);
			fflush(stdout);
			_exit(0);
		}
	}
	for (i = 0; i < jobs; i++) {
		while (waitpid(pid[i], &status, 0) < 0 && errno == EINTR)
			;
		if (!WIFEXITED(status) || WEXITSTATUS(status))
			note_failure(shared->at[i]);
	}
	return shared->lowest;
}
