// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "lockstep: " fmt

#include "netlink-cmd.h"
#include "role.h"
#include "volume.h"

/*
 * Nothing durable need change when a primary writes alone: the generation is the same, and what is
 * marked already is marked once. But only a primary is written, and what makes it one, or ends it,
 * is a write of the metadata. So the sequence says it exactly, of a secondary.
 */
static bool is_as_known(const struct meta *m, struct nlattr **a)
{
	return m->current_gen.id == nla_get_u64(a[LOCKSTEP_ATTR_GEN_CURRENT]) &&
	       m->peer[LOCKSTEP_PEER].since.id == nla_get_u64(a[LOCKSTEP_ATTR_GEN_SINCE]) &&
	       m->sequence == nla_get_u64(a[LOCKSTEP_ATTR_META_SEQ]);
}

/* Is this volume what whoever decided took it for? */
static int check_volume(struct genl_info *info, const struct nlattr *nest,
			struct lockstep_resource *res, unsigned long *seen, char *why)
{
	struct nlattr *a[LOCKSTEP_ATTR_MAX + 1];
	struct lockstep_volume *vol;
	u32 number;
	int err;

	err = lockstep_netlink_parse_nest(a, nest, info->extack);
	if (err)
		return err;
	if (!a[LOCKSTEP_ATTR_VOLUME] || !a[LOCKSTEP_ATTR_GEN_CURRENT] ||
	    !a[LOCKSTEP_ATTR_GEN_SINCE] || !a[LOCKSTEP_ATTR_META_SEQ])
		return -EINVAL;
	number = nla_get_u32(a[LOCKSTEP_ATTR_VOLUME]);
	vol = res->volume[number];
	if (!vol || __test_and_set_bit(number, seen))
		return -EINVAL;
	if (is_as_known(&vol->meta, a))
		return 0;
	snprintf(why, WHY_BYTES, "volume %u has changed since: look again", number);
	return -EAGAIN;
}

static int check_volumes(struct genl_info *info, struct lockstep_resource *res, char *why)
{
	DECLARE_BITMAP(seen, LOCKSTEP_MAX_VOLUMES) = { 0 };
	struct nlattr *nest;
	int rem, err;

	nlmsg_for_each_attr(nest, info->nlhdr, GENL_HDRLEN, rem) {
		if (nla_type(nest) != LOCKSTEP_ATTR_PEER_VOLUME)
			continue;
		err = check_volume(info, nest, res, seen, why);
		if (err && !why[0])
			snprintf(why, WHY_BYTES, "a volume's description is not valid");
		if (err)
			return err;
	}
	if (bitmap_weight(seen, LOCKSTEP_MAX_VOLUMES) == res->nr_volumes)
		return 0;
	snprintf(why, WHY_BYTES, "not all volumes of %s are described", res->name);
	return -EINVAL;
}

static int surrender(struct lockstep_resource *res, struct genl_info *info, char *why)
{
	return check_volumes(info, res, why) ?: lockstep_role_surrender_locked(res, why, WHY_BYTES);
}

int lockstep_cmd_surrender(struct sk_buff *skb, struct genl_info *info)
{
	return lockstep_netlink_for_resource(info, surrender);
}
