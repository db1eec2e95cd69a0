/* test-control-server.c - whose is the control socket, and whom does its end wait for?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "control-dial.h"
#include "control/wire.h"
#include "events.h"
#include "gateway.h"
#include "scope.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <json.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>

/* ---- the socket -------------------------------------------------------------- */

static mode_t mode_of(const char *name)
{
    char path[256];
    struct stat status;

    snprintf(path, sizeof(path), "%s/%s", world_run, name);
    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 07777;
}

static void only_user_and_group_may_connect(void **state)
{
    (void)state;
    assert_int_equal(mode_of("ctl"), 0750);
    assert_int_equal(mode_of("ctl/unit.sock"), 0660);
}

static void the_end_removes_the_socket(void **state)
{
    struct control *control = NULL;

    (void)state;
    assert_true(works());
    control_stop();
    assert_int_equal(control_connect(world_run, "unit", &control), -ENOENT);
    control_stop(); /* once more is no harm */
    assert_int_equal(control_start(), 0);
    assert_true(works());
}

static void the_socket_of_a_dead_gateway_is_replaced(void **state)
{
    char path[256];
    struct sockaddr_un dead = { .sun_family = AF_UNIX };
    struct control *control = NULL;

    (void)state;
    control_stop();
    snprintf(path, sizeof(path), "%s/ctl/unit.sock", world_run);
    memcpy(dead.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&dead, sizeof(dead)), 0);
    close(fd);
    assert_int_equal(control_connect(world_run, "unit", &control), -ECONNREFUSED);
    assert_int_equal(control_start(), 0);
    assert_true(works());
}

static void a_living_gateway_is_not_pushed_aside(void **state)
{
    cleanup_text struct weir_text events = { 0 };
    char path[256];
    uint64_t last;

    (void)state;
    control_stop();
    /* another open file is another holder, also within one process */
    snprintf(path, sizeof(path), "%s/ctl/unit.lock", world_run);
    int other = open(path, O_RDWR);
    assert_int_equal(flock(other, LOCK_EX | LOCK_NB), 0);
    assert_int_equal(control_start(), -EADDRINUSE);
    events_read(0, 0, &events, &last);
    assert_non_null(
        strstr(text_string(&events), "another gateway named \\\"unit\\\" runs and serves "));
    control_stop();
    close(other);
    assert_int_equal(control_start(), 0);
    assert_true(works());
}

static void a_name_that_is_a_path_is_refused(void **state)
{
    (void)state;
    control_stop();
    places_finish();
    assert_int_equal(places_init("../unit", world_run, world_run, ""), 0);
    assert_int_equal(control_start(), -EINVAL);
    places_finish();
    assert_int_equal(places_init("unit", world_run, world_run, ""), 0);
}

static void starts_not(int error, const char *sentence)
{
    cleanup_text struct weir_text events = { 0 };
    uint64_t last;

    assert_int_equal(control_start(), error);
    events_read(0, 0, &events, &last);
    if (!strstr(text_string(&events), sentence))
        fail_msg("\"%s\" was not said, but %s", sentence, text_string(&events));
}

/* Something else is where the folder, the lock or the socket goes: it is named, and left alone. */
static void what_is_in_the_way_is_named(void **state)
{
    char path[256], aside[256], socket[256];

    (void)state;
    control_stop();
    snprintf(path, sizeof(path), "%s/ctl", world_run);
    snprintf(aside, sizeof(aside), "%s/aside", world_run);
    snprintf(socket, sizeof(socket), "%s/ctl/unit.sock", world_run);
    assert_int_equal(mkdir(socket, 0700), 0);
    starts_not(-EISDIR, "/ctl/unit.sock: Is a directory");
    assert_int_equal(rmdir(socket), 0);
    assert_int_equal(rename(path, aside), 0);
    assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
    starts_not(-ENOTDIR, "/ctl: Not a directory");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rename(aside, path), 0);
    snprintf(path, sizeof(path), "%s/ctl/unit.lock", world_run);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("elsewhere", path), 0);
    starts_not(-ELOOP, "/ctl/unit.lock: Too many levels of symbolic links");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(control_start(), 0);
    assert_true(works());
}

/* ---- who --------------------------------------------------------------------- */

static void events_say_who_changed_what(void **state)
{
    cleanup_text struct weir_text events = { 0 };
    char expected[128];
    struct control *control = connected();
    uint64_t last;

    (void)state;
    assert_int_equal(
        control_set(control, "exports/vm1/filters/10-sample/options/number", "40\n", 3, NULL), 0);
    control_close(control);
    events_read(0, 0, &events, &last);
    snprintf(expected, sizeof(expected),
             "export=vm1 text=\"option number of vm1/sample set to 40 by uid %u\"", getuid());
    assert_non_null(strstr(text_string(&events), expected));
}

