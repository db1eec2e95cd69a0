/* test-rules.c - who waits in I/O control, and who does not?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads stand in the device, so that its window is full as long as the test likes. */
#include "rig.h"

/* nobody's patience ends while a busy machine is slow */
static const struct rig_disk plain = { .options = "max_delay=1h" };

/* ---- what never waits --------------------------------------------------------- */

static void test_a_flush_never_waits(void **state)
{
    (void)state;
    rig_open(0, &plain);
    rig_open(1, &plain);
    struct crowd *c = rig_fill(0, 0);
    /* nothing comes back, so that nothing that waits could go because of it */
    device_stop(0, WEIR_ALL_OPS);
    struct crowd *flushes[2];
    for (unsigned disk = 0; disk < 2; disk++)
        flushes[disk] = crowd_start(5, &(struct ask){ disk, WEIR_FLUSH, 0, 0, 0 });
    wait_for(device_saw(0, WEIR_FLUSH) == 10);
    assert_true(rig_queued(0) > 0);
    device_go(0);
    crowd_end(flushes[0]);
    crowd_end(flushes[1]);
    crowd_end(c);
    rig_assert_rest(0);
}

/* Nobody holds them back, so a guest may have as many in flight as it likes. */
static void test_the_flushes_of_one_disk_do_not_fill_the_window(void **state)
{
    (void)state;
    rig_open(0, &plain);
    rig_open(1, &plain);
    struct crowd *c = rig_fill(0, 0);
    device_stop(0, WEIR_OP(WEIR_READ) | WEIR_OP(WEIR_FLUSH));
    struct crowd *flushes = crowd_start(300, &(struct ask){ 1, WEIR_FLUSH, 0, 0, 0 });
    wait_for(device_saw(0, WEIR_FLUSH) == 300);
    device_stop(0, WEIR_OP(WEIR_FLUSH)); /* these stay where they are */
    rig_await_queued(0, 0);
    wait_for(crowd_under_way() == 300);
    assert_int_equal(rig_stat(0, "impatient_requests"), 0);
    device_go(0);
    crowd_end(flushes);
    crowd_end(c);
    rig_assert_rest(0);
    rig_assert_rest(1);
}

static void test_a_flush_does_not_wait_for_a_limit_either(void **state)
{
    (void)state;
    rig_open(0, &plain);
    rig_choke(0);
    struct crowd *c = crowd_start(3, &(struct ask){ 0, WEIR_READ, 0, 512, 0 });
    rig_await_queued(0, 3);
    assert_int_equal(rig_ask(&(struct ask){ 0, WEIR_FLUSH, 0, 0, 0 }), 0);
    assert_int_equal(rig_ask(&(struct ask){ 0, WEIR_EXTENTS, 0, 4096, 0 }), 0);
    assert_int_equal(rig_queued(0), 3);
    rig_set(0, "iops", "max");
    crowd_end(c);
    rig_assert_rest(0);
}

static const struct ask urgent = { 0, WEIR_WRITE, 0, 512, WEIR_FUA };

static void test_urgent_writes_go_ahead_of_shares_one_at_a_time(void **state)
{
    struct ask other = urgent;

    (void)state;
    rig_open(0, &plain);
    rig_open(1, &plain);
    struct crowd *c = rig_fill(0, 0);
    device_stop(0, WEIR_ALL_OPS);
    struct crowd *writes = crowd_start(3, &urgent);
    wait_for(device_saw(0, WEIR_WRITE) >= 1);
    rig_settle(0, 0);
    other.disk = 1; /* once this one has waited for the threshold, so have those */
    struct crowd *later = crowd_start(1, &other);
    wait_for(device_saw(0, WEIR_WRITE) >= 2);
    rig_settle(0, 0);
    assert_int_equal(device_saw(0, WEIR_WRITE), 2); /* one of each disk */
    assert_int_equal(rig_stat(0, "impatient_requests"), 0);
    device_stop(0, WEIR_OP(WEIR_READ));
    crowd_end(writes); /* each lets the next one go ahead */
    crowd_end(later);
    device_go(0);
    crowd_end(c);
    rig_assert_rest(0);
}

