/* store-nbd-pool.c - which connection carries a request, and what if it breaks?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The worker that a request belongs to sends it, sleeps, and when its connection is
 * lost sends it again on another: that is the whole replay of unanswered requests.
 * Doing one twice is harmless, for a client does not start an overlapping write before
 * the first was answered. */
#include "store-nbd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "request.h" /* nbd_errno() */
#include "scope.h"
#include "stores.h"

enum { SHUTDOWN_PAUSE_NS = 100000000 };

void pool_judge(struct nbd_store *s)
{
    bool stopped = s->ready == 0 || s->must_recover;

    if (!stopped)
        s->stopped_since = 0;
    else if (!s->stopped_since)
        s->stopped_since = clock_ns();
    pthread_cond_broadcast(&s->changed);
}

static void set_ready(struct connection *connection, bool ready)
{
    struct nbd_store *s = connection->store;

    if (connection->ready == ready)
        return;
    connection->ready = ready;
    if (ready) {
        s->ready++;
    } else {
        s->ready--;
        s->losses++;
        s->must_recover = true;
    }
    pool_judge(s);
}

void pool_set_ready(struct connection *connection, bool ready)
{
    hold_lock(&connection->store->lock);
    set_ready(connection, ready);
}

/* ---- taking a connection ----------------------------------------------------------------------
 */

static struct connection *least_busy(struct nbd_store *s)
{
    struct connection *best = NULL;

    for (size_t i = 0; i < s->count; i++) {
        struct connection *connection = &s->connections[(s->next + i) % s->count];
        if (connection->ready && (!best || connection->users < best->users))
            best = connection;
    }
    s->next = (unsigned)((s->next + 1) % s->count);
    return best;
}

/* Waits for a connection until retry_timeout after requests could no longer run, or after this
 * one was lost for the first time.  *newest: what a flush that starts now will cover. */
static int enter(struct nbd_store *s, uint64_t lost_since, struct connection **ret,
                 uint64_t *newest)
{
    hold_lock(&s->lock);
    while (!s->locked && s->stopped_since) {
        uint64_t limit = s->stopped_since + s->config->retry_timeout;
        if (lost_since && lost_since + s->config->retry_timeout < limit)
            limit = lost_since + s->config->retry_timeout;
        if (clock_ns() >= limit)
            return -EIO;
        clock_wait(&s->changed, &s->lock, limit);
    }
    if (s->locked || (lost_since && clock_ns() >= lost_since + s->config->retry_timeout))
        return -EIO;
    *ret = least_busy(s);
    (*ret)->users++;
    s->in_flight++;
    *newest = s->kept.newest;
    return 0;
}

static void leave(struct nbd_store *s, struct connection *connection, bool lost)
{
    if (lost)
        set_ready(connection, false);
    connection->users--;
    s->in_flight--;
    if (!connection->ready || s->must_recover)
        pthread_cond_broadcast(&s->changed);
}

/* ---- one try -------------------------------------------------------------------------------- */

static int completed(void *arg, int *error)
{
    struct job *job = arg;

    job->error = *error;
    sem_post(&job->done);
    return 1; /* libnbd forgets the command */
}

static int extent_came(void *arg, const char *context, uint64_t offset, uint32_t *entries,
                       size_t count, int *error)
{
    struct job *job = arg;

    (void)offset;
    if (strcmp(context, LIBNBD_CONTEXT_BASE_ALLOCATION) != 0 || job->extents)
        return 0;
    job->extents = malloc(count * sizeof *entries);
    if (!job->extents) {
        *error = ENOMEM;
        return -1;
    }
    memcpy(job->extents, entries, count * sizeof *entries);
    job->extent_words = count;
    return 0;
}

static uint32_t wire_flags(const struct nbd_store *s, const struct job *job)
{
    uint32_t flags = 0;

    if ((job->flags & WEIR_FUA) && s->traits.fua && (WEIR_CHANGES & WEIR_OP(job->op)))
        flags |= LIBNBD_CMD_FLAG_FUA;
    if (job->op == WEIR_ZERO && !(job->flags & WEIR_MAY_TRIM))
        flags |= LIBNBD_CMD_FLAG_NO_HOLE;
    if (job->op == WEIR_ZERO && (job->flags & WEIR_FAST_ZERO))
        flags |= LIBNBD_CMD_FLAG_FAST_ZERO;
    if (job->op == WEIR_EXTENTS && (job->flags & WEIR_ONE_EXTENT))
        flags |= LIBNBD_CMD_FLAG_REQ_ONE;
    return flags;
}

