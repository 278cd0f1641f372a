// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "lockstep: " fmt

#include "netlink.h"

#include <linux/module.h>
#include <net/genetlink.h>
#include <lockstep/wire.h>
#include "diskfail.h"
#include "gen.h"
#include "netlink-cmd.h"
#include "report.h"
#include "resize.h"
#include "resource.h"
#include "role.h"
#include "volume.h"

static struct genl_family family;

/* Not const: 6.1 has its policies point at them as they are. */
static struct netlink_range_validation timeout_range = {
	.min = LOCKSTEP_MIN_TIMEOUT_MS, .max = LOCKSTEP_MAX_TIMEOUT_MS,
}, ping_range = {
	.min = 50, .max = LOCKSTEP_MAX_TIMEOUT_MS,
};

static const struct nla_policy policy[LOCKSTEP_ATTR_MAX + 1] = {
	[LOCKSTEP_ATTR_RES_NAME] = { .type = NLA_NUL_STRING, .len = LOCKSTEP_NAME_BYTES - 1 },
	[LOCKSTEP_ATTR_NODE_ID] = NLA_POLICY_MAX(NLA_U32, LOCKSTEP_MAX_NODES - 1),
	[LOCKSTEP_ATTR_NODE_NAME] = { .type = NLA_NUL_STRING, .len = LOCKSTEP_NAME_BYTES - 1 },
	[LOCKSTEP_ATTR_PEER_NODE_ID] = NLA_POLICY_MAX(NLA_U32, LOCKSTEP_MAX_NODES - 1),
	[LOCKSTEP_ATTR_PEER_NAME] = { .type = NLA_NUL_STRING, .len = LOCKSTEP_NAME_BYTES - 1 },
	[LOCKSTEP_ATTR_TIMEOUT_MS] = NLA_POLICY_FULL_RANGE(NLA_U32, &timeout_range),
	[LOCKSTEP_ATTR_PING_MS] = NLA_POLICY_FULL_RANGE(NLA_U32, &ping_range),
	[LOCKSTEP_ATTR_PEER_ROLE] = NLA_POLICY_RANGE(NLA_U32, LOCKSTEP_ROLE_SECONDARY,
						     LOCKSTEP_ROLE_PRIMARY),
	[LOCKSTEP_ATTR_SESSION_ID] = { .type = NLA_U64 },
	[LOCKSTEP_ATTR_EPOCH] = { .type = NLA_U64 },
	[LOCKSTEP_ATTR_PEER_BOOT_ID] = { .type = NLA_U64 },
	[LOCKSTEP_ATTR_STREAMS] = NLA_POLICY_RANGE(NLA_U32, 1, LOCKSTEP_MAX_STREAMS),
	[LOCKSTEP_ATTR_VOLUME] = NLA_POLICY_MAX(NLA_U32, LOCKSTEP_MAX_VOLUMES - 1),
	[LOCKSTEP_ATTR_MINOR] = { .type = NLA_U32 },
	[LOCKSTEP_ATTR_BACKING] = { .type = NLA_NUL_STRING, .len = LOCKSTEP_PATH_BYTES - 1 },
	[LOCKSTEP_ATTR_META] = { .type = NLA_NUL_STRING, .len = LOCKSTEP_PATH_BYTES - 1 },
	[LOCKSTEP_ATTR_DISK] = NLA_POLICY_MAX(NLA_U32, LOCKSTEP_DISK_UP_TO_DATE),
	[LOCKSTEP_ATTR_DATA_SECT] = { .type = NLA_U64 },
	[LOCKSTEP_ATTR_GEN_CURRENT] = { .type = NLA_U64 },
	[LOCKSTEP_ATTR_GEN_SINCE] = { .type = NLA_U64 },
	[LOCKSTEP_ATTR_META_SEQ] = { .type = NLA_U64 },
	[LOCKSTEP_ATTR_LOGICAL_BYTES] = { .type = NLA_U32 },
	[LOCKSTEP_ATTR_PHYSICAL_BYTES] = { .type = NLA_U32 },
	[LOCKSTEP_ATTR_MAX_IO_BYTES] = { .type = NLA_U32 },
	[LOCKSTEP_ATTR_CAPS] = { .type = NLA_U32 },
	[LOCKSTEP_ATTR_FORCE] = { .type = NLA_FLAG },
	[LOCKSTEP_ATTR_STREAM] = NLA_POLICY_MAX(NLA_U32, LOCKSTEP_MAX_STREAMS - 1),
	[LOCKSTEP_ATTR_FD] = { .type = NLA_U32 },
	[LOCKSTEP_ATTR_PEER_VOLUME] = { .type = NLA_NESTED },
	[LOCKSTEP_ATTR_VERDICT] = NLA_POLICY_MAX(NLA_U32, GEN_VERDICT_NR - 1),
	[LOCKSTEP_ATTR_PEER_GEN_CURRENT] = { .type = NLA_U64 },
	[LOCKSTEP_ATTR_FLAGS] = { .type = NLA_U32 },
	[LOCKSTEP_ATTR_PEER_FLAGS] = { .type = NLA_U32 },
	[LOCKSTEP_ATTR_FIRST_BIT] = { .type = NLA_U64 },
	[LOCKSTEP_ATTR_RUNS] = { .type = NLA_BINARY, .len = RUNS_BYTES },
	[LOCKSTEP_ATTR_NR_BITS] = { .type = NLA_U64 },
	[LOCKSTEP_ATTR_REPAIR] = { .type = NLA_FLAG },
	[LOCKSTEP_ATTR_RESUME] = { .type = NLA_FLAG },
	[LOCKSTEP_ATTR_DISK_TIMEOUT_MS] = { .type = NLA_U32 },
	[LOCKSTEP_ATTR_DEVICE_SECT] = { .type = NLA_U64 },
	[LOCKSTEP_ATTR_FENCING] = NLA_POLICY_MAX(NLA_U32, LOCKSTEP_FENCING_FENCE),
	[LOCKSTEP_ATTR_FENCE_ROUND] = { .type = NLA_U32 },
	[LOCKSTEP_ATTR_AUTO_PROMOTE] = NLA_POLICY_MAX(NLA_U32, 1),
};

