/* disk-vfs.c - how are two disks read and written as files?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "disk-vfs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { BLOCK = 4096 };

struct header { /* of a file, in the disk's first block */
    char magic[8];
    uint64_t size, check;
};
static const char magic[8] = "weirfile";
static const uint64_t mix = 0x9e3779b97f4a7c15u;

struct file {
    sqlite3_file base; /* the first member: SQLite knows no other */
    struct disk *disk;
};

static struct disk *disk_of(sqlite3_file *file)
{
    return ((struct file *)file)->disk;
}

/* ---- disks ------------------------------------------------------------------------------ */

/* Would the disk be another one after it?  SQLite writes zeroes over zeroes, too. */
static bool changes(struct disk *d, const void *data, size_t length, uint64_t offset)
{
    unsigned char before[BLOCK];

    return length > sizeof before || nbd_pread(d->nbd, before, length, offset, 0) < 0 ||
           memcmp(before, data, length) != 0;
}

static int put(struct disk *d, const void *data, size_t length, uint64_t offset)
{
    struct disks *s = d->disks;
    const bool decides = d == &s->disk[DISK_LOG] && changes(d, data, length, offset);

    if (decides && !s->now)
        s->now = lsn_read(&s->lsn);
    if (decides) {
        s->low = s->now;
        s->high = 0;
    }
    s->now = 0;
    if (nbd_pwrite(d->nbd, data, length, offset, 0) < 0)
        return -1;
    if (decides)
        s->now = s->high = lsn_read(&s->lsn);
    return 0;
}

static int save_size(struct disk *d)
{
    struct header h = { .size = d->size, .check = (d->size ^ mix) * mix };

    memcpy(h.magic, magic, sizeof h.magic);
    if (put(d, &h, sizeof h, 0) < 0)
        return -1;
    d->grown = false;
    return 0;
}

/* A disk that was never written has an empty file. */
static int load_size(struct disk *d)
{
    static const struct header none;
    struct header h;

    if (nbd_pread(d->nbd, &h, sizeof h, 0, 0) < 0)
        return -1;
    if (memcmp(&h, &none, sizeof h) == 0)
        return 0;
    if (memcmp(h.magic, magic, sizeof h.magic) != 0 || h.check != (h.size ^ mix) * mix ||
        h.size > d->room)
        return -1;
    d->size = h.size;
    return 0;
}

static int disk_open(struct disk *d, const char *uri)
{
    d->nbd = nbd_create();
    if (!d->nbd || nbd_set_uri_allow_local_file(d->nbd, true) < 0 ||
        nbd_connect_uri(d->nbd, uri) < 0)
        return -1;
    int64_t size = nbd_get_size(d->nbd);
    if (size <= BLOCK)
        return -1;
    d->room = (uint64_t)size - BLOCK;
    return load_size(d);
}

/* ---- files ------------------------------------------------------------------------------ */

static int file_close(sqlite3_file *file)
{
    (void)file;
    return SQLITE_OK;
}

