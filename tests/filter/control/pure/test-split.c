/* test-split.c - do gateways that share a datastore come to the parts that their shares give?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A datastore of capacity C and service time L0, simulated: what is in flight over C is the
 * latency above the knee.  The gateways see each other through the bytes of a file, as they
 * do in life, one after the other in any order, or all at once. */
#include "split.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { MOST_GATEWAYS = 16 };
#define PERIOD    UINT64_C(1000000000)
#define SATURATED 1e9

struct gateway {
    struct gateway_report report;
    struct judge judge;
    struct peer_list peers;
    struct split split;
    double demand; /* I/Os that its clients keep outstanding */
    uint64_t seq;
    bool alive;
};

static struct {
    struct gateway gateway[MOST_GATEWAYS];
    uint8_t file[(MOST_GATEWAYS + 1) * BLOCK_SIZE];
    unsigned count, seed, order[MOST_GATEWAYS];
    double capacity, service, latency; /* I/Os per second, seconds */
    bool at_once;                      /* all read before one writes */
    bool shuffled;                     /* another order in each period */
} world;

static double window_of(unsigned i)
{
    return (double)world.gateway[i].report.window / BLOCK_UNIT;
}

static double windows(void)
{
    double sum = 0;

    for (unsigned i = 0; i < world.count; i++)
        sum += world.gateway[i].alive ? window_of(i) : 0;
    return sum;
}

/* ---- the datastore, for one period ------------------------------------------- */

static double in_flight(unsigned i)
{
    const struct gateway *g = &world.gateway[i];

    if (!g->alive)
        return 0;
    return g->demand < window_of(i) ? g->demand : window_of(i);
}

static void serve(void)
{
    double sum = 0;

    for (unsigned i = 0; i < world.count; i++)
        sum += in_flight(i);
    world.latency = sum / world.capacity > world.service ? sum / world.capacity : world.service;
    for (unsigned i = 0; i < world.count; i++) {
        struct gateway_report *r = &world.gateway[i].report;
        double ios = in_flight(i) / world.latency * ((double)PERIOD / 1e9);
        r->in_flight = r->held = (uint64_t)(in_flight(i) * BLOCK_UNIT);
        r->ios = (uint64_t)ios;
        r->latency_sum = (uint64_t)(ios * world.latency * 1e9);
        r->backlogged = world.gateway[i].demand > window_of(i);
    }
}

/* ---- the gateways ------------------------------------------------------------ */

static void read_file(unsigned i)
{
    struct gateway *g = &world.gateway[i];
    uint8_t id[BLOCK_ID] = { (uint8_t)(i + 1) };

    judge_round(&g->judge, world.file, sizeof world.file, id, PERIOD, &g->peers);
}

static void write_file(unsigned i)
{
    struct gateway *g = &world.gateway[i];
    struct gateway_block b = { .id = { (uint8_t)(i + 1) }, .slot = i + 1, .seq = ++g->seq };

    b.report = g->report;
    block_put(world.file + (i + 1) * (size_t)BLOCK_SIZE, &b);
}

/* While nobody waits it is open, until the latency tells otherwise (window.h). */
static uint64_t on_its_own(unsigned i)
{
    double now = in_flight(i), size = window_of(i);
    double threshold = (double)world.gateway[i].report.threshold / 1e9;

    if (world.latency > threshold)
        size = now * threshold / world.latency;
    else if (size < 2 * now)
        size = 2 * now;
    return (uint64_t)((size < 4 ? 4 : size) * BLOCK_UNIT);
}

static void divide(unsigned i)
{
    struct gateway *g = &world.gateway[i];

    if (g->peers.count)
        split_window(&g->report, &g->peers, 0, &g->split);
    else
        g->split = (struct split){ 0 };
    g->report.window = g->split.window ? g->split.window : on_its_own(i);
    g->report.total = g->split.total;
}

