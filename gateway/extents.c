/* extents.c - which parts of a range are data, and which read as zeroes?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "request.h"

#include <errno.h>
#include <stdlib.h>

struct weir_extents {
    size_t count, capacity;
    struct extent {
        uint64_t offset, length;
        uint32_t type;
    } * list;
};

struct weir_extents *weir_extents_create(void)
{
    return calloc(1, sizeof(struct weir_extents));
}

void weir_extents_destroy(struct weir_extents *x)
{
    if (x)
        free(x->list);
    free(x);
}

int weir_add_extent(struct weir_extents *x, uint64_t offset, uint64_t length, uint32_t type)
{
    if (length == 0)
        return 0;
    struct extent *last = x->count ? &x->list[x->count - 1] : NULL;
    if (last && last->type == type && last->offset + last->length == offset) {
        last->length += length;
        return 0;
    }
    if (x->count == x->capacity) {
        size_t capacity = x->capacity ? 2 * x->capacity : 16;
        struct extent *bigger = realloc(x->list, capacity * sizeof *bigger);
        if (!bigger)
            return -ENOMEM;
        x->list = bigger;
        x->capacity = capacity;
    }
    x->list[x->count++] = (struct extent){ offset, length, type };
    return 0;
}

int weir_get_extent(const struct weir_extents *x, size_t index, uint64_t *offset, uint64_t *length,
                    uint32_t *type)
{
    if (index >= x->count)
        return -ENOENT;
    *offset = x->list[index].offset;
    *length = x->list[index].length;
    *type = x->list[index].type;
    return 0;
}

void weir_clear_extents(struct weir_extents *x)
{
    x->count = 0;
}
