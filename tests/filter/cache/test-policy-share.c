/* test-policy-share.c - has each disk the part of a pool that it shall have?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "policy-rig.h"

static void test_a_disk_keeps_its_least(void **state)
{
    uint32_t slot;

    (void)state;
    policy_share(p, 1, 4, UINT32_MAX);
    for (uint32_t i = 0; i < SLOTS; i++)
        put(LOG + i, block_key(i < 6, i), 0);
    for (uint64_t i = 0; i < 200; i++) {
        put_hit(0, block_key(2, i), 2);
        assert_int_equal(policy_tail(p, 0, &slot), FATE_MOVE);
        assert_true(policy_move(p, 0, slot));
    }
    assert_int_equal(policy_disk_blocks(p, 1), 4);
    assert_int_equal(policy_disk_blocks(p, 2), SLOTS - 4);
}

static void test_a_disk_below_its_least_leaves_the_log_for_a_slot(void **state)
{
    uint32_t slot;

    (void)state;
    fill_slots();
    policy_share(p, 1, 4, UINT32_MAX);
    put(0, block_key(1, 0), 0);
    assert_int_equal(policy_tail(p, 0, &slot), FATE_MOVE);
    assert_true(policy_move(p, 0, slot));
    assert_int_equal(policy_disk_blocks(p, 1), 1);
}

static void test_a_disk_is_kept_at_its_most_by_its_own_blocks(void **state)
{
    uint32_t slot, most = 0;

    (void)state;
    policy_share(p, 1, 0, 10);
    fill_slots();
    for (uint64_t i = 0; i < 200; i++) {
        put_hit((uint32_t)i % LOG, block_key(1, i), 2);
        if (policy_tail(p, (uint32_t)i % LOG, &slot) == FATE_MOVE)
            assert_true(policy_move(p, (uint32_t)i % LOG, slot));
        if (policy_disk_blocks(p, 1) > most)
            most = policy_disk_blocks(p, 1);
    }
    assert_int_equal(most, 10);
    assert_int_equal(policy_disk_blocks(p, 0), SLOTS - 10);
    assert_int_equal(policy_find(p, block_key(1, 199)) == NOWHERE, false);
}

static void test_a_smaller_most_is_reached_as_new_ones_come(void **state)
{
    uint32_t slot;

    (void)state;
    for (uint32_t i = 0; i < SLOTS; i++)
        put(LOG + i, block_key(i < 20, i), 0);
    policy_share(p, 1, 0, 5);
    for (uint64_t i = 0; i < 30; i++) {
        put_hit(0, block_key(2, i), 2);
        if (policy_tail(p, 0, &slot) == FATE_MOVE)
            assert_true(policy_move(p, 0, slot));
    }
    assert_true(policy_disk_blocks(p, 1) <= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RULE(test_a_disk_keeps_its_least),
        RULE(test_a_disk_below_its_least_leaves_the_log_for_a_slot),
        RULE(test_a_disk_is_kept_at_its_most_by_its_own_blocks),
        RULE(test_a_smaller_most_is_reached_as_new_ones_come),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
