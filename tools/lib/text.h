/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Numbers as a person reads them, and enums as programs do.
 */
#ifndef LOCKSTEP_TEXT_H
#define LOCKSTEP_TEXT_H

#include "os.h"

#define TEXT_BYTES	48

struct text {
	char s[TEXT_BYTES];
};

struct text text_bytes(u64 bytes);		/* "9.99 GiB", "512 B" */
struct text text_sect(u64 sect);
struct text text_bits(u64 bits);		/* of the bitmap, as bytes */
struct text text_duration(u64 seconds);		/* "0:00:19", "3 days 4:05:06" */
struct text text_when(u64 wall_s);		/* "2031-04-05 06:07:08", local; 0: "never" */
struct text text_id(u64 id);			/* 16 hex digits */
struct text text_bar(unsigned int permille);	/* "[====>.......] 33.3 %" */

/*
 * Stable words for programs, lower case: the schema lists them. A number this build does not know
 * is "unknown".
 */
const char *text_role(u32 role);
const char *text_fencing(u32 policy);
const char *text_link(u32 link);
const char *text_disk(u32 disk);
const char *text_sync(u32 sync);
const char *text_io(u32 mode);
const char *text_verify(u32 verify);
const char *text_meta_err(int err);		/* enum meta_err */

/* "4096", "10G", "1.5" is none: a whole number, K to E are powers of 1024, "iB" may follow. */
bool text_parse_bytes(const char *text, u64 *ret);

/* The n-th LOCKSTEP_MF_* flag, n from 0; NULL: there are no more. */
const char *text_flag(unsigned int n);

#endif /* LOCKSTEP_TEXT_H */
