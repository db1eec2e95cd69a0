/* test-scheduler.c - does each disk get what its shares say?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * All under a simulated clock: the figures are exact, and the same on every machine. */
#include "scheduler-case.h"

/* ---- shares ------------------------------------------------------------------ */

/* VMware's own arithmetic of a datastore of 8000 I/Os per second. */
static void vmware(unsigned third_depth, uint64_t third_interval, const double *expected)
{
    sim = sim_create(32, 4 * MS, 36);
    add(1000, 64);
    add(2500, 64);
    sim_add(sim, &(struct sim_client){
                     .set = { .shares = 500 }, .depth = third_depth, .interval = third_interval });
    sim_add(sim, &(struct sim_client){ .set = { .shares = 1000, .ios = 2000 }, .depth = 64 });
    sim_run(sim, 2 * S);
    for (int second = 0; second < 10; second++) {
        sim_forget(sim);
        sim_run(sim, S);
        for (int i = 0; i < 4; i++)
            assert_near(sim->client[i].done, expected[i], 1000);
    }
}

static void test_vmware_all_busy(void **state)
{
    (void)state;
    vmware(64, 0, (const double[]){ 1600, 4000, 800, 1600 });
}

/* What the third leaves goes to the others in proportion.  (VMware's own figures of this
 * case, 1711/4279/10/2000, are those of two hosts: what a disk leaves goes to its
 * neighbours on the host first.) */
static void test_vmware_the_third_uses_ten(void **state)
{
    (void)state;
    vmware(1, 96 * MS, (const double[]){ 1775.6, 4438.9, 10, 1775.6 });
}

/* Shares are a proportion, whatever the datastore does per second. */
static void test_shares_at_any_speed(void **state)
{
    static const unsigned speeds[] = { 100, 1000, 10000, 1000000 };
    static const unsigned scales[] = { 1, 1000, 25000 };

    (void)state;
    for (size_t i = 0; i < sizeof speeds / sizeof *speeds; i++)
        for (size_t k = 0; k < sizeof scales / sizeof *scales; k++) {
            forget(NULL);
            sim = sim_create(8, 8 * S / speeds[i], 9);
            for (unsigned c = 0; c < 3; c++)
                add((1u << c) * scales[k], 32);
            sim_run(sim, 64 * S / speeds[i]);
            sim_forget(sim);
            sim_run(sim, 7000 * S / speeds[i]);
            for (unsigned c = 0; c < 3; c++)
                assert_near(sim->client[c].done, 1000 << c, 100);
        }
}

/* A window that opens and closes: what went while nobody waited is nobody's debt. */
static void test_what_went_freely_is_not_paid_back(void **state)
{
    (void)state;
    sim = sim_create(8, 8 * MS, 65536);
    for (unsigned c = 0; c < 3; c++)
        add(1u << c, 64);
    sim_run(sim, S); /* each has done as much as the others */
    sim->scheduler.window = 9 * LOAD_ONE;
    sim_run(sim, S / 2); /* what is in flight drains */
    sim_forget(sim);
    sim_run(sim, S / 10);
    assert_near(sim->client[0].done, 100.0 / 7, 7000);
    assert_near(sim->client[1].done, 200.0 / 7, 7000);
    assert_near(sim->client[2].done, 400.0 / 7, 7000);
}

/* Not only those that are simple: two disks lie in one slot of the wheel in any order. */
static void test_any_shares(void **state)
{
    unsigned seed = 1;

    (void)state;
    for (int turn = 0; turn < 100; turn++) {
        uint64_t shares[4], sum = 0;
        unsigned disks = 2 + (unsigned)turn % 3;
        forget(NULL);
        sim = sim_create(32, 4 * MS, 44);
        for (unsigned c = 0; c < disks; c++) {
            shares[c] = turn ? 100 + (unsigned)rand_r(&seed) % 3000 : 1000 + 1500 * c;
            sum += shares[c];
            add(shares[c], 64);
        }
        sim_run(sim, S);
        sim_forget(sim);
        sim_run(sim, 10 * S);
        for (unsigned c = 0; c < disks; c++)
            assert_near(sim->client[c].done, 80000.0 * (double)shares[c] / (double)sum, 100);
    }
}

static void test_a_thousand_disks(void **state)
{
    (void)state;
    sim = sim_create(32, MS, 33);
    uint64_t sum = 0;
    for (unsigned c = 0; c < 1000; c++) {
        add(100 + c, 2);
        sum += 100 + c;
    }
    sim_run(sim, 10 * S);
    sim_forget(sim);
    sim_run(sim, 30 * S);
    for (unsigned c = 0; c < 1000; c++)
        assert_near(sim->client[c].done, 960000.0 * (100 + c) / (double)sum, 1000);
}

/* One share beside 64: the light one is far ahead in virtual time. */
static void test_very_unequal_shares(void **state)
{
    (void)state;
    sim = sim_create(4, MS, 5);
    sim_add(sim, &(struct sim_client){ .set = { .shares = 1 }, .depth = 8, .starts = MS });
    add(100000, 8);
    sim_run(sim, S);
    sim_forget(sim);
    sim_run(sim, 500 * S);
    assert_near(sim->client[0].done, 20, 2000);
    assert_near(sim->client[1].done, 2000000 - 20, 10);
}

