/* lost.c - what if the pool has lost a block that the store never got?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "lost.h"

#include "disk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_NAME "lost"
enum { LINE = 24 };

/* ---- the file: an offset on each line ---------------------------------------------- */

int lost_load(struct disk *d)
{
    void *data;
    size_t size;
    int r = weir_state_load(d->below, FILE_NAME, &data, &size);

    if (r)
        return r == -ENOENT ? 0 : r;
    char *text = strndup(data, size), *at = text;
    free(data);
    d->lost.block = malloc((size / 2 + 1) * sizeof(*d->lost.block));
    if (!text || !d->lost.block) {
        free(text);
        return -ENOMEM;
    }
    while (*at && !r) {
        char *end;
        uint64_t offset = strtoull(at, &end, 10);
        if (end == at || *end != '\n')
            r = -EPROTO;
        else
            d->lost.block[d->lost.count++] = disk_block(d, offset);
        at = end + 1;
    }
    atomic_store(&d->losses, d->lost.count);
    free(text);
    return r;
}

void lost_finish(struct disk *d)
{
    free(d->lost.block);
    d->lost = (struct lost){ 0 };
}

static int save(struct disk *d, const struct lost *l)
{
    char *text = malloc(l->count * LINE + 1);
    size_t length = 0;

    if (!text)
        return -ENOMEM;
    for (size_t i = 0; i < l->count; i++) {
        const uint64_t begin = l->block[i] * BLOCK;
        length += (size_t)sprintf(text + length, "%" PRIu64 "\n",
                                  begin > d->shift ? begin - d->shift : 0);
    }
    int r = weir_state_save(d->below, FILE_NAME, text, length);
    free(text);
    return r;
}

/* ---- the list ----------------------------------------------------------------------- */

/* A new list takes the place of the old one, when it is durable. */
static int replace(struct disk *d, struct lost *new)
{
    int r = save(d, new);

    if (r) {
        free(new->block);
        return r;
    }
    pthread_mutex_lock(&d->pool->lock);
    struct lost old = d->lost;
    d->lost = *new;
    atomic_store(&d->losses, new->count);
    pthread_mutex_unlock(&d->pool->lock);
    free(old.block);
    return 0;
}

/* With room for one more. */
static int copy(struct disk *d, struct lost *new, bool (*stays)(uint64_t block, const void *arg),
                const void *arg)
{
    pthread_mutex_lock(&d->pool->lock);
    new->block = malloc((d->lost.count + 1) * sizeof(*new->block));
    for (size_t i = 0; new->block &&i < d->lost.count; i++)
        if (stays(d->lost.block[i], arg))
            new->block[new->count++] = d->lost.block[i];
    pthread_mutex_unlock(&d->pool->lock);
    return new->block ? 0 : -ENOMEM;
}

static bool is_other(uint64_t block, const void *arg)
{
    const uint64_t *one = arg;

    return block != *one;
}

int lost_add(struct disk *d, uint64_t block)
{
    struct lost new = { 0 };

    pthread_mutex_lock(&d->losing);
    int r = copy(d, &new, is_other, &block);
    if (!r) {
        new.block[new.count++] = block;
        r = replace(d, &new);
    }
    pthread_mutex_unlock(&d->losing);
    return r;
}

struct span {
    uint64_t first, end; /* blocks that are covered */
};

static bool is_outside(uint64_t block, const void *arg)
{
    const struct span *s = arg;

    return block < s->first || block >= s->end;
}

static struct span span_of(const struct disk *d, uint64_t offset, uint64_t length)
{
    const uint64_t from = offset + d->shift, to = from + length;
    const bool to_end = offset + length == atomic_load(&d->size);

    return (struct span){ offset ? (from + BLOCK - 1) / BLOCK : 0,
                          to_end ? (to + BLOCK - 1) / BLOCK : to / BLOCK };
}

int lost_written(struct disk *d, uint64_t offset, uint64_t length)
{
    const struct span s = span_of(d, offset, length);
    struct lost new = { 0 };

    if (!lost_any(d, offset, length))
        return 0;
    pthread_mutex_lock(&d->losing);
    int r = copy(d, &new, is_outside, &s);
    if (!r)
        r = replace(d, &new);
    pthread_mutex_unlock(&d->losing);
    return r;
}

bool lost_any(struct disk *d, uint64_t offset, uint64_t length)
{
    const uint64_t first = disk_block(d, offset), last = disk_block(d, offset + length - 1);
    bool any = false;

    if (!atomic_load(&d->losses))
        return false;
    pthread_mutex_lock(&d->pool->lock);
    for (size_t i = 0; !any && i < d->lost.count; i++)
        any = d->lost.block[i] >= first && d->lost.block[i] <= last;
    pthread_mutex_unlock(&d->pool->lock);
    return any;
}
