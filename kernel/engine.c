// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "lockstep: " fmt

#include "engine.h"

#include <linux/blkdev.h>
#include "resource.h"
#include "run.h"
#include "session.h"
#include "status.h"
#include "volume.h"

/* A bound for small runs; large ones are bounded by the window. */
#define MAX_RUNS	64u
#define PROBE_TICK	(HZ / 50 ?: 1)
#define LOOK_TICK	(HZ / 20 ?: 1)	/* pace_tick() wants it */

void lockstep_engine_kick(struct lockstep_volume *vol)
{
	mod_delayed_work(lockstep_slow_wq, &vol->engine.work, 0);
}

void lockstep_engine_kick_later(struct lockstep_volume *vol, unsigned long delay)
{
	queue_delayed_work(lockstep_slow_wq, &vol->engine.work, delay);
}

struct lockstep_session *lockstep_engine_session(struct lockstep_volume *vol)
{
	struct lockstep_session *s;

	s = srcu_dereference(vol->res->session, &vol->res->mode_srcu);
	return s && s->id == READ_ONCE(vol->engine.session_id) ? s : NULL;
}

void lockstep_engine_fail_session(struct lockstep_volume *vol, const char *why, int err)
{
	struct lockstep_session *s;
	int idx;

	idx = srcu_read_lock(&vol->res->mode_srcu);
	s = lockstep_engine_session(vol);
	if (s)
		lockstep_session_fail(s, why, err);
	srcu_read_unlock(&vol->res->mode_srcu, idx);
}

/* ---- what is in flight ---------------------------------------------------------------------- */

bool lockstep_engine_hold(struct lockstep_volume *vol, bool only_one)
{
	struct lockstep_engine *e = &vol->engine;
	bool held;

	spin_lock_irq(&e->lock);
	held = e->running && !(only_one && e->in_flight);
	if (held)
		e->in_flight++;
	spin_unlock_irq(&e->lock);
	return held;
}

static void release_locked(struct lockstep_volume *vol)
{
	struct lockstep_engine *e = &vol->engine;

	if (!--e->in_flight)
		wake_up_all(&e->drained);
}

void lockstep_engine_release(struct lockstep_volume *vol)
{
	struct lockstep_engine *e = &vol->engine;
	unsigned long flags;

	spin_lock_irqsave(&e->lock, flags);
	release_locked(vol);
	/* Under the lock: once it is dropped and nothing is in flight, the volume may go. */
	lockstep_engine_kick(vol);
	spin_unlock_irqrestore(&e->lock, flags);
}

void lockstep_engine_release_quietly(struct lockstep_volume *vol)
{
	spin_lock_irq(&vol->engine.lock);
	release_locked(vol);
	spin_unlock_irq(&vol->engine.lock);
}

/* Of a burst, if there are rests: all that may be has begun, and ended. */
static bool is_burst_over(const struct lockstep_engine *e)
{
	return !e->bytes && !pace_run_bytes(&e->pace, e->burst_bytes, e->burst_runs);
}

void lockstep_engine_run_ended(struct lockstep_volume *vol, struct list_head *node, u32 bytes,
			       u32 took_us)
{
	struct lockstep_engine *e = &vol->engine;
	unsigned long flags;

	spin_lock_irqsave(&e->lock, flags);
	list_del(node);
	e->bytes -= bytes;
	if (took_us) {
		WRITE_ONCE(e->run_us, took_us);
		e->done_bytes += bytes;
	} else {
		e->burst_bytes -= min(bytes, e->burst_bytes);
		e->burst_runs -= !!e->burst_runs;
	}
	if (is_burst_over(e))
		WRITE_ONCE(e->rest_until, jiffies + usecs_to_jiffies(e->pace.rest_us));
	release_locked(vol);
	lockstep_engine_kick(vol);
	spin_unlock_irqrestore(&e->lock, flags);
}

u64 lockstep_engine_oldest_bit(struct lockstep_volume *vol, u64 otherwise)
{
	struct lockstep_engine *e = &vol->engine;
	u64 bit;

	spin_lock_irq(&e->lock);
	bit = list_empty(&e->runs) ? otherwise : lockstep_run_first_bit(e->runs.next);
	spin_unlock_irq(&e->lock);
	return bit;
}

bool lockstep_engine_write_begins(struct lockstep_volume *vol)
{
	struct lockstep_engine *e = &vol->engine;
	bool begins;

	/* Under the lock under which it is stopped: who has stopped it sees us, or we see that. */
	spin_lock_irq(&e->lock);
	begins = e->running;
	e->writes += begins;
	spin_unlock_irq(&e->lock);
	return begins;
}

