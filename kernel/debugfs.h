/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is going on inside, for whoever looks for the reason of a wait: /sys/kernel/debug/lockstep/,
 * a folder for each resource. Read-only, a snapshot each time it is read; nothing is kept for it
 * while nobody looks. May include any header, and is included by none but main.c and resource.c.
 *
 *   requests   application writes and flushes under way: for how long, and what each waits for
 *   streams    queue, window, slots and socket of each data connection
 *   waits      everything else that somebody waits for
 *
 * A resource of another network namespace than the first is NAME@NUMBER: names are unique in one.
 */
#ifndef LOCKSTEP_DEBUGFS_H
#define LOCKSTEP_DEBUGFS_H

struct lockstep_resource;

void lockstep_debugfs_init(void);
void lockstep_debugfs_exit(void);

/* Before it is listed, under lockstep_resources_lock: the name is its own. */
void lockstep_debugfs_add(struct lockstep_resource *res);
/*
 * Before its name is free. Waits until nobody reads any more; may be called with ctl held, which no
 * reader takes.
 */
void lockstep_debugfs_remove(struct lockstep_resource *res);

#endif /* LOCKSTEP_DEBUGFS_H */
