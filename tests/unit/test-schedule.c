/* test-schedule.c - is a device of N servers done with each request to the very ns?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "emulate.h"
#include "schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { US = 1000, MS = 1000 * US, S = 1000 * MS };

static struct schedule *make(size_t servers, uint64_t service_time)
{
    struct schedule *s;

    assert_int_equal(schedule_create(servers, service_time, SERVICE_FIXED, 1, &s), 0);
    return s;
}

static void what_comes_at_once_is_served_by_all_servers_in_turn(void **state)
{
    static const size_t servers[] = { 1, 2, 3, 4, 7, 64, 1000 };

    (void)state;
    for (size_t k = 0; k < sizeof servers / sizeof *servers; k++) {
        struct schedule *s = make(servers[k], 4 * MS);
        for (uint64_t i = 0; i < 5000; i++)
            assert_int_equal(schedule_take(s, 17, 1), 17 + (i / servers[k] + 1) * 4 * MS);
        schedule_destroy(s);
    }
}

static void an_idle_device_begins_when_a_request_comes(void **state)
{
    struct schedule *s = make(2, 4 * MS);

    (void)state;
    assert_int_equal(schedule_take(s, 100 * MS, 1), 104 * MS);
    assert_int_equal(schedule_take(s, 101 * MS, 1), 105 * MS);
    assert_int_equal(schedule_take(s, 102 * MS, 1), 108 * MS); /* after the first */
    assert_int_equal(schedule_take(s, 102 * MS, 1), 109 * MS); /* after the second */
    assert_int_equal(schedule_take(s, 200 * MS, 1), 204 * MS); /* long idle again */
    schedule_destroy(s);
}

static void a_long_request_keeps_one_server(void **state)
{
    struct schedule *s = make(2, 1 * MS);

    (void)state;
    assert_int_equal(schedule_take(s, 0, 10), 10 * MS);
    for (uint64_t i = 1; i <= 10; i++)
        assert_int_equal(schedule_take(s, 0, 1), i * MS); /* the other server */
    schedule_destroy(s);
}

/* Clients that notice each answer late, and ask again then: while somebody waits, the
 * device works on, and in a second it has done servers / service_time, not one less. */
static void late_clients_do_not_slow_the_device_down(void **state)
{
    enum { CLIENTS = 12, SERVERS = 4 };
    uint64_t next[CLIENTS] = { 0 }, done = 0;
    unsigned seed = 7;
    struct schedule *s = make(SERVERS, 2 * MS);

    (void)state;
    for (;;) {
        size_t first = 0;
        for (size_t i = 1; i < CLIENTS; i++)
            if (next[i] < next[first])
                first = i;
        if (next[first] > (uint64_t)S)
            break;
        uint64_t finish = schedule_take(s, next[first], 1);
        done += finish <= (uint64_t)S;
        next[first] = finish + (uint64_t)rand_r(&seed) % (1500 * US);
    }
    assert_int_equal(done, (uint64_t)S * SERVERS / (2 * MS));
    schedule_destroy(s);
}

/* The obvious way to say the same. */
static uint64_t by_hand(uint64_t *free_at, size_t servers, uint64_t now, uint64_t service)
{
    size_t first = 0;

    for (size_t i = 1; i < servers; i++)
        if (free_at[i] < free_at[first])
            first = i;
    free_at[first] = (free_at[first] > now ? free_at[first] : now) + service;
    return free_at[first];
}

static void any_load_is_scheduled_as_by_hand(void **state)
{
    unsigned seed =
        getenv("WEIR_SEED") ? (unsigned)atoi(getenv("WEIR_SEED")) : (unsigned)time(NULL);
    uint64_t free_at[300];

    (void)state;
    print_message("seed %u\n", seed);
    for (int round = 0; round < 50; round++) {
        size_t servers = 1 + (size_t)rand_r(&seed) % 300;
        unsigned gap = 1 + (unsigned)rand_r(&seed) % 2000;
        struct schedule *s = make(servers, 1000);
        uint64_t now = 0;
        memset(free_at, 0, sizeof free_at);
        for (int i = 0; i < 2000; i++) {
            uint64_t services = 1 + (uint64_t)rand_r(&seed) % 9;
            now += (uint64_t)rand_r(&seed) % gap;
            assert_int_equal(schedule_take(s, now, services),
                             by_hand(free_at, servers, now, services * 1000));
        }
        schedule_destroy(s);
    }
}

static uint64_t sum_of_draws(uint64_t seed, uint64_t services, int count)
{
    struct schedule *s;
    uint64_t finish = 0;

    assert_int_equal(schedule_create(1, 4 * MS, SERVICE_EXPONENTIAL, seed, &s), 0);
    for (int i = 0; i < count; i++)
        finish = schedule_take(s, 0, services);
    schedule_destroy(s);
    return finish;
}

/* The seed is fixed, so the sums are: 1/sqrt(count) is what they may be off by. */
static void exponential_times_have_their_mean_and_repeat(void **state)
{
    enum { COUNT = 100000 };
    uint64_t sum = sum_of_draws(1, 1, COUNT), large = sum_of_draws(1, 10, COUNT);

    (void)state;
    assert_in_range(sum / COUNT, 396 * 10 * US, 404 * 10 * US);
    assert_in_range(large / COUNT, 396 * 100 * US, 404 * 100 * US);
    assert_true(sum == sum_of_draws(1, 1, COUNT));
    assert_true(sum != sum_of_draws(2, 1, COUNT));
    /* memoryless: half of them are shorter than ln 2 of the mean, 1/e longer than it */
    struct schedule *s;
    uint64_t now = 0, longer = 0, shorter = 0;
    assert_int_equal(schedule_create(1, 4 * MS, SERVICE_EXPONENTIAL, 3, &s), 0);
    for (int i = 0; i < COUNT; i++) {
        uint64_t finish = schedule_take(s, now, 1);
        longer += finish - now > 4 * MS;
        shorter += finish - now < 2772589;
        now = finish;
    }
    assert_in_range(longer, COUNT * 363 / 1000, COUNT * 373 / 1000);
    assert_in_range(shorter, COUNT * 495 / 1000, COUNT * 505 / 1000);
    schedule_destroy(s);
}

static void a_request_takes_services_by_its_length(void **state)
{
    static const struct {
        enum weir_op op;
        uint64_t length, services;
    } rows[] = {
        { WEIR_READ, 0, 1 },           { WEIR_READ, 1, 1 },          { WEIR_READ, 32768, 1 },
        { WEIR_READ, 32769, 2 },       { WEIR_WRITE, 65536, 2 },     { WEIR_WRITE, 33 << 20, 1056 },
        { WEIR_FLUSH, 0, 1 },          { WEIR_TRIM, 1 << 30, 1 },    { WEIR_ZERO, 1 << 30, 1 },
        { WEIR_PREFETCH, 1 << 20, 0 }, { WEIR_EXTENTS, 1 << 20, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct weir_request req = { .op = rows[i].op, .length = rows[i].length };
        assert_int_equal(emulate_services(&req), rows[i].services);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_at_once_is_served_by_all_servers_in_turn),
        cmocka_unit_test(an_idle_device_begins_when_a_request_comes),
        cmocka_unit_test(a_long_request_keeps_one_server),
        cmocka_unit_test(late_clients_do_not_slow_the_device_down),
        cmocka_unit_test(any_load_is_scheduled_as_by_hand),
        cmocka_unit_test(exponential_times_have_their_mean_and_repeat),
        cmocka_unit_test(a_request_takes_services_by_its_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
