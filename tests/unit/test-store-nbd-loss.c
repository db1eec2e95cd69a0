/* test-store-nbd-loss.c - does a far disk stay right while its server comes and goes?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store-far.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIB = 1 << 20, KILLS = 8, BETWEEN = 400 };

struct progress {
    struct walks *all;
    uint64_t goal;
};

static bool has_gone_on(void *arg)
{
    struct progress *p = arg;

    return walks_done(p->all) >= p->goal;
}

static void wait_for_more(struct walks *all)
{
    struct progress p = { all, walks_done(all) + BETWEEN };

    wait_until(has_gone_on, &p, "requests are answered again");
}

static void a_killed_nbdkit_is_a_pause(void **state)
{
    const char *words[] = { "file", in_work("killed"), NULL };
    struct walks all;
    struct far far;
    struct disk d;

    (void)state;
    make_file("killed", 8 * MIB);
    far_nbdkit(&far, "killed", words);
    const char *options[] = { "uri", far.uri, NULL };
    assert_int_equal(open_disk(&d, options, ""), 0);
    walks_start(&all, &d, 8, 0);
    for (int i = 0; i < KILLS; i++) {
        wait_for_more(&all);
        far_kill(&far);
        far_start(&far);
    }
    wait_for_more(&all);
    walks_end(&all);
    walks_finish(&all);
    disk_close(&d);
    stop(far.pid);
}

/* qemu-nbd holds qcow2's tables in its memory: what it answered and did not flush is
 * gone with it, unless it is sent again. */
static void a_killed_command_is_a_pause_and_loses_nothing(void **state)
{
    static const char *const options[] = { "command", "qemu-nbd -t -e 8 -f qcow2 {image}",
                                           "reconnect_delay", "100ms", NULL };
    struct walks all;
    struct disk d;

    (void)state;
    make_image("qcow2", "killed.qcow2");
    assert_int_equal(open_disk(&d, options, "killed.qcow2"), 0);
    walks_start(&all, &d, 8, 0);
    for (int i = 0; i < KILLS; i++) {
        wait_for_more(&all);
        pid_t pid = child_of(getpid());
        assert_true(pid > 0);
        assert_int_equal(kill(pid, SIGKILL), 0);
    }
    wait_for_more(&all);
    walks_end(&all);
    walks_finish(&all);
    disk_close(&d);
    assert_int_equal(child_of(getpid()), 0);
}

static void a_flush_holds_what_was_answered_before_it(void **state)
{
    static const char *const options[] = { "command", "qemu-nbd -t -e 8 -f qcow2 {image}", NULL };
    static char data[MIB], back[MIB];
    struct disk d;

    (void)state;
    make_image("qcow2", "flushed.qcow2");
    assert_int_equal(open_disk(&d, options, "flushed.qcow2"), 0);
    memset(data, 'a', sizeof data);
    assert_int_equal(disk_do(&d, WEIR_WRITE, 0, 0, MIB, data), 0);
    assert_int_equal(kill(child_of(getpid()), SIGKILL), 0);
    assert_int_equal(disk_do(&d, WEIR_FLUSH, 0, 0, 0, NULL), 0);
    assert_int_equal(kill(child_of(getpid()), SIGKILL), 0);
    disk_close(&d); /* sends nothing again */
    assert_int_equal(open_disk(&d, options, "flushed.qcow2"), 0);
    assert_int_equal(disk_do(&d, WEIR_READ, 0, 0, MIB, back), 0);
    assert_memory_equal(data, back, MIB);
    disk_close(&d);
}

static void a_command_ends_with_its_gateway(void **state)
{
    static const char *const options[] = { "command", "qemu-nbd -t -e 8 -f qcow2 {image}", NULL };
    int ready[2];
    pid_t server = 0;

    (void)state;
    make_image("qcow2", "left.qcow2");
    assert_int_equal(pipe(ready), 0);
    pid_t gateway = fork();
    if (gateway == 0) {
        struct disk d;
        if (open_disk(&d, options, "left.qcow2") < 0)
            _exit(1);
        server = child_of(getpid());
        if (write(ready[1], &server, sizeof server) < 0)
            _exit(1);
        raise(SIGKILL);
    }
    assert_int_equal(read(ready[0], &server, sizeof server), sizeof server);
    assert_true(server > 0);
    assert_int_equal(waitpid(gateway, NULL, 0), gateway);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/root", (int)server);
    struct timespec pause = { .tv_nsec = 10000000 };
    for (int i = 0; i < 6000 && access(path, F_OK) == 0; i++)
        nanosleep(&pause, NULL);
    assert_int_not_equal(access(path, F_OK), 0);
    close(ready[0]);
    close(ready[1]);
}

static void a_server_that_stays_away_is_an_error_then_comes_back(void **state)
{
    const char *words[] = { "file", in_work("away"), NULL };
    char data[512] = "kept", back[512];
    struct far far;
    struct disk d;

    (void)state;
    make_file("away", MIB);
    far_nbdkit(&far, "away", words);
    const char *options[] = { "uri",   far.uri, "retry_timeout", "1s", "reconnect_delay",
                              "100ms", NULL };
    assert_int_equal(open_disk(&d, options, ""), 0);
    assert_int_equal(disk_do(&d, WEIR_WRITE, 0, 0, 512, data), 0);
    far_kill(&far);
    assert_int_equal(disk_do(&d, WEIR_READ, 0, 0, 512, back), -EIO);
    assert_int_equal(disk_do(&d, WEIR_WRITE, 0, 0, 512, back), -EIO);
    far_start(&far);
    int r = -EIO;
    for (int i = 0; i < 6000 && r == -EIO; i++) {
        r = disk_do(&d, WEIR_READ, 0, 0, 512, back);
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
    assert_int_equal(r, 0);
    assert_memory_equal(data, back, 512);
    disk_close(&d);
    stop(far.pid);
}

static void another_disk_at_the_same_place_is_not_served(void **state)
{
    const char *words[] = { "file", in_work("resized"), NULL };
    char data[512] = "";
    struct far far;
    struct disk d;

    (void)state;
    make_file("resized", MIB);
    far_nbdkit(&far, "resized", words);
    const char *options[] = { "uri", far.uri, NULL };
    assert_int_equal(open_disk(&d, options, ""), 0);
    far_kill(&far);
    make_file("resized", 2 * MIB);
    far_start(&far);
    assert_int_equal(disk_do(&d, WEIR_READ, 0, 0, 512, data), -EIO);
    disk_close(&d);
    assert_int_equal(open_disk(&d, options, ""), 0);
    assert_int_equal(d.geometry.size, 2 * MIB);
    disk_close(&d);
    stop(far.pid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_nbdkit_is_a_pause),
        cmocka_unit_test(a_killed_command_is_a_pause_and_loses_nothing),
        cmocka_unit_test(a_flush_holds_what_was_answered_before_it),
        cmocka_unit_test(a_command_ends_with_its_gateway),
        cmocka_unit_test(a_server_that_stays_away_is_an_error_then_comes_back),
        cmocka_unit_test(another_disk_at_the_same_place_is_not_served),
    };

    return cmocka_run_group_tests_name("store-nbd-loss", tests, make_work, remove_work);
}
