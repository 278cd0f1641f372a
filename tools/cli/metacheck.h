/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Everything of one volume's metadata, read and compared with itself: superblocks, region map,
 * index and the pages of the bitmap that count. Reads only; of a device that is attached what was
 * read may contradict itself, because it changes meanwhile.
 */
#ifndef LOCKSTEP_METACHECK_H
#define LOCKSTEP_METACHECK_H

#include "metafile.h"

#define METACHECK_FINDINGS	32
#define METACHECK_TEXT		200

struct metacheck_finding {
	bool is_error;		/* something is lost or contradicts itself; else: worth knowing */
	char text[METACHECK_TEXT];
};

struct metacheck {
	struct metafile file;
	bool at_old_end;	/* found where a smaller device ended */
	bool has_maps;		/* the following was looked at */
	bool regions_valid, marks_valid;	/* ... and counts */
	u64 regions, dirty_regions;
	u64 pages, pages_empty, pages_full, pages_stored;
	u64 marked_blocks;
	u32 unreadable;		/* 4 KiB blocks of maps that could not be read */
	struct metacheck_finding finding[METACHECK_FINDINGS];
	u32 nr_findings, nr_errors;	/* nr_errors counts those that found no room, too */
};

struct device;

/*
 * `meta`: device with the metadata; data_sect: size of the data device if it is another one, 0:
 * unknown. old_sect: where else internal metadata may end, 0: nowhere.
 */
void metacheck_run(const struct device *meta, bool external, u64 data_sect, u64 old_sect,
		   struct metacheck *ret);

#endif /* LOCKSTEP_METACHECK_H */
