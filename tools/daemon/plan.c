// SPDX-License-Identifier: GPL-2.0
#include "plan.h"

#include <linux/lockstep.h>
#include <openssl/crypto.h>

#include "sizes.h"

int plan_load(const char *name, const char *node, struct plan *ret, struct err *e)
{
	struct plan p = { .conf = NULL };
	const struct conf_node *me;
	int r;

	r = conf_load_name(name, &p.conf, e);
	if (r < 0)
		return r;
	r = p.self = conf_self(p.conf, node, e);
	if (r >= 0)
		r = conf_read_key(p.conf, p.key, e);
	if (r >= 0 && p.self == 1) {
		me = &p.conf->node[p.self];
		r = dial_look_up(me->address, me->port, false, true, p.listen, PLAN_ADDRS, e);
		p.nr_listen = r > 0 ? (u32)r : 0;
	}
	if (r < 0) {
		plan_clear(&p);
		return r;
	}
	*ret = p;
	return 0;
}

void plan_clear(struct plan *p)
{
	conf_free(p->conf);
	OPENSSL_cleanse(p, sizeof(*p));
}

static bool same_node(const struct conf_node *a, const struct conf_node *b)
{
	return strcmp(a->name, b->name) == 0 && a->id == b->id &&
	       strcmp(a->address, b->address) == 0 && a->port == b->port;
}

bool plan_is_same(const struct plan *a, const struct plan *b)
{
	if (a->self != b->self || memcmp(a->key, b->key, sizeof(a->key)) != 0 ||
	    a->conf->streams != b->conf->streams || a->conf->timeout_ms != b->conf->timeout_ms ||
	    a->conf->nr_volumes != b->conf->nr_volumes || a->nr_listen != b->nr_listen)
		return false;
	for (u32 i = 0; i < a->nr_listen; i++)
		if (memcmp(&a->listen[i], &b->listen[i], sizeof(a->listen[i])) != 0)
			return false;
	return same_node(&a->conf->node[0], &b->conf->node[0]) &&
	       same_node(&a->conf->node[1], &b->conf->node[1]);
}

static int add_resource(const struct plan *p, const struct kern *k, struct err *e)
{
	const struct conf_node *me = &p->conf->node[p->self];
	const struct conf_node *peer = &p->conf->node[1 - p->self];
	struct nl_resource r = {
		.name = p->conf->name,
		.node_id = me->id,
		.peer_node_id = peer->id,
		.node = me->name,
		.peer = peer->name,
		.timeout_ms = p->conf->timeout_ms,
		.ping_ms = p->conf->ping_ms,
		.disk_timeout_ms = p->conf->disk_timeout_ms,
		.fencing = p->conf->fencing.policy,
		.auto_promote = p->conf->auto_promote,
	};

	return k->ops->res_add(k->arg, &r, e);
}

/* Only what differs: a module that does not know a policy has none, and need not be asked. */
static int set_policies(const struct plan *p, const struct kern *k, const struct model_resource *r,
			struct err *e)
{
	const struct conf *c = p->conf;
	struct nl_policies set = {
		.fencing = r->fencing == c->fencing.policy ? NULL : &c->fencing.policy,
		.auto_promote = r->auto_promote == c->auto_promote ? NULL : &c->auto_promote,
	};

	return set.fencing || set.auto_promote ? k->ops->res_set(k->arg, r->name, &set, e) : 0;
}

/* The one that is there already must be the one that is meant; its policies may be others. */
static int check_resource(const struct plan *p, const struct kern *k,
			  const struct model_resource *r, struct err *e)
{
	const struct conf_node *me = &p->conf->node[p->self];
	const struct conf_node *peer = &p->conf->node[1 - p->self];

	if (r->node_id == me->id && r->peer_node_id == peer->id)
		return set_policies(p, k, r, e);
	err_set(e, -EEXIST, "other-resource", "%s is up as node %u with peer %u, and %s says node "
		"%u with peer %u", r->name, r->node_id, r->peer_node_id, p->conf->path, me->id,
		peer->id);
	err_mend(e, "lockstep down %s, then lockstep up %s", r->name, r->name);
	return -EEXIST;
}

static struct nl_disk disk_of(const struct plan *p, const struct conf_volume *v,
			      const char *state_dir)
{
	struct nl_disk d = {
		.volume = v->number,
		.minor = v->minor,
		.backing = v->disk[p->self],
		.meta = v->meta[p->self],
	};

	/* Elsewhere it does not depend on the size of the data. */
	if (!d.meta[0])
		d.device_sect = sizes_old(state_dir, p->conf->name, v->number, d.backing);
	return d;
}

