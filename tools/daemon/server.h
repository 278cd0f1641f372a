/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The unix socket for the command line: one line in, one line out (of `events`: many), close. What
 * the lines say is tools/lib/ctl.h's business, what they do the manager's. Mode 0600: whoever can
 * open it may do everything.
 */
#ifndef LOCKSTEPD_SERVER_H
#define LOCKSTEPD_SERVER_H

#include <systemd/sd-event.h>

#include "err.h"
#include "manager.h"

struct server;

int server_create(sd_event *event, struct manager *m, const char *path, struct server **ret,
		  struct err *e);
/* Before the manager goes. Removes the socket. */
void server_destroy(struct server *s);

#endif /* LOCKSTEPD_SERVER_H */
