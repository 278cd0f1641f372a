// SPDX-License-Identifier: GPL-2.0
#include "diskreport.h"

static const char *const texts[DISK_FAILURE_NR] = {
	[DISK_FAILED_WRITE]	= "a write",
	[DISK_FAILED_PEER_WRITE] = "a write of the peer",
	[DISK_FAILED_FLUSH]	= "a flush",
	[DISK_FAILED_META]	= "a metadata write",
	[DISK_FAILED_REPAIR]	= "to take a block that it could not read",
	[DISK_LATE_FLUSH]	= "to finish a flush in time",
	[DISK_LATE_REQUEST]	= "to finish a request in time",
};

const char *disk_failure_text(enum disk_failure what)
{
	return (u32)what < DISK_FAILURE_NR && texts[what] ? texts[what] : "something";
}

bool disk_failure_is_late(enum disk_failure what)
{
	return what >= DISK_LATE_FLUSH;
}

u32 disk_report(enum disk_failure what, int err, bool news)
{
	u32 nr = (u32)-(disk_failure_is_late(what) ? -ETIMEDOUT : err);

	return (u32)what | (news ? DISK_REPORT_NEWS : 0) | nr << DISK_REPORT_ERR_SHIFT;
}

enum disk_failure disk_report_what(u32 report)
{
	return (enum disk_failure)(report & DISK_REPORT_WHAT);
}

int disk_report_err(u32 report)
{
	return -(int)(report >> DISK_REPORT_ERR_SHIFT);
}

bool disk_report_is_late(u32 report)
{
	return disk_failure_is_late(disk_report_what(report));
}

bool disk_report_is_error(u32 report)
{
	return report && !disk_report_is_late(report);
}

u32 disk_report_merge(u32 kept, u32 comes)
{
	u32 stays = kept;

	if (!kept || (disk_report_is_late(kept) && disk_report_is_error(comes)))
		stays = comes;
	return stays | ((kept | comes) & DISK_REPORT_NEWS);
}
