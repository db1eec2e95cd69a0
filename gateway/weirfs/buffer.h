/* buffer.h - what are the bytes of a file that is being written?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIRFS_BUFFER_H
#define WEIRFS_BUFFER_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

struct buffer { /* all zero is an empty one */
    char *bytes;
    size_t size, capacity;
};

static inline void buffer_finish(struct buffer *b)
{
    free(b->bytes);
    *b = (struct buffer){ 0 };
}

#define cleanup_buffer __attribute__((cleanup(buffer_finish)))

/* What is new is zeroes.  The caller bounds the size. */
static inline int buffer_resize(struct buffer *b, size_t size)
{
    if (size > b->capacity) {
        size_t capacity = b->capacity ? b->capacity : 4096;
        while (capacity < size)
            capacity *= 2;
        char *bigger = realloc(b->bytes, capacity);
        if (!bigger)
            return -ENOMEM;
        b->bytes = bigger;
        b->capacity = capacity;
    }
    if (size > b->size)
        memset(b->bytes + b->size, 0, size - b->size);
    b->size = size;
    return 0;
}

static inline int buffer_write(struct buffer *b, const void *bytes, size_t size, size_t offset)
{
    int error = offset + size > b->size ? buffer_resize(b, offset + size) : 0;

    if (!error && size)
        memcpy(b->bytes + offset, bytes, size);
    return error;
}

static inline size_t buffer_read(const struct buffer *b, void *bytes, size_t size, uint64_t offset)
{
    if (offset >= b->size)
        return 0;
    if (size > b->size - offset)
        size = b->size - (size_t)offset;
    memcpy(bytes, b->bytes + offset, size);
    return size;
}

/* NUL-terminated. */
static inline int buffer_copy(const struct buffer *b, char **text, size_t *size)
{
    char *copy = malloc(b->size + 1);

    if (!copy)
        return -ENOMEM;
    if (b->size)
        memcpy(copy, b->bytes, b->size);
    copy[b->size] = '\0';
    *text = copy;
    *size = b->size;
    return 0;
}

#endif
