/* test-policy-tune.c - is the small queue as long as policy_tune() says?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "policy-rig.h"

enum { PLACES = LOG + SLOTS };

/* A ghost of so few names takes one for another now and then; what it remembers is not tested. */
static int setup_alone(void **state)
{
    (void)state;
    return setup_ghost(0);
}

/* How many of the blocks from `key` on are still there. */
static unsigned found(uint64_t key, unsigned count)
{
    unsigned ret = 0;

    for (unsigned i = 0; i < count; i++)
        ret += policy_find(p, key + i) != NOWHERE;
    return ret;
}

static double part(unsigned places)
{
    return (double)places / PLACES;
}

/* ---- larger than the log --------------------------------------------------------- */

static void test_guests_get_as_many_slots_as_they_shall_have(void **state)
{
    const unsigned guests = 12;

    (void)state;
    fill_slots();
    policy_tune(p, part(LOG + guests));
    assert_int_equal(found(1000, SLOTS), SLOTS); /* nothing moves at once */
    for (uint64_t key = 0; key < 500; key++)
        fill(key);
    assert_int_equal(found(1000, SLOTS), SLOTS - guests);
    assert_int_equal(found(0, 500), LOG + guests);
}

static void test_a_block_stays_for_as_long_as_the_small_queue_is(void **state)
{
    const unsigned guests = 12;

    (void)state;
    fill_slots();
    policy_tune(p, part(LOG + guests));
    for (uint64_t key = 0; key < 500; key++)
        fill(key);
    /* the log and the guests turn over equally fast, give or take a turn of one */
    assert_int_equal(found(500 - (LOG + guests) + 2, LOG + guests - 2), LOG + guests - 2);
}

static void test_a_promotion_takes_a_slot_of_the_main_queue_while_guests_are_few(void **state)
{
    uint32_t slot;

    (void)state;
    fill_slots();
    policy_tune(p, part(LOG + 12));
    for (uint64_t key = 0; key < 500; key++)
        fill(key);
    unsigned of_main = found(1000, SLOTS), of_small = found(0, 500);
    put_hit(0, 900, 2); /* a block of the log is gone for it */
    assert_int_equal(policy_tail(p, 0, &slot), FATE_MOVE);
    assert_true(policy_move(p, 0, slot));
    assert_int_equal(found(1000, SLOTS), of_main - 1);
    assert_int_equal(found(0, 500), of_small - 1);
}

static void test_guests_that_are_too_many_go_first(void **state)
{
    uint32_t slot;

    (void)state;
    fill_slots();
    policy_tune(p, part(LOG + 12));
    for (uint64_t key = 0; key < 500; key++)
        fill(key);
    policy_tune(p, POLICY_LOG);
    assert_int_equal(found(0, 500), LOG + 12);
    unsigned of_main = found(1000, SLOTS);
    for (uint64_t key = 900; key < 912; key++) {
        put_hit(0, key, 2);
        assert_int_equal(policy_tail(p, 0, &slot), FATE_MOVE);
        assert_true(policy_move(p, 0, slot));
    }
    assert_int_equal(found(1000, SLOTS), of_main);
    assert_int_equal(found(0, 500), LOG - 1);
    put_hit(0, 912, 2);
    assert_int_equal(policy_tail(p, 0, &slot), FATE_MOVE);
    assert_true(found(1000, SLOTS) < of_main || found(900, 12) < 12);
}

static void test_a_guest_that_was_hit_twice_makes_the_main_queue_give_up_another(void **state)
{
    (void)state;
    fill_slots();
    policy_tune(p, part(LOG + 12));
    for (uint64_t key = 0; key < 500; key++)
        fill(key);
    for (uint32_t slot = LOG; slot < PLACES; slot++)
        if (policy_key(p, slot) < 500) {
            policy_touch(p, slot);
            policy_touch(p, slot);
        }
    for (uint64_t key = 500; key < 1000; key++)
        fill(key);
    /* they are of the main queue, and the guests are as many as before */
    assert_int_equal(found(0, 500), 12);
    assert_int_equal(found(500, 500), LOG + 12);
    assert_int_equal(found(1000, SLOTS), SLOTS - 24);
}

/* ---- smaller than the log --------------------------------------------------------- */

static void test_nothing_leaves_the_log_sooner(void **state)
{
    (void)state;
    fill_slots();
    policy_tune(p, part(2));
    for (uint64_t key = 0; key < 100; key++)
        fill(key);
    assert_int_equal(found(100 - LOG, LOG), LOG);
    assert_int_equal(found(1000, SLOTS), SLOTS);
}

static void test_one_hit_behind_the_small_queue_promotes(void **state)
{
    uint32_t slot;

    (void)state;
    fill_slots();
    policy_tune(p, part(3));
    for (uint32_t place = 0; place < LOG; place++)
        put(place, place, 0);
    for (uint32_t place = 0; place < LOG; place++)
        policy_touch(p, place);
    for (uint32_t place = 0; place < LOG; place++) {
        bool is_old = place < LOG - 3;
        assert_int_equal(policy_hits(p, place), is_old ? 2 : 1);
        assert_int_equal(policy_tail(p, place, &slot), is_old ? FATE_MOVE : FATE_GONE);
    }
}

static void test_the_log_is_a_ring(void **state)
{
    (void)state;
    policy_tune(p, part(3));
    for (uint32_t place = 0; place < LOG; place++)
        put(place, place, 0);
    put(0, 100, 0);
    for (uint32_t place = 0; place < LOG; place++)
        policy_touch(p, place);
    for (uint32_t place = 0; place < LOG; place++)
        assert_int_equal(policy_hits(p, place), place && place < LOG - 2 ? 2 : 1);
}

static void test_a_hit_of_a_slot_is_one_hit(void **state)
{
    (void)state;
    policy_tune(p, part(1));
    put(LOG, 1, 0);
    put(0, 2, 0);
    policy_touch(p, LOG);
    assert_int_equal(policy_hits(p, LOG), 1);
}

static void test_at_the_default_all_of_the_log_is_young(void **state)
{
    (void)state;
    policy_tune(p, part(2));
    policy_tune(p, POLICY_LOG); /* the log here is more than that */
    for (uint32_t place = 0; place < LOG; place++)
        put_hit(place, place, 0);
    for (uint32_t place = 0; place < LOG; place++)
        policy_touch(p, place);
    for (uint32_t place = 0; place < LOG; place++)
        assert_int_equal(policy_hits(p, place), 1);
}

#define ALONE(test) cmocka_unit_test_setup_teardown(test, setup_alone, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALONE(test_guests_get_as_many_slots_as_they_shall_have),
        ALONE(test_a_block_stays_for_as_long_as_the_small_queue_is),
        ALONE(test_a_promotion_takes_a_slot_of_the_main_queue_while_guests_are_few),
        ALONE(test_guests_that_are_too_many_go_first),
        ALONE(test_a_guest_that_was_hit_twice_makes_the_main_queue_give_up_another),
        ALONE(test_nothing_leaves_the_log_sooner),
        ALONE(test_one_hit_behind_the_small_queue_promotes),
        ALONE(test_the_log_is_a_ring),
        ALONE(test_a_hit_of_a_slot_is_one_hit),
        ALONE(test_at_the_default_all_of_the_log_is_young),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
