/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A status with all volumes of a resource in it, or none. The kernel leaves out the volumes of one
 * that is busy, so that it can always say what it waits for; that is right for whoever looks. For
 * whoever decides (what is thrown away, saved, said in a hello) half of them is worse than nothing.
 */
#ifndef LOCKSTEP_WHOLE_H
#define LOCKSTEP_WHOLE_H

#include "os.h"
#include "err.h"
#include "model.h"

#define WHOLE_WAIT_MS	3000

/* nl_status(), or what stands for it. */
typedef int (*whole_ask_fn)(void *arg, const char *name, struct model *ret, struct err *e);

/*
 * Ask again for up to wait_ms, then -EAGAIN and a sentence. One that is not there at all is no
 * error, as in nl_status().
 */
int whole_status(whole_ask_fn ask, void *arg, const char *name, u32 wait_ms, struct model *ret,
		 struct err *e);

/* 0, or the same refusal. */
int whole_check(const struct model_resource *r, struct err *e);

#endif /* LOCKSTEP_WHOLE_H */
