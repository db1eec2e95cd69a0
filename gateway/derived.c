/* derived.c - how does a filter do I/O of its own?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * As a request that starts just below it.  The blocking kind runs on the caller's
 * thread, the submitted kind on a pool of threads, because everything below may block. */
#include "clock.h"
#include "request.h"
#include "scope.h"

#include <errno.h>
#include <string.h>

enum { POOL_MAX = 64, THREADS_MAX = 1024, POOL_IDLE_S = 5, ZEROES = 1 << 20 };

/* ---- the blocking kind ------------------------------------------------------- */

/* Runs `io` from link `first` on, as it is; does not count it as anybody's derived I/O. */
static int run_from(const struct chain *c, int first, struct weir_request *io)
{
    struct request *r = request_begin(c, first, clock_ticks());

    if (!r)
        return ENOMEM;
    r->pub.op = io->op;
    r->pub.flags = io->flags;
    r->pub.offset = io->offset;
    r->pub.length = io->length;
    r->pub.data = io->data;
    int error = request_run(&r);
    request_end(r);
    return error;
}

/* Below `b`, in pieces of the largest block. */
static int run_below(struct weir_below *b, struct weir_request *io)
{
    const struct weir_geometry *g = &b->below;
    const uint64_t block = g->block_min ? g->block_min : 1;
    uint64_t most = g->block_max < block ? block : g->block_max & ~(block - 1);
    uint64_t left = io->length;

    if (io->op == WEIR_EXTENTS || !g->block_max)
        most = UINT64_MAX;

    do {
        io->length = left < most ? left : most;
        int error = run_from(b->chain, b->index + 1, io);
        if (error)
            return error;
        left -= io->length;
        io->offset += io->length;
        io->data = io->data && left ? (char *)io->data + io->length : io->data;
    } while (left);
    return 0;
}

/* 0, or why a filter may not ask for this. */
static int judge(const struct weir_below *b, const struct weir_request *io)
{
    const struct weir_geometry *g = &b->below;
    const uint32_t block = g->block_min ? g->block_min : 1;

    if (export_config(b->export)->read_only && (WEIR_OP(io->op) & WEIR_CHANGES))
        return -EPERM;
    if (io->op == WEIR_FLUSH)
        return 0;
    if ((io->offset | io->length) & (block - 1))
        return -EINVAL;
    return io->offset <= g->size && io->length <= g->size - io->offset ? 0 : -EINVAL;
}

static void count(struct weir_below *b, const struct weir_request *io)
{
    struct tally *t = counting_shard(b->counting, stats_cpu(), io->op);

    weir_add(&t->derived, 1);
    weir_add(&t->derived_bytes, io->length);
}

static int derive(struct weir_below *b, enum weir_op op, void *data, uint64_t length,
                  uint64_t offset, uint32_t flags)
{
    struct weir_request io = {
        .op = op,
        .flags = flags | WEIR_DERIVED,
        .offset = offset,
        .length = length,
        .data = data,
    };

    int error = judge(b, &io);
    if (error)
        return error;
    error = export_derived_begin(b->export, b);
    if (error)
        return error;
    count(b, &io);
    error = run_below(b, &io);
    export_derived_end(b->export);
    return -error;
}

int weir_read(struct weir_below *b, void *data, uint64_t length, uint64_t offset, uint32_t flags)
{
    return derive(b, WEIR_READ, data, length, offset, flags);
}

int weir_write(struct weir_below *b, const void *data, uint64_t length, uint64_t offset,
               uint32_t flags)
{
    return derive(b, WEIR_WRITE, (void *)(uintptr_t)data, length, offset, flags);
}

int weir_flush(struct weir_below *b, uint32_t flags)
{
    return derive(b, WEIR_FLUSH, NULL, 0, 0, flags);
}

int weir_trim(struct weir_below *b, uint64_t length, uint64_t offset, uint32_t flags)
{
    return derive(b, WEIR_TRIM, NULL, length, offset, flags);
}

int weir_zero(struct weir_below *b, uint64_t length, uint64_t offset, uint32_t flags)
{
    return derive(b, WEIR_ZERO, NULL, length, offset, flags);
}

int weir_prefetch(struct weir_below *b, uint64_t length, uint64_t offset, uint32_t flags)
{
    return derive(b, WEIR_PREFETCH, NULL, length, offset, flags);
}

/* ---- what a filter does not understand --------------------------------------- */

/* The longest request that link `at`, or the store, takes. */
static uint64_t block_max(const struct chain *c, int at)
{
    struct weir_geometry g;

    if (at < c->count)
        return c->link[at].place->above.block_max;
    c->store->geometry(c->store_self, &g);
    return g.block_max;
}

/* The request in other words: derived, or in the background, only if it was so itself. */
static int zero_by_writing(const struct chain *c, int at, const struct weir_request *req)
{
    static const char zeroes[ZEROES]; /* read only, so all may share it */
    struct weir_request io = {
        .op = WEIR_WRITE,
        .flags = req->flags & (WEIR_FUA | WEIR_DERIVED | WEIR_BACKGROUND),
        .offset = req->offset,
        .data = (void *)(uintptr_t)zeroes,
    };

    uint64_t most = block_max(c, at);
    if (!most || most > ZEROES)
        most = ZEROES;
    for (uint64_t left = req->length; left; left -= io.length, io.offset += io.length) {
        io.length = left < most ? left : most;
        int error = run_from(c, at, &io);
        if (error)
            return error;
    }
    return 0;
}

