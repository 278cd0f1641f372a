/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Life of an application's read:
 *
 *   our copy is good   local. If the disk fails it (P9), and the peer has the block: part by part,
 *                      taken from the peer and written back here, under its range, so that no
 *                      write is overtaken.
 *   it is not, and we  from the peer; held while there is no session
 *   are primary
 *   else               an error: nobody knows what these blocks are worth
 */
#ifndef LOCKSTEP_READ_H
#define LOCKSTEP_READ_H

struct bio;
struct lockstep_volume;

int lockstep_read_init(void);
void lockstep_read_exit(void);

/* The caller's reference on vol->ref goes with it. */
void lockstep_read_submit(struct lockstep_volume *vol, struct bio *bio);

#endif /* LOCKSTEP_READ_H */
