/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How large each backing device was when it was last attached, in one small file for each volume:
 * DIR/RESOURCE-VOLUME.size. Internal metadata lies at the end of its device, so on a device that
 * has grown it is found only by whoever knows where the end was.
 *
 * A file that is missing, broken or cannot be written is no error: the module then looks at the
 * present end, as if nothing were known. All of it waits for the disk and belongs into a job.
 */
#ifndef LOCKSTEPD_SIZES_H
#define LOCKSTEPD_SIZES_H

#include "model.h"
#include "os.h"

/*
 * The old size in sectors if it is known and `backing` has another one now, else 0: nobody is
 * bothered with a size that has not changed.
 */
u64 sizes_old(const char *dir, const char *resource, u32 volume, const char *backing);

/* Remember what the kernel says of every volume. */
void sizes_note(const char *dir, const struct model_resource *r);

#endif /* LOCKSTEPD_SIZES_H */