/* ---- small helpers -------------------------------------------------------------------------- */

/*
 * The refusal's text has to live until the acknowledgement is built, after the command has
 * returned, and 6.1 has no buffer for it in the extack. A ring: a text is overwritten only if as
 * many refusals happen in between; it is terminated at any instant.
 */
char *lockstep_netlink_why(void)
{
	static char ring[64][WHY_BYTES];
	static atomic_t next;
	char *why = ring[(u32)atomic_inc_return(&next) % ARRAY_SIZE(ring)];

	why[0] = 0;
	return why;
}

int lockstep_netlink_reply_marks(struct genl_info *info, u8 cmd, struct lockstep_marks *marks,
				 u64 first)
{
	u64 next = first;
	struct sk_buff *msg;
	int err = -ENOMEM;
	size_t len;
	void *hdr, *runs;

	runs = kvmalloc(RUNS_BYTES, GFP_KERNEL | __GFP_NOWARN);
	if (!runs)
		return err;
	len = lockstep_marks_get(marks, &next, runs, RUNS_BYTES);
	msg = genlmsg_new(nla_total_size(len) + 128, GFP_KERNEL);
	if (!msg)
		goto free;
	hdr = genlmsg_put_reply(msg, info, &family, 0, cmd);
	if (!hdr || nla_put(msg, LOCKSTEP_ATTR_RUNS, len, runs) ||
	    nla_put_u64_64bit(msg, LOCKSTEP_ATTR_FIRST_BIT, first, LOCKSTEP_ATTR_PAD) ||
	    (next < marks->bitmap.nr_bits &&
	     nla_put_u64_64bit(msg, LOCKSTEP_ATTR_NEXT_BIT, next, LOCKSTEP_ATTR_PAD))) {
		nlmsg_free(msg);
		err = -EMSGSIZE;
		goto free;
	}
	genlmsg_end(msg, hdr);
	err = genlmsg_reply(msg, info);
free:
	kvfree(runs);
	return err;
}

/* ---- resources and volumes ------------------------------------------------------------------ */

