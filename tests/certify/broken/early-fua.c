/* early-fua.c - broken on purpose: what if FUA is acknowledged before it is durable?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "weir-filter.h"

static enum weir_verdict down(void *self, struct weir_request *req)
{
    (void)self;
    req->flags &= ~(uint32_t)WEIR_FUA;
    return WEIR_PASS;
}

const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER,       .name = "early-fua", .version = "1", .summary = "Broken on purpose.",
    .klass = WEIR_CLASS_NONE, .ops = WEIR_ALL_OPS, .down = down,
};
