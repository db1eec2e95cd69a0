/* super.c - where is everything on a pool?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * All that a super block says stands in its first 512 bytes, and it is written over zeroes or over
 * an older one: a medium that tears a page at its sectors leaves the old or the new. */
#include "format.h"

#include "encode.h"
#include "media.h"
#include "page.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

enum {
    AT_VERSION = PAGE_HEAD,
    AT_INCARNATION = 36,
    AT_DISKS = 40,
    AT_LOG_PAGES = 44,
    AT_SLOTS = 48,
    AT_BEGAN = 52,
    AT_GENERATION = 56,
    AT_CATALOG = 64,
    AT_TABLE = 72,
    AT_LOG = 80,
    AT_SLOT = 88,
    AT_TAIL = 96,
    AT_DURABLE = 104,
    AT_BEGIN = 112,
    AT_SEQUENCE = 120,
    AT_VOID_CLEAN = 128,
    AT_DURABLE_HEAD = 136,
};

#define MIB          (1ull << 20)
#define LAST_PLACE   (NOWHERE - SEGMENT_PAGES) /* places are 32 bits */
#define POSITION_MAX (1ull << 47)              /* of 4 KiB: more than any medium lives to see */
enum { LOG_SEGMENTS_MIN = 8, SUPER_B = 64 << 10, CATALOG_AT = 128 << 10 };

static uint64_t super_at(uint64_t generation)
{
    return generation & 1 ? SUPER_B : 0;
}

/* ---- where what goes -------------------------------------------------------------------- */

