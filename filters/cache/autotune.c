/* autotune.c - who wants the small queue to have the length that suits it, and who makes it so?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The tuner (tune.h) is the pool's, and there while a disk asks for it.  What disk_refer() tells it
 * costs a few ns, and for one of so many references five more of the policy, under the lock. */
#include "disk.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

/* Under the lock. */
static struct disk *who_asks(const struct pool *p)
{
    for (unsigned i = 0; i < DISKS_MAX; i++)
        if (p->disk[i] && p->disk[i]->autotunes)
            return p->disk[i];
    return NULL;
}

/* Under the lock.  False: it is so already. */
static bool set_small(struct pool *p, double small)
{
    if (small == p->small)
        return false;
    p->small = small;
    policy_tune(p->policy, small);
    return true;
}

static void say(struct disk *d, double small)
{
    if (small == POLICY_LOG)
        weir_report(d->below, WEIR_INFO, "autotune: new blocks have the log of the pool %s again",
                    d->pool->name);
    else
        weir_report(d->below, WEIR_INFO, "autotune: new blocks have %g%% of the pool %s",
                    100 * small, d->pool->name);
}

static struct tune *make_tuner(struct disk *d)
{
    const struct super *super = &d->pool->super;
    const uint32_t places = super->log_pages + super->slots;
    struct tune *tune = NULL;
    uint64_t seed;
    int r = getrandom(&seed, sizeof(seed), 0) == sizeof(seed) ? 0 : -EIO;

    if (!r)
        r = tune_create(places, (double)super->log_pages / places, seed, &tune);
    if (r)
        weir_report(d->below, WEIR_WARNING, "autotune of the pool %s does not work: %s",
                    d->pool->name, strerror(-r));
    return tune;
}

void disk_autotune(struct disk *d, bool wanted)
{
    struct pool *p = d->pool;
    struct tune *idle = NULL;
    bool changed = false;

    pthread_mutex_lock(&p->lock);
    bool lacks = wanted && !p->tune;
    pthread_mutex_unlock(&p->lock);
    if (lacks)
        idle = make_tuner(d);
    pthread_mutex_lock(&p->lock);
    d->autotunes = wanted;
    if (wanted && !p->tune) {
        p->tune = idle;
        idle = NULL;
    } else if (p->tune && !who_asks(p)) {
        idle = p->tune;
        p->tune = NULL;
        changed = set_small(p, POLICY_LOG);
    }
    pthread_mutex_unlock(&p->lock);
    tune_destroy(idle);
    if (changed)
        say(d, POLICY_LOG);
}

void pool_autotune(struct pool *p)
{
    struct disk *d = NULL;
    double small = 0;

    pthread_mutex_lock(&p->lock);
    if (p->tune) {
        small = tune_verdict(p->tune);
        d = set_small(p, small) ? who_asks(p) : NULL;
    }
    if (d)
        d->visitors++; /* it stays until that is said */
    pthread_mutex_unlock(&p->lock);
    if (!d)
        return;
    say(d, small);
    pthread_mutex_lock(&p->lock);
    d->visitors--;
    pthread_cond_broadcast(&p->moved);
    pthread_mutex_unlock(&p->lock);
}
