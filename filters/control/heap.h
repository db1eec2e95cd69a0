/* heap.h - which of many moments comes first?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A heap with four children to a node (Johnson, IPL 4(3), 1975: fewer cache lines on the
 * way down than with two); each node knows its place, so that it can leave from anywhere. */
#ifndef CONTROL_HEAP_H
#define CONTROL_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    uint64_t key; /* ns */
    size_t at;    /* 1-based; 0: not in a heap */
};

struct heap {
    struct heap_node **node;
    size_t count, room;
};

bool heap_reserve(struct heap *, size_t room); /* false: no memory */
void heap_finish(struct heap *);
/* There is room: heap_reserve() came before. */
void heap_put(struct heap *, struct heap_node *, uint64_t key);
void heap_remove(struct heap *, struct heap_node *);
static inline struct heap_node *heap_first(const struct heap *h)
{
    return h->count ? h->node[0] : NULL;
}

#endif
