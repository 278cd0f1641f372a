/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Printers of what there is: one for people, one for programs, over the same plain structs. A
 * command fills the model in and picks a printer; it prints nothing of its own.
 */
#ifndef LOCKSTEP_PRINT_H
#define LOCKSTEP_PRINT_H

#include <stdio.h>

#include "metafile.h"
#include "model.h"

struct print_ops {
	/* `name`: the one that was asked for, or NULL for all. */
	void (*status)(FILE *f, const struct model *m, const char *name);
	/* What lies on one volume's disk. */
	void (*meta)(FILE *f, const struct metafile *files, size_t nr);
};

extern const struct print_ops print_text;	/* print-text.c */
extern const struct print_ops print_json;	/* print-json.c */

#endif /* LOCKSTEP_PRINT_H */
