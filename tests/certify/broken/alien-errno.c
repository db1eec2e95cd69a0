/* alien-errno.c - broken on purpose: what if it answers with an errno that NBD does not carry?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "weir-filter.h"

#include <errno.h>

static enum weir_verdict up(void *self, struct weir_request *req)
{
    (void)self;
    return req->error ? weir_fail(req, ECANCELED) : WEIR_PASS;
}

const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER,
    .name = "alien-errno",
    .version = "1",
    .summary = "Broken on purpose.",
    .klass = WEIR_CLASS_NONE,
    .ops = WEIR_ALL_OPS,
    .up = up,
};
