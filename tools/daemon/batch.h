/* SPDX-License-Identifier: GPL-2.0 */
/* One command for a list of resources, one after the other, answered once. */
#ifndef LOCKSTEPD_BATCH_H
#define LOCKSTEPD_BATCH_H

#include "manager.h"

typedef void (*batch_one_fn)(struct manager *m, const struct ctl_request *q, manager_reply_fn reply,
			     void *arg);

/* Takes `names`. */
void batch_run(struct manager *m, batch_one_fn one, const struct ctl_request *q,
	       char (*names)[LOCKSTEP_NAME_BYTES], size_t nr, manager_reply_fn reply, void *arg);

#endif /* LOCKSTEPD_BATCH_H */
