/* stream.c - is this request sequential, far from the last one, or a rewrite?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stream.h"

static uint64_t scatter(uint64_t x)
{
    x *= 0x9e3779b97f4a7c15u; /* 2^64 over the golden ratio: Knuth's multiplicative hash */
    return x ^ x >> 32;
}

static bool was_end(struct stream *s, enum weir_op op, uint64_t offset)
{
    return atomic_load_explicit(&s->ends[op][scatter(offset) % ENDS], memory_order_relaxed) ==
           offset + 1;
}

static bool written_before(struct stream *s, uint64_t offset)
{
    uint64_t block = offset >> BLOCK_SHIFT, hash = scatter(block);
    uint32_t tag = (uint32_t)(hash >> 32) | 1;
    _Atomic uint32_t *slot = &s->written[hash % BLOCKS];

    if (atomic_load_explicit(slot, memory_order_relaxed) == tag)
        return true;
    atomic_store_explicit(slot, tag, memory_order_relaxed);
    return false;
}

void stream_note(struct stream *s, const struct weir_request *req, uint64_t now, struct relation *r)
{
    struct last *last = &s->last[req->op];
    uint64_t begin = req->offset, end = begin + req->length;
    uint64_t then = atomic_load_explicit(&last->time, memory_order_relaxed);
    uint64_t from = atomic_load_explicit(&last->end, memory_order_relaxed);

    atomic_store_explicit(&last->time, now, memory_order_relaxed);
    r->first = !then;
    r->interval = now > then ? now - then : 0; /* another CPU may have been quicker */
    if (req->op == WEIR_FLUSH)
        return;
    atomic_store_explicit(&last->end, end, memory_order_relaxed);
    r->backward = begin < from;
    r->distance = r->backward ? from - begin : begin - from;
    r->sequential = !r->first && was_end(s, req->op, begin);
    atomic_store_explicit(&s->ends[req->op][scatter(end) % ENDS], end + 1, memory_order_relaxed);
    r->again = req->op == WEIR_WRITE && written_before(s, begin);
}
