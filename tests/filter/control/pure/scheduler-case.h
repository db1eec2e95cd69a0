/* scheduler-case.h - how do tests of the scheduler say what a disk is, and what it must get?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCHEDULER_CASE_H
#define SCHEDULER_CASE_H

#include "sim-case.h"

static struct sim_client *add(uint64_t shares, unsigned depth)
{
    return sim_add(sim, &(struct sim_client){ .set = { .shares = shares }, .depth = depth });
}

/* |done - expected| is at most `parts` in 100,000, or one request. */
static void assert_near(uint64_t done, double expected, double parts)
{
    double error = (double)done - expected;

    if (error < 0)
        error = -error;
    if (error > 1 && error > expected * parts / 100000) {
        print_error("%lu is not %.1f +- %.3f %%\n", (unsigned long)done, expected, parts / 1000);
        fail();
    }
}

#endif
