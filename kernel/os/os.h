/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kernel half of the seam: all that kernel/core may use. The other half is tools/os/os.h; -I picks
 * one. Offered: fixed-width types and their byte order, errno values, memory functions,
 * static_assert, min/max, DIV_ROUND_UP, ARRAY_SIZE, hweight64, __ffs64, os_crc32c, WARN_ON_ONCE.
 * Withheld: allocation, locks, atomics, time, randomness, printing, pages, bios, sockets.
 */
#ifndef LOCKSTEP_OS_H
#define LOCKSTEP_OS_H

#include <linux/types.h>
#include <linux/errno.h>
#include <linux/string.h>
#include <linux/build_bug.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/bug.h>
#include <linux/bitops.h>
#include <linux/limits.h>
#include <linux/math.h>
#include <linux/crc32.h>
#include <asm/byteorder.h>
#include "compat-crc.h"

/* CRC-32C as RFC 3720 has it: all ones in front, inverted at the end. */
static inline u32 os_crc32c(const void *data, size_t len)
{
	return ~crc32c(~0u, data, len);
}

/* Continue: the crc of a buffer that follows `crc`'s. */
static inline u32 os_crc32c_more(u32 crc, const void *data, size_t len)
{
	return ~crc32c(~crc, data, len);
}

#endif /* LOCKSTEP_OS_H */
