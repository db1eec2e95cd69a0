/* gate.c - how do writes and the copier keep out of each other's granules?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The core's write order would do, but a write that waits for its acknowledgement holds it, and the
 * acknowledgement may wait for the copier.  A write leaves this gate as soon as it has its LSN.
 *
 * The fast path is Dekker's: a write counts itself in and then looks whether its range is closed;
 * the copier closes the range and then looks who is counted in.  One of the two sees the other. */
#include "replication.h"

void gate_init(struct gate *g)
{
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->left, NULL);
    g->last = &g->waiting;
}

void gate_finish(struct gate *g)
{
    pthread_cond_destroy(&g->left);
    pthread_mutex_destroy(&g->lock);
}

static void count(struct gate *g, uint64_t offset, uint64_t length, uint32_t n)
{
    uint64_t first = offset / GRANULE, last = length ? (offset + length - 1) / GRANULE : first;

    if (last - first >= GATE_SLOTS)
        last = first + GATE_SLOTS - 1; /* each slot once */
    for (uint64_t at = first; at <= last; at++)
        atomic_fetch_add(&g->inside[at % GATE_SLOTS], n);
}

static bool is_closed(const struct gate *g, uint64_t offset, uint64_t length)
{
    uint64_t from = atomic_load(&g->from), to = atomic_load(&g->to);

    return from < to && offset < to && offset + length > from;
}

bool gate_enter(struct gate *g, struct gate_wait *wait, uint64_t offset, uint64_t length)
{
    count(g, offset, length, 1);
    if (!is_closed(g, offset, length))
        return true;
    pthread_mutex_lock(&g->lock);
    bool closed = is_closed(g, offset, length);
    if (closed) {
        *wait = (struct gate_wait){ .offset = offset, .length = length };
        *g->last = wait;
        g->last = &wait->next;
        count(g, offset, length, UINT32_MAX); /* - 1 */
        pthread_cond_signal(&g->left);
    }
    pthread_mutex_unlock(&g->lock);
    return !closed;
}

void gate_leave(struct gate *g, uint64_t offset, uint64_t length)
{
    count(g, offset, length, UINT32_MAX);
    if (atomic_load(&g->from) == atomic_load(&g->to))
        return;
    pthread_mutex_lock(&g->lock);
    pthread_cond_signal(&g->left);
    pthread_mutex_unlock(&g->lock);
}

bool gate_forget(struct gate *g, const struct gate_wait *wait)
{
    bool waits = false;

    pthread_mutex_lock(&g->lock);
    struct gate_wait **at = &g->waiting;
    while (*at && *at != wait)
        at = &(*at)->next;
    if (*at) {
        waits = true;
        *at = wait->next;
        if (g->last == &wait->next)
            g->last = at;
    }
    pthread_mutex_unlock(&g->lock);
    return waits;
}

static bool is_empty(struct gate *g, uint64_t offset, uint64_t length)
{
    for (uint64_t at = offset / GRANULE; at <= (offset + length - 1) / GRANULE; at++)
        if (atomic_load(&g->inside[at % GATE_SLOTS]))
            return false;
    return true;
}

bool gate_is_empty(struct gate *g)
{
    return is_empty(g, 0, (uint64_t)GATE_SLOTS * GRANULE);
}

void gate_close(struct gate *g, uint64_t offset, uint64_t length)
{
    pthread_mutex_lock(&g->lock);
    /* in this order: whoever reads both in between finds an empty range, and is counted in */
    atomic_store(&g->to, offset + length);
    atomic_store(&g->from, offset);
    while (!is_empty(g, offset, length))
        pthread_cond_wait(&g->left, &g->lock);
    pthread_mutex_unlock(&g->lock);
}

struct gate_wait *gate_open(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    atomic_store(&g->from, UINT64_MAX);
    atomic_store(&g->to, UINT64_MAX);
    struct gate_wait *waiting = g->waiting;
    g->waiting = NULL;
    g->last = &g->waiting;
    pthread_mutex_unlock(&g->lock);
    return waiting;
}
