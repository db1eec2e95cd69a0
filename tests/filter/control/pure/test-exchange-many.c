/* test-exchange-many.c - do real processes that share a file find each other, and notice a death?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Every gateway is a process of its own that runs rounds as fast as it is told, and says
 * in shared memory what it saw.  The parent waits for conditions, never for times. */
#include "exchange.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { FOUR = 4, MANY = 200, PATIENCE = 60000 /* of a ms or more */ };

/* What the gateways say; each writes its own place. */
static struct shared {
    atomic_bool go, stop, no_locks, slower;
    atomic_uint period_us;
    struct {
        atomic_uint rounds, count, stale, garbage, slot;
        atomic_int error;
    } gateway[MANY];
} * shared;

static char folder[64], path[80];
static pid_t child[MANY];

int fcntl(int fd, int command, ...)
{
    va_list args;
    va_start(args, command);
    long argument = va_arg(args, long);
    va_end(args);

    errno = EINVAL;
    if (command == F_OFD_SETLK && atomic_load(&shared->no_locks))
        return -1;
    return (int)syscall(SYS_fcntl, fd, command, argument);
}

static int start(void **state)
{
    (void)state;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return -1;
    shared->period_us = 20000;
    memset(child, 0, sizeof child);
    strcpy(folder, "/tmp/weir-exchange-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/weir.stats", folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (int i = 0; i < MANY; i++)
        if (child[i]) {
            kill(child[i], SIGKILL);
            waitpid(child[i], NULL, 0);
        }
    munmap(shared, sizeof *shared);
    unlink(path);
    return rmdir(folder);
}

/* ---- a gateway --------------------------------------------------------------- */

static void be_gateway(unsigned me)
{
    static struct peer_list list;
    struct gateway_report mine = { .shares = me, .window = 256, .period = 20000000 };
    struct exchange *x;
    char name[24];
    unsigned n = 1;

    snprintf(name, sizeof name, "gateway %u", me);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (exchange_open(path, name, &x, NULL, 0))
        _exit(1);
    while (!atomic_load(&shared->go))
        usleep(1000);
    while (!atomic_load(&shared->stop)) {
        shared->gateway[me].error = exchange_round(x, &mine, &list, NULL, 0);
        shared->gateway[me].stale = list.stale;
        shared->gateway[me].slot = exchange_slot(x);
        shared->gateway[me].count = list.count;
        shared->gateway[me].garbage = list.garbage;
        shared->gateway[me].rounds++;
        usleep(atomic_load(&shared->period_us) * (atomic_load(&shared->slower) ? n : 1));
        n++;
    }
    exchange_close(x);
    _exit(0);
}

static void spawn(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        child[i] = fork();
        assert_true(child[i] >= 0);
        if (!child[i])
            be_gateway(i);
    }
    atomic_store(&shared->go, true);
}

static bool all_see(unsigned first, unsigned end_, unsigned count)
{
    for (unsigned i = first; i < end_; i++)
        if (shared->gateway[i].count != count || shared->gateway[i].error)
            return false;
    return true;
}

#define wait_for(condition)                                                                        \
    do {                                                                                           \
        int left = PATIENCE;                                                                       \
        while (!(condition) && --left)                                                             \
            usleep(1000);                                                                          \
        if (!left)                                                                                 \
            fail_msg("this never came: %s", #condition);                                           \
    } while (0)

static void let_all_end(unsigned count)
{
    atomic_store(&shared->stop, true);
    for (unsigned i = 0; i < count; i++) {
        int status;
        if (!child[i])
            continue;
        assert_int_equal(waitpid(child[i], &status, 0), child[i]);
        child[i] = 0;
        assert_int_equal(status, 0);
    }
}

/* ---- four -------------------------------------------------------------------- */

static void each_of_four_sees_three_and_a_death(void **state)
{
    (void)state;
    spawn(FOUR);
    wait_for(all_see(0, FOUR, FOUR - 1));
    kill(child[0], SIGKILL);
    waitpid(child[0], NULL, 0);
    child[0] = 0;
    wait_for(all_see(1, FOUR, FOUR - 2));
    for (unsigned i = 1; i < FOUR; i++)
        wait_for(shared->gateway[i].stale == 1); /* its block is there still */
    /* a new one in its place is seen by all */
    child[0] = fork();
    if (!child[0])
        be_gateway(0);
    wait_for(all_see(0, FOUR, FOUR - 1));
    let_all_end(FOUR);
}

static void save(const void *data, off_t at, size_t size)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, size, at), size);
    close(fd);
}