static int64_t issue(struct nbd_store *s, struct nbd_handle *h, struct job *j)
{
    nbd_completion_callback done = { .callback = completed, .user_data = j };
    uint32_t flags = wire_flags(s, j);

    switch (j->op) {
    case WEIR_READ:
        return nbd_aio_pread(h, j->data, j->length, j->offset, done, flags);
    case WEIR_WRITE:
        return nbd_aio_pwrite(h, j->data, j->length, j->offset, done, flags);
    case WEIR_FLUSH:
        return nbd_aio_flush(h, done, flags);
    case WEIR_TRIM:
        return nbd_aio_trim(h, j->length, j->offset, done, flags);
    case WEIR_ZERO:
        return nbd_aio_zero(h, j->length, j->offset, done, flags);
    case WEIR_PREFETCH:
        return nbd_aio_cache(h, j->length, j->offset, done, flags);
    case WEIR_EXTENTS:
        return nbd_aio_block_status(
            h, j->length, j->offset,
            (nbd_extent_callback){ .callback = extent_came, .user_data = j }, done, flags);
    case WEIR_OP_COUNT:
        break;
    }
    return -1;
}

/* Sends and waits; false: the connection was lost, and whether it was done nobody knows.
 * libnbd ends what a lost connection leaves unanswered with ENOTCONN, which no server
 * can send. */
static bool try_once(struct nbd_store *s, struct connection *connection, struct job *job)
{
    free(job->extents);
    job->extents = NULL;
    job->extent_words = 0;
    if (issue(s, connection->handle, job) < 0) {
        job->error = connection_is_down(connection) ? ENOTCONN
                     : nbd_get_errno()              ? nbd_get_errno()
                                                    : EIO;
    } else {
        /* what the socket did not take at once, the connection's thread sends; and one that
         * broke just now has no socket any more that its thread could wait for */
        if (nbd_aio_get_direction(connection->handle) != LIBNBD_AIO_DIRECTION_READ)
            connection_wake(connection);
        while (sem_wait(&job->done) < 0)
            ;
    }
    return job->error != ENOTCONN;
}

/* ---- until it is done ----------------------------------------------------------------------- */

/* A failed flush is never forgotten: the server may well have dropped what it failed to
 * write and succeed the next time. */
static int settle(struct nbd_store *s, struct job *job, uint64_t newest)
{
    if (job->op == WEIR_FLUSH && job->error && job->error != ESHUTDOWN)
        s->lost = true;
    if (job->error)
        return -nbd_errno(job->error);
    if (job->op == WEIR_FLUSH)
        kept_forget(s, newest);
    return kept_add(s, job);
}

static int run(struct nbd_store *s, struct job *job)
{
    uint64_t lost_since = 0;

    for (;;) {
        struct connection *connection;
        uint64_t newest;
        int r = enter(s, lost_since, &connection, &newest);
        if (r < 0)
            return lost_since && job->error == ESHUTDOWN ? -ESHUTDOWN : r;
        bool answered = try_once(s, connection, job);
        bool again = !answered || job->error == ESHUTDOWN;

        pthread_mutex_lock(&s->lock);
        if (!again)
            r = settle(s, job, newest);
        leave(s, connection, !answered);
        if (again && !lost_since)
            lost_since = clock_ns();
        if (again && answered) /* the server is about to go, or to come back */
            clock_wait(&s->changed, &s->lock, clock_ns() + SHUTDOWN_PAUSE_NS);
        pthread_mutex_unlock(&s->lock);
        if (!again)
            return r;
    }
}

int pool_run(struct nbd_store *s, struct job *job)
{
    sem_init(&job->done, 0, 0);
    int r = run(s, job);
    sem_destroy(&job->done);
    return r;
}
