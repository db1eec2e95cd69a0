/* file.h - what should be in a file, and which operations have made it so?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXERCISE_FILE_H
#define EXERCISE_FILE_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { HISTORY = 512, BLOCK = 4096 };

/* What touched which bytes: the last HISTORY of them are known by a file. */
struct touch {
    uint64_t number;
    const char *name;
    size_t from, to;
};

/* A file on the disk and its model: `size` bytes of `data`; what is behind them is zero.  Only
 * what was done without an error is in the model. */
struct file {
    char path[PATH_MAX];
    int fd, direct; /* direct: -1 where there is no O_DIRECT */
    unsigned char *data;
    size_t size, limit; /* limit: a multiple of BLOCK */
    struct touch history[HISTORY];
    size_t touches;
};

/* What a worker is doing, for whoever has to repeat it. */
struct where {
    uint64_t seed, number;
    unsigned worker;
};

uint64_t random_next(uint64_t *state);
/* From 0 to below - 1. */
size_t random_below(uint64_t *state, size_t below);

int file_create(struct file *f, const char *path, size_t limit);
/* Its path is of a file that was just created, or found: opens it there. */
int file_open(struct file *f, int flags);
void file_close(struct file *f);
void file_destroy(struct file *f);

/* Notes what is done with bytes from..to. */
void file_touch(struct file *f, const struct where *at, const char *name, size_t from, size_t to);
/* The model gets zeroes there, also where it has not been so large. */
void file_zero(struct file *f, size_t from, size_t to);
void file_resize(struct file *f, size_t size);

/* Are these the bytes from `from` on?  Says where not, and who touched them; -EBADMSG. */
int file_judge(const struct file *f, const struct where *at, const unsigned char *found,
               size_t from, size_t length);
/* Says that a read found fewer bytes, or more; -EBADMSG. */
int say_short(const struct file *f, const struct where *at, size_t from, size_t expected,
              ssize_t found);
/* As pread().  XFS fails a direct read, "Direct I/O collision with buffered writes", where it has
 * promised blocks to data in memory: it is repeated by way of memory then.  The disk has no part in
 * that, and whether the disk failed is counted behind it. */
ssize_t file_read(const struct file *f, int direct, void *to, size_t from, size_t length);
/* Reads all of it by its descriptor; direct: not from memory. */
int file_compare(const struct file *f, const struct where *at, int direct);

#endif
