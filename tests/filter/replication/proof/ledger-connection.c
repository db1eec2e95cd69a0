/* ledger-connection.c - how does the ledger have its connections, and have them again?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ledger.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

bool connection_is_lost(const struct connection *c)
{
    return !c->nbd || nbd_aio_is_dead(c->nbd) > 0 || nbd_aio_is_closed(c->nbd) > 0;
}

static int open_one(struct connection *c)
{
    nbd_close(c->nbd);
    c->nbd = nbd_create();
    if (!c->nbd || nbd_set_uri_allow_local_file(c->nbd, true) < 0 ||
        nbd_connect_uri(c->nbd, c->uri) < 0)
        return -1;
    snprintf(c->kinds, sizeof c->kinds, "%s%s%s%s", nbd_can_zero(c->nbd) > 0 ? "z" : "",
             nbd_can_trim(c->nbd) > 0 ? "t" : "", nbd_can_flush(c->nbd) > 0 ? "f" : "",
             nbd_can_fua(c->nbd) > 0 ? "u" : "");
    return 0;
}

static int make_flights(struct connection *c)
{
    c->flights = calloc(c->ledger->depth, sizeof *c->flights);
    for (unsigned i = 0; c->flights && i < c->ledger->depth; i++) {
        c->flights[i].connection = c;
        c->flights[i].data = malloc(c->ledger->load.largest);
        if (!c->flights[i].data)
            return -1;
    }
    return c->flights ? 0 : -1;
}

/* A flush covers what other connections wrote only where the server says so. */
static int declare(struct ledger *l, const struct connection *c)
{
    int64_t size = nbd_get_size(c->nbd);

    if (size < LEDGER_BLOCK || (l->per_disk > 1 && nbd_can_multi_conn(c->nbd) <= 0)) {
        fprintf(stderr, "ledger: %s is too small, or takes one connection only\n", c->uri);
        return -1;
    }
    uint64_t blocks = (uint64_t)size / LEDGER_BLOCK;
    if (l->load.span > blocks * LEDGER_BLOCK)
        l->load.span = blocks * LEDGER_BLOCK;
    char *name = nbd_get_export_name(c->nbd);
    ledger_log(l, "d %" PRIu32 " %" PRIu64 " %s\n", c->disk, blocks * LEDGER_BLOCK,
               name ? name : "");
    free(name);
    return 0;
}

int connections_open(struct ledger *l, char **uris, unsigned disks)
{
    if (l->disks && l->disks != disks) {
        fprintf(stderr, "ledger: the log is of %u disks\n", l->disks);
        return -1;
    }
    l->connection = calloc((size_t)disks * l->per_disk, sizeof *l->connection);
    l->poll = calloc((size_t)disks * l->per_disk, sizeof *l->poll);
    for (unsigned i = 0; l->connection && l->poll && i < disks * l->per_disk; i++) {
        struct connection *c = &l->connection[l->connections++];
        *c = (struct connection){ .ledger = l,
                                  .disk = i / l->per_disk,
                                  .uri = uris[i / l->per_disk] };
        if (open_one(c) < 0) {
            fprintf(stderr, "ledger: %s: %s\n", c->uri, nbd_get_error());
            return -1;
        }
        if (make_flights(c) < 0 || (i % l->per_disk == 0 && declare(l, c) < 0))
            return -1;
    }
    ledger_log_flush(l);
    return l->connection && l->poll ? 0 : -1;
}

void connections_close(struct ledger *l)
{
    for (unsigned i = 0; i < l->connections; i++) {
        struct connection *c = &l->connection[i];
        if (c->nbd && !connection_is_lost(c))
            nbd_shutdown(c->nbd, 0);
        nbd_close(c->nbd);
        for (unsigned j = 0; c->flights && j < l->depth; j++)
            free(c->flights[j].data);
        free(c->flights);
    }
    free(l->connection);
    free(l->poll);
}

void connections_turn(struct ledger *l, int timeout)
{
    struct pollfd *list = l->poll;

    for (unsigned i = 0; i < l->connections; i++) {
        struct connection *c = &l->connection[i];
        unsigned direction = connection_is_lost(c) ? 0 : nbd_aio_get_direction(c->nbd);
        list[i].fd = direction ? nbd_aio_get_fd(c->nbd) : -1;
        list[i].events = (direction & LIBNBD_AIO_DIRECTION_READ ? POLLIN : 0) |
                         (direction & LIBNBD_AIO_DIRECTION_WRITE ? POLLOUT : 0);
        list[i].revents = 0;
        if (connection_is_lost(c))
            timeout = 0;
    }
    if (poll(list, l->connections, timeout) <= 0)
        return;
    for (unsigned i = 0; i < l->connections; i++) {
        struct nbd_handle *nbd = l->connection[i].nbd;
        if (!list[i].revents)
            continue;
        unsigned direction = nbd_aio_get_direction(nbd);
        if ((direction & LIBNBD_AIO_DIRECTION_READ) && (list[i].revents & ~POLLOUT))
            nbd_aio_notify_read(nbd);
        else if ((direction & LIBNBD_AIO_DIRECTION_WRITE) && (list[i].revents & ~POLLIN))
            nbd_aio_notify_write(nbd);
    }
    ledger_log_flush(l);
}

/* ---- lost ones
 * -------------------------------------------------------------------------------------- */

/* What was in flight is lost with it; nbd_close() answers for nothing. */
static void drop(struct connection *c)
{
    nbd_close(c->nbd);
    c->nbd = NULL;
    for (unsigned i = 0; i < c->ledger->depth; i++)
        if (c->flights[i].busy) {
            ledger_log(c->ledger, "l %" PRIu64 " %" PRIu64 "\n", c->flights[i].id, ledger_now());
            c->flights[i].busy = false;
            c->ledger->lost++;
            c->in_flight--;
        }
}

static int reopen(struct connection *c, const volatile sig_atomic_t *told_to_stop)
{
    const uint64_t until = ledger_now() + c->ledger->reconnect;

    while (open_one(c) < 0) {
        if (ledger_now() >= until || *told_to_stop) {
            fprintf(stderr, "ledger: %s: %s\n", c->uri, nbd_get_error());
            return 4;
        }
        nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
    }
    c->ledger->reconnected++;
    return 0;
}

int connections_mend(struct ledger *l, const volatile sig_atomic_t *told_to_stop)
{
    bool lost = false;

    for (unsigned i = 0; i < l->connections; i++)
        lost |= connection_is_lost(&l->connection[i]);
    if (!lost)
        return 0;
    for (unsigned i = 0; i < l->connections; i++)
        if (l->server_dies || connection_is_lost(&l->connection[i]))
            drop(&l->connection[i]);
    ledger_log_flush(l);
    if (!l->reconnect)
        return 4;
    for (unsigned i = 0; i < l->connections; i++) {
        int r = connection_is_lost(&l->connection[i]) ? reopen(&l->connection[i], told_to_stop) : 0;
        if (r)
            return r;
    }
    if (l->server_dies)
        ledger_log(l, "x %" PRIu64 "\n", ledger_now());
    return 0;
}
