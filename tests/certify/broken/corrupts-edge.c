/* corrupts-edge.c - broken on purpose: what if a write that ends one byte after a block loses that
 * byte? SPDX-License-Identifier: BSD-3-Clause */
#include "weir-filter.h"

static enum weir_verdict down(void *self, struct weir_request *req)
{
    (void)self;
    if (req->op == WEIR_WRITE && req->length > 1 && (req->offset + req->length) % 512 == 1)
        req->length--;
    return WEIR_PASS;
}

const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER,
    .name = "corrupts-edge",
    .version = "1",
    .summary = "Broken on purpose.",
    .klass = WEIR_CLASS_NONE,
    .ops = WEIR_ALL_OPS,
    .down = down,
};
