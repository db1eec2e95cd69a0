/* exchange-file.h - how are blocks of a shared file read and written?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Past the caches of this host where the file system lets us (O_DIRECT), because another
 * host is to see it; else with fdatasync() after a write and POSIX_FADV_DONTNEED before a
 * read.  Buffers are aligned to BLOCK_SIZE. */
#ifndef CONTROL_EXCHANGE_FILE_H
#define CONTROL_EXCHANGE_FILE_H

#include "block.h"

#include <sys/types.h>

struct exchange_file {
    int fd; /* -1: none */
    bool direct;
    dev_t device;
    ino_t inode;
};

/* A sentence for people; `why` may be NULL. */
struct exchange_why {
    char *text;
    size_t size;
};

/* Opens the file, or makes it: 0600, or 0660 in a folder that its group may write to.  An
 * empty file gets a header; one that is not ours is refused and stays as it is.  `room` is
 * one block to work in. */
int exchange_file_open(const char *path, void *room, struct exchange_file *ret,
                       struct exchange_why why);
void exchange_file_close(struct exchange_file *);

/* Is the open file still what the path leads to? */
bool exchange_file_there(const struct exchange_file *, const char *path);

/* All of the file, up to `room` bytes; a block that it has a part of ends in zeroes. */
int exchange_file_read_all(struct exchange_file *, void *data, size_t room, size_t *size);
int exchange_file_read(struct exchange_file *, unsigned block, void *data); /* past end: zero */
int exchange_file_write(struct exchange_file *, unsigned block, const void *data);

/* The block is this open file's alone: 0; -EAGAIN if it is another's; -ENOLCK if the file
 * system has no such locks.  Ends with the process, whatever happens to it. */
int exchange_file_lock(struct exchange_file *, unsigned block);
void exchange_file_unlock(struct exchange_file *, unsigned block);

/* Refuses what is not a header of ours, in a sentence. */
int exchange_file_header(const char *path, const void *raw, struct exchange_why why);

void exchange_say(struct exchange_why why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
