// SPDX-License-Identifier: GPL-2.0
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static int max_priority = LOG_INFO;
static bool with_prefix = true;

void log_init(bool verbose)
{
	max_priority = verbose ? LOG_DEBUG : LOG_INFO;
	with_prefix = !isatty(STDERR_FILENO);
}

void log_msg(int priority, const char *fmt, ...)
{
	char line[1024];
	int saved = errno;
	size_t n = 0;
	va_list ap;
	int r;

	if (priority > max_priority)
		return;
	if (with_prefix)
		n = (size_t)snprintf(line, sizeof(line), "<%d>", priority);
	va_start(ap, fmt);
	r = vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	va_end(ap);
	if (r > 0)
		n += min_t(size_t, (size_t)r, sizeof(line) - n - 2);
	/* What came from a peer may hold anything: one message stays one line. */
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)line[i] < ' ')
			line[i] = ' ';
	line[n++] = '\n';
	/*
	 * One write, so that lines of two threads never mix; a log that is gone is nobody's
	 * error.
	 */
	if (write(STDERR_FILENO, line, n) < 0)
		errno = saved;
	errno = saved;
}

bool log_may(struct log_limit *l, u64 now_ms, u32 burst)
{
	if (!l->since_ms || now_ms - l->since_ms > 60000) {
		l->since_ms = now_ms ? now_ms : 1;
		l->used = 0;
	}
	return l->used++ < burst;
}
