/* two-sites-check.c - what is the truth about two sites, and what must be so at any time?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "two-sites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the truth --------------------------------------------------------------- */

/* The versions on the way to this one, as bits. */
uint8_t world_way(const struct world *w, uint8_t version)
{
    uint8_t way = 0;

    for (; version; version = w->parent[version])
        way |= (uint8_t)(1 << version);
    return way;
}

uint8_t world_content(const struct world *w, uint8_t version, unsigned granule)
{
    while (version > 1 && w->granule[version] != granule)
        version = w->parent[version];
    return version;
}

struct lineage site_lineage(const struct site *s)
{
    struct lineage l = { .count = s->pasts };

    for (unsigned i = 0; i < s->pasts; i++)
        l.list[i] = (struct generation){ .id = s->id[i], .end = i ? s->end[i] : 0 };
    return l;
}

/* Generations that began behind what it received it has not lived (plugins/vault/group.c). */
struct lineage site_lived(const struct site *s)
{
    struct lineage l = s->lsn || s->primary ? site_lineage(s) : (struct lineage){ 0 };

    while (!s->primary && l.count > 1 && l.list[1].end >= s->lsn)
        memmove(l.list, l.list + 1, --l.count * sizeof(*l.list));
    return l;
}

bool site_knows(const struct site *s, uint8_t id)
{
    return memchr(s->id, id, s->pasts) != NULL;
}

enum kinship world_compare(const struct world *w, const struct rules *rules, unsigned source,
                           unsigned target, struct fork *fork)
{
    const struct lineage here = site_lineage(&w->site[source]);
    const struct lineage there = site_lived(&w->site[target]);
    enum kinship k = lineage_compare(&here, w->site[source].lsn, &there, w->site[target].lsn, fork);

    if (k == KIN_FORK && rules->omit & NO_LSN) {
        if (site_knows(&w->site[source], there.list[0].id))
            return KIN_BEHIND;
        if (site_knows(&w->site[target], here.list[0].id))
            return KIN_PROMOTED;
    }
    return k;
}

/* ---- what must be so --------------------------------------------------------- */

/* What a site has of a granule, for good. */
static uint8_t holds(const struct site *s, unsigned granule)
{
    return s->durable_stage[granule] ? s->durable_stage[granule] : s->durable_data[granule];
}

static const char *check_site(const struct world *w, const struct site *s)
{
    const struct lineage l = site_lineage(s);
    uint8_t bytes[LINEAGE_BYTES];
    struct lineage back;

    for (unsigned g = 0; g < GRANULES; g++) {
        if (s->whole && s->data[g] != world_content(w, s->version, g))
            return s->primary ? "a primary's disk holds what its clients did not write"
                              : "what a target takes for a state(k) is none";
        if (s->durable_whole && s->durable_data[g] != world_content(w, s->durable_version, g))
            return "what a target's crash leaves is no state(k)";
    }
    lineage_write(&l, bytes);
    return lineage_read(bytes, &back) ? NULL : "a lineage is none";
}

const char *world_check(const struct world *w, const struct rules *rules)
{
    const struct site *a = &w->site[0], *b = &w->site[1];
    const uint8_t known = a->dirty | a->unsure | b->dirty | b->unsure;
    const char *wrong = check_site(w, a);

    (void)rules;
    if (!wrong)
        wrong = check_site(w, b);
    for (unsigned g = 0; g < GRANULES && !wrong; g++)
        if (b->pasts && !(known & 1 << g) && holds(a, g) != holds(b, g))
            wrong = "a granule differs, and no map says so";
    if (wrong || !w->session || w->session_stale || world_queued(w))
        return wrong;
    const struct site *s = &w->site[w->session - 1], *t = &w->site[2 - w->session];
    /* one that is not whole will be with the next frame */
    if (!s->dirty && !s->unsure && t->durable_whole && t->durable_version != s->version)
        return "a source takes a target for equal that is not";
    return NULL;
}

/* ---- for people -------------------------------------------------------------- */

const char *action_name(struct action a, char room[64])
{
    static const char *const names[DEEDS] = {
        "write",   "copy",    "deliver",     "late",     "sync",   "ack",     "cut",
        "heal",    "refuse",  "meet",        "miss",     "crash",  "lose",    "restart",
        "degrade", "promote", "promote-old", "handover", "follow", "discard",
    };

    snprintf(room, 64, "%s site %u granule %u", names[a.deed], a.site, a.granule);
    return room;
}

void world_print(const struct world *w)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct site *s = &w->site[i];
        printf("  site %u:%s%s%s%s lsn %u complete %u version %u data %u,%u stage %u,%u durable "
               "%u,%u dirty %x unsure %x past",
               i, s->up ? " up" : "", s->primary ? " primary" : "", s->degraded ? " degraded" : "",
               s->whole ? " whole" : "", s->lsn, s->complete, s->version, s->data[0], s->data[1],
               s->stage[0], s->stage[1], s->durable_data[0], s->durable_data[1], s->dirty,
               s->unsure);
        for (unsigned k = 0; k < s->pasts; k++)
            printf(" %u(%u)", s->id[k], s->end[k]);
        printf("\n");
    }
    printf("  link %u session %u%s in flight %u late %u acked %x\n", w->link, w->session,
           w->session_stale ? " stale" : "", world_queued(w), w->late.there, w->acked);
}

void world_script(struct world *w, const struct rules *rules, const struct action *list,
                  unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const char *broken = NULL;
        const bool done = world_do(w, rules, list[i], &broken);
        broken = broken ? broken : world_check(w, rules);
        if (done && !broken)
            continue;
        char room[64];
        printf("step %u, %s: %s\n", i, action_name(list[i], room),
               broken ? broken : "cannot be done");
        world_print(w);
        fflush(stdout);
        abort();
    }
}

/* ---- how they begin ---------------------------------------------------------- */

void world_new(struct world *w)
{
    *w = (struct world){ .link = true, .versions = 1, .next_id = 1, .acked = 1 << 1 };
    struct site *s = &w->site[0];
    *s = (struct site){ .up = true,
                        .primary = true,
                        .whole = true,
                        .pasts = 1,
                        .id = { 1 },
                        .version = 1,
                        .data = { 1, 1 },
                        .dirty = ALL };
    site_make_durable(s);
    s->dirty = ALL;
    w->site[1].up = true;
}
