/* test-tune.c - does the tuner find the length that the references ask for, and keep to it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "random.h"
#include "tune.h"

#include <errno.h>
#include <math.h>

enum { BLOCKS = 40960 }; /* of the pool: one of ten references is watched */

static struct tune *t;
static unsigned changes;

static int setup(void **state)
{
    (void)state;
    changes = 0;
    return tune_create(BLOCKS, POLICY_LOG, random_begin(), &t);
}

static int teardown(void **state)
{
    (void)state;
    tune_destroy(t);
    return 0;
}

static void refer(uint64_t key, enum reference reference)
{
    double before = tune_verdict(t);

    if (tune_watches(t, key))
        tune_note(t, key, reference);
    changes += tune_verdict(t) != before;
}

static uint64_t zipf(uint64_t blocks)
{
    double part = (double)(random_next() >> 11) / 9007199254740992.0;
    double rank = pow(part * (pow((double)blocks, 0.1) - 1) + 1, 10);

    return (uint64_t)rank * 7919 % blocks;
}

/* `times` that so many blocks as the pool has are asked for, `every` so many out of another set.
 * With `voids` each block is void at once. */
static void shift(unsigned times, unsigned every, bool voids)
{
    uint64_t all = (uint64_t)times * BLOCKS, set = (uint64_t)every * BLOCKS;

    for (uint64_t i = 0; i < all; i++) {
        uint64_t key = (1000 + i / set) * BLOCKS + zipf(BLOCKS / 2);
        refer(key, REFERENCE_READ);
        if (voids)
            refer(key, REFERENCE_AROUND);
    }
}

static void test_a_tenth_is_watched_and_never_another_block(void **state)
{
    unsigned watched = 0;

    (void)state;
    for (uint64_t key = 0; key < 100000; key++)
        watched += tune_watches(t, key * 64);
    assert_in_range(watched, 9500, 10500);
}

static void test_what_is_watched_is_all_of_a_small_pool(void **state)
{
    struct tune *all;

    (void)state;
    assert_int_equal(tune_create(100, 0.3, 1, &all), 0);
    for (uint64_t key = 0; key < 1000; key++)
        assert_true(tune_watches(all, key));
    tune_destroy(all);
    tune_destroy(NULL);
}

static void test_it_needs_little_memory(void **state)
{
    struct tune *large;

    (void)state;
    assert_int_equal(tune_create(1u << 30, POLICY_LOG, 1, &large), 0);
    printf("%zu bytes\n", tune_memory(large));
    assert_true(tune_memory(large) <= 420000);
    tune_destroy(large);
}

static void test_stationary_zipf_stays_at_the_default(void **state)
{
    (void)state;
    for (int i = 0; i < 40 * BLOCKS; i++)
        refer(zipf(10 * BLOCKS), REFERENCE_READ);
    assert_true(tune_verdict(t) == POLICY_LOG);
    assert_int_equal(changes, 0);
}

static void test_uniform_and_written_blocks_stay_at_the_default(void **state)
{
    (void)state;
    for (int i = 0; i < 30 * BLOCKS; i++)
        refer(random_below(3 * BLOCKS), random_below(2) ? REFERENCE_READ : REFERENCE_DIRTY);
    assert_int_equal(changes, 0);
}

static void test_a_scan_past_what_is_hot_stays_at_the_default(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 30 * BLOCKS; i++)
        refer(i % 2 ? 10 * BLOCKS + i : zipf(4 * BLOCKS), REFERENCE_READ);
    assert_int_equal(changes, 0);
}

static void test_a_shifting_set_wants_a_long_small_queue(void **state)
{
    (void)state;
    shift(30, 4, false);
    assert_true(tune_verdict(t) >= 0.2);
    assert_true(changes <= 3);
}

static void test_what_is_void_is_in_no_miniature(void **state)
{
    (void)state;
    shift(30, 4, true);
    assert_int_equal(changes, 0);
}

/* A loop of seven tenths of the pool, in which each block is asked for once more when 5 % of the
 * pool's blocks have come since, beside new blocks that nobody asks for again.  Where the small
 * queue is shorter than that the second time is enough for the main queue, where the loop fits. */
static void loop_twice(unsigned rounds)
{
    const uint64_t length = BLOCKS * 7 / 10, between = BLOCKS / 40;

    for (uint64_t i = between; i < between + rounds * length; i++) {
        uint64_t set = i / (4 * length) * length * 2;
        refer(set + i % length, REFERENCE_READ);
        refer(set + (i - between) % length, REFERENCE_READ);
        refer((1u << 30) + i, REFERENCE_READ);
    }
}

static void test_what_comes_again_after_the_small_queue_wants_a_short_one(void **state)
{
    (void)state;
    loop_twice(30);
    assert_true(tune_verdict(t) < POLICY_LOG);
    assert_true(changes <= 3);
}

static void test_old_windows_fade(void **state)
{
    (void)state;
    shift(30, 4, false);
    assert_true(tune_verdict(t) >= 0.2);
    for (int i = 0; i < 40 * BLOCKS; i++)
        refer(zipf(10 * BLOCKS), REFERENCE_READ);
    assert_true(tune_verdict(t) == POLICY_LOG);
}

static void test_pools_that_cannot_be(void **state)
{
    struct tune *none;

    (void)state;
    assert_int_equal(tune_create(0, POLICY_LOG, 1, &none), -EINVAL);
}

#define RULE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RULE(test_a_tenth_is_watched_and_never_another_block),
        RULE(test_what_is_watched_is_all_of_a_small_pool),
        RULE(test_it_needs_little_memory),
        RULE(test_stationary_zipf_stays_at_the_default),
        RULE(test_uniform_and_written_blocks_stay_at_the_default),
        RULE(test_a_scan_past_what_is_hot_stays_at_the_default),
        RULE(test_a_shifting_set_wants_a_long_small_queue),
        RULE(test_what_is_void_is_in_no_miniature),
        RULE(test_what_comes_again_after_the_small_queue_wants_a_short_one),
        RULE(test_old_windows_fade),
        RULE(test_pools_that_cannot_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
