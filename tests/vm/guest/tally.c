// SPDX-License-Identifier: GPL-2.0
/*
 * What a machine did between the start of this program and SIGTERM: context switches, interrupts,
 * instructions where the processor counts them, and how often each thread gave up its processor.
 *
 * Says "ready" on stderr when it has begun, and at the end prints one line of JSON:
 *
 *	{"ctxt": N, "intr": N, "instructions": N or null, "threads": [["name", N], ...]}
 *
 * ctxt is the kernel's own count and has the idle task's switches in it: one that wakes an idle
 * processor and sleeps again makes two. The threads' counts have only those away from a thread.
 * Threads that began and ended in between are in none of these; this program is left out.
 */
#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_THREADS	8192
#define MAX_CPUS	256

struct thread {
	int id;
	unsigned long long switches;
	char name[64];
};

struct sample {
	unsigned long long ctxt, intr;
	struct thread thread[MAX_THREADS];
	size_t nr;
};

static struct sample before, after;
static int counter[MAX_CPUS];
static int nr_counters;

static void read_stat(struct sample *s)
{
	char word[32];
	FILE *f = fopen("/proc/stat", "r");
	int c;

	if (!f)
		err(1, "/proc/stat");
	while (fscanf(f, "%31s", word) == 1) {
		if (!strcmp(word, "ctxt") && fscanf(f, "%llu", &s->ctxt) != 1)
			errx(1, "ctxt");
		if (!strcmp(word, "intr") && fscanf(f, "%llu", &s->intr) != 1)
			errx(1, "intr");
		while ((c = fgetc(f)) != '\n' && c != EOF)
			;
	}
	fclose(f);
}

static void read_thread(struct sample *s, const char *process, const char *id)
{
	unsigned long long n;
	char path[640], line[256];
	struct thread *t = &s->thread[s->nr];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/task/%s/status", process, id);
	f = fopen(path, "r");
	if (!f || s->nr == MAX_THREADS)
		goto out;
	*t = (struct thread){ .id = atoi(id) };
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "Name:\t", 6))
			sscanf(line + 6, "%63[^\n]", t->name);
		if (sscanf(line, "voluntary_ctxt_switches: %llu", &n) == 1 ||
		    sscanf(line, "nonvoluntary_ctxt_switches: %llu", &n) == 1)
			t->switches += n;
	}
	s->nr++;
out:
	if (f)
		fclose(f);
}

static void read_threads(struct sample *s)
{
	DIR *proc = opendir("/proc"), *task;
	struct dirent *p, *t;
	char path[320];

	while (proc && (p = readdir(proc))) {
		if (!isdigit(p->d_name[0]) || atoi(p->d_name) == getpid())
			continue;
		snprintf(path, sizeof(path), "/proc/%s/task", p->d_name);
		task = opendir(path);
		while (task && (t = readdir(task)))
			if (isdigit(t->d_name[0]))
				read_thread(s, p->d_name, t->d_name);
		if (task)
			closedir(task);
	}
	if (proc)
		closedir(proc);
}

/* All processors, kernel and user; none where one of them cannot count. */
static void open_counters(void)
{
	struct perf_event_attr a = { .type = PERF_TYPE_HARDWARE, .size = sizeof(a),
				     .config = PERF_COUNT_HW_INSTRUCTIONS };
	long cpus = sysconf(_SC_NPROCESSORS_ONLN), i;

	for (i = 0; i < cpus && i < MAX_CPUS; i++) {
		counter[i] = (int)syscall(SYS_perf_event_open, &a, -1, (int)i, -1, 0);
		if (counter[i] < 0) {
			nr_counters = 0;
			return;
		}
		nr_counters = (int)i + 1;
	}
}

static void print_instructions(void)
{
	unsigned long long sum = 0, n;
	int i;

	for (i = 0; i < nr_counters; i++) {
		if (read(counter[i], &n, sizeof(n)) != sizeof(n))
			err(1, "counter");
		sum += n;
	}
	/* An emulated counter may open and stand still. */
	if (sum)
		printf("\"instructions\": %llu", sum);
	else
		printf("\"instructions\": null");
}

static unsigned long long switches_before(int id)
{
	size_t i;

	for (i = 0; i < before.nr; i++)
		if (before.thread[i].id == id)
			return before.thread[i].switches;
	return 0;
}

static void print_threads(void)
{
	const char *comma = "";
	size_t i;
	char *c;

	printf("\"threads\": [");
	for (i = 0; i < after.nr; i++) {
		struct thread *t = &after.thread[i];
		unsigned long long n = t->switches - switches_before(t->id);

		if (!n)
			continue;
		for (c = t->name; *c; c++)
			if (*c == '"' || *c == '\\' || !isprint(*c))
				*c = '?';
		printf("%s[\"%s\", %llu]", comma, t->name, n);
		comma = ", ";
	}
	printf("]");
}

int main(void)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	read_threads(&before);
	open_counters();
	read_stat(&before);
	fprintf(stderr, "ready\n");
	sigwait(&set, &sig);
	read_stat(&after);
	printf("{\"ctxt\": %llu, \"intr\": %llu, ", after.ctxt - before.ctxt,
	       after.intr - before.intr);
	print_instructions();
	read_threads(&after);
	printf(", ");
	print_threads();
	printf("}\n");
	return 0;
}
