/* table.c - which blocks do the slots have?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * One page tells of TABLE_ENTRIES slots.  It is written late and in place: a page that is torn or
 * old says of slots what is not so, which their blocks' CRCs show, or says nothing. */
#include "format.h"

#include "encode.h"
#include "media.h"
#include "page.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRY = 16, AT_KEY = 0, AT_CRC = 8, PAGES_AT_ONCE = 64 };
_Static_assert(PAGE_HEAD + TABLE_ENTRIES * ENTRY == BLOCK, "a page is full");
#define TAKEN (1ull << 63)

struct table {
    uint8_t uuid[UUID];
    uint64_t at;
    uint32_t slots, pages;
    bool *marked; /* by page; under the pool's lock */
};

int table_create(const struct super *s, struct table **ret)
{
    struct table *t = calloc(1, sizeof(*t));

    if (!t)
        return -ENOMEM;
    memcpy(t->uuid, s->uuid, UUID);
    t->at = s->table;
    t->slots = s->slots;
    t->pages = (s->slots + TABLE_ENTRIES - 1) / TABLE_ENTRIES;
    t->marked = calloc(t->pages ? t->pages : 1, sizeof(*t->marked));
    if (!t->marked) {
        free(t);
        return -ENOMEM;
    }
    *ret = t;
    return 0;
}

void table_destroy(struct table *t)
{
    if (!t)
        return;
    free(t->marked);
    free(t);
}

void table_mark(struct table *t, uint32_t slot)
{
    t->marked[slot / TABLE_ENTRIES] = true;
}

static uint32_t slots_of(const struct table *t, uint32_t page)
{
    const uint32_t rest = t->slots - page * TABLE_ENTRIES;

    return rest < TABLE_ENTRIES ? rest : TABLE_ENTRIES;
}

/* ---- write -------------------------------------------------------------------------------- */

struct writer {
    struct table *table;
    void (*lock)(void *, bool hold);
    void (*look)(void *, uint32_t slot, struct table_slot *);
    void *arg;
};

/* What the slots of a page hold now, if it is marked. */
static bool collect(const struct writer *w, uint32_t page, uint8_t *data)
{
    struct table *t = w->table;
    struct table_slot slot;

    w->lock(w->arg, true);
    const bool marked = t->marked[page];
    t->marked[page] = false;
    for (uint32_t i = 0; marked && i < slots_of(t, page); i++) {
        uint8_t *entry = data + PAGE_HEAD + i * ENTRY;
        w->look(w->arg, page * TABLE_ENTRIES + i, &slot);
        memset(entry, 0, ENTRY);
        if (!slot.taken)
            continue;
        put64(entry + AT_KEY, slot.key | TAKEN);
        put32(entry + AT_CRC, slot.crc);
    }
    w->lock(w->arg, false);
    if (!marked)
        return false;
    const size_t used = PAGE_HEAD + slots_of(t, page) * ENTRY;
    memset(data + used, 0, BLOCK - used);
    page_seal(data, PAGE_TABLE, t->uuid, page);
    return true;
}

static int write_run(const struct writer *w, struct media *m, uint32_t first, uint32_t count,
                     const uint8_t *data)
{
    int r = media_write(m, data, (size_t)count * BLOCK, w->table->at + (uint64_t)first * BLOCK);

    if (!r)
        return 0;
    w->lock(w->arg, true); /* they are to be written as before */
    for (uint32_t i = 0; i < count; i++)
        w->table->marked[first + i] = true;
    w->lock(w->arg, false);
    return r;
}

int table_write(struct table *t, struct media *m, void (*lock)(void *, bool hold),
                void (*look)(void *, uint32_t slot, struct table_slot *), void *arg,
                uint64_t *written)
{
    const struct writer w = { t, lock, look, arg };
    uint8_t *data = malloc((size_t)PAGES_AT_ONCE * BLOCK);
    int r = 0;

    *written = 0;
    if (!data)
        return -ENOMEM;
    for (uint32_t page = 0; !r && page < t->pages;) {
        uint32_t n = 0;
        while (n < PAGES_AT_ONCE && page + n < t->pages &&
               collect(&w, page + n, data + (size_t)n * BLOCK))
            n++;
        if (n)
            r = write_run(&w, m, page, n, data);
        if (!r)
            *written += n;
        page += n < PAGES_AT_ONCE ? n + 1 : n; /* the one that ended the run was not marked */
    }
    free(data);
    return r;
}

/* ---- read --------------------------------------------------------------------------------- */

static void tell(const struct table *t, uint32_t page, const uint8_t *data,
                 void (*taken)(void *, uint32_t slot, const struct table_slot *), void *arg)
{
    if (!page_is(data, PAGE_TABLE, t->uuid, page))
        return;
    for (uint32_t i = 0; i < slots_of(t, page); i++) {
        const uint8_t *entry = data + PAGE_HEAD + i * ENTRY;
        const uint64_t key = get64(entry + AT_KEY);
        const struct table_slot slot = { key & ~TAKEN, get32(entry + AT_CRC), true };
        if (key & TAKEN && !(slot.key >> KEY_BITS))
            taken(arg, page * TABLE_ENTRIES + i, &slot);
    }
}

int table_load(struct table *t, struct media *m,
               void (*taken)(void *, uint32_t slot, const struct table_slot *), void *arg)
{
    uint8_t *data = malloc((size_t)PAGES_AT_ONCE * BLOCK);
    int r = data ? 0 : -ENOMEM;

    for (uint32_t page = 0; !r && page < t->pages; page += PAGES_AT_ONCE) {
        uint32_t n = t->pages - page < PAGES_AT_ONCE ? t->pages - page : PAGES_AT_ONCE;
        r = media_read(m, data, (size_t)n * BLOCK, t->at + (uint64_t)page * BLOCK);
        for (uint32_t i = 0; !r && i < n; i++)
            tell(t, page + i, data + (size_t)i * BLOCK, taken, arg);
    }
    free(data);
    return r;
}
