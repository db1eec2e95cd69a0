/* test-super.c - what do super blocks, catalog and table say after a crash?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "format.h"
#include "memory-media.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LOSSES = 24 };
#define MIB (1ull << 20)

/* Every kind of crash after `ops`: LOSSES of them. */
static struct media *crash(struct memory *m, size_t ops, unsigned kind)
{
    static const enum memory_loss losses[] = { MEMORY_ALL, MEMORY_SYNCED, MEMORY_SOME };

    return kind < 3 ? memory_cut(m, ops, losses[kind], 1)
                    : memory_cut(m, ops, MEMORY_TORN, ops * 1000 + kind);
}

static struct media *formatted(uint64_t size, struct super *s)
{
    struct media *m = memory_create(size);

    assert_int_equal(super_plan(size, 0.25, s), 0);
    assert_int_equal(super_format(m, s), 0);
    return m;
}

static void write_byte(struct media *m, uint64_t offset, uint8_t byte)
{
    assert_int_equal(media_write(m, &byte, 1, offset), 0);
}

/* ---- plan --------------------------------------------------------------------------------- */

static void test_a_plan_fits_and_loads(void **state)
{
    static const uint64_t sizes[] = { POOL_MIN,           POOL_MIN + 4096,   POOL_MIN + 12345,
                                      100 * MIB,          511 * MIB,         1024 * MIB,
                                      (64ull << 30) + 17, 100 * (1ull << 40) };
    static const double logs[] = { 0, 0.001, 0.1, 0.5, 0.99, 1 };

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
        for (size_t k = 0; k < sizeof(logs) / sizeof(*logs); k++) {
            struct super s;
            assert_int_equal(super_plan(sizes[i], logs[k], &s), 0);
            assert_true(s.log_pages >= 8 * SEGMENT_PAGES && s.log_pages % SEGMENT_PAGES == 0);
            assert_true(s.slots > 0);
            assert_true((uint64_t)s.log_pages + s.slots < NOWHERE);
            assert_true(s.slot + (uint64_t)s.slots * BLOCK <= sizes[i]);
            if (sizes[i] < 20ull << 40)
                assert_true(sizes[i] - (s.slot + (uint64_t)s.slots * BLOCK) <
                            4 * MIB + sizes[i] / 128);
            if (sizes[i] <= 1024 * MIB) { /* and what super.c thinks of it */
                struct media *m = memory_create(sizes[i]);
                struct super read;
                assert_int_equal(super_format(m, &s), 0);
                assert_int_equal(super_load(m, &read, NULL), 0);
                assert_memory_equal(&read, &s, sizeof(s));
                m->close(m);
            }
        }
    struct super s;
    assert_int_equal(super_plan(POOL_MIN - 1, 0.1, &s), -EINVAL);
    assert_int_equal(super_plan(POOL_MIN, 1.5, &s), -EINVAL);
    assert_int_equal(super_plan(POOL_MIN, 0.1, &s), 0);
    assert_int_equal(s.disks, 64);
    assert_int_equal(super_plan(1024 * MIB, 0.1, &s), 0);
    assert_int_equal(s.disks, 511);
}

/* ---- super blocks -------------------------------------------------------------------------- */

static void test_what_is_no_pool(void **state)
{
    char why[WHY] = "";
    struct super s, read;
    struct media *m = memory_create(POOL_MIN);

    (void)state;
    assert_int_equal(super_load(m, &read, why), -ENOENT);
    write_byte(m, 100, 1);
    assert_int_equal(super_load(m, &read, why), -EINVAL);
    m->close(m);
    m = memory_create(4096);
    assert_int_equal(super_load(m, &read, why), -EINVAL);
    m->close(m);
    m = memory_create(0);
    assert_int_equal(super_load(m, &read, why), -ENOENT);
    m->close(m);

    m = formatted(POOL_MIN, &s);
    m->size -= MIB; /* cut */
    assert_int_equal(super_load(m, &read, why), -EINVAL);
    assert_non_null(strstr(why, "does not fit"));
    m->size += MIB;
    memory_fail(memory_of(m), MEMORY_CALL_READ, 1, 1, EIO); /* the one may be the younger */
    assert_int_equal(super_load(m, &read, why), -EIO);
    assert_int_equal(super_load(m, &read, why), 0);
    write_byte(m, 32, POOL_VERSION + 1); /* a bad copy, not another version: the CRC is wrong */
    assert_int_equal(super_load(m, &read, why), 0);
    assert_int_equal(read.generation, s.generation - (s.generation & 1 ? 0 : 1));
    m->close(m);
}

