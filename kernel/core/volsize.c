// SPDX-License-Identifier: GPL-2.0
#include "volsize.h"

static bool is_wanted(const struct volsize_facts *f, enum volsize_step step)
{
	bool keeps = f->disk_sect && !f->no_disk;

	switch (step) {
	case VOLSIZE_ROOM:
		return f->agreed_sect > f->map_sect;
	case VOLSIZE_MARK:
		return keeps && f->agreed_sect > f->disk_sect;
	case VOLSIZE_STORE:
		return keeps && (f->agreed_sect != f->disk_sect || f->agreed_sect < f->map_sect);
	case VOLSIZE_TRIM:
		return f->agreed_sect < f->map_sect;
	default:
		return true;
	}
}

enum volsize_fit volsize_replace(u64 volume_sect, bool primary, u64 disk_sect, u64 room_sect)
{
	if (room_sect < volume_sect)
		return VOLSIZE_SMALL;
	if (!disk_sect || disk_sect == volume_sect)
		return VOLSIZE_GOOD;
	if (disk_sect > volume_sect)
		return VOLSIZE_LARGE;
	return primary ? VOLSIZE_SHORT : VOLSIZE_BEHIND;
}

enum volsize_step volsize_next(const struct volsize_facts *f, enum volsize_step last)
{
	enum volsize_step step = last;

	while (step < VOLSIZE_DONE && !is_wanted(f, ++step))
		;
	return step;
}
