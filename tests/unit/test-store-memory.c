/* test-store-memory.c - does a disk in memory keep bytes, and only where they were written?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store-harness.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

static struct store_image image_of(uint64_t size)
{
    return (struct store_image){ .size = size };
}

static void conforms(void **state)
{
    struct store_image image = image_of(8 << 20);
    struct disk d;

    (void)state;
    assert_int_equal(disk_open(&d, "memory", NULL, &image), 0);
    walk_together(&d, 4, 3000);
    disk_close(&d);
}

static void threads_share_one_page(void **state)
{
    struct store_image image = image_of(4096);
    struct disk d;

    (void)state;
    assert_int_equal(disk_open(&d, "memory", NULL, &image), 0);
    walk_together(&d, 8, 2000);
    disk_close(&d);
}

static void odd_sizes_are_served_by_bytes(void **state)
{
    struct store_image image = image_of(100001);
    struct disk d;

    (void)state;
    assert_int_equal(disk_open(&d, "memory", NULL, &image), 0);
    walk_together(&d, 1, 500);
    disk_close(&d);
}

static void room_is_taken_by_writes_and_given_back_by_trims(void **state)
{
    static const char *const limit[] = { "limit", "128K", NULL };
    static char data[65536] = "x";
    struct store_image image = image_of(1 << 20);
    struct disk d;

    (void)state;
    assert_int_equal(disk_open(&d, "memory", limit, &image), 0);
    assert_true(disk_is_hole(&d, 0, 1 << 20));
    assert_int_equal(disk_do(&d, WEIR_WRITE, 0, 0, 65536, data), 0);
    assert_int_equal(disk_do(&d, WEIR_WRITE, 0, 70000, 1, data), 0);
    assert_int_equal(disk_do(&d, WEIR_WRITE, 0, 200000, 1, data), -ENOSPC);
    assert_false(disk_is_hole(&d, 0, 65536));
    assert_int_equal(disk_do(&d, WEIR_TRIM, 0, 0, 65536, NULL), 0);
    assert_true(disk_is_hole(&d, 0, 65536));
    assert_int_equal(disk_do(&d, WEIR_WRITE, 0, 200000, 1, data), 0);
    disk_close(&d);
}

/* How often this process has touched memory for the first time. */
static long faults(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_minflt;
}

/* Nor does its end: closing it once looked at 2 GiB, of which the thread sanitizer keeps
 * four times as much. */
static void a_large_disk_costs_nothing_and_grows(void **state)
{
    const long before = faults();
    const uint64_t size = 1ull << 43, more = 1ull << 44;
    struct store_image image = image_of(size);
    char in[4] = "end", out[4] = "";
    struct disk d;

    (void)state;
    assert_int_equal(disk_open(&d, "memory", NULL, &image), 0);
    assert_int_equal(disk_do(&d, WEIR_WRITE, 0, size - 4, 4, in), 0);
    assert_int_equal(d.type->grow(d.self, more, NULL), 0);
    assert_int_equal(disk_do(&d, WEIR_READ, 0, size - 4, 4, out), 0);
    assert_string_equal(out, "end");
    assert_int_equal(disk_do(&d, WEIR_WRITE, 0, more - 4, 4, in), 0);
    assert_int_equal(d.type->grow(d.self, size, &d.why), -EINVAL);
    assert_non_null(strstr(text_string(&d.why), "must be larger"));
    disk_close(&d);
    assert_in_range(faults() - before, 0, 50000);
}

static void a_size_is_asked_for(void **state)
{
    struct store_image image = image_of(0);
    struct disk d;

    (void)state;
    assert_int_equal(disk_open(&d, "memory", NULL, &image), -EINVAL);
    assert_non_null(strstr(text_string(&d.why), "give the export a size of at most 16T"));
    disk_close(&d);
}

static void each_opening_is_another_disk(void **state)
{
    struct store_image image = image_of(1 << 20);
    uint64_t changed = 1;
    char name[192];
    struct disk d;

    (void)state;
    assert_int_equal(disk_open(&d, "memory", NULL, &image), 0);
    strcpy(name, disk_identity(&d, &changed));
    assert_string_equal(disk_identity(&d, NULL), name);
    assert_int_equal(changed, 0);
    disk_close(&d);
    assert_int_equal(disk_open(&d, "memory", NULL, &image), 0);
    assert_string_not_equal(disk_identity(&d, NULL), name);
    disk_close(&d);
}

/* Nobody counts for a store: what it tells is computed when somebody looks. */
static void no_store_has_counters(void **state)
{
    (void)state;
    for (const struct store_type *const *t = store_types(); *t; t++)
        for (const struct weir_stat *s = (*t)->stats; s && s->name; s++)
            if (!(s->kind == WEIR_VALUE && s->value) && !(s->kind == WEIR_TEXT && s->show))
                fail_msg("statistic %s of store %s is of another kind", s->name, (*t)->name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conforms),
        cmocka_unit_test(threads_share_one_page),
        cmocka_unit_test(odd_sizes_are_served_by_bytes),
        cmocka_unit_test(room_is_taken_by_writes_and_given_back_by_trims),
        cmocka_unit_test(a_large_disk_costs_nothing_and_grows),
        cmocka_unit_test(a_size_is_asked_for),
        cmocka_unit_test(each_opening_is_another_disk),
        cmocka_unit_test(no_store_has_counters),
    };

    return cmocka_run_group_tests_name("store-memory", tests, make_work, remove_work);
}
