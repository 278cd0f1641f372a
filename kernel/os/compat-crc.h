/* SPDX-License-Identifier: GPL-2.0 */
/* crc32c() moved from linux/crc32c.h into linux/crc32.h in 6.15; the old header went later. */
#ifndef LOCKSTEP_COMPAT_CRC_H
#define LOCKSTEP_COMPAT_CRC_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 15, 0)
#include <linux/crc32c.h>
#endif

#endif /* LOCKSTEP_COMPAT_CRC_H */
