/* SPDX-License-Identifier: GPL-2.0 */
/* What netlink says about resources and volumes: status messages and multicast events. */
#ifndef LOCKSTEP_REPORT_H
#define LOCKSTEP_REPORT_H

#include <linux/skbuff.h>
#include <linux/lockstep.h>

struct genl_family;
struct lockstep_resource;
struct lockstep_volume;
struct netlink_callback;

/* Set once at init. */
void lockstep_report_init(struct genl_family *family);

/* Multicast; vol NULL: about the resource. May sleep. Lost events show as a gap in SEQ. */
void lockstep_report_event(struct lockstep_resource *res, struct lockstep_volume *vol,
			   enum lockstep_event event);

/* genl_ops.dumpit of STATUS_GET. */
int lockstep_report_dump(struct sk_buff *skb, struct netlink_callback *cb);

#endif /* LOCKSTEP_REPORT_H */