static void test_urgent_writes_wait_for_a_limit(void **state)
{
    struct ask other = urgent;

    (void)state;
    rig_open(0, &plain);
    rig_open(1, &plain);
    rig_choke(0);
    struct crowd *limited = crowd_start(2, &urgent);
    rig_await_queued(0, 2);
    struct crowd *c = rig_fill(1, 0);
    other.disk = 1;
    assert_int_equal(rig_ask(&other), 0); /* the threshold has passed */
    assert_int_equal(rig_queued(0), 2);
    assert_int_equal(device_saw(0, WEIR_WRITE), 1);
    rig_set(0, "iops", "max");
    crowd_end(limited); /* as urgent as the other, now */
    device_go(0);
    crowd_end(c);
    rig_assert_rest(0);
}

/* Each of them looked again after each threshold, of 200 us here. */
static void test_urgent_writes_that_are_limited_sleep(void **state)
{
    enum { WRITES = 50 };

    (void)state;
    rig_open(0, &plain);
    rig_choke(0);
    unsigned before = rig_dues();
    struct crowd *c = crowd_start(WRITES, &urgent);
    rig_await_queued(0, WRITES);
    usleep(50000); /* if that is too short for the machine nothing is seen, and nothing fails */
    assert_in_range(rig_dues() - before, 0, 4 * WRITES);
    rig_set(0, "iops", "max");
    crowd_end(c);
    rig_assert_rest(0);
}

/* ---- how long somebody waits -------------------------------------------------- */

static const struct ask reads = { 0, WEIR_READ, 0, 512, 0 };

static void test_max_delay_lets_go_and_counts(void **state)
{
    (void)state;
    rig_open(0, &plain);
    rig_choke(0);
    rig_set(0, "max_delay", "2ms");
    crowd_end(crowd_start(10, &reads));
    assert_int_equal(rig_stat(0, "impatient_requests"), 10);
    assert_int_equal(rig_stat(0, "delayed_requests"), 10);
    assert_int_equal(rig_stat(0, "limit_hits"), 10);
    assert_int_equal(rig_stat(0, "delay_us"), 10);
    rig_assert_rest(0);
}

static void test_the_hold_limit_lets_go_without_an_outcry(void **state)
{
    (void)state;
    rig_open(0, &(struct rig_disk){ .options = "max_delay=1h", .hold_limit = 5000000 });
    rig_choke(0);
    crowd_end(crowd_start(10, &reads));
    assert_true(event_says("control", "is told to let go"));
    assert_int_equal(rig_stat(0, "impatient_requests"), 0);
    rig_assert_no_misuse();
    rig_assert_rest(0);
}

static void test_observation_never_delays_and_counts(void **state)
{
    (void)state;
    rig_open(0, &(struct rig_disk){ .options = "mode=observe" });
    rig_choke(0);
    device_stop(0, WEIR_OP(WEIR_READ));
    struct crowd *c = crowd_start(300, &reads); /* more than the window, too */
    wait_for(device_inside(0) == 300);
    assert_int_equal(rig_queued(0), 0);
    assert_int_equal(rig_stat(0, "delayed_requests"), 300);
    assert_int_equal(rig_stat(0, "limit_hits"), 300);
    device_go(0);
    crowd_end(c);
    assert_int_equal(rig_stat(0, "delay_us"), 0);
    rig_assert_rest(0);
}

static void test_a_limit_holds_while_the_datastore_is_idle(void **state)
{
    (void)state;
    rig_open(0, &plain);
    rig_choke(0);
    struct crowd *c = crowd_start(10, &reads);
    rig_await_queued(0, 10);
    struct look now = rig_look(0);
    assert_int_equal(now.in_flight + now.all_running, 0);
    assert_int_equal(now.limited, 1);
    assert_int_equal(device_inside(0), 0);
    rig_set(0, "iops", "max");
    crowd_end(c);
}

