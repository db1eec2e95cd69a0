/* together.h - which exports can only change at once?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_CONFIG_TOGETHER_H
#define WEIR_CONFIG_TOGETHER_H

#include "configuration.h"

/* For each export of `new` the index of the first one that it changes with, mostly its own.
 * `apply`: whose chain changes at all.  NULL: no memory.  The caller frees. */
size_t *together_make(const struct configuration *old, const struct configuration *new,
                      const bool *apply);

/* Those of `new` that change with the first one, or all alone. */
struct together {
    const struct configuration *exports; /* `new` */
    const bool *apply;
    const size_t *with; /* of together_make() */
    size_t first;
};
/* Gives all of them the plans of `c`, or none; *failed: the name of the one that refuses. */
int together_apply(const struct together *, const struct configuration *c, const char **failed,
                   struct weir_text *why);

#endif
