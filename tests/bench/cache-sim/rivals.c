/* rivals.c - how often would other policies miss?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sim.h"

#include <stdlib.h>

enum { NONE = UINT32_MAX };

/* ---- LRU --------------------------------------------------------------------------- */

/* Lists through the blocks' numbers; the last number is the list's own. */
struct chain {
    uint32_t *next, *last;
};

static void unlink_block(struct chain *chain, uint32_t block)
{
    chain->last[chain->next[block]] = chain->last[block];
    chain->next[chain->last[block]] = chain->next[block];
}

static void link_first(struct chain *chain, uint32_t own, uint32_t block)
{
    chain->next[block] = chain->next[own];
    chain->last[block] = own;
    chain->last[chain->next[own]] = block;
    chain->next[own] = block;
}

uint64_t lru_misses(const struct trace *trace, uint32_t size)
{
    uint32_t own = trace->blocks, taken = 0;
    struct chain chain = { allocate(own + 1, sizeof(uint32_t)),
                           allocate(own + 1, sizeof(uint32_t)) };
    bool *there = allocate(own + 1, sizeof *there);
    uint64_t misses = 0;

    chain.next[own] = chain.last[own] = own;
    for (size_t i = 0; i < trace->count; i++) {
        uint32_t block = trace->block[i];
        if (there[block]) {
            unlink_block(&chain, block);
        } else {
            misses++;
            if (taken == size) {
                uint32_t oldest = chain.last[own];
                unlink_block(&chain, oldest);
                there[oldest] = false;
            } else {
                taken++;
            }
            there[block] = true;
        }
        link_first(&chain, own, block);
    }
    free(chain.next);
    free(chain.last);
    free(there);
    return misses;
}

/* ---- FIFO -------------------------------------------------------------------------- */

uint64_t fifo_misses(const struct trace *trace, uint32_t size)
{
    uint32_t *ring = allocate(size, sizeof *ring);
    bool *there = allocate(trace->blocks, sizeof *there);
    uint64_t misses = 0;

    for (size_t i = 0; i < trace->count; i++) {
        uint32_t block = trace->block[i];
        if (there[block])
            continue;
        uint32_t *place = &ring[misses % size];
        if (misses++ >= size)
            there[*place] = false;
        *place = block;
        there[block] = true;
    }
    free(ring);
    free(there);
    return misses;
}

/* ---- MIN (Belady) ------------------------------------------------------------------- */

/* A heap of what is cached, the one that is needed last on top.  One that has been needed since it
 * was put in is there a second time, further down, and never comes up: its time has passed. */
struct need {
    uint64_t at;
    uint32_t block;
};

static void heap_put(struct need *heap, size_t count, struct need need)
{
    size_t i = count;

    for (; i && heap[(i - 1) / 2].at < need.at; i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = need;
}

static struct need heap_take(struct need *heap, size_t count)
{
    struct need top = heap[0], last = heap[count - 1];
    size_t i = 0;

    for (size_t child; (child = 2 * i + 1) < count - 1; i = child) {
        if (child + 1 < count - 1 && heap[child + 1].at > heap[child].at)
            child++;
        if (heap[child].at <= last.at)
            break;
        heap[i] = heap[child];
    }
    heap[i] = last;
    return top;
}

/* For each reference when its block is needed again; `count` + block: never. */
static uint64_t *needed_again(const struct trace *trace)
{
    uint64_t *again = allocate(trace->count, sizeof *again);
    uint64_t *next = allocate(trace->blocks, sizeof *next);

    for (uint32_t block = 0; block < trace->blocks; block++)
        next[block] = trace->count + block;
    for (size_t i = trace->count; i-- > 0;) {
        again[i] = next[trace->block[i]];
        next[trace->block[i]] = i;
    }
    free(next);
    return again;
}

uint64_t min_misses(const struct trace *trace, uint32_t size)
{
    uint64_t *again = needed_again(trace), misses = 0;
    struct need *heap = allocate(trace->count + 1, sizeof *heap);
    bool *there = allocate(trace->blocks, sizeof *there);
    size_t count = 0;
    uint32_t taken = 0;

    for (size_t i = 0; i < trace->count; i++) {
        uint32_t block = trace->block[i];
        if (!there[block]) {
            misses++;
            there[block] = true;
            if (taken < size)
                taken++;
            else
                there[heap_take(heap, count--).block] = false;
        }
        heap_put(heap, count++, (struct need){ again[i], block });
    }
    free(again);
    free(heap);
    free(there);
    return misses;
}
