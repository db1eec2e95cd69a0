/* sim-case.h - which simulation does this test case look at?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * For the file of a test: one at a time, and none is left after it. */
#ifndef SIM_CASE_H
#define SIM_CASE_H

#include "sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct sim *sim;

static int forget(void **state)
{
    (void)state;
    if (sim)
        sim_destroy(sim);
    sim = NULL;
    return 0;
}

#endif
