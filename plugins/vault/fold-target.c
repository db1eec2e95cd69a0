/* fold-target.c - how much history is to be given up now?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What is older than the span: by the source's clock, as restore points are named, and by ours, so
 * that a source whose clock leaps does not lose its history.  And the oldest when the log is about
 * to be full.  Never what an open point needs, what heads do not have durably, or a part of a set.
 */
#include "fold.h"

#include <errno.h>

#include "scope.h"

/* What stands still while it is decided. */
struct bounds {
    uint64_t horizon, horizon_lsn, limit; /* positions: from where on, up to where at most */
    uint64_t latest;                      /* the source's time */
};

static bool get_bounds(struct group *g, struct bounds *b)
{
    hold_lock(&g->lock);
    const struct group_record *r = &g->record;

    *b = (struct bounds){ .horizon = r->horizon.position,
                          .horizon_lsn = r->horizon.last_lsn,
                          .limit = segment_floor(r->applied.position),
                          .latest = g->complete_time };
    for (const struct pinned *p = g->pinned; p; p = p->next)
        if (segment_floor(p->position) < b->limit)
            b->limit = segment_floor(p->position);
    return r->role == ROLE_TARGET && !r->initial && !r->rolling_to && b->limit > b->horizon;
}

/* Does a segment that has a state behind its last frame end there? */
static bool state_at(struct group *g, uint64_t position, uint64_t *lsn)
{
    struct index_segment s;

    if (index_segment(g->index, position - SEGMENT, &s) || !points_is_state(g->points, s.last_lsn))
        return false;
    *lsn = s.last_lsn;
    return true;
}

uint64_t fold_state_before(struct group *g, uint64_t position, uint64_t *lsn)
{
    struct bounds b;

    if (!get_bounds(g, &b))
        return 0;
    uint64_t at = segment_floor(position);
    for (at = at < b.limit ? at : b.limit; at > b.horizon; at -= SEGMENT)
        if (state_at(g, at, lsn))
            return at;
    return 0;
}

static bool is_old(const struct index_segment *s, uint64_t latest, uint64_t now, uint64_t span)
{
    return s->sealed && latest > s->time && latest - s->time > span && now > s->arrived &&
           now - s->arrived > span;
}

/* Up to where all is older than the span; a sixteenth more before it begins, so that what is
 * written often is folded once. */
static uint64_t by_age(struct group *g, const struct bounds *b, uint64_t now)
{
    const uint64_t span = g->config.history, slack = span / 16;
    uint64_t target = 0;
    struct index_segment s;

    for (uint64_t at = segment_floor(b->horizon); at < b->limit; at = s.to) {
        s.to = at + SEGMENT;
        if (index_segment(g->index, at, &s) == 0 &&
            !is_old(&s, b->latest, now, target ? span : span + slack))
            break;
        target = s.to;
    }
    return target;
}

/* A sixteenth is kept free, and an eighth is made free at once. */
static uint64_t by_size(struct group *g, const struct bounds *b)
{
    const uint64_t free = log_free_bytes(g->log), all = free + log_used(g->log);
    const uint64_t least = all / 16 > 2ull * SEGMENT ? all / 16 : 2ull * SEGMENT;

    if (free >= least)
        return 0;
    const uint64_t want = b->horizon + (all / 8 > least ? all / 8 : least) - free;
    const uint64_t target = segment_floor(want + SEGMENT - 1);
    return target < b->limit ? target : b->limit;
}

uint64_t fold_target(struct group *g, uint64_t now)
{
    struct bounds b;
    uint64_t lsn;

    if (!get_bounds(g, &b))
        return 0;
    const uint64_t age = by_age(g, &b, now), size = by_size(g, &b);
    uint64_t target = age > size ? age : size;
    if (!target)
        return 0;
    uint64_t state = fold_state_before(g, target, &lsn);
    /* in a set: if room is needed, on to its end */
    while (!state && size && (target += SEGMENT) <= b.limit)
        if (state_at(g, target, &lsn))
            state = target;
    return state;
}
