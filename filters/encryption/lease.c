/* lease.c - who works with the cipher now, and when may it be destroyed?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Both sides meet like Dekker's.  A request counts itself and then looks for the cipher; who
 * takes it away does that first and then looks at the counts: one of the two sees the other.
 * At the end a request takes itself off and then looks whether the cipher is leaving; who takes
 * it away says so and then counts.  All of it needs the one order of sequential consistency. */
#include "lease.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

enum { LINE = 64 };

struct lease_users {
    _Alignas(LINE) atomic_uint n;
};

int lease_init(struct lease *l)
{
    long cpus = sysconf(_SC_NPROCESSORS_CONF);

    l->cpus = cpus > 0 ? (unsigned)cpus : 1;
    l->users = aligned_alloc(LINE, l->cpus * sizeof *l->users);
    if (!l->users)
        return -ENOMEM;
    for (unsigned i = 0; i < l->cpus; i++)
        atomic_init(&l->users[i].n, 0);
    atomic_init(&l->cipher, NULL);
    atomic_init(&l->leaving, NULL);
    pthread_mutex_init(&l->lock, NULL);
    return 0;
}

void lease_finish(struct lease *l)
{
    sector_cipher_destroy(atomic_load(&l->cipher));
    sector_cipher_destroy(atomic_load(&l->leaving));
    pthread_mutex_destroy(&l->lock);
    free(l->users);
}

/* Those that count themselves and find no cipher look after themselves, as all do. */
static bool all_gave(const struct lease *l)
{
    for (unsigned i = 0; i < l->cpus; i++)
        if (atomic_load(&l->users[i].n))
            return false;
    return true;
}

static bool reap(struct lease *l)
{
    struct sector_cipher *gone = NULL;

    pthread_mutex_lock(&l->lock);
    if (all_gave(l))
        gone = atomic_exchange(&l->leaving, NULL);
    bool none = !atomic_load(&l->leaving);
    pthread_mutex_unlock(&l->lock);
    sector_cipher_destroy(gone);
    return none;
}

struct sector_cipher *lease_take(struct lease *l, unsigned *user)
{
    int cpu = sched_getcpu();

    *user = cpu > 0 ? (unsigned)cpu % l->cpus : 0;
    atomic_fetch_add(&l->users[*user].n, 1);
    struct sector_cipher *cipher = atomic_load(&l->cipher);
    if (!cipher)
        lease_give(l, *user);
    return cipher;
}

void lease_give(struct lease *l, unsigned user)
{
    atomic_fetch_sub(&l->users[user].n, 1);
    if (atomic_load(&l->leaving))
        reap(l);
}

int lease_open(struct lease *l, struct sector_cipher *cipher)
{
    if (lease_busy(l))
        return -EBUSY;
    atomic_store(&l->cipher, cipher);
    return 0;
}

void lease_close(struct lease *l)
{
    pthread_mutex_lock(&l->lock);
    struct sector_cipher *cipher = atomic_exchange(&l->cipher, NULL);
    if (cipher)
        atomic_store(&l->leaving, cipher);
    pthread_mutex_unlock(&l->lock);
    reap(l);
}

bool lease_busy(struct lease *l)
{
    return atomic_load(&l->leaving) && !reap(l);
}
