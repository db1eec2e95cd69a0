/* stats.c - how many, how much, how long: per export, place and operation?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stats.h"

#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <unistd.h>

enum { LINE = 128 }; /* two cache lines: the prefetcher fetches pairs */

unsigned stats_cpus(void)
{
    static _Atomic unsigned cpus; /* of the machine; asked once */

    unsigned n = atomic_load_explicit(&cpus, memory_order_relaxed);
    if (!n) {
        long configured = sysconf(_SC_NPROCESSORS_CONF);
        n = configured > 0 ? (unsigned)configured : 1;
        atomic_store_explicit(&cpus, n, memory_order_relaxed);
    }
    return n;
}

unsigned stats_cpu(void)
{
#if __has_builtin(__builtin_thread_pointer)
    /* the kernel keeps the number in the thread's rseq area: one load, no call */
    if (__rseq_size) {
        const struct rseq *area =
            (const void *)((const char *)__builtin_thread_pointer() + __rseq_offset);
        unsigned known = *(const volatile uint32_t *)&area->cpu_id;
        if (known < stats_cpus())
            return known;
    }
#endif
    int cpu = sched_getcpu();
    return cpu >= 0 ? (unsigned)cpu % stats_cpus() : 0;
}

/* ---- the core's tallies ------------------------------------------------------ */

/* Histograms are wide and mostly empty: fresh pages stay unwritten until they count. */
static void *map_zeroes(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

int counting_create(struct counting **ret)
{
    size_t size = sizeof(struct counting) + stats_cpus() * WEIR_OP_COUNT * sizeof(struct tally);
    struct counting *c = map_zeroes(size);

    if (!c)
        return -ENOMEM;
    c->size = size;
    *ret = c;
    return 0;
}

void counting_destroy(struct counting *c)
{
    if (c)
        munmap(c, c->size);
}

static uint64_t read_counter(const weir_counter *c)
{
    return atomic_load_explicit(&c->n, memory_order_relaxed);
}

static void merge(struct weir_histogram *into, const struct weir_histogram *h)
{
    uint64_t max = atomic_load_explicit(&h->max, memory_order_relaxed);

    weir_add(&into->sum, read_counter(&h->sum));
    if (max > atomic_load_explicit(&into->max, memory_order_relaxed))
        atomic_store_explicit(&into->max, max, memory_order_relaxed);
    for (unsigned b = 0; b < WEIR_BUCKETS; b++) {
        uint64_t n = read_counter(&h->bucket[b]);
        if (n)
            weir_add(&into->bucket[b], n);
    }
}

/* A value stands for its bucket's middle in the sum and for its upper edge in the max. */
static void merge_ladder(struct weir_histogram *into, const struct ladder *l)
{
    for (unsigned b = 0; b < WEIR_BUCKETS; b++) {
        uint64_t n = read_counter(&l->bucket[b]);
        if (!n)
            continue;
        uint64_t from = b ? bucket_edge(b - 1) + 1 : 0;
        weir_add(&into->bucket[b], n);
        weir_add(&into->sum, n * (from + (bucket_edge(b) - from) / 2));
        if (bucket_edge(b) > atomic_load_explicit(&into->max, memory_order_relaxed))
            atomic_store_explicit(&into->max, bucket_edge(b), memory_order_relaxed);
    }
}

void counting_read(const struct counting *c, enum weir_op op, struct figures *f)
{
    memset(f, 0, sizeof *f);
    for (unsigned cpu = 0; cpu < stats_cpus(); cpu++) {
        const struct tally *t = &c->tally[cpu * WEIR_OP_COUNT + op];
        merge_ladder(&f->here, &t->here);
        merge_ladder(&f->below, &t->below);
        f->bytes += read_counter(&t->bytes);
        f->failed += read_counter(&t->failed);
        f->completed += read_counter(&t->completed);
        f->deferred += read_counter(&t->deferred);
        f->derived += read_counter(&t->derived);
        f->derived_bytes += read_counter(&t->derived_bytes);
    }
    f->requests = histogram_count(&f->here);
    f->passed = histogram_count(&f->below);
}

/* ---- a filter's own ---------------------------------------------------------- */

struct shards {
    size_t size, stride;
    char *data;
};

int shards_create(size_t size, struct shards **ret)
{
    struct shards *s = calloc(1, sizeof *s);

    if (!s)
        return -ENOMEM;
    s->size = size;
    s->stride = (size + LINE - 1) / LINE * LINE;
    s->data = map_zeroes(s->stride * stats_cpus());
    if (!s->data) {
        free(s);
        return -ENOMEM;
    }
    *ret = s;
    return 0;
}

void shards_destroy(struct shards *s)
{
    if (s)
        munmap(s->data, s->stride * stats_cpus());
    free(s);
}

void *shards_of(struct shards *s, unsigned cpu)
{
    return s ? s->data + cpu * s->stride : NULL;
}

uint64_t shards_sum(const struct shards *s, size_t at)
{
    uint64_t sum = 0;

    for (unsigned cpu = 0; cpu < stats_cpus(); cpu++)
        sum += read_counter((const weir_counter *)(const void *)(s->data + cpu * s->stride + at));
    return sum;
}

struct weir_histogram *shards_merge(const struct shards *s, size_t at)
{
    struct weir_histogram *h = calloc(1, sizeof *h);

    for (unsigned cpu = 0; h && cpu < stats_cpus(); cpu++)
        merge(h, (const struct weir_histogram *)(const void *)(s->data + cpu * s->stride + at));
    return h;
}

/* ---- reading a histogram ----------------------------------------------------- */

uint64_t histogram_count(const struct weir_histogram *h)
{
    uint64_t n = 0;

    for (unsigned b = 0; b < WEIR_BUCKETS; b++)
        n += read_counter(&h->bucket[b]);
    return n;
}

uint64_t bucket_edge(unsigned bucket)
{
    if (bucket < 32)
        return bucket;
    unsigned octave = bucket / 16 - 1; /* values of 16 to 31 << octave */
    return ((uint64_t)(bucket % 16 + 17) << octave) - 1;
}

uint64_t histogram_quantile(const struct weir_histogram *h, double q)
{
    uint64_t count = histogram_count(h), seen = 0;
    uint64_t max = atomic_load_explicit(&h->max, memory_order_relaxed);

    if (!count)
        return 0;
    double rank = q * (double)count;
    for (unsigned b = 0; b < WEIR_BUCKETS; b++) {
        seen += read_counter(&h->bucket[b]);
        if ((double)seen >= rank && seen)
            return bucket_edge(b) < max ? bucket_edge(b) : max;
    }
    return max;
}

void histogram_print(const struct weir_histogram *h, struct weir_text *text)
{
    weir_print(text,
               "count=%" PRIu64 " p50=%" PRIu64 " p90=%" PRIu64 " p99=%" PRIu64 " p99.9=%" PRIu64
               " max=%" PRIu64,
               histogram_count(h), histogram_quantile(h, 0.5), histogram_quantile(h, 0.9),
               histogram_quantile(h, 0.99), histogram_quantile(h, 0.999),
               atomic_load_explicit(&h->max, memory_order_relaxed));
}

const char *op_name(enum weir_op op)
{
    static const char *const names[] = { "read", "write",    "flush",   "trim",
                                         "zero", "prefetch", "extents", "nothing" };

    return names[op < WEIR_OP_COUNT ? op : WEIR_OP_COUNT];
}
