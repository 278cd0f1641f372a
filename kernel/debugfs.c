// SPDX-License-Identifier: GPL-2.0
/*
 * There is no list of requests, and none is kept for this: they are found where they are anyway, in
 * the buckets of ranges and the list of flushes, and what each waits for by the lists of those who
 * wait for it.
 *
 * What is looked at, and why it is there:
 *
 *   resource   debugfs waits for readers before it lets go of the file (lockstep_debugfs_remove)
 *   volumes    mode_srcu: one that is removed is unlinked first, and waits for readers of that
 *   session    mode_srcu, as for requests
 *   requests   whatever is in a bucket, a slot or a list is there while its lock is held: it is
 *              taken out, under that lock, before it ends
 *   regions    not looked at while the disk has failed: they may be exchanged then, after a
 *              synchronize_srcu, as for requests
 *
 * Nothing is printed and no memory is asked for under any of these. One lock is held at a time, and
 * for no more than LOOK_AT_MOST of a list, or one bucket. So the parts are not of one instant: a
 * request that moves on while it is looked for shows as "nothing", or with a reason that has just
 * gone. One that is stuck stays where it is. After its lock is dropped a request is an address that
 * is compared, and never followed: at worst another one has it by then.
 */
#include "debugfs.h"

#include <linux/bsearch.h>
#include <linux/debugfs.h>
#include <linux/mm.h>
#include <linux/seq_file.h>
#include <linux/sort.h>
#include <linux/tcp.h>
#include <net/net_namespace.h>
#include "resource.h"
#include "session.h"
#include "state.h"
#include "stream.h"
#include "volume.h"
#include "write.h"

#define ROWS		4096u
#define LOOK_AT_MOST	8192u

static struct dentry *root;

enum why {
	WHY_RANGE,
	WHY_REGION,
	WHY_MODE,
	WHY_WORKER,
	WHY_SLOT,
	WHY_SEND,
	WHY_PEER,
	WHY_LOCAL,
	WHY_GIVEN_UP,
	WHY_SET_PEER,
	WHY_SET_LOCAL,
	WHY_NR
};

static const char *const why_text[WHY_NR] = {
	[WHY_RANGE]	= "an earlier request to the same sectors",
	[WHY_REGION]	= "its region in the map on the disk",
	[WHY_MODE]	= "held by the mode",
	[WHY_WORKER]	= "a worker",
	[WHY_SLOT]	= "a slot or room in the window",
	[WHY_SEND]	= "the socket",
	[WHY_PEER]	= "the peer's answer",
	[WHY_LOCAL]	= "the local disk",
	[WHY_GIVEN_UP]	= "nothing of its disk, which was given up",
	[WHY_SET_PEER]	= "parked: what the set without the peer's answer will be",
	[WHY_SET_LOCAL]	= "parked: what the set without the local disk will be",
};

struct row {
	const struct lockstep_request *req;	/* an address; NULL: a resync, verify or repair */
	u64 sector, age_ms;
	u32 bytes, local_ms, peer_ms;
	u32 stream, slot;
	u32 why;				/* bits of enum why */
	u16 volume;
	u8 type;				/* enum lockstep_wire_type */
};

struct rows {
	struct row *row;
	u32 nr, missed;
	u64 now_ns;
	u16 volume;				/* that is being looked at */
};

static struct row *new_row(struct rows *r)
{
	struct row *row;

	if (r->nr == ROWS) {
		r->missed++;
		return NULL;
	}
	row = &r->row[r->nr++];
	*row = (struct row){ .volume = r->volume };
	return row;
}

/* ---- requests ------------------------------------------------------------------------------- */

static void take_request(struct rows *r, const struct lockstep_request *req, bool blocked)
{
	int local = atomic_read(&req->local);
	struct row *row = new_row(r);

	if (!row)
		return;
	row->req = req;
	row->age_ms = (r->now_ns - min(req->start_ns, r->now_ns)) / NSEC_PER_MSEC;
	row->type = req->is_flush ? LOCKSTEP_WT_FLUSH :
		    bio_op(req->master) == REQ_OP_WRITE ? LOCKSTEP_WT_WRITE : LOCKSTEP_WT_ZEROES;
	row->sector = req->is_flush ? 0 : req->range.range.first_sect;
	row->bytes = req->master->bi_iter.bi_size;
	if (blocked)
		row->why |= BIT(WHY_RANGE);
	if (local == LOCAL_PENDING) {
		row->why |= BIT(WHY_LOCAL);
		row->local_ms = jiffies_to_msecs(jiffies - READ_ONCE(req->local_start));
	} else if (local == LOCAL_ABANDONED) {
		row->why |= BIT(WHY_GIVEN_UP);
	}
}

