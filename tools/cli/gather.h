/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The model as the command line sees it: the kernel's facts, beside them the daemon's, and what
 * only has a configuration file. Whoever does not answer is left out and noted (has_module,
 * has_daemon).
 */
#ifndef LOCKSTEP_GATHER_H
#define LOCKSTEP_GATHER_H

#include "err.h"
#include "model.h"

/*
 * name NULL: everything. Of a name that is nowhere: refused. *ret is to be given to model_free().
 */
int gather(const char *name, const char *socket, struct model *ret, struct err *e);

/* The same of one that is decided upon: with all its volumes, or refused (whole.h). */
int gather_whole(const char *name, const char *socket, struct model *ret, struct err *e);

/*
 * The kernel's part alone; -ENOENT when it does not have that resource. Whole: with all its
 * volumes, or refused.
 */
int gather_kernel(const char *name, bool whole, struct model *ret, struct err *e);

#endif /* LOCKSTEP_GATHER_H */
