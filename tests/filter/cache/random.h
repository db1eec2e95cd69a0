/* random.h - which numbers does a random test take, and how are they taken again?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * SEED in the environment says them; else the clock, and the test prints what it was. */
#ifndef TEST_CACHE_RANDOM_H
#define TEST_CACHE_RANDOM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t random_state;

static inline uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static inline uint32_t random_below(uint32_t below)
{
    return (uint32_t)((random_next() >> 32) * below >> 32);
}

static inline uint64_t random_begin(void)
{
    const char *seed = getenv("SEED");

    random_state = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL) * 0x9e3779b97f4a7c15u | 1;
    printf("SEED=%#llx\n", (unsigned long long)random_state);
    return random_state;
}

#endif
