/* leaks-descriptor.c - broken on purpose: what if each attachment leaves a descriptor open?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "weir-filter.h"

#include <errno.h>
#include <fcntl.h>

static int attach(void *self, struct weir_below *below, const void *config, struct weir_text *why)
{
    (void)self;
    (void)below;
    (void)config;
    (void)why;
    return open("/dev/null", O_RDONLY | O_CLOEXEC) < 0 ? -errno : 0;
}

const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER,       .name = "leaks-descriptor",
    .version = "1",           .summary = "Broken on purpose.",
    .klass = WEIR_CLASS_NONE, .ops = WEIR_ALL_OPS,
    .attach = attach,
};
