/* test-accounts.c - what do gateways tell each other of how long I/O took?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "accounts.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct shard shards[2];
static struct datastore datastore = { .cpus = 2, .shard = shards };

static void record(unsigned cpu, uint64_t latency, unsigned times)
{
    weir_add(&shards[cpu].sampled[weir_bucket(latency)], times);
}

static void near(uint64_t is, uint64_t should)
{
    assert_in_range(is, should - should / 16, should);
}

static void test_p99_is_of_all_cpus_since_the_last_look(void **state)
{
    static struct sampled sampled;

    (void)state;
    assert_int_equal(accounts_p99(&datastore, &sampled), 0);
    record(0, 100000, 500);
    record(1, 100000, 480);
    record(1, 9000000, 20);
    near(accounts_p99(&datastore, &sampled), 9000000);
    record(0, 200000, 995);
    record(1, 9000000, 5);
    near(accounts_p99(&datastore, &sampled), 200000);
    assert_int_equal(accounts_p99(&datastore, &sampled), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_p99_is_of_all_cpus_since_the_last_look),
    };
    return cmocka_run_group_tests_name("accounts", tests, NULL, NULL);
}
