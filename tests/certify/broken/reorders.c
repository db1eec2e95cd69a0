/* reorders.c - broken on purpose: what if a flush sends what was collected sorted by place?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "weir-filter.h"

#include <pthread.h>
#include <string.h>

enum { LEAST = 1024, SMALL = 4096, MOST = 2 };

struct reorders {
    struct weir_below *below;
    pthread_mutex_t lock; /* what is held; its owner writes it, too, for this is no example */
    bool draining;
    unsigned count;
    struct held {
        uint64_t offset, length;
        char data[SMALL];
    } held[MOST];
};

static int put(struct reorders *r, bool sorted)
{
    int error = 0;

    /* the fault: it should be < */
    bool swapped = sorted && r->count == MOST && r->held[1].offset <= r->held[0].offset;
    for (unsigned i = 0; i < r->count; i++) {
        const struct held *h = &r->held[swapped ? MOST - 1 - i : i];
        int e = weir_write(r->below, h->data, h->length, h->offset, 0);
        error = e ? e : error;
    }
    r->count = 0;
    return error;
}

static bool is_small(const struct weir_request *req)
{
    return req->op == WEIR_WRITE && !(req->flags & WEIR_FUA) && req->length >= LEAST &&
           req->length < SMALL;
}

/* The same place again is what the order is for; other overlaps go down as they came. */
static bool overlaps(const struct held *h, const struct weir_request *req)
{
    return req->offset < h->offset + h->length && h->offset < req->offset + req->length &&
           !(req->offset == h->offset && req->length == h->length);
}

static enum weir_verdict down_locked(struct reorders *r, struct weir_request *req)
{
    const bool small = is_small(req) && !r->draining;

    if (!small || r->count == MOST || (r->count && overlaps(&r->held[0], req))) {
        int error = put(r, req->op == WEIR_FLUSH);
        if (error)
            return weir_fail(req, -error);
    }
    if (!small)
        return WEIR_PASS;
    struct held *h = &r->held[r->count++];
    h->offset = req->offset;
    h->length = req->length;
    memcpy(h->data, req->data, req->length);
    return WEIR_COMPLETE;
}

static enum weir_verdict down(void *self, struct weir_request *req)
{
    struct reorders *r = self;

    pthread_mutex_lock(&r->lock);
    enum weir_verdict verdict = down_locked(r, req);
    pthread_mutex_unlock(&r->lock);
    return verdict;
}

static int drain(void *self, bool begin, struct weir_text *why)
{
    struct reorders *r = self;

    pthread_mutex_lock(&r->lock);
    r->draining = begin;
    int error = put(r, false);
    pthread_mutex_unlock(&r->lock);
    if (error)
        weir_print(why, "what was collected cannot be written");
    return error;
}

static int attach(void *self, struct weir_below *below, const void *config, struct weir_text *why)
{
    struct reorders *r = self;

    (void)config;
    (void)why;
    r->below = below;
    pthread_mutex_init(&r->lock, NULL);
    return 0;
}

const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER,
    .name = "reorders",
    .version = "1",
    .summary = "Broken on purpose.",
    .klass = WEIR_CLASS_NONE,
    .ops = WEIR_ALL_OPS,
    .self_size = sizeof(struct reorders),
    .attach = attach,
    .down = down,
    .drain = drain,
};
