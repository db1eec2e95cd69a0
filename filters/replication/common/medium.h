/* medium.h - where do maps, logs and images lie?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A folder and files in it; for a crash test, whatever plays them.  All calls block, come from many
 * threads, and answer 0 or -errno; a short transfer is an error.  What was written is durable after
 * file_sync(); a new, removed or renamed name after medium_sync(). */
#ifndef REPLICATION_MEDIUM_H
#define REPLICATION_MEDIUM_H

#include "weir-filter.h"

#include <sys/uio.h>

struct medium_file {
    int (*read)(struct medium_file *, void *data, size_t length, uint64_t offset);
    int (*write)(struct medium_file *, const struct iovec *iov, int count, uint64_t offset);
    int (*zero)(struct medium_file *, uint64_t length, uint64_t offset); /* a hole where it can */
    int (*truncate)(struct medium_file *, uint64_t size);
    /* fdatasync(2).  After it has failed once it fails for ever. */
    int (*sync)(struct medium_file *);
    /* The first byte at or after `offset` that is data, and how much of it there is; beyond the
     * last: *length is 0.  What is not data reads as zeroes. */
    int (*data)(struct medium_file *, uint64_t offset, uint64_t *start, uint64_t *length);
    int (*size)(struct medium_file *, uint64_t *ret);
    void (*close)(struct medium_file *); /* frees it */
};

struct medium {
    int (*open)(struct medium *, const char *name, unsigned flags, struct medium_file **ret);
    int (*remove)(struct medium *, const char *name);
    int (*rename)(struct medium *, const char *from, const char *to); /* replaces `to` */
    int (*sync)(struct medium *);
    /* Calls each() with every name; stops at what is not 0 and returns that. */
    int (*list)(struct medium *, int (*each)(void *arg, const char *name), void *arg);
    int (*free_bytes)(struct medium *, uint64_t *ret);
    void (*close)(struct medium *); /* frees it; its files must be closed before */
};

enum {
    MEDIUM_CREATE = 1, /* made where it does not exist */
    MEDIUM_READ_ONLY = 2,
    MEDIUM_EXCLUSIVE = 4, /* taken for this process alone, as a disk's image is: -EBUSY */
};

/* The folder at `path` (made where it does not exist), or of a descriptor that stays the caller's.
 */
int medium_open(const char *path, struct medium **ret, struct weir_text *why);
int medium_of_folder(int folder, struct medium **ret);

/* Reads past the end of a file give zeroes. */
int file_read(struct medium_file *, void *data, size_t length, uint64_t offset);
int file_write(struct medium_file *, const void *data, size_t length, uint64_t offset);
int file_sync(struct medium_file *);
/* A small file as a whole: written beside it, synced, renamed over it, and that synced: what a
 * crash leaves is the old or the new.  load: *data is malloc'ed; -ENOENT. */
int medium_save(struct medium *, const char *name, const void *data, size_t size);
int medium_load(struct medium *, const char *name, void **data, size_t *size);

#endif
