// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "lockstep: " fmt

#include "report.h"

#include <linux/delay.h>
#include <linux/jiffies.h>
#include <net/genetlink.h>
#include "netlink.h"
#include "resource.h"
#include "session.h"
#include "volume.h"

static struct genl_family *family;
static atomic64_t event_seq = ATOMIC64_INIT(0);

void lockstep_report_init(struct genl_family *f)
{
	family = f;
}

static int put_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, LOCKSTEP_ATTR_PAD);
}

static int put_wait(struct sk_buff *skb, struct lockstep_resource *res)
{
	const char *wait = lockstep_resource_waits(res);

	if (!wait && READ_ONCE(res->state.unfenced))
		wait = "the outcome of fencing the peer";
	if (!wait && READ_ONCE(res->by_open.wanted))
		wait = "the peer, to be promoted for somebody who opens it for writing";
	return wait ? nla_put_string(skb, LOCKSTEP_ATTR_WAIT, wait) : 0;
}

/* What may be read without ctl: a stuck resource must still say why it is stuck (P10). */
static int put_resource(struct sk_buff *skb, struct lockstep_resource *res)
{
	struct lockstep_state s = res->state;
	struct lockstep_session *session;
	u32 streams = 0;
	int idx;

	idx = srcu_read_lock(&res->mode_srcu);
	session = srcu_dereference(res->session, &res->mode_srcu);
	if (session)
		streams = session->nr_streams;
	srcu_read_unlock(&res->mode_srcu, idx);
	if (nla_put_string(skb, LOCKSTEP_ATTR_RES_NAME, res->name) ||
	    nla_put_u32(skb, LOCKSTEP_ATTR_NODE_ID, res->node_id) ||
	    nla_put_string(skb, LOCKSTEP_ATTR_NODE_NAME, res->node_name) ||
	    nla_put_u32(skb, LOCKSTEP_ATTR_PEER_NODE_ID, res->peer_node_id) ||
	    nla_put_string(skb, LOCKSTEP_ATTR_PEER_NAME, res->peer_name) ||
	    nla_put_u32(skb, LOCKSTEP_ATTR_TIMEOUT_MS, res->timeout_ms) ||
	    nla_put_u32(skb, LOCKSTEP_ATTR_PING_MS, res->ping_ms) ||
	    nla_put_u32(skb, LOCKSTEP_ATTR_DISK_TIMEOUT_MS, res->disk_timeout_ms) ||
	    nla_put_u32(skb, LOCKSTEP_ATTR_ROLE, s.role) ||
	    nla_put_u32(skb, LOCKSTEP_ATTR_PEER_ROLE, s.peer_role) ||
	    nla_put_u32(skb, LOCKSTEP_ATTR_LINK, s.link) ||
	    nla_put_u32(skb, LOCKSTEP_ATTR_IO_MODE, READ_ONCE(res->io_mode)) ||
	    put_u64(skb, LOCKSTEP_ATTR_SESSION_ID, res->session_id) ||
	    put_u64(skb, LOCKSTEP_ATTR_EPOCH, res->epoch) ||
	    put_u64(skb, LOCKSTEP_ATTR_BOOT_ID, lockstep_boot_id) ||
	    put_u64(skb, LOCKSTEP_ATTR_PEER_BOOT_ID, res->peer_boot_id) ||
	    nla_put_u32(skb, LOCKSTEP_ATTR_STREAMS, streams) ||
	    nla_put_u32(skb, LOCKSTEP_ATTR_NR_VOLUMES, res->nr_volumes) ||
	    nla_put_u32(skb, LOCKSTEP_ATTR_HELD, READ_ONCE(res->nr_held)) ||
	    put_wait(skb, res))
		return -EMSGSIZE;
	if (nla_put_u32(skb, LOCKSTEP_ATTR_FENCING, READ_ONCE(res->fencing)) ||
	    nla_put_u32(skb, LOCKSTEP_ATTR_FENCE_ROUND, READ_ONCE(res->fence_round)) ||
	    (s.unfenced && nla_put_flag(skb, LOCKSTEP_ATTR_UNFENCED)) ||
	    nla_put_u32(skb, LOCKSTEP_ATTR_AUTO_PROMOTE, READ_ONCE(res->by_open.on)) ||
	    (s.automatic && s.role == LOCKSTEP_ROLE_PRIMARY &&
	     nla_put_flag(skb, LOCKSTEP_ATTR_AUTOMATIC)))
		return -EMSGSIZE;
	if (res->lost_why[0] && nla_put_string(skb, LOCKSTEP_ATTR_LINK_LOST, res->lost_why))
		return -EMSGSIZE;
	return 0;
}

