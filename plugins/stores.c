/* stores.c - which kinds of store can a datastore name?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stores.h"

#include <string.h>

static const struct store_type *const types[] = { &store_file, &store_memory, &store_nbd, NULL };

const struct store_type *const *store_types(void)
{
    return types;
}

const struct store_type *store_find(const char *type)
{
    for (const struct store_type *const *t = types; *t; t++)
        if (strcmp((*t)->name, type) == 0)
            return *t;
    return NULL;
}
