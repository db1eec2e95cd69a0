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
    _Atomic(struct sector_cipher *) next;    /* goes with it while a deep rekey runs; or NULL */
    _Atomic(struct sector_cipher *) leaving; /* taken away, and still lent; NULL: none */
    _Atomic(struct sector_cipher *) leaving_next;
    struct lease_users *users; /* for each CPU, twice: how many have it */
    atomic_uint turn;          /* 0 or 1: which of the two counts who comes now */
    unsigned cpus;
    pthread_mutex_t lock; /* guards that one thread destroys what is leaving; a leaf */
};

int lease_init(struct lease *); /* 0 or -ENOMEM */
/* Nobody uses it any more: destroys the cipher. */
void lease_finish(struct lease *);

/* Is there a cipher to be had?  At this moment. */
static inline bool lease_lends(const struct lease *l)
{
    return atomic_load_explicit(&l->cipher, memory_order_acquire);
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

/* ---- two ciphers, while a deep rekey runs: for the one who may close the lease ----- */

/* Lends `next`, too, takes it over, and closes it with the other one.  NULL is fine. */
void lease_add(struct lease *, struct sector_cipher *next);
/* The second one, for who has the first.  NULL: the disk is being locked. */
static inline struct sector_cipher *lease_next(struct lease *l)
{
    return atomic_load(&l->next);
}
/* Whoever had taken the cipher before this call has given it back, and what was stored before is
 * seen by all who come.  Waits. */
void lease_settle(struct lease *);
/* What is lent from now on is the second one alone.  alone() runs when all who come are lent it
 * as the first; from when it returns, nobody who comes may ask for a second one.  Waits. */
void lease_pass(struct lease *, void (*alone)(void *arg), void *arg);

#endif
