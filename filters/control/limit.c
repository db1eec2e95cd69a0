/* limit.c - when may a disk that has a limit do its next I/O?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Times are kept in 1/16 ns: at 3,000,000 per second a whole ns would be 0.1 % off. */
#include "limit.h"

enum { FINE = 16, SECOND = 1000000000 };
#define SLACK ((uint64_t)LIMIT_SLACK * FINE)
#define DEBT  ((uint64_t)LIMIT_DEBT * FINE)

static uint64_t span(uint64_t amount, uint64_t rate)
{
    return (uint64_t)((unsigned __int128)amount * SECOND * FINE / rate);
}

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

void limit_set(struct limit *l, uint64_t rate, uint64_t max, uint64_t length, uint64_t now)
{
    if (l->rate == rate && l->max == max && l->length == length)
        return; /* something else of the disk was changed: what it owes it still owes */
    l->rate = rate;
    l->max = max;
    l->length = length;
    if (!rate)
        return;
    l->depth = SLACK;
    if (max > rate) /* what a burst does beyond the lasting rate, done at that rate */
        l->depth = (uint64_t)((unsigned __int128)(max - rate) * length * FINE / rate);
    /* a new limit begins now: nobody pays for what the old one allowed */
    uint64_t most = now * FINE + l->depth;
    if (l->done > most)
        l->done = most;
    if (l->burst_done > now * FINE + SLACK)
        l->burst_done = now * FINE + SLACK;
}

uint64_t limit_when(const struct limit *l)
{
    uint64_t when = 0;

    if (!l->rate)
        return 0;
    if (l->done > l->depth)
        when = l->done - l->depth;
    if (l->max && l->burst_done > SLACK)
        when = greater(when, l->burst_done - SLACK);
    return (when + FINE - 1) / FINE;
}

void limit_charge(struct limit *l, uint64_t amount, uint64_t now)
{
    if (!l->rate)
        return;
    l->done = greater(l->done, now * FINE) + span(amount, l->rate);
    if (l->max)
        l->burst_done = greater(l->burst_done, now * FINE) + span(amount, l->max);
}

static uint64_t bounded(uint64_t after, uint64_t before, uint64_t most)
{
    return after < most ? after : greater(before, most);
}

void limit_charge_forced(struct limit *l, uint64_t amount, uint64_t now)
{
    uint64_t done = l->done, burst_done = l->burst_done;

    limit_charge(l, amount, now);
    l->done = bounded(l->done, done, now * FINE + l->depth + DEBT);
    l->burst_done = bounded(l->burst_done, burst_done, now * FINE + SLACK + DEBT);
}
