/* wire-connection.c - what does the thread of a connection do?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * It alone touches the libnbd handle: sends what others put on the list, hands over what was
 * answered, and notices a target that says nothing. */
#include "wire.h"

#include <errno.h>
#include <libnbd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool is_closing(struct wire *w)
{
    pthread_mutex_lock(&w->lock);
    bool closing = w->closing;
    pthread_mutex_unlock(&w->lock);
    return closing;
}

/* ---- the handle ----------------------------------------------------------------------------- */

static void take_wake(struct connection *c)
{
    uint64_t n;

    if (read(c->wake, &n, sizeof n) < 0) { /* nothing was there */
    }
}

void connection_wake(struct connection *c)
{
    const uint64_t one = 1;

    if (write(c->wake, &one, sizeof one) < 0) { /* it is full: it will wake */
    }
}

static bool is_down(struct nbd_handle *h)
{
    return nbd_aio_is_dead(h) > 0 || nbd_aio_is_closed(h) > 0;
}

static void turn(struct connection *c, int timeout_ms)
{
    struct nbd_handle *h = c->handle;
    unsigned direction = nbd_aio_get_direction(h);
    struct pollfd list[] = { { .fd = c->wake, .events = POLLIN }, { .fd = nbd_aio_get_fd(h) } };

    if (direction & LIBNBD_AIO_DIRECTION_READ)
        list[1].events |= POLLIN;
    if (direction & LIBNBD_AIO_DIRECTION_WRITE)
        list[1].events |= POLLOUT;
    if (poll(list, 2, timeout_ms) <= 0)
        return;
    if (list[0].revents)
        take_wake(c);
    if (!list[1].revents || is_down(h))
        return;
    c->moved = now_ns();
    if ((direction & LIBNBD_AIO_DIRECTION_READ) && (list[1].revents & ~POLLOUT))
        nbd_aio_notify_read(h);
    else if ((direction & LIBNBD_AIO_DIRECTION_WRITE) && (list[1].revents & ~POLLIN))
        nbd_aio_notify_write(h);
}

/* ns that a target which has said nothing since then may still take. */
static uint64_t left_of(const struct connection *c, uint64_t since)
{
    const uint64_t limit = since + atomic_load(c->wire->setup.peer_timeout), now = now_ns();

    return limit > now ? limit - now : 0;
}

/* Not for longer than a second: peer_timeout may become shorter meanwhile. */
static int poll_ms(uint64_t left)
{
    return left < SECOND_NS ? (int)(left / 1000000 + 1) : 1000;
}

/* A far host that is gone without a word is noticed by what it does not acknowledge. */
static void watch(struct connection *c)
{
    const uint64_t timeout = atomic_load(c->wire->setup.peer_timeout);
    unsigned timeout_ms = (unsigned)(timeout / 1000000);
    int fd = nbd_aio_get_fd(c->handle), on = 1;

    c->watched = timeout;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on); /* fails on a Unix socket */
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static int reach(struct connection *c, char why[WHY])
{
    struct wire *w = c->wire;
    const uint64_t began = now_ns();
    struct nbd_handle *h = c->handle = nbd_create();

    if (!h)
        return -ENOMEM;
    nbd_set_uri_allow_local_file(h, true);
    if (nbd_aio_connect_uri(h, w->setup.uri) < 0) {
        why_print(why, "%s", nbd_get_error());
        return -ENOTCONN;
    }
    while (nbd_aio_is_connecting(h) > 0 || nbd_aio_is_negotiating(h) > 0) {
        const uint64_t left = left_of(c, began);
        if (!left)
            why_print(why, "no answer in time");
        if (!left || is_closing(w))
            return -ETIMEDOUT;
        turn(c, poll_ms(left));
    }
    if (nbd_aio_is_ready(h) <= 0) {
        why_print(why, "%s", nbd_get_error() ? nbd_get_error() : "the connection was refused");
        return -ENOTCONN;
    }
    watch(c);
    return 0;
}

/* ---- jobs
 * ----------------------------------------------------------------------------------------- */

static int completed(void *arg, int *error)
{
    struct job *j = arg;

    j->completed = true;
    j->error = *error;
    return 1; /* libnbd may forget it */
}

