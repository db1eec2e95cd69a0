/* two-sites.c - what can happen between two sites, in a world small enough to walk all of it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "two-sites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEAP = 16 };

/* ---- lineages ---------------------------------------------------------------- */

static void give_up(struct world *w, uint8_t versions)
{
    w->acked &= (uint8_t)~versions;
    w->double_acked &= (uint8_t)~versions;
}

static void take_lineage(struct site *s, const struct lineage *l)
{
    memset(s->id, 0, sizeof(s->id));
    memset(s->end, 0, sizeof(s->end));
    s->pasts = (uint8_t)l->count;
    for (unsigned i = 0; i < l->count && i < PASTS; i++) {
        s->id[i] = (uint8_t)l->list[i].id;
        s->end[i] = (uint8_t)l->list[i].end;
    }
}

static void begin(struct world *w, const struct rules *rules, struct site *s, uint8_t end)
{
    struct lineage l = site_lineage(s);

    if (rules->omit & NO_LAG)
        for (unsigned i = 1; i < l.count; i++)
            l.list[i].end = 0; /* so nothing began behind `end` */
    lineage_begin(&l, ++w->next_id, end);
    if (rules->omit & NO_LAG)
        for (unsigned i = 1; i < s->pasts; i++)
            l.list[i + 1].end = s->end[i];
    if (l.count > KEPT)
        l.count = KEPT;
    take_lineage(s, &l);
    s->untold = true;
    if (s == &w->site[1])
        w->by_second[w->next_id / 8] |= (uint8_t)(1 << w->next_id % 8);
}

/* ---- what arrives ------------------------------------------------------------ */

void site_make_durable(struct site *s)
{
    s->durable_lsn = s->lsn;
    s->durable_complete = s->complete;
    s->durable_version = s->version;
    s->durable_whole = s->whole;
    memcpy(s->durable_data, s->data, sizeof(s->data));
    memcpy(s->durable_stage, s->stage, sizeof(s->stage));
    s->dirty &= (uint8_t)~s->got;
    s->got = 0;
}

static void end_session(struct world *w, const struct rules *rules)
{
    if (!w->session)
        return;
    /* the target knows its generation now: to go on alone takes another */
    if (!(rules->omit & NO_BUMP_AGAIN) && (!(rules->omit & NO_BUMP_UNHEARD) || w->session_heard))
        w->site[w->session - 1].degraded = false;
    if (w->queue[0].there)
        w->late = w->queue[0];
    memset(w->queue, 0, sizeof(w->queue));
    w->session = w->session_stale = w->session_lsn = w->session_heard = 0;
}

static void deliver(struct world *w, const struct rules *rules, const struct flight *f)
{
    struct site *to = &w->site[f->to];

    if (!to->up)
        return;
    if (f->stale && !(rules->omit & NO_TOKEN)) {
        if (w->session == 2 - f->to)
            end_session(w, rules); /* EPERM: the source knows now */
        return;
    }
    if (f->lsn <= to->lsn || (f->previous != to->lsn && !(rules->omit & NO_CHAIN)))
        return; /* said twice, or too early */
    to->lsn = f->lsn;
    to->got |= (uint8_t)(1 << f->granule);
    if (rules->omit & NO_SET)
        to->data[f->granule] = f->content;
    to->stage[f->granule] = f->content;
    if (f->part)
        return;
    for (unsigned g = 0; g < GRANULES; g++)
        to->data[g] = to->stage[g] ? to->stage[g] : to->data[g];
    memset(to->stage, 0, sizeof(to->stage));
    to->complete = f->lsn;
    to->version = f->version;
    to->whole = true;
}

unsigned world_queued(const struct world *w)
{
    unsigned n = 0;

    while (n < IN_FLIGHT && w->queue[n].there)
        n++;
    return n;
}

static void send(struct world *w, const struct rules *rules, unsigned site, unsigned granule)
{
    struct site *s = &w->site[site];

    w->queue[world_queued(w)] = (struct flight){
        .there = true,
        .to = (uint8_t)!site,
        .granule = (uint8_t)granule,
        .content = s->data[granule],
        .lsn = s->lsn,
        .part = s->dirty != 0,
        .version = s->version,
        .stale = w->session_stale,
        .previous = w->session_lsn,
    };
    w->session_lsn = s->lsn;
    if (!(rules->omit & EARLY_CLEAR))
        s->unsure |= (uint8_t)(1 << granule);
}

/* ---- what a source does ------------------------------------------------------ */

