/* wire.c - how do requests of ours travel over NBD without anybody waiting?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Each connection has a thread (wire-connection.c); others put jobs on its list and wake it.  A
 * wire that has lost one connection is lost as a whole. */
#include "wire.h"
#include "thread.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

uint64_t wire_size(const struct wire *w)
{
    return w->size;
}

/* ---- the wire
 * ----------------------------------------------------------------------------------------- */

static int start_connection(struct wire *w, char why[WHY])
{
    struct connection *c = &w->connections[w->count];

    c->wire = w;
    c->last = &c->queue;
    c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r = c->wake < 0 ? -errno : thread_start(&c->thread, connection_main, c);
    if (r) {
        if (c->wake >= 0)
            close(c->wake);
        why_print(why, "no thread for a connection: %s", strerror(-r));
        return r;
    }
    pthread_mutex_lock(&w->lock);
    w->count++;
    while (!c->ready && !c->ended)
        pthread_cond_wait(&w->changed, &w->lock);
    bool ready = c->ready;
    if (!ready)
        why_print(why, "%s", w->error);
    pthread_mutex_unlock(&w->lock);
    return ready ? 0 : -ENOTCONN;
}

void wire_close(struct wire *w)
{
    pthread_mutex_lock(&w->lock);
    w->closing = true;
    pthread_mutex_unlock(&w->lock);
    for (unsigned i = 0; i < w->count; i++)
        connection_wake(&w->connections[i]);
    for (unsigned i = 0; i < w->count; i++) {
        pthread_join(w->connections[i].thread, NULL);
        close(w->connections[i].wake);
    }
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

int wire_open(const struct link_setup *setup, struct wire **ret, char why[WHY])
{
    struct wire *w = calloc(1, sizeof *w);

    if (!w)
        return -ENOMEM;
    w->setup = *setup;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    int r = start_connection(w, why);
    for (int64_t i = 1; !r && w->multi && i < setup->config->connections; i++)
        r = start_connection(w, why);
    if (r)
        wire_close(w);
    else
        *ret = w;
    return r;
}

int wire_start(struct wire *w, enum wire_op op, void *data, size_t length, uint64_t offset,
               bool fua, void (*done)(void *arg, int error), void *arg)
{
    struct job *j = malloc(sizeof *j);
    struct connection *c = NULL;

    if (!j)
        return -ENOMEM;
    *j = (struct job){
        .op = op,
        .data = data,
        .length = length,
        .offset = offset,
        .fua = fua,
        .done = done,
        .arg = arg,
    };
    pthread_mutex_lock(&w->lock);
    for (unsigned i = 0; i < w->count; i++) {
        struct connection *other = &w->connections[i];
        if (other->ended) { /* lost as a whole */
            c = NULL;
            break;
        }
        if (!c || other->load < c->load)
            c = other;
    }
    if (c && !w->closing) {
        *c->last = j;
        c->last = &j->next;
        c->load++;
    }
    bool taken = c && !w->closing;
    pthread_mutex_unlock(&w->lock);
    if (!taken) {
        free(j);
        return -ENOTCONN;
    }
    connection_wake(c);
    return 0;
}

/* ---- waiting for an answer
 * ------------------------------------------------------------------------------ */

/* It may outlive whoever waits: the last of the two frees it. */
struct waiter {
    sem_t answered;
    _Atomic unsigned users;
    _Atomic int error; /* and so the data is there for whoever has read it */
    size_t length;
    uint8_t data[];
};

static void waiter_put(struct waiter *waiter)
{
    if (atomic_fetch_sub(&waiter->users, 1) != 1)
        return;
    sem_destroy(&waiter->answered);
    free(waiter);
}

static void answered(void *arg, int error)
{
    struct waiter *waiter = arg;

    atomic_store(&waiter->error, error);
    sem_post(&waiter->answered);
    waiter_put(waiter);
}

int wire_run(struct wire *w, enum wire_op op, void *data, size_t length, uint64_t offset, bool fua)
{
    const bool has_data = op == WIRE_READ || op == WIRE_WRITE;
    struct waiter *waiter = malloc(sizeof *waiter + (has_data ? length : 0));
    const struct timespec limit = timespec_of(now_ns() + atomic_load(w->setup.peer_timeout));

    if (!waiter)
        return -ENOMEM;
    sem_init(&waiter->answered, 0, 0);
    atomic_init(&waiter->users, 2);
    if (op == WIRE_WRITE)
        memcpy(waiter->data, data, length);
    int r = wire_start(w, op, waiter->data, length, offset, fua, answered, waiter);
    if (r) {
        sem_destroy(&waiter->answered);
        free(waiter);
        return r;
    }
    while ((r = sem_clockwait(&waiter->answered, CLOCK_MONOTONIC, &limit)) && errno == EINTR)
        ;
    r = r ? -ETIMEDOUT : -atomic_load(&waiter->error);
    if (!r && op == WIRE_READ)
        memcpy(data, waiter->data, length);
    waiter_put(waiter);
    return r;
}
