/* test-window.c - is so much in flight that the datastore is busy, and no more?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Simulated, with the scheduler between: the figures are the same on every machine. */
#include "sim-case.h"

#include <math.h>

static struct window window;

static void start(unsigned servers, uint64_t service, bool exponential, uint64_t threshold)
{
    forget(NULL);
    sim = sim_create(servers, service, 1);
    sim->exponential = exponential;
    window_init(&window);
    window_set(&window, threshold);
    sim->scheduler.window = window.size;
    sim_control(sim, &window, NULL);
}

static struct sim_client *add(unsigned depth)
{
    return sim_add(sim, &(struct sim_client){ .set = { .shares = 1000 }, .depth = depth });
}

static double mean_latency(const struct sim_client *c)
{
    return (double)c->latency / (double)c->done;
}

static void assert_between(const char *what, double x, double low, double high)
{
    if (x >= low && x <= high)
        return;
    print_error("%u servers of %.3f ms%s: %s is %.4g, not %.4g to %.4g\n", sim->servers,
                (double)sim->service / MS, sim->exponential ? " (exponential)" : "", what, x, low,
                high);
    fail();
}

/* ---- a threshold that is given ----------------------------------------------- */

static void held(unsigned servers, uint64_t service, bool exponential, uint64_t threshold)
{
    start(servers, service, exponential, threshold);
    struct sim_client *c = add(512);
    sim_run(sim, 100 * threshold + S / 2);
    sim_forget(sim);
    sim_run(sim, 50 * threshold + S / 2);
    assert_between("latency / threshold", mean_latency(c) / (double)threshold, 0.95, 1.05);
    assert_int_equal(window.threshold, threshold);
}

static void test_a_threshold_is_held(void **state)
{
    (void)state;
    for (int exponential = 0; exponential < 2; exponential++) {
        held(4, 40000, exponential, 200000);
        held(32, 100000, exponential, 200000);
        held(4, MS, exponential, 1300000);
        held(32, MS, exponential, 5 * MS);
        held(128, MS, exponential, 2 * MS);
        held(8, 10 * MS, exponential, 100 * MS);
    }
}

/* Once it is held, no tenth of a second is far from it: 3300 requests, or 33 rounds. */
static void test_a_threshold_is_held_steadily(void **state)
{
    (void)state;
    start(32, MS, false, 3 * MS);
    struct sim_client *c = add(512);
    sim_run(sim, S);
    for (int i = 0; i < 50; i++) {
        sim_forget(sim);
        sim_run(sim, S / 10);
        assert_between("latency / threshold", mean_latency(c) / (3.0 * MS), 0.95, 1.05);
    }
}

static void test_control_begins_within_a_second(void **state)
{
    (void)state;
    start(32, MS, true, 3 * MS);
    add(8);
    sim_run(sim, 2 * S);
    struct sim_client *c = add(1024);
    sim_run(sim, S / 2);
    sim_forget(sim);
    sim_run(sim, S / 2);
    assert_between("latency / threshold", mean_latency(c) / (3.0 * MS), 0.9, 1.1);
}

static void test_below_the_threshold_nothing_is_delayed(void **state)
{
    (void)state;
    start(32, MS, true, 5 * MS);
    struct sim_client *c = add(100); /* 3.1 ms */
    sim_run(sim, 5 * S);
    assert_int_equal(c->disk.waits, 0);
    assert_true(window.size >= 199 * LOAD_ONE);
    c = add(24);
    sim_run(sim, 2 * S); /* 3.9 ms */
    assert_int_equal(c->disk.waits, 0);
}

/* An empty queue is no reason to shrink, nor is one of a few. */
static void test_an_idle_datastore_keeps_its_window(void **state)
{
    (void)state;
    start(32, MS, true, 3 * MS);
    sim_add(sim, &(struct sim_client){ .set = { .shares = 1 }, .depth = 512, .stops = 2 * S });
    sim_run(sim, 2 * S + S / 10);
    uint32_t size = window.size;
    assert_between("the window", size, 80 * LOAD_ONE, 115 * LOAD_ONE);
    struct sim_client *c = add(1);
    sim_run(sim, 2 * S);
    assert_true(window.size >= size);
    assert_int_equal(c->disk.waits, 0);
}

/* All that comes at once is in flight before the first answer is late: the window closes as
 * soon as it can be told how much the datastore does, not half by half. */
