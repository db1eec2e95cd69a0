/* company.c - with which other filters does a policy put the one that is judged?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include "config/config.h"

#include <string.h>

enum { PROBES = 2 };

/* The first mistake is enough: weirctl check says them all. */
static _Noreturn void refuse(struct kit *k, int r, const struct mistakes *m)
{
    if (!m->count)
        fail(k, "--policy %s: %s", k->policy, strerror(-r));
    const struct mistake *first = m->list;
    if (!first->line)
        fail(k, "%s: %s", first->file, first->sentence);
    fail(k, "%s:%u:%u: %s", first->file, first->line, first->column, first->sentence);
}

void rig_read_policy(struct kit *k)
{
    static struct plan plan; /* of the check's process */
    struct mistakes mistakes = { 0 };
    int r = config_policy_plan(k->policy, &plan, &mistakes);

    if (r)
        refuse(k, r, &mistakes);
    if (plan.count > CHAIN_MAX - PROBES)
        fail(k, "the policy has %zu filters: the kit's probes leave room for %d", plan.count,
             CHAIN_MAX - PROBES);
    while (k->place < plan.count && plan.filter[k->place].library != k->library)
        k->place++;
    if (k->place == plan.count)
        fail(k, "the policy %s has no filter \"%s\"", k->policy, k->name);
    k->company = &plan;
    k->label = plan.filter[k->place].label;
    mistakes_finish(&mistakes);
}