static int put_generations(struct sk_buff *skb, const struct meta *m)
{
	u64 history[LOCKSTEP_HISTORY];
	u32 i, nr = min_t(u32, m->history_nr, LOCKSTEP_HISTORY);

	for (i = 0; i < nr; i++)
		history[i] = m->history[i].id;
	if (put_u64(skb, LOCKSTEP_ATTR_GEN_CURRENT, m->current_gen.id) ||
	    put_u64(skb, LOCKSTEP_ATTR_GEN_NR, m->current_gen.nr) ||
	    put_u64(skb, LOCKSTEP_ATTR_GEN_SINCE, m->peer[LOCKSTEP_PEER].since.id) ||
	    nla_put(skb, LOCKSTEP_ATTR_GEN_HISTORY, nr * sizeof(u64), history) ||
	    nla_put_u32(skb, LOCKSTEP_ATTR_FLAGS, m->flags) ||
	    put_u64(skb, LOCKSTEP_ATTR_LAST_BOOT_ID, m->peer[LOCKSTEP_PEER].boot_id) ||
	    put_u64(skb, LOCKSTEP_ATTR_META_SEQ, m->sequence) ||
	    put_u64(skb, LOCKSTEP_ATTR_WRITTEN_S, m->written_s) ||
	    put_u64(skb, LOCKSTEP_ATTR_PRIMARY_S, m->primary_s))
		return -EMSGSIZE;
	return 0;
}

static int put_counters(struct sk_buff *skb, struct lockstep_volume *vol)
{
	if (nla_put_u32(skb, LOCKSTEP_ATTR_IN_FLIGHT, atomic_read(&vol->in_flight)) ||
	    put_u64(skb, LOCKSTEP_ATTR_READS, atomic64_read(&vol->reads)) ||
	    put_u64(skb, LOCKSTEP_ATTR_READ_SECT, atomic64_read(&vol->read_sect)) ||
	    put_u64(skb, LOCKSTEP_ATTR_WRITES, atomic64_read(&vol->writes)) ||
	    put_u64(skb, LOCKSTEP_ATTR_WRITE_SECT, atomic64_read(&vol->write_sect)) ||
	    put_u64(skb, LOCKSTEP_ATTR_WRITE_S, READ_ONCE(vol->write_s)) ||
	    put_u64(skb, LOCKSTEP_ATTR_PEER_WRITES, atomic64_read(&vol->peer_writes)) ||
	    put_u64(skb, LOCKSTEP_ATTR_PEER_WRITE_SECT, atomic64_read(&vol->peer_write_sect)) ||
	    put_u64(skb, LOCKSTEP_ATTR_RESYNC_SECT, atomic64_read(&vol->resync_sect)) ||
	    put_u64(skb, LOCKSTEP_ATTR_READ_ERRORS, atomic64_read(&vol->read_errors)) ||
	    put_u64(skb, LOCKSTEP_ATTR_WRITE_ERRORS, atomic64_read(&vol->write_errors)) ||
	    put_u64(skb, LOCKSTEP_ATTR_REPAIRS, atomic64_read(&vol->repairs)) ||
	    nla_put_u32(skb, LOCKSTEP_ATTR_STUCK,
			atomic_read(&vol->stuck) + lockstep_volume_strays(vol)))
		return -EMSGSIZE;
	return vol->disk_why[0] ? nla_put_string(skb, LOCKSTEP_ATTR_DISK_WHY, vol->disk_why) : 0;
}

