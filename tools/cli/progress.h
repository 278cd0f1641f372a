/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One line of a terminal that is written over and over. Where standard output is no terminal
 * nothing is shown at all, so scripts see what they always saw.
 */
#ifndef LOCKSTEP_PROGRESS_H
#define LOCKSTEP_PROGRESS_H

#include "os.h"

/* Zeroed by the caller. */
struct progress {
	u64 shown_ms;
	bool used;
};

/* Is it time for another look? Once a second, and never without a terminal. */
bool progress_is_due(struct progress *p, u64 now_ms);
/* Cut at 79 columns. */
void progress_show(struct progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Before anything else is printed. */
void progress_clear(struct progress *p);

#endif /* LOCKSTEP_PROGRESS_H */
