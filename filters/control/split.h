/* split.h - which part of a datastore's window is this gateway's?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Pure arithmetic on whole numbers, the same for whoever sees the same reports in
 * whatever order, so that all gateways come to parts that fit together.
 *
 * The window of all together.  PARDA (Gulati, Ahmad, Waldspurger: PARDA: Proportional
 * Allocation of Resources for Distributed Storage Access, FAST'09) has each host move its
 * own window w by
 *     w <- (1-g) w + g (Lthr/L w + beta)
 * with L the latency over all hosts, sum(n L)/sum(n), Lthr the threshold to keep, beta the
 * host's shares and g = 0.8.  We control their sum instead, W <- (1-g) W + g T, with
 * T = Lthr/L W', where W' is the sum that was in force when L was measured: each gateway
 * publishes the two together.  Above the knee L grows as W' does, so T is the same however
 * old the figures are, and W nears it by the factor 1-g per period.  (Lthr/L times the
 * present W, with figures that are one period old, swings: z^2 - z + g has roots of size
 * sqrt(g) = 0.89.)  What lay idle then and goes to others now is taken
 * out of W' first.  While nobody waits for a window W stays as it is.
 *
 * Where all go on from is the median of what they publish as W, so a gateway that comes
 * or goes changes the split and not W, and one that is wrong moves nothing.  They begin
 * with the sum of their windows.  The threshold is the median, too.
 *
 * The parts.  In PARDA the shares work through +beta alone, and so slowly: the split
 * nears its goal by the factor 1 - g sum(beta)/(Lthr C + sum(beta)) per period (C: the
 * datastore's capacity), which in the paper's own setting (sum(beta) 16, Lthr 25 ms,
 * C 4300/s) is 0.9; larger betas overshoot the threshold by sum(beta)/C.
 * With the betas published nothing needs to be found
 * out: w_h = W beta_h / sum(beta) holds as soon as all have read each other, which is one period.
 * Who does not use its part keeps what it uses, a quarter more and one unit to start with; the rest
 * goes to the others by their shares, which is weighted max-min fairness (water-filling). Nobody
 * gets less than one unit. */
#ifndef CONTROL_SPLIT_H
#define CONTROL_SPLIT_H

#include "judge.h"

struct split {
    uint64_t window;     /* 1/256 unit: what this gateway may have in flight */
    uint64_t total;      /* 1/256 unit: all together, from now on: to be reported with
                            the figures of the time that now begins.  0 while alone */
    uint64_t latency;    /* ns: mean over all; 0: no I/O */
    uint64_t threshold;  /* ns: the median; 0: nobody knows one */
    uint64_t shares;     /* of those that are backlogged, added up */
    unsigned gateways;   /* this one and its peers */
    unsigned backlogged; /* of them */
};

void split_window(const struct gateway_report *mine, const struct peer_list *peers,
                  struct split *ret);

#endif
