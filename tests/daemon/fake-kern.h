/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A kernel for the daemon's tests: one resource's states as the module would report them, and
 * enough of its refusals. Requests come from the daemon's threads, so everything is behind one
 * lock; tests look at it and change it through fake_lock()/fake_unlock().
 */
#ifndef LOCKSTEP_TEST_FAKE_KERN_H
#define LOCKSTEP_TEST_FAKE_KERN_H

#include "kern.h"
#include <pthread.h>

#define FAKE_VOLUMES	2
#define FAKE_CHUNKS	3	/* of marks, in each volume */

struct fake_volume {
	struct model_volume m;
	/* What the peer's daemon brought. */
	u32 merges, sync_starts;
	u8 merged[64];
	u32 merged_bytes;
	struct nl_session_volume opened;
	u32 attaches, resizes;
	u64 grown_sect;		/* what the disk can give once it was asked to look */
};

struct fake {
	struct kern kern;
	pthread_mutex_t lock;
	bool exists, no_module;
	struct model_resource r;
	struct fake_volume v[FAKE_VOLUMES];
	u32 nr_volumes;
	u32 volumes_made;	/* by VOL_ADD: the rest are the test's */
	int fd[LOCKSTEP_MAX_STREAMS];
	/* How often what was asked. */
	u32 opens, starts, closes, marks_gets, surrenders, surrender_asks;
	u32 policy_sets, auto_sets;
	u64 start_stamp;	/* order among all fakes */
	/* Tricks of the tests. */
	u32 eagain_opens, busy_opens, eagain_starts, promote_ms;
	u32 dump_ms;		/* that a dump of all takes after it was made */
	char refuse_open[64], refuse_volume[64], refuse_attach[64], refuse_resize[64];
	char refuse_surrender[64];
	bool primary_meanwhile;	/* and secondary again, just before the next SURRENDER */
	u32 last_close;		/* later ones come to nothing; 0: none is the last */
	u32 fail_close;		/* the one that fails; 0: none */
	bool marks_growth;	/* as the module does */
	struct fake *far;	/* whose session ends with ours when that is closed; NULL: none's */
	u32 untold;		/* so many dumps have no time for the last volume */
	/* Between what a dump says and the moment the daemon hears of it; the lock is held. */
	void (*after_status)(struct fake *f);
	/* Events. */
	int event_fd;
	u64 seq;
	struct nl_event queue[64];
	u32 nr_queued;
};

void fake_init(struct fake *f, u64 boot_id);
void fake_done(struct fake *f);
void fake_lock(struct fake *f);
void fake_unlock(struct fake *f);

/* An event with the states as they are; the lock is held. volume -1: of the resource. */
void fake_notify(struct fake *f, u32 event, int volume);

/* The link broke: the session is gone, and an event says so. */
void fake_lose(struct fake *f);
u32 fake_link(struct fake *f);

#endif /* LOCKSTEP_TEST_FAKE_KERN_H */