static void shuffle(void)
{
    for (unsigned i = 0; i < MOST_GATEWAYS; i++) {
        unsigned j = (unsigned)rand_r(&world.seed) % (i + 1);
        world.order[i] = world.order[j];
        world.order[j] = i;
    }
}

static void period(void)
{
    serve();
    if (world.shuffled)
        shuffle();
    for (int pass = 0; pass < 2; pass++) {
        for (unsigned n = 0; n < MOST_GATEWAYS; n++) {
            unsigned i = world.order[n];
            if (!world.gateway[i].alive)
                continue;
            if (!world.at_once || pass == 0)
                read_file(i);
            if (!world.at_once || pass == 1) {
                write_file(i);
                divide(i);
            }
        }
        if (!world.at_once)
            break;
    }
}

static void periods(unsigned n)
{
    while (n--)
        period();
}

static void join(unsigned i, uint64_t shares, double demand)
{
    struct gateway *g = &world.gateway[i];

    *g = (struct gateway){ .demand = demand, .alive = true };
    g->report = (struct gateway_report){
        .shares = shares, .window = 16 * BLOCK_UNIT, .threshold = 25000000, .period = PERIOD
    };
    if (world.count <= i)
        world.count = i + 1;
}

/* 25 ms at 4000 I/Os per second: a window of 100 keeps the threshold. */
static void start_world(bool at_once, unsigned seed)
{
    memset(&world, 0, sizeof world);
    world.capacity = 4000;
    world.service = 0.004;
    world.at_once = at_once;
    world.seed = seed;
    shuffle();
}

/* Four, who know each other, with windows that nobody would want. */
static void start_four(const uint64_t shares[4], bool at_once, unsigned seed)
{
    static const unsigned bad[4] = { 64, 1, 1, 1 };

    start_world(at_once, seed);
    for (unsigned i = 0; i < 4; i++)
        join(i, shares[i], SATURATED);
    periods(2); /* a block is believed once it has moved */
    for (unsigned i = 0; i < 4; i++) {
        world.gateway[i].report.window = bad[i] * BLOCK_UNIT;
        world.gateway[i].report.total = world.gateway[i].split.total = 0;
    }
    serve();
    for (unsigned i = 0; i < 4; i++)
        write_file(i);
}

static void assert_near(double is, double wanted, double part)
{
    if (is < wanted * (1 - part) || is > wanted * (1 + part))
        fail_msg("%.3f is not within %.1f %% of %.3f", is, part * 100, wanted);
}

/* Every window is the gateway's part of all windows. */
static void assert_parts(const uint64_t shares[4], double part)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < world.count; i++)
        sum += world.gateway[i].alive ? shares[i] : 0;
    for (unsigned i = 0; i < world.count; i++)
        if (world.gateway[i].alive)
            assert_near(window_of(i), windows() * (double)shares[i] / (double)sum, part);
}

/* The same in both orders of the world, for many seeds. */
static void in_many_orders(void (*check)(bool at_once, unsigned seed))
{
    unsigned seed =
        getenv("WEIR_SEED") ? (unsigned)atoi(getenv("WEIR_SEED")) : (unsigned)time(NULL);

    print_message("WEIR_SEED=%u\n", seed);
    for (unsigned i = 0; i < 20; i++)
        check(i % 2, seed + i);
}

static const uint64_t equal[4] = { 1000, 1000, 1000, 1000 }, unequal[4] = { 500, 500, 1000, 1000 };

/* ---- PARDA's cases ----------------------------------------------------------- */

static void check_bad_start(bool at_once, unsigned seed)
{
    const uint64_t *const shares[] = { equal, unequal };

    for (int i = 0; i < 2; i++) {
        start_four(shares[i], at_once, seed);
        periods(2);
        assert_parts(shares[i], 0.25); /* some have made the next step, others have not */
        periods(2);
        assert_parts(shares[i], 0.05);
        periods(4);
        assert_parts(shares[i], 0.01);
        assert_near(windows(), 100, 0.03);
        assert_near(world.latency, 0.025, 0.03);
    }
}