static void take_range(struct lockstep_range *range, void *ctx)
{
	struct lockstep_request *req = lockstep_write_of_range(range);
	struct iorange *io = &range->range;
	struct row *row;

	if (req) {
		take_request(ctx, req, io->blockers);
		return;
	}
	row = new_row(ctx);
	if (!row)
		return;
	row->sector = io->first_sect;
	row->bytes = (io->end_sect - io->first_sect) << LOCKSTEP_SECT_SHIFT;
	row->why = io->blockers ? BIT(WHY_RANGE) : 0;
}

static void take_volume(struct rows *r, struct lockstep_volume *vol)
{
	struct lockstep_resource *res = vol->res;
	struct lockstep_request *req;
	u32 left = LOOK_AT_MOST;

	r->volume = vol->number;
	lockstep_ranges_walk(&vol->ranges, take_range, r);
	spin_lock_irq(&res->io_lock);
	list_for_each_entry(req, &vol->flushes, flush_node) {
		if (!left--)
			break;
		take_request(r, req, false);
	}
	spin_unlock_irq(&res->io_lock);
}

static int compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return x->req < y->req ? -1 : x->req > y->req;
}

static struct row *mark(struct rows *r, const struct lockstep_request *req, enum why why)
{
	struct row key = { .req = req }, *row;

	row = req ? bsearch(&key, r->row, r->nr, sizeof(key), compare_rows) : NULL;
	if (row)
		row->why |= BIT(why);
	return row;
}

static void mark_regions(struct rows *r, struct lockstep_volume *vol)
{
	struct lockstep_region_wait *w;
	u32 left = LOOK_AT_MOST;

	if (smp_load_acquire(&vol->failed))
		return;
	spin_lock_irq(&vol->regions.lock);
	list_for_each_entry(w, &vol->regions.waiting, node) {
		if (!left--)
			break;
		mark(r, lockstep_write_of_region(w), WHY_REGION);
	}
	spin_unlock_irq(&vol->regions.lock);
}

static void mark_waiters(struct rows *r, struct lockstep_resource *res)
{
	struct lockstep_request *req;
	struct lockstep_waiter *w;
	u32 left = LOOK_AT_MOST;

	spin_lock_irq(&res->io_lock);
	list_for_each_entry(w, &res->held, node) {
		if (!left--)
			goto unlock;
		mark(r, lockstep_write_of_waiter(w), WHY_MODE);
	}
	list_for_each_entry(w, &res->ready, node) {
		if (!left--)
			goto unlock;
		mark(r, lockstep_write_of_waiter(w), WHY_WORKER);
	}
	list_for_each_entry(req, &res->orphans, orphan) {
		if (!left--)
			break;
		if (req->parked & PARK_PEER)
			mark(r, req, WHY_SET_PEER);
		if (req->parked & PARK_LOCAL)
			mark(r, req, WHY_SET_LOCAL);
	}
unlock:
	spin_unlock_irq(&res->io_lock);
}

/* In a slot: in the send queue, half sent, or with the peer. */
static void mark_call(struct rows *r, struct lockstep_stream *st, const struct lockstep_call *call)
{
	bool unsent = !list_empty(&call->tx.node) || READ_ONCE(st->cur) == &call->tx;
	struct row *row = mark(r, lockstep_write_of_call(call), unsent ? WHY_SEND : WHY_PEER);

	if (!row)
		return;
	row->stream = st->number;
	row->slot = call->msg.slot;
	row->peer_ms = jiffies_to_msecs(jiffies - call->since);
}

