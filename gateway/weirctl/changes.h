/* changes.h - what do the listing of changes and the file that carries them share?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_WEIRCTL_CHANGES_H
#define WEIR_WEIRCTL_CHANGES_H

#include "weirctl.h"

struct changes {
    uint64_t size; /* of the disk, bytes */
    uint64_t total;
    size_t count, capacity;
    struct extent {
        uint64_t offset, length;
    } * list; /* ascending */
};

/* Writes a new qcow2 file that has no data: what it is read by is `uri`, its backing file, and
 * the changes are its bitmap of that name.  0, or -errno and a sentence. */
int changes_write_qcow2(const struct changes *, const char *file, const char *uri,
                        const char *bitmap, struct weir_text *why);

#endif
