/* test-joint.c - do gateways that share a datastore find together how much it can bear?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A datastore of 32 servers of 4 ms, whose knee is at 32 in flight, simulated second by
 * second; nobody was given a threshold.  What each gateway sees of the others is up to a second
 * old. */
#include "joint.h"
#include "split.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { GATEWAYS = 4, SERVERS = 32 };
#define MS     1000000.0
#define SECOND 1000000000u

struct gateway {
    struct window window;
    struct gateway_report published;
    struct split split;
    struct window_sample sum; /* of this second */
    double demand, in_flight;
    double waited, busy; /* ticks */
    bool alive;
};

static struct {
    struct gateway gateway[GATEWAYS];
    double service;
    unsigned random;
    double done; /* since it was set to 0 */
} world;

static double window_of(const struct gateway *g)
{
    double size = g->split.window ? (double)g->split.window : g->window.size;

    return size / BLOCK_UNIT;
}

static double noise(double most)
{
    return 1 + most * (2.0 * rand_r(&world.random) / RAND_MAX - 1);
}

/* 10 ms of the datastore. */
static void serve(void)
{
    double all = 0;

    for (struct gateway *g = world.gateway; g < world.gateway + GATEWAYS; g++) {
        g->in_flight = !g->alive ? 0 : g->demand < window_of(g) ? g->demand : window_of(g);
        all += g->in_flight;
    }
    double latency = world.service * (all > SERVERS ? all / SERVERS : 1);
    for (struct gateway *g = world.gateway; g < world.gateway + GATEWAYS; g++) {
        double here = latency * noise(0.03), ios = g->in_flight * 10 * MS / here;
        struct window_sample s = {
            .span = (uint64_t)(10 * MS),
            .ios = (uint64_t)(ios + 0.5),
            .units = (uint64_t)(ios + 0.5),
            .load = (uint64_t)(ios + 0.5) * BLOCK_UNIT,
            .latency = (uint64_t)(ios * here),
            .in_flight = (uint64_t)(g->in_flight * BLOCK_UNIT),
            .waited = g->demand > window_of(g),
        };
        world.done += ios;
        g->waited += s.waited;
        g->busy += g->in_flight > 0;
        g->sum.ios += s.ios;
        g->sum.units += s.units;
        g->sum.load += s.load;
        g->sum.latency += s.latency;
        g->sum.in_flight += s.in_flight;
        if (s.ios && !g->split.gateways)
            window_feed(&g->window, &s);
    }
}

/* At the end of a second of its own: what it does in sharing.c. */
static void report(unsigned i)
{
    struct gateway *g = &world.gateway[i];
    static struct peer_list peers;
    struct gateway_report mine = {
        .shares = 1000,
        .window = (uint64_t)(window_of(g) * BLOCK_UNIT),
        .in_flight = g->busy > 0 ? (uint64_t)((double)g->sum.in_flight / g->busy) : 0,
        .total = g->split.total,
        .threshold = g->window.threshold,
        .period = SECOND,
        .ios = g->sum.ios,
        .latency_sum = g->sum.latency,
        .units = g->sum.units,
        .load = g->sum.load,
        .held = g->sum.in_flight / 100,
        .backlogged = g->waited > 50,
        .learns = true,
    };

    g->published = mine;
    g->sum = (struct window_sample){ 0 };
    g->waited = g->busy = 0;
    peers.count = 0;
    for (unsigned k = 0; k < GATEWAYS; k++) {
        if (k == i || !world.gateway[k].alive)
            continue;
        peers.peer[peers.count].block.slot = k + 1;
        peers.peer[peers.count++].block.report = world.gateway[k].published;
    }
    if (peers.count) {
        uint64_t total = joint_window(&g->window, &g->published, i + 1, &peers);
        split_window(&g->published, &peers, total, &g->split);
    } else {
        g->split = (struct split){ 0 };
    }
}

/* Each gateway's second ends at another moment. */
static void seconds(unsigned n)
{
    for (unsigned tick = 0; tick < 100 * n; tick++) {
        serve();
        for (unsigned i = 0; i < GATEWAYS; i++)
            if (world.gateway[i].alive && tick % 100 == 7 + 23 * i)
                report(i);
    }
}

