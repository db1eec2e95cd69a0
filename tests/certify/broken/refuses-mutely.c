/* refuses-mutely.c - broken on purpose: what if a value is refused, and nobody is told why?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "weir-filter.h"

#include <errno.h>

struct mute_config {
    int64_t depth;
};

static const struct weir_option options[] = {
    WEIR_OPTION_INT(struct mute_config, depth, .fallback = "8", .min = 1, .max = 64,
                    .help = "How deep."),
    { 0 },
};

static int check(const void *config, struct weir_text *why)
{
    const struct mute_config *c = config;

    (void)why;
    return c->depth > 32 ? -EINVAL : 0;
}

const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER,
    .name = "refuses-mutely",
    .version = "1",
    .summary = "Broken on purpose.",
    .klass = WEIR_CLASS_NONE,
    .ops = WEIR_ALL_OPS,
    .config_size = sizeof(struct mute_config),
    .options = options,
    .check = check,
};
