// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "lockstep: " fmt

#include "netlink-cmd.h"
#include "report.h"
#include "verify.h"
#include "volume.h"

int lockstep_cmd_verify_start(struct sk_buff *skb, struct genl_info *info)
{
	const struct lockstep_verify_range range = {
		.first_bit = get_u64(info, LOCKSTEP_ATTR_FIRST_BIT),
		.nr_bits = get_u64(info, LOCKSTEP_ATTR_NR_BITS),
		.repair = info->attrs[LOCKSTEP_ATTR_REPAIR],
		.resume = info->attrs[LOCKSTEP_ATTR_RESUME],
	};
	char *why = why_buffer();
	struct lockstep_resource *res;
	struct lockstep_volume *vol;
	int err;

	res = lock_resource(info, &err);
	if (!res)
		return err;
	vol = volume_of(info, res, &err);
	if (vol) {
		err = lockstep_verify_start_locked(vol, &range, why, WHY_BYTES);
		if (!err)
			lockstep_report_event(res, vol, LOCKSTEP_EVENT_VERIFY_PROGRESS);
	}
	unlock_resource(res);
	return why[0] ? refused(info, err, why) : err;
}

int lockstep_cmd_verify_stop(struct sk_buff *skb, struct genl_info *info)
{
	struct lockstep_resource *res;
	struct lockstep_volume *vol;
	int err;

	res = lock_resource(info, &err);
	if (!res)
		return err;
	vol = volume_of(info, res, &err);
	if (vol)
		lockstep_verify_stop_locked(vol);
	unlock_resource(res);
	return err;
}

int lockstep_cmd_verify_get(struct sk_buff *skb, struct genl_info *info)
{
	char *why = why_buffer();
	struct lockstep_resource *res;
	struct lockstep_volume *vol;
	int err;

	res = lock_resource(info, &err);
	if (!res)
		return err;
	vol = volume_of(info, res, &err);
	if (vol && !vol->verify.has_map) {
		snprintf(why, WHY_BYTES, "volume %u has not been verified since it was attached",
			 vol->number);
		err = refused(info, -ENOENT, why);
	} else if (vol) {
		err = lockstep_netlink_reply_marks(info, LOCKSTEP_CMD_VERIFY_GET, &vol->verify.map,
						   get_u64(info, LOCKSTEP_ATTR_FIRST_BIT));
	}
	unlock_resource(res);
	return err;
}
