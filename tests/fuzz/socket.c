/* socket.c - can what comes over the control socket, however it is cut, harm a gateway that serves?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The real server in this process, and a client that writes and reads vm1 all the while.  An input
 * is pieces, each for one of four connections: a byte says which and what is done with it, the next
 * how long the piece is.  Each line that comes back is an answer, a new connection is answered
 * afterwards, and the client reads what it has written. */
#include "control/control.h"
#include "control/wire.h"

#include "control-world.h"
#include "gateway.h"
#include "scope.h"

#include <json.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    CONNECTIONS = 4,
    ANSWER_MS = 50,   /* most come at once, some wait for an event: both are right */
    ALIVE_MS = 60000, /* what this takes is another matter: only that it comes */
    BLOCK = 4096,
};

static struct {
    pthread_t client;
    atomic_bool ending;
    struct conversation {
        int fd;
        char heard[1 << 16]; /* a line that has not ended */
        size_t length;
    } open[CONNECTIONS];
} here;

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "this does not hold: %s\n", what);
    abort();
}

/* ---- the client -------------------------------------------------------------- */

static int transfer(struct export *export, enum weir_op op, char block[BLOCK])
{
    struct weir_request req = { .op = op, .length = BLOCK, .data = block };

    return export_serve(export, &req);
}

/* What is refused (closed, locked, reloaded) is refused; what was written is read. */
static void *serve_client(void *unused)
{
    struct export *export = gateway_find("vm1");
    char wrote[BLOCK], read[BLOCK];
    bool known = false;

    (void)unused;
    for (unsigned i = 0; !atomic_load(&here.ending); i++) {
        memset(wrote, (int)(i % 251), BLOCK);
        known = transfer(export, WEIR_WRITE, wrote) == 0;
        if (transfer(export, WEIR_READ, read) == 0 && known)
            must(memcmp(read, wrote, BLOCK) == 0, "a client reads what it has written");
        usleep(200);
    }
    export_unref(export);
    return NULL;
}

static void stop(void)
{
    control_stop(); /* ends what stuns the client */
    atomic_store(&here.ending, true);
    pthread_join(here.client, NULL);
    world_stop();
}

static void start(void)
{
    world_start();
    must(control_start() == 0, "the server starts");
    must(pthread_create(&here.client, NULL, serve_client, NULL) == 0, "a client comes");
    for (int i = 0; i < CONNECTIONS; i++)
        here.open[i].fd = -1;
    atexit(stop);
}

/* ---- connections ------------------------------------------------------------- */

static int dial(void)
{
    struct sockaddr_un address;
    cleanup_fd int folder_fd = -1;
    char folder[160];

    snprintf(folder, sizeof(folder), "%s/ctl", world_run);
    must(wire_address(folder, "unit.sock", &address, &folder_fd) == 0, "there is a socket");
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0,
         "a connection is taken");
    return fd;
}

static void hang_up(struct conversation *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->length = 0;
}

static void judge_line(const char *line)
{
    struct json_object *answer = json_tokener_parse(line), *ok;

    if (!json_object_object_get_ex(answer, "ok", &ok)) {
        fprintf(stderr, "this is no answer: %s\n", line);
        abort();
    }
    json_object_put(answer);
}

/* Judges what is there; a line that is longer than there is room for is not looked at.  false:
 * nothing came within that time. */
static bool hear(struct conversation *c, int wait_ms)
{
    struct pollfd ready = { .fd = c->fd, .events = POLLIN };

    if (poll(&ready, 1, wait_ms) <= 0)
        return false;
    const ssize_t n =
        recv(c->fd, c->heard + c->length, sizeof(c->heard) - 1 - c->length, MSG_DONTWAIT);
    if (n <= 0) {
        hang_up(c);
        return true;
    }
    c->length += (size_t)n;
    for (char *end; (end = memchr(c->heard, '\n', c->length)) != NULL;) {
        *end++ = 0;
        judge_line(c->heard);
        c->length -= (size_t)(end - c->heard);
        memmove(c->heard, end, c->length);
    }
    if (c->length == sizeof(c->heard) - 1)
        hang_up(c);
    return true;
}

static void say(struct conversation *c, const uint8_t *data, size_t size)
{
    if (c->fd < 0)
        c->fd = dial();
    if (send(c->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        hang_up(c); /* it was thrown out */
    else if (memchr(data, '\n', size))
        hear(c, ANSWER_MS);
}

static void step(uint8_t what, const uint8_t *data, size_t size)
{
    struct conversation *c = &here.open[what % CONNECTIONS];

    switch (what / CONNECTIONS % 8) {
    case 6:
        hang_up(c);
        break;
    case 7:
        if (c->fd >= 0)
            shutdown(c->fd, SHUT_WR);
        break;
    default:
        if (size)
            say(c, data, size);
    }
}

static void judge_alive(void)
{
    static const char line[] = "{\"op\":\"list\",\"path\":\"\"}\n";
    struct conversation *c = &here.open[0];

    c->fd = dial();
    must(send(c->fd, line, sizeof(line) - 1, MSG_NOSIGNAL) == sizeof(line) - 1, "it listens");
    must(hear(c, ALIVE_MS) && c->fd >= 0, "a new connection is answered");
    hang_up(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool started;

    if (!started)
        start();
    started = true;
    while (size >= 2) {
        const size_t length = data[1] < size - 2 ? data[1] : size - 2;
        step(data[0], data + 2, length);
        data += 2 + length;
        size -= 2 + length;
    }
    for (int i = 0; i < CONNECTIONS; i++)
        hang_up(&here.open[i]);
    judge_alive();
    return 0;
}