static void test_a_flood_is_stopped_at_once(void **state)
{
    static const unsigned speeds[] = { 100, 1000, 10000 };

    (void)state;
    for (size_t i = 0; i < sizeof speeds / sizeof *speeds; i++) {
        uint64_t each = S / speeds[i];
        start(4, 4 * each, false, 6 * each);
        for (unsigned c = 0; c < 3; c++)
            sim_add(sim, &(struct sim_client){ .set = { .shares = 1u << c }, .depth = 64 });
        sim_run(sim, 60 * each + 20 * MS);
        assert_between("the window", window.size, 5 * LOAD_ONE, 9 * LOAD_ONE);
        sim_run(sim, 192 * each); /* what was in flight drains; then shares hold */
        sim_forget(sim);
        sim_run(sim, 700 * each);
        for (unsigned c = 0; c < 3; c++)
            assert_between("a part", (double)sim->client[c].done, (100 << c) * 0.97 - 1,
                           (100 << c) * 1.03 + 1);
    }
}

/* No window makes a datastore faster than it is: one that is smaller than it can work at
 * a time would only cost throughput. */
static void test_a_threshold_that_cannot_be_held(void **state)
{
    (void)state;
    start(32, 10 * MS, false, MS);
    struct sim_client *c = add(64);
    sim_run(sim, 5 * S);
    sim_forget(sim);
    sim_run(sim, 20 * S);
    assert_between("rate", (double)c->done, 0.9 * 64000, 64000);
    assert_between("latency", mean_latency(c), 0.9 * 10 * MS, 1.3 * 10 * MS);
}

/* One that came down to a light load is not left there when a heavy one comes. */
static void test_a_window_that_is_too_small_grows(void **state)
{
    (void)state;
    start(32, 10 * MS, false, MS);
    add(2);
    sim_run(sim, S);
    assert_int_equal(window.size, 4 * LOAD_ONE);
    struct sim_client *c = add(64);
    sim_run(sim, 5 * S);
    sim_forget(sim);
    sim_run(sim, 10 * S);
    assert_between("rate", (double)c->done, 0.75 * 32000, 32000);
}

/* A few are left to a datastore of which one request at a time takes too long. */
static void test_the_least_window(void **state)
{
    (void)state;
    start(1, 10 * MS, false, MS);
    add(64);
    sim_run(sim, 20 * S);
    assert_int_equal(window.size, 4 * LOAD_ONE);
}

/* ---- a threshold that is learnt ---------------------------------------------- */

static void learnt(unsigned servers, uint64_t service, bool exponential, uint64_t learn,
                   uint64_t measure, double rate, double latency)
{
    start(servers, service, exponential, 0);
    struct sim_client *c = add(256);
    sim_run(sim, learn);
    sim_forget(sim);
    sim_run(sim, measure);
    double peak = (double)servers * (double)measure / (double)service;
    assert_between("rate / peak", (double)c->done / peak, rate, 1.05);
    assert_between("latency / service", mean_latency(c) / (double)service, 0.9, latency);
    assert_between("threshold / service", (double)window.threshold / (double)service, 0.9, 1.2);
    double known = (double)servers * S / (double)service;
    assert_between("known peak", (double)window.peak / known, 0.9, 1.12);
    assert_between("capacity", (double)window.capacity / known, 0.9, 1.12);
}

static void test_a_datastore_of_k_servers_is_learnt(void **state)
{
    (void)state;
    learnt(1, 50000, false, S, S, 0.99, 1.15);
    learnt(1, MS, false, 4 * S, 4 * S, 0.99, 1.15);
    learnt(1, 10 * MS, false, 15 * S, 20 * S, 0.99, 1.15);
    learnt(4, 50000, false, S, 2 * S, 0.99, 1.15);
    learnt(4, MS, false, 2 * S, 4 * S, 0.99, 1.15);
    learnt(4, 10 * MS, false, 8 * S, 20 * S, 0.99, 1.15);
    learnt(32, 100000, false, S, S, 0.99, 1.15);
    learnt(32, MS, false, 2 * S, 4 * S, 0.99, 1.15);
    learnt(32, 10 * MS, false, 3 * S, 8 * S, 0.99, 1.15);
    learnt(128, MS, false, S, 2 * S, 0.99, 1.15);
    learnt(128, 10 * MS, false, 2 * S, 8 * S, 0.99, 1.15);
}

