/* verbs.c - what can be asked of a disk's cache?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What takes long goes on after the answer; the statistics say how far it is. */
#include "cache.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static int judge(struct disk *d, struct weir_text *answer)
{
    if (atomic_load(&d->ready))
        return 0;
    weir_print(answer, "the disk has no pool: %s", *d->why ? d->why : "it is not attached");
    return -ENODEV;
}

/* Nobody writes arguments that mean nothing. */
static int no_words(const char *arguments, struct weir_text *answer)
{
    if (!*arguments)
        return 0;
    weir_print(answer, "expected nothing after the verb");
    return -EINVAL;
}

static uint32_t hurry(struct disk *d)
{
    struct pool *p = d->pool;

    pthread_mutex_lock(&p->lock);
    uint32_t dirty = d->dirty;
    d->hurry = dirty > 0;
    pthread_cond_signal(&d->work);
    pthread_mutex_unlock(&p->lock);
    return dirty;
}

static int flush(void *self, const char *arguments, struct weir_text *answer)
{
    struct disk *d = self;
    int r = no_words(arguments, answer);

    if (!r)
        r = judge(d, answer);
    if (!r)
        weir_print(answer, "%" PRIu64 " bytes are on their way to the store",
                   (uint64_t)hurry(d) * BLOCK);
    return r;
}

static int wish(struct disk *d, enum disk_wish what, const char *arguments,
                struct weir_text *answer)
{
    int r = no_words(arguments, answer);

    if (!r)
        r = judge(d, answer);
    if (r)
        return r;
    d->wish = what;
    cache_settle(d, weir_own_config(d->below));
    return 0;
}

static int drain(void *self, const char *arguments, struct weir_text *answer)
{
    struct disk *d = self;
    int r = wish(d, WISH_DRAIN, arguments, answer);

    if (!r)
        weir_print(answer,
                   "%" PRIu64 " bytes are on their way to the store, and no more become dirty "
                   "until the verb fill",
                   (uint64_t)hurry(d) * BLOCK);
    return r;
}

static int fill(void *self, const char *arguments, struct weir_text *answer)
{
    struct disk *d = self;
    const struct cache_config *config = weir_own_config(d->below);
    int r = no_words(arguments, answer);

    if (!r && !atomic_load(&d->ready)) {
        r = disk_attach(d, config, answer);
        if (!r && !atomic_load(&d->ready))
            r = judge(d, answer);
        if (!r && d->locked) {
            d->locked = false;
            weir_unlock_export(d->below);
        }
    }
    if (!r)
        r = wish(d, WISH_NONE, arguments, answer);
    if (!r)
        weir_print(answer, "the pool is used as the policy says");
    return r;
}

static int invalidate(void *self, const char *arguments, struct weir_text *answer)
{
    struct disk *d = self;
    int r = no_words(arguments, answer);

    if (!r)
        r = judge(d, answer);
    if (!r)
        weir_print(answer, "%" PRIu64 " bytes that the store has, too, were forgotten",
                   pool_forget_clean(d->pool, d->number) * BLOCK);
    return r;
}

static int detach(void *self, const char *arguments, struct weir_text *answer)
{
    struct disk *d = self;
    int r = wish(d, WISH_DETACH, arguments, answer);

    if (r)
        return r;
    uint64_t dirty = hurry(d), clean = pool_forget_clean(d->pool, d->number);
    weir_print(answer,
               "%" PRIu64 " bytes were forgotten, %" PRIu64
               " are on their way to the store; requests pass by the pool until the verb fill",
               clean * BLOCK, dirty * BLOCK);
    return 0;
}

static int accept(void *self, const char *arguments, struct weir_text *answer)
{
    struct disk *d = self;

    if (strcmp(arguments, "yes") != 0) {
        weir_print(answer, "blocks that a damaged pool has lost would be as the store has them, "
                           "which is older: say \"accept yes\"");
        return -EINVAL;
    }
    if (!d->locked) {
        weir_print(answer, "nothing is to be accepted: the disk is not locked for its pool");
        return -EINVAL;
    }
    d->accepts = true;
    int r = fill(d, "", answer);
    d->accepts = false;
    return r;
}

static int discard(void *self, const char *arguments, struct weir_text *answer)
{
    struct disk *d = self;

    if (strcmp(arguments, "yes") != 0) {
        weir_print(answer, "what the pool holds of this disk and its store does not would be "
                           "lost for good: say \"discard yes\"");
        return -EINVAL;
    }
    if (!d->locked) {
        weir_print(answer, "nothing is to be given up: the disk is not locked for its pool");
        return -EINVAL;
    }
    return disk_discard(d, weir_own_config(d->below), answer);
}

const struct weir_verb cache_verbs[] = {
    { "flush", "Write what is dirty to the store now.", flush },
    { "drain", "The same, and write through until fill.", drain },
    { "fill", "Use the pool as the policy says: after drain or detach, or once it is back.", fill },
    { "invalidate", "Forget the blocks that the store has, too.", invalidate },
    { "detach", "Drain, forget all blocks, and pass requests by until fill.", detach },
    { "accept", "Serve the disk with what a damaged pool still has of it: yes.", accept },
    { "discard", "Give up blocks that only a lost pool, or a pool that does not fit, has: yes.",
      discard },
    { 0 },
};