static void test_a_save_is_old_or_new(void **state)
{
    struct super s, read;
    struct media *m = formatted(POOL_MIN, &s);
    struct memory *memory = memory_of(m);
    uint64_t tail[9] = { s.tail };

    (void)state;
    memory_record(memory);
    for (unsigned i = 1; i <= 8; i++) {
        s.tail += SEGMENT_PAGES;
        s.durable_epoch = i;
        tail[i] = s.tail;
        assert_int_equal(super_save(m, &s), 0);
        assert_int_equal(media_sync(m), 0);
    }
    for (size_t ops = 0; ops <= memory_ops(memory); ops++)
        for (unsigned kind = 0; kind < LOSSES; kind++) {
            struct media *cut = crash(memory, ops, kind);
            assert_int_equal(super_load(cut, &read, NULL), 0);
            assert_true(read.tail == tail[ops / 2] ||
                        (ops % 2 && kind != 1 && read.tail == tail[ops / 2 + 1]));
            if (ops % 2 && !kind)
                assert_int_equal(read.tail, tail[ops / 2 + 1]);
            cut->close(cut);
        }
    m->close(m);
}

static void test_a_failed_save_leaves_the_good_copy(void **state)
{
    struct super s, read;
    struct media *m = formatted(POOL_MIN, &s);

    (void)state;
    memory_record(memory_of(m));
    s.tail = SEGMENT_PAGES;
    assert_int_equal(super_save(m, &s), 0);
    memory_fail(memory_of(m), MEMORY_CALL_WRITE, 0, 3, EIO);
    for (int i = 0; i < 3; i++) {
        s.tail = 2 * SEGMENT_PAGES;
        assert_int_equal(super_save(m, &s), -EIO);
        const uint64_t at = memory_op(memory_of(m), memory_ops(memory_of(m)) - 1)->offset;
        memory_fail(memory_of(m), MEMORY_CALL_WRITE, 0, 0, 0);
        write_byte(m, at + 40, 0xbb); /* what it tried to write is torn */
        memory_fail(memory_of(m), MEMORY_CALL_WRITE, 0, 3, EIO);
        assert_int_equal(super_load(m, &read, NULL), 0);
        assert_int_equal(read.tail, SEGMENT_PAGES);
        assert_true(at != (read.generation & 1 ? 64 << 10 : 0));
    }
    memory_fail(memory_of(m), MEMORY_CALL_WRITE, 0, 0, 0);
    s.tail++;
    assert_int_equal(super_save(m, &s), -EINVAL);
    m->close(m);
}

