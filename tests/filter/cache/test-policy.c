/* test-policy.c - does each sentence of policy.h hold?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "policy-rig.h"

#include <errno.h>

/* ---- places ------------------------------------------------------------------------ */

static void test_a_put_block_is_found_with_what_was_said_of_it(void **state)
{
    (void)state;
    assert_int_equal(policy_find(p, 7), NOWHERE);
    put(3, 7, PLACE_DIRTY | PLACE_PARTIAL);
    assert_int_equal(before, NOWHERE);
    assert_int_equal(policy_find(p, 7), 3);
    assert_int_equal(policy_key(p, 3), 7);
    assert_int_equal(policy_crc(p, 3), 8);
    assert_int_equal(policy_state(p, 3), PLACE_CURRENT | PLACE_DIRTY | PLACE_PARTIAL);
    assert_int_equal(policy_hits(p, 3), 0);
    policy_set_crc(p, 3, 99);
    assert_int_equal(policy_crc(p, 3), 99);
}

static void test_the_last_disk_and_block_have_a_name(void **state)
{
    uint64_t key = block_key(DISKS_MAX - 1, BLOCKS_MAX - 1);

    (void)state;
    put(LOG + SLOTS - 1, key, 0);
    assert_int_equal(policy_find(p, key), LOG + SLOTS - 1);
    assert_true(policy_key(p, LOG + SLOTS - 1) == key);
    assert_int_equal(policy_disk_blocks(p, DISKS_MAX - 1), 1);
}

static void test_hits_stay_at_three(void **state)
{
    (void)state;
    put_hit(0, 1, 5);
    assert_int_equal(policy_hits(p, 0), 3);
}

static void test_a_newer_version_has_the_hits(void **state)
{
    (void)state;
    put_hit(0, 1, 1);
    put(1, 1, 0);
    assert_int_equal(before, 0);
    assert_int_equal(policy_hits(p, 1), 1);
    assert_int_equal(policy_find(p, 1), 1);
    assert_int_equal(policy_state(p, 0), 0);
}

static void test_a_newer_version_of_a_slots_block_has_two_hits_at_least(void **state)
{
    (void)state;
    put(LOG, 1, 0);
    put(0, 1, PLACE_DIRTY);
    assert_int_equal(before, LOG);
    assert_int_equal(policy_hits(p, 0), 2);
    assert_int_equal(policy_state(p, LOG), 0);
    put_hit(LOG + 1, 2, 3);
    put(1, 2, PLACE_DIRTY);
    assert_int_equal(policy_hits(p, 1), 3);
}

static void test_what_is_superseded_keeps_its_other_state(void **state)
{
    (void)state;
    put(0, 1, PLACE_DIRTY);
    put(1, 1, 0);
    assert_int_equal(policy_state(p, 0), PLACE_DIRTY);
    assert_int_equal(counts().in_log, 2);
    assert_int_equal(counts().dirty, 1);
    policy_set_state(p, 0, 0, PLACE_DIRTY);
    assert_int_equal(policy_state(p, 0), 0);
    assert_int_equal(counts().in_log, 1);
    assert_int_equal(counts().dirty, 0);
    assert_int_equal(policy_find(p, 1), 1);
}

static void test_a_dropped_block_is_not_found(void **state)
{
    (void)state;
    put(0, 1, PLACE_DIRTY);
    put(LOG, 2, 0);
    policy_drop(p, 0);
    policy_drop(p, LOG);
    assert_int_equal(policy_find(p, 1), NOWHERE);
    assert_int_equal(policy_find(p, 2), NOWHERE);
    assert_int_equal(policy_state(p, 0), PLACE_DIRTY);
    assert_int_equal(policy_state(p, LOG), 0);
    assert_int_equal(policy_disk_blocks(p, 0), 0);
}