static int put_sync(struct sk_buff *skb, struct lockstep_volume *vol)
{
	const struct lockstep_resync *rs = &vol->resync;
	/* Before the weight: what is read to its end in between would pass for all there is. */
	bool here = lockstep_resync_is_here(vol), loading = lockstep_bitmap_is_loading(vol);
	u64 ms = here ? jiffies_to_msecs(jiffies - rs->began) : 0;
	u64 left = lockstep_marks_weight(&vol->marks), rate = here ? READ_ONCE(rs->rate) : 0;

	if (nla_put_u32(skb, LOCKSTEP_ATTR_SYNC, rs->sync) ||
	    (loading && nla_put_flag(skb, LOCKSTEP_ATTR_LOADING)) ||
	    put_u64(skb, LOCKSTEP_ATTR_DIRTY_REGIONS, lockstep_regions_weight(vol)) ||
	    put_u64(skb, LOCKSTEP_ATTR_OOS_BITS, left) ||
	    put_u64(skb, LOCKSTEP_ATTR_SYNC_TOTAL_BITS, rs->total_bits) ||
	    put_u64(skb, LOCKSTEP_ATTR_SYNC_MS, ms) ||
	    put_u64(skb, LOCKSTEP_ATTR_SYNC_COMPARED_BITS, atomic64_read(&rs->compared_bits)) ||
	    put_u64(skb, LOCKSTEP_ATTR_SYNC_COPIED_BITS, atomic64_read(&rs->copied_bits)) ||
	    put_u64(skb, LOCKSTEP_ATTR_SYNC_ERROR_BITS,
		    here ? atomic64_read(&rs->bad_bits) : 0) ||
	    put_u64(skb, LOCKSTEP_ATTR_SYNC_RATE, rate) ||
	    (rate && put_u64(skb, LOCKSTEP_ATTR_SYNC_LEFT_MS,
			     div64_u64(left * LOCKSTEP_BIT_BYTES, rate) * MSEC_PER_SEC)))
		return -EMSGSIZE;
	return 0;
}

static int put_verify(struct sk_buff *skb, struct lockstep_volume *vol)
{
	const struct lockstep_verify *vf = &vol->verify;

	if (nla_put_u32(skb, LOCKSTEP_ATTR_VERIFY, vf->state) ||
	    put_u64(skb, LOCKSTEP_ATTR_VERIFY_FIRST_BIT, vf->first_bit) ||
	    put_u64(skb, LOCKSTEP_ATTR_VERIFY_BIT, lockstep_verify_position(vol)) ||
	    put_u64(skb, LOCKSTEP_ATTR_VERIFY_END_BIT, vf->end_bit) ||
	    put_u64(skb, LOCKSTEP_ATTR_VERIFY_BAD_BITS, atomic64_read(&vf->bad_bits)) ||
	    put_u64(skb, LOCKSTEP_ATTR_VERIFY_REPAIRED_BITS, atomic64_read(&vf->repaired_bits)) ||
	    (vf->repair && nla_put_flag(skb, LOCKSTEP_ATTR_REPAIR)))
		return -EMSGSIZE;
	return 0;
}

static int put_backing(struct sk_buff *skb, struct lockstep_volume *vol)
{
	const struct lockstep_limits *l = &vol->local;
	int err;

	if (nla_put_u32(skb, LOCKSTEP_ATTR_MINOR, vol->minor) ||
	    nla_put_string(skb, LOCKSTEP_ATTR_BACKING, vol->backing) ||
	    (vol->meta_path[0] && nla_put_string(skb, LOCKSTEP_ATTR_META, vol->meta_path)) ||
	    nla_put_u32(skb, LOCKSTEP_ATTR_DISK, lockstep_volume_disk(vol)) ||
	    nla_put_u32(skb, LOCKSTEP_ATTR_PEER_DISK, vol->peer.valid ? vol->peer.disk : 0) ||
	    put_u64(skb, LOCKSTEP_ATTR_DATA_SECT, vol->meta.data_sect) ||
	    put_u64(skb, LOCKSTEP_ATTR_DATA_MAX_SECT, vol->data_max_sect) ||
	    put_u64(skb, LOCKSTEP_ATTR_DEVICE_SECT, vol->meta.device_sect) ||
	    nla_put_u32(skb, LOCKSTEP_ATTR_LOGICAL_BYTES,
			max(l->logical_bytes, vol->meta.block_bytes)) ||
	    nla_put_u32(skb, LOCKSTEP_ATTR_PHYSICAL_BYTES, l->physical_bytes) ||
	    nla_put_u32(skb, LOCKSTEP_ATTR_MAX_IO_BYTES, l->max_io_bytes) ||
	    nla_put_u32(skb, LOCKSTEP_ATTR_CAPS, l->caps))
		return -EMSGSIZE;
	mutex_lock(&vol->open_lock);
	err = nla_put_u32(skb, LOCKSTEP_ATTR_OPENERS, vol->openers);
	if (!err && vol->openers)
		err = nla_put_string(skb, LOCKSTEP_ATTR_OPENER, vol->opener);
	mutex_unlock(&vol->open_lock);
	return err;
}

