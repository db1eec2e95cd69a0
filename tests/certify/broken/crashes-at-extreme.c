/* crashes-at-extreme.c - broken on purpose: what if a live option'\''s largest value was never
 * tried? SPDX-License-Identifier: BSD-3-Clause */
#include "weir-filter.h"

struct config {
    int64_t depth;
};

static const struct weir_option options[] = {
    WEIR_OPTION_INT(struct config, depth, .flags = WEIR_LIVE, .fallback = "4", .min = 1, .max = 64,
                    .help = "How many it looks at."),
    { 0 },
};

static void apply(void *self, const void *settings)
{
    const struct config *config = settings;

    (void)self;
    if (config->depth == 64)
        __builtin_trap();
}

const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER,
    .name = "crashes-at-extreme",
    .version = "1",
    .summary = "Broken on purpose.",
    .klass = WEIR_CLASS_NONE,
    .ops = WEIR_ALL_OPS,
    .config_size = sizeof(struct config),
    .options = options,
    .apply = apply,
};
