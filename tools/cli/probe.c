// SPDX-License-Identifier: GPL-2.0
#include "probe.h"

#include <blkid.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "device.h"

/* As many as anyone wants to read of; stale signatures of several formats do lie on one disk. */
#define MAX_FOUND	4

static const char *value(blkid_probe pr, const char *name)
{
	const char *v;

	return blkid_probe_lookup_value(pr, name, &v, NULL) ? NULL : v;
}

static const char *article(const char *word)
{
	return word && strchr("aeiouAEIOU", word[0]) ? "an" : "a";
}

/* One result of the probe in words. */
static enum probe_kind describe(blkid_probe pr, char *text, size_t size)
{
	const char *type = value(pr, "TYPE"), *usage = value(pr, "USAGE");
	const char *label = value(pr, "LABEL"), *table = value(pr, "PTTYPE");
	char suffix[96] = "";

	if (label)
		snprintf(suffix, sizeof(suffix), " (label %.64s)", label);
	if (table && !type) {
		snprintf(text, size, "a partition table (%s)", table);
		return PROBE_TABLE;
	}
	if (!type)
		return PROBE_EMPTY;
	if (usage && !strcmp(usage, "raid")) {
		snprintf(text, size, "%s %s signature%s", article(type), type, suffix);
		return PROBE_MEMBER;
	}
	snprintf(text, size, "%s %s %s%s", article(type), type,
		 usage && !strcmp(usage, "filesystem") ? "file system" : "signature", suffix);
	return PROBE_CONTENT;
}

static blkid_probe new_probe(const struct device *d)
{
	blkid_probe pr = blkid_new_probe();

	if (!pr)
		return NULL;
	if (blkid_probe_set_device(pr, d->fd, 0, 0) ||
	    blkid_probe_enable_superblocks(pr, 1) ||
	    blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_USAGE |
					      BLKID_SUBLKS_LABEL | BLKID_SUBLKS_MAGIC) ||
	    blkid_probe_enable_partitions(pr, 1) ||
	    blkid_probe_set_partitions_flags(pr, BLKID_PARTS_FORCE_GPT | BLKID_PARTS_MAGIC)) {
		blkid_free_probe(pr);
		return NULL;
	}
	return pr;
}

int probe_device(const struct device *d, enum probe_kind *ret, char *ret_text, size_t size,
		 struct err *e)
{
	enum probe_kind worst = PROBE_EMPTY, kind;
	int rc, flags = fcntl(d->fd, F_GETFL);
	char text[256];
	size_t used = 0;
	blkid_probe pr;

	ret_text[0] = '\0';
	/* libblkid's buffers are not aligned as O_DIRECT wants them. */
	fcntl(d->fd, F_SETFL, flags & ~O_DIRECT);
	pr = new_probe(d);
	rc = pr ? 1 : -1;
	for (int i = 0; pr && i < MAX_FOUND && !(rc = blkid_do_probe(pr)); i++) {
		kind = describe(pr, text, sizeof(text));
		if (kind == PROBE_EMPTY)
			continue;
		used += (size_t)snprintf(ret_text + used, size - used, "%s%s", used ? ", " : "",
					 text);
		used = min(used, size - 1);
		worst = max(worst, kind);
	}
	blkid_free_probe(pr);
	fcntl(d->fd, F_SETFL, flags);
	if (rc < 0)
		return err_set(e, -EIO, "probe", "%s could not be searched for what it holds",
			       d->path);
	*ret = worst;
	return 0;
}