static bool do_write(struct world *w, const struct rules *rules, unsigned site, unsigned granule)
{
    struct site *s = &w->site[site];
    const uint8_t bit = (uint8_t)(1 << granule);

    if (!s->primary || w->versions > rules->writes || w->versions + 1 >= VERSIONS)
        return false;
    const uint8_t version = ++w->versions;
    w->parent[version] = s->version;
    w->granule[version] = (uint8_t)granule;
    w->lsn[version] = ++s->lsn;
    s->version = version;
    s->data[granule] = version;
    if (s->degraded && w->session == site + 1)
        s->saved_lsn = s->lsn;
    if (w->session != site + 1 || world_queued(w) == IN_FLIGHT)
        s->dirty |= bit;
    else if (!(s->dirty & bit))
        send(w, rules, site, granule);
    if (s->degraded || rules->async)
        w->acked |= (uint8_t)(1 << version);
    return true;
}

static bool do_copy(struct world *w, const struct rules *rules)
{
    if (!w->session)
        return false;
    const unsigned site = w->session - 1u;
    struct site *s = &w->site[site];
    if (!s->dirty || world_queued(w) == IN_FLIGHT)
        return false;
    const unsigned granule = s->dirty & 1 ? 0 : 1;
    s->dirty &= (uint8_t) ~(1 << granule);
    s->lsn++;
    send(w, rules, site, granule);
    return true;
}

static bool do_deliver(struct world *w, const struct rules *rules)
{
    const struct flight first = w->queue[0];

    if (!first.there)
        return false;
    memmove(w->queue, w->queue + 1, sizeof(w->queue) - sizeof(*w->queue));
    w->queue[IN_FLIGHT - 1] = (struct flight){ 0 };
    deliver(w, rules, &first);
    return true;
}

static bool do_late(struct world *w, const struct rules *rules)
{
    const struct flight late = w->late;

    if (!late.there)
        return false;
    w->late = (struct flight){ 0 };
    deliver(w, rules, &late);
    return true;
}

/* The source hears what is durable at the target. */
static bool do_ack(struct world *w, const struct rules *rules, unsigned site)
{
    struct site *t = &w->site[site], *s = &w->site[!site];

    if (w->session != 2 - site || w->session_stale)
        return false;
    w->session_heard = (rules->omit & NO_BUMP_UNHEARD) != 0; /* else nobody looks at it */
    const bool early = rules->omit & NO_DURABLE;
    if (!early)
        site_make_durable(t);
    uint8_t under_way = 0;
    for (unsigned i = 0; i < world_queued(w); i++)
        under_way |= (uint8_t)(1 << w->queue[i].granule);
    s->unsure &= under_way;
    if (t->whole) {
        const uint8_t both = world_way(w, t->version) & world_way(w, s->version);
        w->acked |= both;
        w->double_acked |= both;
    }
    if (!s->dirty && !s->unsure && !world_queued(w))
        s->degraded = false;
    return true;
}

/* It goes on alone: the generation before the first acknowledgement, unless the newest is one that
 * no other site knows. */
static bool do_degrade(struct world *w, const struct rules *rules, unsigned site)
{
    struct site *s = &w->site[site];

    if (!s->primary || s->degraded || w->session == site + 1 || rules->async)
        return false;
    const bool goes_on = s->untold || (rules->omit & NO_TOLD && s->pasts > 1);
    if (!(rules->omit & NO_BUMP) && !goes_on)
        begin(w, rules, s, s->lsn), s->saved_lsn = s->lsn;
    s->degraded = true;
    return true;
}

/* ---- what a target does ------------------------------------------------------ */

static void new_token(struct world *w, unsigned target)
{
    for (unsigned i = 0; i < IN_FLIGHT; i++)
        if (w->queue[i].there && w->queue[i].to == target)
            w->queue[i].stale = true;
    if (w->late.there && w->late.to == target)
        w->late.stale = true;
    if (w->session == 2 - target)
        w->session_stale = true;
}

static bool do_refuse(struct world *w, const struct rules *rules)
{
    if (!w->session)
        return false;
    memset(w->queue, 0, sizeof(w->queue));
    end_session(w, rules);
    return true;
}

static void merge(struct site *s, uint8_t held)
{
    struct lineage l = site_lineage(s);

    lineage_merge(&l, held);
    take_lineage(s, &l);
}

/* The target takes the source, and knows all generations but the newest one, if nobody was told of
 * that: so none of its frames is late any more, and what it holds says which were of no use. */
static void acquire(struct world *w, unsigned target)
{
    struct site *s = &w->site[!target];
    struct lineage l = site_lineage(s);

    new_token(w, target);
    lineage_untell(&l, s->untold);
    take_lineage(&w->site[target], &l);
    s->saved_lsn = s->lsn;
    s->lost_count = false;
}

static bool began_it(const struct world *w, unsigned site, uint8_t id)
{
    return (w->by_second[id / 8] >> id % 8 & 1) == site;
}

/* May it send?  *broken: that was decided wrongly. */
static bool may_flow(const struct world *w, const struct rules *rules, unsigned site, bool known,
                     enum kinship *k, const char **broken)
{
    const struct site *s = &w->site[site], *t = &w->site[!site];
    const struct lineage lived = site_lived(t);

