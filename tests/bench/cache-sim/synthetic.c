/* synthetic.c - which references are hard for a policy?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { REFERENCES = 1000000, BLOCKS = 100000 };

static uint64_t state;

static double random_part(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(state >> 11) / 9007199254740992.0;
}

static uint64_t uniform(uint64_t below)
{
    return (uint64_t)(random_part() * (double)below);
}

/* Of 0.9, by the inverse of the continuous distribution; spread over the disk. */
static uint64_t zipf(uint64_t blocks)
{
    double rank = pow(random_part() * (pow((double)blocks, 0.1) - 1) + 1, 10);

    return (uint64_t)rank * 7919 % blocks;
}

static void add_zipf(struct trace *trace)
{
    for (int i = 0; i < REFERENCES; i++)
        trace_add(trace, zipf(BLOCKS), false);
}

static void add_uniform(struct trace *trace)
{
    for (int i = 0; i < REFERENCES; i++)
        trace_add(trace, uniform(BLOCKS), false);
}

static void add_loop(struct trace *trace)
{
    for (int i = 0; i < REFERENCES; i++)
        trace_add(trace, (uint64_t)(i % BLOCKS), false);
}

/* Every other reference is of a scan that never comes back. */
static void add_scan(struct trace *trace)
{
    for (int i = 0; i < REFERENCES; i++)
        trace_add(trace, i % 2 ? BLOCKS + (uint64_t)i : zipf(BLOCKS / 10), false);
}

/* Ten times another tenth of the disk is hot. */
static void add_shift(struct trace *trace)
{
    for (int i = 0; i < REFERENCES; i++)
        trace_add(trace, (uint64_t)(i / (REFERENCES / 10)) * (BLOCKS / 10) + zipf(BLOCKS / 10),
                  false);
}

/* Loops of several lengths, one after the other. */
static void add_loops(struct trace *trace)
{
    uint64_t length = 1000, from = 0;

    for (int i = 0, at = 0; i < REFERENCES; i++, at++) {
        if (at == (int)length * 5) {
            from += length;
            at = 0;
            length = length >= 32000 ? 1000 : length * 2;
        }
        trace_add(trace, (from + (uint64_t)at % length) % BLOCKS, false);
    }
}

/* Zipf, half of it writes, and now and then a run of 64 blocks is written. */
static void add_writes(struct trace *trace)
{
    for (int i = 0; i < REFERENCES; i++) {
        if (uniform(500))
            trace_add(trace, zipf(BLOCKS), uniform(2));
        else
            for (uint64_t block = uniform(BLOCKS), n = 0; n < 64; n++, i++)
                trace_add(trace, (block + n) % BLOCKS, true);
    }
}

bool trace_make(const char *spec, struct trace *trace)
{
    static const struct {
        const char *name;
        void (*add)(struct trace *);
    } kinds[] = {
        { "zipf", add_zipf },     { "uniform", add_uniform }, { "loop", add_loop },
        { "scan", add_scan },     { "shift", add_shift },     { "loops", add_loops },
        { "writes", add_writes },
    };
    size_t name = strcspn(spec, ":");

    state = spec[name] ? strtoull(spec + name + 1, NULL, 0) * 2 + 1 : 88172645463325252u;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strlen(kinds[i].name) == name && !strncmp(spec, kinds[i].name, name)) {
            kinds[i].add(trace);
            return true;
        }
    return false;
}
