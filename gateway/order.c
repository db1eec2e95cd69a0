/* order.c - how do overlapping writes stay in the order in which they came?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The list is as long as there are threads with a write in flight, so it is walked,
 * not indexed. */
#include "order.h"

#include "request.h"
#include "scope.h"

#include <errno.h>

void order_init(struct order *o, uint64_t align)
{
    *o = (struct order){ .align = align ? align : 1 };
    pthread_mutex_init(&o->lock, NULL);
}

void order_finish(struct order *o)
{
    pthread_mutex_destroy(&o->lock);
}

static bool overlap(const struct order_range *a, const struct order_range *b)
{
    return a->offset < b->end && b->offset < a->end;
}

static unsigned append(struct order *o, struct order_range *range)
{
    hold_lock(&o->lock);
    unsigned blockers = 0;

    for (const struct order_range *r = o->oldest; r; r = r->later)
        blockers += overlap(r, range);
    atomic_store_explicit(&range->blockers, blockers, memory_order_relaxed);
    range->later = NULL;
    range->earlier = o->newest;
    *(o->newest ? &o->newest->later : &o->oldest) = range;
    o->newest = range;
    return blockers;
}

void order_enter(struct order *o, struct order_range *range, uint64_t offset, uint64_t length,
                 struct worker *self)
{
    range->offset = offset & ~(o->align - 1);
    range->end = (offset + length + o->align - 1) & ~(o->align - 1);
    range->waiter = self;
    if (append(o, range) == 0)
        return;
    if (self->of_pool)
        derived_parked(true);
    /* exactly one post comes when the last blocker leaves; another's may come before */
    do {
        while (sem_wait(&self->baton) && errno == EINTR)
            ;
    } while (atomic_load_explicit(&range->blockers, memory_order_acquire));
    if (self->of_pool)
        derived_parked(false);
}

void order_leave(struct order *o, struct order_range *range)
{
    hold_lock(&o->lock);

    for (struct order_range *r = range->later; r; r = r->later)
        if (overlap(range, r) &&
            atomic_fetch_sub_explicit(&r->blockers, 1, memory_order_acq_rel) == 1)
            sem_post(&r->waiter->baton);
    *(range->earlier ? &range->earlier->later : &o->oldest) = range->later;
    *(range->later ? &range->later->earlier : &o->newest) = range->earlier;
}
