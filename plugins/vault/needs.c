/* needs.c - which granules is the source to send, whatever its map says?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Bits are set by a VERIFY that found a difference and by a demotion, and cleared when what was
 * sent has been applied.  They are saved as a whole, beside the record of the group: too many are
 * a waste, too few would be a difference that nobody knows of. */
#include "group.h"

#include "encode.h"
#include "scope.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER = 16, DISK_HEADER = 16 };
static const char magic[8] = { 'W', 'E', 'I', 'R', 'N', 'E', 'E', 'D' };
static const char file_name[] = "needs";

struct bitmap {
    uint64_t size;     /* bytes of the disk */
    uint64_t granules; /* that have room in bits */
    uint8_t *bits;
};

struct needs {
    pthread_mutex_t lock; /* guards all here; innermost, no I/O under it */
    struct bitmap disk[DISKS];
    uint64_t count;
    bool changed; /* since it was saved */
};

static bool is_set(const struct bitmap *b, uint64_t granule)
{
    return b->bits[granule / 8] >> granule % 8 & 1;
}

/* With the lock. */
static void set(struct needs *n, struct bitmap *b, uint64_t from, uint64_t to, bool value)
{
    for (; from < to && from < b->granules; from++) {
        if (is_set(b, from) == value)
            continue;
        b->bits[from / 8] ^= (uint8_t)(1u << from % 8);
        n->count += value ? 1 : -UINT64_C(1);
        n->changed = true;
    }
}

int needs_size(struct group *g, unsigned disk, uint64_t size)
{
    struct needs *n = g->needs;
    struct bitmap *b = &n->disk[disk];
    const uint64_t granules = bitmap_granules(size);

    hold_lock(&n->lock);
    if (granules > b->granules) {
        /* not realloc(): of what nobody sets a bit in takes no memory, however large a source says
         * that its disk is */
        uint8_t *bits = calloc(1, bitmap_bytes(granules));
        if (!bits)
            return -ENOMEM;
        if (b->bits)
            memcpy(bits, b->bits, bitmap_bytes(b->granules));
        free(b->bits);
        b->bits = bits;
        b->granules = granules;
    }
    if (size > b->size)
        b->size = size;
    return 0;
}

void needs_mark(struct group *g, unsigned disk, uint64_t offset, uint64_t length)
{
    if (!length)
        return;
    hold_lock(&g->needs->lock);
    set(g->needs, &g->needs->disk[disk], offset / MAP_GRANULE,
        (offset + length - 1) / MAP_GRANULE + 1, true);
}

void needs_clear(struct group *g, unsigned disk, uint64_t offset, uint64_t length)
{
    struct needs *n = g->needs;

    hold_lock(&n->lock);
    struct bitmap *b = &n->disk[disk];
    const uint64_t end = offset + length;
    if (n->count)
        set(n, b, (offset + MAP_GRANULE - 1) / MAP_GRANULE,
            end >= b->size ? b->granules : end / MAP_GRANULE, false);
}

void needs_forget(struct group *g)
{
    struct needs *n = g->needs;

    hold_lock(&n->lock);
    for (unsigned i = 0; i < DISKS; i++) {
        free(n->disk[i].bits);
        n->disk[i] = (struct bitmap){ 0 };
    }
    n->changed = n->changed || n->count;
    n->count = 0;
}

uint64_t needs_count(struct group *g)
{
    hold_lock(&g->needs->lock);
    return g->needs->count;
}

void needs_bitmap(struct group *g, unsigned disk, void *bitmap, size_t length, uint64_t from)
{
    memset(bitmap, 0, length);
    hold_lock(&g->needs->lock);
    const struct bitmap *b = &g->needs->disk[disk];
    const uint64_t all = bitmap_bytes(b->granules);
    if (from < all)
        memcpy(bitmap, b->bits + from, length < all - from ? length : (size_t)(all - from));
}

/* ---- the file ---------------------------------------------------------------------------------
 */

