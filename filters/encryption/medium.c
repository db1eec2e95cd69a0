/* medium.c - how does a header reach the disk below, and is there anything else on that?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Headers are read and written at any byte; the disk below may want whole blocks.  Nobody
 * else writes where a header lies, so a block is read, changed and written without more ado. */
#include "encryption.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 1 << 20 };

static bool on_blocks(const struct encryption *e, uint64_t length, uint64_t offset)
{
    return !((offset | length) % e->block);
}

/* Its blocks in a buffer of its own. */
static int read_blocks(struct encryption *e, uint64_t length, uint64_t offset, uint8_t **ret,
                       uint64_t *from, uint64_t *size)
{
    void *data;

    *from = offset - offset % e->block;
    *size = (offset + length + e->block - 1) / e->block * e->block - *from;
    if (posix_memalign(&data, 4096, *size))
        return -ENOMEM;
    int r = weir_read(e->below, data, *size, *from, 0);
    if (r)
        free(data);
    else
        *ret = data;
    return r;
}

static int medium_read(void *arg, void *data, uint64_t length, uint64_t offset)
{
    struct encryption *e = arg;
    uint64_t from, size;
    uint8_t *blocks;

    if (!length || on_blocks(e, length, offset))
        return length ? weir_read(e->below, data, length, offset, 0) : 0;
    int r = read_blocks(e, length, offset, &blocks, &from, &size);
    if (r)
        return r;
    memcpy(data, blocks + (offset - from), length);
    free(blocks);
    return 0;
}

static int medium_write(void *arg, const void *data, uint64_t length, uint64_t offset)
{
    struct encryption *e = arg;
    uint64_t from, size;
    uint8_t *blocks;

    if (!length || on_blocks(e, length, offset))
        return length ? weir_write(e->below, data, length, offset, 0) : 0;
    int r = read_blocks(e, length, offset, &blocks, &from, &size);
    if (r)
        return r;
    memcpy(blocks + (offset - from), data, length);
    r = weir_write(e->below, blocks, size, from, 0);
    free(blocks);
    return r;
}

static int medium_flush(void *arg)
{
    struct encryption *e = arg;

    return weir_flush(e->below, 0);
}

void medium_init(struct encryption *e)
{
    struct weir_geometry g;

    weir_geometry(e->below, &g);
    e->block = g.block_min ? g.block_min : 1;
    e->medium = (struct header_medium){
        .arg = e,
        .size = g.size,
        .read_only = !(g.ops & WEIR_OP(WEIR_WRITE)),
        .read = medium_read,
        .write = medium_write,
        .flush = medium_flush,
    };
}

/* ---- is it empty? -------------------------------------------------------------- */

static int64_t first_set(const uint8_t *data, uint64_t length)
{
    /* the first byte is zero, and each is as the one before it */
    if (!length || (!data[0] && !memcmp(data, data + 1, length - 1)))
        return -1;
    int64_t at = 0;
    while (!data[at])
        at++;
    return at;
}

static int range_empty(struct encryption *e, uint64_t from, uint64_t to, uint8_t *data,
                       uint64_t *where)
{
    for (uint64_t length; from < to; from += length) {
        length = to - from < PIECE ? to - from : PIECE;
        int r = medium_read(e, data, length, from);
        if (r)
            return r;
        int64_t at = first_set(data, length);
        if (at >= 0) {
            *where = from + (uint64_t)at;
            return -EEXIST;
        }
    }
    return 0;
}

/* What the layers below know to be zero need not be read: a new image is one hole. */
struct asked {
    pthread_mutex_t lock; /* guards the two below */
    pthread_cond_t changed;
    bool done;
    int error;
};

static void answered(void *arg, int error)
{
    struct asked *a = arg;

    pthread_mutex_lock(&a->lock);
    a->done = true;
    a->error = error;
    pthread_cond_signal(&a->changed);
    pthread_mutex_unlock(&a->lock);
}

static int ask_extents(struct encryption *e, struct weir_extents *extents)
{
    struct asked a = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
    const struct weir_request io = {
        .op = WEIR_EXTENTS,
        .length = e->medium.size,
        .data = extents,
    };
    int r = weir_submit(e->below, &io, answered, &a);

    if (r)
        return r;
    pthread_mutex_lock(&a.lock);
    while (!a.done)
        pthread_cond_wait(&a.changed, &a.lock);
    pthread_mutex_unlock(&a.lock);
    return -a.error;
}

int medium_empty(struct encryption *e, uint64_t from, uint64_t *where)
{
    struct weir_extents *extents = weir_extents_create();
    uint8_t *data = malloc(PIECE);
    uint64_t next = from, offset, length;
    uint32_t type;
    int r = extents && data ? 0 : -ENOMEM;

    if (!r && ask_extents(e, extents))
        weir_clear_extents(extents); /* then all of it is read */
    for (size_t i = 0; !r && !weir_get_extent(extents, i, &offset, &length, &type); i++) {
        if (!(type & WEIR_READS_ZERO))
            continue;
        if (offset > next)
            r = range_empty(e, next, offset, data, where);
        next = offset + length > next ? offset + length : next;
    }
    if (!r && next < e->medium.size)
        r = range_empty(e, next, e->medium.size, data, where);
    free(data);
    weir_extents_destroy(extents);
    return r;
}