/* Virtual time goes round at 2^64, for one disk of one share after 2^32 I/Os. */
static void test_virtual_time_wraps(void **state)
{
    static const unsigned shares[] = { 3, 5, 6 }; /* nobody's tag meets another's at 0 */

    (void)state;
    sim = sim_create(8, 8 * MS, 9);
    sim->scheduler.now = -(1ull << 40); /* some 3600 I/Os of these before it */
    for (unsigned c = 0; c < 3; c++)
        add(shares[c], 32);
    sim_run(sim, S);
    sim_forget(sim);
    sim_run(sim, 7 * S);
    for (unsigned c = 0; c < 3; c++)
        assert_near(sim->client[c].done, 500 * shares[c], 100);
    assert_true(sim->scheduler.now < 1ull << 63);
}

/* A request of 256 KiB counts as eight. */
static void test_large_requests_count_more(void **state)
{
    (void)state;
    sim = sim_create(8, MS, 72);
    add(1000, 32);
    sim_add(sim, &(struct sim_client){ .set = { .shares = 1000 }, .depth = 32, .size = 262144 });
    sim_run(sim, S);
    sim_forget(sim);
    sim_run(sim, 10 * S);
    assert_near(sim->client[0].done, 40000, 1000);
    assert_near(sim->client[1].done, 5000, 1000);
}

static void test_who_sleeps_earns_no_credit(void **state)
{
    (void)state;
    sim = sim_create(8, MS, 9);
    add(1000, 32);
    sim_add(sim, &(struct sim_client){ .set = { .shares = 1000 }, .depth = 32, .starts = 10 * S });
    sim_run(sim, 10 * S);
    assert_near(sim->client[0].done, 80000, 100);
    sim_forget(sim);
    sim_run(sim, S);
    assert_near(sim->client[0].done, 4000, 1000);
    assert_near(sim->client[1].done, 4000, 1000);
}

static void test_new_shares_count_at_once(void **state)
{
    (void)state;
    sim = sim_create(8, MS, 9);
    struct sim_client *a = add(1000, 32);
    add(1000, 32);
    sim_run(sim, S);
    a->set.shares = 3000;
    scheduler_set(&sim->scheduler, &a->disk, &a->set, sim->now);
    sim_forget(sim);
    sim_run(sim, 100 * MS);
    assert_near(sim->client[0].done, 600, 3000);
    assert_near(sim->client[1].done, 200, 6000);
}

/* ---- who waits --------------------------------------------------------------- */

static void test_nobody_waits_below_the_window(void **state)
{
    (void)state;
    sim = sim_create(8, MS, 33);
    add(500, 16);
    add(2000, 16);
    sim_run(sim, 10 * S);
    assert_int_equal(sim->client[0].disk.waits + sim->client[1].disk.waits, 0);
    assert_near(sim->client[0].done + sim->client[1].done, 80000, 100);
}

/* One request at a time beside one who keeps 256 in flight, on 32 servers. */
static void test_a_light_disk_beside_a_heavy_one(void **state)
{
    (void)state;
    sim = sim_create(32, MS, 31);
    struct sim_client *light = add(1000, 1);
    light->interval = 50000;
    struct sim_client *heavy = add(1000, 256);
    sim_run(sim, S);
    sim_forget(sim);
    sim_run(sim, 10 * S);
    double mean = (double)light->latency / (double)light->done;
    assert_true(mean <= 1.05 * MS); /* it is 1 ms alone */
    assert_true((double)(light->done + heavy->done) >= 0.96 * 320000);
}

static void test_one_disk_alone_gets_all(void **state)
{
    (void)state;
    sim = sim_create(16, MS, 16);
    add(1, 64);
    sim_run(sim, 10 * S);
    assert_near(sim->client[0].done, 160000, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_vmware_all_busy, forget),
        cmocka_unit_test_teardown(test_vmware_the_third_uses_ten, forget),
        cmocka_unit_test_teardown(test_shares_at_any_speed, forget),
        cmocka_unit_test_teardown(test_what_went_freely_is_not_paid_back, forget),
        cmocka_unit_test_teardown(test_any_shares, forget),
        cmocka_unit_test_teardown(test_a_thousand_disks, forget),
        cmocka_unit_test_teardown(test_very_unequal_shares, forget),
        cmocka_unit_test_teardown(test_virtual_time_wraps, forget),
        cmocka_unit_test_teardown(test_large_requests_count_more, forget),
        cmocka_unit_test_teardown(test_who_sleeps_earns_no_credit, forget),
        cmocka_unit_test_teardown(test_new_shares_count_at_once, forget),
        cmocka_unit_test_teardown(test_nobody_waits_below_the_window, forget),
        cmocka_unit_test_teardown(test_a_light_disk_beside_a_heavy_one, forget),
        cmocka_unit_test_teardown(test_one_disk_alone_gets_all, forget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
