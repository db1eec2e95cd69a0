/* look.c - what does I/O control count of a disk, from inside?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "look.h"

#include "../../../filters/control/control.h"

void look(const void *control, struct look *ret)
{
    const struct control *c = control;
    struct datastore *d = c->datastore;

    pthread_mutex_lock(&d->lock);
    *ret = (struct look){
        .queued = c->disk.queued,
        .running = c->disk.running,
        .all_queued = d->scheduler.queued,
        .all_running = d->scheduler.running,
        .in_flight = d->scheduler.in_flight,
        .ready = d->scheduler.turns.count,
        .limited = d->scheduler.moments.count,
        .outside_known = (long)d->scheduler.outside,
        .went = c->disk.went,
    };
    for (unsigned i = 0; i < d->cpus; i++) {
        ret->outside += atomic_load(&d->shard[i].in_flight);
        for (int op = 0; op < COST_OPS; op++)
            ret->measured += atomic_load(&d->shard[i].count[op]);
    }
    pthread_mutex_unlock(&d->lock);
}

void look_add_outside(const void *control, long load)
{
    struct datastore *d = ((const struct control *)control)->datastore;

    pthread_mutex_lock(&d->lock);
    atomic_fetch_add(&d->shard[0].in_flight, load);
    pthread_mutex_unlock(&d->lock);
}
