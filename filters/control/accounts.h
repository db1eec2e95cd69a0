/* accounts.h - what was each disk entitled to in the last second, and what did it get?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONTROL_ACCOUNTS_H
#define CONTROL_ACCOUNTS_H

#include "datastore.h"

struct account {
    uint64_t shares;   /* of the disks that were at work, added up */
    uint64_t reserved; /* their reservations, units per second */
    uint64_t granted;  /* what they did, units per second */
};

/* The latency, in ns, that 99 % of the requests kept since the last call with the same
 * `before`; 0: there were none. */
struct sampled {
    uint64_t before[WEIR_BUCKETS];
};
uint64_t accounts_p99(const struct datastore *, struct sampled *);

/* About once a second, of the last `span` ns.  A capacity that is not known is 0.  With the
 * datastore's lock, which it gives back for a while and takes again: disks may have come
 * and gone when it returns. */
void accounts_settle(struct datastore *, uint64_t capacity, uint64_t span, struct account *ret);

#endif
