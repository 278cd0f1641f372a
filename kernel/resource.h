/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A resource: the volumes that fail over together, the peer they are mirrored to, and the state
 * they share. It is created and removed by netlink; looked up by name under a global list.
 *
 * Lock order, outermost first. Whoever adds a lock adds it here.
 *
 *   1. lockstep_resources_lock  mutex   the list of resources
 *   2. resource.ctl             mutex   what changes roles, sessions, volumes and metadata:
 *                                       commands and the state worker. May wait for disks, never
 *                                       for the peer (its silence ends the session by a timer that
 *                                       does not need ctl).
 *   3. volume.open_lock         mutex   openers against role changes
 *   4. volume.bitmap_io.lock    mutex   who saves the bitmap; not held while the peer is waited for
 *   5. volume.regions.map_lock  mutex   who writes the region map
 *   6. volume.flusher.lock      mutex   who flushes the local disk
 *   7. stream.send_lock         mutex   who writes to the socket
 *   8. volume.ranges lock       spin    range conflicts
 *   9. volume.regions.lock      spin    the region map
 *  10. resource.io_lock         spin    io_mode, held and orphaned requests
 *  11. volume.engine.lock       spin    runs of resync and verify
 *  12. volume.marks.lock        spin    the bitmap
 *  13. stream.lock              spin    slots and the send queue
 *  14. stream.disk_lock         spin    the peer's requests at our disks
 *  15. volume.submits, zeroes   spin    what waits for a worker that may wait for the disk
 *  16. volume.flush_notes.lock  spin    flushes that failed; nothing is taken under it
 *
 * disk.open_mutex is the block layer's, and held around open() and release() of our device. It
 * comes between 2 and 3: del_gendisk() takes it under ctl, and open() takes open_lock under it. So
 * open() and release() may not take ctl, nor wait for its owner without an end: auto.c.
 * resource.by_open.lock, spin, is innermost, with nothing under it, and in no interrupt.
 *
 * 8 to 16 are taken with interrupts off, because disk completions take them. resource.mode_srcu is
 * held for reading by a request from looking at io_mode until it is with the peer or marked; it may
 * be held around 7 to 16, never around 1 to 6, and synchronize_srcu() is called under 2.
 */
#ifndef LOCKSTEP_RESOURCE_H
#define LOCKSTEP_RESOURCE_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <lockstep/limits.h>
#include "state.h"

struct dentry;
struct net;
struct lockstep_volume;
struct lockstep_session;
struct lockstep_request;

/* index of the one peer in everything that is kept per peer */
#define LOCKSTEP_PEER		0
#define LOCKSTEP_WHY_BYTES	128
#define LOCKSTEP_BY_OPEN_BYTES	256

/* Promotion by who opens it for writing: auto.h. */
struct lockstep_by_open {
	bool on;			/* the setting; changed under ctl, read without */
	struct work_struct work;
	spinlock_t lock;
	/* Under lock. */
	u32 wanted;			/* who waits in open() */
	u32 begun, ended;		/* tries, numbered from 1; one at a time */
	bool may_pass;			/* of the last one that has ended: its refusal */
	char why[LOCKSTEP_BY_OPEN_BYTES];	/* likewise */
};

struct lockstep_resource {
	/* Immutable after creation. */
	struct net *net;		/* whose resource it is: names are unique in it; held */
	char name[LOCKSTEP_NAME_BYTES];
	char node_name[LOCKSTEP_NAME_BYTES];
	char peer_name[LOCKSTEP_NAME_BYTES];
	u32 node_id, peer_node_id;
	u32 timeout_ms, ping_ms, disk_timeout_ms;
	struct kref ref;
	struct work_struct free_work;
	struct dentry *debugfs;		/* its folder, see debugfs.h */

	struct list_head node;		/* lockstep_resources_lock */

