// SPDX-License-Identifier: GPL-2.0
/*
 * How the daemons make a session, step by step, and what they exchange of marks in it. What was
 * agreed upon outside is checked here once more, under ctl: it may have been true then only.
 */
#define pr_fmt(fmt) "lockstep: " fmt

#include <lockstep/wire.h>
#include "bitmapio.h"
#include "gen.h"
#include "netlink-cmd.h"
#include "report.h"
#include "session.h"
#include "status.h"
#include "volume.h"

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

int lockstep_cmd_session_open(struct sk_buff *skb, struct genl_info *info)
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
		if (err)
			lockstep_status_forget_peer_locked(res);
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

int lockstep_cmd_stream_add(struct sk_buff *skb, struct genl_info *info)
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

int lockstep_cmd_session_start(struct sk_buff *skb, struct genl_info *info)
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

int lockstep_cmd_session_close(struct sk_buff *skb, struct genl_info *info)
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

static int marks_get(struct lockstep_volume *vol, struct genl_info *info, char *why)
{
	return lockstep_netlink_reply_marks(info, LOCKSTEP_CMD_MARKS_GET, &vol->marks,
					    get_u64(info, LOCKSTEP_ATTR_FIRST_BIT));
}

int lockstep_cmd_marks_get(struct sk_buff *skb, struct genl_info *info)
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

int lockstep_cmd_marks_merge(struct sk_buff *skb, struct genl_info *info)
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

int lockstep_cmd_sync_start(struct sk_buff *skb, struct genl_info *info)
{
	return lockstep_netlink_for_volume(info, sync_start);
}
