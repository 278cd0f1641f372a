// SPDX-License-Identifier: GPL-2.0
#include "fake-kern.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <linux/lockstep.h>
#include <lockstep/disk.h>
#include <lockstep/wire.h>
#include "gen.h"

static u64 stamps;

static struct fake *enter(void *k)
{
	struct fake *f = k;

	pthread_mutex_lock(&f->lock);
	return f;
}

static int leave(struct fake *f, int r)
{
	pthread_mutex_unlock(&f->lock);
	return r;
}

/* With all the module says of the resource, or of one volume. What does not fit is lost. */
static void notify(struct fake *f, u32 event, const struct fake_volume *v)
{
	struct nl_event *ev;
	u64 one = 1;

	f->seq++;
	if (f->event_fd < 0 || f->nr_queued == ARRAY_SIZE(f->queue))
		return;
	ev = &f->queue[f->nr_queued++];
	memset(ev, 0, sizeof(*ev));
	ev->event = event;
	ev->seq = f->seq;
	snprintf(ev->name, sizeof(ev->name), "%s", f->r.name);
	ev->has_volume = v;
	if (v)
		ev->volume = v->m;
	else
		ev->resource = f->r;
	(void)!write(f->event_fd, &one, sizeof(one));
}

void fake_notify(struct fake *f, u32 event, int volume)
{
	notify(f, event, volume < 0 ? NULL : &f->v[volume]);
}

static void close_streams(struct fake *f)
{
	for (u32 i = 0; i < LOCKSTEP_MAX_STREAMS; i++) {
		if (f->fd[i] >= 0)
			close(f->fd[i]);
		f->fd[i] = -1;
	}
}

static void end_session(struct fake *f, const char *why)
{
	if (f->r.link == LOCKSTEP_LINK_DOWN)
		return;
	f->r.link = LOCKSTEP_LINK_DOWN;
	f->r.session_id = f->r.peer_boot_id = 0;
	for (u32 i = 0; i < f->nr_volumes; i++)
		f->v[i].m.sync = LOCKSTEP_SYNC_NONE;
	snprintf(f->r.link_lost, sizeof(f->r.link_lost), "%s", why);
	close_streams(f);
	notify(f, LOCKSTEP_EVENT_SESSION_LOST, NULL);
}

static int missing(struct fake *f, const char *name, struct err *e)
{
	if (f->no_module)
		return err_set(e, -ENOPKG, "no-module", "the kernel module lockstep is not loaded");
	if (!f->exists || strcmp(name, f->r.name) != 0)
		return err_set(e, -ENOENT, "kernel-unknown", "there is no resource %s", name);
	return 0;
}

static struct fake_volume *volume(struct fake *f, u32 number)
{
	for (u32 i = 0; i < f->nr_volumes; i++)
		if (f->v[i].m.number == number)
			return &f->v[i];
	return NULL;
}

static void write_metadata(struct fake *f)
{
	for (u32 i = 0; i < f->nr_volumes; i++)
		f->v[i].m.meta_seq++;
}

