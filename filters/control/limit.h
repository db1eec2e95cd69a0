/* limit.h - when may a disk that has a limit do its next I/O?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The generic cell rate algorithm (ITU-T I.371), twice: one for the lasting rate and one
 * for the rate of a burst.  Each keeps the moment at which all that was admitted would
 * be done at its rate; what would be done too far in the future has to wait.
 *
 * A disk that has been idle long enough may do exactly max x length in the first
 * `length`, then `rate` per second.  LIMIT_SLACK of the rate may be done at once, too. */
#ifndef CONTROL_LIMIT_H
#define CONTROL_LIMIT_H

#include <stdint.h>

#define LIMIT_SLACK 10000000u   /* ns */
#define LIMIT_DEBT  1000000000u /* ns */

struct limit {
    uint64_t rate, max, length; /* per second, 0: none; per second, 0: no burst; ns */
    uint64_t depth;             /* how far `done` may lie ahead, 1/16 ns */
    uint64_t done, burst_done;  /* 1/16 ns: see above */
};

void limit_set(struct limit *, uint64_t rate, uint64_t max, uint64_t length, uint64_t now);
/* When the next I/O may go, in ns; at most `now`: at once. */
uint64_t limit_when(const struct limit *);
void limit_charge(struct limit *, uint64_t amount, uint64_t now);
/* The same for what goes though it should wait: that makes a debt of LIMIT_DEBT at most,
 * and adds nothing to one that is greater. */
void limit_charge_forced(struct limit *, uint64_t amount, uint64_t now);

#endif
