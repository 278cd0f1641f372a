/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Programs of the administrator's that are told of events (lockstep.conf(5), hooks). They are told
 * and not asked: whatever comes of one changes nothing but a note in status. For each resource one
 * at a time, in the order of the events; what waits is bounded, and what finds no place is counted.
 */
#ifndef LOCKSTEPD_HOOKS_H
#define LOCKSTEPD_HOOKS_H

#include <systemd/sd-event.h>

#include "conf.h"
#include "watch.h"

#define HOOKS_TIMEOUT_MS	60000
#define HOOKS_QUEUE		32	/* runs waiting, of one resource */
/* Events kept while the configuration is being read: what was so when the daemon started. */
#define HOOKS_EARLY		32
#define HOOKS_NOTE_BYTES	640

struct hooks;

/* The configuration in force and which node we are; NULL: none is. */
typedef const struct conf *(*hooks_conf_fn)(void *arg, const char *name, int *ret_self);

/* timeout_ms 0: HOOKS_TIMEOUT_MS. */
int hooks_create(sd_event *event, struct watch *w, hooks_conf_fn conf, void *arg, u32 timeout_ms,
		 struct hooks **ret);
/* Programs that run are killed. */
void hooks_destroy(struct hooks *h);		/* NULL is fine */

/*
 * What a hook is for:
 *
 *   split_brain  split-brain                    peer_lost   link from up
 *   disk_failed  disk-failed                    peer_back   link to up
 *   sync_done    sync-done                      problem     problem, split-brain
 *   any          everything but progress
 */
bool hooks_is_for(enum conf_hook hook, const struct event *ev);

/* What went wrong last, of this resource; "": nothing since one succeeded. */
const char *hooks_note(const struct hooks *h, const char *name);

#endif /* LOCKSTEPD_HOOKS_H */
