/* stats.h - how many, how much, how long: per export, place and operation?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A counting is one shard per CPU, so the data path shares no cache line; a reader adds
 * the shards up.  Figures of one reading may be some requests apart from each other. */
#ifndef WEIR_STATS_H
#define WEIR_STATS_H

#include "weir-filter.h"

/* A weir_histogram without sum and max, which the buckets tell to 1/16: the walk counts
 * twice per filter and request, and an atomic addition is 2 ns. */
struct ladder {
    weir_counter bucket[WEIR_BUCKETS];
};

static inline void ladder_record(struct ladder *l, uint64_t value)
{
    weir_add(&l->bucket[weir_bucket(value)], 1);
}

/* What one place of a chain counts for one operation on one CPU. */
struct tally {
    weir_counter bytes, failed, completed, deferred, derived, derived_bytes;
    struct ladder here;  /* ns in down() and up() of a filter; of the store or the whole
                            walk, its time.  Its count is the requests. */
    struct ladder below; /* ns between the two; of store and walk: not used */
};

/* Tallies of one place for all operations and CPUs; pages are touched when they count. */
struct counting {
    size_t size; /* bytes, for munmap */
    struct tally tally[];
};
int counting_create(struct counting **ret);
void counting_destroy(struct counting *);

static inline struct tally *counting_shard(struct counting *c, unsigned cpu, enum weir_op op)
{
    return &c->tally[cpu * WEIR_OP_COUNT + op];
}

/* A filter's own statistics, one struct of `size` per CPU, each on its own cache lines. */
struct shards;
int shards_create(size_t size, struct shards **ret);
void shards_destroy(struct shards *);
void *shards_of(struct shards *, unsigned cpu);
uint64_t shards_sum(const struct shards *, size_t at); /* a weir_counter at `at` */
struct weir_histogram *shards_merge(const struct shards *,
                                    size_t at); /* caller frees; NULL: no memory */

unsigned stats_cpus(void);
unsigned stats_cpu(void); /* this CPU, < stats_cpus(); a hint: the thread may move on */

/* Everything counted for one place and operation, added up; sum and max of the two
 * histograms are right to 1/16. */
struct figures {
    uint64_t requests, bytes, passed, completed, failed, deferred, derived, derived_bytes;
    struct weir_histogram here, below;
};
void counting_read(const struct counting *, enum weir_op, struct figures *);

uint64_t histogram_count(const struct weir_histogram *);
/* The upper edge of the bucket that holds the quantile (0 < q <= 1), at most max; 0 when empty. */
uint64_t histogram_quantile(const struct weir_histogram *, double q);
/* The largest value that falls into a bucket. */
uint64_t bucket_edge(unsigned bucket);
/* "count=… p50=… p90=… p99=… p99.9=… max=…" in the histogram's own unit */
void histogram_print(const struct weir_histogram *, struct weir_text *);

const char *op_name(enum weir_op); /* "read" … */

#endif
