/* wire-fake.c - a wire into a target of the same process, with a network's faults.
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Each request has a thread of its own: so they overtake each other as they like. */
#include "link.h"

#include "source-site.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct wire {
    struct link_setup setup;
    struct network *network;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    unsigned running;
    bool lost, closing;
};

struct errand {
    struct wire *wire;
    enum wire_op op;
    void *data;
    size_t length;
    uint64_t offset;
    bool fua;
    void (*done)(void *arg, int error);
    void *arg;
};

static _Atomic uint64_t chances; /* one for all threads: each lives for one request */

static bool is_lost(struct wire *w)
{
    pthread_mutex_lock(&w->lock);
    bool lost = w->lost || w->closing || atomic_load(&w->network->cut);
    pthread_mutex_unlock(&w->lock);
    return lost;
}

static void note_farthest(struct network *n, uint64_t offset)
{
    uint64_t before = atomic_load(&n->farthest);

    while (before < offset && !atomic_compare_exchange_weak(&n->farthest, &before, offset))
        ;
}

static bool is_held(const struct errand *e)
{
    const uint64_t from = atomic_load(&e->wire->network->hold_from);

    return e->op == WIRE_WRITE && from && e->offset >= from;
}

static bool is_refused(const struct errand *e)
{
    const uint64_t from = atomic_load(&e->wire->network->refuse_from);

    return e->op == WIRE_WRITE && from && e->offset >= from;
}

static int travel(struct errand *e)
{
    struct network *n = e->wire->network;
    const unsigned delay = atomic_load(&n->delay_us), lose = atomic_load(&n->lose);
    static const enum site_op ops[] = {
        [WIRE_WRITE] = SITE_WRITE, [WIRE_READ] = SITE_READ, [WIRE_FLUSH] = SITE_FLUSH
    };

    uint64_t chance = atomic_fetch_add(&chances, 1);
    uint64_t luck = memory_chance(&chance);
    if (e->op == WIRE_WRITE)
        note_farthest(n, e->offset);
    if (delay)
        usleep((useconds_t)(luck % delay));
    while (is_held(e) && !is_lost(e->wire))
        usleep(200);
    bool never_there = lose && luck % lose == 0, never_back = lose && luck % lose == 1;
    if (is_lost(e->wire) || never_there)
        return ENOTCONN;
    if (n->gate)
        n->gate(n->gate_arg);
    atomic_fetch_add(&n->busy, 1);
    int error = ENOTCONN;
    if (!atomic_load(&n->cut)) /* else the target may be another in a moment */
        error = is_refused(e)
                    ? ENOSPC
                    : target_serve(n->target, ops[e->op], e->data, e->length, e->offset, e->fua);
    atomic_fetch_sub(&n->busy, 1);
    return is_lost(e->wire) || never_back ? ENOTCONN : error;
}

static void *errand_main(void *arg)
{
    struct errand *e = arg;
    struct wire *w = e->wire;
    int error = travel(e);

    if (error == ENOTCONN) {
        pthread_mutex_lock(&w->lock);
        w->lost = true;
        pthread_mutex_unlock(&w->lock);
    }
    e->done(e->arg, error);
    free(e);
    pthread_mutex_lock(&w->lock);
    w->running--;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int wire_start(struct wire *w, enum wire_op op, void *data, size_t length, uint64_t offset,
               bool fua, void (*done)(void *arg, int error), void *arg)
{
    struct errand *e = malloc(sizeof *e);
    pthread_attr_t detached;
    pthread_t thread;

    *e = (struct errand){ w, op, data, length, offset, fua, done, arg };
    if (is_lost(w)) {
        free(e);
        return -ENOTCONN;
    }
    pthread_mutex_lock(&w->lock);
    w->running++;
    pthread_mutex_unlock(&w->lock);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &detached, errand_main, e))
        abort(); /* a test without threads is none */
    pthread_attr_destroy(&detached);
    return 0;
}

struct answer {
    sem_t here;
    int error;
};

static void answered(void *arg, int error)
{
    struct answer *a = arg;

    a->error = error;
    sem_post(&a->here);
}

int wire_run(struct wire *w, enum wire_op op, void *data, size_t length, uint64_t offset, bool fua)
{
    struct answer a = { .error = 0 };

    sem_init(&a.here, 0, 0);
    int r = wire_start(w, op, data, length, offset, fua, answered, &a);
    if (!r) {
        sem_wait(&a.here);
        r = -a.error;
    }
    sem_destroy(&a.here);
    return r;
}

uint64_t wire_size(const struct wire *w)
{
    (void)w;
    return LOG_SIZE;
}

int wire_open(const struct link_setup *setup, struct wire **ret, char why[WHY])
{
    struct wire *w = calloc(1, sizeof *w);

    w->setup = *setup;
    w->network = site_source->network;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    if (!w->network->target || atomic_load(&w->network->cut)) {
        why_print(why, "nobody answers");
        free(w);
        return -ENOTCONN;
    }
    atomic_fetch_add(&w->network->opened, 1);
    *ret = w;
    return 0;
}

void wire_close(struct wire *w)
{
    pthread_mutex_lock(&w->lock);
    w->closing = true;
    while (w->running)
        pthread_cond_wait(&w->changed, &w->lock);
    pthread_mutex_unlock(&w->lock);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
