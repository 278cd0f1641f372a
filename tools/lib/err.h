/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A refusal as a person reads it: what is wrong, what that means, and what mends it. Every refusal
 * of the tools goes through one of these, so that none is a bare "Invalid argument"; `code` is a
 * stable word for programs and tests. Libraries fill it in and stay silent, programs print it
 * once, at the top.
 *
 * Use:	if (id > 31)
 *		return err_set(e, -ERANGE, "conf-range", "node id %u is out of range", id);
 *	and, where there is more to say, err_means() and err_mend() before returning.
 */
#ifndef LOCKSTEP_ERR_H
#define LOCKSTEP_ERR_H

#include <stdio.h>

struct err {
	char code[32];		/* "conf-unknown-setting"; empty: nothing is wrong */
	char what[640];		/* one sentence, without full stop, names the thing */
	char means[640];	/* what follows from it; may be empty */
	char mend[640];		/* the command to run or the line to write; may be empty */
};

/*
 * Fill in code and what, empty the rest, return ret: a negative errno. A NULL e is allowed in all.
 */
int err_set(struct err *e, int ret, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void err_means(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void err_mend(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Put "text: " before `what`, when a caller knows better which thing it was about. */
void err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "prog: what", then the other two, indented, each if there; folded at 80 columns. */
void err_print(FILE *f, const char *prog, const struct err *e);

#endif /* LOCKSTEP_ERR_H */
