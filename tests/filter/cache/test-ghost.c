/* test-ghost.c - are names remembered as long as they should be?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ghost.h"
#include "random.h"

enum { NAMES = 32000 };

static void test_a_name_is_remembered_once(void **state)
{
    struct ghost ghost;

    (void)state;
    assert_int_equal(ghost_init(&ghost, NAMES, 7), 0);
    assert_false(ghost_take(&ghost, 5));
    ghost_put(&ghost, 5);
    assert_true(ghost_take(&ghost, 5));
    assert_false(ghost_take(&ghost, 5));
    ghost_finish(&ghost);
}

static void test_the_oldest_are_forgotten_first(void **state)
{
    struct ghost ghost;
    int young = 0, old = 0;

    (void)state;
    assert_int_equal(ghost_init(&ghost, NAMES, random_begin()), 0);
    for (uint64_t key = 0; key < 10 * NAMES; key++)
        ghost_put(&ghost, key);
    for (uint64_t key = 10 * NAMES - NAMES / 2; key < 10 * NAMES; key++)
        young += ghost_take(&ghost, key);
    for (uint64_t key = 7 * NAMES; key < 8 * NAMES; key++)
        old += ghost_take(&ghost, key);
    assert_true(young > NAMES / 2 * 0.99);
    assert_true(old < NAMES * 0.01);
    ghost_finish(&ghost);
}

static void test_strangers_are_rarely_known(void **state)
{
    struct ghost ghost;
    int known = 0;

    (void)state;
    assert_int_equal(ghost_init(&ghost, NAMES, random_begin()), 0);
    for (uint64_t key = 0; key < 3 * NAMES; key++)
        ghost_put(&ghost, key);
    for (uint64_t key = 1000000; key < 1100000; key++)
        known += ghost_take(&ghost, key);
    assert_true(known < 150); /* 49 are to be expected */
    ghost_finish(&ghost);
}

static void test_two_bytes_for_a_name(void **state)
{
    struct ghost ghost;

    (void)state;
    assert_int_equal(ghost_init(&ghost, NAMES, 1), 0);
    assert_int_equal(ghost_memory(&ghost), 2 * NAMES);
    ghost_finish(&ghost);
}

static void test_no_names_at_all(void **state)
{
    struct ghost ghost;

    (void)state;
    assert_int_equal(ghost_init(&ghost, 0, 1), 0);
    ghost_put(&ghost, 1);
    assert_false(ghost_take(&ghost, 1));
    assert_int_equal(ghost_memory(&ghost), 0);
    ghost_finish(&ghost);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_name_is_remembered_once),
        cmocka_unit_test(test_the_oldest_are_forgotten_first),
        cmocka_unit_test(test_strangers_are_rarely_known),
        cmocka_unit_test(test_two_bytes_for_a_name),
        cmocka_unit_test(test_no_names_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
