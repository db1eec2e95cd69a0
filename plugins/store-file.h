/* store-file.h - what do the parts of the file store know about an open image?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_STORE_FILE_H
#define WEIR_STORE_FILE_H

#include "store.h"

#include <pthread.h>

enum { DISCARD_PUNCH, DISCARD_IGNORE };

struct file_config {
    const char *path;
    bool direct, create, lock;
    int discard;
};

struct file_store {
    int fd;             /* the image, for data; holds the lock */
    int sync_fd;        /* the image again, for fdatasync alone: the kernel reports a failed
                           write-back once to each open file description, and a failing FUA
                           write on `fd` must not swallow what the next flush has to say */
    int parent;         /* the folder that the image is in, O_PATH */
    char *image, *name; /* as the export says it; its last component */

    uint64_t size;
    uint32_t block_min, block_preferred;
    uint32_t sector;       /* of a device: what it trims and zeroes by; 1: of a file */
    uint32_t memory_align; /* of buffers, for direct I/O; 1: any */
    bool is_device, read_only, punch, rotational;

    /* what this file system turned out not to do */
    atomic_bool no_dsync, no_punch, no_zero_range;

    pthread_mutex_t sync_lock;           /* guards the fields below; innermost, no I/O under it */
    pthread_cond_t synced;               /* a round has ended */
    uint64_t rounds_begun, rounds_ended; /* of fdatasync, one at a time */
    bool syncing;
    bool lost; /* an fdatasync failed: acknowledged bytes may be gone for good */
};

/* ---- store-file-open.c: finding, creating and opening the image -------------- */

int file_open(void *self, const struct store_image *, const void *config, struct weir_text *why);
void file_close(void *self);

/* ---- store-file-draft.c: a file that appears whole or not at all -------------- */

struct draft {
    int folder; /* not owned */
    int fd;
    char name[32]; /* a temporary name; "" where the file has none yet */
};
int draft_begin(int folder, struct draft *);
/* Makes the draft durable under `name`.  -EEXIST: the name is taken.  Ends the draft. */
int draft_publish(struct draft *, const char *name);
void draft_drop(struct draft *);

/* ---- store-file-lock.c: one user of an image at a time ------------------------- */

/* -EBUSY with a sentence that says who has the image, as far as the kernel tells. */
int file_lock(int fd, bool shared, const char *image, struct weir_text *why);

/* ---- store-file-identity.c: which disk it is -------------------------------------- */

int file_identity(void *self, struct weir_identity *);

/* ---- store-file-device.c: what a block device says of itself -------------------- */

int device_size(int fd, uint64_t *size);
int device_discard(int fd, uint64_t offset, uint64_t length);
void device_blocks(int fd, uint32_t *logical, uint32_t *preferred);
bool device_rotational(unsigned major, unsigned minor);

/* ---- store-file-io.c ------------------------------------------------------------ */

int file_store_read(struct file_store *, void *data, uint64_t length, uint64_t offset);
int file_store_write(struct file_store *, const void *data, uint64_t length, uint64_t offset,
                     bool durable);
int file_flush(struct file_store *);
int file_serve(void *self, struct weir_request *);

/* ---- store-file-space.c: holes --------------------------------------------------- */

int file_trim(struct file_store *, uint64_t length, uint64_t offset);
int file_zero(struct file_store *, uint64_t length, uint64_t offset, uint32_t flags);
int file_extents(struct file_store *, const struct weir_request *);

#endif
