/* media.h - what does a pool lie on?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A file or a block device; for a test, whatever it plays.  All calls block, come from many
 * threads, and have 0 or -errno as answer; a short transfer is an error. */
#ifndef CACHE_MEDIA_H
#define CACHE_MEDIA_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* Sentences for people: `why` of many calls.  why_print(NULL, …) is fine. */
enum { WHY = 320 };
void why_print(char why[WHY], const char *format, ...) __attribute__((format(printf, 2, 3)));

struct media {
    int (*read)(struct media *, void *data, size_t length, uint64_t offset);
    /* One piece after the other.  `iov` is not changed; any number of pieces. */
    int (*write)(struct media *, const struct iovec *iov, int count, uint64_t offset);
    /* fdatasync(2).  After it has failed once it fails for ever: what the kernel has dropped by
     * then nobody knows. */
    int (*sync)(struct media *);
    void (*close)(struct media *); /* frees it */
    uint64_t size;                 /* bytes */
};

enum { MEDIA_CREATE = 1, MEDIA_READ_ONLY = 2 };
/* Opens `path` and takes it for this process alone (a lock that ends with it; who holds it is
 * named in `why`: -EBUSY).  CREATE: a file that does not exist is made, of `size` bytes that are
 * allocated, so that a full file system is noticed now (-ENOSPC).  `size` 0: as it is; a larger
 * `size` than a file has makes it longer.  READ_ONLY takes no lock. */
int media_open(const char *path, uint64_t size, unsigned flags, struct media **ret, char why[WHY]);
/* 1: somebody has opened `path` to be written; 0: nobody; -errno.  For READ_ONLY, before and after:
 * it keeps nobody away. */
int media_taken(const char *path);

int media_read(struct media *, void *data, size_t length, uint64_t offset);
int media_write(struct media *, const void *data, size_t length, uint64_t offset);
int media_sync(struct media *);

#endif
