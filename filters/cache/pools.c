/* pools.c - which pools does this gateway have open?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Disks come and go, and a change of a chain detaches a disk and attaches it again: the pool that
 * others use stays open. */
#include "pool.h"

#include "disk.h"
#include "page.h"

#include <errno.h>
#include <string.h>

/* The pools of this process, whichever export uses them.  `lock` guards the list and the numbers of
 * users, and is held while one is opened or closed: two disks that come at once share one. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct pool *pools;

/* Disks that have left with dirty blocks: a change of a chain that cannot have them is refused, so
 * that the chain that can goes on.  A ring; `lock` guards it.  Who is not in it any more is locked,
 * as after a restart. */
enum { LEFT = 64 };
static uint8_t left[LEFT][UUID];
static unsigned left_next;

/* Its first page says so, whatever else is wrong with it. */
static bool is_pool(const char *path)
{
    uint8_t page[BLOCK];
    char why[WHY];
    struct media *m;

    if (media_open(path, 0, MEDIA_READ_ONLY, &m, why))
        return false;
    bool is = !media_read(m, page, BLOCK, 0) && page_claims(page, PAGE_SUPER, NULL);
    m->close(m);
    return is;
}

/* A file that is shorter than wanted is made longer, but not a pool: it has been cut, and zeroes
 * in the place of its log would look as if nothing had been there. */
static int open_one(const char *name, const char *path, uint64_t size, struct pool **ret,
                    char why[WHY])
{
    struct media *m;
    int r = media_open(path, is_pool(path) ? 0 : size, MEDIA_CREATE, &m, why);

    if (r)
        return r;
    r = pool_open(m, name, path, false, ret, why);
    if (r)
        m->close(m);
    return r;
}

int pool_get(const char *name, const char *path, uint64_t size, struct pool **ret, char why[WHY])
{
    struct pool *p;
    int r = 0;

    pthread_mutex_lock(&lock);
    for (p = pools; p && strcmp(p->path, path) != 0; p = p->next)
        ;
    if (!p)
        r = open_one(name, path, size, &p, why);
    if (!r && !p->users++) {
        p->next = pools;
        pools = p;
    }
    pthread_mutex_unlock(&lock);
    if (!r)
        *ret = p;
    return r;
}

void pool_put(struct pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&lock);
    if (--p->users == 0) {
        struct pool **at = &pools;
        while (*at != p)
            at = &(*at)->next;
        *at = p->next;
        pool_close(p);
    }
    pthread_mutex_unlock(&lock);
}

/* Under the lock. */
static bool forget_left(const uint8_t uuid[UUID])
{
    for (unsigned i = 0; i < LEFT; i++)
        if (memcmp(left[i], uuid, UUID) == 0) {
            memset(left[i], 0, UUID);
            return true;
        }
    return false;
}

void pools_left(const uint8_t uuid[UUID], bool dirty)
{
    pthread_mutex_lock(&lock);
    forget_left(uuid);
    if (dirty)
        memcpy(left[left_next++ % LEFT], uuid, UUID);
    pthread_mutex_unlock(&lock);
}

bool pools_recall(const uint8_t uuid[UUID])
{
    pthread_mutex_lock(&lock);
    bool found = forget_left(uuid);
    pthread_mutex_unlock(&lock);
    return found;
}
