// SPDX-License-Identifier: GPL-2.0
#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "meta.h"
#include <linux/lockstep.h>

#define BAR_COLUMNS	24

struct text text_bytes(u64 bytes)
{
	static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double v = (double)bytes;
	size_t i = 0;
	struct text t;

	/* 1023.5 and more would be printed as four digits. */
	while (v >= 1023.5 && i + 1 < ARRAY_SIZE(unit)) {
		v /= 1024;
		i++;
	}
	snprintf(t.s, sizeof(t.s), "%.*f %s", i && v < 99.95 ? (v < 9.995 ? 2 : 1) : 0, v, unit[i]);
	return t;
}

struct text text_sect(u64 sect)
{
	return text_bytes(sect << LOCKSTEP_SECT_SHIFT);
}

struct text text_duration(u64 seconds)
{
	u64 days = seconds / 86400, s = seconds % 86400;
	char prefix[24] = "";
	struct text t;

	if (days)
		snprintf(prefix, sizeof(prefix), "%" PRIu64 " day%s ", min(days, (u64)99999),
			 days == 1 ? "" : "s");
	snprintf(t.s, sizeof(t.s), "%s%u:%02u:%02u", prefix, (unsigned int)(s / 3600),
		 (unsigned int)(s / 60 % 60), (unsigned int)(s % 60));
	return t;
}

struct text text_when(u64 wall_s)
{
	time_t when = (time_t)wall_s;
	struct text t = { "never" };
	struct tm tm;

	if (wall_s && (!localtime_r(&when, &tm) ||
		       !strftime(t.s, sizeof(t.s), "%Y-%m-%d %H:%M:%S", &tm)))
		snprintf(t.s, sizeof(t.s), "@%" PRIu64, wall_s);
	return t;
}

struct text text_id(u64 id)
{
	struct text t;

	snprintf(t.s, sizeof(t.s), "%016" PRIx64, id);
	return t;
}

struct text text_bar(unsigned int permille)
{
	char bar[BAR_COLUMNS + 1];
	size_t full = (size_t)min(permille, 1000u) * BAR_COLUMNS / 1000;
	struct text t;

	memset(bar, '.', BAR_COLUMNS);
	memset(bar, '=', full);
	if (full < BAR_COLUMNS)
		bar[full] = '>';
	bar[BAR_COLUMNS] = '\0';
	snprintf(t.s, sizeof(t.s), "[%s] %u.%u %%", bar, permille / 10, permille % 10);
	return t;
}

struct text text_bits(u64 bits)
{
	return text_bytes(bits << LOCKSTEP_BIT_SHIFT);
}

bool text_parse_bytes(const char *text, u64 *ret)
{
	static const char units[] = "KMGTPE";
	unsigned long long v;
	const char *unit;
	char *end;
	u32 shift = 0;

	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno || end == text || *text == '-' || *text == '+' || *text == ' ')
		return false;
	unit = *end ? strchr(units, *end >= 'a' ? *end - 'a' + 'A' : *end) : NULL;
	if (unit) {
		shift = (u32)(unit - units + 1) * 10;
		end++;
		end += !strncmp(end, "iB", 2) ? 2 : 0;
	} else if (*end == 'B') {
		end++;
	}
	if (*end || v > UINT64_MAX >> shift)
		return false;
	*ret = (u64)v << shift;
	return true;
}

static const char *const roles[] = {
	[LOCKSTEP_ROLE_UNKNOWN]		= "unknown",
	[LOCKSTEP_ROLE_SECONDARY]	= "secondary",
	[LOCKSTEP_ROLE_PRIMARY]		= "primary",
};

static const char *const links[] = {
	[LOCKSTEP_LINK_DOWN]		= "down",
	[LOCKSTEP_LINK_OPENING]		= "opening",
	[LOCKSTEP_LINK_UP]		= "up",
};

