/* tally.h - what has been done, added up over the CPUs?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONTROL_TALLY_H
#define CONTROL_TALLY_H

#include "cost.h"

struct tally {
    uint64_t count[COST_OPS], bytes[COST_OPS]; /* requests that ended */
    uint64_t units, load;
    uint64_t latency; /* ns: sum, each over its load in small reads, at least 1 */
    uint64_t held;    /* load x ns: over the time, what was in flight (Little's law) */
};

static inline void tally_between(const struct tally *from, const struct tally *to,
                                 struct tally *ret)
{
    for (int op = 0; op < COST_OPS; op++) {
        ret->count[op] = to->count[op] - from->count[op];
        ret->bytes[op] = to->bytes[op] - from->bytes[op];
    }
    ret->units = to->units - from->units;
    ret->load = to->load - from->load;
    ret->latency = to->latency - from->latency;
    ret->held = to->held - from->held;
}

#endif
