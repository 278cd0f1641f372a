/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Promotion by the first one who opens for writing, demotion by the last one who closes. What is
 * decided, and how: kernel/core/autorole.h. Here: who waits, and the work that does it.
 */
#ifndef LOCKSTEP_AUTO_H
#define LOCKSTEP_AUTO_H

#include <linux/types.h>
#include <linux/workqueue.h>

struct lockstep_resource;
struct lockstep_volume;

void lockstep_auto_init(struct lockstep_resource *res);
/* The setting. ctl held. */
void lockstep_auto_set_locked(struct lockstep_resource *res, bool on);

/*
 * In open(), for writing, without open_lock. True if it counts as waiting: then the volume may be
 * writable now, or `why` has a sentence, and _leave() follows, after it was counted as an opener,
 * or was not.
 */
bool lockstep_auto_enter(struct lockstep_volume *vol, char *why, size_t len);
void lockstep_auto_leave(struct lockstep_resource *res, bool opened);
/* In release(), of the last one. */
void lockstep_auto_closed(struct lockstep_resource *res);

void lockstep_auto_work(struct work_struct *work);

#endif /* LOCKSTEP_AUTO_H */
