/* test-pool-check.c - does a check see what is wrong with a pool, and nothing else?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "log-rig.h"
#include "memory-media.h"
#include "pool-check.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct heard {
    uint64_t done, all, stop;
    unsigned problems, lost;
    char last[WHY];
};

static int progress(void *arg, uint64_t done, uint64_t all)
{
    struct heard *h = arg;

    assert_true(done >= h->done && done <= all);
    h->done = done;
    h->all = all;
    return h->stop && done >= h->stop ? -EINTR : 0;
}

static void problem(void *arg, bool lost, const char *sentence)
{
    struct heard *h = arg;

    h->problems++;
    h->lost += lost;
    snprintf(h->last, sizeof(h->last), "%s", sentence);
}

static int check(struct log_rig *rig, struct pool_found *found, struct heard *heard)
{
    const struct pool_check_report report = { progress, problem, heard };
    char why[WHY] = "";

    heard->done = 0;
    int r = pool_check(rig->media, &report, found, why);

    assert_true(!r == !*why);
    return r;
}

static void lock(void *arg, bool hold)
{
    (void)arg;
    (void)hold;
}

/* Slots 0 to 9 have a block of disk 0; its page is in the slot. */
static void look(void *arg, uint32_t slot, struct table_slot *t)
{
    uint8_t page[BLOCK];

    (void)arg;
    memset(page, (int)slot, sizeof(page));
    *t = (struct table_slot){ block_key(0, 1000 + slot), 0, slot < 10 };
    t->crc = block_crc(t->key, page);
}

/* A pool with disk 0, whose log has 9 dirty blocks, of which one has been cleaned, and 10 slots. */
static void make(struct log_rig *rig)
{
    struct catalog_disk disk = { .uuid = { 1 }, .name = "vm1", .size = 1 << 30 };
    struct log_entry cleaned = { .type = ENTRY_CLEANED };
    struct log_append a = { .entry = &cleaned, .count = 1 };
    uint8_t page[BLOCK];
    struct catalog *c;
    struct table *t;
    uint64_t written;

    rig_create(rig, 8);
    rig_open(rig);
    assert_int_equal(catalog_load(rig->media, &rig->super, &c), 0);
    assert_int_equal(catalog_save(c, rig->media, 0, &disk), 0);
    catalog_destroy(c);
    rig_append(rig, ENTRY_DIRTY, 9);
    cleaned.key = rig->story.told[2].entry.key;
    cleaned.place = rig->story.told[2].entry.place;
    assert_int_equal(log_append(rig->log, &a), 0);
    rig_append(rig, ENTRY_CLEAN, 4);
    rig_sync(rig);
    rig_append(rig, ENTRY_DROP, 1);
    for (int i = 0; i < 10; i++) {
        memset(page, i, sizeof(page));
        assert_int_equal(
            media_write(rig->media, page, BLOCK, rig->super.slot + (uint64_t)i * BLOCK), 0);
    }
    assert_int_equal(table_create(&rig->super, &t), 0);
    table_mark(t, 0);
    assert_int_equal(table_write(t, rig->media, lock, look, NULL, &written), 0);
    table_destroy(t);
}

static void spoil(struct log_rig *rig, uint64_t offset)
{
    const uint8_t bad = 0xbb;

    assert_int_equal(media_write(rig->media, &bad, 1, offset), 0);
}

static void test_a_pool_that_is_whole(void **state)
{
    struct pool_found *found = malloc(sizeof(*found));
    struct heard heard = { 0 };
    struct log_rig rig;
    uint64_t bytes = 0;

    (void)state;
    make(&rig);
    for (size_t i = 0; i < 9; i++)
        if (i != 2)
            bytes += (uint64_t)__builtin_popcount(rig.story.told[i].entry.mask) * SECTOR;
    assert_int_equal(check(&rig, found, &heard), 0);
    assert_int_equal(heard.problems, 0);
    assert_true(heard.all && heard.done == heard.all);
    assert_false(pool_check_lost(found));
    assert_int_equal(found->supers, 2);
    assert_int_equal(found->disks, 1);
    assert_string_equal(found->disk[0].disk.name, "vm1");
    assert_int_equal(found->disk[0].dirty, 8);
    assert_int_equal(found->disk[0].dirty_bytes, bytes);
    assert_int_equal(found->disk[0].clean, 4 + 10); /* a piece that is clean is no block */
    assert_int_equal(found->slots_taken, 10);
    assert_int_equal(found->log_blocks, 8 + 4);
    assert_int_equal(found->log_entries, 9 + 1 + 4 + 1);
    assert_int_equal(found->log_records, 4);
    assert_int_equal(found->first_epoch + 1, found->last_epoch);
    assert_int_equal(found->strange, 0);
    heard = (struct heard){ .stop = heard.all / 2 };
    assert_int_equal(check(&rig, found, &heard), -EINTR);
    free(found);
    rig_destroy(&rig);
}

