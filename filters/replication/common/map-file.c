/* map-file.c - how do stamps and bits lie on a medium?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * NAME: two headers, of which the newer counts, then pages of 4 KiB: a digest, the number of the
 * page, the id of the map, and of each of its 15 extents a word of bits and 64 stamps.  A page is
 * believed as a whole or not at all. */
#include "map-private.h"

#include "encode.h"
#include "frame.h" /* digest_of() */

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char magic[8] = "weirmap1";

int map_problem(char **problem, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(problem, format, arguments) < 0)
        *problem = NULL;
    va_end(arguments);
    return *problem ? -EBADMSG : -ENOMEM;
}

/* ---- headers --------------------------------------------------------------------------------- */

enum {
    AT_DIGEST = 8, /* of all that follows, and of the magic before it */
    AT_ID = 16,
    AT_SIZE = 32,
    AT_SEQUENCE = 40,
    AT_EPOCH = 48,
    AT_RESERVED = 52,
    AT_CLEAN = 56,
    HEADER_BYTES = SECTOR_BYTES
};

static uint64_t header_digest(const uint8_t *bytes)
{
    uint8_t copy[HEADER_BYTES];

    memcpy(copy, bytes, HEADER_BYTES);
    put64(copy + AT_DIGEST, 0);
    return digest_of(copy, HEADER_BYTES);
}

int header_write(struct map *m, bool clean, uint32_t reserved, uint64_t size)
{
    uint8_t out[HEADER_BYTES] = { 0 };

    memcpy(out, magic, sizeof(magic));
    memcpy(out + AT_ID, m->id, 16);
    put64(out + AT_SIZE, size);
    put64(out + AT_SEQUENCE, m->sequence + 1);
    put32(out + AT_EPOCH, atomic_load(&m->epoch));
    put32(out + AT_RESERVED, reserved);
    out[AT_CLEAN] = clean;
    put64(out + AT_DIGEST, header_digest(out));
    int r = m->pages_failed;
    if (!r) /* the newest stays as it is until this one is there */
        r = file_write(m->pages, out, sizeof(out), (m->sequence + 1) % 2 * PAGE_SIZE);
    if (r)
        return r;
    r = file_sync(m->pages);
    m->pages_failed = r;
    if (!r)
        m->sequence++;
    return r;
}

enum found { NONE, DAMAGED, GOOD };

static enum found header_judge(const uint8_t *in, struct map_header *h)
{
    static const uint8_t zeroes[HEADER_BYTES];

    if (memcmp(in, zeroes, HEADER_BYTES) == 0)
        return NONE;
    if (memcmp(in, magic, sizeof(magic)) != 0 || get64(in + AT_DIGEST) != header_digest(in))
        return DAMAGED;
    memcpy(h->id, in + AT_ID, 16);
    h->size = get64(in + AT_SIZE);
    h->sequence = get64(in + AT_SEQUENCE);
    h->epoch = get32(in + AT_EPOCH);
    h->reserved = get32(in + AT_RESERVED);
    h->clean = in[AT_CLEAN];
    return GOOD;
}

int header_read(struct medium_file *f, struct map_header *ret, bool *behind, char **problem)
{
    uint8_t in[HEADER_BYTES];
    struct map_header h[2];
    enum found found[2];

    for (int i = 0; i < 2; i++) {
        int r = file_read(f, in, sizeof(in), (uint64_t)i * PAGE_SIZE);
        if (r)
            return r;
        found[i] = header_judge(in, &h[i]);
    }
    if (found[0] == NONE && found[1] == NONE)
        return -ENODATA;
    if (found[0] != GOOD && found[1] != GOOD)
        return map_problem(problem, "its header is damaged, or of another version");
    const int newer =
        found[0] != GOOD || (found[1] == GOOD && h[1].sequence > h[0].sequence) ? 1 : 0;
    *ret = h[newer];
    *behind = found[1 - newer] == DAMAGED;
    return 0;
}

/* ---- pages ----------------------------------------------------------------------------------- */

enum { AT_NUMBER = 8, AT_PAGE_ID = 16, AT_EXTENTS = 32, EXTENT_BYTES = 8 + 4 * EXTENT_GRANULES };

