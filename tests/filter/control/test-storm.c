/* test-storm.c - does I/O control keep count when everything changes at once?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Many clients, six disks on two datastores, every option changed at random, chains
 * changed and drained.  At the end every request has been answered with success, has
 * reached its device once, and nothing is left in the scheduler. */
#include "rig.h"

enum { CLIENTS = 72, DISKS = 6, EACH = CROWD / 100 };

static uint64_t seed;
static atomic_int running;
static _Atomic unsigned asked[WEIR_OP_COUNT], failed;

static void *ask_at_random(void *argument)
{
    uint64_t random = seed + (uintptr_t)argument;

    for (unsigned i = 0; i < EACH; i++) {
        uint64_t r = next_random(&random);
        struct ask a = { .disk = (unsigned)(r % DISKS),
                         .op = (enum weir_op)((r >> 8) % WEIR_OP_COUNT),
                         .length = 512 << ((r >> 16) % 12),
                         .offset = (r >> 24) % 1024 * 512 };
        if ((r >> 40) % 8 < 3) /* most are small, as in life */
            a.op = (r >> 44) % 2 ? WEIR_READ : WEIR_WRITE;
        if (a.op == WEIR_WRITE && (r >> 48) % 2)
            a.flags = WEIR_FUA;
        atomic_fetch_add(&asked[a.op], 1);
        if (rig_ask(&a) != 0)
            atomic_fetch_add(&failed, 1);
    }
    atomic_fetch_sub(&running, 1);
    return NULL;
}

static const struct {
    const char *option, *values[6];
} changes[] = {
    { "shares", { "low", "normal", "high", "1", "100000", "77" } },
    { "iops", { "max", "100", "1000", "50", "10M", "max" } },
    { "iops_max", { "none", "20000", "none", "5000", "none", "200" } },
    { "iops_max_length", { "1s", "100ms", "1s", "200ms", "10s", "1s" } },
    { "bytes_per_sec", { "max", "1M", "100M", "max", "1T", "64k" } },
    { "reservation", { "none", "10", "40", "none", "1", "5" } },
    { "mode", { "control", "observe", "control", "control", "observe", "control" } },
    { "size_iops", { "32K", "512", "4K", "64M", "32K", "1M" } },
    { "max_delay", { "1ms", "5ms", "20ms", "3ms", "10ms", "1ms" } },
};

/* Some of it contradicts itself, and is refused. */
static void change_an_option(unsigned disk, uint64_t r)
{
    size_t which = r % (sizeof changes / sizeof *changes);

    export_set_option(rig_export(disk), "control", changes[which].option,
                      changes[which].values[(r >> 8) % 6], NULL);
}

static struct rig_disk disk_of(unsigned disk)
{
    return (struct rig_disk){
        .device = disk % RIG_DEVICES,
        .options = disk % 2 ? "max_delay=10ms" : "max_delay=10ms shares=high iops=2000",
        /* of two disks the hold limit is the shorter one, and the core's abort() works */
        .hold_limit = disk >= 4 ? 4000000 : 0,
    };
}

static void change_something(uint64_t r)
{
    unsigned disk = (unsigned)(r % DISKS);
    struct rig_disk to = disk_of(disk);

    switch ((r >> 8) % 16) {
    case 0:
        assert_int_equal(export_event(rig_export(disk), WEIR_EVENT_SNAPSHOT, "s", 0, NULL), 0);
        break;
    case 1:
        assert_int_equal(rig_apply(disk, &to, (r >> 16) % 2), 0);
        break;
    case 2:
        to.options = NULL;
        assert_int_equal(rig_apply(disk, &to, false), 0);
        break;
    case 3:
        atomic_store(&devices[disk % RIG_DEVICES].pause_us, (unsigned)((r >> 16) % 2000));
        break;
    default:
        change_an_option(disk, r >> 16);
    }
}

static void check_the_end(void)
{
    assert_int_equal(atomic_load(&failed), 0);
    for (unsigned disk = 0; disk < DISKS; disk++) {
        struct rig_disk to = disk_of(disk);
        assert_int_equal(rig_apply(disk, &to, false), 0);
        rig_assert_rest(disk);
    }
    for (int op = 0; op < WEIR_OP_COUNT; op++)
        if (op != WEIR_FLUSH) /* snapshots flush as well */
            assert_int_equal(device_saw(0, op) + device_saw(1, op), asked[op]);
    rig_assert_no_misuse();
}

static void test_a_storm_leaves_nothing_behind(void **state)
{
    pthread_t clients[CLIENTS];

    (void)state;
    seed = seed_of_test();
    for (unsigned disk = 0; disk < DISKS; disk++) {
        struct rig_disk as = disk_of(disk);
        rig_open(disk, &as);
    }
    for (unsigned i = 0; i < RIG_DEVICES; i++)
        atomic_store(&devices[i].pause_us, 1000);
    atomic_store(&running, CLIENTS);
    for (uintptr_t i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&clients[i], NULL, ask_at_random, (void *)(i << 32)), 0);
    for (uint64_t random = seed; atomic_load(&running);) {
        change_something(next_random(&random));
        usleep(500);
    }
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(clients[i], NULL);
    check_the_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = { RIG_TEST(test_a_storm_leaves_nothing_behind) };
    return cmocka_run_group_tests_name("control-storm", tests, NULL, NULL);
}
