/* entitle.c - what would each disk get if the datastore did all it can?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Everybody gets `level` x shares, between its floor and its ceiling.  The level is found
 * by halving until it lies between two neighbours of who is at a floor or a ceiling; then
 * an equation gives it exactly.  No memory, and some 60 looks at each disk. */
#include "entitle.h"

static double ceiling_of(const struct entitlement *e)
{
    uint64_t most = e->limit && e->limit < e->demand ? e->limit : e->demand;

    return (double)most;
}

static double floor_of(const struct entitlement *e, double kept)
{
    double least = (double)e->reservation * kept, most = ceiling_of(e);

    return least < most ? least : most;
}

static double at_level(const struct entitlement *e, double level, double kept)
{
    double x = level * (double)e->shares, least = floor_of(e, kept), most = ceiling_of(e);

    return x < least ? least : x > most ? most : x;
}

static double sum_at(const struct entitlement *e, size_t n, double level, double kept)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += at_level(&e[i], level, kept);
    return sum;
}

/* How much of a reservation is kept. */
static double kept_of(const struct entitlement *e, size_t n, double able)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += floor_of(&e[i], 1);
    return sum > able ? able / sum : 1;
}

/* The level lies between the two; those that are between floor and ceiling there share
 * what the others leave. */
static double level_between(const struct entitlement *e, size_t n, double low, double high,
                            double capacity, double kept)
{
    double left = capacity, shares = 0;

    for (size_t i = 0; i < n; i++) {
        double at_low = low * (double)e[i].shares, at_high = high * (double)e[i].shares;
        if (at_high > floor_of(&e[i], kept) && at_low < ceiling_of(&e[i]))
            shares += (double)e[i].shares;
        else
            left -= at_level(&e[i], low, kept);
    }
    return shares > 0 ? left / shares : high;
}

void entitle(struct entitlement *e, size_t n, uint64_t capacity)
{
    double total = (double)capacity, kept = kept_of(e, n, total * 0.9);
    double low = 0, high = total; /* a disk of one share has reached everything there */

    for (int i = 0; i < 200 && high - low > high * 1e-15; i++) {
        double level = low + (high - low) / 2;
        if (sum_at(e, n, level, kept) < total)
            low = level;
        else
            high = level;
    }
    double level =
        sum_at(e, n, total, kept) < total ? total : level_between(e, n, low, high, total, kept);
    for (size_t i = 0; i < n; i++)
        e[i].entitled = at_level(&e[i], level, kept);
}
