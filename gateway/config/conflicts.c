/* conflicts.c - which filters may an export not have together, for all that their makers know?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Manifests say it (weir-package(5)), each of its own filter, so one of two is enough. */
#include "../scope.h"
#include "../text.h"
#include "configuration.h"
#include "installed.h"

#include <errno.h>
#include <string.h>

static void take_manifest(const struct policy_filter *f, struct manifest *ret)
{
    cleanup_free char *real = loader_real(f->library);

    /* one of no package, or whose manifest cannot be read, knows of no conflict */
    if (real)
        manifest_of(real, ret);
}

static bool conflicts(const struct manifest *m, const struct policy_filter *with)
{
    return manifest_relation(&m->conflicts, with->library->filter.name);
}

static void judge(const struct policy *p, const struct manifest *all, size_t i, size_t k,
                  const struct reader *r)
{
    const struct policy_filter *a = &p->filter[i], *b = &p->filter[k];
    const size_t who = conflicts(&all[i], b) ? i : k;

    if (who == i || conflicts(&all[k], a))
        report_value(r->report, r->source, key_find(a->group, "filter"),
                     "filter \"%s\" may not be in one chain with filter \"%s\" of line %u, as the "
                     "package of \"%s\" (version %s by %s) says: remove one of them",
                     a->library->filter.name, b->library->filter.name,
                     spot_of(b->group)->value.line, all[who].name, all[who].version,
                     all[who].vendor);
}

void conflicts_check(const struct policy *p, const struct reader *r)
{
    struct manifest *all = p->count > 1 ? calloc(p->count, sizeof *all) : NULL;

    if (p->count > 1 && !all)
        report_memory(r->report);
    for (size_t i = 0; all && i < p->count; i++)
        take_manifest(&p->filter[i], &all[i]);
    for (size_t i = 0; all && i < p->count; i++)
        for (size_t k = 0; k < i; k++)
            judge(p, all, i, k, r);
    for (size_t i = 0; all && i < p->count; i++)
        manifest_finish(&all[i]);
    free(all);
}
