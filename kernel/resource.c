// SPDX-License-Identifier: GPL-2.0
/*
 * Life of a resource. The list holds one reference, so does everything that works on it: commands,
 * volumes and sessions. The module cannot be unloaded while a resource exists.
 */
#define pr_fmt(fmt) "lockstep: " fmt

#include "resource.h"

#include <linux/module.h>
#include <linux/slab.h>
#include <net/net_namespace.h>
#include "auto.h"
#include "debugfs.h"
#include "request.h"
#include "status.h"

DEFINE_MUTEX(lockstep_resources_lock);
LIST_HEAD(lockstep_resources);
u64 lockstep_boot_id;

/*
 * In a work of its own, because the last reference may be an event's, dropped where sleeping on
 * SRCU is unwelcome. module_put here is safe: module exit flushes this queue before the text goes
 * away.
 */
static void resource_free_work(struct work_struct *work)
{
	struct lockstep_resource *res = container_of(work, struct lockstep_resource, free_work);

	cancel_work_sync(&res->ready_work);
	cleanup_srcu_struct(&res->mode_srcu);
	mutex_destroy(&res->ctl);
	put_net(res->net);
	pr_debug("%s: resource destroyed\n", res->name);
	kfree(res);
	module_put(THIS_MODULE);
}

static void resource_free(struct kref *ref)
{
	struct lockstep_resource *res = container_of(ref, struct lockstep_resource, ref);

	queue_work(lockstep_slow_wq, &res->free_work);
}

void lockstep_resource_put(struct lockstep_resource *res)
{
	kref_put(&res->ref, resource_free);
}

static struct lockstep_resource *find_locked(const struct net *net, const char *name)
{
	struct lockstep_resource *res;

	lockdep_assert_held(&lockstep_resources_lock);
	list_for_each_entry(res, &lockstep_resources, node)
		if (res->net == net && !strcmp(res->name, name))
			return res;
	return NULL;
}

struct lockstep_resource *lockstep_resource_get(const struct net *net, const char *name)
{
	struct lockstep_resource *res;

	mutex_lock(&lockstep_resources_lock);
	res = find_locked(net, name);
	if (res)
		kref_get(&res->ref);
	mutex_unlock(&lockstep_resources_lock);
	return res;
}

static void resource_init(struct lockstep_resource *res)
{
	kref_init(&res->ref);
	mutex_init(&res->ctl);
	spin_lock_init(&res->io_lock);
	INIT_LIST_HEAD(&res->held);
	INIT_LIST_HEAD(&res->orphans);
	INIT_LIST_HEAD(&res->events);
	INIT_LIST_HEAD(&res->ready);
	init_waitqueue_head(&res->state_wait);
	INIT_WORK(&res->event_work, lockstep_status_work);
	INIT_WORK(&res->ready_work, lockstep_request_ready_work);
	INIT_WORK(&res->free_work, resource_free_work);
	lockstep_auto_init(res);
	state_init(&res->state, res->node_id < res->peer_node_id);
	res->state.fencing = res->fencing != LOCKSTEP_FENCING_NONE;
}

struct lockstep_resource *lockstep_resource_create(struct net *net,
						   const struct lockstep_resource_params *p)
{
	struct lockstep_resource *res;
	int err;

	res = kzalloc(sizeof(*res), GFP_KERNEL);
	if (!res)
		return ERR_PTR(-ENOMEM);
	strscpy(res->name, p->name, sizeof(res->name));
	strscpy(res->node_name, p->node_name, sizeof(res->node_name));
	strscpy(res->peer_name, p->peer_name, sizeof(res->peer_name));
	res->node_id = p->node_id;
	res->peer_node_id = p->peer_node_id;
	res->timeout_ms = p->timeout_ms;
	res->ping_ms = p->ping_ms;
	res->disk_timeout_ms = p->disk_timeout_ms;
	res->fencing = p->fencing;
	res->by_open.on = p->auto_promote;
	res->net = net;
	resource_init(res);
	err = init_srcu_struct(&res->mode_srcu);
	if (err)
		goto free;
	mutex_lock(&lockstep_resources_lock);
	err = -EEXIST;
	/*
	 * A module that is being unloaded waits for us in unregistering the family, and must get
	 * nothing new.
	 */
	if (find_locked(net, p->name) || !try_module_get(THIS_MODULE)) {
		if (!find_locked(net, p->name))
			err = -ENODEV;
		mutex_unlock(&lockstep_resources_lock);
		goto srcu;
	}
	get_net(net);
	kref_get(&res->ref);		/* the list's */
	lockstep_debugfs_add(res);
	list_add_tail(&res->node, &lockstep_resources);
	mutex_unlock(&lockstep_resources_lock);
	pr_debug("%s: resource created\n", res->name);
	return res;
srcu:
	cleanup_srcu_struct(&res->mode_srcu);
free:
	kfree(res);
	return ERR_PTR(err);
}

/*
 * Who may still use it afterwards: (1) whoever looked it up before: they find `gone` under ctl; (2)
 * the event worker: cancelled by the caller after ctl is dropped would be too late for the
 * reference it does not hold, so each queued event holds one of its own (lockstep_status_post); (3)
 * requests: none, their volumes are gone.
 */
void lockstep_resource_remove_locked(struct lockstep_resource *res)
{
	lockdep_assert_held(&res->ctl);
	if (res->gone)
		return;
	res->gone = true;
	lockstep_debugfs_remove(res);
	mutex_lock(&lockstep_resources_lock);
	list_del(&res->node);
	mutex_unlock(&lockstep_resources_lock);
	lockstep_resource_put(res);
}
