/* scribbles.c - broken on purpose: what if the client'\''s buffer of a write is used as scratch
 * space? SPDX-License-Identifier: BSD-3-Clause */
#include "weir-filter.h"

static enum weir_verdict up(void *self, struct weir_request *req)
{
    (void)self;
    if (req->op == WEIR_WRITE)
        *(unsigned char *)req->data ^= 1;
    return WEIR_PASS;
}

const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER,       .name = "scribbles", .version = "1", .summary = "Broken on purpose.",
    .klass = WEIR_CLASS_NONE, .ops = WEIR_ALL_OPS, .up = up,
};
