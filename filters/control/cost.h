/* cost.h - how much of a datastore does a request take, compared with a small read?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The window counts load: what a request takes of the backend, in 1/LOAD_ONE of a read of
 * 4 KiB.  (Shares, reservations and limits count I/O units of 32 KiB, which users know
 * beforehand.)  A read and a write take a + b x bytes each, a zero or a trim takes a fixed
 * time, a flush counts as one small read.
 *
 * The coefficients are learnt.  In a period in which the backend never idled
 *     span = sum over ops of count x a + bytes x b
 * is one equation for five unknowns.  They are tracked by recursive least squares with
 * the covariance of a random walk, which is the Kalman filter (Ljung and Gunnarsson,
 * Adaptation and tracking in system identification, Automatica 26(1), 1990, section 4):
 *  - what all coefficients have in common, the speed of the backend, may change within
 *    seconds; the ratios between them within minutes;
 *  - it begins at the rule: a unit of 32 KiB costs one, whatever it does;
 *  - a mix of requests that is always the same tells but one sum.  An exponential
 *    forgetting would let the rest drift without bound ("wind-up"); here the rest stays
 *    where it was, and is never thought less certain than at the beginning. */
#ifndef CONTROL_COST_H
#define CONTROL_COST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum cost_op { COST_READ, COST_WRITE, COST_ZERO, COST_FLUSH, COST_OPS }; /* zero: trim, too */
enum { COST_TERMS = 5 }; /* read: per op, per byte; write: the same; zero: per op */

/* What was completed in `span` ns, all of which kept the backend busy. */
struct cost_sample {
    uint64_t span;
    uint64_t latency; /* ns: how long one of them took, in the mean */
    struct {
        uint64_t count, bytes;
    } op[COST_OPS];
};

struct cost {
    struct {
        _Atomic uint32_t per_op;   /* 1/256 of the load of a small read, and 1/16 of that */
        _Atomic uint32_t per_byte; /* the same, times 2^-20 */
    } op[COST_OPS];

    /* cost_learn() alone */
    bool begun;
    struct cost_sample sum; /* until it is long enough */
    uint64_t settling;      /* ns since what is counted does not follow what was before */
    int strange; /* spans in turn that were much longer, or, negative, shorter than believed */
    double time[COST_TERMS]; /* ns that each term takes, for as much as costs one by the rule */
    double doubt[COST_TERMS][COST_TERMS]; /* its covariance */
};

void cost_init(struct cost *);
/* By any thread; two coefficients that are not of the same moment do no harm. */
uint32_t cost_of(const struct cost *, enum cost_op, uint64_t bytes); /* at least 1 */
void cost_learn(struct cost *, const struct cost_sample *);          /* by one thread */
/* The next sample does not follow the last one. */
void cost_break(struct cost *);

#endif
