/* test-entitle.c - is what statistics call a disk's due what it is due?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "entitle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MANY = 1000 };

static void assert_close(double x, double expected)
{
    double error = x > expected ? x - expected : expected - x;

    if (error > 1e-9 * (1 + expected)) {
        print_error("%.12g is not %.12g\n", x, expected);
        fail();
    }
}

static void test_vmware_all_busy(void **state)
{
    struct entitlement e[] = {
        { .shares = 1000, .demand = UINT64_MAX },
        { .shares = 2500, .demand = UINT64_MAX },
        { .shares = 500, .demand = UINT64_MAX },
        { .shares = 1000, .demand = UINT64_MAX, .limit = 2000 },
    };
    static const double expected[] = { 1600, 4000, 800, 1600 };

    (void)state;
    entitle(e, 4, 8000);
    for (int i = 0; i < 4; i++)
        assert_close(e[i].entitled, expected[i]);
}

static void test_what_one_leaves_goes_to_the_others_in_proportion(void **state)
{
    struct entitlement e[] = {
        { .shares = 1000, .demand = UINT64_MAX },
        { .shares = 2500, .demand = UINT64_MAX },
        { .shares = 500, .demand = 10 },
        { .shares = 1000, .demand = UINT64_MAX, .limit = 2000 },
    };

    (void)state;
    entitle(e, 4, 8000);
    assert_close(e[0].entitled, 7990 / 4.5);
    assert_close(e[1].entitled, 7990 * 2.5 / 4.5);
    assert_close(e[2].entitled, 10);
    assert_close(e[3].entitled, 7990 / 4.5);
    e[3].limit = 1500; /* now it counts */
    entitle(e, 4, 8000);
    assert_close(e[0].entitled, 6490 / 3.5);
    assert_close(e[1].entitled, 6490 * 2.5 / 3.5);
    assert_close(e[3].entitled, 1500);
}

static void test_a_reservation_is_a_floor(void **state)
{
    struct entitlement e[] = {
        { .shares = 1, .reservation = 3000, .demand = UINT64_MAX },
        { .shares = 1, .reservation = 4000, .demand = 100 }, /* it does not ask for it */
        { .shares = 99, .demand = UINT64_MAX },
    };

    (void)state;
    entitle(e, 3, 8000);
    assert_close(e[0].entitled, 3000);
    assert_close(e[1].entitled, 100);
    assert_close(e[2].entitled, 4900);
}

static void test_too_many_reservations_leave_a_tenth(void **state)
{
    struct entitlement e[] = {
        { .shares = 1, .reservation = 8000, .demand = UINT64_MAX },
        { .shares = 1, .reservation = 4000, .demand = UINT64_MAX },
        { .shares = 1000000, .demand = UINT64_MAX },
    };

    (void)state;
    entitle(e, 3, 8000);
    assert_close(e[0].entitled, 4800);
    assert_close(e[1].entitled, 2400);
    assert_close(e[2].entitled, 800);
}

static void test_nobody_gets_more_than_it_asks_for(void **state)
{
    struct entitlement e[] = {
        { .shares = 1000, .demand = 100 },
        { .shares = 1, .demand = 7000 },
        { .shares = 0, .demand = UINT64_MAX },
    };

    (void)state;
    entitle(e, 3, 8000);
    assert_close(e[0].entitled, 100);
    assert_close(e[1].entitled, 7000);
    assert_close(e[2].entitled, 0);
    entitle(e, 3, 0);
    assert_close(e[0].entitled + e[1].entitled + e[2].entitled, 0);
    entitle(NULL, 0, 8000);
}

/* Of any disks: all is given away, and who is between floor and ceiling gets as much per
 * share as the others there; who gets more per share is at its floor, who gets less is at
 * its ceiling. */
static void check(const struct entitlement *e, size_t n, double capacity, double kept)
{
    double sum = 0, level = -1;

    for (size_t i = 0; i < n; i++) {
        double most = (double)(e[i].limit && e[i].limit < e[i].demand ? e[i].limit : e[i].demand);
        double least = (double)e[i].reservation * kept;
        least = least < most ? least : most;
        assert_true(e[i].entitled >= least && e[i].entitled <= most);
        if (e[i].entitled > least && e[i].entitled < most) {
            double mine = e[i].entitled / (double)e[i].shares;
            if (level >= 0)
                assert_close(mine / level, 1);
            level = mine;
        }
        sum += e[i].entitled;
    }
    assert_close(sum / capacity, 1);
    for (size_t i = 0; i < n && level >= 0; i++) {
        double mine = e[i].entitled / (double)e[i].shares;
        double least = (double)e[i].reservation * kept;
        assert_true(mine <= level * (1 + 1e-9) || e[i].entitled <= least * (1 + 1e-9));
    }
}

static void test_a_thousand_disks(void **state)
{
    struct entitlement e[MANY];

    (void)state;
    unsigned seed = 20;
    print_message("seed %u\n", seed);
    srandom(seed);
    for (int round = 0; round < 100; round++) {
        uint64_t reserved = 0;
        for (int i = 0; i < MANY; i++) {
            e[i] = (struct entitlement){ .shares = 1 + (uint64_t)random() % 4000,
                                         .demand = UINT64_MAX };
            if (random() % 2)
                e[i].demand = 1 + (uint64_t)random() % 2000;
            if (random() % 4 == 0)
                e[i].limit = 1 + (uint64_t)random() % 1000;
            if (random() % 8 == 0)
                e[i].reservation = 1 + (uint64_t)random() % 500;
            if (e[i].reservation > e[i].demand)
                e[i].reservation = e[i].demand;
            if (e[i].limit && e[i].reservation > e[i].limit)
                e[i].reservation = e[i].limit;
            reserved += e[i].reservation;
        }
        uint64_t capacity = 10000 + (uint64_t)random() % 100000;
        double able = 0.9 * (double)capacity;
        entitle(e, MANY, capacity);
        check(e, MANY, (double)capacity, (double)reserved > able ? able / (double)reserved : 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vmware_all_busy),
        cmocka_unit_test(test_what_one_leaves_goes_to_the_others_in_proportion),
        cmocka_unit_test(test_a_reservation_is_a_floor),
        cmocka_unit_test(test_too_many_reservations_leave_a_tenth),
        cmocka_unit_test(test_nobody_gets_more_than_it_asks_for),
        cmocka_unit_test(test_a_thousand_disks),
    };
    return cmocka_run_group_tests_name("entitle", tests, NULL, NULL);
}