static const char *const disks[] = {
	[LOCKSTEP_DISK_NONE]		= "none",
	[LOCKSTEP_DISK_FAILED]		= "failed",
	[LOCKSTEP_DISK_INCONSISTENT]	= "inconsistent",
	[LOCKSTEP_DISK_OUTDATED]	= "outdated",
	[LOCKSTEP_DISK_UNSURE]		= "unsure",
	[LOCKSTEP_DISK_UP_TO_DATE]	= "up-to-date",
};

static const char *const syncs[] = {
	[LOCKSTEP_SYNC_NONE]		= "none",
	[LOCKSTEP_SYNC_SOURCE_WAIT]	= "source-wait",
	[LOCKSTEP_SYNC_SOURCE]		= "source",
	[LOCKSTEP_SYNC_TARGET]		= "target",
};

static const char *const ios[] = {
	[LOCKSTEP_IO_NONE]		= "none",
	[LOCKSTEP_IO_BOTH]		= "both",
	[LOCKSTEP_IO_LAZY]		= "lazy",
	[LOCKSTEP_IO_NARROW]		= "narrow",
	[LOCKSTEP_IO_ALONE]		= "alone",
	[LOCKSTEP_IO_FROZEN]		= "frozen",
};

static const char *const verifies[] = {
	[LOCKSTEP_VERIFY_NONE]		= "none",
	[LOCKSTEP_VERIFY_RUNNING]	= "running",
	[LOCKSTEP_VERIFY_STOPPED]	= "stopped",
	[LOCKSTEP_VERIFY_DONE]		= "done",
};

static const char *const meta_errs[] = {
	[META_OK]			= "ok",
	[META_NO_MAGIC]			= "absent",
	[META_BAD_CRC]			= "torn",
	[META_BAD_VERSION]		= "other-version",
	[META_BAD_FEATURE]		= "unknown-feature",
	[META_BAD_FIELD]		= "bad-field",
	[META_TOO_SMALL]		= "too-small",
	[META_MOVED]			= "moved",
};

/* Bit n of LOCKSTEP_MF_*, in their order. */
static const char *const flags[] = {
	"consistent", "up-to-date", "primary", "attached", "clean", "marks-valid", "regions-valid",
	"unclean", "crashed-primary", "external", "outdated", "serving", "left-primary",
	"narrowed",
};

static_assert(LOCKSTEP_MF_KNOWN == (1u << ARRAY_SIZE(flags)) - 1, "");
static_assert(META_ERR_NR == ARRAY_SIZE(meta_errs), "");

static const char *word(const char *const *table, size_t nr, u32 at)
{
	return at < nr ? table[at] : "unknown";
}

const char *text_fencing(u32 policy)
{
	static const char *const policies[] = {
		[LOCKSTEP_FENCING_NONE]		= "none",
		[LOCKSTEP_FENCING_OUTDATE]	= "outdate",
		[LOCKSTEP_FENCING_FENCE]	= "fence",
	};

	return word(policies, ARRAY_SIZE(policies), policy);
}

const char *text_role(u32 role)
{
	return word(roles, ARRAY_SIZE(roles), role);
}

const char *text_link(u32 link)
{
	return word(links, ARRAY_SIZE(links), link);
}

const char *text_disk(u32 disk)
{
	return word(disks, ARRAY_SIZE(disks), disk);
}

const char *text_sync(u32 sync)
{
	return word(syncs, ARRAY_SIZE(syncs), sync);
}

const char *text_io(u32 mode)
{
	return word(ios, ARRAY_SIZE(ios), mode);
}

const char *text_verify(u32 verify)
{
	return word(verifies, ARRAY_SIZE(verifies), verify);
}

const char *text_meta_err(int err)
{
	return word(meta_errs, ARRAY_SIZE(meta_errs), (u32)err);
}

const char *text_flag(unsigned int n)
{
	return n < ARRAY_SIZE(flags) ? flags[n] : NULL;
}
