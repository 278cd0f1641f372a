// SPDX-License-Identifier: GPL-2.0
#include "plan.h"

#include <openssl/crypto.h>

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
	};

	return k->ops->res_add(k->arg, &r, e);
}

/* The one that is there already must be the one that is meant. */
static int check_resource(const struct plan *p, const struct model_resource *r, struct err *e)
{
	const struct conf_node *me = &p->conf->node[p->self];
	const struct conf_node *peer = &p->conf->node[1 - p->self];

	if (r->node_id == me->id && r->peer_node_id == peer->id)
		return 0;
	err_set(e, -EEXIST, "other-resource", "%s is up as node %u with peer %u, and %s says node "
		"%u with peer %u", r->name, r->node_id, r->peer_node_id, p->conf->path, me->id,
		peer->id);
	err_mend(e, "lockstep down %s, then lockstep up %s", r->name, r->name);
	return -EEXIST;
}

static int add_volumes(const struct plan *p, const struct kern *k, const struct model_resource *r,
		       bool *ret_new, struct err *e)
{
	bool made[LOCKSTEP_MAX_VOLUMES] = { false };
	int ret = 0;
	u32 i;

	for (i = 0; i < p->conf->nr_volumes && i < LOCKSTEP_MAX_VOLUMES; i++) {
		const struct conf_volume *v = &p->conf->volume[i];

		if (r && model_find_volume(r, v->number))
			continue;
		ret = k->ops->vol_add(k->arg, p->conf->name, v->number, v->minor,
				      v->disk[p->self], v->meta[p->self], e);
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

int plan_apply(const struct plan *p, const struct kern *k, bool *ret_new, struct err *e)
{
	struct model_resource *r;
	struct model m;
	bool added, new = false;
	int ret;

	ret = k->ops->load(k->arg, e);
	if (ret == 0)
		ret = k->ops->status(k->arg, p->conf->name, &m, e);
	if (ret < 0)
		return ret;
	r = model_find(&m, p->conf->name);
	added = !r;
	ret = r ? check_resource(p, r, e) : add_resource(p, k, e);
	if (ret == 0) {
		new = added;
		ret = add_volumes(p, k, r, &new, e);
		if (ret < 0 && added)
			(void)k->ops->res_del(k->arg, p->conf->name, NULL);
	}
	model_free(&m);
	if (ret == 0)
		*ret_new = new;
	return ret;
}
