/* store-nbd-connection.c - how does one connection live, die and live again?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store-nbd.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "clock.h"
#include "events.h"
#include "scope.h"
#include "text.h"

enum { FIRST_PAUSE_MS = 100, KEEPALIVE_S = 10, KEEPALIVES = 3, GOODBYE_MS = 2000 };

void connection_wake(struct connection *connection)
{
    uint64_t one = 1;

    while (write(connection->wake, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

bool connection_is_down(const struct connection *connection)
{
    return nbd_aio_is_dead(connection->handle) > 0 || nbd_aio_is_closed(connection->handle) > 0;
}

static bool is_closing(struct nbd_store *s)
{
    hold_lock(&s->lock);
    return s->closing;
}

static void note_error(struct nbd_store *s, const char *text)
{
    hold_lock(&s->lock);
    snprintf(s->last_error, sizeof s->last_error, "%s", text ? text : "no reason given");
}

/* ---- one turn of the poll loop ------------------------------------------------------------ */

static void take_wake(struct connection *connection)
{
    uint64_t count;

    if (read(connection->wake, &count, sizeof count) < 0)
        return; /* somebody's wake was taken with another's */
    if (atomic_exchange(&connection->kick, false) && connection->handle) {
        int fd = nbd_aio_get_fd(connection->handle);
        if (fd >= 0)
            shutdown(fd, SHUT_RDWR); /* libnbd sees the end of the stream and gives up */
    }
}

/* Waits until the socket or a wake has something, and does it.  Workers send on the same
 * handle meanwhile and wake the thread when the socket takes no more.  -1: it is down, and
 * nbd_get_error() says why. */
static int connection_turn(struct connection *connection, int timeout_ms)
{
    struct nbd_handle *h = connection->handle;
    unsigned direction = nbd_aio_get_direction(h);
    struct pollfd list[] = { { .fd = connection->wake, .events = POLLIN },
                             { .fd = nbd_aio_get_fd(h) } };

    if (direction & LIBNBD_AIO_DIRECTION_READ)
        list[1].events |= POLLIN;
    if (direction & LIBNBD_AIO_DIRECTION_WRITE)
        list[1].events |= POLLOUT;
    if (poll(list, 2, timeout_ms) <= 0)
        return 0;
    if (list[0].revents)
        take_wake(connection);
    if (!list[1].revents || connection_is_down(connection))
        return 0;
    direction = nbd_aio_get_direction(h);
    if ((direction & LIBNBD_AIO_DIRECTION_READ) && (list[1].revents & ~POLLOUT))
        return nbd_aio_notify_read(h);
    if ((direction & LIBNBD_AIO_DIRECTION_WRITE) && (list[1].revents & ~POLLIN))
        return nbd_aio_notify_write(h);
    return 0;
}

int connection_finish(struct connection *connection, int64_t cookie)
{
    struct nbd_handle *h = connection->handle;

    if (cookie < 0)
        return connection_is_down(connection) ? -ENOTCONN : -EIO;
    for (;;) {
        int r = nbd_aio_command_completed(h, (uint64_t)cookie);
        if (r > 0)
            return 0;
        if (connection_is_down(connection) || is_closing(connection->store))
            return -ENOTCONN;
        if (r < 0)
            return nbd_get_errno() ? -nbd_get_errno() : -EIO;
        connection_turn(connection, -1);
    }
}

/* ---- connecting ---------------------------------------------------------------------------- */

static int open_handle(struct connection *connection)
{
    struct nbd_store *s = connection->store;
    struct nbd_handle *h = nbd_create();

    connection->handle = h;
    if (!h || nbd_add_meta_context(h, LIBNBD_CONTEXT_BASE_ALLOCATION) < 0)
        return -1;
    /* bytes that the server did not send are never passed on: a short answer is an error */
    nbd_set_pread_initialize(h, false);
    nbd_set_uri_allow_local_file(h, true);
    if (!s->server)
        return nbd_aio_connect_uri(h, s->uri);
    int fd = server_connect(s->server);
    if (fd < 0) {
        note_error(s, strerror(-fd));
        return -1;
    }
    return nbd_set_export_name(h, s->export) < 0 ? -1 : nbd_aio_connect_socket(h, fd);
}

/* A server that nobody can start again by waiting: only at the first opening. */
static bool server_is_no_use(struct nbd_store *s)
{
    cleanup_text struct weir_text how = { 0 };

    pthread_mutex_lock(&s->lock);
    bool opened = s->opened;
    pthread_mutex_unlock(&s->lock);
    if (opened || !s->server || !server_has_ended(s->server, &how))
        return false;
    weir_print(&how, " before it answered; what it had to say is in the gateway's log");
    note_error(s, text_string(&how));
    return true;
}