static void test_a_format_is_none_or_whole(void **state)
{
    struct super old, s, read;
    struct media *m = formatted(POOL_MIN, &old);
    struct memory *memory = memory_of(m);
    struct catalog *c;
    struct catalog_disk disk = { .uuid = { 1 }, .name = "of the old pool" };

    (void)state;
    assert_int_equal(catalog_load(m, &old, &c), 0);
    for (int i = 0; i < 2; i++) /* both its pages */
        assert_int_equal(catalog_save(c, m, 3, &disk), 0);
    catalog_destroy(c);
    memory_record(memory);
    assert_int_equal(super_plan(POOL_MIN, 0.5, &s), 0);
    assert_int_equal(super_format(m, &s), 0);
    assert_memory_not_equal(s.uuid, old.uuid, UUID);
    for (size_t ops = 0; ops <= memory_ops(memory); ops++)
        for (unsigned kind = 0; kind < LOSSES; kind++) {
            struct media *cut = crash(memory, ops, kind);
            int r = super_load(cut, &read, NULL);
            if (r) { /* nothing, or half of a page of zeroes */
                assert_true(r == -ENOENT || (r == -EINVAL && ops < 3));
                cut->close(cut);
                continue;
            }
            const bool is_old = !memcmp(read.uuid, old.uuid, UUID);
            assert_int_equal(catalog_load(cut, &read, &c), 0);
            for (unsigned i = 0; i < read.disks; i++)
                assert_int_equal(catalog_disk(c, i)->uuid[0], is_old && i == 3);
            catalog_destroy(c);
            cut->close(cut);
        }
    m->close(m);
}

/* ---- catalog --------------------------------------------------------------------------------- */

static struct catalog_disk a_disk(unsigned i)
{
    struct catalog_disk d = {
        .size = i, .since = i, .grid = 7 * SECTOR, .changed = i, .flags = CATALOG_OPEN
    };

    memset(d.uuid, (int)i + 1, UUID);
    snprintf(d.name, sizeof(d.name), "disk %u", i);
    snprintf(d.identity, sizeof(d.identity), "identity %u", i);
    return d;
}

static void test_an_entry_is_old_or_new(void **state)
{
    struct super s;
    struct media *m = formatted(POOL_MIN, &s);
    struct memory *memory = memory_of(m);
    struct catalog *c, *read;

    (void)state;
    memory_record(memory);
    assert_int_equal(catalog_load(m, &s, &c), 0);
    for (unsigned i = 0; i < 8; i++) {
        struct catalog_disk d = a_disk(i);
        assert_int_equal(catalog_save(c, m, 63, &d), 0);
        assert_memory_equal(catalog_disk(c, 63), &d, sizeof(d));
    }
    assert_int_equal(memory_ops(memory), 16);
    for (size_t ops = 0; ops <= memory_ops(memory); ops++)
        for (unsigned kind = 0; kind < LOSSES; kind++) {
            struct media *cut = crash(memory, ops, kind);
            struct catalog_disk before = a_disk((unsigned)ops / 2 - 1),
                                after = a_disk((unsigned)ops / 2);
            if (ops < 2)
                before = (struct catalog_disk){ 0 };
            assert_int_equal(catalog_load(cut, &s, &read), 0);
            const struct catalog_disk *d = catalog_disk(read, 63);
            assert_true(!memcmp(d, &before, sizeof(*d)) ||
                        (ops % 2 && !memcmp(d, &after, sizeof(*d))));
            assert_int_equal(catalog_disk(read, 62)->uuid[0], 0);
            catalog_destroy(read);
            cut->close(cut);
        }
    catalog_destroy(c);
    m->close(m);
}

