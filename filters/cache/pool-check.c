/* pool-check.c - is a pool, which nobody has open, whole, and what is in it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What is in force is found as a recovery finds it: the table of the slots, then the log, whose
 * entries override.  Then each block that is in force is read. */
#include "pool-check.h"

#include "log.h"
#include "page.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 256 }; /* blocks */

/* What a page of the log or a slot has, as far as it is known. */
struct place {
    uint64_t key   : 48;
    uint64_t state : 8; /* enum state */
    uint64_t mask  : 8;
    uint32_t crc;
};
enum state { EMPTY, CLEAN, DIRTY, CLEANED /* of the log: it was dirty */ };

struct check {
    struct media *media;
    const struct pool_check_report *report;
    struct pool_found *found;
    struct place *place; /* log, then slots */
    uint64_t done, all;  /* bytes */
    uint64_t told;       /* problems */
    uint64_t record;     /* position of the last one that was read */
    struct drop {
        uint64_t key, position;
    } * drop;
    size_t drops, drops_size;
};

/* ---- what is said ------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static void problem(struct check *c, bool lost,
                                                          const char *format, ...)
{
    char sentence[WHY];
    va_list list;

    if (!c->report->problem)
        return;
    va_start(list, format);
    vsnprintf(sentence, sizeof(sentence), format, list);
    va_end(list);
    c->report->problem(c->report->arg, lost, sentence);
}

static int advance(struct check *c, uint64_t bytes)
{
    c->done += bytes;
    return c->report->progress ? c->report->progress(c->report->arg, c->done, c->all) : 0;
}

/* ---- super blocks and catalog ---------------------------------------------------------------- */

static void look_at_disks(struct check *c, const struct catalog *catalog)
{
    struct pool_found *f = c->found;

    for (unsigned i = 0; i < f->super.disks; i++) {
        const struct catalog_disk *d = catalog_disk(catalog, i);
        static const uint8_t none[UUID];
        if (!memcmp(d->uuid, none, UUID))
            continue;
        f->disk[i].disk = *d;
        f->disk[i].used = true;
        f->disks++;
        if (d->flags & CATALOG_DAMAGED) {
            f->damaged_disks++;
            problem(c, true,
                    "a gateway found the log damaged: \"%s\" may have had dirty blocks there, and "
                    "waits for the verb accept or discard",
                    d->name);
        }
        if (!(d->flags & CATALOG_LOST))
            continue;
        f->lost_disks++;
        problem(c, true, "both catalog pages of disk number %u are bad: its name is not known", i);
    }
}

static int look_at_catalog(struct check *c)
{
    const uint64_t bytes = 2ull * c->found->super.disks * BLOCK;
    struct catalog *catalog;
    int r = catalog_load(c->media, &c->found->super, &catalog);

    if (r)
        return r;
    look_at_disks(c, catalog);
    catalog_destroy(catalog);
    return advance(c, bytes);
}

/* ---- table --------------------------------------------------------------------------------------
 */

static void taken(void *arg, uint32_t slot, const struct table_slot *t)
{
    struct check *c = arg;
    struct place *p = &c->place[c->found->super.log_pages + slot];

    *p = (struct place){ .key = t->key, .state = CLEAN, .mask = EVERY_SECTOR, .crc = t->crc };
}

/* Pages that were never written are zero, or of an older pool. */
static int look_at_pages(struct check *c)
{
    const struct super *s = &c->found->super;
    const uint64_t pages = ((uint64_t)s->slots + TABLE_ENTRIES - 1) / TABLE_ENTRIES;
    uint8_t page[BLOCK];
    int r = 0;

    for (uint64_t i = 0; !r && i < pages; i++) {
        r = media_read(c->media, page, BLOCK, s->table + i * BLOCK);
        if (r || page_is(page, PAGE_TABLE, s->uuid, (uint32_t)i))
            continue;
        if (page_claims(page, PAGE_TABLE, s->uuid))
            c->found->table_bad++;
    }
    c->found->table_pages = pages;
    if (!r && c->found->table_bad)
        problem(c, false,
                "of the table, %" PRIu64 " of %" PRIu64 " pages are bad: blocks in slots are "
                "forgotten",
                c->found->table_bad, pages);
    return r;
}

static int look_at_table(struct check *c)
{
    struct table *t;
    int r = look_at_pages(c);

    if (!r)
        r = table_create(&c->found->super, &t);
    if (r)
        return r;
    r = table_load(t, c->media, taken, c);
    table_destroy(t);
    return r ? r : advance(c, c->found->table_pages * BLOCK);
}

/* ---- log ----------------------------------------------------------------------------------------
 */

static void count_entry(struct check *c, uint64_t position, uint64_t epoch)
{
    struct pool_found *f = c->found;

    if (!f->log_entries++ || position != c->record)
        f->log_records++;
    if (!f->first_epoch)
        f->first_epoch = epoch;
    f->last_epoch = epoch;
    c->record = position;
}

