/* SPDX-License-Identifier: GPL-2.0 */
/* What the two files of the manager share: manager.c, and manager-requests.c. */
#ifndef LOCKSTEPD_MANAGER_OWN_H
#define LOCKSTEPD_MANAGER_OWN_H

#include "hooks.h"
#include "manager.h"
#include "request.h"
#include "resource.h"
#include "stream.h"
#include "watch.h"

struct compare;

struct manager {
	sd_event *event;
	struct manager_options o;
	struct peer_env env;
	struct jobs *jobs;
	struct conns *conns;
	struct listeners *listeners;
	struct resource *resources;	/* sorted by name */
	struct request *requests;
	struct compare *compare;	/* under way */
	bool compare_again;
	u64 removed_ms;			/* a resource was removed last */
	sd_event_source *compare_timer, *events;
	u64 seq;			/* of the last event; 0: none since the socket was opened */
	u64 events_taken;
	struct watch *watch;
	struct streams *streams;
	struct hooks *hooks;
	char problem[128];		/* of the kernel as a whole, logged once */
};

/* ---- manager.c */

/* NULL: we have none of that name (or, to be made, no memory). */
struct resource *manager_find(struct manager *m, const char *name);
struct resource *manager_find_or_create(struct manager *m, const char *name);
void manager_forget(struct manager *m, const char *name);

/* Look at the kernel, at the latest then. */
void manager_compare_soon(struct manager *m, u64 delay_ms);

/* ---- manager-requests.c */

/* Is there a request about it under way? */
bool manager_is_busy(const struct manager *m, const char *name);
void manager_start_request(struct manager *m, struct request *r);

#endif /* LOCKSTEPD_MANAGER_OWN_H */
