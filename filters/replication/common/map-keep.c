/* map-keep.c - how are pages written behind, and intents taken back?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A round: extents that have been cold for long enough become CLOSING; pages of those, and pages
 * that no hot extent will bring later, are written and synced, and so is the disk; what is CLOSING
 * still becomes cold, and its intent goes, which the committer writes when it writes. */
#include "instant.h"
#include "map-private.h"

#include <errno.h>

/* ---- extents become cold --------------------------------------------------------------------- */

static void unclose(struct map *m, uint64_t extent)
{
    atomic_fetch_and(state_of(m, extent), ~CLOSING);
}

static bool try_close(struct map *m, uint64_t extent, uint32_t tick)
{
    struct extent *x = extent_of(m, extent);
    uint32_t s = atomic_load(&x->state);

    if (!(s & HOT) || s & IN_FLIGHT || tick - atomic_load(&x->touched) <= TICKS)
        return false;
    if (!(s & CLOSING) && !atomic_compare_exchange_strong(&x->state, &s, s | CLOSING))
        return false;
    /* after it is CLOSING: who left before has said all, who enters later takes CLOSING away */
    if (!does(MARK_BEFORE_CLEAR) || atomic_load(&x->lsn) <= atomic_load(&m->durable))
        return true;
    unclose(m, extent);
    return false;
}

/* What is CLOSING still, and lacks nothing, is as its page says. */
static bool finish_closing(struct map *m, bool good)
{
    const uint64_t extents = extents_of(atomic_load(&m->size));
    bool some = false;

    for (uint64_t e = 0; e < extents; e++) {
        uint32_t s = HOT | CLOSING;
        if (!(atomic_load(state_of(m, e)) & CLOSING))
            continue;
        /* under the lock: who finds it cold waits for an intent that is set after this */
        pthread_mutex_lock(&m->lock);
        if (good && atomic_compare_exchange_strong(state_of(m, e), &s, 0)) {
            intents_put(m, e, false);
            m->clears = some = true;
        } else {
            unclose(m, e);
        }
        pthread_mutex_unlock(&m->lock);
    }
    if (some) {
        pthread_mutex_lock(&m->lock);
        pthread_cond_signal(&m->commit);
        pthread_mutex_unlock(&m->lock);
    }
    return some;
}

/* ---- pages ----------------------------------------------------------------------------------- */

/* All states of a page's extents, one over the other. */
static uint32_t page_states(const struct map *m, uint64_t page, uint64_t extents)
{
    uint32_t states = 0;

    for (uint64_t e = page * PAGE_EXTENTS; e < (page + 1) * PAGE_EXTENTS && e < extents; e++)
        states |= atomic_load(state_of(m, e));
    return states;
}

static void page_failed(struct map *m, uint64_t page, uint64_t extents)
{
    for (uint64_t e = page * PAGE_EXTENTS; e < (page + 1) * PAGE_EXTENTS && e < extents; e++) {
        atomic_fetch_or(state_of(m, e), PENDING);
        unclose(m, e);
    }
}

static int write_batch(struct map *m, uint64_t page, unsigned n)
{
    const uint64_t extents = extents_of(atomic_load(&m->size));

    int r = file_write(m->pages, m->pages_out, (size_t)n * PAGE_SIZE, PAGES_AT + page * PAGE_SIZE);
    for (unsigned i = 0; i < n; i++)
        if (r)
            page_failed(m, page + i, extents);
        else if (!does(PENDING_BEFORE_COPY))
            for (uint64_t e = (page + i) * PAGE_EXTENTS;
                 e < (page + i + 1) * PAGE_EXTENTS && e < extents; e++)
                atomic_fetch_and(state_of(m, e), ~PENDING);
    return r;
}

static bool page_is_due(uint32_t states, bool all)
{
    return states & PENDING && (all || states & CLOSING || !(states & HOT));
}

/* The first error; the pages that were not written stay PENDING, and their extents hot. */
static int write_pages(struct map *m, bool all, bool *some)
{
    const uint64_t extents = extents_of(atomic_load(&m->size)),
                   pages = pages_of(atomic_load(&m->size));
    unsigned n = 0;
    int failed = 0;

    for (uint64_t p = 0; p <= pages; p++) {
        const bool due = p < pages && page_is_due(page_states(m, p, extents), all);
        if (n && (!due || n == BATCH)) {
            int r = write_batch(m, p - n, n);
            failed = failed ? failed : r;
            n = 0;
        }
        if (due) {
            page_copy(m, p, m->pages_out + (size_t)n++ * PAGE_SIZE);
            *some = true;
        }
    }
    return failed;
}

int keep_round(struct map *m, bool all, bool *did)
{
    const uint64_t extents = extents_of(atomic_load(&m->size));
    const uint32_t tick = atomic_load(&m->tick);
    bool closing = false, some = false;

    if (m->pages_failed)
        return m->pages_failed;
    for (uint64_t e = 0; e < extents; e++)
        closing |= try_close(m, e, tick);
    int r = write_pages(m, all, &some);
    if (some && does(PAGES_BEFORE_CLEAR))
        m->pages_failed = file_sync(m->pages);
    if (closing) {
        const bool settled = !m->pages_failed && (!m->settle || !m->settle(m->settle_arg));
        some |= finish_closing(m, settled);
    }
    *did |= some;
    return m->pages_failed ? m->pages_failed : r;
}

