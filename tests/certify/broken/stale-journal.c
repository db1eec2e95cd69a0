/* stale-journal.c - broken on purpose: what if a journal of old blocks is never retired, and played
 * back after a crash? SPDX-License-Identifier: BSD-3-Clause */
#include "weir-filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 4096, OFTEN = 20 };

struct stale {
    struct weir_below *below;
    _Atomic unsigned writes;
};

/* What is in the journal is taken for the better half of a torn write. */
static int attach(void *self, struct weir_below *below, const void *config, struct weir_text *why)
{
    struct stale *s = self;
    size_t size;
    void *old;

    (void)config;
    (void)why;
    s->below = below;
    int r = weir_state_load(below, "journal", &old, &size);
    if (r)
        return r == -ENOENT ? 0 : r;
    r = weir_write(below, old, size, 0, WEIR_FUA);
    free(old);
    return r;
}

static enum weir_verdict down(void *self, struct weir_request *req)
{
    static const char zeroes[BLOCK]; /* read only */
    struct stale *s = self;

    if (req->op == WEIR_WRITE && atomic_fetch_add(&s->writes, 1) == OFTEN)
        weir_state_save(s->below, "journal", zeroes, sizeof(zeroes));
    return WEIR_PASS;
}

static void detach(void *self)
{
    struct stale *s = self;

    weir_state_remove(s->below, "journal");
}

const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER,
    .name = "stale-journal",
    .version = "1",
    .summary = "Broken on purpose.",
    .klass = WEIR_CLASS_NONE,
    .ops = WEIR_ALL_OPS,
    .self_size = sizeof(struct stale),
    .attach = attach,
    .down = down,
    .detach = detach,
};
