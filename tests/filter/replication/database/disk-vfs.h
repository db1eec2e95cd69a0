/* disk-vfs.h - what are SQLite's files when a database has two disks and no file system?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Two NBD exports: the database lies on the first, its write-ahead log on the second.  A disk
 * begins with a block that says how long the file is; SQLite's sync is a flush, before which that
 * length is written.  There is no shared memory: the connection is the only one and has to say so
 * (locking_mode = exclusive) before it looks at the log. */
#ifndef DISK_VFS_H
#define DISK_VFS_H

#include "lsn.h"

#include <libnbd.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

enum { DISK_DATABASE, DISK_LOG, DISK_COUNT };

struct disk {
    struct nbd_handle *nbd;
    struct disks *disks;
    uint64_t size, room; /* of the file; of the disk */
    bool grown;          /* the disk does not know its size yet */
};

struct disks {
    struct disk disk[DISK_COUNT];
    sqlite3_vfs vfs;
    struct lsn_reader lsn;
    uint64_t now; /* LSN, as long as nothing was written since it was read */
    /* The last write that changed the log, by which a transaction is committed, got an LSN above
     * `low` and up to `high`; 0: not known. */
    uint64_t low, high;
};

/* Connects, and registers the VFS "disks".  0, or -1 after it has said why. */
int disks_open(struct disks *s, char *const *uris);
void disks_close(struct disks *s);

#endif
