/* test-split-sums.c - is the arithmetic of the parts right, in single cases and at its ends?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "split.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_near(double is, double wanted, double part)
{
    if (is < wanted * (1 - part) || is > wanted * (1 + part))
        fail_msg("%.3f is not within %.1f %% of %.3f", is, part * 100, wanted);
}

/* Four equal ones, each with a quarter of a window of 100, seen by the first. */
static struct split split_four(double latency, unsigned backlogged, double used_by_others)
{
    static struct peer_list list;
    struct gateway_report all[4];
    struct split s = { 0 };

    for (unsigned i = 0; i < 4; i++) {
        double used = i < backlogged ? 25 : used_by_others;
        all[i] = (struct gateway_report){ .shares = 1000,
                                          .window = 25 * BLOCK_UNIT,
                                          .total = 100 * BLOCK_UNIT,
                                          .in_flight = (uint64_t)(used * BLOCK_UNIT),
                                          .held = (uint64_t)(used * BLOCK_UNIT),
                                          .threshold = 5000000,
                                          .ios = 1000,
                                          .latency_sum = (uint64_t)(latency * 1e12),
                                          .backlogged = i < backlogged };
    }
    list.count = 3;
    for (unsigned i = 0; i < 3; i++)
        list.peer[i].block.report = all[i + 1];
    s.total = 100 * BLOCK_UNIT;
    split_window(&all[0], &list, 0, &s);
    return s;
}

/* Half of 100, and half of 100 * 5 ms / latency */
static void the_window_goes_half_of_the_way(void **state)
{
    (void)state;
    assert_near((double)split_four(0.00625, 4, 0).total / BLOCK_UNIT, 90, 0.001);
    assert_near((double)split_four(0.004, 4, 0).total / BLOCK_UNIT, 112.5, 0.001);
    /* and of no more than half or twice */
    assert_near((double)split_four(5, 4, 0).total / BLOCK_UNIT, 75, 0.001);
    assert_near((double)split_four(0.00001, 4, 0).total / BLOCK_UNIT, 150, 0.001);
}

static void while_nobody_waits_each_is_on_its_own(void **state)
{
    (void)state;
    assert_int_equal(split_four(0.05, 0, 20).window, 0);
    assert_int_equal(split_four(0.05, 0, 20).total, 0);
    assert_int_not_equal(split_four(0.05, 1, 20).window, 0);
}

/* One window is wide open: it never bounded anything. */
static void windows_begin_as_far_as_they_are_used(void **state)
{
    static struct peer_list list = { .count = 1 };
    struct gateway_report r = {
        .shares = 1, .window = 20 * BLOCK_UNIT, .in_flight = 20 * BLOCK_UNIT, .backlogged = true
    };
    struct split s = { 0 };

    (void)state;
    list.peer[0].block.report = r;
    list.peer[0].block.report.window = 4096 * BLOCK_UNIT;
    list.peer[0].block.report.in_flight = 4 * BLOCK_UNIT;
    list.peer[0].block.report.backlogged = false;
    split_window(&r, &list, 0, &s);
    assert_int_equal(s.total, 24 * BLOCK_UNIT);
}

static void a_threshold_that_nothing_can_keep_leaves_four_units_each(void **state)
{
    struct split s = { 0 };
    static struct peer_list list = { .count = 1 };
    struct gateway_report r = { .shares = 1,
                                .window = BLOCK_UNIT,
                                .total = 2 * BLOCK_UNIT,
                                .threshold = 1000000,
                                .held = 2 * BLOCK_UNIT,
                                .ios = 10,
                                .latency_sum = 10000000000,
                                .backlogged = true };

    (void)state;
    list.peer[0].block.report = r;
    split_window(&r, &list, 0, &s);
    assert_int_equal(s.total, 8 * BLOCK_UNIT);
}

/* The latency is low because one used nothing, not because there is room: its 25 go to the
 * others now and make the latency what it should be. */
static void what_lay_idle_is_no_room(void **state)
{
    (void)state;
    assert_near((double)split_four(0.005 * 0.75, 3, 0).total / BLOCK_UNIT, 100, 0.01);
}

