/* joint.c - what do all gateways together learn of a datastore that nobody described?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "joint.h"

/* One without I/O may sleep. */
static bool can_lead(const struct gateway_report *r)
{
    return r->learns && r->ios;
}

/* Does `a`, at slot `at`, lead rather than `b`? */
static bool leads(const struct gateway_report *a, unsigned at, const struct gateway_report *b,
                  unsigned slot)
{
    if (can_lead(a) != can_lead(b))
        return can_lead(a);
    if (!a->threshold != !b->threshold)
        return a->threshold;
    return at < slot;
}

static void add(struct window_sample *sum, const struct gateway_report *r)
{
    sum->ios += r->ios;
    sum->units += r->units;
    sum->load += r->load;
    sum->latency += r->latency_sum;
    sum->in_flight += r->held;
    sum->waited |= r->backlogged;
}

/* Did the figures of all who were at work come about under `total`? */
static bool is_of_one_window(const struct gateway_report *mine, const struct peer_list *peers,
                             uint64_t total)
{
    if (mine->ios && mine->total != total)
        return false;
    for (unsigned i = 0; i < peers->count; i++) {
        const struct gateway_report *r = &peers->peer[i].block.report;
        if (r->ios && r->total != total)
            return false;
    }
    return true;
}

uint64_t joint_window(struct window *w, const struct gateway_report *mine, unsigned slot,
                      const struct peer_list *peers)
{
    const struct gateway_report *leader = mine;
    struct window_sample sum = { .span = mine->period };

    add(&sum, mine);
    for (unsigned i = 0; i < peers->count; i++) {
        const struct gateway_block *b = &peers->peer[i].block;
        add(&sum, &b->report);
        if (leads(&b->report, b->slot, leader, slot)) {
            leader = &b->report;
            slot = b->slot;
        }
    }
    if (!can_lead(leader))
        return 0;
    if (leader != mine && leader->total)
        window_impose(w, (uint32_t)(leader->total < UINT32_MAX ? leader->total : UINT32_MAX));
    w->passed += sum.span;
    if (leader->total && is_of_one_window(mine, peers, leader->total)) {
        sum.span = w->passed;
        window_feed_settled(w, &sum);
        w->passed = 0;
    }
    return leader == mine ? w->size : leader->total;
}
