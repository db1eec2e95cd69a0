/* medium.c - how is one piece read or written, or a small file as a whole?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "medium.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int file_read(struct medium_file *f, void *data, size_t length, uint64_t offset)
{
    return f->read(f, data, length, offset);
}

int file_write(struct medium_file *f, const void *data, size_t length, uint64_t offset)
{
    const struct iovec iov = { (void *)data, length };

    return f->write(f, &iov, 1, offset);
}

int file_sync(struct medium_file *f)
{
    return f->sync(f);
}

int medium_save(struct medium *m, const char *name, const void *data, size_t size)
{
    struct medium_file *f;
    char *new;

    if (asprintf(&new, "%s.new", name) < 0)
        return -ENOMEM;
    int r = m->open(m, new, MEDIUM_CREATE, &f);
    if (r) {
        free(new);
        return r;
    }
    /* what a crash has left of an earlier one goes first */
    r = f->truncate(f, 0);
    if (!r)
        r = file_write(f, data, size, 0);
    if (!r)
        r = f->sync(f); /* its bytes before its name: or a crash leaves the name of an empty file */
    f->close(f);
    if (!r)
        r = m->rename(m, new, name);
    if (r)
        m->remove(m, new); /* a full file system gets its bytes back */
    else
        r = m->sync(m);
    free(new);
    return r;
}

int medium_load(struct medium *m, const char *name, void **data, size_t *size)
{
    struct medium_file *f;
    uint64_t length;

    int r = m->open(m, name, MEDIUM_READ_ONLY, &f);
    if (r)
        return r;
    r = f->size(f, &length);
    void *bytes = r ? NULL : malloc(length ? length : 1);
    if (!r && !bytes)
        r = -ENOMEM;
    if (!r)
        r = f->read(f, bytes, length, 0);
    f->close(f);
    if (r) {
        free(bytes);
        return r;
    }
    *data = bytes;
    *size = length;
    return 0;
}
