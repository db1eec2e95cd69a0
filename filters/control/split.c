/* split.c - which part of a datastore's window is this gateway's?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "split.h"

#include <stdlib.h>

/* g of split.h, and how far one period may carry. */
enum { GAIN_PERCENT = 50, MOST_STEP = 2 };
enum {
    LEAST = 4
}; /* units for each that waits: a threshold below the service time is not to
      stop everything */
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

/* Did the figures of somebody who waits come about before there was a total? */
static bool is_news(const struct gateway_report *const *all, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (all[i]->backlogged && !all[i]->total)
            return true;
    return false;
}

/* T of split.h; while there is no threshold, what all use. */
static uint64_t target(const struct gateway_report *const *all, const struct split *s)
{
    uint64_t used = 0, held = 0;

    for (unsigned i = 0; i < s->gateways; i++) {
        used += all[i]->window < all[i]->in_flight ? all[i]->window : all[i]->in_flight;
        held += all[i]->held;
    }
    return s->threshold && s->latency ? scale(held, s->threshold, s->latency) : used;
}

static uint64_t move(uint64_t before, uint64_t to)
{
    /* a datastore that stood still for a second says nothing of what it can do */
    to = to < before / MOST_STEP ? before / MOST_STEP : to;
    to = to > before * MOST_STEP ? before * MOST_STEP : to;
    return (before * (100 - GAIN_PERCENT) + to * GAIN_PERCENT) / 100;
}

static uint64_t control_total(const struct gateway_report *const *all, const struct split *s,
                              uint64_t before)
{
    uint64_t least = s->backlogged * LEAST * (uint64_t)BLOCK_UNIT, total = before;

    if (!total)
        total = median(all, s->gateways, offsetof(struct gateway_report, total));
    if (!total)
        total = target(all, s);
    else if (before && !is_news(all, s->gateways))
        total = move(before, target(all, s));
    total = total > MOST_TOTAL ? MOST_TOTAL : total;
    return total > least ? total : least;
}

/* ---- the parts --------------------------------------------------------------- */

static uint64_t weight_of(const struct gateway_report *r)
{
    return r->shares ? r->shares : 1;
}

/* A quarter more than it uses, and one unit to start with. */
static uint64_t need_of(const struct gateway_report *r)
{
    return r->in_flight + r->in_flight / 4 + BLOCK_UNIT;
}

/* Does it need no more than `rest` * weight / `weights`? */
static bool is_content(const struct gateway_report *r, uint64_t rest, uint64_t weights)
{
    return !r->backlogged && need_of(r) <= scale(rest, weight_of(r), weights);
}

/* all[0] is this gateway.  Whoever is content with less than its part of what is left gets
 * what it needs and is done with; what it does not use it leaves for the others, so it is
 * asked again until nobody else is. */
static uint64_t fill(const struct gateway_report *const *all, unsigned count, uint64_t total)
{
    bool done[MOST] = { false }, more = true;
    uint64_t rest = total, weights = 0, all_weights;

    for (unsigned i = 0; i < count; i++)
        weights += weight_of(all[i]);
    all_weights = weights;
    while (more && weights) {
        uint64_t level = rest, over = weights;
        more = false;
        for (unsigned i = 0; i < count; i++) {
            if (done[i] || !is_content(all[i], level, over))
                continue;
            done[i] = more = true;
            rest -= all[i]->held < rest ? all[i]->held : rest;
            weights -= weight_of(all[i]);
        }
    }
    if (!weights) /* nobody wants the rest: room for all */
        return need_of(all[0]) + scale(rest, weight_of(all[0]), all_weights);
    return done[0] ? need_of(all[0]) : scale(rest, weight_of(all[0]), weights);
}

void split_window(const struct gateway_report *mine, const struct peer_list *peers, uint64_t total,
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
    if (s.backlogged || total) {
        s.total = total ? total : control_total(all, &s, ret->total);
        s.window = fill(all, s.gateways, s.total);
        if (s.window < BLOCK_UNIT)
            s.window = BLOCK_UNIT;
    }
    *ret = s;
}
