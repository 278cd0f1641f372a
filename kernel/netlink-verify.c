// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "lockstep: " fmt

#include "netlink-cmd.h"
#include "report.h"
#include "verify.h"
#include "volume.h"

static int verify_start(struct lockstep_volume *vol, struct genl_info *info, char *why)
{
	const struct lockstep_verify_range range = {
		.first_bit = get_u64(info, LOCKSTEP_ATTR_FIRST_BIT),
		.nr_bits = get_u64(info, LOCKSTEP_ATTR_NR_BITS),
		.repair = info->attrs[LOCKSTEP_ATTR_REPAIR],
		.resume = info->attrs[LOCKSTEP_ATTR_RESUME],
	};
	int err = lockstep_verify_start_locked(vol, &range, why, WHY_BYTES);

	if (!err)
		lockstep_report_event(vol->res, vol, LOCKSTEP_EVENT_VERIFY_PROGRESS);
	return err;
}

int lockstep_cmd_verify_start(struct sk_buff *skb, struct genl_info *info)
{
	return lockstep_netlink_for_volume(info, verify_start);
}

static int verify_stop(struct lockstep_volume *vol, struct genl_info *info, char *why)
{
	lockstep_verify_stop_locked(vol);
	return 0;
}

int lockstep_cmd_verify_stop(struct sk_buff *skb, struct genl_info *info)
{
	return lockstep_netlink_for_volume(info, verify_stop);
}

static int verify_get(struct lockstep_volume *vol, struct genl_info *info, char *why)
{
	if (!vol->verify.has_map) {
		snprintf(why, WHY_BYTES, "volume %u has not been verified since it was attached; "
			 "lockstep verify %s", vol->number, vol->res->name);
		return -ENOENT;
	}
	return lockstep_netlink_reply_marks(info, LOCKSTEP_CMD_VERIFY_GET, &vol->verify.map,
					    get_u64(info, LOCKSTEP_ATTR_FIRST_BIT));
}

int lockstep_cmd_verify_get(struct sk_buff *skb, struct genl_info *info)
{
	return lockstep_netlink_for_volume(info, verify_get);
}
