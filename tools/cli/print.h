/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Printers of what there is: one for people, one for programs, over the same plain structs. A
 * command fills the model in and picks a printer; it prints nothing of its own.
 */
#ifndef LOCKSTEP_PRINT_H
#define LOCKSTEP_PRINT_H

#include <stdio.h>

#include "metacheck.h"
#include "model.h"

/* What a verify found to differ in one volume, in 4 KiB blocks. */
struct print_range {
	u64 first, count;
};

struct print_diff {
	const struct model_volume *volume;
	struct print_range *range;	/* ascending, apart; the owner's to free */
	size_t nr;
	u64 total;			/* blocks in all */
};

/* Grows the list, or its last entry if the new one touches it. -1: no memory. */
int print_diff_add(struct print_diff *d, u64 first, u64 count);

struct print_status {
	const char *name;	/* the one that was asked for, or NULL for all */
	bool is_full;		/* all there is of each, however many */
	u32 columns;		/* of a line of the table, without what ends it */
};

#define PRINT_COLUMNS	79

struct print_ops {
	void (*status)(FILE *f, const struct model *m, const struct print_status *o);
	/* What lies on one volume's disk. */
	void (*meta)(FILE *f, const struct metafile *files, size_t nr);
	void (*check)(FILE *f, const struct metacheck *list, size_t nr);
	void (*diff)(FILE *f, const char *name, const struct print_diff *list, size_t nr);
};

extern const struct print_ops print_text;	/* print-text.c */
extern const struct print_ops print_json;	/* print-json.c */

/* ---- pieces of the text form */

/* Words of `text`, the first line at column `col` and later ones at `indent`. */
void print_fold(FILE *f, const char *text, size_t col, size_t indent);
void print_problem(FILE *f, const struct err *e, u64 since_s);
/* print-table.c: all resources, a line for each, then what is wrong. -1: no memory. */
int print_table(FILE *f, const struct model *m, u32 columns);

#endif /* LOCKSTEP_PRINT_H */
