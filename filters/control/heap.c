/* heap.c - which of many moments comes first?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "heap.h"

#include <stdlib.h>

enum { CHILDREN = 4 };

bool heap_reserve(struct heap *h, size_t room)
{
    if (room <= h->room)
        return true;
    size_t more = room < 2 * h->room ? 2 * h->room : room;
    struct heap_node **bigger = realloc(h->node, more * sizeof *bigger);
    if (!bigger)
        return false;
    h->node = bigger;
    h->room = more;
    return true;
}

void heap_finish(struct heap *h)
{
    free(h->node);
    *h = (struct heap){ 0 };
}

static void set(struct heap *h, size_t i, struct heap_node *n)
{
    h->node[i] = n;
    n->at = i + 1;
}

static void rise(struct heap *h, size_t i, struct heap_node *n)
{
    while (i) {
        size_t parent = (i - 1) / CHILDREN;
        if (h->node[parent]->key <= n->key)
            break;
        set(h, i, h->node[parent]);
        i = parent;
    }
    set(h, i, n);
}

static void sink(struct heap *h, size_t i, struct heap_node *n)
{
    for (;;) {
        size_t least = CHILDREN * i + 1, end = least + CHILDREN;
        if (least >= h->count)
            break;
        for (size_t c = least + 1; c < end && c < h->count; c++)
            if (h->node[c]->key < h->node[least]->key)
                least = c;
        if (h->node[least]->key >= n->key)
            break;
        set(h, i, h->node[least]);
        i = least;
    }
    set(h, i, n);
}

void heap_put(struct heap *h, struct heap_node *n, uint64_t key)
{
    n->key = key;
    rise(h, h->count++, n);
}

void heap_remove(struct heap *h, struct heap_node *n)
{
    size_t i = n->at - 1;
    struct heap_node *last = h->node[--h->count];

    n->at = 0;
    if (last == n)
        return;
    if (i && h->node[(i - 1) / CHILDREN]->key > last->key)
        rise(h, i, last);
    else
        sink(h, i, last);
}
