/* test-control-server.c - can a client stall, starve or outlive the control socket?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "control-world.h"
#include "control/answer.h"
#include "control/wire.h"
#include "events.h"
#include "gateway.h"
#include "scope.h"

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

enum { CONNECTIONS = 64 }; /* as in server.c */

/* ---- asking ------------------------------------------------------------------ */

/* A bare connection, for what control_call() would never send. */
static int dial(void)
{
    struct sockaddr_un address;
    cleanup_free char *folder = NULL;
    int folder_fd;

    assert_true(asprintf(&folder, "%s/ctl", world_run) > 0);
    assert_int_equal(wire_address(folder, "unit.sock", &address, &folder_fd), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* What comes until the end of the connection. */
static char *hear(int fd)
{
    char *heard = calloc(1, 65536);
    size_t size = 0;
    ssize_t n;

    while (size < 65535 && (n = recv(fd, heard + size, 65535 - size, 0)) > 0)
        size += (size_t)n;
    close(fd);
    return heard;
}

static void heard(int fd, const char *expected)
{
    cleanup_free char *all = hear(fd);

    assert_string_equal(all, expected);
}

static struct control *connected(void)
{
    struct control *control = NULL;

    assert_int_equal(control_connect(world_run, "unit", &control), 0);
    return control;
}

static void holds(struct control *control, const char *path, const char *expected)
{
    cleanup_free char *text = NULL;
    cleanup_free char *message = NULL;

    if (control_get(control, path, &text, NULL, &message) != 0)
        fail_msg("%s: %s", path, message);
    assert_string_equal(text, expected);
}

static bool works(void)
{
    struct control *control = NULL;
    char *text = NULL;
    int error = control_connect(world_run, "unit", &control);

    if (!error)
        error = control_get(control, "exports/vm1/state", &text, NULL, NULL);
    free(text);
    control_close(control);
    return !error;
}

static int call(struct control *control, const char *line)
{
    struct json_object *request = json_tokener_parse(line), *answer = NULL;
    const char *message;

    int error = control_call(control, request, -1, &answer);
    if (!error)
        error = control_error(answer, &message);
    json_object_put(request);
    json_object_put(answer);
    return error;
}

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

/* ---- many clients ------------------------------------------------------------ */

static atomic_uint served, turned_away;

/* One of many: comes back until it is let in. */
static void *insist(void *arg)
{
    (void)arg;
    for (;;) {
        struct control *control = NULL;
        char *text = NULL, *message = NULL;
        int error = control_connect(world_run, "unit", &control);
        if (!error)
            error = control_get(control, "exports/vm1/size_bytes", &text, NULL, &message);
        bool right = !error && strcmp(text, "1048576\n") == 0;
        free(text);
        free(message);
        control_close(control);
        if (right) {
            atomic_fetch_add(&served, 1);
            return NULL;
        }
        if (error != -EUSERS)
            return NULL;
        atomic_fetch_add(&turned_away, 1);
    }
}

static void two_hundred_clients_are_all_served(void **state)
{
    enum { CLIENTS = 200 };
    pthread_t threads[CLIENTS];

    (void)state;
    atomic_store(&served, 0);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, insist, NULL), 0);
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&served), CLIENTS);
}

static void one_more_than_the_limit_gets_a_sentence(void **state)
{
    struct control *controls[CONNECTIONS];

    (void)state;
    for (int i = 0; i < CONNECTIONS; i++) {
        controls[i] = connected();
        holds(controls[i], "exports/vm1/state", "active\n");
    }
    heard(dial(), "{\"ok\":false,\"errno\":\"EUSERS\",\"message\":\"the gateway serves 64 control "
                  "connections, which is its limit: close one and try again\"}\n");
    control_close(controls[7]);
    while (!works())
        ; /* its thread ends in its own time */
    for (int i = 0; i < CONNECTIONS; i++) {
        if (i != 7) {
            holds(controls[i], "exports/vm1/state", "active\n");
            control_close(controls[i]);
        }
    }
}

static void half_a_line_stalls_nobody_and_is_thrown_out(void **state)
{
    (void)state;
    control_line_limit(200);
    int slow = dial();
    assert_int_equal(send(slow, "{\"op\":", 6, 0), 6);
    assert_true(works());
    heard(slow, "{\"ok\":false,\"errno\":\"ETIMEDOUT\",\"message\":\"the line of a request did not "
                "end in time\"}\n");
    /* who says nothing at all may stay */
    struct control *idle = connected();
    usleep(400000);
    holds(idle, "exports/vm1/state", "active\n");
    control_close(idle);
}