static int add_volumes(const struct plan *p, const struct kern *k, const char *state_dir,
		       const struct model_resource *r, bool *ret_new, struct err *e)
{
	bool made[LOCKSTEP_MAX_VOLUMES] = { false };
	int ret = 0;
	u32 i;

	for (i = 0; i < p->conf->nr_volumes && i < LOCKSTEP_MAX_VOLUMES; i++) {
		const struct conf_volume *v = &p->conf->volume[i];
		struct nl_disk d;

		if (r && model_find_volume(r, v->number))
			continue;
		d = disk_of(p, v, state_dir);
		ret = k->ops->vol_add(k->arg, p->conf->name, &d, e);
		if (ret < 0)
			break;
		made[i] = *ret_new = true;
	}
	if (ret < 0)
		while (i-- > 0)
			if (made[i])
				(void)k->ops->vol_del(k->arg, p->conf->name,
						      p->conf->volume[i].number, NULL);
	return ret;
}

void plan_note_sizes(const struct kern *k, const char *name, const char *state_dir)
{
	const struct model_resource *r;
	struct model m;

	if (kern_status_whole(k, name, WHOLE_WAIT_MS, &m, NULL) < 0)
		return;
	r = model_find(&m, name);
	if (r)
		sizes_note(state_dir, r);
	model_free(&m);
}

static bool lacks_disk(const struct model_resource *r, u32 number)
{
	const struct model_volume *v = model_find_volume(r, number);

	return v && (v->disk == LOCKSTEP_DISK_FAILED || v->disk == LOCKSTEP_DISK_NONE);
}

static int attach_volumes(const struct plan *p, const struct kern *k, const char *state_dir,
			  const struct model_resource *r, int volume, u32 *ret_nr, struct err *e)
{
	const char *name = p->conf->name;
	bool any = false;
	int ret = 0;

	for (u32 i = 0; i < p->conf->nr_volumes && ret == 0; i++) {
		const struct conf_volume *v = &p->conf->volume[i];
		struct nl_disk d;

		if (volume >= 0 ? (int)v->number != volume : !lacks_disk(r, v->number))
			continue;
		any = true;
		d = disk_of(p, v, state_dir);
		ret = k->ops->vol_attach(k->arg, name, &d, e);
		*ret_nr += ret == 0;
	}
	if (any)
		return ret;
	if (volume >= 0) {
		ret = err_set(e, -ENOENT, "no-volume", "%s has no volume %d", p->conf->path,
			      volume);
		err_mend(e, "grep number %s", p->conf->path);
		return ret;
	}
	ret = err_set(e, -EEXIST, "nothing-to-attach", "no volume of %s lacks a disk", name);
	err_mend(e, "lockstep status %s", name);
	return ret;
}

int plan_attach(const struct plan *p, const struct kern *k, const char *state_dir, int volume,
		u32 *ret_nr, struct err *e)
{
	const struct model_resource *r;
	struct model m;
	int ret;

	*ret_nr = 0;
	ret = kern_status_whole(k, p->conf->name, WHOLE_WAIT_MS, &m, e);
	if (ret < 0)
		return ret;
	r = model_find(&m, p->conf->name);
	if (r)
		ret = attach_volumes(p, k, state_dir, r, volume, ret_nr, e);
	else
		ret = err_set(e, -ENODEV, "not-up", "%s is not up on this host", p->conf->name);
	model_free(&m);
	if (*ret_nr)
		plan_note_sizes(k, p->conf->name, state_dir);
	return ret;
}

int plan_apply(const struct plan *p, const struct kern *k, const char *state_dir, bool *ret_new,
	       struct err *e)
{
	struct model_resource *r;
	struct model m;
	bool added, new = false;
	int ret;

	ret = k->ops->load(k->arg, e);
	if (ret == 0)
		ret = kern_status_whole(k, p->conf->name, WHOLE_WAIT_MS, &m, e);
	if (ret < 0)
		return ret;
	r = model_find(&m, p->conf->name);
	added = !r;
	ret = r ? check_resource(p, k, r, e) : add_resource(p, k, e);
	if (ret == 0) {
		new = added;
		ret = add_volumes(p, k, state_dir, r, &new, e);
		if (ret < 0 && added)
			(void)k->ops->res_del(k->arg, p->conf->name, NULL);
	}
	model_free(&m);
	if (ret == 0) {
		*ret_new = new;
		plan_note_sizes(k, p->conf->name, state_dir);
	}
	return ret;
}
