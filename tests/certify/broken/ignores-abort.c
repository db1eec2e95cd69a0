/* ignores-abort.c - broken on purpose: what if what is held is not let go of when abort() says so?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "weir-filter.h"

#include <errno.h>

struct ignores {
    struct weir_below *below;
};

static int attach(void *self, struct weir_below *below, const void *config, struct weir_text *why)
{
    struct ignores *i = self;

    (void)config;
    (void)why;
    i->below = below;
    return 0;
}

static void done(void *arg, int error)
{
    if (error)
        weir_resume_error(arg, error);
    else
        weir_resume(arg, WEIR_COMPLETE);
}

static enum weir_verdict down(void *self, struct weir_request *req)
{
    struct ignores *i = self;

    if (req->op != WEIR_WRITE)
        return WEIR_PASS;
    int r = weir_submit(i->below, req, done, req);
    return r ? weir_fail(req, -r) : WEIR_DEFER;
}

static void ignore(void *self, struct weir_request *req)
{
    (void)self;
    (void)req; /* the fault: it could have copied the data, and let go */
}

const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER,
    .name = "ignores-abort",
    .version = "1",
    .summary = "Broken on purpose.",
    .klass = WEIR_CLASS_NONE,
    .ops = WEIR_ALL_OPS,
    .self_size = sizeof(struct ignores),
    .attach = attach,
    .down = down,
    .abort = ignore,
};
