// SPDX-License-Identifier: GPL-2.0
#include "err.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define FOLD_COLUMNS	79

int err_set(struct err *e, int ret, const char *code, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return ret;
	memset(e, 0, sizeof(*e));
	snprintf(e->code, sizeof(e->code), "%s", code);
	va_start(ap, fmt);
	vsnprintf(e->what, sizeof(e->what), fmt, ap);
	va_end(ap);
	return ret;
}

void err_means(struct err *e, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return;
	va_start(ap, fmt);
	vsnprintf(e->means, sizeof(e->means), fmt, ap);
	va_end(ap);
}

void err_mend(struct err *e, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return;
	va_start(ap, fmt);
	vsnprintf(e->mend, sizeof(e->mend), fmt, ap);
	va_end(ap);
}

void err_prefix(struct err *e, const char *fmt, ...)
{
	char old[sizeof(e->what)];
	size_t used;
	va_list ap;

	if (!e)
		return;
	memcpy(old, e->what, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(e->what, sizeof(e->what), fmt, ap);
	va_end(ap);
	used = strlen(e->what);
	snprintf(e->what + used, sizeof(e->what) - used, ": %s", old);
}

/* Words of `text` from column `col` on, later lines behind two blanks. */
static void print_folded(FILE *f, const char *text, size_t col)
{
	size_t len;

	for (;;) {
		text += strspn(text, " ");
		len = strcspn(text, " ");
		if (!len)
			break;
		if (col > 2 && col + 1 + len > FOLD_COLUMNS) {
			fputs("\n ", f);
			col = 1;
		}
		fprintf(f, " %.*s", (int)len, text);
		col += 1 + len;
		text += len;
	}
	fputc('\n', f);
}

/*
 * Folded only for a person at a terminal: in a log or a test each of the three is one line. What
 * mends it is never folded, because it is there to be copied.
 */
void err_print(FILE *f, const char *prog, const struct err *e)
{
	bool fold = isatty(fileno(f));

	fprintf(f, "%s:", prog);
	if (fold)
		print_folded(f, e->what, strlen(prog) + 1);
	else
		fprintf(f, " %s\n", e->what);
	if (e->means[0] && fold) {
		fputc(' ', f);
		print_folded(f, e->means, 1);
	} else if (e->means[0]) {
		fprintf(f, "  %s\n", e->means);
	}
	if (e->mend[0])
		fprintf(f, "  -> %s\n", e->mend);
}