static int cmd_res_add(struct sk_buff *skb, struct genl_info *info)
{
	static const int needed[] = { LOCKSTEP_ATTR_RES_NAME, LOCKSTEP_ATTR_NODE_ID,
				      LOCKSTEP_ATTR_NODE_NAME, LOCKSTEP_ATTR_PEER_NODE_ID,
				      LOCKSTEP_ATTR_PEER_NAME };
	struct lockstep_resource_params p;
	struct lockstep_resource *res;
	char *why = why_buffer();
	int i, err = check_version(info);

	for (i = 0; i < ARRAY_SIZE(needed) && !err; i++)
		err = need(info, needed[i]);
	if (err)
		return err;
	p = (struct lockstep_resource_params){
		.name = get_str(info, LOCKSTEP_ATTR_RES_NAME),
		.node_name = get_str(info, LOCKSTEP_ATTR_NODE_NAME),
		.peer_name = get_str(info, LOCKSTEP_ATTR_PEER_NAME),
		.node_id = get_u32(info, LOCKSTEP_ATTR_NODE_ID, 0),
		.peer_node_id = get_u32(info, LOCKSTEP_ATTR_PEER_NODE_ID, 0),
		.timeout_ms = get_u32(info, LOCKSTEP_ATTR_TIMEOUT_MS, LOCKSTEP_DEF_TIMEOUT_MS),
		.ping_ms = get_u32(info, LOCKSTEP_ATTR_PING_MS, LOCKSTEP_DEF_PING_MS),
		.disk_timeout_ms = get_u32(info, LOCKSTEP_ATTR_DISK_TIMEOUT_MS,
					   LOCKSTEP_DEF_DISK_TIMEOUT_MS),
		.fencing = get_u32(info, LOCKSTEP_ATTR_FENCING, LOCKSTEP_FENCING_NONE),
		.auto_promote = get_u32(info, LOCKSTEP_ATTR_AUTO_PROMOTE, 0),
	};
	if (!meta_name_ok(p.name))
		return refused(info, -EINVAL,
			       "a resource name has letters, digits, '_', '.' and '-' only");
	if (p.node_id == p.peer_node_id)
		return refused(info, -EINVAL, "both nodes have the same id");
	if (p.disk_timeout_ms && (p.disk_timeout_ms < LOCKSTEP_MIN_DISK_TIMEOUT_MS ||
				  p.disk_timeout_ms > LOCKSTEP_MAX_DISK_TIMEOUT_MS))
		return refused(info, -ERANGE, "disk_timeout_ms must be 0, or 1000 to 3600000");
	if (p.ping_ms >= p.timeout_ms)
		return refused(info, -EINVAL, "ping_ms must be less than timeout_ms");
	res = lockstep_resource_create(genl_info_net(info), &p);
	if (IS_ERR(res)) {
		if (PTR_ERR(res) == -EEXIST)
			snprintf(why, WHY_BYTES, "%s is up already", p.name);
		return refused(info, PTR_ERR(res), why);
	}
	lockstep_report_event(res, NULL, LOCKSTEP_EVENT_STATE);
	lockstep_resource_put(res);
	return 0;
}

static int cmd_res_del(struct sk_buff *skb, struct genl_info *info)
{
	char *why = why_buffer();
	struct lockstep_resource *res;
	int err;

	res = resource_of(info, &err);
	if (!res)
		return err;
	err = lockstep_role_down(res, why, WHY_BYTES);
	if (!err)
		lockstep_report_event(res, NULL, LOCKSTEP_EVENT_REMOVED);
	lockstep_resource_put(res);
	return refused(info, err, why);
}