static void test_every_change_of_a_slot_is_told(void **state)
{
    (void)state;
    put(LOG + 3, 1, 0);
    assert_int_equal(changed[3], 1);
    policy_touch(p, LOG + 3);
    assert_int_equal(changed[3], 1);
    policy_set_crc(p, LOG + 3, 4);
    assert_int_equal(changed[3], 2);
    put(0, 1, PLACE_DIRTY);
    assert_int_equal(changed[3], 3);
    put(LOG + 3, 2, 0);
    policy_drop(p, LOG + 3);
    assert_int_equal(changed[3], 5);
    for (int slot = 0; slot < SLOTS; slot++)
        assert_true(slot == 3 || !changed[slot]);
}

/* ---- the small queue -------------------------------------------------------------------- */

static void test_tail_empty(void **state)
{
    uint32_t slot;

    (void)state;
    put(0, 1, 0);
    put(1, 1, 0);
    assert_int_equal(policy_tail(p, 0, &slot), FATE_EMPTY);
    assert_int_equal(policy_tail(p, 2, &slot), FATE_EMPTY);
    assert_int_equal(policy_find(p, 1), 1);
}

static void test_tail_dirty_current_or_not(void **state)
{
    uint32_t slot;

    (void)state;
    put(0, 1, PLACE_DIRTY);
    assert_int_equal(policy_tail(p, 0, &slot), FATE_DIRTY);
    put(1, 1, PLACE_DIRTY);
    assert_int_equal(policy_tail(p, 0, &slot), FATE_DIRTY);
    assert_int_equal(policy_find(p, 1), 1);
}

static void test_tail_forgets_what_was_hit_once_but_for_its_name(void **state)
{
    uint32_t slot;

    (void)state;
    fill_slots();
    put_hit(0, 1, 1);
    assert_int_equal(policy_tail(p, 0, &slot), FATE_GONE);
    assert_int_equal(policy_find(p, 1), NOWHERE);
    assert_int_equal(policy_state(p, 0), 0);
    assert_int_equal(counts().evictions, 1);
    assert_true(policy_recall(p, 1));
    assert_false(policy_recall(p, 1));
}

static void test_tail_moves_what_was_hit_twice(void **state)
{
    uint32_t slot;

    (void)state;
    fill_slots();
    put_hit(0, 1, 2);
    assert_int_equal(policy_tail(p, 0, &slot), FATE_MOVE);
    assert_int_equal(policy_state(p, slot), 0);
    assert_int_equal(policy_find(p, 1), 0); /* until it is there */
    assert_true(policy_move(p, 0, slot));
    assert_int_equal(policy_find(p, 1), slot);
    assert_int_equal(policy_crc(p, slot), 2);
    assert_int_equal(policy_state(p, 0), 0);
    assert_int_equal(counts().promotions, 1);
    assert_int_equal(counts().in_slots, SLOTS);
    assert_int_equal(policy_find(p, 1000), NOWHERE); /* who went at once for it */
}

static void test_a_move_of_what_was_written_meanwhile_fails(void **state)
{
    uint32_t slot;

    (void)state;
    fill_slots();
    put_hit(0, 1, 2);
    assert_int_equal(policy_tail(p, 0, &slot), FATE_MOVE);
    put(1, 1, PLACE_DIRTY);
    assert_false(policy_move(p, 0, slot));
    assert_int_equal(policy_find(p, 1), 1);
    assert_int_equal(policy_state(p, slot), 0);
    assert_false(policy_move(p, 1, slot)); /* it was given back */
}

static void test_what_could_not_be_copied_is_dropped_and_the_slot_given_back(void **state)
{
    uint32_t slot, again;

    (void)state;
    fill_slots();
    put_hit(0, 1, 2);
    put_hit(1, 2, 2);
    assert_int_equal(policy_tail(p, 0, &slot), FATE_MOVE);
    policy_drop(p, 0);
    policy_drop(p, slot);
    assert_int_equal(policy_find(p, 1), NOWHERE);
    assert_int_equal(policy_tail(p, 1, &again), FATE_MOVE);
    assert_int_equal(again, slot);
}

/* ---- the main queue ----------------------------------------------------------------------- */