/* magic | disks | XXH3-64 of the rest | of each disk: number, granules, bits */
static uint8_t *pack(struct needs *n, size_t *size)
{
    uint32_t disks = 0;

    hold_lock(&n->lock);
    *size = HEADER + 8;
    for (unsigned i = 0; i < DISKS; i++)
        *size += n->disk[i].granules ? DISK_HEADER + bitmap_bytes(n->disk[i].granules) : 0;
    uint8_t *out = calloc(1, *size), *at = out + HEADER + 8;
    for (unsigned i = 0; out && i < DISKS; i++) {
        const struct bitmap *b = &n->disk[i];
        if (!b->granules)
            continue;
        disks++;
        put64(at, i);
        put64(at + 8, b->granules);
        memcpy(at + DISK_HEADER, b->bits, bitmap_bytes(b->granules));
        at += DISK_HEADER + bitmap_bytes(b->granules);
    }
    if (out) {
        memcpy(out, magic, sizeof(magic));
        put64(out + 8, disks);
        put64(out + HEADER, digest_of(out + HEADER + 8, *size - HEADER - 8));
        n->changed = false;
    }
    return out;
}

int needs_save(struct group *g)
{
    size_t size;

    pthread_mutex_lock(&g->needs->lock);
    const bool changed = g->needs->changed;
    pthread_mutex_unlock(&g->needs->lock);
    if (!changed)
        return 0;
    cleanup_free uint8_t *out = pack(g->needs, &size);
    int r = out ? medium_save(g->medium, file_name, out, size) : -ENOMEM;
    if (r) {
        hold_lock(&g->needs->lock);
        g->needs->changed = true;
    }
    return r;
}

static bool unpack(struct group *g, const uint8_t *in, size_t size)
{
    const uint8_t *at = in + HEADER + 8;

    if (size < HEADER + 8 || memcmp(in, magic, sizeof(magic)) != 0 ||
        get64(in + HEADER) != digest_of(at, size - HEADER - 8))
        return false;
    for (uint64_t disks = get64(in + 8); disks; disks--) {
        const size_t left = size - (size_t)(at - in);
        const uint64_t number = left < DISK_HEADER ? DISKS : get64(at);
        const uint64_t granules = number < DISKS ? get64(at + 8) : 0;
        if (number >= DISKS || granules > INT64_MAX / MAP_GRANULE ||
            bitmap_bytes(granules) > left - DISK_HEADER)
            return false;
        struct bitmap *b = &g->needs->disk[number];
        if (needs_size(g, (unsigned)number, granules * MAP_GRANULE))
            return false;
        for (uint64_t i = 0; i < granules; i++)
            if (at[DISK_HEADER + i / 8] >> i % 8 & 1)
                set(g->needs, b, i, i + 1, true);
        at += DISK_HEADER + bitmap_bytes(granules);
    }
    return true;
}

int needs_load(struct group *g, struct weir_text *why)
{
    cleanup_free void *data = NULL;
    size_t size;

    g->needs = calloc(1, sizeof(*g->needs));
    if (!g->needs)
        return -ENOMEM;
    pthread_mutex_init(&g->needs->lock, NULL);
    int r = medium_load(g->medium, file_name, &data, &size);
    const bool lost = r == 0 && !unpack(g, data, size);
    if (r && r != -ENOENT) {
        weir_print(why, "the file \"%s\" of group \"%s\" cannot be read: %s", file_name, g->name,
                   strerror(-r));
        return r;
    }
    for (unsigned i = 0; i < DISKS; i++)
        g->needs->disk[i].size = 0; /* the granules say it only roughly */
    for (unsigned i = 0; i < g->record.disks; i++) {
        r = needs_size(g, i, g->record.disk[i].size);
        if (r)
            return r;
        if (lost) /* what it said is not known: all */
            needs_mark(g, i, 0, g->record.disk[i].size);
    }
    pthread_mutex_lock(&g->needs->lock);
    g->needs->changed = lost;
    pthread_mutex_unlock(&g->needs->lock);
    return 0;
}

void needs_close(struct group *g)
{
    if (!g->needs)
        return;
    needs_forget(g);
    pthread_mutex_destroy(&g->needs->lock);
    free(g->needs);
    g->needs = NULL;
}
