/* two-sites-walk.c - which histories of two sites are there, up to a length?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "two-sites-walk.h"

#include "frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node {
    struct world world;
    uint32_t before;
    struct action action;
    uint8_t depth;
};

struct walk {
    struct node *node;
    uint32_t count, room;
    uint32_t *slot; /* 1 + node; 0: free */
    uint32_t slots; /* a power of two */
};

static void *allocated(void *p)
{
    if (!p)
        abort();
    return p;
}

static uint32_t *slot_of(struct walk *k, const struct world *w)
{
    uint32_t at = (uint32_t)digest_of(w, sizeof(*w)) & (k->slots - 1);

    while (k->slot[at] && memcmp(&k->node[k->slot[at] - 1].world, w, sizeof(*w)) != 0)
        at = (at + 1) & (k->slots - 1);
    return &k->slot[at];
}

static void grow(struct walk *k)
{
    k->room = k->room ? k->room * 2 : 1 << 14;
    k->node = allocated(realloc(k->node, k->room * sizeof(*k->node)));
    free(k->slot);
    k->slots = k->room * 2;
    k->slot = allocated(calloc(k->slots, sizeof(*k->slot)));
    for (uint32_t i = 0; i < k->count; i++)
        *slot_of(k, &k->node[i].world) = i + 1;
}

/* False: it was seen. */
static bool add(struct walk *k, const struct world *w, uint32_t before, struct action a,
                unsigned depth)
{
    if (k->count == k->room)
        grow(k);
    uint32_t *slot = slot_of(k, w);
    if (*slot)
        return false;
    k->node[k->count] =
        (struct node){ .world = *w, .before = before, .action = a, .depth = (uint8_t)depth };
    *slot = ++k->count;
    return true;
}

static void tell(const struct walk *k, uint32_t from, const struct action *last,
                 struct history *ret)
{
    ret->count = k->node[from].depth;
    for (uint32_t at = from; k->node[at].depth; at = k->node[at].before)
        ret->action[k->node[at].depth - 1] = k->node[at].action;
    if (last)
        ret->action[ret->count++] = *last;
}

/* Those that do not differ by site or granule are done once. */
static bool is_spare(struct action a)
{
    switch (a.deed) {
    case WRITE:
    case MISS:
        return false;
    case COPY:
    case DELIVER:
    case LATE:
    case CUT:
    case HEAL:
    case HANDOVER:
    case REFUSE:
        return a.site || a.granule;
    default:
        return a.granule;
    }
}

/* What can follow from one state.  True: something is broken, or was reached. */
static bool step(struct walk *k, uint32_t from, const struct rules *rules,
                 bool (*reached)(const struct world *), struct history *ret)
{
    for (unsigned i = 0; i < DEEDS * 2 * GRANULES; i++) {
        const struct action a = { (uint8_t)(i / (2 * GRANULES)), i / GRANULES % 2, i % GRANULES };
        struct world w = k->node[from].world;
        if (is_spare(a) || !world_do(&w, rules, a, &ret->broken))
            continue;
        if (!ret->broken)
            ret->broken = world_check(&w, rules);
        if (ret->broken || (reached && reached(&w))) {
            tell(k, from, &a, ret);
            return true;
        }
        add(k, &w, from, a, k->node[from].depth + 1u);
    }
    return false;
}

void history_walk(const struct world *start, const struct rules *rules, unsigned depth,
                  bool (*reached)(const struct world *), struct history *ret)
{
    struct walk k = { 0 };

    *ret = (struct history){ .depth = depth };
    add(&k, start, 0, (struct action){ 0 }, 0);
    for (uint32_t at = 0; at < k.count && k.node[at].depth < depth; at++)
        if (step(&k, at, rules, reached, ret)) {
            ret->depth = k.node[at].depth;
            break;
        }
    ret->states = k.count;
    free(k.node);
    free(k.slot);
}

void history_print(const struct world *start, const struct rules *rules,
                   const struct history *history)
{
    struct world w = *start;
    const char *broken;
    char room[64];

    world_print(&w);
    for (unsigned i = 0; i < history->count; i++) {
        printf("%u. %s\n", i + 1, action_name(history->action[i], room));
        world_do(&w, rules, history->action[i], &broken);
        world_print(&w);
    }
    printf("%s\n", history->broken ? history->broken : "reached");
}
