/* instant.h - what time is it, and how is a wait told until when?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef FILTER_INSTANT_H
#define FILTER_INSTANT_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#define SECOND_NS UINT64_C(1000000000)

static inline uint64_t clock_read_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

/* What only ever grows: for waits and ages. */
static inline uint64_t now_ns(void)
{
    return clock_read_ns(CLOCK_MONOTONIC);
}

/* Since 1970; it may be set: for people. */
static inline uint64_t wall_ns(void)
{
    return clock_read_ns(CLOCK_REALTIME);
}

static inline struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){ .tv_sec = (time_t)(ns / SECOND_NS),
                              .tv_nsec = (long)(ns % SECOND_NS) };
}

/* 0, or ETIMEDOUT: it is `when`, of now_ns(); by the wall's clock a wait would last longer when
 * that is set. */
static inline int cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t when)
{
    const struct timespec t = timespec_of(when);

    return pthread_cond_clockwait(cond, lock, CLOCK_MONOTONIC, &t);
}

#endif