static void mark_stream(struct rows *r, struct lockstep_stream *st)
{
	struct lockstep_call *call;
	u32 left = LOOK_AT_MOST, i;

	spin_lock_irq(&st->lock);
	for (i = 0; i < st->slots.nr; i++)
		if (st->slot[i].owner)
			mark_call(r, st, st->slot[i].owner);
	list_for_each_entry(call, &st->waiting, node) {
		if (!left--)
			break;
		mark(r, lockstep_write_of_call(call), WHY_SLOT);
	}
	spin_unlock_irq(&st->lock);
}

/* A volume under mode_srcu, or NULL. */
static struct lockstep_volume *volume_at(struct lockstep_resource *res, u32 i)
{
	return smp_load_acquire(&res->volume[i]);
}

static void take_all(struct rows *r, struct lockstep_resource *res)
{
	struct lockstep_session *s;
	struct lockstep_volume *vol;
	int idx = srcu_read_lock(&res->mode_srcu);
	u32 i;

	for (i = 0; i < LOCKSTEP_MAX_VOLUMES; i++)
		if ((vol = volume_at(res, i)))
			take_volume(r, vol);
	sort(r->row, r->nr, sizeof(*r->row), compare_rows, NULL);
	for (i = 0; i < LOCKSTEP_MAX_VOLUMES; i++)
		if ((vol = volume_at(res, i)))
			mark_regions(r, vol);
	mark_waiters(r, res);
	s = srcu_dereference(res->session, &res->mode_srcu);
	for (i = 0; s && i < s->nr_streams; i++)
		if (READ_ONCE(s->stream[i]))
			mark_stream(r, s->stream[i]);
	srcu_read_unlock(&res->mode_srcu, idx);
}

static int compare_ages(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return x->age_ms < y->age_ms ? 1 : x->age_ms > y->age_ms ? -1 : 0;
}

static void show_row(struct seq_file *f, const struct row *row)
{
	const char *comma = "";
	int why;

	seq_printf(f, "%8llu %6u %-6s %12llu %8u  ", row->age_ms, row->volume,
		   row->req ? wire_type_name(row->type) : "engine", row->sector, row->bytes);
	for (why = 0; why < WHY_NR; why++) {
		if (!(row->why & BIT(why)))
			continue;
		seq_printf(f, "%s%s", comma, why_text[why]);
		if (why == WHY_LOCAL)
			seq_printf(f, " (%u ms)", row->local_ms);
		else if (why == WHY_SEND || why == WHY_PEER)
			seq_printf(f, " (stream %u, slot %u, %u ms)", row->stream, row->slot,
				   row->peer_ms);
		comma = "; ";
	}
	seq_puts(f, row->why ? "\n" : "nothing\n");
}

