/* control-dial.c - how does a test connect to the control socket, and what does it hear?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "control-dial.h"

#include "control/answer.h"
#include "control/wire.h"
#include "scope.h"

#include <json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

#include <cmocka.h>

/* A bare connection, for what control_call() would never send. */
int dial(void)
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
char *hear(int fd)
{
    char *heard = calloc(1, 65536);
    size_t size = 0;
    ssize_t n;

    while (size < 65535 && (n = recv(fd, heard + size, 65535 - size, 0)) > 0)
        size += (size_t)n;
    close(fd);
    return heard;
}

void heard(int fd, const char *expected)
{
    cleanup_free char *all = hear(fd);

    assert_string_equal(all, expected);
}

struct control *connected(void)
{
    struct control *control = NULL;

    assert_int_equal(control_connect(world_run, "unit", &control), 0);
    return control;
}

void reads(struct control *control, const char *path, const char *expected)
{
    cleanup_free char *text = NULL;
    cleanup_free char *message = NULL;

    if (control_get(control, path, &text, NULL, &message) != 0)
        fail_msg("%s: %s", path, message);
    assert_string_equal(text, expected);
}

bool works(void)
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

int call(struct control *control, const char *line)
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

int begin_server(void **state)
{
    (void)state;
    world_start();
    control_line_limit(CONTROL_TIMEOUT_MS);
    return control_start();
}

int end_server(void **state)
{
    (void)state;
    control_stop();
    world_stop();
    return 0;
}
