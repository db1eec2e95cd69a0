/* order.h - how do overlapping writes stay in the order in which they came?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A byte-range lock with a queue: a range waits for every earlier one that it
 * overlaps, whether that one has begun or waits itself.  One per filter that says
 * WEIR_NEEDS_ORDER, in the offsets that this filter sees. */
#ifndef WEIR_ORDER_H
#define WEIR_ORDER_H

#include "worker.h"

#include <pthread.h>

struct order_range {
    uint64_t offset, end; /* bytes, end exclusive */
    atomic_uint blockers; /* earlier ranges that overlap and have not left */
    struct worker *waiter;
    struct order_range *earlier, *later;
};

struct order {
    pthread_mutex_t lock; /* the list and the blockers' going down; taken last of all */
    struct order_range *oldest, *newest;
    uint64_t align; /* power of two */
};

void order_init(struct order *, uint64_t align);
void order_finish(struct order *);
/* Blocks until every earlier overlapping range has left.  `range` is the caller's and
 * stays untouched until order_leave(). */
void order_enter(struct order *, struct order_range *range, uint64_t offset, uint64_t length,
                 struct worker *self);
void order_leave(struct order *, struct order_range *range);

#endif