static int requests_show(struct seq_file *f, void *unused)
{
	struct rows r = { .now_ns = ktime_get_ns() };
	u32 i;

	r.row = kvmalloc_array(ROWS, sizeof(*r.row), GFP_KERNEL | __GFP_NOWARN);
	if (!r.row)
		return -ENOMEM;
	take_all(&r, f->private);
	sort(r.row, r.nr, sizeof(*r.row), compare_ages, NULL);
	seq_puts(f, "  age_ms volume type         sector    bytes  waits for\n");
	for (i = 0; i < r.nr; i++)
		show_row(f, &r.row[i]);
	if (r.missed)
		seq_printf(f, "and %u more\n", r.missed);
	kvfree(r.row);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(requests);

/* ---- streams -------------------------------------------------------------------------------- */

struct stream_look {
	u32 number, queued, sending, slots, window_bytes, waiting, oldest_ms;
	u32 peer_requests, peer_bytes, unsent, unacked, heard_ms;
};

static u32 count_list(const struct list_head *list)
{
	const struct list_head *p;
	u32 nr = 0;

	list_for_each(p, list)
		if (++nr == LOOK_AT_MOST)
			break;
	return nr;
}

static void look_at_stream(struct lockstep_stream *st, struct stream_look *l)
{
	const struct tcp_sock *tp = tcp_sk(st->sock->sk);
	const struct lockstep_call *call;
	u32 i;

	spin_lock_irq(&st->lock);
	l->queued = count_list(&st->queue);
	l->waiting = count_list(&st->waiting);
	l->slots = st->slots.used;
	l->window_bytes = st->window_bytes;
	for (i = 0; i < st->slots.nr; i++) {
		call = st->slot[i].owner;
		if (call)
			l->oldest_ms = max(l->oldest_ms, jiffies_to_msecs(jiffies - call->since));
	}
	spin_unlock_irq(&st->lock);
	l->number = st->number;
	l->sending = READ_ONCE(st->cur) ? 1 : 0;
	l->peer_requests = atomic_read(&st->peer_requests);
	l->peer_bytes = atomic_read(&st->peer_bytes);
	/* Without the socket's lock: each is a number, and they need not fit together. */
	l->unsent = READ_ONCE(tp->write_seq) - READ_ONCE(tp->snd_nxt);
	l->unacked = READ_ONCE(tp->snd_nxt) - READ_ONCE(tp->snd_una);
	l->heard_ms = jiffies_to_msecs(jiffies - READ_ONCE(st->last_recv));
}

static u32 look_at_streams(struct lockstep_resource *res, struct stream_look *l, u64 *ret_epoch)
{
	struct lockstep_session *s;
	int idx = srcu_read_lock(&res->mode_srcu);
	struct lockstep_stream *st;
	u32 i, nr = 0;

	s = srcu_dereference(res->session, &res->mode_srcu);
	for (i = 0; s && i < s->nr_streams; i++) {
		st = smp_load_acquire(&s->stream[i]);
		if (st)
			look_at_stream(st, &l[nr++]);
	}
	*ret_epoch = s ? s->epoch : 0;
	srcu_read_unlock(&res->mode_srcu, idx);
	return nr;
}

static int streams_show(struct seq_file *f, void *unused)
{
	struct stream_look l[LOCKSTEP_MAX_STREAMS] = {};
	u32 nr, i;
	u64 epoch;

	nr = look_at_streams(f->private, l, &epoch);
	if (!epoch) {
		seq_puts(f, "no session\n");
		return 0;
	}
	seq_printf(f, "session of epoch %llu\n", epoch);
	seq_puts(f, "stream queued sending slots window_bytes waiting oldest_ms unsent_bytes "
		 "unacked_bytes peer_requests peer_bytes heard_ms\n");
	for (i = 0; i < nr; i++)
		seq_printf(f, "%6u %6u %7u %5u %12u %7u %9u %12u %13u %13u %10u %8u\n",
			   l[i].number, l[i].queued, l[i].sending, l[i].slots, l[i].window_bytes,
			   l[i].waiting, l[i].oldest_ms, l[i].unsent, l[i].unacked,
			   l[i].peer_requests, l[i].peer_bytes, l[i].heard_ms);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(streams);

/* ---- waits ---------------------------------------------------------------------------------- */

struct volume_look {
	bool is;
	u32 map_waits, map_ms, reads, reads_ms, stuck, strays;
	bool paced, pause;
	u32 window_bytes, rest_us, bytes;
};

struct waits_look {
	u8 mode;
	u32 held, ready, orphans, events;
	struct volume_look v[LOCKSTEP_MAX_VOLUMES];
};

/* Numbers of its work: each is looked at by itself. */
static void look_at_engine(const struct lockstep_engine *e, struct volume_look *l)
{
	l->paced = READ_ONCE(e->running) && READ_ONCE(e->pace.phase) != PACE_FREE;
	l->pause = READ_ONCE(e->pace.pause);
	l->window_bytes = READ_ONCE(e->pace.window_bytes);
	l->rest_us = READ_ONCE(e->pace.rest_us);
	l->bytes = READ_ONCE(e->bytes);
}

static void look_at_volume(struct lockstep_volume *vol, struct volume_look *l)
{
	unsigned long since;

	l->is = true;
	look_at_engine(&vol->engine, l);
	l->stuck = atomic_read(&vol->stuck);
	l->strays = lockstep_volume_strays(vol);
	l->reads = atomic_read(&vol->local_reads);
	l->reads_ms = jiffies_to_msecs(jiffies - READ_ONCE(vol->read_progress));
	if (smp_load_acquire(&vol->failed))
		return;
	since = READ_ONCE(vol->regions.commit_since);
	if (since)
		l->map_ms = jiffies_to_msecs(jiffies - since);
	spin_lock_irq(&vol->regions.lock);
	l->map_waits = count_list(&vol->regions.waiting);
	spin_unlock_irq(&vol->regions.lock);
}

static void look_at_waits(struct lockstep_resource *res, struct waits_look *l)
{
	struct lockstep_volume *vol;
	int idx = srcu_read_lock(&res->mode_srcu);
	u32 i;

	for (i = 0; i < LOCKSTEP_MAX_VOLUMES; i++)
		if ((vol = volume_at(res, i)))
			look_at_volume(vol, &l->v[i]);
	srcu_read_unlock(&res->mode_srcu, idx);
	spin_lock_irq(&res->io_lock);
	l->mode = res->io_mode;
	l->held = res->nr_held;
	l->ready = count_list(&res->ready);
	l->orphans = count_list(&res->orphans);
	l->events = res->nr_events;
	spin_unlock_irq(&res->io_lock);
}

static void show_volume(struct seq_file *f, u32 number, const struct volume_look *v)
{
	if (v->map_waits || v->map_ms)
		seq_printf(f, "volume %u: %u requests for the region map, written for %u ms\n",
			   number, v->map_waits, v->map_ms);
	if (v->reads)
		seq_printf(f, "volume %u: %u reads for the local disk, none came back for %u ms\n",
			   number, v->reads, v->reads_ms);
	if (v->stuck)
		seq_printf(f, "volume %u: %u requests of a disk that was given up\n", number,
			   v->stuck);
	if (v->strays)
		seq_printf(f, "volume %u: %u requests of a session that is over\n", number,
			   v->strays);
	if (v->paced)
		seq_printf(f, "volume %u: resync or verify for the application: %s of %u KiB, "
			   "%u KiB in flight, rests of %u us\n", number,
			   v->pause ? "pausing, windows" : "windows", v->window_bytes >> 10,
			   v->bytes >> 10, v->rest_us);
}

static int waits_show(struct seq_file *f, void *unused)
{
	struct waits_look *l = kvzalloc(sizeof(*l), GFP_KERNEL | __GFP_NOWARN);
	struct lockstep_resource *res = f->private;
	const char *wait = lockstep_resource_waits(res);
	u32 i;

	if (!l)
		return -ENOMEM;
	look_at_waits(res, l);
	seq_printf(f, "writes: %s\n", state_io_name(l->mode));
	if (wait)
		seq_printf(f, "a command or the state: for %s\n", wait);
	if (READ_ONCE(res->state.unfenced))
		seq_puts(f, "the state: for the outcome of fencing the peer\n");
	if (l->events)
		seq_printf(f, "%u messages of the peer: for the state\n", l->events);
	if (l->held)
		seq_printf(f, "%u requests: for another mode\n", l->held);
	if (l->orphans)
		seq_printf(f, "%u requests: parked, for what the set will be\n", l->orphans);
	if (l->ready)
		seq_printf(f, "%u requests: for a worker\n", l->ready);
	for (i = 0; i < LOCKSTEP_MAX_VOLUMES; i++)
		if (l->v[i].is)
			show_volume(f, i, &l->v[i]);
	kvfree(l);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(waits);

/* ---- life ----------------------------------------------------------------------------------- */

void lockstep_debugfs_init(void)
{
	root = debugfs_create_dir("lockstep", NULL);
}

void lockstep_debugfs_exit(void)
{
	debugfs_remove(root);
}

/* Without debugfs all of these do nothing. */
void lockstep_debugfs_add(struct lockstep_resource *res)
{
	char name[LOCKSTEP_NAME_BYTES + 12];

	lockdep_assert_held(&lockstep_resources_lock);
	if (net_eq(res->net, &init_net))
		strscpy(name, res->name, sizeof(name));
	else
		snprintf(name, sizeof(name), "%s@%u", res->name, res->net->ns.inum);
	res->debugfs = debugfs_create_dir(name, root);
	debugfs_create_file("requests", 0400, res->debugfs, res, &requests_fops);
	debugfs_create_file("streams", 0400, res->debugfs, res, &streams_fops);
	debugfs_create_file("waits", 0400, res->debugfs, res, &waits_fops);
}

void lockstep_debugfs_remove(struct lockstep_resource *res)
{
	debugfs_remove(res->debugfs);
}
