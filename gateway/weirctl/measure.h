/* measure.h - how fast was a disk between two readings of it?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_MEASURE_H
#define WEIR_MEASURE_H

#include <json.h>

#include "../stats.h"

/* One or several operations at one place, between two readings or since start. */
struct measure {
    uint64_t requests, bytes, completed, failed, deferred, derived;
    uint64_t mean, p50, p90, p99, p999, max; /* ns, of "here" */
    uint64_t below_p50, below_p99;
};

/* the operations of a client that move or change data: what IOPS counts */
#define MEASURED_OPS (WEIR_ALL_OPS & ~WEIR_OP(WEIR_EXTENTS))

/* Adds up the operations of `mask` in an OPS object of "show" (control.h), less what they
 * were in `before` (NULL: nothing; one with more requests is of another life of the
 * gateway and is not subtracted).  *here may be NULL and takes the latencies. */
void measure(struct json_object *now, struct json_object *before, unsigned mask,
             struct measure *ret, struct weir_histogram *here);

/* Adds what a histogram H of "show" counted since `before` (the same; NULL: ever). */
void measure_growth(struct json_object *now, struct json_object *before, struct weir_histogram *to);

/* ---- numbers.c: as a person reads them --------------------------------------- */

struct weir_text;
void show_count(double, struct weir_text *);              /* 950, 12.3k, 1.20M */
void show_bytes(double, struct weir_text *);              /* 512 B, 20 GiB, 1.2 MiB */
void show_rate(double, struct weir_text *);               /* the same with /s; "0" for none */
void show_latency(uint64_t ns, struct weir_text *);       /* 850 ns, 85 µs, 1.24 ms; "-" for 0 */
void show_duration(uint64_t seconds, struct weir_text *); /* 3 d 4 h, 12 min, 8 s */

/* The same in a buffer, for calls in the middle of an argument list. */
struct number {
    char text[24];
};
struct number count_number(double);
struct number bytes_number(double);
struct number rate_number(double);
struct number latency_number(uint64_t ns);

#endif