/* ---- epochs and growing ---------------------------------------------------------------------- */

bool keep_reserve(struct map *m)
{
    const uint32_t epoch = atomic_load(&m->epoch), reserved = atomic_load(&m->reserved);
    const uint32_t limit = NEVER - 2 * RESERVE; /* open() takes no map beyond */

    if (epoch + RESERVE / 2 <= reserved || reserved >= limit)
        return false;
    const uint32_t more = epoch < limit - RESERVE ? epoch + RESERVE : limit;
    if (header_write(m, false, more, atomic_load(&m->size)))
        return false;
    atomic_store(&m->reserved, more);
    return true;
}

static void mark_new(struct map *m, uint64_t extent, uint64_t granules)
{
    bits_set(m, extent, granules);
    stamps_raise(m, extent, granules, atomic_load(&m->epoch));
}

/* The granule in which the disk ends now gets bytes that the far site does not have. */
static int grow_tail(struct map *m, uint64_t old)
{
    const uint64_t granule = old / GRANULE, page = granule / EXTENT_GRANULES / PAGE_EXTENTS;

    if (old % GRANULE == 0)
        return 0;
    mark_new(m, granule / EXTENT_GRANULES, 1ull << granule % EXTENT_GRANULES);
    if (!does(TAIL_BEFORE_SIZE))
        return 0;
    page_copy(m, page, m->pages_out);
    int r = write_batch(m, page, 1);
    if (!r)
        r = m->pages_failed = file_sync(m->pages);
    return r;
}

int keep_grow(struct map *m, uint64_t size)
{
    const uint64_t old = atomic_load(&m->size);

    if (size <= old)
        return size < old ? -EINVAL : 0;
    int r = m->pages_failed ? m->pages_failed : table_grow(m, size);
    if (!r)
        r = intents_grow(m, extents_of(size));
    if (!r)
        r = grow_tail(m, old);
    if (!r)
        r = header_write(m, false, atomic_load(&m->reserved), size);
    if (r)
        return r;
    const uint64_t granule = (old + GRANULE - 1) / GRANULE;
    for (uint64_t e = granule / EXTENT_GRANULES; e < extents_of(size); e++) {
        const uint64_t first = e * EXTENT_GRANULES > granule ? e * EXTENT_GRANULES : granule;
        if (first * GRANULE < size)
            mark_new(m, e, granules_in(e, first * GRANULE, size - first * GRANULE));
    }
    atomic_store(&m->size, size);
    return 0;
}

/* ---- the keeper ------------------------------------------------------------------------------ */

/* Under the lock, which is not held meanwhile. */
static void do_job(struct map *m)
{
    struct job *j = m->jobs;
    bool did = false;

    m->jobs = j->next;
    pthread_mutex_unlock(&m->lock);
    const int r = j->grow ? keep_grow(m, j->grow) : keep_round(m, true, &did);
    pthread_mutex_lock(&m->lock);
    j->error = r;
    j->done = true;
    pthread_cond_broadcast(&m->done);
}

static int run_job(struct map *m, uint64_t grow)
{
    struct job j = { .grow = grow };
    bool did = false;

    if (m->manual)
        return grow ? keep_grow(m, grow) : keep_round(m, true, &did);
    pthread_mutex_lock(&m->lock);
    struct job **last = &m->jobs;
    while (*last)
        last = &(*last)->next;
    *last = &j;
    pthread_cond_signal(&m->keep);
    while (!j.done)
        pthread_cond_wait(&m->done, &m->lock);
    pthread_mutex_unlock(&m->lock);
    return j.error;
}

int map_sync(struct map *m)
{
    return run_job(m, 0);
}

int map_grow(struct map *m, uint64_t size)
{
    return size ? run_job(m, size) : -EINVAL;
}

enum { ALL_EVERY = 32 }; /* ticks: then pages are written that hot extents have kept back */

void *keep_thread(void *arg)
{
    struct map *m = arg;
    const uint64_t period = m->period * UINT64_C(1000000);
    uint64_t next = now_ns() + period;
    bool did = false;

    pthread_mutex_lock(&m->lock);
    while (!m->stop || m->jobs) {
        if (m->jobs) {
            do_job(m);
            continue;
        }
        cond_wait_until(&m->keep, &m->lock, next);
        if (m->stop || m->jobs)
            continue;
        pthread_mutex_unlock(&m->lock);
        keep_reserve(m);
        const uint64_t now = now_ns();
        if (now >= next) {
            const uint32_t tick = atomic_fetch_add(&m->tick, 1) + 1;
            keep_round(m, tick % ALL_EVERY == 0, &did);
            next = now + period;
        }
        pthread_mutex_lock(&m->lock);
    }
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

bool map_work(struct map *m, uint64_t now_ms)
{
    const uint32_t tick = (uint32_t)(now_ms / m->period);
    bool did = intents_commit(m);

    did |= keep_reserve(m);
    if (tick == atomic_load(&m->tick))
        return did;
    atomic_store(&m->tick, tick);
    keep_round(m, tick % ALL_EVERY == 0, &did);
    did |= intents_commit(m); /* what has been taken back */
    return did;
}