	struct mutex ctl;
	/* Under ctl. */
	unsigned int noio;		/* of lockstep_resource_lock */
	struct lockstep_state state;
	struct lockstep_volume *volume[LOCKSTEP_MAX_VOLUMES];
	u32 nr_volumes;
	bool gone;			/* removed: late work does nothing */
	char lost_why[LOCKSTEP_WHY_BYTES];
	u64 session_id, epoch, peer_boot_id;
	u32 fencing;			/* enum lockstep_fencing */
	/* one more with each session that is opened: an outcome of fencing is about one of them */
	u32 fence_round;
	u64 tried_id;			/* of a generation that is not on every disk: gengroup.h */
	/* what ctl's owner waits for, NULL: nothing; read without it */
	const char *wait;
	/* what a command waits for that has let ctl go, for the peer: lockstep_resource_waits */
	const char *wait_peer;

	/* The session under mode_srcu for reading, ctl for changing. */
	struct lockstep_session __rcu *session;
	struct srcu_struct mode_srcu;

	spinlock_t io_lock;
	/* Under io_lock; io_mode is also read under mode_srcu alone. */
	u8 io_mode;			/* enum lockstep_io_mode */
	struct list_head held;		/* waiters for a mode that lets them go */
	struct list_head orphans;	/* parked requests, see request.h */
	u32 nr_held;
	u64 through_epoch;		/* of the session, if we work through it (P9); else 0 */

	/* For the state worker. */
	unsigned long conditions;	/* bits of enum status_condition, atomic */
	struct list_head events;	/* under io_lock */
	u32 nr_events;			/* under io_lock */
	struct work_struct event_work;
	struct work_struct ready_work;
	struct list_head ready;		/* deferred waiters; under io_lock */
	wait_queue_head_t state_wait;	/* woken whenever state has moved */
	struct lockstep_by_open by_open;
};

extern struct mutex lockstep_resources_lock;
extern struct list_head lockstep_resources;
extern u64 lockstep_boot_id;		/* this load of the module */

/*
 * Five work queues for all resources, so that the number of threads does not grow with them. All
 * but role may be needed to free memory. io: short work that requests wait for (sending, letting
 * held ones go); never waits for a disk's metadata. slow: state worker, resync, the end of objects.
 * sum: checksums of whole runs of blocks, which take a processor for a while and wait for nothing.
 * disk: what waits for a disk itself, three works a volume (submit.h, flush.h). role: promotion by
 * who opens it, which waits for slow's and for the peer.
 */
extern struct workqueue_struct *lockstep_io_wq, *lockstep_slow_wq, *lockstep_sum_wq,
			       *lockstep_disk_wq, *lockstep_role_wq;

/* What a resource is made of besides its volumes. */
struct lockstep_resource_params {
	const char *name, *node_name, *peer_name;
	u32 node_id, peer_node_id;
	u32 timeout_ms, ping_ms, disk_timeout_ms;
	u32 fencing;
	bool auto_promote;
};

/*
 * Create and list. Returns ERR_PTR(-EEXIST) if the name is taken in this network namespace:
 * resources belong to one, so that both nodes of a mirror can live on one machine, for trying it
 * out.
 */
struct lockstep_resource *lockstep_resource_create(struct net *net,
						   const struct lockstep_resource_params *p);

/* Unlist and end. Volumes must be gone. Caller keeps its reference. Called with ctl held. */
void lockstep_resource_remove_locked(struct lockstep_resource *res);

/*
 * ctl, and no memory allocation under it that could wait for I/O: writes that are held wait for
 * what its owner does, and the memory might have to be freed by just those writes.
 */
static inline void lockstep_resource_lock(struct lockstep_resource *res)
{
	mutex_lock(&res->ctl);
	res->noio = memalloc_noio_save();
}

static inline void lockstep_resource_unlock(struct lockstep_resource *res)
{
	unsigned int noio = res->noio;

	mutex_unlock(&res->ctl);
	memalloc_noio_restore(noio);
}

/* For people; any time. */
static inline const char *lockstep_resource_waits(const struct lockstep_resource *res)
{
	return READ_ONCE(res->wait) ?: READ_ONCE(res->wait_peer);
}

/* By name, with a reference, or NULL. */
struct lockstep_resource *lockstep_resource_get(const struct net *net, const char *name);
void lockstep_resource_put(struct lockstep_resource *res);

#define resource_for_each_volume(res, i, vol) \
	for ((i) = 0; (i) < LOCKSTEP_MAX_VOLUMES; (i)++) \
		if (!((vol) = (res)->volume[i])) {} else

#endif /* LOCKSTEP_RESOURCE_H */
