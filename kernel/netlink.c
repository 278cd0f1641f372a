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
#include "request.h"
#include "resize.h"
#include "resource.h"
#include "role.h"
#include "session.h"
#include "status.h"
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

/* ---- sessions ------------------------------------------------------------------------------- */

static int parse_peer_volume(struct genl_info *info, struct nlattr *nest,
			     struct lockstep_resource *res, struct lockstep_peer_volume *p,
			     struct lockstep_volume **ret_vol)
{
	static const int needed[] = { LOCKSTEP_ATTR_VOLUME, LOCKSTEP_ATTR_VERDICT,
		LOCKSTEP_ATTR_GEN_CURRENT, LOCKSTEP_ATTR_GEN_SINCE, LOCKSTEP_ATTR_FLAGS,
		LOCKSTEP_ATTR_PEER_GEN_CURRENT, LOCKSTEP_ATTR_PEER_FLAGS, LOCKSTEP_ATTR_DATA_SECT,
		LOCKSTEP_ATTR_LOGICAL_BYTES, LOCKSTEP_ATTR_PHYSICAL_BYTES, LOCKSTEP_ATTR_CAPS,
		LOCKSTEP_ATTR_DISK };
	struct nlattr *a[LOCKSTEP_ATTR_MAX + 1];
	int i, err;

	err = lockstep_netlink_parse_nest(a, nest, info->extack);
	if (err)
		return err;
	for (i = 0; i < ARRAY_SIZE(needed); i++)
		if (!a[needed[i]])
			return -EINVAL;
	*ret_vol = res->volume[nla_get_u32(a[LOCKSTEP_ATTR_VOLUME])];
	if (!*ret_vol)
		return -ENOENT;
	p->verdict = nla_get_u32(a[LOCKSTEP_ATTR_VERDICT]);
	p->expect_current = nla_get_u64(a[LOCKSTEP_ATTR_GEN_CURRENT]);
	p->expect_since = nla_get_u64(a[LOCKSTEP_ATTR_GEN_SINCE]);
	p->expect_flags = nla_get_u32(a[LOCKSTEP_ATTR_FLAGS]);
	p->gen = nla_get_u64(a[LOCKSTEP_ATTR_PEER_GEN_CURRENT]);
	p->flags = nla_get_u32(a[LOCKSTEP_ATTR_PEER_FLAGS]) & LOCKSTEP_MF_KNOWN;
	p->data_sect = nla_get_u64(a[LOCKSTEP_ATTR_DATA_SECT]);
	p->limits.logical_bytes = nla_get_u32(a[LOCKSTEP_ATTR_LOGICAL_BYTES]);
	p->limits.physical_bytes = nla_get_u32(a[LOCKSTEP_ATTR_PHYSICAL_BYTES]);
	p->limits.caps = nla_get_u32(a[LOCKSTEP_ATTR_CAPS]);
	p->disk = nla_get_u32(a[LOCKSTEP_ATTR_DISK]);
	if (!is_power_of_2(p->limits.logical_bytes) || p->limits.logical_bytes < 512 ||
	    p->limits.logical_bytes > PAGE_SIZE || !is_power_of_2(p->limits.physical_bytes) ||
	    p->limits.physical_bytes < p->limits.logical_bytes ||
	    p->limits.physical_bytes > SZ_1M || p->verdict >= GEN_BLANK || p->data_sect & 7)
		return -ERANGE;
	p->valid = true;
	return 0;
}

