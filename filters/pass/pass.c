/* pass.c - what is the least that a filter can be?  Copy this folder to begin one.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "weir-filter.h"

static enum weir_verdict pass_down(void *self, struct weir_request *req)
{
    (void)self;
    (void)req;
    return WEIR_PASS;
}

static enum weir_verdict pass_up(void *self, struct weir_request *req)
{
    (void)self;
    (void)req;
    return WEIR_PASS;
}

const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER,       .name = "pass",
    .version = "1",           .summary = "Lets every request through.",
    .klass = WEIR_CLASS_NONE, .ops = WEIR_ALL_OPS,
    .down = pass_down,        .up = pass_up,
};