static int cmd_vol_add(struct sk_buff *skb, struct genl_info *info)
{
	char *why = why_buffer();
	struct lockstep_resource *res;
	int err;

	err = need(info, LOCKSTEP_ATTR_VOLUME) ?: need(info, LOCKSTEP_ATTR_MINOR) ?:
	      need(info, LOCKSTEP_ATTR_BACKING);
	if (err)
		return err;
	if (get_u32(info, LOCKSTEP_ATTR_MINOR, 0) > LOCKSTEP_MAX_MINOR)
		return refused(info, -EINVAL, "the minor number is too large");
	res = lock_resource(info, &err);
	if (!res)
		return err;
	if (res->state.link != LOCKSTEP_LINK_DOWN) {
		snprintf(why, WHY_BYTES, "%s is connected: disconnect it before adding a volume",
			 res->name);
		err = -EBUSY;
	} else if (res->state.role == LOCKSTEP_ROLE_PRIMARY) {
		snprintf(why, WHY_BYTES, "%s is primary: demote it before adding a volume",
			 res->name);
		err = -EBUSY;
	} else {
		err = lockstep_volume_add_locked(res, get_u32(info, LOCKSTEP_ATTR_VOLUME, 0),
						 get_u32(info, LOCKSTEP_ATTR_MINOR, 0),
						 get_str(info, LOCKSTEP_ATTR_BACKING),
						 get_str(info, LOCKSTEP_ATTR_META),
						 get_u64(info, LOCKSTEP_ATTR_DEVICE_SECT), why,
						 WHY_BYTES);
	}
	if (!err)
		lockstep_report_event(res, NULL, LOCKSTEP_EVENT_STATE);
	unlock_resource(res);
	return refused(info, err, why);
}

int lockstep_netlink_for_resource(struct genl_info *info, lockstep_resource_cmd cmd)
{
	char *why = why_buffer();
	struct lockstep_resource *res;
	int err;

	res = lock_resource(info, &err);
	if (!res)
		return err;
	err = cmd(res, info, why);
	unlock_resource(res);
	return refused(info, err == -EALREADY ? 0 : err, why);
}

int lockstep_netlink_for_volume(struct genl_info *info, lockstep_volume_cmd cmd)
{
	char *why = why_buffer();
	struct lockstep_resource *res;
	struct lockstep_volume *vol;
	int err;

	res = lock_resource(info, &err);
	if (!res)
		return err;
	vol = volume_of(info, res, &err);
	if (vol)
		err = cmd(vol, info, why);
	unlock_resource(res);
	/* A text that is there already, of an attribute that is missing, stays. */
	return refused(info, err, why);
}

static int vol_del(struct lockstep_volume *vol, struct genl_info *info, char *why)
{
	return lockstep_role_remove_locked(vol, why, WHY_BYTES);
}

static int cmd_vol_del(struct sk_buff *skb, struct genl_info *info)
{
	return lockstep_netlink_for_volume(info, vol_del);
}

static int vol_attach(struct lockstep_volume *vol, struct genl_info *info, char *why)
{
	return need(info, LOCKSTEP_ATTR_BACKING) ?:
	       lockstep_disk_attach_locked(vol, get_str(info, LOCKSTEP_ATTR_BACKING),
					   get_str(info, LOCKSTEP_ATTR_META),
					   get_u64(info, LOCKSTEP_ATTR_DEVICE_SECT), why,
					   WHY_BYTES);
}

static int cmd_vol_attach(struct sk_buff *skb, struct genl_info *info)
{
	return lockstep_netlink_for_volume(info, vol_attach);
}

static int vol_detach(struct lockstep_volume *vol, struct genl_info *info, char *why)
{
	int err = lockstep_disk_detach_locked(vol, why, WHY_BYTES);

	return err == -EALREADY ? 0 : err;
}

static int cmd_vol_detach(struct sk_buff *skb, struct genl_info *info)
{
	return lockstep_netlink_for_volume(info, vol_detach);
}

/*
 * Says whether this side is ready; the daemons then agree on the size, and the next session has it.
 */
static int resize(struct lockstep_volume *vol, struct genl_info *info, char *why)
{
	return lockstep_resize_check_locked(vol, get_u64(info, LOCKSTEP_ATTR_DATA_SECT),
					    info->attrs[LOCKSTEP_ATTR_FORCE], why, WHY_BYTES);
}

static int cmd_resize(struct sk_buff *skb, struct genl_info *info)
{
	return lockstep_netlink_for_volume(info, resize);
}

/* ---- roles ---------------------------------------------------------------------------------- */

static int cmd_promote(struct sk_buff *skb, struct genl_info *info)
{
	struct lockstep_promotion p = {
		.force = info->attrs[LOCKSTEP_ATTR_FORCE],
		.fenced = info->attrs[LOCKSTEP_ATTR_FENCE_ROUND],
		.fence_round = get_u32(info, LOCKSTEP_ATTR_FENCE_ROUND, 0),
	};
	char *why = why_buffer();
	struct lockstep_resource *res;
	int err;

	res = resource_of(info, &err);
	if (!res)
		return err;
	err = lockstep_role_promote(res, &p, why, WHY_BYTES);
	lockstep_resource_put(res);
	return refused(info, err == -EALREADY ? 0 : err, why);
}