/* Every volume is described exactly once. */
static int parse_peer_volumes(struct genl_info *info, struct lockstep_resource *res, char *why)
{
	struct lockstep_peer_volume p;
	struct lockstep_volume *vol;
	struct nlattr *nest;
	u32 nr = 0;
	int rem, err, i;

	resource_for_each_volume(res, i, vol)
		vol->peer.valid = false;
	nlmsg_for_each_attr(nest, info->nlhdr, GENL_HDRLEN, rem) {
		if (nla_type(nest) != LOCKSTEP_ATTR_PEER_VOLUME)
			continue;
		memset(&p, 0, sizeof(p));
		err = parse_peer_volume(info, nest, res, &p, &vol);
		if (err || vol->peer.valid) {
			snprintf(why, WHY_BYTES, "a volume's description is not valid");
			return err ?: -EINVAL;
		}
		vol->peer = p;
		nr++;
	}
	if (nr == res->nr_volumes)
		return 0;
	snprintf(why, WHY_BYTES, "%u of %u volumes are described", nr, res->nr_volumes);
	return -EINVAL;
}

static bool is_expected(const struct lockstep_volume *vol)
{
	bool primary = vol->res->state.role == LOCKSTEP_ROLE_PRIMARY;
	const struct lockstep_peer_volume *p = &vol->peer;

	return p->valid && p->expect_current == vol->meta.current_gen.id &&
	       p->expect_since == vol->meta.peer[LOCKSTEP_PEER].since.id &&
	       !((p->expect_flags ^ vol->meta.flags) & GEN_FLAGS) &&
	       vol->failed == !!(p->expect_flags & LOCKSTEP_FLAG_NO_DISK) &&
	       primary == !!(p->expect_flags & LOCKSTEP_FLAG_PRIMARY);
}

/* Is everything still as it was when the verdicts were made? */
static int check_expected(struct lockstep_resource *res, char *why)
{
	struct lockstep_volume *vol;
	int i;

	resource_for_each_volume(res, i, vol) {
		if (is_expected(vol))
			continue;
		snprintf(why, WHY_BYTES, "volume %d changed since the verdict: say hello again", i);
		return -EAGAIN;
	}
	return 0;
}

static int agree(struct lockstep_resource *res, char *why)
{
	struct lockstep_volume *vol;
	int i, err = 0;

	resource_for_each_volume(res, i, vol) {
		err = lockstep_volume_agree_locked(vol, why, WHY_BYTES);
		if (err)
			break;
	}
	return err;
}

static int check_loaded(struct lockstep_resource *res, char *why)
{
	struct lockstep_volume *vol;
	int i;

	resource_for_each_volume(res, i, vol) {
		if (!lockstep_bitmap_is_loading(vol))
			continue;
		snprintf(why, WHY_BYTES, "volume %d: its bitmap is being read", i);
		return -EAGAIN;
	}
	return 0;
}

/*
 * Before we say that we are ready, and so before the other side can give up its own copy: from then
 * on only our marks know what it lacks, also after a crash. And before the daemons exchange marks:
 * what the cache of either side may have lost becomes marks.
 */
static int mark_suspects(struct lockstep_resource *res, char *why)
{
	struct lockstep_volume *vol;
	u32 flags = 0;
	int i, err = 0;

	/* Who crashed did so with all volumes, whatever each one says (gengroup.h, G1). */
	resource_for_each_volume(res, i, vol)
		flags |= vol->meta.flags | vol->peer.flags;
	resource_for_each_volume(res, i, vol) {
		if (flags & LOCKSTEP_MF_UNCLEAN)
			lockstep_regions_to_marks(vol);
		/* A primary that copies from its source goes by its own marks. */
		if (vol->peer.verdict == GEN_TARGET_FULL &&
		    res->state.role == LOCKSTEP_ROLE_PRIMARY)
			lockstep_marks_fill(&vol->marks);
		if (vol->peer.verdict != GEN_SOURCE_FULL)
			continue;
		lockstep_marks_fill(&vol->marks);
		err = lockstep_bitmap_save(vol);
		if (!err)
			continue;
		snprintf(why, WHY_BYTES, "volume %d: writing metadata failed (error %d)", i, err);
		break;
	}
	return err;
}

