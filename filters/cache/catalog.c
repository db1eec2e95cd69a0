/* catalog.c - which disks does a pool have blocks of?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Two pages for each number, of which the younger counts; what a page says stands in its first 512
 * bytes, so that it is old or new after a crash. */
#include "format.h"

#include "encode.h"
#include "media.h"
#include "page.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    AT_GENERATION = PAGE_HEAD,
    AT_CHANGED = 40,
    AT_SIZE = 48,
    AT_GRID = 56,
    AT_FLAGS = 60,
    AT_UUID = 64,
    AT_NAME = 80,
    AT_IDENTITY = 208,
    AT_SINCE = 400,
};

struct catalog {
    uint8_t uuid[UUID];
    uint64_t at;
    unsigned count;
    struct entry {
        struct catalog_disk disk;
        uint64_t generation; /* 0: never written */
    } entry[];
};

static void encode(uint8_t *page, const struct catalog_disk *d, uint64_t generation)
{
    memset(page, 0, BLOCK);
    put64(page + AT_GENERATION, generation);
    put64(page + AT_CHANGED, d->changed);
    put64(page + AT_SIZE, d->size);
    put64(page + AT_SINCE, d->since);
    put32(page + AT_GRID, d->grid);
    put32(page + AT_FLAGS, d->flags & ~(uint32_t)CATALOG_LOST);
    memcpy(page + AT_UUID, d->uuid, UUID);
    memcpy(page + AT_NAME, d->name, sizeof(d->name));
    memcpy(page + AT_IDENTITY, d->identity, sizeof(d->identity));
}

static void decode(const uint8_t *page, struct entry *e)
{
    struct catalog_disk *d = &e->disk;

    e->generation = get64(page + AT_GENERATION);
    d->changed = get64(page + AT_CHANGED);
    d->size = get64(page + AT_SIZE);
    d->since = get64(page + AT_SINCE);
    d->grid = get32(page + AT_GRID) & (BLOCK - SECTOR);
    d->flags = get32(page + AT_FLAGS) & ~(uint32_t)CATALOG_LOST;
    memcpy(d->uuid, page + AT_UUID, UUID);
    memcpy(d->name, page + AT_NAME, sizeof(d->name));
    memcpy(d->identity, page + AT_IDENTITY, sizeof(d->identity));
    d->name[sizeof(d->name) - 1] = d->identity[sizeof(d->identity) - 1] = '\0';
}

/* ---- read --------------------------------------------------------------------------------- */

static void take(const struct catalog *c, unsigned number, const uint8_t *pages, struct entry *ret)
{
    unsigned bad = 0;

    for (unsigned copy = 0; copy < 2; copy++) {
        const uint8_t *page = pages + (size_t)copy * BLOCK;
        struct entry e;
        if (!page_is(page, PAGE_CATALOG, c->uuid, 2 * number + copy)) {
            bad += !page_is_zero(page);
            continue;
        }
        decode(page, &e);
        if ((e.generation & 1) == copy && e.generation > ret->generation)
            *ret = e;
    }
    if (ret->generation || bad < 2)
        return;
    memset(ret->disk.uuid, 0xff, UUID);
    ret->disk.flags = CATALOG_LOST;
}

int catalog_load(struct media *m, const struct super *s, struct catalog **ret)
{
    enum { AT_ONCE = 32 };
    struct catalog *c = calloc(1, sizeof(*c) + s->disks * sizeof(*c->entry));
    uint8_t *pages = malloc(2 * AT_ONCE * BLOCK);
    int r = c && pages ? 0 : -ENOMEM;

    for (unsigned first = 0; !r && first < s->disks; first += AT_ONCE) {
        unsigned n = s->disks - first < AT_ONCE ? s->disks - first : AT_ONCE;
        memcpy(c->uuid, s->uuid, UUID);
        r = media_read(m, pages, (size_t)2 * n * BLOCK, s->catalog + (uint64_t)2 * first * BLOCK);
        for (unsigned i = 0; !r && i < n; i++)
            take(c, first + i, pages + (size_t)2 * i * BLOCK, &c->entry[first + i]);
    }
    free(pages);
    if (r) {
        free(c);
        return r;
    }
    c->at = s->catalog;
    c->count = s->disks;
    *ret = c;
    return 0;
}

void catalog_destroy(struct catalog *c)
{
    free(c);
}

const struct catalog_disk *catalog_disk(const struct catalog *c, unsigned number)
{
    return &c->entry[number].disk;
}

/* ---- write -------------------------------------------------------------------------------- */

int catalog_save(struct catalog *c, struct media *m, unsigned number,
                 const struct catalog_disk *disk)
{
    uint8_t page[BLOCK];

    if (number >= c->count)
        return -EINVAL;
    struct entry *e = &c->entry[number];
    const uint64_t generation = e->generation + 1, copy = generation & 1;
    encode(page, disk, generation);
    page_seal(page, PAGE_CATALOG, c->uuid, (uint32_t)(2 * number + copy));
    int r = media_write(m, page, BLOCK, c->at + (2ull * number + copy) * BLOCK);
    if (!r)
        r = media_sync(m);
    if (r)
        return r;
    e->generation = generation;
    e->disk = *disk;
    return 0;
}
