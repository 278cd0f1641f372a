/* SPDX-License-Identifier: GPL-2.0 */
/* One command for a list of resources, one after the other, answered once. */
#ifndef LOCKSTEPD_BATCH_H
#define LOCKSTEPD_BATCH_H

#include "manager.h"
#include "resource.h"

typedef void (*batch_one_fn)(struct manager *m, const struct ctl_request *q, manager_reply_fn reply,
			     void *arg);

/* Names for `down --all`: those of `list`. For `up --all`: what has a file. */
int batch_names(const struct resource *list, enum ctl_command command,
		char (**ret)[LOCKSTEP_NAME_BYTES], size_t *ret_nr, struct err *e);

/* Takes `names`. */
void batch_run(struct manager *m, batch_one_fn one, const struct ctl_request *q,
	       char (*names)[LOCKSTEP_NAME_BYTES], size_t nr, manager_reply_fn reply, void *arg);

#endif /* LOCKSTEPD_BATCH_H */
