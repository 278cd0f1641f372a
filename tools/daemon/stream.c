// SPDX-License-Identifier: GPL-2.0
#include "stream.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "loop.h"

#define END_MS		10000	/* to take the last line */

struct stream {
	struct stream *next;
	struct streams *s;
	int fd;
	sd_event_source *io, *timer;
	char name[LOCKSTEP_NAME_BYTES];		/* empty: all */
	char *out;
	size_t len, at, cap;
	size_t state_bytes;			/* of the state at first, while it is not read */
	bool is_ending;				/* the last line is queued */
};

struct streams {
	sd_event *event;
	struct watch *w;
	u32 queue_bytes;
	struct stream *list;
	u32 nr;
};

static void drop(struct stream *r)
{
	struct stream **p = &r->s->list;

	while (*p != r)
		p = &(*p)->next;
	*p = r->next;
	r->s->nr--;
	loop_drop(&r->io);
	loop_drop(&r->timer);
	close(r->fd);
	free(r->out);
	free(r);
}

/* ---- the queue ------------------------------------------------------------------------------ */

static int append(struct stream *r, const char *line, size_t len)
{
	size_t cap = r->cap ? r->cap : 4096;
	char *more;

	if (r->at) {
		memmove(r->out, r->out + r->at, r->len - r->at);
		r->len -= r->at;
		r->at = 0;
	}
	while (cap < r->len + len)
		cap *= 2;
	more = cap > r->cap ? realloc(r->out, cap) : r->out;
	if (!more)
		return -ENOMEM;
	r->out = more;
	r->cap = cap;
	memcpy(r->out + r->len, line, len);
	r->len += len;
	return 0;
}

/* What can go at once goes. -1: the reader is gone. */
static int flush(struct stream *r)
{
	ssize_t n;

	while (r->at < r->len) {
		n = send(r->fd, r->out + r->at, r->len - r->at, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0)
			return -1;
		r->at += (size_t)n;
		r->state_bytes -= min(r->state_bytes, (size_t)n);
	}
	if (r->at < r->len)
		return 0;
	/* A burst need not cost its memory for ever. */
	free(r->out);
	r->out = NULL;
	r->len = r->at = r->cap = 0;
	return 0;
}

static int on_late(sd_event_source *source, uint64_t now, void *arg)
{
	(void)source;
	(void)now;
	drop(arg);
	return 0;
}

/*
 * seq: of the last change this reader was told. It must not be dropped from below its caller: the
 * loop does it, at its next turn or in time.
 */
static void end(struct stream *r, u64 seq, const char *code, const char *text)
{
	struct event ev = { .kind = EVENT_END, .seq = seq, .time_ms = watch_wall_ms() };
	char *line;

	if (r->is_ending)
		return;
	r->is_ending = true;
	snprintf(ev.text[0], sizeof(ev.text[0]), "%s", code);
	snprintf(ev.text[1], sizeof(ev.text[1]), "%s", text);
	line = event_line(&ev);
	if (line)
		(void)append(r, line, strlen(line));
	free(line);
	loop_timer(r->s->event, &r->timer, END_MS, on_late, r);
}

