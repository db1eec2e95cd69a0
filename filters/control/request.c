/* request.c - may this request go to the datastore now?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "control.h"
#include "instant.h"

#include <sched.h>

enum {
    DISCARD_UNITS = 32,       /* a trim or zero counts as no more, … */
    SAMPLE = 16,              /* one of so many tells how latencies are distributed */
    LARGE = 128 << 10,        /* one that is larger must not fill the window by itself */
    DISCARD_BYTES = 1u << 20, /* … nor as more bytes: it is mostly a note in a table */
    LIMITED = 100000000,      /* ns: a write that is urgent looks whether its limit was lifted */
};

static unsigned this_cpu(const struct datastore *d)
{
    int cpu = sched_getcpu();

    return (cpu < 0 ? 0 : (unsigned)cpu) & (d->cpus - 1);
}

/* ---- what a request counts --------------------------------------------------- */

static uint32_t units_of(const struct weir_request *req, uint64_t size)
{
    bool discard = req->op == WEIR_TRIM || req->op == WEIR_ZERO;

    if (req->length <= size)
        return 1;
    uint64_t units = (req->length + size - 1) / size;
    return discard && units > DISCARD_UNITS ? DISCARD_UNITS : (uint32_t)units;
}

static enum cost_op cost_op(enum weir_op op)
{
    switch (op) {
    case WEIR_WRITE:
        return COST_WRITE;
    case WEIR_TRIM:
    case WEIR_ZERO:
        return COST_ZERO;
    case WEIR_FLUSH:
        return COST_FLUSH;
    default:
        return COST_READ;
    }
}

static void fill(struct held *h, struct control *c, struct weir_request *req)
{
    const struct control_config *config = weir_config(req);
    bool discard = req->op == WEIR_TRIM || req->op == WEIR_ZERO;

    h->req = req;
    h->counted = true;
    h->item.when = weir_now(req);
    h->urgent = req->op == WEIR_WRITE && (req->flags & WEIR_FUA);
    h->item.disk = &c->disk;
    h->item.units = units_of(req, config->size_iops);
    h->item.load =
        cost_of(&c->datastore->cost, cost_op(req->op), req->length < LARGE ? req->length : LARGE);
    /* a second flush of a disk makes the datastore do nothing more, and must not take the
     * window from others: nobody holds flushes back */
    if (req->op == WEIR_FLUSH && atomic_fetch_add(&c->flushing, 1))
        h->item.load = 0;
    h->item.bytes = discard && req->length > DISCARD_BYTES ? DISCARD_BYTES : req->length;
}

/* ---- down -------------------------------------------------------------------- */

/* Adds first and asks then, so that two CPUs cannot both take the last place. */
static bool pass_freely(struct datastore *d, struct held *h, bool always)
{
    struct shard *s = &d->shard[this_cpu(d)];
    int64_t load = h->item.load;

    if (atomic_load_explicit(&d->crowded, memory_order_relaxed))
        return false;
    int64_t mine = atomic_fetch_add(&s->in_flight, load) + load;
    if (always || mine <= atomic_load_explicit(&d->slice, memory_order_relaxed) ||
        datastore_outside(d) <= atomic_load_explicit(&d->room, memory_order_relaxed)) {
        h->shard = s;
        return true;
    }
    atomic_fetch_sub(&s->in_flight, load);
    return false;
}

/* For how long a request that waits may sleep, under the lock. */
static uint64_t nap_of(const struct control *c, const struct held *h, uint64_t now)
{
    uint64_t left = h->patience - now;
    uint64_t soon = atomic_load(&c->datastore->threshold);

    if (c->disk.moment.at && soon < LIMITED)
        soon = LIMITED;
    return h->urgent && soon < left ? soon : left;
}

static enum weir_verdict ask_scheduler(struct control *c, struct held *h)
{
    const struct control_config *config = weir_config(h->req);
    struct control_stats *stats = weir_stats(h->req);
    struct datastore *d = c->datastore;
    uint64_t clock = now_ns(), now = h->item.when;

    pthread_mutex_lock(&d->lock);
    uint64_t hits = c->disk.limit_hits, waits = c->disk.waits;
    datastore_look_outside(d);
    bool goes = scheduler_submit(&d->scheduler, &h->item, now);
    if (!goes) {
        h->queued_at = now;
        h->patience = now + config->max_delay;
        weir_resume_at(h->req, clock + nap_of(c, h, now), WEIR_PASS);
    }
    struct item *go = datastore_gather(d, now); /* may give this one, too */
    hits = c->disk.limit_hits - hits;
    waits = c->disk.waits - waits;
    pthread_mutex_unlock(&d->lock);
    /* in observation mode it would have waited */
    if (hits)
        weir_add(&stats->limit_hits, hits);
    if (waits)
        weir_add(&stats->delayed_requests, waits);
    datastore_resume(go);
    return goes ? WEIR_PASS : WEIR_DEFER;
}

/* It goes, whatever the rules say, and is charged. */
static enum weir_verdict go_at_once(struct control *c, struct held *h)
{
    struct datastore *d = c->datastore;

