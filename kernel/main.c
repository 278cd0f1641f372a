// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "lockstep: " fmt

#include <linux/module.h>
#include <linux/random.h>
#include <linux/workqueue.h>
#include "debugfs.h"
#include "engine.h"
#include "netlink.h"
#include "peerreq.h"
#include "read.h"
#include "request.h"
#include "resource.h"
#include "volume.h"

struct workqueue_struct *lockstep_io_wq, *lockstep_slow_wq, *lockstep_sum_wq, *lockstep_disk_wq,
			*lockstep_role_wq;

static int __init init_queues(void)
{
	lockstep_io_wq = alloc_workqueue("lockstep_io",
					 WQ_MEM_RECLAIM | WQ_HIGHPRI | WQ_UNBOUND, 0);
	if (!lockstep_io_wq)
		return -ENOMEM;
	lockstep_slow_wq = alloc_workqueue("lockstep_slow", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!lockstep_slow_wq)
		goto io;
	lockstep_sum_wq = alloc_workqueue("lockstep_sum", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!lockstep_sum_wq)
		goto slow;
	lockstep_disk_wq = alloc_workqueue("lockstep_disk", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!lockstep_disk_wq)
		goto sum;
	lockstep_role_wq = alloc_workqueue("lockstep_role", WQ_UNBOUND, 0);
	if (lockstep_role_wq)
		return 0;
	destroy_workqueue(lockstep_disk_wq);
sum:
	destroy_workqueue(lockstep_sum_wq);
slow:
	destroy_workqueue(lockstep_slow_wq);
io:
	destroy_workqueue(lockstep_io_wq);
	return -ENOMEM;
}

static void exit_queues(void)
{
	/* Puts a resource's end into slow. */
	destroy_workqueue(lockstep_role_wq);
	destroy_workqueue(lockstep_disk_wq);
	destroy_workqueue(lockstep_sum_wq);
	destroy_workqueue(lockstep_slow_wq);
	destroy_workqueue(lockstep_io_wq);
}

static int __init lockstep_init(void)
{
	int err;

	do {
		lockstep_boot_id = get_random_u64();
	} while (!lockstep_boot_id);
	err = init_queues();
	if (err)
		return err;
	err = lockstep_request_init();
	if (err)
		goto queues;
	err = lockstep_read_init();
	if (err)
		goto request;
	err = lockstep_peer_request_init();
	if (err)
		goto read;
	err = lockstep_engine_module_init();
	if (err)
		goto peer_request;
	err = lockstep_volume_init();
	if (err)
		goto resync;
	err = lockstep_netlink_init();
	if (err)
		goto volume;
	lockstep_debugfs_init();
	pr_info("loaded, instance %llx\n", lockstep_boot_id);
	return 0;
volume:
	lockstep_volume_exit();
resync:
	lockstep_engine_module_exit();
peer_request:
	lockstep_peer_request_exit();
read:
	lockstep_read_exit();
request:
	lockstep_request_exit();
queues:
	exit_queues();
	return err;
}

/*
 * No resource exists: each holds the module. The queues are flushed by their end, with the last
 * object's freeing in them.
 */
static void __exit lockstep_exit(void)
{
	lockstep_netlink_exit();
	lockstep_debugfs_exit();
	exit_queues();
	lockstep_volume_exit();
	lockstep_engine_module_exit();
	lockstep_peer_request_exit();
	lockstep_read_exit();
	lockstep_request_exit();
	pr_info("unloaded\n");
}

module_init(lockstep_init);
module_exit(lockstep_exit);
MODULE_DESCRIPTION("Replicated block device");
MODULE_LICENSE("GPL");