static int remember_drop(struct check *c, uint64_t key, uint64_t position)
{
    if (c->drops == c->drops_size) {
        const size_t size = c->drops_size ? 2 * c->drops_size : 1024;
        struct drop *more = realloc(c->drop, size * sizeof(*more));
        if (!more)
            return -ENOMEM;
        c->drop = more;
        c->drops_size = size;
    }
    c->drop[c->drops++] = (struct drop){ key, position };
    return 0;
}

static int entry(void *arg, const struct log_entry *e, uint64_t position, uint64_t epoch)
{
    struct check *c = arg;
    const struct super *s = &c->found->super;

    count_entry(c, position, epoch);
    /* an earlier disk may have had the number */
    if (e->type != ENTRY_INTENTS && key_disk(e->key) < DISKS_MAX &&
        position < c->found->disk[key_disk(e->key)].disk.since)
        return 0;
    if (entry_has_page(e->type))
        c->place[e->place] = (struct place){
            .key = e->key,
            .state = e->type == ENTRY_CLEAN   ? CLEAN
                     : e->type == ENTRY_STALE ? EMPTY
                                              : DIRTY,
            .mask = e->mask,
            .crc = e->crc,
        };
    if (e->type == ENTRY_CLEANED && e->place < s->log_pages && c->place[e->place].state == DIRTY &&
        c->place[e->place].key == e->key)
        c->place[e->place].state = CLEANED;
    return e->type == ENTRY_DROP ? remember_drop(c, e->key, position) : 0;
}

static int damage(void *arg, uint64_t position, const char *why)
{
    struct check *c = arg;

    (void)position;
    c->found->damage++;
    problem(c, true, "the log is damaged: %s", why);
    return 0;
}

/* ---- what of it is in force ---------------------------------------------------------------------
 */

/* What the log says of a block.  By key, the youngest first. */
struct word {
    uint64_t key;
    uint32_t age, place; /* NOWHERE: clean versions before it are void */
};

static uint32_t age_of(const struct super *s, uint64_t position)
{
    return (uint32_t)(s->log_pages - 1 -
                      (position + s->log_pages - s->tail % s->log_pages) % s->log_pages);
}

static int by_age(const void *a, const void *b)
{
    const struct word *x = a, *y = b;

    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->age < y->age ? -1 : x->age > y->age;
}

/* What is known of a block from its younger versions. */
struct younger {
    uint64_t key;
    bool any, dropped;
    uint8_t hidden; /* sectors */
};

static void judge(struct place *p, struct younger *y)
{
    const uint8_t mask = p->mask, seen = mask & (uint8_t)~y->hidden;

    if (p->state == DIRTY) { /* of several pieces of a block, younger ones hide sectors of older */
        p->mask = seen;
        p->state = seen ? DIRTY : EMPTY;
    } else if (y->any || y->dropped || (p->state == CLEANED && p->mask != EVERY_SECTOR)) {
        p->state = EMPTY;
    } else {
        p->state = CLEAN;
    }
    y->hidden |= mask;
    y->any = true;
}

/* Slots are older than every version of a block in the log, but not than drops (recover.c). */
static void forget_slots(struct check *c, const struct word *word, size_t n)
{
    const struct super *s = &c->found->super;

    for (uint64_t i = s->log_pages; i < (uint64_t)s->log_pages + s->slots; i++) {
        size_t from = 0, to = n;
        while (c->place[i].state != EMPTY && from < to) {
            const size_t middle = from + (to - from) / 2;
            if (word[middle].key == c->place[i].key)
                c->place[i].state = EMPTY;
            else if (word[middle].key < c->place[i].key)
                from = middle + 1;
            else
                to = middle;
        }
    }
}

static void forget_clean(struct check *c)
{
    const struct super *s = &c->found->super;

    for (uint64_t i = 0; i < (uint64_t)s->log_pages + s->slots; i++)
        if (c->place[i].state == CLEAN)
            c->place[i].state = EMPTY;
}

static int judge_all(struct check *c)
{
    const struct super *s = &c->found->super;
    size_t n = c->drops;

    for (uint32_t i = 0; i < s->log_pages; i++)
        n += c->place[i].state != EMPTY;
    struct word *word = malloc((n + 1) * sizeof(*word));
    if (!word)
        return -ENOMEM;
    for (n = 0; n < c->drops; n++)
        word[n] = (struct word){ c->drop[n].key, age_of(s, c->drop[n].position), NOWHERE };
    for (uint32_t i = 0; i < s->log_pages; i++)
        if (c->place[i].state != EMPTY)
            word[n++] = (struct word){ c->place[i].key, age_of(s, i), i };
    qsort(word, n, sizeof(*word), by_age);
    struct younger y = { 0 };
    size_t versions = 0;
    for (size_t i = 0; i < n; i++) {
        if (word[i].key != y.key)
            y = (struct younger){ .key = word[i].key };
        if (word[i].place == NOWHERE) {
            y.dropped = true;
            continue;
        }
        judge(&c->place[word[i].place], &y);
        word[versions++] = word[i];
    }
    forget_slots(c, word, versions);
    if (s->void_clean)
        problem(c, false,
                "the log had no room to say which clean blocks are void: none is believed");
    if (s->void_clean || c->found->damage) /* what is missing may have said that a block is void */
        forget_clean(c);
    free(word);
    return 0;
}