static void test_another_option_does_not_lift_a_limit(void **state)
{
    (void)state;
    rig_open(0, &plain);
    rig_choke(0);
    struct crowd *c = crowd_start(10, &reads);
    rig_await_queued(0, 10);
    rig_set(0, "shares", "high");
    rig_set(0, "reservation", "1");
    rig_set(0, "iops", "1"); /* as it was */
    assert_int_equal(rig_queued(0), 10);
    assert_int_equal(device_saw(0, WEIR_READ), 1);
    rig_set(0, "iops", "max");
    crowd_end(c);
    rig_assert_rest(0);
}

/* ---- what a request counts ---------------------------------------------------- */

static void test_what_a_request_counts(void **state)
{
    const struct {
        struct ask ask;
        const char *size_iops;
        unsigned units;
    } rows[] = {
        { { 0, WEIR_READ, 0, 512, 0 }, "32K", 1 },
        { { 0, WEIR_READ, 0, 32 << 10, 0 }, "32K", 1 },
        { { 0, WEIR_READ, 0, (32 << 10) + 512, 0 }, "32K", 2 },
        { { 0, WEIR_WRITE, 0, MIB, 0 }, "32K", 32 },
        { { 0, WEIR_WRITE, 0, MIB, 0 }, "4K", 256 },
        { { 0, WEIR_READ, 0, 32 * MIB, 0 }, "64M", 1 },
        { { 0, WEIR_TRIM, 0, MIB / 2, 0 }, "32K", 16 },
        { { 0, WEIR_TRIM, 0, 32 * MIB, 0 }, "32K", 32 },
        { { 0, WEIR_ZERO, 0, 32 * MIB, 0 }, "512", 32 },
        { { 0, WEIR_FLUSH, 0, 0, 0 }, "512", 1 },
        { { 0, WEIR_EXTENTS, 0, 32 * MIB, 0 }, "512", 0 },
    };

    (void)state;
    rig_open(0, &(struct rig_disk){ .options = "iops=10M" }); /* what is limited is counted */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rig_set(0, "size_iops", rows[i].size_iops);
        size_t before = rig_look(0).went;
        assert_int_equal(rig_ask(&rows[i].ask), 0);
        assert_int_equal(rig_look(0).went - before, rows[i].units);
    }
    rig_assert_rest(0);
}

/* ---- order -------------------------------------------------------------------- */

/* Of the requests of disk 1 those that came first are in the device, whoever of them reached
 * it first: the number of them. */
static unsigned assert_first_come(void)
{
    unsigned count = 0;
    uint64_t last = 0;

    for (unsigned i = 0; i < devices[0].noted; i++) {
        if (devices[0].order[i].disk != 1)
            continue;
        count++;
        if (devices[0].order[i].offset > last)
            last = devices[0].order[i].offset;
    }
    if (count)
        assert_int_equal(last, 4096 * (count - 1));
    return count;
}

static void test_nobody_overtakes_the_queue_of_his_disk(void **state)
{
    enum { MINE = 20 };
    struct crowd *mine[MINE];

    (void)state;
    rig_open(0, &plain);
    rig_open(1, &plain);
    struct crowd *c = rig_fill(0, 0);
    for (unsigned i = 0; i < MINE || rig_queued(1); i++) {
        if (i < MINE) { /* the others go meanwhile */
            mine[i] = crowd_start(1, &(struct ask){ 1, WEIR_READ, i * 4096, 4096, 0 });
            rig_settle(0, 0);
        }
        if (i >= MINE / 2) {
            device_let(0, 1);
            rig_settle(0, 0);
        }
        assert_first_come();
    }
    assert_int_equal(assert_first_come(), MINE);
    device_go(0);
    for (unsigned i = 0; i < MINE; i++)
        crowd_end(mine[i]);
    crowd_end(c);
    rig_assert_rest(0);
}

/* A request that goes without the scheduler may end between the scheduler's last look at
 * what is out there and the moment from which everybody goes through the scheduler. */