/* Service times that vary are learnt from many requests: where there are few servers that
 * are slow it takes longer. */
static void test_service_times_that_vary(void **state)
{
    (void)state;
    learnt(4, 100000, true, 5 * S, 4 * S, 0.97, 1.15);
    learnt(32, MS, true, 2 * S, 4 * S, 0.98, 1.15);
    learnt(32, 10 * MS, true, 4 * S, 8 * S, 0.96, 1.15);
    learnt(128, MS, true, S, S, 0.98, 1.15);
    learnt(128, 10 * MS, true, 2 * S, 4 * S, 0.98, 1.15);
}

/* 32 channels with a queue each do the more, the more is in flight: W / (W + 31). */
static void test_a_datastore_whose_throughput_keeps_rising(void **state)
{
    (void)state;
    start(32, MS, true, 0);
    sim->channels = true;
    struct sim_client *c = add(256);
    sim_run(sim, 4 * S);
    sim_forget(sim);
    sim_run(sim, 4 * S);
    double peak = 256.0 / (256 + 31); /* of what is asked for */
    assert_between("rate / peak", (double)c->done / 128000 / peak, 0.88, 1);
    /* 256 in flight would take 9 ms */
    assert_between("latency", mean_latency(c) / MS, 4, 8.2);
}

/* A disk alone that does not fill the datastore: once that is known nothing is delayed. */
static void test_a_light_load_is_left_alone(void **state)
{
    (void)state;
    start(32, MS, true, 0);
    struct sim_client *c = add(8);
    sim_run(sim, 3 * S);
    uint64_t waits = c->disk.waits;
    sim_forget(sim);
    sim_run(sim, 3 * S);
    assert_true(c->disk.waits - waits < c->done / 100);
    assert_between("rate", (double)c->done, 23700, 24300);
}

static void test_one_at_a_time_never_waits(void **state)
{
    (void)state;
    start(32, MS, true, 0);
    struct sim_client *c = add(1);
    sim_run(sim, 3 * S);
    assert_int_equal(c->disk.waits, 0);
}

/* ---- changes ----------------------------------------------------------------- */

static void changes_to(double slower)
{
    start(32, MS, true, 0);
    struct sim_client *c = add(256);
    sim_run(sim, 2 * S);
    sim->slower = slower;
    sim_run(sim, S / 2);
    sim_forget(sim);
    sim_run(sim, 3 * S / 2);
    assert_between("rate / peak", (double)c->done * slower / 48000, 0.97, 1.03);
    assert_between("latency / service", mean_latency(c) / MS / slower, 0.9, 1.15);
    assert_between("threshold / service", (double)window.threshold / MS / slower, 0.9, 1.15);
    assert_between("capacity", (double)window.capacity * slower / 32000, 0.9, 1.1);
}

static void test_another_speed_is_found_at_once(void **state)
{
    (void)state;
    changes_to(2);
    changes_to(4);
    changes_to(0.5);
    changes_to(0.25);
}

/* Another host takes half of the servers, and gives them back. */
static void test_an_external_load_comes_and_goes(void **state)
{
    (void)state;
    start(32, MS, true, 0);
    struct sim_client *c = add(256);
    sim_run(sim, 2 * S);
    assert_true(window.external_load < 10);
    sim_add(sim, &(struct sim_client){ .depth = 32, .outside = true, .stops = 4 * S });
    sim_run(sim, 2 * S);
    assert_between("external load", window.external_load, 50, 150);
    sim_run(sim, 4 * S);
    assert_true(window.external_load < 15);
    sim_forget(sim);
    sim_run(sim, S);
    assert_between("rate", (double)c->done, 31000, 33000);
    /* some of the queue that was worth its while beside the other may remain for long */
    assert_between("latency", mean_latency(c) / MS, 0.9, 1.35);
}

/* ---- who asks for little ----------------------------------------------------- */

