/* measure.c - how fast was a disk between two readings of it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "measure.h"

#include <stdlib.h>
#include <string.h>

#include "weirctl.h"

/* Adds the sparse buckets of an H object, or takes them away: counters wrap, so adding
 * the negative is the same as subtracting. */
static void add_buckets(struct weir_histogram *to, struct json_object *from, bool negative)
{
    struct json_object *buckets = member_of(from, "buckets");
    uint64_t sum = number_of(from, "sum");
    uint64_t max = number_of(from, "max");

    for (size_t i = 0; i < items_of(buckets); i++) {
        struct json_object *pair = json_object_array_get_idx(buckets, i);
        if (items_of(pair) != 2)
            continue;
        uint64_t index = json_object_get_uint64(json_object_array_get_idx(pair, 0));
        uint64_t count = json_object_get_uint64(json_object_array_get_idx(pair, 1));
        if (index < WEIR_BUCKETS)
            weir_add(&to->bucket[index], negative ? -count : count);
    }
    weir_add(&to->sum, negative ? -sum : sum);
    if (!negative && max > atomic_load_explicit(&to->max, memory_order_relaxed))
        atomic_store_explicit(&to->max, max, memory_order_relaxed);
}

/* Figures of one reading may be some requests apart: a bucket below zero is a zero. */
static void no_less_than_zero(struct weir_histogram *h)
{
    for (unsigned i = 0; i < WEIR_BUCKETS; i++)
        if ((int64_t)atomic_load_explicit(&h->bucket[i].n, memory_order_relaxed) < 0)
            atomic_store_explicit(&h->bucket[i].n, 0, memory_order_relaxed);
}

static uint64_t grown(struct json_object *now, struct json_object *before, const char *key)
{
    uint64_t to = number_of(now, key), from = number_of(before, key);

    return to > from ? to - from : 0;
}

static void add_op(struct measure *ret, struct json_object *now, struct json_object *before,
                   struct weir_histogram *here, struct weir_histogram *below)
{
    if (number_of(before, "requests") > number_of(now, "requests"))
        before = NULL;
    ret->requests += grown(now, before, "requests");
    ret->bytes += grown(now, before, "bytes");
    ret->completed += grown(now, before, "completed");
    ret->failed += grown(now, before, "failed");
    ret->deferred += grown(now, before, "deferred");
    ret->derived += grown(now, before, "derived");
    add_buckets(here, member_of(now, "here"), false);
    add_buckets(here, member_of(before, "here"), true);
    add_buckets(below, member_of(now, "below"), false);
    add_buckets(below, member_of(before, "below"), true);
}

void measure_growth(struct json_object *now, struct json_object *before, struct weir_histogram *to)
{
    if (number_of(before, "count") > number_of(now, "count"))
        before = NULL; /* of another life of the filter */
    add_buckets(to, now, false);
    add_buckets(to, before, true);
    no_less_than_zero(to);
}

void measure(struct json_object *now, struct json_object *before, unsigned mask,
             struct measure *ret, struct weir_histogram *here)
{
    struct weir_histogram *both = enough(calloc(2, sizeof(*both)));
    struct weir_histogram *below = both + 1;

    *ret = (struct measure){ 0 };
    for (enum weir_op op = 0; op < WEIR_OP_COUNT; op++)
        if (mask & WEIR_OP(op))
            add_op(ret, member_of(now, op_name(op)), member_of(before, op_name(op)), both, below);
    no_less_than_zero(both);
    no_less_than_zero(below);
    uint64_t count = histogram_count(both);
    if (count) {
        ret->mean = atomic_load_explicit(&both->sum.n, memory_order_relaxed) / count;
        ret->p50 = histogram_quantile(both, 0.5);
        ret->p90 = histogram_quantile(both, 0.9);
        ret->p99 = histogram_quantile(both, 0.99);
        ret->p999 = histogram_quantile(both, 0.999);
        ret->max = histogram_quantile(both, 1);
    }
    ret->below_p50 = histogram_quantile(below, 0.5);
    ret->below_p99 = histogram_quantile(below, 0.99);
    if (here)
        memcpy(here, both, sizeof(*here));
    free(both);
}