/* Answers `req`, which link `at` (or the store) does not understand, by means that it
 * does.  0 or a positive errno. */
int lower(const struct chain *c, int at, struct weir_request *req)
{
    switch (req->op) {
    case WEIR_ZERO:
        if (req->flags & WEIR_FAST_ZERO)
            return EOPNOTSUPP;
        return zero_by_writing(c, at, req);
    case WEIR_TRIM: /* advice: not to follow it is right */
        if (req->flags & WEIR_FUA) {
            struct weir_request io = { .op = WEIR_FLUSH,
                                       .flags = req->flags & (WEIR_DERIVED | WEIR_BACKGROUND) };
            return run_from(c, at, &io);
        }
        return 0;
    case WEIR_PREFETCH:
        return 0;
    case WEIR_EXTENTS:
        return -weir_add_extent(req->data, req->offset, req->length, 0);
    case WEIR_READ:
    case WEIR_WRITE:
    case WEIR_FLUSH:
    case WEIR_OP_COUNT:
        break;
    }
    return EOPNOTSUPP;
}

/* ---- the submitted kind ------------------------------------------------------ */

struct job {
    struct weir_request io;
    struct weir_below *below;
    void (*done)(void *arg, int error);
    void *arg;
    struct job *next;
};

/* One pool per process: a thread is worth the same to every export. */
static struct {
    pthread_mutex_t lock; /* the queue and the counts; taken after nothing */
    pthread_cond_t work, gone;
    struct job *first, **last;
    unsigned parked; /* threads that wait for a filter or for the write order: what releases
                        them may be queued */
    unsigned threads, idle, queued;
    bool stopping;
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER,
           .work = PTHREAD_COND_INITIALIZER,
           .gone = PTHREAD_COND_INITIALIZER,
           .last = &pool.first };

static struct job *next_job(void)
{
    const uint64_t until = clock_ns() + POOL_IDLE_S * UINT64_C(1000000000);

    hold_lock(&pool.lock);
    pool.idle++;
    int waited = 0;
    while (!pool.first && !pool.stopping && !waited)
        waited = clock_wait(&pool.work, &pool.lock, until);
    pool.idle--;
    struct job *j = pool.first;
    if (j) {
        pool.first = j->next;
        if (!pool.first)
            pool.last = &pool.first;
        pool.queued--;
        return j;
    }
    pool.threads--;
    pthread_cond_broadcast(&pool.gone);
    return NULL;
}

static void *serve_jobs(void *unused)
{
    struct job *j;

    (void)unused;
    struct worker *w = worker_self();
    if (w)
        w->of_pool = true;
    while ((j = next_job())) {
        /* counted since weir_submit(), so that drain waits for the queue as well */
        struct export *e = j->below->export;
        int error = run_below(j->below, &j->io);
        j->done(j->arg, error);
        export_derived_end(e);
        free(j);
    }
    if (w)
        w->of_pool = false; /* another thread will take it */
    return NULL;
}

static int start_thread(void)
{
    pthread_attr_t detached;
    pthread_t thread;

    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    int error = pthread_create(&thread, &detached, serve_jobs, NULL);
    pthread_attr_destroy(&detached);
    return error;
}

void derived_parked(bool begin)
{
    hold_lock(&pool.lock);

    pool.parked += begin ? 1 : -1u;
    if (begin && pool.first && !pool.idle && pool.threads < THREADS_MAX && start_thread() == 0)
        pool.threads++;
}

int weir_submit(struct weir_below *b, const struct weir_request *io,
                void (*done)(void *arg, int error), void *arg)
{
    int refused = judge(b, io);
    struct job *j = refused ? NULL : malloc(sizeof *j);

    if (!j)
        return refused ? refused : -ENOMEM;
    *j = (struct job){ .io = *io, .below = b, .done = done, .arg = arg };
    j->io.flags |= WEIR_DERIVED;
    refused = export_derived_begin(b->export, b);
    if (refused) {
        free(j);
        return refused;
    }
    count(b, io);

    hold_lock(&pool.lock);
    /* one idle thread may have been woken for the job before this one already */
    if (pool.idle <= pool.queued && pool.threads - pool.parked < POOL_MAX) {
        if (start_thread() == 0)
            pool.threads++;
    }
    if (pool.threads == 0) {
        export_derived_end(b->export);
        free(j);
        return -EAGAIN;
    }
    *pool.last = j;
    pool.last = &j->next;
    pool.queued++;
    pthread_cond_signal(&pool.work);
    return 0;
}

void derived_stop(void)
{
    hold_lock(&pool.lock);

    pool.stopping = true;
    pthread_cond_broadcast(&pool.work);
    while (pool.threads)
        pthread_cond_wait(&pool.gone, &pool.lock);
    pool.stopping = false;
}
