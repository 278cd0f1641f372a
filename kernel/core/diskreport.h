/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a local disk has failed, as one word: what it was, the error, and whether the log has it.
 * One, because it is reported by completions and taken by a worker, without a lock between them:
 * of two words the worker could take one report's sentence with another's error.
 *
 * Late is what nobody has an answer to in time. It is a kind of its own, and not an error number: a
 * disk may say "timed out" itself, of a request that has ended for good, and that is an error like
 * any other. What is late may come back well.
 *
 * One report is kept until it is taken. Of two, which (disk_report_merge)?
 *
 *   kept       comes      stays
 *   none       any        what comes
 *   late       error      what comes: an error is not forgotten over something that is only slow
 *   else                  what was kept: the first is nearest to the cause
 *
 * The log has it if it has either: what is said of it then is news.
 */
#ifndef LOCKSTEP_CORE_DISKREPORT_H
#define LOCKSTEP_CORE_DISKREPORT_H

#include "os.h"

enum disk_failure {
	DISK_FAILED_WRITE = 1,
	DISK_FAILED_PEER_WRITE,
	DISK_FAILED_FLUSH,
	DISK_FAILED_META,
	DISK_FAILED_REPAIR,
	DISK_LATE_FLUSH,		/* late from here on */
	DISK_LATE_REQUEST,
	DISK_FAILURE_NR
};

bool disk_failure_is_late(enum disk_failure what);
/* Completes "the local disk failed ...". */
const char *disk_failure_text(enum disk_failure what);

/* 0: no report. */
#define DISK_REPORT_WHAT	0xffu
#define DISK_REPORT_NEWS	0x100u
#define DISK_REPORT_ERR_SHIFT	16

/* err: negative errno; of what is late it is -ETIMEDOUT, whatever is given. */
u32 disk_report(enum disk_failure what, int err, bool news);
enum disk_failure disk_report_what(u32 report);
int disk_report_err(u32 report);
/* Of no report: false. */
bool disk_report_is_late(u32 report);
/* It is there, and is not of what is only late. */
bool disk_report_is_error(u32 report);

u32 disk_report_merge(u32 kept, u32 comes);

#endif /* LOCKSTEP_CORE_DISKREPORT_H */
