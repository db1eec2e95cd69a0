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
#include <time.h>
#include <unistd.h>

enum { LINE = 64 };

struct lease_users {
    _Alignas(LINE) atomic_uint n;
};

int lease_init(struct lease *l)
{
    long cpus = sysconf(_SC_NPROCESSORS_CONF);

    l->cpus = cpus > 0 ? (unsigned)cpus : 1;
    l->users = aligned_alloc(LINE, 2 * l->cpus * sizeof *l->users);
    if (!l->users)
        return -ENOMEM;
    for (unsigned i = 0; i < 2 * l->cpus; i++)
        atomic_init(&l->users[i].n, 0);
    atomic_init(&l->turn, 0);
    atomic_init(&l->cipher, NULL);
    atomic_init(&l->next, NULL);
    atomic_init(&l->leaving, NULL);
    atomic_init(&l->leaving_next, NULL);
    pthread_mutex_init(&l->lock, NULL);
    return 0;
}

void lease_finish(struct lease *l)
{
    sector_cipher_destroy(atomic_load(&l->cipher));
    sector_cipher_destroy(atomic_load(&l->next));
    sector_cipher_destroy(atomic_load(&l->leaving));
    sector_cipher_destroy(atomic_load(&l->leaving_next));
    pthread_mutex_destroy(&l->lock);
    free(l->users);
}

/* Those that count themselves and find no cipher look after themselves, as all do. */
static bool all_gave(const struct lease *l, unsigned from, unsigned count)
{
    for (unsigned i = from; i < from + count; i++)
        if (atomic_load(&l->users[i].n))
            return false;
    return true;
}

static bool reap(struct lease *l)
{
    struct sector_cipher *gone = NULL, *gone_next = NULL;

    pthread_mutex_lock(&l->lock);
    if (all_gave(l, 0, 2 * l->cpus)) {
        gone_next = atomic_exchange(&l->leaving_next, NULL);
        gone = atomic_exchange(&l->leaving, NULL);
    }
    bool none = !atomic_load(&l->leaving);
    pthread_mutex_unlock(&l->lock);
    sector_cipher_destroy(gone);
    sector_cipher_destroy(gone_next);
    return none;
}

struct sector_cipher *lease_take(struct lease *l, unsigned *user)
{
    int cpu = sched_getcpu();

    *user = cpu > 0 ? (unsigned)cpu % l->cpus : 0;
    *user += atomic_load(&l->turn) * l->cpus;
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
    if (cipher) {
        atomic_store(&l->leaving_next, atomic_exchange(&l->next, NULL));
        atomic_store(&l->leaving, cipher);
    }
    pthread_mutex_unlock(&l->lock);
    reap(l);
}

bool lease_busy(struct lease *l)
{
    return atomic_load(&l->leaving) && !reap(l);
}

/* ---- two ciphers ----------------------------------------------------------------- */

/* Who comes is counted elsewhere from now on, so those counted here only leave.  One who read the
 * turn just before it changed may still come, but then sees what was stored before; he is the
 * reason to look at both counts, as he may have come in the turn before this one. */
void lease_settle(struct lease *l)
{
    const struct timespec pause = { .tv_nsec = 200000 };

    for (int i = 0; i < 2; i++) {
        unsigned turn = atomic_fetch_xor(&l->turn, 1);
        while (!all_gave(l, turn * l->cpus, l->cpus))
            nanosleep(&pause, NULL);
    }
}

void lease_add(struct lease *l, struct sector_cipher *next)
{
    atomic_store(&l->next, next);
}

void lease_pass(struct lease *l, void (*alone)(void *arg), void *arg)
{
    struct sector_cipher *old = atomic_exchange(&l->cipher, atomic_load(&l->next));

    lease_settle(l);
    alone(arg);
    lease_settle(l);
    atomic_store(&l->next, NULL);
    sector_cipher_destroy(old);
}