/* The resync of one volume, by whoever orders the writes; the other side waits for it. */
static int begin_sync(struct lockstep_volume *vol, struct lockstep_session *s)
{
	if (vol->resync.sync != LOCKSTEP_SYNC_TARGET)
		return lockstep_resync_start_locked(vol, s);
	if (vol->res->state.role == LOCKSTEP_ROLE_PRIMARY && !vol->failed)
		return lockstep_resync_pull_locked(vol, s);
	return 0;
}

/*
 * Before the peer gives up anything for this session: a primary without a good copy works through a
 * peer that has one, or not at all.
 */
static int check_through(struct lockstep_resource *res, char *why)
{
	bool through = res->state.role == LOCKSTEP_ROLE_PRIMARY &&
		       res->state.copy != STATE_COPY_UP_TO_DATE;
	struct lockstep_volume *vol;
	int i;

	if (!through)
		return 0;
	resource_for_each_volume(res, i, vol) {
		if (gen_verdict_is_target(vol->peer.verdict))
			return 0;
	}
	snprintf(why, WHY_BYTES, "%s is primary without a good copy, and the peer has none",
		 res->name);
	return -EPERM;
}

static int session_open(struct genl_info *info, struct lockstep_resource *res, char *why)
{
	u64 id = get_u64(info, LOCKSTEP_ATTR_SESSION_ID);
	u64 epoch = get_u64(info, LOCKSTEP_ATTR_EPOCH);
	u32 peer_role = get_u32(info, LOCKSTEP_ATTR_PEER_ROLE, LOCKSTEP_ROLE_SECONDARY);
	struct lockstep_session *s;
	int err;

	if (!id || epoch <= res->epoch) {
		snprintf(why, WHY_BYTES, "epoch %llu is not above %llu, which was seen already",
			 epoch, res->epoch);
		return -ESTALE;
	}
	err = parse_peer_volumes(info, res, why) ?: check_loaded(res, why) ?:
	      check_expected(res, why) ?: check_through(res, why) ?:
	      lockstep_status_step_locked(res, STATE_EV_OPEN, peer_role, why, WHY_BYTES);
	if (err)
		return err;
	res->fence_round++;
	err = agree(res, why) ?: mark_suspects(res, why);
	if (err) {
		lockstep_status_step_locked(res, STATE_EV_LOST, 0, NULL, 0);
		return err;
	}
	s = lockstep_session_open_locked(res, id, epoch,
					 get_u64(info, LOCKSTEP_ATTR_PEER_BOOT_ID), peer_role,
					 get_u32(info, LOCKSTEP_ATTR_STREAMS, 1),
					 get_u32(info, LOCKSTEP_ATTR_TIMEOUT_MS, res->timeout_ms));
	if (!IS_ERR(s))
		return 0;
	lockstep_status_step_locked(res, STATE_EV_LOST, 0, NULL, 0);
	return PTR_ERR(s);
}

static int cmd_session_open(struct sk_buff *skb, struct genl_info *info)
{
	char *why = why_buffer();
	struct lockstep_resource *res;
	int err;

	res = lock_resource(info, &err);
	if (!res)
		return err;
	if (res->state.link != LOCKSTEP_LINK_DOWN) {
		snprintf(why, WHY_BYTES, "%s has a session already", res->name);
		err = -EBUSY;
	} else {
		err = session_open(info, res, why);
	}
	unlock_resource(res);
	return refused(info, err, why);
}

static struct lockstep_session *session_of(struct genl_info *info, struct lockstep_resource *res,
					   char *why)
{
	struct lockstep_session *s;

	s = rcu_dereference_protected(res->session, lockdep_is_held(&res->ctl));
	if (s && s->id == get_u64(info, LOCKSTEP_ATTR_SESSION_ID) && !atomic_read(&s->failed))
		return s;
	snprintf(why, WHY_BYTES, "%s has no such session", res->name);
	return NULL;
}

