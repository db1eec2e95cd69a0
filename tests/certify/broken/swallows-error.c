/* swallows-error.c - broken on purpose: what if an error below is not passed on?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "weir-filter.h"

static enum weir_verdict up(void *self, struct weir_request *req)
{
    (void)self;
    return req->op == WEIR_WRITE && req->error ? WEIR_COMPLETE : WEIR_PASS;
}

const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER,
    .name = "swallows-error",
    .version = "1",
    .summary = "Broken on purpose.",
    .klass = WEIR_CLASS_NONE,
    .ops = WEIR_ALL_OPS,
    .up = up,
};
