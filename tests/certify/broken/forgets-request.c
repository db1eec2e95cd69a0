/* forgets-request.c - broken on purpose: what if a request that is held when the disk is drained is
 * forgotten? SPDX-License-Identifier: BSD-3-Clause */
#include "weir-filter.h"

struct forgets {
    atomic_bool draining;
};

static enum weir_verdict up(void *self, struct weir_request *req)
{
    struct forgets *f = self;

    return req->op != WEIR_FLUSH && atomic_load(&f->draining) ? WEIR_DEFER : WEIR_PASS;
}

static int drain(void *self, bool begin, struct weir_text *why)
{
    struct forgets *f = self;

    (void)why;
    atomic_store(&f->draining, begin);
    return 0;
}

const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER,
    .name = "forgets-request",
    .version = "1",
    .summary = "Broken on purpose.",
    .klass = WEIR_CLASS_NONE,
    .ops = WEIR_ALL_OPS,
    .self_size = sizeof(struct forgets),
    .up = up,
    .drain = drain,
};
