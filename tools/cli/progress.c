// SPDX-License-Identifier: GPL-2.0
#include "progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define EVERY_MS	1000
#define COLUMNS		79

bool progress_is_due(struct progress *p, u64 now_ms)
{
	if ((p->shown_ms && now_ms - p->shown_ms < EVERY_MS) || !isatty(STDOUT_FILENO))
		return false;
	p->shown_ms = now_ms;
	return true;
}

void progress_show(struct progress *p, const char *fmt, ...)
{
	char text[COLUMNS + 1];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	printf("\r%s\033[K", text);
	fflush(stdout);
	p->used = true;
}

void progress_clear(struct progress *p)
{
	if (!p->used)
		return;
	printf("\r\033[K");
	fflush(stdout);
	p->used = false;
}
