/* schedule.c - when is a device of N servers done with each request that reaches it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "schedule.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

struct schedule {
    uint64_t service_time; /* ns */
    enum distribution distribution;
    uint64_t random; /* the state of the generator */
    size_t servers;
    uint64_t free_at[]; /* when each is free again: a heap, the earliest first */
};

int schedule_create(size_t servers, uint64_t service_time, enum distribution distribution,
                    uint64_t seed, struct schedule **ret)
{
    struct schedule *s = calloc(1, sizeof *s + servers * sizeof s->free_at[0]);

    if (!s)
        return -ENOMEM;
    s->service_time = service_time;
    s->distribution = distribution;
    s->random = seed;
    s->servers = servers;
    *ret = s;
    return 0;
}

void schedule_destroy(struct schedule *s)
{
    free(s);
}

/* SplitMix64 (Steele, Lea, Flood): good from any seed, 0 too. */
static uint64_t draw(struct schedule *s)
{
    uint64_t z = s->random += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* One draw for the whole request: its mean is that of its services together. */
static uint64_t time_of(struct schedule *s, uint64_t services)
{
    uint64_t mean = services * s->service_time;

    if (s->distribution == SERVICE_FIXED)
        return mean;
    /* (0, 1]: 53 bits are what a double holds, and log(0) is no time */
    double u = ((double)(draw(s) >> 11) + 1) * 0x1p-53;
    return (uint64_t)(-log(u) * (double)mean);
}

/* The first server is free at `when`: puts it where it belongs now. */
static void sift_down(struct schedule *s, uint64_t when)
{
    size_t at = 0;

    for (size_t child; (child = 2 * at + 1) < s->servers; at = child) {
        if (child + 1 < s->servers && s->free_at[child + 1] < s->free_at[child])
            child++;
        if (s->free_at[child] >= when)
            break;
        s->free_at[at] = s->free_at[child];
    }
    s->free_at[at] = when;
}

uint64_t schedule_take(struct schedule *s, uint64_t now, uint64_t services)
{
    uint64_t start = s->free_at[0] > now ? s->free_at[0] : now;
    uint64_t finish = start + time_of(s, services);

    sift_down(s, finish);
    return finish;
}