static void everybody_has_one_unit_at_least(void **state)
{
    static struct peer_list list;
    struct gateway_report r = { .shares = 1, .window = 1, .total = 1, .backlogged = true };
    struct split s = { 0 };

    (void)state;
    for (list.count = 0; list.count < 7; list.count++) {
        list.peer[list.count].block.report = r;
        list.peer[list.count].block.report.shares = 1000000;
    }
    split_window(&r, &list, 0, &s);
    assert_int_equal(s.window, BLOCK_UNIT);
    assert_int_equal(s.total, 32 * BLOCK_UNIT);
}

/* Everybody's view of the same reports, in everybody's order: the totals are one number
 * and the parts add up to it, where those who are content count with what they use. */
static void all_who_see_the_same_come_to_parts_that_fit(void **state)
{
    enum { N = 13 };
    static struct peer_list list;
    unsigned seed = 1;

    (void)state;
    for (int turn = 0; turn < 300; turn++) {
        struct gateway_report all[N];
        uint64_t total = 0, sum = 0, before = 40000 + (uint64_t)rand_r(&seed) % 50000;
        for (unsigned i = 0; i < N; i++) {
            all[i] = (struct gateway_report){
                .shares = (uint64_t)(rand_r(&seed) % 5000),
                .window = 256 + (uint64_t)rand_r(&seed) % 10000,
                .in_flight = (uint64_t)rand_r(&seed) % 5000,
                .total = turn % 3 ? before : 0,
                .threshold = 5000000,
                .ios = 1 + (uint64_t)rand_r(&seed) % 1000,
                .latency_sum = (uint64_t)rand_r(&seed),
                .backlogged = rand_r(&seed) % 2,
            };
            all[i].held = all[i].in_flight / (1 + (unsigned)rand_r(&seed) % 3);
        }
        for (unsigned self = 0; self < N; self++) {
            struct split s = { 0 };
            list.count = 0;
            for (unsigned i = 1; i < N; i++)
                list.peer[list.count++].block.report = all[(self + i) % N];
            split_window(&all[self], &list, 0, &s);
            if (self == 0)
                total = s.total;
            assert_int_equal(s.total, total);
            assert_true(s.window >= BLOCK_UNIT);
            const struct gateway_report *r = &all[self];
            uint64_t need = r->in_flight + r->in_flight / 4 + BLOCK_UNIT;
            sum += !r->backlogged && s.window == need ? r->held : s.window;
        }
        /* rounded down, but nobody gets less than one unit */
        assert_true(sum >= total - N && sum <= total + N * BLOCK_UNIT);
    }
}

/* The extremes of what a block can say neither overflow nor divide by zero. */
static void extremes_are_survived(void **state)
{
    static struct peer_list list;
    struct gateway_report wild = { .backlogged = true };
    uint8_t raw[BLOCK_SIZE];
    struct gateway_block b;

    (void)state;
    for (int turn = 0; turn < 8; turn++) {
        memset(&wild, turn & 1 ? 0xff : 0, sizeof wild);
        wild.backlogged = turn & 2;
        wild.learns = turn & 1;
        if (turn & 4)
            wild.ios = 1;
        b = (struct gateway_block){ .slot = 1, .report = wild };
        block_put(raw, &b);
        assert_int_equal(block_get(raw, 1, &b), 0);
        for (list.count = 0; list.count < BLOCK_SLOTS; list.count++)
            list.peer[list.count].block = b;
        struct split s = { 0 };
        split_window(&b.report, &list, 0, &s);
        assert_int_equal(s.window >= BLOCK_UNIT, wild.backlogged);
        assert_true(s.window <= UINT64_C(1) << 40);
        assert_true(s.total <= UINT64_C(1) << 40);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_window_goes_half_of_the_way),
        cmocka_unit_test(while_nobody_waits_each_is_on_its_own),
        cmocka_unit_test(windows_begin_as_far_as_they_are_used),
        cmocka_unit_test(a_threshold_that_nothing_can_keep_leaves_four_units_each),
        cmocka_unit_test(what_lay_idle_is_no_room),
        cmocka_unit_test(everybody_has_one_unit_at_least),
        cmocka_unit_test(all_who_see_the_same_come_to_parts_that_fit),
        cmocka_unit_test(extremes_are_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