static uint64_t up(uint64_t n, uint64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static uint64_t table_bytes(uint64_t slots)
{
    return (slots + TABLE_ENTRIES - 1) / TABLE_ENTRIES * BLOCK;
}

int super_plan(uint64_t size, double log, struct super *s)
{
    const uint64_t disks = size / MIB;
    uint64_t segments, blocks;

    if (size < POOL_MIN || !(log >= 0 && log <= 1))
        return -EINVAL;
    *s = (struct super){ .disks = disks < DISKS_MAX - 1 ? (uint32_t)disks : DISKS_MAX - 1 };
    s->catalog = CATALOG_AT;
    s->table = s->catalog + 2ull * s->disks * BLOCK;
    blocks = (size - s->table) / BLOCK;
    if (blocks > LAST_PLACE)
        blocks = LAST_PLACE;
    segments = (uint64_t)((double)blocks * log / SEGMENT_PAGES + 0.5);
    if (segments < LOG_SEGMENTS_MIN)
        segments = LOG_SEGMENTS_MIN;
    if (segments > blocks / SEGMENT_PAGES - 2) /* a few slots, and what rounding takes */
        segments = blocks / SEGMENT_PAGES - 2;
    s->log_pages = (uint32_t)segments * SEGMENT_PAGES;
    blocks -= s->log_pages;
    /* the table grows with the slots, and takes of them what it needs */
    const uint64_t slots = blocks - up(table_bytes(blocks), MIB) / BLOCK - SEGMENT_PAGES;
    s->slots = (uint32_t)slots;
    s->log = up(s->table + table_bytes(slots), MIB);
    s->slot = s->log + (uint64_t)s->log_pages * BLOCK;
    s->begin_sequence = 1;
    return 0;
}

/* What is read is what a plan could have made, on a medium of `size` bytes; sums do not wrap, as
 * each number is small. */
static bool is_plan(const struct super *s, uint64_t size)
{
    const uint64_t most = UINT64_C(1) << 60;

    if (s->catalog % BLOCK || s->table % BLOCK || s->log % BLOCK || s->slot % BLOCK)
        return false;
    if (s->catalog > most || s->table > most || s->log > most || s->slot > most)
        return false;
    if (!s->disks || s->disks >= DISKS_MAX || !s->log_pages || s->log_pages % SEGMENT_PAGES ||
        (uint64_t)s->log_pages + s->slots > LAST_PLACE)
        return false;
    if (s->tail % SEGMENT_PAGES || s->tail > POSITION_MAX || s->begin % SEGMENT_PAGES ||
        s->begin > POSITION_MAX || s->begin > s->tail + s->log_pages)
        return false;
    return s->catalog >= SUPER_B + BLOCK && s->catalog + 2ull * s->disks * BLOCK <= s->table &&
           s->table + table_bytes(s->slots) <= s->log &&
           s->log + (uint64_t)s->log_pages * BLOCK <= s->slot &&
           s->slot + (uint64_t)s->slots * BLOCK <= size;
}

/* ---- read --------------------------------------------------------------------------------- */

static void decode(const uint8_t *page, struct super *s)
{
    memcpy(s->uuid, page + 8, UUID);
    s->generation = get64(page + AT_GENERATION);
    s->incarnation = get32(page + AT_INCARNATION);
    s->disks = get32(page + AT_DISKS);
    s->log_pages = get32(page + AT_LOG_PAGES);
    s->slots = get32(page + AT_SLOTS);
    s->catalog = get64(page + AT_CATALOG);
    s->table = get64(page + AT_TABLE);
    s->log = get64(page + AT_LOG);
    s->slot = get64(page + AT_SLOT);
    s->tail = get64(page + AT_TAIL);
    s->durable_epoch = get64(page + AT_DURABLE);
    s->durable_head = get64(page + AT_DURABLE_HEAD);
    s->begin = get64(page + AT_BEGIN);
    s->begin_sequence = get64(page + AT_SEQUENCE);
    s->began = get32(page + AT_BEGAN);
    s->void_clean = get32(page + AT_VOID_CLEAN);
}

/* Of one copy: 0, -ENOENT: zeroes, -EINVAL: something else, -EPROTO, -ERANGE: it does not fit the
 * medium; or of the medium. */
static int look(struct media *m, unsigned copy, struct super *s, uint32_t *version)
{
    uint8_t page[BLOCK];
    int r = media_read(m, page, BLOCK, super_at(copy));

    if (r)
        return r;
    if (page_is_zero(page))
        return -ENOENT;
    if (!page_is(page, PAGE_SUPER, NULL, copy))
        return -EINVAL;
    *version = get32(page + AT_VERSION);
    if (*version != POOL_VERSION)
        return -EPROTO;
    decode(page, s);
    if ((s->generation & 1) != copy)
        return -EINVAL;
    return is_plan(s, m->size) ? 0 : -ERANGE;
}

static int say(const struct media *m, int r, uint32_t version, char why[WHY])
{
    switch (r) {
    case -ENOENT:
        why_print(why, "there is no pool");
        return r;
    case -EPROTO:
        why_print(why, "the pool is of version %" PRIu32 ", and this weir knows version %d",
                  version, POOL_VERSION);
        return r;
    case -ERANGE:
        why_print(why,
                  "the pool does not fit in %" PRIu64
                  " bytes: the file has been cut, or it is not all of it",
                  m->size);
        return -EINVAL;
    case -EINVAL:
        why_print(why, "there is something else than a pool, or both its super blocks are bad: "
                       "if it can go, remove the file, or clear a device with wipefs --all");
        return r;
    default:
        why_print(why, "the super blocks cannot be read: %s", strerror(-r));
        return r;
    }
}

int super_load(struct media *m, struct super *ret, char why[WHY])
{
    struct super copy[2] = { 0 };
    uint32_t version = 0;
    int r[2];

    if (m->size < POOL_MIN)
        r[0] = r[1] = m->size ? -ERANGE : -ENOENT;
    else
        for (unsigned i = 0; i < 2; i++)
            r[i] = look(m, i, &copy[i], &version);
    if (!r[0] && !r[1]) {
        if (memcmp(copy[0].uuid, copy[1].uuid, UUID)) /* half of another: neither is known to be */
            return say(m, -EINVAL, version, why);
        *ret = copy[copy[1].generation > copy[0].generation];
        return 0;
    }
    /* one that could not be read may be the younger: what it says is not to be guessed */
    for (unsigned i = 0; i < 2; i++)
        if (r[i] && r[i] != -ENOENT && r[i] != -EINVAL)
            return say(m, r[i], version, why);
    for (unsigned i = 0; i < 2; i++)
        if (!r[i]) {
            *ret = copy[i];
            return 0;
        }
    return say(m, r[0] == -ENOENT ? r[1] : r[0], version, why);
}

unsigned super_copies(struct media *m)
{
    struct super s;
    uint32_t version;

    return !look(m, 0, &s, &version) + !look(m, 1, &s, &version);
}

/* ---- write -------------------------------------------------------------------------------- */

static int write_copy(struct media *m, const struct super *s)
{
    const unsigned copy = s->generation & 1;
    uint8_t page[BLOCK] = { 0 };

    put32(page + AT_VERSION, POOL_VERSION);
    put64(page + AT_GENERATION, s->generation);
    put32(page + AT_INCARNATION, s->incarnation);
    put32(page + AT_DISKS, s->disks);
    put32(page + AT_LOG_PAGES, s->log_pages);
    put32(page + AT_SLOTS, s->slots);
    put64(page + AT_CATALOG, s->catalog);
    put64(page + AT_TABLE, s->table);
    put64(page + AT_LOG, s->log);
    put64(page + AT_SLOT, s->slot);
    put64(page + AT_TAIL, s->tail);
    put64(page + AT_DURABLE, s->durable_epoch);
    put64(page + AT_DURABLE_HEAD, s->durable_head);
    put64(page + AT_BEGIN, s->begin);
    put64(page + AT_SEQUENCE, s->begin_sequence);
    put32(page + AT_BEGAN, s->began);
    put32(page + AT_VOID_CLEAN, s->void_clean);
    page_seal(page, PAGE_SUPER, s->uuid, copy);
    return media_write(m, page, BLOCK, super_at(copy));
}

int super_save(struct media *m, struct super *s)
{
    struct super next = *s;

    if (s->tail % SEGMENT_PAGES)
        return -EINVAL;
    next.generation++;
    int r = write_copy(m, &next);
    if (!r) /* else the other copy is the last that is whole: the next try must not be there */
        s->generation = next.generation;
    return r;
}

static int clear(struct media *m, uint64_t from, uint64_t to)
{
    static const uint8_t zero[64 << 10];
    int r = 0;

    for (uint64_t at = from; !r && at < to; at += sizeof(zero))
        r = media_write(m, zero, to - at < sizeof(zero) ? to - at : sizeof(zero), at);
    return r;
}

int super_format(struct media *m, struct super *s)
{
    if (getrandom(s->uuid, UUID, 0) != UUID)
        return -EIO;
    s->generation = 0;
    /* no super block of an older pool beside a new one; then pages of disks, which are written in
     * turn and told apart by what was there */
    int r = clear(m, 0, BLOCK);
    if (!r)
        r = clear(m, SUPER_B, SUPER_B + BLOCK);
    if (!r)
        r = media_sync(m);
    if (!r)
        r = clear(m, s->catalog, s->table);
    for (int i = 0; !r && i < 2; i++) {
        r = media_sync(m);
        if (!r)
            r = super_save(m, s);
    }
    return r ? r : media_sync(m);
}