static void parts_are_right_four_periods_after_a_bad_start(void **state)
{
    (void)state;
    in_many_orders(check_bad_start);
}

static void check_cold_start(bool at_once, unsigned seed)
{
    start_world(at_once, seed);
    for (unsigned i = 0; i < 4; i++)
        join(i, unequal[i], SATURATED);
    periods(1 + 4); /* before that each thinks that it has all */
    assert_parts(unequal, 0.05);
}

static void parts_are_right_four_periods_after_they_have_met(void **state)
{
    (void)state;
    in_many_orders(check_cold_start);
}

/* Their clients come when all have known each other for long, with windows wide open: each
 * keeps 64 outstanding, more than the datastore does in time, and nobody waits at first. */
static void check_late_load(bool at_once, unsigned seed)
{
    start_world(at_once, seed);
    for (unsigned i = 0; i < 4; i++) {
        join(i, unequal[i], 0);
        world.gateway[i].report.window = 65536 * BLOCK_UNIT;
    }
    periods(10);
    for (unsigned i = 0; i < 4; i++)
        world.gateway[i].demand = 64;
    periods(1); /* in which it comes, and the windows close */
    periods(4);
    assert_parts(unequal, 0.25);
    periods(6);
    assert_parts(unequal, 0.01);
    assert_near(windows(), 100, 0.01);
}

static void windows_that_were_open_close_when_load_comes(void **state)
{
    (void)state;
    in_many_orders(check_late_load);
}

static void check_death(bool at_once, unsigned seed)
{
    start_four(unequal, at_once, seed);
    periods(20);
    world.gateway[3].alive = false;
    periods(JUDGE_STALE + 1);
    for (unsigned i = 0; i < 3; i++)
        assert_true(window_of(i) >= 0.95 * 100 * (double)unequal[i] / 2000);
    periods(4); /* until then the window is too large: it had grown for what the dead left */
    assert_parts(unequal, 0.05);
    assert_near(windows(), 100, 0.05);
}

static void the_part_of_the_dead_goes_to_the_others(void **state)
{
    (void)state;
    in_many_orders(check_death);
}

static void check_newcomer(bool at_once, unsigned seed)
{
    static const uint64_t shares[5] = { 1000, 1000, 1000, 1000, 2000 };

    start_four(equal, at_once, seed);
    periods(20);
    join(4, 2000, SATURATED);
    periods(1 + 2); /* it is seen to move, and then */
    for (unsigned i = 0; i < 5; i++)
        assert_near(window_of(i), windows() * (double)shares[i] / 6000, 0.10);
    periods(2);
    for (unsigned i = 0; i < 5; i++)
        assert_near(window_of(i), 100 * (double)shares[i] / 6000, 0.05);
}

static void a_newcomer_gets_its_part(void **state)
{
    (void)state;
    in_many_orders(check_newcomer);
}

static void check_idle(bool at_once, unsigned seed)
{
    start_four(equal, at_once, seed);
    periods(20);
    world.gateway[0].demand = 0;
    periods(1); /* in which it falls idle, and says so at the end */
    periods(2);
    assert_near(window_of(0), 1, 0.05);
    for (unsigned i = 1; i < 4; i++)
        assert_true(window_of(i) >= 0.95 * 33);
    periods(2);
    for (unsigned i = 1; i < 4; i++)
        assert_near(window_of(i), 33, 0.05);
    world.gateway[0].demand = SATURATED;
    periods(1);
    periods(2);
    assert_true(window_of(0) >= 0.85 * 25);
    periods(2);
    assert_parts(equal, 0.05);
}

static void the_part_of_the_idle_is_used_and_given_back(void **state)
{
    (void)state;
    in_many_orders(check_idle);
}

/* One wants less than its part: it has that, and the others share the rest by their shares. */
static void check_light(bool at_once, unsigned seed)
{
    start_four(unequal, at_once, seed);
    world.gateway[3].demand = 10;
    periods(10);
    assert_true(window_of(3) >= 10);
    assert_near(window_of(3), 13.5, 0.05);
    assert_near(window_of(0), (100 - 10.0) / 4, 0.05);
    assert_near(window_of(2), (100 - 10.0) / 2, 0.05);
}