static int64_t start(struct nbd_handle *h, struct job *j)
{
    nbd_completion_callback done = { .callback = completed, .user_data = j };
    unsigned flags = j->fua ? LIBNBD_CMD_FLAG_FUA : 0;

    switch (j->op) {
    case WIRE_WRITE:
        return nbd_aio_pwrite(h, j->data, j->length, j->offset, done, flags);
    case WIRE_READ:
        return nbd_aio_pread(h, j->data, j->length, j->offset, done, 0);
    case WIRE_FLUSH:
        return nbd_aio_flush(h, done, 0);
    case WIRE_ZERO:
        return nbd_aio_zero(h, j->length, j->offset, done, flags);
    case WIRE_TRIM:
        return nbd_aio_trim(h, j->length, j->offset, done, flags);
    }
    return -1;
}

static void finish(struct connection *c, struct job *j, int error)
{
    pthread_mutex_lock(&c->wire->lock);
    c->load--;
    pthread_mutex_unlock(&c->wire->lock);
    j->done(j->arg, error);
    free(j);
}

static void send_queued(struct connection *c)
{
    if (!c->sent)
        c->moved = now_ns();
    pthread_mutex_lock(&c->wire->lock);
    struct job *j = c->queue;
    c->queue = NULL;
    c->last = &c->queue;
    pthread_mutex_unlock(&c->wire->lock);
    while (j) {
        struct job *next = j->next;
        j->next = c->sent;
        c->sent = j;
        if (start(c->handle, j) < 0 && !j->completed) {
            j->completed = true;
            j->error = is_down(c->handle) ? ENOTCONN : nbd_get_errno() ? nbd_get_errno() : EIO;
        }
        j = next;
    }
}

/* In the order in which they were sent, if several are answered at once: sent has the newest first.
 */
static void reap(struct connection *c, bool all)
{
    struct job *done = NULL;

    for (struct job **at = &c->sent; *at;) {
        struct job *j = *at;
        if (!j->completed && !all) {
            at = &j->next;
            continue;
        }
        *at = j->next;
        j->next = done;
        done = j;
    }
    while (done) {
        struct job *j = done;
        done = j->next;
        finish(c, j, j->completed ? j->error : ENOTCONN);
    }
}

/* What was never sent, and what was never answered. */
static void give_up(struct connection *c)
{
    pthread_mutex_lock(&c->wire->lock);
    struct job *j = c->queue;
    c->queue = NULL;
    c->last = &c->queue;
    pthread_mutex_unlock(&c->wire->lock);
    reap(c, true);
    while (j) {
        struct job *next = j->next;
        finish(c, j, ENOTCONN);
        j = next;
    }
}

/* ---- a connection's thread
 * ------------------------------------------------------------------------ */

static void tell_ready(struct connection *c, int error, const char *why)
{
    struct wire *w = c->wire;

    pthread_mutex_lock(&w->lock);
    c->ready = !error;
    c->ended = error;
    if (error)
        snprintf(w->error, sizeof w->error, "%s", why);
    else if (c == w->connections) {
        int64_t size = nbd_get_size(c->handle);
        w->size = size > 0 ? (uint64_t)size : 0;
        w->multi = nbd_can_multi_conn(c->handle) > 0;
    }
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static void say_goodbye(struct connection *c)
{
    const uint64_t limit = now_ns() + SECOND_NS;

    if (nbd_aio_disconnect(c->handle, 0) < 0)
        return;
    while (!is_down(c->handle) && now_ns() < limit)
        turn(c, 100);
}

/* Waits, and not for ever for a target that takes and says nothing while it owes an answer: its
 * host, or something between, may go on acknowledging what nobody reads, which watch() does not
 * see. False: it is lost. */
static bool wait_for_more(struct connection *c)
{
    const uint64_t left = left_of(c, c->moved);

    if (c->sent && !left)
        return false;
    if (c->watched != atomic_load(c->wire->setup.peer_timeout))
        watch(c);
    turn(c, c->sent ? poll_ms(left) : -1);
    return true;
}

void *connection_main(void *arg)
{
    struct connection *c = arg;
    char why[WHY] = "";
    int r = reach(c, why);
    bool there = !r;

    tell_ready(c, r, why);
    while (there && !is_closing(c->wire) && !is_down(c->handle)) {
        send_queued(c);
        reap(c, false);
        there = is_down(c->handle) || wait_for_more(c);
        reap(c, false);
    }
    pthread_mutex_lock(&c->wire->lock);
    c->ended = true;
    pthread_mutex_unlock(&c->wire->lock);
    if (!r && !c->sent && !is_down(c->handle))
        say_goodbye(c);
    nbd_close(c->handle); /* no callback of it runs any more */
    give_up(c);
    return NULL;
}
