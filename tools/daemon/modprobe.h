/* SPDX-License-Identifier: GPL-2.0 */
#ifndef LOCKSTEPD_MODPROBE_H
#define LOCKSTEPD_MODPROBE_H

#include "err.h"

/* Run modprobe for `module` with a fixed environment and a deadline. Waits: call from a job. */
int modprobe(const char *module, unsigned int timeout_ms, struct err *e);

#endif /* LOCKSTEPD_MODPROBE_H */