    *k = world_compare(w, rules, site, !site, NULL);
    if (*k == KIN_UNRELATED)
        *broken = "two sites that met are unrelated";
    if (!kinship_flows(*k)) {
        const uint8_t newest = (uint8_t)lived.list[0].id;
        if (lived.count && (site_knows(s, newest) || began_it(w, site, newest)) && known)
            *broken = "a target that began nothing is taken for a fork";
        return false;
    }
    if (world_way(w, t->version) & w->acked & ~world_way(w, s->version))
        *broken = "a source sends to a target that has acknowledged writes which it lacks";
    return true;
}

/* `upto`: how many of the two things that it asks are answered; the second, which tells of a new
 * generation, may have been heard. */
static bool do_meet(struct world *w, const struct rules *rules, unsigned site, unsigned upto,
                    const char **broken)
{
    struct site *s = &w->site[site], *t = &w->site[!site];
    enum kinship k;

    if (!s->up || !s->primary || !t->up || t->primary || !w->link || w->session)
        return false;
    const bool known = !s->lost_count;
    if (s->lost_count)
        s->lsn += LEAP; /* it sends under none that it may have used */
    if (!may_flow(w, rules, site, known, &k, broken))
        return true;
    if (rules->omit & EARLY_MERGE && t->lsn && s->untold)
        merge(s, t->lsn);
    if (!upto && rules->omit & EARLY_MERGE)
        return true;
    acquire(w, !site);
    if (!upto)
        return true;
    if (s->untold && t->lsn && !(rules->omit & NO_MERGE))
        merge(s, t->lsn);
    s->untold = false;
    if (upto == 1) {
        s->degraded = false; /* the target may know it */
        return true;
    }
    const struct lineage l = site_lineage(s);
    take_lineage(t, &l);
    if (k == KIN_NEW)
        s->dirty = ALL;
    s->dirty |= s->unsure | (rules->omit & NO_NEEDS ? 0 : t->dirty);
    s->unsure = 0;
    if (rules->omit & RULE_CLEAR && k == KIN_SAME)
        s->dirty = 0;
    w->session = (uint8_t)(site + 1);
    w->session_lsn = t->lsn;
    return true;
}

/* Its disk is what the source's is up to a version; what it holds beyond is dropped. */
static bool do_promote(struct world *w, const struct rules *rules, unsigned site, bool old,
                       const char **broken)
{
    struct site *t = &w->site[site];

    if (!t->up || t->primary || !t->whole || !t->pasts || (old && t->version < 2))
        return false;
    site_make_durable(t);
    for (unsigned g = 0; g < GRANULES; g++)
        if (t->stage[g] && !(rules->omit & NO_CUT))
            t->dirty |= (uint8_t)(1 << g);
    memset(t->stage, 0, sizeof(t->stage));
    if (old) {
        const uint8_t last = t->version;
        t->dirty |= (uint8_t)(1 << w->granule[last]);
        t->version = w->parent[last];
        t->complete = w->lsn[t->version];
        t->data[w->granule[last]] = world_content(w, t->version, w->granule[last]);
        give_up(w, (uint8_t)(1 << last));
    }
    if (w->double_acked & ~world_way(w, t->version))
        *broken = "a promoted target lacks a write that was acknowledged by both";
    begin(w, rules, t, t->complete);
    t->lsn = t->saved_lsn = t->complete;
    new_token(w, site);
    t->primary = t->degraded = true;
    t->lost_count = false;
    return true;
}

static void become_target(struct site *s)
{
    s->primary = s->degraded = s->untold = false;
    s->dirty |= s->unsure;
    s->unsure = s->got = 0;
    s->complete = s->lsn;
    site_make_durable(s);
}

static bool do_handover(struct world *w, const struct rules *rules)
{
    if (!w->session || w->session_stale)
        return false;
    const unsigned from = w->session - 1u, to = !from;
    struct site *s = &w->site[from], *t = &w->site[to];
    const char *broken = NULL;
    if (s->dirty || s->unsure || world_queued(w) || t->dirty || t->durable_lsn != s->lsn ||
        !t->durable_whole)
        return false;
    if (!do_promote(w, rules, to, false, &broken))
        return false;
    end_session(w, rules);
    s->whole = true;
    become_target(s);
    return true;
}

/* ---- accidents --------------------------------------------------------------- */

