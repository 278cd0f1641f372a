/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Userspace half of the seam (see kernel/os/os.h): what kernel/core may use, for the tools, the
 * unit tests, the fuzzers and the simulator. It offers exactly the same names, so that anything
 * else in core does not compile here.
 */
#ifndef LOCKSTEP_OS_H
#define LOCKSTEP_OS_H

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <linux/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

#undef static_assert
#define static_assert(expr, ...)	_Static_assert(expr, #expr)

#ifndef U64_MAX
#define U64_MAX		UINT64_MAX
#define U32_MAX		UINT32_MAX
#endif

#define cpu_to_le16(x)	((__le16)htole16(x))
#define cpu_to_le32(x)	((__le32)htole32(x))
#define cpu_to_le64(x)	((__le64)htole64(x))
#define le16_to_cpu(x)	le16toh((u16)(x))
#define le32_to_cpu(x)	le32toh((u32)(x))
#define le64_to_cpu(x)	le64toh((u64)(x))

#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))
#define min(a, b) \
	({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ < b_ ? a_ : b_; })
#define max(a, b) \
	({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ > b_ ? a_ : b_; })
#define min_t(t, a, b)		({ t a_ = (a); t b_ = (b); a_ < b_ ? a_ : b_; })
#define max_t(t, a, b)		({ t a_ = (a); t b_ = (b); a_ > b_ ? a_ : b_; })
#define hweight64(x)		((unsigned int)__builtin_popcountll(x))
#define __ffs64(x)		((unsigned long)__builtin_ctzll(x))

/* In the kernel this is a warning with a trace; here a broken invariant must fail the test. */
#define WARN_ON_ONCE(cond)	({ bool w_ = (cond); assert(!w_ && #cond); w_; })

u32 os_crc32c(const void *data, size_t len);
u32 os_crc32c_more(u32 crc, const void *data, size_t len);

#endif /* LOCKSTEP_OS_H */
