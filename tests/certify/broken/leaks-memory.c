/* leaks-memory.c - broken on purpose: what if each attachment leaves memory behind?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "weir-filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct leaks {
    char *table;
};

static int attach(void *self, struct weir_below *below, const void *config, struct weir_text *why)
{
    struct leaks *l = self;

    (void)below;
    (void)config;
    (void)why;
    l->table = malloc(16 << 10);
    if (!l->table)
        return -ENOMEM;
    memset(l->table, 1, 16 << 10);
    return 0;
}

const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER,
    .name = "leaks-memory",
    .version = "1",
    .summary = "Broken on purpose.",
    .klass = WEIR_CLASS_NONE,
    .ops = WEIR_ALL_OPS,
    .self_size = sizeof(struct leaks),
    .attach = attach,
};
