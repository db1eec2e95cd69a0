/* test-peers.c - does anybody ever wait for the thread that tells the other gateways?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * This program has its own pread(), which the thread finds before the C library's: it can
 * be made to hang, as one on a file server that has gone. */
#include "exchange.h"
#include "peers.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE = 60000 /* of a ms or more */ };
#define MS     UINT64_C(1000000)
#define SECOND (1000 * MS)

static atomic_bool hang;
static atomic_uint stuck;

ssize_t pread(int fd, void *data, size_t size, off_t at)
{
    if (atomic_load(&hang)) {
        atomic_fetch_add(&stuck, 1);
        while (atomic_load(&hang))
            usleep(1000);
        atomic_fetch_sub(&stuck, 1);
    }
    return syscall(SYS_pread64, fd, data, size, at);
}

static char folder[64], path[128];
static struct peers_view view;
static const struct gateway_report mine = { .shares = 1000, .window = 4096, .backlogged = true };

static int start(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/weir-peers-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/weir.stats", folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

#define wait_for(condition)                                                                        \
    do {                                                                                           \
        int left = PATIENCE;                                                                       \
        while (!(condition) && --left)                                                             \
            usleep(1000);                                                                          \
        if (!left)                                                                                 \
            fail_msg("this never came: %s", #condition);                                           \
    } while (0)

static struct peers *begin(const char *name, uint64_t period)
{
    struct peers *p = NULL;

    assert_int_equal(peers_start(path, name, period, &p), 0);
    return p;
}

static unsigned count_of(struct peers *p)
{
    return peers_view(p, &view) ? view.list.count : 0;
}

static bool all_slots_are_free(void)
{
    static uint8_t bytes[8 * BLOCK_SIZE];
    struct gateway_block b;
    FILE *f = fopen(path, "r");
    bool free = f != NULL;

    if (!f)
        return false;
    size_t blocks = fread(bytes, 1, sizeof bytes, f) / BLOCK_SIZE;
    fclose(f);
    for (unsigned i = 1; i < blocks; i++)
        free = free && block_get(bytes + i * (size_t)BLOCK_SIZE, i, &b) == -ENOENT;
    return free;
}

static void two_see_each_other_and_a_departure(void **state)
{
    (void)state;
    struct peers *a = begin("a", 20 * MS), *b = begin("b", 20 * MS);

    peers_report(a, &mine);
    peers_report(b, &mine);
    wait_for(count_of(a) == 1);
    wait_for(count_of(b) == 1);
    assert_string_equal(view.list.peer[0].block.name, "a");
    assert_true(view.list.peer[0].block.report.backlogged);
    assert_int_equal(view.list.peer[0].block.report.period, 20 * MS);
    assert_int_equal(view.error, 0);
    assert_true(view.slot > 0);
    peers_stop(b);
    wait_for(peers_view(a, &view) && !view.list.count && !view.list.stale);
    peers_stop(a);
    assert_true(all_slots_are_free());
}

static void nothing_is_said_before_the_first_report(void **state)
{
    (void)state;
    struct peers *a = begin("a", 1 * MS), *b = begin("b", 1 * MS);

    peers_report(b, &mine);
    wait_for(peers_rounds(b) > 10);
    assert_false(peers_view(a, &view));
    assert_int_equal(view.rounds, 0);
    assert_int_equal(view.age, UINT_MAX);
    assert_int_equal(count_of(b), 0);
    peers_stop(a);
    peers_stop(b);
}

static void the_latest_report_is_what_others_see(void **state)
{
    struct gateway_report newer = mine;

    (void)state;
    struct peers *a = begin("a", 10 * MS), *b = begin("b", 10 * MS);
    peers_report(a, &mine);
    peers_report(b, &mine);
    wait_for(count_of(b) == 1);
    newer.shares = 77;
    peers_report(a, &newer);
    wait_for(count_of(b) == 1 && view.list.peer[0].block.report.shares == 77);
    peers_stop(a);
    peers_stop(b);
}

static void a_period_changes_at_once(void **state)
{
    (void)state;
    struct peers *a = begin("a", 3600 * SECOND);

    peers_report(a, &mine);
    wait_for(peers_rounds(a) == 1);
    peers_set_period(a, 5 * MS);
    wait_for(peers_rounds(a) > 5);
    peers_set_period(a, 3600 * SECOND);
    peers_stop(a); /* and it need not wait for an hour */
}

static void a_file_that_cannot_be_opened_is_tried_again(void **state)
{
    char later[96];

    (void)state;
    snprintf(later, sizeof later, "%s/mounted", folder);
    snprintf(path, sizeof path, "%s/mounted/weir.stats", folder);
    struct peers *a = begin("a", 5 * MS);
    peers_report(a, &mine);
    wait_for(!peers_view(a, &view) && view.error == -ENOENT);
    assert_non_null(strstr(view.why, path));
    assert_int_equal(mkdir(later, 0700), 0);
    wait_for(peers_view(a, &view) && !view.error);
    assert_string_equal(view.why, "");
    peers_stop(a);
    unlink(path);
    rmdir(later);
}

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

/* All calls come back while the thread hangs; what it knew is used for three periods, and
 * then no more; and when the file system lets go, the thread goes on. */
static void a_file_system_that_hangs_holds_nobody(void **state)
{
    (void)state;
    struct peers *a = begin("a", 10 * MS), *b = begin("b", 10 * MS);
    peers_report(a, &mine);
    peers_report(b, &mine);
    wait_for(count_of(a) == 1);
    atomic_store(&hang, true);
    wait_for(atomic_load(&stuck) == 2);
    peers_report(a, &mine);
    peers_set_period(a, 11 * MS);
    wait_for(!peers_view(a, &view) && view.age >= JUDGE_STALE);
    assert_int_equal(view.list.count, 0);
    atomic_store(&hang, false);
    wait_for(count_of(a) == 1);
    peers_stop(a);
    peers_stop(b);
}

/* Under a sanitizer: what the abandoned thread uses stays, and is freed in the end. */
static void a_stuck_thread_is_left_behind(void **state)
{
    (void)state;
    struct peers *a = begin("a", 5 * MS);
    peers_report(a, &mine);
    wait_for(peers_rounds(a) > 1);
    atomic_store(&hang, true);
    wait_for(atomic_load(&stuck) == 1);
    uint64_t began = now();
    peers_stop(a);
    assert_int_equal(atomic_load(&stuck), 1);
    assert_true(now() - began < 20 * SECOND); /* it hangs for as long as we like */
    assert_false(all_slots_are_free());
    atomic_store(&hang, false);
    wait_for(all_slots_are_free());
    usleep(50000); /* lets it end, for the sake of leak checkers; nothing depends on it */
}

static void null_is_fine(void **state)
{
    (void)state;
    peers_stop(NULL);
    exchange_close(NULL);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, start, end)
    const struct CMUnitTest tests[] = {
        CASE(two_see_each_other_and_a_departure),
        CASE(nothing_is_said_before_the_first_report),
        CASE(the_latest_report_is_what_others_see),
        CASE(a_period_changes_at_once),
        CASE(a_file_that_cannot_be_opened_is_tried_again),
        CASE(a_file_system_that_hangs_holds_nobody),
        CASE(a_stuck_thread_is_left_behind),
        CASE(null_is_fine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
