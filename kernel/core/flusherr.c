// SPDX-License-Identifier: GPL-2.0
#include "flusherr.h"

u32 flusherr_sample(const struct flusherr *f, enum flusherr_reader reader)
{
	switch (reader) {
	case FLUSHERR_APPLICATION:
		return f->told;
	case FLUSHERR_WRITE:
		return f->errors;
	default:
		return f->marked;
	}
}

bool flusherr_is_good(const struct flusherr *f, u32 sample)
{
	return f->errors == max(sample, f->floor);
}

void flusherr_note(struct flusherr *f)
{
	f->errors++;
}

void flusherr_tell(struct flusherr *f, u32 errors)
{
	f->told = max(f->told, errors);
}

void flusherr_mark(struct flusherr *f, u32 errors)
{
	f->marked = errors;
}

void flusherr_attach(struct flusherr *f)
{
	f->told = f->marked = f->floor = f->errors;
}