/* In a slot that is nobody's, so that nobody repairs it. */
static void damaged_blocks_are_skipped(void **state)
{
    struct gateway_block b = { .id = "half", .name = "half", .slot = FOUR + 2, .seq = 1 };
    uint8_t raw[BLOCK_SIZE];

    (void)state;
    spawn(FOUR);
    wait_for(all_see(0, FOUR, FOUR - 1));
    memset(raw, 0xa5, sizeof raw);
    save(raw, (FOUR + 1) * BLOCK_SIZE, sizeof raw);
    b.report = (struct gateway_report){ .shares = 1, .window = 256, .period = 20000000 };
    block_put(raw, &b);
    save(raw, (FOUR + 2) * BLOCK_SIZE, BLOCK_SIZE / 2);
    for (unsigned i = 0; i < FOUR; i++)
        wait_for(shared->gateway[i].garbage == 2);
    /* and in one that is somebody's: it is there again with its next round */
    save(raw, BLOCK_SIZE, BLOCK_SIZE / 2);
    for (unsigned i = 0; i < FOUR; i++) {
        unsigned rounds = shared->gateway[i].rounds;
        wait_for(shared->gateway[i].rounds > rounds + 3);
    }
    wait_for(all_see(0, FOUR, FOUR - 1));
    let_all_end(FOUR);
}

/* ---- two hundred ------------------------------------------------------------- */

static bool slots_are_distinct(void)
{
    bool taken[BLOCK_SLOTS + 1] = { false };

    for (unsigned i = 0; i < MANY; i++) {
        unsigned slot = shared->gateway[i].slot;
        if (!slot || shared->gateway[i].error || taken[slot])
            return false;
        taken[slot] = true;
    }
    return true;
}

static unsigned whole_blocks(void)
{
    static uint8_t bytes[(BLOCK_SLOTS + 1) * BLOCK_SIZE];
    struct gateway_block b;
    FILE *f = fopen(path, "r");
    unsigned whole = 0;

    assert_non_null(f);
    size_t blocks = fread(bytes, 1, sizeof bytes, f) / BLOCK_SIZE;
    fclose(f);
    for (uint32_t i = 1; i < blocks; i++)
        whole += !block_get(bytes + i * (size_t)BLOCK_SIZE, i, &b);
    return whole;
}

static void claim_at_once(bool no_locks)
{
    atomic_store(&shared->no_locks, no_locks);
    atomic_store(&shared->period_us, 200000);
    atomic_store(&shared->slower, true); /* with each round: two hundred, on few processors */
    spawn(MANY);
    wait_for(slots_are_distinct());
    if (!no_locks)
        for (unsigned i = 0; i < MANY; i++)
            assert_true(shared->gateway[i].slot <= MANY);
    wait_for(whole_blocks() == MANY); /* not at once: one may just be written */
    let_all_end(MANY);
}

static void two_hundred_claim_slots_at_once(void **state)
{
    (void)state;
    claim_at_once(false);
}

static void two_hundred_claim_slots_without_locks(void **state)
{
    (void)state;
    claim_at_once(true);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, start, end)
    const struct CMUnitTest tests[] = {
        CASE(each_of_four_sees_three_and_a_death),
        CASE(damaged_blocks_are_skipped),
        CASE(two_hundred_claim_slots_at_once),
        CASE(two_hundred_claim_slots_without_locks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
