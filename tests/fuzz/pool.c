/* pool.c - can what stands on a pool break what opens it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * An input is a list of pieces: a page of the pool (two bytes, which count pages that say
 * something: first super blocks, catalog, table, then the log), an offset in it and a length (two
 * bytes each), and bytes that are put there, over a pool that is whole.  It is opened as it is, and
 * again after every page that had to have a checksum was given the right one.  Whatever is there:
 * it is read to an end, nothing outside the log is named, and a log can begin where it says. */
#include "encode.h"
#include "log.h"
#include "memory-media.h"
#include "page.h"
#include "pool-check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEGMENTS = 4, LOG = SEGMENTS * SEGMENT_PAGES, DISKS = 2, SLOTS = 300, SUPER_B = 16 };

static void check(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "this does not hold: %s\n", what);
        abort();
    }
}

/* ---- the pool that is whole ------------------------------------------------------------------ */

static struct media *whole;
static struct super super;

static void add(struct log *log, unsigned type, unsigned count, uint64_t key)
{
    static const uint8_t page[BLOCK];
    const void *pages[RECORD_ENTRIES];
    struct log_entry entry[RECORD_ENTRIES];
    struct log_append a = { .entry = entry, .count = count, .page = pages, .last_reserve = true };

    for (unsigned i = 0; i < count; i++) {
        pages[i] = page;
        entry[i] = (struct log_entry){ .key = key + i,
                                       .type = (uint8_t)type,
                                       .mask = EVERY_SECTOR,
                                       .crc = block_crc(key + i, page) };
    }
    check(!log_append(log, &a), "a pool can be made");
}

static void make(void)
{
    const struct log_place place = { .epoch = 1, .sequence = 1 };
    const struct log_user user = { 0 };
    struct log *log;

    whole = memory_create(POOL_MIN);
    check(!super_plan(POOL_MIN, 0.2, &super), "a pool can be planned");
    super.disks = DISKS;
    super.log_pages = LOG;
    super.slots = SLOTS;
    check(!super_format(whole, &super), "a pool can be made");
    super.incarnation = 1;
    check(!log_create(whole, &super, &place, &user, &log), "a log can be made");
    for (unsigned i = 0; i < 40; i++) {
        add(log, i % 3 ? ENTRY_DIRTY : ENTRY_CLEAN, 13, i * 1000);
        if (i % 4 == 0)
            check(!log_sync(log), "a log can be synced");
    }
    add(log, ENTRY_DROP, 20, 5);
    check(!super_save(whole, &super), "a super block can be saved");
    log_destroy(log);
}

/* ---- inputs ------------------------------------------------------------------------------------
 */

/* Where the page is that an input calls `n`. */
static uint64_t page_at(unsigned n)
{
    if (n < 2)
        return n * SUPER_B * BLOCK;
    n -= 2;
    if (n < 2 * DISKS)
        return super.catalog + (uint64_t)n * BLOCK;
    n -= 2 * DISKS;
    if (n < 2)
        return super.table + (uint64_t)n * BLOCK;
    return super.log + (uint64_t)(n - 2) % LOG * BLOCK;
}

static void put(struct media *m, const uint8_t *data, size_t size, bool seal)
{
    static const char *const kinds[] = { PAGE_SUPER, PAGE_CATALOG, PAGE_TABLE, PAGE_RECORD,
                                         PAGE_SUMMARY };
    uint8_t page[BLOCK];

    while (size >= 6) {
        const unsigned n = data[0] | data[1] << 8, at = (data[2] | data[3] << 8) % BLOCK;
        size_t length = data[4] | data[5] << 8;
        data += 6;
        size -= 6;
        length = length < size ? length : size;
        length = length < BLOCK - at ? length : BLOCK - at;
        check(!media_read(m, page, BLOCK, page_at(n)), "a page can be read");
        memcpy(page + at, data, length);
        for (size_t k = 0; seal && k < sizeof(kinds) / sizeof(*kinds); k++)
            if (page_claims(page, kinds[k], NULL))
                page_seal(page, kinds[k], super.uuid, get32(page + 24));
        check(!media_write(m, page, BLOCK, page_at(n)), "a page can be written");
        data += length;
        size -= length;
    }
}

/* ---- what is read
 * --------------------------------------------------------------------------------- */

struct reader {
    const struct super *super;
    uint64_t entries, position, damages;
};

static int hear(void *arg, const struct log_entry *e, uint64_t position, uint64_t epoch)
{
    struct reader *r = arg;

    (void)epoch;
    check(position >= r->position && position >= r->super->tail &&
              position < r->super->tail + r->super->log_pages,
          "positions ascend, in the log");
    check(!entry_has_page(e->type) || e->place < r->super->log_pages, "a page is in the log");
    r->position = position;
    r->entries++;
    return 0;
}

static int hurt(void *arg, uint64_t position, const char *why)
{
    struct reader *r = arg;

    (void)position;
    check(strlen(why) > 10, "damage has a sentence");
    r->damages++;
    return 0;
}

static void judge(struct media *m)
{
    static struct pool_found found;
    const struct pool_check_report report = { 0 };
    char why[WHY] = "";
    struct super s;
    struct log_place end;
    struct log *log;

    if (super_load(m, &s, why)) {
        check(*why, "a refusal says why");
        return;
    }
    struct reader r = { &s, 0, 0, 0 };
    const struct log_reader reader = { hear, hurt, &r };
    check(!log_read(m, &s, &reader, &end), "a log is read to its end");
    check(r.entries <= (uint64_t)s.log_pages * RECORD_ENTRIES, "no more than there can be");
    check(r.damages <= s.log_pages + 1, "no more damage than there are pages");
    check(end.head % SEGMENT_PAGES == 0 && end.head >= s.tail && end.head <= s.tail + s.log_pages &&
              (!r.entries || end.head > r.position),
          "a log can begin there");
    check(!pool_check(m, &report, &found, why), "a pool that opens can be checked");
    const struct log_user user = { 0 };
    check(!log_create(m, &s, &end, &user, &log), "a log begins there");
    if (log_room(log) > SEGMENT_PAGES)
        add(log, ENTRY_DIRTY, 3, 1);
    log_destroy(log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!whole)
        make();
    for (int seal = 0; seal < 2; seal++) {
        struct media *m = memory_copy(memory_of(whole));
        put(m, data, size, seal);
        judge(m);
        m->close(m);
    }
    return 0;
}