static void light(unsigned servers)
{
    start(servers, MS, false, 0);
    struct sim_client *heavy = add(256);
    struct sim_client *c = sim_add(
        sim, &(struct sim_client){
                 .set = { .shares = 1000 }, .depth = 1, .interval = 371000, .room = 10000 });
    sim_run(sim, 2 * S);
    sim_forget(sim);
    sim_run(sim, 4 * S);
    assert_between("its mean", (double)(c->latency + c->waited) / (double)c->done / MS, 1, 1.05);
    assert_between("its p99", (double)sim_percentile(c, 99) / MS, 1, 1.25);
    assert_between("the total", (double)(c->done + heavy->done) / (servers * 4000), 0.95, 1);
}

static void test_a_light_disk_beside_a_heavy_one(void **state)
{
    (void)state;
    light(32);
    light(128);
}

static void test_the_spare(void **state)
{
    struct window w;
    uint32_t ordinary, spare;

    (void)state;
    window_init(&w);
    w.size = 100 * LOAD_ONE;
    window_split(&w, 0, true, &ordinary, &spare);
    assert_int_equal(ordinary, 98 * LOAD_ONE);
    assert_int_equal(spare, 2 * LOAD_ONE);
    window_split(&w, 0, false, &ordinary, &spare);
    assert_int_equal(ordinary, 100 * LOAD_ONE);
    w.size = 4 * LOAD_ONE;
    window_split(&w, 0, true, &ordinary, &spare);
    assert_int_equal(ordinary, 4 * LOAD_ONE);
    assert_int_equal(spare, LOAD_ONE);
}

/* ---- settings ---------------------------------------------------------------- */

static void test_a_threshold_can_be_given_and_taken_back(void **state)
{
    (void)state;
    start(32, MS, false, 0);
    struct sim_client *c = add(256);
    sim_run(sim, 2 * S);
    window_set(&window, 4 * MS);
    sim_run(sim, S / 2);
    sim_forget(sim);
    sim_run(sim, S / 2);
    assert_between("latency", mean_latency(c) / MS, 3.8, 4.2);
    window_set(&window, 4 * MS); /* the same: nothing changes */
    window_set(&window, 0);
    sim_run(sim, S);
    sim_forget(sim);
    sim_run(sim, S);
    assert_between("latency", mean_latency(c) / MS, 0.9, 1.15);
}

static void test_empty_samples_change_nothing(void **state)
{
    struct window w;

    (void)state;
    window_init(&w);
    for (int i = 0; i < 1000; i++)
        window_feed(&w, &(struct window_sample){ .span = 10 * MS, .waited = i % 2 });
    for (int i = 0; i < 1000; i++)
        window_feed(&w, &(struct window_sample){ .span = 10 * MS, .in_flight = 512 });
    window_feed(&w, &(struct window_sample){ 0 });
    assert_int_equal(w.size, 65536 * LOAD_ONE);
    assert_int_equal(w.threshold, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_a_threshold_is_held, forget),
        cmocka_unit_test_teardown(test_a_threshold_is_held_steadily, forget),
        cmocka_unit_test_teardown(test_control_begins_within_a_second, forget),
        cmocka_unit_test_teardown(test_below_the_threshold_nothing_is_delayed, forget),
        cmocka_unit_test_teardown(test_an_idle_datastore_keeps_its_window, forget),
        cmocka_unit_test_teardown(test_a_flood_is_stopped_at_once, forget),
        cmocka_unit_test_teardown(test_a_threshold_that_cannot_be_held, forget),
        cmocka_unit_test_teardown(test_a_window_that_is_too_small_grows, forget),
        cmocka_unit_test_teardown(test_the_least_window, forget),
        cmocka_unit_test_teardown(test_a_datastore_of_k_servers_is_learnt, forget),
        cmocka_unit_test_teardown(test_service_times_that_vary, forget),
        cmocka_unit_test_teardown(test_a_datastore_whose_throughput_keeps_rising, forget),
        cmocka_unit_test_teardown(test_a_light_load_is_left_alone, forget),
        cmocka_unit_test_teardown(test_one_at_a_time_never_waits, forget),
        cmocka_unit_test_teardown(test_another_speed_is_found_at_once, forget),
        cmocka_unit_test_teardown(test_an_external_load_comes_and_goes, forget),
        cmocka_unit_test_teardown(test_a_light_disk_beside_a_heavy_one, forget),
        cmocka_unit_test(test_the_spare),
        cmocka_unit_test_teardown(test_a_threshold_can_be_given_and_taken_back, forget),
        cmocka_unit_test(test_empty_samples_change_nothing),
    };
    return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
