/* split.c - which part of a datastore's window is this gateway's?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "split.h"

#include <stdlib.h>

/* g of split.h, and how far one period may carry: a datastore that stood still for a
 * second says nothing about what it can do. */
enum { GAIN_PERCENT = 80, MOST_STEP = 2 };
enum { MOST = BLOCK_SLOTS + 1 };

#define MOST_TOTAL (UINT64_C(1) << 40) /* what a block can say */

/* value * by / over, and at most what a block can say. */
static uint64_t scale(uint64_t value, uint64_t by, uint64_t over)
{
    unsigned __int128 result = (unsigned __int128)value * by / over;

    return result > MOST_TOTAL ? MOST_TOTAL : (uint64_t)result;
}

static int by_size(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Of those that are not 0; of an even number the lower one.  0 if there is none. */
static uint64_t median(const struct gateway_report *const *all, unsigned count, size_t field)
{
    uint64_t value[MOST];
    unsigned n = 0;

    for (unsigned i = 0; i < count; i++) {
        uint64_t v = *(const uint64_t *)((const char *)all[i] + field);
        if (v)
            value[n++] = v;
    }
    qsort(value, n, sizeof value[0], by_size);
    return n ? value[(n - 1) / 2] : 0;
}

/* ---- the window of all ------------------------------------------------------- */

static uint64_t need_of(const struct gateway_report *r)
{
    return r->in_flight + r->in_flight / 4 + BLOCK_UNIT;
}

/* The window that would have kept the threshold, by those who say what it was: the mean of
 * that, weighted with their I/Os, and so is the latency.  A part that lay idle then and now
 * goes to others caused no latency yet: it does not count.  0: nobody can say. */
static uint64_t find_target(const struct gateway_report *const *all, const struct split *s)
{
    unsigned __int128 totals = 0, latencies = 0;
    uint64_t windows = 0, kept = 0;

    for (unsigned i = 0; i < s->gateways; i++) {
        const struct gateway_report *r = all[i];
        uint64_t total = s->gateways == 1 ? r->window : r->total, need = need_of(r);
        windows += r->window;
        kept += r->backlogged || need > r->window ? r->window : need;
        if (!total)
            continue;
        totals += (unsigned __int128)r->ios * total;
        latencies += r->latency_sum;
    }
    if (!latencies || !totals)
        return 0;
    while (totals >> 64) { /* so that the product fits in 128 bits; both lose the same */
        totals >>= 1;
        latencies = latencies >> 1 | 1;
    }
    unsigned __int128 target = totals * s->threshold / latencies;
    return target > MOST_TOTAL ? MOST_TOTAL : scale((uint64_t)target, kept, windows);
}

static uint64_t control_total(const struct gateway_report *const *all, const struct split *s)
{
    uint64_t windows = 0, least = (uint64_t)s->gateways * BLOCK_UNIT;
    uint64_t total = median(all, s->gateways, offsetof(struct gateway_report, total));
    uint64_t target = s->backlogged && s->threshold ? find_target(all, s) : 0;

    for (unsigned i = 0; i < s->gateways; i++)
        windows += all[i]->window;
    if (!total)
        total = windows;
    if (target) {
        if (target > total * MOST_STEP)
            target = total * MOST_STEP;
        if (target < total / MOST_STEP)
            target = total / MOST_STEP;
        total = (total * (100 - GAIN_PERCENT) + target * GAIN_PERCENT) / 100;
    }
    if (total > MOST_TOTAL)
        total = MOST_TOTAL;
    return total > least ? total : least;
}

/* ---- the parts --------------------------------------------------------------- */

static uint64_t weight_of(const struct gateway_report *r)
{
    return r->shares ? r->shares : 1;
}

/* Does it need no more than `rest` * weight / `weights`?  What it needs is then in *need. */
static bool is_content(const struct gateway_report *r, uint64_t rest, uint64_t weights,
                       uint64_t *need)
{
    *need = need_of(r);
    return !r->backlogged && *need <= scale(rest, weight_of(r), weights);
}

/* all[0] is this gateway.  Whoever is content with less than its part of what is left gets
 * what it needs and is done with; that leaves more for the others, so it is asked again
 * until nobody else is. */
static uint64_t fill(const struct gateway_report *const *all, unsigned count, uint64_t total)
{
    bool done[MOST] = { false }, more = true;
    uint64_t rest = total, weights = 0, all_weights, own_need = 0, need;

    for (unsigned i = 0; i < count; i++)
        weights += weight_of(all[i]);
    all_weights = weights;
    while (more && weights) {
        uint64_t level = rest, over = weights;
        more = false;
        for (unsigned i = 0; i < count; i++) {
            if (done[i] || !is_content(all[i], level, over, &need))
                continue;
            done[i] = more = true;
            rest -= need;
            weights -= weight_of(all[i]);
            if (i == 0)
                own_need = need;
        }
    }
    if (!weights) /* nobody wants the rest: room for all */
        return own_need + scale(rest, weight_of(all[0]), all_weights);
    return done[0] ? own_need : scale(rest, weight_of(all[0]), weights);
}

void split_window(const struct gateway_report *mine, const struct peer_list *peers,
                  struct split *ret)
{
    const struct gateway_report *all[MOST];
    struct split s = { .gateways = peers->count + 1 };
    uint64_t ios = 0, latency = 0;

    all[0] = mine;
    for (unsigned i = 0; i < peers->count; i++)
        all[i + 1] = &peers->peer[i].block.report;
    for (unsigned i = 0; i < s.gateways; i++) {
        ios += all[i]->ios;
        latency += all[i]->latency_sum;
        s.backlogged += all[i]->backlogged;
        s.shares += all[i]->backlogged ? weight_of(all[i]) : 0;
    }
    s.latency = ios ? latency / ios : 0;
    s.threshold = median(all, s.gateways, offsetof(struct gateway_report, threshold));
    s.total = control_total(all, &s);
    s.window = fill(all, s.gateways, s.total);
    if (s.window < BLOCK_UNIT)
        s.window = BLOCK_UNIT;
    if (s.gateways == 1)
        s.total = 0; /* what one alone believes binds nobody who comes */
    *ret = s;
}