static void watch_the_far_host(struct connection *connection)
{
    int fd = nbd_aio_get_fd(connection->handle), on = 1, idle = KEEPALIVE_S, count = KEEPALIVES;
    unsigned timeout_ms = (unsigned)(connection->store->config->timeout / 1000000);

    /* fails on a Unix socket, which needs none of it */
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
}

static int connection_connect(struct connection *connection)
{
    struct nbd_store *s = connection->store;
    uint64_t limit = clock_ns() + s->config->timeout;

    if (open_handle(connection) < 0) {
        if (nbd_get_error())
            note_error(s, nbd_get_error());
        return -1;
    }
    while (nbd_aio_is_connecting(connection->handle) > 0 ||
           nbd_aio_is_negotiating(connection->handle) > 0) {
        uint64_t now = clock_ns();
        if (is_closing(s) || server_is_no_use(s))
            return -1;
        if (now >= limit) {
            note_error(s, "no answer in time");
            return -1;
        }
        connection_turn(connection, (int)((limit - now) / 1000000 + 1));
    }
    if (nbd_aio_is_ready(connection->handle) <= 0) {
        note_error(s, nbd_get_error());
        return -1;
    }
    watch_the_far_host(connection);
    return 0;
}

/* ---- is it the disk that we knew? -------------------------------------------------------------
 */

static uint32_t block_size(struct nbd_handle *h, int which, uint32_t otherwise)
{
    int64_t size = nbd_get_block_size(h, which);

    return size > 0 && size <= PIECE_MAX ? (uint32_t)size
           : size > PIECE_MAX            ? PIECE_MAX
                                         : otherwise;
}

static void read_traits(struct nbd_handle *h, struct traits *t)
{
    int64_t size = nbd_get_size(h);

    *t = (struct traits){
        .size = size > 0 ? (uint64_t)size : 0,
        .block_min = block_size(h, LIBNBD_SIZE_MINIMUM, 1),
        .block_preferred = block_size(h, LIBNBD_SIZE_PREFERRED, 4096),
        .block_max = block_size(h, LIBNBD_SIZE_MAXIMUM, PIECE_MAX),
        .read_only = nbd_is_read_only(h) > 0,
        .flush = nbd_can_flush(h) > 0,
        .fua = nbd_can_fua(h) > 0,
        .trim = nbd_can_trim(h) > 0,
        .zero = nbd_can_zero(h) > 0,
        .fast_zero = nbd_can_fast_zero(h) > 0,
        .cache = nbd_can_cache(h) > 0,
        .multi = nbd_can_multi_conn(h) > 0,
        .extents = nbd_can_meta_context(h, LIBNBD_CONTEXT_BASE_ALLOCATION) > 0,
        .rotational = nbd_is_rotational(h) > 0,
    };
}

/* What was promised to the client must still hold. */
static const char *what_is_worse(const struct traits *was, const struct traits *is)
{
    return was->size != is->size              ? "another size"
           : is->block_min > was->block_min   ? "larger blocks"
           : is->block_max < was->block_max   ? "smaller requests"
           : is->read_only && !was->read_only ? "a disk that cannot be written"
           : was->flush && !is->flush         ? "no flush"
           : was->fua && !is->fua             ? "no forced writes"
           : was->trim && !is->trim           ? "no trim"
           : was->zero && !is->zero           ? "no zeroing"
           : was->fast_zero && !is->fast_zero ? "no fast zeroing"
           : was->cache && !is->cache         ? "no prefetch"
           : was->extents && !is->extents     ? "no extents"
                                              : NULL;
}

static int judge_traits(struct connection *connection)
{
    struct nbd_store *s = connection->store;
    struct traits is;

    read_traits(connection->handle, &is);
    pthread_mutex_lock(&s->lock);
    bool first = !s->opened;
    if (first)
        s->traits = is;
    const char *worse = first ? NULL : what_is_worse(&s->traits, &is);
    if (worse)
        s->locked = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    if (!worse)
        return 0;
    event_post(WEIR_ERROR, NULL, NULL,
               "disk %s: its server came back with %s: nothing is served until the export is "
               "closed and opened again",
               s->image, worse);
    return -EIO;
}

/* ---- after a loss ---------------------------------------------------------------------------- */

/* What an old connection still has in flight is answered or lost before anything old is sent
 * again, or it could overtake what is newer. */
static void wait_for_the_others(struct nbd_store *s)
{
    uint64_t limit = clock_ns() + s->config->timeout;

    while (s->in_flight && !s->closing) {
        clock_wait(&s->changed, &s->lock, limit);
        if (clock_ns() < limit)
            continue;
        for (size_t i = 0; i < s->count; i++)
            if (s->connections[i].ready) {
                atomic_store(&s->connections[i].kick, true);
                connection_wake(&s->connections[i]);
            }
        limit = clock_ns() + s->config->timeout;
    }
}

