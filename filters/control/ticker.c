/* ticker.c - who looks at what was measured, and lets limited requests go in time?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ticker.h"
#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#define SECOND 1000000000u

struct ticker {
    uint64_t next_tick, next_second;    /* weir_now() */
    uint64_t quiet;                     /* ticks in a row without any I/O */
    uint64_t last;                      /* weir_now() of the last tick */
    uint64_t ios, units, load, latency; /* all there ever were, at the last tick */
    struct ticker_view view;
};

int ticker_create(const struct weir_below *below, struct ticker **ret)
{
    struct ticker *t = calloc(1, sizeof *t);

    (void)below;
    if (!t)
        return -ENOMEM;
    *ret = t;
    return 0;
}

void ticker_destroy(struct ticker *t)
{
    free(t);
}

void ticker_begin(struct datastore *d)
{
    uint64_t now = weir_now(NULL);

    d->ticker->last = now;
    d->ticker->next_tick = now + DATASTORE_TICK;
    d->ticker->next_second = now + SECOND;
    d->scheduler.window = 64 * LOAD_ONE;
    d->scheduler.spare = LOAD_ONE;
    atomic_store(&d->threshold, 5000000);
    atomic_store(&d->room, d->scheduler.window);
    atomic_store(&d->slice, d->scheduler.window / (2 * d->cpus));
}

/* ---- every 10 ms ------------------------------------------------------------- */

struct sample {
    uint64_t span, ios, units, load, latency, in_flight;
};

static void collect(struct datastore *d, struct sample *ret, uint64_t now)
{
    struct ticker *t = d->ticker;
    uint64_t ios = 0, units = 0, load = 0, latency = 0;

    for (unsigned i = 0; i < d->cpus; i++) {
        struct shard *s = &d->shard[i];
        ios += atomic_load_explicit(&s->ios, memory_order_relaxed);
        units += atomic_load_explicit(&s->units, memory_order_relaxed);
        load += atomic_load_explicit(&s->load, memory_order_relaxed);
        latency += atomic_load_explicit(&s->latency, memory_order_relaxed);
    }
    *ret = (struct sample){
        now - t->last,        ios - t->ios,
        units - t->units,     load - t->load,
        latency - t->latency, d->scheduler.in_flight + (uint64_t)datastore_outside(d)
    };
    t->last = now;
    t->ios = ios;
    t->units = units;
    t->load = load;
    t->latency = latency;
}

static void tick(struct datastore *d, uint64_t now)
{
    struct ticker *t = d->ticker;
    struct sample s;

    collect(d, &s, now);
    t->quiet = s.ios || s.in_flight || d->scheduler.queued ? 0 : t->quiet + 1;
    struct weir_datastore about = { 0 };
    if (d->disks)
        weir_datastore(d->disks->below, &about);
    if (s.ios) {
        t->view.latency = s.latency / s.ios;
        uint64_t threshold = about.latency_threshold ? about.latency_threshold : 5000000;
        atomic_store(&d->threshold, threshold);
        if (d->scheduler.turns.count) {
            double w = d->scheduler.window;
            w += 0.2 * (w * (double)threshold / (double)(t->view.latency + 1) - w);
            d->scheduler.window = w < 4 * LOAD_ONE        ? 4 * LOAD_ONE
                                  : w > 65536. * LOAD_ONE ? 65536u * LOAD_ONE
                                                          : (uint32_t)w;
        }
    }
    t->view.in_flight = s.in_flight;
    t->view.window = d->scheduler.window;
    t->view.threshold = atomic_load(&d->threshold);
    atomic_store(&d->slice, d->scheduler.window / (2 * d->cpus));
    /* nobody has waited at a whole tick's end: back to counting */
    if (!d->scheduler.turns.count) {
        atomic_store(&d->crowded, false);
        d->all_inside = false;
    } else if (atomic_load(&d->crowded) && datastore_outside(d) == 0) {
        d->all_inside = true;
    }
}

/* ---- every second ------------------------------------------------------------ */

static uint64_t units_done(const struct datastore *d, const struct control *c)
{
    uint64_t units = 0;

    for (unsigned i = 0; i < d->cpus; i++)
        units += atomic_load_explicit(&c->done[i].units.n, memory_order_relaxed);
    return units;
}

static void second(struct datastore *d)
{
    for (struct control *c = d->disks; c; c = c->next) {
        uint64_t done = units_done(d, c);
        atomic_store(&c->granted, done - c->done_before);
        c->done_before = done;
    }
}

/* ---- the thread -------------------------------------------------------------- */

static void nap(struct datastore *d, uint64_t now)
{
    struct ticker *t = d->ticker;
    struct timespec until;

    if (t->quiet > 100) {
        atomic_store(&d->asleep, true);
        d->next_look = UINT64_MAX;
        pthread_cond_wait(&d->wake, &d->lock);
        atomic_store(&d->asleep, false);
        t->quiet = 0;
        return;
    }
    uint64_t when = scheduler_when(&d->scheduler);
    d->next_look = when < t->next_tick ? when : t->next_tick;
    if (d->next_look <= now)
        return;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + (d->next_look - now);
    until.tv_sec += (time_t)(ns / SECOND);
    until.tv_nsec = (long)(ns % SECOND);
    pthread_cond_timedwait(&d->wake, &d->lock, &until);
}

void *ticker_run(void *datastore)
{
    struct datastore *d = datastore;
    struct ticker *t = d->ticker;

    prctl(PR_SET_TIMERSLACK, 1);
    pthread_mutex_lock(&d->lock);
    while (!d->stopping) {
        uint64_t now = weir_now(NULL);
        if (now >= t->next_tick) {
            tick(d, now);
            t->next_tick = now + DATASTORE_TICK;
        }
        if (now >= t->next_second) {
            second(d);
            t->next_second = now + SECOND;
        }
        struct item *go = datastore_gather(d, now);
        if (!go) {
            nap(d, now);
            continue;
        }
        pthread_mutex_unlock(&d->lock);
        datastore_resume(go);
        pthread_mutex_lock(&d->lock);
    }
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

void ticker_view(struct datastore *d, struct ticker_view *ret)
{
    pthread_mutex_lock(&d->lock);
    *ret = d->ticker->view;
    pthread_mutex_unlock(&d->lock);
}
