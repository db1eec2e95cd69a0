/* drops-flush.c - broken on purpose: what if a flush does not go below?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "weir-filter.h"

static enum weir_verdict down(void *self, struct weir_request *req)
{
    (void)self;
    return req->op == WEIR_FLUSH ? WEIR_COMPLETE : WEIR_PASS;
}

const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER,
    .name = "drops-flush",
    .version = "1",
    .summary = "Broken on purpose.",
    .klass = WEIR_CLASS_NONE,
    .ops = WEIR_ALL_OPS,
    .down = down,
};