static bool do_crash(struct world *w, const struct rules *rules, unsigned site, bool lose)
{
    struct site *s = &w->site[site];

    /* An async source must not lose count: it acknowledges alone in the same generation. */
    if (!s->up || (lose && (!s->primary || rules->async)))
        return false;
    s->up = false;
    if (w->session)
        end_session(w, rules);
    if (s->primary) {
        s->dirty |= s->unsure;
        if (rules->omit & NO_INTENT)
            s->dirty = 0;
        s->unsure = s->degraded = 0;
        s->lost_count |= lose;
        s->lsn = lose ? s->saved_lsn : (uint8_t)(s->lsn + 1); /* or what it had reserved */
        return true;
    }
    s->lsn = s->durable_lsn;
    s->complete = s->durable_complete;
    s->version = s->durable_version;
    s->whole = s->durable_whole;
    memcpy(s->data, s->durable_data, sizeof(s->data));
    memcpy(s->stage, s->durable_stage, sizeof(s->stage));
    s->got = 0;
    return true;
}

/* ---- after a failover -------------------------------------------------------- */

static bool do_follow(struct world *w, const struct rules *rules, unsigned site,
                      const char **broken)
{
    struct site *s = &w->site[site], *t = &w->site[!site];

    if (!s->up || !s->primary || !t->up || !t->primary || !w->link)
        return false;
    if (world_compare(w, rules, site, !site, NULL) != KIN_PROMOTED)
        return false;
    if (world_way(w, s->version) & w->acked & ~world_way(w, t->version))
        *broken = "a source that has acknowledged writes of its own becomes a target, unasked";
    end_session(w, rules);
    s->whole = !s->dirty && !s->unsure;
    become_target(s);
    return true;
}

/* The loser goes back to what both have; what it holds beyond is what it wants to be sent. */
static bool do_discard(struct world *w, const struct rules *rules, unsigned site)
{
    struct site *loser = &w->site[site], *winner = &w->site[!site];
    struct fork fork;

    if (!loser->up || !winner->up || !winner->primary || !w->link ||
        (w->session && !w->session_stale))
        return false;
    if (world_compare(w, rules, !site, site, &fork) != KIN_FORK)
        return false;
    end_session(w, rules);
    struct lineage l = site_lineage(loser);
    while (l.list[0].id != fork.common) {
        memmove(l.list, l.list + 1, --l.count * sizeof(*l.list));
        l.list[0].end = 0;
    }
    take_lineage(loser, &l);
    give_up(w, world_way(w, loser->version) & (uint8_t)~world_way(w, winner->version));
    for (unsigned g = 0; g < GRANULES; g++)
        if (loser->stage[g])
            loser->dirty |= (uint8_t)(1 << g);
    memset(loser->stage, 0, sizeof(loser->stage));
    loser->lsn = (uint8_t)fork.lsn;
    loser->whole = loser->lost_count = false;
    become_target(loser);
    new_token(w, site);
    return true;
}

/* ---- all of it --------------------------------------------------------------- */

static bool try(struct world *w, const struct rules *rules, struct action a, const char **broken)
{
    struct site *s = &w->site[a.site];

    switch ((enum deed)a.deed) {
    case WRITE:
        return s->up && do_write(w, rules, a.site, a.granule);
    case COPY:
        return do_copy(w, rules);
    case DELIVER:
        return do_deliver(w, rules);
    case LATE:
        return do_late(w, rules);
    case SYNC:
        if (!s->up || s->primary)
            return false;
        site_make_durable(s);
        return true;
    case ACK:
        return do_ack(w, rules, a.site);
    case CUT:
    case HEAL:
        if (w->link != (a.deed == CUT))
            return false;
        w->link = !w->link;
        end_session(w, rules);
        return true;
    case REFUSE:
        return do_refuse(w, rules);
    case MEET:
        return do_meet(w, rules, a.site, 2, broken);
    case MISS:
        return do_meet(w, rules, a.site, a.granule, broken);
    case CRASH:
    case LOSE:
        return do_crash(w, rules, a.site, a.deed == LOSE);
    case RESTART:
        return !s->up && (s->up = true);
    case DEGRADE:
        return s->up && do_degrade(w, rules, a.site);
    case PROMOTE:
    case PROMOTE_OLD:
        return do_promote(w, rules, a.site, a.deed == PROMOTE_OLD, broken);
    case HANDOVER:
        return do_handover(w, rules);
    case FOLLOW:
        return do_follow(w, rules, a.site, broken);
    case DISCARD:
        return do_discard(w, rules, a.site);
    case DEEDS:
        break;
    }
    return false;
}

bool world_do(struct world *w, const struct rules *rules, struct action a, const char **broken)
{
    *broken = NULL;
    if (!try(w, rules, a, broken))
        return false;
    for (unsigned i = 0; i < 2; i++)
        if (w->site[i].primary) {
            /* the disk of a source has no set that is not complete */
            struct site *s = &w->site[i];
            const uint8_t dirty = s->dirty;
            s->complete = s->lsn;
            s->whole = true;
            site_make_durable(s);
            s->dirty = dirty;
        }
    return true;
}