static void test_load_that_has_gone_is_not_counted_for_ever(void **state)
{
    (void)state;
    rig_open(0, &plain);
    rig_add_outside(0, 1000);
    struct crowd *c = rig_fill(0, 0);
    while (rig_look(0).outside != 1000) { /* some that stand there went before anybody waited */
        device_go(0);
        crowd_end(c);
        c = rig_fill(0, 0);
    }
    wait_for(rig_look(0).outside_known == 1000);
    rig_add_outside(0, -1000);
    wait_for(rig_look(0).outside_known == 0);
    assert_true(rig_queued(0) > 0);
    device_go(0);
    crowd_end(c);
    rig_assert_rest(0);
}

/* ---- what is learnt ----------------------------------------------------------- */

/* A datastore that refuses everything at once does not do a million I/Os per second. */
static void test_what_fails_teaches_nothing(void **state)
{
    const struct ask read = { 0, WEIR_READ, 0, 4096, 0 };

    (void)state;
    rig_open(0, &plain);
    assert_int_equal(rig_ask(&read), 0);
    assert_int_equal(rig_look(0).measured, 1);
    atomic_store(&devices[0].error, EIO);
    for (int i = 0; i < 10; i++)
        assert_int_equal(rig_ask(&read), EIO);
    assert_int_equal(rig_look(0).measured, 1);
    atomic_store(&devices[0].error, 0);
    assert_int_equal(rig_ask(&read), 0);
    assert_int_equal(rig_look(0).measured, 2);
    rig_assert_rest(0);
}

/* ---- who is not concerned ----------------------------------------------------- */

static void test_two_datastores_do_not_concern_each_other(void **state)
{
    (void)state;
    rig_open(0, &plain);
    rig_open(1, &(struct rig_disk){ .device = 1, .options = "" });
    struct crowd *c = rig_fill(0, 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(rig_ask(&(struct ask){ 1, WEIR_READ, 0, 512, 0 }), 0);
    assert_int_equal(rig_stat(1, "delayed_requests"), 0);
    assert_int_equal(rig_look(1).all_queued, 0);
    rig_assert_rest(1);
    device_go(0);
    crowd_end(c);
    rig_assert_rest(0);
}

static void test_a_read_only_disk(void **state)
{
    (void)state;
    rig_open(0, &(struct rig_disk){ .options = "", .read_only = true });
    rig_choke(0);
    assert_int_equal(rig_ask(&(struct ask){ 0, WEIR_WRITE, 0, 512, 0 }), EPERM);
    assert_int_equal(rig_ask(&(struct ask){ 0, WEIR_TRIM, 0, 512, 0 }), EPERM);
    struct crowd *c = crowd_start(10, &reads);
    rig_await_queued(0, 10);
    rig_set(0, "iops", "max");
    crowd_end(c);
    rig_assert_rest(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_a_flush_never_waits),
        RIG_TEST(test_the_flushes_of_one_disk_do_not_fill_the_window),
        RIG_TEST(test_a_flush_does_not_wait_for_a_limit_either),
        RIG_TEST(test_urgent_writes_go_ahead_of_shares_one_at_a_time),
        RIG_TEST(test_urgent_writes_wait_for_a_limit),
        RIG_TEST(test_urgent_writes_that_are_limited_sleep),
        RIG_TEST(test_max_delay_lets_go_and_counts),
        RIG_TEST(test_the_hold_limit_lets_go_without_an_outcry),
        RIG_TEST(test_observation_never_delays_and_counts),
        RIG_TEST(test_a_limit_holds_while_the_datastore_is_idle),
        RIG_TEST(test_another_option_does_not_lift_a_limit),
        RIG_TEST(test_what_a_request_counts),
        RIG_TEST(test_nobody_overtakes_the_queue_of_his_disk),
        RIG_TEST(test_load_that_has_gone_is_not_counted_for_ever),
        RIG_TEST(test_what_fails_teaches_nothing),
        RIG_TEST(test_two_datastores_do_not_concern_each_other),
        RIG_TEST(test_a_read_only_disk),
    };
    return cmocka_run_group_tests_name("control-rules", tests, NULL, NULL);
}
