/* resumes-twice.c - broken on purpose: what if a held request is resumed twice?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "weir-filter.h"

static enum weir_verdict down(void *self, struct weir_request *req)
{
    (void)self;
    if (req->op != WEIR_WRITE)
        return WEIR_PASS;
    weir_resume(req, WEIR_PASS);
    weir_resume(req, WEIR_PASS);
    return WEIR_DEFER;
}

const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER,
    .name = "resumes-twice",
    .version = "1",
    .summary = "Broken on purpose.",
    .klass = WEIR_CLASS_NONE,
    .ops = WEIR_ALL_OPS,
    .down = down,
};