    if (!atomic_load_explicit(&c->limited, memory_order_relaxed) && pass_freely(d, h, true))
        return WEIR_PASS;
    pthread_mutex_lock(&d->lock);
    scheduler_force(&d->scheduler, &h->item, h->item.when);
    struct item *go = datastore_gather(d, h->item.when);
    pthread_mutex_unlock(&d->lock);
    datastore_resume(go);
    return WEIR_PASS;
}

enum weir_verdict control_down(void *self, struct weir_request *req)
{
    struct control *c = self;
    struct held *h = weir_scratch(req);

    if (req->op == WEIR_EXTENTS)
        return WEIR_PASS;
    fill(h, c, req);
    if (atomic_load_explicit(&c->datastore->asleep, memory_order_relaxed))
        datastore_rouse(c->datastore);
    if (req->op == WEIR_FLUSH || atomic_load_explicit(&c->draining, memory_order_relaxed))
        return go_at_once(c, h);
    if (!atomic_load_explicit(&c->limited, memory_order_relaxed) &&
        pass_freely(c->datastore, h, false))
        return WEIR_PASS;
    return ask_scheduler(c, h);
}

/* ---- up ---------------------------------------------------------------------- */

static void bump(_Atomic uint64_t *n, uint64_t by)
{
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

/* An error that comes at once says nothing of how fast the datastore is, nor one that comes
 * after half a minute. */
static void measure(struct control *c, const struct held *h, const struct weir_request *req,
                    uint64_t now)
{
    enum cost_op op = cost_op(req->op);
    unsigned cpu = this_cpu(c->datastore);
    struct shard *s = &c->datastore->shard[cpu];
    uint64_t latency = now > h->item.when ? now - h->item.when : 0;

    weir_add(&c->done[cpu].units, h->item.units);
    if (req->error)
        return;
    if (atomic_load_explicit(&s->count[op], memory_order_relaxed) % SAMPLE == 0)
        weir_add(&s->sampled[weir_bucket(latency)], 1);
    bump(&s->count[op], 1);
    bump(&s->bytes[op], req->length);
    bump(&s->units, h->item.units);
    bump(&s->load, h->item.load);
    bump(&s->held, latency * h->item.load);
    bump(&s->latency, h->item.load > LOAD_ONE ? latency * LOAD_ONE / h->item.load : latency);
}

static void end_in_scheduler(struct control *c, struct held *h, uint64_t now)
{
    struct datastore *d = c->datastore;

    pthread_mutex_lock(&d->lock);
    if (!h->shard)
        scheduler_complete(&d->scheduler, &h->item, now);
    c->promoted -= h->promoted;
    struct item *go = datastore_gather(d, now);
    pthread_mutex_unlock(&d->lock);
    datastore_resume(go);
}

enum weir_verdict control_up(void *self, struct weir_request *req)
{
    struct control *c = self;
    struct held *h = weir_scratch(req);
    uint64_t now = weir_now(req);

    if (!h->counted)
        return WEIR_PASS;
    measure(c, h, req, now);
    if (req->op == WEIR_FLUSH)
        atomic_fetch_sub(&c->flushing, 1);
    if (h->queued_at) {
        struct control_stats *stats = weir_stats(req);
        /* the clocks of two CPUs may differ by a little */
        if (h->item.when > h->queued_at)
            weir_record(&stats->delay_us, (h->item.when - h->queued_at) / 1000);
    }
    if (h->shard)
        atomic_fetch_sub(&h->shard->in_flight, h->item.load);
    /* whoever waits has set `crowded` before it looked at what is in flight: it has seen
     * that this one ended, or this one sees that somebody waits */
    if (!h->shard || atomic_load(&c->datastore->crowded))
        end_in_scheduler(c, h, now);
    return WEIR_PASS;
}

/* ---- the end of patience ----------------------------------------------------- */

enum weir_verdict control_due(void *self, struct weir_request *req)
{
    struct control *c = self;
    struct held *h = weir_scratch(req);
    struct datastore *d = c->datastore;
    uint64_t now = weir_now(NULL);
    enum weir_verdict verdict = WEIR_DEFER;

    pthread_mutex_lock(&d->lock);
    bool draining = atomic_load(&c->draining), late = now >= h->patience;
    /* one at a time: a disk whose writes are all urgent has its share, too */
    bool promote = h->urgent && !c->promoted && !c->disk.moment.at;
    if (!h->item.queued) {
        ; /* just taken out, to be resumed */
    } else if (draining || late || promote) {
        h->promoted = !draining && !late;
        c->promoted += h->promoted;
        scheduler_force(&d->scheduler, &h->item, now);
        verdict = WEIR_PASS;
    } else {
        weir_resume_at(req, now_ns() + nap_of(c, h, now), WEIR_PASS);
    }
    pthread_mutex_unlock(&d->lock);
    if (verdict == WEIR_PASS && late && !draining)
        weir_add(&((struct control_stats *)weir_stats(req))->impatient_requests, 1);
    return verdict;
}

void control_abort(void *self, struct weir_request *req)
{
    struct control *c = self;
    struct held *h = weir_scratch(req);
    struct datastore *d = c->datastore;

    pthread_mutex_lock(&d->lock);
    bool queued = h->item.queued;
    if (queued)
        scheduler_force(&d->scheduler, &h->item, weir_now(NULL));
    pthread_mutex_unlock(&d->lock);
    if (queued)
        weir_resume(req, WEIR_PASS);
}