static void test_each_kind_of_damage(void **state)
{
    struct pool_found *found = malloc(sizeof(*found));
    struct heard heard = { 0 };
    struct log_rig rig;

    (void)state;
    make(&rig);
    const struct super *s = &rig.super;
    spoil(&rig, s->slot + 5 * BLOCK + 9); /* a miss: nothing is lost */
    spoil(&rig, s->log + 13 * BLOCK + 9); /* a clean block */
    assert_int_equal(check(&rig, found, &heard), 0);
    assert_int_equal(heard.problems, 0);
    assert_int_equal(found->slots_bad, 1);
    assert_int_equal(found->log_bad, 1);
    assert_false(pool_check_lost(found));

    spoil(&rig, s->log + 3 * BLOCK + 9); /* one that the store does not need */
    assert_int_equal(check(&rig, found, &heard), 0);
    assert_false(pool_check_lost(found));
    spoil(&rig, s->log + 4 * BLOCK + 9); /* one that it does */
    heard = (struct heard){ 0 };
    assert_int_equal(check(&rig, found, &heard), 0);
    assert_true(pool_check_lost(found));
    assert_int_equal(found->dirty_bad, 1);
    assert_int_equal(heard.lost, 1);
    assert_non_null(strstr(heard.last, "block 4 of disk number 0"));

    heard = (struct heard){ 0 };
    spoil(&rig, s->table + 90);
    spoil(&rig, 90);
    assert_int_equal(check(&rig, found, &heard), 0);
    assert_int_equal(found->table_bad, 1);
    assert_int_equal(found->slots_taken, 0);
    assert_int_equal(found->supers, 1);
    assert_int_equal(heard.problems, 3);

    spoil(&rig, s->log + 90); /* the head of the first record */
    heard = (struct heard){ 0 };
    assert_int_equal(check(&rig, found, &heard), 0);
    assert_int_equal(found->damage, 1);
    assert_int_equal(found->disk[0].clean, 0);
    free(found);
    rig_destroy(&rig);
}

static void test_of_two_dirty_pieces_the_younger_counts(void **state)
{
    struct pool_found *found = malloc(sizeof(*found));
    struct heard heard = { 0 };
    uint8_t page[BLOCK] = { 0 };
    const void *pages[] = { page, page, page };
    const uint32_t crc = block_crc(block_key(0, 7), page);
    struct log_entry entry[] = {
        { .key = block_key(0, 7), .type = ENTRY_DIRTY, .mask = 0x0f, .crc = crc },
        { .key = block_key(0, 7), .type = ENTRY_DIRTY, .mask = 0x3c, .crc = crc },
        { .key = block_key(0, 7), .type = ENTRY_DIRTY, .mask = 0x30, .crc = crc },
    };
    struct log_append a = { .entry = entry, .count = 3, .page = pages };
    struct catalog_disk disk = { .uuid = { 1 }, .name = "vm1" };
    struct catalog *c;
    struct log_rig rig;

    (void)state;
    rig_create(&rig, 8);
    rig_open(&rig);
    assert_int_equal(catalog_load(rig.media, &rig.super, &c), 0);
    assert_int_equal(catalog_save(c, rig.media, 0, &disk), 0);
    assert_int_equal(log_append(rig.log, &a), 0);
    assert_int_equal(check(&rig, found, &heard), 0);
    assert_int_equal(found->disk[0].dirty, 3);
    assert_int_equal(found->disk[0].dirty_bytes, 6 * SECTOR);
    entry[2].mask = EVERY_SECTOR;
    assert_int_equal(log_append(rig.log, &a), 0);
    assert_int_equal(check(&rig, found, &heard), 0);
    assert_int_equal(found->disk[0].dirty, 1);
    assert_int_equal(found->disk[0].dirty_bytes, BLOCK);

    disk.flags = CATALOG_DAMAGED; /* an earlier opening has found that */
    assert_int_equal(catalog_save(c, rig.media, 0, &disk), 0);
    assert_false(pool_check_lost(found));
    assert_int_equal(check(&rig, found, &heard), 0);
    assert_true(pool_check_lost(found));
    assert_non_null(strstr(heard.last, "\"vm1\" may have had dirty blocks"));
    disk.flags = 0;
    disk.since = 5; /* another disk has the number now */
    assert_int_equal(catalog_save(c, rig.media, 0, &disk), 0);
    assert_int_equal(check(&rig, found, &heard), 0);
    assert_int_equal(found->disk[0].dirty, 0);
    catalog_destroy(c);
    free(found);
    rig_destroy(&rig);
}

