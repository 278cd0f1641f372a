/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Generic netlink commands (include/uapi/linux/lockstep.h): parse, call, answer. No policy of its
 * own.
 */
#ifndef LOCKSTEP_NETLINK_H
#define LOCKSTEP_NETLINK_H

struct netlink_ext_ack;
struct nlattr;
struct nlmsghdr;

int lockstep_netlink_init(void);
void lockstep_netlink_exit(void);

/*
 * Attributes of a message of ours, checked against the policy. attrs has LOCKSTEP_ATTR_MAX + 1
 * entries.
 */
int lockstep_netlink_parse(const struct nlmsghdr *nlh, struct nlattr **attrs,
			   struct netlink_ext_ack *extack);

#endif /* LOCKSTEP_NETLINK_H */
