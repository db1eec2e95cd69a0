/* test-accounts.c - are the figures of the last second those of a second?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "accounts.h"
#include "control.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* ---- who got what ------------------------------------------------------------ */

#define S 1000000000ull

enum { DISKS = 3 };

static struct done done[DISKS];
static struct control disk[DISKS];
static struct datastore store;

static int start(void **state)
{
    (void)state;
    memset(done, 0, sizeof done);
    memset(disk, 0, sizeof disk);
    store = (struct datastore){ .cpus = 1, .disks = &disk[0], .lock = PTHREAD_MUTEX_INITIALIZER };
    pthread_mutex_lock(&store.lock);
    store.scheduler.disks = DISKS;
    for (int i = 0; i < DISKS; i++) {
        disk[i].disk.shares = 1000;
        disk[i].done = &done[i];
        disk[i].next = i + 1 < DISKS ? &disk[i + 1] : NULL;
    }
    return 0;
}

/* The thread is late on a busy machine. */
static void test_granted_is_per_second(void **state)
{
    struct account a;

    (void)state;
    weir_add(&done[0].units, 3000);
    accounts_settle(&store, 10000, 3 * S / 2, &a);
    assert_int_equal(atomic_load(&disk[0].granted), 2000);
    weir_add(&done[0].units, 100);
    accounts_settle(&store, 10000, S, &a);
    assert_int_equal(atomic_load(&disk[0].granted), 100);
    accounts_settle(&store, 10000, 3600 * S, &a);
    assert_int_equal(atomic_load(&disk[0].granted), 0);
}

static void test_a_late_second_is_no_missed_reservation(void **state)
{
    struct account a;

    (void)state;
    disk[0].disk.reservation = 1000;
    disk[0].disk.queued = 1;
    accounts_settle(&store, 10000, S, &a);
    weir_add(&done[0].units, 500);
    accounts_settle(&store, 10000, S / 2, &a);
    assert_int_equal(atomic_load(&disk[0].misses), 0);
    weir_add(&done[0].units, 1000);
    accounts_settle(&store, 10000, 2 * S, &a);
    assert_int_equal(atomic_load(&disk[0].misses), 1);
}

/* Nobody is entitled to less than it got where nothing is known of what can be done. */
static void test_before_the_capacity_is_known(void **state)
{
    struct account a;

    (void)state;
    weir_add(&done[0].units, 5000);
    weir_add(&done[1].units, 100);
    accounts_settle(&store, 0, S, &a);
    assert_int_equal(atomic_load(&disk[0].entitled), 5000);
    assert_int_equal(atomic_load(&disk[1].entitled), 100);
    assert_int_equal(atomic_load(&disk[2].entitled), 0);
    assert_int_equal(a.shares, 2000);
    assert_int_equal(atomic_load(&disk[0].share), 50);
    assert_int_equal(atomic_load(&disk[2].share), 0);
}

/* ---- how long it took -------------------------------------------------------- */

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
        cmocka_unit_test_setup(test_granted_is_per_second, start),
        cmocka_unit_test_setup(test_a_late_second_is_no_missed_reservation, start),
        cmocka_unit_test_setup(test_before_the_capacity_is_known, start),
        cmocka_unit_test(test_p99_is_of_all_cpus_since_the_last_look),
    };
    return cmocka_run_group_tests_name("accounts", tests, NULL, NULL);
}
