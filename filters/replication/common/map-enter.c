/* map-enter.c - what does each write cost, and what does it leave in the map?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "map-private.h"

#include <errno.h>

/* Stamps only rise: who is late with an older epoch must not take a newer one away. */
void stamps_raise(struct map *m, uint64_t extent, uint64_t granules, uint32_t epoch)
{
    struct chunk *c = chunk_of(m, extent);
    bool raised = false;

    for (; granules; granules &= granules - 1) {
        _Atomic uint32_t *stamp = &c->stamp[extent % CHUNK][__builtin_ctzll(granules)];
        uint32_t old = atomic_load_explicit(stamp, memory_order_relaxed);
        while (old < epoch)
            if (atomic_compare_exchange_weak(stamp, &old, epoch)) {
                raised = true;
                break;
            }
    }
    if (raised)
        atomic_fetch_or(&c->extent[extent % CHUNK].state, PENDING);
}

void range_stamp(struct map *m, uint64_t offset, uint64_t length)
{
    const uint32_t epoch = atomic_load(&m->epoch);

    for (uint64_t e = offset / EXTENT; e <= (offset + length - 1) / EXTENT; e++)
        stamps_raise(m, e, granules_in(e, offset, length), epoch);
}

static bool extent_enter(struct map *m, uint64_t extent)
{
    _Atomic uint32_t *state = state_of(m, extent);
    const uint32_t was = atomic_fetch_add(state, 1);

    /* nobody closes it again while we are in it */
    if (was & CLOSING && does(CLOSE_BEFORE_COPY))
        atomic_fetch_and(state, ~CLOSING);
    return was & HOT;
}

bool range_is_hot(const struct map *m, uint64_t offset, uint64_t length)
{
    bool hot = true;

    for (uint64_t e = offset / EXTENT; e <= (offset + length - 1) / EXTENT; e++)
        hot &= (atomic_load(state_of(m, e)) & HOT) != 0;
    return hot;
}

/* The keeper leaves the extents alone meanwhile: we are in flight there. */
static int wait_for_intents(struct map *m, uint64_t offset, uint64_t length, struct map_wait *wait)
{
    wait->offset = offset;
    wait->length = length;
    wait->next = NULL;
    pthread_mutex_lock(&m->lock);
    const int failed = m->failed;
    if (!failed) {
        *m->last = wait;
        m->last = &wait->next;
        pthread_cond_signal(&m->commit);
    }
    pthread_mutex_unlock(&m->lock);
    if (!failed)
        return 1;
    range_leave(m, offset, length, 0);
    return failed;
}

int map_enter(struct map *m, uint64_t offset, uint64_t length, struct map_wait *wait)
{
    bool hot = true;

    if (!length)
        return 0;
    for (uint64_t e = offset / EXTENT; e <= (offset + length - 1) / EXTENT; e++)
        hot &= extent_enter(m, e);
    if (!hot)
        return wait_for_intents(m, offset, length, wait);
    range_stamp(m, offset, length);
    return 0;
}

/* An intent that was written for it stays, which says too much and not too little. */
bool map_forget(struct map *m, struct map_wait *wait)
{
    struct map_wait **const lists[] = { &m->first, &m->committed };
    bool waits = false;

    pthread_mutex_lock(&m->lock);
    for (int i = 0; i < 2 && !waits; i++) {
        struct map_wait **at = lists[i];
        while (*at && *at != wait)
            at = &(*at)->next;
        waits = *at != NULL;
        if (waits) {
            *at = wait->next;
            if (m->last == &wait->next)
                m->last = at;
        }
    }
    pthread_mutex_unlock(&m->lock);
    if (waits)
        range_leave(m, wait->offset, wait->length, 0);
    return waits;
}

struct entering {
    struct map_wait wait; /* first */
    pthread_mutex_t lock; /* guards the rest; leaf */
    pthread_cond_t done;
    bool ready;
    int error;
};

static void entered(struct map_wait *wait, int error)
{
    struct entering *e = (struct entering *)wait;

    pthread_mutex_lock(&e->lock);
    e->ready = true;
    e->error = error;
    pthread_cond_signal(&e->done);
    pthread_mutex_unlock(&e->lock);
}

int map_enter_waiting(struct map *m, uint64_t offset, uint64_t length)
{
    struct entering e = { .wait.ready = entered,
                          .lock = PTHREAD_MUTEX_INITIALIZER,
                          .done = PTHREAD_COND_INITIALIZER };
    int r = map_enter(m, offset, length, &e.wait);

    if (r != 1)
        return r;
    if (m->manual)
        map_work(m, 0);
    pthread_mutex_lock(&e.lock);
    while (!e.ready)
        pthread_cond_wait(&e.done, &e.lock);
    pthread_mutex_unlock(&e.lock);
    if (e.error)
        map_leave(m, offset, length, 0);
    return e.error;
}

static void raise_to(_Atomic uint64_t *value, uint64_t to)
{
    uint64_t old = atomic_load_explicit(value, memory_order_relaxed);

    while (old < to && !atomic_compare_exchange_weak(value, &old, to)) {
    }
}

void range_leave(struct map *m, uint64_t offset, uint64_t length, uint64_t lsn)
{
    const uint32_t tick = atomic_load_explicit(&m->tick, memory_order_relaxed);

    for (uint64_t e = offset / EXTENT; e <= (offset + length - 1) / EXTENT; e++) {
        struct extent *x = extent_of(m, e);
        raise_to(&x->lsn, lsn);
        if (atomic_load_explicit(&x->touched, memory_order_relaxed) != tick)
            atomic_store_explicit(&x->touched, tick, memory_order_relaxed);
        atomic_fetch_sub(&x->state, 1); /* last: what precedes holds for the keeper */
    }
}

void map_leave(struct map *m, uint64_t offset, uint64_t length, uint64_t lsn)
{
    if (!length)
        return;
    if (does(STAMP_AGAIN))
        range_stamp(m, offset, length);
    range_leave(m, offset, length, lsn);
}

void map_durable(struct map *m, uint64_t lsn)
{
    raise_to(&m->durable, lsn);
}
