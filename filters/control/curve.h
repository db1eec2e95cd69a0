/* curve.h - how does what a datastore does depend on what is in flight?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A table of a quarter octave each: in so many small reads in flight the datastore does so
 * much per ns, and an I/O takes so long.  It is kept as at one speed of the datastore:
 * when that becomes slower or faster as a whole, the shape stays and `speed` tells it.
 *
 * More in flight never does less, and k times as much in flight never does more than k
 * times as much.  What was measured earlier and contradicts what is measured now is
 * forgotten. */
#ifndef CONTROL_CURVE_H
#define CONTROL_CURVE_H

#include <stdbool.h>

enum { CURVE_SLOTS = 65 }; /* 1 to 65536 in flight */

struct curve_point {
    double in_flight; /* small reads */
    double rate;      /* small reads per ns */
    double latency;   /* ns */
    double ios;       /* requests that it was learnt from, up to a bound; 0: not known */
};

struct curve {
    struct curve_point at[CURVE_SLOTS];
};

/* Where nine tenths of the peak are reached. */
struct curve_knee {
    double peak;      /* small reads per ns */
    double below;     /* what is known to be too little in flight; 0: nothing … */
    double above;     /* … and enough */
    double in_flight; /* in between, where the straight line has 90 % */
    double above_rate, below_rate;
    double full; /* in flight, where nearly the peak is reached */
};

void curve_learn(struct curve *, const struct curve_point *, bool anew);
/* On the straight line between two points; false: nothing is known there. */
bool curve_at(const struct curve *, double in_flight, struct curve_point *);
bool curve_find_knee(const struct curve *, struct curve_knee *); /* false: nothing is known */
/* The greatest in flight that is known, and whether the datastore still did much more there
 * than with less. */
double curve_end(const struct curve *, bool *still_grows);
void curve_forget_below(struct curve *, double in_flight);
void curve_scale(struct curve *, double speed);

#endif
