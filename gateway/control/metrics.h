/* metrics.h - how do samples come to stand under the one HELP line of their family?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Prometheus wants all samples of a name in one block.  They are collected export by
 * export, so each family has a text of its own until the end. */
#ifndef WEIR_CONTROL_METRICS_H
#define WEIR_CONTROL_METRICS_H

#include "../export.h"
#include "../text.h"

struct family {
    struct family *next;
    char *name, *help;
    const char *type; /* "counter", "gauge", "histogram" */
    struct weir_text samples;
};

struct metrics {
    struct family *first, **last;
    bool no_memory;
};

/* The family `name`; one of another type gets a name of its own.  NULL: no memory. */
struct family *metrics_family(struct metrics *, const char *name, const char *type,
                              const char *help);
void metrics_write(const struct metrics *, struct weir_text *);
void metrics_finish(struct metrics *);

/* Labels grow as "a=\"1\",b=\"2\"". */
void label_add(struct weir_text *labels, const char *key, const char *value);

/* One sample; all swallow a NULL family. */
void sample_number(struct family *, const struct weir_text *labels, uint64_t value);
void sample_seconds(struct family *, const struct weir_text *labels, uint64_t ns);
void sample_double(struct family *, const struct weir_text *labels, double value);
/* A value of a filter's histogram times `scale` is in the unit of the family; buckets
 * are the fixed ones of seconds when `seconds`. */
void sample_histogram(struct family *, const struct weir_text *labels,
                      const struct weir_histogram *, bool seconds, double scale);

/* The own statistics of a filter, or of a store: metrics-own.c */
struct stat_owner {
    const char *name;  /* "cache", "store_vault" */
    const char *label; /* NULL: the store */
    const struct weir_stat *stats;
};
void metrics_own_stats(struct metrics *, struct export *, const struct stat_owner *,
                       const struct weir_text *labels);
/* "weir_cache_lag_seconds" of "cache" and "lag_ns"; *scale takes values to base units. */
void metrics_own_name(const char *owner, const struct weir_stat *, struct weir_text *name,
                      double *scale);

#endif