/* ---- waiting ----------------------------------------------------------------- */

static void *wait_for_event(void *arg)
{
    struct control *control = arg;
    struct json_object *request = json_tokener_parse("{\"op\":\"events\",\"after\":1000000,"
                                                     "\"wait_ms\":60000}");
    struct json_object *answer = NULL;

    int error = control_call(control, request, 30000, &answer);
    json_object_put(request);
    json_object_put(answer);
    return (void *)(intptr_t)error;
}

static void the_end_does_not_wait_for_those_who_wait(void **state)
{
    struct control *control = connected();
    pthread_t thread;
    void *error;

    (void)state;
    reads(control, "exports/vm1/state", "active\n");
    assert_int_equal(pthread_create(&thread, NULL, wait_for_event, control), 0);
    int half = dial();
    assert_int_equal(send(half, "{", 1, 0), 1);
    uint64_t before = wire_now_ms();
    control_stop();
    assert_true(wire_now_ms() - before < 50000); /* and not the 60 s of the request */
    pthread_join(thread, &error);
    assert_true((intptr_t)error == 0 || (intptr_t)error == -ESHUTDOWN);
    control_close(control);
    close(half);
}

static void who_waits_and_hangs_up_frees_the_place(void **state)
{
    static const char line[] = "{\"op\":\"events\",\"after\":1000000,\"wait_ms\":60000}\n";

    (void)state;
    for (int i = 0; i < CONNECTIONS; i++) {
        int fd = dial();
        send(fd, line, sizeof(line) - 1, 0);
        close(fd);
    }
    /* and no second time after it has: the places are freed one by one */
    uint64_t end = wire_now_ms() + 60000;
    bool served = false;
    while (!served && wire_now_ms() < end) {
        usleep(10000);
        served = works();
    }
    assert_true(served);
}

static void a_stun_that_nobody_ends_ends_itself(void **state)
{
    cleanup_text struct weir_text events = { 0 };
    struct control *control = connected();
    uint64_t last;

    (void)state;
    assert_int_equal(
        call(control, "{\"op\":\"do\",\"verb\":\"stun\",\"export\":\"vm1\",\"limit_ms\":1}"), 0);
    control_close(control);
    world_traffic(1); /* waits at the gate until then */
    events_read(0, 0, &events, &last);
    assert_non_null(strstr(text_string(&events), "the stun reached its limit: the disk goes on"));
}

static void the_end_lets_stunned_disks_go_on(void **state)
{
    struct control *control = connected();

    (void)state;
    assert_int_equal(call(control, "{\"op\":\"do\",\"verb\":\"stun\",\"export\":\"vm1\"}"), 0);
    control_close(control);
    control_stop();
    world_traffic(1);
}

/* ---- URIs -------------------------------------------------------------------- */

static void uris_name_the_socket_that_serves(void **state)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct control *control = connected();
    char expected[256];

    (void)state;
    reads(control, "exports/vm1/uri", "none\n");
    strcat(strcpy(address.sun_path, world_run), "/n b");
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 1), 0);
    snprintf(expected, sizeof(expected), "nbd+unix:///vm1?socket=%s/n%%20b\n", world_run);
    reads(control, "exports/vm1/uri", expected);
    snprintf(expected, sizeof(expected), "nbd+unix:///odd/%%22%%5C%%0A%%FF%%25?socket=%s/n%%20b\n",
             world_run);
    reads(control, "exports/" ODD_PATH "/uri", expected);
    close(fd);

    struct sockaddr_in loopback = { .sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(loopback);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&loopback, sizeof(loopback)), 0);
    assert_int_equal(listen(fd, 1), 0);
    getsockname(fd, (struct sockaddr *)&loopback, &size);
    control_tls_required(true);
    snprintf(expected, sizeof(expected), "nbds://127.0.0.1:%u/vm1\n", ntohs(loopback.sin_port));
    reads(control, "exports/vm1/uri", expected);
    control_tls_required(false);
    close(fd);
    control_close(control);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(only_user_and_group_may_connect),
        SERVER_TEST(the_end_removes_the_socket),
        SERVER_TEST(the_socket_of_a_dead_gateway_is_replaced),
        SERVER_TEST(a_living_gateway_is_not_pushed_aside),
        SERVER_TEST(a_name_that_is_a_path_is_refused),
        SERVER_TEST(what_is_in_the_way_is_named),
        SERVER_TEST(events_say_who_changed_what),
        SERVER_TEST(the_end_does_not_wait_for_those_who_wait),
        SERVER_TEST(who_waits_and_hangs_up_frees_the_place),
        SERVER_TEST(a_stun_that_nobody_ends_ends_itself),
        SERVER_TEST(the_end_lets_stunned_disks_go_on),
        SERVER_TEST(uris_name_the_socket_that_serves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
