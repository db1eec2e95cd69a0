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
 * host's shares and g = 0.8.  We control their sum instead, W <- (1-g) W + g T.  Lthr/L
 * times the present W, with figures that are a period old, would swing: z^2 - z + g has
 * roots of size sqrt(g) = 0.89.  T is therefore Lthr/L times what was in flight while L was
 * measured, of the same reports.  By Little's law that is Lthr times what the datastore did
 * per second: above the knee it is the same whatever W was and however old the figures
 * are, and W nears it by the factor 1-g per period.  What lay idle was not in flight and
 * takes no part.
 *
 * Reports of two periods that are mixed while much changes add up to what never was; with
 * g = 0.5 the parts, which then differ, differ by less.  Each publishes the W under which
 * its figures came about: as long as somebody waits who has none yet, W stays.  Who comes
 * begins with the median of what the others publish, the first with T.
 *
 * While nobody waits W would bound nothing: there is none, and each goes by what it sees
 * itself, which also is how the first window closes.  The threshold is the median, too, so
 * that one that is wrong moves nothing.
 *
 * The parts.  In PARDA the shares work through +beta alone, and so slowly: the split
 * nears its goal by the factor 1 - g sum(beta)/(Lthr C + sum(beta)) per period (C: the
 * datastore's capacity), which in the paper's own setting (sum(beta) 16, Lthr 25 ms,
 * C 4300/s) is 0.9; larger betas overshoot the threshold by sum(beta)/C.
 * With the betas published nothing needs to be found out: w_h = W beta_h / sum(beta) holds
 * as soon as all have read each other, which is one period.  Who does not use its part may
 * have a quarter more than it uses, and one unit to start with; what it does not use goes
 * to the others by their shares, which is weighted max-min fairness (water-filling).
 * Nobody gets less than one unit. */
#ifndef CONTROL_SPLIT_H
#define CONTROL_SPLIT_H

#include "judge.h"

struct split {
    uint64_t window;     /* 1/256 unit: what this gateway may have in flight; 0: as it likes */
    uint64_t total;      /* 1/256 unit: all together, from now on: to be reported with
                            the figures of the time that now begins.  0 while nobody
                            waits */
    uint64_t latency;    /* ns: mean over all; 0: no I/O */
    uint64_t threshold;  /* ns: the median; 0: nobody knows one */
    uint64_t shares;     /* of those that are backlogged, added up */
    unsigned gateways;   /* this one and its peers */
    unsigned backlogged; /* of them */
};

/* There is a peer.  *ret is what was in force until now.  `total`, if it is not 0, is the window of
 * all together, known from elsewhere (joint.h). */
void split_window(const struct gateway_report *mine, const struct peer_list *peers, uint64_t total,
                  struct split *ret);

#endif