static void test_an_entry_that_is_lost_is_not_free(void **state)
{
    struct super s;
    struct media *m = formatted(POOL_MIN, &s);
    struct catalog *c;
    struct catalog_disk d = a_disk(1);

    (void)state;
    assert_int_equal(catalog_load(m, &s, &c), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(catalog_save(c, m, 5, &d), 0);
    catalog_destroy(c);
    write_byte(m, s.catalog + 10 * BLOCK + 300, 1);
    assert_int_equal(catalog_load(m, &s, &c), 0);
    assert_memory_equal(catalog_disk(c, 5), &d, sizeof(d)); /* the other copy */
    catalog_destroy(c);
    write_byte(m, s.catalog + 11 * BLOCK + 300, 1);
    assert_int_equal(catalog_load(m, &s, &c), 0);
    assert_int_equal(catalog_disk(c, 5)->flags, CATALOG_LOST);
    assert_int_equal(catalog_disk(c, 5)->uuid[0], 0xff);
    /* a failed save changes nothing */
    memory_fail(memory_of(m), MEMORY_CALL_WRITE, 0, 1, EIO);
    assert_int_equal(catalog_save(c, m, 6, &d), -EIO);
    assert_int_equal(catalog_disk(c, 6)->uuid[0], 0);
    assert_int_equal(catalog_save(c, m, s.disks, &d), -EINVAL);
    catalog_destroy(c);
    m->close(m);
}

/* ---- table -------------------------------------------------------------------------------------
 */

struct slots {
    struct table_slot *slot;
    uint32_t count, found;
    unsigned held;
    bool locked;
};

static void lock(void *arg, bool hold)
{
    struct slots *s = arg;

    assert_true(s->locked != hold);
    s->locked = hold;
    s->held += hold;
}

static void look(void *arg, uint32_t slot, struct table_slot *ret)
{
    struct slots *s = arg;

    assert_true(s->locked && slot < s->count);
    *ret = s->slot[slot];
}

static void taken(void *arg, uint32_t slot, const struct table_slot *t)
{
    struct slots *s = arg;

    assert_true(slot < s->count && t->taken);
    assert_true(s->slot[slot].taken && s->slot[slot].key == t->key && s->slot[slot].crc == t->crc);
    s->found++;
}

static void test_what_a_table_was_told(void **state)
{
    struct super s;
    struct media *m = formatted(256 * MIB, &s);
    struct slots slots = { .count = s.slots };
    struct table *t;
    uint64_t written;
    uint32_t marked = 0;

    (void)state;
    slots.slot = calloc(s.slots, sizeof(*slots.slot));
    assert_non_null(slots.slot);
    assert_int_equal(table_create(&s, &t), 0);
    assert_int_equal(table_write(t, m, lock, look, &slots, &written), 0);
    assert_int_equal(written, 0);
    for (uint32_t i = 0; i < s.slots; i += i % 7 + 1) { /* the last page, too, which is not full */
        slots.slot[i] = (struct table_slot){ block_key(i % 512, i), ~i, true };
        table_mark(t, i);
        marked++;
    }
    table_mark(t, s.slots - 1);
    memory_fail(memory_of(m), MEMORY_CALL_WRITE, 1, 1, EIO);
    assert_int_equal(table_write(t, m, lock, look, &slots, &written), -EIO);
    const uint64_t before = written;
    assert_int_equal(table_write(t, m, lock, look, &slots, &written), 0);
    assert_int_equal(before + written, (s.slots + TABLE_ENTRIES - 1) / TABLE_ENTRIES);
    assert_int_equal(table_load(t, m, taken, &slots), 0);
    assert_int_equal(slots.found, marked);

    /* one page: another marked slot is written, a bad page says nothing, nor does a stranger */
    slots.slot[1].taken = slots.slot[0].taken = false;
    table_mark(t, 0);
    assert_int_equal(table_write(t, m, lock, look, &slots, &written), 0);
    assert_int_equal(written, 1);
    slots.found = 0;
    write_byte(m, s.table + BLOCK + 100, 99);
    assert_int_equal(table_load(t, m, taken, &slots), 0);
    assert_true(slots.found < marked && slots.found > marked - 3 * TABLE_ENTRIES);
    table_destroy(t);
    s.uuid[0] ^= 1;
    assert_int_equal(table_create(&s, &t), 0);
    slots.found = 0;
    assert_int_equal(table_load(t, m, taken, &slots), 0);
    assert_int_equal(slots.found, 0);
    table_destroy(t);
    free(slots.slot);
    m->close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_plan_fits_and_loads),
        cmocka_unit_test(test_what_is_no_pool),
        cmocka_unit_test(test_a_save_is_old_or_new),
        cmocka_unit_test(test_a_failed_save_leaves_the_good_copy),
        cmocka_unit_test(test_a_format_is_none_or_whole),
        cmocka_unit_test(test_an_entry_is_old_or_new),
        cmocka_unit_test(test_an_entry_that_is_lost_is_not_free),
        cmocka_unit_test(test_what_a_table_was_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
