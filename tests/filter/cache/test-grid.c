/* test-grid.c - is it found out where a guest's blocks begin?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "disk-table.h"
#include "grid.h"

enum { GOT = 34 * 512, NO_GRID = 9999 };
#define DISK (100ull << 30)

static uint8_t disk[64 << 10];

static uint32_t grid_within(size_t length, uint64_t size)
{
    uint32_t grid = NO_GRID;

    if (!grid_of_partitions(disk, length, size, &grid)) {
        assert_int_equal(grid, NO_GRID);
        return NO_GRID;
    }
    assert_true(grid < 4096 && grid % 512 == 0);
    return grid;
}

static uint32_t grid(void)
{
    return grid_within(GOT, DISK);
}

static int wipe(void **unused)
{
    (void)unused;

    memset(disk, 0, sizeof(disk));
    return 0;
}

static void sector_63_is_sector_7_of_8(void **unused)
{
    (void)unused;

    mbr_entry(disk, 0, 7, 63, 1000000);
    assert_int_equal(grid(), 7 * 512);
    mbr_entry(disk, 0, 7, 2048, 1000000);
    assert_int_equal(grid(), 0);
}

static void most_of_the_space_decides(void **unused)
{
    (void)unused;

    mbr_entry(disk, 0, 0x83, 2048, 5000);
    mbr_entry(disk, 1, 0x83, 10004, 3000);
    mbr_entry(disk, 2, 0x83, 20004, 3000);
    assert_int_equal(grid(), 4 * 512);
}

static void what_has_no_blocks_of_its_own_does_not_count(void **unused)
{
    (void)unused;

    mbr_entry(disk, 0, 0x83, 8, 100);
    mbr_entry(disk, 1, 0x05, 1001, 1000000);
    mbr_entry(disk, 2, 0x0f, 1001, 1000000);
    mbr_entry(disk, 3, 0x00, 1001, 1000000);
    assert_int_equal(grid(), 0);
    mbr_entry(disk, 0, 0x00, 8, 100);
    assert_int_equal(grid(), NO_GRID);
}

static void a_partition_counts_as_far_as_the_disk_goes(void **unused)
{
    (void)unused;

    mbr_entry(disk, 0, 0x83, 2048, 1 << 20);
    mbr_entry(disk, 1, 0x83, 4000001, UINT32_MAX);
    assert_int_equal(grid_within(GOT, (4000001ull + 1000) * 512), 0);
    assert_int_equal(grid_within(GOT, 4000000ull * 512), 0);
    assert_int_equal(grid_within(GOT, 6000001ull * 512), 512);
    assert_int_equal(grid_within(GOT, 0), NO_GRID);
}

static void a_boot_sector_of_a_file_system_is_no_table(void **unused)
{
    (void)unused;

    mbr_entry(disk, 0, 0x83, 63, 1000000);
    assert_int_equal(grid(), 7 * 512);
    disk[446 + 3 * 16] =
        'x'; /* where a table says that a partition is the one to boot, or is not */
    assert_int_equal(grid(), NO_GRID);
    memset(disk + 446, 'x', 64);
    assert_int_equal(grid(), NO_GRID);
}

static void without_a_signature_there_is_no_table(void **unused)
{
    (void)unused;

    mbr_entry(disk, 0, 0x83, 63, 1000000);
    assert_int_equal(grid_within(511, DISK), NO_GRID);
    assert_int_equal(grid_within(512, DISK), 7 * 512);
    disk[511] = 0;
    assert_int_equal(grid(), NO_GRID);
}

static void a_gpt_is_read_behind_its_protective_mbr(void **unused)
{
    (void)unused;

    gpt_header(disk, 512, 128, 128);
    gpt_entry(disk, 512, 0, 34, 2047);
    gpt_entry(disk, 512, 128, 4099, 4099 + 100000);
    assert_int_equal(grid(), 3 * 512);
    gpt_entry(disk, 512, 127 * 128, 1000001, 10000000); /* the last one of 34 sectors */
    assert_int_equal(grid(), 512);
}

static void a_gpt_of_large_sectors_begins_on_the_grid(void **unused)
{
    (void)unused;

    gpt_header(disk, 4096, 16, 128);
    gpt_entry(disk, 4096, 0, 7, 1000);
    assert_int_equal(grid(), 0);
}

static void a_hybrid_mbr_counts_for_nothing_beside_its_gpt(void **unused)
{
    (void)unused;

    gpt_header(disk, 512, 128, 128);
    gpt_entry(disk, 512, 0, 2048, 3000);
    mbr_entry(disk, 1, 0x83, 63, 1000000);
    assert_int_equal(grid(), 0);
    memset(disk + 512, 0, 8); /* without a GPT it is all there is */
    assert_int_equal(grid(), 7 * 512);
}

