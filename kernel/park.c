// SPDX-License-Identifier: GPL-2.0
/*
 * What cannot complete yet; request.h says why and until when. A request is on the list of orphans
 * while `parked` is not 0; both belong to io_lock. A parked part still counts in `pending`.
 */
#include "write.h"

#include <linux/blkdev.h>
#include <linux/net.h>
#include "orphan.h"
#include "resource.h"
#include "session.h"
#include "volume.h"

static void park_locked(struct lockstep_request *req, u8 part)
{
	lockdep_assert_held(&req->vol->res->io_lock);
	if (!req->parked)
		list_add_tail(&req->orphan, &req->vol->res->orphans);
	req->parked |= part;
}

/*
 * Off the list, whichever it is on by now, and nothing parked any more: in one step, so that a part
 * that is parked meanwhile either is seen or puts it back on the list of orphans.
 */
static struct lockstep_request *pop(struct lockstep_resource *res, struct list_head *list,
				    u8 *ret_parked)
{
	struct lockstep_request *req;

	spin_lock_irq(&res->io_lock);
	req = list_first_entry_or_null(list, struct lockstep_request, orphan);
	if (req) {
		list_del_init(&req->orphan);
		*ret_parked = req->parked;
		req->parked = 0;
	}
	spin_unlock_irq(&res->io_lock);
	return req;
}

/*
 * To the peer, in a session in which that has noted to be the only copy and marks what it writes:
 * its answer comes after that, so what completes by it is where it is known to be (P4). Also what
 * the peer had acknowledged in the session before, when it had noted nothing.
 *
 * With a disk attached again the write is still not on it: marked here, for the resync that this
 * side runs, which waits for the range; and never cleared by this request.
 */
static void resend(struct lockstep_request *req, u8 parked, struct lockstep_session *s)
{
	bool called = parked == PARK_LOCAL && req->call_epoch == s->epoch;

	req->resent = true;
	if (parked & PARK_LOCAL)
		req->status = BLK_STS_OK;
	if (!READ_ONCE(req->vol->failed))
		lockstep_write_mark(req);
	/* Made in this session, before we came by, and not to be made twice: core/orphan.h. */
	if (called) {
		lockstep_write_put(req);
		return;
	}
	/* One part is left of what was parked: the answer. */
	if (parked == (PARK_LOCAL | PARK_PEER))
		atomic_dec(&req->pending);
	lockstep_write_send(req, s);
}

/* A worker's: parked after the orphans were sent again. */
static void resume(struct lockstep_waiter *w)
{
	struct lockstep_request *req = container_of(w, struct lockstep_request, wait);
	struct lockstep_resource *res = req->vol->res;
	struct lockstep_session *s;
	int idx;

	idx = srcu_read_lock(&res->mode_srcu);
	spin_lock_irq(&res->io_lock);
	s = res->through_epoch ? srcu_dereference(res->session, &res->mode_srcu) : NULL;
	if (!s)
		park_locked(req, PARK_LOCAL);
	spin_unlock_irq(&res->io_lock);
	if (s)
		resend(req, PARK_LOCAL, s);
	srcu_read_unlock(&res->mode_srcu, idx);
}

/* Under io_lock, under which it changes whether we work through the peer, and what is parked. */
static enum orphan_next next_of(const struct lockstep_request *req)
{
	struct orphan_facts f = {
		.through_epoch = req->vol->res->through_epoch,
		.call_epoch = READ_ONCE(req->call_epoch),
		.resent = req->resent,
		.given_up = READ_ONCE(req->vol->failed),
		.parked = req->parked,
	};

	return orphan_next(&f);
}

/* The local part has ended without a result that counts: core/orphan.h. */
void lockstep_park_local(struct lockstep_request *req)
{
	struct lockstep_resource *res = req->vol->res;
	enum orphan_next next;
	unsigned long flags;

	spin_lock_irqsave(&res->io_lock, flags);
	next = next_of(req);
	if (next == ORPHAN_PARK)
		park_locked(req, PARK_LOCAL);
	spin_unlock_irqrestore(&res->io_lock, flags);
	if (next == ORPHAN_SETTLE) {
		req->status = BLK_STS_OK;
		lockstep_write_put(req);
	} else if (next == ORPHAN_SEND) {
		req->wait.go = resume;
		lockstep_request_defer(res, &req->wait);
	}
}

/*
 * The session ended with this one unanswered: it may be on the peer's disk or not. Marked now, and
 * kept from completing: the marks of the orphans are what the narrowed generation is about (P3,
 * P4). By a primary that has a disk again and copies from its peer, too, though it sends it again:
 * the mark costs it a copy; and that copying may be done at this moment, with a copy that is good
 * from then on, and narrows. A disk that was given up has no map that counts.
 */
void lockstep_park_peer(struct lockstep_request *req)
{
	struct lockstep_resource *res = req->vol->res;

	if (!READ_ONCE(req->vol->failed))
		lockstep_write_mark(req);
	spin_lock_irq(&res->io_lock);
	park_locked(req, PARK_PEER);
	spin_unlock_irq(&res->io_lock);
}

/* The parts that are parked end, with what status the request has. */
static void unpark(struct lockstep_request *req, u8 parked)
{
	if (parked & PARK_LOCAL && parked & PARK_PEER)
		atomic_dec(&req->pending);
	lockstep_write_put(req);
}

void lockstep_park_end(struct lockstep_resource *res, struct list_head *orphans)
{
	struct lockstep_request *req;
	u8 parked;

	while ((req = pop(res, orphans, &parked)))
		unpark(req, parked);
}

