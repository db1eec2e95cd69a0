/* store-nbd-serve.c - which commands does one request become?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store-nbd.h"

#include <errno.h>
#include <stdlib.h>

#include "scope.h"

enum { SPAN_MAX = 1 << 30 }; /* of commands without data; a length on the wire has 32 bits */

static const char zeroes[1 << 16];

static bool is_lost(struct nbd_store *s)
{
    hold_lock(&s->lock);
    return s->lost;
}

static int flush(struct nbd_store *s)
{
    struct job job = { .op = WEIR_FLUSH };

    if (is_lost(s))
        return -EIO;
    return s->traits.flush ? pool_run(s, &job) : 0;
}

/* When more is kept than it may be, one worker flushes and the others wait for it. */
static void make_room(struct nbd_store *s)
{
    pthread_mutex_lock(&s->lock);
    while (s->kept.flushing)
        pthread_cond_wait(&s->changed, &s->lock);
    bool full = s->kept.bytes > s->config->keep_unflushed && !s->lost;
    s->kept.flushing = full;
    pthread_mutex_unlock(&s->lock);
    if (!full)
        return;
    flush(s); /* what it finds, the next flush of the client's is told */
    pthread_mutex_lock(&s->lock);
    s->kept.flushing = false;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* ---- requests in pieces -------------------------------------------------------------------- */

static int run_pieces(struct nbd_store *s, const struct weir_request *req, uint64_t piece)
{
    int r = 0;

    for (uint64_t done = 0; done < req->length && r == 0; done += piece) {
        if (piece > req->length - done)
            piece = req->length - done;
        struct job job = { .op = req->op,
                           .flags = req->flags,
                           .offset = req->offset + done,
                           .length = piece,
                           .data = req->data ? (char *)req->data + done : NULL };
        r = pool_run(s, &job);
    }
    return r;
}

static int write_zeroes(struct nbd_store *s, const struct weir_request *req)
{
    uint64_t piece = s->traits.block_max < sizeof zeroes ? s->traits.block_max : sizeof zeroes;
    int r = 0;

    for (uint64_t done = 0; done < req->length && r == 0; done += piece) {
        if (piece > req->length - done)
            piece = req->length - done;
        struct job job = { .op = WEIR_WRITE,
                           .flags = req->flags,
                           .offset = req->offset + done,
                           .length = piece,
                           .data = (void *)(uintptr_t)zeroes };
        r = pool_run(s, &job);
    }
    return r;
}

static int change(struct nbd_store *s, const struct weir_request *req)
{
    const struct traits *t = &s->traits;
    bool durable = req->flags & WEIR_FUA;
    int r = 0;

    if (t->read_only)
        return -EPERM;
    if (durable && is_lost(s)) /* what a forced write builds on may be gone */
        return -EIO;
    if (req->op == WEIR_ZERO && (req->flags & WEIR_FAST_ZERO) && !t->fast_zero)
        return -ENOTSUP;
    if (req->op == WEIR_WRITE)
        r = run_pieces(s, req, t->block_max);
    else if (req->op == WEIR_ZERO && !t->zero)
        r = write_zeroes(s, req);
    else if (req->op == WEIR_ZERO || t->trim)
        r = run_pieces(s, req, SPAN_MAX);
    if (r == 0 && durable && !t->fua)
        r = flush(s);
    make_room(s);
    return r;
}

/* ---- extents ----------------------------------------------------------------------------------
 */

/* Passes on what came; *reached is where it ends. */
static int add_extents(const struct job *job, struct weir_extents *extents, uint64_t end,
                       bool only_one, uint64_t *reached)
{
    uint64_t at = job->offset;
    int r = 0;

    for (size_t i = 0; i + 1 < job->extent_words && at < end && r == 0; i += 2) {
        /* base:allocation has the same two bits: hole, reads as zeroes */
        uint32_t type = job->extents[i + 1] & (WEIR_HOLE | WEIR_READS_ZERO);
        uint64_t length = job->extents[i] < end - at ? job->extents[i] : end - at;
        r = weir_add_extent(extents, at, length, type);
        at += length;
        if (only_one)
            break;
    }
    *reached = at;
    return r;
}

static int extents(struct nbd_store *s, const struct weir_request *req)
{
    uint64_t at = req->offset, end = req->offset + req->length;
    bool only_one = req->flags & WEIR_ONE_EXTENT;
    int r = 0;

    if (!s->traits.extents)
        return weir_add_extent(req->data, at, req->length, 0);
    do {
        struct job job = { .op = WEIR_EXTENTS,
                           .flags = req->flags,
                           .offset = at,
                           .length = end - at < SPAN_MAX ? end - at : SPAN_MAX };
        uint64_t reached = at;
        r = pool_run(s, &job);
        if (r == 0)
            r = add_extents(&job, req->data, end, only_one, &reached);
        free(job.extents);
        if (r == 0 && reached == at) /* an answer that says nothing */
            r = -EIO;
        at = reached;
    } while (at < end && r == 0 && !only_one);
    return r;
}

int nbd_store_serve(void *self, struct weir_request *req)
{
    struct nbd_store *s = self;

    switch (req->op) {
    case WEIR_READ:
        return run_pieces(s, req, s->traits.block_max);
    case WEIR_WRITE:
    case WEIR_TRIM:
    case WEIR_ZERO:
        return change(s, req);
    case WEIR_FLUSH:
        return flush(s);
    case WEIR_PREFETCH:
        return s->traits.cache ? run_pieces(s, req, s->traits.block_max) : 0;
    case WEIR_EXTENTS:
        return extents(s, req);
    case WEIR_OP_COUNT:
        break;
    }
    return -EINVAL;
}