static void extent_copy(struct map *m, uint64_t extent, uint64_t size, uint8_t *out)
{
    const bool there = extent < extents_of(size);
    struct chunk *c = there ? chunk_of(m, extent) : NULL;
    const struct extent *x = there ? extent_of(m, extent) : NULL;
    const uint64_t has = there ? granules_of(extent, size) : 0;
    uint64_t bits = ~has;

    if (there) {
        /* dirty before unsure: what is taken meanwhile is seen in one of them */
        bits |= atomic_load(&x->dirty);
        if (does(UNSURE_IS_DIRTY))
            bits |= atomic_load(&x->unsure);
    }
    put64(out, bits);
    for (unsigned g = 0; g < EXTENT_GRANULES; g++)
        put32(out + 8 + 4 * (size_t)g,
              has >> g & 1 ? atomic_load(&c->stamp[extent % CHUNK][g]) : NEVER);
}

void page_copy(struct map *m, uint64_t page, void *buffer)
{
    const uint64_t size = atomic_load(&m->size), first = page * PAGE_EXTENTS;
    uint8_t *out = buffer;

    memset(out, 0, PAGE_SIZE);
    put64(out + AT_NUMBER, page);
    memcpy(out + AT_PAGE_ID, m->id, 16);
    for (unsigned i = 0; i < PAGE_EXTENTS; i++) {
        if (first + i < extents_of(size) && does(PENDING_BEFORE_COPY))
            atomic_fetch_and(state_of(m, first + i), ~PENDING);
        extent_copy(m, first + i, size, out + AT_EXTENTS + (size_t)i * EXTENT_BYTES);
    }
    put64(out, digest_of(out + 8, PAGE_SIZE - 8));
}

static bool page_good(const struct map *m, uint64_t page, const uint8_t *in)
{
    return get64(in) == digest_of(in + 8, PAGE_SIZE - 8) && get64(in + AT_NUMBER) == page &&
           memcmp(in + AT_PAGE_ID, m->id, 16) == 0;
}

/* Stamps of epochs that have not been yet are another page's. */
static bool extent_load(struct map *m, uint64_t extent, const uint8_t *in)
{
    struct chunk *c = chunk_of(m, extent);
    const uint32_t epoch = atomic_load(&m->epoch);
    const uint64_t granules = granules_of(extent, atomic_load(&m->size));
    const uint64_t bits = get64(in) & granules;

    for (unsigned g = 0; g < EXTENT_GRANULES; g++) {
        const uint32_t stamp = get32(in + 8 + 4 * (size_t)g);
        if (!(granules >> g & 1))
            continue;
        if (stamp > epoch && stamp != NEVER)
            return false;
        if (stamp == NEVER)
            stamps_raise(m, extent, 1ull << g, epoch);
        else
            atomic_store(&c->stamp[extent % CHUNK][g], stamp);
    }
    atomic_store(&c->extent[extent % CHUNK].dirty, bits);
    atomic_store(&c->extent[extent % CHUNK].unsure, bits);
    atomic_fetch_add(&m->dirty, (uint64_t)__builtin_popcountll(bits));
    atomic_fetch_add(&m->unsure, (uint64_t)__builtin_popcountll(bits));
    return true;
}

static void page_load(struct map *m, uint64_t page, const uint8_t *in)
{
    const uint64_t size = atomic_load(&m->size), extents = extents_of(size);
    const bool good = page_good(m, page, in) || !does(DAMAGED_IS_DIRTY);

    for (unsigned i = 0; i < PAGE_EXTENTS && page * PAGE_EXTENTS + i < extents; i++) {
        const uint64_t e = page * PAGE_EXTENTS + i;
        if (good && extent_load(m, e, in + AT_EXTENTS + (size_t)i * EXTENT_BYTES))
            continue;
        bits_set(m, e, granules_of(e, size));
        stamps_raise(m, e, granules_of(e, size), atomic_load(&m->epoch));
    }
}

/* What cannot be read is as good as damaged. */
static void batch_read(struct map *m, uint64_t page, uint64_t n)
{
    if (!file_read(m->pages, m->pages_out, n * PAGE_SIZE, PAGES_AT + page * PAGE_SIZE))
        return;
    for (uint64_t i = 0; i < n; i++)
        if (file_read(m->pages, m->pages_out + i * PAGE_SIZE, PAGE_SIZE,
                      PAGES_AT + (page + i) * PAGE_SIZE))
            memset(m->pages_out + i * PAGE_SIZE, 0, PAGE_SIZE);
}

void pages_load(struct map *m)
{
    const uint64_t pages = pages_of(atomic_load(&m->size));

    for (uint64_t p = 0; p < pages; p += BATCH) {
        const uint64_t n = pages - p < BATCH ? pages - p : BATCH;
        batch_read(m, p, n);
        for (uint64_t i = 0; i < n; i++)
            page_load(m, p + i, m->pages_out + i * PAGE_SIZE);
    }
}
