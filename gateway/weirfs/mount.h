/* mount.h - is there a mount already, and is anybody behind it?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIRFS_MOUNT_H
#define WEIRFS_MOUNT_H

#include <stdbool.h>

/* Makes `path` fit to be mounted on: makes the folder when only it is missing and takes
 * away what a weirfs that died has left there.  *absolute is malloc'ed.  0, or -errno
 * with a sentence on stderr. */
int mount_prepare(const char *path, char **absolute);

/* May this process let others than its user in?  root may, and who may mount. */
bool mount_may_be_shared(void);

#endif