static void test_a_hit_block_stays_and_loses_a_hit(void **state)
{
    uint32_t slot;

    (void)state;
    fill_slots();
    policy_touch(p, LOG);
    policy_touch(p, LOG + 1);
    policy_touch(p, LOG + 1);
    put_hit(0, 1, 2);
    assert_int_equal(policy_tail(p, 0, &slot), FATE_MOVE);
    assert_int_equal(slot, LOG + 2);
    assert_int_equal(policy_hits(p, LOG), 0);
    assert_int_equal(policy_hits(p, LOG + 1), 1);
    assert_false(policy_recall(p, 1002)); /* it has had its time */
}

static void test_a_name_in_the_ghost_gets_a_slot_at_once(void **state)
{
    uint32_t slot;

    (void)state;
    fill_slots();
    assert_int_equal(policy_admit(p, 1), NOWHERE);
    put(0, 1, 0);
    assert_int_equal(policy_tail(p, 0, &slot), FATE_GONE);
    slot = policy_admit(p, 1);
    assert_int_equal(slot, LOG);
    assert_int_equal(policy_find(p, 1000), NOWHERE);
    put(slot, 1, 0);
    assert_int_equal(policy_find(p, 1), slot);
}

static void test_a_promised_slot_is_nobody_elses(void **state)
{
    uint32_t slot[3], log;

    (void)state;
    fill_slots();
    for (uint32_t i = 0; i < 3; i++) {
        put(i, i, 0);
        assert_int_equal(policy_tail(p, i, &log), FATE_GONE);
    }
    for (uint32_t i = 0; i < 3; i++) {
        slot[i] = policy_admit(p, i);
        assert_int_not_equal(slot[i], NOWHERE);
        assert_int_equal(policy_state(p, slot[i]), 0);
        for (uint32_t j = 0; j < i; j++)
            assert_int_not_equal(slot[i], slot[j]);
    }
    assert_int_equal(counts().in_slots, SLOTS - 3);
    policy_drop(p, slot[1]);
    assert_int_equal(policy_recall(p, 1), false);
    put_hit(0, 9, 2);
    assert_int_equal(policy_tail(p, 0, &log), FATE_MOVE); /* into what was given back */
    assert_int_equal(log, slot[1]);
}

/* ---- guests ------------------------------------------------------------------------------ */

static void test_warming_up_forgets_nothing_and_writes_once(void **state)
{
    (void)state;
    for (uint64_t key = 0; key < SLOTS; key++)
        fill(key);
    for (uint64_t key = 0; key < SLOTS; key++)
        assert_int_not_equal(policy_find(p, key), NOWHERE);
    assert_int_equal(counts().evictions, 0);
    assert_int_equal(counts().promotions, 0);
}

static void test_guests_go_before_the_main_queue(void **state)
{
    uint32_t slot;

    (void)state;
    for (uint32_t i = 0; i < SLOTS / 2; i++)
        put(LOG + i, 1000 + i, 0);
    for (uint64_t key = 0; counts().in_slots < SLOTS; key++)
        fill(key);
    put_hit(0, 500, 2);
    assert_int_equal(policy_tail(p, 0, &slot), FATE_MOVE);
    assert_true(slot >= LOG + SLOTS / 2);
    for (uint32_t i = 0; i < SLOTS / 2; i++)
        assert_int_equal(policy_find(p, 1000 + i), LOG + i);
}

static void test_a_guest_that_was_hit_twice_is_of_the_main_queue(void **state)
{
    uint32_t slot;

    (void)state;
    for (uint64_t key = 0; counts().in_slots < SLOTS; key++) {
        uint32_t place = fill(key);
        if (place == LOG || place == LOG + 1) {
            policy_touch(p, place);
            policy_touch(p, place);
        }
    }
    uint64_t key = policy_key(p, LOG + 2);
    put_hit(0, 500, 2);
    assert_int_equal(policy_tail(p, 0, &slot), FATE_MOVE);
    assert_int_equal(slot, LOG + 2);
    assert_true(policy_recall(p, key)); /* a guest is of the small queue */
    assert_int_equal(policy_state(p, LOG), PLACE_CURRENT);
    assert_int_equal(policy_hits(p, LOG), 0);
}