static void a_light_one_is_never_held_up(void **state)
{
    (void)state;
    in_many_orders(check_light);
}

static void check_spread(bool at_once, unsigned seed)
{
    double least[4] = { SATURATED, SATURATED, SATURATED, SATURATED }, most[4] = { 0 };

    start_four(unequal, at_once, seed);
    world.shuffled = seed & 2;
    world.gateway[1].demand = 17; /* about its part: at the edge of being backlogged */
    periods(10);
    for (unsigned n = 0; n < 200; n++) {
        period();
        for (unsigned i = 0; i < 4; i++) {
            least[i] = window_of(i) < least[i] ? window_of(i) : least[i];
            most[i] = window_of(i) > most[i] ? window_of(i) : most[i];
        }
        assert_near(world.latency, 0.025, 0.05);
    }
    for (unsigned i = 0; i < 4; i++)
        assert_near(most[i], least[i], 0.05);
}

static void nothing_swings_for_200_periods(void **state)
{
    (void)state;
    in_many_orders(check_spread);
}

/* The datastore gets slower by half, as when a host that we do not see uses it. */
static void check_capacity(bool at_once, unsigned seed)
{
    start_four(unequal, at_once, seed);
    periods(20);
    world.capacity = 2000;
    periods(1);
    periods(3);
    assert_parts(unequal, 0.05);
    assert_near(windows(), 50, 0.15);
    periods(2);
    assert_near(windows(), 50, 0.04);
}

static void the_window_follows_the_capacity(void **state)
{
    (void)state;
    in_many_orders(check_capacity);
}

/* ---- what may not matter ----------------------------------------------------- */

static void a_torn_and_a_stale_block_change_nothing(void **state)
{
    struct gateway_report clean[5][4];

    (void)state;
    for (int dirty = 0; dirty < 2; dirty++) {
        start_four(unequal, false, 42);
        periods(5);
        for (int n = 0; n < 5; n++) {
            if (dirty) {
                struct gateway_block b = { .slot = 9, .id = "a dead gateway", .seq = 5 };
                b.report = world.gateway[0].report;
                block_put(world.file + 9 * BLOCK_SIZE, &b); /* stands still: … */
                for (unsigned i = 0; i < 4; i++)            /* … and nobody saw it move */
                    if (n == 0)
                        world.gateway[i].judge.slot[9].seen = false;
                b.slot = 10;
                b.seq += (uint64_t)n; /* moves, but only one half of it */
                block_put(world.file + 10 * BLOCK_SIZE, &b);
                memset(world.file + 10 * BLOCK_SIZE + 512, 0x55, 512);
            }
            period();
            for (unsigned i = 0; i < 4; i++) {
                if (!dirty)
                    clean[n][i] = world.gateway[i].report;
                assert_memory_equal(&world.gateway[i].report, &clean[n][i], sizeof clean[n][i]);
            }
        }
    }
    assert_int_equal(world.gateway[0].peers.count, 3);
    assert_int_equal(world.gateway[0].peers.stale, 1);
    assert_int_equal(world.gateway[0].peers.garbage, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_right_four_periods_after_a_bad_start),
        cmocka_unit_test(parts_are_right_four_periods_after_they_have_met),
        cmocka_unit_test(windows_that_were_open_close_when_load_comes),
        cmocka_unit_test(the_part_of_the_dead_goes_to_the_others),
        cmocka_unit_test(a_newcomer_gets_its_part),
        cmocka_unit_test(the_part_of_the_idle_is_used_and_given_back),
        cmocka_unit_test(a_light_one_is_never_held_up),
        cmocka_unit_test(nothing_swings_for_200_periods),
        cmocka_unit_test(the_window_follows_the_capacity),
        cmocka_unit_test(a_torn_and_a_stale_block_change_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
