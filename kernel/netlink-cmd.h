/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files with netlink commands share: getting at attributes and objects, and refusing with
 * a sentence.
 */
#ifndef LOCKSTEP_NETLINK_CMD_H
#define LOCKSTEP_NETLINK_CMD_H

#include <net/genetlink.h>
#include "marks.h"
#include "resource.h"

#define WHY_BYTES	256
#define RUNS_BYTES	(32u << 10)

/* A buffer of WHY_BYTES for the text of a refusal; it lives long enough to be sent. */
char *lockstep_netlink_why(void);
static inline char *why_buffer(void)
{
	return lockstep_netlink_why();
}

/*
 * Answer with one chunk of a bitmap, from `first` on. Without a page of memory for the runs:
 * -ENOMEM.
 */
int lockstep_netlink_reply_marks(struct genl_info *info, u8 cmd, struct lockstep_marks *marks,
				 u64 first);

/*
 * Carry out a command for the resource that the attributes name, locked; `why` as below. -EALREADY
 * is no error.
 */
typedef int (*lockstep_resource_cmd)(struct lockstep_resource *res, struct genl_info *info,
				     char *why);
int lockstep_netlink_for_resource(struct genl_info *info, lockstep_resource_cmd cmd);

/*
 * Carry out a command for the volume that the attributes name: it is called with the resource
 * locked, and may put the sentence of its refusal into `why` (WHY_BYTES). -ENOENT with one if there
 * is no such resource or volume.
 */
typedef int (*lockstep_volume_cmd)(struct lockstep_volume *vol, struct genl_info *info, char *why);
int lockstep_netlink_for_volume(struct genl_info *info, lockstep_volume_cmd cmd);

/* The attributes of a nest, checked against the policy; attrs has LOCKSTEP_ATTR_MAX + 1 entries. */
int lockstep_netlink_parse_nest(struct nlattr **attrs, const struct nlattr *nest,
				struct netlink_ext_ack *extack);

/* Commands that stand in other files. */
int lockstep_cmd_session_open(struct sk_buff *skb, struct genl_info *info);
int lockstep_cmd_stream_add(struct sk_buff *skb, struct genl_info *info);
int lockstep_cmd_session_start(struct sk_buff *skb, struct genl_info *info);
int lockstep_cmd_session_close(struct sk_buff *skb, struct genl_info *info);
int lockstep_cmd_marks_get(struct sk_buff *skb, struct genl_info *info);
int lockstep_cmd_marks_merge(struct sk_buff *skb, struct genl_info *info);
int lockstep_cmd_sync_start(struct sk_buff *skb, struct genl_info *info);
int lockstep_cmd_surrender(struct sk_buff *skb, struct genl_info *info);
int lockstep_cmd_verify_start(struct sk_buff *skb, struct genl_info *info);
int lockstep_cmd_verify_stop(struct sk_buff *skb, struct genl_info *info);
int lockstep_cmd_verify_get(struct sk_buff *skb, struct genl_info *info);
int lockstep_cmd_res_set(struct sk_buff *skb, struct genl_info *info);
int lockstep_cmd_fenced(struct sk_buff *skb, struct genl_info *info);
int lockstep_cmd_outdate(struct sk_buff *skb, struct genl_info *info);

static inline int refused(struct genl_info *info, int err, const char *why)
{
	/* Not NL_SET_ERR_MSG: that one takes literals only. */
	if (err && why[0] && info->extack)
		info->extack->_msg = why;
	return err;
}

static inline int need(struct genl_info *info, int attr)
{
	char *why = why_buffer();

	if (info->attrs[attr])
		return 0;
	snprintf(why, WHY_BYTES, "attribute %d is missing", attr);
	return refused(info, -EINVAL, why);
}

/* The daemon is the one that an upgrade leaves behind: it runs on while the module is exchanged. */
static inline int check_version(struct genl_info *info)
{
	u8 version = info->genlhdr->version;
	char *why;

	if (version >= LOCKSTEP_GENL_VERSION)
		return 0;
	why = why_buffer();
	snprintf(why, WHY_BYTES, "the kernel module is newer than the lockstepd, or lockstep, that "
		 "asks: its commands are version %u, and not %u; systemctl restart lockstepd, then "
		 "lockstep status", LOCKSTEP_GENL_VERSION, version);
	return refused(info, -EPROTONOSUPPORT, why);
}

static inline u32 get_u32(struct genl_info *info, int attr, u32 otherwise)
{
	return info->attrs[attr] ? nla_get_u32(info->attrs[attr]) : otherwise;
}

static inline u64 get_u64(struct genl_info *info, int attr)
{
	return info->attrs[attr] ? nla_get_u64(info->attrs[attr]) : 0;
}

static inline const char *get_str(struct genl_info *info, int attr)
{
	return info->attrs[attr] ? nla_data(info->attrs[attr]) : NULL;
}

static inline struct lockstep_resource *resource_of(struct genl_info *info, int *err)
{
	struct lockstep_resource *res;
	const char *name;
	char *why;

	*err = check_version(info) ?: need(info, LOCKSTEP_ATTR_RES_NAME);
	if (*err)
		return NULL;
	name = get_str(info, LOCKSTEP_ATTR_RES_NAME);
	res = lockstep_resource_get(genl_info_net(info), name);
	if (!res) {
		why = why_buffer();
		snprintf(why, WHY_BYTES, "%s is not up here; lockstep up %s", name, name);
		*err = refused(info, -ENOENT, why);
	}
	return res;
}

/* With a reference and ctl held. */
static inline struct lockstep_resource *lock_resource(struct genl_info *info, int *err)
{
	struct lockstep_resource *res = resource_of(info, err);

	if (!res)
		return NULL;
	lockstep_resource_lock(res);
	if (!res->gone)
		return res;
	lockstep_resource_unlock(res);
	lockstep_resource_put(res);
	*err = -ENOENT;
	return NULL;
}

static inline void unlock_resource(struct lockstep_resource *res)
{
	lockstep_resource_unlock(res);
	lockstep_resource_put(res);
}

static inline struct lockstep_volume *volume_of(struct genl_info *info,
						struct lockstep_resource *res, int *err)
{
	struct lockstep_volume *vol;
	char *why;

	*err = need(info, LOCKSTEP_ATTR_VOLUME);
	if (*err)
		return NULL;
	vol = res->volume[get_u32(info, LOCKSTEP_ATTR_VOLUME, 0)];
	if (!vol) {
		why = why_buffer();
		snprintf(why, WHY_BYTES, "%s has no volume %u; lockstep status %s names them",
			 res->name, get_u32(info, LOCKSTEP_ATTR_VOLUME, 0), res->name);
		*err = refused(info, -ENOENT, why);
	}
	return vol;
}

#endif /* LOCKSTEP_NETLINK_CMD_H */
