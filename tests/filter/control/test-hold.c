/* test-hold.c - what becomes of ten thousand queued requests when their disk changes?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Each test queues them behind a limit that would let the second one go in half an hour,
 * does one thing to the disk, and sees that every request was answered once, with
 * success, and reached the device once. */
#include "rig.h"

enum { FEW = 500 }; /* where ten thousand would show nothing more */

static const struct rig_disk limited = { .options = "max_delay=1h" };
static const struct rig_disk without = { .options = NULL };
static const struct ask writes = { .op = WEIR_WRITE, .length = 512 };

static unsigned crowd; /* of this test */

static struct crowd *queue_them(unsigned count)
{
    crowd = count;
    rig_open(0, &limited);
    rig_choke(0);
    struct crowd *c = crowd_start(count, &writes);
    rig_await_queued(0, count);
    assert_int_equal(crowd_answered(c), 0);
    assert_int_equal(device_reached(0), 1);
    assert_int_equal(rig_stat(0, "queued"), count);
    return c;
}

static void end_them(struct crowd *c)
{
    crowd_end(c);
    assert_int_equal(device_saw(0, WEIR_WRITE), crowd);
    rig_assert_no_misuse();
}

static void test_detach_lets_ten_thousand_go(void **state)
{
    (void)state;
    struct crowd *c = queue_them(CROWD);
    assert_int_equal(rig_apply(0, &without, false), 0);
    end_them(c);
}

static void test_a_lifted_limit_lets_ten_thousand_go(void **state)
{
    (void)state;
    struct crowd *c = queue_them(CROWD);
    rig_set(0, "iops", "max");
    end_them(c);
    rig_assert_rest(0);
    assert_int_equal(rig_stat(0, "delay_us"), crowd);
    assert_int_equal(rig_stat(0, "impatient_requests"), 0);
}

static void test_a_policy_without_the_limit_lets_all_go(void **state)
{
    (void)state;
    struct crowd *c = queue_them(FEW);
    assert_int_equal(rig_apply(0, &(struct rig_disk){ .options = "shares=high" }, false), 0);
    end_them(c);
    rig_assert_rest(0);
}

static void test_observation_lets_all_go(void **state)
{
    (void)state;
    struct crowd *c = queue_them(FEW);
    rig_set(0, "mode", "observe");
    end_them(c);
    rig_assert_rest(0);
}

static void test_an_upgrade_of_the_filter_lets_ten_thousand_go(void **state)
{
    (void)state;
    struct crowd *c = queue_them(CROWD);
    assert_int_equal(rig_apply(0, &limited, true), 0);
    end_them(c);
    rig_assert_rest(0);
    rig_choke(0); /* the new one decides */
    c = crowd_start(1, &writes);
    rig_await_queued(0, 1);
    assert_int_equal(rig_apply(0, &limited, false), 0);
    crowd_end(c);
}

static void test_a_close_lets_all_go(void **state)
{
    (void)state;
    struct crowd *c = queue_them(FEW);
    assert_int_equal(export_close(rig_export(0)), 0);
    end_them(c);
}

static void test_a_snapshot_lets_all_go(void **state)
{
    (void)state;
    struct crowd *c = queue_them(FEW);
    assert_int_equal(export_event(rig_export(0), WEIR_EVENT_SNAPSHOT, "s", 0, NULL), 0);
    end_them(c);
    rig_assert_rest(0);
    /* the limit is there again, with the debt of all that went */
    c = crowd_start(1, &writes);
    rig_await_queued(0, 1);
    rig_set(0, "iops", "max");
    crowd_end(c);
}

static void test_a_stopping_gateway_lets_ten_thousand_go(void **state)
{
    (void)state;
    struct crowd *c = queue_them(CROWD);
    export_ease(rig_export(0));
    end_them(c);
    crowd_end(crowd_start(100, &writes)); /* what still comes does not wait */
    rig_assert_rest(0);
}

static void test_a_client_that_leaves_changes_nothing_for_others(void **state)
{
    (void)state;
    struct crowd *c = queue_them(FEW);
    export_connected(rig_export(0));
    export_disconnected(rig_export(0));
    assert_int_equal(rig_queued(0), crowd);
    rig_set(0, "iops", "max");
    end_them(c);
    rig_assert_rest(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_detach_lets_ten_thousand_go),
        RIG_TEST(test_a_lifted_limit_lets_ten_thousand_go),
        RIG_TEST(test_a_policy_without_the_limit_lets_all_go),
        RIG_TEST(test_observation_lets_all_go),
        RIG_TEST(test_an_upgrade_of_the_filter_lets_ten_thousand_go),
        RIG_TEST(test_a_close_lets_all_go),
        RIG_TEST(test_a_snapshot_lets_all_go),
        RIG_TEST(test_a_stopping_gateway_lets_ten_thousand_go),
        RIG_TEST(test_a_client_that_leaves_changes_nothing_for_others),
    };
    return cmocka_run_group_tests_name("control-hold", tests, NULL, NULL);
}