static int cmd_stream_add(struct sk_buff *skb, struct genl_info *info)
{
	char *why = why_buffer();
	struct lockstep_resource *res;
	struct lockstep_session *s;
	int err;

	err = need(info, LOCKSTEP_ATTR_STREAM) ?: need(info, LOCKSTEP_ATTR_FD);
	if (err)
		return err;
	res = lock_resource(info, &err);
	if (!res)
		return err;
	s = session_of(info, res, why);
	err = s ? lockstep_session_stream_locked(s, get_u32(info, LOCKSTEP_ATTR_STREAM, 0),
						 get_u32(info, LOCKSTEP_ATTR_FD, 0), why,
						 WHY_BYTES) : -ENOTCONN;
	unlock_resource(res);
	return refused(info, err, why);
}

/*
 * What the session means for the resource as a whole, since its volumes go together: one volume to
 * be copied makes it a source or a target, and the volumes that are equal go along with nothing to
 * copy.
 */
static int verdict_of(struct lockstep_resource *res, enum gen_verdict *ret, char *why)
{
	bool source = false, target = false;
	struct lockstep_volume *vol;
	int i;

	resource_for_each_volume(res, i, vol) {
		source |= gen_verdict_is_source(vol->peer.verdict);
		target |= gen_verdict_is_target(vol->peer.verdict);
	}
	*ret = source ? GEN_SOURCE : target ? GEN_TARGET : GEN_NONE;
	if (!source || !target)
		return 0;
	snprintf(why, WHY_BYTES, "%s: some volumes are newer here and some at the peer", res->name);
	return -EINVAL;
}

/*
 * Volumes that are equal in a resource that is not have no marks to exchange, so nobody will ask
 * for their start.
 */
static void start_unmarked(struct lockstep_resource *res, struct lockstep_session *s)
{
	struct lockstep_volume *vol;
	int i;

	resource_for_each_volume(res, i, vol)
		if (vol->peer.verdict == GEN_NONE)
			begin_sync(vol, s);
}

/* Does one side work through the other, and have we a disk in every volume? (state.h) */
static u32 through(struct lockstep_resource *res, const struct lockstep_session *s)
{
	bool ours = res->state.role == LOCKSTEP_ROLE_PRIMARY &&
		    res->state.copy != STATE_COPY_UP_TO_DATE;
	struct lockstep_volume *vol;
	u32 arg = ours ? STATE_START_THROUGH : 0;
	int i;

	resource_for_each_volume(res, i, vol) {
		if (vol->failed)
			arg |= STATE_START_NO_DISK;
		if (s->peer_role == LOCKSTEP_ROLE_PRIMARY &&
		    gen_verdict_is_source(vol->peer.verdict) &&
		    vol->peer.disk != LOCKSTEP_DISK_UP_TO_DATE)
			arg |= STATE_START_THROUGH;
	}
	return arg;
}

static int session_start(struct lockstep_resource *res, struct lockstep_session *s, char *why)
{
	enum gen_verdict verdict;
	int err, i;

	if (s->started)
		return -EALREADY;
	for (i = 0; i < s->nr_streams; i++)
		if (!s->stream[i]) {
			snprintf(why, WHY_BYTES, "stream %d is missing", i);
			return -ENOTCONN;
		}
	err = check_expected(res, why) ?: verdict_of(res, &verdict, why);
	if (err)
		return err;
	err = lockstep_status_step_locked(res, STATE_EV_START, STATE_START(verdict, s->peer_role) |
					  through(res, s), why, WHY_BYTES);
	/*
	 * Whoever still saw the old mode has marked what it writes when this returns: only now may
	 * marks be exchanged.
	 */
	synchronize_srcu(&res->mode_srcu);
	if (!err)
		start_unmarked(res, s);
	return err;
}

