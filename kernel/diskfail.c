// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "lockstep: " fmt

#include "diskfail.h"

#include <linux/ratelimit.h>
#include "resource.h"
#include "volume.h"

void lockstep_disk_failed(struct lockstep_volume *vol, const char *what, int err)
{
	pr_err_ratelimited("%s/%u: local disk %s failed %s: %d\n", vol->res->name, vol->number,
			   vol->backing, what, err);
}
