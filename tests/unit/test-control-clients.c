/* test-control-clients.c - can a client stall or starve the control socket?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "control-dial.h"
#include "control/answer.h"
#include "control/wire.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

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
        reads(controls[i], "exports/vm1/state", "active\n");
    }
    heard(dial(), "{\"ok\":false,\"errno\":\"EUSERS\",\"message\":\"the gateway serves 64 control "
                  "connections, which is its limit: close one and try again\"}\n");
    control_close(controls[7]);
    while (!works())
        ; /* its thread ends in its own time */
    for (int i = 0; i < CONNECTIONS; i++) {
        if (i != 7) {
            reads(controls[i], "exports/vm1/state", "active\n");
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
    reads(idle, "exports/vm1/state", "active\n");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(two_hundred_clients_are_all_served),
        SERVER_TEST(one_more_than_the_limit_gets_a_sentence),
        SERVER_TEST(half_a_line_stalls_nobody_and_is_thrown_out),
        SERVER_TEST(who_does_not_read_is_thrown_out),
        SERVER_TEST(a_line_without_end_is_refused),
        SERVER_TEST(requests_in_one_packet_are_answered_in_order),
        SERVER_TEST(a_policy_of_a_megabyte_goes_through),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
