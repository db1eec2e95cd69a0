/* accounts.c - what was each disk entitled to in the last second, and what did it get?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "accounts.h"
#include "control.h"
#include "entitle.h"

#include <stdlib.h>

#define SECOND 1000000000u

static uint64_t units_done(const struct datastore *d, const struct control *c)
{
    uint64_t units = 0;

    for (unsigned i = 0; i < d->cpus; i++)
        units += atomic_load_explicit(&c->done[i].units.n, memory_order_relaxed);
    return units;
}

/* It waited at the end of this second and at the end of the last, so it wanted more. */
static void judge_reservation(struct control *c, uint64_t granted)
{
    bool waits = c->disk.queued;

    if (waits && c->waited && c->disk.reservation &&
        granted < c->disk.reservation - c->disk.reservation / 100)
        atomic_fetch_add(&c->misses, 1);
    c->waited = waits;
}

static uint64_t limit_of(const struct disk *d)
{
    /* of bytes: as many of the largest units as they are */
    uint64_t bytes = d->bytes.rate ? d->bytes.rate / 32768 + 1 : 0;

    if (!d->ios.rate || (bytes && bytes < d->ios.rate))
        return bytes;
    return d->ios.rate;
}

/* The list has one place for each disk; those without I/O come to nothing by demand. */
static void collect(struct datastore *d, struct entitlement *list, uint64_t span,
                    struct account *ret)
{
    size_t n = 0;

    for (struct control *c = d->disks; c; c = c->next) {
        uint64_t done = units_done(d, c);
        uint64_t granted = (done - c->done_before) * SECOND / span;

        c->done_before = done;
        ret->granted += granted;
        atomic_store(&c->granted, granted);
        judge_reservation(c, granted);
        if (granted || c->disk.queued) {
            ret->shares += c->disk.shares;
            ret->reserved += c->disk.reservation;
        }
        if (list)
            list[n++] = (struct entitlement){
                .shares = c->disk.shares,
                .reservation = c->disk.reservation,
                .limit = limit_of(&c->disk),
                .demand = c->disk.queued ? UINT64_MAX : granted,
            };
    }
}

static void publish(struct datastore *d, const struct entitlement *e, const struct account *a)
{
    for (struct control *c = d->disks; c; c = c->next, e++) {
        uint64_t share = a->shares && e->demand ? 100 * e->shares / a->shares : 0;
        atomic_store(&c->share, share);
        atomic_store(&c->entitled, (uint64_t)(e->entitled + 0.5));
    }
}

void accounts_settle(struct datastore *d, uint64_t capacity, uint64_t span, struct account *ret)
{
    size_t disks = d->scheduler.disks;
    uint64_t generation = d->generation;

    *ret = (struct account){ 0 };
    pthread_mutex_unlock(&d->lock);
    struct entitlement *list = calloc(disks + 1, sizeof *list);
    pthread_mutex_lock(&d->lock);
    if (d->generation != generation) { /* the next second will tell */
        free(list);
        list = NULL;
    }
    collect(d, list, span ? span : 1, ret);
    if (!list)
        return;
    /* some 60 looks at each disk: not while requests wait for the lock */
    pthread_mutex_unlock(&d->lock);
    /* it can do what it has just done */
    entitle(list, disks, capacity > ret->granted ? capacity : ret->granted);
    pthread_mutex_lock(&d->lock);
    if (d->generation == generation)
        publish(d, list, ret);
    free(list);
}

/* ---- how long it took -------------------------------------------------------- */

/* The least value of a bucket of weir_bucket(). */
static uint64_t value_of(unsigned bucket)
{
    return bucket < 32 ? bucket : (uint64_t)(bucket % 16 + 16) << (bucket / 16 - 1);
}

uint64_t accounts_p99(const struct datastore *d, struct sampled *s)
{
    uint64_t fresh[WEIR_BUCKETS], sum = 0, above = 0;

    for (unsigned b = 0; b < WEIR_BUCKETS; b++) {
        uint64_t n = 0;
        for (unsigned i = 0; i < d->cpus; i++)
            n += atomic_load_explicit(&d->shard[i].sampled[b].n, memory_order_relaxed);
        fresh[b] = n - s->before[b];
        s->before[b] = n;
        sum += fresh[b];
    }
    for (unsigned b = WEIR_BUCKETS; sum && b-- > 0;) {
        above += fresh[b];
        if (above * 100 >= sum)
            return value_of(b);
    }
    return 0;
}
