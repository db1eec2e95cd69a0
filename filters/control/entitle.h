/* entitle.h - what would each disk get if the datastore did all it can?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * For statistics: the scheduler needs no capacity.  What it does comes to this: the
 * capacity goes to the disks in proportion to their shares; nobody gets less than its
 * reservation nor more than its limit or than it asks for; what one leaves goes to the
 * others in proportion (water-filling, weighted max-min fairness: Bertsekas and Gallager,
 * Data Networks, 6.5.2). */
#ifndef CONTROL_ENTITLE_H
#define CONTROL_ENTITLE_H

#include <stddef.h>
#include <stdint.h>

struct entitlement {
    uint64_t shares;
    uint64_t reservation, limit; /* units per second; 0: none */
    uint64_t demand;             /* units per second; UINT64_MAX: whatever it can get */
    double entitled;             /* the answer: units per second */
};

/* Reservations of more than 90 % of the capacity count in proportion, as in scheduler.c. */
void entitle(struct entitlement *, size_t n, uint64_t capacity);

#endif