static int look_at_log(struct check *c)
{
    const struct log_reader reader = { entry, damage, c };
    struct log_place end;
    int r = log_read(c->media, &c->found->super, &reader, &end);

    if (r)
        return r;
    c->found->log_tail = end.tail;
    c->found->log_head = end.head;
    return judge_all(c);
}

/* ---- blocks -------------------------------------------------------------------------------------
 */

static void count(struct check *c, const struct place *p)
{
    struct pool_found *f = c->found;
    const unsigned number = key_disk(p->key);

    if (number >= DISKS_MAX || !f->disk[number].used) {
        f->strange++;
        f->strange_dirty += p->state == DIRTY;
        return;
    }
    struct pool_found_disk *d = &f->disk[number];
    if (p->state == CLEAN) {
        d->clean++;
        return;
    }
    d->dirty++;
    d->dirty_bytes += (uint64_t)__builtin_popcount(p->mask) * SECTOR;
}

static void look_at_block(struct check *c, uint64_t place, const uint8_t *page)
{
    enum { MOST_TOLD = 20 };
    const struct place *p = &c->place[place];
    struct pool_found *f = c->found;
    const bool in_log = place < f->super.log_pages;

    if (p->state == EMPTY)
        return;
    count(c, p);
    ++*(in_log ? &f->log_blocks : &f->slots_taken);
    if (block_crc(p->key, page) == p->crc)
        return;
    ++*(in_log ? &f->log_bad : &f->slots_bad);
    if (p->state != DIRTY)
        return; /* it will be a miss */
    f->dirty_bad++;
    if (c->told++ < MOST_TOLD)
        problem(c, true,
                "block %" PRIu64 " of disk number %u, which its store does not have, is bad at "
                "page %" PRIu64 " of the log",
                key_block(p->key), key_disk(p->key), place);
}

static int look_at_blocks(struct check *c, uint64_t first, uint64_t end, uint64_t offset)
{
    uint8_t *data = malloc((size_t)AT_ONCE * BLOCK);
    int r = data ? 0 : -ENOMEM;

    for (uint64_t at = first; !r && at < end; at += AT_ONCE) {
        const uint64_t n = end - at < AT_ONCE ? end - at : AT_ONCE,
                       from = offset + (at - first) * BLOCK;
        if (media_read(c->media, data, n * BLOCK, from))
            for (uint64_t i = 0; i < n; i++) /* what the medium does not give is bad */
                if (media_read(c->media, data + i * BLOCK, BLOCK, from + i * BLOCK))
                    memset(data + i * BLOCK, 0xdb, BLOCK);
        for (uint64_t i = 0; i < n; i++)
            look_at_block(c, at + i, data + i * BLOCK);
        r = advance(c, n * BLOCK);
    }
    free(data);
    return r;
}

/* ---- all ----------------------------------------------------------------------------------------
 */

static int look_at_all(struct check *c)
{
    const struct super *s = &c->found->super;
    const uint64_t places = (uint64_t)s->log_pages + s->slots;
    int r = look_at_catalog(c);

    if (!r)
        r = look_at_table(c);
    if (!r)
        r = look_at_log(c);
    if (!r)
        r = look_at_blocks(c, 0, s->log_pages, s->log);
    if (!r)
        r = look_at_blocks(c, s->log_pages, places, s->slot);
    if (!r && c->found->strange)
        problem(c, c->found->strange_dirty,
                "%" PRIu64 " blocks, %" PRIu64 " of them dirty, are of disks that the catalog does "
                "not have",
                c->found->strange, c->found->strange_dirty);
    return r;
}

int pool_check(struct media *m, const struct pool_check_report *report, struct pool_found *found,
               char why[WHY])
{
    struct check c = { .media = m, .report = report, .found = found };

    memset(found, 0, sizeof(*found));
    int r = super_load(m, &found->super, why);
    if (r)
        return r;
    const struct super *s = &found->super;
    const uint64_t places = (uint64_t)s->log_pages + s->slots;
    found->supers = super_copies(m);
    if (found->supers < 2)
        problem(&c, false, "one of the two super blocks is bad; the other is in force");
    c.all = (places + ((uint64_t)s->slots + TABLE_ENTRIES - 1) / TABLE_ENTRIES + 2ull * s->disks) *
            BLOCK;
    c.place = calloc(places, sizeof(*c.place));
    r = c.place ? look_at_all(&c) : -ENOMEM;
    free(c.place);
    free(c.drop);
    if (r)
        why_print(why, "the pool cannot be checked to its end: %s", strerror(-r));
    return r;
}

bool pool_check_lost(const struct pool_found *f)
{
    return f->damage || f->dirty_bad || f->lost_disks || f->damaged_disks || f->strange_dirty;
}
