/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The local disk of a volume has failed (P9): an error of a write, a flush or the metadata, or a
 * request that is not finished in time. What follows from it is the state machine's.
 */
#ifndef LOCKSTEP_DISKFAIL_H
#define LOCKSTEP_DISKFAIL_H

struct lockstep_volume;

/*
 * Report it: any context, any number of times. `what` is static and completes "the local disk
 * failed ...": "a write", "a metadata write". `err`: negative errno.
 */
void lockstep_disk_failed(struct lockstep_volume *vol, const char *what, int err);

#endif /* LOCKSTEP_DISKFAIL_H */
