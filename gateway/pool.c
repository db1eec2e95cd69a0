/* pool.c - which files and devices of this host may filters share?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A plan brings the pools that were configured when it was made.  A place whose filter was
 * told something that is so no more does not stay in the chain (change.c): it is made anew,
 * while clients wait, and what it was told stays good until then. */
#include "pool.h"
#include "export-private.h"
#include "scope.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct pools {
    atomic_uint refs;
    size_t count;
    struct pool list[]; /* each with strings of its own */
};

/* ---- those of a configuration ------------------------------------------------ */

void pools_unref(struct pools *p)
{
    if (!p || atomic_fetch_sub(&p->refs, 1) != 1)
        return;
    for (size_t i = 0; i < p->count; i++) {
        free((char *)p->list[i].name);
        free((char *)p->list[i].path);
    }
    free(p);
}

int pools_create(const struct pool *list, size_t count, struct pools **ret)
{
    struct pools *p = calloc(1, sizeof *p + count * sizeof p->list[0]);

    if (!p)
        return -ENOMEM;
    atomic_init(&p->refs, 1);
    for (; p->count < count; p->count++) {
        struct pool *copy = &p->list[p->count];
        copy->name = strdup(list[p->count].name);
        copy->path = strdup(list[p->count].path);
        copy->size = list[p->count].size;
        if (!copy->name || !copy->path) {
            p->count++;
            pools_unref(p);
            return -ENOMEM;
        }
    }
    *ret = p;
    return 0;
}

struct pools *pools_ref(struct pools *p)
{
    if (p)
        atomic_fetch_add(&p->refs, 1);
    return p;
}

const struct pool *pools_find(const struct pools *p, const char *name)
{
    for (size_t i = 0; p && i < p->count; i++)
        if (strcmp(p->list[i].name, name) == 0)
            return &p->list[i];
    return NULL;
}

static bool equal(const struct pool *a, const struct pool *b)
{
    if (!a || !b)
        return a == b;
    return strcmp(a->path, b->path) == 0 && a->size == b->size;
}

bool pools_agree(const struct pools *a, const struct pools *b, const char *name)
{
    return equal(pools_find(a, name), pools_find(b, name));
}

/* ---- those that a filter has asked for ---------------------------------------- */

/* What was told once, and the reference that keeps it good. */
struct told_pool {
    const struct pool *pool;
    struct pools *of;
    struct told_pool *next;
};

void place_take_pools(struct weir_below *b, struct pools *pools)
{
    struct pools *old;

    pools_ref(pools);
    pthread_mutex_lock(&b->export->lock);
    old = b->pools;
    b->pools = pools;
    pthread_mutex_unlock(&b->export->lock);
    pools_unref(old);
}

/* The list only grows: what follows its head can be read without the lock. */
static const struct told_pool *told_so_far(struct weir_below *b)
{
    hold_lock(&b->export->lock);

    return b->told_pools;
}

bool place_suits_pools(struct weir_below *b, const struct pools *pools)
{
    for (const struct told_pool *t = told_so_far(b); t; t = t->next)
        if (!equal(t->pool, pools_find(pools, t->pool->name)))
            return false;
    return true;
}

void place_forget_pools(struct weir_below *b)
{
    while (b->told_pools) {
        struct told_pool *t = b->told_pools;
        b->told_pools = t->next;
        pools_unref(t->of);
        free(t);
    }
    pools_unref(b->pools);
}

/* NULL: there is none.  Uses `fresh` up where it has to be noted. */
static const struct pool *look_up(struct weir_below *b, const char *name, struct told_pool **fresh)
{
    hold_lock(&b->export->lock);

    for (const struct told_pool *t = b->told_pools; t; t = t->next)
        if (strcmp(t->pool->name, name) == 0)
            return t->pool;
    const struct pool *p = pools_find(b->pools, name);
    if (!p)
        return NULL;
    **fresh = (struct told_pool){ p, pools_ref(b->pools), b->told_pools };
    b->told_pools = steal(*fresh);
    return p;
}

int weir_pool(const struct weir_below *below, const char *name, struct weir_pool *ret)
{
    struct weir_below *b = (struct weir_below *)(uintptr_t)below; /* to note what it was told */
    cleanup_free struct told_pool *fresh = malloc(sizeof *fresh);

    *ret = (struct weir_pool){ 0 };
    if (!fresh)
        return -ENOMEM;
    const struct pool *p = look_up(b, name, &fresh);
    if (!p)
        return -ENOENT;
    ret->name = p->name;
    ret->path = p->path;
    ret->size = p->size;
    return 0;
}
