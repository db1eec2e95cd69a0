/* datastore.c - what do the disks of one datastore share, and who wakes whom?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "datastore.h"
#include "control.h"
#include "thread.h"
#include "ticker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One list per process, because a datastore is one for all of its exports. */
static struct {
    pthread_mutex_t lock; /* the list and the counts of users; a datastore's comes after it */
    struct datastore *first;
} registry = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- made and given back ----------------------------------------------------- */

static unsigned count_cpus(void)
{
    long there = sysconf(_SC_NPROCESSORS_CONF);
    unsigned cpus = 1;

    while (cpus < 256 && (long)cpus < there)
        cpus *= 2;
    return cpus;
}

static void destroy(struct datastore *d)
{
    scheduler_finish(&d->scheduler);
    ticker_destroy(d->ticker);
    free(d->shard);
    free(d->name);
    free(d);
}

static int create(const struct weir_below *below, const char *name, struct datastore **ret)
{
    struct datastore *d = calloc(1, sizeof *d);

    if (!d)
        return -ENOMEM;
    d->cpus = count_cpus();
    d->name = strdup(name);
    d->shard = aligned_alloc(64, d->cpus * sizeof *d->shard);
    int r = ticker_create(below, &d->ticker);
    if (!d->name || !d->shard || r) {
        destroy(d);
        return r ? r : -ENOMEM;
    }
    memset(d->shard, 0, d->cpus * sizeof *d->shard);
    scheduler_init(&d->scheduler);
    cost_init(&d->cost);
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->wake, NULL);
    pthread_cond_init(&d->spoken, NULL);
    ticker_begin(d);
    r = thread_start(&d->thread, ticker_run, d);
    if (r) {
        destroy(d);
        return r;
    }
    *ret = d;
    return 0;
}

int datastore_get(const struct weir_below *below, struct datastore **ret)
{
    struct weir_datastore about;
    struct datastore *d;
    int r = 0;

    weir_datastore(below, &about);
    pthread_mutex_lock(&registry.lock);
    for (d = registry.first; d; d = d->next)
        if (strcmp(d->name, about.name) == 0)
            break;
    if (!d) {
        r = create(below, about.name, &d);
        if (!r) {
            d->next = registry.first;
            registry.first = d;
        }
    }
    if (!r) {
        d->users++;
        *ret = d;
    }
    pthread_mutex_unlock(&registry.lock);
    return r;
}

void datastore_put(struct datastore *d)
{
    if (!d)
        return;
    pthread_mutex_lock(&registry.lock);
    bool last = --d->users == 0;
    for (struct datastore **where = &registry.first; last && *where; where = &(*where)->next)
        if (*where == d) {
            *where = d->next;
            break;
        }
    pthread_mutex_unlock(&registry.lock);
    if (!last)
        return;
    pthread_mutex_lock(&d->lock);
    d->stopping = true;
    pthread_cond_signal(&d->wake);
    pthread_mutex_unlock(&d->lock);
    pthread_join(d->thread, NULL);
    pthread_cond_destroy(&d->wake);
    pthread_cond_destroy(&d->spoken);
    pthread_mutex_destroy(&d->lock);
    destroy(d);
}

/* ---- what the CPUs counted --------------------------------------------------- */

static void add(uint64_t *sum, const _Atomic uint64_t *n)
{
    *sum += atomic_load_explicit(n, memory_order_relaxed);
}

void datastore_tally(const struct datastore *d, struct tally *ret)
{
    *ret = (struct tally){ 0 };
    for (unsigned i = 0; i < d->cpus; i++) {
        const struct shard *s = &d->shard[i];
        for (int op = 0; op < COST_OPS; op++) {
            add(&ret->count[op], &s->count[op]);
            add(&ret->bytes[op], &s->bytes[op]);
        }
        add(&ret->units, &s->units);
        add(&ret->load, &s->load);
        add(&ret->latency, &s->latency);
        add(&ret->held, &s->held);
    }
}

/* ---- who goes ---------------------------------------------------------------- */

int64_t datastore_outside(const struct datastore *d)
{
    int64_t load = 0;

    for (unsigned i = 0; i < d->cpus; i++)
        load += atomic_load(&d->shard[i].in_flight);
    return load;
}

/* How long has somebody waited for the window, and does somebody now? */
static void note_waiting(struct datastore *d, uint64_t now)
{
    if (d->waits_since && now > d->waits_since)
        d->waited += now - d->waits_since;
    d->waits_since = d->scheduler.turns.count ? now : 0;
}

void datastore_look_outside(struct datastore *d)
{
    if (!d->all_inside)
        d->scheduler.outside = (uint64_t)datastore_outside(d);
}

struct item *datastore_gather(struct datastore *d, uint64_t now)
{
    struct scheduler *s = &d->scheduler;
    struct item *all = NULL, **last = &all;

    if (s->turns.count && !atomic_load_explicit(&d->crowded, memory_order_relaxed))
        atomic_store(&d->crowded, true); /* from here on everybody takes the lock */
    datastore_look_outside(d);
    for (struct item *i; (i = scheduler_next(s, now));) {
        *last = i;
        last = &i->next;
    }
    *last = NULL;
    note_waiting(d, now);
    atomic_store_explicit(&d->room, (int64_t)s->window - (int64_t)s->in_flight,
                          memory_order_relaxed);
    if (scheduler_when(s) < d->next_look)
        pthread_cond_signal(&d->wake);
    return all;
}

/* What has been resumed is nobody's here any more: the next is read before. */
void datastore_resume(struct item *all)
{
    while (all) {
        struct held *h = (struct held *)all;
        all = all->next;
        weir_resume(h->req, WEIR_PASS);
    }
}

void datastore_rouse(struct datastore *d)
{
    pthread_mutex_lock(&d->lock);
    pthread_cond_signal(&d->wake);
    pthread_mutex_unlock(&d->lock);
}
