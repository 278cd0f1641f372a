/* SPDX-License-Identifier: GPL-2.0 */
/* Asking lockstepd, or the kernel where that does not run: daemon.c, for the verbs elsewhere. */
#ifndef LOCKSTEP_CALL_H
#define LOCKSTEP_CALL_H

#include "ctl.h"

struct nl;
struct opts;

/* The request that the options make. */
int cmd_build(const struct opts *o, enum ctl_command command, struct ctl_request *r, struct err *e);

/* Ask the daemon and print what it says. -ECONNREFUSED: it does not run. */
int cmd_call(const struct opts *o, const struct ctl_request *r, struct err *e);

typedef int (*cmd_kernel_fn)(struct nl *nl, const struct ctl_request *r, struct err *e);

/* Ask the kernel, and say so. */
int cmd_call_kernel(const struct ctl_request *r, cmd_kernel_fn fn, struct err *e);

#endif /* LOCKSTEP_CALL_H */