/*
 * The set was never narrowed, and the peer is back: as if the session had not ended. It is marked
 * since it was parked, and the mark goes when both have it. A local part that failed meanwhile
 * stays parked: its report is on the way.
 */
static void send_again(struct lockstep_request *req, u8 parked, struct lockstep_session *s)
{
	if (parked & PARK_LOCAL) {
		spin_lock_irq(&req->vol->res->io_lock);
		park_locked(req, PARK_LOCAL);
		spin_unlock_irq(&req->vol->res->io_lock);
	}
	if (parked & PARK_PEER)
		lockstep_write_send(req, s);
}

void lockstep_request_resend(struct lockstep_resource *res)
{
	bool through = res->state.copy != STATE_COPY_UP_TO_DATE;
	struct lockstep_request *req;
	struct lockstep_session *s;
	LIST_HEAD(orphans);
	u8 parked;
	int idx;

	lockdep_assert_held(&res->ctl);
	spin_lock_irq(&res->io_lock);
	s = rcu_dereference_protected(res->session, lockdep_is_held(&res->ctl));
	res->through_epoch = through && s ? s->epoch : 0;
	list_splice_init(&res->orphans, &orphans);
	spin_unlock_irq(&res->io_lock);
	idx = srcu_read_lock(&res->mode_srcu);
	while ((req = pop(res, &orphans, &parked)))
		if (through)
			resend(req, parked, s);
		else
			send_again(req, parked, s);
	srcu_read_unlock(&res->mode_srcu, idx);
}

/* ---- a disk that fails ---------------------------------------------------------------------- */

/* What the slab owns is not counted: then none are held, and the disk may read it in vain. */
static bool are_countable(const struct bio_vec *bv, u32 nr)
{
	u32 i, at;

	for (i = 0; i < nr; i++)
		for (at = 0; at < bv[i].bv_offset + bv[i].bv_len; at += PAGE_SIZE)
			if (!sendpage_ok(bv[i].bv_page + at / PAGE_SIZE))
				return false;
	return true;
}

static void hold_pages(struct lockstep_request *req)
{
	const struct bio_vec *bv = req->clone.bi_io_vec;
	u32 i, at;

	req->holds_pages = are_countable(bv, req->nr_vecs);
	for (i = 0; req->holds_pages && i < req->nr_vecs; i++)
		for (at = 0; at < bv[i].bv_offset + bv[i].bv_len; at += PAGE_SIZE)
			get_page(bv[i].bv_page + at / PAGE_SIZE);
}

static void drop_pages(struct lockstep_request *req)
{
	const struct bio_vec *bv = req->clone.bi_io_vec;
	u32 i, at;

	for (i = 0; req->holds_pages && i < req->nr_vecs; i++)
		for (at = 0; at < bv[i].bv_offset + bv[i].bv_len; at += PAGE_SIZE)
			put_page(bv[i].bv_page + at / PAGE_SIZE);
}

/* Its disk was given up long ago; nobody waits for this. */
void lockstep_park_late(struct lockstep_request *req)
{
	struct lockstep_volume *vol = req->vol;

	drop_pages(req);
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
	if (orphan_is_bound(req->alone, req->is_flush) || req->shared ||
	    atomic_read(&req->local) != LOCAL_PENDING)
		return false;
	hold_pages(req);
	atomic_inc(&req->holders);
	atomic_inc(&req->vol->stuck);
	if (atomic_cmpxchg(&req->local, LOCAL_PENDING, LOCAL_ABANDONED) == LOCAL_PENDING)
		return true;
	drop_pages(req);
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

/* The next one of the volume whose local part alone was parked; the others lose that part. */
static struct lockstep_request *pop_local(struct lockstep_volume *vol)
{
	struct lockstep_request *req, *found = NULL;

	spin_lock_irq(&vol->res->io_lock);
	list_for_each_entry(req, &vol->res->orphans, orphan) {
		if (req->vol != vol || !(req->parked & PARK_LOCAL))
			continue;
		req->parked &= ~PARK_LOCAL;
		if (!req->parked) {
			list_del_init(&req->orphan);
			found = req;
			break;
		}
		atomic_dec(&req->pending);	/* the peer's part is still out */
	}
	spin_unlock_irq(&vol->res->io_lock);
	return found;
}

void lockstep_request_fail_local(struct lockstep_volume *vol)
{
	struct lockstep_request *req;

	while ((req = pop_local(vol)))
		lockstep_write_put(req);
}

void lockstep_request_fail_orphans(struct lockstep_resource *res)
{
	struct lockstep_request *req;
	LIST_HEAD(orphans);
	u8 parked;

	spin_lock_irq(&res->io_lock);
	list_splice_init(&res->orphans, &orphans);
	spin_unlock_irq(&res->io_lock);
	while ((req = pop(res, &orphans, &parked))) {
		req->status = BLK_STS_IOERR;
		unpark(req, parked);
	}
}

void lockstep_request_fail_held(struct lockstep_resource *res)
{
	struct lockstep_request *req;
	struct lockstep_waiter *w, *tmp;
	LIST_HEAD(held);

	lockstep_request_fail_orphans(res);
	spin_lock_irq(&res->io_lock);
	list_splice_init(&res->held, &held);
	res->nr_held = 0;
	spin_unlock_irq(&res->io_lock);
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
		  lockstep_disk_job_is_late(&req->submit.job, o->before);
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
	/* Reads are not listed: none has come back since. */
	o.any |= atomic_read(&vol->local_reads) &&
		 time_before(READ_ONCE(vol->read_progress), o.before);
	return o.any;
}