/* A log of 9 segments with disk 0. */
static void begin(struct log_rig *rig)
{
    struct catalog_disk disk = { .uuid = { 1 }, .name = "vm1" };
    struct catalog *c;

    rig_create(rig, 9);
    rig_open(rig);
    assert_int_equal(catalog_load(rig->media, &rig->super, &c), 0);
    assert_int_equal(catalog_save(c, rig->media, 0, &disk), 0);
    catalog_destroy(c);
}

/* *place: where its page is. */
static void tell(struct log_rig *rig, uint8_t type, uint64_t key, uint8_t mask, uint32_t *place)
{
    static const uint8_t page[BLOCK];
    const void *pages = page;
    struct log_entry e = { .key = key, .type = type, .mask = mask, .crc = block_crc(key, page) };
    struct log_append a = { .entry = &e, .count = 1, .page = &pages };

    if (type == ENTRY_CLEANED)
        e.place = *place;
    assert_int_equal(log_append(rig->log, &a), 0);
    *place = e.place;
}

static void test_of_two_pieces_far_apart_the_younger_counts(void **state)
{
    struct pool_found *found = malloc(sizeof(*found));
    const uint64_t key = block_key(0, 12345678);
    struct heard heard = { 0 };
    struct log_rig rig;
    uint32_t place;

    (void)state;
    begin(&rig);
    tell(&rig, ENTRY_DIRTY, key, EVERY_SECTOR, &place);
    for (int i = 0; i < 6; i++)
        rig_append(&rig, ENTRY_CLEAN, 200);
    tell(&rig, ENTRY_DIRTY, key, 0x03, &place);
    assert_int_equal(check(&rig, found, &heard), 0);
    assert_int_equal(found->disk[0].dirty, 2);
    assert_int_equal(found->disk[0].dirty_bytes, BLOCK);
    assert_int_equal(found->disk[0].clean, 1200);
    free(found);
    rig_destroy(&rig);
}

static void test_what_younger_versions_make_void_is_not_counted(void **state)
{
    struct pool_found *found = malloc(sizeof(*found));
    const uint64_t in_slot = block_key(0, 1003); /* look() */
    struct heard heard = { 0 };
    struct log_rig rig;
    uint32_t place;

    (void)state;
    make(&rig);
    assert_int_equal(check(&rig, found, &heard), 0);
    const struct pool_found_disk before = found->disk[0];
    /* written twice, and the last version is destaged: neither is dirty */
    tell(&rig, ENTRY_DIRTY, block_key(0, 500), EVERY_SECTOR, &place);
    tell(&rig, ENTRY_DIRTY, block_key(0, 500), EVERY_SECTOR, &place);
    tell(&rig, ENTRY_CLEANED, block_key(0, 500), 0, &place);
    assert_int_equal(check(&rig, found, &heard), 0);
    assert_int_equal(found->disk[0].dirty, before.dirty);
    assert_int_equal(found->disk[0].clean, before.clean + 1);
    /* dropped, and filled again, into the log */
    tell(&rig, ENTRY_DROP, block_key(0, 500), 0, &place);
    assert_int_equal(check(&rig, found, &heard), 0);
    assert_int_equal(found->disk[0].clean, before.clean);
    tell(&rig, ENTRY_CLEAN, block_key(0, 500), EVERY_SECTOR, &place);
    assert_int_equal(check(&rig, found, &heard), 0);
    assert_int_equal(found->disk[0].clean, before.clean + 1);
    /* what a slot has may have come there after a drop, but not after a version of the block */
    tell(&rig, ENTRY_DROP, in_slot, 0, &place);
    assert_int_equal(check(&rig, found, &heard), 0);
    assert_int_equal(found->slots_taken, 10);
    tell(&rig, ENTRY_DIRTY, in_slot, EVERY_SECTOR, &place);
    assert_int_equal(check(&rig, found, &heard), 0);
    assert_int_equal(found->disk[0].clean, before.clean);
    assert_int_equal(found->disk[0].dirty, before.dirty + 1);
    assert_int_equal(found->slots_taken, 9);
    assert_int_equal(heard.problems, 0);
    /* the log had no room for drops */
    rig.super.void_clean = true;
    assert_int_equal(super_save(rig.media, &rig.super), 0);
    assert_int_equal(check(&rig, found, &heard), 0);
    assert_int_equal(found->disk[0].clean, 0);
    assert_int_equal(found->disk[0].dirty, before.dirty + 1);
    assert_int_equal(heard.problems, 1);
    assert_int_equal(heard.lost, 0);
    free(found);
    rig_destroy(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_pool_that_is_whole),
        cmocka_unit_test(test_each_kind_of_damage),
        cmocka_unit_test(test_of_two_dirty_pieces_the_younger_counts),
        cmocka_unit_test(test_of_two_pieces_far_apart_the_younger_counts),
        cmocka_unit_test(test_what_younger_versions_make_void_is_not_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