/* Until it returns 0, must_recover keeps every request out. */
static int connection_recover(struct connection *connection)
{
    struct nbd_store *s = connection->store;
    int r = 0;

    pthread_mutex_lock(&s->lock);
    while (s->recovering && !s->closing)
        pthread_cond_wait(&s->changed, &s->lock);
    while (s->must_recover && r == 0) {
        uint64_t losses = s->losses;
        s->recovering = true;
        wait_for_the_others(s);
        bool closing = s->closing;
        pthread_mutex_unlock(&s->lock);
        r = closing ? -ENOTCONN : kept_replay(s, connection);
        pthread_mutex_lock(&s->lock);
        s->recovering = false;
        if (r == 0 && losses == s->losses) /* else another connection was lost meanwhile */
            s->must_recover = false;
        pool_judge(s);
    }
    pthread_mutex_unlock(&s->lock);
    return r;
}

/* ---- the thread --------------------------------------------------------------------------------
 */

static void drop_handle(struct connection *connection)
{
    struct nbd_store *s = connection->store;

    pthread_mutex_lock(&s->lock);
    while (connection->users) /* each learns of its loss from libnbd */
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
    nbd_close(connection->handle);
    connection->handle = NULL;
}

static void say_goodbye(struct connection *connection)
{
    uint64_t limit = clock_ns() + GOODBYE_MS * 1000000ull;

    if (nbd_aio_disconnect(connection->handle, 0) < 0)
        return;
    while (!connection_is_down(connection) && clock_ns() < limit)
        connection_turn(connection, GOODBYE_MS);
}

/* One loss and one return are told, whatever the number of connections. */
static bool is_news(struct nbd_store *s, bool lost)
{
    hold_lock(&s->lock);
    bool news = s->loss_told != lost;
    s->loss_told = lost;
    return news;
}

static void serve_answers(struct connection *connection)
{
    struct nbd_store *s = connection->store;

    int r = 0;

    while (!connection_is_down(connection) && !is_closing(s))
        r = connection_turn(connection, -1);
    if (is_closing(s)) {
        say_goodbye(connection);
        return;
    }
    const char *reason = r < 0 ? nbd_get_error() : NULL; /* else a worker found out */
    if (is_news(s, true))
        event_post(WEIR_WARNING, NULL, NULL, "disk %s: connection lost (%s): trying again",
                   s->image, reason ? reason : "the server closed it");
}

/* One connection from its beginning to its end; false: it never served. */
static bool connection_live(struct connection *connection)
{
    struct nbd_store *s = connection->store;
    bool lived = connection_connect(connection) == 0 && judge_traits(connection) == 0 &&
                 connection_recover(connection) == 0;

    if (lived) {
        if (is_news(s, false))
            event_post(WEIR_INFO, NULL, NULL, "disk %s: connected again", s->image);
        pool_set_ready(connection, true);
        serve_answers(connection);
        pool_set_ready(connection, false);
    }
    if (connection->handle)
        drop_handle(connection);
    return lived;
}

/* true: there is nothing to come back to. */
static bool is_over(struct nbd_store *s, bool lived)
{
    hold_lock(&s->lock);
    if (!s->opened && !lived)
        s->first_failed = true;
    pthread_cond_broadcast(&s->changed);
    return s->closing || s->first_failed || s->locked;
}

static void *connection_run(void *arg)
{
    struct connection *connection = arg;
    int longest_ms = (int)(connection->store->config->reconnect_delay / 1000000);
    int pause_ms = FIRST_PAUSE_MS;

    for (;;) {
        bool lived = connection_live(connection);
        if (is_over(connection->store, lived))
            return NULL;
        struct pollfd wake = { .fd = connection->wake, .events = POLLIN };
        if (poll(&wake, 1, pause_ms) > 0)
            take_wake(connection);
        pause_ms = lived ? FIRST_PAUSE_MS : pause_ms * 2 < longest_ms ? pause_ms * 2 : longest_ms;
    }
}

int connection_start(struct nbd_store *s, struct connection *connection)
{
    connection->store = s;
    connection->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (connection->wake < 0)
        return -errno;
    int r = -pthread_create(&connection->thread, NULL, connection_run, connection);
    if (r < 0)
        scope_close(&connection->wake);
    connection->started = r == 0;
    return r;
}

void connection_stop(struct connection *connection)
{
    if (!connection->started)
        return;
    connection_wake(connection);
    pthread_join(connection->thread, NULL);
    scope_close(&connection->wake);
}