static int cmd_session_start(struct sk_buff *skb, struct genl_info *info)
{
	char *why = why_buffer();
	struct lockstep_resource *res;
	struct lockstep_session *s;
	int err;

	res = lock_resource(info, &err);
	if (!res)
		return err;
	s = session_of(info, res, why);
	err = s ? session_start(res, s, why) : -ENOTCONN;
	if (err && err != -EALREADY && s)
		lockstep_status_close_locked(res, why[0] ? why : "it could not be started");
	unlock_resource(res);
	return refused(info, err, why);
}

static int cmd_session_close(struct sk_buff *skb, struct genl_info *info)
{
	struct lockstep_resource *res;
	int err;

	res = lock_resource(info, &err);
	if (!res)
		return err;
	if (!info->attrs[LOCKSTEP_ATTR_SESSION_ID] ||
	    get_u64(info, LOCKSTEP_ATTR_SESSION_ID) == res->session_id)
		lockstep_status_close_locked(res, "closed here");
	unlock_resource(res);
	return 0;
}

/* ---- marks and resync ----------------------------------------------------------------------- */

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

static int marks_get(struct lockstep_volume *vol, struct genl_info *info, char *why)
{
	return lockstep_netlink_reply_marks(info, LOCKSTEP_CMD_MARKS_GET, &vol->marks,
					    get_u64(info, LOCKSTEP_ATTR_FIRST_BIT));
}

static int cmd_marks_get(struct sk_buff *skb, struct genl_info *info)
{
	return lockstep_netlink_for_volume(info, marks_get);
}

static int marks_merge(struct lockstep_volume *vol, struct genl_info *info, char *why)
{
	struct nlattr *runs = info->attrs[LOCKSTEP_ATTR_RUNS];
	int err;

	if (!session_of(info, vol->res, why))
		return -ENOTCONN;
	err = need(info, LOCKSTEP_ATTR_RUNS) ?: need(info, LOCKSTEP_ATTR_FIRST_BIT);
	if (err)
		return err;
	lockstep_bitmap_kick(vol);
	err = lockstep_marks_merge(&vol->marks, get_u64(info, LOCKSTEP_ATTR_FIRST_BIT),
				   nla_data(runs), nla_len(runs));
	if (err)
		snprintf(why, WHY_BYTES, "the runs of marks are malformed");
	return err;
}

static int cmd_marks_merge(struct sk_buff *skb, struct genl_info *info)
{
	return lockstep_netlink_for_volume(info, marks_merge);
}

static int sync_start(struct lockstep_volume *vol, struct genl_info *info, char *why)
{
	struct lockstep_resource *res = vol->res;
	struct lockstep_session *s;
	int err;

	/* By its number: in another one the marks of the two may not be united yet (P3). */
	s = session_of(info, res, why);
	if (!s)
		return -ENOTCONN;
	if (vol->resync.sync == LOCKSTEP_SYNC_NONE) {
		snprintf(why, WHY_BYTES, "volume %u is not being synchronised", vol->number);
		return -EINVAL;
	}
	err = begin_sync(vol, s);
	lockstep_report_event(res, vol, LOCKSTEP_EVENT_STATE);
	return err;
}

static int cmd_sync_start(struct sk_buff *skb, struct genl_info *info)
{
	return lockstep_netlink_for_volume(info, sync_start);
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
	{ .cmd = LOCKSTEP_CMD_SESSION_OPEN, .doit = cmd_session_open, .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_STREAM_ADD, .doit = cmd_stream_add, .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_SESSION_START, .doit = cmd_session_start, .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_SESSION_CLOSE, .doit = cmd_session_close, .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_MARKS_GET, .doit = cmd_marks_get, .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_MARKS_MERGE, .doit = cmd_marks_merge, .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_VOL_ATTACH, .doit = cmd_vol_attach, .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_VOL_DETACH, .doit = cmd_vol_detach, .flags = GENL_ADMIN_PERM },
	{ .cmd = LOCKSTEP_CMD_SYNC_START, .doit = cmd_sync_start, .flags = GENL_ADMIN_PERM },
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
