/* ring.c - how do many threads write a trace without waiting for each other?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ring.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

enum { WORDS = 5, LINE = 64 };

/* One cache line.  The words are atomic because a reader may look while they change;
 * what it saw counts only if `sequence` stood still. */
struct slot {
    _Atomic uint64_t sequence; /* odd: being written; 0: never used */
    _Atomic uint64_t word[WORDS];
    uint64_t unused[2];
};

struct segment {
    _Atomic uint64_t next; /* the slot to write, modulo `entries` */
    struct slot *slots;
    char unused[LINE - 2 * sizeof(uint64_t)];
};

struct ring {
    unsigned entries, cpus;
    struct segment *segments;
};

_Static_assert(sizeof(struct slot) == LINE, "a slot is a cache line");
_Static_assert(sizeof(struct segment) == LINE, "a segment's head is a cache line");

int ring_create(unsigned entries, struct ring **ret)
{
    struct ring *ring = calloc(1, sizeof(*ring));
    long cpus = sysconf(_SC_NPROCESSORS_CONF);

    if (!ring)
        return -ENOMEM;
    ring->entries = entries;
    ring->cpus = cpus > 0 ? (unsigned)cpus : 1;
    ring->segments = aligned_alloc(LINE, ring->cpus * sizeof(struct segment));
    if (!ring->segments) {
        free(ring);
        return -ENOMEM;
    }
    for (unsigned i = 0; i < ring->cpus; i++)
        ring->segments[i] = (struct segment){ .slots = NULL };
    for (unsigned i = 0; i < ring->cpus; i++) {
        /* calloc: large ones come from the kernel untouched, so an idle CPU costs none */
        ring->segments[i].slots = calloc(entries, sizeof(struct slot));
        if (!ring->segments[i].slots) {
            ring_destroy(ring);
            return -ENOMEM;
        }
    }
    *ret = ring;
    return 0;
}

void ring_destroy(struct ring *ring)
{
    if (!ring)
        return;
    for (unsigned i = 0; i < ring->cpus; i++)
        free(ring->segments[i].slots);
    free(ring->segments);
    free(ring);
}

static void put(struct slot *slot, unsigned i, uint64_t value)
{
    atomic_store_explicit(&slot->word[i], value, memory_order_release);
}

static uint64_t get(const struct slot *slot, unsigned i)
{
    return atomic_load_explicit(&slot->word[i], memory_order_acquire);
}

void ring_put(struct ring *ring, const struct trace_entry *entry)
{
    int cpu = sched_getcpu();
    struct segment *segment = &ring->segments[cpu > 0 ? (unsigned)cpu % ring->cpus : 0];
    uint64_t turn = atomic_fetch_add_explicit(&segment->next, 1, memory_order_relaxed);
    struct slot *slot = &segment->slots[turn % ring->entries];
    uint64_t before = atomic_load_explicit(&slot->sequence, memory_order_relaxed);

    /* Odd: a thread that was preempted here a whole round ago is still writing.  Its
     * entry wins and this one is dropped, which is better than a mixture of both. */
    if ((before & 1) ||
        !atomic_compare_exchange_strong_explicit(&slot->sequence, &before, before + 1,
                                                 memory_order_acquire, memory_order_relaxed))
        return;
    put(slot, 0, entry->time);
    put(slot, 1, entry->offset);
    put(slot, 2, entry->length);
    put(slot, 3, entry->latency);
    put(slot, 4, (uint64_t)entry->flags << 32 | (uint64_t)entry->op << 16 | entry->error);
    atomic_store_explicit(&slot->sequence, before + 2, memory_order_release);
}

/* The words are loaded with acquire, so the second look at `sequence` cannot come before
 * them; they are stored with release, so a reader that sees a new word sees it odd.  (A
 * fence would do it more cheaply elsewhere; on x86 both are plain moves, and the thread
 * sanitizer understands no fences.) */
static bool look(const struct slot *slot, struct trace_entry *entry)
{
    uint64_t before = atomic_load_explicit(&slot->sequence, memory_order_acquire);

    if (!before || (before & 1))
        return false;
    entry->time = get(slot, 0);
    entry->offset = get(slot, 1);
    entry->length = get(slot, 2);
    entry->latency = get(slot, 3);
    uint64_t rest = get(slot, 4);
    entry->flags = (uint32_t)(rest >> 32);
    entry->op = (uint16_t)(rest >> 16);
    entry->error = (uint16_t)rest;
    return atomic_load_explicit(&slot->sequence, memory_order_relaxed) == before;
}

static int by_time(const void *a, const void *b)
{
    const struct trace_entry *x = a, *y = b;
    return (x->time > y->time) - (x->time < y->time);
}

int ring_read(const struct ring *ring, struct trace_entry **ret, size_t *count)
{
    size_t found = 0;
    struct trace_entry *all = calloc((size_t)ring->cpus * ring->entries, sizeof(*all));

    if (!all)
        return -ENOMEM;
    for (unsigned i = 0; i < ring->cpus; i++) {
        const struct segment *segment = &ring->segments[i];
        uint64_t used = atomic_load_explicit(&segment->next, memory_order_relaxed);

        for (unsigned j = 0; j < ring->entries && j < used; j++)
            found += look(&segment->slots[j], &all[found]);
    }
    qsort(all, found, sizeof(*all), by_time);
    if (found > ring->entries) { /* each ring has its own oldest: keep the newest of all */
        size_t extra = found - ring->entries;
        for (size_t i = 0; i < ring->entries; i++)
            all[i] = all[extra + i];
        found = ring->entries;
    }
    *ret = all;
    *count = found;
    return 0;
}
