/* rig.h - what do the benches in process share?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_RIG_H
#define BENCH_RIG_H

#include "export.h"

#include <stdint.h>

enum { ROUNDS_MAX = 101 };

/* The rounds and requests that the command line asks for, or 11 rounds and `requests`;
 * and a process that can load filters.  Ends the program where it cannot. */
struct bench {
    const char *name;
    int rounds;
    unsigned long requests;
};
void bench_init(struct bench *, const char *name, unsigned long requests, int argc, char **argv);
void bench_finish(void);

/* An open disk on a store that does nothing, behind `count` times `filter`. */
struct export *bench_export(const char *name, const char *filter, int count);
/* CPU ns of each of so many reads of 4 KiB. */
double bench_reads(struct export *, unsigned long requests);
void bench_close(struct export *);

uint64_t bench_cpu_ns(void); /* of this thread */
/* The median of `count` numbers; sorts them. */
double bench_median(double *numbers, int count);

#endif
