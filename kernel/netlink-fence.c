// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "lockstep: " fmt

#include "auto.h"
#include "netlink-cmd.h"
#include "status.h"
#include "volume.h"

static int set_fencing(struct lockstep_resource *res, u32 fencing, char *why)
{
	int err = lockstep_status_step_locked(res, STATE_EV_POLICY,
					      fencing != LOCKSTEP_FENCING_NONE, why, WHY_BYTES);

	/* From one policy to the other there is no step. */
	if (!err || err == -EALREADY)
		res->fencing = fencing;
	return err == -EALREADY ? 0 : err;
}

/* Both or nothing: what cannot be refused comes last. */
static int res_set(struct lockstep_resource *res, struct genl_info *info, char *why)
{
	bool has_auto = info->attrs[LOCKSTEP_ATTR_AUTO_PROMOTE];
	int err = 0;

	if (info->attrs[LOCKSTEP_ATTR_FENCING])
		err = set_fencing(res, get_u32(info, LOCKSTEP_ATTR_FENCING, 0), why);
	else if (!has_auto)
		err = need(info, LOCKSTEP_ATTR_FENCING);
	if (!err && has_auto)
		lockstep_auto_set_locked(res, get_u32(info, LOCKSTEP_ATTR_AUTO_PROMOTE, 0));
	return err;
}

int lockstep_cmd_res_set(struct sk_buff *skb, struct genl_info *info)
{
	return lockstep_netlink_for_resource(info, res_set);
}

static int fenced(struct lockstep_resource *res, struct genl_info *info, char *why)
{
	u32 round = get_u32(info, LOCKSTEP_ATTR_FENCE_ROUND, res->fence_round);

	if (round != res->fence_round) {
		snprintf(why, WHY_BYTES, "%s: there was a session with %s since", res->name,
			 res->peer_name);
		return -ESTALE;
	}
	return lockstep_status_step_locked(res, STATE_EV_FENCED, 0, why, WHY_BYTES);
}

int lockstep_cmd_fenced(struct sk_buff *skb, struct genl_info *info)
{
	return lockstep_netlink_for_resource(info, fenced);
}

static bool is_ahead(const struct lockstep_resource *res)
{
	const struct lockstep_volume *vol;
	bool ahead = false;
	int i;

	resource_for_each_volume(res, i, vol)
		ahead |= !vol->failed && vol->meta.peer[LOCKSTEP_PEER].since.id;
	return ahead;
}

/* Each refusal with an errno of its own: exit codes of a fencing program are made of them. */
static int outdate(struct lockstep_resource *res, struct genl_info *info, char *why)
{
	int err;

	if (!res->nr_volumes) {
		snprintf(why, WHY_BYTES, "%s has no volumes", res->name);
		return -ENODEV;
	}
	err = lockstep_status_step_locked(res, STATE_EV_OUTDATE, is_ahead(res), why,
					  WHY_BYTES);
	if (err && res->state.role == LOCKSTEP_ROLE_PRIMARY)
		return -EPERM;
	if (err == -EPERM && res->state.copy < STATE_COPY_OUTDATED)
		return -EUCLEAN;
	return err == -EPERM ? -EEXIST : err;
}

int lockstep_cmd_outdate(struct sk_buff *skb, struct genl_info *info)
{
	return lockstep_netlink_for_resource(info, outdate);
}