static void who_does_not_read_is_thrown_out(void **state)
{
    static const char line[] = "{\"op\":\"show\"}\n";

    (void)state;
    control_line_limit(200);
    int deaf = dial();
    int fed = 0;
    while (fed < 100000 && send(deaf, line, sizeof(line) - 1, MSG_NOSIGNAL) > 0)
        fed++;
    assert_true(fed < 100000); /* the gateway hung up */
    assert_true(works());
    close(deaf);
}

static void a_line_without_end_is_refused(void **state)
{
    char *bytes = malloc(CONTROL_LINE);
    int fd = dial();

    (void)state;
    memset(bytes, 'x', CONTROL_LINE);
    assert_int_equal(wire_send(fd, bytes, CONTROL_LINE, wire_now_ms() + 60000), 0);
    free(bytes);
    heard(fd, "{\"ok\":false,\"errno\":\"EMSGSIZE\",\"message\":\"the line is longer than 4194304 "
              "bytes\"}\n");
}

static void requests_in_one_packet_are_answered_in_order(void **state)
{
    static const char lines[] = "{\"op\":\"get\",\"path\":\"exports/vm1/state\"}\n"
                                "what\n"
                                "{\"op\":\"get\",\"path\":\"exports/vm1/policy\"}\n";
    int fd = dial();

    (void)state;
    assert_int_equal(send(fd, lines, sizeof(lines) - 1, 0), sizeof(lines) - 1);
    shutdown(fd, SHUT_WR);
    heard(fd, "{\"ok\":true,\"text\":\"active\\n\"}\n"
              "{\"ok\":false,\"errno\":\"EBADMSG\",\"message\":\"the request is not JSON: "
              "unexpected character at byte 1\"}\n"
              "{\"ok\":true,\"text\":\"gold\\n\"}\n");
}

static void a_policy_of_a_megabyte_goes_through(void **state)
{
    enum { SIZE = 1 << 20 };
    char *text = malloc(SIZE + 1);
    struct control *control = connected();
    char *message = NULL;

    (void)state;
    memset(text, '\n', SIZE); /* two bytes each on the wire */
    assert_int_equal(control_set(control, "policies/gold", text, SIZE, &message), 0);
    assert_memory_equal(world_asked, "set gold \n\n", 11);
    free(text);
    free(message);
    control_close(control);
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
    holds(control, "exports/vm1/state", "active\n");
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
    uint64_t end = wire_now_ms() + 60000;
    while (!works() && wire_now_ms() < end)
        usleep(10000);
    assert_true(works());
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
    holds(control, "exports/vm1/uri", "none\n");
    strcat(strcpy(address.sun_path, world_run), "/n b");
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 1), 0);
    snprintf(expected, sizeof(expected), "nbd+unix:///vm1?socket=%s/n%%20b\n", world_run);
    holds(control, "exports/vm1/uri", expected);
    snprintf(expected, sizeof(expected), "nbd+unix:///odd/%%22%%5C%%0A%%FF%%25?socket=%s/n%%20b\n",
             world_run);
    holds(control, "exports/" ODD_PATH "/uri", expected);
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
    holds(control, "exports/vm1/uri", expected);
    control_tls_required(false);
    close(fd);
    control_close(control);
}

/* ---- ------------------------------------------------------------------------------------- */

static int setup(void **state)
{
    (void)state;
    world_start();
    control_line_limit(CONTROL_TIMEOUT_MS);
    return control_start();
}

static int teardown(void **state)
{
    (void)state;
    control_stop();
    world_stop();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_user_and_group_may_connect),
        TEST(the_end_removes_the_socket),
        TEST(the_socket_of_a_dead_gateway_is_replaced),
        TEST(a_living_gateway_is_not_pushed_aside),
        TEST(a_name_that_is_a_path_is_refused),
        TEST(two_hundred_clients_are_all_served),
        TEST(one_more_than_the_limit_gets_a_sentence),
        TEST(half_a_line_stalls_nobody_and_is_thrown_out),
        TEST(who_does_not_read_is_thrown_out),
        TEST(a_line_without_end_is_refused),
        TEST(requests_in_one_packet_are_answered_in_order),
        TEST(a_policy_of_a_megabyte_goes_through),
        TEST(events_say_who_changed_what),
        TEST(the_end_does_not_wait_for_those_who_wait),
        TEST(who_waits_and_hangs_up_frees_the_place),
        TEST(a_stun_that_nobody_ends_ends_itself),
        TEST(the_end_lets_stunned_disks_go_on),
        TEST(uris_name_the_socket_that_serves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
