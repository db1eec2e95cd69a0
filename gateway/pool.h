/* pool.h - which files and devices of this host may filters share?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_POOL_H
#define WEIR_POOL_H

#include "weir-filter.h"

struct pool {
    const char *name, *path; /* path: absolute */
    uint64_t size;           /* bytes; 0: not said */
};

/* All pools of one configuration.  It never changes, and is shared by reference. */
struct pools;
int pools_create(const struct pool *list, size_t count, struct pools **ret); /* copies */
struct pools *pools_ref(struct pools *);                                     /* NULL is fine … */
void pools_unref(struct pools *);                                            /* … everywhere */
const struct pool *pools_find(const struct pools *, const char *name);       /* NULL: none */
/* Do both say the same of `name`? */
bool pools_agree(const struct pools *, const struct pools *, const char *name);

/* What a place in a chain knows of them: from now on `pools`, which it takes a reference of;
 * but what its filter has asked for stays what it was told. */
void place_take_pools(struct weir_below *, struct pools *);
/* Do `pools` still say what its filter was told? */
bool place_suits_pools(struct weir_below *, const struct pools *);
void place_forget_pools(struct weir_below *); /* before it is freed */

#endif