void lockstep_engine_write_ended(struct lockstep_volume *vol)
{
	struct lockstep_engine *e = &vol->engine;
	unsigned long flags;

	spin_lock_irqsave(&e->lock, flags);
	if (!--e->writes && !e->running) {
		wake_up_all(&e->drained);
		lockstep_status_post(vol->res, STATUS_STRAYS);
	}
	spin_unlock_irqrestore(&e->lock, flags);
}

u32 lockstep_engine_strays(struct lockstep_volume *vol)
{
	struct lockstep_engine *e = &vol->engine;
	u32 nr;

	spin_lock_irq(&e->lock);
	nr = e->running ? 0 : e->writes;
	spin_unlock_irq(&e->lock);
	return nr;
}

long lockstep_engine_leave_disk(struct lockstep_volume *vol, long ticks)
{
	return wait_event_timeout(vol->engine.drained, !lockstep_engine_strays(vol), ticks);
}

/* ---- issuing -------------------------------------------------------------------------------- */

enum issued {
	ISSUED,
	FULL,				/* as much as may be in flight is; its end brings us back */
	NOTHING_LEFT,			/* at present */
	LATER,				/* resting, probing, or short of memory */
};

/* Room for a run of this length, in bytes; 0: none. */
static u32 reserve(struct lockstep_engine *e)
{
	u32 bytes;

	spin_lock_irq(&e->lock);
	/* The rest after it, too: we would not be here. */
	if (is_burst_over(e)) {
		e->burst_bytes = 0;
		e->burst_runs = 0;
	}
	bytes = pace_run_bytes(&e->pace, e->burst_bytes, e->burst_runs);
	if (!e->running || e->in_flight >= MAX_RUNS ||
	    (e->bytes && e->bytes + bytes > e->pace.window_bytes))
		bytes = 0;
	if (bytes)
		e->in_flight++;
	spin_unlock_irq(&e->lock);
	return bytes;
}

static bool is_resting(const struct lockstep_engine *e)
{
	return e->pace.rest_us && time_before(jiffies, READ_ONCE(e->rest_until));
}

static enum issued issue(struct lockstep_volume *vol)
{
	struct lockstep_engine *e = &vol->engine;
	struct lockstep_run *run;
	u32 max_bytes, bytes;
	u64 sect;

	if (e->pace.pause || is_resting(e))
		return LATER;
	max_bytes = reserve(e);
	if (!max_bytes)
		return FULL;
	bytes = e->job->next(vol, max_bytes / LOCKSTEP_BIT_BYTES, &sect) * LOCKSTEP_BIT_BYTES;
	run = bytes ? lockstep_run_create(vol, sect, bytes) : NULL;
	if (!run) {
		/* A kick would make this work run for ever. */
		lockstep_engine_release_quietly(vol);
		return bytes ? LATER : NOTHING_LEFT;
	}
	spin_lock_irq(&e->lock);
	list_add_tail(lockstep_run_node(run), &e->runs);
	e->bytes += bytes;
	e->burst_bytes += bytes;
	e->burst_runs++;
	spin_unlock_irq(&e->lock);
	e->job->begun(vol, sect, bytes / LOCKSTEP_BIT_BYTES);
	lockstep_run_start(run);
	return ISSUED;
}

static void pace(struct lockstep_volume *vol)
{
	struct lockstep_engine *e = &vol->engine;
	unsigned long idle = min_t(unsigned long, jiffies - READ_ONCE(e->app_last), HZ);
	u64 idle_us = atomic_read(&vol->in_flight) ? 0 : jiffies_to_usecs(idle), done_bytes;

	spin_lock_irq(&e->lock);
	done_bytes = e->done_bytes;
	spin_unlock_irq(&e->lock);
	pace_tick(&e->pace, &(struct pace_now){
		.now_us = ktime_to_us(ktime_get()),
		.counts = &e->counts,
		.idle_us = idle_us,
		.in_flight = READ_ONCE(e->bytes),
		.run_us = xchg(&e->run_us, 0),
		.done_bytes = done_bytes,
		.floor_bytes_s = div_u64(e->job->total_bytes(vol), e->job->finish_s),
	});
}

static unsigned long later(const struct lockstep_engine *e)
{
	long rest = READ_ONCE(e->rest_until) - jiffies;

	return is_resting(e) && rest > 0 ? min_t(unsigned long, rest, LOOK_TICK) : PROBE_TICK;
}