/* A checksum is not looked at; what is outside of the bytes or of the disk is. */
static void what_a_gpt_says_is_believed_within_bounds_alone(void **unused)
{
    (void)unused;

    gpt_header(disk, 512, UINT32_MAX, 128);
    gpt_entry(disk, 512, 0, 2049, UINT64_MAX - 1);
    assert_int_equal(grid(), 512);
    gpt_entry(disk, 512, 0, 2049, UINT64_MAX);
    assert_int_equal(grid(), NO_GRID);
    gpt_entry(disk, 512, 0, 2049, 2048);
    assert_int_equal(grid(), NO_GRID);
    gpt_entry(disk, 512, 0, DISK / 512, UINT64_MAX - 1);
    assert_int_equal(grid(), NO_GRID);

    gpt_entry(disk, 512, 0, 2049, 4096);
    static const uint32_t sizes[] = { 0, 1, 64, 127, 130, UINT32_MAX, 0xfffffff8 };
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        put32(disk + 512 + 84, sizes[i]);
        assert_int_equal(grid(), NO_GRID);
    }
    put32(disk + 512 + 84, 128);
    static const uint64_t places[] = { 0, 1, 34, 35, UINT64_MAX, UINT64_MAX / 512 + 3 };
    for (unsigned i = 0; i < sizeof(places) / sizeof(*places); i++) {
        put64(disk + 512 + 72, places[i]);
        assert_int_equal(grid(), NO_GRID);
    }
}

/* ---- votes ------------------------------------------------------------------- */

static void three_of_four_requests_decide_once(void **unused)
{
    struct grid_votes votes = { 0 };
    uint32_t ret = NO_GRID;

    (void)unused;
    for (unsigned i = 0; i < GRID_VOTES - 1; i++)
        assert_false(grid_vote(&votes, (i % 4 ? 7 : 3) * 512 + i * 4096ull, 8192, &ret));
    assert_true(grid_vote(&votes, 7 * 512, 4096, &ret));
    assert_int_equal(ret, 7 * 512);
    ret = NO_GRID;
    for (unsigned i = 0; i < 3 * GRID_VOTES; i++)
        assert_false(grid_vote(&votes, 7 * 512, 4096, &ret));
    assert_int_equal(ret, NO_GRID);
}

static void fewer_do_not(void **unused)
{
    struct grid_votes votes = { 0 };
    uint32_t ret = NO_GRID;

    (void)unused;
    /* one vote less than three of four */
    for (unsigned i = 0; i < GRID_VOTES; i++)
        assert_false(grid_vote(&votes, (i < GRID_VOTES / 4 * 3 - 1 ? 7 : 3) * 512, 4096, &ret));
    assert_int_equal(ret, NO_GRID);
}

static void requests_that_are_no_blocks_do_not_vote(void **unused)
{
    struct grid_votes votes = { 0 };
    uint32_t ret = NO_GRID;

    (void)unused;
    assert_false(grid_vote(&votes, 0, 0, &ret));
    assert_false(grid_vote(&votes, 0, 512, &ret));
    assert_false(grid_vote(&votes, 0, 4097, &ret));
    assert_false(grid_vote(&votes, 100, 4096, &ret));
    assert_int_equal(votes.count, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(sector_63_is_sector_7_of_8, wipe),
        cmocka_unit_test_setup(most_of_the_space_decides, wipe),
        cmocka_unit_test_setup(what_has_no_blocks_of_its_own_does_not_count, wipe),
        cmocka_unit_test_setup(a_partition_counts_as_far_as_the_disk_goes, wipe),
        cmocka_unit_test_setup(a_boot_sector_of_a_file_system_is_no_table, wipe),
        cmocka_unit_test_setup(without_a_signature_there_is_no_table, wipe),
        cmocka_unit_test_setup(a_gpt_is_read_behind_its_protective_mbr, wipe),
        cmocka_unit_test_setup(a_gpt_of_large_sectors_begins_on_the_grid, wipe),
        cmocka_unit_test_setup(a_hybrid_mbr_counts_for_nothing_beside_its_gpt, wipe),
        cmocka_unit_test_setup(what_a_gpt_says_is_believed_within_bounds_alone, wipe),
        cmocka_unit_test(three_of_four_requests_decide_once),
        cmocka_unit_test(fewer_do_not),
        cmocka_unit_test(requests_that_are_no_blocks_do_not_vote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
