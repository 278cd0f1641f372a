// SPDX-License-Identifier: GPL-2.0
/*
 * A pool that starts with a few threads and grows while all of them are in the kernel, up to a
 * limit; it never shrinks. Started early, because a thread needs memory (locked, with mlockall)
 * that may be short just when a promotion has to be made.
 *
 * The lock guards both lists and the counters. Finished jobs come back through an eventfd.
 */
#include "job.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "loop.h"

#define THREADS_FIRST	4
#define THREADS_MAX	64
#define STACK_BYTES	(256u << 10)

struct list {
	struct job *first, **last;
};

struct jobs {
	int fd;
	sd_event_source *source;
	pthread_mutex_t lock;
	pthread_cond_t wake;		/* work arrived, or stopping */
	struct list todo, finished;	/* guarded by lock */
	u32 nr_threads, nr_idle, nr_queued;
	bool stopping;
};

static void list_init(struct list *l)
{
	l->first = NULL;
	l->last = &l->first;
}

static void list_add(struct list *l, struct job *j)
{
	j->next = NULL;
	*l->last = j;
	l->last = &j->next;
}

static struct job *list_take(struct list *l)
{
	struct job *j = l->first;

	if (!j)
		return NULL;
	l->first = j->next;
	if (!l->first)
		l->last = &l->first;
	return j;
}

static void *worker(void *arg)
{
	struct jobs *jobs = arg;
	struct job *j;
	u64 one = 1;

	pthread_mutex_lock(&jobs->lock);
	for (;;) {
		jobs->nr_idle++;
		while (!(j = list_take(&jobs->todo)) && !jobs->stopping)
			pthread_cond_wait(&jobs->wake, &jobs->lock);
		jobs->nr_idle--;
		if (!j)
			break;
		jobs->nr_queued--;
		pthread_mutex_unlock(&jobs->lock);
		j->work(j);
		pthread_mutex_lock(&jobs->lock);
		list_add(&jobs->finished, j);
		if (write(jobs->fd, &one, sizeof(one)) < 0)
			log_error("cannot wake the loop: %s", strerror(errno));
	}
	jobs->nr_threads--;
	pthread_mutex_unlock(&jobs->lock);
	return NULL;
}

/* Signals stay with the loop: a thread starts with all of them blocked. */
static void add_thread(struct jobs *jobs)
{
	sigset_t all, old;
	pthread_attr_t attr;
	pthread_t t;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&t, &attr, worker, jobs);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (r == 0)
		jobs->nr_threads++;
	else
		log_warn("cannot start a thread: %s", strerror(r));
}

static int on_finished(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	struct jobs *jobs = arg;
	struct job *j;
	u64 count;

	(void)s;
	(void)events;
	(void)!read(fd, &count, sizeof(count));
	for (;;) {
		pthread_mutex_lock(&jobs->lock);
		j = list_take(&jobs->finished);
		pthread_mutex_unlock(&jobs->lock);
		if (!j)
			return 0;
		j->done(j);
	}
}

int jobs_create(sd_event *event, struct jobs **ret)
{
	struct jobs *jobs = calloc(1, sizeof(*jobs));
	int r;

	if (!jobs)
		return -ENOMEM;
	list_init(&jobs->todo);
	list_init(&jobs->finished);
	pthread_mutex_init(&jobs->lock, NULL);
	pthread_cond_init(&jobs->wake, NULL);
	jobs->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = jobs->fd < 0 ? -errno : 0;
	if (r == 0)
		r = sd_event_add_io(event, &jobs->source, jobs->fd, EPOLLIN, on_finished, jobs);
	pthread_mutex_lock(&jobs->lock);
	while (r >= 0 && jobs->nr_threads < THREADS_FIRST) {
		u32 before = jobs->nr_threads;

		add_thread(jobs);
		if (jobs->nr_threads == before)
			r = -EAGAIN;
	}
	pthread_mutex_unlock(&jobs->lock);
	if (r < 0) {
		jobs_destroy(jobs, 1000);
		return r;
	}
	*ret = jobs;
	return 0;
}

void jobs_destroy(struct jobs *jobs, unsigned int wait_ms)
{
	struct timespec nap = { .tv_nsec = 1000000 };
	bool left = true;

	if (!jobs)
		return;
	pthread_mutex_lock(&jobs->lock);
	jobs->stopping = true;
	pthread_cond_broadcast(&jobs->wake);
	pthread_mutex_unlock(&jobs->lock);
	for (unsigned int i = 0; left && i <= wait_ms; i++) {
		pthread_mutex_lock(&jobs->lock);
		left = jobs->nr_threads > 0;
		pthread_mutex_unlock(&jobs->lock);
		if (left)
			nanosleep(&nap, NULL);
	}
	on_finished(NULL, jobs->fd, 0, jobs);
	loop_drop(&jobs->source);
	if (left)
		return;
	if (jobs->fd >= 0)
		close(jobs->fd);
	pthread_cond_destroy(&jobs->wake);
	pthread_mutex_destroy(&jobs->lock);
	free(jobs);
}

void job_start(struct jobs *jobs, struct job *j)
{
	pthread_mutex_lock(&jobs->lock);
	list_add(&jobs->todo, j);
	jobs->nr_queued++;
	if (jobs->nr_queued > jobs->nr_idle && jobs->nr_threads < THREADS_MAX)
		add_thread(jobs);
	pthread_cond_signal(&jobs->wake);
	pthread_mutex_unlock(&jobs->lock);
}