static void engine_work(struct work_struct *work)
{
	struct lockstep_volume *vol = container_of(work, struct lockstep_volume, engine.work.work);
	struct lockstep_engine *e = &vol->engine;
	enum issued issued;

	if (!READ_ONCE(e->running)) {
		/* Whatever ends later brings us here again, after it gave its pages back. */
		lockstep_pages_exit(&e->pages);
		return;
	}
	pace(vol);
	do {
		issued = issue(vol);
	} while (issued == ISSUED);
	if (issued == NOTHING_LEFT && lockstep_engine_is_idle(vol))
		lockstep_pages_exit(&e->pages);
	if (issued == NOTHING_LEFT)
		e->job->idle(vol);
	else if (issued == LATER)
		lockstep_engine_kick_later(vol, later(e));
	if (time_after(jiffies, e->ticked + HZ)) {
		e->ticked = jiffies;
		lockstep_pages_trim(&e->pages);
		e->job->tick(vol);
	}
}

/* ---- control -------------------------------------------------------------------------------- */

int lockstep_engine_module_init(void)
{
	return lockstep_run_module_init();
}

void lockstep_engine_module_exit(void)
{
	lockstep_run_module_exit();
}

void lockstep_engine_init(struct lockstep_volume *vol)
{
	struct lockstep_engine *e = &vol->engine;

	spin_lock_init(&e->lock);
	INIT_LIST_HEAD(&e->runs);
	lockstep_pages_init(&e->pages);
	INIT_DELAYED_WORK(&e->work, engine_work);
	init_waitqueue_head(&e->drained);
	pace_init(&e->pace);
	e->app_last = jiffies - HZ;
}

int lockstep_engine_wait_locked(struct lockstep_volume *vol, struct lockstep_session *s)
{
	bool ended;

	lockdep_assert_held(&vol->res->ctl);
	/*
	 * What an earlier session's job left behind ends by itself, now that requests move again;
	 * unless this session fails too, whose end needs the lock we hold.
	 */
	lockstep_engine_stop(vol);
	vol->res->wait = "requests of an earlier resync or verify";
	ended = lockstep_engine_wait(vol, s);
	vol->res->wait = NULL;
	if (!ended)
		return -ENOTCONN;
	lockstep_engine_drain(vol);
	return 0;
}

void lockstep_engine_start_locked(struct lockstep_volume *vol, struct lockstep_session *s,
				  const struct lockstep_job *job, const struct lockstep_how *how)
{
	struct lockstep_engine *e = &vol->engine;

	lockdep_assert_held(&vol->res->ctl);
	e->job = job;
	e->how = *how;
	e->ticked = jiffies;
	pace_init(&e->pace);
	e->rest_until = jiffies;
	e->run_us = 0;
	WRITE_ONCE(e->session_id, s->id);
	spin_lock_irq(&e->lock);
	WRITE_ONCE(e->running, true);
	spin_unlock_irq(&e->lock);
	lockstep_engine_kick(vol);
}

void lockstep_engine_stop(struct lockstep_volume *vol)
{
	struct lockstep_engine *e = &vol->engine;
	unsigned long flags;

	spin_lock_irqsave(&e->lock, flags);
	WRITE_ONCE(e->running, false);
	/* To give back what it kept. */
	lockstep_engine_kick(vol);
	spin_unlock_irqrestore(&e->lock, flags);
}

bool lockstep_engine_is_idle(const struct lockstep_volume *vol)
{
	return !READ_ONCE(vol->engine.in_flight);
}

bool lockstep_engine_is_running(const struct lockstep_volume *vol)
{
	return READ_ONCE(vol->engine.running);
}

void lockstep_engine_session_failed(struct lockstep_volume *vol)
{
	wake_up_all(&vol->engine.drained);
}

bool lockstep_engine_wait(struct lockstep_volume *vol, struct lockstep_session *s)
{
	struct lockstep_engine *e = &vol->engine;

	wait_event(e->drained, !READ_ONCE(e->in_flight) || (s && atomic_read(&s->failed)));
	return !READ_ONCE(e->in_flight);
}

void lockstep_engine_drain(struct lockstep_volume *vol)
{
	struct lockstep_engine *e = &vol->engine;

	lockstep_engine_wait(vol, NULL);
	/* The last one queues the work after that, but before it drops the lock. */
	spin_lock_irq(&e->lock);
	spin_unlock_irq(&e->lock);
	cancel_delayed_work_sync(&e->work);
	lockstep_pages_exit(&e->pages);
}
