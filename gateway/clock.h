/* clock.h - what time is it, for the price of a few ns?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Statistics read the clock twice per filter and request.  Where the kernel itself
 * keeps time by the CPU's invariant counter, so do we (10 ns here, clock_gettime
 * 22 ns); elsewhere a tick is a ns of CLOCK_MONOTONIC. */
#ifndef WEIR_CLOCK_H
#define WEIR_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Set once by clock_init(), before the first request. */
extern bool clock_counter;   /* ticks are of the CPU's counter */
extern uint64_t clock_scale; /* ns per tick, 32.32 fixed point */

void clock_init(void); /* may be called again: the first call decides */

static inline uint64_t clock_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* `ns` after `from`; never, UINT64_MAX, where that is beyond all time. */
static inline uint64_t clock_after(uint64_t from, uint64_t ns)
{
    return from + ns < from ? UINT64_MAX : from + ns;
}

/* Waits for `cond` until `when` of clock_ns(), which no administrator sets: 0, or ETIMEDOUT. */
static inline int clock_wait(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t when)
{
    const struct timespec t = { .tv_sec = (time_t)(when / 1000000000u),
                                .tv_nsec = (long)(when % 1000000000u) };

    return pthread_cond_clockwait(cond, lock, CLOCK_MONOTONIC, &t);
}

static inline uint64_t clock_ticks(void)
{
#if defined(__x86_64__)
    if (clock_counter)
        return __builtin_ia32_rdtsc();
#endif
    return clock_ns();
}

/* The ns between two readings of clock_ticks(); 0 when the second is the earlier one,
 * as it may seem to be after a move to another CPU. */
static inline uint64_t clock_between(uint64_t from, uint64_t to)
{
    if (to <= from)
        return 0;
    return (uint64_t)(((unsigned __int128)(to - from) * clock_scale) >> 32);
}

#endif