static int put_volume(struct sk_buff *skb, struct lockstep_volume *vol)
{
	if (nla_put_string(skb, LOCKSTEP_ATTR_RES_NAME, vol->res->name) ||
	    nla_put_u32(skb, LOCKSTEP_ATTR_VOLUME, vol->number) || put_backing(skb, vol) ||
	    put_sync(skb, vol) || put_verify(skb, vol) || put_generations(skb, &vol->meta) ||
	    put_counters(skb, vol))
		return -EMSGSIZE;
	return 0;
}

/* ---- events --------------------------------------------------------------------------------- */

static int fill_event(struct sk_buff *skb, struct lockstep_resource *res,
		      struct lockstep_volume *vol, enum lockstep_event event)
{
	void *hdr = genlmsg_put(skb, 0, 0, family, 0, LOCKSTEP_CMD_EVENT);

	if (!hdr || nla_put_u32(skb, LOCKSTEP_ATTR_EVENT, event) ||
	    put_u64(skb, LOCKSTEP_ATTR_SEQ, atomic64_inc_return(&event_seq)) ||
	    (vol ? put_volume(skb, vol) : put_resource(skb, res)))
		return -EMSGSIZE;
	genlmsg_end(skb, hdr);
	return 0;
}

void lockstep_report_event(struct lockstep_resource *res, struct lockstep_volume *vol,
			   enum lockstep_event event)
{
	struct sk_buff *skb = genlmsg_new(NLMSG_GOODSIZE, GFP_NOIO);

	if (!skb)
		return;
	if (fill_event(skb, res, vol, event)) {
		nlmsg_free(skb);
		return;
	}
	genlmsg_multicast_netns(family, res->net, skb, 0, 0, GFP_NOIO);
}

/* ---- dump ----------------------------------------------------------------------------------- */

static void *begin(struct sk_buff *skb, struct netlink_callback *cb)
{
	return genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, family, NLM_F_MULTI,
			   LOCKSTEP_CMD_STATUS_GET);
}

static int dump_one(struct sk_buff *skb, struct netlink_callback *cb, struct lockstep_resource *res,
		    struct lockstep_volume *vol)
{
	void *hdr = begin(skb, cb);

	if (!hdr)
		return -EMSGSIZE;
	if (vol ? put_volume(skb, vol) : put_resource(skb, res)) {
		genlmsg_cancel(skb, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, hdr);
	return 0;
}

/*
 * Volumes come and go under ctl; a command that holds it for long costs the volumes' part, not the
 * answer.
 */
static bool lock_for_a_moment(struct lockstep_resource *res)
{
	int i;

	for (i = 0; i < 20; i++) {
		if (mutex_trylock(&res->ctl))
			return true;
		msleep(10);
	}
	return false;
}

/* args[1]: next volume + 1, 0: the resource's own message is still to come. */
static int dump_resource(struct sk_buff *skb, struct netlink_callback *cb,
			 struct lockstep_resource *res)
{
	bool locked = lock_for_a_moment(res);
	int err = 0;

	if (!cb->args[1]) {
		err = dump_one(skb, cb, res, NULL);
		if (!err)
			cb->args[1] = 1;
	}
	for (; locked && !err && cb->args[1] <= LOCKSTEP_MAX_VOLUMES; cb->args[1]++) {
		if (!res->volume[cb->args[1] - 1])
			continue;
		err = dump_one(skb, cb, res, res->volume[cb->args[1] - 1]);
		if (err)
			break;
	}
	if (locked)
		mutex_unlock(&res->ctl);
	return err;
}

static struct lockstep_resource *nth(const struct net *net, long n)
{
	struct lockstep_resource *res, *found = NULL;

	mutex_lock(&lockstep_resources_lock);
	list_for_each_entry(res, &lockstep_resources, node) {
		if (res->net == net && !n--) {
			kref_get(&res->ref);
			found = res;
			break;
		}
	}
	mutex_unlock(&lockstep_resources_lock);
	return found;
}

int lockstep_report_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct nlattr *attrs[LOCKSTEP_ATTR_MAX + 1];
	struct lockstep_resource *res;
	const char *only = NULL;
	int err;

	err = lockstep_netlink_parse(cb->nlh, attrs, cb->extack);
	if (err)
		return err;
	if (attrs[LOCKSTEP_ATTR_RES_NAME])
		only = nla_data(attrs[LOCKSTEP_ATTR_RES_NAME]);
	while ((res = nth(sock_net(skb->sk), cb->args[0]))) {
		err = only && strcmp(only, res->name) ? 0 : dump_resource(skb, cb, res);
		lockstep_resource_put(res);
		if (err)
			break;
		cb->args[0]++;
		cb->args[1] = 0;
	}
	return skb->len;
}