static int cmd_demote(struct sk_buff *skb, struct genl_info *info)
{
	char *why = why_buffer();
	struct lockstep_resource *res;
	int err;

	res = resource_of(info, &err);
	if (!res)
		return err;
	err = lockstep_role_demote(res, false, why, WHY_BYTES);
	lockstep_resource_put(res);
	return refused(info, err == -EALREADY ? 0 : err, why);
}

/* ---- family --------------------------------------------------------------------------------- */

static const struct genl_ops ops[] = {
	{ .cmd = LOCKSTEP_CMD_RES_ADD, .doit = cmd_res_add, .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_RES_DEL, .doit = cmd_res_del, .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_VOL_ADD, .doit = cmd_vol_add, .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_VOL_DEL, .doit = cmd_vol_del, .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_STATUS_GET, .dumpit = lockstep_report_dump,
	  .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_PROMOTE, .doit = cmd_promote, .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_DEMOTE, .doit = cmd_demote, .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_SESSION_OPEN, .doit = lockstep_cmd_session_open,
	  .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_STREAM_ADD, .doit = lockstep_cmd_stream_add,
	  .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_SESSION_START, .doit = lockstep_cmd_session_start,
	  .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_SESSION_CLOSE, .doit = lockstep_cmd_session_close,
	  .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_MARKS_GET, .doit = lockstep_cmd_marks_get, .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_MARKS_MERGE, .doit = lockstep_cmd_marks_merge,
	  .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_VOL_ATTACH, .doit = cmd_vol_attach, .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_VOL_DETACH, .doit = cmd_vol_detach, .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_SYNC_START, .doit = lockstep_cmd_sync_start,
	  .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_VERIFY_START, .doit = lockstep_cmd_verify_start,
	  .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_VERIFY_STOP, .doit = lockstep_cmd_verify_stop,
	  .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_VERIFY_GET, .doit = lockstep_cmd_verify_get,
	  .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_RESIZE, .doit = cmd_resize, .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_SURRENDER, .doit = lockstep_cmd_surrender,
	  .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_RES_SET, .doit = lockstep_cmd_res_set, .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_FENCED, .doit = lockstep_cmd_fenced, .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_OUTDATE, .doit = lockstep_cmd_outdate, .flags = GENL_ADMIN_PERM },
};

static const struct genl_multicast_group groups[] = {
	{ .name = LOCKSTEP_GENL_MCGRP },
};

/*
 * A resource belongs to the network namespace it was made in, and is seen in no other.
 * GENL_ADMIN_PERM asks for CAP_NET_ADMIN in the initial user namespace. parallel_ops: a promotion
 * that waits for the peer must not stop the daemon that brings the answer.
 */
static struct genl_family family __ro_after_init = {
	.name = LOCKSTEP_GENL_NAME,
	.version = LOCKSTEP_GENL_VERSION,
	.maxattr = LOCKSTEP_ATTR_MAX,
	.policy = policy,
	.netnsok = true,
	.parallel_ops = true,
	.module = THIS_MODULE,
	.ops = ops,
	.n_ops = ARRAY_SIZE(ops),
	.resv_start_op = __LOCKSTEP_CMD_MAX,
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
};

int lockstep_netlink_parse(const struct nlmsghdr *nlh, struct nlattr **attrs,
			   struct netlink_ext_ack *extack)
{
	return nlmsg_parse(nlh, GENL_HDRLEN, attrs, LOCKSTEP_ATTR_MAX, policy, extack);
}

int lockstep_netlink_parse_nest(struct nlattr **attrs, const struct nlattr *nest,
				struct netlink_ext_ack *extack)
{
	return nla_parse_nested(attrs, LOCKSTEP_ATTR_MAX, nest, policy, extack);
}

int lockstep_netlink_init(void)
{
	lockstep_report_init(&family);
	return genl_register_family(&family);
}

void lockstep_netlink_exit(void)
{
	genl_unregister_family(&family);
}
