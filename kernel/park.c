// SPDX-License-Identifier: GPL-2.0
/*
 * What cannot complete yet; request.h says why and until when. A request is on the list of orphans
 * while `parked` is not 0; both belong to io_lock. A parked part still counts in `pending`.
 */
#include "write.h"

#include <linux/blkdev.h>
#include <linux/net.h>
#include "resource.h"
#include "session.h"
#include "volume.h"

/*
 * The local part has ended without a result that counts. If this primary works through its peer
 * already, the peer has noted so, and no more is to be waited for; looked at under io_lock, where
 * lockstep_request_resend() sets it before it collects the orphans: none is left behind.
 */
void lockstep_park_local(struct lockstep_request *req)
{
	struct lockstep_resource *res = req->vol->res;
	unsigned long flags;
	bool through;

	spin_lock_irqsave(&res->io_lock, flags);
	through = res->through && READ_ONCE(req->vol->failed);
	if (!through) {
		if (!req->parked)
			list_add_tail(&req->orphan, &res->orphans);
		req->parked |= PARK_LOCAL;
	}
	spin_unlock_irqrestore(&res->io_lock, flags);
	if (!through)
		return;
	req->status = BLK_STS_OK;
	lockstep_write_put(req);
}

/*
 * The session ended with this one unanswered: it may be on the peer's disk or not. Marked now, and
 * kept from completing: the marks of the orphans are what the narrowed generation is about (P3,
 * P4). Not by a primary without a good copy, whose marks would say that the peer lacks something:
 * it sends it again.
 */
void lockstep_park_peer(struct lockstep_request *req)
{
	struct lockstep_resource *res = req->vol->res;

	if (READ_ONCE(res->state.copy) == STATE_COPY_UP_TO_DATE)
		lockstep_write_mark(req);
	spin_lock_irq(&res->io_lock);
	if (!req->parked)
		list_add_tail(&req->orphan, &res->orphans);
	req->parked |= PARK_PEER;
	spin_unlock_irq(&res->io_lock);
}

/* The parts that are parked end, with what status the request has. */
static void unpark(struct lockstep_request *req, u8 parked)
{
	if (parked & PARK_LOCAL && parked & PARK_PEER)
		atomic_dec(&req->pending);
	lockstep_write_put(req);
}

void lockstep_park_end(struct list_head *orphans)
{
	struct lockstep_request *req, *tmp;
	u8 parked;

	list_for_each_entry_safe(req, tmp, orphans, orphan) {
		list_del_init(&req->orphan);
		parked = req->parked;
		req->parked = 0;
		unpark(req, parked);
	}
}

/*
 * The peer has noted that it is the only copy. What the failed disk took with it is on the peer's
 * already, or goes there again.
 */
static void resend(struct lockstep_request *req, struct lockstep_session *s)
{
	u8 parked = req->parked;

	req->parked = 0;
	if (parked & PARK_LOCAL)
		req->status = BLK_STS_OK;
	if (parked & PARK_PEER)
		lockstep_write_send(req, s);
	if (parked & PARK_LOCAL)
		lockstep_write_put(req);
}

void lockstep_request_resend(struct lockstep_resource *res)
{
	struct lockstep_request *req, *tmp;
	struct lockstep_session *s;
	LIST_HEAD(orphans);
	int idx;

	lockdep_assert_held(&res->ctl);
	spin_lock_irq(&res->io_lock);
	res->through = true;
	list_splice_init(&res->orphans, &orphans);
	spin_unlock_irq(&res->io_lock);
	idx = srcu_read_lock(&res->mode_srcu);
	s = srcu_dereference(res->session, &res->mode_srcu);
	list_for_each_entry_safe(req, tmp, &orphans, orphan) {
		list_del_init(&req->orphan);
		resend(req, s);
	}
	srcu_read_unlock(&res->mode_srcu, idx);
}

/* ---- a disk that fails ---------------------------------------------------------------------- */

static void for_each_page(const struct bio *bio, void (*fn)(struct page *page))
{
	const struct bio_vec *bv = bio->bi_io_vec;
	u32 i, at;

	for (i = 0; i < bio->bi_vcnt; i++)
		for (at = round_down(bv[i].bv_offset, PAGE_SIZE);
		     at < bv[i].bv_offset + bv[i].bv_len; at += PAGE_SIZE)
			/* What the slab owns is not counted; a disk may read it in vain. */
			if (sendpage_ok(bv[i].bv_page + at / PAGE_SIZE))
				fn(bv[i].bv_page + at / PAGE_SIZE);
}

static void hold_page(struct page *page)
{
	get_page(page);
}

static void drop_page(struct page *page)
{
	put_page(page);
}

/* Its disk was given up long ago; nobody waits for this. */
void lockstep_park_late(struct lockstep_request *req)
{
	struct lockstep_volume *vol = req->vol;

	for_each_page(&req->clone, drop_page);
	atomic_dec(&vol->stuck);
	lockstep_write_put_memory(req);
	percpu_ref_put(&vol->disk_ref);
}

