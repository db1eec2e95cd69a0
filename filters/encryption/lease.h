/* lease.h - who works with the cipher now, and when may it be destroyed?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A request borrows the cipher for as long as it needs it: a count in a cache line of its
 * CPU goes up and down, and no lock is taken.  When the disk is locked nobody gets it any more, and
 * whoever gives it back last destroys it. */
#ifndef ENCRYPTION_LEASE_H
#define ENCRYPTION_LEASE_H

#include "sector.h"

#include <pthread.h>
#include <stdatomic.h>

struct lease {
    _Atomic(struct sector_cipher *) cipher;  /* NULL: the disk is locked */
    _Atomic(struct sector_cipher *) leaving; /* taken away, and still lent; NULL: none */
    struct lease_users *users;               /* for each CPU: how many have it */
    unsigned cpus;
    pthread_mutex_t lock; /* guards that one thread destroys what is leaving; a leaf */
};

int lease_init(struct lease *); /* 0 or -ENOMEM */
/* Nobody uses it any more: destroys the cipher. */
void lease_finish(struct lease *);

/* Is there a cipher to be had?  At this moment. */
static inline bool lease_lends(const struct lease *l)
{
    return atomic_load_explicit(&l->cipher, memory_order_relaxed);
}
/* NULL: the disk is locked.  Else *user goes back with lease_give(). */
struct sector_cipher *lease_take(struct lease *, unsigned *user);
void lease_give(struct lease *, unsigned user);

/* Lends `cipher` from now on, and takes it over.  -EBUSY: requests still have the one before. */
int lease_open(struct lease *, struct sector_cipher *cipher);
/* Lends nothing from now on; the cipher is destroyed, or will be by the last who has it. */
void lease_close(struct lease *);
/* Does a request still have one that was taken away? */
bool lease_busy(struct lease *);

#endif