static void arm(struct stream *r)
{
	bool has_more = r->at < r->len;

	if (r->is_ending && !has_more)
		loop_timer(r->s->event, &r->timer, 0, on_late, r);
	(void)sd_event_source_set_io_events(r->io, has_more ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void end_no_memory(struct stream *r, u64 seq)
{
	end(r, seq, "no-memory", "lockstepd has no memory for this stream");
}

/* One line more for one reader, who was told everything up to seq before. */
static void push(struct stream *r, u64 seq, const char *line)
{
	size_t len = strlen(line);

	if (r->is_ending)
		return;
	if (r->len - r->at - r->state_bytes + len > r->s->queue_bytes) {
		log_notice("a reader of events is too slow and is dropped");
		end(r, seq, "too-slow", "this reader did not keep up, and what follows would have "
		    "to be left out: ask again for the state and what changes from then on");
	} else if (append(r, line, len) < 0) {
		end_no_memory(r, seq);
	}
	/* A reader that is gone is noticed by the loop. */
	(void)flush(r);
	arm(r);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct stream *r = arg;
	char ignored[512];
	ssize_t n = 1;

	(void)source;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		n = recv(fd, ignored, sizeof(ignored), MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) || flush(r) < 0)
		drop(r);
	else
		arm(r);
	return 0;
}

/* ---- what is said --------------------------------------------------------------------------- */

static bool wants(const struct stream *r, const char *name)
{
	return !name[0] || !r->name[0] || !strcmp(r->name, name);
}

static void on_event(void *arg, const struct event *ev)
{
	struct streams *s = arg;
	char *line;

	if (!s->list)
		return;
	line = event_line(ev);
	for (struct stream *r = s->list; r; r = r->next) {
		if (!wants(r, ev->resource))
			continue;
		if (line)
			push(r, ev->seq - 1, line);
		else
			end_no_memory(r, ev->seq - 1);
	}
	free(line);
}

/* -ENOMEM: not all was said. */
static int say_states(struct stream *r, bool is_first)
{
	const struct model *m = watch_model(r->s->w);
	u64 seq = watch_seq(r->s->w), now = watch_wall_ms();
	char *line;
	int ret = 0;

	for (u32 i = 0; i < m->nr_resources && ret == 0; i++) {
		const struct model_resource *x = &m->resource[i];

		if (!wants(r, x->name))
			continue;
		line = event_state_line(seq, now, watch_last_seq(r->s->w, x->name), m, x);
		if (!line)
			ret = -ENOMEM;
		else if (is_first)
			ret = append(r, line, strlen(line));
		else
			push(r, seq, line);
		free(line);
	}
	return ret;
}

static void on_resynced(void *arg)
{
	struct streams *s = arg;

	for (struct stream *r = s->list; r; r = r->next)
		if (say_states(r, false) < 0)
			end_no_memory(r, watch_seq(s->w));
}

static const struct watch_ops ops = { .event = on_event, .resynced = on_resynced };

static int say_begin(struct stream *r)
{
	const struct model *m = watch_model(r->s->w);
	struct event ev = { .kind = EVENT_BEGIN, .seq = watch_seq(r->s->w),
			    .time_ms = watch_wall_ms() };
	char *line;
	int ret;

	snprintf(ev.text[0], sizeof(ev.text[0]), "%s", watch_stream(r->s->w));
	for (u32 i = 0; i < m->nr_resources; i++)
		ev.number[0] += wants(r, m->resource[i].name);
	line = event_line(&ev);
	ret = line ? append(r, line, strlen(line)) : -ENOMEM;
	free(line);
	return ret < 0 ? ret : say_states(r, true);
}

/* ---- life ----------------------------------------------------------------------------------- */

static int refuse(struct err *e, const char *code, const char *text)
{
	err_set(e, -ENOMEM, code, "%s", text);
	err_mend(e, "lockstep status");
	return -ENOMEM;
}

int streams_add(struct streams *s, int fd, const char *name, struct err *e)
{
	struct stream *r;

	if (s->nr >= STREAM_MAX)
		return refuse(e, "too-many-readers",
			      "lockstepd has as many readers of events as it takes");
	r = calloc(1, sizeof(*r));
	if (!r)
		return refuse(e, "no-memory", "lockstepd has no memory for one more reader");
	r->s = s;
	r->fd = fd;
	snprintf(r->name, sizeof(r->name), "%s", name);
	if (say_begin(r) < 0 ||
	    sd_event_add_io(s->event, &r->io, fd, EPOLLIN | EPOLLOUT, on_io, r) < 0) {
		free(r->out);
		free(r);
		return refuse(e, "no-memory", "lockstepd has no memory for one more reader");
	}
	r->state_bytes = r->len;
	r->next = s->list;
	s->list = r;
	s->nr++;
	return 0;
}

int streams_create(sd_event *event, struct watch *w, u32 queue_bytes, struct streams **ret)
{
	struct streams *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->event = event;
	s->w = w;
	s->queue_bytes = queue_bytes ? queue_bytes : STREAM_QUEUE_BYTES;
	watch_listen(w, &ops, s);
	*ret = s;
	return 0;
}

void streams_destroy(struct streams *s)
{
	if (!s)
		return;
	while (s->list) {
		end(s->list, watch_seq(s->w), "stopping",
		    "lockstepd ends; devices and sessions stay as they are");
		(void)flush(s->list);
		drop(s->list);
	}
	free(s);
}