static void start(double demand)
{
    unsigned seed =
        getenv("WEIR_SEED") ? (unsigned)atoi(getenv("WEIR_SEED")) : (unsigned)time(NULL);

    print_message("WEIR_SEED=%u\n", seed);
    memset(&world, 0, sizeof world);
    world.random = seed;
    world.service = 4 * MS;
    for (struct gateway *g = world.gateway; g < world.gateway + GATEWAYS; g++) {
        window_init(&g->window);
        g->published.period = SECOND;
        g->published.window = BLOCK_UNIT;
        g->alive = true;
    }
    seconds(3); /* they know each other before there is any load */
    for (struct gateway *g = world.gateway; g < world.gateway + GATEWAYS; g++)
        g->demand = demand;
}

static double all_windows(void)
{
    double sum = 0;

    for (struct gateway *g = world.gateway; g < world.gateway + GATEWAYS; g++)
        sum += g->alive ? window_of(g) : 0;
    return sum;
}

static void assert_between(const char *what, double x, double least, double most)
{
    if (x < least || x > most)
        fail_msg("%s: %.3f is not between %.3f and %.3f", what, x, least, most);
}

/* The knee is at 28.8, so it is held at 32.6; a try is up to twice that, and so is what was
 * found from above at first. */
static void assert_found(const char *when)
{
    double sum = 0;

    for (int i = 0; i < 20; i++) {
        seconds(1);
        sum += all_windows() / 20;
    }
    assert_between(when, sum, 29, 70);
    for (struct gateway *g = world.gateway; g < world.gateway + GATEWAYS; g++)
        if (g->alive)
            assert_between("the part of one", window_of(g) / all_windows(), 0.9 / GATEWAYS,
                           1.4 / (GATEWAYS - 1));
}

static void four_that_begin_together_find_the_knee(void **state)
{
    (void)state;
    start(64);
    seconds(100);
    assert_found("all windows");
    world.done = 0;
    seconds(300);
    assert_between("throughput", world.done / 300, 0.98 * 8000, 8080);
}

static void when_the_first_leaves_the_next_one_leads(void **state)
{
    (void)state;
    start(64);
    seconds(100);
    world.gateway[0].alive = false;
    seconds(5);
    assert_found("all windows after it left");
    world.done = 0;
    seconds(100);
    assert_between("throughput", world.done / 100, 0.96 * 8000, 8080);
}

/* One has learnt while it was alone; the others come and go by what it knows. */
static void who_comes_later_learns_from_who_knows(void **state)
{
    (void)state;
    start(0);
    world.gateway[2].demand = 64;
    seconds(60);
    for (int i = 0; i < GATEWAYS; i++)
        world.gateway[i].demand = 64;
    seconds(8);
    assert_between("all windows", all_windows(), 29, 66);
    seconds(30);
    assert_found("all windows later");
}

/* The datastore becomes half as fast: in flight is what it was, and it is not asked to idle. */
static void a_slower_datastore_keeps_its_window(void **state)
{
    (void)state;
    start(64);
    seconds(150);
    world.service *= 2;
    seconds(60);
    assert_found("all windows at half the speed");
    world.done = 0;
    seconds(100);
    assert_between("throughput", world.done / 100, 0.96 * 4000, 4040);
}

static void nobody_waits_who_asks_for_little(void **state)
{
    (void)state;
    start(4);
    seconds(60); /* it has been tried whether less is enough */
    for (int i = 0; i < 60; i++) {
        seconds(1);
        for (struct gateway *g = world.gateway; g < world.gateway + GATEWAYS; g++)
            assert_true(window_of(g) > 4 && !g->published.backlogged);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_that_begin_together_find_the_knee),
        cmocka_unit_test(when_the_first_leaves_the_next_one_leads),
        cmocka_unit_test(who_comes_later_learns_from_who_knows),
        cmocka_unit_test(a_slower_datastore_keeps_its_window),
        cmocka_unit_test(nobody_waits_who_asks_for_little),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