static void test_written_blocks_warm_empty_slots(void **state)
{
    uint32_t slot;

    (void)state;
    put(0, 1, PLACE_DIRTY);
    policy_set_state(p, 0, 0, PLACE_DIRTY);
    assert_int_equal(policy_tail(p, 0, &slot), FATE_MOVE);
    assert_true(policy_move(p, 0, slot));
    assert_int_equal(counts().promotions, 0);
    assert_int_equal(policy_find(p, 1), slot);
}

/* ---- as a whole ------------------------------------------------------------------------------ */

static void test_sixteen_bytes_for_a_block(void **state)
{
    const struct policy_shape shape = { .log_pages = 100000,
                                        .slots = 900000,
                                        .ghost = POLICY_GHOST };
    struct policy *large;

    (void)state;
    assert_int_equal(policy_create(&shape, &large), 0);
    printf("%.3f bytes for a block\n", (double)policy_memory(large) / 1e6);
    assert_true(policy_memory(large) <= 16000000);
    policy_destroy(large);
}

static void test_shapes_that_cannot_be(void **state)
{
    struct policy_shape shape = { .log_pages = 0, .slots = 1 };
    struct policy *none;

    (void)state;
    assert_int_equal(policy_create(&shape, &none), -EINVAL);
    shape = (struct policy_shape){ .log_pages = 1, .slots = UINT32_MAX };
    assert_int_equal(policy_create(&shape, &none), -EINVAL);
    shape = (struct policy_shape){ .log_pages = 1, .slots = 1, .ghost = -1 };
    assert_int_equal(policy_create(&shape, &none), -EINVAL);
    policy_destroy(NULL);
}

static void test_a_pool_without_slots(void **state)
{
    const struct policy_shape shape = { .log_pages = 4, .ghost = 0.9 };
    struct policy *own = p;
    uint32_t slot;

    (void)state;
    assert_int_equal(policy_create(&shape, &p), 0);
    assert_int_equal(policy_admit(p, 1), NOWHERE);
    put_hit(0, 1, 3);
    assert_int_equal(policy_tail(p, 0, &slot), FATE_GONE);
    policy_destroy(p);
    p = own;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RULE(test_a_put_block_is_found_with_what_was_said_of_it),
        RULE(test_the_last_disk_and_block_have_a_name),
        RULE(test_hits_stay_at_three),
        RULE(test_a_newer_version_has_the_hits),
        RULE(test_a_newer_version_of_a_slots_block_has_two_hits_at_least),
        RULE(test_what_is_superseded_keeps_its_other_state),
        RULE(test_a_dropped_block_is_not_found),
        RULE(test_every_change_of_a_slot_is_told),
        RULE(test_tail_empty),
        RULE(test_tail_dirty_current_or_not),
        RULE(test_tail_forgets_what_was_hit_once_but_for_its_name),
        RULE(test_tail_moves_what_was_hit_twice),
        RULE(test_a_move_of_what_was_written_meanwhile_fails),
        RULE(test_what_could_not_be_copied_is_dropped_and_the_slot_given_back),
        RULE(test_a_hit_block_stays_and_loses_a_hit),
        RULE(test_a_name_in_the_ghost_gets_a_slot_at_once),
        RULE(test_a_promised_slot_is_nobody_elses),
        RULE(test_warming_up_forgets_nothing_and_writes_once),
        RULE(test_guests_go_before_the_main_queue),
        RULE(test_a_guest_that_was_hit_twice_is_of_the_main_queue),
        RULE(test_written_blocks_warm_empty_slots),
        RULE(test_sixteen_bytes_for_a_block),
        RULE(test_shapes_that_cannot_be),
        RULE(test_a_pool_without_slots),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