/*
 * Under the bucket's or the io lock, so that the request is there. The pages are held before the
 * state changes: whoever finds it changed drops them.
 */
static bool take_from_disk(struct lockstep_request *req)
{
	if (req->alone || req->shared || atomic_read(&req->local) != LOCAL_PENDING)
		return false;
	for_each_page(&req->clone, hold_page);
	atomic_inc(&req->holders);
	atomic_inc(&req->vol->stuck);
	if (atomic_cmpxchg(&req->local, LOCAL_PENDING, LOCAL_ABANDONED) == LOCAL_PENDING)
		return true;
	for_each_page(&req->clone, drop_page);
	atomic_dec(&req->holders);
	atomic_dec(&req->vol->stuck);
	return false;
}

static void collect_range(struct lockstep_range *r, void *ctx)
{
	struct lockstep_request *req = lockstep_write_of_range(r);
	struct list_head *list = ctx;

	if (req && take_from_disk(req))
		list_add_tail(&req->flush_node, list);
}

static void collect_flushes(struct lockstep_volume *vol, struct list_head *list)
{
	struct lockstep_resource *res = vol->res;
	struct lockstep_request *req, *tmp;

	spin_lock_irq(&res->io_lock);
	list_for_each_entry_safe(req, tmp, &vol->flushes, flush_node)
		if (take_from_disk(req))
			list_move_tail(&req->flush_node, list);
	spin_unlock_irq(&res->io_lock);
}

void lockstep_request_abandon(struct lockstep_volume *vol)
{
	struct lockstep_request *req, *tmp;
	LIST_HEAD(list);

	lockdep_assert_held(&vol->res->ctl);
	lockstep_ranges_walk(&vol->ranges, collect_range, &list);
	collect_flushes(vol, &list);
	list_for_each_entry_safe(req, tmp, &list, flush_node) {
		list_del_init(&req->flush_node);
		lockstep_park_local(req);
	}
}

static void splice_local(struct lockstep_volume *vol, struct list_head *list)
{
	struct lockstep_resource *res = vol->res;
	struct lockstep_request *req, *tmp;

	spin_lock_irq(&res->io_lock);
	list_for_each_entry_safe(req, tmp, &res->orphans, orphan) {
		if (req->vol != vol || !(req->parked & PARK_LOCAL))
			continue;
		req->parked &= ~PARK_LOCAL;
		if (req->parked)
			atomic_dec(&req->pending);	/* the peer's part is still out */
		else
			list_move_tail(&req->orphan, list);
	}
	spin_unlock_irq(&res->io_lock);
}

void lockstep_request_fail_local(struct lockstep_volume *vol)
{
	struct lockstep_request *req, *tmp;
	LIST_HEAD(list);

	splice_local(vol, &list);
	list_for_each_entry_safe(req, tmp, &list, orphan) {
		list_del_init(&req->orphan);
		lockstep_write_put(req);
	}
}

void lockstep_request_fail_held(struct lockstep_resource *res)
{
	struct lockstep_request *req;
	struct lockstep_waiter *w, *tmp;
	LIST_HEAD(orphans);
	LIST_HEAD(held);

	spin_lock_irq(&res->io_lock);
	list_splice_init(&res->orphans, &orphans);
	list_splice_init(&res->held, &held);
	res->nr_held = 0;
	spin_unlock_irq(&res->io_lock);
	list_for_each_entry(req, &orphans, orphan)
		req->status = BLK_STS_IOERR;
	lockstep_park_end(&orphans);
	list_for_each_entry_safe(w, tmp, &held, node) {
		list_del_init(&w->node);
		req = lockstep_write_of_waiter(w);
		if (req)
			lockstep_write_refuse(req);
		else
			w->go(w);
	}
}

struct overdue {
	unsigned long before;		/* jiffies */
	bool any;
};

static void look_overdue(struct lockstep_request *req, struct overdue *o)
{
	o->any |= atomic_read(&req->local) == LOCAL_PENDING &&
		  time_before(READ_ONCE(req->local_start), o->before);
}

static void look_overdue_range(struct lockstep_range *r, void *ctx)
{
	struct lockstep_request *req = lockstep_write_of_range(r);

	if (req)
		look_overdue(req, ctx);
}

bool lockstep_request_is_overdue(struct lockstep_volume *vol, u32 ms)
{
	struct overdue o = { .before = jiffies - msecs_to_jiffies(ms) };
	struct lockstep_request *req;

	lockstep_ranges_walk(&vol->ranges, look_overdue_range, &o);
	spin_lock_irq(&vol->res->io_lock);
	list_for_each_entry(req, &vol->flushes, flush_node)
		look_overdue(req, &o);
	spin_unlock_irq(&vol->res->io_lock);
	return o.any;
}