static void nap(u32 ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

static int f_status(void *k, const char *name, struct model *ret, struct err *e)
{
	struct fake *f = enter(k);
	struct model_resource *r;
	u32 nap_ms = name ? 0 : f->dump_ms;
	struct model m;

	if (f->no_module)
		return leave(f, err_set(e, -ENOPKG, "no-module", "the module is not loaded"));
	model_init(&m);
	m.has_module = true;
	if (f->exists && (!name || strcmp(name, f->r.name) == 0)) {
		r = model_resource(&m, f->r.name);
		*r = f->r;
		r->in_kernel = true;
		r->volume = NULL;
		r->nr_volumes = 0;
		r->kernel_volumes = f->volumes_made;
		for (u32 i = 0; i + !!f->untold < f->volumes_made; i++)
			*model_volume(r, f->v[i].m.number) = f->v[i].m;
		f->untold -= !!f->untold;
	}
	if (f->after_status && f->exists)
		f->after_status(f);
	*ret = m;
	leave(f, 0);
	nap(nap_ms);
	return 0;
}

static int f_res_add(void *k, const struct nl_resource *r, struct err *e)
{
	struct fake *f = enter(k);

	if (f->exists)
		return leave(f, err_set(e, -EEXIST, "kernel-exists", "it is there"));
	f->exists = true;
	snprintf(f->r.name, sizeof(f->r.name), "%s", r->name);
	snprintf(f->r.node, sizeof(f->r.node), "%s", r->node);
	snprintf(f->r.peer, sizeof(f->r.peer), "%s", r->peer);
	f->r.node_id = r->node_id;
	f->r.peer_node_id = r->peer_node_id;
	f->r.fencing = r->fencing;
	f->r.auto_promote = r->auto_promote;
	return leave(f, 0);
}

static int f_res_del(void *k, const char *name, struct err *e)
{
	struct fake *f = enter(k);
	int r = missing(f, name, e);

	if (r == 0 && f->v[0].m.openers)
		r = err_set(e, -EBUSY, "kernel-busy", "/dev/lockstep0 is open (fio)");
	if (r == 0) {
		end_session(f, "removed");
		f->exists = false;
		f->volumes_made = 0;
	}
	return leave(f, r);
}

static int f_vol_add(void *k, const char *name, const struct nl_disk *d, struct err *e)
{
	struct fake *f = enter(k);
	int r = missing(f, name, e);
	u32 number = d->volume;

	if (r == 0 && f->refuse_volume[0])
		r = err_set(e, -EINVAL, "kernel-refused", "%s", f->refuse_volume);
	if (r == 0) {
		f->v[number].m.number = number;
		f->v[number].m.minor = d->minor;
		snprintf(f->v[number].m.backing, sizeof(f->v[number].m.backing), "%s", d->backing);
		f->volumes_made++;
		if (f->nr_volumes < f->volumes_made)
			f->nr_volumes = f->volumes_made;
	}
	return leave(f, r);
}

static int f_vol_del(void *k, const char *name, u32 number, struct err *e)
{
	struct fake *f = enter(k);
	int r = missing(f, name, e);

	(void)number;
	if (r == 0)
		f->volumes_made--;
	return leave(f, r);
}

/* Whoever closes it, a primary is without its peer then. */
static void lose(struct fake *f, const char *why)
{
	if (f->r.fencing && f->r.role == LOCKSTEP_ROLE_PRIMARY && f->r.link == LOCKSTEP_LINK_UP) {
		f->r.unfenced = true;
		f->r.io_mode = LOCKSTEP_IO_FROZEN;
	}
	end_session(f, why);
}

/* Of a session that its peer has ended. Neither is locked. */
static void far_loses(struct fake *far, u64 session_id)
{
	if (!far || !session_id)
		return;
	enter(far);
	if (far->r.session_id == session_id)
		lose(far, "the peer closed the connection");
	leave(far, 0);
}

/* As the kernel does: a session that was agreed upon without that disk ends. */
static int f_vol_attach(void *k, const char *name, const struct nl_disk *d, struct err *e)
{
	struct fake *f = enter(k), *far = f->far;
	int r = missing(f, name, e);
	struct fake_volume *v = volume(f, d->volume);
	u64 ended = 0;

	if (r == 0 && f->refuse_attach[0])
		r = err_set(e, -EINVAL, "kernel-refused", "%s", f->refuse_attach);
	if (r == 0 && (!v || v->m.disk != LOCKSTEP_DISK_FAILED))
		r = err_set(e, -EEXIST, "kernel-exists", "volume %u has a disk", d->volume);
	if (r == 0) {
		ended = f->r.session_id;
		lose(f, "a disk is attached");
		v->m.disk = LOCKSTEP_DISK_INCONSISTENT;
		v->attaches++;
		snprintf(v->m.backing, sizeof(v->m.backing), "%s", d->backing);
		notify(f, LOCKSTEP_EVENT_DISK_ATTACHED, v);
	}
	leave(f, r);
	far_loses(far, ended);
	return r;
}

static int f_vol_detach(void *k, const char *name, u32 number, struct err *e)
{
	struct fake *f = enter(k);
	int r = missing(f, name, e);

	if (r == 0 && f->r.link != LOCKSTEP_LINK_UP)
		r = err_set(e, -EPERM, "kernel-refused", "bob could not take over");
	if (r == 0)
		volume(f, number)->m.disk = LOCKSTEP_DISK_FAILED;
	return leave(f, r);
}

/* The device grew: what it can give now is the test's to say. */
static int f_resize(void *k, const char *name, u32 number, u64 data_sect, bool force,
		    struct err *e)
{
	struct fake *f = enter(k);
	int r = missing(f, name, e);
	struct fake_volume *v = volume(f, number);

	if (r == 0 && f->refuse_resize[0])
		r = err_set(e, -EBUSY, "kernel-busy", "%s", f->refuse_resize);
	if (r == 0 && data_sect && data_sect < v->m.data_sect && !force)
		r = err_set(e, -EPERM, "kernel-refused", "it would become smaller");
	if (r == 0) {
		v->m.data_max_sect = max(v->m.data_max_sect, v->grown_sect);
		v->resizes++;
	}
	return leave(f, r);
}

static int f_promote(void *k, const char *name, const struct nl_promotion *p, struct err *e)
{
	struct fake *f = k;
	int r;

	nap(f->promote_ms);
	enter(k);
	r = missing(f, name, e);
	if (r == 0 && f->r.fencing && f->r.link == LOCKSTEP_LINK_DOWN && !p->force &&
	    !(p->fenced && p->fence_round == f->r.fence_round))
		r = err_set(e, -ENOTUNIQ, "kernel-refused", "bob is not connected");
	if (r == 0) {
		f->r.role = LOCKSTEP_ROLE_PRIMARY;
		write_metadata(f);
		notify(f, LOCKSTEP_EVENT_STATE, NULL);
	}
	return leave(f, r);
}

static int f_demote(void *k, const char *name, struct err *e)
{
	struct fake *f = enter(k);
	int r = missing(f, name, e);

	if (r == 0 && f->v[0].m.openers)
		r = err_set(e, -EBUSY, "kernel-busy", "/dev/lockstep0 is open (fio)");
	if (r == 0) {
		f->r.role = LOCKSTEP_ROLE_SECONDARY;
		write_metadata(f);
		notify(f, LOCKSTEP_EVENT_STATE, NULL);
	}
	return leave(f, r);
}

/* As the kernel does it: back to where the two parted. */
static int f_surrender(void *k, const char *name, const struct nl_surrender_volume *v, u32 nr,
		       struct err *e)
{
	struct fake *f = enter(k);
	int r = missing(f, name, e);

	f->surrender_asks++;
	if (r == 0 && f->r.role == LOCKSTEP_ROLE_PRIMARY)
		r = err_set(e, -EBUSY, "kernel-busy", "it is primary");
	if (r == 0 && f->refuse_surrender[0])
		r = err_set(e, -EIO, "kernel-refused", "%s", f->refuse_surrender);
	if (r == 0 && nr != f->volumes_made)
		r = err_set(e, -EINVAL, "kernel-refused", "not all volumes");
	for (u32 i = 0; r == 0 && i < nr; i++) {
		struct model_volume *m = &volume(f, v[i].volume)->m;

		m->meta_seq += f->primary_meanwhile ? 2 : 0;
		if (m->gen_current != v[i].gen_current || m->gen_since != v[i].gen_since ||
		    m->meta_seq != v[i].meta_seq)
			r = err_set(e, -EAGAIN, "kernel-again",
				    "volume %u has changed since: look again", v[i].volume);
	}
	f->primary_meanwhile = false;
	for (u32 i = 0; r == 0 && i < nr; i++) {
		struct model_volume *m = &volume(f, v[i].volume)->m;

		m->meta_seq++;
		if (!(m->flags & LOCKSTEP_MF_CONSISTENT))
			continue;
		m->gen_current = m->gen_since;
		m->gen_since = 0;
		m->flags &= ~(LOCKSTEP_MF_CONSISTENT | LOCKSTEP_MF_UP_TO_DATE);
		m->disk = LOCKSTEP_DISK_INCONSISTENT;
	}
	f->surrenders += r == 0;
	return leave(f, r);
}

static int f_res_set(void *k, const char *name, const struct nl_policies *p, struct err *e)
{
	struct fake *f = enter(k);
	int r = missing(f, name, e);

	f->policy_sets++;
	f->auto_sets += !!p->auto_promote;
	if (r == 0 && p->fencing)
		f->r.fencing = *p->fencing;
	if (r == 0 && p->auto_promote)
		f->r.auto_promote = *p->auto_promote;
	return leave(f, r);
}

static int f_fenced(void *k, const char *name, const u32 *round, struct err *e)
{
	struct fake *f = enter(k);
	int r = missing(f, name, e);

	if (r == 0 && round && *round != f->r.fence_round)
		r = err_set(e, -ESTALE, "kernel-refused", "there was a session since");
	if (r == 0 && f->r.unfenced) {
		f->r.unfenced = false;
		f->r.io_mode = LOCKSTEP_IO_ALONE;
		notify(f, LOCKSTEP_EVENT_STATE, NULL);
	}
	return leave(f, r);
}

static int f_outdate(void *k, const char *name, struct err *e)
{
	struct fake *f = enter(k);
	int r = missing(f, name, e);

	if (r == 0 && f->r.role == LOCKSTEP_ROLE_PRIMARY)
		r = err_set(e, -EPERM, "kernel-refused", "it is primary");
	else if (r == 0 && f->r.link != LOCKSTEP_LINK_DOWN)
		r = err_set(e, -EBUSY, "kernel-busy", "it is connected");
	if (r == 0)
		f->v[0].m.disk = LOCKSTEP_DISK_OUTDATED;
	return leave(f, r);
}

static int f_session_open(void *k, const struct nl_session *s, struct err *e)
{
	struct fake *f = enter(k);
	int r = missing(f, s->name, e);

	f->opens++;
	if (r == 0 && f->refuse_open[0])
		r = err_set(e, -EINVAL, "kernel-refused", "%s", f->refuse_open);
	if (r == 0 && f->busy_opens) {
		f->busy_opens--;
		r = err_set(e, -EBUSY, "kernel-busy", "requests are still at its disk");
	}
	if (r == 0 && f->eagain_opens) {
		f->eagain_opens--;
		r = err_set(e, -EAGAIN, "kernel-again", "something changed");
	}
	if (r == 0 && f->r.link != LOCKSTEP_LINK_DOWN)
		r = err_set(e, -EBUSY, "kernel-busy", "there is a session");
	if (r == 0 && (s->epoch <= f->r.epoch || s->nr_volumes != f->volumes_made))
		r = err_set(e, -ESTALE, "kernel-refused", "epoch or volumes do not fit");
	for (u32 i = 0; r == 0 && i < s->nr_volumes; i++) {
		struct fake_volume *v = volume(f, s->volume[i].volume);

		bool primary = s->volume[i].flags & LOCKSTEP_FLAG_PRIMARY;

		if (!v || v->m.gen_current != s->volume[i].gen_current)
			r = err_set(e, -EAGAIN, "kernel-again", "generation changed");
		else if (primary != (f->r.role == LOCKSTEP_ROLE_PRIMARY))
			r = err_set(e, -EAGAIN, "kernel-again", "role changed");
		else
			v->opened = s->volume[i];
	}
	if (r == 0) {
		f->r.link = LOCKSTEP_LINK_OPENING;
		f->r.fence_round++;
		f->r.session_id = s->session_id;
		f->r.epoch = s->epoch;
		f->r.peer_boot_id = s->peer_boot_id;
		f->r.streams = s->streams;
		f->r.peer_role = s->peer_role;
		notify(f, LOCKSTEP_EVENT_STATE, NULL);
	}
	return leave(f, r);
}

static int session(struct fake *f, const char *name, u64 id, struct err *e)
{
	int r = missing(f, name, e);

	if (r == 0 && (f->r.link == LOCKSTEP_LINK_DOWN || f->r.session_id != id))
		r = err_set(e, -ENOTCONN, "kernel-refused", "no such session");
	return r;
}

static int f_stream_add(void *k, const char *name, u64 id, u32 stream, int fd, struct err *e)
{
	struct fake *f = enter(k);
	int r = session(f, name, id, e);

	if (r == 0 && (stream >= f->r.streams || f->fd[stream] >= 0))
		r = err_set(e, -EINVAL, "kernel-refused", "stream %u", stream);
	if (r == 0)
		f->fd[stream] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return leave(f, r);
}

static void start_volume(struct fake *f, struct fake_volume *v)
{
	if (f->marks_growth && v->m.data_sect && v->opened.data_sect > v->m.data_sect)
		v->m.oos_bits += (v->opened.data_sect - v->m.data_sect) / LOCKSTEP_BIT_SECT;
	if (gen_verdict_is_target(v->opened.verdict)) {
		v->m.sync = LOCKSTEP_SYNC_TARGET;
		v->m.flags &= ~(LOCKSTEP_MF_CONSISTENT | LOCKSTEP_MF_CLEAN);
	} else if (gen_verdict_is_source(v->opened.verdict)) {
		v->m.sync = LOCKSTEP_SYNC_SOURCE_WAIT;
	} else {
		v->m.gen_current = max(v->m.gen_current, v->opened.peer_gen_current);
		v->m.flags &= ~LOCKSTEP_MF_CLEAN;
	}
	v->m.data_sect = v->opened.data_sect;
}

static int f_session_start(void *k, const char *name, u64 id, struct err *e)
{
	struct fake *f = enter(k);
	int r = session(f, name, id, e);

	f->starts++;
	if (r == 0 && f->eagain_starts) {
		f->eagain_starts--;
		end_session(f, "it could not be started");
		r = err_set(e, -EAGAIN, "kernel-again", "something changed");
	}
	for (u32 i = 0; r == 0 && i < f->r.streams; i++)
		if (f->fd[i] < 0)
			r = err_set(e, -ENOTCONN, "kernel-refused", "stream %u is missing", i);
	if (r == 0) {
		f->r.link = LOCKSTEP_LINK_UP;
		f->r.unfenced = false;
		write_metadata(f);
		f->r.io_mode = f->r.role == LOCKSTEP_ROLE_PRIMARY ? LOCKSTEP_IO_BOTH : 0;
		f->start_stamp = __atomic_add_fetch(&stamps, 1, __ATOMIC_SEQ_CST);
		for (u32 i = 0; i < f->nr_volumes; i++)
			start_volume(f, &f->v[i]);
		notify(f, LOCKSTEP_EVENT_STATE, NULL);
	}
	return leave(f, r);
}

static int f_session_close(void *k, const char *name, u64 id, struct err *e)
{
	struct fake *f = enter(k), *far = f->far;
	int r = missing(f, name, e);
	u64 ended = 0;

	f->closes++;
	if (f->last_close && f->closes > f->last_close)
		return leave(f, 0);
	if (r == 0 && f->closes == f->fail_close)
		r = err_set(e, -ENOMEM, "kernel-refused", "no memory to end the session");
	if (r == 0 && (id == 0 || id == f->r.session_id)) {
		ended = f->r.session_id;
		lose(f, "closed on request");
	}
	leave(f, r);
	far_loses(far, ended);
	return r;
}

/* Chunk n of volume v is the three bytes {v, n, 1}: gap, length 1 and so on do not matter here. */
static int f_marks_get(void *k, const char *name, u32 number, u64 first_bit, struct nl_marks *ret,
		       struct err *e)
{
	struct fake *f = enter(k);
	int r = missing(f, name, e);
	u64 chunk = first_bit / 1000;

	f->marks_gets++;
	if (r == 0 && chunk >= FAKE_CHUNKS)
		r = err_set(e, -ERANGE, "kernel-refused", "beyond the end");
	if (r == 0) {
		ret->first_bit = first_bit;
		ret->has_next = chunk + 1 < FAKE_CHUNKS;
		ret->next_bit = ret->has_next ? (chunk + 1) * 1000 : 0;
		ret->run_bytes = 2;
		ret->runs[0] = (u8)(number * 16 + chunk);
		ret->runs[1] = 1;
	}
	return leave(f, r);
}

/* Jobs outlive sessions: each names its own. */
static int not_now(struct fake *f, u64 session_id, struct err *e)
{
	if (f->r.link == LOCKSTEP_LINK_UP && f->r.session_id == session_id)
		return 0;
	return err_set(e, -ENOTCONN, "kernel-refused", "no such session");
}

static int f_marks_merge(void *k, const char *name, u64 session_id, u32 number, u64 first_bit,
			 const void *runs, u32 run_bytes, struct err *e)
{
	struct fake *f = enter(k);
	int r = missing(f, name, e);
	struct fake_volume *v = volume(f, number);

	(void)first_bit;
	if (r == 0)
		r = not_now(f, session_id, e);
	if (r == 0 && (!v || v->m.sync != LOCKSTEP_SYNC_SOURCE_WAIT))
		r = err_set(e, -EINVAL, "kernel-refused", "not now");
	if (r == 0 && v->merged_bytes + run_bytes <= sizeof(v->merged)) {
		memcpy(v->merged + v->merged_bytes, runs, run_bytes);
		v->merged_bytes += run_bytes;
		v->merges++;
	}
	return leave(f, r);
}

static int f_sync_start(void *k, const char *name, u64 session_id, u32 number, struct err *e)
{
	struct fake *f = enter(k);
	int r = missing(f, name, e);
	struct fake_volume *v = volume(f, number);

	if (r == 0)
		r = not_now(f, session_id, e);
	if (r == 0 && v) {
		v->sync_starts++;
		if (v->m.sync == LOCKSTEP_SYNC_SOURCE_WAIT)
			v->m.sync = LOCKSTEP_SYNC_SOURCE;
	}
	return leave(f, r);
}

static int f_load(void *k, struct err *e)
{
	struct fake *f = enter(k);

	return leave(f, f->no_module ? err_set(e, -ENOPKG, "no-module", "modprobe failed") : 0);
}

static int f_events_open(void *k, struct err *e)
{
	struct fake *f = enter(k);

	(void)e;
	if (f->event_fd < 0)
		f->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return leave(f, f->event_fd);
}

static int f_event_next(void *k, struct nl_event *ret)
{
	struct fake *f = enter(k);
	u64 count;

	if (f->nr_queued == 0) {
		(void)!read(f->event_fd, &count, sizeof(count));
		return leave(f, -EAGAIN);
	}
	*ret = f->queue[0];
	memmove(f->queue, f->queue + 1, --f->nr_queued * sizeof(f->queue[0]));
	return leave(f, 0);
}

static void f_events_close(void *k)
{
	struct fake *f = enter(k);

	if (f->event_fd >= 0)
		close(f->event_fd);
	f->event_fd = -1;
	f->nr_queued = 0;
	leave(f, 0);
}

static const struct kern_ops fake_ops = {
	.status = f_status,
	.res_add = f_res_add,
	.res_del = f_res_del,
	.vol_add = f_vol_add,
	.vol_del = f_vol_del,
	.vol_attach = f_vol_attach,
	.vol_detach = f_vol_detach,
	.resize = f_resize,
	.promote = f_promote,
	.res_set = f_res_set,
	.fenced = f_fenced,
	.outdate = f_outdate,
	.demote = f_demote,
	.surrender = f_surrender,
	.session_open = f_session_open,
	.stream_add = f_stream_add,
	.session_start = f_session_start,
	.session_close = f_session_close,
	.marks_get = f_marks_get,
	.marks_merge = f_marks_merge,
	.sync_start = f_sync_start,
	.load = f_load,
	.events_open = f_events_open,
	.event_next = f_event_next,
	.events_close = f_events_close,
};

void fake_init(struct fake *f, u64 boot_id)
{
	memset(f, 0, sizeof(*f));
	f->kern.ops = &fake_ops;
	f->kern.arg = f;
	pthread_mutex_init(&f->lock, NULL);
	f->event_fd = -1;
	f->r.boot_id = boot_id;
	f->r.role = LOCKSTEP_ROLE_SECONDARY;
	for (u32 i = 0; i < LOCKSTEP_MAX_STREAMS; i++)
		f->fd[i] = -1;
	for (u32 i = 0; i < FAKE_VOLUMES; i++) {
		struct model_volume *m = &f->v[i].m;

		m->data_max_sect = 1 << 20;
		m->logical_bytes = 512;
		m->physical_bytes = 4096;
		m->max_io_bytes = LOCKSTEP_MAX_IO_BYTES;
		m->caps = LOCKSTEP_VC_ZEROES;
		m->disk = LOCKSTEP_DISK_UP_TO_DATE;
		m->meta_seq = 2;
	}
}

void fake_done(struct fake *f)
{
	close_streams(f);
	f_events_close(f);
	pthread_mutex_destroy(&f->lock);
}

void fake_lock(struct fake *f)
{
	pthread_mutex_lock(&f->lock);
}

void fake_unlock(struct fake *f)
{
	pthread_mutex_unlock(&f->lock);
}

void fake_lose(struct fake *f)
{
	fake_lock(f);
	lose(f, "no answer from the peer");
	fake_unlock(f);
}

u32 fake_link(struct fake *f)
{
	u32 link;

	fake_lock(f);
	link = f->r.link;
	fake_unlock(f);
	return link;
}
