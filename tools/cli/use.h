/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who uses a block device, as far as the system tells: mounts, swap, holders (LVM, md, ...), on the
 * device or one of its partitions.
 */
#ifndef LOCKSTEP_USE_H
#define LOCKSTEP_USE_H

#include "os.h"
#include <sys/types.h>

/*
 * Say it in `text` ("mounted on /mnt/x") and in `mend` the command that ends it ("umount /mnt/x").
 * `path`: the device's, for file systems that hide their device number. False: nothing was found,
 * and nothing written.
 */
bool use_describe(dev_t dev, const char *path, char *text, size_t text_size, char *mend,
		  size_t mend_size);

#endif /* LOCKSTEP_USE_H */