static int file_read(sqlite3_file *file, void *data, int length, sqlite3_int64 offset)
{
    struct disk *d = disk_of(file);
    size_t wanted = (size_t)length, there = 0;

    if ((uint64_t)offset < d->size)
        there = d->size - (uint64_t)offset;
    there = there < wanted ? there : wanted;
    if (there && nbd_pread(d->nbd, data, there, BLOCK + (uint64_t)offset, 0) < 0)
        return SQLITE_IOERR_READ;
    memset((char *)data + there, 0, wanted - there);
    return there < wanted ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

static int file_write(sqlite3_file *file, const void *data, int length, sqlite3_int64 offset)
{
    struct disk *d = disk_of(file);
    uint64_t end = (uint64_t)offset + (uint64_t)length;

    if (end > d->room)
        return SQLITE_FULL;
    if (put(d, data, (size_t)length, BLOCK + (uint64_t)offset) < 0)
        return SQLITE_IOERR_WRITE;
    if (end > d->size) {
        d->size = end;
        d->grown = true;
    }
    return SQLITE_OK;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct disk *d = disk_of(file);

    d->size = (uint64_t)size;
    return save_size(d) < 0 ? SQLITE_IOERR_TRUNCATE : SQLITE_OK;
}

static int file_sync(sqlite3_file *file, int flags)
{
    struct disk *d = disk_of(file);

    (void)flags;
    if ((d->grown && save_size(d) < 0) || nbd_flush(d->nbd, 0) < 0)
        return SQLITE_IOERR_FSYNC;
    return SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *ret)
{
    *ret = (sqlite3_int64)disk_of(file)->size;
    return SQLITE_OK;
}

static int file_lock(sqlite3_file *file, int level)
{
    (void)file;
    (void)level;
    return SQLITE_OK;
}

static int file_is_reserved(sqlite3_file *file, int *ret)
{
    (void)file;
    *ret = 0;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *file, int op, void *arg)
{
    (void)file;
    (void)op;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int file_sector(sqlite3_file *file)
{
    (void)file;
    return BLOCK;
}

/* A write that was cut off has changed no byte beside it. */
static int file_traits(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const struct sqlite3_io_methods methods = {
    .iVersion = 1, /* no shared memory */
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_lock,
    .xCheckReservedLock = file_is_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_traits,
};

/* ---- names ------------------------------------------------------------------------------ */

static struct disk *find(sqlite3_vfs *vfs, const char *name)
{
    struct disks *s = vfs->pAppData;
    size_t length = name ? strlen(name) : 0;

    if (length > 4 && strcmp(name + length - 4, "-wal") == 0)
        return &s->disk[DISK_LOG];
    return length > 8 && strcmp(name + length - 8, "-journal") == 0 ? NULL
                                                                    : &s->disk[DISK_DATABASE];
}

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret)
{
    struct disk *d = find(vfs, name);

    file->pMethods = NULL;
    if (!(flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) || !d)
        return SQLITE_CANTOPEN;
    ((struct file *)file)->disk = d;
    file->pMethods = &methods;
    if (ret)
        *ret = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    struct disk *d = find(vfs, name);

    (void)sync;
    if (!d || !d->size)
        return SQLITE_OK;
    d->size = 0;
    return save_size(d) < 0 || nbd_flush(d->nbd, 0) < 0 ? SQLITE_IOERR_DELETE : SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
    struct disk *d = find(vfs, name);

    (void)flags;
    *ret = d && d->size;
    return SQLITE_OK;
}

static int vfs_path(sqlite3_vfs *vfs, const char *name, int room, char *ret)
{
    (void)vfs;
    return snprintf(ret, (size_t)room, "%s", name) < room ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int vfs_random(sqlite3_vfs *vfs, int length, char *ret)
{
    (void)vfs;
    return (int)getrandom(ret, (size_t)length, 0);
}

static void register_vfs(struct disks *s)
{
    s->vfs = *sqlite3_vfs_find(NULL); /* for clock and sleep */
    s->vfs.szOsFile = sizeof(struct file);
    s->vfs.pNext = NULL;
    s->vfs.zName = "disks";
    s->vfs.pAppData = s;
    s->vfs.xOpen = vfs_open;
    s->vfs.xDelete = vfs_delete;
    s->vfs.xAccess = vfs_access;
    s->vfs.xFullPathname = vfs_path;
    s->vfs.xRandomness = vfs_random;
    sqlite3_vfs_register(&s->vfs, 0);
}

int disks_open(struct disks *s, char *const *uris)
{
    for (unsigned i = 0; i < DISK_COUNT; i++) {
        s->disk[i].disks = s;
        if (disk_open(&s->disk[i], uris[i]) < 0) {
            const char *why = nbd_get_error();
            fprintf(stderr, "database: %s: %s\n", uris[i],
                    why ? why : "it is too small, or its first block is damaged");
            return -1;
        }
    }
    register_vfs(s);
    return 0;
}

void disks_close(struct disks *s)
{
    if (s->vfs.zName)
        sqlite3_vfs_unregister(&s->vfs);
    for (unsigned i = 0; i < DISK_COUNT; i++) {
        struct nbd_handle *nbd = s->disk[i].nbd;
        if (nbd && nbd_aio_is_ready(nbd) > 0)
            nbd_shutdown(nbd, 0);
        nbd_close(nbd);
    }
}
