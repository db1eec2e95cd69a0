/* races.c - broken on purpose: what if all requests share one buffer?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "weir-filter.h"

#include <string.h>
#include <time.h>

enum { MOST = 1 << 20 };
static char shared[MOST]; /* the fault: nothing guards it */

static enum weir_verdict down(void *self, struct weir_request *req)
{
    const struct timespec moment = { .tv_nsec = 100000 };

    (void)self;
    if (req->op != WEIR_WRITE || req->length > MOST)
        return WEIR_PASS;
    memcpy(shared, req->data, req->length);
    nanosleep(&moment, NULL);
    if (!weir_bounce(req))
        return weir_fail(req, 12);
    memcpy(req->data, shared, req->length);
    return WEIR_PASS;
}

const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER,       .name = "races",     .version = "1", .summary = "Broken on purpose.",
    .klass = WEIR_CLASS_NONE, .ops = WEIR_ALL_OPS, .down = down,
};
