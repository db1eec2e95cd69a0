/* stores.c - which kinds of store can a datastore name?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stores.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "scope.h"
#include "text.h"

static const struct store_type *const types[] = { &store_file, &store_memory, &store_nbd,
                                                  &store_vault, NULL };

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

int store_identify(struct weir_identity *ret, const char *format, ...)
{
    const size_t room = sizeof ret->name;
    cleanup_free char *name = NULL;
    va_list arguments;

    va_start(arguments, format);
    int length = vasprintf(&name, format, arguments);
    va_end(arguments);
    if (length < 0) {
        name = NULL;
        return -ENOMEM;
    }
    if ((size_t)length < room)
        memcpy(ret->name, name, (size_t)length + 1);
    else
        snprintf(ret->name, room, "%.*s#%016" PRIx64, (int)(room - 18), name, text_hash(name));
    return 0;
}
