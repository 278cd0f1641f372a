/* SPDX-License-Identifier: GPL-2.0 */
/* One run of blocks of the engine: see engine.h for its life. Between engine.c and run.c only. */
#ifndef LOCKSTEP_RUN_H
#define LOCKSTEP_RUN_H

#include <linux/list.h>
#include <linux/types.h>

struct lockstep_run;
struct lockstep_volume;

int lockstep_run_module_init(void);
void lockstep_run_module_exit(void);

/*
 * Whole blocks, within one region, at most LOCKSTEP_MAX_IO_BYTES. NULL: no memory; it is not waited
 * for, because the caller also lets requests go whose ranges application writes wait for.
 */
struct lockstep_run *lockstep_run_create(struct lockstep_volume *vol, u64 sect, u32 bytes);
/* Its place in engine.runs. */
struct list_head *lockstep_run_node(struct lockstep_run *run);
u64 lockstep_run_first_bit(const struct list_head *node);
/* It ends by itself, with lockstep_engine_run_ended(). */
void lockstep_run_start(struct lockstep_run *run);

/*
 * In engine.c: off the list, no longer in flight. took_us: with its range; 0 if nothing had to be
 * done. The volume may be gone after this.
 */
void lockstep_engine_run_ended(struct lockstep_volume *vol, struct list_head *node, u32 bytes,
			       u32 took_us);

#endif /* LOCKSTEP_RUN_H */
