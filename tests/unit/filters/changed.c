/* changed.c - which granules of a disk were written since a checkpoint?  The verbs of the filter
 * replication that BASE@changes:ID needs, and nothing else of it.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "weir-filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { GRANULE = 1 << 16, GRANULES = 1024 };

struct changed {
    _Atomic uint64_t epoch;
    _Atomic uint64_t last[GRANULES]; /* the epoch in which it was written */
};

static int checkpoint(void *self, const char *arguments, struct weir_text *answer)
{
    struct changed *c = self;

    (void)arguments;
    weir_print(answer, "%llu\n", (unsigned long long)atomic_fetch_add(&c->epoch, 1) + 1);
    return 0;
}

static int changes(void *self, const char *arguments, struct weir_text *answer)
{
    struct changed *c = self;
    char *end;
    uint64_t since = strtoull(arguments, &end, 10);

    if (!strcmp(arguments, "nonsense")) { /* what a filter must not answer */
        weir_print(answer, "65536 65536\n0 4096\n");
        return 0;
    }
    if (end == arguments || *end || since > atomic_load(&c->epoch)) {
        weir_print(answer, "there is no checkpoint \"%s\"", arguments);
        return -ENOENT;
    }
    for (int i = 0; i < GRANULES; i++)
        if (atomic_load(&c->last[i]) >= since + (since == 0))
            weir_print(answer, "%d %d\n", i * GRANULE, GRANULE);
    return 0;
}

static const struct weir_verb verbs[] = {
    { "checkpoint", "Begins an epoch and prints its number.", checkpoint },
    { "changes", "Prints what was written since an epoch began.", changes },
    { 0 },
};

static int changed_attach(void *self, struct weir_below *below, const void *config,
                          struct weir_text *why)
{
    (void)below;
    (void)config;
    (void)why;
    atomic_store(&((struct changed *)self)->epoch, 1);
    return 0;
}

static enum weir_verdict changed_down(void *self, struct weir_request *req)
{
    struct changed *c = self;

    if (!(WEIR_CHANGES & WEIR_OP(req->op)) || !req->length)
        return WEIR_PASS;
    for (uint64_t i = req->offset / GRANULE; i <= (req->offset + req->length - 1) / GRANULE; i++)
        if (i < GRANULES)
            atomic_store(&c->last[i], atomic_load(&c->epoch));
    return WEIR_PASS;
}

const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER,
    .name = "changed",
    .version = "1",
    .summary = "Knows what was written since a checkpoint.",
    .klass = WEIR_CLASS_REPLICATION,
    .ops = WEIR_ALL_OPS,
    .self_size = sizeof(struct changed),
    .verbs = verbs,
    .attach = changed_attach,
    .down = changed_down,
};
